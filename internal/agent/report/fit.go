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

// withoutSoftware leaves out the only lists that can make a report too large. They are not cut: a part of one would pass for the
// whole.
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
