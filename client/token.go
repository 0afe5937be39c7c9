package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Token is what the server hands out to an application.
type Token struct {
	AccessToken  string
	RefreshToken string // "" if there is none
	Scope        string // the permissions, separated by blanks
	// Expires is when the access token ends; zero is not known.
	Expires time.Time
}

// earlier is how long before its end a token is renewed, so that no call arrives just after it. Of one that lives for
// less than ten times as long, the last tenth is not used.
const earlier = time.Minute

// errCannotRenew says that there is nothing to get another token with.
var errCannotRenew = errors.New("client: the token was refused, and there are no credentials to get another one with")

// tokenSource holds the token that all calls use. However many of them need a new one, it is asked for once.
type tokenSource struct {
	client     *Client
	id, secret string // "" where there is only the token that the client was given
	onToken    func(Token)

	mu      sync.Mutex
	current Token
	flight  *flight
	// renewAt is when current is replaced; zero is to go by current.Expires alone.
	renewAt time.Time
}

// flight is a request for a token that is under way.
type flight struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting int // how many wait for it
	token   Token
	err     error
}

// get gives an access token: another one than refused, which may be "".
func (s *tokenSource) get(ctx context.Context, refused string) (string, error) {
	s.mu.Lock()
	if s.usable(refused) {
		defer s.mu.Unlock()
		return s.current.AccessToken, nil
	}
	if s.id == "" {
		s.mu.Unlock()
		return "", errCannotRenew
	}
	f := s.flight
	if f == nil {
		f = s.depart(ctx)
	}
	f.waiting++
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.token.AccessToken, f.err
	case <-ctx.Done():
		s.leave(f)
		return "", context.Cause(ctx)
	}
}

func (s *tokenSource) usable(refused string) bool {
	if s.current.AccessToken == "" || s.current.AccessToken == refused {
		return false
	}
	if s.id == "" {
		return true // whatever its age: there is no other
	}
	until := s.renewAt
	if until.IsZero() {
		until = s.current.Expires
	}
	return until.IsZero() || s.client.clock.Now().Before(until)
}

// depart asks for a token on behalf of all who wait for it: that the first of them gives up must not fail the others.
// s.mu is held.
func (s *tokenSource) depart(ctx context.Context) *flight {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{done: make(chan struct{}), cancel: cancel}
	s.flight = f
	go s.fly(ctx, f, s.current.RefreshToken)
	return f
}

func (s *tokenSource) fly(ctx context.Context, f *flight, refresh string) {
	defer f.cancel()
	f.token, f.err = s.client.RequestToken(ctx, refresh)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(f.done)
	if s.flight == f {
		s.flight = nil
	}
	if f.err != nil {
		return
	}
	s.current, s.renewAt = f.token, time.Time{}
	if !f.token.Expires.IsZero() {
		lives := f.token.Expires.Sub(s.client.clock.Now())
		s.renewAt = f.token.Expires.Add(-min(earlier, lives/10))
	}
	if s.onToken != nil {
		s.onToken(f.token)
	}
}

// leave gives up waiting. The last one out ends the request.
func (s *tokenSource) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.waiting--
	if f.waiting > 0 {
		return
	}
	f.cancel()
	if s.flight == f {
		s.flight = nil
	}
}

// RequestToken asks the token endpoint for a token, with a refresh token if one is given that still works, otherwise with
// the credentials of the application. Programs rarely need it: every call gets its token by itself, and does not use the
// one that this gives.
func (c *Client) RequestToken(ctx context.Context, refreshToken string) (Token, error) {
	if c.tokens.id == "" {
		return Token{}, errors.New("client: asking for a token takes ClientID and ClientSecret")
	}
	if refreshToken != "" {
		token, err := c.requestToken(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}})
		if !hasStatus(err, http.StatusBadRequest) { // invalid_grant: it has ended
			return token, err
		}
	}
	return c.requestToken(ctx, url.Values{"grant_type": {"client_credentials"}})
}

func (c *Client) requestToken(ctx context.Context, form url.Values) (Token, error) {
	form.Set("client_id", c.tokens.id)
	form.Set("client_secret", c.tokens.secret)
	k := call{method: http.MethodPost, path: "/o/oauth/token", form: form, open: true}
	answer, err := fetch[struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		Scope        string `json:"scope"`
		ExpiresIn    Number `json:"expires_in"`
	}](ctx, c, k)
	if err != nil {
		return Token{}, err
	}
	if answer.AccessToken == "" {
		return Token{}, errors.New("client: " + k.name() + ": the answer has no access_token")
	}
	t := Token{AccessToken: answer.AccessToken, RefreshToken: answer.RefreshToken, Scope: answer.Scope}
	if seconds, ok := answer.ExpiresIn.Int64(); ok && seconds > 0 && seconds < maxSeconds {
		t.Expires = c.clock.Now().Add(time.Duration(seconds) * time.Second)
	}
	return t, nil
}

// maxSeconds is the most that fits into a time.Duration.
const maxSeconds = int64(1<<63-1) / int64(time.Second)
