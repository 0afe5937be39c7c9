package catalogue

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/errs"
)

// Ages say by format how old a feed may be before somebody should look; 0 is any age.
type Ages map[string]time.Duration

const day = 24 * time.Hour

// defaultAges are by how often the feeds appear. A catalogue that comes with the program ages with it.
var defaultAges = Ages{
	"osv": 7 * day, "cve5": 7 * day, "nvd": 7 * day, "debian-tracker": 7 * day, "epss": 4 * day, "kev": 14 * day, BuiltinFormat: 0,
}

// otherAge is for formats that are not named.
const otherAge = 30 * day

// ParseAges reads what an operator wants otherwise than by default: days by format, such as "kev=30,epss=2"; 0 is any age.
func ParseAges(text string) (Ages, error) {
	out := maps.Clone(defaultAges)
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		format, days, ok := strings.Cut(part, "=")
		n, err := strconv.Atoi(days)
		if !ok || err != nil || n < 0 || n > 10_000 {
			return nil, errs.New(errs.Invalid, "%q does not say for a format how many days old a feed may be, as in kev=14; 0 is any age", part)
		}
		if _, known := defaultAges[format]; !known {
			return nil, errs.New(errs.Invalid, "%q is no format of feeds; there are %s", format, strings.Join(slices.Sorted(maps.Keys(defaultAges)), ", "))
		}
		out[format] = time.Duration(n) * day
	}
	return out, nil
}

// Old reports whether a feed is older than it may be.
func (a Ages) Old(f *Feed, now time.Time) bool {
	limit, ok := a[f.Format]
	if !ok {
		limit = otherAge
	}
	return limit > 0 && now.Sub(f.Time()) > limit
}

// What the catalogue that comes with the program is called.
const (
	BuiltinFeed   = "builtin"
	BuiltinFormat = "builtin"
)
