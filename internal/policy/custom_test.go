package policy

import (
	"strings"
	"testing"
	"time"

	"muster/internal/posture"
)

// An issue of a custom check names it, whatever it came to.
func TestCustomIssuesNameTheirCheck(t *testing.T) {
	c := compiled(t, only(Check{ID: "custom_check", Name: "dock", Title: "Dock", MaxAge: Duration(day)}))
	for _, r := range []posture.CustomResult{
		{ID: "dock", Outcome: posture.Fail, At: now}, {ID: "dock", Outcome: posture.Errored}, {ID: "dock", Outcome: posture.Unknown},
		{ID: "dock", Outcome: posture.Pass}, {ID: "dock", Outcome: posture.Pass, At: now.Add(-2 * day)}, {ID: "other", Outcome: posture.Pass, At: now},
	} {
		v := c.Evaluate(&Subject{Report: &posture.Report{Custom: []posture.CustomResult{r}}}, now)
		if len(v.Issues) != 1 || v.Issues[0].Product != "dock" || v.Issues[0].Name != "dock" {
			t.Errorf("%+v: %+v", r, v.Issues)
		}
	}
	s := &Subject{Report: &posture.Report{Custom: []posture.CustomResult{{ID: "dock", Outcome: posture.Pass, At: now}}}}
	if got := c.Explain(s, now); len(got) != 1 || got[0].Title != "Dock" || got[0].Name != "dock" || got[0].Product != "dock" || got[0].Outcome != posture.Pass {
		t.Errorf("%+v", got)
	}
}

// Of several results the last counts, and of several at one time the worst, in whatever order they come.
func TestLatestCustomResult(t *testing.T) {
	pass, fail := posture.CustomResult{ID: "c", Outcome: posture.Pass, Output: "p"}, posture.CustomResult{ID: "c", Outcome: posture.Fail, Output: "b"}
	fail2, later := fail, pass
	fail2.Output, later.At = "a", now.Add(time.Hour)
	for _, tc := range []struct {
		results []posture.CustomResult
		want    posture.CustomResult
	}{
		{[]posture.CustomResult{pass, fail}, fail},
		{[]posture.CustomResult{fail, fail2}, fail2},
		{[]posture.CustomResult{fail, later}, later},
		{[]posture.CustomResult{pass, fail, fail2}, fail2},
	} {
		for range tc.results {
			tc.results = append(tc.results[1:], tc.results[0])
			if got := latest(tc.results, "c"); got == nil || *got != tc.want {
				t.Errorf("of %v: %v", tc.results, got)
			}
		}
	}
	if got := latest([]posture.CustomResult{pass}, "d"); got != nil {
		t.Errorf("of another check: %v", got)
	}
}

func TestOutputOfScriptsIsTamed(t *testing.T) {
	for output, want := range map[string]string{
		"": "", " \n\t": "", "a\n b\x00c.": " and said: a b c", strings.Repeat("é", 300): " and said: " + strings.Repeat("é", 300),
		strings.Repeat("é", 301): " and said: " + strings.Repeat("é", 299) + "…",
	} {
		if got := said(output); got != want {
			t.Errorf("%q: %q", output, got)
		}
	}
}

func TestNamesOfVolumes(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{{"C:", `c:\`, true}, {"/data", "/data/", true}, {"/", "/", true}, {"/", `\`, false}, {"/", "", false}, {"C:", "D:", false}} {
		if got := sameVolume(c.a, c.b); got != c.same {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}

// The checks of a machine that does not say what it is come in their usual order.
func TestOrderOfChecksOfUnknownMachines(t *testing.T) {
	p := only(Check{ID: "screen_lock", OS: []posture.OSFamily{posture.Windows}})
	p.Checks = append(p.Checks, Check{ID: "user_password", Severity: Warning, OS: []posture.OSFamily{posture.Linux}})
	v := compiled(t, p).Evaluate(&Subject{Report: &posture.Report{}}, now)
	if got := checksOf(v.Issues); got != "user_password:unknown:warning screen_lock:unknown:critical" {
		t.Error(got)
	}
}
