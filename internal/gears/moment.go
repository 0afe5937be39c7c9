package gears

import (
	"errors"
	"strconv"
	"time"
)

// moment is a point in time: RFC 3339, or seconds or milliseconds since 1970.
type moment struct{ time.Time }

// UnmarshalJSON reads a moment.
func (m *moment) UnmarshalJSON(raw []byte) error {
	t, err := parseMoment(raw)
	m.Time = t
	return err
}

var (
	errMoment      error = problem("must be a time: RFC 3339, or seconds or milliseconds since 1970")
	errMomentEarly error = problem("must not be a time before 1970")
	errMomentLate  error = problem("must not be a time after 2199")
)

// looseMoment is a moment in a form that is not known for certain: what is no time is passed over, what is one must
// make sense.
type looseMoment struct{ time.Time }

// UnmarshalJSON reads a moment or nothing.
func (m *looseMoment) UnmarshalJSON(raw []byte) error {
	t, err := parseMoment(raw)
	if errors.Is(err, errMoment) {
		return nil
	}
	m.Time = t
	return err
}

// latestMoment is 2200-01-01 in milliseconds. The clock of a machine may be wrong by years, and a policy can deal with
// that; what lies beyond cannot be a time.
const latestMoment = 7_258_118_400_000

// secondsEnd is where numbers stop being read as seconds (the year 5138) and start being milliseconds (March 1973).
const secondsEnd = 100_000_000_000

var momentLayouts = [...]string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, time.DateOnly}

// parseMoment reads a JSON value as a time; null, 0, "" and the zero times of common systems give the zero time.
func parseMoment(raw []byte) (time.Time, error) {
	switch raw[0] {
	case 'n':
		return time.Time{}, nil
	case 't', 'f', '{', '[':
		return time.Time{}, errMoment
	case '"':
		return parseMomentText(unquote(raw))
	default:
		return momentOfNumber(string(raw))
	}
}

func parseMomentText(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range momentLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return checkMoment(t)
		}
	}
	return momentOfNumber(s)
}

// checkMoment takes the times at which the calendars of Go, .NET and Windows begin for 'never'.
func checkMoment(t time.Time) (time.Time, error) {
	if y := t.UTC().Year(); y == 1 || y == 1601 {
		return time.Time{}, nil
	}
	return momentOfMillis(t.UnixMilli())
}

func momentOfNumber(s string) (time.Time, error) {
	n, err := strconv.ParseFloat(s, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return time.Time{}, errMomentLate
	case err != nil || n != n:
		return time.Time{}, errMoment
	case n < 0:
		return time.Time{}, errMomentEarly
	case n > latestMoment:
		return time.Time{}, errMomentLate
	case n < secondsEnd:
		n *= 1000
	}
	return momentOfMillis(int64(n))
}

func momentOfMillis(ms int64) (time.Time, error) {
	switch {
	case ms == 0:
		return time.Time{}, nil
	case ms < 0:
		return time.Time{}, errMomentEarly
	case ms >= latestMoment:
		return time.Time{}, errMomentLate
	default:
		return time.UnixMilli(ms).UTC(), nil
	}
}
