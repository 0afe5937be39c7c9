package app

import (
	"fmt"
	"io"
	"os"

	adminclient "muster/client/admin"
	"muster/internal/errs"
	"muster/internal/policy"
	"muster/internal/run"
)

// maxDocument is more than any policy may have.
const maxDocument = 2 << 20

// readPolicy reads a policy from a file, or from standard input where the name is -, and checks it.
func readPolicy(name string) (document []byte, p *policy.Policy, err error) {
	var from io.Reader = os.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, nil, errs.Wrap(errs.Invalid, err, "%s cannot be read", name)
		}
		defer f.Close() //nolint:errcheck // it was only read
		from = f
	}
	document, err = io.ReadAll(io.LimitReader(from, maxDocument))
	if err != nil {
		return nil, nil, errs.Wrap(errs.Invalid, err, "%s cannot be read", name)
	}
	p, err = policy.Parse(document)
	return document, p, err
}

type policyApply struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	File        string `arg:"" help:"File with the policy as YAML or JSON; - for standard input."`
	Policy      string `help:"Policy to change, by name or id; that of the same name, or a new one, unless given." placeholder:"P"`
	editFlags   `embed:""`
}

// Run saves the policy.
func (c *policyApply) Run(env *environment) error {
	document, read, err := readPolicy(c.File)
	if err != nil {
		return err
	}
	return env.administer(c.deviceFlags, func(api *administration) error {
		name := read.Name
		if c.Policy != "" {
			name = c.Policy
		}
		before, err := api.policy(name)
		var p adminclient.Policy
		switch {
		case errs.Is(err, errs.NotFound) && c.Policy == "" && c.Expect == nil:
			p, err = api.CreatePolicy(env.ctx, document, c.Note)
		case err == nil:
			err = c.check(&before)
			if err == nil {
				p, err = api.SavePolicy(env.ctx, before.ID, before.Tag, document, c.Note)
			}
		}
		if err != nil {
			return err
		}
		return saved(env, api, &before, &p, c.editFlags, c.JSON)
	})
}

// saved says what became of a change to a policy, once its devices have been judged anew if that is to be waited for.
func saved(env *environment, api *administration, before, p *adminclient.Policy, f editFlags, asJSON bool) error {
	changed := before.ID != p.ID || before.Version != p.Version
	if f.Wait && changed {
		err := api.waitForPolicy(p.ID)
		if env.ctx.Err() != nil {
			return errs.New(errs.Unavailable, "Policy %s %s is saved as version %d. Waiting for its devices was broken off; a server goes on with them: muster run list",
				p.ID, printable(p.Name), p.Version)
		}
		if err != nil {
			return err
		}
	}
	if asJSON {
		return printJSON(env.stdout, viewPolicy(p))
	}
	name := printable(p.Name)
	switch {
	case !changed:
		return printLine(env.stdout, "policy", p.ID, name, "says that already: version", p.Version)
	case before.ID == "":
		return printLine(env.stdout, "created policy", p.ID, name)
	case f.Wait:
		return printLine(env.stdout, "saved policy", p.ID, name, "as version", fmt.Sprint(p.Version)+"; its devices have been judged anew")
	default:
		return printLine(env.stdout, "saved policy", p.ID, name, "as version", fmt.Sprint(p.Version)+"; a server judges its devices anew: muster run list")
	}
}

type policyTest struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	File        string `arg:"" help:"File with the policy as YAML or JSON; - for standard input."`
	Policy      string `help:"Try it on the groups that have this policy, by name or id." placeholder:"P" xor:"fleet"`
	Group       string `help:"Try it on one group, by name or id; on all devices unless one of these is given." placeholder:"G" xor:"fleet"`
}

// trialView is a trial as the command line prints it. The names of its members stay.
type trialView struct {
	*adminclient.Trial
	GroupNames map[string]string `json:"group_names"`
}

