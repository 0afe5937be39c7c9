package admin

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Account is the account of the application.
type Account struct {
	ID                 string    `json:"id"`
	Name               string    `json:"name"`
	Email              string    `json:"email"`
	DevicesAllowed     int64     `json:"devices_allowed"`
	LicenseKey         string    `json:"license_key"`
	RegistrationCode   string    `json:"registration_code"` // empty without the permission admin
	CrossDomainEnabled bool      `json:"cross_domain_enabled"`
	CrossDomainPort    int       `json:"cross_domain_port"`
	CreatedAt          time.Time `json:"created_at"`
	LastLogin          time.Time `json:"last_login"` // zero for never
	Tag                string    `json:"-"`
}

func (a *Account) setTag(tag string) { a.Tag = tag }

// AccountChange is what is to change about an account; what is nil stays.
type AccountChange struct {
	Name               *string `json:"name,omitempty"`
	Email              *string `json:"email,omitempty"`
	CrossDomainEnabled *bool   `json:"cross_domain_enabled,omitempty"`
	CrossDomainPort    *int    `json:"cross_domain_port,omitempty"`
}

// Account gives the account.
func (c *Client) Account(ctx context.Context) (Account, error) {
	return fetch[Account](ctx, c, get("account", nil))
}

// ChangeAccount changes the account and gives it back.
func (c *Client) ChangeAccount(ctx context.Context, tag string, change AccountChange) (Account, error) {
	return send[Account](ctx, c, http.MethodPatch, "account", tag, change)
}

// RenewRegistrationCode gives the account another registration code and takes the old one out of use.
func (c *Client) RenewRegistrationCode(ctx context.Context) (Account, error) {
	return fetch[Account](ctx, c, call{method: http.MethodPost, path: "account/renew-registration-code"})
}

// Settings are what the account decided about itself, as the server has them: docs/settings.md says what each means. They are
// kept as JSON has them, so that those of a newer server are not lost.
type Settings struct {
	Values map[string]any
	Tag    string
}

// UnmarshalJSON reads the object.
func (s *Settings) UnmarshalJSON(text []byte) error { return unmarshal(text, &s.Values) }

func (s *Settings) setTag(tag string) { s.Tag = tag }

// Settings gives the settings of the account.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	return fetch[Settings](ctx, c, get("settings", nil))
}

// ChangeSettings changes the settings that values has, at whatever depth, and leaves the others.
func (c *Client) ChangeSettings(ctx context.Context, tag string, values map[string]any) (Settings, error) {
	return send[Settings](ctx, c, http.MethodPatch, "settings", tag, values)
}

// Application is a program that may call for the account.
type Application struct {
	ID           string    `json:"id"` // the client id
	Name         string    `json:"name"`
	Permission   string    `json:"permission"` // read, write or admin
	RateLimit    int       `json:"rate_limit"` // calls a minute; 0 is no limit, -1 the server's
	CreatedAt    time.Time `json:"created_at"`
	RevokedAt    time.Time `json:"revoked_at"`    // zero while it may be used
	ClientSecret string    `json:"client_secret"` // only from CreateApplication
}

// NewApplication is what an application is made from.
type NewApplication struct {
	Name       string `json:"name"`
	Permission string `json:"permission,omitempty"` // read unless given
	RateLimit  *int   `json:"rate_limit,omitempty"`
}

// Applications walks through the applications, revoked ones too, oldest first.
func (c *Client) Applications(ctx context.Context) iter.Seq2[Application, error] {
	return all[Application](ctx, c, "applications", nil)
}

// Application gives one application by its client id.
func (c *Client) Application(ctx context.Context, id string) (Application, error) {
	return fetch[Application](ctx, c, get(below("applications", id), nil))
}

// CreateApplication makes an application. Its secret is shown this once.
func (c *Client) CreateApplication(ctx context.Context, n NewApplication) (Application, error) {
	return send[Application](ctx, c, http.MethodPost, "applications", "", n)
}

// RevokeApplication ends an application and all its tokens.
func (c *Client) RevokeApplication(ctx context.Context, id string) error {
	return c.remove(ctx, below("applications", id), "", nil)
}

// RegistrationCode is a code that agents enrol with, beside the account's own.
type RegistrationCode struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Code      string    `json:"code"`
	State     string    `json:"state"` // valid, used-up, expired or revoked
	Group     string    `json:"group"` // "" lets rules decide
	MaxUses   int64     `json:"max_uses"`
	Uses      int64     `json:"uses"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"` // zero for never
	RevokedAt time.Time `json:"revoked_at"` // zero while nobody has revoked it
}

