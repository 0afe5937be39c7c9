package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/posture"
)

// Each entry has one mistake, and exactly that is told.
func TestValidateParameters(t *testing.T) {
	const long = maxDays * day
	many := slices.Repeat([]string{"x"}, maxList+1)
	custom := func(s ...Script) Check { return Check{ID: "custom_check", Name: "n", Scripts: s} }
	good := Script{Interpreter: "sh", Text: "true"}
	for _, tc := range []struct {
		name  string
		entry Check
		field string // "" for no mistake
	}{
		{"the longest age", Check{ID: "reboot_recent", MaxAge: Duration(long)}, ""},
		{"a longer age", Check{ID: "reboot_recent", MaxAge: Duration(long + 1)}, "max_age"},
		{"a negative idle time", Check{ID: "screen_lock", MaxIdle: -1}, "max_idle"},
		{"a negative age of patches", Check{ID: "missing_patches", PatchAge: -1}, "patch_age"},
		{"a negative period", Check{ID: "threats", Within: -1}, "within"},
		{"no version", Check{ID: "os_version"}, "min_version"},
		{"what is no version", Check{ID: "os_version", MinVersion: "new"}, "min_version"},
		{"a version of two lines", Check{ID: "os_version", MinVersion: "1\n2"}, "min_version"},
		{"no space", Check{ID: "disk_space"}, "min_free"},
		{"less than no space", Check{ID: "disk_space", MinFree: -1}, "min_free"},
		{"all space", Check{ID: "disk_space", MinFree: maxSize}, ""},
		{"more space than there is", Check{ID: "disk_space", MinFree: maxSize + 1}, "min_free"},
		{"all percent", Check{ID: "disk_space", MinFreePercent: 100}, ""},
		{"more percent", Check{ID: "disk_space", MinFreePercent: 101}, "min_free_percent"},
		{"less than no percent", Check{ID: "disk_space", MinFreePercent: -1}, "min_free_percent"},
		{"very many repeats", Check{ID: "repeated_threats", MinRepeats: 1001}, "min_repeats"},
		{"a title of two lines", Check{ID: "custom_check", Name: "n", Title: "a\nb"}, "title"},
		{"a volume without a name", Check{ID: "disk_encryption", Volumes: []string{" "}}, "volumes[0]"},
		{"very many volumes", Check{ID: "disk_encryption", Volumes: many}, "volumes"},
		{"as many volumes as may be", Check{ID: "disk_encryption", Volumes: many[1:]}, ""},
		{"a process without a name", Check{ID: "forbidden_processes", Processes: []string{"a", ""}}, "processes[1]"},
		{"a domain without a name", Check{ID: "domain_member", Domains: []string{""}}, "domains[0]"},
		{"a severity without a name", Check{ID: "missing_patches", Severities: []string{""}}, "severities[0]"},
		{"a vulnerability without a name", Check{ID: "vulnerabilities", CVEs: []string{""}}, "cves[0]"},
		{"an unknown level", Check{ID: "vulnerabilities", MinLevel: "bad"}, "min_level"},
		{"an unknown score", Check{ID: "vulnerabilities", MinLevel: "low", ScoreType: "cvss4_score"}, "score_type"},
		{"a score without a level", Check{ID: "vulnerabilities", ScoreType: "cvss3_score"}, "score_type"},
		{"a level that the score has not", Check{ID: "vulnerabilities", MinLevel: "critical", ScoreType: "cvss2_score"}, "min_level"},
		{"a level that it has", Check{ID: "vulnerabilities", MinLevel: "high", ScoreType: "cvss2_score"}, ""},
		{"critical by another", Check{ID: "vulnerabilities", MinLevel: "critical", ScoreType: "cvss3_score"}, ""},
		{"no products", Check{ID: "required_products"}, "products"},
		{"very many products", Check{ID: "required_products", Products: slices.Repeat([]Product{{Name: "x"}}, maxList+1)}, "products"},
		{"as many products as may be", Check{ID: "required_products", Products: slices.Repeat([]Product{{Name: "x"}}, maxList)}, ""},
		{"a product of nothing", Check{ID: "required_products", Products: []Product{{Running: true}}}, "products[0]"},
		{"a product by vendor", Check{ID: "required_products", Products: []Product{{Vendor: "x"}}}, ""},
		{"a product by category", Check{ID: "required_products", Products: []Product{{Category: posture.Backup}}}, ""},
		{"a product of two lines", Check{ID: "required_products", Products: []Product{{Name: "a\nb"}}}, "products[0].name"},
		{"a vendor of two lines", Check{ID: "required_products", Products: []Product{{Vendor: "a\nb"}}}, "products[0].vendor"},
		{"a category without products", Check{ID: "required_products", Products: []Product{{Category: posture.Threats}}}, "products[0].category"},
		{"a product of no version", Check{ID: "required_products", Products: []Product{{Name: "x"}, {Name: "y", MinVersion: "z"}}}, "products[1].min_version"},
		{"no version to compare with", Check{ID: "product_versions", Products: []Product{{Name: "x"}}}, "products[0].min_version"},
		{"forbidden in a version", Check{ID: "forbidden_products", Products: []Product{{Name: "x", MinVersion: "1"}}}, "products[0].min_version"},
		{"forbidden while running", Check{ID: "forbidden_products", Products: []Product{{Name: "x", Running: true}}}, "products[0].running"},
		{"new while running", Check{ID: "product_versions", Products: []Product{{Name: "x", MinVersion: "1", Running: true}}}, "products[0].running"},
		{"a good script", custom(good), ""},
		{"very many scripts", custom(slices.Repeat([]Script{good}, 1000)...), "scripts[1]"},
		{"a script for no system", custom(Script{OS: []posture.OSFamily{"beos"}, Interpreter: "sh", Text: "x"}), "scripts[0].os[0]"},
		{"a script in another language", custom(Script{Interpreter: "perl", Text: "x"}), "scripts[0].interpreter"},
		{"a script with a negative time", custom(Script{Interpreter: "sh", Text: "x", Timeout: -1}), "scripts[0].timeout"},
		{"a script with the longest time", custom(Script{Interpreter: "sh", Text: "x", Timeout: Duration(maxTimeout)}), ""},
		{"a script with a longer time", custom(Script{Interpreter: "sh", Text: "x", Timeout: Duration(maxTimeout + time.Second)}), "scripts[0].timeout"},
		{"an empty script", custom(Script{Interpreter: "sh", Text: " \n"}), "scripts[0].text"},
		{"a script with a hidden character", custom(Script{Interpreter: "sh", Text: "a\tb\r\n\x1b"}), "scripts[0].text"},
		{"a script of several lines", custom(Script{Interpreter: "sh", Text: "a\tb\r\nc"}), ""},
		{"a long script", custom(Script{Interpreter: "sh", Text: strings.Repeat("é", maxScript)}), ""},
		{"a longer script", custom(Script{Interpreter: "sh", Text: strings.Repeat("é", maxScript+1)}), "scripts[0].text"},
		{"a script never run", custom(good, Script{Interpreter: "sh", Text: "x", OS: []posture.OSFamily{posture.Linux}}), "scripts[1]"},
		{"scripts for systems", custom(Script{Interpreter: "sh", Text: "x", OS: []posture.OSFamily{posture.Linux}}, good), ""},
		{"a custom check without a name", Check{ID: "custom_check"}, "name"},
		{"a custom check with a wild name", Check{ID: "custom_check", Name: "a b"}, "name"},
		{"a custom check with a long name", Check{ID: "custom_check", Name: strings.Repeat("a", 64)}, ""},
		{"a custom check with a longer name", Check{ID: "custom_check", Name: strings.Repeat("a", 65)}, "name"},
		{"a name where none is", Check{ID: "screen_lock", Name: "x"}, "name"},
		{"a hidden character in a name", Check{ID: "disk_space", MinFree: 1, Name: "a\x00"}, "name"},
		{"a long name", Check{ID: "disk_space", MinFree: 1, Name: strings.Repeat("é", 255)}, ""},
		{"a longer name", Check{ID: "disk_space", MinFree: 1, Name: strings.Repeat("é", 256)}, "name"},
		{"a long remediation", Check{ID: "screen_lock", Remediation: strings.Repeat("é", maxLongText)}, ""},
		{"a longer remediation", Check{ID: "screen_lock", Remediation: strings.Repeat("é", maxLongText+1)}, "remediation"},
		{"broken text", Check{ID: "screen_lock", Remediation: "\xff"}, "remediation"},
		{"a system after all", Check{ID: "screen_lock", OS: append(slices.Clone(families), "beos")}, "os[5]"},
		{"all systems", Check{ID: "screen_lock", OS: families}, ""},
		{"a system twice", Check{ID: "screen_lock", OS: []posture.OSFamily{posture.Linux, posture.Linux}}, "os[1]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.entry.Severity = Warning
			p := &Policy{Name: "t", Checks: []Check{tc.entry}, Rules: []Rule{{Name: "d", Status: Compliant}}}
			err := p.Validate()
			if tc.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil {
				t.Fatalf("accepted, want a mistake in %s", tc.field)
			}
			for _, got := range fields(t, err) {
				if got != "checks[0]."+tc.field {
					t.Errorf("a mistake in %s, want one in %s: %v", got, tc.field, err)
				}
			}
			if len(fields(t, err)) != 1 {
				t.Errorf("told more than once: %v", err)
			}
			if tc.entry.Severity = Off; len(define(tc.entry.ID).needs) > 0 && strings.HasPrefix(tc.name, "no ") && tc.name != "no version to compare with" {
				p.Checks[0] = tc.entry
				if err := p.Validate(); err != nil {
					t.Errorf("what is off needs nothing: %v", err)
				}
			}
		})
	}
}

