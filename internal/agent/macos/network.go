package macos

import (
	"cmp"
	"context"
	"errors"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/common"
	"muster/internal/agent/host"
	"muster/internal/posture"
)

// network collects the network adapters.
func (m *machine) network(ctx context.Context, s *collect.Snapshot) error {
	out, err := m.h.Run(ctx, "ifconfig", "-a")
	if err != nil {
		s.Adapters = collect.CouldNotRead[[]collect.Adapter](err)
		return nil
	}
	all := parseIfconfig(out)
	ports, portsErr := m.hardwarePorts(ctx, all)
	gateways, gatewaysErr := m.gateways(ctx)
	servers, serversErr := m.nameServers(ctx)
	found := make([]collect.Adapter, 0, len(all))
	for _, a := range all {
		permanent, isPort := ports[a.name]
		if !isPort && !hasOwnAddress(a.addresses) {
			continue // for AirDrop, bridges, tunnels that nobody uses: they come and go, some with an address by chance
		}
		one := collect.Adapter{
			Name: a.name, MAC: a.mac, HasMAC: a.hasMAC, Addresses: a.addresses, Enabled: a.up, Connected: a.connected(),
			PermanentMAC: permanentMAC(permanent, portsErr), DNS: collect.Of(servers[a.name], serversErr),
			DHCP: collect.Of(m.dhcp(ctx, a)),
		}
		if at, ok := gateways[a.name]; ok || gatewaysErr != nil {
			one.Gateway = collect.Of(at, gatewaysErr)
		} else {
			one.Gateway = collect.DoesNotApply[netip.Addr]("the adapter has no gateway")
		}
		found = append(found, one)
	}
	slices.SortFunc(found, func(a, b collect.Adapter) int { return strings.Compare(a.Name, b.Name) })
	s.Adapters = collect.Known(found)
	return nil
}

func permanentMAC(text string, err error) collect.Fact[posture.MAC] {
	if err != nil {
		return collect.CouldNotRead[posture.MAC](err)
	}
	if mac, ok := posture.ParseMAC(text); ok {
		return collect.Known(mac)
	}
	return collect.DoesNotApply[posture.MAC]("no address is burnt into the adapter")
}

func hasOwnAddress(all []netip.Prefix) bool {
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Addr().IsGlobalUnicast() })
}

// link is an adapter as ifconfig shows it.
type link struct {
	name      string
	mac       posture.MAC
	hasMAC    bool
	up        bool
	running   bool
	status    string // "" where there is none to tell
	addresses []netip.Prefix
}

func (l link) connected() bool { return l.status == "active" || l.status == "" && l.running }

// parseIfconfig reads what `ifconfig -a` prints. The loopback is left out, and so are addresses on their way out.
func parseIfconfig(out []byte) []link {
	var all []link
	var current *link
	for line := range strings.Lines(string(out)) {
		if line[0] != '\t' && line[0] != ' ' {
			current = nil
			name, rest, ok := strings.Cut(line, ": flags=")
			if !ok || name == "" {
				continue
			}
			_, flags, _ := strings.Cut(rest, "<")
			flags, _, _ = strings.Cut(flags, ">")
			set := strings.Split(flags, ",")
			if slices.Contains(set, "LOOPBACK") {
				continue
			}
			all = append(all, link{name: collect.Plain(name), up: slices.Contains(set, "UP"), running: slices.Contains(set, "RUNNING")})
			current = &all[len(all)-1]
			continue
		}
		if current != nil {
			current.read(strings.Fields(line))
		}
	}
	for i := range all {
		slices.SortFunc(all[i].addresses, func(a, b netip.Prefix) int {
			return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
		})
	}
	return all
}

func (l *link) read(words []string) {
	if len(words) < 2 {
		return
	}
	switch words[0] {
	case "ether":
		l.mac, l.hasMAC = posture.ParseMAC(words[1])
	case "status:":
		l.status = strings.Join(words[1:], " ")
	case "inet", "inet6":
		at, err := netip.ParseAddr(words[1])
		if err != nil || slices.Contains(words, "deprecated") || slices.Contains(words, "tentative") || slices.Contains(words, "duplicated") {
			return
		}
		if width, ok := prefixLength(words, at.BitLen()); ok {
			l.addresses = append(l.addresses, netip.PrefixFrom(at.WithZone(""), width))
		}
	}
}

