package app

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/policy"
	"muster/internal/posture"
)

type groupCommand struct {
	List   groupList   `cmd:"" help:"List the device groups of an account."`
	Add    groupAdd    `cmd:"" help:"Make a device group."`
	Edit   groupEdit   `cmd:"" help:"Change a device group."`
	Delete groupDelete `cmd:"" help:"Delete a device group; its devices go to another."`

	ApplyRules groupApplyRules `cmd:"" help:"Move devices to the groups that want them by rule or domain, without waiting for their next new report."`
}

// byAdministrator is who acts, in the record, when the command line does.
const byAdministrator = "administrator"

// groupView is a group as the command line prints it. The names of its members stay.
type groupView struct {
	ID          posture.GroupID `json:"group_id"`
	Name        string          `json:"name"`
	Domain      string          `json:"domain"`
	Description string          `json:"description"`
	AutoJoin    bool            `json:"auto_join"`
	CreatedAt   time.Time       `json:"created_at"`
	ModifiedAt  time.Time       `json:"modified_at,omitzero"`
	Devices     int64           `json:"devices"`
	// What follows came with policies for each group. RemoveUnseen is in seconds.
	PolicyID     posture.PolicyID `json:"policy_id"`
	JoinRule     string           `json:"join_rule"`
	JoinOrder    int              `json:"join_order"`
	RemoveUnseen int64            `json:"remove_unseen"`
	Revision     int64            `json:"revision"`
}

func viewGroup(g *device.Group) groupView {
	return groupView{
		ID: g.ID, Name: g.Name, Domain: g.Domain, Description: g.Description, AutoJoin: g.AutoJoin,
		CreatedAt: g.CreatedAt, ModifiedAt: g.ModifiedAt, Devices: g.Devices, PolicyID: g.Policy,
		JoinRule: g.JoinRule, JoinOrder: g.JoinOrder, RemoveUnseen: int64(g.RemoveUnseen / time.Second), Revision: g.Revision,
	}
}

type groupList struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
}

// Run lists the groups.
func (c *groupList) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		list, err := s.devices.Groups(env.ctx, a.ID)
		if err != nil {
			return err
		}
		policies, err := s.policies.Names(env.ctx, a.ID)
		if err != nil {
			return err
		}
		views := make([]groupView, len(list))
		t := newTable("GROUP ID", "NAME", "DEVICES", "POLICY", "AUTO-JOIN", "CREATED", "DESCRIPTION")
		for i := range list {
			g := viewGroup(&list[i])
			views[i] = g
			t.row(g.ID, g.Name, g.Devices, policies[g.PolicyID], yesNo(g.AutoJoin), stamp(g.CreatedAt), g.Description)
		}
		if c.JSON {
			return printJSON(env.stdout, views)
		}
		return t.print(env.stdout)
	})
}

// devicesOf writes how many devices there are.
func devicesOf(n int64) string {
	if n == 1 {
		return "1 device"
	}
	return fmt.Sprint(n, " devices")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// groupFlags are what can be said about a group; what is not given stays.
type groupFlags struct {
	Description  *string          `help:"What the group is for." placeholder:"TEXT"`
	Domain       *string          `help:"Directory domain whose machines join by themselves; empty for none." placeholder:"D"`
	AutoJoin     *bool            `help:"Let devices join by naming the group when they register." negatable:""`
	JoinRule     *string          `help:"Expression that says which devices join by themselves, such as 'os.family == \"linux\"'; empty for none." placeholder:"CEL"`
	JoinOrder    *int             `help:"In which order groups are asked for devices, the lowest first." placeholder:"N"`
	RemoveUnseen *policy.Duration `help:"Remove devices that were not heard of for so long, such as 90d or 12h; 0s leaves that to the account." placeholder:"DURATION"`
	Policy       *string          `help:"Policy that its devices are judged by, by name or id." placeholder:"P"`
}

// addPolicy puts the policy that was named into a change.
func (f groupFlags) addPolicy(env *environment, s *services, account posture.AccountID, c *device.GroupChange) error {
	if f.Policy == nil {
		return nil
	}
	p, err := s.policies.Find(env.ctx, account, *f.Policy)
	id, notNumber := strconv.ParseInt(*f.Policy, 10, 64)
	if errs.Is(err, errs.NotFound) && notNumber == nil {
		p, err = s.policies.Get(env.ctx, account, posture.PolicyID(id))
	}
	if errs.Is(err, errs.NotFound) {
		err = errs.New(errs.NotFound, "No policy has the name or id %q", *f.Policy)
	}
	c.Policy = &p.ID
	return err
}

func (f groupFlags) change(name *string) device.GroupChange {
	return device.GroupChange{
		Name: name, Domain: f.Domain, Description: f.Description, AutoJoin: f.AutoJoin, JoinRule: f.JoinRule, JoinOrder: f.JoinOrder,
		RemoveUnseen: (*time.Duration)(f.RemoveUnseen),
	}
}

type groupAdd struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	Name        string `arg:"" help:"Name of the group, 1 to 64 characters."`
	groupFlags  `embed:""`
}

