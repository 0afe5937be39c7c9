package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// Removal is after how long devices leave the inventory by themselves; zero is never. Quarantined and ignored devices
// stay: somebody decided about them.
type Removal struct {
	// Unseen is the time without contact of a device with an agent; a group may have another.
	Unseen time.Duration
	// NonCompliant is the time for which the status was non-compliant without a break.
	NonCompliant time.Duration
	// WithoutAgent is the time without contact of a device that has no agent.
	WithoutAgent time.Duration
	// UninstallUnseen and UninstallNonCompliant say that the agent is told to remove itself. Otherwise the device comes
	// back with its next contact.
	UninstallUnseen, UninstallNonCompliant bool
	// Erase removes at once what is known of a device that goes.
	Erase bool
}

// Removals is what the store knows of devices that are to leave by themselves.
//
// Contacts are not indexed, for each ping would write to the index. Instead every device has a time at which it is looked
// at, and is then either removed or given another: no later than the shortest time after which anything removes a device,
// so that whatever happens to a device meanwhile, it is looked at before it is due. It costs one look for each device and
// that time, and nothing where nothing removes devices.
type Removals interface {
	// Removing gives the shortest time after which anything removes a device, as of the last SetRemoving, and whether all
	// devices have been looked at since; zero and true where nothing ever did.
	Removing(ctx context.Context, account posture.AccountID) (shortest time.Duration, all bool, err error)
	// SetRemoving stores both.
	SetRemoving(ctx context.Context, account posture.AccountID, shortest time.Duration, all bool) error
	// DueForRemoval gives the ids of live devices whose RemoveAt has come, the longest overdue first.
	DueForRemoval(ctx context.Context, account posture.AccountID, now time.Time, limit int) ([]string, error)
	// LiveAfter gives the ids of live devices behind an id, in order.
	LiveAfter(ctx context.Context, account posture.AccountID, id string, limit int) ([]string, error)
	// Gone gives the ids of devices that left before a time, the longest gone first, but for those in quarantine of which
	// nothing more can be forgotten.
	Gone(ctx context.Context, account posture.AccountID, before time.Time, limit int) ([]string, error)
}

