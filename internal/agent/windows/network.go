package windows

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
	"muster/internal/posture"
)

// Kinds of adapters, as IANA numbers them.
const (
	loopback = 24
	tunnel   = 131
)

// adapters collects the network adapters.
func (m *machine) adapters(_ context.Context, s *collect.Snapshot) error {
	if m.h.Native == nil {
		s.Adapters = collect.CouldNotRead[[]collect.Adapter](errNoCalls)
		return nil
	}
	links, err := m.h.Native.Links()
	out := make([]collect.Adapter, 0, len(links))
	for _, l := range links {
		if l.Type != loopback && (l.Type != tunnel || hasGlobal(l.Addresses)) {
			out = append(out, m.adapter(l))
		}
	}
	slices.SortStableFunc(out, func(a, b collect.Adapter) int { return strings.Compare(a.Name, b.Name) })
	s.Adapters = collect.Of(out, err)
	return nil
}

func hasGlobal(all []netip.Prefix) bool {
	return slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Addr().IsGlobalUnicast() })
}

func (m *machine) adapter(l host.Link) collect.Adapter {
	// Adapters that are switched off are not among those that Windows lists.
	a := collect.Adapter{Name: collect.Plain(l.Name), Enabled: true, Connected: l.Up, DHCP: collect.Of(m.dhcp(l.ID))}
	a.MAC, a.HasMAC = posture.ParseMAC(l.MAC)
	if mac, ok := posture.ParseMAC(l.PermanentMAC); ok {
		a.PermanentMAC = collect.Known(mac)
	} else {
		a.PermanentMAC = collect.DoesNotApply[posture.MAC]("no address is burnt into the adapter")
	}
	a.Addresses = slices.Clone(l.Addresses)
	slices.SortFunc(a.Addresses, func(x, y netip.Prefix) int {
		return cmp.Or(x.Addr().Compare(y.Addr()), cmp.Compare(x.Bits(), y.Bits()))
	})
	a.Gateway = gateway(l.Gateways)
	var servers []netip.Addr
	for _, at := range l.DNS {
		if !placeholderDNS.Contains(at) {
			servers = append(servers, at)
		}
	}
	a.DNS = collect.Known(servers)
	return a
}

// placeholderDNS is where Windows says that name servers are as long as it knows of none for IPv6.
var placeholderDNS = netip.MustParsePrefix("fec0:0:0:ffff::/64")

// gateway gives the first one for IPv4, else the first.
func gateway(all []netip.Addr) collect.Fact[netip.Addr] {
	if len(all) == 0 {
		return collect.DoesNotApply[netip.Addr]("the adapter has no gateway")
	}
	for _, at := range all {
		if at.Is4() {
			return collect.Known(at)
		}
	}
	return collect.Known(all[0].WithZone(""))
}

// dhcp reads what the DHCP client noted of an adapter.
func (m *machine) dhcp(id string) (collect.DHCP, error) {
	key := tcpip + `\Interfaces\` + id
	enabled, err := m.number(key, "EnableDHCP")
	if errors.Is(err, fs.ErrNotExist) {
		return collect.DHCP{}, collect.NotApplicableError("the adapter does not carry IPv4")
	}
	if err != nil || enabled == 0 {
		return collect.DHCP{}, err
	}
	d := collect.DHCP{Enabled: true}
	if text, err := m.text(key, "DhcpServer"); err == nil {
		// Without an answer from a server it says 255.255.255.255.
		if at, err := netip.ParseAddr(text); err == nil && at != netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			d.Server = at
		}
	}
	if d.Server.IsValid() {
		d.Obtained = m.seconds(key, "LeaseObtainedTime")
		d.Expires = m.seconds(key, "LeaseTerminatesTime")
	}
	return d, nil
}

// seconds reads a time that is counted in seconds since 1970, zero for one that is not there or never comes.
func (m *machine) seconds(key, value string) time.Time {
	const never = 0x7fffffff
	n, err := m.number(key, value)
	if err != nil || n == 0 || n >= never {
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}

// users gives who is logged on.
func (m *machine) users(context.Context) ([]collect.User, error) {
	if m.h.Native == nil {
		return nil, errNoCalls
	}
	sessions, err := m.h.Native.Sessions()
	out := make([]collect.User, 0, len(sessions))
	for _, s := range sessions {
		if name := collect.Plain(s.Name); name != "" {
			out = append(out, collect.User{Name: name, Domain: collect.Plain(s.Domain)})
		}
	}
	return out, err
}
