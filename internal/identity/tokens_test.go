package identity_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/ratelimit"
)

func TestClientCredentials(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Write)
	issued := f.issue(t, c)
	if issued.ExpiresIn != 43199 || issued.Permission != scope.Write || issued.ClientID != c.ClientID || issued.Account != c.Account {
		t.Errorf("got %+v", issued)
	}
	g, err := f.Authenticate(f.ctx, issued.AccessToken)
	if err != nil || g.Account.ID != c.Account || g.ClientID != c.ClientID || g.Permission != scope.Write || g.RateLimit != identity.DefaultRateLimit {
		t.Errorf("got %+v, %v", g, err)
	}
	for _, stored := range f.stores.Tokens() {
		if string(stored.Hash[:]) == issued.AccessToken || stored.Hash == (identity.Hash{}) {
			t.Errorf("stored %+v", stored)
		}
	}
}

func TestIssueRefusals(t *testing.T) {
	f := newFixture(t)
	c, other := f.client(t, scope.Read), f.client(t, scope.Read)
	issued, others := f.issue(t, c), f.issue(t, other)
	me := identity.Client{ID: c.ClientID, Secret: c.secret}
	tests := []struct {
		name  string
		req   identity.TokenRequest
		code  errs.Code
		cause error
		text  string
	}{
		{"no grant type", identity.TokenRequest{Client: me}, errs.Invalid, nil, "Missing grant type"},
		{"unknown grant type", identity.TokenRequest{GrantType: "password", Client: me},
			errs.Invalid, identity.ErrUnsupportedGrant, "Unsupported grant type"},
		{"a grant type of later", identity.TokenRequest{GrantType: "authorization_code", Client: me},
			errs.Invalid, identity.ErrUnsupportedGrant, "Unsupported grant type"},
		{"no client", identity.TokenRequest{GrantType: "client_credentials"}, errs.Unauthenticated, nil, "Bad client credentials"},
		{"no secret", identity.TokenRequest{GrantType: "client_credentials", Client: identity.Client{ID: c.ClientID}},
			errs.Unauthenticated, nil, "Bad client credentials"},
		{"unknown client", identity.TokenRequest{GrantType: "client_credentials", Client: identity.Client{ID: "x", Secret: c.secret}},
			errs.Unauthenticated, nil, "Bad client credentials"},
		{"client that cannot be", identity.TokenRequest{GrantType: "client_credentials", Client: identity.Client{ID: "\x00", Secret: "y"}},
			errs.Unauthenticated, nil, "Bad client credentials"},
		{"wrong secret", identity.TokenRequest{GrantType: "client_credentials", Client: identity.Client{ID: c.ClientID, Secret: other.secret}},
			errs.Unauthenticated, nil, "Bad client credentials"},
		{"no refresh token", identity.TokenRequest{GrantType: "refresh_token", Client: me}, errs.Invalid, nil, "Missing refresh token"},
		{"unknown refresh token", identity.TokenRequest{GrantType: "refresh_token", Client: me, RefreshToken: "nonsense"},
			errs.Invalid, identity.ErrInvalidGrant, "Invalid refresh token"},
		{"access token for a refresh token", identity.TokenRequest{GrantType: "refresh_token", Client: me, RefreshToken: issued.AccessToken},
			errs.Invalid, identity.ErrInvalidGrant, "Invalid refresh token"},
		{"another client's refresh token", identity.TokenRequest{GrantType: "refresh_token", Client: me, RefreshToken: others.RefreshToken},
			errs.Invalid, identity.ErrInvalidGrant, "Invalid refresh token"},
		{"refresh with a wrong secret", identity.TokenRequest{GrantType: "refresh_token", RefreshToken: issued.RefreshToken,
			Client: identity.Client{ID: c.ClientID, Secret: "wrong"}}, errs.Unauthenticated, nil, "Bad client credentials"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := f.Issue(f.ctx, tt.req)
			var e *errs.Error
			if !errors.As(err, &e) || e.Code != tt.code || e.Message != tt.text {
				t.Errorf("got %v, want %s %q", err, tt.code, tt.text)
			}
			if tt.cause != nil && !errors.Is(err, tt.cause) {
				t.Errorf("%v is not caused by %v", err, tt.cause)
			}
		})
	}
	if got := f.refresh(t, other, others.RefreshToken); got.ClientID != other.ClientID {
		t.Errorf("the other client's token was spent: %+v", got)
	}
}

