package windows

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/posture"
)

// seen is a machine that Windows has had to do with on the local network.
type seen struct {
	IP      string `json:"ip"`
	MAC     string `json:"mac"`
	Adapter string `json:"adapter"`
}

// neighbours collects the machines that were seen on the local network.
func (m *machine) neighbours(ctx context.Context, s *collect.Snapshot) error {
	found, err := m.powershell(ctx, neighboursScript)
	all, err := valuesOf[seen](found, err, "neighbours")
	out := make([]collect.Neighbour, 0, len(all))
	for _, n := range all {
		if one, ok := n.neighbour(); ok {
			out = append(out, one)
		}
	}
	slices.SortFunc(out, func(a, b collect.Neighbour) int {
		return cmp.Or(a.Address.Compare(b.Address), strings.Compare(a.Adapter, b.Adapter), strings.Compare(a.MAC.String(), b.MAC.String()))
	})
	s.Neighbours = collect.Of(slices.Compact(out), err)
	return nil
}

// neighbour leaves out what is no single machine.
func (n seen) neighbour() (collect.Neighbour, bool) {
	mac, ok := posture.ParseMAC(n.MAC)
	at, err := netip.ParseAddr(n.IP)
	if !ok || err != nil || mac == (posture.MAC{}) || mac[0]&1 != 0 || at.IsMulticast() || at.IsUnspecified() || at.IsLoopback() {
		return collect.Neighbour{}, false
	}
	return collect.Neighbour{MAC: mac, Address: at.WithZone(""), Adapter: collect.Plain(n.Adapter)}, true
}
