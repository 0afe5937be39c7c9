package policy

import (
	"strconv"
	"strings"
	"time"

	"muster/internal/errs"
)

const day = 24 * time.Hour

// Duration is a length of time that is written for people: "3d", "12h", "90m".
type Duration time.Duration

// maxDays keeps every duration far inside the range of time.Duration.
const maxDays = 36500

// String writes whole days as such and anything else the way Go does.
func (d Duration) String() string {
	if v := time.Duration(d); v != 0 && v%day == 0 {
		return strconv.FormatInt(int64(v/day), 10) + "d"
	}
	return time.Duration(d).String()
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what String writes.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < -maxDays || n > maxDays {
			return errs.InvalidField("duration", "%q is not a number of days", s)
		}
		*d = Duration(time.Duration(n) * day)
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return errs.InvalidField("duration", "%q is not a duration such as 3d or 12h", s)
	}
	*d = Duration(v)
	return nil
}

// words writes a duration in a sentence: "3 days", "1 hour", otherwise as String does.
func (d Duration) words() string {
	v := time.Duration(d)
	for _, u := range []struct {
		size time.Duration
		name string
	}{{day, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if v > 0 && v%u.size == 0 {
			return counted(int(v/u.size), u.name)
		}
	}
	return d.String()
}