// TestRefreshRotates follows a client through the life of its tokens.
func TestRefreshRotates(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Read)
	first := f.issue(t, c)
	f.clock.advance(time.Hour)
	second := f.refresh(t, c, first.RefreshToken)
	if second.AccessToken == first.AccessToken || second.RefreshToken == first.RefreshToken || second.RefreshToken == "" {
		t.Errorf("got %+v after %+v", second, first)
	}
	f.clock.advance(identity.RefreshOverlap - time.Millisecond)
	third := f.refresh(t, c, first.RefreshToken)
	f.clock.advance(time.Millisecond)
	_, err := f.Refresh(f.ctx, c.ClientID, c.secret, first.RefreshToken)
	if !errors.Is(err, identity.ErrInvalidGrant) {
		t.Errorf("after the overlap: %v", err)
	}
	for i, issued := range []identity.Issued{first, second, third} {
		if _, err := f.Authenticate(f.ctx, issued.AccessToken); err != nil {
			t.Errorf("access token %d does not work beside the others: %v", i+1, err)
		}
	}
	f.refresh(t, c, second.RefreshToken) // the accident above has ended nothing
	f.clock.advance(identity.AccessTokenLife)
	_, err = f.Authenticate(f.ctx, third.AccessToken)
	wantCode(t, "an access token at its end", err, errs.Unauthenticated)
}

func TestTokensEnd(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Read)
	issued := f.issue(t, c)
	f.clock.advance(identity.AccessTokenLife - time.Millisecond)
	_, err := f.Authenticate(f.ctx, issued.AccessToken)
	wantCode(t, "in its last millisecond", err, "")
	f.clock.advance(time.Millisecond)
	_, err = f.Authenticate(f.ctx, issued.AccessToken)
	wantCode(t, "remembered, and at its end", err, errs.Unauthenticated)
	f.clock.advance(identity.RefreshTokenLife - identity.AccessTokenLife - time.Millisecond)
	again := f.refresh(t, c, issued.RefreshToken)
	f.clock.advance(identity.RefreshTokenLife)
	_, err = f.Refresh(f.ctx, c.ClientID, c.secret, again.RefreshToken)
	wantCode(t, "a refresh token at its end", err, errs.Invalid)

	f.clock.advance(time.Hour)
	fresh := f.issue(t, c)
	if n, err := f.SweepTokens(f.ctx); err != nil || n != 4 {
		t.Errorf("swept %d, %v", n, err)
	}
	_, err = f.Authenticate(f.ctx, fresh.AccessToken)
	wantCode(t, "what lives is not swept", err, "")
}

func TestManyTokensAtOnce(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Read)
	first := f.issue(t, c)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			issue := func() (identity.Issued, error) { return f.ClientCredentials(f.ctx, c.ClientID, c.secret) }
			if i%2 == 0 {
				issue = func() (identity.Issued, error) { return f.Refresh(f.ctx, c.ClientID, c.secret, first.RefreshToken) }
			}
			issued, err := issue()
			if err != nil {
				t.Error(err)
			}
			if _, err := f.Authenticate(f.ctx, issued.AccessToken); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(f.stores.Tokens()); n != 42 {
		t.Errorf("%d tokens are stored, want 42", n)
	}
}

func TestAuthenticateRefusals(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Read)
	issued := f.issue(t, c)
	for name, token := range map[string]string{
		"absent": "", "unknown": strings.Repeat("A", 52), "refresh token": issued.RefreshToken,
		"blank before": " " + issued.AccessToken, "huge": strings.Repeat("A", 1<<20), "binary": "\x00\xff",
	} {
		_, err := f.Authenticate(f.ctx, token)
		wantCode(t, name, err, errs.Unauthenticated)
	}
	f.stores.Fail(errBroken)
	if _, err := f.Authenticate(f.ctx, issued.AccessToken); !errors.Is(err, errBroken) || errs.Is(err, errs.Unauthenticated) {
		t.Errorf("a broken store gives %v", err)
	}
}

func TestAuthenticateComesFromMemory(t *testing.T) {
	f := newFixture(t)
	issued := f.issue(t, f.client(t, scope.Read))
	if _, err := f.Authenticate(f.ctx, issued.AccessToken); err != nil {
		t.Fatal(err)
	}
	before := f.stores.Calls()
	f.clock.advance(999 * time.Millisecond)
	if _, err := f.Authenticate(f.ctx, issued.AccessToken); err != nil || f.stores.Calls() != before {
		t.Errorf("the store was asked %d times, %v", f.stores.Calls()-before, err)
	}
	f.clock.advance(time.Millisecond)
	if _, err := f.Authenticate(f.ctx, issued.AccessToken); err != nil || f.stores.Calls() == before {
		t.Errorf("the store was not asked, %v", err)
	}
}

