package linux

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/common"
	"muster/internal/agent/host"
	"muster/internal/posture"
)

// network reads the adapters.
func network(h *host.Host) collect.Collector {
	return collect.Collector{Subject: "network", Light: true, Collect: func(_ context.Context, s *collect.Snapshot) error {
		s.Adapters = collect.Of(machine{h}.adapters())
		return nil
	}}
}

// neighbours reads which other machines are on the local network. It runs only where that is switched on.
func neighbours(h *host.Host) collect.Collector {
	return collect.Collector{Subject: "neighbours", Collect: func(_ context.Context, s *collect.Snapshot) error {
		s.Neighbours = collect.Of(machine{h}.neighbours())
		return nil
	}}
}

// net is what the kernel knows of the network.
type net struct {
	links     []link
	addresses map[int][]address
	routes    map[int][]route
	routesErr error // of a router with more routes than are read
	physical  map[int]bool
}

func (m machine) net() (*net, error) {
	if m.Netlink == nil {
		return nil, errors.New("there is no netlink to ask")
	}
	raw, err := m.Netlink(getLink)
	if err != nil {
		return nil, err
	}
	n := &net{addresses: map[int][]address{}, routes: map[int][]route{}, physical: map[int]bool{}}
	if n.links, err = parseLinks(raw); err != nil {
		return nil, err
	}
	if raw, err = m.Netlink(getAddress); err != nil {
		return nil, err
	}
	addresses, err := parseAddresses(raw)
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		n.addresses[a.index] = append(n.addresses[a.index], a)
	}
	var routes []route
	if raw, n.routesErr = m.Netlink(getRoute); n.routesErr == nil {
		routes, n.routesErr = parseRoutes(raw)
	}
	for _, r := range routes {
		n.routes[r.index] = append(n.routes[r.index], r)
	}
	for _, l := range n.links {
		// Parts of an adapter that are there for virtual machines (SR-IOV) count like other virtual adapters.
		dir := "sys/class/net/" + l.name + "/device"
		n.physical[l.index] = m.Exists(dir) && !m.Exists(dir+"/physfn")
	}
	return n, nil
}

// isAdapter tells the adapters of the machine from those that are there for containers and virtual machines and come and
// go with them. Physical ones always count. A virtual one counts if the machine itself talks through it: it has an address
// of its own (a container's eth0, a VPN, a VLAN), and is neither a port of a bridge nor a bridge that leads nowhere but to
// such ports (docker0, virbr0).
func (n *net) isAdapter(l *link) bool {
	switch {
	case l.loopback:
		return false
	case n.physical[l.index]:
		return true
	case !l.up || n.isBridge(l.master):
		return false
	case isBridgeKind(l.kind):
		return len(n.routes[l.index]) > 0 || n.hasPhysicalPort(l.index)
	case l.kind == "bond" || l.kind == "team":
		return true
	}
	return n.inUse(l.index)
}

// inUse reports whether an adapter has an address that leads beyond its link.
func (n *net) inUse(index int) bool {
	return slices.ContainsFunc(n.addresses[index], func(a address) bool {
		return a.settled && !a.prefix.Addr().IsLinkLocalUnicast()
	})
}

func isBridgeKind(kind string) bool { return kind == "bridge" || kind == "openvswitch" }

func (n *net) isBridge(index int) bool {
	return slices.ContainsFunc(n.links, func(l link) bool { return l.index == index && isBridgeKind(l.kind) })
}

// hasPhysicalPort reports whether a bridge leads out of the machine, if need be by way of a bond or a VLAN.
func (n *net) hasPhysicalPort(index int) bool {
	return slices.ContainsFunc(n.links, func(l link) bool {
		return l.master == index && (n.physical[l.index] || l.kind == "bond" || l.kind == "team" || l.kind == "vlan")
	})
}

