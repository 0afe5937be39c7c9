package admin

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/policy"
	"muster/internal/posture"
)

// group is a part of the account's devices.
type group struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Description  string          `json:"description"`
	Domain       string          `json:"domain"`
	AutoJoin     bool            `json:"auto_join"`
	Policy       string          `json:"policy"`
	JoinRule     string          `json:"join_rule"`
	JoinOrder    int             `json:"join_order"`
	RemoveUnseen policy.Duration `json:"remove_unseen"`
	Devices      int64           `json:"devices"`
	Revision     int64           `json:"revision"`
	CreatedAt    time.Time       `json:"created_at"`
	ModifiedAt   time.Time       `json:"modified_at,omitzero"`
}

// groupChange is what POST and PATCH take.
type groupChange struct {
	Name         *string          `json:"name"`
	Description  *string          `json:"description"`
	Domain       *string          `json:"domain"`
	AutoJoin     *bool            `json:"auto_join"`
	Policy       *string          `json:"policy"`
	JoinRule     *string          `json:"join_rule"`
	JoinOrder    *int             `json:"join_order"`
	RemoveUnseen *policy.Duration `json:"remove_unseen"`
}

func renderGroup(g *device.Group) group {
	return group{
		ID: number(g.ID), Name: g.Name, Description: g.Description, Domain: g.Domain, AutoJoin: g.AutoJoin, Policy: number(g.Policy),
		JoinRule: g.JoinRule, JoinOrder: g.JoinOrder, RemoveUnseen: policy.Duration(g.RemoveUnseen), Devices: g.Devices,
		Revision: g.Revision, CreatedAt: g.CreatedAt, ModifiedAt: g.ModifiedAt,
	}
}

// number writes an id that is one.
func number[T ~int64](id T) string { return strconv.FormatInt(int64(id), 10) }

// padded writes a number so that texts compare as numbers do.
func padded(n int64) string { return fmt.Sprintf("%020d", n) }

// tag writes a revision.
func tag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// change gives what the domain is to do.
func (in *groupChange) change(expect *int64) (device.GroupChange, error) {
	out := device.GroupChange{
		Name: in.Name, Description: in.Description, Domain: in.Domain, AutoJoin: in.AutoJoin, JoinRule: in.JoinRule,
		JoinOrder: in.JoinOrder, RemoveUnseen: (*time.Duration)(in.RemoveUnseen), Expect: expect,
	}
	if in.Policy == nil {
		return out, nil
	}
	id, ok := wholeNumber(*in.Policy)
	if !ok {
		return out, errs.InvalidField("policy", "There is no policy %q", *in.Policy)
	}
	out.Policy = (*posture.PolicyID)(&id)
	return out, nil
}

func (d *door) listGroups(c *call) error {
	w := c.window()
	err := c.query.err()
	if err != nil {
		return err
	}
	all, err := d.Devices.Groups(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	some, next := part(all, w, func(g *device.Group) string { return padded(int64(g.ID)) })
	return answerList(c, rendered(some, renderGroup), next)
}

// groupID gives the group that the path names, whether there is one or not.
func (c *call) groupID() (posture.GroupID, error) {
	id, ok := wholeNumber(c.id())
	if !ok || id < 1 {
		return 0, errs.New(errs.NotFound, "Group not found")
	}
	return posture.GroupID(id), nil
}

func (d *door) showGroup(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	id, err := c.groupID()
	if err != nil {
		return err
	}
	return d.answerGroup(c, id)
}

// answerGroup reads a group with its count of devices.
func (d *door) answerGroup(c *call, id posture.GroupID) error {
	all, err := d.Devices.Groups(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(g device.Group) bool { return g.ID == id })
	if i < 0 {
		return errs.New(errs.NotFound, "Group not found")
	}
	return c.answerTagged(tag(all[i].Revision), renderGroup(&all[i]))
}

func (d *door) createGroup(c *call) error {
	var in groupChange
	err := c.query.err()
	if err == nil {
		err = c.read(&in)
	}
	if err != nil {
		return err
	}
	change, err := in.change(nil)
	if err != nil {
		return err
	}
	g, err := d.Devices.CreateGroup(c.ctx, c.account.ID, change, c.actor)
	if err != nil {
		return err
	}
	return c.created("groups/"+number(g.ID), tag(g.Revision), renderGroup(&g))
}

func (d *door) changeGroup(c *call) error {
	var in groupChange
	id, expect, err := c.groupChanged()
	if err == nil {
		err = c.read(&in)
	}
	if err != nil {
		return err
	}
	change, err := in.change(expect)
	if err != nil {
		return err
	}
	g, err := d.Devices.UpdateGroup(c.ctx, c.account.ID, id, change, c.actor)
	if err != nil {
		return err
	}
	return d.answerGroup(c, g.ID)
}

// groupChanged reads which group is to be changed, and which revision of it.
func (c *call) groupChanged() (posture.GroupID, *int64, error) {
	err := c.query.err()
	if err != nil {
		return 0, nil, err
	}
	id, err := c.groupID()
	if err != nil {
		return 0, nil, err
	}
	expect, err := c.expected()
	return id, expect, err
}

// deleteGroup deletes a group, once its devices are in the group that move_to names. A group that is not there is 404, also
// the second time.
func (d *door) deleteGroup(c *call) error {
	into := c.query.number("move_to", 0, 1, math.MaxInt64)
	id, expect, err := c.groupChanged()
	if err == nil {
		err = c.noBody()
	}
	switch {
	case err != nil:
	case into == 0:
		err = d.Devices.DeleteGroup(c.ctx, c.account.ID, id, expect, c.actor)
	default:
		_, err = d.Devices.DissolveGroup(c.ctx, c.account.ID, id, posture.GroupID(into), expect, c.actor)
	}
	if err != nil {
		return err
	}
	return c.nothing()
}
