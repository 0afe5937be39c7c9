package collect

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxText is how long a text may be, in bytes, for the server to take the report that it stands in.
const MaxText = 512

// Plain makes a text fit for a report: installers, programs and people call things as they like.
func Plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	if len(s) > MaxText {
		s = strings.ToValidUTF8(s[:MaxText], "")
	}
	return strings.TrimSpace(s)
}

// Tidy puts applications in order, each once, without those that have no name or one that no report may hold.
func Tidy(apps []Application) []Application {
	apps = slices.DeleteFunc(apps, func(a Application) bool {
		return a.Name == "" || len(a.Name) > MaxText || len(a.Version) > MaxText
	})
	slices.SortFunc(apps, func(a, b Application) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Vendor, b.Vendor), cmp.Compare(a.PURL, b.PURL))
	})
	return slices.Clip(slices.Compact(apps))
}
