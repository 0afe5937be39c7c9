package device

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// Group is a part of an account's devices.
type Group struct {
	ID          posture.GroupID
	Name        string
	Domain      string // the directory domain it is kept in step with; "" for none
	Description string
	AutoJoin    bool // devices may join by naming it when they register
	CreatedAt   time.Time
	ModifiedAt  time.Time // zero for never
	Devices     int64     // live devices in it
}

// The bounds of groups. Names, domains and descriptions are counted in characters.
const (
	// MaxGroups is how many groups an account may have: its counts are kept in a row for each of them.
	MaxGroups           = 1000
	maxGroupName        = 64
	maxGroupDomain      = 253
	maxGroupDescription = 1024
)

func errNoGroup() error { return errs.New(errs.NotFound, "Group not found") }

// Groups reads groups without a transaction.
type Groups interface {
	// Groups gives the groups of an account with the counts of their live devices, in the order of their ids.
	Groups(ctx context.Context, account posture.AccountID) ([]Group, error)
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
	// DeleteGroup removes a group that has no live devices. Conflict: it has.
	DeleteGroup(ctx context.Context, account posture.AccountID, id posture.GroupID) error
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
}

// CreateGroup makes a group. Invalid: something about it cannot be accepted. Conflict: the name is taken, whatever the
// letter case, or the account has MaxGroups.
func (s *Service) CreateGroup(ctx context.Context, account posture.AccountID, c GroupChange, actor string) (Group, error) {
	var g Group
	err := s.changeGroups(ctx, account, actor, func(tx Tx, all []Group, at time.Time) (string, error) {
		g = Group{CreatedAt: at}
		err := c.apply(&g, all)
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

// UpdateGroup changes a group. NotFound: there is none. Invalid and Conflict: as for CreateGroup.
func (s *Service) UpdateGroup(ctx context.Context, account posture.AccountID, id posture.GroupID, c GroupChange, actor string) (Group, error) {
	var g Group
	err := s.changeGroups(ctx, account, actor, func(tx Tx, all []Group, at time.Time) (string, error) {
		i := slices.IndexFunc(all, func(x Group) bool { return x.ID == id })
		if i < 0 {
			return "", errNoGroup()
		}
		g = all[i]
		err := c.apply(&g, all)
		if err != nil {
			return "", err
		}
		g.ModifiedAt = at
		return "group changed: " + g.Name, tx.UpdateGroup(ctx, account, &g)
	})
	return g, err
}

// DeleteGroup deletes a group without devices. NotFound: there is none. Conflict: it has devices, or is the default one.
func (s *Service) DeleteGroup(ctx context.Context, account posture.AccountID, id posture.GroupID, actor string) error {
	return s.changeGroups(ctx, account, actor, func(tx Tx, all []Group, _ time.Time) (string, error) {
		i := slices.IndexFunc(all, func(x Group) bool { return x.ID == id })
		if i < 0 {
			return "", errNoGroup()
		}
		if id == posture.DefaultGroup {
			return "", errs.New(errs.Conflict, "The default group cannot be deleted")
		}
		_, err := tx.GroupForUpdate(ctx, account, id)
		if err != nil {
			return "", err
		}
		return "group deleted: " + all[i].Name, tx.DeleteGroup(ctx, account, id)
	})
}

// changeGroups makes a step that changes the groups of an account, one such step at a time, and records what it did.
func (s *Service) changeGroups(ctx context.Context, account posture.AccountID, actor string, do func(tx Tx, all []Group, at time.Time) (string, error)) error {
	at := s.clock()
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
	for _, text := range []struct{ to, from *string }{{&g.Name, c.Name}, {&g.Domain, c.Domain}, {&g.Description, c.Description}} {
		if text.from != nil {
			*text.to = strings.TrimSpace(*text.from)
		}
	}
	if c.AutoJoin != nil {
		g.AutoJoin = *c.AutoJoin
	}
	for _, text := range []struct {
		field, value string
		least, most  int
	}{{"name", g.Name, 1, maxGroupName}, {"domain", g.Domain, 0, maxGroupDomain}, {"description", g.Description, 0, maxGroupDescription}} {
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

// groupFor gives the group in which a device enrols that is new or was gone: the one that its agent names, where devices
// may join it; else the one it was in, where that still is; else the default one.
func groupFor(ctx context.Context, tx Tx, account posture.AccountID, named string, was posture.GroupID) (posture.GroupID, error) {
	id, err := strconv.ParseInt(named, 10, 64)
	if err == nil {
		g, err := tx.GroupForUpdate(ctx, account, posture.GroupID(id))
		if err == nil && g.AutoJoin {
			return g.ID, nil
		}
		if err != nil && !errs.Is(err, errs.NotFound) {
			return 0, err
		}
	}
	if was == 0 || was == posture.DefaultGroup {
		return posture.DefaultGroup, nil
	}
	_, err = tx.GroupForUpdate(ctx, account, was)
	if errs.Is(err, errs.NotFound) {
		return posture.DefaultGroup, nil
	}
	return was, err
}
