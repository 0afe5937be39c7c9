package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster/internal/posture"
)

// wideReports is reports with everything that a check looks at.
var wideReports = rapid.Custom(func(t *rapid.T) *posture.Report {
	r := *reports.Draw(t, "report")
	pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	date := func(label string) time.Time {
		if rapid.Bool().Draw(t, label+" known") {
			return dates.Draw(t, label)
		}
		return time.Time{}
	}
	for i := range r.Applications {
		a := &r.Applications[i]
		a.Version = pick("version", "1.0", "2.0", "3.1", "", "odd")
		a.LastScan, a.LastBackup = date("scan"), date("backup")
		if a.Category == "" {
			a.Category = posture.Category(pick("other category", "", "backup", "patch_management", "anti-phishing", "browser", "data_loss_prevention"))
		}
	}
	r.Collected = append(r.Collected, rapid.SliceOfN(rapid.SampledFrom([]posture.Category{
		posture.Backup, posture.Threats, posture.RepeatedThreats, posture.SuspiciousIPs, posture.Browser}), 0, 3).Draw(t, "more collected")...)
	r.OS.Version, r.AgentVersion = pick("os version", "1.0", "2.0", "3.1", "", "odd"), pick("agent version", "1.0", "3", "")
	r.Domain = pick("domain", "", "corp.example", "home.example")
	r.Reboot, r.Updates.Checked, r.PatchesChecked = date("reboot"), date("checked"), date("patches checked")
	r.ScreenLockAfter = time.Duration(rapid.IntRange(0, 3).Draw(t, "lock")) * 10 * time.Minute
	if r.PatchesKnown = rapid.Bool().Draw(t, "patches known"); r.PatchesKnown {
		for range rapid.IntRange(0, 2).Draw(t, "patches") {
			r.MissingPatches = append(r.MissingPatches, posture.Patch{KB: pick("kb", "KB1", "KB2"), Severity: pick("severity", "", "Critical", "Low"), Released: date("released")})
		}
	}
	r.ThreatsScanned = date("scanned")
	for range rapid.IntRange(0, 2).Draw(t, "threats") {
		r.Threats = append(r.Threats, posture.Threat{Source: posture.ThreatSource(pick("source", "scan", "local", "address")), Name: pick("threat", "T", "U"),
			Found: date("found"), Existing: often.Draw(t, "existing"), Repeat: rapid.IntRange(0, 3).Draw(t, "repeat")})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "disks") {
		total := int64(rapid.SampledFrom([]int{0, 1e9, 100e9}).Draw(t, "total"))
		r.Disks = append(r.Disks, posture.Disk{Name: string(rune('C' + i)), Total: total, Free: total / int64(rapid.SampledFrom([]int{2, 100}).Draw(t, "part")),
			System: rapid.Bool().Draw(t, "system disk")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "custom") {
		r.Custom = append(r.Custom, posture.CustomResult{ID: "n", At: date("at"),
			Outcome: rapid.SampledFrom([]posture.Outcome{posture.Pass, posture.Pass, posture.Fail, posture.Unknown, posture.Errored}).Draw(t, "outcome")})
	}
	if rapid.Bool().Draw(t, "processes known") {
		r.Processes = rapid.SliceOfN(rapid.SampledFrom([]string{"init", "bad", "worse"}), 1, 3).Draw(t, "processes")
	}
	return &r
})

// parameterValues gives parameters values that reports come near to.
var parameterValues = map[string]func(*rapid.T, *Check){
	"max_age":          func(t *rapid.T, c *Check) { c.MaxAge = Duration(rapid.IntRange(1, 3).Draw(t, "age")) * Duration(day) },
	"max_idle":         func(_ *rapid.T, c *Check) { c.MaxIdle = Duration(15 * time.Minute) },
	"patch_age":        func(_ *rapid.T, c *Check) { c.PatchAge = Duration(2 * day) },
	"within":           func(_ *rapid.T, c *Check) { c.Within = Duration(3 * day) },
	"min_version":      func(_ *rapid.T, c *Check) { c.MinVersion = "2" },
	"min_free":         func(_ *rapid.T, c *Check) { c.MinFree = 2e9 },
	"min_free_percent": func(_ *rapid.T, c *Check) { c.MinFreePercent = 10 },
	"min_repeats":      func(_ *rapid.T, c *Check) { c.MinRepeats = 3 },
	"volumes": func(t *rapid.T, c *Check) {
		c.Volumes = rapid.SampledFrom([][]string{{"system"}, {"all"}, {"C"}, {"D", "system"}}).Draw(t, "volumes")
	},
	"allowed": func(_ *rapid.T, c *Check) { c.Allowed = []string{"A"} },
	"products": func(t *rapid.T, c *Check) {
		p := Product{Name: rapid.SampledFrom([]string{"A", "b*"}).Draw(t, "product")}
		if c.ID != "forbidden_products" {
			p.MinVersion = "2"
		}
		p.Running = c.ID == "required_products" && rapid.Bool().Draw(t, "must run")
		c.Products = append(c.Products, p)
	},
	"processes":  func(_ *rapid.T, c *Check) { c.Processes = []string{"bad", "wor*"} },
	"severities": func(_ *rapid.T, c *Check) { c.Severities = []string{"critical"} },
	"domains":    func(_ *rapid.T, c *Check) { c.Domains = []string{"corp.example"} },
	"min_level":  func(t *rapid.T, c *Check) { c.MinLevel = rapid.SampledFrom(levelWords).Draw(t, "level") },
	"cves":       func(_ *rapid.T, c *Check) { c.CVEs = []string{"CVE-1"} },
	"kev":        func(_ *rapid.T, c *Check) { c.KEV = true },
}

// randomChecks gives entries for some of all checks. None lets the unknown pass unless that is asked for.
func randomChecks(t *rapid.T, letPass bool) []Check {
	p := &Policy{Name: "n", Rules: []Rule{{Name: "d", Status: Compliant}}}
	defs := Definitions()
	for range rapid.IntRange(1, 12).Draw(t, "entries") {
		d := rapid.SampledFrom(defs).Draw(t, "check")
		c := Check{ID: d.ID, Severity: rapid.SampledFrom([]Severity{Off, Warning, Warning, Critical, Critical}).Draw(t, "severity")}
		if d.Named && (d.ID == customCheckID || rapid.Bool().Draw(t, "named")) {
			c.Name = "n"
		}
		c.OS = rapid.SampledFrom([][]posture.OSFamily{nil, nil, {posture.Windows}, {posture.Linux, posture.MacOS}}).Draw(t, "os")
		c.DeviceTypes = rapid.SampledFrom([][]posture.DeviceType{nil, nil, {posture.Laptop}, {posture.Server, posture.Phone}}).Draw(t, "types")
		if letPass && rapid.IntRange(0, 3).Draw(t, "let pass") == 0 {
			c.OnUnknown = LetPass
		}
		for _, name := range d.Params {
			if set := parameterValues[name]; set != nil && (slices.Contains(d.Needs, name) || rapid.Bool().Draw(t, name)) {
				set(t, &c)
			}
		}
		p.Checks = append(p.Checks, c)
		if p.Validate() != nil { // an entry that would never be used
			p.Checks = p.Checks[:len(p.Checks)-1]
		}
	}
	return p.Checks
}

// strictRules are conditions that more issues, and nothing else, can meet: silence cannot leave one of them behind.
func strictRules(t *rapid.T, checks []Check) []Rule {
	conditions := []Rule{
		{Issues: AnyIssue}, {Issues: CriticalIssue}, {MinCritical: 1}, {OS: []posture.OSFamily{posture.Linux}, Issues: AnyIssue},
		{DeviceTypes: []posture.DeviceType{posture.Laptop, posture.VM}, Issues: CriticalIssue},
		{Categories: []posture.Category{posture.Antimalware, posture.Encryption}}, {Groups: []string{"g"}, Issues: AnyIssue},
		{SilentFor: Duration(day)}, {SilentFor: Duration(2 * day), Issues: AnyIssue},
	}
	for i := range checks {
		conditions = append(conditions, Rule{Checks: []string{checks[i].key().String()}})
	}
	rules := rapid.SliceOfNDistinct(rapid.SampledFrom(conditions), 0, 4, func(r Rule) string { return summary(r) }).Draw(t, "rules")
	for i := range rules {
		rules[i].Name, rules[i].Status = strings.Repeat("r", i+1), NonCompliant
		rules[i].Grace = rapid.SampledFrom([]Duration{0, 0, Duration(day), Duration(3 * day)}).Draw(t, "grace")
	}
	return append(rules, Rule{Name: "last", Status: Compliant})
}

func randomSubject(t *rapid.T, r *posture.Report) *Subject {
	s := &Subject{Report: r, Group: rapid.SampledFrom([]string{"g", "h"}).Draw(t, "group")}
	if rapid.Bool().Draw(t, "silent") {
		s.LastReport = now.Add(-time.Duration(rapid.IntRange(0, 60).Draw(t, "hours of silence")) * time.Hour)
	}
	if rapid.Bool().Draw(t, "failing") {
		s.FailingSince = now.Add(-time.Duration(rapid.IntRange(0, 80).Draw(t, "hours of failing")) * time.Hour)
	}
	if len(r.Applications) > 0 {
		for range rapid.IntRange(0, 2).Draw(t, "findings") {
			f := posture.Finding{ID: "f", Product: "A", KEV: rapid.Bool().Draw(t, "kev"),
				CVEs: []string{rapid.SampledFrom([]string{"CVE-1", "CVE-2"}).Draw(t, "cve")}}
			for i := range f.Levels {
				f.Levels[i] = posture.Level(rapid.IntRange(0, 4).Draw(t, "level"))
			}
			s.Findings, s.Levels = append(s.Findings, f), s.Levels.Worst(f.Levels)
		}
	}
	return s
}

// forgetMore lists more ways in which a report may say less.
var forgetMore = map[string]func(*Subject){
	"software": func(s *Subject) {
		s.Report.Applications, s.Report.Collected, s.Findings, s.Levels = nil, nil, nil, posture.Levels{}
	},
	"versions": func(s *Subject) {
		each(s.Report, func(a *posture.Application) { a.Version = "" })
		s.Report.OS.Version, s.Report.AgentVersion = "", ""
	},
	"scans and backups": func(s *Subject) {
		each(s.Report, func(a *posture.Application) { a.LastScan, a.LastBackup = time.Time{}, time.Time{} })
	},
	"patches": func(s *Subject) { s.Report.PatchesKnown, s.Report.MissingPatches = false, nil },
	"about patches": func(s *Subject) {
		s.Report.PatchesChecked = time.Time{}
		s.Report.MissingPatches = slices.Clone(s.Report.MissingPatches)
		for i := range s.Report.MissingPatches {
			s.Report.MissingPatches[i] = posture.Patch{KB: s.Report.MissingPatches[i].KB}
		}
	},
	"threats": func(s *Subject) {
		s.Report.ThreatsScanned, s.Report.Threats = time.Time{}, nil
		s.Report.Collected = slices.DeleteFunc(slices.Clone(s.Report.Collected), func(c posture.Category) bool {
			return c == posture.Threats || c == posture.RepeatedThreats || c == posture.SuspiciousIPs
		})
	},
	"about threats": func(s *Subject) {
		s.Report.Threats = slices.Clone(s.Report.Threats)
		for i := range s.Report.Threats {
			s.Report.Threats[i].Existing, s.Report.Threats[i].Found = posture.NotReported, time.Time{}
		}
	},
	"and says why": func(s *Subject) {
		s.Report.Unread = []posture.Unread{{Fact: "software.dpkg", State: posture.Unreadable}, {Fact: "updates.checked", State: posture.Unreadable}}
		for fact := range factWords {
			s.Report.Unread = append(s.Report.Unread, posture.Unread{Fact: fact, State: posture.Unreadable, Why: "needs root"})
		}
	},
	"disks":     func(s *Subject) { s.Report.Disks = nil },
	"sizes":     func(s *Subject) { clearDisks(s, func(d *posture.Disk) { d.Total, d.Free = 0, 0 }) },
	"system":    func(s *Subject) { clearDisks(s, func(d *posture.Disk) { d.System = false }) },
	"custom":    func(s *Subject) { s.Report.Custom = nil },
	"processes": func(s *Subject) { s.Report.Processes = nil },
	"domain":    func(s *Subject) { s.Report.Domain = "" },
	"times":     func(s *Subject) { s.Report.Reboot, s.Report.Updates.Checked = time.Time{}, time.Time{} },
}

func clearDisks(s *Subject, f func(*posture.Disk)) {
	s.Report.Disks = slices.Clone(s.Report.Disks)
	for i := range s.Report.Disks {
		f(&s.Report.Disks[i])
	}
}

func cloneSubject(s *Subject) *Subject {
	out, r := *s, *s.Report
	r.Applications = slices.Clone(r.Applications)
	out.Report = &r
	return &out
}

// badness orders statuses from fit to unfit.
func badness(s posture.Status) int {
	return slices.Index([]posture.Status{posture.StatusCompliant, posture.StatusInGrace, posture.StatusNonCompliant}, s)
}

// Under any policy that raises the unknown and has strict rules, keeping silent never helps.
func TestSayingLessNeverHelpsUnderAnyPolicy(t *testing.T) {
	var ways []string
	for n := range forget {
		if !strings.HasSuffix(n, " products") { // to name all programs but one is no silence: it is a lie
			ways = append(ways, n)
		}
	}
	for n := range forgetMore {
		ways = append(ways, "+"+n)
	}
	slices.Sort(ways)
	rapid.Check(t, func(t *rapid.T) {
		checks := randomChecks(t, false)
		p := &Policy{Name: "n", Checks: checks, Rules: strictRules(t, checks)}
		c := newCompiled(p, posture.PolicyRef{})
		full := randomSubject(t, wideReports.Draw(t, "report"))
		less := cloneSubject(full)
		for _, n := range rapid.SliceOfN(rapid.SampledFrom(ways), 1, 3).Draw(t, "forget") {
			if more, ok := strings.CutPrefix(n, "+"); ok {
				forgetMore[more](less)
			} else {
				forget[n](less.Report)
			}
		}
		a, b := c.Evaluate(full, now), c.Evaluate(less, now)
		if b.Severity < a.Severity || badness(b.RuleStatus) < badness(a.RuleStatus) {
			text, _ := p.YAML()
			t.Fatalf("with all: %s %s %s\nwith less: %s %s %s\n%s", a.RuleStatus, a.Rule, checksOf(a.Issues), b.RuleStatus, b.Rule, checksOf(b.Issues), text)
		}
	})
}

// Under any policy, the order in which a report lists things does not change the verdict.
func TestOrderNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checks := randomChecks(t, true)
		c := newCompiled(&Policy{Name: "n", Checks: checks, Rules: strictRules(t, checks)}, posture.PolicyRef{})
		s := randomSubject(t, wideReports.Draw(t, "report"))
		o := cloneSubject(s)
		o.Report.Applications = rapid.Permutation(s.Report.Applications).Draw(t, "products")
		o.Report.Collected = rapid.Permutation(s.Report.Collected).Draw(t, "collected")
		o.Report.MissingPatches = rapid.Permutation(s.Report.MissingPatches).Draw(t, "patches")
		o.Report.Threats = rapid.Permutation(s.Report.Threats).Draw(t, "threats")
		o.Report.Disks = rapid.Permutation(s.Report.Disks).Draw(t, "disks")
		o.Report.Custom = rapid.Permutation(s.Report.Custom).Draw(t, "custom")
		o.Report.Processes = rapid.Permutation(s.Report.Processes).Draw(t, "processes")
		o.Findings = rapid.Permutation(s.Findings).Draw(t, "findings")
		a, b := c.Evaluate(s, now), c.Evaluate(o, now)
		if !slices.Equal(a.Issues, b.Issues) || a.Rule != b.Rule || a.Status != b.Status || !a.NextChange.Equal(b.NextChange) || a.Silence != b.Silence {
			t.Fatalf("differ by order:\n%+v\n%+v", a, b)
		}
		if x, y := c.Explain(s, now), c.Explain(o, now); !slices.Equal(x, y) {
			t.Fatalf("explained otherwise:\n%+v\n%+v", x, y)
		}
	})
}

