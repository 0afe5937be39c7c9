package policy

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/posture"
)

// ruled is a policy of one check, a screen that locks as a warning and one of a password that is critical, and rules.
func ruled(rules ...Rule) *Policy {
	for i := range rules {
		if rules[i].Name == "" {
			rules[i].Name = string(rune('a' + i))
		}
		if rules[i].Status == "" {
			rules[i].Status = NonCompliant
		}
	}
	return &Policy{Name: "t", Checks: []Check{
		{ID: "screen_lock", Severity: Warning},
		{ID: "user_password", Severity: Critical},
		{ID: "custom_check", Name: "vpn", Severity: Warning, OnUnknown: LetPass},
		{ID: "antimalware_running", Severity: Critical},
		{ID: "antimalware_real_time", Severity: Critical},
	}, Rules: append(rules, Rule{Name: "rest", Status: Compliant})}
}

func compiled(t *testing.T, p *Policy) *Compiled {
	t.Helper()
	c, err := Compile(p, posture.PolicyRef{ID: 2, Version: 5})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConditionsOfRules(t *testing.T) {
	kev := posture.Finding{ID: "M-1", CVEs: []string{"CVE-2026-1"}, KEV: true, Levels: posture.Levels{3, 3, 4}}
	plain := posture.Finding{ID: "M-2", CVEs: []string{"CVE-2026-2"}, Levels: posture.Levels{2, 2, 2}}
	lockOff := func(s *Subject) { s.Report.ScreenLock = posture.No }
	noPassword := func(s *Subject) { s.Report.UserPasswordSet = posture.No }
	vpnFails := func(s *Subject) { s.Report.Custom = []posture.CustomResult{{ID: "vpn", Outcome: posture.Fail}} }
	vulnerable := func(fs ...posture.Finding) func(*Subject) {
		return func(s *Subject) {
			s.Findings = fs
			for _, f := range fs {
				s.Levels = s.Levels.Worst(f.Levels)
			}
		}
	}
	stopped := func(s *Subject) {
		a := app(s.Report, posture.Antimalware)
		a.Running, a.Enabled = posture.No, posture.No
	}
	set := func(f func(s *Subject)) func(*Subject) { return f }
	for _, tc := range []struct {
		name    string
		rule    Rule
		subject func(*Subject)
		holds   bool
	}{
		{"no issues, none", Rule{Issues: NoIssues}, nil, true},
		{"no issues, a warning", Rule{Issues: NoIssues}, lockOff, false},
		{"any issue, none", Rule{Issues: AnyIssue}, nil, false},
		{"any issue, a warning", Rule{Issues: AnyIssue}, lockOff, true},
		{"critical, a warning", Rule{Issues: CriticalIssue}, lockOff, false},
		{"critical, one", Rule{Issues: CriticalIssue}, noPassword, true},
		{"one critical", Rule{MinCritical: 1}, noPassword, true},
		{"two critical", Rule{MinCritical: 2}, noPassword, false},
		{"two warnings", Rule{MinWarnings: 2}, lockOff, false},
		{"category", Rule{Categories: []posture.Category{posture.UserAuthentication}}, lockOff, true},
		{"another category", Rule{Categories: []posture.Category{posture.CustomCheck}}, lockOff, false},
		{"check", Rule{Checks: []string{"user_password", "screen_lock"}}, lockOff, true},
		{"another check", Rule{Checks: []string{"user_password"}}, lockOff, false},
		{"custom check by id", Rule{Checks: []string{"custom_check"}}, vpnFails, true},
		{"custom check by name", Rule{Checks: []string{"custom_check/vpn"}}, vpnFails, true},
		{"check behind another", Rule{Checks: []string{"antimalware_real_time"}}, stopped, true},
		{"level", Rule{MinLevel: "moderate"}, vulnerable(plain), true},
		{"a higher level", Rule{MinLevel: "high"}, vulnerable(plain), false},
		{"no vulnerability", Rule{MinLevel: "low"}, nil, false},
		{"level of another score", Rule{MinLevel: "critical", ScoreType: "cvss3_score"}, vulnerable(plain, kev), true},
		{"level of the open score", Rule{MinLevel: "critical"}, vulnerable(plain, kev), false},
		{"cve", Rule{CVEs: []string{"CVE-2020-1", "cve-2026-2"}}, vulnerable(plain), true},
		{"id of the feed", Rule{CVEs: []string{"m-2"}}, vulnerable(plain), true},
		{"another cve", Rule{CVEs: []string{"CVE-2026-1"}}, vulnerable(plain), false},
		{"exploited", Rule{KEV: true}, vulnerable(plain, kev), true},
		{"not exploited", Rule{KEV: true}, vulnerable(plain), false},
		{"group", Rule{Groups: []string{"x", "Sales"}}, set(func(s *Subject) { s.Group = "sales" }), true},
		{"another group", Rule{Groups: []string{"x"}}, set(func(s *Subject) { s.Group = "sales" }), false},
		{"user", Rule{Users: []string{"Ann"}}, set(func(s *Subject) { s.User = "ann" }), true},
		{"another user", Rule{Users: []string{"Ann"}}, set(func(s *Subject) { s.User = "bob" }), false},
		{"no user", Rule{Users: []string{"Ann"}}, nil, false},
		{"system", Rule{OS: []posture.OSFamily{posture.Windows}}, nil, true},
		{"another system", Rule{OS: []posture.OSFamily{posture.Linux}}, nil, false},
		{"system not known", Rule{OS: []posture.OSFamily{posture.Linux}}, set(func(s *Subject) { s.Report.OS.Family = "" }), true},
		{"system not known, to let pass", Rule{OS: []posture.OSFamily{posture.Linux}, Status: Compliant}, set(func(s *Subject) { s.Report.OS.Family = "beos" }), false},
		{"type", Rule{DeviceTypes: []posture.DeviceType{posture.Laptop}}, nil, true},
		{"another type", Rule{DeviceTypes: []posture.DeviceType{posture.Phone}}, nil, false},
		{"type not known", Rule{DeviceTypes: []posture.DeviceType{posture.Phone}}, set(func(s *Subject) { s.Report.DeviceType = "" }), true},
		{"type not known, to let pass", Rule{DeviceTypes: []posture.DeviceType{posture.Phone}, Status: Compliant}, set(func(s *Subject) { s.Report.DeviceType = "" }), false},
		{"silent", Rule{SilentFor: Duration(time.Hour)}, set(func(s *Subject) { s.LastReport = now.Add(-time.Hour) }), true},
		{"not silent for long", Rule{SilentFor: Duration(time.Hour)}, set(func(s *Subject) { s.LastReport = now.Add(tick - time.Hour) }), false},
		{"just reported", Rule{SilentFor: Duration(time.Hour)}, nil, false},
		{"a clock that went back", Rule{SilentFor: Duration(time.Hour)}, set(func(s *Subject) { s.LastReport = now.Add(5 * time.Hour) }), false},
		{"expression", Rule{Expression: `os.family == "windows" && !("x" in users)`}, nil, true},
		{"expression that is false", Rule{Expression: `user == "x"`}, nil, false},
		{"expression that fails", Rule{Expression: `version_at_least(user, "1")`}, nil, true},
		{"expression that fails, to let pass", Rule{Expression: `version_at_least(user, "1")`, Status: Compliant}, nil, false},
		{"all of several", Rule{Issues: AnyIssue, Groups: []string{"sales"}}, set(func(s *Subject) { lockOff(s); s.Group = "sales" }), true},
		{"one of several", Rule{Issues: AnyIssue, Groups: []string{"sales"}}, lockOff, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &Subject{Report: windowsLaptop()}
			if tc.subject != nil {
				tc.subject(s)
			}
			v := compiled(t, ruled(tc.rule)).Evaluate(s, now)
			if (v.Rule == "a") != tc.holds {
				t.Errorf("decided by %q with %s", v.Rule, checksOf(v.Issues))
			}
			want := posture.StatusCompliant
			if tc.holds && tc.rule.Status != Compliant {
				want = posture.StatusNonCompliant
			}
			if v.Status != want || v.RuleStatus != want || v.Policy != "2.5" {
				t.Errorf("%s, rule gives %s, by %s", v.Status, v.RuleStatus, v.Policy)
			}
		})
	}
}

