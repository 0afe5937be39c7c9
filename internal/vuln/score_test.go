package vuln

import (
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"muster/internal/posture"
)

func TestOpswatScore(t *testing.T) {
	for _, tc := range []struct {
		base float64
		kev  bool
		epss float64
		want float64
	}{
		{10, true, -1, 100},
		{7.8, true, 0.001, 78},
		{7.8, false, -1, 54.6},
		{7.8, false, 0, 46.8},
		{7.8, false, 0.0625, 54.6},
		{9.8, false, 0.25, 78.4},
		{9.8, false, 1, 98},
		{9.8, false, 7, 98},
		{5.9, false, -1, 41.3},
		{2.3, false, -1, 16.1},
		{0, true, 1, 0},
		{0.1, false, 0, 0.6},
	} {
		if got := OpswatScore(tc.base, tc.kev, tc.epss); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("base %v, kev %v, epss %v: got %v, want %v", tc.base, tc.kev, tc.epss, got, tc.want)
		}
	}
}

func probability(p float64) *float64 { return &p }

func TestScoresOfVectors(t *testing.T) {
	const (
		v2  = "AV:N/AC:M/Au:N/C:C/I:C/A:C"                   // 9.3
		v30 = "CVSS:3.0/AV:L/AC:L/PR:N/UI:R/S:U/C:L/I:N/A:N" // 3.3
		v31 = "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H" // 8.1
		v4  = "CVSS:4.0/AV:L/AC:L/AT:N/PR:N/UI:A/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"
	)
	for _, tc := range []struct {
		name     string
		severity []Severity
		extra    Extra
		want     [posture.NumScoreTypes]float64
		ok       bool
	}{
		{"none", nil, Extra{}, [3]float64{-1, -1, -1}, true},
		{"v2 alone", []Severity{{"CVSS_V2", v2}}, Extra{}, [3]float64{65.1, 9.3, -1}, true},
		{"v3.0 alone", []Severity{{"CVSS_V3", v30}}, Extra{}, [3]float64{23.1, -1, 3.3}, true},
		{"v3.1 goes before v2", []Severity{{"CVSS_V2", v2}, {"CVSS_V3", v31}}, Extra{}, [3]float64{56.7, 9.3, 8.1}, true},
		{"the highest of several", []Severity{{"CVSS_V3", v31}, {"CVSS_V3", v30}}, Extra{}, [3]float64{56.7, -1, 8.1}, true},
		{"exploited", []Severity{{"CVSS_V3", v31}}, Extra{KEV: true, EPSS: probability(0)}, [3]float64{81, -1, 8.1}, true},
		{"predicted", []Severity{{"CVSS_V3", v31}}, Extra{EPSS: probability(0.49)}, [3]float64{71.3, -1, 8.1}, true},
		{"predicted nonsense", []Severity{{"CVSS_V3", v31}}, Extra{EPSS: probability(1.1)}, [3]float64{56.7, -1, 8.1}, true},
		{"predicted less than nothing", []Severity{{"CVSS_V3", v31}}, Extra{EPSS: probability(-0.5)}, [3]float64{56.7, -1, 8.1}, true},
		{"exploited, not scored", nil, Extra{KEV: true}, [3]float64{-1, -1, -1}, true},
		{"v4 alone", []Severity{{"CVSS_V4", v4}}, Extra{}, [3]float64{58.8, -1, -1}, true},
		{"v3 goes before v4, v4 before v2", []Severity{{"CVSS_V4", v4}, {"CVSS_V3", v30}, {"CVSS_V2", v2}}, Extra{}, [3]float64{23.1, 9.3, 3.3}, true},
		{"another method", []Severity{{"Ubuntu", "high"}}, Extra{}, [3]float64{-1, -1, -1}, true},
		{"not a vector", []Severity{{"CVSS_V3", "9.8"}}, Extra{}, [3]float64{-1, -1, -1}, false},
		{"not a v3.0 vector", []Severity{{"CVSS_V3", "CVSS:3.0/AV:N"}}, Extra{}, [3]float64{-1, -1, -1}, false},
		{"one of two is none", []Severity{{"CVSS_V2", "?"}, {"CVSS_V3", v31}}, Extra{}, [3]float64{56.7, -1, 8.1}, false},
	} {
		facts, ok := factsOf(tc.severity, &tc.extra)
		if got := facts.scores(); got != tc.want || ok != tc.ok {
			t.Errorf("%s: got %v, %v; want %v, %v", tc.name, got, ok, tc.want, tc.ok)
		}
	}
}