// SweepRemovals removes the devices of an account that have become due, and says how many. It is to be called every minute or
// so.
func (s *Service) SweepRemovals(ctx context.Context, account posture.AccountID) (int, error) {
	r, err := s.removalRules(ctx, account)
	if err != nil {
		return 0, err
	}
	done, err := s.settleRemovals(ctx, account, r)
	if err != nil || r.shortest == 0 {
		return done, err
	}
	for ctx.Err() == nil {
		due, err := s.store.DueForRemoval(ctx, account, s.clock(), sweepPage)
		if err != nil || len(due) == 0 {
			return done, err
		}
		n, err := s.lookAt(ctx, account, r, due)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, ctx.Err()
}

// settleRemovals looks at all devices where they may have no time to be looked at, or one that is too late.
func (s *Service) settleRemovals(ctx context.Context, account posture.AccountID, r *removalRules) (int, error) {
	before, all, err := s.store.Removing(ctx, account)
	switch {
	case err != nil || all && r.shortest == before:
		return 0, err
	case r.shortest == 0 || all && before > 0 && r.shortest > before:
		return 0, s.store.SetRemoving(ctx, account, r.shortest, true)
	}
	// Devices that come in while this goes on know the time by this.
	err = s.store.SetRemoving(ctx, account, r.shortest, false)
	if err != nil {
		return 0, err
	}
	done, err := s.lookAtAll(ctx, account, r)
	if err != nil {
		return done, err
	}
	return done, s.store.SetRemoving(ctx, account, r.shortest, true)
}

// removalRules are the rules of an account and its groups.
type removalRules struct {
	Removal
	groups   map[posture.GroupID]time.Duration // those with a time of their own
	shortest time.Duration                     // of all that there are; zero where there is none
}

func (s *Service) removalRules(ctx context.Context, account posture.AccountID) (*removalRules, error) {
	rules, err := s.rules(ctx, account)
	if err != nil {
		return nil, err
	}
	groups, err := s.store.Groups(ctx, account)
	if err != nil {
		return nil, err
	}
	r := &removalRules{Removal: rules.Removal, groups: make(map[posture.GroupID]time.Duration)}
	for _, g := range groups {
		if g.RemoveUnseen > 0 {
			r.groups[g.ID] = g.RemoveUnseen
			r.shortest = shorter(r.shortest, g.RemoveUnseen)
		}
	}
	for _, d := range []time.Duration{r.Unseen, r.NonCompliant, r.WithoutAgent} {
		r.shortest = shorter(r.shortest, d)
	}
	return r, nil
}

// shorter gives the shorter of two times, of which zero is never.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// lookAtAll looks at every device once.
func (s *Service) lookAtAll(ctx context.Context, account posture.AccountID, r *removalRules) (int, error) {
	done, after := 0, ""
	for ctx.Err() == nil {
		ids, err := s.store.LiveAfter(ctx, account, after, sweepPage)
		if err != nil || len(ids) == 0 {
			return done, err
		}
		n, err := s.lookAt(ctx, account, r, ids)
		done += n
		if err != nil {
			return done, err
		}
		after = ids[len(ids)-1]
	}
	return done, ctx.Err()
}

// lookAt removes those of some devices that are due, gives the others a time to be looked at again, and says how many it
// removed.
func (s *Service) lookAt(ctx context.Context, account posture.AccountID, r *removalRules, ids []string) (int, error) {
	list, err := s.store.DevicesByID(ctx, account, ids)
	if err != nil {
		return 0, err
	}
	at, done := s.clock(), 0
	later := make(map[string]time.Time, len(list))
	for i := range list {
		d := &list[i]
		s.seen.overlay(d)
		next, why := r.next(d, at)
		if why == nil {
			later[d.ID] = next
			continue
		}
		removed, err := s.lapse(ctx, d, r, why)
		if err != nil {
			return done, err
		}
		if removed {
			done++
		} else {
			later[d.ID] = at.Add(r.shortest)
		}
	}
	if len(later) > 0 {
		err = s.store.Change(ctx, Change{Do: func(tx Tx) error { return tx.LookAgain(ctx, account, later) }})
	}
	return done, err
}

// reason is why a device goes.
type reason struct {
	kind      event.Kind
	detail    string
	uninstall bool
}

// next gives why a device is to go, or nil and when to look at it again.
func (r *removalRules) next(d *Device, at time.Time) (time.Time, *reason) {
	again := at.Add(r.shortest)
	if d.Quarantined || d.Cell.Status == posture.StatusIgnored {
		return again, nil
	}
	due := func(since time.Time, after time.Duration) bool {
		if after == 0 {
			return false
		}
		if t := since.Add(after); t.After(at) {
			again = earlier(again, t)
			return false
		}
		return true
	}
	contact := latest(d.SeenAt, d.EnrolledAt)
	unseen := r.Unseen
	if own, ok := r.groups[d.Cell.Group]; ok {
		unseen = own
	}
	switch {
	case !d.Managed:
		if due(latest(contact, d.StatusAt), r.WithoutAgent) {
			return at, &reason{kind: event.Unseen, detail: "without an agent, and not heard of for " + span(r.WithoutAgent)}
		}
	case d.Cell.Status == posture.StatusNonCompliant && due(latest(d.FailingSince, d.StatusAt), r.NonCompliant):
		return at, &reason{event.Removed, "non-compliant for " + span(r.NonCompliant), r.UninstallNonCompliant}
	default:
		if d.Cell.Status == posture.StatusOutOfLicence {
			contact = latest(contact, d.StatusAt) // it has no credentials to be heard of by
		}
		if due(contact, unseen) {
			return at, &reason{event.Unseen, "not heard of for " + span(unseen), r.UninstallUnseen}
		}
	}
	return again, nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// span writes a time as people do.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%d hours", d/time.Hour)
	default:
		return d.String()
	}
}

