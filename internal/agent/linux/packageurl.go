package linux

import (
	"fmt"
	"strings"

	"muster/internal/agent/collect"
)

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
	if b.Len() > collect.MaxText {
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
