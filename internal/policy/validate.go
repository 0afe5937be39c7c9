package policy

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"muster/internal/errs"
)

// Bounds that keep a policy sensible to store, show and evaluate.
const (
	maxText    = 255
	maxChecks  = 500
	maxRules   = 50
	maxAllowed = 200
)

// mistakes collects what is wrong with a policy.
type mistakes []error

func (m *mistakes) add(field, format string, args ...any) {
	*m = append(*m, errs.InvalidField(field, format, args...))
}

// text checks a member that must be there and may not be long.
func (m *mistakes) text(field, s string) {
	if s == "" {
		m.add(field, "%s is missing", field)
	}
	if utf8.RuneCountInString(s) > maxText {
		m.add(field, "%s is longer than %d characters", field, maxText)
	}
}

// Validate reports every mistake in the policy at once, each as an errs.Error that names the member.
func (p *Policy) Validate() error {
	var m mistakes
	m.text("version", p.Version)
	m.text("name", p.Name)
	if len(p.Checks) > maxChecks {
		m.add("checks", "there are more than %d checks", maxChecks)
	}
	for i := range p.Checks {
		m.check(fmt.Sprintf("checks[%d]", i), p.Checks[:i], &p.Checks[i])
	}
	m.rules(p.Rules)
	return errors.Join(m...)
}

func (m *mistakes) check(at string, before []Check, c *Check) {
	def := define(c.ID)
	if def == nil {
		m.add(at+".check", "there is no check %q", c.ID)
		return
	}
	if !slices.Contains([]Severity{Off, Warning, Critical}, c.Severity) {
		m.add(at+".severity", "%q is not a severity: use critical, warning or off", c.Severity)
	}
	if !slices.Contains([]OnUnknown{"", Raise, LetPass}, c.OnUnknown) {
		m.add(at+".on_unknown", "%q is not a treatment of the unknown: use issue or pass", c.OnUnknown)
	}
	m.scope(at, before, c)
	m.params(at, def, c)
}

// scope checks where an entry applies, and that an earlier entry of the same check does not leave it nothing.
func (m *mistakes) scope(at string, before []Check, c *Check) {
	for _, f := range c.OS {
		if !knownOS(f) {
			m.add(at+".os", "%q is not an operating system family", f)
		}
	}
	for _, d := range c.DeviceTypes {
		if !knownType(d) {
			m.add(at+".device_types", "%q is not a device type", d)
		}
	}
	for i := range before {
		if before[i].ID == c.ID && within(c.OS, before[i].OS) && within(c.DeviceTypes, before[i].DeviceTypes) {
			m.add(at, "this entry of %s is never used: checks[%d] covers the same machines", c.ID, i)
			return
		}
	}
}

// within reports whether every machine that a restriction admits is admitted by another; empty admits all.
func within[T comparable](inner, outer []T) bool {
	if len(outer) == 0 {
		return true
	}
	return len(inner) > 0 && !slices.ContainsFunc(inner, func(v T) bool { return !slices.Contains(outer, v) })
}

// params checks the parameters: those that the check reads must make sense, others must not be there.
func (m *mistakes) params(at string, def *definition, c *Check) {
	m.duration(at+".max_age", def.reads("max_age"), c.MaxAge)
	m.duration(at+".max_idle", def.reads("max_idle"), c.MaxIdle)
	if c.ID == "antimalware_definitions" && c.MaxAge == 0 && c.Severity != Off {
		m.add(at+".max_age", "%s needs a maximum age", c.ID)
	}
	if len(c.Allowed) > 0 && !def.reads("allowed") {
		m.add(at+".allowed", "%s has no list of allowed products", c.ID)
	}
	if len(c.Allowed) > maxAllowed {
		m.add(at+".allowed", "there are more than %d allowed products", maxAllowed)
	}
	for i, name := range c.Allowed {
		m.text(fmt.Sprintf("%s.allowed[%d]", at, i), name)
	}
}

func (d *definition) reads(param string) bool { return slices.Contains(d.params, param) }

func (m *mistakes) duration(field string, read bool, d Duration) {
	switch {
	case d == 0:
	case !read:
		m.add(field, "this check has no such parameter")
	case d < 0 || time.Duration(d) > maxDays*day:
		m.add(field, "%s is not between 0 and %d days", d, maxDays)
	}
}

// rules checks the status rules, of which the last must decide whatever came before.
func (m *mistakes) rules(rules []Rule) {
	if len(rules) == 0 || !rules[len(rules)-1].unconditional() {
		m.add("rules", "the last rule must be without conditions, so that every machine gets a status")
	}
	if len(rules) > maxRules {
		m.add("rules", "there are more than %d rules", maxRules)
	}
	seen := make(map[string]bool, len(rules))
	for i := range rules {
		r, at := &rules[i], fmt.Sprintf("rules[%d]", i)
		m.text(at+".name", r.Name)
		if seen[r.Name] {
			m.add(at+".name", "another rule is called %q", r.Name)
		}
		seen[r.Name] = true
		if r.Status != Compliant && r.Status != NonCompliant {
			m.add(at+".status", "%q is not a status: use compliant or non-compliant", r.Status)
		}
		if r.MinCritical < 0 || r.MinWarnings < 0 {
			m.add(at, "a condition is negative")
		}
		if i < len(rules)-1 && r.unconditional() {
			m.add(at, "this rule has no conditions, so the rules after it never apply")
		}
	}
}
