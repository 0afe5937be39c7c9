package risk_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"muster/internal/posture"
	"muster/internal/risk"
)

var epoch = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// finding is one of a product for some CVEs, as bad as the worst of them: the last digit of each is its level.
func finding(id, product string, cves ...string) posture.Finding {
	f := posture.Finding{ID: id, Product: product, Version: "1", CVEs: cves, Scores: [...]float64{10, -1, -1}}
	rescore(&f)
	return f
}

func rescore(f *posture.Finding) {
	ids := f.CVEs
	if len(ids) == 0 {
		ids = []string{f.ID}
	}
	level := byte(0)
	for _, id := range ids {
		level = max(level, (id[len(id)-1]-'0')%5)
	}
	f.Scores[0] = float64(level) * 20
	f.Levels = posture.Levels{posture.Level(level)}
}

func accepted(id, vulnerability string, change func(*risk.Risk)) risk.Risk {
	r := risk.Risk{ID: id, Source: risk.Accepted, Vulnerability: vulnerability, Reason: "because", Author: "anna", CreatedAt: epoch}
	if change != nil {
		change(&r)
	}
	return r
}

func said(id, vulnerability string, status risk.Status, at time.Time) risk.Risk {
	return risk.Risk{ID: id, Source: risk.VEX, Vulnerability: vulnerability, Product: risk.Product{Name: "lib"}, Reason: string(status), Author: "vendor",
		CreatedAt: epoch, Statement: risk.Statement{Status: status, At: at}}
}

func TestAccept(t *testing.T) {
	f := finding("ALSA-2024:1", "lib", "CVE-2024-0001", "CVE-2024-0002")
	here := risk.Place{Device: "d1", Group: 7}
	later := epoch.Add(time.Hour)
	until := func(at time.Time) func(*risk.Risk) { return func(r *risk.Risk) { r.Until = at } }
	for name, c := range map[string]struct {
		risks []risk.Risk
		want  string // the id of the one by which CVE-2024-0001 does not count
	}{
		"nothing":                {nil, ""},
		"another":                {[]risk.Risk{accepted("a", "CVE-2024-0002", nil)}, ""},
		"it":                     {[]risk.Risk{accepted("a", "CVE-2024-0001", nil)}, "a"},
		"in small letters":       {[]risk.Risk{accepted("a", "cve-2024-0001", nil)}, "a"},
		"the entry":              {[]risk.Risk{accepted("a", "ALSA-2024:1", nil)}, "a"},
		"an alias":               {[]risk.Risk{accepted("a", "GHSA-1", func(r *risk.Risk) { r.Aliases = []string{"CVE-2024-0001"} })}, "a"},
		"revoked":                {[]risk.Risk{accepted("a", "CVE-2024-0001", func(r *risk.Risk) { r.Revoked.At = epoch })}, ""},
		"lapsed just now":        {[]risk.Risk{accepted("a", "CVE-2024-0001", until(epoch))}, ""},
		"lapses in a moment":     {[]risk.Risk{accepted("a", "CVE-2024-0001", until(epoch.Add(time.Millisecond)))}, "a"},
		"this device":            {[]risk.Risk{accepted("a", "CVE-2024-0001", func(r *risk.Risk) { r.Device = "d1" })}, "a"},
		"another device":         {[]risk.Risk{accepted("a", "CVE-2024-0001", func(r *risk.Risk) { r.Device = "d2" })}, ""},
		"this group":             {[]risk.Risk{accepted("a", "CVE-2024-0001", func(r *risk.Risk) { r.Group = 7 })}, "a"},
		"another group":          {[]risk.Risk{accepted("a", "CVE-2024-0001", func(r *risk.Risk) { r.Group = 8 })}, ""},
		"another product":        {[]risk.Risk{accepted("a", "CVE-2024-0001", func(r *risk.Risk) { r.Product.Name = "libc" })}, ""},
		"the one without an end": {[]risk.Risk{accepted("a", "CVE-2024-0001", until(later)), accepted("b", "CVE-2024-0001", nil)}, "b"},
		"the longer one":         {[]risk.Risk{accepted("a", "CVE-2024-0001", until(later)), accepted("b", "ALSA-2024:1", until(later.Add(1e6)))}, "b"},
		"the older of equals":    {[]risk.Risk{accepted("b", "CVE-2024-0001", nil), accepted("a", "CVE-2024-0001", nil)}, "a"},
		"not affected":           {[]risk.Risk{said("v", "CVE-2024-0001", risk.NotAffected, epoch)}, "v"},
		"fixed":                  {[]risk.Risk{said("v", "CVE-2024-0001", risk.Fixed, epoch)}, "v"},
		"affected":               {[]risk.Risk{said("v", "CVE-2024-0001", risk.Affected, epoch)}, ""},
		"lifted":                 {[]risk.Risk{said("v", "CVE-2024-0001", risk.NotAffected, epoch), said("w", "CVE-2024-0001", risk.UnderInvestigation, later)}, ""},
		"lifted at once":         {[]risk.Risk{said("v", "CVE-2024-0001", risk.NotAffected, epoch), said("w", "CVE-2024-0001", risk.Affected, epoch)}, ""},
		"lifted before":          {[]risk.Risk{said("v", "CVE-2024-0001", risk.NotAffected, later), said("w", "CVE-2024-0001", risk.Affected, epoch)}, "v"},
		"accepted though lifted": {[]risk.Risk{accepted("a", "CVE-2024-0001", until(later)), said("w", "CVE-2024-0001", risk.Affected, later)}, "a"},
		"a statement holds on":   {[]risk.Risk{accepted("a", "CVE-2024-0001", until(later)), said("v", "CVE-2024-0001", risk.NotAffected, epoch)}, "v"},
		"a fact before a risk":   {[]risk.Risk{accepted("a", "CVE-2024-0001", nil), said("v", "CVE-2024-0001", risk.NotAffected, epoch)}, "v"},
	} {
		for range 2 {
			a, ok := risk.NewSet(1, risk.Thresholds{}, c.risks).Accept(&f, "CVE-2024-0001", here, epoch)
			if a.ID != c.want || ok != (c.want != "") {
				t.Errorf("%s: by %q, %v", name, a.ID, ok)
			}
			slices.Reverse(c.risks) // the order in which they are read does not matter
		}
	}
}