// Findings that are accepted might as well not be there, for checks, rules and expressions alike.
func TestAcceptedIsNotSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checks := randomChecks(t, true)
		rules := append([]Rule{{Name: "found", Expression: "size(vulnerabilities) > 0", Status: NonCompliant}}, strictRules(t, checks)...)
		c := newCompiled(&Policy{Name: "n", Checks: checks, Rules: rules}, posture.PolicyRef{})
		s := randomSubject(t, wideReports.Draw(t, "report"))
		o := cloneSubject(s)
		for _, f := range s.Findings {
			f.ID, f.KEV, f.Accepted = "X-"+f.ID, true, &posture.Acceptance{ID: "1"}
			o.Findings = append(o.Findings, f)
		}
		a, b := c.Evaluate(s, now), c.Evaluate(o, now)
		if !a.SaysSame(&b) {
			t.Fatalf("accepted findings are seen:\n%+v\n%+v", a, b)
		}
		if x, y := c.Explain(s, now), c.Explain(o, now); !slices.Equal(x, y) {
			t.Fatalf("explained otherwise:\n%+v\n%+v", x, y)
		}
	})
}

// A verdict stays until NextChange, or until the silence ends that it names, and then it changes. Nothing that it says
// changes before.
func TestVerdictHoldsUntilItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checks := randomChecks(t, true)
		c := newCompiled(&Policy{Name: "n", Checks: checks, Rules: strictRules(t, checks)}, posture.PolicyRef{})
		s := randomSubject(t, wideReports.Draw(t, "report"))
		v := c.Evaluate(s, now)
		// From here on the device is what this verdict made of it.
		s.FailingSince, s.Before = v.FailingSince, v.Issues
		if s.LastReport.IsZero() {
			s.LastReport = now
		}
		end, silence := v.NextChange, false
		if v.Silence > 0 {
			if at := s.LastReport.Add(v.Silence); end.IsZero() || at.Before(end) {
				end, silence = at, true
			}
		}
		span := 100 * day
		if !end.IsZero() {
			if span = end.Sub(now) - tick; span < 0 {
				t.Fatalf("ends at %v, before now", end)
			}
			w := c.Evaluate(s, end)
			if silence && w.Rule == v.Rule || !silence && w.Rule == v.Rule && w.Status == v.Status && same(w.Issues, v.Issues) {
				t.Fatalf("nothing changes at %v (silence: %v)\n%+v", end, silence, w)
			}
		}
		at := now.Add(time.Duration(rapid.Int64Range(0, int64(span)).Draw(t, "later")))
		w := c.Evaluate(s, at)
		w.Judged = v.Judged
		if w.Rule != v.Rule || w.Status != v.Status || !slices.Equal(w.Issues, v.Issues) || w.GraceUntil != v.GraceUntil || !w.NextChange.Equal(v.NextChange) ||
			w.Silence != v.Silence || w.Silent != v.Silent || w.FailingSince != v.FailingSince {
			t.Fatalf("changes at %v, before %v\n%+v\n%+v", at, end, v, w)
		}
	})
}