// prefixLength reads `netmask 0xffffff00` or `prefixlen 64`.
func prefixLength(words []string, most int) (int, bool) {
	for i, w := range words[:len(words)-1] {
		switch w {
		case "prefixlen":
			n, err := strconv.Atoi(words[i+1])
			return n, err == nil && n >= 0 && n <= most
		case "netmask":
			mask, err := strconv.ParseUint(words[i+1], 0, 32)
			n := bits.LeadingZeros32(^uint32(mask))
			return n, err == nil && n <= most && uint32(mask)<<n == 0
		}
	}
	return 0, false
}

// hardwarePorts gives the burnt-in address of each adapter that is built in or plugged in, "" for one without. They are
// listed anew when adapters come or go.
func (m *machine) hardwarePorts(ctx context.Context, all []link) (map[string]string, error) {
	var names strings.Builder
	for _, l := range all {
		names.WriteString(l.name + " ")
	}
	if m.ports != nil && m.portsFor == names.String() {
		return m.ports, nil
	}
	out, err := m.h.Run(ctx, "networksetup", "-listallhardwareports")
	if err != nil {
		return nil, err
	}
	m.ports, m.portsFor = parsePorts(out), names.String()
	return m.ports, nil
}

// parsePorts reads what `networksetup -listallhardwareports` prints.
func parsePorts(out []byte) map[string]string {
	ports := map[string]string{}
	device := ""
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); name {
		case "Hardware Port":
			device = ""
		case "Device":
			if device = value; device != "" {
				ports[device] = ""
			}
		case "Ethernet Address":
			if _, ok := posture.ParseMAC(value); ok && device != "" {
				ports[device] = value
			}
		}
	}
	return ports
}

func (m *machine) gateways(ctx context.Context) (map[string]netip.Addr, error) {
	out, err := m.h.Run(ctx, "netstat", "-rn")
	if err != nil {
		return nil, err
	}
	return parseRoutes(out)
}

// parseRoutes gives the default gateway of each adapter, that for IPv4 before that for IPv6, of what `netstat -rn` prints.
// Before macOS 10.15 there are more columns than after it.
func parseRoutes(out []byte) (map[string]netip.Addr, error) {
	gateways := map[string]netip.Addr{}
	column := -1
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if slices.Contains(words, "Netif") {
			column = slices.Index(words, "Netif")
			continue
		}
		if column < 0 || len(words) <= column || words[0] != "default" {
			continue
		}
		at, err := netip.ParseAddr(words[1])
		if err != nil || at.IsUnspecified() { // link#15: no gateway, but an adapter
			continue
		}
		name := collect.Plain(words[column])
		if old, ok := gateways[name]; !ok || !old.Is4() && at.Is4() {
			gateways[name] = at.WithZone("")
		}
	}
	if column < 0 {
		return nil, errors.New("netstat lists no routes")
	}
	return gateways, nil
}

func (m *machine) nameServers(ctx context.Context) (map[string][]netip.Addr, error) {
	out, err := m.h.Run(ctx, "scutil", "--dns")
	if err != nil {
		return nil, err
	}
	return parseDNS(out), nil
}

