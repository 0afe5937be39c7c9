package admin

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/identity/scope"
)

// application is a program that may call for the account.
type application struct {
	ID         string           `json:"id"` // the client id
	Name       string           `json:"name"`
	Permission scope.Permission `json:"permission"`
	RateLimit  int              `json:"rate_limit"`
	CreatedAt  time.Time        `json:"created_at"`
	RevokedAt  time.Time        `json:"revoked_at,omitzero"`
	// Secret is there once, in the answer to the call that makes it.
	Secret string `json:"client_secret,omitempty"`
}

// newApplication is what POST takes.
type newApplication struct {
	Name       string `json:"name"`
	Permission string `json:"permission"`
	RateLimit  *int   `json:"rate_limit"`
}

func renderApplication(a *identity.Application) application {
	return application{
		ID: a.ClientID, Name: a.Name, Permission: a.Permission, RateLimit: a.RateLimit, CreatedAt: a.CreatedAt, RevokedAt: a.RevokedAt,
	}
}

// applicationKey orders applications by age.
func applicationKey(a *identity.Application) string {
	return fmt.Sprintf("%015d ", a.CreatedAt.UnixMilli()) + a.ClientID
}

func (d *door) listApplications(c *call) error {
	w := c.window()
	err := c.query.err()
	if err != nil {
		return err
	}
	all, err := d.Accounts.ListApplications(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	some, next := part(all, w, applicationKey)
	return answerList(c, rendered(some, renderApplication), next)
}

func (d *door) showApplication(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	all, err := d.Accounts.ListApplications(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(a identity.Application) bool { return a.ClientID == c.id() })
	if i < 0 {
		return errs.New(errs.NotFound, "The account has no such application")
	}
	return c.answer(http.StatusOK, renderApplication(&all[i]))
}

func (d *door) createApplication(c *call) error {
	in := newApplication{Permission: string(scope.Read)}
	err := c.query.err()
	if err == nil {
		err = c.read(&in)
	}
	if err != nil {
		return err
	}
	n := identity.NewApplication{
		Account: c.account.ID, Name: in.Name, Permission: scope.Permission(in.Permission), RateLimit: identity.DefaultRateLimit,
	}
	if in.RateLimit != nil {
		n.RateLimit = *in.RateLimit
	}
	a, secret, err := d.Accounts.CreateApplication(c.ctx, n)
	if err != nil {
		return err
	}
	out := renderApplication(&a)
	out.Secret = secret
	return c.created("applications/"+a.ClientID, "", out)
}

// revokeApplication ends an application; one that is revoked stays so.
func (d *door) revokeApplication(c *call) error {
	err := c.plain()
	if err == nil {
		err = d.Accounts.RevokeApplication(c.ctx, c.account.ID, c.id())
	}
	if err != nil {
		return err
	}
	return c.nothing()
}
