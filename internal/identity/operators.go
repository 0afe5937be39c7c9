package identity

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// Role is what an operator is to be allowed. The words are stored: never rename.
type Role string

// The roles, each of which may do what the ones behind it may.
const (
	RoleAdmin    Role = "admin"    // everything
	RoleOperator Role = "operator" // whatever is about devices
	RoleViewer   Role = "viewer"   // only look
)

// Operator is a person who is to look after an account. Operators cannot sign in yet: that comes with the console.
type Operator struct {
	Account    posture.AccountID
	ID         string
	Email      string // the account has no other operator with it, whatever the letter case
	Name       string
	Role       Role
	CreatedAt  time.Time
	ModifiedAt time.Time // zero for never
	DisabledAt time.Time // zero while the operator is enabled
	Revision   int64     // counts the changes, from 1
}

// MaxOperators is how many operators an account may have.
const MaxOperators = 1000

// OperatorStore keeps operators. Every method names the account, and sees nothing of any other.
type OperatorStore interface {
	// Operators gives the operators of an account in the order of their ids.
	Operators(ctx context.Context, account posture.AccountID) ([]Operator, error)
	// ChangeOperators makes a step on the operators of an account, one such step at a time: it stores the operator that the
	// change gives, or removes it, and records the event. The change may run more than once. NotFound: no such account.
	ChangeOperators(ctx context.Context, account posture.AccountID, change func(all []Operator) (OperatorStep, error)) error
}

// OperatorStep is what one step does: nothing, where Operator is nil.
type OperatorStep struct {
	Operator *Operator
	Remove   bool
	Event    event.Event
}

// Operators is what can be done with operators. Its methods may be called at the same time.
type Operators struct {
	store  OperatorStore
	now    func() time.Time
	random io.Reader
}

// NewOperators makes it. now and random may be nil: they are time.Now and that of crypto/rand then.
func NewOperators(store OperatorStore, now func() time.Time, random io.Reader) *Operators {
	if now == nil {
		now = time.Now
	}
	if random == nil {
		random = rand.Reader
	}
	return &Operators{store, now, random}
}

// OperatorChange is what is to be about an operator; what is nil stays, or is the default in a new one: a viewer.
type OperatorChange struct {
	Email    *string
	Name     *string
	Role     *Role
	Disabled *bool
	// Expect is the revision that the caller knows of; nil changes whichever is there.
	Expect *int64
}

func errNoOperator() error { return errs.New(errs.NotFound, "Operator not found") }

// List gives the operators of an account in the order in which they were made.
func (s *Operators) List(ctx context.Context, account posture.AccountID) ([]Operator, error) {
	return s.store.Operators(ctx, account)
}

// Get gives one operator. NotFound: there is none.
func (s *Operators) Get(ctx context.Context, account posture.AccountID, id string) (Operator, error) {
	all, err := s.store.Operators(ctx, account)
	if err != nil {
		return Operator{}, err
	}
	return pickOperator(all, id, nil)
}

// pickOperator finds an operator of the revision that is expected.
func pickOperator(all []Operator, id string, expect *int64) (Operator, error) {
	i := slices.IndexFunc(all, func(o Operator) bool { return o.ID == id })
	if i < 0 {
		return Operator{}, errNoOperator()
	}
	if expect != nil && *expect != all[i].Revision {
		return Operator{}, errs.New(errs.Stale, "The operator has been changed meanwhile: this is revision %d, not %d", all[i].Revision, *expect)
	}
	return all[i], nil
}

