package common

import (
	"cmp"
	"slices"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/posture"
)

// Neighbours puts what a system knows of its neighbours in order, each once, without what is no single machine: groups, and
// those that did not answer. It changes the list that it is given.
func Neighbours(all []collect.Neighbour) []collect.Neighbour {
	all = slices.DeleteFunc(all, func(n collect.Neighbour) bool {
		return n.MAC == (posture.MAC{}) || n.MAC[0]&1 != 0 || n.Address.IsMulticast() || n.Address.IsUnspecified() || n.Address.IsLoopback()
	})
	slices.SortFunc(all, func(a, b collect.Neighbour) int {
		return cmp.Or(strings.Compare(a.Adapter, b.Adapter), a.Address.Compare(b.Address), slices.Compare(a.MAC[:], b.MAC[:]))
	})
	return slices.Compact(all)
}
