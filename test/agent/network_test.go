package agent

import (
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"muster/test/proof"
)

// shownLink is what `ip -json -details address` shows.
type shownLink struct {
	Name      string `json:"ifname"`
	Type      string `json:"link_type"`
	Address   string
	Permanent string `json:"permaddr"`
	State     string `json:"operstate"`
	Flags     []string
	Bus       string `json:"parentbus"`
	Addresses []struct {
		Local      string
		Bits       int   `json:"prefixlen"`
		Valid      int64 `json:"valid_life_time"`
		Deprecated bool
		Tentative  bool
		Failed     bool `json:"dadfailed"`
	} `json:"addr_info"`
}

func shownLinks(t *testing.T, in namespace) map[string]shownLink {
	t.Helper()
	var all []shownLink
	if err := json.Unmarshal([]byte(in.run(t, "ip", "-json", "-details", "address")), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]shownLink{}
	for _, l := range all {
		out[l.Name] = l
	}
	return out
}

// shownGateway gives the gateway of the best default route over an adapter.
func shownGateway(t *testing.T, in namespace, adapter string) string {
	t.Helper()
	for _, family := range []string{"-4", "-6"} {
		var routes []struct {
			Gateway string
			Metric  int
		}
		if err := json.Unmarshal([]byte(in.run(t, "ip", "-json", family, "route", "show", "default", "dev", adapter)), &routes); err != nil {
			t.Fatal(err)
		}
		slices.SortStableFunc(routes, func(a, b struct {
			Gateway string
			Metric  int
		}) int {
			return a.Metric - b.Metric
		})
		if len(routes) > 0 {
			return routes[0].Gateway
		}
	}
	return ""
}

// sameAdapters compares every field of the adapters in a report with what ip, and the file of name servers, show.
func sameAdapters(t *testing.T, in namespace, r *machineReport, names ...string) {
	t.Helper()
	var got []string
	for _, a := range r.SOH.OSInfo[0].Adapters {
		got = append(got, a.Description)
	}
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("the adapters are %v, and the agent says %v", names, got)
	}
	links := shownLinks(t, in)
	servers := strings.Fields(in.run(t, "awk", `$1 == "nameserver" {print $2}`, "/etc/resolv.conf"))
	for _, a := range r.SOH.OSInfo[0].Adapters {
		l, ok := links[a.Description]
		if !ok {
			t.Errorf("there is no adapter %s", a.Description)
			continue
		}
		what := "of " + l.Name + ": "
		if l.Type == "ether" {
			equal(t, what+"MAC", a.MAC, l.Address)
		} else {
			equal(t, what+"MAC", a.MAC, "")
		}
		equal(t, what+"enabled", a.Enabled, slices.Contains(l.Flags, "UP"))
		equal(t, what+"connected", a.MediaState == "connected", slices.Contains(l.Flags, "LOWER_UP") && l.State != "DOWN")
		equal(t, what+"gateway", a.Gateway, shownGateway(t, in, l.Name))
		sameAddresses(t, what, &a, &l, servers)
		sameDHCP(t, what, r, &a, &l)
	}
}

func sameAddresses(t *testing.T, what string, a *reportedAdapter, l *shownLink, servers []string) {
	t.Helper()
	var four, six, masks, bits []string
	beyond := false
	for _, shown := range l.Addresses {
		at, err := netip.ParseAddr(shown.Local)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case shown.Deprecated || shown.Tentative || shown.Failed:
			continue
		case at.Is4():
			four, bits = append(four, shown.Local), append(bits, strconv.Itoa(shown.Bits))
		default:
			six = append(six, shown.Local)
		}
		beyond = beyond || !at.IsLinkLocalUnicast()
	}
	for _, m := range a.Masks {
		ones, _ := net.IPMask(net.ParseIP(m.Mask).To4()).Size()
		masks = append(masks, strconv.Itoa(ones))
	}
	for family, lists := range map[string][2][]string{"IPv4": {a.IPv4, four}, "IPv6": {a.IPv6, six}, "bits of masks": {masks, bits}} {
		slices.Sort(lists[0])
		slices.Sort(lists[1])
		if !slices.Equal(lists[0], lists[1]) {
			t.Errorf("%s%s: the agent says %v, and it has %v", what, family, lists[0], lists[1])
		}
	}
	if !beyond {
		servers = nil
	}
	if !slices.Equal(a.DNS, servers) && !slices.Contains(servers, "127.0.0.53") {
		t.Errorf("%sname servers: the agent says %v, and they are %v", what, a.DNS, servers)
	}
}

