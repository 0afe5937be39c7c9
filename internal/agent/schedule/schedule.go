// Package schedule says when an agent calls its server next. It is arithmetic without a clock, so that what a hundred
// thousand agents do together can be computed in a test.
package schedule

import "time"

// Random gives numbers from 0 to below 1.
type Random func() float64

// MaxBackoff bounds the time between two attempts, whatever an agent has been through. A server that was away for a day
// sees all its agents again within this time.
const MaxBackoff = 15 * time.Minute

// First is the time until the first call of an agent that has just started. Where the power came back, all agents of a
// building start at once.
func First(every time.Duration, r Random) time.Duration { return part(every, r()) }

// Next is the time until the next call where all is well: a tenth more or less than what is asked, so that agents that
// fell into step fall out of it.
func Next(every time.Duration, r Random) time.Duration { return part(every, 0.9+0.2*r()) }

// Retry is the time until the next attempt after so many failures in a row, the first being 1. It begins no shorter than
// the interval of calls, so that a server in trouble hears from nobody more often than in good times; it doubles, is at
// most MaxBackoff or one and a half intervals if that is longer, and lies anywhere in its upper third: agents that failed
// at the same moment do not come back at the same moment. A server that asks for more time gets it, and a spread behind it.
func Retry(failures int, every, asked time.Duration, r Random) time.Duration {
	d := part(every, 1.5)
	most := max(MaxBackoff, d)
	for range failures - 1 {
		if d >= most {
			break
		}
		d *= 2
	}
	d = part(min(d, most), (2+r())/3)
	if asked > d {
		d = asked + part(every, r())
	}
	return d
}

func part(d time.Duration, of float64) time.Duration { return time.Duration(float64(d) * of) }
