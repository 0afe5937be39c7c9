package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/client"
)

// ask makes a read whose answer does not matter.
func ask(ctx context.Context, c *client.Client) error {
	_, err := c.Account(ctx, client.AccountQuery{})
	return err
}

// change makes a call that changes something.
func change(ctx context.Context, c *client.Client) error {
	return c.LinkUser(ctx, "d1", client.LinkedUser{Username: "kari"})
}

func TestTokenIsFetchedOnceAndRenewedInTime(t *testing.T) {
	s := newServer(t, answer(`{}`))
	var told []client.Token
	c := s.client(client.Options{OnToken: func(t client.Token) { told = append(told, t) }})
	if grants, _ := s.counts(); len(grants) != 0 {
		t.Fatalf("a token was fetched before the first call: %v", grants)
	}
	for range 3 {
		if err := ask(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	s.clock.advance(43199*time.Second - 61*time.Second)
	check(t, ask(t.Context(), c))
	wantGrants(t, s, "client_credentials")
	s.clock.advance(2 * time.Second)
	check(t, ask(t.Context(), c))
	wantGrants(t, s, "client_credentials", "refresh_token")
	if len(told) != 2 || told[1].AccessToken != "access-2" || told[1].Scope != "read" || !told[1].Expires.Equal(s.clock.Now().Add(43199*time.Second)) {
		t.Errorf("told of %+v", told)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantGrants(t *testing.T, s *server, want ...string) {
	t.Helper()
	if got, _ := s.counts(); !slices.Equal(got, want) {
		t.Errorf("requests for tokens: %v, want %v", got, want)
	}
}

func TestShortLivedToken(t *testing.T) {
	s := newServer(t, answer(`{}`))
	s.lifetime = 100
	c := s.client(client.Options{})
	for range 4 { // at 0, 45, 90 (renewed) and 135 seconds
		check(t, ask(t.Context(), c))
		s.clock.advance(45 * time.Second)
	}
	wantGrants(t, s, "client_credentials", "refresh_token")
}

func TestTokenWithoutEnd(t *testing.T) {
	s := newServer(t, answer(`{}`))
	s.lifetime = 0
	c := s.client(client.Options{})
	check(t, ask(t.Context(), c))
	s.clock.advance(10000 * time.Hour)
	check(t, ask(t.Context(), c))
	wantGrants(t, s, "client_credentials")
}

func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	s := newServer(t, answer(`{"result":1}`))
	c := s.client(client.Options{})
	check(t, ask(t.Context(), c))
	s.revoke()
	check(t, change(t.Context(), c)) // refused before anything was done, so that a write may be sent again
	wantGrants(t, s, "client_credentials", "refresh_token", "client_credentials")

	s.api = refuse(401)
	err := ask(t.Context(), c)
	if !client.IsUnauthorized(err) {
		t.Errorf("a server that refuses every token: %v", err)
	}
	if _, calls := s.counts(); calls != 4 {
		t.Errorf("%d calls, want 4: a refused token is renewed once", calls)
	}
}

// TestRenewedOncePerCall: also where the call is repeated for another reason in between.
func TestRenewedOncePerCall(t *testing.T) {
	s := newServer(t, script(t, refuse(401), refuse(429, "Retry-After", "1"), refuse(401)))
	if err := ask(t.Context(), s.client(client.Options{})); !client.IsUnauthorized(err) {
		t.Errorf("%v", err)
	}
	wantGrants(t, s, "client_credentials", "refresh_token")
}

func TestWrongSecret(t *testing.T) {
	s := newServer(t, answer(`{}`))
	err := ask(t.Context(), s.client(client.Options{ClientID: clientID, ClientSecret: "wrong"}))
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Status != 401 || e.Code != "invalid_client" || e.Call != "POST /o/oauth/token" || e.RequestID != "req-1" {
		t.Errorf("%v", err)
	}
	if strings.Contains(err.Error(), "wrong") {
		t.Errorf("the error tells the secret: %v", err)
	}
	wantGrants(t, s, "client_credentials")
}

func TestGivenToken(t *testing.T) {
	s := newServer(t, answer(`{}`))
	s.valid["given"], s.refresh["again"] = true, true
	c := s.client(client.Options{Token: client.Token{AccessToken: "given", Expires: s.clock.Now().Add(-time.Hour)}})
	check(t, ask(t.Context(), c))
	s.revoke()
	if err := ask(t.Context(), c); !client.IsUnauthorized(err) {
		t.Errorf("a token that cannot be renewed: %v", err)
	}
	wantGrants(t, s)

	s.refresh["again"] = true
	c = s.client(client.Options{ClientID: clientID, ClientSecret: secret, Token: client.Token{AccessToken: "old", RefreshToken: "again", Expires: s.clock.Now()}})
	check(t, ask(t.Context(), c))
	wantGrants(t, s, "refresh_token")
}

// TestManyCallersShareOneRequest: one request for a token serves all who wait for it, and one who gives up harms nobody.
func TestManyCallersShareOneRequest(t *testing.T) {
	s := newServer(t, answer(`{}`))
	asked, answered := make(chan struct{}, 1), make(chan struct{})
	s.onToken = func(http.ResponseWriter, *http.Request) bool {
		asked <- struct{}{}
		<-answered
		return false
	}
	c := s.client(client.Options{})
	impatient, giveUp := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- ask(impatient, c) }()
	<-asked
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := ask(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	c.AwaitWaiting(51)
	giveUp()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who gave up: %v", err)
	}
	close(answered)
	wg.Wait()
	wantGrants(t, s, "client_credentials")
	if _, calls := s.counts(); calls != 50 {
		t.Errorf("%d calls, want 50", calls)
	}
}

// TestAllGiveUp: a request for a token that nobody waits for is ended, and the next caller is not given its error.
func TestAllGiveUp(t *testing.T) {
	s := newServer(t, answer(`{}`))
	asked, ended := make(chan struct{}, 1), make(chan struct{})
	first := true
	s.onToken = func(_ http.ResponseWriter, r *http.Request) bool {
		if !first {
			return false
		}
		first = false
		io.Copy(io.Discard, r.Body) // net/http looks for the end of the connection only behind the body
		asked <- struct{}{}
		<-r.Context().Done()
		close(ended)
		return true
	}
	c := s.client(client.Options{})
	ctx, giveUp := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { left <- ask(ctx, c) }()
	<-asked
	giveUp()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who gave up: %v", err)
	}
	<-ended
	check(t, ask(t.Context(), c))
}

func TestRetries(t *testing.T) {
	ok := answer(`{"result":1}`)
	const s = time.Second
	for _, c := range []struct {
		name    string
		options client.Options
		call    func(context.Context, *client.Client) error
		steps   []http.HandlerFunc
		status  int // of the error; 0 is none, -1 one of the network
		sleeps  []time.Duration
	}{
		{"too many calls", client.Options{}, ask, []http.HandlerFunc{refuse(429, "Retry-After", "7"), refuse(429, "X-RateLimit-Reset-Time", "3"), ok}, 0, []time.Duration{7 * s, 3 * s}},
		{"too many calls that write", client.Options{}, change, []http.HandlerFunc{refuse(429, "Retry-After", "7"), ok}, 0, []time.Duration{7 * s}},
		{"too many calls, no word of when", client.Options{}, ask, []http.HandlerFunc{refuse(429), refuse(429, "Retry-After", "0"), ok}, 0, []time.Duration{10 * s, 10 * s}},
		{"a date", client.Options{}, ask, []http.HandlerFunc{refuse(429, "Retry-After", "Sun, 01 Mar 2026 12:00:09 GMT"), ok}, 0, []time.Duration{9 * s}},
		{"too long a wait", client.Options{MaxWait: 10 * s}, ask, []http.HandlerFunc{refuse(429, "Retry-After", "11")}, 429, nil},
		{"too long a wait in all", client.Options{MaxWait: 10 * s}, ask, []http.HandlerFunc{refuse(429, "Retry-After", "6"), refuse(429, "Retry-After", "6")}, 429, []time.Duration{6 * s}},
		{"no waiting", client.Options{MaxWait: -1}, ask, []http.HandlerFunc{refuse(429, "Retry-After", "1")}, 429, nil},
		{"unavailable", client.Options{}, ask, []http.HandlerFunc{refuse(503, "Retry-After", "4"), refuse(502), ok}, 0, []time.Duration{4 * s, s}},
		{"unavailable for long", client.Options{}, ask, []http.HandlerFunc{refuse(503), refuse(503), refuse(503)}, 503, []time.Duration{s, s}},
		{"unavailable for a write", client.Options{}, change, []http.HandlerFunc{refuse(503, "Retry-After", "1")}, 503, nil},
		{"a lost read", client.Options{}, ask, []http.HandlerFunc{hangUp, hangUp, ok}, 0, []time.Duration{s / 4, s / 2}},
		{"reads are lost for good", client.Options{Retries: 1}, ask, []http.HandlerFunc{hangUp, hangUp}, -1, []time.Duration{s / 4}},
		{"no retries", client.Options{Retries: -1}, ask, []http.HandlerFunc{hangUp}, -1, nil},
		{"a lost write", client.Options{}, change, []http.HandlerFunc{hangUp}, -1, nil},
		{"half an answer", client.Options{}, ask, []http.HandlerFunc{half, ok}, 0, []time.Duration{s / 4}},
		{"half an answer to a write", client.Options{}, change, []http.HandlerFunc{half}, -1, nil},
		{"a fault of the server", client.Options{}, ask, []http.HandlerFunc{refuse(500)}, 500, nil},
		{"a mistake of ours", client.Options{}, ask, []http.HandlerFunc{refuse(400)}, 400, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, script(t, c.steps...))
			err := c.call(t.Context(), s.client(c.options))
			e, told := errors.AsType[*client.Error](err)
			switch {
			case c.status == 0 && err != nil, c.status == -1 && (err == nil || told), c.status > 0 && (!told || e.Status != c.status):
				t.Errorf("error %v, want status %d", err, c.status)
			}
			if got := s.clock.slept(); !slices.Equal(got, c.sleeps) {
				t.Errorf("waited %v, want %v", got, c.sleeps)
			}
		})
	}
}