func TestGrace(t *testing.T) {
	c := compiled(t, ruled(Rule{Issues: CriticalIssue, Grace: Duration(day)}, Rule{Issues: AnyIssue}))
	s := &Subject{Report: windowsLaptop(), FailingSince: now.Add(-day)}
	if v := c.Evaluate(s, now); v.Status != posture.StatusCompliant || !v.FailingSince.IsZero() || !v.GraceUntil.IsZero() || !v.NextChange.IsZero() {
		t.Errorf("fit: %+v", v)
	}
	s.Report.UserPasswordSet, s.FailingSince = posture.No, time.Time{}
	v := c.Evaluate(s, now.Add(300*time.Microsecond))
	until := now.Add(day)
	if v.Status != posture.StatusInGrace || v.RuleStatus != posture.StatusNonCompliant || !v.FailingSince.Equal(now) ||
		!v.GraceUntil.Equal(until) || !v.NextChange.Equal(until) {
		t.Errorf("newly unfit: %+v", v)
	}
	s.FailingSince = now
	for at, want := range map[time.Time]posture.Status{
		until.Add(-tick): posture.StatusInGrace, until: posture.StatusNonCompliant, until.Add(day): posture.StatusNonCompliant,
	} {
		v := c.Evaluate(s, at)
		if v.Status != want || !v.FailingSince.Equal(now) || v.GraceUntil.IsZero() == (want == posture.StatusInGrace) {
			t.Errorf("at %v: %+v, want %s", at, v, want)
		}
	}
	// Unfit for long by a rule without grace, then by one with grace: that counts from when it began.
	if v := c.Evaluate(&Subject{Report: s.Report, FailingSince: now.Add(-2 * day)}, now); v.Status != posture.StatusNonCompliant {
		t.Errorf("unfit for two days: %s", v.Status)
	}
	// Without grace there is none.
	s = &Subject{Report: windowsLaptop()}
	s.Report.ScreenLock = posture.No
	if v := c.Evaluate(s, now); v.Status != posture.StatusNonCompliant || v.RuleStatus != v.Status || !v.FailingSince.Equal(now) || !v.GraceUntil.IsZero() {
		t.Errorf("without grace: %+v", v)
	}
}

