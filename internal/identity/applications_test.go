package identity_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/identity/scope"
)

func TestCreateApplication(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Write)
	shape := regexp.MustCompile(`^[A-Z0-9]{48}$`)
	if !shape.MatchString(c.ClientID) || !shape.MatchString(c.secret) || c.ClientID == c.secret {
		t.Errorf("client id %q, secret of %d characters", c.ClientID, len(c.secret))
	}
	if c.SecretHash != identity.HashOf(c.secret) || !c.CreatedAt.Equal(start) || c.Permission != scope.Write {
		t.Errorf("got %+v", c.Application)
	}
	_, _, err := f.CreateApplication(f.ctx, identity.NewApplication{Account: 99, Name: "x", Permission: scope.Read})
	wantCode(t, "no such account", err, errs.NotFound)
}

func TestCreateApplicationWithGivenCredentials(t *testing.T) {
	f := newFixture(t)
	a := f.account(t, "Acme")
	given := identity.NewApplication{
		Account: a.ID, Name: "Demo", Permission: scope.Read, ClientID: "1234567890", Secret: "DEMO-SECRET_OF.32~CHARACTERS",
	}
	app, secret, err := f.CreateApplication(f.ctx, given)
	if err != nil || app.ClientID != given.ClientID || secret != given.Secret {
		t.Fatalf("got %+v, %v", app, err)
	}
	if _, err := f.ClientCredentials(f.ctx, given.ClientID, given.Secret); err != nil {
		t.Error(err)
	}
	_, _, err = f.CreateApplication(f.ctx, given)
	wantCode(t, "the same client id again", err, errs.Conflict)
}

func TestApplicationMistakes(t *testing.T) {
	f := newFixture(t)
	a := f.account(t, "Acme")
	good := identity.NewApplication{Account: a.ID, Name: "Gate", Permission: scope.Read, RateLimit: identity.DefaultRateLimit}
	for name, tt := range map[string]struct {
		spoil func(*identity.NewApplication)
		field string
	}{
		"no name":            {func(n *identity.NewApplication) { n.Name = "" }, "name"},
		"no permission":      {func(n *identity.NewApplication) { n.Permission = "" }, "permission"},
		"unknown permission": {func(n *identity.NewApplication) { n.Permission = "owner" }, "permission"},
		"rate limit below":   {func(n *identity.NewApplication) { n.RateLimit = -2 }, "rate_limit"},
		"rate limit above":   {func(n *identity.NewApplication) { n.RateLimit = 1_000_001 }, "rate_limit"},
		"odd client id":      {func(n *identity.NewApplication) { n.ClientID = "a b" }, "client_id"},
		"long client id":     {func(n *identity.NewApplication) { n.ClientID = strings.Repeat("a", 129) }, "client_id"},
		"short secret":       {func(n *identity.NewApplication) { n.Secret = "password" }, "client_secret"},
		"secret to encode":   {func(n *identity.NewApplication) { n.Secret = "0123456789abcdef+%&" }, "client_secret"},
	} {
		n := good
		tt.spoil(&n)
		_, _, err := f.CreateApplication(f.ctx, n)
		var e *errs.Error
		if !errors.As(err, &e) || e.Code != errs.Invalid || e.Field != tt.field {
			t.Errorf("%s: got %v, want Invalid about %s", name, err, tt.field)
		}
		if n.Secret != "" && strings.Contains(err.Error(), n.Secret) {
			t.Errorf("%s: the error repeats the secret", name)
		}
	}
}

func TestRevokeApplication(t *testing.T) {
	f := newFixture(t)
	c, other := f.client(t, scope.Read), f.client(t, scope.Read)
	issued, kept := f.issue(t, c), f.issue(t, other)
	if _, err := f.Authenticate(f.ctx, issued.AccessToken); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "from another account", f.RevokeApplication(f.ctx, c.Account+1, c.ClientID), errs.NotFound)
	wantCode(t, "unknown", f.RevokeApplication(f.ctx, c.Account, "nobody"), errs.NotFound)
	wantCode(t, "revoke", f.RevokeApplication(f.ctx, c.Account, c.ClientID), "")

	_, err := f.Authenticate(f.ctx, issued.AccessToken)
	wantCode(t, "its token, at once", err, errs.Unauthenticated)
	_, err = f.ClientCredentials(f.ctx, c.ClientID, c.secret)
	wantCode(t, "a new token", err, errs.Unauthenticated)
	_, err = f.Refresh(f.ctx, c.ClientID, c.secret, issued.RefreshToken)
	wantCode(t, "a refresh", err, errs.Unauthenticated)
	_, err = f.Authenticate(f.ctx, kept.AccessToken)
	wantCode(t, "the token of another application", err, "")

	all, err := f.ListApplications(f.ctx, c.Account)
	if err != nil || len(all) != 2 {
		t.Fatalf("got %d applications, %v", len(all), err)
	}
	for _, app := range all {
		if revoked := !app.RevokedAt.IsZero(); revoked != (app.ClientID == c.ClientID) {
			t.Errorf("%s is revoked: %t", app.ClientID, revoked)
		}
	}
}

// TestRevokedElsewhere: another process revokes; this one knows within a second.
func TestRevokedElsewhere(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Read)
	issued := f.issue(t, c)
	if _, err := f.Authenticate(f.ctx, issued.AccessToken); err != nil {
		t.Fatal(err)
	}
	if err := f.stores.RevokeApplication(f.ctx, c.Account, c.ClientID, start); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(time.Second)
	_, err := f.Authenticate(f.ctx, issued.AccessToken)
	wantCode(t, "after a second", err, errs.Unauthenticated)
}
