package policy

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"muster/internal/posture"
)

// Change is one difference between two policies, in words.
type Change struct {
	// Kind is policy, check or rule.
	Kind string `json:"kind"`
	// What names the check, with the machines it is for where another entry of it is for others, or the rule.
	What string `json:"what,omitempty"`
	// Member is what differs, by its name in the document; "" where the whole is new or gone.
	Member string `json:"member,omitempty"`
	// Before and After are empty for what is not there.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// String is the change on one line.
func (c Change) String() string {
	what := strings.TrimSpace(strings.Join([]string{c.Kind, c.What}, " "))
	if c.Member != "" {
		what += ", " + c.Member
	}
	before, after := onLine(c.Before), onLine(c.After)
	switch {
	case before == "":
		return what + ": added, " + after
	case after == "":
		return what + ": removed, was " + before
	default:
		return what + ": " + before + " → " + after
	}
}

// maxOnLine bounds what a long text, such as a script, takes of a line.
const maxOnLine = 200

// onLine writes a text on one line.
func onLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxOnLine {
		s = string(r[:maxOnLine-1]) + "…"
	}
	return s
}

// Diff lists what differs between two policies: members of the policy, then checks, then rules. Equal ones give none.
func Diff(old, changed *Policy) []Change {
	var out []Change
	for _, m := range []struct{ name, before, after string }{
		{"name", old.Name, changed.Name}, {"description", old.Description, changed.Description},
	} {
		if m.before != m.after {
			out = append(out, Change{Kind: "policy", Member: m.name, Before: m.before, After: m.after})
		}
	}
	return append(append(out, diffChecks(old.Checks, changed.Checks)...), diffRules(old.Rules, changed.Rules)...)
}

// diffChecks compares entry with entry: those of the same check for the same machines, then what is left of a check in
// its order.
func diffChecks(old, changed []Check) []Change {
	pairs := pair(old, changed, func(a, b *Check) bool { return a.key() == b.key() && sameScope(a, b) })
	var out []Change
	for i := range old {
		c, j := &old[i], pairs[i]
		if j < 0 {
			out = append(out, Change{Kind: "check", What: c.label(old), Before: summary(c, "check", "name", "os", "device_types")})
			continue
		}
		out = append(out, members("check", c.label(old), c, &changed[j])...)
		if before, after := nth(old, i), nth(changed, j); before != after {
			out = append(out, Change{"check", c.label(old), "order among the entries of the check", fmt.Sprint(before), fmt.Sprint(after)})
		}
	}
	for j := range changed {
		if c := &changed[j]; !slices.Contains(pairs, j) {
			out = append(out, Change{Kind: "check", What: c.label(changed), After: summary(c, "check", "name", "os", "device_types")})
		}
	}
	return out
}

// pair finds for each entry the one that it has become, or -1. Where the machines differ too, an entry has become another
// of its check only if neither side leaves a doubt which.
func pair(old, changed []Check, same func(a, b *Check) bool) []int {
	pairs := make([]int, len(old))
	for i := range old {
		pairs[i] = -1
		for j := range changed {
			if !slices.Contains(pairs[:i], j) && same(&old[i], &changed[j]) {
				pairs[i] = j
				break
			}
		}
	}
	for i := range old {
		if pairs[i] >= 0 {
			continue
		}
		var left, right []int
		for n := range old {
			if pairs[n] < 0 && old[n].key() == old[i].key() {
				left = append(left, n)
			}
		}
		for n := range changed {
			if !slices.Contains(pairs, n) && changed[n].key() == old[i].key() {
				right = append(right, n)
			}
		}
		if len(left) == 1 && len(right) == 1 {
			pairs[i] = right[0]
		}
	}
	return pairs
}

func sameScope(a, b *Check) bool {
	return slices.Equal(a.OS, b.OS) && slices.Equal(a.DeviceTypes, b.DeviceTypes)
}

// nth is which entry of its check one is, from 1.
func nth(checks []Check, i int) int {
	n := 1
	for j := range i {
		if checks[j].key() == checks[i].key() {
			n++
		}
	}
	return n
}

// label names an entry, with the machines it is for if the check has several.
func (c *Check) label(all []Check) string {
	entries := 0
	for i := range all {
		if all[i].key() == c.key() {
			entries++
		}
	}
	if entries < 2 {
		return c.key().String()
	}
	return c.key().String() + " (" + c.machines() + ")"
}

// machines says in words which machines an entry is for.
func (c *Check) machines() string {
	return cmp.Or(strings.Join(append(texts[posture.OSFamily](c.OS), texts[posture.DeviceType](c.DeviceTypes)...), ", "), "all machines")
}

func texts[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// diffRules compares rules of the same name.
func diffRules(old, changed []Rule) []Change {
	var out []Change
	for i := range old {
		r := &old[i]
		j := slices.IndexFunc(changed, func(o Rule) bool { return o.Name == r.Name })
		if j < 0 {
			out = append(out, Change{Kind: "rule", What: r.Name, Before: summary(r, "name")})
			continue
		}
		out = append(out, members("rule", r.Name, r, &changed[j])...)
		if before, after := among(old, changed, i), among(changed, old, j); before != after {
			out = append(out, Change{"rule", r.Name, "order", fmt.Sprint(i + 1), fmt.Sprint(j + 1)})
		}
	}
	for j := range changed {
		r := &changed[j]
		if !slices.ContainsFunc(old, func(o Rule) bool { return o.Name == r.Name }) {
			out = append(out, Change{Kind: "rule", What: r.Name, After: fmt.Sprintf("%s, as number %d", summary(r, "name"), j+1)})
		}
	}
	return out
}

// among is the place of a rule among those that both sides have.
func among(rules, other []Rule, i int) int {
	n := 0
	for j := range i {
		if slices.ContainsFunc(other, func(o Rule) bool { return o.Name == rules[j].Name }) {
			n++
		}
	}
	return n
}

// members compares two entries or rules member by member.
func members(kind, what string, old, changed any) []Change {
	a, b := reflect.Indirect(reflect.ValueOf(old)), reflect.Indirect(reflect.ValueOf(changed))
	var out []Change
	for i := range a.NumField() {
		before, after := inWords(a.Field(i)), inWords(b.Field(i))
		if before == after {
			continue
		}
		name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
		out = append(out, Change{kind, what, name, cmp.Or(before, "none"), cmp.Or(after, "none")})
	}
	return out
}

// summary writes all members of an entry or a rule but some.
func summary(value any, without ...string) string {
	v := reflect.Indirect(reflect.ValueOf(value))
	var out []string
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if text := inWords(v.Field(i)); text != "" && !slices.Contains(without, name) {
			out = append(out, name+" "+text)
		}
	}
	return strings.Join(out, ", ")
}

// inWords writes a value; "" is one that is not set.
func inWords(v reflect.Value) string {
	if v.IsZero() {
		return ""
	}
	if text, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, _ := text.MarshalText() // neither size nor duration fails
		return string(b)
	}
	switch v.Kind() {
	case reflect.Slice:
		var out []string
		for i := range v.Len() {
			out = append(out, inWords(v.Index(i)))
		}
		return strings.Join(out, ", ")
	case reflect.Struct:
		return "{" + summary(v.Interface()) + "}"
	default:
		return fmt.Sprint(v.Interface())
	}
}
