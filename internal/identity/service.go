package identity

import (
	"context"
	"crypto/rand"
	"io"
	"time"

	"muster/internal/errs"
	"muster/internal/posture"
	"muster/internal/ratelimit"
)

const (
	// cacheLife is how long an answer of the store is believed. It bounds how long a change made by another process
	// stays unseen; changes made by this one take effect at once.
	cacheLife = time.Second
	// cacheSize bounds each cache, in entries of a few hundred bytes.
	cacheSize = 8192
	// guessers is how many origins of failed attempts are remembered.
	guessers = 1 << 16
)

// Options is what a Service needs.
type Options struct {
	Accounts     AccountStore
	Applications ApplicationStore
	Tokens       TokenStore
	Settings     SettingsStore
	Codes        CodeStore
	Now          func() time.Time // time.Now if nil
	Random       io.Reader        // crypto/rand if nil; must bear calls at the same time
	// Rejudging is called when settings have been stored by which devices are to be judged anew; may be nil.
	Rejudging func(account posture.AccountID)
}

// Service is everything that can be done with accounts, applications and tokens. Its methods may be called at the same
// time. Besides the errors they name, they give those of the stores.
type Service struct {
	accounts     AccountStore
	applications ApplicationStore
	tokens       TokenStore
	settings     SettingsStore
	codes        CodeStore
	now          func() time.Time
	random       io.Reader
	rejudging    func(posture.AccountID)

	byLicenseKey       accountIndex
	byRegistrationCode accountIndex
	grants             *cache[Hash, Grant]
	byCode             *cache[string, RegistrationCode]
	decided            *cache[posture.AccountID, Settings]
	guard              *ratelimit.Guard
}

// New makes a Service. It panics when a store is missing: that is a programmer's mistake.
func New(o Options) *Service {
	if o.Accounts == nil || o.Applications == nil || o.Tokens == nil || o.Settings == nil || o.Codes == nil {
		panic("identity: a store is missing")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return &Service{
		accounts: o.Accounts, applications: o.Applications, tokens: o.Tokens, settings: o.Settings, codes: o.Codes,
		now: o.Now, random: o.Random, rejudging: o.Rejudging,
		byLicenseKey:       newAccountIndex(fitsLicenseKey, o.Accounts.AccountByLicenseKey),
		byRegistrationCode: newAccountIndex(fitsRegistrationCode, o.Accounts.AccountByRegistrationCode),
		grants:             newCache[Hash, Grant](cacheSize),
		byCode:             newCache[string, RegistrationCode](cacheSize),
		decided:            newCache[posture.AccountID, Settings](cacheSize),
		guard:              ratelimit.NewGuard(guessers, o.Now),
	}
}

// stamp is the time as it is stored: UTC, in whole milliseconds.
func (s *Service) stamp() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// forgetAccounts makes a change of an account take effect at once.
func (s *Service) forgetAccounts() {
	s.byLicenseKey.known.clear()
	s.byRegistrationCode.known.clear()
	s.grants.clear()
}

// Account finds an account by its id. NotFound: there is none.
func (s *Service) Account(ctx context.Context, id posture.AccountID) (Account, error) {
	return s.accounts.AccountByID(ctx, id)
}

// AccountByName finds an account by its exact name. NotFound: there is none.
func (s *Service) AccountByName(ctx context.Context, name string) (Account, error) {
	if !fitsName(name) {
		return Account{}, errs.New(errs.NotFound, "There is no such account")
	}
	return s.accounts.AccountByName(ctx, name)
}

// AccountByLicenseKey finds the account an agent names. It answers from memory for up to a second. NotFound: there is
// none.
func (s *Service) AccountByLicenseKey(ctx context.Context, key string) (Account, error) {
	return s.byLicenseKey.lookUp(ctx, key, s.now())
}

// AccountByRegistrationCode finds the account that a code enrols into: see EnrolmentCode.
func (s *Service) AccountByRegistrationCode(ctx context.Context, code string) (Account, error) {
	a, _, err := s.EnrolmentCode(ctx, code)
	return a, err
}

// accountIndex finds accounts by something that agents send with every call.
type accountIndex struct {
	known *cache[string, Account]
	fits  func(string) bool
	find  func(context.Context, string) (Account, error)
}

func newAccountIndex(fits func(string) bool, find func(context.Context, string) (Account, error)) accountIndex {
	return accountIndex{known: newCache[string, Account](cacheSize), fits: fits, find: find}
}

// lookUp asks the store only where memory does not know, and only for what can be there at all. That something does not
// exist is not remembered: a new account works at once, and nobody can fill the memory with keys that he invented.
func (x accountIndex) lookUp(ctx context.Context, key string, now time.Time) (Account, error) {
	if a, ok := x.known.get(key, now); ok {
		return a, nil
	}
	if !x.fits(key) {
		return Account{}, errs.New(errs.NotFound, "There is no such account")
	}
	version := x.known.version()
	a, err := x.find(ctx, key)
	if err != nil {
		return Account{}, err
	}
	x.known.put(key, a, now.Add(cacheLife), version)
	return a, nil
}

// ListAccounts gives all accounts in the order of their ids.
func (s *Service) ListAccounts(ctx context.Context) ([]Account, error) {
	return s.accounts.ListAccounts(ctx)
}
