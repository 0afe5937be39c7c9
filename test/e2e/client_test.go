package e2e

import (
	"testing"

	"muster/client"
)

// newClient makes an application with a permission, and gives a client that calls as it. It does not wait where there are
// too many calls: a test is to see that.
func newClient(t *testing.T, p *program, permission string, flags ...string) *client.Client {
	t.Helper()
	id, secret := p.application(permission, flags...)
	c, err := client.New(p.url, client.Options{ClientID: id, ClientSecret: secret, MaxWait: -1, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestClient: the public client understands what the server says, errors too.
func TestClient(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "3")
		reader := newClient(t, p, "read")
		err := reader.LinkUser(t.Context(), "00-0C-29-00-00-01", client.LinkedUser{Username: "kari"})
		if !client.IsForbidden(err) {
			t.Errorf("link user of one that may only read: %v", err)
		}
		_, err = reader.Account(t.Context(), client.AccountQuery{ScoreType: "made_up"})
		if !client.IsInvalid(err) {
			t.Errorf("a wrong score type: %v", err)
		}
		for _, kind := range []client.ScoreType{client.OPSWATScore, client.CVSS3Score} {
			account, err := reader.Account(t.Context(), client.AccountQuery{ScoreType: kind})
			if err != nil || account.Created.IsZero() || len(account.ByVulnerability) == 0 {
				t.Errorf("account details by %s: %+v, %v", kind, account, err)
			}
		}
		_, err = reader.Account(t.Context(), client.AccountQuery{})
		if !client.IsRateLimited(err) {
			t.Errorf("the fourth call in a minute: %v", err)
		}
		token, err := reader.RequestToken(t.Context(), "")
		if err != nil || token.Scope != "read" || token.RefreshToken == "" {
			t.Errorf("a token: %+v, %v", token, err)
		}
		fresh, err := reader.RequestToken(t.Context(), token.RefreshToken)
		if err != nil || fresh.AccessToken == token.AccessToken {
			t.Errorf("a refreshed token: %+v, %v", fresh, err)
		}
		stranger, err := client.New(p.url, client.Options{ClientID: "x", ClientSecret: "y"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = stranger.Account(t.Context(), client.AccountQuery{}); !client.IsUnauthorized(err) {
			t.Errorf("an unknown application: %v", err)
		}
	})
}