// Create makes an operator. Who does it is event.Actor of the context. Invalid: something about it cannot be accepted, and
// the text says everything that is wrong. NotFound: there is no such account. Conflict: the e-mail address is taken, or the
// account has MaxOperators.
func (s *Operators) Create(ctx context.Context, account posture.AccountID, c OperatorChange) (Operator, error) {
	var o Operator
	err := s.store.ChangeOperators(ctx, account, func(all []Operator) (OperatorStep, error) {
		at := s.stamp()
		o = Operator{Account: account, ID: posture.NewID(at, s.random), Role: RoleViewer, CreatedAt: at, Revision: 1}
		err := c.apply(&o, all, at)
		if err != nil {
			return OperatorStep{}, err
		}
		if len(all) >= MaxOperators {
			return OperatorStep{}, errs.New(errs.Conflict, "An account can have at most %d operators", MaxOperators)
		}
		return s.step(ctx, &o, at, "Operator created: %q, %s", o.Email, o.Role), nil
	})
	return o, err
}

// Update changes an operator; a change that changes nothing leaves the revision as it is. NotFound: there is none. Stale: it
// is not at the revision that is expected. Invalid and Conflict: as for Create.
func (s *Operators) Update(ctx context.Context, account posture.AccountID, id string, c OperatorChange) (Operator, error) {
	var o Operator
	err := s.store.ChangeOperators(ctx, account, func(all []Operator) (OperatorStep, error) {
		before, err := pickOperator(all, id, c.Expect)
		if err != nil {
			return OperatorStep{}, err
		}
		at := s.stamp()
		o = before
		err = c.apply(&o, all, at)
		if err != nil || o == before {
			return OperatorStep{}, err
		}
		o.ModifiedAt = at
		o.Revision++
		return s.step(ctx, &o, at, "Operator changed: %q, %s", o.Email, o.standing()), nil
	})
	return o, err
}

// Delete removes an operator. NotFound: there is none. Stale: it is not at the revision that is expected; nil expects none.
func (s *Operators) Delete(ctx context.Context, account posture.AccountID, id string, expect *int64) error {
	return s.store.ChangeOperators(ctx, account, func(all []Operator) (OperatorStep, error) {
		o, err := pickOperator(all, id, expect)
		if err != nil {
			return OperatorStep{}, err
		}
		step := s.step(ctx, &o, s.stamp(), "Operator deleted: %q", o.Email)
		step.Remove = true
		return step, nil
	})
}

func (s *Operators) stamp() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

func (s *Operators) step(ctx context.Context, o *Operator, at time.Time, format string, args ...any) OperatorStep {
	return OperatorStep{Operator: o, Event: event.Event{
		Account: o.Account, ID: posture.NewID(at, s.random), At: at, Kind: event.Configured, Actor: event.Actor(ctx), Detail: fmt.Sprintf(format, args...),
	}}
}

// standing says how an operator stands, for the record.
func (o *Operator) standing() string {
	if o.DisabledAt.IsZero() {
		return string(o.Role)
	}
	return string(o.Role) + ", disabled"
}

// apply changes an operator, one of all or a new one, and checks what comes of it.
func (c OperatorChange) apply(o *Operator, all []Operator, at time.Time) error {
	set(&o.Email, c.Email)
	set(&o.Name, c.Name)
	set(&o.Role, c.Role)
	o.Email, o.Name = strings.TrimSpace(o.Email), strings.TrimSpace(o.Name)
	if c.Disabled != nil && *c.Disabled != !o.DisabledAt.IsZero() {
		o.DisabledAt = time.Time{}
		if *c.Disabled {
			o.DisabledAt = at
		}
	}
	var m mistakes
	m.check(o.Email != "", "email", "email is needed")
	m.checkEmail(o.Email)
	m.checkName(o.Name)
	m.check(slices.Contains([]Role{RoleAdmin, RoleOperator, RoleViewer}, o.Role), "role", "role must be %s, %s or %s", RoleAdmin, RoleOperator, RoleViewer)
	err := m.err()
	if err != nil {
		return err
	}
	for i := range all {
		if all[i].ID != o.ID && strings.EqualFold(all[i].Email, o.Email) {
			return errs.New(errs.Conflict, "There is an operator %q already", all[i].Email)
		}
	}
	return nil
}
