package policy

import (
	"fmt"
	"strconv"
	"strings"

	"muster/internal/errs"
)

// Size is an amount of storage in bytes that is written for people: "10GB", "512MiB".
type Size int64

// maxSize is far above any disk, and keeps arithmetic inside an int64.
const maxSize = Size(1e18)

var sizeUnits = []struct {
	name string
	size Size
}{
	{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"kB", 1e3}, {"B", 1},
}

// String writes the size in the largest unit that needs no fraction.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return "0B"
}

// MarshalText is String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes.
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(string(text), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > int64(maxSize/u.size) {
			break
		}
		*s = Size(n) * u.size
		return nil
	}
	return errs.InvalidField("size", "%q is not a size such as 10GB or 512MiB", text)
}

// roughly writes a size with one digit after the point, for a sentence: "8.2 GB".
func (s Size) roughly() string {
	for _, u := range sizeUnits {
		if strings.Contains(u.name, "i") || s < u.size {
			continue
		}
		if u.size == 1 {
			break
		}
		tenths := s / (u.size / 10) // never more than there is: 9.99 GB are not the 10 GB that are asked for
		return fmt.Sprintf("%d.%d %s", tenths/10, tenths%10, u.name)
	}
	return fmt.Sprintf("%d bytes", int64(s))
}
