package device

import (
	"context"

	"muster/internal/posture"
)

// noteConflict marks live devices that claim one hardware id, when a report first says so, and ends the mark of those
// that a device leaves by reporting another. They are shown as a conflict and never merged silently: one of them is a
// clone, and only a person knows which.
func noteConflict(ctx context.Context, tx Tx, old, d *Device) error {
	if d.HardwareID == old.HardwareID {
		return nil
	}
	d.Conflict = false
	err := endConflict(ctx, tx, old)
	if err != nil || d.HardwareID == "" {
		return err
	}
	others, err := holders(ctx, tx, d.Account, d.HardwareID, d.ID)
	if err != nil {
		return err
	}
	for i := range others {
		d.Conflict = true
		err = markConflict(ctx, tx, &others[i], true)
		if err != nil {
			return err
		}
	}
	return nil
}

// endConflict takes the mark from the last device that claims a hardware id, once the device in question leaves it.
func endConflict(ctx context.Context, tx Tx, leaving *Device) error {
	if leaving.HardwareID == "" || !leaving.Conflict {
		return nil
	}
	others, err := holders(ctx, tx, leaving.Account, leaving.HardwareID, leaving.ID)
	if err != nil || len(others) != 1 {
		return err
	}
	return markConflict(ctx, tx, &others[0], false)
}

func markConflict(ctx context.Context, tx Tx, d *Device, conflict bool) error {
	if d.Conflict == conflict {
		return nil
	}
	marked := *d
	marked.Conflict = conflict
	return tx.Update(ctx, d, &marked)
}

// holders gives live devices with an agent that claim a hardware id, but for one: enough of them to tell none, one and
// several apart.
func holders(ctx context.Context, tx Tx, account posture.AccountID, hardwareID, except string) ([]Device, error) {
	ids, err := tx.Recognise(ctx, account, hardwareID, "")
	if err != nil {
		return nil, err
	}
	var out []Device
	for _, id := range ids {
		if id == except {
			continue
		}
		d, err := tx.DeviceForUpdate(ctx, account, id)
		if err != nil {
			return nil, err
		}
		if d.Lifecycle == Live && d.Managed {
			out = append(out, d)
		}
	}
	return out, nil
}
