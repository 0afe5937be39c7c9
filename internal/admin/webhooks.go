package admin

import (
	"context"
	"net/http"
	"time"

	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/webhook"
)

// Webhooks is what this door asks about webhooks. package webhook says what each method does.
type Webhooks interface {
	List(ctx context.Context, account posture.AccountID) ([]webhook.Webhook, error)
	Get(ctx context.Context, account posture.AccountID, id string) (webhook.Webhook, error)
	Create(ctx context.Context, account posture.AccountID, c webhook.Change, actor string) (webhook.Made, error)
	Update(ctx context.Context, account posture.AccountID, id string, revision int64, c webhook.Change, actor string) (webhook.Made, error)
	Delete(ctx context.Context, account posture.AccountID, id string, revision int64, actor string) error
	Test(ctx context.Context, account posture.AccountID, id, actor string) (webhook.Delivery, error)
	Deliveries(ctx context.Context, account posture.AccountID, id string, w page.Window) ([]webhook.Delivery, string, error)
	Redeliver(ctx context.Context, account posture.AccountID, id, from, actor string) (webhook.Redelivered, error)
}

// hook is a webhook as the API shows it.
type hook struct {
	ID            string       `json:"id"`
	Name          string       `json:"name"`
	URL           string       `json:"url"`
	Form          webhook.Form `json:"form"`
	Events        []string     `json:"events"`
	Enabled       bool         `json:"enabled"`
	HasKey        bool         `json:"has_api_key"`
	Revision      int64        `json:"revision"`
	CreatedAt     time.Time    `json:"created_at"`
	ModifiedAt    time.Time    `json:"modified_at,omitzero"`
	Failures      int          `json:"failures"`
	RetryAt       time.Time    `json:"retry_at,omitzero"`
	DeliveredAt   time.Time    `json:"delivered_at,omitzero"`
	LastError     string       `json:"last_error,omitempty"`
	Pending       int64        `json:"pending"`
	OldestPending time.Time    `json:"oldest_pending,omitzero"`
	// Secret is there once, in the answer to the call that makes it.
	Secret string `json:"secret,omitempty"`
}

// hookChange is what PATCH takes.
type hookChange struct {
	Name    *string   `json:"name"`
	URL     *string   `json:"url"`
	APIKey  *string   `json:"api_key"`
	Events  *[]string `json:"events"`
	Enabled *bool     `json:"enabled"`
}

// newHook is what POST takes.
type newHook struct {
	Name    *string   `json:"name"`
	URL     *string   `json:"url"`
	Form    string    `json:"form"`
	APIKey  *string   `json:"api_key"`
	Events  *[]string `json:"events"`
	Enabled *bool     `json:"enabled"`
}

// delivery is one request to a receiver.
type delivery struct {
	ID         string    `json:"id"`
	At         time.Time `json:"at"`
	Delivered  bool      `json:"delivered"`
	Attempt    int       `json:"attempt"`
	Events     int       `json:"events"`
	FirstEvent string    `json:"first_event,omitempty"`
	LastEvent  string    `json:"last_event,omitempty"`
	DeviceID   string    `json:"device_id,omitempty"`
	StatusCode int       `json:"status_code,omitempty"`
	Took       int64     `json:"took_ms"`
	Error      string    `json:"error,omitempty"`
}

// redeliver is what telling again takes.
type redeliver struct {
	From string `json:"from"`
}

// redelivered is what came of it.
type redelivered struct {
	Events int    `json:"events"`
	Next   string `json:"next,omitempty"`
}

func renderHook(w *webhook.Webhook) hook {
	return hook{
		ID: w.ID, Name: w.Name, URL: w.URL, Form: w.Form, Events: w.Topics.Words(), Enabled: w.Enabled, Revision: w.Revision,
		HasKey:    w.Form == webhook.Opswat && w.HasKey,
		CreatedAt: w.CreatedAt, ModifiedAt: w.ModifiedAt, Failures: w.Failures, RetryAt: w.RetryAt, DeliveredAt: w.DeliveredAt,
		LastError: w.LastError, Pending: w.Pending, OldestPending: w.OldestPending,
	}
}

func renderDelivery(x *webhook.Delivery) delivery {
	return delivery{
		ID: x.ID, At: x.At, Delivered: x.Delivered(), Attempt: x.Attempt, Events: x.Events, FirstEvent: x.FirstEvent, LastEvent: x.LastEvent,
		DeviceID: x.DeviceID, StatusCode: x.StatusCode, Took: x.Took.Milliseconds(), Error: x.Error,
	}
}

const noHook = "Webhook not found"

