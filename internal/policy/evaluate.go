package policy

import (
	"slices"
	"time"

	"muster/internal/posture"
)

// tick is the granularity of stored times. Judging at it makes NextChange exact: one tick earlier the old verdict
// holds, at NextChange the new one does.
const tick = time.Millisecond

// subject is one report under judgement at one time.
type subject struct {
	report   *posture.Report
	now      time.Time
	products map[posture.Category][]*posture.Application
	// changes collects the future moments at which some check turns; nil when nobody asks.
	changes *[]time.Time
}

// Evaluate judges a report by a policy that Validate accepts. It fills what follows from the policy: Status (compliant
// or non-compliant), Severity, Rule, Issues, Policy, Judged and NextChange.
func Evaluate(p *Policy, r *posture.Report, now time.Time) posture.Verdict {
	var changes []time.Time
	s := &subject{report: r, now: now.Truncate(tick), products: byCategory(r), changes: &changes}
	v := judge(p, s)
	v.Judged = now
	v.NextChange = nextChange(p, s, &v, changes)
	return v
}

// byCategory collects the products that checks look at, in the order reported.
func byCategory(r *posture.Report) map[posture.Category][]*posture.Application {
	m := make(map[posture.Category][]*posture.Application)
	for i := range r.Applications {
		if a := &r.Applications[i]; a.Category != "" {
			m[a.Category] = append(m[a.Category], a)
		}
	}
	return m
}

// judge makes everything of a verdict but the times.
func judge(p *Policy, s *subject) posture.Verdict {
	v := posture.Verdict{Issues: []posture.Issue{}, Policy: p.Version}
	for i := range areas {
		if active := s.active(p, &areas[i]); len(active) > 0 {
			v.Issues = append(v.Issues, areas[i].judge(s, active)...)
		}
	}
	for i := range v.Issues {
		v.Severity = max(v.Severity, v.Issues[i].Severity)
	}
	v.Status, v.Rule = p.decide(&v)
	return v
}

// decide finds the first rule that holds. A policy without one, which Validate refuses, lets nothing pass.
func (p *Policy) decide(v *posture.Verdict) (posture.Status, string) {
	_, critical, warnings := v.CountIssues()
	for i := range p.Rules {
		if p.Rules[i].holds(critical, warnings) {
			return p.Rules[i].Status.status(), p.Rules[i].Name
		}
	}
	return posture.StatusNonCompliant, ""
}

// active is a check that is made on this machine, with the entry of the policy that says how.
type active struct {
	def   *definition
	check *Check
}

func (s *subject) active(p *Policy, a *area) []active {
	var out []active
	for i := range a.checks {
		if c := p.entry(a.checks[i].id, s.report); c != nil && c.Severity.issue() != posture.NoIssue {
			out = append(out, active{def: &a.checks[i], check: c})
		}
	}
	return out
}

// entry finds what the policy says about a check for this machine. A machine that does not say what it is gets the
// strictest entry it might fall under, so that keeping silent never helps.
func (p *Policy) entry(id string, r *posture.Report) *Check {
	sure := knownOS(r.OS.Family) && knownType(r.DeviceType)
	var strictest *Check
	for i := range p.Checks {
		c := &p.Checks[i]
		if c.ID != id || !c.covers(r) {
			continue
		}
		if sure {
			return c
		}
		if strictest == nil || c.Severity.issue() > strictest.Severity.issue() {
			strictest = c
		}
	}
	return strictest
}

func (c *Check) covers(r *posture.Report) bool {
	osFits := len(c.OS) == 0 || !knownOS(r.OS.Family) || slices.Contains(c.OS, r.OS.Family)
	typeFits := len(c.DeviceTypes) == 0 || !knownType(r.DeviceType) || slices.Contains(c.DeviceTypes, r.DeviceType)
	return osFits && typeFits
}

// finding is what one check found on one machine or in one product.
type finding struct {
	outcome  posture.Outcome
	product  string
	evidence string
}

var passed = finding{outcome: posture.Pass}

// issue turns a finding into an issue, where the policy makes one of it.
func (a active) issue(s *subject, f finding) (posture.Issue, bool) {
	if !a.raises(f.outcome) {
		return posture.Issue{}, false
	}
	return posture.Issue{
		Category: a.def.category, Check: a.def.id, Outcome: f.outcome, Severity: a.check.Severity.issue(),
		Product: f.product, Evidence: f.evidence, Remediation: a.def.remedy.on(s.report.OS.Family),
	}, true
}

// raises reports whether an outcome makes an issue.
func (a active) raises(o posture.Outcome) bool {
	switch o {
	case posture.Pass:
		return false
	case posture.Fail:
		return true
	default:
		return a.check.OnUnknown != LetPass
	}
}

// judgeEach makes every check of an area on its own.
func judgeEach(s *subject, checks []active) []posture.Issue {
	var out []posture.Issue
	for _, a := range checks {
		if issue, ok := a.issue(s, a.def.device(s, a.check)); ok {
			out = append(out, issue)
		}
	}
	return out
}

// turnsAt notes that a check will turn at t, if that is still to come.
func (s *subject) turnsAt(t time.Time) {
	if s.changes != nil && t.After(s.now) {
		*s.changes = append(*s.changes, t)
	}
}

// maxTurns bounds the work that one report with very many dated products can cause.
const maxTurns = 8

// nextChange finds the first of the noted moments at which the verdict really differs: a check that turns may be
// hidden behind another product that passes. All else in a verdict follows from its issues. After maxTurns tries it settles for a moment that may be too early,
// which costs one judgement too many and never misses a change.
func nextChange(p *Policy, s *subject, v *posture.Verdict, turns []time.Time) time.Time {
	slices.SortFunc(turns, time.Time.Compare)
	turns = slices.CompactFunc(turns, time.Time.Equal)
	for i, t := range turns {
		later := *s
		later.now, later.changes = t, nil
		if i == maxTurns || !slices.Equal(judge(p, &later).Issues, v.Issues) {
			return t
		}
	}
	return time.Time{}
}
