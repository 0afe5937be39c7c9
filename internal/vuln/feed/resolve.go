package feed

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"muster/internal/vuln"
	"muster/internal/vuln/version"
)

// Reasons why what a record says of versions is not used.
const (
	noVersions    Reason = "no version is told, or none that could be compared"
	unreadable    Reason = "what is said of versions is not understood"
	backwards     Reason = "a range ends before it begins"
	notComparable Reason = "versions cannot be put in order"
)

// stated is what a record says of the versions of one product, sorted by what it says of them.
type stated struct {
	affected, fine           []span // fine: unaffected, or not known
	affectedAlone, fineAlone []string
}

// resolve finds out which versions are affected: stretches, and single ones beside them.
func (t *translation) resolve(a *cveAffected, ecosystem string) ([]span, []string) {
	o := &order{ecosystem: ecosystem}
	t.product = strings.ToLower(a.Product)
	var s stated
	for i := range a.Versions {
		t.state(&s, &a.Versions[i], o)
	}
	spans := t.settle(&s, o, strings.EqualFold(a.Default, "affected"), len(a.Versions) == 0)
	if o.failed {
		t.problem(notComparable, a.Product)
		return nil, s.affectedAlone
	}
	slices.Sort(s.affectedAlone)
	return spans, slices.Compact(s.affectedAlone)
}

// settle takes what is affected and what is not together. A record whose default is 'affected' and which also names a
// bounded range as affected, and nothing as unaffected, means that range: by the letter everything would be affected.
func (t *translation) settle(s *stated, o *order, byDefault, silent bool) []span {
	affected := s.affected
	switch {
	case byDefault && (len(s.fine) > 0 || len(s.fineAlone) > 0):
		affected = []span{everything}
	case byDefault && silent:
		affected = []span{everything}
	}
	affected = o.joined(o.branches(affected))
	fine := s.fine
	if endless(affected) {
		// A single version that is not affected is the one with the fix, and so are those after it.
		fine = append(fine, o.fixes(s.fineAlone)...)
	}
	var out []span
	for _, left := range o.without(affected, fine) {
		if !o.empty(left) {
			out = append(out, left)
		}
	}
	return out
}

func endless(spans []span) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.to.open() })
}

// fixes understands single versions as those in which each branch was mended.
func (o *order) fixes(versions []string) []span {
	versions = slices.Clone(versions)
	slices.SortFunc(versions, func(a, b string) int { return o.compare(before(a), before(b)) })
	var out []span
	for i, v := range versions {
		s := span{from: before(v)}
		if i+1 < len(versions) {
			s.to = before(branch(v, versions[i+1]))
		}
		if !o.empty(s) {
			out = append(out, s)
		}
	}
	return out
}

// state adds what is said of one version or range.
func (t *translation) state(s *stated, v *cveVersion, o *order) {
	if strings.EqualFold(v.Type, "git") || isCommit(v.Version) || isCommit(v.Before) {
		return
	}
	var w wording
	var ok bool
	if v.Before == "" && v.Through == "" {
		w, ok = t.single(v.Version)
	} else {
		w, ok = t.bounded(v, o)
	}
	if !ok {
		return
	}
	affected := strings.EqualFold(v.Status, "affected")
	if affected && len(w.single) == 1 && strings.Trim(w.single[0], "0.") == "" {
		w = wording{spans: []span{everything}} // nobody releases a version 0: it is where a range begins that has no end
	}
	for _, part := range w.spans {
		s.change(part, affected, v.Changes, o)
	}
	if affected {
		s.affectedAlone = append(s.affectedAlone, w.single...)
	} else {
		s.fineAlone = append(s.fineAlone, w.single...)
	}
}

func (t *translation) single(text string) (wording, bool) {
	if text = strings.TrimSpace(text); noVersion.MatchString(text) {
		t.problem(noVersions, "")
		return wording{}, false
	}
	w, ok := understand(text)
	if rest, named := strings.CutPrefix(strings.ToLower(text), t.product+" "); !ok && named && t.product != "" {
		w, ok = understand(rest)
	}
	if !ok {
		t.problem(unreadable, text)
	}
	return w, ok
}

// bounded reads a range.
func (t *translation) bounded(v *cveVersion, o *order) (wording, bool) {
	to, ok := t.end(v)
	if fixes, isList := list(v.Before); !ok && isList && len(fixes.spans) == 0 && beginning(v.Version).open() {
		var w wording
		for _, fix := range fixes.single { // "before 3.5.8, 3.6.3": each on its branch
			w.spans = append(w.spans, span{to: before(fix)})
		}
		return w, true
	}
	if !ok {
		t.problem(unreadable, cmp.Or(v.Before, v.Through))
		return wording{}, false
	}
	s := span{from: beginning(v.Version), to: to}
	switch {
	case andOlder.MatchString(v.Before + v.Through):
		s.from = point{}
	case s.from.version == s.to.version && !s.to.after:
		s.from = point{} // "before 5" is often written as "from 5, before 5"
	case o.empty(s):
		t.problem(backwards, v.Version+" to "+s.to.version)
		return wording{}, false
	}
	return wording{spans: []span{s}}, true
}

