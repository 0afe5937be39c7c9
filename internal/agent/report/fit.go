package report

import (
	"errors"

	"muster/internal/agent/collect"
)

// What a server takes in one report (docs/agent-protocol.md). One that is larger it refuses as a whole, and goes on judging the
// machine by the last that it took. So whoever can make a list longer, as users can those of their programs, could keep the
// verdict at what it was.
const (
	maxBody         = 4 << 20 // bytes
	maxApplications = 20_000
	maxNeighbours   = 1000
	maxDisk         = 1_000_000_000 // MiB of a disk, just below a pebibyte
	// Logs tell of other times too: whoever names a file that has a virus may name a year.
	firstYear, lastYear = 1970, 2199
)

var errTooMuch = errors.New("it is more than a report may hold")

// fits reports whether a server takes a report that is so many bytes long.
func fits(b *body, length int) bool {
	return length <= maxBody && len(b.SOH.Applications) <= maxApplications
}

// reductions make a report smaller, one after the other, by what others than the administrator can make long. A list is not cut: a
// part of it would pass for the whole.
var reductions = []func(collect.Snapshot) *collect.Snapshot{withoutSoftware, withoutProcesses}

func withoutSoftware(s collect.Snapshot) *collect.Snapshot {
	all := make(map[string]collect.Fact[[]collect.Application], len(s.Software))
	for source, list := range s.Software {
		if list.State == collect.IsKnown {
			list = collect.CouldNotRead[[]collect.Application](errTooMuch)
		}
		all[source] = list
	}
	s.Software = all
	return &s
}

func withoutProcesses(s collect.Snapshot) *collect.Snapshot {
	s.Processes = collect.CouldNotRead[[]string](errTooMuch)
	return &s
}
