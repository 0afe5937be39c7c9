package app

import (
	"muster/internal/device"
	"muster/internal/identity"
	"muster/internal/policy"
	"muster/internal/posture"
)

// joinRule lets the inventory ask a rule of package policy.
type joinRule struct{ join *policy.Join }

// Holds implements device.JoinRule.
func (r joinRule) Holds(report *posture.Report) (bool, error) {
	return r.join.Holds(*policy.JoinFactsOf(report))
}

func compileJoin(rule string) (device.JoinRule, error) {
	join, err := policy.CompileJoin(rule)
	if err != nil {
		return nil, err
	}
	return joinRule{join}, nil
}

type groupApplyRules struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
}

// Run moves the devices.
func (c *groupApplyRules) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		moved, err := s.devices.ApplyRules(env.ctx, a.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, map[string]int{"moved": moved})
		}
		return printLine(env.stdout, "moved", moved, "devices")
	})
}
