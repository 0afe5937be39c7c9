package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"muster/client"
)

const (
	clientID = "CLIENT-ID"
	secret   = "SE&C RET"
)

// fakeClock stands still; a sleep moves it on and returns at once.
type fakeClock struct {
	mu     sync.Mutex
	now    time.Time
	sleeps []time.Duration
	// during, if not nil, takes the place of sleeping.
	during func(ctx context.Context, d time.Duration) error
}

func newClock() *fakeClock { return &fakeClock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	c.sleeps = append(c.sleeps, d)
	c.now = c.now.Add(d)
	during := c.during
	c.mu.Unlock()
	if during != nil {
		return during(ctx, d)
	}
	return ctx.Err()
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *fakeClock) slept() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sleeps)
}

// server is a server that knows tokens, and leaves the calls of the API to api.
type server struct {
	t     *testing.T
	http  *httptest.Server
	clock *fakeClock

	mu       sync.Mutex
	api      http.HandlerFunc
	grants   []string // grant types of the requests for tokens
	tokens   int      // handed out
	valid    map[string]bool
	refresh  map[string]bool
	lifetime int // seconds; 0 leaves expires_in out
	// onToken, if not nil, answers in place of the token endpoint; it gives false to leave it to that.
	onToken func(w http.ResponseWriter, r *http.Request) bool
	calls   int // with a valid token
}

func newServer(t *testing.T, api http.HandlerFunc) *server {
	s := &server{t: t, clock: newClock(), api: api, valid: map[string]bool{}, refresh: map[string]bool{}, lifetime: 43199}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /o/oauth/token", s.token)
	mux.HandleFunc("/o/api/", s.call)
	s.http = httptest.NewServer(mux)
	t.Cleanup(s.http.Close)
	return s
}

// client gives a client of the server, whose clock is the server's.
func (s *server) client(o client.Options) *client.Client {
	s.t.Helper()
	if o.ClientID == "" && o.Token.AccessToken == "" {
		o.ClientID, o.ClientSecret = clientID, secret
	}
	c, err := client.New(s.http.URL+"/", o)
	if err != nil {
		s.t.Fatal(err)
	}
	c.SetClock(s.clock)
	return c
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	if s.onToken != nil && s.onToken(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.grants = append(s.grants, r.PostFormValue("grant_type"))
	if r.URL.RawQuery != "" || r.PostFormValue("client_id") != clientID || r.PostFormValue("client_secret") != secret {
		fail(w, 401, "invalid_client", "Bad client credentials")
		return
	}
	if r.PostFormValue("grant_type") == "refresh_token" && !s.refresh[r.PostFormValue("refresh_token")] {
		fail(w, 400, "invalid_grant", "The refresh token has ended")
		return
	}
	s.tokens++
	access, refresh := fmt.Sprintf("access-%d", s.tokens), fmt.Sprintf("refresh-%d", s.tokens)
	s.valid[access], s.refresh[refresh] = true, true
	answer := map[string]any{"access_token": access, "refresh_token": refresh, "token_type": "bearer", "scope": "read"}
	if s.lifetime != 0 {
		answer["expires_in"] = s.lifetime
	}
	writeJSON(w, 200, answer)
}

func (s *server) call(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	valid := s.valid[r.Header.Get("Authorization")[min(7, len(r.Header.Get("Authorization"))):]]
	if valid {
		s.calls++
	}
	s.mu.Unlock()
	if !valid {
		fail(w, 401, "invalid_token", "The token is unknown, expired or revoked")
		return
	}
	s.api(w, r)
}

// revoke ends all tokens.
func (s *server) revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.valid)
	clear(s.refresh)
}

func (s *server) counts() (grants []string, calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.grants), s.calls
}

func fail(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, map[string]string{"error": code, "error_description": description})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Request-Id", "req-1")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// answer answers every call with a text.
func answer(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, text)
	}
}

// script answers the first call with the first step, and so on.
func script(t *testing.T, steps ...http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	next := 0
	t.Cleanup(func() {
		if !t.Failed() && next != len(steps) {
			t.Errorf("%d calls, want %d", next, len(steps))
		}
	})
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		i := next
		next++
		mu.Unlock()
		if i >= len(steps) {
			fail(w, 418, "unexpected", fmt.Sprintf("call %d is one too many", i+1))
			return
		}
		steps[i](w, r)
	}
}

// refuse answers with an error and headers, which come as name, value, name, value.
func refuse(status int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		fail(w, status, "some_word", "some text")
	}
}

// hangUp ends the connection without an answer.
func hangUp(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	conn.Close()
}
