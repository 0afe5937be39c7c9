package feed

import (
	"cmp"
	"slices"
	"strings"

	"muster/internal/errs"
	"muster/internal/vuln"
	"muster/internal/vuln/version"
)

// platformUntold is why part of a record of NVD is not used.
const platformUntold Reason = "it is affected only together with something that no report tells of"

// nvdRecord is a CVE as NVD tells it, as far as it is used.
type nvdRecord struct {
	ID           string             `json:"id"`
	Published    string             `json:"published"`
	Modified     string             `json:"lastModified"`
	Status       string             `json:"vulnStatus"`
	Exploited    string             `json:"cisaExploitAdd"`
	Name         string             `json:"cisaVulnerabilityName"`
	Descriptions []cveText          `json:"descriptions"`
	Metrics      nvdMetrics         `json:"metrics"`
	Weaknesses   []nvdWeakness      `json:"weaknesses"`
	Config       []nvdConfiguration `json:"configurations"`
}

type nvdMetrics struct {
	V2  []nvdMetric `json:"cvssMetricV2"`
	V30 []nvdMetric `json:"cvssMetricV30"`
	V31 []nvdMetric `json:"cvssMetricV31"`
	V40 []nvdMetric `json:"cvssMetricV40"`
}

type nvdMetric struct {
	Type string    `json:"type"` // Primary or Secondary
	Data cveVector `json:"cvssData"`
}

type nvdWeakness struct {
	Descriptions []cveText `json:"description"`
}

type nvdConfiguration struct {
	Operator string    `json:"operator"`
	Negate   bool      `json:"negate"`
	Nodes    []nvdNode `json:"nodes"`
}

type nvdNode struct {
	Operator string     `json:"operator"`
	Negate   bool       `json:"negate"`
	Matches  []nvdMatch `json:"cpeMatch"`
}

type nvdMatch struct {
	Vulnerable     bool   `json:"vulnerable"`
	Criteria       string `json:"criteria"`
	StartIncluding string `json:"versionStartIncluding"`
	StartExcluding string `json:"versionStartExcluding"`
	EndIncluding   string `json:"versionEndIncluding"`
	EndExcluding   string `json:"versionEndExcluding"`
}