func TestApply(t *testing.T) {
	until := epoch.Add(time.Hour)
	set := risk.NewSet(1, risk.Thresholds{}, []risk.Risk{
		accepted("a", "CVE-2024-0004", func(r *risk.Risk) { r.Until = until }),
		accepted("b", "CVE-2024-0002", nil),
		accepted("c", "DSA-1-3", func(r *risk.Risk) { r.Until = until.Add(time.Hour) }),
	})
	in := []posture.Finding{
		finding("ALSA-2024:1", "lib", "CVE-2024-0004", "CVE-2024-0001", "CVE-2024-0002"),
		finding("DSA-1-3", "x"),
	}
	got := set.Apply(in, risk.Place{}, epoch, rescore)
	var words []string
	for _, f := range got.Findings {
		by := "open"
		if f.Accepted != nil {
			by = f.Accepted.ID
		}
		words = append(words, fmt.Sprintf("%s %s %d %s", f.ID, strings.Join(f.CVEs, ","), f.Levels[0], by))
	}
	if diff := cmp.Diff([]string{
		"ALSA-2024:1 CVE-2024-0004 4 a", "DSA-1-3  3 c", "ALSA-2024:1 CVE-2024-0002 2 b", "ALSA-2024:1 CVE-2024-0001 1 open",
	}, words); diff != "" {
		t.Error(diff)
	}
	if got.Levels != (posture.Levels{1}) || !got.Lapses.Equal(until) {
		t.Errorf("level %v, lapses at %v", got.Levels, got.Lapses)
	}
	none := risk.NewSet(2, risk.Thresholds{}, nil).Apply(got.Findings, risk.Place{}, epoch, rescore)
	if diff := cmp.Diff(in, none.Findings, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" || !none.Lapses.IsZero() {
		t.Errorf("with nothing accepted it is not as before: %s", diff)
	}
}