// andOlder stands in some records where a range ends, which then is a version and all before it.
var andOlder = regexp.MustCompile(`(?i)^\s*(?:prior|earlier|previous)`)

// end reads where a range ends.
func (t *translation) end(v *cveVersion) (point, bool) {
	text, inclusive := strings.TrimSpace(v.Before), false
	if text == "" {
		text, inclusive = strings.TrimSpace(v.Through), true
	}
	text = strings.TrimSpace(signReplacer.Replace(text))
	switch lower := strings.ToLower(text); {
	case lower == "*", lower == "latest", lower == "all", lower == "unspecified":
		return point{}, true
	case andOlder.MatchString(text):
		text, inclusive = strings.TrimSpace(v.Version), true
	}
	if m := wildcard.FindStringSubmatch(text); m != nil {
		end, ok := next(m[1])
		return before(end), ok
	}
	if w, ok := understand(text); ok && len(w.spans) == 1 && len(w.single) == 0 && w.spans[0].from.open() {
		return w.spans[0].to, true // "< 24.2.5"
	}
	return point{text, inclusive}, plainVersion.MatchString(text)
}

// firstVersion is where the first version in a text stands.
var firstVersion = regexp.MustCompile(`\b[vV]?(\d+(?:\.\d+)+)`)

// beginning reads where a range begins, which may be before all versions.
func beginning(s string) point {
	s = strings.TrimSpace(signReplacer.Replace(s))
	if m := wildcard.FindStringSubmatch(s); m != nil {
		return before(m[1])
	}
	if plainVersion.MatchString(s) {
		if strings.Trim(s, "0.") == "" {
			return point{}
		}
		return before(s)
	}
	if m := firstVersion.FindStringSubmatch(s); m != nil {
		return before(m[1])
	}
	return point{}
}

// change adds a range within which the status changes.
func (s *stated) change(whole span, affected bool, changes []cveChange, o *order) {
	changes = slices.DeleteFunc(slices.Clone(changes), func(c cveChange) bool { return !plainVersion.MatchString(c.At) })
	slices.SortStableFunc(changes, func(a, b cveChange) int { return o.compare(before(a.At), before(b.At)) })
	from := whole.from
	add := func(to point) {
		part := span{from, to}
		if !whole.to.open() && (to.open() || o.compare(whole.to, to) < 0) {
			part.to = whole.to
		}
		switch {
		case o.empty(part):
		case affected:
			s.affected = append(s.affected, part)
		default:
			s.fine = append(s.fine, part)
		}
	}
	for _, c := range changes {
		if now := strings.EqualFold(c.Status, "affected"); now != affected {
			add(before(c.At))
			affected = now
			if whole.from.open() || o.compare(whole.from, before(c.At)) < 0 {
				from = before(c.At)
			}
		}
	}
	add(point{})
}

// inSeries raises the beginning of spans to the series that a product is named for: .NET 8.0 has no version below 8.0,
// and Windows 10.0.17763 none below that build, whatever a record says.
func inSeries(product string, spans []span, ecosystem string) []span {
	o := &order{ecosystem: ecosystem}
	var out []span
	for _, s := range spans {
		if first := firstOfSeries(product, s.to.version, ecosystem); first != "" {
			from := before(first)
			if (s.from.open() || o.compare(s.from, from) < 0) && !o.empty(span{from, s.to}) {
				s.from = from
			}
		}
		out = append(out, s)
	}
	return out
}

// firstOfSeries is the first version of the series that a version belongs to, "" where that is not known.
func firstOfSeries(product, v, ecosystem string) string {
	if ecosystem == version.OS+":"+windows {
		parts := strings.Split(v, ".")
		if len(parts) < 4 {
			return ""
		}
		return strings.Join(parts[:3], ".")
	}
	if m := namedForSeries.FindStringSubmatch(product); len(m) > 1 && strings.HasPrefix(v, m[1]+".") {
		return m[1]
	}
	return ""
}

// affectedAs is an affected product with the ranges that were found.
func affectedAs(ecosystem, name string, spans []span, single []string) vuln.Affected {
	return vuln.Affected{Package: vuln.Package{Ecosystem: ecosystem, Name: name}, Ranges: ranges(spans), Versions: single}
}
