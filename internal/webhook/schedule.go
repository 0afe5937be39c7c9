package webhook

import "time"

// A receiver that fails is not switched off, but asked ever more seldom. Two clocks say when.
//
// That of a change: after its first failed request it is tried again after 4 seconds, then after a minute, as the
// compatible API has it, and then after ever longer times. Later changes of the same device wait behind it, those of
// others do not. That of the webhook: when nothing at all has gone through for several rounds, the receiver is taken to
// be down, and gets one request at a time with growing pauses. As soon as one goes through, everything is tried at once.
const (
	firstRetry  = 4 * time.Second
	secondRetry = time.Minute
	// mostRetry is the longest that a change waits for its next attempt.
	mostRetry = 2 * time.Hour
	// troubled is after how many failed rounds in a row the receiver is taken to be down.
	troubled = 3
	// mostPause is the longest that such a receiver is left alone.
	mostPause = 5 * time.Minute
)

// retryAfter gives how long a change waits after so many failed attempts. chance lies in [0, 1): it spreads what failed
// together, and shortens the longer waits by up to a fifth.
func retryAfter(attempts int, chance float64) time.Duration {
	switch {
	case attempts <= 1:
		return firstRetry
	case attempts == 2:
		return secondRetry
	}
	return spread(doubled(secondRetry, attempts-2, mostRetry), chance)
}

// pauseAfter gives how long a webhook is left alone after so many failed rounds.
func pauseAfter(failures int, chance float64) time.Duration {
	if failures < troubled {
		return 0
	}
	return spread(doubled(firstRetry, failures-troubled, mostPause), chance)
}

// doubled doubles a time so many times, up to a bound.
func doubled(d time.Duration, times int, most time.Duration) time.Duration {
	for range times {
		d *= 2
		if d >= most {
			return most
		}
	}
	return d
}

func spread(d time.Duration, chance float64) time.Duration {
	return d - time.Duration(chance*float64(d)/5)
}