// Run tries the policy on the fleet.
func (c *policyTest) Run(env *environment) error {
	document, _, err := readPolicy(c.File)
	if err != nil {
		return err
	}
	return env.administer(c.deviceFlags, func(api *administration) error {
		trial, err := c.try(api, document)
		if err != nil {
			return err
		}
		names := make(map[string]string)
		for g, err := range api.Groups(env.ctx) {
			if err != nil {
				return err
			}
			names[g.ID] = g.Name
		}
		if c.JSON {
			return printJSON(env.stdout, trialView{trial, names})
		}
		return printTrial(env, trial, names)
	})
}

// try has the policy tried, and waits for what comes of it.
func (c *policyTest) try(api *administration, document []byte) (*adminclient.Trial, error) {
	var of adminclient.DryRun
	var err error
	switch {
	case c.Policy != "":
		var p adminclient.Policy
		p, err = api.policy(c.Policy)
		of.Policy = p.ID
	case c.Group != "":
		of.Group, err = api.group(c.Group)
	}
	if err != nil {
		return nil, err
	}
	r, err := api.StartDryRun(api.ctx, document, of)
	if err == nil {
		r, err = api.wait(r.ID)
	}
	if err != nil {
		return nil, err
	}
	if r.State != run.Done.String() || r.Result == nil {
		return nil, errs.New(errs.Unavailable, "The run ended as %s: %s", r.State, r.Message)
	}
	return r.Result, nil
}

func printTrial(env *environment, trial *adminclient.Trial, names map[string]string) error {
	err := printLine(env.stdout, trial.Changed, "of", trial.Devices, "devices would have another status")
	if err == nil && trial.Failed > 0 {
		err = printLine(env.stdout, trial.Failed, "more could not be judged: what they reported cannot be read")
	}
	if err != nil {
		return err
	}
	groups := newTable("GROUP", "FROM", "TO", "DEVICES")
	for i := range trial.Groups {
		for _, change := range trial.Groups[i].Changes {
			groups.row(names[trial.Groups[i].Group], change.From, change.To, change.Devices)
		}
	}
	checks := newTable("CHECK", "DEVICES WITH AN ISSUE NOW", "THEN")
	for _, check := range trial.Checks {
		if check.Now != check.Then {
			checks.row(check.Check, check.Now, check.Then)
		}
	}
	examples := newTable("FOR EXAMPLE", "NAME", "FROM", "TO", "BY THE RULE")
	for _, e := range trial.Examples[:min(len(trial.Examples), 10)] {
		examples.row(e.DeviceID, e.Name, e.From, e.To, e.Rule)
	}
	for _, t := range []*table{groups, checks, examples} {
		if len(t.lines) < 2 {
			continue // only its head
		}
		err = printLine(env.stdout)
		if err == nil {
			err = t.print(env.stdout)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type policyDiff struct {
	deviceFlags `embed:""`
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
	var document []byte
	if c.File != "" {
		var err error
		document, _, err = readPolicy(c.File)
		if err != nil {
			return err
		}
	}
	return env.administer(c.deviceFlags, func(api *administration) error {
		p, err := api.policy(c.Policy)
		if err != nil {
			return err
		}
		list := []adminclient.Difference{}
		if document != nil {
			list, err = api.ComparePolicy(env.ctx, p.ID, document)
			if err != nil {
				return err
			}
			return printChanges(env, list, c.JSON)
		}
		for d, err := range api.PolicyDiff(env.ctx, p.ID, *c.Version, p.Version) {
			if err != nil {
				return err
			}
			list = append(list, d)
		}
		return printChanges(env, list, c.JSON)
	})
}

func printChanges(env *environment, changes []adminclient.Difference, asJSON bool) error {
	if asJSON {
		return printJSON(env.stdout, changes)
	}
	if len(changes) == 0 {
		return printLine(env.stdout, "no difference")
	}
	for i := range changes {
		err := printLine(env.stdout, printable(changes[i].Text))
		if err != nil {
			return err
		}
	}
	return nil
}
