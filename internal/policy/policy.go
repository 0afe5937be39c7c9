// Package policy judges reports: it holds what a policy is and what it makes of one machine at one time. It is pure:
// it does no I/O and reads no clock.
package policy

import (
	"encoding/json"
	"io"

	"muster/internal/errs"
	"muster/internal/posture"
)

// Policy says which checks matter, how much, for which machines, and what follows from the issues they raise. It is
// plain data, so that it can be stored, shown, exported and imported as JSON.
type Policy struct {
	// Version is recorded in every verdict. It must change whenever anything else in the policy does.
	Version string `json:"version"`
	Name    string `json:"name"`
	// Checks are looked through in order: the first entry of a check that covers a machine holds for it, and a check
	// without such an entry is off.
	Checks []Check `json:"checks"`
	// Rules are looked through in order: the first whose conditions hold decides. The last has none.
	Rules []Rule `json:"rules"`
}

// Check switches one check on or off for some machines.
type Check struct {
	ID       string   `json:"check"`
	Severity Severity `json:"severity"`
	// OS and DeviceTypes restrict the entry; empty means all. A machine that does not say what it is counts as
	// whatever is asked for: not knowing is no way out.
	OS          []posture.OSFamily   `json:"os,omitempty"`
	DeviceTypes []posture.DeviceType `json:"device_types,omitempty"`
	// OnUnknown says what becomes of unknown, stale and error; empty means Raise.
	OnUnknown OnUnknown `json:"on_unknown,omitempty"`

	// MaxAge is how old definitions or the list of updates may be.
	MaxAge Duration `json:"max_age,omitzero"`
	// MaxIdle is the longest idle time before the screen must lock; zero accepts any.
	MaxIdle Duration `json:"max_idle,omitzero"`
	// Allowed names products that are wanted after all, such as the remote-control tool of the organisation itself.
	Allowed []string `json:"allowed,omitempty"`
}

// Severity is how much a failed check matters.
type Severity string

const (
	// Off: the check is not made.
	Off Severity = "off"
	// Warning: an issue to be mended, not urgent.
	Warning Severity = "warning"
	// Critical: an issue to be mended at once.
	Critical Severity = "critical"
)

// issue gives the severity of the issues that a check raises.
func (s Severity) issue() posture.IssueSeverity {
	switch s {
	case Critical:
		return posture.Critical
	case Warning:
		return posture.Warning
	default:
		return posture.NoIssue
	}
}

// OnUnknown is the treatment of a check that could not be decided.
type OnUnknown string

const (
	// Raise makes an issue of it at the severity of the check.
	Raise OnUnknown = "issue"
	// LetPass treats it as passed.
	LetPass OnUnknown = "pass"
)

// Rule turns issues into a status. All its conditions must hold; a condition that is zero always does.
type Rule struct {
	Name string `json:"name"`
	// MinCritical and MinWarnings are how many issues of the severity there must be.
	MinCritical int        `json:"min_critical,omitempty"`
	MinWarnings int        `json:"min_warnings,omitempty"`
	Status      RuleStatus `json:"status"`
}

// RuleStatus is what a rule may decide.
type RuleStatus string

const (
	// Compliant lets the machine pass.
	Compliant RuleStatus = "compliant"
	// NonCompliant does not.
	NonCompliant RuleStatus = "non-compliant"
)

// status gives the word of the common vocabulary; anything but Compliant is non-compliant.
func (s RuleStatus) status() posture.Status {
	if s == Compliant {
		return posture.StatusCompliant
	}
	return posture.StatusNonCompliant
}

// unconditional reports whether the rule decides whatever the issues are.
func (r *Rule) unconditional() bool { return r.MinCritical <= 0 && r.MinWarnings <= 0 }

// holds reports whether all conditions of the rule are met.
func (r *Rule) holds(critical, warnings int) bool {
	return critical >= r.MinCritical && warnings >= r.MinWarnings
}

// maxPolicyBytes is far above any sensible policy.
const maxPolicyBytes = 1 << 20

// Parse reads a policy from JSON and validates it. Members it does not know are refused: a misspelt restriction would
// otherwise silently widen a check.
func Parse(r io.Reader) (*Policy, error) {
	dec := json.NewDecoder(io.LimitReader(r, maxPolicyBytes))
	dec.DisallowUnknownFields()
	p := new(Policy)
	if err := dec.Decode(p); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "the policy is not valid JSON of the expected form")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errs.New(errs.Invalid, "the policy is followed by something else, or is too long")
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}
