package identity_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/identity/identitytest"
	"muster/internal/identity/scope"
)

var start = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// fixture is a service on stores in memory, with a clock that moves only when told.
type fixture struct {
	*identity.Service
	stores *identitytest.Stores
	clock  *clock
	ctx    context.Context
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newFixture(t testing.TB) *fixture {
	stores, c := identitytest.NewStores(), &clock{now: start}
	service := identity.New(identity.Options{
		Accounts: stores, Applications: stores, Tokens: stores, Settings: stores, Codes: stores, Now: c.Now,
	})
	return &fixture{Service: service, stores: stores, clock: c, ctx: t.Context()}
}

func (f *fixture) account(t testing.TB, name string) identity.Account {
	t.Helper()
	a, err := f.CreateAccount(f.ctx, identity.NewAccount{Name: name, Email: "owner@example.com", DevicesAllowed: 50})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// client is an application and the secret it was given.
type client struct {
	identity.Application
	secret string
}

func (f *fixture) client(t testing.TB, p scope.Permission) client {
	t.Helper()
	account, err := f.Resolve(f.ctx, "")
	if errs.Is(err, errs.NotFound) {
		account, err = f.account(t, "Acme"), nil
	}
	if err != nil {
		t.Fatal(err)
	}
	app, secret, err := f.CreateApplication(f.ctx, identity.NewApplication{
		Account: account.ID, Name: "Gate", Permission: p, RateLimit: identity.DefaultRateLimit,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client{app, secret}
}

func (f *fixture) issue(t testing.TB, c client) identity.Issued {
	t.Helper()
	issued, err := f.ClientCredentials(f.ctx, c.ClientID, c.secret)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

func (f *fixture) refresh(t testing.TB, c client, refreshToken string) identity.Issued {
	t.Helper()
	issued, err := f.Refresh(f.ctx, c.ClientID, c.secret, refreshToken)
	if err != nil {
		t.Fatal(err)
	}
	return issued
}

// wantCode fails the test unless err carries the code; "" is no error.
func wantCode(t testing.TB, what string, err error, code errs.Code) {
	t.Helper()
	if code == "" && err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if code != "" && !errs.Is(err, code) {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}
