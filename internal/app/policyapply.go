package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/policies"
	"muster/internal/policy"
	"muster/internal/posture"
	"muster/internal/run"
)

// maxDocument is more than any policy may have.
const maxDocument = 2 << 20

// readDocument reads a policy from a file, or from standard input where the name is -.
func readDocument(name string) ([]byte, error) {
	var from io.Reader = os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "%s cannot be read", name)
		}
		defer f.Close() //nolint:errcheck // it was only read
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, maxDocument))
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "%s cannot be read", name)
	}
	return text, nil
}

type policyApply struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	File        string `arg:"" help:"File with the policy as YAML or JSON; - for standard input."`
	Policy      string `help:"Policy to change, by name or id; that of the same name, or a new one, unless given." placeholder:"P"`
	editFlags   `embed:""`
}

// Run saves the policy.
func (c *policyApply) Run(env *environment) error {
	document, err := readDocument(c.File)
	if err != nil {
		return err
	}
	read, err := policy.Parse(document)
	if err != nil {
		return err
	}
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		name := read.Name
		if c.Policy != "" {
			name = c.Policy
		}
		before, err := s.findPolicy(env, a.ID, name)
		if errs.Is(err, errs.NotFound) && c.Policy == "" {
			p, err := s.policies.Create(env.ctx, a.ID, document, c.edit())
			if err != nil {
				return err
			}
			return s.saved(env, &before, &p, c.editFlags, c.JSON)
		}
		if err != nil {
			return err
		}
		p, err := s.policies.Save(env.ctx, a.ID, before.ID, document, c.edit())
		if err != nil {
			return err
		}
		return s.saved(env, &before, &p, c.editFlags, c.JSON)
	})
}

// saved says what became of a change to a policy, once its devices have been judged anew if that is to be waited for.
func (s *services) saved(env *environment, before, p *policies.Policy, f editFlags, asJSON bool) error {
	if f.Wait && before.Ref() != p.Ref() {
		err := s.waitForRuns(env.ctx, p.Account, p.ID)
		if env.ctx.Err() != nil {
			return errs.New(errs.Unavailable, "Policy %d %s is saved as version %d. Waiting for its devices was broken off; a server goes on with them: muster run list",
				p.ID, p.Name, p.Version)
		}
		if err != nil {
			return err
		}
	}
	if asJSON {
		return printJSON(env.stdout, policyView{
			ID: p.ID, Name: p.Name, Version: p.Version, CreatedAt: p.CreatedAt, ModifiedAt: p.ModifiedAt, Groups: []string{},
		})
	}
	switch {
	case before.Ref() == p.Ref():
		return printLine(env.stdout, "policy", p.ID, p.Name, "says that already: version", p.Version)
	case before.ID == 0:
		return printLine(env.stdout, "created policy", p.ID, p.Name)
	case f.Wait:
		return printLine(env.stdout, "saved policy", p.ID, p.Name, "as version", fmt.Sprint(p.Version)+"; its devices have been judged anew")
	default:
		return printLine(env.stdout, "saved policy", p.ID, p.Name, "as version", fmt.Sprint(p.Version)+"; a server judges its devices anew: muster run list")
	}
}

// waitForRuns waits until the devices of a policy have been judged anew, and judges them where no server does.
func (s *services) waitForRuns(ctx context.Context, account posture.AccountID, id posture.PolicyID) error {
	runner := s.runner()
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	for {
		open, err := s.store.OpenRuns(ctx, run.Reevaluate)
		if err != nil {
			return err
		}
		left := 0
		for i := range open {
			if open[i].Account != account || open[i].Params.Policy != id {
				continue
			}
			left++
			err = runner.Do(ctx, &open[i])
			if err != nil {
				return err
			}
			if open[i].State == run.Failed {
				return errs.New(errs.Unavailable, "Judging the devices anew failed: %s", open[i].Message)
			}
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

type policyTest struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	File        string `arg:"" help:"File with the policy as YAML or JSON; - for standard input."`
	Policy      string `help:"Try it on the groups that have this policy, by name or id." placeholder:"P" xor:"fleet"`
	Group       string `help:"Try it on one group, by name or id; on all devices unless one of these is given." placeholder:"G" xor:"fleet"`
}

// trialView is a trial as the command line prints it. The names of its members stay.
type trialView struct {
	*device.Trial
	GroupNames map[posture.GroupID]string `json:"group_names"`
}

// Run tries the policy on the fleet.
func (c *policyTest) Run(env *environment) error {
	document, err := readDocument(c.File)
	if err != nil {
		return err
	}
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		params, err := c.params(env, s, a.ID)
		if err != nil {
			return err
		}
		trial, err := s.try(env.ctx, a.ID, document, params)
		if err != nil {
			return err
		}
		names, err := s.devices.GroupNames(env.ctx, a.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, trialView{trial, names})
		}
		return printTrial(env, trial, names)
	})
}

