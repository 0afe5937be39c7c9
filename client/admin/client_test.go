package admin

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

// still is a clock that only sleeping moves.
type still struct {
	mu    sync.Mutex
	at    time.Time
	slept []time.Duration
}

// Now implements clock.
func (s *still) Now() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.at }

// Sleep implements clock.
func (s *still) Sleep(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.slept = s.at.Add(d), append(s.slept, d)
	return ctx.Err()
}

// server answers with one line of a script after the other, and remembers what it was asked. A token it gives always.
type server struct {
	mu     sync.Mutex
	script []func(w http.ResponseWriter)
	asked  []string
	tokens int
}

// ServeHTTP answers.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/o/oauth/token" {
		s.tokens++
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":3600,"scope":"read","client_id":"ID"}`, s.tokens)
		return
	}
	body, _ := io.ReadAll(r.Body)
	s.asked = append(s.asked, strings.TrimSpace(strings.Join([]string{
		r.Method, r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("If-Match"), r.Header.Get("Content-Type"), string(body),
	}, " ")))
	if len(s.script) == 0 {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	next := s.script[0]
	s.script = s.script[1:]
	next(w)
}

// seen is what was asked so far.
func (s *server) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// given is how many tokens were given so far.
func (s *server) given() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens
}

func answers(status int, body string, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func serve(t *testing.T, o client.Options, script ...func(http.ResponseWriter)) (*Client, *server, *still) {
	t.Helper()
	s := &server{script: script}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	if o.Token.AccessToken == "" {
		o.ClientID, o.ClientSecret = "ID", "SECRET"
	}
	c, err := New(web.URL+"/", o)
	if err != nil {
		t.Fatal(err)
	}
	k := &still{at: time.Now()} // tokens are issued by the real clock
	c.clock = k
	return c, s, k
}

const group = `{"id":"2","name":"Servers","revision":3,"created_at":"2026-03-01T09:00:00Z"}`

func TestChange(t *testing.T) {
	c, s, _ := serve(t, client.Options{}, answers(200, group, "ETag", `"3"`))
	g, err := c.ChangeGroup(t.Context(), "2/x", `"2"`, GroupChange{Name: new("Servers")})
	want := `PATCH /api/v1/groups/2%2Fx Bearer token-1 "2" application/json {"name":"Servers"}`
	if err != nil || g.Tag != `"3"` || g.Name != "Servers" || len(s.seen()) != 1 || s.seen()[0] != want {
		t.Errorf("%+v, %v, asked %q", g, err, s.seen())
	}
}

func TestProblem(t *testing.T) {
	c, _, _ := serve(t, client.Options{}, answers(400, `{"type":"/docs/admin#problem-invalid","title":"No","status":400,"detail":"name is needed",
		"errors":[{"field":"name","message":"name is needed"}],"request_id":"R1"}`, "Content-Type", "application/problem+json"))
	_, err := c.CreateGroup(t.Context(), GroupChange{})
	e, ok := errors.AsType[*Error](err)
	if !ok || !IsInvalid(err) || len(e.Errors) != 1 || e.Errors[0].Field != "name" || err.Error() != "POST /api/v1/groups: name is needed (400, request R1)" {
		t.Errorf("%v", err)
	}
	for status, is := range map[int]func(error) bool{
		401: IsUnauthorized, 403: IsForbidden, 404: IsNotFound, 409: IsConflict, 412: IsStale, 429: IsRateLimited,
	} {
		c, _, _ := serve(t, client.Options{MaxWait: -1}, answers(status, "no JSON"), answers(status, "no JSON"))
		if _, err := c.Group(t.Context(), "1"); !is(err) || !strings.Contains(err.Error(), "no JSON") {
			t.Errorf("%d: %v", status, err)
		}
	}
	c, _, _ = serve(t, client.Options{}, answers(301, "", "Location", "https://elsewhere.example"))
	if _, err := c.Group(t.Context(), "1"); err == nil || !strings.Contains(err.Error(), "https://elsewhere.example") {
		t.Errorf("a redirect: %v", err)
	}
}

// Too many calls are waited for, whatever the call does; what the network lost is repeated only where that does no harm.
func TestPatience(t *testing.T) {
	busy := answers(429, "{}", "Retry-After", "7")
	c, _, k := serve(t, client.Options{}, busy, busy, answers(200, group))
	if _, err := c.ChangeGroup(t.Context(), "2", "*", GroupChange{}); err != nil || fmt.Sprint(k.slept) != "[7s 7s]" {
		t.Errorf("%v, slept %v", err, k.slept)
	}
	c, _, k = serve(t, client.Options{MaxWait: 10 * time.Second}, busy, busy, answers(200, group))
	if _, err := c.Group(t.Context(), "2"); !IsRateLimited(err) || fmt.Sprint(k.slept) != "[7s]" {
		t.Errorf("%v, slept %v", err, k.slept)
	}
	down := answers(503, "{}")
	c, _, k = serve(t, client.Options{}, down, down, answers(200, group))
	if _, err := c.Group(t.Context(), "2"); err != nil || fmt.Sprint(k.slept) != "[250ms 500ms]" {
		t.Errorf("%v, slept %v", err, k.slept)
	}
	c, s, _ := serve(t, client.Options{}, down, answers(200, group))
	if _, err := c.CreateGroup(t.Context(), GroupChange{}); !hasStatus(err, 503) || len(s.seen()) != 1 {
		t.Errorf("a change: %v, asked %q", err, s.seen())
	}
	broken := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	c, s, _ = serve(t, client.Options{}, broken, answers(200, group))
	if _, err := c.Group(t.Context(), "2"); err != nil || len(s.seen()) != 2 {
		t.Errorf("a lost read: %v, asked %q", err, s.seen())
	}
	c, s, _ = serve(t, client.Options{}, broken, answers(200, group))
	if _, err := c.ChangeGroup(t.Context(), "2", "*", GroupChange{}); err == nil || len(s.seen()) != 1 {
		t.Errorf("a lost change: %v, asked %q", err, s.seen())
	}
}

func TestTokens(t *testing.T) {
	refused := answers(401, "{}")
	c, s, k := serve(t, client.Options{}, answers(200, group), refused, answers(200, group), answers(200, group), refused, refused)
	for range 2 {
		if _, err := c.Group(t.Context(), "2"); err != nil {
			t.Fatal(err)
		}
	}
	if s.given() != 2 || !strings.Contains(s.seen()[2], "token-2") {
		t.Errorf("%d tokens, asked %q", s.given(), s.seen())
	}
	k.Sleep(t.Context(), time.Hour)
	if _, err := c.Group(t.Context(), "2"); err != nil || s.given() != 3 {
		t.Errorf("an hour later: %v, %d tokens", err, s.given())
	}
	k.Sleep(t.Context(), -time.Hour) // to where the new token is good for an hour
	if _, err := c.Group(t.Context(), "2"); !IsUnauthorized(err) || s.given() != 4 {
		t.Errorf("refused twice: %v, %d tokens", err, s.given())
	}
	c, s, _ = serve(t, client.Options{Token: client.Token{AccessToken: "given"}}, refused)
	if _, err := c.Group(t.Context(), "2"); !IsUnauthorized(err) || s.given() != 0 || len(s.seen()) != 1 {
		t.Errorf("without credentials: %v, asked %q", err, s.seen())
	}
}

func TestWalk(t *testing.T) {
	c, s, _ := serve(t, client.Options{},
		answers(200, `{"items":[{"id":"1","revision":1},{"id":"2","revision":2}],"next":"abc"}`), answers(200, `{"items":[{"id":"3","revision":3}]}`))
	var got []string
	for g, err := range c.Groups(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, g.ID+g.Tag)
	}
	if fmt.Sprint(got) != `[1"1" 2"2" 3"3"]` || !strings.HasPrefix(s.seen()[1], "GET /api/v1/groups?after=abc ") {
		t.Errorf("%v, asked %q", got, s.seen())
	}
	c, _, _ = serve(t, client.Options{}, answers(200, `{"items":[{"id":"1"}],"next":"abc"}`), answers(404, `{}`))
	n, failed := 0, 0
	for _, err := range c.Groups(t.Context()) {
		n++
		if IsNotFound(err) {
			failed++
		}
	}
	if n != 2 || failed != 1 {
		t.Errorf("%d entries, %d of them an error", n, failed)
	}
}
