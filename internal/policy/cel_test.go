package policy

import (
	"slices"
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"muster/internal/errs"
	"muster/internal/posture"
)

func TestJoinExpressions(t *testing.T) {
	facts := JoinFacts{
		OS:         posture.OS{Family: posture.Windows, Name: "Windows 11 Pro", Version: "10.0.22631", Distribution: "none"},
		DeviceType: posture.Laptop, Name: "Ann's laptop", HostName: "FIN-0815", Domain: "corp.example", Serial: "S-1",
		Users: []string{"ann", "bob"}, IPs: []string{"10.1.2.3", "2001:db8::1", "::ffff:192.0.2.7", "N/A", "fe80::1%eth0"},
	}
	for text, want := range map[string]bool{
		`true`: true,
		`os.family == "windows" && os.name.startsWith("Windows") && os.distribution != ""`: true,
		`version_at_least(os.version, "10.0.9000")`:                                        true,
		`version_at_least(os.version, "11")`:                                               false,
		`device.type in ["laptop", "desktop"] && device.name.contains("Ann")`:              true,
		`device.host.matches("^(?i)fin-[0-9]+$")`:                                          true,
		`device.domain == "corp.example" && device.serial == "S-1"`:                        true,
		`"bob" in users`:                                true,
		`users.exists(u, u.startsWith("ext-"))`:         false,
		`ips.exists(i, in_network(i, "10.0.0.0/8"))`:    true,
		`ips.exists(i, in_network(i, "192.0.2.0/24"))`:  true,
		`ips.exists(i, in_network(i, "fe80::/10"))`:     true,
		`ips.exists(i, in_network(i, "172.16.0.0/12"))`: false,
		`in_network("2001:db8::9", "2001:db8::/32")`:    true,
	} {
		j, err := CompileJoin(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := j.Holds(facts); got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestJoinExpressionsRefused(t *testing.T) {
	for text, says := range map[string]string{
		``:                                     "1 to 2000 characters",
		"  \n":                                 "1 to 2000 characters",
		strings.Repeat("!", 3000) + "true":     "1 to 2000 characters",
		strings.Repeat("(", 300) + "true":      "not valid",
		`os.family = "windows"`:                "line 1, column",
		"true &&\n  os.famly == \"windows\"":   "line 2, column 3: undeclared: there is no os.famly",
		`"ä" == "" && device.hots == ""`:       "column 14: undeclared: there is no device.hots",
		`os.version > 10`:                      "line 1, column",
		`os.family`:                            "must be a condition",
		`1 + 1`:                                "must be a condition",
		`dyn(true)`:                            "must be a condition",
		`group == "a"`:                         "undeclared",
		`user == "a"`:                          "undeclared",
		`issues.size() > 0`:                    "undeclared",
		`in_network(os.name, "10.0.0.0")`:      `"10.0.0.0" is not a network`,
		`version_at_least(os.version, "new")`:  "cannot be compared",
		`now() > timestamp("2026-01-01")`:      "undeclared",
		`device.host.matches("[")`:             "not valid",
		`matches(device.host, "[")`:            "not valid",
		`users.exists(u, os.name.matches(u))`:  "must be written out",
		`users.exists(u, matches(os.name, u))`: "must be written out",
		`os.name.matches("(.*x){900}")`:        "too large",
	} {
		j, err := CompileJoin(text)
		if j != nil || !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, %v; want an invalid error with %q", text, j, err, says)
		}
	}
}

// What cannot be decided, or costs too much, is an error, and no reason to join.
func TestJoinExpressionsThatFail(t *testing.T) {
	many := make([]string, 2000)
	for text, facts := range map[string]JoinFacts{
		`version_at_least(os.version, "10")`:                  {OS: posture.OS{Version: "odd"}},
		`version_at_least("1", os.version)`:                   {OS: posture.OS{Version: "odd"}},
		`in_network("10.0.0.1", os.name)`:                     {OS: posture.OS{Name: "odd"}},
		`users[3] == "x"`:                                     {},
		`ips.all(a, ips.all(b, ips.all(c, a + b + c == "")))`: {IPs: many},
		`users.map(u, users.map(v, u + v)).size() > 0`:        {Users: many},
		`device.host.matches("(a*)*b")`:                       {HostName: strings.Repeat("a", 9_000_000)},
		`users.exists(u, u.matches("(.*x){50}y"))`:            {Users: slices.Repeat([]string{strings.Repeat("x", 400)}, 100)},
	} {
		j, err := CompileJoin(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := j.Holds(facts); got || err == nil {
			t.Errorf("%s: %v, %v; want an error", text, got, err)
		}
	}
}

// An expression may be as long as it says, in characters of the text.
func TestLengthOfExpressions(t *testing.T) {
	for n, ok := range map[int]bool{maxExpression: true, maxExpression + 1: false} {
		text := `os.name == "` + strings.Repeat("x", n-13) + `"`
		if _, err := CompileJoin(text); (err == nil) != ok || len(text) != n {
			t.Errorf("%d characters: %v", len(text), err)
		}
	}
}

func TestJoinFactsOfAReport(t *testing.T) {
	r := windowsLaptop()
	r.DeviceName, r.HostName, r.Domain, r.Serial, r.PublicIP = "n", "h", "d", "s", "203.0.113.5"
	r.Users = []posture.User{{Name: "ann", Domain: "CORP"}}
	r.Adapters = []posture.Adapter{{IPv4: []string{"10.0.0.1"}, IPv6: []string{"fd00::1"}}, {IPv4: []string{"203.0.113.5"}}}
	f := JoinFactsOf(r)
	if f.Name != "n" || f.HostName != "h" || f.Domain != "d" || f.Serial != "s" || f.DeviceType != posture.Laptop || f.OS != r.OS ||
		strings.Join(f.Users, " ") != "ann" || strings.Join(f.IPs, " ") != "10.0.0.1 fd00::1 203.0.113.5" {
		t.Errorf("%+v", f)
	}
	r.Adapters = nil
	if f := JoinFactsOf(r); len(f.IPs) != 1 {
		t.Errorf("%v", f.IPs)
	}
}

// Asking a regular expression costs more the longer the text, and the larger the expression is written out.
func TestPatternCost(t *testing.T) {
	e := &expression{patterns: map[string]int{"small": 8, "large": 800}}
	for _, c := range []struct {
		length  int
		pattern string
		want    uint64
	}{{0, "small", 3}, {9, "small", 3}, {100, "small", 33}, {100, "large", 2211}} {
		got := e.patternCost([]ref.Val{types.String(strings.Repeat("x", c.length)), types.String(c.pattern)}, nil)
		if got == nil || *got != c.want {
			t.Errorf("%d characters, %s: %v, want %d", c.length, c.pattern, got, c.want)
		}
	}
}

// The largest regular expression that may be, and one that is larger. Each letter is an instruction, and three are there anyway.
func TestLargestPattern(t *testing.T) {
	for n, want := range map[int]bool{maxPattern - 2: true, maxPattern - 1: false} {
		_, err := Compile(ruled(Rule{Expression: `group.matches("` + strings.Repeat("x", n) + `")`}), posture.PolicyRef{})
		if (err == nil) != want {
			t.Errorf("%d letters: %v", n, err)
		}
	}
}

// Rules see more than joining does.
func TestExpressionsOfRules(t *testing.T) {
	s := &Subject{Report: windowsLaptop(), Group: "Sales", User: "ann"}
	s.Report.ScreenLock, s.Report.AgentVersion = posture.No, "1.2"
	s.Report.Custom = []posture.CustomResult{{ID: "vpn", Outcome: posture.Fail}}
	s.Findings = []posture.Finding{{ID: "M-1", CVEs: []string{"CVE-1"}, Product: "7-Zip", Version: "24.09", KEV: true, Scores: [3]float64{80, -1, 9.8}}}
	for text, want := range map[string]bool{
		`group == "Sales" && user == "ann" && agent.version == "1.2"`:                                                                         true,
		`issues.exists(i, i.check == "screen_lock" && i.severity == "warning" && i.outcome == "fail" && i.category == "user_authentication")`: true,
		`issues.exists(i, i.name == "vpn" && i.product == "vpn")`:                                                                             true,
		`issues.size() == 3`: false,
		`products.exists(p, p.name == "Microsoft Defender" && p.running == "yes" && p.enabled == "yes" && p.category == "anti-malware")`: true,
		`products.exists(p, p.name == "BitLocker" && p.running == "unknown")`:                                                            true,
		`products.exists(p, p.name == "7-Zip" && version_at_least(p.version, "24.9") && p.vendor == "")`:                                 true,
		`vulnerabilities.exists(v, v.id == "M-1" && "CVE-1" in v.cves && v.kev && v.score > 70.0 && v.cvss2 < 0.0 && v.cvss3 > 9.0)`:     true,
		`vulnerabilities.exists(v, v.product == "7-Zip" && v.version == "24.09")`:                                                        true,
		`vulnerabilities.exists(v, v.id == "M-2")`:                                                                                       false,
		`products.all(p, issues.all(i, vulnerabilities.all(v, v.id == "M-1")))`:                                                          true,
	} {
		v := compiled(t, ruled(Rule{Expression: text})).Evaluate(s, now)
		if (v.Rule == "a") != want {
			t.Errorf("%s: decided by %q", text, v.Rule)
		}
	}
	for _, text := range []string{`issues.exists(i, i.chek == "x")`, `products.exists(p, p.running)`, `vulnerabilities.size()`} {
		if err := ruled(Rule{Expression: text}).Validate(); err == nil || fields(t, err)[0] != "rules[0].expression" {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestFactsInWords(t *testing.T) {
	for f, want := range map[posture.Fact]string{posture.Yes: "yes", posture.No: "no", posture.NotReported: "unknown"} {
		if got := factWord(f); got != want {
			t.Errorf("%d: %s", f, got)
		}
	}
}

// A policy that Validate refuses is judged by all the same, as strictly as can be.
func TestBrokenExpressionIsNoPass(t *testing.T) {
	for status, rule := range map[RuleStatus]string{NonCompliant: "a", Compliant: "rest"} {
		c := newCompiled(ruled(Rule{Expression: "(", Status: status}), posture.PolicyRef{})
		if v := c.Evaluate(&Subject{Report: windowsLaptop()}, now); v.Rule != rule {
			t.Errorf("%s: decided by %q", status, v.Rule)
		}
	}
}

func FuzzCompileJoin(f *testing.F) {
	for _, text := range []string{
		`os.family == "windows" && "ann" in users`, `ips.exists(i, in_network(i, "10.0.0.0/8"))`, `version_at_least(os.version, "10")`,
		`device.host.matches("^a+$")`, `true ? users.size() > 1 : false`, `has(os.family)`, `[1,2].map(x, x*2)[0] == 2`, `{"a": 1}["a"] == 1`,
	} {
		f.Add(text)
	}
	facts := JoinFacts{OS: posture.OS{Family: posture.Linux, Version: "12"}, HostName: "aaaa", Users: []string{"ann"}, IPs: []string{"10.0.0.1"}}
	f.Fuzz(func(t *testing.T, text string) {
		j, err := CompileJoin(text)
		if err != nil {
			if !errs.Is(err, errs.Invalid) {
				t.Fatalf("%v is not an invalid error", err)
			}
			return
		}
		a, err := j.Holds(facts)
		b, err2 := j.Holds(facts)
		if a != b || (err == nil) != (err2 == nil) {
			t.Fatalf("%v %v, then %v %v", a, err, b, err2)
		}
	})
}

// A machine with very many programs can still be looked at.
func TestCostLeavesRoomForManyPrograms(t *testing.T) {
	s := &Subject{Report: windowsLaptop()}
	for range 10_000 {
		s.Report.Applications = append(s.Report.Applications, posture.Application{Name: "some package", Version: "1.0"})
	}
	c := compiled(t, ruled(Rule{Expression: `products.exists(p, p.name == "x" && p.version == "1.0")`, Status: NonCompliant}))
	if v := c.Evaluate(s, now); v.Rule != "rest" {
		t.Errorf("decided by %q", v.Rule)
	}
}
