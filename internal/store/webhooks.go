package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/webhook"
)

const (
	webhookState   = "account_id, id, name, url, form, credential, topics, enabled, created_at, modified_at, revision, failures, retry_at, delivered_at, last_error"
	selectWebhooks = "SELECT " + webhookState
	noWebhook      = "Webhook not found"
	// pendingOf, behind the name of a column, is what waits for the webhook w.
	pendingOf = " FROM webhook_pending p WHERE p.account_id = w.account_id AND p.webhook_id = w.id"
)

func scanWebhook(r scanner, t *webhook.Target, more ...any) error {
	var created, modified, retry, delivered int64
	err := r.Scan(append([]any{
		&t.Account, &t.ID, &t.Name, &t.URL, &t.Form, &t.Key, &t.Topics, &t.Enabled, &created, &modified, &t.Revision,
		&t.Failures, &retry, &delivered, &t.LastError,
	}, more...)...)
	t.HasKey = t.Key != ""
	t.CreatedAt, t.ModifiedAt, t.RetryAt, t.DeliveredAt = timeOf(created), timeOf(modified), timeOf(retry), timeOf(delivered)
	return err
}

// Webhooks implements webhook.Store.
func (s *Store) Webhooks(ctx context.Context, account posture.AccountID) ([]webhook.Webhook, error) {
	var out []webhook.Webhook
	err := s.query(ctx, func(r scanner) error {
		var t webhook.Target
		var oldest int64
		err := scanWebhook(r, &t, &t.Pending, &oldest)
		t.OldestPending = timeOf(oldest)
		out = append(out, t.Webhook)
		return err
	}, selectWebhooks+", (SELECT COUNT(*)"+pendingOf+"), COALESCE((SELECT MIN(p.at)"+pendingOf+"), 0) FROM webhooks w WHERE w.account_id = ? ORDER BY w.id", account)
	return out, err
}

// WebhookTarget implements webhook.Store.
func (s *Store) WebhookTarget(ctx context.Context, ref webhook.Ref) (webhook.Target, error) {
	var t webhook.Target
	err := scanWebhook(s.queryRow(ctx, selectWebhooks+" FROM webhooks w WHERE w.account_id = ? AND w.id = ?", ref.Account, ref.ID), &t)
	return t, notFound(err, noWebhook)
}

// ChangeWebhooks implements webhook.Store. Whoever writes an event looks for webhooks behind that; so with events locked
// first, each event is written either before the change, by somebody who has ended, or looks behind it.
func (s *Store) ChangeWebhooks(ctx context.Context, account posture.AccountID, do func(tx webhook.Tx, all []webhook.Webhook) error) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		if lock := s.dialect.LockEvents; lock != "" {
			_, err := tx.exec(ctx, lock)
			if err != nil {
				return err
			}
		}
		var id posture.AccountID
		err := tx.queryRow(ctx, "SELECT id FROM accounts WHERE id = ?", account).Scan(&id)
		if err != nil {
			return notFound(err, noAccount)
		}
		var all []webhook.Webhook
		err = tx.query(ctx, func(r scanner) error {
			var t webhook.Target
			err := scanWebhook(r, &t)
			all = append(all, t.Webhook)
			return err
		}, selectWebhooks+" FROM webhooks w WHERE w.account_id = ? ORDER BY w.id", account)
		if err != nil {
			return err
		}
		return do(tx, all)
	})
}

// InsertWebhook implements webhook.Tx.
func (tx *Tx) InsertWebhook(ctx context.Context, t *webhook.Target) error {
	return tx.execOne(ctx, `INSERT INTO webhooks (account_id, id, name, url, form, credential, topics, enabled, created_at, modified_at, revision,
		failures, retry_at, delivered_at, last_error, lease_holder, lease_until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, '', '', 0)`,
		t.Account, t.ID, t.Name, t.URL, string(t.Form), t.Key, int64(t.Topics), flag(t.Enabled), millis(t.CreatedAt), millis(t.ModifiedAt), t.Revision)
}

