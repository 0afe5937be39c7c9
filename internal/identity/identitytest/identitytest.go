// Package identitytest has the stores of package identity in memory, for tests of what is built on it. The real stores
// are tested against the same interfaces by package storetest.
package identitytest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/posture"
)

// Stores is an AccountStore, an ApplicationStore, a TokenStore, a SettingsStore and a CodeStore.
type Stores struct {
	mu           sync.Mutex
	accounts     map[posture.AccountID]identity.Account
	applications map[string]identity.Application
	tokens       map[identity.Hash]identity.Token
	settings     map[posture.AccountID]settings
	codes        []identity.RegistrationCode
	events       []event.Event
	calls        int
	failure      error
	hook         func()
}

// NewStores makes empty stores.
func NewStores() *Stores {
	return &Stores{
		accounts:     make(map[posture.AccountID]identity.Account),
		applications: make(map[string]identity.Application),
		tokens:       make(map[identity.Hash]identity.Token),
		settings:     make(map[posture.AccountID]settings),
	}
}

// Calls says how often the stores were asked so far.
func (s *Stores) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Fail makes every call give this error; nil ends it.
func (s *Stores) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
}

// AfterNextFind runs f once: when the next FindToken, AccountByLicenseKey, AccountByRegistrationCode or AccountSettings has its answer
// and has not given it yet.
func (s *Stores) AfterNextFind(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

// Tokens gives every stored token.
func (s *Stores) Tokens() []identity.Token {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.tokens))
}

// Events gives everything that was recorded, in its order.
func (s *Stores) Events() []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// record keeps events as those of an account.
func (s *Stores) record(account posture.AccountID, events []event.Event) {
	for _, e := range events {
		e.Account = account
		s.events = append(s.events, e)
	}
}

// enter locks the stores and counts the call. The caller unlocks.
func (s *Stores) enter() error {
	s.mu.Lock()
	s.calls++
	return s.failure
}

// answer unlocks the stores and runs the hook.
func (s *Stores) answer() {
	hook := s.hook
	s.hook = nil
	s.mu.Unlock()
	if hook != nil {
		hook()
	}
}

func notFound() error { return errs.New(errs.NotFound, "There is no such thing") }

// CreateAccount stores an account.
func (s *Stores) CreateAccount(_ context.Context, a identity.Account, events ...event.Event) (identity.Account, error) {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return identity.Account{}, err
	}
	a.ID = posture.AccountID(len(s.accounts) + 1)
	if s.taken(a) {
		return identity.Account{}, errs.New(errs.Conflict, "An account like this exists")
	}
	s.accounts[a.ID] = a
	s.record(a.ID, events)
	return a, nil
}

func (s *Stores) taken(a identity.Account) bool {
	for _, o := range s.accounts {
		same := o.Name == a.Name || o.LicenseKey == a.LicenseKey || o.RegistrationCode == a.RegistrationCode
		if o.ID != a.ID && same {
			return true
		}
	}
	return false
}

// AccountByID finds an account.
func (s *Stores) AccountByID(_ context.Context, id posture.AccountID) (identity.Account, error) {
	defer s.mu.Unlock()
	return s.account(func(a identity.Account) bool { return a.ID == id })
}

// AccountByName finds an account.
func (s *Stores) AccountByName(_ context.Context, name string) (identity.Account, error) {
	defer s.mu.Unlock()
	return s.account(func(a identity.Account) bool { return a.Name == name })
}

// AccountByLicenseKey finds an account.
func (s *Stores) AccountByLicenseKey(_ context.Context, key string) (identity.Account, error) {
	defer s.answer()
	return s.account(func(a identity.Account) bool { return a.LicenseKey == key })
}

// AccountByRegistrationCode finds an account.
func (s *Stores) AccountByRegistrationCode(_ context.Context, code string) (identity.Account, error) {
	defer s.answer()
	return s.account(func(a identity.Account) bool { return a.RegistrationCode == code })
}

func (s *Stores) account(is func(identity.Account) bool) (identity.Account, error) {
	if err := s.enter(); err != nil {
		return identity.Account{}, err
	}
	for _, a := range s.accounts {
		if is(a) {
			return a, nil
		}
	}
	return identity.Account{}, notFound()
}

// ListAccounts gives all accounts in the order of their ids.
func (s *Stores) ListAccounts(context.Context) ([]identity.Account, error) {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return nil, err
	}
	byID := func(a, b identity.Account) int { return cmp.Compare(a.ID, b.ID) }
	return slices.SortedFunc(maps.Values(s.accounts), byID), nil
}

// UpdateAccount changes an account.
func (s *Stores) UpdateAccount(
	_ context.Context, id posture.AccountID, change func(*identity.Account) ([]event.Event, error),
) (identity.Account, error) {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return identity.Account{}, err
	}
	a, ok := s.accounts[id]
	if !ok {
		return identity.Account{}, notFound()
	}
	events, err := change(&a)
	if err != nil {
		return identity.Account{}, err
	}
	if s.taken(a) {
		return identity.Account{}, errs.New(errs.Conflict, "An account like this exists")
	}
	s.accounts[id] = a
	s.record(id, events)
	return a, nil
}

