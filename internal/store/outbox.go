package store

import (
	"context"
	"time"

	"muster/internal/event"
	"muster/internal/webhook"
)

const (
	// markChanged tells, besides, whether the account has a webhook that may want to hear of it. It costs accounts without
	// one no statement of its own.
	markChanged = `UPDATE devices SET status_at = ? WHERE account_id = ? AND id = ?
		RETURNING EXISTS (SELECT 1 FROM webhooks w WHERE w.account_id = devices.account_id AND w.enabled = 1)`
	pendingColumns = "account_id, webhook_id, device_id, event_id, kind, status_from, status_to, at, detail, attempts, retry_at"
	// insertPending writes an event for each webhook that wants it. It waits as long as the first of its device does.
	insertPending = "INSERT INTO webhook_pending (" + pendingColumns + `)
		SELECT w.account_id, w.id, ?, ?, ?, ?, ?, ?, ?, 0, COALESCE((SELECT p.retry_at` + pendingOf + ` AND p.device_id = ? ORDER BY p.event_id LIMIT 1), ?)
		FROM webhooks w WHERE w.account_id = ? AND w.enabled = 1 AND (w.topics & ?) <> 0`
)

// Outbox tells that something was put where webhooks are told from, on this server, and stored.
func (s *Store) Outbox() <-chan struct{} { return s.writer.stored }

// changed notes the time of a change with its device, and puts the change where the account's webhooks are told from.
func (tx *Tx) changed(ctx context.Context, e *event.Event) error {
	tx.dirty = true
	var heard bool
	err := tx.queryRow(ctx, markChanged, millis(e.At), e.Account, e.DeviceID).Scan(&heard)
	if err != nil {
		return missing(err)
	}
	topic, ok := webhook.TopicOf(e)
	if !heard || !ok {
		return nil
	}
	n, err := tx.exec(ctx, insertPending, e.DeviceID, e.ID, string(e.Kind), e.From, e.To, millis(e.At), e.Detail,
		e.DeviceID, millis(e.At), e.Account, int64(webhook.TopicsOf(topic)))
	tx.w.outbox = tx.w.outbox || n > 0
	return err
}

// missing turns the absence of a row that must be there into the error that execOne has for it.
func missing(err error) error {
	if found, err := lost(err); found || err != nil {
		return err
	}
	return errNoRowChanged
}

// Ripe implements webhook.Outbox. It looks at what waits of all accounts, and there are few webhooks.
func (s *Store) Ripe(ctx context.Context, now time.Time) ([]webhook.Ref, error) {
	var out []webhook.Ref
	err := s.query(ctx, func(r scanner) error {
		var ref webhook.Ref
		err := r.Scan(&ref.Account, &ref.ID)
		out = append(out, ref)
		return err
	}, "SELECT w.account_id, w.id FROM webhooks w WHERE w.enabled = 1 AND w.retry_at <= ? AND w.lease_until <= ? AND EXISTS (SELECT 1"+pendingOf+" AND p.retry_at <= ?)",
		millis(now), millis(now), millis(now))
	return out, err
}

// LeaseWebhook implements webhook.Outbox.
func (s *Store) LeaseWebhook(ctx context.Context, ref webhook.Ref, holder string, now, until time.Time) (webhook.Target, bool, error) {
	var t webhook.Target
	var got bool
	err := s.writer.do(ctx, keyMany, func(tx *Tx) error {
		tx.dirty = true
		t = webhook.Target{}
		err := scanWebhook(tx.queryRow(ctx, `UPDATE webhooks SET lease_holder = ?, lease_until = ?
			WHERE account_id = ? AND id = ? AND enabled = 1 AND retry_at <= ? AND (lease_holder = ? OR lease_until <= ?) RETURNING `+webhookState,
			holder, millis(until), ref.Account, ref.ID, millis(now), holder, millis(now)), &t)
		got, err = lost(err)
		return err
	})
	return t, got, err
}

