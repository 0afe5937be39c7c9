package device

import (
	"context"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// Quarantine holds a device back whatever the policy says, until it is released; once more replaces the reason. Who does
// it is event.Actor of the context. NotFound: no such live device. Invalid: the reason is too long, or the device has no
// agent.
func (s *Service) Quarantine(ctx context.Context, account posture.AccountID, id, reason string) error {
	err := checkReason(reason)
	if err != nil {
		return err
	}
	q := Quarantine{Since: s.clock(), Reason: reason, By: event.Actor(ctx)}
	n := note{at: q.Since, kind: event.Quarantined, actor: q.By, detail: reason}
	return s.adjust(ctx, Ref{Account: account, ID: id}, n, func(_ Tx, _, d *Device) error {
		if !d.Monitored() {
			return errs.New(errs.Invalid, "Only a monitored device can be quarantined")
		}
		d.Quarantined, d.Quarantine = true, q
		d.stand()
		return nil
	})
}

// Release ends a quarantine: the device stands where its exemption or its last verdict puts it. Of one that is not
// quarantined there is nothing to release. NotFound: no such live device. Invalid: the reason is too long.
func (s *Service) Release(ctx context.Context, account posture.AccountID, id, reason string) error {
	err := checkReason(reason)
	if err != nil {
		return err
	}
	n := note{at: s.clock(), kind: event.Released, actor: event.Actor(ctx), detail: reason}
	return s.adjust(ctx, Ref{Account: account, ID: id}, n, func(_ Tx, _, d *Device) error {
		if !d.Quarantined {
			return errNothingToDo
		}
		d.Quarantined, d.Quarantine = false, Quarantine{}
		if d.Monitored() {
			d.stand()
		}
		return nil
	})
}
