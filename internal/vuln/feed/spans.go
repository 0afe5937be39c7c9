package feed

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"muster/internal/vuln"
	"muster/internal/vuln/version"
)

// point is a place in the order of versions: just before a version, or just after it.
type point struct {
	version string
	after   bool
}

// span is a stretch of versions from one point to another. An empty version is the beginning or the end of all.
type span struct{ from, to point }

var everything = span{}

func before(v string) point { return point{version: v} }
func after(v string) point  { return point{version: v, after: true} }

func (p point) open() bool { return p.version == "" }

// order compares versions of one ecosystem, and remembers if any could not be compared.
type order struct {
	ecosystem string
	failed    bool
}

func (o *order) compare(a, b point) int {
	n, err := version.Compare(o.ecosystem, a.version, b.version)
	if err != nil {
		o.failed = true
		return 0
	}
	switch {
	case n != 0 || a.after == b.after:
		return n
	case b.after:
		return -1
	default:
		return 1
	}
}

// empty reports whether nothing lies in a span.
func (o *order) empty(s span) bool {
	return !s.from.open() && !s.to.open() && o.compare(s.from, s.to) >= 0
}

// compareFrom puts beginnings in order, that of all versions first.
func (o *order) compareFrom(a, b span) int {
	switch {
	case a.from.open() && b.from.open():
		return 0
	case a.from.open():
		return -1
	case b.from.open():
		return 1
	default:
		return o.compare(a.from, b.from)
	}
}

// compareTo puts ends in order, that of all versions last.
func (o *order) compareTo(a, b span) int {
	switch {
	case a.to.open() && b.to.open():
		return 0
	case a.to.open():
		return 1
	case b.to.open():
		return -1
	default:
		return o.compare(a.to, b.to)
	}
}

// joined puts spans in order, and makes one of those that touch.
func (o *order) joined(spans []span) []span {
	spans = slices.Clone(spans)
	slices.SortStableFunc(spans, o.compareFrom)
	var out []span
	for _, s := range spans {
		last := len(out) - 1
		if last < 0 || !out[last].to.open() && !s.from.open() && o.compare(out[last].to, s.from) < 0 {
			out = append(out, s)
			continue
		}
		if s.to.open() || !out[last].to.open() && o.compare(s.to, out[last].to) > 0 {
			out[last].to = s.to
		}
	}
	return out
}

// without takes the versions of other spans away.
func (o *order) without(spans, others []span) []span {
	for _, other := range others {
		var rest []span
		for _, s := range spans {
			rest = append(rest, o.cut(s, other)...)
		}
		spans = rest
	}
	return spans
}

// cut is what is left of a span, on the left and on the right of another.
func (o *order) cut(s, other span) []span {
	var out []span
	if !other.from.open() && (s.from.open() || o.compare(s.from, other.from) < 0) {
		left := span{s.from, other.from}
		if !s.to.open() && o.compare(s.to, other.from) <= 0 {
			left = s
		}
		out = append(out, left)
	}
	if !other.to.open() && (s.to.open() || o.compare(other.to, s.to) < 0) {
		right := span{other.to, s.to}
		if !s.from.open() && o.compare(s.from, other.to) >= 0 {
			right = s
		}
		if len(out) == 0 || out[0] != right {
			out = append(out, right)
		}
	}
	return out
}

// branches understands several spans that begin with one version: "before 13.7", "before 14.7", "before 15" says
// in which version each branch was mended, and 14.7 is not affected because it is before 15. Each span but the first begins
// with the branch after that of the end before it: of "before 128.3" and "before 131" 128.5 is not affected, and 130 is.
func (o *order) branches(spans []span) []span {
	spans = slices.Clone(spans)
	slices.SortStableFunc(spans, func(a, b span) int {
		return cmp.Or(o.compareFrom(a, b), o.compareTo(a, b))
	})
	var out []span
	for i, s := range spans {
		if i > 0 && !s.to.open() && o.compareFrom(spans[i-1], s) == 0 && !spans[i-1].to.open() {
			last := spans[i-1].to
			if o.compare(last, s.to) == 0 {
				continue
			}
			s.from = o.afterBranch(last, s.to)
			if o.empty(s) {
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// afterBranch is where the versions begin that are not on the branch of an earlier end: after 12.7.4, with 13.6.5 to come,
// it is 13; after 2.2.7, with 2.4.9 to come, it is 2.3. An end that goes on from the earlier one is on the same branch. Makers of
// operating systems name every branch that is affected, so that there it is the branch of the later end: with 14.4 to come, it is 14.
func (o *order) afterBranch(earlier, later point) point {
	a, b := strings.Split(earlier.version, "."), strings.Split(later.version, ".")
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	switch {
	case n == len(a):
		return earlier
	case o.ecosystem == version.OS:
		return before(branch(earlier.version, later.version))
	}
	if end, ok := next(strings.Join(a[:n+1], ".")); ok {
		return before(end)
	}
	return before(branch(earlier.version, later.version))
}

// branch is the beginning of a version up to where it differs from an earlier one: of 13.6.5 after 12.7.4 it is 13, of
// 2.4.9 after 2.2.7 it is 2.4.
func branch(earlier, v string) string {
	a, b := strings.Split(earlier, "."), strings.Split(v, ".")
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return strings.Join(b[:min(n+1, len(b))], ".")
}

// next is the version after all that begin with a prefix: of 5.4 it is 5.5.
func next(prefix string) (string, bool) {
	i := strings.LastIndexFunc(prefix, func(r rune) bool { return r < '0' || r > '9' }) + 1
	n, err := strconv.ParseUint(prefix[i:], 10, 62)
	if err != nil {
		return "", false
	}
	return prefix[:i] + strconv.FormatUint(n+1, 10), true
}

// justAfter stands for the first version after another, which the form of entries cannot tell: a range begins with a
// version that belongs to it. Nobody releases such a version.
func justAfter(v string) string { return v + ".0.0.0.0.1" }

// ranges writes spans as an entry has them.
func ranges(spans []span) []vuln.Range {
	if len(spans) == 0 {
		return nil
	}
	r := vuln.Range{Type: "ECOSYSTEM"}
	for _, s := range spans {
		switch {
		case s.from.open():
			r.Events = append(r.Events, vuln.Event{Introduced: "0"})
		case s.from.after:
			r.Events = append(r.Events, vuln.Event{Introduced: justAfter(s.from.version)})
		default:
			r.Events = append(r.Events, vuln.Event{Introduced: s.from.version})
		}
		switch {
		case s.to.open():
		case s.to.after:
			r.Events = append(r.Events, vuln.Event{LastAffected: s.to.version})
		default:
			r.Events = append(r.Events, vuln.Event{Fixed: s.to.version})
		}
	}
	return []vuln.Range{r}
}
