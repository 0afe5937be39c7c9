package admin

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/identity/scope"
)

// account is the account of the token.
type account struct {
	ID                 string    `json:"id"`
	Name               string    `json:"name"`
	Email              string    `json:"email"`
	DevicesAllowed     int64     `json:"devices_allowed"`
	LicenseKey         string    `json:"license_key"`
	RegistrationCode   string    `json:"registration_code,omitempty"` // lets devices in: for those who may administer
	CrossDomainEnabled bool      `json:"cross_domain_enabled"`
	CrossDomainPort    int       `json:"cross_domain_port"`
	CreatedAt          time.Time `json:"created_at"`
	LastLogin          time.Time `json:"last_login,omitzero"`
}

// accountChange is what PATCH takes.
type accountChange struct {
	Name               *string `json:"name"`
	Email              *string `json:"email"`
	CrossDomainEnabled *bool   `json:"cross_domain_enabled"`
	CrossDomainPort    *int    `json:"cross_domain_port"`
}

func (c *call) renderAccount(a *identity.Account) account {
	out := account{
		ID: fmt.Sprint(a.ID), Name: a.Name, Email: a.Email, DevicesAllowed: a.DevicesAllowed, LicenseKey: a.LicenseKey,
		CrossDomainEnabled: a.CrossDomain.Enabled, CrossDomainPort: a.CrossDomain.Port,
		CreatedAt: a.CreatedAt, LastLogin: a.LastLogin,
	}
	if c.permission.Allows(scope.Admin) {
		out.RegistrationCode = a.RegistrationCode
	}
	return out
}

// accountTag tells states of an account apart by what can be changed about it: it counts no revisions.
func accountTag(a *identity.Account) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %v", a.Name, a.Email, a.DevicesAllowed, a.CrossDomain))
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// showAccount reads the store: the token's account may be a second old, and a tag of it would be refused.
func (d *door) showAccount(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	a, err := d.Accounts.Account(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	return c.answerTagged(accountTag(&a), c.renderAccount(&a))
}

func (d *door) changeAccount(c *call) error {
	var in accountChange
	expect, err := d.expectedAccount(c)
	if err == nil {
		err = c.read(&in)
	}
	if err != nil {
		return err
	}
	a, err := d.Accounts.UpdateAccount(c.ctx, c.account.ID, identity.AccountChange{
		Name: in.Name, Email: in.Email, CrossDomainEnabled: in.CrossDomainEnabled, CrossDomainPort: in.CrossDomainPort, Expect: expect,
	})
	if err != nil {
		return err
	}
	return c.answerTagged(accountTag(&a), c.renderAccount(&a))
}

// renewCode gives the account another registration code. Whoever sends it twice has two new codes, one after the other.
func (d *door) renewCode(c *call) error {
	err := c.plain()
	if err != nil {
		return err
	}
	a, err := d.Accounts.RotateRegistrationCode(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	return c.answerTagged(accountTag(&a), c.renderAccount(&a))
}

// expectedAccount gives the account that If-Match names, nil for however it is. Stale: it is not so any more.
func (d *door) expectedAccount(c *call) (*identity.Account, error) {
	err := c.query.err()
	if err != nil {
		return nil, err
	}
	tag, err := c.ifMatch()
	if err != nil || tag == "" {
		return nil, err
	}
	a, err := d.Accounts.Account(c.ctx, c.account.ID)
	if err == nil && tag != accountTag(&a) {
		err = errs.New(errs.Stale, "The account has been changed meanwhile")
	}
	return &a, err
}
