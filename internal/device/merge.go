package device

import (
	"context"
	"slices"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// Merge makes one device of two that are one machine. The survivor keeps its id, its report and verdict, and takes over
// what the other has beyond it: its addresses, its linked user, numbers and an integrator's own id where the survivor has
// none, an exemption where it has none, and a quarantine, also beside one of its own. The other is deleted, with an event
// that names the survivor. Its agent is not told to remove itself, for it may be the only one on the machine: it has to
// register again, and is the survivor's agent then.
//
// NotFound: one of the two is no live device of the account. Invalid: they are the same.
func (s *Service) Merge(ctx context.Context, account posture.AccountID, survivor, other, actor string) error {
	if survivor == other {
		return errs.InvalidField("other", "A device cannot be merged with itself")
	}
	at := s.clock()
	err := s.store.Change(ctx, Change{Do: func(tx Tx) error {
		ids := []string{survivor, other}
		slices.Sort(ids) // several servers lock them in one order
		found := make(map[string]*Device, len(ids))
		for _, id := range ids {
			d, err := tx.DeviceForUpdate(ctx, account, id)
			if err != nil {
				return err
			}
			if d.Lifecycle != Live {
				return errNoDevice()
			}
			found[id] = &d
		}
		err := s.mergeAway(ctx, tx, found[other], survivor, note{at: at, kind: event.Deleted, actor: actor, detail: "merged into " + survivor})
		if err != nil {
			return err
		}
		return s.takeOver(ctx, tx, found[other], survivor, note{at: at, kind: event.Merged, actor: actor, detail: "took over " + other})
	}})
	s.auth.forget(Ref{Account: account, ID: other})
	return err
}

// mergeAway deletes the device that goes up in the survivor.
func (s *Service) mergeAway(ctx context.Context, tx Tx, old *Device, survivor string, n note) error {
	d := *old
	d.Lifecycle, d.Conflict, d.MergedInto = Deleted, false, survivor
	d.Exempted, d.Exemption = false, Exemption{}
	d.Quarantined, d.Quarantine = false, Quarantine{}
	d.Credentials, d.LinkedID = nil, ""
	d.forgetTimes()
	err := s.detach(ctx, tx, old, n.at)
	if err != nil {
		return err
	}
	err = s.saveAndRecord(ctx, tx, old, &d, n)
	if err != nil {
		return err
	}
	err = tx.MoveAdapters(ctx, d.Account, d.ID, survivor)
	if err != nil {
		return err
	}
	return dropFacets(ctx, tx, old, &d)
}

// takeOver gives the survivor what another device had beyond it.
func (s *Service) takeOver(ctx context.Context, tx Tx, from *Device, survivor string, n note) error {
	old, err := tx.DeviceForUpdate(ctx, from.Account, survivor) // once more: the end of a conflict has changed it
	if err != nil {
		return err
	}
	d := old
	for _, text := range []struct{ to, from *string }{
		{&d.HardwareID, &from.HardwareID}, {&d.Serial, &from.Serial}, {&d.LinkedID, &from.LinkedID}, {&d.UserIdentity, &from.UserIdentity},
	} {
		if *text.to == "" {
			*text.to = *text.from
		}
	}
	if d.Link == (LinkedUser{}) && d.Link != from.Link {
		d.Link = from.Link
		d.outdate(n.at) // a rule may look at the user
	}
	if d.Monitored() && from.Exempted && !d.Exempted {
		d.Exempted, d.Exemption = true, from.Exemption
	}
	if from.Quarantined && !d.Quarantined {
		d.Quarantined, d.Quarantine = true, from.Quarantine
	}
	if d.Monitored() {
		d.stand()
		d.arm()
	}
	err = noteConflict(ctx, tx, &old, &d)
	if err != nil {
		return err
	}
	return s.saveAndRecord(ctx, tx, &old, &d, n)
}

// maxMerges is how many devices may have gone up in each other one after another.
const maxMerges = 32

// survivorOf follows the merges of a device that was recognised; "" where they lead to nothing.
func survivorOf(ctx context.Context, tx Tx, account posture.AccountID, id string) (string, error) {
	for range maxMerges {
		d, err := tx.DeviceForUpdate(ctx, account, id)
		if errs.Is(err, errs.NotFound) {
			return "", nil
		}
		if err != nil || d.MergedInto == "" {
			return id, err
		}
		id = d.MergedInto
	}
	return "", nil
}

// splitChunk is how many devices lose their hardware id in one step.
const splitChunk = 50

// Split says that a hardware id identifies no machine: several have it. The devices that claim it lose it, conflicts over
// it end, and so do merges that it led to; from now on it is passed over when it is registered or reported. It says how
// many devices had it. If it breaks off, doing it again does the rest. Invalid: the value can be nobody's hardware id.
func (s *Service) Split(ctx context.Context, account posture.AccountID, hardwareID, actor string) (int, error) {
	shared := posture.IdentifyingNumber(hardwareID)
	if shared == "" || len(shared) > maxSearched || clipBytes(shared, len(shared)) != shared {
		return 0, errs.InvalidField("hardware_id", "%q cannot be the hardware id of a machine", clipBytes(hardwareID, maxWord))
	}
	at := s.clock()
	err := s.store.Change(ctx, Change{Do: func(tx Tx) error {
		added, err := tx.ShareHardware(ctx, account, shared, at, actor)
		if err != nil || !added {
			return err
		}
		return tx.Record(ctx, event.Event{
			Account: account, ID: posture.NewID(at, s.random), At: at, Kind: event.Configured, Actor: actor,
			Detail: "hardware id identifies no machine: " + shared,
		})
	}})
	if err != nil {
		return 0, err
	}
	total := 0
	for {
		ids, err := s.store.HardwareHolders(ctx, account, shared, splitChunk)
		if err != nil || len(ids) == 0 {
			return total, err
		}
		n, err := s.takeHardware(ctx, account, shared, ids)
		total += n
		if err != nil {
			return total, err
		}
	}
}

// takeHardware takes a hardware id from devices.
func (s *Service) takeHardware(ctx context.Context, account posture.AccountID, shared string, ids []string) (n int, err error) {
	err = s.store.Change(ctx, Change{Do: func(tx Tx) error {
		n = 0
		for _, id := range ids {
			old, err := tx.DeviceForUpdate(ctx, account, id)
			if err != nil {
				return err
			}
			if old.HardwareID != shared {
				continue
			}
			d := old
			d.HardwareID, d.Conflict, d.MergedInto = "", false, ""
			err = tx.Update(ctx, &old, &d)
			if err != nil {
				return err
			}
			n++
		}
		return nil
	}})
	return n, err
}

// identifyingHardware gives a hardware id in the form in which it identifies a machine, "" where it does not.
func identifyingHardware(ctx context.Context, tx Tx, account posture.AccountID, reported string) (string, error) {
	id := posture.IdentifyingNumber(reported)
	if id == "" {
		return "", nil
	}
	shared, err := tx.SharedHardware(ctx, account, id)
	if shared {
		id = ""
	}
	return id, err
}

// dropShared leaves a device without a hardware id that it came to claim just now, if several machines have that.
func dropShared(ctx context.Context, tx Tx, old, d *Device) error {
	if d.HardwareID == old.HardwareID {
		return nil
	}
	var err error
	d.HardwareID, err = identifyingHardware(ctx, tx, d.Account, d.HardwareID)
	return err
}

// HardwareTx is the part of a step that is about hardware ids that several machines share.
type HardwareTx interface {
	// ShareHardware notes that a hardware id identifies no machine, and says whether that is news.
	ShareHardware(ctx context.Context, account posture.AccountID, hardwareID string, at time.Time, actor string) (bool, error)
	// SharedHardware reports whether that was noted.
	SharedHardware(ctx context.Context, account posture.AccountID, hardwareID string) (bool, error)
	// MoveAdapters gives the addresses of one device to another, as ones that it once had; those that it has already stay as
	// they are but for when they were first and last in use.
	MoveAdapters(ctx context.Context, account posture.AccountID, from, to string) error
}
