package fleet_test

import (
	"testing"

	"muster/internal/gears"
	"muster/internal/posture"
	"muster/tools/fleet"
)

// TestFindings reads what the machines report besides products, as the server does.
func TestFindings(t *testing.T) {
	links := make(map[string]string)
	var lacking, infected, phones int
	machines := fleet.Demo(start).Machines
	for n := range 1000 {
		machines = append(machines, fleet.Random(7, n, start))
	}
	for _, m := range machines {
		r, err := gears.Decode(m.Report("id", start))
		if err != nil {
			t.Fatalf("%s: %v", m.HostName, err)
		}
		checkNetwork(t, m, r)
		mobile := m.OS.Family == "android" || m.OS.Family == "iOS"
		linux := m.OS.Family == "linux"
		if got := len(r.Processes) > 0; got != linux {
			t.Errorf("%s (%s) lists %d processes", m.HostName, m.OS.Family, len(r.Processes))
		}
		if got := r.PatchesKnown; got == (linux || mobile) {
			t.Errorf("%s (%s) looks for missing patches: %v", m.HostName, m.OS.Family, got)
		}
		waiting := max(m.Health.Pending, m.Health.Security)
		if r.PatchesKnown && ((waiting > 0) != (len(r.MissingPatches) > 0) || len(r.MissingPatches) > waiting) {
			t.Errorf("%s has %d updates waiting and lacks %d", m.HostName, waiting, len(r.MissingPatches))
		}
		if (r.Engine == "") != mobile {
			t.Errorf("%s has the engine %q", m.HostName, r.Engine)
		}
		if r.LinkedID != "" && (!mobile || links[r.LinkedID] != "") {
			t.Errorf("%s has the link %s of %q", m.HostName, r.LinkedID, links[r.LinkedID])
		}
		links[r.LinkedID] = m.HostName
		lacking, infected = lacking+min(1, len(r.MissingPatches)), infected+min(1, len(r.Threats))
		if mobile {
			phones++
		}
	}
	linked := len(links) - 1
	if lacking < 100 || infected < 10 || infected > 100 || linked < 10 || linked > phones/2 {
		t.Errorf("%d lack patches, %d had a threat, %d of %d phones are linked", lacking, infected, linked, phones)
	}
}

func checkNetwork(t *testing.T, m *fleet.Machine, r *posture.Report) {
	t.Helper()
	mobile := m.OS.Family == "android" || m.OS.Family == "iOS"
	for i := range r.Adapters {
		a := &r.Adapters[i]
		if up := m.Adapters[i].Up && !mobile; (a.SubnetMask != "" && a.Gateway != "" && len(a.DNS) == 1) != up {
			t.Errorf("%s: %+v", m.HostName, a)
		}
		if a.DHCP == posture.Yes && !a.DHCPExpires.After(start) {
			t.Errorf("the lease of %s ended on %v", m.HostName, a.DHCPExpires)
		}
	}
}
