package device

import "time"

// Owner decides which device an adapter address names. The device that used it last owns it, unless two devices used
// it by turns: then it is shared (a dock, a dongle, a virtual adapter that has the same address everywhere) and names
// neither. Two devices used it by turns when the spans of time between first and last use overlap.
func Owner(claims []Claim) (id string, ok bool) {
	if len(claims) == 0 || len(claims) >= MaxClaims {
		return "", false
	}
	last := claims[0]
	for _, c := range claims[1:] {
		if c.Last.After(last.Last) {
			last = c
		}
	}
	for _, c := range claims {
		if c.DeviceID != last.DeviceID && overlap(c.First, c.Last, last.First, last.Last) {
			return "", false
		}
	}
	return last.DeviceID, true
}

// overlap reports whether two spans share more than an end.
func overlap(aFirst, aLast, bFirst, bLast time.Time) bool {
	return aFirst.Before(bLast) && bFirst.Before(aLast)
}