// half sends a part of what it announces.
func half(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	io.WriteString(w, `{"result":1`)
}

func TestCancelledWhileWaiting(t *testing.T) {
	s := newServer(t, refuse(429, "Retry-After", "7"))
	ctx, cancel := context.WithCancel(t.Context())
	s.clock.during = func(ctx context.Context, _ time.Duration) error {
		cancel()
		return ctx.Err()
	}
	err := ask(ctx, s.client(client.Options{}))
	if !errors.Is(err, context.Canceled) || !client.IsRateLimited(err) {
		t.Errorf("%v", err)
	}
}

func TestCancelledWhileCalling(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		cancel()
		<-r.Context().Done()
	})
	if err := ask(ctx, s.client(client.Options{})); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if slept := s.clock.slept(); len(slept) > 0 {
		t.Errorf("a call that was given up was repeated after %v", slept)
	}
}

func TestSlowServer(t *testing.T) {
	s := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	s.valid["given"] = true // only the call itself is to be slow
	c := s.client(client.Options{Timeout: 50 * time.Millisecond, Retries: 1, Token: client.Token{AccessToken: "given"}})
	err := ask(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "in time") || len(s.clock.slept()) != 1 {
		t.Errorf("%v after waits of %v", err, s.clock.slept())
	}
}

