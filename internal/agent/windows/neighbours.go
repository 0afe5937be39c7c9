package windows

import (
	"context"
	"net/netip"

	"muster/internal/agent/collect"
	"muster/internal/agent/common"
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
	s.Neighbours = collect.Of(common.Neighbours(out), err)
	return nil
}

func (n seen) neighbour() (collect.Neighbour, bool) {
	mac, ok := posture.ParseMAC(n.MAC)
	at, err := netip.ParseAddr(n.IP)
	if !ok || err != nil {
		return collect.Neighbour{}, false
	}
	return collect.Neighbour{MAC: mac, Address: at.WithZone(""), Adapter: collect.Plain(n.Adapter)}, true
}
