package agent

import (
	"strings"
	"testing"

	"muster/test/proof"
)

// TestNeighbours: a printer without an agent becomes a device of the server's by being seen, where the account wants that,
// and not before.
func TestNeighbours(t *testing.T) {
	proof.NeedPrograms(t, "curl")
	here, printer := newNamespace(t, "agent"), newNamespace(t, "printer")
	join(t, here, printer, "lan0", "192.0.2.17/24", "192.0.2.50/24")
	// An address of a maker's, as printers have; those that machines make up name nobody.
	const address = "00:1b:a9:00:00:50"
	printer.run(t, "ip", "link", "set", "lan0", "address", address)
	here.run(t, "ip", "neighbour", "replace", "192.0.2.50", "lladdr", address, "dev", "lan0", "nud", "reachable")
	s := serve(t, here, "127.0.0.1:8080")
	a := startAgent(t, here, s, "", "--report-every", "2s")
	proof.Eventually(t, "the agent has reported", func() bool { return a.status().Verdict != "" })
	if list := s.muster("device", "list"); strings.Contains(list, "unknown") {
		t.Fatalf("neighbours are listed though nobody asked for them:\n%s", list)
	}
	s.muster("account", "settings", "set", "agents.discover_neighbours=true")
	proof.Eventually(t, "the printer is listed", func() bool {
		here.run(t, "ip", "neighbour", "replace", "192.0.2.50", "lladdr", address, "dev", "lan0", "nud", "reachable")
		return strings.Contains(s.muster("device", "list"), "unknown")
	})
	if shown := s.muster("device", "show", address); !strings.Contains(shown, address) {
		t.Errorf("the printer is shown as\n%s", shown)
	}
}
