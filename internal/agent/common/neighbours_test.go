package common

import (
	"net/netip"
	"testing"

	"muster/internal/agent/collect"
	"muster/internal/agent/collect/collecttest"
)

func TestNeighbours(t *testing.T) {
	t.Parallel()
	one := func(mac, address, adapter string) collect.Neighbour {
		return collect.Neighbour{MAC: collecttest.MAC(mac), Address: netip.MustParseAddr(address), Adapter: adapter}
	}
	a, b, c := one("52:54:00:00:00:0a", "192.0.2.10", "eth0"), one("52:54:00:00:00:0b", "192.0.2.9", "eth1"), one("52:54:00:00:00:0c", "2001:db8::c", "eth0")
	got := Neighbours([]collect.Neighbour{
		b, c, a, b,
		one("01:00:5e:00:00:fb", "192.0.2.20", "eth0"), one("ff:ff:ff:ff:ff:ff", "192.0.2.255", "eth0"), // groups, and all
		one("00:00:00:00:00:00", "192.0.2.21", "eth0"), // no answer
		one("52:54:00:00:00:0d", "224.0.0.251", "eth0"), one("52:54:00:00:00:0e", "0.0.0.0", "eth0"), one("52:54:00:00:00:0f", "::1", "eth0"),
	})
	collecttest.Same(t, "neighbours", got, []collect.Neighbour{a, c, b})
}
