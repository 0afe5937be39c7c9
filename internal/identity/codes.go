package identity

import (
	"context"
	"strings"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// RegistrationCode is a code that agents register with, beside the one that every account has. Like that one it is kept
// as it is, because it has to be shown to whoever installs the next agent.
type RegistrationCode struct {
	Account posture.AccountID
	ID      string
	Code    string // 8 of A-Z and 0-9
	Name    string
	// Group is where devices that register with it come to; 0 leaves that to the rules.
	Group     posture.GroupID
	CreatedAt time.Time
	ExpiresAt time.Time // zero for never
	RevokedAt time.Time // zero while nobody has revoked it
	MaxUses   int64     // 0 for any number
	Uses      int64     // devices that came into service with it
}

// CodeState is how a registration code stands.
type CodeState string

// The states.
const (
	CodeValid   CodeState = "valid"
	CodeUsedUp  CodeState = "used-up"
	CodeExpired CodeState = "expired"
	CodeRevoked CodeState = "revoked"
)

// State says how the code stands at a time.
func (c *RegistrationCode) State(now time.Time) CodeState {
	switch {
	case !c.RevokedAt.IsZero():
		return CodeRevoked
	case !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt):
		return CodeExpired
	case c.MaxUses > 0 && c.Uses >= c.MaxUses:
		return CodeUsedUp
	default:
		return CodeValid
	}
}

// MaxRegistrationCodes is how many codes an account may have that are not revoked.
const MaxRegistrationCodes = 1000

// maxCodeUses is the largest number of uses of a code that has one.
const maxCodeUses = 100_000_000

// CodeStore keeps registration codes. Uses are counted where devices are stored, in the step that stores the device.
type CodeStore interface {
	// CreateCode stores a new code and records the events, as one step. NotFound: there is no such group. Conflict: the code
	// is taken, or the account has MaxRegistrationCodes.
	CreateCode(ctx context.Context, c RegistrationCode, events ...event.Event) error
	// CodeByText finds a code, whatever has become of it. NotFound: there is none.
	CodeByText(ctx context.Context, code string) (RegistrationCode, error)
	// CodeByID finds a code of an account. NotFound: there is none.
	CodeByID(ctx context.Context, account posture.AccountID, id string) (RegistrationCode, error)
	// ListCodes gives the codes of an account, revoked ones too, oldest first.
	ListCodes(ctx context.Context, account posture.AccountID) ([]RegistrationCode, error)
	// RevokeCode ends a code and records the events, as one step; it does nothing to one that was revoked before.
	// NotFound: no such code in the account.
	RevokeCode(ctx context.Context, account posture.AccountID, id string, at time.Time, events ...event.Event) error
}

// NewRegistrationCode is what a registration code is made from.
type NewRegistrationCode struct {
	Account   posture.AccountID
	Name      string
	Group     posture.GroupID // 0 for none
	ExpiresAt time.Time       // zero for never
	MaxUses   int64           // 0 for any number
}

// CreateRegistrationCode makes a code. Invalid: something about it cannot be accepted, and the text says everything that
// is wrong. NotFound: there is no such account. Conflict: the account has MaxRegistrationCodes, or the new code happens
// to be taken; try again.
func (s *Service) CreateRegistrationCode(ctx context.Context, n NewRegistrationCode) (RegistrationCode, error) {
	at := s.stamp()
	n.Name = strings.TrimSpace(n.Name)
	n.ExpiresAt = n.ExpiresAt.UTC().Truncate(time.Millisecond)
	var m mistakes
	m.checkName(n.Name)
	m.check(n.MaxUses >= 0 && n.MaxUses <= maxCodeUses, "max_uses", "max_uses must be from 1 to %d, or 0 for any number", maxCodeUses)
	m.check(n.ExpiresAt.IsZero() || n.ExpiresAt.After(at), "expires_at", "expires_at must lie in the future")
	if err := m.err(); err != nil {
		return RegistrationCode{}, err
	}
	if _, err := s.accounts.AccountByID(ctx, n.Account); err != nil {
		return RegistrationCode{}, err
	}
	code, err := s.freeCode(ctx)
	if err != nil {
		return RegistrationCode{}, err
	}
	c := RegistrationCode{
		Account: n.Account, ID: posture.NewID(at, s.random), Code: code, Name: n.Name, Group: n.Group,
		CreatedAt: at, ExpiresAt: n.ExpiresAt, MaxUses: n.MaxUses,
	}
	err = s.codes.CreateCode(ctx, c, s.configured(ctx, c.Account, "Registration code created: %q", c.Name))
	if errs.Is(err, errs.NotFound) {
		err = errs.InvalidField("group_id", "There is no group %d", n.Group)
	}
	if err != nil {
		return RegistrationCode{}, err
	}
	return c, nil
}

