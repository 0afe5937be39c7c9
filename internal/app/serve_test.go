package app

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"muster/internal/config"
	"muster/internal/identity"
	"muster/internal/store"
	"muster/internal/web"
)

// testServer is a server on a fresh embedded database; the test has to run or close it.
func testServer(t *testing.T, log *slog.Logger) *server {
	t.Helper()
	cfg := config.Server{Database: config.Database{Dir: t.TempDir()}, Listen: "127.0.0.1:0", RateLimit: 10}
	s, err := newServer(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// raw opens the server's database file beside it.
func raw(t *testing.T, s *server) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.cfg.Dir, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// TestStopDoesNotWaitForTheDatabase has somebody else hold the database while a change waits for it.
func TestStopDoesNotWaitForTheDatabase(t *testing.T) {
	s := testServer(t, slog.New(slog.DiscardHandler))
	s.closeWithin = 100 * time.Millisecond
	conn, err := raw(t, s).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		s.identity.CreateAccount(context.Background(), identity.NewAccount{Name: "x", DevicesAllowed: 1})
	}()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	select {
	case err = <-ended:
	case <-time.After(time.Minute): // it would wait for ever
		t.Fatal("the server waits for a database that hangs")
	}
	if err == nil || !strings.Contains(err.Error(), "did not close") {
		t.Error(err)
	}
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	if err != nil {
		t.Fatal(err)
	}
	<-changed
	s.services.close() // returns once the one that was left behind has ended the writer
}

// TestEveryRouteHasAScope walks the whole site map.
func TestEveryRouteHasAScope(t *testing.T) {
	s := testServer(t, slog.New(slog.DiscardHandler))
	defer s.close()
	routes := s.doors().Routes()
	if len(routes) < 10 {
		t.Fatalf("only %d routes", len(routes))
	}
	for _, r := range routes {
		if !slices.Contains([]web.Scope{web.Public, web.Agent, web.Read, web.Write, web.Admin}, r.Scope) {
			t.Errorf("%s %s has the scope %q", r.Method, r.Path, r.Scope)
		}
	}
}

// TestDemoRenewsItsTokens: what an earlier run left may have ended.
func TestDemoRenewsItsTokens(t *testing.T) {
	s := testServer(t, slog.New(slog.DiscardHandler))
	defer s.close()
	for range 2 {
		_, err := newDemo(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{demoAccountToken, demoLinkToken} {
			_, err = s.identity.Authenticate(t.Context(), token)
			if err != nil {
				t.Error(err)
			}
		}
		_, err = raw(t, s).ExecContext(t.Context(), "UPDATE tokens SET expires_at = 1000")
		if err != nil {
			t.Fatal(err)
		}
	}
	out := &bytes.Buffer{}
	err := s.welcome(&environment{ctx: t.Context(), stdout: out, globals: &globals{}})
	if err == nil || !strings.Contains(err.Error(), "muster demo") {
		t.Errorf("a server on the demo's data: %v, %s", err, out)
	}
}

// TestMetricsWithoutDatabase: the others are there, and what is wrong with it is not told to everybody.
func TestMetricsWithoutDatabase(t *testing.T) {
	for _, name := range []string{"an error", "no answer"} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s := testServer(t, slog.New(slog.NewJSONHandler(&log, nil)))
			defer s.close()
			hang := make(chan struct{})
			defer close(hang)
			reads := make(chan struct{}, 10)
			registry := prometheus.NewRegistry()
			inventory := newInventory(s.services, s.log)
			inventory.within = 20 * time.Millisecond
			inventory.read = func(context.Context) ([]prometheus.Metric, error) {
				reads <- struct{}{}
				if name == "no answer" {
					<-hang
				}
				return nil, errors.New("user=secret host=secret")
			}
			registry.MustRegister(inventory, s.metrics.drift)
			s.metrics.registry = registry
			for range 3 {
				w := httptest.NewRecorder()
				s.metrics.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
				if w.Code != 200 || !strings.Contains(w.Body.String(), "muster_count_drift_total 0") || strings.Contains(w.Body.String(), "secret") {
					t.Errorf("%d %s", w.Code, w.Body)
				}
			}
			if !strings.Contains(log.String(), "the metrics lack") {
				t.Errorf("nothing is logged: %s", log.String())
			}
			if n := len(reads); name == "no answer" && n != 1 {
				t.Errorf("%d readings wait for the database", n)
			}
		})
	}
}

func TestJoinNegatives(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"serve --rate-limit -1", "serve --rate-limit=-1"},
		{"serve --rate-limit=3 -1", "serve --rate-limit=3 -1"},
		{"serve --database --listen x", "serve --database --listen x"},
		{"backup - --data -", "backup - --data -"},
		{"device show -- --x -1", "device show -- --x -1"},
		{"-1", "-1"},
		{"", ""},
	} {
		if got := strings.Join(joinNegatives(strings.Fields(c.in)), " "); got != c.want {
			t.Errorf("%q became %q, want %q", c.in, got, c.want)
		}
	}
}

// TestMessages: a cause that is made of several errors is a cause, not a list of mistakes.
func TestMessages(t *testing.T) {
	var out bytes.Buffer
	code := Main(t.Context(), []string{"serve", "--database", "postgres://x@127.0.0.1:1/x"}, &out, &out)
	if code != exitError || !strings.HasPrefix(out.String(), "muster: The database cannot be opened\n  because: ") {
		t.Errorf("%d: %s", code, &out)
	}
}
