package app

import (
	"strconv"
	"strings"
	"time"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/policies"
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
	Groups     []string         `json:"groups"` // names of those that have it
}

// versionView is one version as the command line prints it. The names of its members stay.
type versionView struct {
	ID       posture.PolicyID `json:"policy_id"`
	Version  int64            `json:"version"`
	At       time.Time        `json:"at,omitzero"`
	Author   string           `json:"author"`
	Note     string           `json:"note"`
	Document string           `json:"document,omitempty"`
}

func viewVersion(v *policies.Version) versionView {
	return versionView{ID: v.ID, Version: v.Version, At: v.At, Author: v.Author, Note: v.Note, Document: v.Document}
}

type policyList struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
}

// Run lists the policies.
func (c *policyList) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		views, err := s.viewPolicies(env, a.ID)
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

func (s *services) viewPolicies(env *environment, account posture.AccountID) ([]policyView, error) {
	list, err := s.policies.List(env.ctx, account)
	if err != nil {
		return nil, err
	}
	groups, err := s.devices.Groups(env.ctx, account)
	if err != nil {
		return nil, err
	}
	out := make([]policyView, len(list))
	for i := range list {
		p := &list[i]
		out[i] = policyView{ID: p.ID, Name: p.Name, Version: p.Version, CreatedAt: p.CreatedAt, ModifiedAt: p.ModifiedAt, Groups: []string{}}
		for k := range groups {
			if groups[k].Policy == p.ID {
				out[i].Groups = append(out[i].Groups, groups[k].Name)
			}
		}
	}
	return out, nil
}

// policyArg names a policy.
type policyArg struct {
	Policy string `arg:"" help:"Name or id of the policy."`
}

// findPolicy gives the policy with the name, whatever the letter case, or else the id.
func (s *services) findPolicy(env *environment, account posture.AccountID, name string) (policies.Policy, error) {
	p, err := s.policies.Find(env.ctx, account, name)
	if !errs.Is(err, errs.NotFound) {
		return p, err
	}
	id, notNumber := strconv.ParseInt(name, 10, 64)
	if notNumber == nil {
		p, err = s.policies.Get(env.ctx, account, posture.PolicyID(id))
	}
	if errs.Is(err, errs.NotFound) {
		err = errs.New(errs.NotFound, "No policy has the name or id %q", name)
	}
	return p, err
}

type policyShow struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	policyArg   `embed:""`
	Version     *int64 `help:"An earlier version; the current one unless given." placeholder:"N"`
}

// Run prints the policy.
func (c *policyShow) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		p, err := s.findPolicy(env, a.ID, c.Policy)
		if err != nil {
			return err
		}
		ref := p.Ref()
		if c.Version != nil {
			ref.Version = *c.Version
		}
		v, err := s.policies.Version(env.ctx, a.ID, ref)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, viewVersion(&v))
		}
		return printLine(env.stdout, strings.TrimSuffix(v.Document, "\n"))
	})
}

type policyHistory struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	policyArg   `embed:""`
	Limit       int `help:"How many versions, the newest first." default:"20" placeholder:"N"`
}

// Run lists the versions.
func (c *policyHistory) Run(env *environment) error {
	if c.Limit < 1 {
		return errs.InvalidField("limit", "--limit must be at least 1")
	}
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		p, err := s.findPolicy(env, a.ID, c.Policy)
		if err != nil {
			return err
		}
		list, err := s.policies.Versions(env.ctx, a.ID, p.ID, 0, c.Limit)
		if err != nil {
			return err
		}
		views := make([]versionView, len(list))
		t := newTable("VERSION", "AT", "BY", "NOTE")
		for i := range list {
			views[i] = viewVersion(&list[i])
			t.row(list[i].Version, stamp(list[i].At), list[i].Author, list[i].Note)
		}
		if c.JSON {
			return printJSON(env.stdout, views)
		}
		return t.print(env.stdout)
	})
}

// editFlags say how a policy is changed.
type editFlags struct {
	Note   string `help:"What the change is about, for the record." placeholder:"TEXT"`
	Expect *int64 `name:"expect-version" help:"Change nothing unless this version is current." placeholder:"N"`
	Wait   bool   `help:"Return when the devices have been judged anew. Without a server this command judges them itself."`
}

func (f editFlags) edit() policies.Edit {
	return policies.Edit{Actor: byAdministrator, Note: f.Note, Expect: f.Expect}
}

type policyRollback struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	policyArg   `embed:""`
	Version     int64 `arg:"" help:"Version whose text is to hold again; it becomes a new version."`
	editFlags   `embed:""`
}

// Run takes the policy back.
func (c *policyRollback) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		before, err := s.findPolicy(env, a.ID, c.Policy)
		if err != nil {
			return err
		}
		p, err := s.policies.Rollback(env.ctx, a.ID, before.ID, c.Version, c.edit())
		if err != nil {
			return err
		}
		return s.saved(env, &before, &p, c.editFlags, c.JSON)
	})
}

type policyDelete struct {
	accountFlag `embed:""`
	policyArg   `embed:""`
	Expect      *int64 `name:"expect-version" help:"Delete nothing unless this version is current." placeholder:"N"`
}

// Run deletes the policy.
func (c *policyDelete) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		p, err := s.findPolicy(env, a.ID, c.Policy)
		if err != nil {
			return err
		}
		err = s.policies.Delete(env.ctx, a.ID, p.ID, policies.Edit{Actor: byAdministrator, Expect: c.Expect})
		if err != nil {
			return err
		}
		return printLine(env.stdout, "deleted policy", p.ID, p.Name)
	})
}
