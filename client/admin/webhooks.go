package admin

import (
	"context"
	"iter"
	"net/http"
	"time"
)

// Webhook is another system that is told of changes.
type Webhook struct {
	ID            string    `json:"id"`
	Name          string    `json:"name"`
	URL           string    `json:"url"`
	Form          string    `json:"form"` // opswat or standard
	Events        []string  `json:"events"`
	Enabled       bool      `json:"enabled"`
	HasAPIKey     bool      `json:"has_api_key"`
	Revision      int64     `json:"revision"`
	CreatedAt     time.Time `json:"created_at"`
	ModifiedAt    time.Time `json:"modified_at"`
	Failures      int       `json:"failures"`
	RetryAt       time.Time `json:"retry_at"`
	DeliveredAt   time.Time `json:"delivered_at"`
	LastError     string    `json:"last_error"`
	Pending       int64     `json:"pending"`
	OldestPending time.Time `json:"oldest_pending"`
	Secret        string    `json:"secret"` // only from CreateWebhook and RenewWebhookSecret
	Tag           string    `json:"-"`
}

func (w *Webhook) setTag(string) { w.Tag = revisionTag(w.Revision) }

// WebhookChange is what is to be about a webhook; what is nil stays, or is the default in a new one.
type WebhookChange struct {
	Name    *string   `json:"name,omitempty"`
	URL     *string   `json:"url,omitempty"`
	Form    string    `json:"form,omitempty"` // of a new one only, and needed there
	APIKey  *string   `json:"api_key,omitempty"`
	Events  *[]string `json:"events,omitempty"`
	Enabled *bool     `json:"enabled,omitempty"`
}

// Delivery is one request that was made to a receiver, or tried.
type Delivery struct {
	ID         string    `json:"id"`
	At         time.Time `json:"at"`
	Delivered  bool      `json:"delivered"`
	Attempt    int       `json:"attempt"`
	Events     int       `json:"events"`
	FirstEvent string    `json:"first_event"`
	LastEvent  string    `json:"last_event"`
	DeviceID   string    `json:"device_id"`
	StatusCode int       `json:"status_code"`
	TookMS     int64     `json:"took_ms"`
	Error      string    `json:"error"`
}

// Redelivered is how much a webhook is told again, and where to go on; Next is "" at the end.
type Redelivered struct {
	Events int    `json:"events"`
	Next   string `json:"next"`
}

// Webhooks walks through the webhooks with how each goes.
func (c *Client) Webhooks(ctx context.Context) iter.Seq2[Webhook, error] {
	return all[Webhook](ctx, c, "webhooks", nil)
}

// Webhook gives one webhook.
func (c *Client) Webhook(ctx context.Context, id string) (Webhook, error) {
	return fetch[Webhook](ctx, c, get(below("webhooks", id), nil))
}

// CreateWebhook makes a webhook; name, URL and form are needed. In the form standard its secret is shown this once.
func (c *Client) CreateWebhook(ctx context.Context, change WebhookChange) (Webhook, error) {
	return send[Webhook](ctx, c, http.MethodPost, "webhooks", "", change)
}

// ChangeWebhook changes a webhook and gives it back.
func (c *Client) ChangeWebhook(ctx context.Context, id, tag string, change WebhookChange) (Webhook, error) {
	return send[Webhook](ctx, c, http.MethodPatch, below("webhooks", id), tag, change)
}

// DeleteWebhook removes a webhook and what waits for it.
func (c *Client) DeleteWebhook(ctx context.Context, id, tag string) error {
	return c.remove(ctx, below("webhooks", id), tag, nil)
}

// RenewWebhookSecret gives a webhook another signing secret, which is shown this once.
func (c *Client) RenewWebhookSecret(ctx context.Context, id, tag string) (Webhook, error) {
	return fetch[Webhook](ctx, c, call{method: http.MethodPost, path: below("webhooks", id, "renew-secret"), tag: tag})
}

// TestWebhook sends a sample to a webhook, and gives what came of it.
func (c *Client) TestWebhook(ctx context.Context, id string) (Delivery, error) {
	return fetch[Delivery](ctx, c, call{method: http.MethodPost, path: below("webhooks", id, "test")})
}

// Deliveries walks through the deliveries to a webhook, the newest first.
func (c *Client) Deliveries(ctx context.Context, id string) iter.Seq2[Delivery, error] {
	return all[Delivery](ctx, c, below("webhooks", id, "deliveries"), nil)
}

// Redeliver tells a webhook again from an event, a delivery or a time on.
func (c *Client) Redeliver(ctx context.Context, id, from string) (Redelivered, error) {
	return send[Redelivered](ctx, c, http.MethodPost, below("webhooks", id, "redeliver"), "", map[string]any{"from": from})
}
