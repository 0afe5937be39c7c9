package device

import (
	"context"
	"slices"
	"strings"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/run"
)

// relocation is how a device comes to another group.
type relocation struct {
	group posture.GroupID
	// pin says that somebody chose the group for this device, and not a rule: those leave alone what was chosen.
	pin bool
	note
}

// assignGroup moves a device to a group of its account, and judges it by that group's policy. It stays there until
// somebody chooses another.
func (s *Service) assignGroup(ctx context.Context, ref Ref, r *ActionRequest) (string, error) {
	_, err := s.relocate(ctx, ref, relocation{group: r.Group, pin: true, note: note{at: s.clock(), kind: event.Moved, actor: r.Actor}})
	if err != nil {
		return "", err
	}
	return "", s.judgeMoved(ctx, ref)
}

// Unpin lets rules and domains decide the group of a device again, from its next new report on. Of one that nobody chose a
// group for there is nothing to undo. NotFound: no such live device.
func (s *Service) Unpin(ctx context.Context, account posture.AccountID, id string) error {
	return s.changeLive(ctx, Ref{Account: account, ID: id}, func(tx Tx, old, d *Device) error {
		if !d.Pinned {
			return nil
		}
		d.Pinned = false
		return tx.Update(ctx, old, d)
	})
}

// relocate moves a device, and says whether it did. The group is locked, so that it cannot be deleted meanwhile; for
// that the step names no device, since groups are locked in no order. NotFound: no such live device, or no such group.
func (s *Service) relocate(ctx context.Context, ref Ref, r relocation) (moved bool, err error) {
	err = s.store.Change(ctx, Change{Do: func(tx Tx) error {
		moved = false
		old, err := tx.DeviceForUpdate(ctx, ref.Account, ref.ID)
		if err != nil {
			return err
		}
		if old.Lifecycle != Live {
			return errNoDevice()
		}
		group, err := tx.GroupForUpdate(ctx, ref.Account, r.group)
		if err != nil || old.Pinned && !r.pin {
			return err
		}
		moved, err = s.place(ctx, tx, &old, &group, r)
		return err
	}})
	return moved, err
}

// place puts a device that a step has read into a group, and says whether it was in another. Until it is judged by that
// group's policy it is due.
func (s *Service) place(ctx context.Context, tx Tx, old *Device, group *Group, r relocation) (moved bool, err error) {
	d := *old
	d.Cell.Group, d.Pinned = group.ID, old.Pinned || r.pin
	if old.Cell.Group == group.ID {
		if old.Pinned == d.Pinned {
			return false, nil
		}
		return false, tx.Update(ctx, old, &d)
	}
	d.outdate(r.at)
	if r.detail != "" {
		r.detail = group.Name + ", " + r.detail
	} else {
		r.detail = group.Name
	}
	return true, s.saveAndRecord(ctx, tx, old, &d, r.note)
}

// outdate makes a device due that was judged by what no longer holds.
func (d *Device) outdate(at time.Time) {
	if d.Managed && d.Monitored() && len(d.Digest) > 0 {
		d.VerdictChange = earlier(d.VerdictChange, at)
		d.arm()
	}
}

// outdate is that of a live device, in a step that has changed by what it is judged.
func outdate(ctx context.Context, tx Tx, ref Ref, at time.Time) error {
	old, err := tx.DeviceForUpdate(ctx, ref.Account, ref.ID)
	if err != nil {
		return err
	}
	d := old
	d.outdate(at)
	return tx.Update(ctx, &old, &d)
}

// judgeMoved judges a device by the policy of the group that it has come to. What cannot be judged now stays due.
func (s *Service) judgeMoved(ctx context.Context, ref Ref) error {
	stored, err := s.store.Stored(ctx, ref.Account, ref.ID)
	if err != nil {
		return unlessGone(err) // one without an agent has no verdict either
	}
	if len(stored.Digest) == 0 || !stored.Monitored() || stored.Judge == s.judge.Version(stored.Policy, stored.Cell.Group) {
		return nil
	}
	err = s.judgeAgain(ctx, ref)
	if err != nil && ctx.Err() == nil {
		s.log.Error("a device that was moved cannot be judged now; it is tried again", "device", ref.ID, "error", err)
		return nil
	}
	return err
}

// moveChunk is how many devices are moved in one step: reports wait for each step, not for the whole group.
const moveChunk = 50

