package vuln

import (
	"slices"

	"muster/internal/posture"
	"muster/internal/vuln/version"
)

// A machine that lists twenty thousand versions of one package is none, and would have millions of findings. Matching ends
// with so many hits, or where they name so many CVEs, twenty times what the worst machine has; of the findings the worst are kept.
const (
	maxHits     = 100_000
	maxMentions = 1_000_000
	maxFindings = 20_000
)

// Hit is something on a machine that an entry says is vulnerable. It is a finding once it is scored.
type Hit struct {
	target    *target
	product   *product
	ecosystem string // whose versions were compared
	fixed     string
}

// CVEs lists the CVEs that the entry is about; the caller does not change it.
func (h *Hit) CVEs() []string { return h.target.CVEs }

// Match finds the known vulnerabilities of everything that a report names and of the operating system itself. known gives
// what is known under a key, nil for nothing.
func (v *Inventory) Match(known func(Key) *Group) []Hit {
	m := &matching{known: known, tried: make(map[tried]bool)}
	for i := range v.products {
		p := &v.products[i]
		for _, k := range p.keys {
			m.try(k, p)
		}
		if m.full() {
			break
		}
	}
	return m.hits
}

// matching is the work on one report.
type matching struct {
	known    func(Key) *Group
	hits     []Hit
	mentions int // of CVEs, by all hits
	tried    map[tried]bool
}

// full reports whether there are more hits than any machine has.
func (m *matching) full() bool { return len(m.hits) >= maxHits || m.mentions >= maxMentions }

// tried is a package that was looked up: a source is once, however many packages were built from it.
type tried struct {
	key             Key
	version, module string
}

// try compares a product with everything known under a key.
func (m *matching) try(k Key, p *product) {
	g := m.known(k)
	if g == nil {
		return
	}
	if p.isPackage {
		again := tried{k, p.compared, p.module}
		if m.tried[again] {
			return
		}
		m.tried[again] = true
	}
	s := g.streamsOf(k, p)
	r := read(k.Space, g.withEpoch(k.Space, p.compared))
	if r.ordered {
		for _, t := range g.fixedAfter(r.version) {
			m.found(t, k, p, s, t.ranges[0][1].version)
		}
	}
	for _, t := range g.rest {
		if in, fix := t.affects(r); in {
			m.found(t, k, p, s, fix)
		}
	}
}

// found keeps a hit, if vendor, module stream and operating system fit.
func (m *matching) found(t *target, k Key, p *product, s *streams, fix string) {
	if len(p.vendor) > 0 && !t.by(p.vendor) || !s.concern(t) || !t.on(p.system) || !t.counts(p) {
		return
	}
	m.hits = append(m.hits, Hit{t, p, k.Space, fix})
	m.mentions += len(t.CVEs)
}

// by reports whether one of the target's vendors is the one reported.
func (t *target) by(vendor []string) bool {
	return slices.ContainsFunc(t.Vendors, func(v []string) bool { return sameVendor(v, vendor) })
}

// on reports whether a target concerns an operating system. One that is not known may be any.
func (t *target) on(system string) bool {
	return len(t.Systems) == 0 || system == "" || slices.Contains(t.Systems, system)
}

// counts reports whether a target and a product count versions in one way: see byYear.
func (t *target) counts(p *product) bool {
	if len(p.vendor) == 0 || !byYear[p.vendor[0]] || isYear(p.compared) {
		return true
	}
	return !slices.ContainsFunc(t.ranges, func(edges []edge) bool {
		return len(edges) > 0 && isYear(edges[len(edges)-1].version)
	})
}

// affects reports whether a version is affected, and by which version the fault is gone. A version that cannot be
// compared is affected only if it is listed by name.
func (t *target) affects(r reading) (bool, string) {
	if r.ordered {
		for _, edges := range t.ranges {
			if in, fix := r.within(edges); in {
				return true, fix
			}
		}
	}
	return slices.Contains(t.Versions, r.text), ""
}

// Score makes findings of hits: each vulnerability once for a product and version, the worst first, at most maxFindings. facts gives what all
// feeds together say of a CVE. The levels are those of the worst finding under each score type.
func Score(hits []Hit, facts func(cve string) Facts, t Thresholds) ([]posture.Finding, posture.Levels) {
	s := scoring{facts: facts, thresholds: t, seen: make(map[once]int, len(hits)), findings: make([]posture.Finding, 0, len(hits))}
	for i := range hits {
		s.add(&hits[i])
	}
	slices.SortFunc(s.findings, posture.WorseFirst)
	var worst posture.Levels
	for i := range s.findings {
		worst = worst.Worst(s.findings[i].Levels)
	}
	if len(s.findings) > maxFindings {
		s.findings = slices.Clone(s.findings[:maxFindings])
	}
	return s.findings, worst
}

type scoring struct {
	facts      func(cve string) Facts
	thresholds Thresholds
	seen       map[once]int // index of the finding
	findings   []posture.Finding
}

// once tells findings apart. A distribution may publish one vulnerability twice, as an advisory and under its CVE id:
// where both stand for the same CVEs they are one.
type once struct{ vulnerability, product, version string }

// add keeps a hit once: under the name that comes first in the alphabet where a program is listed twice, as for two
// architectures, and with the worse score where two entries stand for one vulnerability.
func (s *scoring) add(h *Hit) {
	f := s.finding(h)
	key := once{h.target.identity, h.product.reduced, h.product.version}
	i, again := s.seen[key]
	if !again {
		s.seen[key] = len(s.findings)
		s.findings = append(s.findings, f)
		return
	}
	known := &s.findings[i]
	f.Product = min(f.Product, known.Product)
	known.Product = f.Product
	if replaces(&f, known) {
		*known = f
	}
}

// replaces decides which of two findings of one vulnerability is kept: the worse; or else the one with the later fix, since who has
// that is rid of both, such as where an advisory mends what the one before mended badly.
func replaces(f, known *posture.Finding) bool {
	if f.Scores[posture.ScoreOpswat] != known.Scores[posture.ScoreOpswat] || f.Fixed == known.Fixed || f.Ecosystem != known.Ecosystem {
		return posture.WorseFirst(*f, *known) < 0
	}
	if f.Fixed == "" || known.Fixed == "" {
		return known.Fixed == ""
	}
	if n, err := version.Compare(f.Ecosystem, f.Fixed, known.Fixed); err == nil && n != 0 {
		return n > 0
	}
	return posture.WorseFirst(*f, *known) < 0
}

func (s *scoring) finding(h *Hit) posture.Finding {
	all := h.target.complete(s.facts)
	scores := all.scores()
	f := posture.Finding{
		ID: h.target.ID, Feed: h.target.feed, CVEs: slices.Clone(h.target.CVEs), Product: h.product.shown, Package: h.product.installed,
		Ecosystem: h.ecosystem, Version: h.product.version, Fixed: h.fixed, KEV: all.KEV, Scores: scores, Levels: s.thresholds.Levels(scores),
	}
	if all.EPSS >= 0 {
		f.EPSS = &all.EPSS
	}
	return f
}

// complete gives what a target says of itself, with what all feeds say of its CVEs where it does not.
func (t *target) complete(facts func(cve string) Facts) Facts {
	others := NoFacts
	for _, cve := range t.CVEs {
		others = others.Worst(facts(cve))
	}
	return t.facts.completedBy(others)
}
