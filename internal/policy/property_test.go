package policy

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"muster/internal/posture"
)

// often makes a report in which most things are well, so that a single blank decides.
var often = rapid.SampledFrom([]posture.Fact{posture.Yes, posture.Yes, posture.Yes, posture.Yes, posture.No, posture.NotReported})

var dates = rapid.Custom(func(t *rapid.T) time.Time {
	h := rapid.SampledFrom([]int{-1, 1, 30, 71, 72, 73, 1000, -30, -1000}).Draw(t, "hours ago")
	return now.Add(-time.Duration(h) * time.Hour)
})

var kinds = rapid.SampledFrom([]posture.Report{
	{DeviceType: posture.Laptop, OS: posture.OS{Family: posture.Windows}},
	{DeviceType: posture.Desktop, OS: posture.OS{Family: posture.MacOS}},
	{DeviceType: posture.Laptop, OS: posture.OS{Family: posture.Linux}},
	{DeviceType: posture.Server, OS: posture.OS{Family: posture.Linux}},
	{DeviceType: posture.VM, OS: posture.OS{Family: posture.Windows}},
	{DeviceType: posture.Phone, OS: posture.OS{Family: posture.Android}},
	{DeviceType: posture.Tablet, OS: posture.OS{Family: posture.IOS}},
})

var products = rapid.Custom(func(t *rapid.T) posture.Application {
	a := posture.Application{
		Name: rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "name"),
		Category: rapid.SampledFrom([]posture.Category{posture.Antimalware, posture.Antimalware, posture.Firewall,
			posture.Encryption, posture.Toolbars, posture.RemoteControl, ""}).Draw(t, "category"),
		Running:     often.Draw(t, "running"),
		Enabled:     often.Draw(t, "enabled"),
		Definitions: dates.Draw(t, "definitions"),
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "volumes") {
		a.Volumes = append(a.Volumes, posture.Volume{Name: string(rune('C' + i)), System: rapid.Bool().Draw(t, "system"),
			Encrypted: often.Draw(t, "encrypted")})
	}
	return a
})

var reports = rapid.Custom(func(t *rapid.T) *posture.Report {
	r := kinds.Draw(t, "kind")
	r.Applications = rapid.SliceOfN(products, 0, 5).Draw(t, "products")
	r.Collected = rapid.SliceOfN(rapid.SampledFrom([]posture.Category{
		posture.Antimalware, posture.Firewall, posture.Encryption, posture.Toolbars}), 0, 4).Draw(t, "collected")
	r.Updates = posture.Updates{Known: rapid.Bool().Draw(t, "known"), Security: rapid.IntRange(0, 1).Draw(t, "security")}
	r.UserPasswordSet = often.Draw(t, "password")
	r.ScreenLock = often.Draw(t, "lock")
	r.Genuine = often.Draw(t, "genuine")
	if mobile(&r) {
		r.StorageEncrypted = often.Draw(t, "storage")
	}
	return &r
})

// forget lists ways in which a report may say less.
var forget = map[string]func(*posture.Report){
	"running":     func(r *posture.Report) { each(r, func(a *posture.Application) { a.Running = posture.NotReported }) },
	"enabled":     func(r *posture.Report) { each(r, func(a *posture.Application) { a.Enabled = posture.NotReported }) },
	"definitions": func(r *posture.Report) { each(r, func(a *posture.Application) { a.Definitions = time.Time{} }) },
	"volumes": func(r *posture.Report) {
		each(r, func(a *posture.Application) {
			a.Volumes = slices.Clone(a.Volumes)
			for i := range a.Volumes {
				a.Volumes[i].Encrypted = posture.NotReported
			}
		})
	},
	"updates":   func(r *posture.Report) { r.Updates = posture.Updates{} },
	"password":  func(r *posture.Report) { r.UserPasswordSet = posture.NotReported },
	"lock":      func(r *posture.Report) { r.ScreenLock, r.ScreenLockAfter = posture.NotReported, 0 },
	"genuine":   func(r *posture.Report) { r.Genuine = posture.NotReported },
	"storage":   func(r *posture.Report) { r.StorageEncrypted = posture.NotReported },
	"type":      func(r *posture.Report) { r.DeviceType = "" },
	"system":    func(r *posture.Report) { r.OS = posture.OS{} },
	"collected": func(r *posture.Report) { r.Collected = nil },
	"anti-malware products": func(r *posture.Report) {
		without(r, posture.Antimalware)
	},
	"encryption products": func(r *posture.Report) { without(r, posture.Encryption) },
}

