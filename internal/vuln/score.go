package vuln

import (
	"math"
	"strings"

	cvss2 "github.com/pandatix/go-cvss/20"
	cvss30 "github.com/pandatix/go-cvss/30"
	cvss31 "github.com/pandatix/go-cvss/31"

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

// facts are what the scores of a vulnerability follow from. What is missing is negative.
type facts struct {
	v2, v3, epss float64
	kev          bool
}

var noFacts = facts{v2: NotScored, v3: NotScored, epss: -1}

// factsOf reads the vectors and the likelihood of an entry: the highest base score of each version of CVSS. It
// reports whether all vectors could be read.
func factsOf(severity []Severity, extra *Extra) (f facts, ok bool) {
	f, ok = noFacts, true
	f.kev = extra.KEV
	if p := extra.EPSS; p != nil && *p >= 0 && *p <= 1 {
		f.epss = *p
	}
	for _, s := range severity {
		var err error
		var score float64
		switch s.Type {
		case "CVSS_V2":
			score, err = baseV2(s.Score)
			f.v2 = max(f.v2, score)
		case "CVSS_V3":
			score, err = baseV3(s.Score)
			f.v3 = max(f.v3, score)
		}
		ok = ok && err == nil
	}
	return f, ok
}

// worst joins what two sources say of one vulnerability, or of several that come together.
func (f facts) worst(o facts) facts {
	return facts{v2: max(f.v2, o.v2), v3: max(f.v3, o.v3), epss: max(f.epss, o.epss), kev: f.kev || o.kev}
}

// completedBy fills in the base scores that are missing, and joins the rest.
func (f facts) completedBy(o facts) facts {
	all := f.worst(o)
	if f.v2 != NotScored {
		all.v2 = f.v2
	}
	if f.v3 != NotScored {
		all.v3 = f.v3
	}
	return all
}

// scores gives one score for each type.
func (f facts) scores() [posture.NumScoreTypes]float64 {
	s := [posture.NumScoreTypes]float64{posture.ScoreOpswat: NotScored, posture.ScoreCVSS2: f.v2, posture.ScoreCVSS3: f.v3}
	base := f.v3
	if base == NotScored {
		base = f.v2
	}
	if base != NotScored {
		s[posture.ScoreOpswat] = OpswatScore(base, f.kev, f.epss)
	}
	return s
}

func baseV2(vector string) (float64, error) {
	v, err := cvss2.ParseVector(vector)
	if err != nil {
		return NotScored, err
	}
	return v.BaseScore(), nil
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
