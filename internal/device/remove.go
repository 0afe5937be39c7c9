package device

import (
	"context"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// Remove deletes a device, or only its agent, as the mode says. actor is the application that asks; "" stands for an
// administrator. NotFound: no such live device. Invalid: there is no such mode.
func (s *Service) Remove(ctx context.Context, account posture.AccountID, sel Selector, mode RemoveMode, actor string) error {
	if mode < RemoveAgent || mode > RemoveAndArchive {
		return errs.InvalidField("opt", "The way to delete must be 0, 1 or 2")
	}
	d, err := s.Find(ctx, account, sel)
	if err != nil {
		return err
	}
	return s.removeAs(ctx, Ref{Account: account, ID: d.ID}, mode, actor)
}

func (s *Service) removeAs(ctx context.Context, ref Ref, mode RemoveMode, actor string) error {
	r := removal{lifecycle: Deleted, kind: event.Deleted, actor: actor}
	if actor != "" {
		r.kind = event.DeletedByAPI
	}
	switch mode {
	case RemoveAgent:
		r.kind = event.AgentRemoved
		return s.removeAgent(ctx, ref, r)
	case RemoveData:
		r.detail, r.erase = "with its data", true
	}
	return s.remove(ctx, ref, r)
}

// removal is how a device or its agent goes.
type removal struct {
	lifecycle Lifecycle // afterwards
	kind      event.Kind
	actor     string
	detail    string
	erase     bool // what is known of the machine
	// unless, where not nil, keeps a device that it holds of: remove gives errNothingToDo then.
	unless func(Device) bool
}

// remove ends the life of a device. NotFound: no such live device, or one without an agent that is to retire.
func (s *Service) remove(ctx context.Context, ref Ref, r removal) error {
	at := s.clock()
	err := s.changeLive(ctx, ref, func(tx Tx, old, d *Device) error {
		if r.lifecycle == Retired && !old.Managed {
			return errNoDevice() // another server has not yet heard that these credentials ended
		}
		if r.unless != nil && r.unless(*old) {
			return errNothingToDo
		}
		d.Lifecycle, d.Conflict, d.RemoveAt = r.lifecycle, false, time.Time{}
		d.forgetTimes()
		if r.kind == event.Deleted || r.kind == event.DeletedByAPI {
			d.FailingSince = time.Time{}
		}
		if r.erase {
			d.forgetMachine()
		}
		err := s.detach(ctx, tx, old, at)
		if err != nil {
			return err
		}
		err = s.saveAndRecord(ctx, tx, old, d, note{at, r.kind, r.actor, r.detail})
		if err != nil {
			return err
		}
		err = dropFacets(ctx, tx, old, d)
		if err != nil || !r.erase {
			return err
		}
		// Last, for what leaves the lists with the device is taken out of them when it is stored.
		return tx.Erase(ctx, d.Account, d.ID)
	})
	s.auth.forget(ref)
	return err
}

// removeAgent leaves a device in the inventory as one without an agent: unknown, with what it last reported, which counts
// nowhere any more. Of a device that has none there is nothing to remove.
func (s *Service) removeAgent(ctx context.Context, ref Ref, r removal) error {
	at := s.clock()
	n := note{at, r.kind, r.actor, r.detail}
	err := s.adjust(ctx, ref, n, func(tx Tx, old, d *Device) error {
		if !d.Managed {
			return errNothingToDo
		}
		d.Managed, d.Conflict = false, false
		d.forgetTimes()
		d.FailingSince = time.Time{}
		d.Exempted, d.Exemption = false, Exemption{}
		d.Judged = posture.StatusUnknown
		d.Cell = posture.Cell{Group: d.Cell.Group, Status: posture.StatusUnknown}
		d.Issues, d.Vulnerabilities = Issues{}, 0
		err := s.detach(ctx, tx, old, at)
		if err != nil || len(old.Digest) == 0 {
			return err
		}
		return tx.DropFacets(ctx, d.Account, d.ID)
	})
	s.auth.forget(ref)
	return err
}

// detach ends what hangs on the agent of a device: its credentials everywhere, its commands, a conflict.
func (s *Service) detach(ctx context.Context, tx Tx, old *Device, at time.Time) error {
	err := endConflict(ctx, tx, old)
	if err != nil {
		return err
	}
	err = s.endCommands(ctx, tx, old, at)
	if err != nil {
		return err
	}
	return tx.Revoke(ctx, Ref{Account: old.Account, ID: old.ID}, at)
}

// forgetMachine leaves of a device what has to be known to recognise the machine and to tell that it was deleted: its
// numbers, its credentials, the family of its system, and when what happened. The events about it stay too, and so does
// a quarantine: else whoever deletes a device would let it in.
func (d *Device) forgetMachine() {
	*d = Device{
		Account: d.Account, ID: d.ID, Lifecycle: d.Lifecycle, Cell: d.Cell, Judged: d.Judged, Managed: d.Managed,
		HardwareID: d.HardwareID, Serial: d.Serial, OSFamily: d.OSFamily,
		EnrolledAt: d.EnrolledAt, ReportedAt: d.ReportedAt, SeenAt: d.SeenAt, StatusAt: d.StatusAt, FailingSince: d.FailingSince,
		Credentials: d.Credentials, Quarantined: d.Quarantined, Quarantine: d.Quarantine,
	}
}
