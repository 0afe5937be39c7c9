package posture

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
	Name        string        `json:"name,omitempty"` // of the entry, where a check may be made several times
	Outcome     Outcome       `json:"outcome"`
	Severity    IssueSeverity `json:"severity"`
	Product     string        `json:"product,omitempty"`
	Evidence    string        `json:"evidence"`    // what was reported and what was asked
	Remediation string        `json:"remediation"` // what to do about it, in Markdown
	// Entry is which entry of the policy's checks asked, from 1; 0 where none did.
	Entry int `json:"entry,omitempty"`
	// Since is when this check began not to pass; zero where that was not recorded.
	Since time.Time `json:"since,omitzero"`
}

// CheckResult is what one check that the policy asks for found on a device, passed or not.
type CheckResult struct {
	Check    string        `json:"check"`
	Name     string        `json:"name,omitempty"` // of the entry, where a check may be made several times
	Title    string        `json:"title"`
	Category Category      `json:"category"`
	Outcome  Outcome       `json:"outcome"`
	Severity IssueSeverity `json:"severity"` // of the issue that it is or would be
	Product  string        `json:"product,omitempty"`
	Evidence string        `json:"evidence,omitempty"`
	Entry    int           `json:"entry"` // which entry of the policy's checks asked, from 1
	// Issue says that an issue was made of it.
	Issue bool `json:"issue"`
}

// SaysSame reports whether another verdict says the same of the device, whenever and by which catalogue it was made.
func (v *Verdict) SaysSame(o *Verdict) bool {
	a, b := *v, *o
	a.Judged, a.Catalogue, b.Judged, b.Catalogue = time.Time{}, "", time.Time{}, ""
	return reflect.DeepEqual(a.plain(), b.plain())
}

// plain gives the verdict as it is after it was stored and read.
func (v *Verdict) plain() Verdict {
	out := *v
	for _, t := range []*time.Time{&out.NextChange, &out.FailingSince, &out.GraceUntil} {
		*t = t.UTC()
	}
	return out
}

// Finding is one known vulnerability in one installed product.
type Finding struct {
	ID      string   `json:"id"` // of the feed entry
	CVEs    []string `json:"cves,omitempty"`
	Product string   `json:"product"`
	Version string   `json:"version"`         // installed
	Fixed   string   `json:"fixed,omitempty"` // first version without it, where there is one
	KEV     bool     `json:"kev,omitempty"`   // known to be exploited
	// Feed is the feed that the entry comes from, Package what is installed where Product is the source it was built from,
	// and Ecosystem whose versions were compared.
	Feed      string `json:"feed,omitempty"`
	Package   string `json:"package,omitempty"`
	Ecosystem string `json:"ecosystem,omitempty"`
	// EPSS is the predicted probability of exploitation in the next 30 days, 0 to 1; nil where nobody predicted one.
	EPSS *float64 `json:"epss,omitempty"`
	// Accepted is why it does not count; nil while it is open.
	Accepted *Acceptance `json:"accepted,omitempty"`
	// Scores are indexed by ScoreType: opswat 0–100, CVSS 0–10; negative means not scored.
	Scores [NumScoreTypes]float64 `json:"scores"`
	Levels Levels                 `json:"levels"`
}

// Acceptance says why a finding does not count: somebody accepted the risk, or said that the product is not affected.
type Acceptance struct {
	ID     string    `json:"id"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	Until  time.Time `json:"until,omitzero"` // zero for no end
	// NotAffected says that it is a statement of a VEX document, not a risk that somebody takes.
	NotAffected bool `json:"not_affected,omitempty"`
}

// Knowledge tells apart what verdicts on any device are made by besides its policy: what the catalogue of vulnerabilities
// knows, and what the account says of vulnerabilities. Both only grow. It moves on while most devices stay as they are.
type Knowledge struct {
	Generation int64 // of the catalogue
	Revision   int64 // of the account's accepted risks and levels
}

// String gives the form that verdicts name it by.
func (k Knowledge) String() string {
	return strconv.FormatInt(k.Generation, 10) + "." + strconv.FormatInt(k.Revision, 10)
}

// GenerationOf gives the part of a verdict's Catalogue that names the generation of the catalogue of vulnerabilities.
func GenerationOf(catalogue string) string {
	generation, _, _ := strings.Cut(catalogue, ".")
	return generation
}

// WorseFirst is the order of findings. It tells apart all that differ in what they are about.
func WorseFirst(a, b Finding) int {
	return cmp.Or(cmp.Compare(b.Scores[ScoreOpswat], a.Scores[ScoreOpswat]), strings.Compare(a.ID, b.ID),
		strings.Compare(a.Product, b.Product), strings.Compare(a.Version, b.Version), strings.Compare(a.Fixed, b.Fixed),
		strings.Compare(a.Feed, b.Feed), strings.Compare(a.Ecosystem, b.Ecosystem), slices.Compare(a.CVEs, b.CVEs))
}

// Verdict is what a policy and a vulnerability catalogue make of one report at one time.
type Verdict struct {
	Status   Status        `json:"status"`
	Severity IssueSeverity `json:"severity"`
	Levels   Levels        `json:"levels"`
	Rule     string        `json:"rule"` // the status rule that decided
	// RuleStatus is what the rule comes to once grace is over; it differs from Status only in grace.
	RuleStatus Status    `json:"rule_status,omitempty"`
	Issues     []Issue   `json:"issues"`
	Findings   []Finding `json:"findings"`
	// Policy and Catalogue are the versions that judged; a policy's is a PolicyRef, the catalogue's a Knowledge.
	Policy    string    `json:"policy"`
	Catalogue string    `json:"catalogue"`
	Judged    time.Time `json:"judged"`
	// NextChange is when the passing of time alone may change the verdict (definitions that grow old, grace that ends);
	// zero for never. Silence is not in it.
	NextChange time.Time `json:"next_change,omitzero"`
	// FailingSince is when the device began to be unfit, grace not counted; zero while it is fit.
	FailingSince time.Time `json:"failing_since,omitzero"`
	// GraceUntil is when grace ends, for a device in grace.
	GraceUntil time.Time `json:"grace_until,omitzero"`
	// Silence is the shortest time without a report after which the verdict may change; zero for none.
	Silence time.Duration `json:"silence,omitempty"`
	// Silent says that the verdict is what it is because no report came for some time: any report may change it.
	Silent bool `json:"silent,omitempty"`
	// LinkedMatters says that another linked user might change the verdict.
	LinkedMatters bool `json:"linked_matters,omitempty"`
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
