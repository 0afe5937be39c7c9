package agent

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/test/proof"
)

// TestLease: a DHCP client gets an address in a network of its own, and the agent says of it what the server noted. The
// client's files are in a view of the file system that the test has alone.
func TestLease(t *testing.T) {
	proof.NeedRoot(t)
	proof.NeedPrograms(t, "ip", "dnsmasq", "dhclient", "unshare", "mount", "sh")
	here, there := newNamespace(t, "client"), newNamespace(t, "dhcp")
	run(t, "ip", "link", "add", "lan0", "netns", string(here), "type", "veth", "peer", "name", "lan0", "netns", string(there))
	there.run(t, "ip", "address", "add", "192.0.2.1/24", "dev", "lan0")
	for _, n := range []namespace{here, there} {
		n.run(t, "ip", "link", "set", "lan0", "up")
	}
	leases := filepath.Join(t.TempDir(), "leases")
	server := startLine(t, "dnsmasq", nil, there.command("dnsmasq", "--keep-in-foreground", "--log-facility=-", "--port=0", "--interface=lan0", "--bind-interfaces",
		"--dhcp-range=192.0.2.50,192.0.2.60,1h", "--dhcp-option=option:dns-server,192.0.2.53", "--dhcp-leasefile="+leases, "--user=root", "--pid-file=", "--conf-file=/dev/null"))
	proof.Eventually(t, "the DHCP server is there", func() bool { return strings.Contains(server.said.String(), "started") })

	script := `set -e
mount -t tmpfs tmpfs /var/lib; mount -t tmpfs tmpfs /run; mkdir -p /var/lib/dhcp
: >/run/resolv.conf; mount --bind /run/resolv.conf "$(readlink -f /etc/resolv.conf)"
trap 'kill $(cat /run/dhclient.pid)' EXIT
dhclient -1 -4 -pf /run/dhclient.pid -lf /var/lib/dhcp/dhclient.lan0.leases lan0 >&2
"$@"`
	r := onceBy(t, here.command("unshare", "--mount", "sh", "-c", script, "sh", "muster-agent", "once", "--json", "--settings", os.DevNull, "--state", t.TempDir())...)
	adapters := r.SOH.OSInfo[0].Adapters
	if len(adapters) != 1 {
		t.Fatalf("the adapters are %+v", adapters)
	}
	a := adapters[0]
	noted, err := os.ReadFile(leases) // when it ends, whose it is, the address
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(noted))
	ends := time.Unix(whole(t, f[0]), 0)
	equal(t, "whose the lease is", a.MAC, f[1])
	if !slices.Equal(a.IPv4, []string{f[2]}) || !slices.Equal(a.DNS, []string{"192.0.2.53"}) {
		t.Errorf("the address is %s, and the agent says %v with the name servers %v", f[2], a.IPv4, a.DNS)
	}
	if a.DHCP == nil || !*a.DHCP {
		t.Errorf("DHCP is %v: %s", a.DHCP, r.unread("adapter.lan0.dhcp"))
	}
	equal(t, "DHCP server", a.DHCPServer, "192.0.2.1")
	equal(t, "gateway", a.Gateway, "192.0.2.1")
	if off := a.DHCPExpires.Sub(ends).Abs(); off > 5*time.Second || a.DHCPExpires.Sub(a.DHCPObtained) != time.Hour {
		t.Errorf("the lease ends at %v, and the agent says %v, and that it began at %v", ends, a.DHCPExpires, a.DHCPObtained)
	}
}