func each(r *posture.Report, f func(*posture.Application)) {
	for i := range r.Applications {
		f(&r.Applications[i])
	}
}

// Keeping silent never helps: neither the status nor the severity may become better.
func TestSayingLessNeverHelps(t *testing.T) {
	names := make([]string, 0, len(forget))
	for n := range forget {
		names = append(names, n)
	}
	slices.Sort(names)
	rapid.Check(t, func(t *rapid.T) {
		full := reports.Draw(t, "report")
		less := *full
		less.Applications = slices.Clone(full.Applications)
		for _, n := range rapid.SliceOfN(rapid.SampledFrom(names), 1, 3).Draw(t, "forget") {
			forget[n](&less)
		}
		a, b := Evaluate(Default(), full, now), Evaluate(Default(), &less, now)
		if b.Severity < a.Severity || a.Status == posture.StatusNonCompliant && b.Status == posture.StatusCompliant {
			t.Fatalf("with all: %s %s %s\nwith less: %s %s %s", a.Status, a.Severity, checksOf(a.Issues),
				b.Status, b.Severity, checksOf(b.Issues))
		}
	})
}

// The same report gives the same verdict, in whatever order its agent lists things.
func TestVerdictIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := reports.Draw(t, "report")
		shuffled := *r
		shuffled.Applications = rapid.Permutation(r.Applications).Draw(t, "order")
		shuffled.Collected = rapid.Permutation(r.Collected).Draw(t, "order of categories")
		a, _ := json.Marshal(Evaluate(Default(), r, now))
		b, _ := json.Marshal(Evaluate(Default(), &shuffled, now))
		if string(a) != string(b) {
			t.Fatalf("differ by order:\n%s\n%s", a, b)
		}
	})
}

// Issues agree with the verdict they are part of, and no time before NextChange gives other issues.
func TestVerdictIsConsistent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := reports.Draw(t, "report")
		v := Evaluate(Default(), r, now)
		_, critical, warnings := v.CountIssues()
		if (critical > 0 || warnings >= 3) != (v.Status == posture.StatusNonCompliant) {
			t.Fatalf("%s with %d critical and %d warnings", v.Status, critical, warnings)
		}
		span := 100 * day
		if !v.NextChange.IsZero() {
			span = v.NextChange.Sub(now) - tick
			if later := Evaluate(Default(), r, v.NextChange); same(later.Issues, v.Issues) {
				t.Fatalf("nothing changes at %v", v.NextChange)
			}
		}
		at := now.Add(time.Duration(rapid.Int64Range(0, int64(span)).Draw(t, "later")))
		if w := Evaluate(Default(), r, at); !same(w.Issues, v.Issues) {
			t.Fatalf("changes at %v, before %v\n%s\n%s", at, v.NextChange, checksOf(v.Issues), checksOf(w.Issues))
		}
	})
}

