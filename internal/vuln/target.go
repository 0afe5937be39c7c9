package vuln

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	"muster/internal/posture"
	"muster/internal/vuln/version"
)

// record is what a finding says of an entry.
type record struct {
	id       string
	cves     []string
	identity string // the CVEs, or the id where there are none
}

// target is one package or application that an entry affects.
type target struct {
	*record
	ecosystem string
	vendors   [][]string
	ranges    [][]edge
	versions  []string // affected, and in no range
	facts     facts
	scores    [posture.NumScoreTypes]float64 // follow from the facts, once all entries are known
	fix       *version.Version               // where all versions before this one are affected and no others
}

// group is what is known under one key. A kernel or a browser has thousands of entries, nearly all of which say that
// every version before some fix is affected: sorted by that fix, those that concern a version are the end of a list.
type group struct {
	sorted []*target
	rest   []*target
}

func newGroup(targets []*target) *group {
	g := &group{}
	for _, t := range targets {
		if t.fix != nil {
			g.sorted = append(g.sorted, t)
		} else {
			g.rest = append(g.rest, t)
		}
	}
	slices.SortStableFunc(g.sorted, func(a, b *target) int {
		n, _ := a.fix.CompareTo(*b.fix) // of one ecosystem, and read: they can be compared
		return n
	})
	return g
}

// fixedAfter lists the sorted targets whose fix is newer than a version. It asks for the newest first: most machines
// are up to date.
func (g *group) fixedAfter(v version.Version) []*target {
	older := func(i int) bool {
		n, err := v.CompareTo(*g.sorted[i].fix)
		return err == nil && n < 0
	}
	last := len(g.sorted) - 1
	if last < 0 || !older(last) {
		return nil
	}
	return g.sorted[sort.Search(last, older):]
}

// targets prepares everything that an entry affects.
func (b *builder) targets(e *Entry) map[key][]*target {
	rec := &record{id: e.ID, cves: e.cves()}
	rec.identity = cmp.Or(strings.Join(rec.cves, " "), e.ID)
	out := make(map[key][]*target)
	for i := range e.Affected {
		a := &e.Affected[i]
		t := b.target(rec, e, a)
		if t == nil {
			continue
		}
		for _, k := range keysOf(a, t.vendors) {
			out[k] = append(out[k], t)
		}
	}
	return out
}

// target prepares one package or application, nil where nothing could ever match.
func (b *builder) target(rec *record, e *Entry, a *Affected) *target {
	t := &target{record: rec, ecosystem: space(a.Package.Ecosystem)}
	if !version.Supported(t.ecosystem) {
		b.problem("%s: the order of versions of %q is not known", e.ID, a.Package.Ecosystem)
		return nil
	}
	severity := e.Severity
	if len(a.Severity) > 0 {
		severity = a.Severity
	}
	var ok bool
	if t.facts, ok = factsOf(severity, &e.Extra); !ok {
		b.problem("%s: a CVSS vector cannot be read", e.ID)
	}
	for _, v := range a.Product.Vendors {
		t.vendors = append(t.vendors, vendorWords(v))
	}
	if len(t.vendors) == 0 && isApplication(t.ecosystem) {
		b.problem("%s: the application %q has no vendor", e.ID, a.Package.Name)
		return nil
	}
	b.ranges(t, e, a)
	t.fix = t.onlyFix()
	if len(t.ranges) == 0 && len(t.versions) == 0 {
		return nil
	}
	return t
}

// ranges prepares the ranges, and of the single versions those that no range covers: the lists of distributions are
// long and mostly repeat the ranges.
func (b *builder) ranges(t *target, e *Entry, a *Affected) {
	for _, r := range a.Ranges {
		if r.Type == "GIT" {
			continue
		}
		edges, ok := edgesOf(t.ecosystem, r.Events)
		if !ok {
			b.problem("%s: a range of %s cannot be read", e.ID, a.Package.Name)
			continue
		}
		t.ranges = append(t.ranges, edges)
	}
	for _, s := range a.Versions {
		if v, err := version.Parse(t.ecosystem, s); err != nil || !t.inRanges(v) {
			t.versions = append(t.versions, s)
		}
	}
}

func (t *target) inRanges(v version.Version) bool {
	return slices.ContainsFunc(t.ranges, func(edges []edge) bool {
		in, _ := covers(v, edges)
		return in
	})
}

// space reduces an ecosystem to what tells its packages from those of others: Ubuntu:22.04:LTS is Ubuntu:22.04.
func space(ecosystem string) string { return strings.TrimSuffix(ecosystem, ":LTS") }

func isApplication(ecosystem string) bool {
	base, _, _ := strings.Cut(ecosystem, ":")
	return base == version.Application
}

// keysOf lists the keys under which an affected package or application is found.
func keysOf(a *Affected, vendors [][]string) []key {
	s := space(a.Package.Ecosystem)
	base, _, _ := strings.Cut(s, ":")
	switch base {
	case version.OS:
		return []key{{space: s}}
	case version.Application:
		return applicationKeys(s, append([]string{a.Package.Name}, a.Product.Names...), vendors)
	default:
		return []key{{space: s, name: packageName(base, a.Package.Name)}}
	}
}

// applicationKeys lists the short names, for machines that report a vendor, and the full ones for those that do not:
// as written, and with each vendor in front.
func applicationKeys(space string, names []string, vendors [][]string) []key {
	var out []key
	for _, name := range names {
		full := productWords(name, "")
		if len(full) == 0 {
			continue
		}
		out = append(out, key{space: space, name: strings.Join(full, " ")})
		for _, v := range vendors {
			short := withoutVendor(full, v)
			out = append(out, key{space: space, name: strings.Join(short, " "), byVendor: true},
				key{space: space, name: strings.Join(slices.Concat(v, short), " ")})
		}
	}
	slices.SortFunc(out, func(a, b key) int { return strings.Compare(a.order(), b.order()) })
	return slices.Compact(out)
}

func (k key) order() string { return fmt.Sprintf("%s %v %s", k.space, k.byVendor, k.name) }

// onlyFix gives the fix of a target that affects all versions before it and no others, nil for any other target.
func (t *target) onlyFix() *version.Version {
	if len(t.versions) > 0 || len(t.ranges) != 1 || !version.Sortable(t.ecosystem) {
		return nil
	}
	edges := t.ranges[0]
	if len(edges) != 2 || !edges[0].fromStart() || edges[1].kind != fixed {
		return nil
	}
	v, err := version.Parse(t.ecosystem, edges[1].version)
	if err != nil {
		return nil
	}
	return &v
}
