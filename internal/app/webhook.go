package app

import (
	"strings"
	"time"

	"muster/internal/config"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/webhook"
)

type webhookCommand struct {
	List       webhookList       `cmd:"" help:"List the webhooks of an account, and how they do."`
	Show       webhookShow       `cmd:"" help:"Show a webhook."`
	Create     webhookCreate     `cmd:"" help:"Have another system told of changes of status."`
	Edit       webhookEdit       `cmd:"" help:"Change, enable or disable a webhook."`
	Delete     webhookDelete     `cmd:"" help:"Delete a webhook, and what waits for it."`
	Test       webhookTest       `cmd:"" help:"Send a sample to a webhook now."`
	Deliveries webhookDeliveries `cmd:"" help:"List the requests that were made to a webhook, the newest first."`
	Redeliver  webhookRedeliver  `cmd:"" help:"Tell a webhook again of the changes from one on."`
}

// webhookView is a webhook as the command line prints it. The names of its members stay.
type webhookView struct {
	ID            string       `json:"webhook_id"`
	Name          string       `json:"name"`
	URL           string       `json:"url"`
	Form          webhook.Form `json:"form"`
	Events        []string     `json:"events"`
	Enabled       bool         `json:"enabled"`
	HasAPIKey     bool         `json:"has_api_key"`
	CreatedAt     time.Time    `json:"created_at"`
	ModifiedAt    time.Time    `json:"modified_at,omitzero"`
	Revision      int64        `json:"revision"`
	Pending       int64        `json:"pending"`
	OldestPending time.Time    `json:"oldest_pending,omitzero"`
	DeliveredAt   time.Time    `json:"delivered_at,omitzero"`
	Failures      int          `json:"failures"`
	RetryAt       time.Time    `json:"retry_at,omitzero"`
	LastError     string       `json:"last_error"`
	Secret        string       `json:"signing_secret,omitempty"` // where it is new
}

func viewWebhook(m webhook.Made) webhookView {
	return webhookView{
		ID: m.ID, Name: m.Name, URL: m.URL, Form: m.Form, Events: m.Topics.Words(), Enabled: m.Enabled, HasAPIKey: m.Form == webhook.Opswat && m.HasKey,
		CreatedAt: m.CreatedAt, ModifiedAt: m.ModifiedAt, Revision: m.Revision, Pending: m.Pending, OldestPending: m.OldestPending,
		DeliveredAt: m.DeliveredAt, Failures: m.Failures, RetryAt: m.RetryAt, LastError: m.LastError, Secret: m.Secret,
	}
}

// print shows one webhook.
func (v *webhookView) print(env *environment, asJSON bool) error {
	if asJSON {
		return printJSON(env.stdout, v)
	}
	t := newTable()
	for _, line := range [][2]any{
		{"webhook id", v.ID}, {"name", v.Name}, {"url", v.URL}, {"form", v.Form}, {"events", strings.Join(v.Events, ", ")},
		{"enabled", yesNo(v.Enabled)}, {"api key", yesNo(v.HasAPIKey)}, {"revision", v.Revision}, {"pending", v.Pending},
		{"delivered", stamp(v.DeliveredAt)}, {"failures", v.Failures}, {"last error", v.LastError},
	} {
		t.row(line[0], line[1])
	}
	if v.Secret != "" {
		t.row("signing secret", v.Secret)
		t.row("", "It is shown this once. The receiver verifies with it.")
	}
	return t.print(env.stdout)
}

type webhookList struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
}

// Run lists the webhooks.
func (c *webhookList) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		list, err := s.webhooks.List(env.ctx, a.ID)
		if err != nil {
			return err
		}
		views := make([]webhookView, len(list))
		t := newTable("WEBHOOK ID", "NAME", "FORM", "ENABLED", "PENDING", "DELIVERED", "FAILURES", "URL", "LAST ERROR")
		for i := range list {
			v := viewWebhook(webhook.Made{Webhook: list[i]})
			views[i] = v
			t.row(v.ID, v.Name, v.Form, yesNo(v.Enabled), v.Pending, stamp(v.DeliveredAt), v.Failures, v.URL, v.LastError)
		}
		if c.JSON {
			return printJSON(env.stdout, views)
		}
		return t.print(env.stdout)
	})
}

// webhookArg names a webhook.
type webhookArg struct {
	Webhook string `arg:"" help:"Name or id of the webhook."`
}

