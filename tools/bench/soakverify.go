package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"muster/internal/device"
)

// remember notes what the server holds of every device before the soak.
func (s *soak) remember(ctx context.Context) error {
	return s.each(ctx, func(i int, digest []byte, _ time.Time) error {
		copy(s.devices[i].digest[:], digest)
		return nil
	})
}

// each reads what is stored of every device. The server must not run.
func (s *soak) each(ctx context.Context, see func(i int, digest []byte, seen time.Time) error) (err error) {
	index := make(map[string]int, len(s.agents))
	for i := range s.agents {
		index[s.agents[i].id] = i
	}
	db, err := s.openSQL(false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, s.rebind(`SELECT d.id, d.digest, s.seen_at FROM devices d
		LEFT JOIN device_seen s ON s.account_id = d.account_id AND s.device_id = d.id
		WHERE d.account_id = ? AND d.lifecycle = 0`), s.account.ID)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // Err says it
	var digest sql.RawBytes
	for rows.Next() {
		var id string
		var seen sql.NullInt64
		err = rows.Scan(&id, &digest, &seen)
		if err != nil {
			return err
		}
		i, ok := index[id]
		if !ok {
			return fmt.Errorf("device %s is stored, was never answered, or is stored twice", id)
		}
		delete(index, id)
		err = see(i, digest, time.UnixMilli(seen.Int64))
		if err != nil {
			return err
		}
	}
	if rows.Err() == nil && len(index) > 0 {
		return fmt.Errorf("%d devices are gone", len(index))
	}
	return rows.Err()
}

// verify compares what the server holds with what it answered: of every device the last report, by its digest, and the
// last contact.
func (s *soak) verify(ctx context.Context) error {
	digests := newDigester()
	var lost, reported, either int
	var unseen time.Duration
	var late int
	err := s.each(ctx, func(i int, stored []byte, seen time.Time) error {
		d := &s.devices[i]
		if last := s.began.Add(d.contact); d.contact > 0 && seen.Before(last.Truncate(time.Millisecond)) {
			before := s.killedAfter(last)
			unseen = max(unseen, before)
			if before > device.SeenLag {
				late++
			}
		}
		want := d.digest[:]
		if d.answered != (said{}) {
			reported++
			var err error
			want, err = digests.of(s.reportOf(i, d.answered))
			if err != nil {
				return err
			}
		}
		if string(stored) == string(want) {
			return nil
		}
		if d.sent != (said{}) {
			unanswered, err := digests.of(s.reportOf(i, d.sent))
			if err != nil {
				return err
			}
			if string(stored) == string(unanswered) {
				either++
				return nil
			}
		}
		lost++
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Printf("all %d devices are stored; %d reported, of which %d are stored otherwise than they were answered, and %d with a report "+
		"whose answer was lost; the kill took contacts of at most the last %s, those of %d devices earlier than %s\n",
		len(s.devices), reported, lost, either, unseen.Round(time.Millisecond), late, device.SeenLag)
	if lost > 0 {
		return fmt.Errorf("%d reports were answered and are lost", lost)
	}
	return s.checkCounts(ctx, int64(len(s.devices)))
}

// killedAfter gives how long after a contact the server was killed. It may have answered for a moment yet.
func (s *soak) killedAfter(contact time.Time) time.Duration {
	const moment = 100 * time.Millisecond
	for _, at := range s.kills {
		if after := at.Sub(contact); after > -moment {
			return after
		}
	}
	return 0
}

func (s *soak) reportOf(i int, r said) []byte {
	return s.bodies.variants[r.kind].appendTo(nil, i, int64(r.version-1))
}