// TestApplyHolds: whatever is accepted, every vulnerability is still found once for each product, what counts follows from
// what is open alone, applying again changes nothing, and nothing changes by itself before the time that is told, and
// something does at that time.
func TestApplyHolds(t *testing.T) {
	cve := rapid.SampledFrom([]string{"CVE-2024-0001", "CVE-2024-0002", "CVE-2024-0003", "CVE-2024-0004", "ALSA-1:1", "ALSA-1:2"})
	product := rapid.SampledFrom([]string{"lib", "tool"})
	rapid.Check(t, func(t *rapid.T) {
		var in []posture.Finding
		for _, id := range []string{"ALSA-1:1", "ALSA-1:2"} {
			for _, p := range []string{"lib", "tool"} {
				if rapid.Bool().Draw(t, "found") {
					cves := rapid.SliceOfNDistinct(cve.Filter(func(s string) bool { return s[0] == 'C' }), 0, 4, rapid.ID).Draw(t, "cves")
					slices.Sort(cves)
					if len(cves) == 0 {
						cves = nil
					}
					in = append(in, finding(id, p, cves...))
				}
			}
		}
		var list []risk.Risk
		for i := range rapid.IntRange(0, 6).Draw(t, "risks") {
			list = append(list, accepted(fmt.Sprint(i), cve.Draw(t, "about"), func(r *risk.Risk) {
				r.Group = posture.GroupID(rapid.IntRange(0, 2).Draw(t, "group"))
				r.Until = epoch.Add(time.Duration(rapid.IntRange(-1, 3).Draw(t, "until")) * time.Minute)
				if rapid.Bool().Draw(t, "for good") {
					r.Until = time.Time{}
				}
				if rapid.Bool().Draw(t, "narrow") {
					r.Product.Name = product.Draw(t, "product")
				}
				if rapid.IntRange(0, 3).Draw(t, "vex") == 0 {
					r.Source, r.Until = risk.VEX, time.Time{}
					r.Statement = risk.Statement{
						Status: rapid.SampledFrom([]risk.Status{risk.NotAffected, risk.Affected}).Draw(t, "status"),
						At:     epoch.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "stated"))),
					}
				}
			}))
		}
		set, here := risk.NewSet(1, risk.Thresholds{}, list), risk.Place{Group: 1}
		got := set.Apply(in, here, epoch, rescore)
		if diff := cmp.Diff(pairs(in), pairs(got.Findings)); diff != "" {
			t.Fatalf("found before and after: %s", diff)
		}
		var worst posture.Levels
		for _, f := range got.Findings {
			ids := f.CVEs
			if len(ids) == 0 {
				ids = []string{f.ID}
			}
			for _, id := range ids {
				if _, ok := set.Accept(&f, id, here, epoch); ok != (f.Accepted != nil) {
					t.Fatalf("%s of %+v is accepted: %v", id, f, ok)
				}
			}
			if f.Accepted == nil {
				worst = worst.Worst(f.Levels)
			}
		}
		if got.Levels != worst {
			t.Fatalf("the level is %v, the worst open one %v", got.Levels, worst)
		}
		if diff := cmp.Diff(got, set.Apply(got.Findings, here, epoch, rescore)); diff != "" {
			t.Fatalf("applied again: %s", diff)
		}
		if got.Lapses.IsZero() {
			if diff := cmp.Diff(got, set.Apply(in, here, epoch.AddDate(50, 0, 0), rescore)); diff != "" {
				t.Fatalf("it changes, and no time is told: %s", diff)
			}
			return
		}
		if diff := cmp.Diff(got, set.Apply(in, here, got.Lapses.Add(-time.Millisecond), rescore)); diff != "" {
			t.Fatalf("it changes before it lapses: %s", diff)
		}
		if then := set.Apply(in, here, got.Lapses, rescore); cmp.Equal(got, then) {
			t.Fatalf("nothing changes when it lapses: %+v", then)
		}
	})
}

// pairs gives what is found where, in order.
func pairs(findings []posture.Finding) []string {
	var out []string
	for _, f := range findings {
		ids := f.CVEs
		if len(ids) == 0 {
			ids = []string{""}
		}
		for _, id := range ids {
			out = append(out, f.ID+"|"+f.Product+"|"+id)
		}
	}
	slices.Sort(out)
	return out
}