// freeCode draws a code that no account has as its own. That it is not one of the others is seen when it is stored.
func (s *Service) freeCode(ctx context.Context) (string, error) {
	for {
		code, err := s.randomText(registrationCodeLength)
		if err != nil {
			return "", err
		}
		_, err = s.accounts.AccountByRegistrationCode(ctx, code)
		if errs.Is(err, errs.NotFound) {
			return code, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// RegistrationCodes gives the codes of an account, revoked ones too, oldest first.
func (s *Service) RegistrationCodes(ctx context.Context, account posture.AccountID) ([]RegistrationCode, error) {
	return s.codes.ListCodes(ctx, account)
}

// RegistrationCode gives one code by its id. NotFound: the account has none.
func (s *Service) RegistrationCode(ctx context.Context, account posture.AccountID, id string) (RegistrationCode, error) {
	return s.codes.CodeByID(ctx, account, id)
}

// RevokeRegistrationCode takes a code out of use; devices that came with it stay. NotFound: the account has none with the
// id.
func (s *Service) RevokeRegistrationCode(ctx context.Context, account posture.AccountID, id string) (RegistrationCode, error) {
	defer s.byCode.clear()
	c, err := s.codes.CodeByID(ctx, account, id)
	if err != nil {
		return RegistrationCode{}, err
	}
	err = s.codes.RevokeCode(ctx, account, id, s.stamp(), s.configured(ctx, account, "Registration code revoked: %q", c.Name))
	if err != nil {
		return RegistrationCode{}, err
	}
	return s.codes.CodeByID(ctx, account, id)
}

// EnrolmentCode finds the account that a code enrols into, and the code itself; that is the zero one where it is the
// account's own. People type these codes, so letters of either case do. It answers from memory for up to a second, and so
// does not tell whether a code is used up. NotFound: there is no such code, it has expired or was revoked.
func (s *Service) EnrolmentCode(ctx context.Context, code string) (Account, RegistrationCode, error) {
	code = strings.ToUpper(code)
	a, err := s.byRegistrationCode.lookUp(ctx, code, s.now())
	if !errs.Is(err, errs.NotFound) || !fitsRegistrationCode(code) {
		return a, RegistrationCode{}, err
	}
	c, err := s.codeByText(ctx, code)
	if err != nil {
		return Account{}, RegistrationCode{}, err
	}
	if state := c.State(s.now()); state == CodeExpired || state == CodeRevoked {
		return Account{}, RegistrationCode{}, errs.New(errs.NotFound, "The registration code is %s", state)
	}
	a, err = s.accounts.AccountByID(ctx, c.Account)
	return a, c, err
}

// EnrolmentByLicenseKey finds the account that agents enrol into by its licence key alone. It answers from memory for up to
// a second. NotFound: there is no such account, or it wants a registration code.
func (s *Service) EnrolmentByLicenseKey(ctx context.Context, key string) (Account, error) {
	a, err := s.AccountByLicenseKey(ctx, key)
	if err != nil {
		return Account{}, err
	}
	now, err := s.Settings(ctx, a.ID)
	if err != nil {
		return Account{}, err
	}
	if !now.Agents.EnrolByLicenseKey {
		return Account{}, errs.New(errs.NotFound, "The account enrols by registration codes only")
	}
	return a, nil
}

func (s *Service) codeByText(ctx context.Context, code string) (RegistrationCode, error) {
	now := s.now()
	if c, ok := s.byCode.get(code, now); ok {
		return c, nil
	}
	version := s.byCode.version()
	c, err := s.codes.CodeByText(ctx, code)
	if err == nil {
		s.byCode.put(code, c, now.Add(cacheLife), version)
	}
	return c, err
}