// nvd reads what the API of NVD answers, or the files of a year in the same form.
func (r *run) nvd(f *file) error {
	j := r.reader(f)
	page, start, total, read := -1, 0, -1, 0
	err := j.object(func(name string) error {
		var err error
		switch name {
		case "resultsPerPage":
			_, err = j.into(&page)
		case "startIndex":
			_, err = j.into(&start)
		case "totalResults":
			_, err = j.into(&total)
		case "timestamp":
			var at string
			_, err = j.into(&at)
			r.head.seen(moment(at))
		case "vulnerabilities":
			return j.array(func() error { read++; return r.nvdElement(f, j) })
		default:
			err = j.skip()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case page >= 0 && page != read:
		return f.fault(errs.Invalid, "it says that it holds %d vulnerabilities, and holds %d", page, read)
	case total >= 0 && start+read > total:
		return f.fault(errs.Invalid, "it says that there are %d vulnerabilities in all, and holds those from %d to %d", total, start, start+read)
	case page < 0 && total >= 0 && start+read != total:
		return f.fault(errs.Invalid, "it says that there are %d vulnerabilities, and holds %d", total, read)
	}
	r.head.Declared += max(page, 0)
	return j.end()
}

func (r *run) nvdElement(f *file, j *jsonReader) error {
	var wrapped struct {
		CVE nvdRecord `json:"cve"`
	}
	ok, err := j.into(&wrapped)
	rec := &wrapped.CVE
	switch {
	case err != nil:
		return err
	case !ok:
		r.problem(f, rec.ID, notOfTheForm, "")
		return nil
	case !cveID.MatchString(rec.ID):
		r.problem(f, "", noCVE, rec.ID)
		return nil
	}
	t := translation{run: r, file: f, id: rec.ID}
	return r.entry(f, t.nvd(rec))
}

func (t *translation) nvd(rec *nvdRecord) *vuln.Entry {
	e := &vuln.Entry{
		ID: rec.ID, Published: stamp(rec.Published), Modified: stamp(cmp.Or(rec.Modified, rec.Published)),
		Summary: rec.Name, Details: english(rec.Descriptions), Extra: vuln.Extra{KEV: rec.Exploited != ""},
	}
	if strings.EqualFold(rec.Status, "Rejected") {
		e.Withdrawn = cmp.Or(e.Modified, "1970-01-01T00:00:00Z")
		return e
	}
	v3 := rec.Metrics.V31
	if len(v3) == 0 {
		v3 = rec.Metrics.V30
	}
	e.Severity = slices.Concat(best("CVSS_V2", rec.Metrics.V2), best("CVSS_V3", v3), best("CVSS_V4", rec.Metrics.V40))
	for _, w := range rec.Weaknesses {
		for _, d := range w.Descriptions {
			if strings.HasPrefix(d.Value, "CWE-") && !slices.Contains(e.Extra.CWEs, d.Value) {
				e.Extra.CWEs = append(e.Extra.CWEs, d.Value)
			}
		}
	}
	c := configured{translation: t, index: make(map[configuredKey]int)}
	for i := range rec.Config {
		c.configuration(&rec.Config[i])
	}
	e.Affected = alike(c.affected())
	return e
}

// best takes NVD's own scores where there are any, and else those of others.
func best(kind string, metrics []nvdMetric) []vuln.Severity {
	var own, other []vuln.Severity
	for i := range metrics {
		if m := &metrics[i]; strings.EqualFold(m.Type, "Primary") {
			own = vector(own, kind, &m.Data)
		} else {
			other = vector(other, kind, &m.Data)
		}
	}
	if len(own) > 0 {
		return own
	}
	return other
}

// configured gathers what the configurations of a record say of each product.
type configured struct {
	*translation
	list  []configuredProduct
	index map[configuredKey]int
}

type configuredKey struct{ part, vendor, product, edition, family string }

type configuredProduct struct {
	configuredKey
	spans  []span
	single []string
}

// configuration reads one. Where several things have to come together, it is used only if all but one are a family of
// operating systems: a report tells of nothing else what runs on what.
func (c *configured) configuration(conf *nvdConfiguration) {
	if conf.Negate {
		c.problem(platformUntold, "")
		return
	}
	all := strings.EqualFold(conf.Operator, "AND") && len(conf.Nodes) > 1
	for i := range conf.Nodes {
		node := &conf.Nodes[i]
		if !slices.ContainsFunc(node.Matches, func(m nvdMatch) bool { return m.Vulnerable }) {
			continue
		}
		on, told := []string{""}, !node.Negate && (!strings.EqualFold(node.Operator, "AND") || len(node.Matches) == 1)
		for k := range conf.Nodes {
			if all && told && k != i {
				on, told = narrowed(on, &conf.Nodes[k])
			}
		}
		if !told {
			c.problem(platformUntold, node.Matches[0].Criteria)
			continue
		}
		for k := range node.Matches {
			if m := &node.Matches[k]; m.Vulnerable {
				c.match(m, on)
			}
		}
	}
}

// narrowed keeps the families that a further condition allows too. It reports whether the condition can be told.
func narrowed(on []string, condition *nvdNode) ([]string, bool) {
	if condition.Negate || strings.EqualFold(condition.Operator, "AND") && len(condition.Matches) > 1 {
		return nil, false
	}
	var allowed []string
	for i := range condition.Matches {
		m := &condition.Matches[i]
		n, ok := parseCPE(m.Criteria)
		bounded := m.StartIncluding+m.StartExcluding+m.EndIncluding+m.EndExcluding != ""
		if ok && n.part == "o" && !bounded && (n.version == "*" || n.version == "-") && targets[n.product] != "" {
			allowed = append(allowed, targets[n.product])
		}
	}
	slices.Sort(allowed)
	allowed = slices.Compact(allowed)
	if !slices.Contains(on, "") {
		allowed = slices.DeleteFunc(allowed, func(f string) bool { return !slices.Contains(on, f) })
	}
	return allowed, len(allowed) > 0
}

// distributions publish their own feeds; that they ship a program says nothing of the versions in them.
var distributions = []string{"debian", "canonical", "redhat", "fedoraproject", "opensuse", "suse", "novell", "oracle", "centos", "amazon", "almalinux", "rockylinux", "gentoo", "alpinelinux"}

// match reads one product that is vulnerable, on the families given.
func (c *configured) match(m *nvdMatch, on []string) {
	n, ok := parseCPE(m.Criteria)
	switch {
	case !ok:
		c.problem(noProductName, m.Criteria)
		return
	case n.part == "h", n.part == "o" && slices.Contains(distributions, plain(n.vendor)):
		return
	}
	s := span{}
	switch {
	case m.StartIncluding != "":
		s.from = beginning(m.StartIncluding)
	case m.StartExcluding != "":
		s.from = after(m.StartExcluding)
	}
	switch {
	case m.EndExcluding != "":
		s.to = before(m.EndExcluding)
	case m.EndIncluding != "":
		s.to = after(m.EndIncluding)
	}
	single := ""
	if s == everything {
		switch n.version {
		case "*":
		case "-":
			c.problem(noVersions, m.Criteria)
			return
		default:
			single = strings.TrimSpace(n.version + " " + words(n.update))
		}
	}
	for _, family := range on {
		c.add(&n, cmp.Or(family, n.family()), s, single)
	}
}

func (c *configured) add(n *cpe, family string, s span, single string) {
	k := configuredKey{part: n.part, vendor: n.vendor, product: n.product, family: family}
	if edition := strings.ToLower(n.swEdition); edition == "esr" || edition == "lts" {
		k.edition = edition // released beside the others, with versions of its own
	}
	at, ok := c.index[k]
	if !ok {
		at = len(c.list)
		c.index[k] = at
		c.list = append(c.list, configuredProduct{configuredKey: k})
	}
	p := &c.list[at]
	if single != "" {
		p.single = append(p.single, single)
		return
	}
	p.spans = append(p.spans, s)
}

func (c *configured) affected() []vuln.Affected {
	var out []vuln.Affected
	for i := range c.list {
		if a, ok := c.translated(&c.list[i]); ok {
			out = append(out, a)
		}
	}
	return out
}

// translated is an affected product, from what was gathered of it.
func (c *configured) translated(p *configuredProduct) (vuln.Affected, bool) {
	o := &order{ecosystem: version.Application}
	name := strings.TrimSpace(words(p.product) + " " + p.edition) // of a system
	spans := o.joined(slices.DeleteFunc(p.spans, o.empty))
	if o.failed {
		c.problem(notComparable, name)
		return vuln.Affected{}, false
	}
	if family, ok := system(p.vendor, p.product); ok {
		return c.asSystem(name, family, spans, p.single)
	}
	if elsewhere(p.vendor, p.product) {
		c.problem(otherDevice, name)
		return vuln.Affected{}, false
	}
	family := p.family
	if p.vendor == "linux" && p.product == "linux_kernel" {
		family = linux
	}
	if family == "" && p.vendor == "apple" {
		family = mac
	}
	name = strings.TrimSpace((&cpe{vendor: p.vendor, product: p.product}).name() + " " + p.edition)
	a := affectedAs(strings.TrimSuffix(version.Application+":"+family, ":"), name, spans, p.single)
	a.Product.Vendors = []string{words(p.vendor)}
	return a, len(spans) > 0 || len(p.single) > 0
}