// Every parameter is refused by the checks that do not read it.
func TestForeignParameters(t *testing.T) {
	for name, set := range parameterValues {
		if name == "title" || name == "products" {
			continue
		}
		for _, d := range Definitions() {
			c := Check{ID: d.ID, Severity: Off, MinVersion: "", Name: map[bool]string{true: "n"}[d.ID == customCheckID]}
			switch name { // without a draw
			case "max_age":
				c.MaxAge = 1
			case "volumes":
				c.Volumes = []string{"all"}
			case "min_level":
				c.MinLevel = "low"
			default:
				set(nil, &c)
			}
			err := (&Policy{Name: "t", Checks: []Check{c}, Rules: []Rule{{Name: "d", Status: Compliant}}}).Validate()
			if reads := slices.Contains(d.Params, name); reads != (err == nil) || !reads && !slices.Contains(fields(t, err), "checks[0]."+name) {
				t.Errorf("%s with %s: %v", d.ID, name, err)
			}
		}
	}
}

func TestValidateRules(t *testing.T) {
	many := slices.Repeat([]string{"x"}, maxList+1)
	for _, tc := range []struct {
		name  string
		rule  Rule
		field string
	}{
		{"an unknown state", Rule{Issues: "some"}, ".issues"},
		{"very many critical issues", Rule{MinCritical: maxChecks + 1}, ".min_critical"},
		{"as many as may be", Rule{MinCritical: maxChecks}, ""},
		{"negative warnings", Rule{MinWarnings: -1, KEV: true}, ".min_warnings"},
		{"none and some", Rule{Issues: NoIssues, MinCritical: 1}, ""},
		{"none and warnings", Rule{Issues: NoIssues, MinWarnings: 1}, ""},
		{"none and a category", Rule{Issues: NoIssues, Categories: []posture.Category{posture.Firewall}}, ""},
		{"none and a check", Rule{Issues: NoIssues, Checks: []string{"screen_lock"}}, ""},
		{"none", Rule{Issues: NoIssues}, ""},
		{"an unknown category", Rule{Categories: []posture.Category{"weather"}}, ".categories[0]"},
		{"an unknown check", Rule{Checks: []string{"weather"}}, ".checks[0]"},
		{"a check that is not in the policy", Rule{Checks: []string{"screen_lock", "threats"}}, ".checks[1]"},
		{"an entry that is not in the policy", Rule{Checks: []string{"custom_check/dock"}}, ".checks[0]"},
		{"an entry", Rule{Checks: []string{"custom_check/vpn", "custom_check"}}, ""},
		{"very many checks", Rule{Checks: slices.Repeat([]string{"screen_lock"}, maxChecks+1)}, ".checks"},
		{"as many checks as may be", Rule{Checks: slices.Repeat([]string{"screen_lock"}, maxChecks)}, ""},
		{"an unknown level", Rule{MinLevel: "bad"}, ".min_level"},
		{"very many vulnerabilities", Rule{CVEs: many}, ".cves"},
		{"a vulnerability without a name", Rule{CVEs: []string{""}}, ".cves[0]"},
		{"a negative silence", Rule{SilentFor: -1, KEV: true}, ".silent_for"},
		{"a group without a name", Rule{Groups: []string{""}}, ".groups[0]"},
		{"a user without a name", Rule{Users: []string{""}}, ".users[0]"},
		{"an unknown system", Rule{OS: []posture.OSFamily{"beos"}}, ".os[0]"},
		{"an unknown type", Rule{DeviceTypes: []posture.DeviceType{"toaster"}}, ".device_types[0]"},
		{"a broken expression", Rule{Expression: "1 +"}, ".expression"},
		{"negative grace", Rule{KEV: true, Grace: -1}, ".grace"},
		{"grace for the fit", Rule{KEV: true, Grace: 1, Status: Compliant}, ".grace"},
		{"a name of two lines", Rule{KEV: true, Name: "a\nb"}, ".name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := ruled(tc.rule).Validate()
			if strings.HasPrefix(tc.name, "none and") {
				if err == nil || !slices.Equal(fields(t, err), []string{"rules[0]"}) || !strings.Contains(err.Error(), "never used") {
					t.Errorf("got %v", err)
				}
				return
			}
			if tc.field == "" {
				if err != nil {
					t.Error(err)
				}
			} else if err == nil || !slices.Equal(fields(t, err), []string{"rules[0]" + tc.field}) {
				t.Errorf("got %v, want one mistake in %s", err, tc.field)
			}
		})
	}
}

