package store

import (
	"context"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

// Each reads an index in its order. Devices that are gone have no conflict, but keep serial numbers and addresses.
var selectDoubles = map[device.ClashKind]string{
	device.SameHardware: `SELECT hardware_id, id FROM devices WHERE account_id = ? AND hardware_id > ? AND hardware_id <> ''
		AND lifecycle = 0 AND conflict = 1 ORDER BY hardware_id, id LIMIT ?`,
	device.SameSerial: "SELECT serial, id FROM devices WHERE account_id = ? AND serial > ? AND serial <> '' AND lifecycle = 0 ORDER BY serial, id LIMIT ?",
}

const selectDoubleMACs = "SELECT mac, device_id FROM device_adapters WHERE account_id = ? AND mac > ? AND is_current = 1 ORDER BY mac, device_id LIMIT ?"

// Doubles implements device.Doubles.
func (s *Store) Doubles(ctx context.Context, account posture.AccountID, kind device.ClashKind, after string, limit int) ([]device.Double, string, error) {
	g := &gathering{}
	var err error
	if kind == device.SameAdapters {
		behind := int64(-1)
		if mac, ok := posture.ParseMAC(after); ok {
			behind = number(mac)
		}
		err = s.query(ctx, func(r scanner) error {
			var mac int64
			var id string
			err := r.Scan(&mac, &id)
			g.add(macOf(mac).String(), id)
			return err
		}, selectDoubleMACs, account, behind, limit)
	} else {
		err = s.query(ctx, func(r scanner) error {
			var value, id string
			err := r.Scan(&value, &id)
			g.add(value, id)
			return err
		}, selectDoubles[kind], account, after, limit)
	}
	list, next := g.end(limit)
	return list, next, err
}

// gathering collects rows that come in the order of their values.
type gathering struct {
	rows int
	last device.Double // the value that is being read
	done []device.Double
	// before is the value before the last; "" for none.
	before string
}

func (g *gathering) add(value, id string) {
	g.rows++
	if g.rows == 1 || value != g.last.Value {
		g.close()
		g.before, g.last = g.last.Value, device.Double{Value: value}
	}
	if len(g.last.IDs) == device.MaxDoubles {
		g.last.More = true
		return
	}
	g.last.IDs = append(g.last.IDs, id)
}

func (g *gathering) close() {
	if len(g.last.IDs) > 1 {
		g.done = append(g.done, g.last)
	}
}

// end gives what several have. The last value of a full page may go on behind it, and is left to the next, unless it is the
// only one.
func (g *gathering) end(limit int) ([]device.Double, string) {
	switch {
	case g.rows < limit:
		g.close()
		return g.done, ""
	case g.before == "":
		g.last.More = true
		g.close()
		return g.done, g.last.Value
	default:
		return g.done, g.before
	}
}

// HardwareHolders implements device.Doubles.
func (s *Store) HardwareHolders(ctx context.Context, account posture.AccountID, hardwareID string, limit int) ([]string, error) {
	return ids(ctx, s, "SELECT id FROM devices WHERE account_id = ? AND hardware_id = ? AND hardware_id <> '' ORDER BY id LIMIT ?", account, hardwareID, limit)
}

// ShareHardware implements device.HardwareTx.
func (tx *Tx) ShareHardware(ctx context.Context, account posture.AccountID, hardwareID string, at time.Time, actor string) (bool, error) {
	n, err := tx.exec(ctx, `INSERT INTO shared_hardware (account_id, hardware_id, at, actor) VALUES (?, ?, ?, ?)
		ON CONFLICT (account_id, hardware_id) DO NOTHING`, account, hardwareID, millis(at), actor)
	return n == 1, err
}

// SharedHardware implements device.HardwareTx.
func (tx *Tx) SharedHardware(ctx context.Context, account posture.AccountID, hardwareID string) (bool, error) {
	found, err := ids(ctx, tx, "SELECT hardware_id FROM shared_hardware WHERE account_id = ? AND hardware_id = ?", account, hardwareID)
	return len(found) > 0, err
}

// MoveAdapters implements device.HardwareTx. Of a device that is gone the addresses are no words to be searched for, and
// those that another once had are not either.
func (tx *Tx) MoveAdapters(ctx context.Context, account posture.AccountID, from, to string) error {
	_, err := tx.exec(ctx, `INSERT INTO device_adapters (account_id, mac, device_id, first_at, last_at, is_current)
		SELECT account_id, mac, ?, first_at, last_at, 0 FROM device_adapters WHERE account_id = ? AND device_id = ?
		ON CONFLICT (account_id, mac, device_id) DO UPDATE SET
			first_at = CASE WHEN excluded.first_at < device_adapters.first_at THEN excluded.first_at ELSE device_adapters.first_at END,
			last_at = CASE WHEN excluded.last_at > device_adapters.last_at THEN excluded.last_at ELSE device_adapters.last_at END`,
		to, account, from)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, "DELETE FROM device_adapters WHERE account_id = ? AND device_id = ?", account, from)
	return err
}
