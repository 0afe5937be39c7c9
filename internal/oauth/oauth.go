// Package oauth is the door at which programs get their tokens: the token endpoint of RFC 6749 and the revocation
// endpoint of RFC 7009. docs/api/oauth.md describes it for those who call.
package oauth

import (
	"context"
	"net/http"

	"muster/internal/identity"
	"muster/internal/web"
)

// Tokens is what the door needs of package identity.
type Tokens interface {
	// Issue answers a request for a token.
	Issue(ctx context.Context, req identity.TokenRequest) (identity.Issued, error)
	// Revoke ends a token at the wish of its client.
	Revoke(ctx context.Context, c identity.Client, token string) error
}

// New makes the door. Both spellings of its paths are in use.
func New(tokens Tokens) *web.Door {
	h := handlers{tokens}
	d := &web.Door{Name: "oauth", Prefixes: []string{"/o/oauth/", "/o/oauth2/"}, Present: present}
	for _, prefix := range d.Prefixes {
		d.Routes = append(d.Routes,
			web.Route{Method: "GET", Path: prefix + "token", Name: "oauth_token", Scope: web.Public, Handler: h.token},
			web.Route{Method: "POST", Path: prefix + "token", Name: "oauth_token", Scope: web.Public, Handler: h.token},
			web.Route{Method: "POST", Path: prefix + "revoke", Name: "oauth_revoke", Scope: web.Public, Handler: h.revoke},
		)
	}
	return d
}

type handlers struct{ tokens Tokens }

// issued is the answer of RFC 6749, 5.1, with the client id that the original adds.
type issued struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	RefreshToken string `json:"refresh_token,omitempty"`
	ExpiresIn    int    `json:"expires_in"`
	Scope        string `json:"scope"`
	ClientID     string `json:"client_id"`
}

// token answers GET too, secrets in the URL and all: programs written for the original do it this way. A GET is
// answered with 200 and nothing else, since some of them take any other status for a failure.
func (h handlers) token(w http.ResponseWriter, r *http.Request) error {
	p, err := readParams(w, r)
	if err != nil {
		return err
	}
	got, err := h.tokens.Issue(r.Context(), identity.TokenRequest{
		GrantType: p["grant_type"], Client: clientOf(r, p), RefreshToken: p["refresh_token"],
	})
	if err != nil {
		return err
	}
	web.NoteAccount(r, int64(got.Account))
	forbidCaching(w)
	web.WriteJSON(w, http.StatusOK, issued{
		AccessToken: got.AccessToken, TokenType: "bearer", RefreshToken: got.RefreshToken,
		ExpiresIn: got.ExpiresIn, Scope: got.Permission.String(), ClientID: got.ClientID,
	})
	return nil
}

// revoke answers 200 also for a token that does not exist (RFC 7009, 2.2). The hint at its type is of no use here: both
// are looked for in the same place.
func (h handlers) revoke(w http.ResponseWriter, r *http.Request) error {
	p, err := readParams(w, r)
	if err != nil {
		return err
	}
	if err := h.tokens.Revoke(r.Context(), clientOf(r, p), p["token"]); err != nil {
		return err
	}
	forbidCaching(w)
	web.WriteJSON(w, http.StatusOK, struct{}{})
	return nil
}

// forbidCaching is demanded by RFC 6749, 5.1.
func forbidCaching(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
}
