package ratelimit

import (
	"time"

	"muster/internal/errs"
)

// Bound is how many failures in a window are borne under a key.
type Bound struct {
	Key   Key
	Limit int
}

// Guard holds back those who guess at secrets and codes. Unlike a Limiter it counts failures only, so that whoever
// knows the secret may use it as often as he likes. It counts in this process: guesses that were begun before the
// bound was reached are still answered.
type Guard struct {
	counts *Memory
	now    func() time.Time
}

// NewGuard makes a Guard that remembers about that many guessers.
func NewGuard(size int, now func() time.Time) *Guard {
	return &Guard{counts: NewMemory(size), now: now}
}

// Check is to be asked before a secret is looked at. RateLimited: a bound is reached, and even the right secret is
// refused until the window ends; DecisionOf says when that is.
func (g *Guard) Check(bounds ...Bound) error {
	now := g.now()
	var worst Decision
	for _, b := range bounds {
		w := g.counts.Peek(b.Key, now, Period)
		if w.Used < int64(b.Limit) {
			continue
		}
		if d := Decide(w, b.Limit, now, Period); d.Reset > worst.Reset {
			worst = Decision{Limit: d.Limit, Reset: d.Reset}
		}
	}
	if worst.Reset == 0 {
		return nil
	}
	return errs.Wrap(errs.RateLimited, &exceeded{worst},
		"Too many failed attempts; try again in %d seconds", worst.ResetSeconds())
}

// Failed counts one failure under every bound.
func (g *Guard) Failed(bounds ...Bound) {
	now := g.now()
	for _, b := range bounds {
		g.counts.take(b.Key, now, Period)
	}
}