func (d *door) listHooks(c *call) error {
	w := c.window()
	err := c.query.err()
	if err != nil {
		return err
	}
	all, err := d.Webhooks.List(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	some, next := part(all, w, func(x *webhook.Webhook) string { return x.ID })
	return answerList(c, rendered(some, renderHook), next)
}

func (d *door) showHook(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	id, err := c.uniqueID(noHook)
	if err != nil {
		return err
	}
	return d.answerHook(c, id, "")
}

// answerHook reads a webhook with how it goes.
func (d *door) answerHook(c *call, id, secret string) error {
	w, err := d.Webhooks.Get(c.ctx, c.account.ID, id)
	if err != nil {
		return err
	}
	out := renderHook(&w)
	out.Secret = secret
	return c.answerTagged(tag(w.Revision), out)
}

func (d *door) createHook(c *call) error {
	var in newHook
	err := c.query.err()
	if err == nil {
		err = c.read(&in)
	}
	if err != nil {
		return err
	}
	made, err := d.Webhooks.Create(c.ctx, c.account.ID, webhook.Change{
		Name: in.Name, URL: in.URL, Form: webhook.Form(in.Form), APIKey: in.APIKey, Events: in.Events, Enabled: in.Enabled,
	}, c.actor)
	if err != nil {
		return err
	}
	out := renderHook(&made.Webhook)
	out.Secret = made.Secret
	return c.created("webhooks/"+made.ID, tag(made.Revision), out)
}

// hookChanged reads which webhook is to be changed, and which revision of it; 0 is whichever there is.
func (c *call) hookChanged() (id string, revision int64, err error) {
	expect, err := c.changing()
	if err != nil {
		return "", 0, err
	}
	if expect != nil {
		revision = max(*expect, -1)
		if revision == 0 {
			revision = -1 // that none has
		}
	}
	id, err = c.uniqueID(noHook)
	return id, revision, err
}

func (d *door) changeHook(c *call) error {
	var in hookChange
	id, revision, err := c.hookChanged()
	if err == nil {
		err = c.read(&in)
	}
	if err != nil {
		return err
	}
	made, err := d.Webhooks.Update(c.ctx, c.account.ID, id, revision, webhook.Change{
		Name: in.Name, URL: in.URL, APIKey: in.APIKey, Events: in.Events, Enabled: in.Enabled,
	}, c.actor)
	if err != nil {
		return err
	}
	return d.answerHook(c, made.ID, made.Secret)
}

// renewSecret gives a webhook another signing secret, which is shown this once.
func (d *door) renewSecret(c *call) error {
	id, revision, err := c.hookChanged()
	if err == nil {
		err = c.noBody()
	}
	if err != nil {
		return err
	}
	made, err := d.Webhooks.Update(c.ctx, c.account.ID, id, revision, webhook.Change{NewSecret: true}, c.actor)
	if err != nil {
		return err
	}
	return d.answerHook(c, made.ID, made.Secret)
}

func (d *door) deleteHook(c *call) error {
	id, revision, err := c.hookChanged()
	if err == nil {
		err = c.noBody()
	}
	if err == nil {
		err = d.Webhooks.Delete(c.ctx, c.account.ID, id, revision, c.actor)
	}
	if err != nil {
		return err
	}
	return c.nothing()
}

// testHook sends a sample. A receiver that fails is an answer like any other.
func (d *door) testHook(c *call) error {
	err := c.plain()
	if err != nil {
		return err
	}
	id, err := c.uniqueID(noHook)
	if err != nil {
		return err
	}
	x, err := d.Webhooks.Test(c.ctx, c.account.ID, id, c.actor)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, renderDelivery(&x))
}

func (d *door) listDeliveries(c *call) error {
	w := c.window()
	err := c.query.err()
	if err != nil {
		return err
	}
	id, err := c.uniqueID(noHook)
	if err != nil {
		return err
	}
	list, next, err := d.Webhooks.Deliveries(c.ctx, c.account.ID, id, w)
	if errs.Is(err, errs.Invalid) {
		return errs.InvalidField("after", "after is not one that this list gave as next")
	}
	if err != nil {
		return err
	}
	return answerList(c, rendered(list, renderDelivery), next)
}

func (d *door) redeliver(c *call) error {
	var in redeliver
	err := c.query.err()
	if err == nil {
		err = c.read(&in)
	}
	if err != nil {
		return err
	}
	id, err := c.uniqueID(noHook)
	if err != nil {
		return err
	}
	out, err := d.Webhooks.Redeliver(c.ctx, c.account.ID, id, in.From, c.actor)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, redelivered{out.Events, out.Next})
}