func TestRateLimitOfGrant(t *testing.T) {
	f := newFixture(t)
	a := f.account(t, "Acme")
	for _, own := range []int{identity.DefaultRateLimit, 0, 600} {
		app, secret, err := f.CreateApplication(f.ctx, identity.NewApplication{
			Account: a.ID, Name: "Gate", Permission: scope.Read, RateLimit: own,
		})
		if err != nil {
			t.Fatal(err)
		}
		g, err := f.Authenticate(f.ctx, f.issue(t, client{app, secret}).AccessToken)
		if err != nil || g.RateLimit != own {
			t.Errorf("limit %d: got %d, %v", own, g.RateLimit, err)
		}
	}
}

// TestATokenNeverAllowsMoreThanItsApplication: an application may have been narrowed since the token was issued.
func TestATokenNeverAllowsMoreThanItsApplication(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Read)
	var wide []identity.Token
	for kind, text := range map[identity.TokenKind]string{identity.AccessToken: "wide access", identity.RefreshToken: "wide refresh"} {
		wide = append(wide, identity.Token{
			Hash: identity.HashOf(text), Kind: kind, Account: c.Account, ClientID: c.ClientID,
			Permission: scope.Write, CreatedAt: start, ExpiresAt: start.Add(time.Hour),
		})
	}
	if err := f.stores.CreateTokens(f.ctx, wide, identity.Hash{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if g, err := f.Authenticate(f.ctx, "wide access"); err != nil || g.Permission != scope.Read {
		t.Errorf("got %+v, %v", g, err)
	}
	issued := f.refresh(t, c, "wide refresh")
	if issued.Permission != scope.Read {
		t.Errorf("got %+v", issued)
	}
}

func TestAccountChangeShowsInGrantAtOnce(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Read)
	issued := f.issue(t, c)
	if _, err := f.Authenticate(f.ctx, issued.AccessToken); err != nil {
		t.Fatal(err)
	}
	devices := int64(77)
	if _, err := f.UpdateAccount(f.ctx, c.Account, identity.AccountChange{DevicesAllowed: &devices}); err != nil {
		t.Fatal(err)
	}
	if g, err := f.Authenticate(f.ctx, issued.AccessToken); err != nil || g.Account.DevicesAllowed != devices {
		t.Errorf("got %+v, %v", g, err)
	}
}

func TestAClientIDThatCannotBeIsNotLookedFor(t *testing.T) {
	f := newFixture(t)
	for _, id := range []string{"\x00", "\xff", "a b", strings.Repeat("a", 129)} {
		_, err := f.ClientCredentials(f.ctx, id, "secret")
		wantCode(t, id, err, errs.Unauthenticated)
	}
	if n := f.stores.Calls(); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
}

func TestRevokeToken(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Read)
	revoked, kept := f.issue(t, c), f.issue(t, c)
	// A caller has found the token and not yet remembered it when it is revoked: he is the last it lets in.
	f.stores.AfterNextFind(func() { wantCode(t, "revoke", f.RevokeToken(f.ctx, revoked.AccessToken), "") })
	if _, err := f.Authenticate(f.ctx, revoked.AccessToken); err != nil {
		t.Fatal(err)
	}
	_, err := f.Authenticate(f.ctx, revoked.AccessToken)
	wantCode(t, "at once", err, errs.Unauthenticated)
	_, err = f.Authenticate(f.ctx, kept.AccessToken)
	wantCode(t, "another token", err, "")
	wantCode(t, "revoke again", f.RevokeToken(f.ctx, revoked.AccessToken), "")
	wantCode(t, "revoke a remembered one", f.RevokeToken(f.ctx, kept.AccessToken), "")
	_, err = f.Authenticate(f.ctx, kept.AccessToken)
	wantCode(t, "at once", err, errs.Unauthenticated)
	f.stores.Fail(errBroken)
	if err := f.RevokeToken(f.ctx, kept.AccessToken); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

func TestRevokeByClient(t *testing.T) {
	f := newFixture(t)
	c, other := f.client(t, scope.Read), f.client(t, scope.Read)
	issued, others := f.issue(t, c), f.issue(t, other)
	me := identity.Client{ID: c.ClientID, Secret: c.secret}
	wantCode(t, "wrong secret", f.Revoke(f.ctx, identity.Client{ID: c.ClientID, Secret: "x"}, issued.AccessToken), errs.Unauthenticated)
	wantCode(t, "no token", f.Revoke(f.ctx, me, ""), errs.Invalid)
	wantCode(t, "unknown token", f.Revoke(f.ctx, me, "nonsense"), "")
	if err := f.Revoke(f.ctx, me, others.AccessToken); !errors.Is(err, identity.ErrInvalidGrant) {
		t.Errorf("another client's token: %v", err)
	}
	_, err := f.Authenticate(f.ctx, others.AccessToken)
	wantCode(t, "it still works", err, "")
	wantCode(t, "own access token", f.Revoke(f.ctx, me, issued.AccessToken), "")
	wantCode(t, "own refresh token", f.Revoke(f.ctx, me, issued.RefreshToken), "")
	_, err = f.Authenticate(f.ctx, issued.AccessToken)
	wantCode(t, "the access token", err, errs.Unauthenticated)
	_, err = f.Refresh(f.ctx, c.ClientID, c.secret, issued.RefreshToken)
	wantCode(t, "the refresh token", err, errs.Invalid)
}