// NewRegistrationCode is what a registration code is made from.
type NewRegistrationCode struct {
	Name      string     `json:"name"`
	Group     string     `json:"group,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	MaxUses   int64      `json:"max_uses,omitempty"`
}

// RegistrationCodes walks through the registration codes, revoked ones too, oldest first.
func (c *Client) RegistrationCodes(ctx context.Context) iter.Seq2[RegistrationCode, error] {
	return all[RegistrationCode](ctx, c, "registration-codes", nil)
}

// RegistrationCode gives one registration code by its id.
func (c *Client) RegistrationCode(ctx context.Context, id string) (RegistrationCode, error) {
	return fetch[RegistrationCode](ctx, c, get(below("registration-codes", id), nil))
}

// CreateRegistrationCode makes a registration code.
func (c *Client) CreateRegistrationCode(ctx context.Context, n NewRegistrationCode) (RegistrationCode, error) {
	return send[RegistrationCode](ctx, c, http.MethodPost, "registration-codes", "", n)
}

// RevokeRegistrationCode takes a registration code out of use.
func (c *Client) RevokeRegistrationCode(ctx context.Context, id string) error {
	return c.remove(ctx, below("registration-codes", id), "", nil)
}

// Operator is a person who is to look after the account.
type Operator struct {
	ID         string    `json:"id"`
	Email      string    `json:"email"`
	Name       string    `json:"name"`
	Role       string    `json:"role"` // admin, operator or viewer
	Disabled   bool      `json:"disabled"`
	Revision   int64     `json:"revision"`
	CreatedAt  time.Time `json:"created_at"`
	ModifiedAt time.Time `json:"modified_at"`
	DisabledAt time.Time `json:"disabled_at"`
	Tag        string    `json:"-"`
}

func (o *Operator) setTag(string) { o.Tag = revisionTag(o.Revision) }

// OperatorChange is what is to be about an operator; what is nil stays, or is the default in a new one.
type OperatorChange struct {
	Email    *string `json:"email,omitempty"`
	Name     *string `json:"name,omitempty"`
	Role     *string `json:"role,omitempty"`
	Disabled *bool   `json:"disabled,omitempty"`
}

// Operators walks through the operators in the order in which they were made.
func (c *Client) Operators(ctx context.Context) iter.Seq2[Operator, error] {
	return all[Operator](ctx, c, "operators", nil)
}

// Operator gives one operator.
func (c *Client) Operator(ctx context.Context, id string) (Operator, error) {
	return fetch[Operator](ctx, c, get(below("operators", id), nil))
}

// CreateOperator makes an operator; email and name are needed.
func (c *Client) CreateOperator(ctx context.Context, change OperatorChange) (Operator, error) {
	return send[Operator](ctx, c, http.MethodPost, "operators", "", change)
}

// ChangeOperator changes an operator and gives it back.
func (c *Client) ChangeOperator(ctx context.Context, id, tag string, change OperatorChange) (Operator, error) {
	return send[Operator](ctx, c, http.MethodPatch, below("operators", id), tag, change)
}

// DeleteOperator removes an operator.
func (c *Client) DeleteOperator(ctx context.Context, id, tag string) error {
	return c.remove(ctx, below("operators", id), tag, nil)
}

// Event is one thing that happened.
type Event struct {
	ID       string    `json:"id"` // sorts by time
	At       time.Time `json:"at"`
	Kind     string    `json:"kind"`
	Category string    `json:"category"`
	DeviceID string    `json:"device_id"` // "" where it is about the account
	From     string    `json:"from"`
	To       string    `json:"to"`
	Actor    string    `json:"actor"`
	Detail   string    `json:"detail"`
}

// EventsQuery chooses events; what is zero lets everything pass. Kinds and Categories exclude each other.
type EventsQuery struct {
	Kinds      []string
	Categories []string
	Since      time.Time
	Until      time.Time
}

// Events walks through the record, the newest first.
func (c *Client) Events(ctx context.Context, q EventsQuery) iter.Seq2[Event, error] {
	query := url.Values{}
	for name, list := range map[string][]string{"kind": q.Kinds, "category": q.Categories} {
		if len(list) > 0 {
			query.Set(name, strings.Join(list, ","))
		}
	}
	for name, at := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	return all[Event](ctx, c, "events", query)
}
