package oauth_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/identity"
	"muster/internal/identity/identitytest"
	"muster/internal/identity/scope"
	"muster/internal/oauth"
	"muster/internal/web"
)

var start = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

const (
	clientID     = "CLIENT0000000000000000000000000000000000000000ID"
	clientSecret = "SECRET000000000000000000000000000000000000000KEY"
	credentials  = "client_id=" + clientID + "&client_secret=" + clientSecret
	grantClient  = "grant_type=client_credentials&" + credentials
	grantRefresh = "grant_type=refresh_token&" + credentials
	form         = "application/x-www-form-urlencoded"
)

// fixture is the door on a real service on stores in memory. Its clock stands still unless moved, and its randomness
// can be foretold.
type fixture struct {
	handler  http.Handler
	identity *identity.Service
	stores   *identitytest.Stores
	clock    *clock
	log      *syncBuffer
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{stores: identitytest.NewStores(), clock: &clock{now: start}, log: &syncBuffer{}}
	f.identity = identity.New(identity.Options{
		Accounts: f.stores, Applications: f.stores, Tokens: f.stores, Settings: f.stores, Codes: f.stores, Now: f.clock.Now, Random: &counter{},
	})
	f.handler = serve(oauth.New(f.identity), f.log)
	a, err := f.identity.CreateAccount(t.Context(), identity.NewAccount{Name: "Acme", DevicesAllowed: 5})
	if err != nil {
		t.Fatal(err)
	}
	f.application(t, identity.NewApplication{
		Account: a.ID, Name: "Gate", Permission: scope.Write, ClientID: clientID, Secret: clientSecret,
	})
	return f
}

func serve(door *web.Door, log io.Writer) http.Handler {
	return &web.Server{Next: web.NewMux(door), Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
}

func (f *fixture) application(t testing.TB, n identity.NewApplication) {
	t.Helper()
	if _, _, err := f.identity.CreateApplication(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

// request is one call; its method is POST with a body, otherwise GET, unless given.
type request struct {
	method      string
	path        string // /o/oauth/token if empty
	query       string
	contentType string
	body        string
	header      map[string]string
}

func (f *fixture) do(r request) *httptest.ResponseRecorder {
	if r.path == "" {
		r.path = "/o/oauth/token"
	}
	if r.method == "" && r.body != "" {
		r.method = "POST"
	}
	q := httptest.NewRequest(r.method, r.path, strings.NewReader(r.body))
	q.URL.RawQuery = r.query
	if r.contentType != "" {
		q.Header.Set("Content-Type", r.contentType)
	}
	for name, value := range r.header {
		q.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, q)
	return w
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

// counter is randomness in which the draws are numbered: zeros, and the number at the end.
type counter struct {
	mu    sync.Mutex
	draws uint32
}

func (c *counter) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draws++
	clear(b)
	binary.BigEndian.PutUint32(b[len(b)-4:], c.draws)
	return len(b), nil
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
