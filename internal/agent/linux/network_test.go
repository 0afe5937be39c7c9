package linux

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
	"muster/internal/agent/host/hosttest"
	"muster/internal/posture"
)

var equalAddresses = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func mac(t *testing.T, s string) posture.MAC {
	t.Helper()
	m, ok := posture.ParseMAC(s)
	if !ok {
		t.Fatalf("%q is no address", s)
	}
	return m
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestAdaptersOfTheMachine(t *testing.T) {
	t.Parallel()
	h := hosttest.Load(t, "testdata/network.txtar")
	var s collect.Snapshot
	if err := network(h).Collect(t.Context(), &s); err != nil {
		t.Fatal(err)
	}
	none := collect.DoesNotApply[posture.MAC]("the adapter has no burnt-in address")
	noGateway := collect.DoesNotApply[netip.Addr]("no default route leads over the adapter")
	noDNS := collect.DoesNotApply[[]netip.Addr]("the adapter has no address that leads beyond its link")
	noIPv4 := collect.DoesNotApply[collect.DHCP]("the adapter has no IPv4 address")
	noClient := collect.CouldNotReadf[collect.DHCP]("no known DHCP client, nor another that sets addresses")
	dns := collect.Known([]netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("2001:db8::53")})
	want := collect.Known([]collect.Adapter{
		{
			Name: "br0", MAC: mac(t, "02:00:5e:10:00:02"), HasMAC: true, PermanentMAC: none, Enabled: true, Connected: true,
			Addresses: prefixes("198.51.100.7/24", "fe80::5eff:fe10:2/64"), Gateway: collect.Known(netip.MustParseAddr("198.51.100.1")), DNS: dns, DHCP: noClient,
		},
		{
			Name: "eth0", MAC: mac(t, "02:00:5e:10:00:01"), HasMAC: true, PermanentMAC: none, Enabled: true, Connected: true,
			Addresses: prefixes("192.0.2.10/24", "2001:db8::10/64", "fe80::5eff:fe10:1/64"), Gateway: collect.Known(netip.MustParseAddr("192.0.2.1")), DNS: dns,
			DHCP: collect.Known(collect.DHCP{Enabled: true}),
		},
		{
			Name: "eth1", MAC: mac(t, "02:00:5e:10:00:02"), HasMAC: true, PermanentMAC: none, Enabled: true, Connected: true,
			Addresses: prefixes("fe80::5eff:fe10:2/64"),
			Gateway:   noGateway, DNS: noDNS, DHCP: noIPv4,
		},
		{
			Name: "vpn0", PermanentMAC: none, Enabled: true, Addresses: prefixes("10.8.0.2/32"), Gateway: noGateway, DNS: dns, DHCP: noClient,
		},
		{
			Name: "wlan0", MAC: mac(t, "02:00:5e:10:00:03"), HasMAC: true, PermanentMAC: none, Gateway: noGateway, DNS: noDNS, DHCP: noIPv4,
		},
	})
	if diff := cmp.Diff(want, s.Adapters, equalAddresses); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsAnAdapter(t *testing.T) {
	t.Parallel()
	address4 := []address{{prefix: netip.MustParsePrefix("192.0.2.10/24"), settled: true}}
	local := []address{{prefix: netip.MustParsePrefix("fe80::1/64"), settled: true}, {prefix: netip.MustParsePrefix("169.254.3.4/16"), settled: true}}
	leads := []route{{gateway: netip.MustParseAddr("192.0.2.1")}}
	for name, c := range map[string]struct {
		link      link
		other     link // another one of the machine
		addresses []address
		routes    []route
		physical  []int
		want      bool
	}{
		"physical, down":              {link: link{index: 2}, physical: []int{2}, want: true},
		"a container's own":           {link: link{index: 2, kind: "veth", up: true, elsewhere: true}, addresses: address4, want: true},
		"the other end of it":         {link: link{index: 2, kind: "veth", up: true, elsewhere: true}, addresses: local},
		"virtual, down":               {link: link{index: 2, kind: "dummy"}, addresses: address4},
		"a port of a bridge":          {link: link{index: 2, kind: "veth", up: true, master: 3}, other: link{index: 3, kind: "bridge"}, addresses: address4},
		"a part of a virtual router":  {link: link{index: 2, kind: "veth", up: true, master: 3}, other: link{index: 3, kind: "vrf"}, addresses: address4, want: true},
		"a physical port of a bridge": {link: link{index: 2, up: true, master: 3}, other: link{index: 3, kind: "bridge"}, physical: []int{2}, want: true},
		"a bridge that leads nowhere": {link: link{index: 2, kind: "bridge", up: true}, other: link{index: 3, kind: "veth", master: 2}, addresses: address4},
		"a bridge with an adapter":    {link: link{index: 2, kind: "bridge", up: true}, other: link{index: 3, master: 2}, physical: []int{3}, want: true},
		"a bridge with a bond":        {link: link{index: 2, kind: "bridge", up: true}, other: link{index: 3, kind: "bond", master: 2}, want: true},
		"a bridge that leads out":     {link: link{index: 2, kind: "openvswitch", up: true}, addresses: address4, routes: leads, want: true},
		"a bond":                      {link: link{index: 2, kind: "bond", up: true}, want: true},
		"a VPN":                       {link: link{index: 2, kind: "wireguard", up: true}, addresses: address4, want: true},
		"loopback with an address":    {link: link{index: 2, up: true, loopback: true}, addresses: address4},
		"an address that is on trial": {link: link{index: 2, kind: "vlan", up: true}, addresses: []address{{prefix: netip.MustParsePrefix("192.0.2.10/24")}}},
	} {
		n := &net{links: []link{c.link, c.other}, addresses: map[int][]address{2: c.addresses}, routes: map[int][]route{2: c.routes}, physical: map[int]bool{}}
		for _, index := range c.physical {
			n.physical[index] = true
		}
		if got := n.isAdapter(&c.link); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestNeighboursThatAreThere(t *testing.T) {
	t.Parallel()
	h := hosttest.Load(t, "testdata/network.txtar")
	var s collect.Snapshot
	if err := neighbours(h).Collect(t.Context(), &s); err != nil {
		t.Fatal(err)
	}
	want := collect.Known([]collect.Neighbour{
		{MAC: mac(t, "02:00:5e:20:00:01"), Address: netip.MustParseAddr("192.0.2.1"), Adapter: "eth0"},
		{MAC: mac(t, "02:00:5e:20:00:02"), Address: netip.MustParseAddr("192.0.2.2"), Adapter: "eth0"},
		{MAC: mac(t, "02:00:5e:20:00:01"), Address: netip.MustParseAddr("2001:db8::1"), Adapter: "eth0"},
	})
	if diff := cmp.Diff(want, s.Neighbours, equalAddresses); diff != "" {
		t.Error(diff)
	}
}

func TestNeighboursThatAreNone(t *testing.T) {
	t.Parallel()
	header := func(index uint32, state uint16) []byte {
		return append(binary.NativeEndian.AppendUint16(append([]byte{familyIPv4, 0, 0, 0}, uint32s(index)...), state), 0, 0)
	}
	one := func(index uint32, state uint16, mac ...byte) []byte {
		return message(28, header(index, state), attribute(neighbourAddress, []byte{192, 0, 2, byte(state)}), attribute(neighbourMAC, mac))
	}
	links := append(message(16, linkHeader(hardwareEther, 2, flagUp), attribute(linkName, []byte("eth0\x00"))),
		message(16, linkHeader(hardwareEther, 3, flagUp), attribute(linkName, []byte("docker0\x00")), attribute(linkInfo, attribute(infoKind, []byte("bridge\x00"))))...)
	var raw []byte
	for _, m := range [][]byte{
		one(2, reachable, 2, 0, 0, 0, 0, 1), one(2, stale, 1, 0, 0x5e, 0, 0, 1), one(2, delay), one(2, probe, 0, 0, 0, 0, 0, 0), one(2, 0x20, 2, 0, 0, 0, 0, 3),
		one(3, reachable, 2, 0, 0, 0, 0, 4), one(2, 0x80, 2, 0, 0, 0, 0, 5), one(2, reachable, 2, 0, 0, 0, 0, 6, 7, 8),
	} {
		raw = append(raw, m...)
	}
	h := hosttest.Of(t, "-- file sys/class/net/eth0/device --\n")
	h.Netlink = func(request uint16) ([]byte, error) {
		return map[uint16][]byte{getLink: links, getNeighbour: raw}[request], nil
	}
	got, err := machine{h}.neighbours()
	want := []collect.Neighbour{{MAC: posture.MAC{2, 0, 0, 0, 0, 1}, Address: netip.MustParseAddr("192.0.2.2"), Adapter: "eth0"}}
	if diff := cmp.Diff(want, got, equalAddresses); diff != "" || err != nil {
		t.Errorf("%v: %s", err, diff)
	}
}

func TestNetworkThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]*host.Host{
		"no netlink": hosttest.Of(t, ""),
		"refused": {Files: hosttest.Of(t, "").Files, Netlink: func(uint16) ([]byte, error) {
			return nil, errors.New("operation not permitted")
		}},
		"nonsense": {Files: hosttest.Of(t, "").Files, Netlink: func(uint16) ([]byte, error) {
			return []byte{40, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, nil
		}},
	} {
		if got, err := (machine{h}).adapters(); err == nil {
			t.Errorf("%s: adapters %v", name, got)
		}
		if got, err := (machine{h}).neighbours(); err == nil {
			t.Errorf("%s: neighbours %v", name, got)
		}
	}
}

// message and attribute build what the kernel would say.
func message(kind uint16, header []byte, attributes ...[]byte) []byte {
	body := header
	for _, a := range attributes {
		body = append(body, a...)
	}
	out := binary.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
	out = binary.NativeEndian.AppendUint16(out, kind)
	out = append(append(out, make([]byte, 10)...), body...)
	return append(out, make([]byte, -len(out)&3)...)
}

func attribute(kind uint16, value []byte) []byte {
	out := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	out = append(binary.NativeEndian.AppendUint16(out, kind), value...)
	return append(out, make([]byte, -len(out)&3)...)
}

func uint32s(n ...uint32) []byte {
	var out []byte
	for _, v := range n {
		out = binary.NativeEndian.AppendUint32(out, v)
	}
	return out
}

func linkHeader(hardware uint16, index, flags uint32) []byte {
	out := binary.NativeEndian.AppendUint16(make([]byte, 2), hardware)
	return append(out, uint32s(index, flags, 0)...)
}

func TestPermanentAddress(t *testing.T) {
	t.Parallel()
	random, burntIn := []byte{0x4a, 1, 2, 3, 4, 5}, []byte{0x3c, 0x28, 0x6d, 1, 2, 3}
	for name, c := range map[string]struct {
		permanent []byte
		kernel    string
		device    bool
		want      collect.Fact[posture.MAC]
	}{
		"another than the one in use": {burntIn, "6.8.0-48-generic", true, collect.Known(posture.MAC(burntIn))},
		"the same":                    {random, "6.8.0", true, collect.Known(posture.MAC(random))},
		"none":                        {nil, "6.8.0", true, collect.DoesNotApply[posture.MAC]("the adapter has no burnt-in address")},
		"of zeros":                    {make([]byte, 6), "5.6", true, collect.DoesNotApply[posture.MAC]("the adapter has no burnt-in address")},
		"longer":                      {make([]byte, 20), "6.8", true, collect.DoesNotApply[posture.MAC]("the adapter has no burnt-in address")},
		"an old kernel":               {nil, "5.4.0-200-generic", true, collect.CouldNotReadf[posture.MAC]("needs Linux 5.6 or later")},
		"an older one":                {nil, "4.18.0-553.el8_10.x86_64", true, collect.CouldNotReadf[posture.MAC]("needs Linux 5.6 or later")},
		"a virtual adapter there":     {nil, "4.18.0", false, collect.DoesNotApply[posture.MAC]("the adapter has no burnt-in address")},
	} {
		recording := "-- file proc/sys/kernel/osrelease --\n" + c.kernel + "\n"
		if c.device {
			recording += "-- file sys/class/net/wlan0/device --\n"
		}
		h := hosttest.Of(t, recording)
		link := message(16, linkHeader(hardwareEther, 2, flagUp), attribute(linkName, []byte("wlan0\x00")), attribute(linkAddress, random), attribute(linkPermanent, c.permanent))
		if c.permanent == nil {
			link = message(16, linkHeader(hardwareEther, 2, flagUp), attribute(linkName, []byte("wlan0\x00")), attribute(linkAddress, random))
		}
		addr := message(20, append([]byte{familyIPv4, 24, 0, 0}, uint32s(2)...), attribute(addressLocal, []byte{192, 0, 2, 9}))
		h.Netlink = func(request uint16) ([]byte, error) { return map[uint16][]byte{18: link, 22: addr}[request], nil }
		got, err := machine{h}.adapters()
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
		if got[0].MAC != posture.MAC(random) || got[0].PermanentMAC != c.want {
			t.Errorf("%s: %v, permanent %+v, want %+v", name, got[0].MAC, got[0].PermanentMAC, c.want)
		}
	}
}

func TestDefaultRoutes(t *testing.T) {
	t.Parallel()
	header := func(family, bits, table, kind byte) []byte {
		return []byte{family, bits, 0, 0, table, 0, 0, kind, 0, 0, 0, 0}
	}
	hop := func(index uint32, gateway []byte) []byte {
		a := attribute(routeGateway, gateway)
		out := binary.NativeEndian.AppendUint16(nil, uint16(8+len(a)))
		return append(append(append(out, 0, 0), uint32s(index)...), a...)
	}
	one, two := []byte{192, 0, 2, 1}, []byte{192, 0, 2, 2}
	six := netip.MustParseAddr("fe80::1").As16()
	var raw []byte
	for _, m := range [][]byte{
		message(24, header(familyIPv4, 0, mainTable, unicast), attribute(routeOut, uint32s(2)), attribute(routeGateway, one), attribute(routePriority, uint32s(600))),
		message(24, header(familyIPv4, 0, mainTable, unicast), attribute(routeOut, uint32s(2)), attribute(routeGateway, two), attribute(routePriority, uint32s(100))),
		message(24, header(familyIPv6, 0, mainTable, unicast), attribute(routeOut, uint32s(2)), attribute(routeGateway, six[:])),
		message(24, header(familyIPv6, 0, mainTable, unicast), attribute(routeOut, uint32s(3)), attribute(routeGateway, six[:])),
		message(24, header(familyIPv4, 0, 0, unicast), attribute(routeTable, uint32s(mainTable)), attribute(routeHops, append(hop(4, one), hop(5, two)...))),
		message(24, header(familyIPv4, 0, mainTable, unicast), attribute(routeOut, uint32s(6))), // a line with one other end
		message(24, header(familyIPv4, 0, mainTable, unicast), attribute(routeOut, uint32s(7)), attribute(routeVia, append([]byte{familyIPv6, 0}, six[:]...))),
		message(24, header(familyIPv4, 8, mainTable, unicast), attribute(routeOut, uint32s(8)), attribute(routeGateway, one)),
		message(24, header(familyIPv4, 0, 100, unicast), attribute(routeOut, uint32s(9)), attribute(routeGateway, one)),
		message(24, header(familyIPv4, 0, mainTable, 6), attribute(routeOut, uint32s(10)), attribute(routeGateway, one)), // a black hole
	} {
		raw = append(raw, m...)
	}
	all, err := parseRoutes(raw)
	if err != nil {
		t.Fatal(err)
	}
	n := &net{routes: map[int][]route{}}
	for _, r := range all {
		n.routes[r.index] = append(n.routes[r.index], r)
	}
	for index, want := range map[int]string{2: "192.0.2.2", 3: "fe80::1", 4: "192.0.2.1", 5: "192.0.2.2", 6: "", 7: "fe80::1", 8: "", 9: "", 10: ""} {
		got := n.gateway(index)
		if want == "" && got.State != collect.NotApplicable || want != "" && (got.State != collect.IsKnown || got.Value.String() != want) {
			t.Errorf("the gateway of adapter %d is %+v, want %q", index, got, want)
		}
	}
	n.routesErr = errors.New("too many")
	if got := n.gateway(2); got.State != collect.Unreadable {
		t.Errorf("without routes: %+v", got)
	}
}

func TestNameServers(t *testing.T) {
	t.Parallel()
	const stub = "-- file etc/resolv.conf --\nnameserver 127.0.0.53\noptions edns0\n"
	for name, c := range map[string]struct {
		recording string
		want      []string
		state     collect.State
	}{
		"resolved, of the adapter": {stub + "-- file run/systemd/resolve/resolv.conf --\nnameserver 192.0.2.1\nnameserver 198.51.100.1\n" +
			"-- file run/systemd/resolve/netif/2 --\n# This is private data. Do not parse.\nLLMNR=yes\nSERVERS=192.0.2.1 [2001:db8::1]:53 192.0.2.2#dns.example fe80::1%eth0\n", []string{"192.0.2.1", "2001:db8::1", "192.0.2.2", "fe80::1"}, collect.IsKnown},
		"resolved with networkd": {stub + "-- file run/systemd/resolve/resolv.conf --\nnameserver 198.51.100.1\n" +
			"-- file run/systemd/netif/links/2 --\nADMIN_STATE=configured\nDNS=192.0.2.1 192.0.2.2\n", []string{"192.0.2.1", "192.0.2.2"}, collect.IsKnown},
		"resolved, of the machine": {stub + "-- file run/systemd/resolve/resolv.conf --\nnameserver 198.51.100.1\n", []string{"198.51.100.1"}, collect.IsKnown},
		"dnsmasq":                  {"-- file etc/resolv.conf --\nnameserver 127.0.0.1\n-- file run/NetworkManager/no-stub-resolv.conf --\nnameserver 192.0.2.7\n", []string{"192.0.2.7"}, collect.IsKnown},
		"its own":                  {"-- file etc/resolv.conf --\nnameserver 127.0.0.1\n", []string{"127.0.0.1"}, collect.IsKnown},
		"none":                     {"-- file etc/resolv.conf --\n# nothing\n", nil, collect.NotApplicable},
		"no file":                  {"", nil, collect.NotApplicable},
		"denied":                   {"-- denied etc/resolv.conf --\n", nil, collect.Unreadable},
	} {
		m := machine{hosttest.Of(t, c.recording)}
		got := m.dns(m.resolver(), 2, true)
		var addresses []string
		for _, a := range got.Value {
			addresses = append(addresses, a.String())
		}
		if diff := cmp.Diff(c.want, addresses); diff != "" || got.State != c.state {
			t.Errorf("%s: %+v\n%s", name, got, diff)
		}
	}
}

// The second lease of dhclient, that of systemd-networkd and what NetworkManager 1.42 notes were recorded on Debian 12, and
// moved to another address and time.
const (
	dhclientLeases = `
lease {
  interface "eth0";
  fixed-address 192.0.2.99;
  option dhcp-server-identifier 192.0.2.254;
  expire 5 2026/11/20 12:00:00;
}
lease {
  interface "eth0";
  fixed-address 192.0.2.10;
  option subnet-mask 255.255.255.0;
  option routers 192.0.2.1;
  option dhcp-lease-time 86400;
  option dhcp-message-type 5;
  option domain-name-servers 192.0.2.53;
  option dhcp-server-identifier 192.0.2.1;
  option dhcp-renewal-time 43200;
  option broadcast-address 192.0.2.255;
  option dhcp-rebinding-time 75600;
  renew 1 2026/11/30 16:50:52;
  rebind 2 2026/12/01 03:00:00;
  expire 2 2026/12/01 06:00:00;
}
`
	networkdLease = "# This is private data. Do not parse.\nADDRESS=192.0.2.10\nNETMASK=255.255.255.0\nROUTER=192.0.2.1\nSERVER_ADDRESS=192.0.2.1\n" +
		"NEXT_SERVER=192.0.2.1\nBROADCAST=192.0.2.255\nT1=43200\nT2=75600\nLIFETIME=86400\nDNS=192.0.2.53\nHOSTNAME=vm\n"
	managerState = `[device]
managed=true
perm-hw-addr-fake=CA:64:3A:40:42:B2
connection-uuid=5f2a6c1e-0000-4000-8000-000000000001
nm-owned=false
route-metric-default-effective=100
next-server=192.0.2.1

[dhcp4]
dhcp4.broadcast_address=192.0.2.255
dhcp4.dhcp_client_identifier=01:ca:64:3a:40:42:b2
dhcp4.dhcp_lease_time=86400
dhcp4.dhcp_server_identifier=192.0.2.1
dhcp4.domain_name_servers=192.0.2.53
dhcp4.expiry=1796104800
dhcp4.host_name=vm
dhcp4.ip_address=192.0.2.10
dhcp4.routers=192.0.2.1
dhcp4.subnet_mask=255.255.255.0
`
)

func TestDHCP(t *testing.T) {
	t.Parallel()
	server := netip.MustParseAddr("192.0.2.1")
	obtained, expires := time.Date(2026, 11, 30, 6, 0, 0, 0, time.UTC), time.Date(2026, 12, 1, 6, 0, 0, 0, time.UTC)
	full := collect.Known(collect.DHCP{Enabled: true, Server: server, Obtained: obtained, Expires: expires})
	message := make([]byte, 240, 300)
	copy(message[16:], []byte{192, 0, 2, 10})
	copy(message[236:], []byte{99, 130, 83, 99})
	// The options as dhcpcd keeps them.
	message = append(message, 53, 1, 5, 0, 54, 4, 192, 0, 2, 1, 51, 4, 0, 1, 0x51, 0x80, 255)
	for name, c := range map[string]struct {
		recording string
		permanent bool
		want      collect.Fact[collect.DHCP]
	}{
		"dhclient of Debian":        {"-- file var/lib/dhcp/dhclient.eth0.leases --" + dhclientLeases, true, full},
		"dhclient of Red Hat":       {"-- file var/lib/dhclient/dhclient-5f2a-eth0.lease --" + dhclientLeases, true, full},
		"networkd":                  {"-- file run/systemd/netif/leases/2 --\n" + networkdLease, false, collect.Known(collect.DHCP{Enabled: true, Server: server})},
		"NetworkManager":            {"-- file run/NetworkManager/devices/2 --\n" + managerState, false, full},
		"dhcpcd":                    {"-- file var/lib/dhcpcd/eth0.lease --\n" + string(message), false, collect.Known(collect.DHCP{Enabled: true, Server: server, Obtained: hosttest.Now.Add(-time.Hour), Expires: hosttest.Now.Add(23 * time.Hour)})},
		"a lease of another":        {"-- file var/lib/dhcp/dhclient.eth1.leases --\n" + "lease {\n  interface \"eth1\";\n  fixed-address 192.0.2.10;\n}\n", true, collect.CouldNotReadf[collect.DHCP]("no known DHCP client, nor another that sets addresses")},
		"a lease that ended":        {"-- file var/lib/dhcp/dhclient.leases --\nlease {\n interface \"eth0\";\n fixed-address 192.0.2.10;\n expire 1 2026/11/30 11:59:59;\n}\n", true, collect.CouldNotReadf[collect.DHCP]("no known DHCP client, nor another that sets addresses")},
		"a lease of other days":     {"-- file var/lib/dhcp/dhclient.leases --\nlease {\n interface \"eth0\";\n fixed-address 192.0.2.77;\n}\n", true, collect.CouldNotReadf[collect.DHCP]("no known DHCP client, nor another that sets addresses")},
		"the kernel knows it ends":  {"", false, collect.Known(collect.DHCP{Enabled: true})},
		"set by networkd":           {"-- file run/systemd/netif/links/2 --\nADMIN_STATE=configured\n", true, collect.Known(collect.DHCP{})},
		"networkd keeps away":       {"-- file run/systemd/netif/links/2 --\nADMIN_STATE=unmanaged\n", true, collect.CouldNotReadf[collect.DHCP]("no known DHCP client, nor another that sets addresses")},
		"set by NetworkManager":     {"-- file run/NetworkManager/devices/2 --\n[device]\nmanaged=true\nconnection-uuid=5f2a\n", true, collect.Known(collect.DHCP{})},
		"NetworkManager keeps away": {"-- file run/NetworkManager/devices/2 --\n[device]\nmanaged=false\nconnection-uuid=5f2a\n", true, collect.CouldNotReadf[collect.DHCP]("no known DHCP client, nor another that sets addresses")},
		"options by their names":    {"-- file run/NetworkManager/devices/2 --\n" + strings.ReplaceAll(managerState, "dhcp4.", ""), false, full},
		"ifupdown, by hand":         {"-- file etc/network/interfaces --\nauto eth0\niface eth0 inet static\n  address 192.0.2.10/24\niface eth0 inet6 auto\n", true, collect.Known(collect.DHCP{})},
		"ifupdown, by a client":     {"-- file etc/network/interfaces.d/eth0 --\niface eth0 inet dhcp\n", true, collect.Known(collect.DHCP{Enabled: true})},
		"nothing known":             {"", true, collect.CouldNotReadf[collect.DHCP]("no known DHCP client, nor another that sets addresses")},
	} {
		m := machine{hosttest.Of(t, c.recording)}
		got := m.dhcpClients().of(&link{index: 2, name: "eth0"}, []address{
			{prefix: netip.MustParsePrefix("2001:db8::10/64"), settled: true},
			{prefix: netip.MustParsePrefix("192.0.2.10/24"), settled: true, permanent: c.permanent},
		})
		if diff := cmp.Diff(c.want, got, equalAddresses); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func FuzzNetlink(f *testing.F) {
	h := hosttest.Load(f, "testdata/network.txtar")
	for _, request := range []uint16{getLink, getAddress, getRoute, getNeighbour} {
		raw, err := h.Netlink(request)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw[:min(len(raw), 4096)])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		h := hosttest.Of(t, "")
		h.Netlink = func(uint16) ([]byte, error) { return raw, nil }
		adapters, err := machine{h}.adapters()
		if err != nil && adapters != nil {
			t.Errorf("%v and %v", adapters, err)
		}
		for _, a := range adapters {
			if a.Name == "" || a.HasMAC == (a.MAC == posture.MAC{}) {
				t.Errorf("adapter %+v", a)
			}
			for _, p := range a.Addresses {
				if !p.IsValid() {
					t.Errorf("address %v", p)
				}
			}
		}
		_, _ = machine{h}.neighbours() // only that it ends
	})
}

func FuzzLeases(f *testing.F) {
	f.Add([]byte(dhclientLeases))
	f.Add([]byte(networkdLease))
	f.Add([]byte(managerState))
	f.Add([]byte("iface eth0 inet dhcp\nnameserver 127.0.0.53\nSERVERS=[::1]:53 1.2.3.4#x\n"))
	f.Add(append(append(make([]byte, 236), 99, 130, 83, 99), 54, 4, 1, 2, 3, 4, 51, 4, 0, 0, 1, 0, 255))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, l := range parseDhclient(raw) {
			if l.adapter == "" || !l.address.IsValid() {
				t.Errorf("lease %+v", l)
			}
		}
		if l, ok := parseDhcpcd(raw, hosttest.Now); ok && !l.address.Is4() {
			t.Errorf("lease %+v", l)
		}
		if l, ok := parseNetworkd(raw); ok && !l.address.IsValid() {
			t.Errorf("lease %+v", l)
		}
		if l, ok := leaseOfNetworkManager(parseINI(raw)["dhcp4"]); ok && !l.address.IsValid() {
			t.Errorf("lease %+v", l)
		}
		parseInterfaces(raw, map[string]string{})
		if n := len(parseResolvConf(raw)); n > maxServers {
			t.Errorf("%d servers", n)
		}
		if n := len(parseServers(string(raw))); n > maxServers {
			t.Errorf("%d servers", n)
		}
	})
}
