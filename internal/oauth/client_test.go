package oauth_test

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"muster/internal/identity"
)

// TestForeignClient has a client library that knows nothing of this server get a token, in each of its styles.
func TestForeignClient(t *testing.T) {
	f := newFixture(t)
	server := httptest.NewServer(f.handler)
	defer server.Close()
	for name, style := range map[string]oauth2.AuthStyle{
		"detects": oauth2.AuthStyleAutoDetect, "parameters": oauth2.AuthStyleInParams, "header": oauth2.AuthStyleInHeader,
	} {
		for _, path := range []string{"/o/oauth/token", "/o/oauth2/token"} {
			t.Run(name+" "+path, func(t *testing.T) {
				config := clientcredentials.Config{
					ClientID: clientID, ClientSecret: clientSecret, TokenURL: server.URL + path, AuthStyle: style, Scopes: []string{"read"},
				}
				token, err := config.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if token.Type() != "Bearer" || token.RefreshToken == "" || !token.Valid() || token.Extra("client_id") != clientID {
					t.Errorf("got %+v", token)
				}
				g, err := f.identity.Authenticate(t.Context(), token.AccessToken)
				if err != nil || g.ClientID != clientID {
					t.Errorf("got %+v, %v", g, err)
				}
			})
		}
	}
}

func TestForeignClientRefreshes(t *testing.T) {
	f := newFixture(t)
	server := httptest.NewServer(f.handler)
	defer server.Close()
	issued, err := f.identity.ClientCredentials(t.Context(), clientID, clientSecret)
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{
		ClientID: clientID, ClientSecret: clientSecret, Endpoint: oauth2.Endpoint{TokenURL: server.URL + "/o/oauth/token"},
	}
	expired := &oauth2.Token{AccessToken: issued.AccessToken, RefreshToken: issued.RefreshToken, Expiry: time.Unix(1, 0)}
	token, err := config.TokenSource(t.Context(), expired).Token()
	if err != nil {
		t.Fatal(err)
	}
	if token.AccessToken == issued.AccessToken || token.RefreshToken == issued.RefreshToken || token.RefreshToken == "" {
		t.Errorf("got %+v", token)
	}
	f.clock.advance(identity.RefreshTokenLife + time.Hour)
	_, err = config.TokenSource(t.Context(), expired).Token()
	wantRetrieveError(t, err, 400, "invalid_grant")
}

func TestForeignClientUnderstandsRefusals(t *testing.T) {
	f := newFixture(t)
	server := httptest.NewServer(f.handler)
	defer server.Close()
	config := clientcredentials.Config{ClientID: clientID, ClientSecret: "wrong", TokenURL: server.URL + "/o/oauth/token"}
	_, err := config.Token(t.Context())
	wantRetrieveError(t, err, 401, "invalid_client")
}

func wantRetrieveError(t *testing.T, err error, status int, code string) {
	t.Helper()
	var refusal *oauth2.RetrieveError
	if !errors.As(err, &refusal) || refusal.Response.StatusCode != status || refusal.ErrorCode != code || refusal.ErrorDescription == "" {
		t.Errorf("got %v, want %d %s", err, status, code)
	}
}
