package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"muster/internal/errs"
	"muster/internal/posture"
)

// Bounds that keep a policy sensible to store, show and evaluate.
const (
	maxText     = 255
	maxLongText = 20_000
	maxScript   = 200_000
	maxChecks   = 500
	maxRules    = 50
	maxList     = 200
	// maxMistakes is how many are told: more help nobody.
	maxMistakes = 1000
)

// mistakes collects what is wrong with a policy.
type mistakes []error

func (m *mistakes) add(field, format string, args ...any) {
	if len(*m) < maxMistakes {
		*m = append(*m, errs.InvalidField(field, format, args...))
	}
}

// text checks a member that must be there and may not be long.
func (m *mistakes) text(field, s string) {
	if strings.TrimSpace(s) == "" {
		m.add(field, "%s is missing", field)
	}
	m.line(field, s)
}

// line checks a member of one line that may be missing.
func (m *mistakes) line(field, s string) {
	if utf8.RuneCountInString(s) > maxText {
		m.add(field, "%s is longer than %d characters", field, maxText)
	}
	if strings.ContainsFunc(s, unicode.IsControl) || !utf8.ValidString(s) {
		m.add(field, "%s has characters that cannot be shown", field)
	}
}

// prose checks a member of several lines that may be missing.
func (m *mistakes) prose(field, s string, most int) {
	if utf8.RuneCountInString(s) > most {
		m.add(field, "%s is longer than %d characters", field, most)
	}
	hidden := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }
	if strings.ContainsFunc(s, hidden) || !utf8.ValidString(s) {
		m.add(field, "%s has characters that cannot be shown", field)
	}
}

// word checks a member of few possible values.
func word[T ~string](m *mistakes, field string, v T, allowed ...T) {
	if slices.Contains(allowed, v) {
		return
	}
	var words []string
	for _, a := range allowed {
		if a != "" {
			words = append(words, string(a))
		}
	}
	m.add(field, "%q is not one of %s", v, strings.Join(words, ", "))
}

// words checks a list of few possible values, each at most once.
func words[T ~string](m *mistakes, field string, values, allowed []T) {
	for i, v := range values[:min(len(values), len(allowed)+1)] { // one more must be there twice, or be none
		at := fmt.Sprintf("%s[%d]", field, i)
		word(m, at, v, allowed...)
		if slices.Contains(values[:i], v) {
			m.add(at, "%q stands in the list twice", v)
		}
	}
}

// lines checks a list of texts.
func (m *mistakes) lines(field string, values []string) {
	if len(values) > maxList {
		m.add(field, "there are more than %d entries", maxList)
	}
	for i, v := range values[:min(len(values), maxList)] {
		m.text(fmt.Sprintf("%s[%d]", field, i), v)
	}
}

// number checks that a number is neither negative nor too high.
func (m *mistakes) number(field string, n, high int) {
	if n < 0 || n > high {
		m.add(field, "%d is not between 0 and %d", n, high)
	}
}

func (m *mistakes) duration(field string, d Duration) {
	if d < 0 || time.Duration(d) > maxDays*day {
		m.add(field, "%s is not between 0 and %d days", d, maxDays)
	}
}

// Validate reports every mistake in the policy at once, each as an errs.Error that names the member.
func (p *Policy) Validate() error {
	var m mistakes
	m.text("name", p.Name)
	m.prose("description", p.Description, maxLongText)
	if len(p.Checks) > maxChecks {
		m.add("checks", "there are more than %d checks", maxChecks)
	}
	for i := range min(len(p.Checks), maxChecks) {
		m.check(fmt.Sprintf("checks[%d]", i), p.Checks[:i], &p.Checks[i])
	}
	m.rules(p.Rules, p.Checks)
	return errors.Join(m...)
}

func (m *mistakes) check(at string, before []Check, c *Check) {
	def := define(c.ID)
	if def == nil {
		m.add(at+".check", "there is no check %q", c.ID)
		return
	}
	word(m, at+".severity", c.Severity, Off, Warning, Critical)
	word(m, at+".on_unknown", c.OnUnknown, "", Raise, LetPass)
	m.prose(at+".remediation", c.Remediation, maxLongText)
	words(m, at+".os", c.OS, families)
	words(m, at+".device_types", c.DeviceTypes, deviceTypes)
	m.name(at+".name", def, c)
	m.params(at, def, c)
	for i := range before {
		if before[i].key() == c.key() && within(c.OS, before[i].OS) && within(c.DeviceTypes, before[i].DeviceTypes) {
			m.add(at, "this entry of %s is never used: checks[%d] covers the same machines", c.key(), i)
			return
		}
	}
}

// name checks the name of an entry. That of a custom check is an id: agents report by it.
func (m *mistakes) name(field string, def *definition, c *Check) {
	switch {
	case c.ID == customCheckID:
		if !isID(c.Name) {
			m.add(field, "a custom check needs a name of 1 to 64 letters, digits, hyphens, underscores and dots")
		}
	case c.Name != "" && !def.named:
		m.add(field, "%s is made once on a machine, so its entries have no names", c.ID)
	default:
		m.line(field, c.Name)
	}
}