// Grace and a check that turns: whatever comes first.
func TestNextChangeWithGrace(t *testing.T) {
	p := ruled(Rule{Issues: AnyIssue, Grace: Duration(2 * day)})
	p.Checks = append(p.Checks, Check{ID: "antimalware_definitions", Severity: Warning, MaxAge: Duration(day)})
	c := compiled(t, p)
	s := &Subject{Report: windowsLaptop(), FailingSince: now}
	s.Report.ScreenLock = posture.No
	if v := c.Evaluate(s, now); !v.NextChange.Equal(now.Add(12*time.Hour + tick)) {
		t.Errorf("definitions turn first: %v", v.NextChange)
	}
	s.FailingSince = now.Add(-47 * time.Hour)
	if v := c.Evaluate(s, now); !v.NextChange.Equal(now.Add(time.Hour)) {
		t.Errorf("grace ends first: %v", v.NextChange)
	}
}

// A check that fails behind the issue of another may bring a rule into play.
func TestNextChangeOfWhatIsHidden(t *testing.T) {
	p := ruled(Rule{Checks: []string{"antimalware_definitions"}})
	p.Checks = append(p.Checks, Check{ID: "antimalware_definitions", Severity: Critical, MaxAge: Duration(3 * day)})
	c := compiled(t, p)
	s := &Subject{Report: windowsLaptop()}
	app(s.Report, posture.Antimalware).Running = posture.No
	v, turns := c.Evaluate(s, now), now.Add(3*day-12*time.Hour+tick)
	if v.Rule != "rest" || !v.NextChange.Equal(turns) {
		t.Errorf("decided by %q until %v, want %v", v.Rule, v.NextChange, turns)
	}
	if w := c.Evaluate(s, turns); w.Rule != "a" || !same(w.Issues, v.Issues) {
		t.Errorf("then decided by %q with %s", w.Rule, checksOf(w.Issues))
	}
	p.Rules = p.Rules[1:]
	if v := compiled(t, p).Evaluate(s, now); !v.NextChange.IsZero() {
		t.Errorf("no rule looks, and yet it changes at %v", v.NextChange)
	}
}

