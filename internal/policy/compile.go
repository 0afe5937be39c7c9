package policy

import (
	"slices"
	"time"

	"muster/internal/posture"
)

// Subject is one device as a policy sees it.
type Subject struct {
	Report *posture.Report
	// Findings may have some that are accepted: no check or rule sees them.
	Findings []posture.Finding
	Levels   posture.Levels // of the worst that is not accepted
	Group    string         // the name of its group
	User     string         // the linked user; "" for none
	// LastReport is when the last report came, also one that said nothing new; zero for one that comes just now.
	LastReport time.Time
	// FailingSince and Before are what the last verdict said: since when the device is unfit, and its issues.
	FailingSince time.Time
	Before       []posture.Issue
}

// counting gives the subject without findings that do not count.
func (s *Subject) counting() *Subject {
	accepted := func(f posture.Finding) bool { return f.Accepted != nil }
	if !slices.ContainsFunc(s.Findings, accepted) {
		return s
	}
	out := *s
	out.Findings = slices.DeleteFunc(slices.Clone(s.Findings), accepted)
	return &out
}

// Compiled is a policy that is ready to judge. It is never changed: many goroutines may judge by it at once.
type Compiled struct {
	policy *Policy
	ref    string
	plans  map[kind]*plan
	rules  []rule
	linked bool // some rule looks at the linked user
	group  bool // some rule looks at the group
}

// Compile readies a policy. Invalid: it has mistakes, all of which the error tells.
func Compile(p *Policy, ref posture.PolicyRef) (*Compiled, error) {
	err := p.Validate()
	if err != nil {
		return nil, err
	}
	return newCompiled(p, ref), nil
}

// newCompiled readies a policy as it is.
func newCompiled(p *Policy, ref posture.PolicyRef) *Compiled {
	c := &Compiled{policy: p, ref: ref.String(), plans: make(map[kind]*plan)}
	for _, family := range append([]posture.OSFamily{""}, families...) {
		for _, device := range append([]posture.DeviceType{""}, deviceTypes...) {
			k := kind{family, device}
			c.plans[k] = p.plan(k)
		}
	}
	c.rules = make([]rule, len(p.Rules))
	for i := range p.Rules {
		c.rules[i] = newRule(&p.Rules[i])
		c.linked = c.linked || c.rules[i].linked
		c.group = c.group || c.rules[i].group
	}
	return c
}

// AsksGroup reports whether Evaluate looks at the name of a device's group.
func (c *Compiled) AsksGroup() bool { return c.group }

// Policy gives what was compiled, for reading only.
func (c *Compiled) Policy() *Policy { return c.policy }

// Covered gives the categories in which the policy makes a check on a machine of this system and type, in the order in
// which issues come.
func (c *Compiled) Covered(family posture.OSFamily, device posture.DeviceType) []posture.Category {
	return c.planFor(family, device).covered()
}

// Covered is that of the compiled policy.
func (p *Policy) Covered(family posture.OSFamily, device posture.DeviceType) []posture.Category {
	return p.plan(kindOf(family, device)).covered()
}

// planFor gives what to check on a machine.
func (c *Compiled) planFor(family posture.OSFamily, device posture.DeviceType) *plan {
	return c.plans[kindOf(family, device)]
}

// kind is what a machine is, as far as it is known.
type kind struct {
	family posture.OSFamily
	device posture.DeviceType
}

func kindOf(family posture.OSFamily, device posture.DeviceType) kind {
	var k kind
	if knownOS(family) {
		k.family = family
	}
	if knownType(device) {
		k.device = device
	}
	return k
}

// plan is what is checked on one kind of machine, area by area.
type plan struct {
	areas []areaPlan
	size  int // how many results to expect
}

// areaPlan is what is checked of one area. A machine that does not say what it is has an alternative for each thing it
// might be, where those differ.
type areaPlan struct {
	judge        func(s *subject, checks []active, out []result) []result
	alternatives [][]active
}

// active is a check that is made, with the entry of the policy that says how.
type active struct {
	def   *definition
	check *Check
	entry int // from 1
}

// plan works out what to check on a kind of machine.
func (p *Policy) plan(k kind) *plan {
	out := new(plan)
	for i := range areas {
		alternatives := p.alternatives(&areas[i], k)
		if len(alternatives) == 0 {
			continue
		}
		out.areas = append(out.areas, areaPlan{areas[i].judge, alternatives})
		for _, a := range alternatives {
			out.size += len(a)
		}
	}
	return out
}

// alternatives lists the different ways to check an area, of everything that the machine might be.
func (p *Policy) alternatives(a *area, k kind) [][]active {
	mightBe, mightHave := []posture.OSFamily{k.family}, []posture.DeviceType{k.device}
	if k.family == "" {
		mightBe = families
	}
	if k.device == "" {
		mightHave = deviceTypes
	}
	var out [][]active
	for _, family := range mightBe {
		for _, device := range mightHave {
			checks := p.active(a, kind{family, device})
			if len(checks) > 0 && !slices.ContainsFunc(out, func(o []active) bool { return slices.Equal(o, checks) }) {
				out = append(out, checks)
			}
		}
	}
	return out
}

// active lists the checks of an area that are made on a kind of machine that is known.
func (p *Policy) active(a *area, k kind) []active {
	var out []active
	for i := range a.checks {
		seen := make(map[string]bool)
		for j := range p.Checks {
			c := &p.Checks[j]
			if c.ID != a.checks[i].id || seen[c.Name] || !c.covers(k) {
				continue
			}
			seen[c.Name] = true
			if c.Severity.issue() != posture.NoIssue {
				out = append(out, active{&a.checks[i], c, j + 1})
			}
		}
	}
	return out
}

// covers reports whether the entry is for a kind of machine.
func (c *Check) covers(k kind) bool {
	return (len(c.OS) == 0 || slices.Contains(c.OS, k.family)) &&
		(len(c.DeviceTypes) == 0 || slices.Contains(c.DeviceTypes, k.device))
}

// covered lists the categories of the plan.
func (p *plan) covered() []posture.Category {
	var out []posture.Category
	for i := range areas { // in the order of definitions, whichever alternative has them
		for j := range areas[i].checks {
			d := &areas[i].checks[j]
			if p.makes(d) && !slices.Contains(out, d.category) {
				out = append(out, d.category)
			}
		}
	}
	return out
}

func (p *plan) makes(d *definition) bool {
	for _, a := range p.areas {
		for _, checks := range a.alternatives {
			if slices.ContainsFunc(checks, func(c active) bool { return c.def == d }) {
				return true
			}
		}
	}
	return false
}