// params says what the policy is tried on.
func (c *policyTest) params(env *environment, s *services, account posture.AccountID) (run.Params, error) {
	if c.Policy != "" {
		p, err := s.findPolicy(env, account, c.Policy)
		return run.Params{Policy: p.ID}, err
	}
	if c.Group != "" {
		g, err := groupArg{c.Group}.find(env, s, account)
		return run.Params{Group: g.ID}, err
	}
	return run.Params{}, nil
}

// try judges devices by a document and says what would come of it.
func (s *services) try(ctx context.Context, account posture.AccountID, document []byte, params run.Params) (*device.Trial, error) {
	judge, err := s.trialOf(document, params.Policy)
	if err != nil {
		return nil, err
	}
	groups, err := s.groupsOf(ctx, account, params)
	if err != nil {
		return nil, err
	}
	walk := device.Walk{Account: account, Groups: groups}
	out := newTrial()
	for {
		_, end, err := s.devices.Try(ctx, &walk, judge, out)
		if err != nil || end {
			out.Sort()
			return out, err
		}
	}
}

func printTrial(env *environment, trial *device.Trial, names map[posture.GroupID]string) error {
	err := printLine(env.stdout, trial.Changed, "of", trial.Devices, "devices would have another status")
	if err == nil && trial.Failed > 0 {
		err = printLine(env.stdout, trial.Failed, "more could not be judged: what they reported cannot be read")
	}
	if err != nil {
		return err
	}
	if trial.Changed > 0 {
		t := newTable("GROUP", "FROM", "TO", "DEVICES")
		for i := range trial.Groups {
			for _, change := range trial.Groups[i].Changes {
				t.row(names[trial.Groups[i].Group], change.From, change.To, change.Devices)
			}
		}
		err = printBelow(env, t)
		if err != nil {
			return err
		}
	}
	t := newTable("CHECK", "DEVICES WITH AN ISSUE NOW", "THEN")
	for _, check := range trial.Checks {
		if check.Now != check.Then {
			t.row(check.Check, check.Now, check.Then)
		}
	}
	if len(t.lines) > 1 {
		err = printBelow(env, t)
	}
	if err != nil || len(trial.Examples) == 0 {
		return err
	}
	t = newTable("FOR EXAMPLE", "NAME", "FROM", "TO", "BY THE RULE")
	for _, e := range trial.Examples[:min(len(trial.Examples), 10)] {
		t.row(e.DeviceID, e.Name, e.From, e.To, e.Rule)
	}
	return printBelow(env, t)
}

// printBelow prints a table with a blank line before it.
func printBelow(env *environment, t *table) error {
	err := printLine(env.stdout)
	if err != nil {
		return err
	}
	return t.print(env.stdout)
}

type policyDiff struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	policyArg   `embed:""`
	File        string `arg:"" optional:"" help:"File to compare with: what saving it would change; - for standard input."`
	Version     *int64 `help:"Compare this version with the current one, in the place of a file." placeholder:"N"`
}

// Run says what differs.
func (c *policyDiff) Run(env *environment) error {
	if (c.File == "") == (c.Version == nil) {
		return errs.New(errs.Invalid, "Give a file to compare with, or --version")
	}
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		p, err := s.findPolicy(env, a.ID, c.Policy)
		if err != nil {
			return err
		}
		current, err := s.policies.Compiled(env.ctx, a.ID, p.Ref())
		if err != nil {
			return err
		}
		from, to := current.Policy(), current.Policy()
		if c.Version != nil {
			old, err := s.policies.Compiled(env.ctx, a.ID, posture.PolicyRef{ID: p.ID, Version: *c.Version})
			if err != nil {
				return err
			}
			from = old.Policy()
		} else if to, err = readPolicy(c.File); err != nil {
			return err
		}
		return printChanges(env, policy.Diff(from, to), c.JSON)
	})
}

// readPolicy reads a policy from a file and checks it.
func readPolicy(name string) (*policy.Policy, error) {
	document, err := readDocument(name)
	if err != nil {
		return nil, err
	}
	return policy.Parse(document)
}

func printChanges(env *environment, changes []policy.Change, asJSON bool) error {
	if asJSON {
		return printJSON(env.stdout, append([]policy.Change{}, changes...))
	}
	if len(changes) == 0 {
		return printLine(env.stdout, "no difference")
	}
	for _, c := range changes {
		err := printLine(env.stdout, c)
		if err != nil {
			return err
		}
	}
	return nil
}