// Run makes the group.
func (c *groupAdd) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		change := c.change(&c.Name)
		err := c.addPolicy(env, s, a.ID, &change)
		if err != nil {
			return err
		}
		g, err := s.devices.CreateGroup(env.ctx, a.ID, change, byAdministrator)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, viewGroup(&g))
		}
		return printLine(env.stdout, "added group", g.ID, g.Name)
	})
}

// groupArg names a group.
type groupArg struct {
	Group string `arg:"" help:"Name or id of the group."`
}

// find gives the group with the name, whatever the letter case, or else the id.
func (c groupArg) find(env *environment, s *services, account posture.AccountID) (device.Group, error) {
	list, err := s.devices.Groups(env.ctx, account)
	if err != nil {
		return device.Group{}, err
	}
	return findGroup(list, c.Group)
}

func findGroup(list []device.Group, name string) (device.Group, error) {
	for i := range list {
		if strings.EqualFold(list[i].Name, strings.TrimSpace(name)) {
			return list[i], nil
		}
	}
	for i := range list {
		if strconv.FormatInt(int64(list[i].ID), 10) == name {
			return list[i], nil
		}
	}
	return device.Group{}, errs.New(errs.NotFound, "No group has the name or id %q", name)
}

type groupEdit struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	groupArg    `embed:""`
	Name        *string `help:"New name." placeholder:"N"`
	groupFlags  `embed:""`
}

// Run changes the group.
func (c *groupEdit) Run(env *environment) error {
	change := c.change(c.Name)
	if change == (device.GroupChange{}) && c.Policy == nil {
		return errs.New(errs.Invalid, "Nothing to change: give --name, --description, --domain, --auto-join, --join-rule, --join-order, --remove-unseen or --policy")
	}
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		g, err := c.find(env, s, a.ID)
		if err != nil {
			return err
		}
		err = c.addPolicy(env, s, a.ID, &change)
		if err != nil {
			return err
		}
		devices := g.Devices
		g, err = s.devices.UpdateGroup(env.ctx, a.ID, g.ID, change, byAdministrator)
		if err != nil {
			return err
		}
		if c.JSON {
			g.Devices = devices
			return printJSON(env.stdout, viewGroup(&g))
		}
		return printLine(env.stdout, "changed group", g.ID, g.Name)
	})
}

type groupDelete struct {
	accountFlag `embed:""`
	groupArg    `embed:""`
	MoveTo      string `help:"Name or id of the group to move its devices to; without it, a group that has devices stays." placeholder:"GROUP"`
}

// Run deletes the group.
func (c *groupDelete) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		g, err := c.find(env, s, a.ID)
		if err != nil {
			return err
		}
		if c.MoveTo == "" {
			err = s.devices.DeleteGroup(env.ctx, a.ID, g.ID, nil, byAdministrator)
			if err != nil {
				return err
			}
			return printLine(env.stdout, "deleted group", g.ID, g.Name)
		}
		into, err := groupArg{c.MoveTo}.find(env, s, a.ID)
		if err != nil {
			return err
		}
		moved, err := s.devices.DissolveGroup(env.ctx, a.ID, g.ID, into.ID, nil, byAdministrator)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "deleted group", g.ID, g.Name+"; moved", devicesOf(int64(moved)), "to", into.Name)
	})
}
