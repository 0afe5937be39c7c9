package agent

import (
	"slices"

	"muster/internal/agent/collect"
)

// neighbours is the subject of the collectors that look beyond the machine. They run only where the server asks for it, and
// the settings let it.
const neighbours = "neighbours"

// notAsked is the fact of neighbours that nobody wants to know of.
var notAsked = collect.DoesNotApply[[]collect.Neighbour]("they are not asked for")

func withoutNeighbours(all []collect.Collector) []collect.Collector {
	return slices.DeleteFunc(slices.Clone(all), func(c collect.Collector) bool { return c.Subject == neighbours })
}

func (r *runner) wantsNeighbours() bool { return r.settings.Neighbours && r.config.Neighbours == 1 }
