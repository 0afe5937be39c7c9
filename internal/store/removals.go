package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

const selectRemoving = "SELECT removing FROM accounts WHERE id = ?"

// Removing implements device.Removals.
func (s *Store) Removing(ctx context.Context, account posture.AccountID) (time.Duration, bool, error) {
	var ms int64
	err := s.queryRow(ctx, selectRemoving, account).Scan(&ms)
	return removingOf(ms), ms >= 0, notFound(err, noAccount)
}

func removingOf(ms int64) time.Duration { return time.Duration(max(ms, -ms)) * time.Millisecond }

// Removing implements device.Tx.
func (tx *Tx) Removing(ctx context.Context, account posture.AccountID) (time.Duration, error) {
	var ms int64
	err := tx.locksAccount(account)
	if err != nil {
		return 0, err
	}
	err = tx.queryRow(ctx, selectRemoving+tx.w.store.dialect.ForUpdate, account).Scan(&ms)
	return removingOf(ms), notFound(err, noAccount)
}

// SetRemoving implements device.Removals.
func (s *Store) SetRemoving(ctx context.Context, account posture.AccountID, shortest time.Duration, all bool) error {
	ms := shortest.Milliseconds()
	if !all {
		ms = -ms
	}
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		return tx.execOne(ctx, "UPDATE accounts SET removing = ? WHERE id = ?", ms, account)
	})
}

// DueForRemoval implements device.Removals.
func (s *Store) DueForRemoval(ctx context.Context, account posture.AccountID, now time.Time, limit int) ([]string, error) {
	return ids(ctx, s, `SELECT id FROM devices WHERE account_id = ? AND remove_at > 0 AND remove_at <= ? AND lifecycle = 0
		ORDER BY remove_at LIMIT ?`, account, millis(now), limit)
}

// LiveAfter implements device.Removals.
func (s *Store) LiveAfter(ctx context.Context, account posture.AccountID, id string, limit int) ([]string, error) {
	return ids(ctx, s, "SELECT id FROM devices WHERE account_id = ? AND id > ? AND lifecycle = 0 ORDER BY id LIMIT ?", account, id, limit)
}

// Gone implements device.Removals.
func (s *Store) Gone(ctx context.Context, account posture.AccountID, before time.Time, limit int) ([]string, error) {
	return ids(ctx, s, `SELECT id FROM devices WHERE account_id = ? AND lifecycle <> 0 AND status_at < ? AND (hold = '' OR profile <> '')
		ORDER BY status_at LIMIT ?`,
		account, millis(before), limit)
}

// LookAgain implements device.Tx. Rows are written in the order of their key, as Touch does.
func (tx *Tx) LookAgain(ctx context.Context, account posture.AccountID, at map[string]time.Time) error {
	for _, id := range slices.Sorted(maps.Keys(at)) {
		err := tx.locksDevice(account, id)
		if err != nil {
			return err
		}
		_, err = tx.exec(ctx, "UPDATE devices SET remove_at = ? WHERE account_id = ? AND id = ? AND lifecycle = 0", millis(at[id]), account, id)
		if err != nil {
			return err
		}
	}
	return nil
}

// forgotten are the tables that hang on a device. What only live devices have, their end has removed.
var forgotten = []string{"device_reports", "device_adapters", "device_seen", "device_commands"}

// Forget implements device.Tx. Each device is locked before: it may have come back since it was found.
func (tx *Tx) Forget(ctx context.Context, account posture.AccountID, ids []string) error {
	for _, id := range slices.Sorted(slices.Values(ids)) {
		d, err := tx.DeviceForUpdate(ctx, account, id)
		if errs.Is(err, errs.NotFound) || err == nil && d.Lifecycle == device.Live {
			continue
		}
		if err != nil {
			return err
		}
		for _, table := range forgotten {
			_, err = tx.exec(ctx, "DELETE FROM "+table+" WHERE account_id = ? AND device_id = ?", account, id)
			if err != nil {
				return err
			}
		}
		err = tx.execOne(ctx, "DELETE FROM devices WHERE account_id = ? AND id = ?", account, id)
		if err != nil {
			return err
		}
	}
	return nil
}