// isID reports whether a text can be the id of a custom check.
func isID(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == ""
}

// within reports whether every machine that a restriction admits is admitted by another; empty admits all.
func within[T comparable](inner, outer []T) bool {
	if len(outer) == 0 {
		return true
	}
	return len(inner) > 0 && !slices.ContainsFunc(inner, func(v T) bool { return !slices.Contains(outer, v) })
}

func (d *definition) reads(param string) bool { return slices.Contains(d.params, param) }

// rules checks the status rules, of which the last must decide whatever came before.
func (m *mistakes) rules(rules []Rule, checks []Check) {
	if len(rules) == 0 || !rules[len(rules)-1].unconditional() {
		m.add("rules", "the last rule must be without conditions, so that every machine gets a status")
	}
	if len(rules) > maxRules {
		m.add("rules", "there are more than %d rules", maxRules)
	}
	seen := make(map[string]bool, len(rules))
	conditions := make([]*yaml.Node, len(rules)) // of those without mistakes
	for i := range min(len(rules), maxRules) {
		r, at := &rules[i], fmt.Sprintf("rules[%d]", i)
		m.text(at+".name", r.Name)
		if seen[r.Name] {
			m.add(at+".name", "another rule is called %q", r.Name)
		}
		seen[r.Name] = true
		if m.rule(at, r, checks) {
			conditions[i] = r.conditions()
		}
		if i < len(rules)-1 && r.unconditional() {
			m.add(at, "this rule has no conditions, so the rules after it never apply")
		}
		same := func(n *yaml.Node) bool { return n != nil && conditions[i] != nil && sameNode(n, conditions[i]) }
		if j := slices.IndexFunc(conditions[:i], same); j >= 0 && !r.unconditional() {
			m.add(at, "this rule is never used: rules[%d] has the same conditions", j)
		}
	}
}

// rule checks one rule by itself, and reports whether it is without mistakes.
func (m *mistakes) rule(at string, r *Rule, checks []Check) bool {
	before := len(*m)
	word(m, at+".status", r.Status, Compliant, NonCompliant)
	word(m, at+".issues", r.Issues, "", NoIssues, AnyIssue, CriticalIssue)
	m.number(at+".min_critical", r.MinCritical, maxChecks)
	m.number(at+".min_warnings", r.MinWarnings, maxChecks)
	if r.Issues == NoIssues && (r.MinCritical > 0 || r.MinWarnings > 0 || len(r.Categories) > 0 || len(r.Checks) > 0) {
		m.add(at, "this rule is never used: it asks for no issues, and for some")
	}
	words(m, at+".categories", r.Categories, categories())
	if len(r.Checks) > maxChecks {
		m.add(at+".checks", "there are more than %d entries", maxChecks)
	}
	for i, id := range r.Checks[:min(len(r.Checks), maxChecks)] {
		m.raised(fmt.Sprintf("%s.checks[%d]", at, i), id, checks)
	}
	m.level(at, r.MinLevel, r.ScoreType)
	m.lines(at+".cves", r.CVEs)
	m.duration(at+".silent_for", r.SilentFor)
	m.lines(at+".groups", r.Groups)
	m.lines(at+".users", r.Users)
	words(m, at+".os", r.OS, families)
	words(m, at+".device_types", r.DeviceTypes, deviceTypes)
	if r.Expression != "" {
		if _, err := compileExpression(deviceEnvironment, r.Expression); err != nil {
			m.add(at+".expression", "%s", messageOf(err))
		}
	}
	m.duration(at+".grace", r.Grace)
	if r.Grace > 0 && r.Status == Compliant {
		m.add(at+".grace", "grace is for a rule that gives non-compliant")
	}
	return len(*m) == before
}

// raised checks that some entry of the policy may raise an issue of a check that a rule names.
func (m *mistakes) raised(field, id string, checks []Check) {
	known := slices.ContainsFunc(checks, func(c Check) bool { return c.ID == id || c.key().String() == id })
	if name, _, _ := strings.Cut(id, "/"); define(name) == nil {
		m.add(field, "there is no check %q", id)
	} else if !known {
		m.add(field, "the policy has no entry of the check %q", id)
	}
}

// messageOf gives the text of an error that may be shown.
func messageOf(err error) string {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e.Message
	}
	return "the expression cannot be read"
}

// conditions gives a rule without what it decides, to be compared.
func (r *Rule) conditions() *yaml.Node {
	bare := *r
	bare.Name, bare.Status, bare.Grace = "", "", 0
	n, _ := encode(bare) // nothing in it fails to be written
	return n
}

// categories lists those in which checks are made.
func categories() []posture.Category {
	var out []posture.Category
	for _, d := range Definitions() {
		if !slices.Contains(out, d.Category) {
			out = append(out, d.Category)
		}
	}
	return out
}