// UpdateWebhook implements webhook.Tx.
func (tx *Tx) UpdateWebhook(ctx context.Context, w *webhook.Webhook, key *string) error {
	err := tx.execOne(ctx, `UPDATE webhooks SET name = ?, url = ?, topics = ?, enabled = ?, modified_at = ?, revision = ?, failures = ?, retry_at = ?,
		last_error = ? WHERE account_id = ? AND id = ?`,
		w.Name, w.URL, int64(w.Topics), flag(w.Enabled), millis(w.ModifiedAt), w.Revision, w.Failures, millis(w.RetryAt), w.LastError, w.Account, w.ID)
	if err != nil || key == nil {
		return err
	}
	return tx.execOne(ctx, "UPDATE webhooks SET credential = ? WHERE account_id = ? AND id = ?", *key, w.Account, w.ID)
}

// ResumeWebhook implements webhook.Tx.
func (tx *Tx) ResumeWebhook(ctx context.Context, ref webhook.Ref, now time.Time) error {
	n, err := tx.exec(ctx, "UPDATE webhook_pending SET retry_at = ? WHERE account_id = ? AND webhook_id = ? AND retry_at > ?",
		millis(now), ref.Account, ref.ID, millis(now))
	tx.w.outbox = tx.w.outbox || n > 0
	return err
}

// DeleteWebhook implements webhook.Tx.
func (tx *Tx) DeleteWebhook(ctx context.Context, ref webhook.Ref) error {
	return tx.execOne(ctx, "DELETE FROM webhooks WHERE account_id = ? AND id = ?", ref.Account, ref.ID)
}

// ForgetPending implements webhook.Store.
func (s *Store) ForgetPending(ctx context.Context, ref webhook.Ref, before time.Time, limit int) (int64, error) {
	return s.forgetOf(ctx, ref, `DELETE FROM webhook_pending WHERE account_id = ? AND webhook_id = ? AND event_id IN
		(SELECT event_id FROM webhook_pending WHERE account_id = ? AND webhook_id = ? AND at < ? ORDER BY device_id, event_id LIMIT ?)`, millis(before), limit)
}

// ForgetDeliveries implements webhook.Store.
func (s *Store) ForgetDeliveries(ctx context.Context, ref webhook.Ref, before time.Time, limit int) (int64, error) {
	return s.forgetOf(ctx, ref, `DELETE FROM webhook_deliveries WHERE account_id = ? AND webhook_id = ? AND id IN
		(SELECT id FROM webhook_deliveries WHERE account_id = ? AND webhook_id = ? AND id < ? ORDER BY id LIMIT ?)`, idAt(before), limit)
}

func (s *Store) forgetOf(ctx context.Context, ref webhook.Ref, query string, before any, limit int) (int64, error) {
	var n int64
	err := s.writer.do(ctx, keyMany, func(tx *Tx) error {
		var err error
		n, err = tx.exec(ctx, query, ref.Account, ref.ID, ref.Account, ref.ID, before, limit)
		return err
	})
	return n, err
}

const deliveryColumns = "id, at, attempt, events, first_event, last_event, device_id, status_code, took, error"

// Deliveries implements webhook.Store.
func (s *Store) Deliveries(ctx context.Context, ref webhook.Ref, w page.Window) ([]webhook.Delivery, error) {
	before := w.After
	if before == "" {
		before = beyondIDs
	}
	var out []webhook.Delivery
	err := s.query(ctx, func(r scanner) error {
		var d webhook.Delivery
		var at, took int64
		err := r.Scan(&d.ID, &at, &d.Attempt, &d.Events, &d.FirstEvent, &d.LastEvent, &d.DeviceID, &d.StatusCode, &took, &d.Error)
		d.At, d.Took = timeOf(at), time.Duration(took)*time.Millisecond
		out = append(out, d)
		return err
	}, "SELECT "+deliveryColumns+` FROM webhook_deliveries WHERE account_id = ? AND webhook_id = ? AND id < ?
		ORDER BY account_id DESC, webhook_id DESC, id DESC LIMIT ? OFFSET ?`, ref.Account, ref.ID, before, w.Limit, w.Skip)
	return out, err
}

