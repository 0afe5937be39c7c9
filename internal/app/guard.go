package app

import (
	"context"
	"time"

	"muster/internal/ratelimit"
)

// wrongCodes is how many wrong registration codes a minute are borne from one origin. An office full of agents with an
// old code must not lock out the one that has the new code, and a code has 36⁸ values: a generous limit is enough.
const wrongCodes = 60

// codeGuard holds back those who guess registration codes. It implements gears.Guard.
type codeGuard struct{ guard *ratelimit.Guard }

func newCodeGuard(now func() time.Time) codeGuard {
	return codeGuard{ratelimit.NewGuard(1<<16, now)}
}

func bound(kind, who string) ratelimit.Bound {
	return ratelimit.Bound{Key: ratelimit.Guess(kind, who), Limit: wrongCodes}
}

// Allowed implements gears.Guard.
func (g codeGuard) Allowed(_ context.Context, kind, who string) (time.Duration, bool) {
	err := g.guard.Check(bound(kind, who))
	if err == nil {
		return 0, true
	}
	d, _ := ratelimit.DecisionOf(err)
	return d.Reset, false
}

// Failed implements gears.Guard.
func (g codeGuard) Failed(_ context.Context, kind, who string) { g.guard.Failed(bound(kind, who)) }