// withWebhook finds the webhook with the name, whatever the letter case, or else the id.
func (c webhookArg) withWebhook(env *environment, f accountFlag, fn func(*services, webhook.Webhook) error) error {
	return env.withAccount(f, func(s *services, a identity.Account) error {
		list, err := s.webhooks.List(env.ctx, a.ID)
		if err != nil {
			return err
		}
		for _, same := range []func(*webhook.Webhook) bool{
			func(w *webhook.Webhook) bool { return strings.EqualFold(w.Name, strings.TrimSpace(c.Webhook)) },
			func(w *webhook.Webhook) bool { return w.ID == c.Webhook },
		} {
			for i := range list {
				if same(&list[i]) {
					return fn(s, list[i])
				}
			}
		}
		return errs.New(errs.NotFound, "No webhook has the name or id %q", c.Webhook)
	})
}

type webhookShow struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	webhookArg  `embed:""`
}

// Run shows the webhook.
func (c *webhookShow) Run(env *environment) error {
	return c.withWebhook(env, c.accountFlag, func(_ *services, w webhook.Webhook) error {
		v := viewWebhook(webhook.Made{Webhook: w})
		return v.print(env, c.JSON)
	})
}

// allowPrivateFlag is the server's own flag, for commands that look at addresses as it does.
type allowPrivateFlag struct {
	WebhookAllowPrivate string `help:"Networks that are not public and may be sent to: what the server is started with." placeholder:"NETWORKS"`
}

func (f allowPrivateFlag) allow(s *services) error {
	networks, err := config.Networks(f.WebhookAllowPrivate)
	if err != nil {
		return errs.InvalidField("webhook-allow-private", "--webhook-allow-private: %v", err)
	}
	s.allowWebhooks(networks)
	return nil
}

// webhookFlags are what can be said about a webhook; what is not given stays.
type webhookFlags struct {
	APIKey *string  `name:"api-key" help:"Sent as it is in the header Authorization; form opswat. Better given in MUSTER_API_KEY: command lines can be read by others." placeholder:"KEY"`
	Event  []string `help:"What it hears of, one or more; see docs/webhooks.md. Unless given: installed, compliant, non_compliant, deleted." placeholder:"EVENT"`
}

func (f webhookFlags) change() webhook.Change {
	c := webhook.Change{APIKey: f.APIKey}
	if len(f.Event) > 0 {
		c.Events = &f.Event
	}
	return c
}

type webhookCreate struct {
	accountFlag      `embed:""`
	jsonFlag         `embed:""`
	allowPrivateFlag `embed:""`
	Name             string `arg:"" help:"Name of the webhook, 1 to 64 characters."`
	URL              string `arg:"" help:"Address that is called: https://…"`
	Form             string `help:"opswat is that of the compatible API, standard that of Standard Webhooks, which is signed." enum:"opswat,standard" default:"standard"`
	webhookFlags     `embed:""`
}

// Run makes the webhook.
func (c *webhookCreate) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		err := c.allow(s)
		if err != nil {
			return err
		}
		change := c.change()
		change.Name, change.URL, change.Form = &c.Name, &c.URL, webhook.Form(c.Form)
		m, err := s.webhooks.Create(env.ctx, a.ID, change, byAdministrator)
		if err != nil {
			return err
		}
		v := viewWebhook(m)
		return v.print(env, c.JSON)
	})
}

type webhookEdit struct {
	accountFlag      `embed:""`
	jsonFlag         `embed:""`
	allowPrivateFlag `embed:""`
	webhookArg       `embed:""`
	Name             *string `help:"New name." placeholder:"N"`
	URL              *string `name:"url" help:"New address." placeholder:"URL"`
	Enabled          *bool   `help:"Whether it hears of changes. What waits stays." negatable:""`
	NewSecret        bool    `help:"Make another signing secret, with which all is signed from now on; form standard."`
	webhookFlags     `embed:""`
}

// Run changes the webhook.
func (c *webhookEdit) Run(env *environment) error {
	change := c.change()
	change.Name, change.URL, change.Enabled, change.NewSecret = c.Name, c.URL, c.Enabled, c.NewSecret
	if change == (webhook.Change{}) {
		return errs.New(errs.Invalid, "Nothing to change: give --name, --url, --api-key, --event, --enabled or --new-secret")
	}
	return c.withWebhook(env, c.accountFlag, func(s *services, w webhook.Webhook) error {
		err := c.allow(s)
		if err != nil {
			return err
		}
		m, err := s.webhooks.Update(env.ctx, w.Account, w.ID, w.Revision, change, byAdministrator)
		if err != nil {
			return err
		}
		m.Pending, m.OldestPending = w.Pending, w.OldestPending
		v := viewWebhook(m)
		return v.print(env, c.JSON)
	})
}

type webhookDelete struct {
	accountFlag `embed:""`
	webhookArg  `embed:""`
}

