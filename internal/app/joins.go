package app

import (
	"context"
	"errors"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/policy"
	"muster/internal/posture"
	"muster/internal/run"
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

// Run moves the devices, as a run that a server goes on with if this command is ended.
func (c *groupApplyRules) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		r, err := s.runs.Start(env.ctx, a.ID, run.Regroup, run.Params{}, byAdministrator)
		if err == nil {
			r, err = s.finish(env.ctx, r)
		}
		switch {
		case err != nil:
			return err
		case r.State != run.Done:
			return errs.New(errs.Conflict, "The run %s is %s after %d devices: %s", r.ID, r.State, r.Done, r.Message)
		case c.JSON:
			return printJSON(env.stdout, map[string]int64{"moved": r.Changed, "devices": r.Done})
		}
		return printLine(env.stdout, "moved", devicesOf(r.Changed))
	})
}

// finish does a run, or waits while a server does it.
func (s *services) finish(ctx context.Context, r run.Run) (run.Run, error) {
	runner := s.runner().Quietly()
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	for {
		err := runner.Do(ctx, &r)
		if err != nil {
			return r, err
		}
		r, err = s.runs.Get(ctx, r.Account, r.ID)
		if err != nil || r.State.Ended() {
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, errors.New("stopped while devices were moved; a server goes on with it")
		case <-tick.C:
		}
	}
}
