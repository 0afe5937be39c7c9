package device

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
	"muster/internal/run"
)

// Group is a part of an account's devices.
type Group struct {
	ID          posture.GroupID
	Name        string
	Domain      string // the directory domain it is kept in step with; "" for none
	Description string
	AutoJoin    bool // devices may join by naming it when they register
	// Policy is what its devices are judged by.
	Policy posture.PolicyID
	// JoinRule is an expression that says which devices join by themselves; "" for none. JoinOrder is in which order groups
	// are asked, the lowest first.
	JoinRule  string
	JoinOrder int
	// RemoveUnseen is after how long without contact its devices are removed; zero leaves that to the account.
	RemoveUnseen time.Duration
	// Revision counts the changes of the group, from 1.
	Revision   int64
	CreatedAt  time.Time
	ModifiedAt time.Time // zero for never
	Devices    int64     // live devices in it
}

// The bounds of groups. Names, domains and descriptions are counted in characters.
const (
	// MaxGroups is how many groups an account may have: its counts are kept in a row for each of them.
	MaxGroups           = 1000
	maxGroupName        = 64
	maxGroupDomain      = 253
	maxGroupDescription = 1024
)

// The bounds of Group.RemoveUnseen, those that an account's own times have: every device is looked at once in that time.
const (
	minRemoveUnseen = time.Hour
	maxRemoveUnseen = 10 * 366 * 24 * time.Hour
)

// maxJoinRule bounds the length of an expression, in characters.
const maxJoinRule = 4096

func errNoGroup() error { return errs.New(errs.NotFound, "Group not found") }

// Groups reads groups without a transaction.
type Groups interface {
	// Groups gives the groups of an account with the counts of their live devices, in the order of their ids.
	Groups(ctx context.Context, account posture.AccountID) ([]Group, error)
	// Joinable gives the groups that have a joining rule or a domain: id, rule, order and domain of each.
	Joinable(ctx context.Context, account posture.AccountID) ([]Group, error)
	// GroupNames gives the names of all groups, for reading only: others may have been given the same map.
	GroupNames(ctx context.Context, account posture.AccountID) (map[posture.GroupID]string, error)
}

// GroupTx is the part of a step that is about groups.
type GroupTx interface {
	// GroupsForUpdate gives the groups of an account, without counts, and lets no other step make, change or delete one
	// meanwhile. NotFound: no such account.
	GroupsForUpdate(ctx context.Context, account posture.AccountID) ([]Group, error)
	// GroupForUpdate gives one group, without counts, and keeps it from being deleted meanwhile. NotFound: none. Groups
	// are locked behind the account and behind devices, in steps that name no device.
	GroupForUpdate(ctx context.Context, account posture.AccountID, id posture.GroupID) (Group, error)
	// InsertGroup stores a new group and gives it an id that no group of the account ever had.
	InsertGroup(ctx context.Context, account posture.AccountID, g *Group) error
	// UpdateGroup stores a group that was read in the same step.
	UpdateGroup(ctx context.Context, account posture.AccountID, g *Group) error
	// HasPolicy reports whether the account has a policy that is not deleted, and keeps it from being deleted meanwhile.
	HasPolicy(ctx context.Context, account posture.AccountID, id posture.PolicyID) (bool, error)
	// InsertRun stores work over many devices that is to begin, and ends what waits or goes on about the same devices.
	InsertRun(ctx context.Context, r *run.Run) error
	// DeleteGroup removes a group that has no live devices; registration codes that led to it lead to the heir, or nowhere
	// where that is 0. Conflict: it has some.
	DeleteGroup(ctx context.Context, account posture.AccountID, id, heir posture.GroupID) error
	// UseCode counts a use of a registration code, and gives the group that it leads to, 0 for none. NotFound: there is no
	// such code, or it is revoked, expired at this time, or used up.
	UseCode(ctx context.Context, account posture.AccountID, id string, at time.Time) (posture.GroupID, error)
}

// Groups gives the groups of an account with the counts of their live devices, in the order of their ids.
func (s *Service) Groups(ctx context.Context, account posture.AccountID) ([]Group, error) {
	return s.store.Groups(ctx, account)
}

// GroupNames gives the names of all groups of an account, for reading only.
func (s *Service) GroupNames(ctx context.Context, account posture.AccountID) (map[posture.GroupID]string, error) {
	return s.store.GroupNames(ctx, account)
}

// GroupChange is what is to be about a group; what is nil stays, or is empty in a new group.
type GroupChange struct {
	Name        *string
	Domain      *string
	Description *string
	AutoJoin    *bool

	Policy       *posture.PolicyID
	JoinRule     *string
	JoinOrder    *int
	RemoveUnseen *time.Duration
	// Expect is the revision that the caller knows of; nil changes whichever is there.
	Expect *int64
}

// CreateGroup makes a group. Invalid: something about it cannot be accepted. Conflict: the name is taken, whatever the
// letter case, or the account has MaxGroups.
func (s *Service) CreateGroup(ctx context.Context, account posture.AccountID, c GroupChange, actor string) (Group, error) {
	var g Group
	err := s.checkJoinRule(c)
	if err != nil {
		return g, err
	}
	err = s.changeGroups(ctx, account, actor, func(tx Tx, all []Group, at time.Time) (string, error) {
		g = Group{CreatedAt: at, Policy: posture.DefaultPolicy, Revision: 1}
		err := c.apply(&g, all)
		if err != nil {
			return "", err
		}
		err = checkPolicy(ctx, tx, account, g.Policy)
		if err != nil {
			return "", err
		}
		if len(all) >= MaxGroups {
			return "", errs.New(errs.Conflict, "An account can have at most %d groups", MaxGroups)
		}
		return "group created: " + g.Name, tx.InsertGroup(ctx, account, &g)
	})
	return g, err
}

