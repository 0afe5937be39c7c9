package store_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/posture"
	"muster/internal/store"
)

// TestVerdictsAreReadAsTheyWereWritten: a verdict is written by one library and read by another.
func TestVerdictsAreReadAsTheyWereWritten(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 123_000_000, time.UTC)
	whole := posture.Verdict{
		Status: posture.StatusInGrace, Severity: posture.Critical, Levels: posture.Levels{4, 3, 2}, Rule: "a \"rule\" \u00e5\u2028<&>",
		RuleStatus: posture.StatusNonCompliant,
		Issues: []posture.Issue{{
			Category: posture.Antimalware, Check: "c", Name: "n", Outcome: posture.Stale, Severity: posture.Warning, Product: "p\xff",
			Evidence: "e", Remediation: "r", Entry: 2, Since: at,
		}},
		Findings: []posture.Finding{{
			ID: "f", CVEs: []string{"CVE-2026-0001"}, Product: "p", Version: "1", Fixed: "2", KEV: true, Scores: [3]float64{99.5, -1, 9.8},
			Levels: posture.Levels{4, 0, 4},
		}},
		Policy: "2.7", Catalogue: "k", Judged: at, NextChange: at.Add(time.Hour), FailingSince: at.Add(-time.Hour), GraceUntil: at.Add(time.Hour),
		Silence: 36 * time.Hour, Silent: true, LinkedMatters: true,
	}
	members := reflect.ValueOf(whole)
	for i := range members.NumField() {
		if members.Field(i).IsZero() {
			t.Errorf("the test says nothing of %s", members.Type().Field(i).Name)
		}
	}
	want := whole
	want.Issues = []posture.Issue{whole.Issues[0]}
	want.Issues[0].Product = "p\uFFFD"
	for _, c := range []struct{ in, want posture.Verdict }{{whole, want}, {posture.Verdict{}, posture.Verdict{}}} {
		text, err := store.WriteVerdict(&c.in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := new(store.Store).UnpackVerdict(string(text))
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	}
}
