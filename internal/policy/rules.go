package policy

import (
	"slices"
	"time"

	"muster/internal/posture"
)

// rule is a rule that is ready to be asked.
type rule struct {
	*Rule
	expression *expression // nil for none
	linked     bool        // it looks at the linked user
	group      bool        // it looks at the group
}

// newRule readies a rule. An expression that does not compile, which Validate refuses, fails whenever it is asked.
func newRule(r *Rule) rule {
	out := rule{Rule: r, linked: len(r.Users) > 0, group: len(r.Groups) > 0}
	if r.Expression != "" {
		e, err := compileExpression(deviceEnvironment, r.Expression)
		if err != nil {
			e = new(expression)
		}
		out.expression = e
		out.linked = out.linked || e.mentions("user")
		out.group = out.group || e.mentions("group")
	}
	return out
}

// unconditional reports whether the rule decides whatever the device is like.
func (r *Rule) unconditional() bool {
	return r.Issues == "" && r.MinCritical <= 0 && r.MinWarnings <= 0 && len(r.Categories) == 0 && len(r.Checks) == 0 &&
		r.MinLevel == "" && len(r.CVEs) == 0 && !r.KEV && r.SilentFor <= 0 && len(r.Groups) == 0 && len(r.Users) == 0 &&
		len(r.OS) == 0 && len(r.DeviceTypes) == 0 && r.Expression == ""
}

// facts is a device with what its checks found, in front of the rules.
type facts struct {
	*subject
	issues             []posture.Issue
	hidden             []key // checks that did not pass either, for which an issue of another check accounts
	critical, warnings int
	variables          *variables // for expressions; made when the first is asked
}

// give fills what a rule decides: Status, Rule, RuleStatus, FailingSince and GraceUntil, and brings NextChange forward to
// the end of grace. A policy of which no rule holds, which Validate refuses, lets nothing pass.
func (s *subject) give(v *posture.Verdict, decided *rule) {
	v.RuleStatus = posture.StatusNonCompliant
	var grace Duration
	if decided != nil {
		v.Rule, v.RuleStatus, grace = decided.Name, decided.Status.status(), decided.Grace
	}
	v.Status = v.RuleStatus
	if v.Status == posture.StatusCompliant {
		return
	}
	v.FailingSince = s.FailingSince
	if v.FailingSince.IsZero() {
		v.FailingSince = s.now
	}
	if until := v.FailingSince.Add(time.Duration(grace)); s.now.Before(until) {
		v.Status, v.GraceUntil = posture.StatusInGrace, until
		if v.NextChange.IsZero() || until.Before(v.NextChange) {
			v.NextChange = until
		}
	}
}

// silence is for how long no report has come.
func (s *subject) silence() time.Duration {
	if s.LastReport.IsZero() {
		return 0
	}
	return max(0, s.now.Sub(s.LastReport))
}

// nextSilence is the shortest longer silence under which another rule decides; zero for none.
func (c *Compiled) nextSilence(f *facts, decided *rule, silent time.Duration) time.Duration {
	var next time.Duration
	for i := range c.rules {
		d := time.Duration(c.rules[i].SilentFor)
		if d > silent && (next == 0 || d < next) && c.first(f, d) != decided {
			next = d
		}
	}
	return next
}

// first finds the rule that decides after a silence.
func (c *Compiled) first(f *facts, silent time.Duration) *rule {
	for i := range c.rules {
		if c.rules[i].holds(f, silent) {
			return &c.rules[i]
		}
	}
	return nil
}

// holds reports whether all conditions of the rule are met. Where a machine does not say what it is, and where an
// expression fails, the condition is met by a rule that does not let the device pass, and not by one that does.
func (r *rule) holds(f *facts, silent time.Duration) bool {
	return r.issuesHold(f) && r.vulnerabilitiesHold(f) && silent >= time.Duration(r.SilentFor) &&
		(len(r.Groups) == 0 || containsFold(r.Groups, f.Group)) &&
		(len(r.Users) == 0 || f.User != "" && containsFold(r.Users, f.User)) &&
		r.kindHolds(f.report) && r.expressionHolds(f)
}

func (r *rule) issuesHold(f *facts) bool {
	switch r.Issues {
	case NoIssues:
		if len(f.issues) > 0 {
			return false
		}
	case AnyIssue:
		if len(f.issues) == 0 {
			return false
		}
	case CriticalIssue:
		if f.critical == 0 {
			return false
		}
	}
	return f.critical >= r.MinCritical && f.warnings >= r.MinWarnings &&
		(len(r.Categories) == 0 || slices.ContainsFunc(f.issues, func(i posture.Issue) bool { return slices.Contains(r.Categories, i.Category) })) &&
		(len(r.Checks) == 0 || slices.ContainsFunc(f.hidden, r.namesCheck) ||
			slices.ContainsFunc(f.issues, func(i posture.Issue) bool { return r.namesCheck(key{i.Check, i.Name}) }))
}

// namesCheck reports whether a check is one of those that the rule names.
func (r *rule) namesCheck(k key) bool {
	return slices.Contains(r.Checks, k.id) || slices.Contains(r.Checks, k.String())
}

func (r *rule) vulnerabilitiesHold(f *facts) bool {
	return (r.MinLevel == "" || f.Levels[scoreTypes[r.ScoreType]] >= levels[r.MinLevel]) &&
		(len(r.CVEs) == 0 || slices.ContainsFunc(f.Findings, func(v posture.Finding) bool { return namesFinding(r.CVEs, &v) })) &&
		(!r.KEV || slices.ContainsFunc(f.Findings, func(v posture.Finding) bool { return v.KEV }))
}

func (r *rule) kindHolds(report *posture.Report) bool {
	k := kindOf(report.OS.Family, report.DeviceType)
	osHolds := len(r.OS) == 0 || slices.Contains(r.OS, k.family) || k.family == "" && r.Status != Compliant
	return osHolds && (len(r.DeviceTypes) == 0 || slices.Contains(r.DeviceTypes, k.device) || k.device == "" && r.Status != Compliant)
}

func (r *rule) expressionHolds(f *facts) bool {
	if r.expression == nil {
		return true
	}
	if f.variables == nil {
		f.variables = f.forExpressions()
	}
	holds, err := r.expression.holds(f.variables)
	if err != nil {
		return r.Status != Compliant
	}
	return holds
}