func TestWorseOfTwoResults(t *testing.T) {
	order := []result{ // from good to bad
		{severity: posture.Critical}, {severity: posture.Critical, hidden: true},
		{severity: posture.Warning, issue: true}, {severity: posture.Critical, issue: true}, {severity: posture.Critical, issue: true, hidden: true},
	}
	for i := range order {
		for j := range order {
			if got := order[i].worse(&order[j]); got != (i > j) {
				t.Errorf("%d worse than %d: %v", i, j, got)
			}
		}
	}
}

func TestSilence(t *testing.T) {
	c := compiled(t, ruled(
		Rule{Name: "lost", SilentFor: Duration(10 * day)},
		Rule{Name: "weak and silent", SilentFor: Duration(time.Hour), Issues: AnyIssue},
		Rule{Name: "fit and silent", SilentFor: Duration(2 * day), Issues: NoIssues, Grace: Duration(day)},
		Rule{Name: "fit and silent for longer", SilentFor: Duration(3 * day), Issues: NoIssues},
	))
	for _, tc := range []struct {
		silent  time.Duration
		unfit   bool
		rule    string
		silence time.Duration
		isSo    bool
	}{
		{0, false, "rest", 2 * day, false},
		{2*day - tick, false, "rest", 2 * day, false},
		{2 * day, false, "fit and silent", 10 * day, true},
		{4 * day, false, "fit and silent", 10 * day, true},
		{10 * day, false, "lost", 0, true},
		{0, true, "rest", time.Hour, false},
		{time.Hour, true, "weak and silent", 10 * day, true},
		{11 * day, true, "lost", 0, true},
	} {
		s := &Subject{Report: windowsLaptop(), LastReport: now.Add(-tc.silent)}
		if tc.unfit {
			s.Report.ScreenLock = posture.No
		}
		v := c.Evaluate(s, now)
		if v.Rule != tc.rule || v.Silence != tc.silence || v.Silent != tc.isSo {
			t.Errorf("silent for %v, unfit %v: %q, next after %v, silent %v; want %q, %v, %v",
				tc.silent, tc.unfit, v.Rule, v.Silence, v.Silent, tc.rule, tc.silence, tc.isSo)
		}
	}
	if v := compiled(t, Default()).Evaluate(&Subject{Report: windowsLaptop(), LastReport: now.AddDate(-1, 0, 0)}, now); v.Silence != 0 || v.Silent {
		t.Errorf("a policy that does not look at silence: %+v", v)
	}
}

func TestLinkedMatters(t *testing.T) {
	for _, tc := range []struct {
		rule Rule
		want bool
	}{
		{Rule{Issues: AnyIssue}, false},
		{Rule{Users: []string{"ann"}}, true},
		{Rule{Expression: `user.startsWith("ext-")`}, true},
		{Rule{Expression: `"user" in users || group == "user"`}, false},
	} {
		if v := compiled(t, ruled(tc.rule)).Evaluate(&Subject{Report: windowsLaptop()}, now); v.LinkedMatters != tc.want {
			t.Errorf("%+v: %v", tc.rule, v.LinkedMatters)
		}
	}
}

