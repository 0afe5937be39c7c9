package webhook

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
)

// Sender makes requests to receivers.
type Sender interface {
	// Send makes one request, and gives what came of it. It follows no redirects, and takes seconds at the most.
	Send(ctx context.Context, r Request) Answer
}

// Answer is what came of a request.
type Answer struct {
	StatusCode int    // of HTTP; 0 where no answer came
	Excerpt    string // the beginning of what the receiver said, for people
	Err        error  // why no answer came
}

// Service is what can be done with webhooks. All methods may be called at once from many goroutines.
type Service struct {
	store  Store
	sender Sender
	guard  Guard
	now    func() time.Time
	random io.Reader
}

// Options are what a Service is made of. Store must be there; Sender where Test is called.
type Options struct {
	Store  Store
	Sender Sender
	Guard  Guard
	Now    func() time.Time // time.Now when nil
	Random io.Reader        // crypto/rand.Reader when nil
}

// New makes a Service.
func New(o Options) *Service {
	s := &Service{store: o.Store, sender: o.Sender, guard: o.Guard, now: o.Now, random: o.Random}
	if s.now == nil {
		s.now = time.Now
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	return s
}

func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

func errNoWebhook() error { return errs.New(errs.NotFound, "Webhook not found") }

// List gives the webhooks of an account in the order in which they were made.
func (s *Service) List(ctx context.Context, account posture.AccountID) ([]Webhook, error) {
	return s.store.Webhooks(ctx, account)
}

// Get gives one webhook. NotFound: there is none.
func (s *Service) Get(ctx context.Context, account posture.AccountID, id string) (Webhook, error) {
	all, err := s.store.Webhooks(ctx, account)
	if err != nil {
		return Webhook{}, err
	}
	i := slices.IndexFunc(all, func(w Webhook) bool { return w.ID == id })
	if i < 0 {
		return Webhook{}, errNoWebhook()
	}
	return all[i], nil
}

// Made is a webhook that was made or changed. Secret is the signing secret where it is new: it is shown this once.
type Made struct {
	Webhook
	Secret string
}

// Create makes a webhook. Invalid: something about it cannot be accepted. Conflict: the name is taken, whatever the letter
// case, or the account has MaxWebhooks.
func (s *Service) Create(ctx context.Context, account posture.AccountID, c Change, actor string) (Made, error) {
	var t Target
	err := s.change(ctx, account, actor, func(tx Tx, all []Webhook, at time.Time) (string, error) {
		t = Target{Webhook: Webhook{
			Ref: Ref{account, posture.NewID(at, s.random)}, Form: c.Form, Topics: Reference, Enabled: true, CreatedAt: at, Revision: 1,
		}}
		key, err := s.apply(c, &t.Webhook, all)
		if err != nil {
			return "", err
		}
		if len(all) >= MaxWebhooks {
			return "", errs.New(errs.Conflict, "An account can have at most %d webhooks", MaxWebhooks)
		}
		if t.Form == Standard {
			key = new(newSecret(s.random))
		}
		if key != nil {
			t.Key = *key
		}
		return "webhook created: " + t.Name, tx.InsertWebhook(ctx, &t)
	})
	if err != nil {
		return Made{}, err
	}
	return made(&t.Webhook, &t.Key), nil
}

// made shows the secret of a webhook that has one, if it is new.
func made(w *Webhook, key *string) Made {
	out := Made{Webhook: *w}
	if w.Form == Standard && key != nil {
		out.Secret = *key
	}
	return out
}

// Update changes a webhook; with another address or key, or enabled again, everything that waits is tried at once. revision is the one that the caller read, or 0 for whichever there is. A change that changes
// nothing leaves the revision as it is. NotFound: there is none. Stale: it was changed meanwhile. Invalid and Conflict: as
// for Create.
func (s *Service) Update(ctx context.Context, account posture.AccountID, id string, revision int64, c Change, actor string) (Made, error) {
	var w Webhook
	var key *string
	err := s.change(ctx, account, actor, func(tx Tx, all []Webhook, at time.Time) (string, error) {
		before, err := pick(all, id, revision)
		if err != nil {
			return "", err
		}
		w = before
		key, err = s.apply(c, &w, all)
		if err != nil {
			return "", err
		}
		if c.NewSecret {
			key = new(newSecret(s.random))
		}
		if w == before && key == nil {
			return "", nil
		}
		w.ModifiedAt = at
		w.Revision++
		if w.URL != before.URL || w.Enabled && !before.Enabled || key != nil {
			w.Failures, w.RetryAt, w.LastError = 0, time.Time{}, "" // what failed may have been mended
			err = tx.ResumeWebhook(ctx, w.Ref, at)
			if err != nil {
				return "", err
			}
		}
		return "webhook changed: " + w.Name, tx.UpdateWebhook(ctx, &w, key)
	})
	if err != nil {
		return Made{}, err
	}
	return made(&w, key), nil
}

// SetEnabled lets a webhook hear of changes from now on, or hear of none. What waits when it is disabled goes on waiting,
// and is told when it is enabled again; what happens between is not told unless it is redelivered. The errors are those
// of Update.
func (s *Service) SetEnabled(ctx context.Context, account posture.AccountID, id string, revision int64, enabled bool, actor string) (Webhook, error) {
	m, err := s.Update(ctx, account, id, revision, Change{Enabled: &enabled}, actor)
	return m.Webhook, err
}

// endOfTime is later than all that was ever stored.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// purgeStep is how many rows are removed in one transaction.
const purgeStep = 1000

// Delete removes a webhook and what waits for it. The errors are those of Update.
func (s *Service) Delete(ctx context.Context, account posture.AccountID, id string, revision int64, actor string) error {
	ref := Ref{account, id}
	// It is disabled first, so that no more comes; if this breaks off, it is there to be deleted again.
	err := s.change(ctx, account, actor, func(tx Tx, all []Webhook, _ time.Time) (string, error) {
		w, err := pick(all, id, revision)
		if err != nil || !w.Enabled {
			return "", err
		}
		w.Enabled = false
		return "webhook disabled: " + w.Name, tx.UpdateWebhook(ctx, &w, nil)
	})
	if err != nil {
		return err
	}
	for _, forget := range []func(context.Context, Ref, time.Time, int) (int64, error){s.store.ForgetPending, s.store.ForgetDeliveries} {
		_, err = drain(ctx, ref, endOfTime, forget)
		if err != nil {
			return err
		}
	}
	return s.change(ctx, account, actor, func(tx Tx, all []Webhook, _ time.Time) (string, error) {
		w, err := pick(all, id, 0)
		if err != nil {
			return "", err
		}
		return "webhook deleted: " + w.Name, tx.DeleteWebhook(ctx, ref)
	})
}

// drain removes step by step, and gives how many rows it removed.
func drain(ctx context.Context, ref Ref, before time.Time, forget func(context.Context, Ref, time.Time, int) (int64, error)) (int64, error) {
	var total int64
	for {
		n, err := forget(ctx, ref, before, purgeStep)
		total += n
		if err != nil || n < purgeStep {
			return total, err
		}
	}
}

// pick finds the webhook that is to be changed, of the revision that is expected.
func pick(all []Webhook, id string, revision int64) (Webhook, error) {
	i := slices.IndexFunc(all, func(w Webhook) bool { return w.ID == id })
	if i < 0 {
		return Webhook{}, errNoWebhook()
	}
	if revision != 0 && revision != all[i].Revision {
		return Webhook{}, errs.New(errs.Stale, "The webhook was changed meanwhile; look at it again")
	}
	return all[i], nil
}

// change makes a step that changes webhooks, and records what it did, if it says that it did something.
func (s *Service) change(ctx context.Context, account posture.AccountID, actor string, do func(tx Tx, all []Webhook, at time.Time) (string, error)) error {
	at := s.clock()
	return s.store.ChangeWebhooks(ctx, account, func(tx Tx, all []Webhook) error {
		what, err := do(tx, all, at)
		if err != nil || what == "" {
			return err
		}
		return tx.Record(ctx, event.Event{
			Account: account, ID: posture.NewID(at, s.random), At: at, Kind: event.Configured, Actor: actor, Detail: what,
		})
	})
}

// Test sends a sample to a webhook at once, enabled or not, and gives what came of it. A receiver that fails is no error.
// NotFound: there is none.
func (s *Service) Test(ctx context.Context, account posture.AccountID, id, actor string) (Delivery, error) {
	ref := Ref{account, id}
	t, err := s.store.WebhookTarget(ctx, ref)
	if err != nil {
		return Delivery{}, err
	}
	at := s.clock()
	d := Delivery{ID: posture.NewID(at, s.random), At: at}
	answer := s.sender.Send(ctx, t.testRequest(d.ID, at))
	d.take(answer, s.clock().Sub(at))
	e := deliveryEvent(&t.Webhook, &d, posture.NewID(at, s.random))
	e.Actor = actor
	return d, s.store.PutDelivery(ctx, ref, d, e)
}

// MaxDeliveries is how many deliveries are given at once.
const MaxDeliveries = 100

// Deliveries gives a part of the deliveries to a webhook, the newest first, and the position behind it, "" at the end.
// NotFound: no such webhook. Invalid: w.After is not a position.
func (s *Service) Deliveries(ctx context.Context, account posture.AccountID, id string, w page.Window) ([]Delivery, string, error) {
	if w.After != "" && !posture.IsID(w.After) {
		return nil, "", errs.InvalidField("cursor", "The cursor is not a place in this list")
	}
	_, err := s.Get(ctx, account, id)
	if err != nil {
		return nil, "", err
	}
	w.Limit = max(1, min(w.Limit, MaxDeliveries)) + 1
	list, err := s.store.Deliveries(ctx, Ref{account, id}, w)
	if err != nil {
		return nil, "", err
	}
	list, next := page.Cut(list, w.Limit-1, func(d *Delivery) string { return d.ID })
	return list, next, nil
}

// MaxRedelivered is how many changes are looked at in one call of Redeliver.
const MaxRedelivered = 10_000

// Redelivered is what Redeliver did.
type Redelivered struct {
	// Events is how many changes wait for the webhook again.
	Events int
	// Next is the id of the first change that was not looked at: to go on from; "" at the end.
	Next string
}

// Redeliver tells a webhook again of the changes that it wants to hear of, from one on: from is the id of an event, or of a
// delivery, or a time as RFC 3339 has it. They have the ids that they had the first time. NotFound: no such webhook.
// Invalid: from is nothing of these. Conflict: the webhook is disabled.
func (s *Service) Redeliver(ctx context.Context, account posture.AccountID, id, from, actor string) (Redelivered, error) {
	w, err := s.Get(ctx, account, id)
	if err != nil {
		return Redelivered{}, err
	}
	if !w.Enabled {
		return Redelivered{}, errs.New(errs.Conflict, "The webhook is disabled; enable it first")
	}
	first, err := s.cursor(ctx, w.Ref, from)
	if err != nil {
		return Redelivered{}, err
	}
	var out Redelivered
	for looked := 0; looked < MaxRedelivered; looked += purgeStep {
		n, next, err := s.store.Redeliver(ctx, w.Ref, first, purgeStep, s.clock())
		if err != nil {
			return out, err
		}
		out.Events, out.Next = out.Events+n, next
		if next == "" {
			break
		}
		first = next
	}
	return out, s.change(ctx, account, actor, func(Tx, []Webhook, time.Time) (string, error) {
		return "webhook " + w.Name + " is told again from " + from, nil
	})
}

// cursor gives the id of the first event that is meant.
func (s *Service) cursor(ctx context.Context, ref Ref, from string) (string, error) {
	at, err := time.Parse(time.RFC3339, from)
	if err == nil {
		return fmt.Sprintf("%012x", max(0, at.UnixMilli())), nil // ids begin with their time
	}
	if !posture.IsID(from) {
		return "", errs.InvalidField("from", "from must be the id of an event or of a delivery, or a time such as 2026-03-01T09:00:00Z")
	}
	first, err := s.store.FirstEventOf(ctx, ref, from)
	if errs.Is(err, errs.NotFound) {
		return from, nil
	}
	return first, err
}

// Forget removes deliveries from before a time, and gives up changes from before it that could not be told. It gives how
// many it gave up; a webhook that lost some says so in its LastError, and the record too.
func (s *Service) Forget(ctx context.Context, account posture.AccountID, before time.Time) (int64, error) {
	all, err := s.store.Webhooks(ctx, account)
	if err != nil {
		return 0, err
	}
	var total int64
	for i := range all {
		_, err = drain(ctx, all[i].Ref, before, s.store.ForgetDeliveries)
		if err != nil {
			return total, err
		}
		lost, err := drain(ctx, all[i].Ref, before, s.store.ForgetPending)
		if err == nil && lost > 0 {
			err = s.giveUp(ctx, all[i].Ref, lost)
		}
		total += lost
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// giveUp says of a webhook that changes were given up.
func (s *Service) giveUp(ctx context.Context, ref Ref, lost int64) error {
	at := s.clock()
	text := fmt.Sprintf("%d changes were given up: they could not be delivered for as long as events are kept", lost)
	return s.store.ChangeWebhooks(ctx, ref.Account, func(tx Tx, all []Webhook) error {
		w, err := pick(all, ref.ID, 0)
		if err != nil {
			return unlessGone(err)
		}
		w.LastError = text
		err = tx.UpdateWebhook(ctx, &w, nil)
		if err != nil {
			return err
		}
		return tx.Record(ctx, event.Event{
			Account: ref.Account, ID: posture.NewID(at, s.random), At: at, Kind: event.WebhookFailed, Detail: w.Name + ": " + text,
		})
	})
}

// unlessGone bears that a webhook was deleted meanwhile.
func unlessGone(err error) error {
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}
