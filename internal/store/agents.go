package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

// Credentials implements device.Agents.
func (s *Store) Credentials(ctx context.Context, account posture.AccountID, id string) (device.Credentials, error) {
	var c device.Credentials
	err := s.queryRow(ctx, "SELECT account_id, lifecycle, managed, credentials FROM devices WHERE account_id = ? AND id = ?", account, id).
		Scan(&c.Account, &c.Lifecycle, &c.Managed, &c.Digest)
	return c, notFound(err, noDevice)
}

// CredentialsAnywhere implements device.Agents. An id is random and so belongs to one account at the most; the caller
// still has to show the credentials. SQLite does not reorder a CROSS JOIN: it asks each account, of which there are few,
// rather than each device.
func (s *Store) CredentialsAnywhere(ctx context.Context, id string) (device.Credentials, error) {
	var c device.Credentials
	err := s.queryRow(ctx, `SELECT d.account_id, d.lifecycle, d.managed, d.credentials FROM accounts a
		CROSS JOIN devices d WHERE d.account_id = a.id AND d.id = ? LIMIT 1`, id).Scan(&c.Account, &c.Lifecycle, &c.Managed, &c.Digest)
	return c, notFound(err, noDevice)
}

// IDByCredentials implements device.Agents.
func (s *Store) IDByCredentials(ctx context.Context, account posture.AccountID, digest []byte) (string, error) {
	var id string
	err := s.queryRow(ctx, `SELECT id FROM devices WHERE account_id = ? AND credentials = ? AND length(credentials) > 0
		AND lifecycle = 0 AND managed = 1`, account, digest).Scan(&id)
	return id, notFound(err, noDevice)
}

// touchChunk is how many contact times one statement stores.
const touchChunk = 50

func touchQuery(n int) string {
	return "INSERT INTO device_seen (account_id, device_id, seen_at, reported_at) VALUES (?, ?, ?, ?)" + strings.Repeat(", (?, ?, ?, ?)", n-1) +
		` ON CONFLICT (account_id, device_id) DO UPDATE SET seen_at = CASE WHEN excluded.seen_at > device_seen.seen_at THEN excluded.seen_at ELSE device_seen.seen_at END,
		reported_at = CASE WHEN excluded.reported_at > device_seen.reported_at THEN excluded.reported_at ELSE device_seen.reported_at END
		WHERE excluded.seen_at > device_seen.seen_at OR excluded.reported_at > device_seen.reported_at`
}

var touchFull, touchOne = touchQuery(touchChunk), touchQuery(1)

// Touch implements device.Agents. Rows are written in the order of their key: two servers that store the same devices
// then wait for each other rather than lock each other out, and neighbours share a page.
func (s *Store) Touch(ctx context.Context, seen []device.Seen) error {
	slices.SortFunc(seen, func(a, b device.Seen) int {
		if a.Account != b.Account {
			return int(a.Account - b.Account)
		}
		return strings.Compare(a.ID, b.ID)
	})
	// Short transactions: a report must not wait for a million contact times.
	for part := range slices.Chunk(seen, 40*touchChunk) {
		err := s.writer.do(ctx, keySeen, func(tx *Tx) error { return tx.touch(ctx, part) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) touch(ctx context.Context, seen []device.Seen) error {
	for chunk := range slices.Chunk(seen, touchChunk) {
		if len(chunk) < touchChunk {
			for i := range chunk {
				_, err := tx.exec(ctx, touchOne, chunk[i].Account, chunk[i].ID, millis(chunk[i].At), millis(chunk[i].Report))
				if err != nil {
					return err
				}
			}
			return nil
		}
		args := make([]any, 0, 4*len(chunk))
		for i := range chunk {
			args = append(args, chunk[i].Account, chunk[i].ID, millis(chunk[i].At), millis(chunk[i].Report))
		}
		_, err := tx.exec(ctx, touchFull, args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// Revoke implements device.Tx.
func (tx *Tx) Revoke(ctx context.Context, ref device.Ref, at time.Time) error {
	return tx.execOne(ctx, "INSERT INTO device_revocations (account_id, device_id, at) VALUES (?, ?, ?)", ref.Account, ref.ID, millis(at))
}

// RevokedSince implements device.Agents.
func (s *Store) RevokedSince(ctx context.Context, since time.Time) ([]device.Ref, error) {
	var out []device.Ref
	err := s.query(ctx, func(r scanner) error {
		var ref device.Ref
		err := r.Scan(&ref.Account, &ref.ID)
		out = append(out, ref)
		return err
	}, "SELECT account_id, device_id FROM device_revocations WHERE at >= ?", millis(since))
	return out, err
}

// ForgetRevocations removes revocations from before a time: every server has long read them.
func (s *Store) ForgetRevocations(ctx context.Context, before time.Time) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		_, err := tx.exec(ctx, "DELETE FROM device_revocations WHERE at < ?", millis(before))
		return err
	})
}