// Heads implements webhook.Outbox. Rows behind others of their device are left out whatever they say themselves: they
// may have been written while the first of them failed.
func (s *Store) Heads(ctx context.Context, ref webhook.Ref, now time.Time, limit int) ([]webhook.Pending, error) {
	var out []webhook.Pending
	err := s.query(ctx, func(r scanner) error {
		var p webhook.Pending
		var at, retry int64
		err := r.Scan(&p.DeviceID, &p.EventID, &p.Kind, &p.From, &p.To, &at, &p.Detail, &p.Attempts, &retry)
		p.At, p.RetryAt = timeOf(at), timeOf(retry)
		out = append(out, p)
		return err
	}, `SELECT p.device_id, p.event_id, p.kind, p.status_from, p.status_to, p.at, p.detail, p.attempts, p.retry_at FROM webhook_pending p
		WHERE p.account_id = ? AND p.webhook_id = ? AND p.retry_at <= ? AND NOT EXISTS (SELECT 1 FROM webhook_pending e
			WHERE e.account_id = p.account_id AND e.webhook_id = p.webhook_id AND e.device_id = p.device_id AND e.event_id < p.event_id)
		ORDER BY p.retry_at, p.event_id LIMIT ?`, ref.Account, ref.ID, millis(now), limit)
	return out, err
}

// Settle implements webhook.Outbox. Events come first: see ChangeWebhooks.
func (s *Store) Settle(ctx context.Context, r *webhook.Round) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		for _, e := range r.Events {
			err := tx.Record(ctx, e)
			if err != nil {
				return err
			}
		}
		n, err := tx.endLease(ctx, r)
		if err != nil {
			return err
		}
		for i := range r.Done {
			_, err = tx.exec(ctx, "DELETE FROM webhook_pending WHERE account_id = ? AND webhook_id = ? AND device_id = ? AND event_id = ?",
				r.Account, r.ID, r.Done[i].DeviceID, r.Done[i].EventID)
			if err != nil {
				return err
			}
		}
		if n == 0 {
			return nil // it was deleted, or this server was so slow that another has gone on: the rest is that one's
		}
		return tx.settleRest(ctx, r)
	})
}

// endLease stores how a webhook stands, if the round's holder still has it; a round without requests changes nothing.
func (tx *Tx) endLease(ctx context.Context, r *webhook.Round) (int64, error) {
	if len(r.Deliveries) == 0 {
		return tx.exec(ctx, "UPDATE webhooks SET lease_until = 0 WHERE account_id = ? AND id = ? AND lease_holder = ?", r.Account, r.ID, r.Holder)
	}
	return tx.exec(ctx, `UPDATE webhooks SET lease_until = 0, failures = ?, retry_at = ?, delivered_at = ?, last_error = ?
		WHERE account_id = ? AND id = ? AND lease_holder = ?`,
		r.Failures, millis(r.RetryAt), millis(r.DeliveredAt), r.LastError, r.Account, r.ID, r.Holder)
}

func (tx *Tx) settleRest(ctx context.Context, r *webhook.Round) error {
	if r.Resume {
		err := tx.ResumeWebhook(ctx, r.Ref, r.At)
		if err != nil {
			return err
		}
	}
	for i := range r.Failed {
		p := &r.Failed[i]
		_, err := tx.exec(ctx, `UPDATE webhook_pending SET retry_at = ?, attempts = CASE WHEN event_id = ? THEN ? ELSE attempts END
			WHERE account_id = ? AND webhook_id = ? AND device_id = ?`,
			millis(p.RetryAt), p.EventID, p.Attempts, r.Account, r.ID, p.DeviceID)
		if err != nil {
			return err
		}
	}
	for i := range r.Deliveries {
		err := tx.putDelivery(ctx, r.Ref, &r.Deliveries[i])
		if err != nil {
			return err
		}
	}
	return nil
}