func TestImportToken(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Read)
	const text = "DEMOTOKENDEMOTOKENDEMOTOKENDEMOTOKENDEMOTOKEN123"
	expires := start.Add(365 * 24 * time.Hour)
	wantCode(t, "unknown client", f.ImportToken(f.ctx, "nobody", text, expires), errs.Unauthenticated)
	wantCode(t, "short text", f.ImportToken(f.ctx, c.ClientID, "demo", expires), errs.Invalid)
	wantCode(t, "past", f.ImportToken(f.ctx, c.ClientID, text, start), errs.Invalid)
	wantCode(t, "import", f.ImportToken(f.ctx, c.ClientID, text, expires), "")
	wantCode(t, "again", f.ImportToken(f.ctx, c.ClientID, text, expires), errs.Conflict)
	f.clock.advance(300 * 24 * time.Hour)
	if g, err := f.Authenticate(f.ctx, text); err != nil || g.ClientID != c.ClientID {
		t.Errorf("got %+v, %v", g, err)
	}
	f.clock.advance(65 * 24 * time.Hour)
	_, err := f.Authenticate(f.ctx, text)
	wantCode(t, "at its end", err, errs.Unauthenticated)
}

// TestGuessing: ten wrong secrets a minute for one client from one address, sixty for one address; and nobody is locked
// out from elsewhere.
func TestGuessing(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Read)
	here, elsewhere := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("198.51.100.1")
	try := func(id, secret string, from netip.Addr) error {
		_, err := f.Issue(f.ctx, identity.TokenRequest{
			GrantType: "client_credentials", Client: identity.Client{ID: id, Secret: secret, From: from},
		})
		return err
	}
	for range 5 {
		wantCode(t, "a right secret costs nothing", try(c.ClientID, c.secret, here), "")
		for range 2 {
			wantCode(t, "a wrong secret", try(c.ClientID, "wrong", here), errs.Unauthenticated)
		}
	}
	err := try(c.ClientID, "wrong", here)
	wantCode(t, "the eleventh", err, errs.RateLimited)
	if d, ok := ratelimit.DecisionOf(err); !ok || d.ResetSeconds() != 60 {
		t.Errorf("got %+v, %t", d, ok)
	}
	wantCode(t, "even the right secret", try(c.ClientID, c.secret, here), errs.RateLimited)
	wantCode(t, "the right secret from elsewhere", try(c.ClientID, c.secret, elsewhere), "")
	wantCode(t, "the right secret from within", try(c.ClientID, c.secret, netip.Addr{}), "")
	for i := range 50 {
		wantCode(t, "other clients", try(fmt.Sprintf("client%d", i), "wrong", here), errs.Unauthenticated)
	}
	wantCode(t, "one more client", try("another", "wrong", here), errs.RateLimited)
	f.clock.advance(ratelimit.Period)
	wantCode(t, "a minute later", try(c.ClientID, c.secret, here), "")
}

func TestRevocationIsNoWayAroundTheGuard(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Read)
	for range 10 {
		wantCode(t, "wrong", f.Revoke(f.ctx, identity.Client{ID: c.ClientID, Secret: "wrong"}, "x"), errs.Unauthenticated)
	}
	wantCode(t, "too many", f.Revoke(f.ctx, identity.Client{ID: c.ClientID, Secret: c.secret}, "x"), errs.RateLimited)
}

func TestABrokenStoreIsNoFailedAttempt(t *testing.T) {
	f := newFixture(t)
	c := f.client(t, scope.Read)
	f.stores.Fail(errBroken)
	for range 20 {
		if _, err := f.ClientCredentials(f.ctx, c.ClientID, c.secret); !errors.Is(err, errBroken) {
			t.Fatalf("got %v", err)
		}
	}
	f.stores.Fail(nil)
	f.issue(t, c)
}

func TestNewWantsItsStores(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("New did not panic")
		}
	}()
	identity.New(identity.Options{})
}

func BenchmarkAuthenticate(b *testing.B) {
	f := newFixture(b)
	issued := f.issue(b, f.client(b, scope.Read))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := f.Authenticate(f.ctx, issued.AccessToken); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkAccountByLicenseKey(b *testing.B) {
	f := newFixture(b)
	a := f.account(b, "Acme")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.AccountByLicenseKey(f.ctx, a.LicenseKey); err != nil {
			b.Fatal(err)
		}
	}
}