// A rule with the conditions of an earlier one is never asked, whatever it would give.
func TestRulesWithTheSameConditions(t *testing.T) {
	a := Rule{Issues: AnyIssue, Groups: []string{"x"}, Grace: Duration(day)}
	b := Rule{Issues: AnyIssue, Groups: []string{"x"}, Status: Compliant}
	err := ruled(a, Rule{KEV: true}, b).Validate()
	if err == nil || !slices.Equal(fields(t, err), []string{"rules[2]"}) || !strings.Contains(err.Error(), "rules[0] has the same conditions") {
		t.Errorf("got %v", err)
	}
	b.Groups = []string{"y"}
	if err := ruled(a, b).Validate(); err != nil {
		t.Error(err)
	}
}

// Any condition keeps a rule from deciding everything.
func TestConditionsMakeARuleConditional(t *testing.T) {
	for _, r := range []Rule{
		{Issues: NoIssues}, {MinCritical: 1}, {MinWarnings: 1}, {Categories: []posture.Category{posture.Firewall}}, {Checks: []string{"screen_lock"}},
		{MinLevel: "low"}, {CVEs: []string{"x"}}, {KEV: true}, {SilentFor: 1}, {Groups: []string{"x"}}, {Users: []string{"x"}},
		{OS: []posture.OSFamily{posture.Linux}}, {DeviceTypes: []posture.DeviceType{posture.VM}}, {Expression: "true"},
	} {
		if r.unconditional() {
			t.Errorf("%+v", r)
		}
		p := ruled()
		p.Rules[0] = r
		p.Rules[0].Name, p.Rules[0].Status = "last", Compliant
		if err := p.Validate(); err == nil || !slices.Contains(fields(t, err), "rules") {
			t.Errorf("%+v as the last rule: %v", r, err)
		}
	}
	if !(&Rule{Name: "x", Status: Compliant, Grace: 1}).unconditional() {
		t.Error("a rule without conditions has some")
	}
}
