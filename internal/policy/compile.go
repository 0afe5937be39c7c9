package policy

import (
	"time"

	"muster/internal/posture"
)

// Subject is one device as a policy sees it.
type Subject struct {
	Report   *posture.Report
	Findings []posture.Finding
	Levels   posture.Levels
	Group    string // the name of its group
	User     string // the linked user; "" for none
	// LastReport is when the last report came, also one that said nothing new.
	LastReport time.Time
	// FailingSince and Before are what the last verdict said: since when the device is unfit, and its issues.
	FailingSince time.Time
	Before       []posture.Issue
}

// Compiled is a policy that is ready to judge. It is never changed: many goroutines may judge by it at once.
type Compiled struct {
	policy *Policy
	ref    posture.PolicyRef
}

// Compile readies a policy. Invalid: it has mistakes, all of which the error tells.
func Compile(p *Policy, ref posture.PolicyRef) (*Compiled, error) {
	err := p.Validate()
	if err != nil {
		return nil, err
	}
	return &Compiled{policy: p, ref: ref}, nil
}

// Policy gives what was compiled, for reading only.
func (c *Compiled) Policy() *Policy { return c.policy }

// Evaluate judges a device as of a time. It fills what follows from the policy: all but Findings, Levels and Catalogue.
func (c *Compiled) Evaluate(s *Subject, now time.Time) posture.Verdict {
	v := Evaluate(c.policy, s.Report, now)
	v.Policy = c.ref.String()
	return v
}
