package admin

import (
	"errors"
	"net/http"
	"time"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/posture"
)

// code is a registration code beside the account's own.
type code struct {
	ID        string             `json:"id"`
	Name      string             `json:"name"`
	Code      string             `json:"code"`
	State     identity.CodeState `json:"state"`
	Group     string             `json:"group,omitempty"` // absent where rules decide
	MaxUses   int64              `json:"max_uses"`
	Uses      int64              `json:"uses"`
	CreatedAt time.Time          `json:"created_at"`
	ExpiresAt time.Time          `json:"expires_at,omitzero"`
	RevokedAt time.Time          `json:"revoked_at,omitzero"`
}

// newCode is what POST takes.
type newCode struct {
	Name      string     `json:"name"`
	Group     *string    `json:"group"`
	ExpiresAt *time.Time `json:"expires_at"`
	MaxUses   int64      `json:"max_uses"`
}

func (d *door) renderCode(c *identity.RegistrationCode) code {
	out := code{
		ID: c.ID, Name: c.Name, Code: c.Code, State: c.State(d.Now()), MaxUses: c.MaxUses, Uses: c.Uses,
		CreatedAt: c.CreatedAt, ExpiresAt: c.ExpiresAt, RevokedAt: c.RevokedAt,
	}
	if c.Group != 0 {
		out.Group = number(c.Group)
	}
	return out
}

func (d *door) listCodes(c *call) error {
	w := c.window()
	err := c.query.err()
	if err != nil {
		return err
	}
	all, err := d.Accounts.RegistrationCodes(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	some, next := part(all, w, func(x *identity.RegistrationCode) string { return x.ID })
	return answerList(c, rendered(some, d.renderCode), next)
}

func (d *door) showCode(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	id, err := c.uniqueID("Registration code not found")
	if err != nil {
		return err
	}
	found, err := d.Accounts.RegistrationCode(c.ctx, c.account.ID, id)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, d.renderCode(&found))
}

// uniqueID gives the id that the path names, if it can be one at all. NotFound, with the text: it cannot.
func (c *call) uniqueID(none string) (string, error) {
	if !posture.IsID(c.id()) {
		return "", errs.New(errs.NotFound, "%s", none)
	}
	return c.id(), nil
}

func (d *door) createCode(c *call) error {
	var in newCode
	err := c.query.err()
	if err == nil {
		err = c.read(&in)
	}
	if err != nil {
		return err
	}
	n := identity.NewRegistrationCode{Account: c.account.ID, Name: in.Name, MaxUses: in.MaxUses}
	if in.ExpiresAt != nil {
		n.ExpiresAt = *in.ExpiresAt
	}
	if in.Group != nil {
		id, ok := wholeNumber(*in.Group)
		if !ok || id < 1 {
			return errs.InvalidField("group", "There is no group %q", *in.Group)
		}
		n.Group = posture.GroupID(id)
	}
	made, err := d.Accounts.CreateRegistrationCode(c.ctx, n)
	var wrong *errs.Error
	if errors.As(err, &wrong) && wrong.Field == "group_id" {
		return errs.InvalidField("group", "group: %s", wrong.Message)
	}
	if err != nil {
		return err
	}
	return c.created("registration-codes/"+made.ID, "", d.renderCode(&made))
}

// revokeCode takes a code out of use; one that is revoked stays so.
func (d *door) revokeCode(c *call) error {
	err := c.plain()
	if err != nil {
		return err
	}
	id, err := c.uniqueID("Registration code not found")
	if err != nil {
		return err
	}
	_, err = d.Accounts.RevokeRegistrationCode(c.ctx, c.account.ID, id)
	if err != nil {
		return err
	}
	return c.nothing()
}