// FirstEventOf implements webhook.Store.
func (s *Store) FirstEventOf(ctx context.Context, ref webhook.Ref, delivery string) (string, error) {
	var first string
	err := s.queryRow(ctx, "SELECT first_event FROM webhook_deliveries WHERE account_id = ? AND webhook_id = ? AND id = ? AND events > 0",
		ref.Account, ref.ID, delivery).Scan(&first)
	return first, notFound(err, "Delivery not found")
}

// PutDelivery implements webhook.Store. A webhook that was deleted meanwhile leaves none.
func (s *Store) PutDelivery(ctx context.Context, ref webhook.Ref, d webhook.Delivery, e event.Event) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		err := tx.Record(ctx, e)
		if err != nil {
			return err
		}
		var id string
		err = tx.queryRow(ctx, "SELECT id FROM webhooks WHERE account_id = ? AND id = ?"+s.dialect.ForUpdate, ref.Account, ref.ID).Scan(&id)
		if err != nil {
			return notFound(err, noWebhook)
		}
		return tx.putDelivery(ctx, ref, &d)
	})
}

func (tx *Tx) putDelivery(ctx context.Context, ref webhook.Ref, d *webhook.Delivery) error {
	return tx.execOne(ctx, "INSERT INTO webhook_deliveries (account_id, webhook_id, "+deliveryColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		ref.Account, ref.ID, d.ID, millis(d.At), d.Attempt, d.Events, d.FirstEvent, d.LastEvent, d.DeviceID, d.StatusCode, d.Took.Milliseconds(), d.Error)
}

// redelivered finds first changes from an event on: so many of each kind, and so much of them all.
var redelivered = func() string {
	parts := make([]string, len(event.Changing))
	for i := range parts {
		parts[i] = "SELECT " + eventColumns + " FROM events WHERE account_id = ? AND (kind, id) >= (?, ?) AND (kind, id) < (?, ?) ORDER BY kind, id LIMIT ?"
	}
	return unionAll(eventColumns, parts) + " ORDER BY id LIMIT ?"
}()

const insertPendingAgain = "INSERT INTO webhook_pending (" + pendingColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?) ON CONFLICT (account_id, webhook_id, device_id, event_id) DO NOTHING"

// Redeliver implements webhook.Store.
func (s *Store) Redeliver(ctx context.Context, ref webhook.Ref, from string, limit int, now time.Time) (queued int, next string, err error) {
	err = s.writer.do(ctx, keyMany, func(tx *Tx) error {
		queued, next = 0, ""
		var t webhook.Target
		err := scanWebhook(tx.queryRow(ctx, selectWebhooks+" FROM webhooks w WHERE w.account_id = ? AND w.id = ?"+s.dialect.ForUpdate, ref.Account, ref.ID), &t)
		if err != nil {
			return notFound(err, noWebhook)
		}
		var args []any
		for _, kind := range event.Changing {
			args = append(args, ref.Account, string(kind), from, string(kind), beyondIDs, limit+1)
		}
		var list []event.Event
		err = tx.query(ctx, func(r scanner) error {
			list = append(list, event.Event{})
			return scanEvent(r, &list[len(list)-1])
		}, redelivered, append(args, limit+1)...)
		if err != nil {
			return err
		}
		if len(list) > limit {
			list, next = list[:limit], list[limit].ID
		}
		for i := range list {
			e := &list[i]
			topic, ok := webhook.TopicOf(e)
			if !ok || !t.Topics.Has(topic) {
				continue
			}
			queued++
			_, err = tx.exec(ctx, insertPendingAgain, ref.Account, ref.ID, e.DeviceID, e.ID, string(e.Kind), e.From, e.To, millis(e.At), e.Detail, millis(now))
			if err != nil {
				return err
			}
		}
		tx.w.outbox = tx.w.outbox || queued > 0
		return nil
	})
	return queued, next, err
}

// lost turns the absence of a row into false.
func lost(err error) (bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