// An issue keeps its time as long as it is the same; another begins now.
func TestSinceWhenAnIssueIsThere(t *testing.T) {
	c := compiled(t, ruled())
	s := &Subject{Report: windowsLaptop()}
	s.Report.ScreenLock = posture.No
	v := c.Evaluate(s, now)
	if len(v.Issues) != 1 || !v.Issues[0].Since.Equal(now) || v.Issues[0].Entry != 1 {
		t.Fatalf("first: %+v", v.Issues)
	}
	s.Before, s.Report.UserPasswordSet = v.Issues, posture.NotReported
	later := now.Add(day)
	v = c.Evaluate(s, later)
	if len(v.Issues) != 2 || !v.Issues[0].Since.Equal(later) || v.Issues[0].Check != "user_password" || v.Issues[0].Entry != 2 || !v.Issues[1].Since.Equal(now) {
		t.Errorf("then: %+v", v.Issues)
	}
	for name, spoil := range map[string]func(*posture.Issue){
		"another check": func(i *posture.Issue) { i.Check = "x" }, "another name": func(i *posture.Issue) { i.Name = "x" },
		"another product": func(i *posture.Issue) { i.Product = "x" }, "no time": func(i *posture.Issue) { i.Since = time.Time{} },
	} {
		s.Before = slices.Clone(v.Issues)
		for i := range s.Before {
			spoil(&s.Before[i])
		}
		if w := c.Evaluate(s, later.Add(day)); !w.Issues[1].Since.Equal(later.Add(day)) {
			t.Errorf("%s: since %v", name, w.Issues[1].Since)
		}
	}
}

func TestExplain(t *testing.T) {
	c := compiled(t, Default())
	r := windowsLaptop()
	app(r, posture.Antimalware).Running = posture.No
	app(r, posture.Antimalware).Enabled = posture.No
	results := c.Explain(&Subject{Report: r}, now)
	if len(results) != 15 { // all but those for servers, phones and desktops
		t.Errorf("%d results", len(results))
	}
	issues := 0
	for i, got := range results {
		if got.Title == "" || got.Category == "" || got.Evidence == "" || got.Entry == 0 || got.Severity == posture.NoIssue {
			t.Errorf("%+v", got)
		}
		if got.Issue {
			issues++
		}
		switch got.Check {
		case "antimalware_installed":
			if got.Outcome != posture.Pass || got.Product != "Microsoft Defender" || !strings.HasPrefix(got.Evidence, "As the policy asks: Anti-malware") {
				t.Errorf("%+v", got)
			}
		case "antimalware_running":
			if got.Outcome != posture.Fail || !got.Issue || i != 1 {
				t.Errorf("%+v", got)
			}
		case "antimalware_real_time":
			if got.Outcome != posture.Fail || got.Issue { // what does not run explains it
				t.Errorf("%+v", got)
			}
		}
	}
	if v := c.Evaluate(&Subject{Report: r}, now); issues != len(v.Issues) {
		t.Errorf("%d issues, the verdict has %d", issues, len(v.Issues))
	}
}

// Many goroutines may judge by one compiled policy; the race detector sees whether they may.
func TestManyJudgeByOnePolicy(t *testing.T) {
	c := compiled(t, ruled(Rule{Expression: `products.exists(p, p.name == "x") && users.size() > 1`}))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s := &Subject{Report: windowsLaptop()}
			if v := c.Evaluate(s, now); v.Rule != "rest" || len(c.Explain(s, now)) != 5 {
				t.Errorf("decided by %q", v.Rule)
			}
		})
	}
	wg.Wait()
}