func TestLevelBoundaries(t *testing.T) {
	const unknown, low, medium, high, critical = posture.LevelUnknown, posture.LevelLow, posture.LevelMedium, posture.LevelHigh, posture.LevelCritical
	for _, tc := range []struct {
		scoreType posture.ScoreType
		score     float64
		want      posture.Level
	}{
		{posture.ScoreOpswat, -1, unknown}, {posture.ScoreOpswat, 0, unknown}, {posture.ScoreOpswat, 0.1, low},
		{posture.ScoreOpswat, 24.9, low}, {posture.ScoreOpswat, 25, medium}, {posture.ScoreOpswat, 49.9, medium},
		{posture.ScoreOpswat, 50, high}, {posture.ScoreOpswat, 74.9, high}, {posture.ScoreOpswat, 75, critical}, {posture.ScoreOpswat, 100, critical},
		{posture.ScoreCVSS2, -1, unknown}, {posture.ScoreCVSS2, 0, low}, {posture.ScoreCVSS2, 3.9, low}, {posture.ScoreCVSS2, 4, medium},
		{posture.ScoreCVSS2, 6.9, medium}, {posture.ScoreCVSS2, 7, high}, {posture.ScoreCVSS2, 10, high},
		{posture.ScoreCVSS3, -1, unknown}, {posture.ScoreCVSS3, 0, unknown}, {posture.ScoreCVSS3, 0.1, low}, {posture.ScoreCVSS3, 3.9, low},
		{posture.ScoreCVSS3, 4, medium}, {posture.ScoreCVSS3, 6.9, medium}, {posture.ScoreCVSS3, 7, high}, {posture.ScoreCVSS3, 8.9, high},
		{posture.ScoreCVSS3, 9, critical}, {posture.ScoreCVSS3, 10, critical},
	} {
		scores := [posture.NumScoreTypes]float64{-1, -1, -1}
		scores[tc.scoreType] = tc.score
		want := posture.Levels{}
		want[tc.scoreType] = tc.want
		if got := DefaultThresholds().Levels(scores); got != want {
			t.Errorf("%s %v: got %v, want %v", tc.scoreType, tc.score, got, want)
		}
	}
}

func TestThresholds(t *testing.T) {
	if err := DefaultThresholds().Validate(); err != nil {
		t.Error(err)
	}
	for _, bad := range []Thresholds{{}, {75, 50, 0}, {50, 50, 25}, {75, 25, 25}, {101, 50, 25}, {math.NaN(), 50, 25}, {75, 80, 25}} {
		if bad.Validate() == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	c := load(t)
	strict := c.WithThresholds(Thresholds{Critical: 40, Important: 30, Moderate: 20})
	r := installedOn(t, "windows/Simon Tatham/PuTTY/0.80")
	if _, levels := c.Match(r); levels[posture.ScoreOpswat] != posture.LevelMedium {
		t.Errorf("default thresholds: %v", levels)
	}
	if _, levels := strict.Match(r); levels[posture.ScoreOpswat] != posture.LevelCritical {
		t.Errorf("strict thresholds: %v", levels)
	}
	if strict.Version() == c.Version() || strict.WithThresholds(DefaultThresholds()).Version() != c.Version() {
		t.Errorf("versions: %s, %s", c.Version(), strict.Version())
	}
}

// The worked examples of the documentation are those of the program.
func TestDocumentedExamples(t *testing.T) {
	text, err := os.ReadFile("../../docs/vulnerability-score.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]posture.Level{"critical": posture.LevelCritical, "important": posture.LevelHigh,
		"moderate": posture.LevelMedium, "low": posture.LevelLow}
	seen := map[string]bool{}
	for _, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 9 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "CVE-") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		epss := -1.0
		if cells[4] != "–" {
			epss = number(t, cells[4])
		}
		got := OpswatScore(number(t, cells[2]), cells[3] == "yes", epss)
		levels := DefaultThresholds().Levels([posture.NumScoreTypes]float64{got, -1, -1})
		if got != number(t, cells[6]) || levels[posture.ScoreOpswat] != names[cells[7]] {
			t.Errorf("%s: the formula gives %v", line, got)
		}
		verifyAgainstBuiltin(t, cells)
		seen[cells[7]] = true
	}
	if len(seen) != 4 {
		t.Errorf("examples for %v, want one for each level", seen)
	}
}

// verifyAgainstBuiltin compares an example without prediction with the catalogue, which has none.
func verifyAgainstBuiltin(t *testing.T, cells []string) {
	t.Helper()
	for _, g := range load(t).groups {
		for _, target := range slices.Concat(g.sorted, g.rest) {
			if target.ID == cells[1] && cells[4] == "–" && target.complete(load(t).facts).scores()[posture.ScoreOpswat] != number(t, cells[6]) {
				t.Errorf("%s: the catalogue has %v", cells[1], target.complete(load(t).facts).scores())
			}
		}
	}
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