// UpdateGroup changes a group; where it gets another policy, its devices are judged anew. NotFound: there is none. Stale:
// it is not as the caller expects. Invalid and Conflict: as for CreateGroup.
func (s *Service) UpdateGroup(ctx context.Context, account posture.AccountID, id posture.GroupID, c GroupChange, actor string) (Group, error) {
	var g Group
	judge := false
	err := s.checkJoinRule(c)
	if err != nil {
		return g, err
	}
	err = s.changeGroups(ctx, account, actor, func(tx Tx, all []Group, at time.Time) (string, error) {
		i := slices.IndexFunc(all, func(x Group) bool { return x.ID == id })
		if i < 0 {
			return "", errNoGroup()
		}
		g = all[i]
		err := checkRevision(g.Revision, c.Expect)
		if err != nil {
			return "", err
		}
		err = c.apply(&g, all)
		if err != nil {
			return "", err
		}
		g.ModifiedAt = at
		g.Revision++
		judge = g.Policy != all[i].Policy || g.Name != all[i].Name
		if judge {
			err = s.judgeGroup(ctx, tx, account, &all[i], &g, actor, at)
			if err != nil {
				return "", err
			}
		}
		return "group changed: " + g.Name, tx.UpdateGroup(ctx, account, &g)
	})
	if err == nil && judge {
		s.wake()
	}
	return g, err
}

// checkRevision refuses a change by somebody who does not know of the latest.
func checkRevision(revision int64, expected *int64) error {
	if expected != nil && *expected != revision {
		return errs.New(errs.Stale, "It has been changed meanwhile: this is revision %d, not %d", revision, *expected)
	}
	return nil
}

// judgeGroup has the devices of a group judged by the policy that it has now, or under the name that it has now, which
// policies may ask for.
func (s *Service) judgeGroup(ctx context.Context, tx Tx, account posture.AccountID, old, g *Group, actor string, at time.Time) error {
	err := checkPolicy(ctx, tx, account, g.Policy)
	if err != nil {
		return err
	}
	return tx.InsertRun(ctx, &run.Run{
		Account: account, ID: posture.NewID(at, s.random), Kind: run.Reevaluate, Actor: actor, CreatedAt: at,
		Params: run.Params{Group: g.ID, Anew: g.Name != old.Name},
	})
}

func checkPolicy(ctx context.Context, tx Tx, account posture.AccountID, id posture.PolicyID) error {
	ok, err := tx.HasPolicy(ctx, account, id)
	if err == nil && !ok {
		err = errs.InvalidField("policy", "There is no policy %d", id)
	}
	return err
}

// DeleteGroup deletes a group without devices. NotFound: there is none. Stale: it is not as the caller expects; nil expects
// nothing. Conflict: it has devices, or is the default one.
func (s *Service) DeleteGroup(ctx context.Context, account posture.AccountID, id posture.GroupID, expect *int64, actor string) error {
	_, err := s.deleteGroup(ctx, account, id, groupRemoval{expect: expect, actor: actor})
	return err
}

// changeGroups makes a step that changes the groups of an account, one such step at a time, and records what it did.
func (s *Service) changeGroups(ctx context.Context, account posture.AccountID, actor string, do func(tx Tx, all []Group, at time.Time) (string, error)) error {
	at := s.clock()
	defer s.joins.forget(account) // even a change that failed may have been made
	return s.store.Change(ctx, Change{Do: func(tx Tx) error {
		all, err := tx.GroupsForUpdate(ctx, account)
		if err != nil {
			return err
		}
		what, err := do(tx, all, at)
		if err != nil {
			return err
		}
		return tx.Record(ctx, event.Event{
			Account: account, ID: posture.NewID(at, s.random), At: at, Kind: event.Configured, Actor: actor, Detail: what,
		})
	}})
}

// apply changes a group, one of all or a new one, and checks what comes of it.
func (c GroupChange) apply(g *Group, all []Group) error {
	for _, text := range []struct{ to, from *string }{
		{&g.Name, c.Name}, {&g.Domain, c.Domain}, {&g.Description, c.Description}, {&g.JoinRule, c.JoinRule},
	} {
		if text.from != nil {
			*text.to = strings.TrimSpace(*text.from)
		}
	}
	set(&g.AutoJoin, c.AutoJoin)
	set(&g.Policy, c.Policy)
	set(&g.JoinOrder, c.JoinOrder)
	set(&g.RemoveUnseen, c.RemoveUnseen)
	if g.RemoveUnseen != 0 && (g.RemoveUnseen < minRemoveUnseen || g.RemoveUnseen > maxRemoveUnseen) {
		return errs.InvalidField("remove_unseen", "remove_unseen must be from %d hour to %d days, or 0 to leave that to the account",
			minRemoveUnseen/time.Hour, maxRemoveUnseen/(24*time.Hour))
	}
	for _, text := range []struct {
		field, value string
		least, most  int
	}{{"name", g.Name, 1, maxGroupName}, {"domain", g.Domain, 0, maxGroupDomain}, {"description", g.Description, 0, maxGroupDescription}, {"join_rule", g.JoinRule, 0, maxJoinRule}} {
		n := utf8.RuneCountInString(text.value)
		if n < text.least || n > text.most || !utf8.ValidString(text.value) || hasControl(text.value) {
			return errs.InvalidField(text.field, "%s must have %d to %d characters, none of them a control character", text.field, text.least, text.most)
		}
	}
	for i := range all {
		if all[i].ID != g.ID && strings.EqualFold(all[i].Name, g.Name) {
			return errs.New(errs.Conflict, "There is a group %q already", all[i].Name)
		}
	}
	return nil
}

// set changes a value, where there is another for it.
func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
