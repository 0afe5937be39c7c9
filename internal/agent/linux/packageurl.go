package linux

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"muster/internal/agent/collect"
)

// maxText is how long a text may be for the server to take the report that it stands in.
const maxText = 512

// packageURL makes a package URL. Qualifiers are keys and values in turn, the keys in the order of the alphabet; those
// without a value are left out. It gives "" for one that would be too long to be read.
func packageURL(kind, namespace, name, version string, qualifiers ...string) string {
	var b strings.Builder
	b.WriteString("pkg:" + kind + "/")
	if namespace != "" {
		for part := range strings.SplitSeq(namespace, "/") {
			escape(&b, part)
			b.WriteByte('/')
		}
	}
	escape(&b, name)
	if version != "" {
		b.WriteByte('@')
		escape(&b, version)
	}
	sep := byte('?')
	for i := 0; i+1 < len(qualifiers); i += 2 {
		if qualifiers[i+1] != "" {
			b.WriteByte(sep)
			b.WriteString(qualifiers[i] + "=")
			escape(&b, qualifiers[i+1])
			sep = '&'
		}
	}
	if b.Len() > maxText {
		return ""
	}
	return b.String()
}

// escape writes a part of a package URL, percent-encoded where it has to be.
func escape(b *strings.Builder, s string) {
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~:", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(b, "%%%02X", c)
		}
	}
}

// tidyList puts applications in order, each once, without those that have no name or one that no report may hold.
func tidyList(apps []collect.Application) []collect.Application {
	apps = slices.DeleteFunc(apps, func(a collect.Application) bool {
		return a.Name == "" || len(a.Name) > maxText || len(a.Version) > maxText
	})
	slices.SortFunc(apps, func(a, b collect.Application) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.PURL, b.PURL))
	})
	return slices.Clip(slices.Compact(apps))
}
