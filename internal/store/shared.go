package store

import (
	"context"
	"time"

	"muster/internal/ratelimit"
)

// Limits counts calls in the database, so that several servers share each limit. It implements ratelimit.Source.
type Limits struct {
	*Store
	takeWindow string
}

// NewLimits counts in the database of a store.
func NewLimits(s *Store) Limits { return Limits{s, s.dialect.Rebind(takeWindow)} }

// Take implements ratelimit.Source with one statement that commits by itself: the row is locked for that long, so that no
// two calls, on whichever server, get the same number, and no call waits for the changes of others.
func (l Limits) Take(ctx context.Context, key ratelimit.Key, now time.Time, window time.Duration) (ratelimit.Window, error) {
	var w ratelimit.Window
	var started int64
	at, oldest, newest := millis(now), millis(now.Add(-window)), millis(now.Add(window))
	err := l.pools.Single.QueryRowContext(context.WithoutCancel(ctx), l.takeWindow,
		key.Account, key.Bucket, at, oldest, newest, oldest, newest).Scan(&started, &w.Used)
	w.Started = timeOf(started)
	return w, l.fault(err)
}

const takeWindow = `INSERT INTO rate_windows AS r (account_id, bucket, started_at, used) VALUES (?, ?, ?, 1)
	ON CONFLICT (account_id, bucket) DO UPDATE SET
		used = CASE WHEN r.started_at > ? AND r.started_at < ? THEN r.used + 1 ELSE 1 END,
		started_at = CASE WHEN r.started_at > ? AND r.started_at < ? THEN r.started_at ELSE excluded.started_at END
	RETURNING started_at, used`

// ForgetWindows removes windows that started before a time.
func (s *Store) ForgetWindows(ctx context.Context, before time.Time) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		_, err := tx.exec(ctx, "DELETE FROM rate_windows WHERE started_at < ?", millis(before))
		return err
	})
}

// Lease gives the named piece of periodic work to the holder until a time, if nobody else has it, and says whether.
func (s *Store) Lease(ctx context.Context, name, holder string, now, until time.Time) (bool, error) {
	var got bool
	err := s.writer.do(ctx, keyMany, func(tx *Tx) error {
		n, err := tx.exec(ctx, `INSERT INTO leases (name, holder, expires_at) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
			WHERE leases.holder = excluded.holder OR leases.expires_at <= ?`, name, holder, millis(until), millis(now))
		got = n == 1
		return err
	})
	return got, err
}
