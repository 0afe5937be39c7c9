package identity

import (
	"context"
	"strconv"
	"strings"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// NewAccount is what an account is made from. The members below the line are for imports and for the demo; they are
// made up when empty.
type NewAccount struct {
	Name           string
	Email          string // may be empty
	DevicesAllowed int64

	LicenseKey       string
	RegistrationCode string
	CreatedAt        time.Time
	LastLogin        time.Time // zero is never
}

// CreateAccount makes an account. Invalid: something about it cannot be accepted, and the text says everything that is
// wrong. Conflict: its name, licence key or registration code is taken.
func (s *Service) CreateAccount(ctx context.Context, n NewAccount) (Account, error) {
	n.Name = strings.TrimSpace(n.Name)
	var m mistakes
	m.checkName(n.Name)
	m.checkEmail(n.Email)
	m.checkDevicesAllowed(n.DevicesAllowed)
	m.checkLicenseKey(n.LicenseKey)
	m.checkRegistrationCode(n.RegistrationCode)
	if err := m.err(); err != nil {
		return Account{}, err
	}
	if err := s.complete(&n); err != nil {
		return Account{}, err
	}
	return s.accounts.CreateAccount(ctx, Account{
		Name: n.Name, Email: n.Email, LastLogin: n.LastLogin, CreatedAt: n.CreatedAt,
		DevicesAllowed: n.DevicesAllowed, LicenseKey: n.LicenseKey, RegistrationCode: n.RegistrationCode,
		CrossDomain: CrossDomain{Port: DefaultCrossDomainPort},
	}, s.configured(ctx, 0, "Account created: name %q, devices allowed %d", n.Name, n.DevicesAllowed))
}

// complete makes up what was left empty.
func (s *Service) complete(n *NewAccount) (err error) {
	if n.CreatedAt.IsZero() {
		n.CreatedAt = s.stamp()
	}
	if n.LicenseKey == "" {
		if n.LicenseKey, err = s.newLicenseKey(); err != nil {
			return err
		}
	}
	if n.RegistrationCode == "" {
		n.RegistrationCode, err = s.randomText(registrationCodeLength)
	}
	return err
}

// AccountChange is what is to change about an account; what is nil stays.
type AccountChange struct {
	Name           *string
	Email          *string
	DevicesAllowed *int64
	// CrossDomainEnabled and CrossDomainPort are the members of CrossDomain; a port is from 1 to 65535.
	CrossDomainEnabled *bool
	CrossDomainPort    *int
	// Expect is the account as the caller knows it; nil changes it however it is.
	Expect *Account
}

// UpdateAccount changes an account and gives it back. Invalid: as for CreateAccount. NotFound: there is no such account.
// Conflict: the new name is taken. Stale: something that this can change is not as the caller expects.
func (s *Service) UpdateAccount(ctx context.Context, id posture.AccountID, c AccountChange) (Account, error) {
	var m mistakes
	if c.Name != nil {
		name := strings.TrimSpace(*c.Name)
		c.Name = &name
		m.checkName(name)
	}
	if c.Email != nil {
		m.checkEmail(*c.Email)
	}
	if c.DevicesAllowed != nil {
		m.checkDevicesAllowed(*c.DevicesAllowed)
	}
	if c.CrossDomainPort != nil {
		m.checkPort("cross_domain_port", *c.CrossDomainPort)
	}
	if err := m.err(); err != nil {
		return Account{}, err
	}
	return s.changeAccount(ctx, id, func(a *Account) ([]event.Event, error) {
		if c.Expect != nil && !c.Expect.alike(a) {
			return nil, errs.New(errs.Stale, "The account has been changed meanwhile")
		}
		before := *a
		c.apply(a)
		return s.accountChanged(ctx, &before, a), nil
	})
}

// alike reports whether two states of an account are the same in all that an AccountChange can change.
func (a *Account) alike(b *Account) bool {
	return a.Name == b.Name && a.Email == b.Email && a.DevicesAllowed == b.DevicesAllowed && a.CrossDomain == b.CrossDomain
}

// apply may run more than once: a store tries again when two changes meet.
func (c AccountChange) apply(a *Account) {
	set(&a.Name, c.Name)
	set(&a.Email, c.Email)
	set(&a.DevicesAllowed, c.DevicesAllowed)
	set(&a.CrossDomain.Enabled, c.CrossDomainEnabled)
	set(&a.CrossDomain.Port, c.CrossDomainPort)
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// RotateRegistrationCode gives an account a new registration code and takes the old one out of use; devices that are
// enrolled stay so. NotFound: there is no such account. Conflict: the new code happens to be taken; try again.
func (s *Service) RotateRegistrationCode(ctx context.Context, id posture.AccountID) (Account, error) {
	code, err := s.randomText(registrationCodeLength)
	if err != nil {
		return Account{}, err
	}
	return s.changeAccount(ctx, id, func(a *Account) ([]event.Event, error) {
		a.RegistrationCode = code
		return []event.Event{s.configured(ctx, id, "Registration code renewed")}, nil
	})
}

func (s *Service) changeAccount(ctx context.Context, id posture.AccountID, change func(*Account) ([]event.Event, error)) (Account, error) {
	// Even a change that failed may have been made: the connection can break after the commit.
	defer s.forgetAccounts()
	return s.accounts.UpdateAccount(ctx, id, change)
}

// Resolve finds the account that an operator names: by name, by decimal id, or by licence key, in this order. An empty
// text means the only account there is. NotFound: there is none. Invalid: the text is empty and there are several.
func (s *Service) Resolve(ctx context.Context, nameOrID string) (Account, error) {
	if nameOrID == "" {
		return s.onlyAccount(ctx)
	}
	a, err := s.AccountByName(ctx, nameOrID)
	if !errs.Is(err, errs.NotFound) {
		return a, err
	}
	if id, notNumber := strconv.ParseInt(nameOrID, 10, 64); notNumber == nil {
		a, err = s.accounts.AccountByID(ctx, posture.AccountID(id))
		if !errs.Is(err, errs.NotFound) {
			return a, err
		}
	}
	a, err = s.AccountByLicenseKey(ctx, nameOrID)
	if errs.Is(err, errs.NotFound) {
		return Account{}, errs.New(errs.NotFound, "No account has the name, id or licence key %q", nameOrID)
	}
	return a, err
}

func (s *Service) onlyAccount(ctx context.Context) (Account, error) {
	all, err := s.accounts.ListAccounts(ctx)
	if err != nil {
		return Account{}, err
	}
	switch len(all) {
	case 0:
		return Account{}, errs.New(errs.NotFound, "There is no account yet")
	case 1:
		return all[0], nil
	}
	return Account{}, errs.InvalidField("account", "There are %d accounts: choose one by name, id or licence key", len(all))
}
