package policy

import (
	"cmp"
	"slices"
	"time"

	"muster/internal/posture"
)

// tick is the granularity of stored times. Judging at it makes NextChange exact: one tick earlier the old verdict
// holds, at NextChange the new one does.
const tick = time.Millisecond

// subject is one device under judgement at one time.
type subject struct {
	*Subject
	report   *posture.Report
	now      time.Time
	products map[posture.Category][]*posture.Application
	// changes collects the future moments at which some check turns; nil when nobody asks.
	changes *[]time.Time
}

func newSubject(s *Subject, now time.Time) *subject {
	s = s.counting()
	return &subject{Subject: s, report: s.Report, now: now.Truncate(tick), products: byCategory(s.Report)}
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

// Evaluate judges a device as of a time. It fills what follows from the policy: all but Findings, Levels and Catalogue.
func (c *Compiled) Evaluate(subject *Subject, now time.Time) posture.Verdict {
	var changes []time.Time
	s := newSubject(subject, now)
	s.changes = &changes
	f := c.facts(s)
	v := posture.Verdict{Issues: f.issues, Policy: c.ref, Judged: now, LinkedMatters: c.linked}
	for i := range f.issues {
		v.Severity = max(v.Severity, f.issues[i].Severity)
	}
	silent := s.silence()
	decided := c.first(f, silent)
	v.NextChange = c.nextChange(f, decided, silent, changes)
	v.Silent = silent > 0 && c.first(f, 0) != decided
	v.Silence = c.nextSilence(f, decided, silent)
	s.give(&v, decided)
	s.date(f.issues)
	return v
}

// Explain tells what each check that the policy asks of the device found, passed or not.
func (c *Compiled) Explain(subject *Subject, now time.Time) []posture.CheckResult {
	results := c.results(newSubject(subject, now))
	out := make([]posture.CheckResult, len(results))
	for i := range results {
		r := &results[i]
		out[i] = posture.CheckResult{
			Check: r.def.id, Name: r.check.Name, Title: r.title(), Category: r.def.category, Outcome: r.outcome, Severity: r.severity,
			Product: r.product, Evidence: r.evidence, Entry: r.entry, Issue: r.issue,
		}
		if r.outcome == posture.Pass && r.evidence == "" {
			out[i].Evidence = "As the policy asks: " + r.title() + "."
		}
	}
	return out
}

// finding is what one check found on one machine or in one product.
type finding struct {
	outcome  posture.Outcome
	product  string
	evidence string
}

var passed = finding{outcome: posture.Pass}

// result is what came of a check that was made.
type result struct {
	active
	finding
	// issue says that an issue is made of it, severity how bad that is or would be.
	issue    bool
	severity posture.IssueSeverity
	// hidden says that it would be an issue if another did not account for it.
	hidden bool
}

// result makes the result of what a check found. Where it could not tell, the agent may have said why.
func (a active) result(s *subject, f finding) result {
	if f.outcome == posture.Unknown {
		f = s.because(a.def, f)
	}
	return result{active: a, finding: f, issue: a.raises(f.outcome), severity: a.check.Severity.issue()}
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

// title is what the check is called in front of people.
func (a active) title() string { return cmp.Or(a.check.Title, a.def.title) }

// results makes every check that the policy asks of the machine.
func (c *Compiled) results(s *subject) []result {
	p := c.planFor(s.report.OS.Family, s.report.DeviceType)
	out := make([]result, 0, p.size)
	for i := range p.areas {
		a := &p.areas[i]
		if len(a.alternatives) == 1 {
			out = a.judge(s, a.alternatives[0], out)
			continue
		}
		out = append(out, a.worst(s)...)
	}
	return out
}

// worst makes the checks of a machine that does not say what it is as if it were each thing that it might be, and takes
// the worst that each of them finds: keeping silent never helps.
func (a *areaPlan) worst(s *subject) []result {
	var out []result
	for _, checks := range a.alternatives {
		for _, r := range a.judge(s, checks, nil) {
			i := slices.IndexFunc(out, func(o result) bool { return o.def == r.def && o.check.Name == r.check.Name })
			switch {
			case i < 0:
				out = append(out, r)
			case r.worse(&out[i]):
				out[i] = r
			}
		}
	}
	slices.SortStableFunc(out, func(x, y result) int { return cmp.Compare(position(x.def), position(y.def)) })
	return out
}

// worse reports whether the result weighs more than another of the same check.
func (r *result) worse(o *result) bool {
	if r.issue != o.issue {
		return r.issue
	}
	if r.severity != o.severity {
		return r.severity > o.severity
	}
	return r.hidden && !o.hidden
}

// facts makes the checks and collects what rules look at. Issues are in the order of the checks, without Since, and
// never nil.
func (c *Compiled) facts(s *subject) *facts {
	f := &facts{subject: s, issues: []posture.Issue{}}
	results := c.results(s)
	for i := range results {
		r := &results[i]
		switch {
		case r.issue:
			f.issues = append(f.issues, r.asIssue(s.report.OS.Family))
		case r.hidden:
			f.hidden = append(f.hidden, r.check.key())
		}
	}
	f.critical, f.warnings = weigh(results)
	return f
}

func (r *result) asIssue(f posture.OSFamily) posture.Issue {
	return posture.Issue{
		Category: r.def.category, Check: r.def.id, Name: r.check.Name, Outcome: r.outcome, Severity: r.severity, Product: r.product,
		Evidence: r.evidence, Remediation: cmp.Or(r.check.Remediation, r.def.remedy.on(f)), Entry: r.entry,
	}
}

// judgeEach makes every check of an area on its own.
func judgeEach(s *subject, checks []active, out []result) []result {
	for _, a := range checks {
		out = append(out, a.result(s, a.def.device(s, a.check)))
	}
	return out
}

// date tells since when each issue is there: one that the last verdict had keeps its time.
func (s *subject) date(issues []posture.Issue) {
	for i := range issues {
		issues[i].Since = s.now
		for j := range s.Before {
			b := &s.Before[j]
			if b.Check == issues[i].Check && b.Name == issues[i].Name && b.Product == issues[i].Product && !b.Since.IsZero() {
				issues[i].Since = b.Since
				break
			}
		}
	}
}

// turnsAt notes that a check will turn at t, if that is still to come.
func (s *subject) turnsAt(t time.Time) {
	if s.changes != nil && t.After(s.now) {
		*s.changes = append(*s.changes, t)
	}
}

// maxTurns bounds the work that one report with very many dated products can cause.
const maxTurns = 8

// nextChange finds the first of the noted moments at which the issues or the rule that decides really differ: a check that
// turns may be hidden behind another product that passes. After maxTurns tries it settles for a moment that may be too early, which costs
// one judgement too many and never misses a change.
func (c *Compiled) nextChange(f *facts, decided *rule, silent time.Duration, turns []time.Time) time.Time {
	slices.SortFunc(turns, time.Time.Compare)
	turns = slices.CompactFunc(turns, time.Time.Equal)
	for i, t := range turns {
		if i == maxTurns {
			return t
		}
		later := *f.subject
		later.now, later.changes = t, nil
		then := c.facts(&later)
		if !slices.Equal(then.issues, f.issues) || !slices.Equal(then.hidden, f.hidden) && c.first(then, silent) != decided {
			return t
		}
	}
	return time.Time{}
}
