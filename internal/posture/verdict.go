package posture

import "time"

// Outcome is what one check found. Not knowing is not passing, so the ways of not knowing are kept apart.
type Outcome string

const (
	// Pass: what was asked for is so.
	Pass Outcome = "pass"
	// Fail: it is not so.
	Fail Outcome = "fail"
	// Unknown: the agent reported nothing about it.
	Unknown Outcome = "unknown"
	// Stale: what was reported is too old to tell.
	Stale Outcome = "stale"
	// Failed to run: the agent tried and could not tell.
	Errored Outcome = "error"
)

// Issue is one check that did not pass, with what an owner needs to understand and mend it.
type Issue struct {
	Category    Category      `json:"category"`
	Check       string        `json:"check"`
	Outcome     Outcome       `json:"outcome"`
	Severity    IssueSeverity `json:"severity"`
	Product     string        `json:"product,omitempty"`
	Evidence    string        `json:"evidence"`    // what was reported and what was asked
	Remediation string        `json:"remediation"` // what to do about it
}

// Finding is one known vulnerability in one installed product.
type Finding struct {
	ID      string   `json:"id"` // of the feed entry
	CVEs    []string `json:"cves,omitempty"`
	Product string   `json:"product"`
	Version string   `json:"version"`         // installed
	Fixed   string   `json:"fixed,omitempty"` // first version without it, where there is one
	KEV     bool     `json:"kev,omitempty"`   // known to be exploited
	// Scores are indexed by ScoreType: opswat 0–100, CVSS 0–10; negative means not scored.
	Scores [NumScoreTypes]float64 `json:"scores"`
	Levels Levels                 `json:"levels"`
}

// Verdict is what a policy and a vulnerability catalogue make of one report at one time.
type Verdict struct {
	Status   Status        `json:"status"`
	Severity IssueSeverity `json:"severity"`
	Levels   Levels        `json:"levels"`
	Rule     string        `json:"rule"` // the status rule that decided
	Issues   []Issue       `json:"issues"`
	Findings []Finding     `json:"findings"`
	// Policy and Catalogue are the versions that judged.
	Policy    string    `json:"policy"`
	Catalogue string    `json:"catalogue"`
	Judged    time.Time `json:"judged"`
	// NextChange is when the passing of time alone may change the verdict (definitions that grow old); zero for never.
	NextChange time.Time `json:"next_change,omitzero"`
}

// CountIssues gives how many issues there are in all, and how many of each severity.
func (v *Verdict) CountIssues() (total, critical, warning int) {
	for i := range v.Issues {
		switch v.Issues[i].Severity {
		case Critical:
			critical++
		case Warning:
			warning++
		}
	}
	return len(v.Issues), critical, warning
}
