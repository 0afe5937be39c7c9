package device

import (
	"cmp"
	"strconv"
	"strings"
)

// CompareAgents says which of two versions of an agent is older: part by part, numbers by their value and before words,
// words as text. A version that has all the parts of another and more is newer.
func CompareAgents(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a = versionPart(a)
		y, b = versionPart(b)
		if c := comparePart(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// Released reports whether a version of an agent is one of a release: numbers between dots.
func Released(version string) bool {
	for part := range strings.SplitSeq(version, ".") {
		if _, err := strconv.ParseUint(part, 10, 32); err != nil {
			return false
		}
	}
	return true
}

// versionPart cuts the first part off.
func versionPart(v string) (part, rest string) {
	i := strings.IndexAny(v, ".-+ ")
	if i < 0 {
		return v, ""
	}
	return v[:i], v[i+1:]
}

func comparePart(x, y string) int {
	n, nerr := strconv.ParseUint(x, 10, 64)
	m, merr := strconv.ParseUint(y, 10, 64)
	switch {
	case nerr == nil && merr == nil:
		return cmp.Compare(n, m)
	case x == "" || y == "":
		return cmp.Compare(len(x), len(y))
	case nerr == nil:
		return -1
	case merr == nil:
		return 1
	}
	return strings.Compare(x, y)
}