// sameDHCP: an address that ends is from a lease. Whether one that does not was set by hand only a client's notes can tell.
func sameDHCP(t *testing.T, what string, r *machineReport, a *reportedAdapter, l *shownLink) {
	t.Helper()
	const forever = 1<<32 - 1
	four, ends := false, false
	for _, shown := range l.Addresses {
		if strings.Contains(shown.Local, ".") && !shown.Deprecated {
			four, ends = true, ends || shown.Valid != forever
		}
	}
	why := r.unread("adapter." + l.Name + ".dhcp")
	switch {
	case !four && (a.DHCP != nil || !strings.HasPrefix(why, "not_applicable")):
		t.Errorf("%sDHCP without an address: %v, %s", what, a.DHCP, why)
	case ends && (a.DHCP == nil || !*a.DHCP):
		t.Errorf("%sits address ends, and DHCP is %v: %s", what, a.DHCP, why)
	case four && !ends && a.DHCP == nil && !strings.HasPrefix(why, "unreadable"):
		t.Errorf("%sDHCP is told neither way, and not why: %s", what, why)
	}
}

// TestAdapters: those of the machine itself, with their burnt-in addresses.
func TestAdapters(t *testing.T) {
	proof.NeedPrograms(t, "ip", "awk", "ethtool")
	r := ofMachine(t)
	var names []string
	for name, l := range shownLinks(t, "") {
		used := slices.ContainsFunc(l.Addresses, func(a struct {
			Local      string
			Bits       int   `json:"prefixlen"`
			Valid      int64 `json:"valid_life_time"`
			Deprecated bool
			Tentative  bool
			Failed     bool `json:"dadfailed"`
		}) bool {
			return !netip.MustParseAddr(a.Local).IsLinkLocalUnicast()
		})
		if l.Bus != "" || used && l.Type != "loopback" && shownGateway(t, "", name) != "" {
			names = append(names, name)
		}
	}
	sameAdapters(t, "", r, names...)
	for _, a := range r.SOH.OSInfo[0].Adapters {
		shown, ok := ask(t, "ethtool", "--show-permaddr", a.Description)
		_, permanent, _ := strings.Cut(shown, "Permanent address: ")
		if !ok || permanent == "not set" || permanent == "00:00:00:00:00:00" {
			permanent = ""
		}
		equal(t, "the burnt-in address of "+a.Description, a.PermanentMAC, permanent)
	}
}