// CreateApplication stores an application.
func (s *Stores) CreateApplication(_ context.Context, a identity.Application, events ...event.Event) error {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return err
	}
	if _, ok := s.applications[a.ClientID]; ok {
		return errs.New(errs.Conflict, "An application with this client id exists")
	}
	s.applications[a.ClientID] = a
	s.record(a.Account, events)
	return nil
}

// ApplicationByClientID finds an application.
func (s *Stores) ApplicationByClientID(_ context.Context, clientID string) (identity.Application, error) {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return identity.Application{}, err
	}
	a, ok := s.applications[clientID]
	if !ok {
		return identity.Application{}, notFound()
	}
	return a, nil
}

// ListApplications gives the account's applications, oldest first.
func (s *Stores) ListApplications(_ context.Context, account posture.AccountID) ([]identity.Application, error) {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return nil, err
	}
	var out []identity.Application
	for _, a := range s.applications {
		if a.Account == account {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b identity.Application) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ClientID, b.ClientID))
	})
	return out, nil
}

// RevokeApplication ends an application and deletes its tokens.
func (s *Stores) RevokeApplication(_ context.Context, account posture.AccountID, clientID string, at time.Time, events ...event.Event) error {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return err
	}
	a, ok := s.applications[clientID]
	if !ok || a.Account != account {
		return notFound()
	}
	if a.RevokedAt.IsZero() {
		a.RevokedAt = at
		s.record(account, events)
	}
	s.applications[clientID] = a
	maps.DeleteFunc(s.tokens, func(_ identity.Hash, t identity.Token) bool { return t.ClientID == clientID })
	return nil
}

// CreateTokens stores tokens and brings the end of another one forward.
func (s *Stores) CreateTokens(_ context.Context, tokens []identity.Token, retire identity.Hash, limit time.Time) error {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return err
	}
	for _, t := range tokens {
		if _, ok := s.tokens[t.Hash]; ok {
			return errs.New(errs.Conflict, "This token is stored already")
		}
	}
	for _, t := range tokens {
		s.tokens[t.Hash] = t
	}
	if t, ok := s.tokens[retire]; ok && !limit.IsZero() && t.ExpiresAt.After(limit) {
		t.ExpiresAt = limit
		s.tokens[retire] = t
	}
	return nil
}

// FindToken finds a token.
func (s *Stores) FindToken(_ context.Context, h identity.Hash) (identity.Token, error) {
	defer s.answer()
	if err := s.enter(); err != nil {
		return identity.Token{}, err
	}
	t, ok := s.tokens[h]
	if !ok {
		return identity.Token{}, notFound()
	}
	return t, nil
}

// DeleteToken removes a token.
func (s *Stores) DeleteToken(_ context.Context, h identity.Hash) error {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return err
	}
	delete(s.tokens, h)
	return nil
}

// DeleteExpiredTokens removes the tokens that expired before the time.
func (s *Stores) DeleteExpiredTokens(_ context.Context, before time.Time) (int64, error) {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return 0, err
	}
	n := len(s.tokens)
	maps.DeleteFunc(s.tokens, func(_ identity.Hash, t identity.Token) bool { return t.ExpiresAt.Before(before) })
	return int64(n - len(s.tokens)), nil
}

// settings are those of an account, and how often they were changed.
type settings struct {
	identity.Settings
	changes int64
}

// AccountSettings gives the settings of an account.
func (s *Stores) AccountSettings(_ context.Context, id posture.AccountID) (identity.Settings, int64, error) {
	defer s.answer()
	if err := s.enter(); err != nil {
		return identity.Settings{}, 0, err
	}
	if _, ok := s.accounts[id]; !ok {
		return identity.Settings{}, 0, notFound()
	}
	stored := s.settings[id]
	return stored.Settings, stored.changes + 1, nil
}

// UpdateAccountSettings changes the settings of an account.
func (s *Stores) UpdateAccountSettings(
	_ context.Context, id posture.AccountID, change func(*identity.Settings, int64) (identity.SettingsChange, error),
) (identity.Settings, int64, error) {
	defer s.mu.Unlock()
	if err := s.enter(); err != nil {
		return identity.Settings{}, 0, err
	}
	if _, ok := s.accounts[id]; !ok {
		return identity.Settings{}, 0, notFound()
	}
	stored := s.settings[id]
	with, err := change(&stored.Settings, stored.changes+1)
	if err != nil {
		return identity.Settings{}, 0, err
	}
	if len(with.Events) > 0 {
		stored.changes++
		s.settings[id] = stored
		s.record(id, with.Events)
	}
	return stored.Settings, stored.changes + 1, nil
}
