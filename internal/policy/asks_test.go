package policy

import (
	"testing"

	"muster/internal/posture"
)

// What a policy asks about besides the report decides what has to be looked up, and what has a device judged anew.
func TestWhatRulesAsk(t *testing.T) {
	for _, c := range []struct {
		rule          string
		group, linked bool
	}{
		{"issues: any", false, false},
		{"groups: [Lab]", true, false},
		{"users: [jane]", false, true},
		{`expression: group == "Lab"`, true, false},
		{`expression: user == "jane" || group == "Lab"`, true, true},
		{`expression: 'device.name == "group"'`, false, false},
	} {
		p, err := Parse([]byte("name: P\nchecks: []\nrules:\n  - {name: R, status: non-compliant, " + c.rule + "}\n  - {name: Default, status: compliant}\n"))
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		compiled, err := Compile(p, posture.PolicyRef{})
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		v := compiled.Evaluate(&Subject{Report: windowsLaptop()}, now)
		if compiled.AsksGroup() != c.group || v.LinkedMatters != c.linked {
			t.Errorf("%s: asks for the group %v, for the user %v", c.rule, compiled.AsksGroup(), v.LinkedMatters)
		}
	}
}
