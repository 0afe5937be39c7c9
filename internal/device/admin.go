package device

import (
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// Delete takes a device out of the inventory on an administrator's word; its agent is told to remove itself at its
// next contact. NotFound: no such live device.
func (s *Service) Delete(ctx context.Context, account posture.AccountID, id string) error {
	return s.remove(ctx, Ref{Account: account, ID: id}, removal{lifecycle: Deleted, kind: event.Deleted})
}

// Exempt lets a device pass whatever the policy says, until a time, or for good when it is zero. A device that is
// quarantined too stays held until it is released. Who does it is event.Actor of the context.
// NotFound: no such live device. Invalid: the time is past or too far ahead, the reason too long, or the device has no
// agent.
func (s *Service) Exempt(ctx context.Context, account posture.AccountID, id, reason string, until time.Time) error {
	e := Exemption{Since: s.clock(), Until: until, Reason: reason, By: event.Actor(ctx)}
	err := e.check()
	if err != nil {
		return err
	}
	n := note{at: e.Since, kind: event.Exempted, actor: e.By, detail: e.Reason}
	return s.adjust(ctx, Ref{Account: account, ID: id}, n, func(_ Tx, _, d *Device) error {
		if !d.Monitored() {
			return errs.New(errs.Invalid, "Only a monitored device can be exempted")
		}
		d.exempt(e)
		return nil
	})
}

// check refuses an exemption that makes no sense.
func (e *Exemption) check() error {
	switch {
	case e.Until.IsZero():
	case !e.Until.After(e.Since):
		return errs.InvalidField("until", "The end of the exemption lies in the past")
	case e.Until.Sub(e.Since) > MaxExemptHours*time.Hour:
		return errs.InvalidField("until", "An exemption that ends may last at most %d hours", MaxExemptHours)
	}
	return checkReason(e.Reason)
}

// maxReason is how long a reason may be, in characters.
const maxReason = 1024

func checkReason(reason string) error {
	if utf8.RuneCountInString(reason) > maxReason || !utf8.ValidString(reason) || hasControl(reason) {
		return errs.InvalidField("reason", "reason must have at most %d characters, none of them a control character", maxReason)
	}
	return nil
}

// Unexempt ends an exemption; the device stands where its last verdict put it. NotFound: no such live device.
func (s *Service) Unexempt(ctx context.Context, account posture.AccountID, id string) error {
	n := note{at: s.clock(), kind: event.Unexempted, actor: event.Actor(ctx)}
	return s.adjust(ctx, Ref{Account: account, ID: id}, n, func(_ Tx, _, d *Device) error {
		if !d.Exempted {
			return errNothingToDo
		}
		d.unexempt()
		return nil
	})
}

func (d *Device) exempt(e Exemption) {
	d.Exempted, d.Exemption = true, e
	d.stand()
	d.arm()
}

func (d *Device) unexempt() {
	d.Exempted, d.Exemption = false, Exemption{}
	d.stand()
	d.arm()
}

// note is what is recorded of a change.
type note struct {
	at            time.Time
	kind          event.Kind
	actor, detail string
}

// errNothingToDo ends a step that finds everything as it should be, without a word.
var errNothingToDo = errs.New(errs.Conflict, "There is nothing to do")

// adjust changes a live device and records it. NotFound: no such live device. The change gives errNothingToDo to leave
// everything as it is.
func (s *Service) adjust(ctx context.Context, ref Ref, n note, change func(tx Tx, old, d *Device) error) error {
	err := s.changeLive(ctx, ref, func(tx Tx, old, d *Device) error {
		err := change(tx, old, d)
		if err != nil {
			return err
		}
		return s.saveAndRecord(ctx, tx, old, d, n)
	})
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	return err
}

// saveAndRecord stores a device that a step changed, with an event about it.
func (s *Service) saveAndRecord(ctx context.Context, tx Tx, old, d *Device, n note) error {
	err := tx.Update(ctx, old, d)
	if err != nil {
		return err
	}
	return s.record(ctx, tx, d, old.Cell.Status, n)
}

// record appends an event about a device.
func (s *Service) record(ctx context.Context, tx Tx, d *Device, from posture.Status, n note) error {
	e := s.newEvent(n.at, n.kind, d, from)
	e.Actor, e.Detail = n.actor, n.detail
	return tx.Record(ctx, e)
}

// Sighting is a device that has no agent: read from a list, or seen on the network.
type Sighting struct {
	MAC  posture.MAC
	Name string
	Type posture.DeviceType
}

// MaxNameLength is the longest device name that is kept, in characters.
const MaxNameLength = 256

// importChunk is how many devices are imported in one step: reports wait for each step, not for the whole list.
const importChunk = 200

// Import adds devices without an agent, status unknown. The list is checked before anything is stored; addresses that a
// device of the account owns already are left as they are, so an import that broke off can be repeated. It says how
// many devices were added.
func (s *Service) Import(ctx context.Context, account posture.AccountID, sightings []Sighting) (int, error) {
	for i := range sightings {
		if utf8.RuneCountInString(sightings[i].Name) > MaxNameLength {
			return 0, errs.InvalidField("name", "The name of %s is longer than %d characters", sightings[i].MAC, MaxNameLength)
		}
	}
	total := 0
	for chunk := range slices.Chunk(sightings, importChunk) {
		added, err := s.importSome(ctx, account, chunk)
		if err != nil {
			return total, err
		}
		total += added
	}
	return total, nil
}

func (s *Service) importSome(ctx context.Context, account posture.AccountID, sightings []Sighting) (added int, err error) {
	at := s.clock()
	err = s.store.Change(ctx, Change{Do: func(tx Tx) error {
		added = 0
		// First, as in Enrol, so that the two do not wait for each other.
		removeAt, err := firstLook(ctx, tx, account, at)
		if err != nil {
			return err
		}
		for i := range sightings {
			isNew, err := s.importOne(ctx, tx, account, &sightings[i], at, removeAt)
			if err != nil {
				return err
			}
			if isNew {
				added++
			}
		}
		return nil
	}})
	return added, err
}

func (s *Service) importOne(ctx context.Context, tx Tx, account posture.AccountID, sighting *Sighting, at, removeAt time.Time) (bool, error) {
	claims, err := tx.ClaimsAll(ctx, account, sighting.MAC)
	if err != nil {
		return false, err
	}
	for _, c := range claims {
		if c.Lifecycle == Live {
			return false, nil
		}
	}
	d := s.unknownDevice(account, sighting.MAC, at, removeAt)
	d.Name, d.Type = sighting.Name, sighting.Type
	return true, s.insertUnknown(ctx, tx, &d, sighting.MAC, note{at: at, kind: event.Imported})
}