// lapse removes a device that was read, unless it has moved since.
func (s *Service) lapse(ctx context.Context, read *Device, r *removalRules, why *reason) (bool, error) {
	how := removal{lifecycle: Lapsed, kind: why.kind, detail: why.detail, erase: r.Erase, unless: func(now Device) bool {
		s.seen.overlay(&now)
		return now.SeenAt.After(read.SeenAt) || now.Cell != read.Cell || now.Managed != read.Managed || now.Quarantined || !now.StatusAt.Equal(read.StatusAt)
	}}
	if why.uninstall || !read.Managed || read.Cell.Status == posture.StatusOutOfLicence {
		how.lifecycle = Deleted
	}
	if why.uninstall {
		how.detail += "; its agent is told to remove itself"
	}
	err := s.remove(ctx, Ref{Account: read.Account, ID: read.ID}, how)
	if errors.Is(err, errNothingToDo) || errs.Is(err, errs.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// revive brings back a device that left by itself, with its agent's next contact; where there is no room by now, as one beyond the
// licence, and from there with its next report once there is.
func (s *Service) revive(ctx context.Context, ref Ref) error {
	rules, err := s.rules(ctx, ref.Account)
	if err != nil {
		return err
	}
	at := s.clock()
	err = s.store.Change(ctx, Change{Do: func(tx Tx) error {
		// First, as in Enrol: the last place is given once.
		allowed, used, err := tx.Licence(ctx, ref.Account)
		if err != nil {
			return err
		}
		old, err := tx.DeviceForUpdate(ctx, ref.Account, ref.ID)
		full := used >= allowed
		if err != nil || old.Lifecycle != Lapsed && (full || !old.waits()) {
			return err // nil: another call was quicker, or it waits on
		}
		d := old
		r := &Registration{Private: rules.Privacy}
		err = admit(ctx, tx, &d, ref.Account, &entry{Registration: r, at: at}, full)
		if err != nil {
			return err
		}
		s.applyRegistration(&d, ref.Account, r, at)
		if full {
			d.Cell.Status = posture.StatusOutOfLicence
		}
		d.RemoveAt, err = firstLook(ctx, tx, ref.Account, at)
		if err != nil {
			return err
		}
		return s.saveAndRecord(ctx, tx, &old, &d, note{at: at, kind: event.Returned})
	}})
	s.auth.forget(ref)
	return unlessGone(err)
}

// firstLook gives when a device that comes in is looked at, zero for never.
func firstLook(ctx context.Context, tx Tx, account posture.AccountID, at time.Time) (time.Time, error) {
	shortest, err := tx.Removing(ctx, account)
	if shortest == 0 {
		return time.Time{}, err
	}
	return at.Add(shortest), err
}

// Purge forgets the devices of an account that left before a time, a page of them in each step, and says how many. The
// record of events keeps what it has of them. Of those in quarantine it keeps what they are recognised by.
func (s *Service) Purge(ctx context.Context, account posture.AccountID, before time.Time) (int, error) {
	done := 0
	for ctx.Err() == nil {
		ids, err := s.store.Gone(ctx, account, before, purgePage)
		if err != nil || len(ids) == 0 {
			return done, err
		}
		err = s.store.Change(ctx, Change{Do: func(tx Tx) error { return forgetGone(ctx, tx, account, ids) }})
		if err != nil {
			return done, err
		}
		done += len(ids)
	}
	return done, ctx.Err()
}

// forgetGone forgets devices that are gone. Those in quarantine are only erased: else it would end by waiting.
func forgetGone(ctx context.Context, tx Tx, account posture.AccountID, ids []string) error {
	var rest []string
	for _, id := range slices.Sorted(slices.Values(ids)) { // several servers lock them in one order
		old, err := tx.DeviceForUpdate(ctx, account, id)
		if errs.Is(err, errs.NotFound) || err == nil && old.Lifecycle == Live {
			continue
		}
		if err != nil {
			return err
		}
		if !old.Quarantined {
			rest = append(rest, id)
			continue
		}
		d := old
		d.forgetMachine()
		err = tx.Update(ctx, &old, &d)
		if err != nil {
			return err
		}
		err = tx.Erase(ctx, account, id)
		if err != nil {
			return err
		}
	}
	return tx.Forget(ctx, account, rest)
}

// purgePage is how many devices are forgotten in one step: reports wait for each.
const purgePage = 50