// A wild policy, valid or not, must not make Evaluate panic or forget its duties.
func TestWildPolicies(t *testing.T) {
	ids := []string{"nonsense"}
	for _, d := range Definitions() {
		ids = append(ids, d.ID)
	}
	checks := rapid.Custom(func(t *rapid.T) Check {
		return Check{
			ID:          rapid.SampledFrom(ids).Draw(t, "id"),
			Severity:    rapid.SampledFrom([]Severity{Off, Warning, Critical, "x"}).Draw(t, "severity"),
			OS:          rapid.SliceOfN(rapid.SampledFrom([]posture.OSFamily{posture.Windows, posture.Linux, "x"}), 0, 2).Draw(t, "os"),
			DeviceTypes: rapid.SliceOfN(rapid.SampledFrom([]posture.DeviceType{posture.Laptop, posture.Phone, "x"}), 0, 2).Draw(t, "types"),
			OnUnknown:   rapid.SampledFrom([]OnUnknown{"", Raise, LetPass}).Draw(t, "unknown"),
			MaxAge:      Duration(rapid.Int64().Draw(t, "age")),
			MaxIdle:     Duration(rapid.Int64().Draw(t, "idle")),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		p := &Policy{Name: "w", Checks: rapid.SliceOfN(checks, 0, 10).Draw(t, "checks")}
		_ = p.Validate()
		r := reports.Draw(t, "report")
		r.ScreenLockAfter = time.Duration(rapid.Int64().Draw(t, "after"))
		v := Evaluate(p, r, now)
		if v.Status != posture.StatusNonCompliant {
			t.Fatalf("no rule, and yet %s", v.Status)
		}
		for _, i := range v.Issues {
			if i.Outcome == posture.Pass || i.Severity == posture.NoIssue || i.Evidence == "" || i.Remediation == "" {
				t.Fatalf("issue %+v", i)
			}
		}
	})
}

var sink posture.Verdict

// Evaluate judges a report by a policy, valid or not, as that of a device of which nothing else is known.
func Evaluate(p *Policy, r *posture.Report, now time.Time) posture.Verdict {
	return newCompiled(p, posture.PolicyRef{ID: 7, Version: 3}).Evaluate(&Subject{Report: r}, now)
}

// same compares issues, but not since when they are there.
func same(a, b []posture.Issue) bool {
	return slices.EqualFunc(a, b, func(x, y posture.Issue) bool {
		x.Since, y.Since = time.Time{}, time.Time{}
		return x == y
	})
}

func BenchmarkEvaluate(b *testing.B) {
	healthy := windowsLaptop()
	for range 600 {
		healthy.Applications = append(healthy.Applications, posture.Application{Name: "some package", Version: "1.0", Ecosystem: "Debian:12"})
	}
	bad := windowsLaptop()
	bad.Applications, bad.Collected, bad.ScreenLock = nil, nil, posture.No
	silence := Default()
	silence.Rules = slices.Insert(silence.Rules, 0, Rule{Name: "silent", SilentFor: Duration(7 * day), Status: NonCompliant})
	asks := Default()
	asks.Rules = slices.Insert(asks.Rules, 0, Rule{Name: "expression", Status: NonCompliant, Expression: `group == "x" && user != ""`})
	looks := Default()
	looks.Rules = slices.Insert(looks.Rules, 0, Rule{Name: "expression", Status: NonCompliant, Expression: `products.exists(p, p.name == "x")`})
	software := Default()
	software.Checks = append(software.Checks, Check{ID: "required_products", Severity: Warning, Products: []Product{{Name: "BitLocker"}}},
		Check{ID: "product_versions", Severity: Warning, Products: []Product{{Name: "7-Zip", MinVersion: "24"}}})
	nobody := *healthy
	nobody.OS.Family, nobody.DeviceType = "", ""
	for _, c := range []struct {
		name   string
		policy *Policy
		report *posture.Report
	}{
		{"healthy with 600 packages", Default(), healthy},
		{"full of issues", Default(), bad},
		{"healthy, silence matters", silence, healthy},
		{"healthy, an expression", asks, healthy},
		{"healthy, an expression over 600 packages", looks, healthy},
		{"healthy, two checks of programs", software, healthy},
		{"does not say what it is", Default(), &nobody},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, err := Compile(c.policy, posture.PolicyRef{})
			if err != nil {
				b.Fatal(err)
			}
			s := &Subject{Report: c.report, LastReport: now, Group: "x"}
			b.ReportAllocs()
			for b.Loop() {
				sink = p.Evaluate(s, now)
			}
		})
	}
}