// Run deletes the webhook.
func (c *webhookDelete) Run(env *environment) error {
	return c.withWebhook(env, c.accountFlag, func(s *services, w webhook.Webhook) error {
		err := s.webhooks.Delete(env.ctx, w.Account, w.ID, w.Revision, byAdministrator)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "deleted webhook", w.ID, w.Name)
	})
}

// deliveryView is a request to a webhook as the command line prints it. The names of its members stay.
type deliveryView struct {
	ID         string    `json:"delivery_id"`
	At         time.Time `json:"at"`
	Delivered  bool      `json:"delivered"`
	Attempt    int       `json:"attempt"`
	Events     int       `json:"events"`
	FirstEvent string    `json:"first_event,omitempty"`
	LastEvent  string    `json:"last_event,omitempty"`
	DeviceID   string    `json:"device_id,omitempty"`
	StatusCode int       `json:"status_code,omitempty"`
	TookMS     int64     `json:"took_ms"`
	Error      string    `json:"error"`
}

func viewDelivery(d *webhook.Delivery) deliveryView {
	return deliveryView{
		ID: d.ID, At: d.At, Delivered: d.Delivered(), Attempt: d.Attempt, Events: d.Events, FirstEvent: d.FirstEvent, LastEvent: d.LastEvent,
		DeviceID: d.DeviceID, StatusCode: d.StatusCode, TookMS: d.Took.Milliseconds(), Error: d.Error,
	}
}

type webhookTest struct {
	accountFlag      `embed:""`
	jsonFlag         `embed:""`
	allowPrivateFlag `embed:""`
	webhookArg       `embed:""`
}

// Run sends the sample.
func (c *webhookTest) Run(env *environment) error {
	return c.withWebhook(env, c.accountFlag, func(s *services, w webhook.Webhook) error {
		err := c.allow(s)
		if err != nil {
			return err
		}
		d, err := s.webhooks.Test(env.ctx, w.Account, w.ID, byAdministrator)
		if err != nil {
			return err
		}
		if c.JSON {
			err = printJSON(env.stdout, viewDelivery(&d))
		} else if d.Delivered() {
			err = printLine(env.stdout, "delivered: HTTP status", d.StatusCode)
		}
		if err == nil && !d.Delivered() {
			err = errs.New(errs.Unavailable, "Not delivered: %s", d.Error)
		}
		return err
	})
}

type webhookDeliveries struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	webhookArg  `embed:""`
	Limit       int `help:"Print at most so many." default:"50" placeholder:"N"`
}

// Run lists the deliveries.
func (c *webhookDeliveries) Run(env *environment) error {
	if c.Limit < 1 {
		return errs.InvalidField("limit", "--limit: a number from 1 on")
	}
	return c.withWebhook(env, c.accountFlag, func(s *services, w webhook.Webhook) error {
		list, err := s.deliveriesOf(env, w.Account, w.ID, c.Limit)
		if err != nil {
			return err
		}
		views := make([]deliveryView, len(list))
		t := newTable("DELIVERY ID", "AT", "CHANGES", "ATTEMPT", "STATUS", "ERROR")
		for i := range list {
			v := viewDelivery(&list[i])
			views[i] = v
			t.row(v.ID, stamp(v.At), v.Events, v.Attempt, v.StatusCode, v.Error)
		}
		if c.JSON {
			return printJSON(env.stdout, views)
		}
		return t.print(env.stdout)
	})
}

// deliveriesOf reads part after part up to a limit.
func (s *services) deliveriesOf(env *environment, account posture.AccountID, id string, limit int) ([]webhook.Delivery, error) {
	var out []webhook.Delivery
	for next := ""; ; {
		part, after, err := s.webhooks.Deliveries(env.ctx, account, id, page.Window{Limit: limit - len(out), After: next})
		out = append(out, part...)
		if err != nil || after == "" || len(out) == limit {
			return out, err
		}
		next = after
	}
}

type webhookRedeliver struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	webhookArg  `embed:""`
	From        string `arg:"" help:"The first change that is told again: the id of an event or of a delivery, or a time such as 2026-03-01T09:00:00Z."`
}

// Run has the changes told again.
func (c *webhookRedeliver) Run(env *environment) error {
	return c.withWebhook(env, c.accountFlag, func(s *services, w webhook.Webhook) error {
		out := webhook.Redelivered{Next: c.From}
		for out.Next != "" {
			part, err := s.webhooks.Redeliver(env.ctx, w.Account, w.ID, out.Next, byAdministrator)
			if err != nil {
				return err
			}
			out.Events, out.Next = out.Events+part.Events, part.Next
		}
		if c.JSON {
			return printJSON(env.stdout, map[string]int{"events": out.Events})
		}
		return printLine(env.stdout, "changes that are told again:", out.Events)
	})
}
