package identitytest

import (
	"context"
	"slices"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/posture"
)

// NoGroup is the one group that does not exist.
const NoGroup posture.GroupID = 404

// CreateCode stores a registration code.
func (s *Stores) CreateCode(_ context.Context, c identity.RegistrationCode, events ...event.Event) error {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return err
	}
	if c.Group == NoGroup {
		return notFound()
	}
	if slices.ContainsFunc(s.codes, func(o identity.RegistrationCode) bool { return o.Code == c.Code }) {
		return errs.New(errs.Conflict, "This code exists")
	}
	s.codes = append(s.codes, c)
	s.record(c.Account, events)
	return nil
}

// CodeByText finds a registration code.
func (s *Stores) CodeByText(_ context.Context, code string) (identity.RegistrationCode, error) {
	defer s.answer()
	return s.code(func(c identity.RegistrationCode) bool { return c.Code == code })
}

// CodeByID finds a registration code.
func (s *Stores) CodeByID(_ context.Context, account posture.AccountID, id string) (identity.RegistrationCode, error) {
	defer s.mu.Unlock()
	return s.code(func(c identity.RegistrationCode) bool { return c.Account == account && c.ID == id })
}

func (s *Stores) code(is func(identity.RegistrationCode) bool) (identity.RegistrationCode, error) {
	if err := s.enter(); err != nil {
		return identity.RegistrationCode{}, err
	}
	i := slices.IndexFunc(s.codes, is)
	if i < 0 {
		return identity.RegistrationCode{}, notFound()
	}
	return s.codes[i], nil
}

// ListCodes gives the registration codes of an account.
func (s *Stores) ListCodes(_ context.Context, account posture.AccountID) ([]identity.RegistrationCode, error) {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(s.codes), func(c identity.RegistrationCode) bool { return c.Account != account }), nil
}

// RevokeCode ends a registration code.
func (s *Stores) RevokeCode(_ context.Context, account posture.AccountID, id string, at time.Time, events ...event.Event) error {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return err
	}
	for i := range s.codes {
		if c := &s.codes[i]; c.Account == account && c.ID == id {
			if c.RevokedAt.IsZero() {
				c.RevokedAt = at
				s.record(account, events)
			}
			return nil
		}
	}
	return notFound()
}