func (m machine) adapters() ([]collect.Adapter, error) {
	n, err := m.net()
	if err != nil {
		return nil, err
	}
	d := m.dhcpClients()
	resolver := m.resolver()
	var out []collect.Adapter
	for i := range n.links {
		l := &n.links[i]
		if !n.isAdapter(l) {
			continue
		}
		a := collect.Adapter{Name: l.name, Enabled: l.up, Connected: l.connected(), PermanentMAC: m.permanent(n, l)}
		if mac, ok := asMAC(l.mac); ok && l.hardware == hardwareEther {
			a.MAC, a.HasMAC = mac, true
		}
		for _, addr := range n.addresses[l.index] {
			if addr.settled {
				a.Addresses = append(a.Addresses, addr.prefix)
			}
		}
		slices.SortFunc(a.Addresses, func(x, y netip.Prefix) int {
			return cmp.Or(x.Addr().Compare(y.Addr()), cmp.Compare(x.Bits(), y.Bits()))
		})
		a.Addresses = slices.Compact(a.Addresses)
		a.Gateway = n.gateway(l.index)
		a.DNS = m.dns(resolver, l.index, n.inUse(l.index))
		a.DHCP = d.of(l, n.addresses[l.index])
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b collect.Adapter) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// connected: some drivers do not tell how they are, but whether they run.
func (l *link) connected() bool {
	return l.up && (l.state == stateUp || l.state != stateDown && l.state != stateDormant && l.running)
}

func asMAC(raw []byte) (posture.MAC, bool) {
	var mac posture.MAC
	if len(raw) != len(mac) {
		return mac, false
	}
	copy(mac[:], raw)
	return mac, mac != posture.MAC{}
}

// permanent gives the burnt-in address, which kernels tell since version 5.6.
func (m machine) permanent(n *net, l *link) collect.Fact[posture.MAC] {
	if mac, ok := asMAC(l.permanent); ok && l.hardware == hardwareEther {
		return collect.Known(mac)
	}
	if n.physical[l.index] && l.hardware == hardwareEther {
		if kernel, err := m.line("proc/sys/kernel/osrelease"); err == nil && olderThan(kernel, 5, 6) {
			return collect.CouldNotReadf[posture.MAC]("needs Linux 5.6 or later")
		}
	}
	return collect.DoesNotApply[posture.MAC]("the adapter has no burnt-in address")
}

func olderThan(kernel string, major, minor int) bool {
	var a, b int
	if n, err := fmt.Sscanf(kernel, "%d.%d", &a, &b); n != 2 || err != nil {
		return false
	}
	return a < major || a == major && b < minor
}

// gateway gives that of the best default route; of IPv4 rather than IPv6, which nearly every network has one of.
func (n *net) gateway(index int) collect.Fact[netip.Addr] {
	if n.routesErr != nil {
		return collect.CouldNotRead[netip.Addr](n.routesErr)
	}
	all := slices.DeleteFunc(slices.Clone(n.routes[index]), func(r route) bool { return !r.gateway.IsValid() })
	if len(all) == 0 {
		return collect.DoesNotApply[netip.Addr]("no default route leads over the adapter")
	}
	best := slices.MinFunc(all, func(a, b route) int {
		return cmp.Or(cmp.Compare(a.gateway.BitLen(), b.gateway.BitLen()), cmp.Compare(a.metric, b.metric), a.gateway.Compare(b.gateway))
	})
	return collect.Known(best.gateway)
}

// maxNeighbours is how many a report takes. A table of the kernel's may hold more on a large router.
const maxNeighbours = 1000

func (m machine) neighbours() ([]collect.Neighbour, error) {
	n, err := m.net()
	if err != nil {
		return nil, err
	}
	raw, err := m.Netlink(getNeighbour)
	if err != nil {
		return nil, err
	}
	all, err := parseNeighbours(raw)
	if err != nil {
		return nil, err
	}
	names := map[int]string{}
	for i := range n.links {
		if l := &n.links[i]; n.isAdapter(l) && l.hardware == hardwareEther {
			names[l.index] = l.name
		}
	}
	var out []collect.Neighbour
	for _, one := range all {
		if name, ok := names[one.index]; ok {
			out = append(out, collect.Neighbour{MAC: one.mac, Address: one.address, Adapter: name})
		}
	}
	out = common.Neighbours(out)
	return out[:min(len(out), maxNeighbours)], nil
}
