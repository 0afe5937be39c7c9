package admin

import (
	"context"
	"time"

	"muster/internal/identity"
	"muster/internal/posture"
)

// Operators is what this door asks about operators. package identity says what each method does.
type Operators interface {
	List(ctx context.Context, account posture.AccountID) ([]identity.Operator, error)
	Get(ctx context.Context, account posture.AccountID, id string) (identity.Operator, error)
	Create(ctx context.Context, account posture.AccountID, c identity.OperatorChange) (identity.Operator, error)
	Update(ctx context.Context, account posture.AccountID, id string, c identity.OperatorChange) (identity.Operator, error)
	Delete(ctx context.Context, account posture.AccountID, id string, expect *int64) error
}

// operator is a person who is to look after the account.
type operator struct {
	ID         string        `json:"id"`
	Email      string        `json:"email"`
	Name       string        `json:"name"`
	Role       identity.Role `json:"role"`
	Disabled   bool          `json:"disabled"`
	Revision   int64         `json:"revision"`
	CreatedAt  time.Time     `json:"created_at"`
	ModifiedAt time.Time     `json:"modified_at,omitzero"`
	DisabledAt time.Time     `json:"disabled_at,omitzero"`
}

// operatorChange is what POST and PATCH take.
type operatorChange struct {
	Email    *string `json:"email"`
	Name     *string `json:"name"`
	Role     *string `json:"role"`
	Disabled *bool   `json:"disabled"`
}

func renderOperator(o *identity.Operator) operator {
	return operator{
		ID: o.ID, Email: o.Email, Name: o.Name, Role: o.Role, Disabled: !o.DisabledAt.IsZero(), Revision: o.Revision,
		CreatedAt: o.CreatedAt, ModifiedAt: o.ModifiedAt, DisabledAt: o.DisabledAt,
	}
}

func (in *operatorChange) change(expect *int64) identity.OperatorChange {
	return identity.OperatorChange{Email: in.Email, Name: in.Name, Role: (*identity.Role)(in.Role), Disabled: in.Disabled, Expect: expect}
}

const noOperator = "Operator not found"

func (d *door) listOperators(c *call) error {
	w := c.window()
	err := c.query.err()
	if err != nil {
		return err
	}
	all, err := d.Operators.List(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	some, next := part(all, w, func(o *identity.Operator) string { return o.ID })
	return answerList(c, rendered(some, renderOperator), next)
}

func (d *door) showOperator(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	id, err := c.uniqueID(noOperator)
	if err != nil {
		return err
	}
	o, err := d.Operators.Get(c.ctx, c.account.ID, id)
	if err != nil {
		return err
	}
	return c.answerTagged(tag(o.Revision), renderOperator(&o))
}

func (d *door) createOperator(c *call) error {
	var in operatorChange
	err := c.query.err()
	if err == nil {
		err = c.read(&in)
	}
	if err != nil {
		return err
	}
	o, err := d.Operators.Create(c.ctx, c.account.ID, in.change(nil))
	if err != nil {
		return err
	}
	return c.created("operators/"+o.ID, tag(o.Revision), renderOperator(&o))
}

func (d *door) changeOperator(c *call) error {
	var in operatorChange
	expect, err := c.changing()
	if err == nil {
		err = c.read(&in)
	}
	if err != nil {
		return err
	}
	id, err := c.uniqueID(noOperator)
	if err != nil {
		return err
	}
	o, err := d.Operators.Update(c.ctx, c.account.ID, id, in.change(expect))
	if err != nil {
		return err
	}
	return c.answerTagged(tag(o.Revision), renderOperator(&o))
}

func (d *door) deleteOperator(c *call) error {
	expect, err := c.changing()
	if err == nil {
		err = c.noBody()
	}
	if err != nil {
		return err
	}
	id, err := c.uniqueID(noOperator)
	if err == nil {
		err = d.Operators.Delete(c.ctx, c.account.ID, id, expect)
	}
	if err != nil {
		return err
	}
	return c.nothing()
}
