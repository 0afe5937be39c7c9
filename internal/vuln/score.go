package vuln

import (
	"math"
	"strings"

	cvss2 "github.com/pandatix/go-cvss/20"
	cvss30 "github.com/pandatix/go-cvss/30"
	cvss31 "github.com/pandatix/go-cvss/31"
	cvss40 "github.com/pandatix/go-cvss/40"

	"muster/internal/errs"
	"muster/internal/posture"
)

// NotScored stands in the place of a score that is missing.
const NotScored = -1

// unknownLikelihood is taken where nothing is known of exploitation. It is the square root of 0.0625, a probability
// well above that of most vulnerabilities: not knowing is not harmless.
const unknownLikelihood = 0.25

// OpswatScore is the open formula for opswat_score, 0 to 100; docs/vulnerability-score.md explains it. The base is a
// CVSS base score, the prediction a probability or negative when there is none.
func OpswatScore(base float64, kev bool, epss float64) float64 {
	likelihood := unknownLikelihood
	switch {
	case kev:
		likelihood = 1
	case epss >= 0:
		likelihood = math.Sqrt(min(epss, 1))
	}
	return math.Round(10*10*base*(0.6+0.4*likelihood)) / 10
}

// Facts are what the scores of a vulnerability follow from. What is missing is NotScored.
type Facts struct {
	V2, V3, V4 float64 // base scores of CVSS
	EPSS       float64 // probability of exploitation in the next 30 days
	KEV        bool    // known to be exploited
}

// NoFacts is knowing nothing.
var NoFacts = Facts{V2: NotScored, V3: NotScored, V4: NotScored, EPSS: NotScored}

// savedFacts is the stored form of Facts. Members may be added, never renamed.
type savedFacts struct {
	V2   *float64 `json:"2,omitempty"`
	V3   *float64 `json:"3,omitempty"`
	V4   *float64 `json:"4,omitempty"`
	EPSS *float64 `json:"e,omitempty"`
	KEV  bool     `json:"k,omitempty"`
}

// saved gives the stored form, nil for NoFacts.
func (f Facts) saved() *savedFacts {
	if f == NoFacts {
		return nil
	}
	known := func(v float64) *float64 {
		if v == NotScored {
			return nil
		}
		return &v
	}
	return &savedFacts{known(f.V2), known(f.V3), known(f.V4), known(f.EPSS), f.KEV}
}

func (s *savedFacts) facts() Facts {
	value := func(v *float64) float64 {
		if v == nil {
			return NotScored
		}
		return *v
	}
	return Facts{V2: value(s.V2), V3: value(s.V3), V4: value(s.V4), EPSS: value(s.EPSS), KEV: s.KEV}
}

// factsOf reads the vectors and the likelihood of an entry: the highest base score of each version of CVSS. It
// reports whether all vectors could be read.
func factsOf(severity []Severity, extra *Extra) (f Facts, ok bool) {
	f, ok = NoFacts, true
	f.KEV = extra.KEV
	if p := extra.EPSS; p != nil && *p >= 0 && *p <= 1 {
		f.EPSS = *p
	}
	for _, s := range severity {
		var err error
		var score float64
		switch s.Type {
		case "CVSS_V2":
			score, err = baseV2(s.Score)
			f.V2 = max(f.V2, score)
		case "CVSS_V3":
			score, err = baseV3(s.Score)
			f.V3 = max(f.V3, score)
		case "CVSS_V4":
			score, err = baseV4(s.Score)
			f.V4 = max(f.V4, score)
		}
		ok = ok && err == nil
	}
	return f, ok
}

// Worst joins what two sources say of one vulnerability, or of several that come together.
func (f Facts) Worst(o Facts) Facts {
	return Facts{
		V2: max(f.V2, o.V2), V3: max(f.V3, o.V3), V4: max(f.V4, o.V4), EPSS: max(f.EPSS, o.EPSS), KEV: f.KEV || o.KEV,
	}
}

// completedBy fills in the base scores that are missing, and joins the rest.
func (f Facts) completedBy(o Facts) Facts {
	all := f.Worst(o)
	for _, score := range []struct {
		own  float64
		both *float64
	}{{f.V2, &all.V2}, {f.V3, &all.V3}, {f.V4, &all.V4}} {
		if score.own != NotScored {
			*score.both = score.own
		}
	}
	return all
}

// scores gives one score for each type.
func (f Facts) scores() [posture.NumScoreTypes]float64 {
	s := [posture.NumScoreTypes]float64{posture.ScoreOpswat: NotScored, posture.ScoreCVSS2: f.V2, posture.ScoreCVSS3: f.V3}
	if base := f.base(); base != NotScored {
		s[posture.ScoreOpswat] = OpswatScore(base, f.KEV, f.EPSS)
	}
	return s
}

// base is the base score by the version of CVSS that most feeds have: v3, else v4, else v2.
func (f Facts) base() float64 {
	for _, score := range []float64{f.V3, f.V4, f.V2} {
		if score != NotScored {
			return score
		}
	}
	return NotScored
}

func baseV2(vector string) (float64, error) {
	v, err := cvss2.ParseVector(vector)
	if err != nil {
		return NotScored, err
	}
	return v.BaseScore(), nil
}

func baseV4(vector string) (float64, error) {
	v, err := cvss40.ParseVector(vector)
	if err != nil {
		return NotScored, err
	}
	return v.Score(), nil
}

func baseV3(vector string) (float64, error) {
	if strings.HasPrefix(vector, "CVSS:3.0/") {
		v, err := cvss30.ParseVector(vector)
		if err != nil {
			return NotScored, err
		}
		return v.BaseScore(), nil
	}
	v, err := cvss31.ParseVector(vector)
	if err != nil {
		return NotScored, err
	}
	return v.BaseScore(), nil
}

// Thresholds are the lowest opswat_score of each level; whatever is above 0 and below Moderate is low.
type Thresholds struct {
	Critical  float64 `json:"critical"`
	Important float64 `json:"important"`
	Moderate  float64 `json:"moderate"`
}

// DefaultThresholds are those of docs/vulnerability-score.md.
func DefaultThresholds() Thresholds { return Thresholds{Critical: 75, Important: 50, Moderate: 25} }

// Validate wants the levels in order, between 0 and 100.
func (t Thresholds) Validate() error {
	if 0 < t.Moderate && t.Moderate < t.Important && t.Important < t.Critical && t.Critical <= 100 {
		return nil
	}
	return errs.InvalidField("thresholds", "thresholds must be 0 < moderate < important < critical <= 100")
}

// Levels ranks the scores of a finding.
func (t Thresholds) Levels(s [posture.NumScoreTypes]float64) posture.Levels {
	return posture.Levels{
		posture.ScoreOpswat: rank(s[posture.ScoreOpswat], t.Critical, t.Important, t.Moderate, math.SmallestNonzeroFloat64),
		posture.ScoreCVSS2:  rank(s[posture.ScoreCVSS2], math.Inf(1), 7, 4, 0),
		posture.ScoreCVSS3:  rank(s[posture.ScoreCVSS3], 9, 7, 4, 0.1),
	}
}

// rank finds the level from the lowest scores of critical, high, medium and low.
func rank(score float64, critical, high, medium, low float64) posture.Level {
	switch {
	case score >= critical:
		return posture.LevelCritical
	case score >= high:
		return posture.LevelHigh
	case score >= medium:
		return posture.LevelMedium
	case score >= low:
		return posture.LevelLow
	default:
		return posture.LevelUnknown
	}
}
