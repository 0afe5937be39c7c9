// Package ratelimit says how many calls fit into a stretch of time. The arithmetic is pure: a window starts with the
// first call, every call in it counts, and the first call after its end starts the next. Where the counts are kept is a
// Source: Memory for one process, the database for several that share a limit. The package knows nothing of HTTP.
package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/internal/errs"
)

// Period is how long a window lasts: limits are calls a minute, as the reference gives them.
const Period = time.Minute

// Window is a stretch of time in which the calls under one key are counted together.
type Window struct {
	Started time.Time
	Used    int64 // calls so far
}

// Open reports whether a call at now falls into the window. A window ends when it has lasted its length. One that
// starts later than now was begun by a clock that runs ahead, and counts on; but not if it is ahead by a whole length:
// a clock that was set back must not stretch a window.
func (w Window) Open(now time.Time, length time.Duration) bool {
	age := now.Sub(w.Started)
	return age < length && age > -length
}

// Source counts calls.
type Source interface {
	// Take counts one call under the key and gives the window it fell into, this call included. Where there is no
	// window, or it is not Open at now, a new one starts at now. Calls at the same time never get the same count.
	Take(ctx context.Context, key Key, now time.Time, window time.Duration) (Window, error)
}

// Decision is the answer to one call.
type Decision struct {
	Allowed bool
	// Limit is how many calls a window holds; 0 is no limit, and then Remaining and Reset are 0 too.
	Limit     int
	Remaining int
	// Reset is how long the window still lasts.
	Reset time.Duration
}

// ResetSeconds is Reset in whole seconds, rounded up: a caller that waits so long finds a new window.
func (d Decision) ResetSeconds() int {
	return int((d.Reset + time.Second - 1) / time.Second)
}

// Err gives nil for an allowed call, otherwise an error with the code RateLimited from which DecisionOf reads the
// decision back.
func (d Decision) Err() error {
	if d.Allowed {
		return nil
	}
	return errs.Wrap(errs.RateLimited, &exceeded{d}, "Too many calls; try again in %d seconds", d.ResetSeconds())
}

// exceeded carries a decision through a chain of errors.
type exceeded struct{ decision Decision }

// Error says which limit was hit, for the log.
func (e *exceeded) Error() string { return fmt.Sprintf("limit of %d used up", e.decision.Limit) }

// DecisionOf gives the decision behind an error that Decision.Err or Guard.Check made.
func DecisionOf(err error) (Decision, bool) {
	var e *exceeded
	if !errors.As(err, &e) {
		return Decision{}, false
	}
	return e.decision, true
}

// Decide says what a window, with the call in question counted, means under a limit. It is pure.
func Decide(w Window, limit int, now time.Time, length time.Duration) Decision {
	return Decision{
		Allowed:   w.Used <= int64(limit),
		Limit:     limit,
		Remaining: int(max(0, int64(limit)-w.Used)),
		Reset:     min(w.Started.Add(length).Sub(now), length),
	}
}

// Limiter allows so many calls in each window.
type Limiter struct {
	Source Source
	Now    func() time.Time
}

// Take counts a call and says whether it is allowed. Limit 0 is no limit, and counts nothing; a negative one allows
// nothing. The only errors are those of the Source.
func (l *Limiter) Take(ctx context.Context, key Key, limit int) (Decision, error) {
	if limit == 0 {
		return Decision{Allowed: true}, nil
	}
	now := l.Now()
	w, err := l.Source.Take(ctx, key, now, Period)
	if err != nil {
		return Decision{}, err
	}
	return Decide(w, limit, now, Period), nil
}
