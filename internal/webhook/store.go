package webhook

import (
	"context"
	"time"

	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
)

// Store keeps webhooks and what they are to be told. What is to be told is put there with the event that it is of.
type Store interface {
	// Webhooks gives those of an account in the order of their ids, with what waits for each.
	Webhooks(ctx context.Context, account posture.AccountID) ([]Webhook, error)
	// ChangeWebhooks makes a step that changes webhooks of an account, given all of them without what waits. No other such
	// step runs meanwhile, and no event is written: each is told either as before the step or as after it. NotFound: no
	// such account.
	ChangeWebhooks(ctx context.Context, account posture.AccountID, do func(tx Tx, all []Webhook) error) error
	// WebhookTarget gives one webhook with its key. NotFound: none.
	WebhookTarget(ctx context.Context, ref Ref) (Target, error)
	// ForgetPending removes up to so many changes that wait for a webhook, those from before a time, and says how many.
	ForgetPending(ctx context.Context, ref Ref, before time.Time, limit int) (int64, error)
	// ForgetDeliveries removes up to so many deliveries to a webhook from before a time, and says how many.
	ForgetDeliveries(ctx context.Context, ref Ref, before time.Time, limit int) (int64, error)
	// Deliveries gives deliveries, the newest first; w.After is the id of one.
	Deliveries(ctx context.Context, ref Ref, w page.Window) ([]Delivery, error)
	// FirstEventOf gives the id of the first event of a delivery. NotFound: no such delivery, or it had none.
	FirstEventOf(ctx context.Context, ref Ref, delivery string) (string, error)
	// PutDelivery stores a delivery that was a test, with an event that tells of it.
	PutDelivery(ctx context.Context, ref Ref, d Delivery, e event.Event) error
	// Redeliver lets those among so many changes from an event on, that event included, wait for a webhook again that it
	// wants. It gives how many it wants, and the id of the first change behind them, "" at the end.
	Redeliver(ctx context.Context, ref Ref, from string, limit int, now time.Time) (queued int, next string, err error)

	Outbox
}

// Tx is a step that changes webhooks.
type Tx interface {
	InsertWebhook(ctx context.Context, t *Target) error
	// UpdateWebhook stores one that was read in the same step; an empty key leaves the one it has.
	UpdateWebhook(ctx context.Context, w *Webhook, key *string) error
	// ResumeWebhook lets everything that waits for one be tried now.
	ResumeWebhook(ctx context.Context, ref Ref, now time.Time) error
	// DeleteWebhook removes one that nothing waits for.
	DeleteWebhook(ctx context.Context, ref Ref) error
	Record(ctx context.Context, e event.Event) error
}

// Outbox is what waits to be sent.
type Outbox interface {
	// Ripe gives the enabled webhooks, of whichever account, for which something may be sent now, and that nobody leases.
	Ripe(ctx context.Context, now time.Time) ([]Ref, error)
	// LeaseWebhook gives a webhook to a holder alone until a time, if nobody else has it and something may be sent, and
	// says whether.
	LeaseWebhook(ctx context.Context, ref Ref, holder string, now, until time.Time) (Target, bool, error)
	// Heads gives changes that may be told to a webhook now, of each device the earliest that waits at most, the one that
	// waits longest first.
	Heads(ctx context.Context, ref Ref, now time.Time, limit int) ([]Pending, error)
	// Settle stores what came of a round, in one transaction, and ends the lease.
	Settle(ctx context.Context, r *Round) error
}

// Round is what came of the requests that were made under one lease.
type Round struct {
	Ref
	Holder string
	At     time.Time
	// Done were told, Failed are to be told again at their RetryAt, and no later change of their devices before.
	Done, Failed []Pending
	Deliveries   []Delivery
	Events       []event.Event // that tell of the deliveries
	// The webhook's own state afterwards; see Webhook.
	Failures    int
	RetryAt     time.Time
	DeliveredAt time.Time
	LastError   string
	// Resume lets everything that waits be tried now, whatever its RetryAt: the receiver is back.
	Resume bool
}