// parseDNS gives the name servers of each adapter, in their order: those of the resolvers for scoped queries, which `scutil
// --dns` lists after the others.
func parseDNS(out []byte) map[string][]netip.Addr {
	servers := map[string][]netip.Addr{}
	_, scoped, _ := strings.Cut(string(out), "(for scoped queries)")
	var current []netip.Addr
	for line := range strings.Lines(scoped) {
		if strings.HasPrefix(line, "resolver #") {
			current = nil
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name = strings.TrimSpace(name); {
		case strings.HasPrefix(name, "nameserver["):
			if at, err := netip.ParseAddr(strings.TrimSpace(value)); err == nil {
				current = append(current, at.WithZone(""))
			}
		case name == "if_index": // 11 (en0)
			_, adapter, _ := strings.Cut(value, "(")
			adapter, _, _ = strings.Cut(adapter, ")")
			for _, at := range current {
				if !slices.Contains(servers[adapter], at) {
					servers[adapter] = append(servers[adapter], at)
				}
			}
		}
	}
	return servers
}

// dhcp asks the DHCP client of an adapter for the last packet from the server.
func (m *machine) dhcp(ctx context.Context, l link) (collect.DHCP, error) {
	if !slices.ContainsFunc(l.addresses, func(p netip.Prefix) bool { return p.Addr().Is4() }) {
		return collect.DHCP{}, collect.NotApplicableError("the adapter has no IPv4 address")
	}
	out, err := m.h.Run(ctx, "ipconfig", "getpacket", l.name)
	var exit *host.ExitError
	if errors.As(err, &exit) {
		return collect.DHCP{}, nil // there was none
	}
	if err != nil {
		return collect.DHCP{}, err
	}
	d, lasts := parsePacket(out)
	if !d.Enabled {
		return d, nil
	}
	// When the lease began stands in a file that only root may read.
	if lease, err := m.plist("private/var/db/dhcpclient/leases/" + l.name + ".plist"); err == nil {
		if began := lease.time("LeaseStartDate"); !began.IsZero() && lasts > 0 {
			d.Obtained, d.Expires = began, began.Add(lasts)
		}
	}
	return d, nil
}

// parsePacket reads what `ipconfig getpacket` prints: a packet of BOOTP, field by field, and its options.
func parsePacket(out []byte) (collect.DHCP, time.Duration) {
	var d collect.DHCP
	var lasts time.Duration
	for line := range strings.Lines(string(out)) {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			continue
		}
		name, _, _ = strings.Cut(name, " ")
		switch value = strings.TrimSpace(value); name {
		case "dhcp_message_type": // ACK 0x5
			d.Enabled = true
		case "server_identifier":
			if at, err := netip.ParseAddr(value); err == nil {
				d.Server = at
			}
		case "lease_time": // 0x15180
			const infinite = 0xffffffff
			if n, err := strconv.ParseUint(value, 0, 32); err == nil && n != infinite {
				lasts = time.Duration(n) * time.Second
			}
		}
	}
	return d, lasts
}

// neighbours collects the machines that were seen on the local network.
func (m *machine) neighbours(ctx context.Context, s *collect.Snapshot) error {
	four, err4 := m.h.Run(ctx, "arp", "-an")
	six, err6 := m.h.Run(ctx, "ndp", "-an")
	if err4 != nil && err6 != nil {
		s.Neighbours = collect.CouldNotRead[[]collect.Neighbour](errors.Join(err4, err6))
		return nil
	}
	s.Neighbours = collect.Known(common.Neighbours(append(parseARP(four), parseNDP(six)...)))
	return nil
}

// maxNeighbours bounds the list.
const maxNeighbours = 5000

// parseARP reads what `arp -an` prints: ? (192.0.2.1) at 2:0:5e:10:0:1 on en0 ifscope [ethernet]
func parseARP(out []byte) []collect.Neighbour {
	var all []collect.Neighbour
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) < 6 || words[2] != "at" || words[4] != "on" || slices.Contains(words, "permanent") {
			continue
		}
		all = appendNeighbour(all, strings.Trim(words[1], "()"), words[3], words[5])
	}
	return all
}

// parseNDP reads what `ndp -an` prints: fe80::1%en0  2:0:5e:10:0:1  en0 23h59m58s S R
func parseNDP(out []byte) []collect.Neighbour {
	var all []collect.Neighbour
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) < 4 || words[3] == "permanent" {
			continue
		}
		all = appendNeighbour(all, words[0], words[1], words[2])
	}
	return all
}

func appendNeighbour(all []collect.Neighbour, address, mac, adapter string) []collect.Neighbour {
	at, err := netip.ParseAddr(address)
	hw, ok := shortMAC(mac)
	if err != nil || !ok || len(all) >= maxNeighbours {
		return all
	}
	return append(all, collect.Neighbour{MAC: hw, Address: at.WithZone(""), Adapter: collect.Plain(adapter)})
}

// shortMAC reads an address whose octets are written without leading zeros.
func shortMAC(text string) (posture.MAC, bool) {
	parts := strings.Split(text, ":")
	for i, p := range parts {
		if len(p) == 1 {
			parts[i] = "0" + p
		}
	}
	return posture.ParseMAC(strings.Join(parts, ":"))
}
