package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"muster/internal/posture"
)

func TestDiff(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Policy)
		want   []string
	}{
		{"nothing", func(*Policy) {}, nil},
		{"name", func(p *Policy) { p.Name = "Other" }, []string{"policy, name: Default policy → Other"}},
		{"severity", func(p *Policy) { p.Checks[0].Severity = Off }, []string{"check antimalware_installed, severity: critical → off"}},
		{"age", func(p *Policy) { p.Checks[3].MaxAge = Duration(day) }, []string{"check antimalware_definitions, max_age: 3d → 1d"}},
		{"one entry of two", func(p *Policy) { p.Checks[7].Severity = Warning },
			[]string{"check disk_encryption (laptop, phone, tablet), severity: critical → warning"}},
		{"machines", func(p *Policy) { p.Checks[0].OS = nil }, []string{"check antimalware_installed, os: windows, mac → none"}},
		{"a text of several lines", func(p *Policy) { p.Checks[0].Remediation = "Install\n\n  it." },
			[]string{"check antimalware_installed, remediation: none → Install it."}},
		{"a long text", func(p *Policy) { p.Checks[0].Remediation = strings.Repeat("é", 201) },
			[]string{"check antimalware_installed, remediation: none → " + strings.Repeat("é", 199) + "…"}},
		{"a text of one line", func(p *Policy) { p.Checks[0].Remediation = strings.Repeat("é", 200) },
			[]string{"check antimalware_installed, remediation: none → " + strings.Repeat("é", 200)}},
		{"removed", func(p *Policy) { p.Checks = p.Checks[1:] }, []string{"check antimalware_installed: removed, was severity critical"}},
		{"added", func(p *Policy) {
			p.Checks = append(p.Checks, Check{ID: "required_products", Name: "EDR", Severity: Critical, Products: []Product{{Name: "X", Running: true}}})
		}, []string{"check required_products/EDR: added, severity critical, products {name X, running true}"}},
		{"another entry for other machines", func(p *Policy) {
			p.Checks = slices.Insert(p.Checks, 3, Check{ID: "antimalware_definitions", Severity: Warning, MaxAge: Duration(day),
				OS: []posture.OSFamily{posture.Linux}})
		}, []string{"check antimalware_definitions, order among the entries of the check: 1 → 2",
			"check antimalware_definitions (linux): added, severity warning, max_age 1d"}},
		{"two checks for other machines", func(p *Policy) { p.Checks[0].OS, p.Checks[1].DeviceTypes = nil, nil },
			[]string{"check antimalware_installed, os: windows, mac → none", "check antimalware_running, device_types: desktop, laptop, server, vm → none"}},
		{"one of two entries for other machines", func(p *Policy) {
			p.Checks = slices.Concat(p.Checks[7:9], p.Checks[:7], p.Checks[9:])
			p.Checks[1].DeviceTypes = []posture.DeviceType{posture.Server}
		}, []string{"check disk_encryption (desktop), device_types: desktop → server"}},
		{"the types of machines of one system", func(p *Policy) {
			p.Checks = append(p.Checks, Check{ID: "antimalware_installed", Severity: Warning, OS: p.Checks[0].OS, DeviceTypes: []posture.DeviceType{posture.Phone}})
			p.Checks[0], p.Checks[18] = p.Checks[18], p.Checks[0]
		}, []string{"check antimalware_installed, order among the entries of the check: 1 → 2",
			"check antimalware_installed (windows, mac, phone): added, severity warning"}},
		{"a rule", func(p *Policy) { p.Rules[1].MinWarnings, p.Rules[1].Grace = 5, Duration(day) },
			[]string{"rule Three or more warnings, min_warnings: 3 → 5", "rule Three or more warnings, grace: none → 1d"}},
		{"order of rules", func(p *Policy) { p.Rules[0], p.Rules[1] = p.Rules[1], p.Rules[0] },
			[]string{"rule Critical issue, order: 1 → 2", "rule Three or more warnings, order: 2 → 1"}},
		{"a rule before all others", func(p *Policy) {
			p.Rules = slices.Insert(p.Rules, 0, Rule{Name: "Silent", SilentFor: Duration(day), Status: NonCompliant})
		}, []string{"rule Silent: added, silent_for 1d, status non-compliant, as number 1"}},
		{"a rule more and one less", func(p *Policy) { p.Rules[1] = Rule{Name: "Silent", SilentFor: Duration(day), Status: NonCompliant} },
			[]string{"rule Three or more warnings: removed, was min_warnings 3, status non-compliant",
				"rule Silent: added, silent_for 1d, status non-compliant, as number 2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := Default()
			tc.change(p)
			var got []string
			for _, c := range Diff(Default(), p) {
				got = append(got, c.String())
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

// Policies that differ have differences, and those that do not have none.
func TestDiffFindsEveryDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := randomPolicy.Draw(t, "a")
		b := randomPolicy.Draw(t, "b")
		if rapid.Bool().Draw(t, "alike") {
			*b = *a
			b.Checks, b.Rules = slices.Clone(a.Checks), slices.Clone(a.Rules)
			if len(b.Rules) > 0 && rapid.Bool().Draw(t, "one member") {
				b.Rules[0].MinCritical++
			}
		}
		if a.Validate() != nil || b.Validate() != nil {
			seen := map[string]bool{} // two rules of a name are no policy, and cannot be told apart
			for _, r := range slices.Concat(a.Rules, b.Rules) {
				seen[r.Name] = true
			}
			if len(seen) != len(a.Rules) || len(seen) != len(b.Rules) {
				return
			}
		}
		changes := Diff(a, b)
		if (len(changes) == 0) != equal(a, b) {
			t.Fatalf("%v\n%+v\n%+v", changes, a, b)
		}
		if _, err := json.Marshal(changes); err != nil {
			t.Fatal(err)
		}
	})
}

// equal reports whether two policies are the same, an empty list being none.
func equal(a, b *Policy) bool {
	x, err := encode(a)
	y, err2 := encode(b)
	return err == nil && err2 == nil && sameNode(x, y)
}