// TestAdaptersOfNamespace: a network with a cable, a bridge that leads out and one for containers, and a tunnel; then its
// addresses change, and the report with them.
func TestAdaptersOfNamespace(t *testing.T) {
	proof.NeedPrograms(t, "ip", "awk")
	here, there := newNamespace(t, "here"), newNamespace(t, "there")
	ip := func(args ...string) { here.run(t, "ip", args...) }
	join(t, here, there, "lan0", "192.0.2.17/24", "192.0.2.1/24")
	ip("address", "add", "2001:db8::17/64", "dev", "lan0", "nodad")
	ip("address", "add", "192.0.2.18/24", "dev", "lan0", "valid_lft", "3600", "preferred_lft", "0")
	ip("route", "add", "default", "via", "192.0.2.1", "dev", "lan0", "metric", "100")
	ip("route", "add", "default", "via", "192.0.2.2", "dev", "lan0", "metric", "200")
	// A bridge with two containers, which are none of the machine's adapters, and another that leads to the gateway.
	for _, bridge := range []struct{ name, address string }{{"docker0", "172.17.0.1/16"}, {"br0", "198.51.100.17/24"}} {
		ip("link", "add", bridge.name, "type", "bridge")
		ip("address", "add", bridge.address, "dev", bridge.name)
		ip("link", "set", bridge.name, "up")
	}
	for _, end := range []struct{ name, bridge string }{{"veth1", "docker0"}, {"veth2", "docker0"}, {"port0", "br0"}} {
		ip("link", "add", end.name, "type", "veth", "peer", "name", end.name, "netns", string(there))
		there.run(t, "ip", "link", "set", end.name, "up")
		ip("link", "set", end.name, "master", end.bridge, "up")
	}
	ip("-6", "route", "add", "default", "via", "fe80::1", "dev", "br0")
	ip("tuntap", "add", "dev", "vpn0", "mode", "tun")
	ip("address", "add", "10.8.0.2/32", "dev", "vpn0")
	ip("link", "set", "vpn0", "up")
	settled(t, here)
	sameAdapters(t, here, once(t, here), "lan0", "br0", "vpn0")

	// Another MAC, an address from a lease, no route, and the cable is pulled; the tunnel ends.
	ip("link", "set", "lan0", "address", "02:00:5e:00:53:17")
	ip("address", "delete", "192.0.2.17/24", "dev", "lan0")
	ip("address", "add", "192.0.2.99/25", "dev", "lan0", "valid_lft", "3600", "preferred_lft", "3600")
	ip("link", "delete", "vpn0")
	there.run(t, "ip", "link", "set", "lan0", "down")
	settled(t, here)
	r := once(t, here)
	sameAdapters(t, here, r, "lan0", "br0")
	for _, a := range r.SOH.OSInfo[0].Adapters {
		if a.Description == "lan0" && (a.MAC != "02:00:5e:00:53:17" || a.MediaState != "disconnected" || a.Gateway != "" || len(a.Masks) != 1 || a.Masks[0].Mask != "255.255.255.128") {
			t.Errorf("after the change it says %+v", a)
		}
	}
}

// settled waits until no address is on trial, and the kernel has drawn all that follows from what became of a cable: it takes
// up to a second until an adapter counts as connected or not, and only then gets an address of the link.
func settled(t *testing.T, in namespace) {
	t.Helper()
	proof.Eventually(t, "the adapters have settled", func() bool {
		for _, l := range shownLinks(t, in) {
			carrier, connected := slices.Contains(l.Flags, "LOWER_UP"), l.State == "UP" || l.State == "UNKNOWN"
			if slices.Contains(l.Flags, "UP") && carrier != connected {
				return false
			}
			for _, a := range l.Addresses {
				if a.Tentative {
					return false
				}
			}
		}
		return true
	})
}

// TestNameServersOfResolved: where the machine asks itself, the servers behind it are told. The files are put in place in a
// view that the test has alone.
func TestNameServersOfResolved(t *testing.T) {
	proof.NeedRoot(t)
	proof.NeedPrograms(t, "unshare", "mount", "sh", "ip")
	here, there := newNamespace(t, "resolved"), newNamespace(t, "beyond")
	join(t, here, there, "lan0", "192.0.2.17/24", "192.0.2.1/24")
	index := strings.TrimSpace(here.run(t, "cat", "/sys/class/net/lan0/ifindex"))
	stub := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(stub, []byte("nameserver 127.0.0.53\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	script := `set -e
mount --bind "$0" "$(readlink -f /etc/resolv.conf)"
mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/resolve/netif /run/systemd/netif/leases
echo 'nameserver 203.0.113.1' >/run/systemd/resolve/resolv.conf
printf 'LLMNR=yes\nSERVERS=192.0.2.53 2001:db8::53\n' >/run/systemd/resolve/netif/` + index + `
printf 'ADDRESS=192.0.2.17\nSERVER_ADDRESS=192.0.2.1\nLIFETIME=3600\n' >/run/systemd/netif/leases/` + index + `
exec "$@"`
	r := onceBy(t, here.command("unshare", "--mount", "sh", "-c", script, stub, "muster-agent", "once", "--json", "--settings", os.DevNull, "--state", t.TempDir())...)
	a := r.SOH.OSInfo[0].Adapters
	if len(a) != 1 || !slices.Equal(a[0].DNS, []string{"192.0.2.53", "2001:db8::53"}) || a[0].DHCP == nil || !*a[0].DHCP {
		t.Errorf("the adapters are %+v", a)
	}
}
