package vuln

import (
	"slices"
	"strings"

	"muster/internal/posture"
)

// Outcome is why something on a machine is, or is not, an instance of a vulnerability. The words are those of the API.
type Outcome string

const (
	// IsAffected is what Match finds.
	IsAffected Outcome = "affected"
	// NotInRange is a version that the entry does not call vulnerable: it has the fix, or never had the fault.
	NotInRange Outcome = "not_in_range"
	// NotComparable is a version that cannot be read, and is not listed by name.
	NotComparable Outcome = "not_comparable"
	// OtherVendor is a program of this name by somebody else.
	OtherVendor Outcome = "other_vendor"
	// OtherStream is a package of another module stream.
	OtherStream Outcome = "other_stream"
	// OtherSystem is an entry about other operating systems.
	OtherSystem Outcome = "other_system"
	// OtherRelease is an entry about another release of the distribution.
	OtherRelease Outcome = "other_release"
)

// Considered is something on a machine that an entry about a vulnerability speaks of.
type Considered struct {
	Feed, Entry string
	CVEs        []string
	Product     string // as a finding gives it
	Package     string // what is installed, where Product is what it was built from
	Ecosystem   string // of the entry: whose versions were compared
	Version     string // installed
	Compared    string // that entries speak of, where it is another: that of the source
	Fixed       string // first version without the fault, where the entry names one
	Outcome     Outcome
}

// Consider says of everything that a report names why it is, or is not, an instance of a vulnerability, which is named by a CVE
// or by the id of an entry. What no entry about it speaks of is left out.
func Consider(r *posture.Report, known func(Key) *Group, id string) []Considered {
	var out []Considered
	all := Take(r).products
	for i := range all {
		p := &all[i]
		for _, k := range p.keys {
			out = append(out, p.consider(k, known(k), id, "")...)
			for _, other := range OtherReleases(k) {
				out = append(out, p.consider(other, known(other), id, OtherRelease)...)
			}
		}
	}
	return out
}

// consider looks at the entries under a key. outcome, where not "", is why none of them counts.
func (p *product) consider(k Key, g *Group, id string, outcome Outcome) []Considered {
	if g == nil {
		return nil
	}
	var out []Considered
	for _, t := range slices.Concat(g.sorted, g.rest) {
		if !t.isAbout(id) {
			continue
		}
		c := Considered{
			Feed: t.feed, Entry: t.ID, CVEs: t.CVEs, Product: p.shown, Package: p.installed, Ecosystem: k.Space, Version: p.version, Outcome: outcome,
		}
		if p.compared != p.version {
			c.Compared = p.compared
		}
		if outcome == "" {
			c.Outcome, c.Fixed = p.outcome(k, g, t)
		} else {
			c.Fixed = t.firstFix()
		}
		out = append(out, c)
	}
	return out
}

func (t *target) isAbout(id string) bool {
	return strings.EqualFold(t.ID, id) || slices.ContainsFunc(t.CVEs, func(cve string) bool { return strings.EqualFold(cve, id) })
}

// outcome asks what Match asks, one thing after the other.
func (p *product) outcome(k Key, g *Group, t *target) (Outcome, string) {
	switch {
	case len(p.vendor) > 0 && !t.by(p.vendor):
		return OtherVendor, t.firstFix()
	case !g.streamsOf(k, p).concern(t):
		return OtherStream, t.firstFix()
	case !t.on(p.system):
		return OtherSystem, t.firstFix()
	}
	r := read(k.Space, g.withEpoch(k.Space, p.compared))
	in, fix := t.affects(r)
	switch {
	case !t.counts(p):
		return NotComparable, t.firstFix()
	case in:
		return IsAffected, fix
	case !r.ordered:
		return NotComparable, t.firstFix()
	default:
		return NotInRange, t.firstFix()
	}
}

// firstFix is the first version that the entry calls fixed, "" where it names none.
func (t *target) firstFix() string {
	for _, edges := range t.ranges {
		for _, e := range edges {
			if e.kind == fixed {
				return e.version
			}
		}
	}
	return ""
}

// releases are those of distributions that feeds speak of, for those who look whether an entry is about another one.
var releases = map[string][]string{
	"AlmaLinux":   {"8", "9", "10"},
	"Rocky Linux": {"8", "9", "10"},
	"Debian":      {"10", "11", "12", "13", "14"},
	"Ubuntu":      {"14.04", "16.04", "18.04", "20.04", "22.04", "24.04", "25.04", "25.10", "26.04"},
	"Alpine":      {"v3.15", "v3.16", "v3.17", "v3.18", "v3.19", "v3.20", "v3.21", "v3.22", "v3.23"},
}

// OtherReleases gives the keys of the same package in other releases of its distribution.
func OtherReleases(k Key) []Key {
	base, release, ok := strings.Cut(k.Space, ":")
	if !ok {
		return nil
	}
	var out []Key
	for _, other := range releases[base] {
		if other != release {
			out = append(out, Key{Space: base + ":" + other, Name: k.Name, ByVendor: k.ByVendor})
		}
	}
	return out
}

// ConsideredKeys lists the keys that Consider asks for, each once and in order.
func ConsideredKeys(r *posture.Report) []Key {
	own := Take(r).Keys()
	out := slices.Clone(own)
	for _, k := range own {
		out = append(out, OtherReleases(k)...)
	}
	slices.SortFunc(out, Key.Compare)
	return slices.Compact(out)
}
