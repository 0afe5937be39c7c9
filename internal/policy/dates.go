package policy

import (
	"fmt"
	"time"

	"muster/internal/posture"
)

// clockSkew is how far ahead of the server a machine's clock may be. A date beyond it is no date at all.
const clockSkew = day

// dating is how a date stands to now.
type dating int

const (
	recent dating = iota
	tooOld
	inFuture
	undated
)

// dated judges a date and notes when the answer will turn, every time it will. A date exactly as old as allowed is
// still recent.
func (s *subject) dated(t time.Time, maxAge Duration) dating {
	if t.IsZero() {
		return undated
	}
	first, last := t.Add(-clockSkew), t.Add(time.Duration(maxAge))
	s.turnsAt(ceil(first))
	s.turnsAt(last.Truncate(tick).Add(tick))
	switch {
	case s.now.Before(first):
		return inFuture
	case s.now.After(last):
		return tooOld
	default:
		return recent
	}
}

// ceil rounds a time up to the next tick.
func ceil(t time.Time) time.Time {
	if down := t.Truncate(tick); down.Before(t) {
		return down.Add(tick)
	}
	return t
}

// undatedOrOld words what is wrong with the date of something: what is a noun, asked what the policy asks for. Something
// that is too old has the outcome old.
func undatedOrOld(d dating, old posture.Outcome, t time.Time, what, asked string) finding {
	switch d {
	case tooOld:
		return finding{outcome: old, evidence: fmt.Sprintf("The %s is of %s; the policy asks %s.", what, moment(t), asked)}
	case inFuture:
		return finding{outcome: posture.Errored, evidence: fmt.Sprintf(
			"The %s bears a date in the future, %s; the policy asks %s.", what, moment(t), asked)}
	default:
		return finding{outcome: posture.Unknown, evidence: fmt.Sprintf(
			"The agent did not give the date of the %s; the policy asks %s.", what, asked)}
	}
}

// within reports whether something happened not longer ago than that, and notes when it will have; zero is for ever. What
// has no date, or one of the future, happened lately.
func (s *subject) within(t time.Time, period Duration) bool {
	if period <= 0 || t.IsZero() {
		return true
	}
	last := t.Add(time.Duration(period))
	s.turnsAt(last.Truncate(tick).Add(tick))
	return !s.now.After(last)
}