// DissolveGroup moves the devices of a group to another one and deletes it; codes that lead to it lead there. It says how many it moved. If it
// breaks off, those that were moved stay so, and doing it again does the rest. They are judged by their new policy soon after. NotFound: there is none of the two groups. Stale: the group is not as the
// caller expects. Invalid: they are the same. Conflict: it is the default one.
func (s *Service) DissolveGroup(ctx context.Context, account posture.AccountID, id, into posture.GroupID, expect *int64, actor string) (int, error) {
	if id == into {
		return 0, errs.InvalidField("move_to", "The devices of a group cannot be moved to the group itself")
	}
	total := 0
	for {
		full, err := s.deleteGroup(ctx, account, id, groupRemoval{into, expect, actor, total > 0})
		if !full {
			if err == nil && total > 0 {
				s.wake()
			}
			return total, err
		}
		moved, err := s.moveSome(ctx, account, id, into, actor)
		total += moved
		if err != nil {
			return total, err
		}
	}
}

// moveSome moves a few devices from one group to another. Whether they are pinned stays as it was: nobody chose the group
// for one of them.
func (s *Service) moveSome(ctx context.Context, account posture.AccountID, from, into posture.GroupID, actor string) (moved int, err error) {
	list, _, err := s.store.Select(ctx, account, Query{Filter: Filter{Groups: []posture.GroupID{from}}, Window: page.Window{Limit: moveChunk}})
	if err != nil {
		return 0, err
	}
	slices.SortFunc(list, func(a, b Device) int { return strings.Compare(a.ID, b.ID) })
	n := note{at: s.clock(), kind: event.Moved, actor: actor}
	err = s.store.Change(ctx, Change{Do: func(tx Tx) error {
		moved = 0
		var here []Device
		for i := range list {
			d, err := tx.DeviceForUpdate(ctx, account, list[i].ID)
			if err != nil {
				return err
			}
			if d.Lifecycle == Live && d.Cell.Group == from {
				here = append(here, d)
			}
		}
		group, err := tx.GroupForUpdate(ctx, account, into)
		if err != nil {
			return err
		}
		for i := range here {
			_, err = s.place(ctx, tx, &here[i], &group, relocation{note: n})
			if err != nil {
				return err
			}
			moved++
		}
		return nil
	}})
	return moved, err
}

// groupRemoval is how a group goes.
type groupRemoval struct {
	into   posture.GroupID // where its devices and codes go; 0 where it is to have none
	expect *int64
	actor  string
	// judge says that devices were moved, which are to be judged.
	judge bool
}

// deleteGroup deletes a group if it has no devices. full: it has, and the error says so.
func (s *Service) deleteGroup(ctx context.Context, account posture.AccountID, id posture.GroupID, r groupRemoval) (full bool, err error) {
	err = s.changeGroups(ctx, account, r.actor, func(tx Tx, all []Group, at time.Time) (string, error) {
		full = false
		g, err := removable(all, id, r)
		if err != nil {
			return "", err
		}
		_, err = tx.GroupForUpdate(ctx, account, id)
		if err != nil {
			return "", err
		}
		err = tx.DeleteGroup(ctx, account, id, r.into)
		full = errs.Is(err, errs.Conflict)
		if err == nil && r.judge {
			err = tx.InsertRun(ctx, &run.Run{
				Account: account, ID: posture.NewID(at, s.random), Kind: run.Reevaluate, Params: run.Params{Group: r.into}, Actor: r.actor, CreatedAt: at,
			})
		}
		return "group deleted: " + g.Name, err
	})
	return full, err
}

// removable gives the group among all that is to go.
func removable(all []Group, id posture.GroupID, r groupRemoval) (Group, error) {
	i := slices.IndexFunc(all, func(x Group) bool { return x.ID == id })
	if i < 0 {
		return Group{}, errNoGroup()
	}
	if id == posture.DefaultGroup {
		return Group{}, errs.New(errs.Conflict, "The default group cannot be deleted")
	}
	if r.into != 0 && !slices.ContainsFunc(all, func(x Group) bool { return x.ID == r.into }) {
		return Group{}, errs.New(errs.NotFound, "There is no group %d to move the devices to", r.into)
	}
	return all[i], checkRevision(all[i].Revision, r.expect)
}
