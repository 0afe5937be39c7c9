package agent

import (
	"context"
	"testing"

	"muster/internal/agent/collect"
)

func TestNeighboursOnlyWhereBothSidesWantThem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		setting bool
		asked   int
		want    collect.State
	}{
		{true, 1, collect.IsKnown}, {true, 0, collect.NotApplicable}, {false, 1, collect.NotApplicable}, {false, 0, collect.NotApplicable},
	} {
		l := newLab(t)
		r := l.runner
		r.collectors = append(r.collectors, collect.Collector{Subject: neighbours, Collect: func(_ context.Context, s *collect.Snapshot) error {
			s.Neighbours = collect.Known([]collect.Neighbour{{Adapter: "eth0"}})
			return nil
		}})
		// They were seen before; now they are wanted or not.
		r.settings.Neighbours, r.config.Neighbours = true, 1
		r.collect(t.Context(), r.collectors)
		if r.snapshot.Neighbours.State != collect.IsKnown {
			t.Fatal("neighbours that are asked for are not looked for")
		}
		r.settings.Neighbours, r.config.Neighbours = c.setting, c.asked
		r.collect(t.Context(), r.collectors)
		if got := r.snapshot.Neighbours.State; got != c.want {
			t.Errorf("settings %v, server %d: state %d, want %d", c.setting, c.asked, got, c.want)
		}
	}
}
