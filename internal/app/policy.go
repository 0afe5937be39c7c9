package app

import (
	"strings"
	"time"

	adminclient "muster/client/admin"
	"muster/internal/errs"
	"muster/internal/policy"
	"muster/internal/posture"
)

type policyCommand struct {
	List     policyList     `cmd:"" help:"List the policies of an account."`
	Show     policyShow     `cmd:"" help:"Print a policy as YAML."`
	History  policyHistory  `cmd:"" help:"List the versions of a policy: who changed it, when and why."`
	Diff     policyDiff     `cmd:"" help:"Say how a policy differs from a file, or from an earlier version."`
	Test     policyTest     `cmd:"" help:"Say what a policy in a file would do to the fleet, without saving it."`
	Apply    policyApply    `cmd:"" help:"Save a policy from a file, and have its devices judged anew."`
	Rollback policyRollback `cmd:"" help:"Make an earlier version of a policy the current one again."`
	Delete   policyDelete   `cmd:"" help:"Delete a policy that no group has."`
}

// policyView is a policy as the command line prints it. The names of its members stay.
type policyView struct {
	ID         posture.PolicyID `json:"policy_id"`
	Name       string           `json:"name"`
	Version    int64            `json:"version"`
	CreatedAt  time.Time        `json:"created_at,omitzero"`
	ModifiedAt time.Time        `json:"modified_at,omitzero"`
	Groups     []string         `json:"groups,omitzero"` // names of those that have it; in lists
}

func viewPolicy(p *adminclient.Policy) policyView {
	return policyView{ID: number[posture.PolicyID](p.ID), Name: p.Name, Version: p.Version, CreatedAt: p.CreatedAt, ModifiedAt: p.ModifiedAt}
}

// versionView is one version as the command line prints it. The names of its members stay.
type versionView struct {
	ID       posture.PolicyID `json:"policy_id"`
	Version  int64            `json:"version"`
	At       time.Time        `json:"at,omitzero"`
	Author   string           `json:"author"`
	Note     string           `json:"note"`
	Document string           `json:"document,omitempty"` // YAML
}

type policyList struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
}

// Run lists the policies.
func (c *policyList) Run(env *environment) error {
	return env.administer(c.deviceFlags, func(api *administration) error {
		views, err := api.listPolicies()
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, views)
		}
		t := newTable("POLICY ID", "NAME", "VERSION", "CHANGED", "GROUPS")
		for i := range views {
			p := &views[i]
			t.row(p.ID, p.Name, p.Version, stamp(p.ModifiedAt), strings.Join(p.Groups, ", "))
		}
		return t.print(env.stdout)
	})
}

// listPolicies gives all policies, with the groups that have them.
func (a *administration) listPolicies() ([]policyView, error) {
	having := make(map[string][]string)
	for g, err := range a.Groups(a.ctx) {
		if err != nil {
			return nil, err
		}
		having[g.Policy] = append(having[g.Policy], g.Name)
	}
	out := []policyView{}
	for p, err := range a.Policies(a.ctx) {
		if err != nil {
			return nil, err
		}
		v := viewPolicy(&p)
		v.Groups = append([]string{}, having[p.ID]...)
		out = append(out, v)
	}
	return out, nil
}

// policyArg names a policy.
type policyArg struct {
	Policy string `arg:"" help:"Name or id of the policy."`
}

type policyShow struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	policyArg   `embed:""`
	Version     *int64 `help:"An earlier version; the current one unless given." placeholder:"N"`
}

// Run prints the policy.
func (c *policyShow) Run(env *environment) error {
	return env.administer(c.deviceFlags, func(api *administration) error {
		found, err := api.policy(c.Policy)
		if err != nil {
			return err
		}
		version := found.Version
		if c.Version != nil {
			version = *c.Version
		}
		p, err := api.PolicyVersion(env.ctx, found.ID, version)
		if err != nil {
			return err
		}
		read, err := policy.Parse(p.Document)
		if err != nil {
			return err
		}
		text, err := read.YAML()
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, versionView{
				ID: number[posture.PolicyID](found.ID), Version: version, At: p.ModifiedAt, Author: p.Author, Note: p.Note, Document: string(text),
			})
		}
		return printLine(env.stdout, strings.TrimSuffix(string(text), "\n"))
	})
}

type policyHistory struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	policyArg   `embed:""`
	Limit       int `help:"How many versions, the newest first." default:"20" placeholder:"N"`
}

// Run lists the versions.
func (c *policyHistory) Run(env *environment) error {
	if c.Limit < 1 {
		return errs.InvalidField("limit", "--limit must be at least 1")
	}
	return env.administer(c.deviceFlags, func(api *administration) error {
		p, err := api.policy(c.Policy)
		if err != nil {
			return err
		}
		views := []versionView{}
		t := newTable("VERSION", "AT", "BY", "NOTE")
		for v, err := range api.PolicyVersions(env.ctx, p.ID) {
			if err != nil {
				return err
			}
			views = append(views, versionView{ID: number[posture.PolicyID](p.ID), Version: v.Version, At: v.At, Author: v.Author, Note: v.Note})
			t.row(v.Version, stamp(v.At), v.Author, v.Note)
			if len(views) == c.Limit {
				break
			}
		}
		if c.JSON {
			return printJSON(env.stdout, views)
		}
		return t.print(env.stdout)
	})
}

// expectFlag says which version a change is of.
type expectFlag struct {
	Expect *int64 `name:"expect-version" help:"Change nothing unless this version is current." placeholder:"N"`
}

// check refuses a change by somebody who does not know of the latest.
func (f expectFlag) check(p *adminclient.Policy) error {
	if f.Expect != nil && *f.Expect != p.Version {
		return errs.New(errs.Stale, "The policy has been changed meanwhile: version %d is current, not %d", p.Version, *f.Expect)
	}
	return nil
}

// editFlags say how a policy is changed.
type editFlags struct {
	expectFlag `embed:""`
	Note       string `help:"What the change is about, for the record." placeholder:"TEXT"`
	Wait       bool   `help:"Return when the devices have been judged anew. On a database without a server this command judges them itself."`
}

type policyRollback struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	policyArg   `embed:""`
	Version     int64 `arg:"" help:"Version whose text is to hold again; it becomes a new version."`
	editFlags   `embed:""`
}

// Run takes the policy back.
func (c *policyRollback) Run(env *environment) error {
	return env.administer(c.deviceFlags, func(api *administration) error {
		before, err := api.policy(c.Policy)
		if err != nil {
			return err
		}
		err = c.check(&before)
		if err != nil {
			return err
		}
		p, err := api.RollbackPolicy(env.ctx, before.ID, before.Tag, c.Version, c.Note)
		if err != nil {
			return err
		}
		return saved(env, api, &before, &p, c.editFlags, c.JSON)
	})
}

type policyDelete struct {
	deviceFlags `embed:""`
	policyArg   `embed:""`
	expectFlag  `embed:""`
}

// Run deletes the policy.
func (c *policyDelete) Run(env *environment) error {
	return env.administer(c.deviceFlags, func(api *administration) error {
		p, err := api.policy(c.Policy)
		if err != nil {
			return err
		}
		err = c.check(&p)
		if err != nil {
			return err
		}
		err = api.DeletePolicy(env.ctx, p.ID, p.Tag)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "deleted policy", p.ID, printable(p.Name))
	})
}
