package vuln

import (
	"cmp"
	"slices"
	"strings"

	"muster/internal/posture"
	"muster/internal/vuln/version"
)

// Match finds the known vulnerabilities of everything that a report lists and of the operating system itself: each
// once for a product and version, the worst first. The levels are those of the worst finding under each score type.
func (c *Catalogue) Match(r *posture.Report) ([]posture.Finding, posture.Levels) {
	m := &matching{catalogue: c, report: r, seen: make(map[hit]int), tried: make(map[hit]bool)}
	for i := range r.Applications {
		m.application(&r.Applications[i])
	}
	m.system()
	slices.SortFunc(m.findings, worseFirst)
	var worst posture.Levels
	for i := range m.findings {
		worst = worst.Worst(m.findings[i].Levels)
	}
	if m.findings == nil {
		m.findings = []posture.Finding{}
	}
	return m.findings, worst
}

// worseFirst is the order of findings.
func worseFirst(a, b posture.Finding) int {
	return cmp.Or(cmp.Compare(b.Scores[posture.ScoreOpswat], a.Scores[posture.ScoreOpswat]), strings.Compare(a.ID, b.ID),
		strings.Compare(a.Product, b.Product), strings.Compare(a.Version, b.Version), strings.Compare(a.Fixed, b.Fixed))
}

// matching is the work on one report.
type matching struct {
	catalogue *Catalogue
	report    *posture.Report
	findings  []posture.Finding
	seen      map[hit]int // index of the finding
	tried     map[hit]bool
}

// hit tells findings apart. A distribution may publish one vulnerability twice, as an advisory and under its CVE id:
// where both stand for the same CVEs they are one.
type hit struct{ vulnerability, product, version string }

// installed is a product as it is looked up.
type installed struct {
	shown   string // the name that a finding gives
	reduced string // the name that tells products apart
	version string
	vendor  []string // nil where it plays no part or is not known
}

// application looks up a package by its ecosystem, and anything else by name and vendor.
func (m *matching) application(app *posture.Application) {
	if app.Version == "" {
		return
	}
	if app.Ecosystem == "" {
		m.byVendor(app)
		return
	}
	eco := m.space(app.Ecosystem)
	base, _, _ := strings.Cut(eco, ":")
	name := cmp.Or(app.Source, app.Name)
	k := key{space: eco, name: packageName(base, name)}
	if m.catalogue.index[k] == nil {
		return
	}
	h := hit{eco, name, app.Version}
	if !m.tried[h] { // or else another package built from the same source
		m.tried[h] = true
		m.try(k, &installed{shown: name, reduced: eco + " " + k.name, version: app.Version})
	}
}

// space completes an ecosystem without a release from what the report says of the system: without the release the
// fixes of a distribution are not known.
func (m *matching) space(ecosystem string) string {
	dist := m.report.OS.Distribution
	if !strings.Contains(ecosystem, ":") && strings.HasPrefix(dist, ecosystem) && strings.HasPrefix(dist[len(ecosystem):], ":") {
		return space(dist)
	}
	return space(ecosystem)
}

// applicationSpaces are where applications of a family are found; "" for a family that has no applications of its own.
func applicationSpaces(f posture.OSFamily) [2]string {
	switch f {
	case posture.Windows:
		return [2]string{"Application:windows", "Application"}
	case posture.MacOS:
		return [2]string{"Application:mac", "Application"}
	case posture.Linux:
		return [2]string{"Application:linux", "Application"}
	case posture.IOS:
		return [2]string{"Application:ios", "Application"}
	case posture.Android:
		return [2]string{"Application:android", "Application"}
	default:
		return [2]string{"Application"}
	}
}

func (m *matching) byVendor(app *posture.Application) {
	words := productWords(app.Name, app.Version)
	if len(words) == 0 {
		return
	}
	vendor := vendorWords(app.Vendor)
	name := strings.Join(withoutVendor(words, vendor), " ")
	p := &installed{shown: strings.TrimSpace(app.Name), reduced: name, version: app.Version, vendor: vendor}
	for _, s := range applicationSpaces(m.report.OS.Family) {
		if s != "" {
			m.try(key{space: s, name: name, byVendor: len(vendor) > 0}, p)
		}
	}
}

// system looks up the operating system itself.
func (m *matching) system() {
	os := &m.report.OS
	if os.Family == "" || os.Version == "" {
		return
	}
	name := cmp.Or(os.Name, string(os.Family))
	m.try(key{space: version.OS + ":" + string(os.Family)}, &installed{shown: name, reduced: "os", version: os.Version})
}

// try compares a product with everything known under a key.
func (m *matching) try(k key, p *installed) {
	g := m.catalogue.index[k]
	if g == nil {
		return
	}
	v, err := version.Parse(k.space, p.version)
	if err == nil {
		for _, t := range g.fixedAfter(v) {
			m.found(t, p, t.ranges[0][1].version)
		}
	}
	for _, t := range g.rest {
		if in, fix := t.affects(v, err == nil, p.version); in {
			m.found(t, p, fix)
		}
	}
}

// by reports whether one of the target's vendors is the one reported.
func (t *target) by(vendor []string) bool {
	return slices.ContainsFunc(t.vendors, func(v []string) bool { return sameVendor(v, vendor) })
}

// affects reports whether a version is affected, and by which version the fault is gone. A version that cannot be
// compared is affected only if it is listed by name.
func (t *target) affects(v version.Version, ordered bool, text string) (bool, string) {
	if ordered {
		for _, edges := range t.ranges {
			if in, fix := covers(v, edges); in {
				return true, fix
			}
		}
	}
	return slices.Contains(t.versions, text), ""
}

// found keeps a finding, if the vendor fits, and once: under the name that comes first in the alphabet where a program is listed twice, as for
// two architectures, and with the worse score where two entries stand for one vulnerability.
func (m *matching) found(t *target, p *installed, fix string) {
	if len(p.vendor) > 0 && !t.by(p.vendor) {
		return
	}
	f := posture.Finding{
		ID: t.id, CVEs: slices.Clone(t.cves), Product: p.shown, Version: p.version, Fixed: fix, KEV: t.facts.kev,
		Scores: t.scores, Levels: m.catalogue.thresholds.Levels(t.scores),
	}
	h := hit{t.identity, p.reduced, p.version}
	i, again := m.seen[h]
	if !again {
		m.seen[h] = len(m.findings)
		m.findings = append(m.findings, f)
		return
	}
	known := &m.findings[i]
	f.Product = min(f.Product, known.Product)
	known.Product = f.Product
	if worseFirst(f, *known) < 0 {
		*known = f
	}
}