// TestErrors: what is made of answers that are no success, whoever sent them.
func TestErrors(t *testing.T) {
	page := "<html>\n<h1>" + strings.Repeat("bad ", 200) + "</h1>"
	for _, c := range []struct {
		name         string
		status       int
		body         string
		code, saying string
		is           func(error) bool
	}{
		{"ours", 400, `{"error":"invalid_request","error_description":"limit must be 1 to 50","result":0,"msg":"x"}`, "invalid_request", "limit must be 1 to 50", client.IsInvalid},
		{"an old code", 406, `{"error":"not_acceptable"}`, "not_acceptable", "not_acceptable", client.IsInvalid},
		{"only a message", 404, `{"result":0,"msg":"Device not found"}`, "", "Device not found", client.IsNotFound},
		{"an object", 403, `{"error":{"code":17,"message":"no"}}`, "17", "no", client.IsForbidden},
		{"past the end", 413, `{"error":"payload_too_large"}`, "payload_too_large", "", client.IsPastEnd},
		{"a page", 500, page, "", "<html> <h1>bad bad", nil},
		{"nothing", 500, ``, "", "Internal Server Error", nil},
	} {
		s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Request-Id", "req-7")
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		err := ask(t.Context(), s.client(client.Options{}))
		e, ok := errors.AsType[*client.Error](err)
		if !ok || e.Status != c.status || e.Code != c.code || e.RequestID != "req-7" || e.Call != "POST /o/api/v3.2/account" {
			t.Errorf("%s: %#v", c.name, err)
			continue
		}
		text := err.Error()
		if !strings.Contains(text, c.saying) || !strings.Contains(text, "req-7") || len(text) > 400 {
			t.Errorf("%s: %s", c.name, text)
		}
		for name, is := range map[string]func(error) bool{"IsInvalid": client.IsInvalid, "IsNotFound": client.IsNotFound, "IsForbidden": client.IsForbidden,
			"IsPastEnd": client.IsPastEnd, "IsUnauthorized": client.IsUnauthorized, "IsRateLimited": client.IsRateLimited} {
			wrapped := fmt.Errorf("wrapped: %w", err)
			if got, want := is(wrapped), c.is != nil && c.is(err) && fmt.Sprintf("%p", is) == fmt.Sprintf("%p", c.is); got != want {
				t.Errorf("%s: %s is %v", c.name, name, got)
			}
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, text := range map[string]string{"a page": "<html>", "nothing": "", "another kind": `[1]`} {
		err := ask(t.Context(), newServer(t, answer(text)).client(client.Options{}))
		if err == nil || !strings.Contains(err.Error(), "POST /o/api/v3.2/account") {
			t.Errorf("%s: %v", name, err)
		}
	}
	big := newServer(t, answer(`{"name":"`+strings.Repeat("x", 1000)+`"}`))
	err := ask(t.Context(), big.client(client.Options{MaxAnswer: 1000}))
	if err == nil || !strings.Contains(err.Error(), "more than 1000 bytes") || len(big.clock.slept()) > 0 {
		t.Errorf("a large answer: %v", err)
	}
}

// TestRedirects: neither the secret nor the token follows one.
func TestRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was sent elsewhere", r.Method, r.URL)
	}))
	defer elsewhere.Close()
	redirect := func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		return true
	}
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) { redirect(w, r) })
	c := s.client(client.Options{HTTPClient: &http.Client{}})
	err := ask(t.Context(), c)
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 307 || !strings.Contains(e.Description, elsewhere.URL) {
		t.Errorf("a redirected call: %v", err)
	}
	s.onToken = redirect
	if _, err := c.RequestToken(t.Context(), ""); err == nil {
		t.Error("a redirected request for a token succeeds")
	}
}

func TestNew(t *testing.T) {
	good := client.Options{ClientID: "i", ClientSecret: "s"}
	for _, base := range []string{"http://a", "https://a.example:8443/", "https://a/muster/", "http://[::1]:80"} {
		if _, err := client.New(base, good); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
	for _, base := range []string{"", "a.example", "ftp://a", "https://", "https://u:hunter2@a", "https://a?x=1", "https://a#x", "http://a:b:c"} {
		_, err := client.New(base, good)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", base, err)
		}
	}
	for _, o := range []client.Options{{}, {ClientID: "i"}, {ClientSecret: "s"}, {ClientID: "i", Token: client.Token{AccessToken: "t"}}, {Token: client.Token{RefreshToken: "r"}}} {
		if _, err := client.New("https://a", o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

// TestBelowAPath: a server may be mounted below a path.
func TestBelowAPath(t *testing.T) {
	s := newServer(t, answer(`{}`))
	outer := httptest.NewServer(http.StripPrefix("/muster", s.http.Config.Handler))
	defer outer.Close()
	c, err := client.New(outer.URL+"/muster/", client.Options{ClientID: clientID, ClientSecret: secret})
	check(t, err)
	check(t, ask(t.Context(), c))
}
