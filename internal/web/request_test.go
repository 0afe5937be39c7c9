package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"muster/internal/errs"
)

func TestClientAddr(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		name, peer string
		forwarded  []string // one header line each
		want       string
	}{
		{"a direct client", "203.0.113.5:4711", nil, "203.0.113.5"},
		{"a direct client that makes one up", "203.0.113.5:4711", []string{"198.51.100.1"}, "203.0.113.5"},
		{"IPv6", "[2001:db8::1]:4711", nil, "2001:db8::1"},
		{"IPv4 in IPv6", "[::ffff:203.0.113.5]:4711", nil, "203.0.113.5"},
		{"a proxy that says nothing", "10.0.0.1:80", nil, "10.0.0.1"},
		{"one proxy", "10.0.0.1:80", []string{"203.0.113.5"}, "203.0.113.5"},
		{"one proxy over IPv4 in IPv6", "[::ffff:10.0.0.1]:80", []string{"203.0.113.5"}, "203.0.113.5"},
		{"one proxy over IPv6", "[fd00::1]:80", []string{"2001:db8::1"}, "2001:db8::1"},
		{"two proxies", "10.0.0.1:80", []string{"203.0.113.5, 10.0.0.2"}, "203.0.113.5"},
		{"two proxies, a line each", "10.0.0.1:80", []string{"203.0.113.5", "10.0.0.2"}, "203.0.113.5"},
		{"a client that makes one up", "10.0.0.1:80", []string{"198.51.100.1, 203.0.113.5"}, "203.0.113.5"},
		{"a client that makes up a trusted one", "10.0.0.1:80", []string{"10.0.0.9, 203.0.113.5"}, "203.0.113.5"},
		{"a client that makes up a line", "10.0.0.1:80", []string{"198.51.100.1", "203.0.113.5"}, "203.0.113.5"},
		{"garbage behind the proxy", "10.0.0.1:80", []string{"203.0.113.5, unknown"}, "10.0.0.1"},
		{"garbage made up by the client", "10.0.0.1:80", []string{"<script>, 203.0.113.5"}, "203.0.113.5"},
		{"an empty line", "10.0.0.1:80", []string{""}, "10.0.0.1"},
		{"proxies all the way", "10.0.0.1:80", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"no peer", "@", []string{"203.0.113.5"}, "invalid IP"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got netip.Addr
			s := quiet(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = ClientAddr(r) }))
			s.Proxies = proxies
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.peer
			r.Header["X-Forwarded-For"] = c.forwarded
			s.ServeHTTP(httptest.NewRecorder(), r)
			if got.String() != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestNoProxyIsTrustedUnlessNamed(t *testing.T) {
	s := quiet(nil)
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "127.0.0.1:80"
	r.Header.Set("X-Forwarded-For", "203.0.113.5")
	if got := s.clientAddr(r); got.String() != "127.0.0.1" {
		t.Error(got)
	}
}

// logged serves one request and gives the answer and the log lines.
func logged(t *testing.T, all bool, h http.Handler, r *http.Request) (*httptest.ResponseRecorder, []map[string]any) {
	t.Helper()
	var log bytes.Buffer
	options := &slog.HandlerOptions{}
	if all {
		options.Level = slog.LevelDebug
	}
	s := &Server{Next: h, Log: slog.New(slog.NewJSONHandler(&log, options))}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var lines []map[string]any
	for dec := json.NewDecoder(&log); ; {
		var line map[string]any
		if err := dec.Decode(&line); err == io.EOF {
			return w, lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
}

// TestAClientThatHungUpIsNoFailure: whoever opens and closes connections must not fill the log with errors.
func TestAClientThatHungUpIsNoFailure(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hangUp()
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	r := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
	if _, lines := logged(t, false, h, r); len(lines) != 0 {
		t.Errorf("log %v", lines)
	}
	if _, lines := logged(t, true, h, r); len(lines) != 1 || lines[0]["status"] != 499.0 || lines[0]["level"] != "DEBUG" {
		t.Errorf("log %v", lines)
	}
}

func TestPanicBecomesJSON(t *testing.T) {
	d := echo()
	d.Routes[0].Handler = func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "text/html")
		panic("the secret reason")
	}
	w, lines := logged(t, false, NewMux(d), httptest.NewRequest("GET", "/o/api/v2/account", nil))
	if w.Code != 500 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", w.Code, w.Header().Get("Content-Type"))
	}
	if want := `{"error":"server_error","error_description":"Internal error"}`; w.Body.String() != want {
		t.Errorf("body %s, want %s", w.Body, want)
	}
	if len(lines) != 2 || lines[0]["panic"] != "the secret reason" || lines[0]["request"] != w.Header().Get("X-Request-Id") {
		t.Errorf("log %v", lines)
	}
	if stack, _ := lines[0]["stack"].(string); !strings.Contains(stack, "TestPanicBecomesJSON") {
		t.Errorf("the stack does not name the culprit: %s", stack)
	}
	if lines[1]["status"] != 500.0 || lines[1]["operation"] != "echo" {
		t.Errorf("log %v", lines[1])
	}
}

func TestPanicInMidAnswerBreaksTheConnection(t *testing.T) {
	srv := httptest.NewServer(quiet(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"devices":[`)
		w.(interface{ Unwrap() http.ResponseWriter }).Unwrap().(http.Flusher).Flush()
		panic("too late")
	})))
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("the client takes %q for a whole answer", body)
	}
}

func TestAbortIsPassedOn(t *testing.T) {
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("recovered %v", p)
		}
	}()
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	quiet(h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

func TestLogLine(t *testing.T) {
	d := echo()
	d.Routes[0].Handler = func(w http.ResponseWriter, r *http.Request) error {
		NoteAccount(r, 7)
		return errs.Wrap(errs.Unavailable, errors.New("disk full"), "Try again later")
	}
	r := httptest.NewRequest("GET", "/o/api/v2/account", nil)
	r.RemoteAddr = "203.0.113.5:1"
	w, lines := logged(t, false, NewMux(d), r)
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	for name, want := range map[string]any{
		"level": "ERROR", "request": w.Header().Get("X-Request-Id"), "operation": "echo", "method": "GET", "status": 503.0,
		"client": "203.0.113.5", "account": 7.0, "error": "Try again later: disk full",
	} {
		if lines[0][name] != want {
			t.Errorf("%s: %v, want %v", name, lines[0][name], want)
		}
	}
	if !regexp.MustCompile(`^[A-Z2-7]{16}$`).MatchString(w.Header().Get("X-Request-Id")) {
		t.Errorf("request id %q", w.Header().Get("X-Request-Id"))
	}
}

func TestWhatIsLogged(t *testing.T) {
	for _, c := range []struct {
		target string
		all    bool
		lines  int
	}{
		{"/o/api/v2/account", false, 0},
		{"/o/api/v2/account", true, 1},
		{"/o/api/nowhere", false, 0},
		{"/o/api/nowhere", true, 1},
	} {
		_, lines := logged(t, c.all, NewMux(echo()), httptest.NewRequest("GET", c.target, nil))
		if len(lines) != c.lines {
			t.Errorf("%s, all=%v: %d lines", c.target, c.all, len(lines))
		}
	}
}

// The path of an agent's call holds the licence key, and a client may put its token into the query or a header. None of
// it reaches the log, whatever goes wrong.
func TestNoSecretIsLogged(t *testing.T) {
	secret := strings.Repeat("deadbeef", 4)
	answers := map[string]Handler{
		"answer": func(w http.ResponseWriter, _ *http.Request) error { WriteJSON(w, 200, 1); return nil },
		"error":  func(http.ResponseWriter, *http.Request) error { return errors.New("broken") },
		"panic":  func(http.ResponseWriter, *http.Request) error { panic("broken") },
	}
	for name, h := range answers {
		for _, target := range []string{"/accounts/" + secret + "/ping", "/accounts/" + secret, "/accounts//" + secret} {
			t.Run(name+" "+strings.ReplaceAll(target, secret, "K"), func(t *testing.T) {
				d := &Door{Name: "x", Routes: []Route{{Method: "GET", Path: "/accounts/{key}/ping", Name: "ping", Scope: Agent, Handler: h}},
					Present: PresentPlain}
				r := httptest.NewRequest("GET", target+"?access_token="+secret, nil)
				r.Header.Set("Authorization", "Bearer "+secret)
				r.Header.Set("Gears-Access-Key", secret)
				var log bytes.Buffer
				s := &Server{Next: NewMux(d), Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
				s.ServeHTTP(httptest.NewRecorder(), r)
				if log.Len() == 0 || strings.Contains(log.String(), secret) {
					t.Errorf("logged %q", log.String())
				}
			})
		}
	}
}

func TestObserver(t *testing.T) {
	type seen struct {
		operation string
		status    int
	}
	var got []seen
	s := quiet(NewMux(echo()))
	s.Observe = func(operation string, status int, took time.Duration) {
		if took < 0 {
			t.Errorf("took %v", took)
		}
		got = append(got, seen{operation, status})
	}
	for _, target := range []string{"/o/api/v2/account", "/nowhere"} {
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", target, nil))
	}
	if len(got) != 2 || got[0] != (seen{"echo", 200}) || got[1] != (seen{"", 404}) {
		t.Errorf("%v", got)
	}
}

// Without a Server around it a request has no event, and nothing falls over.
func TestWithoutServer(t *testing.T) {
	r := httptest.NewRequest("GET", "/o/api/v2/account", nil)
	NoteAccount(r, 1)
	if RequestID(r) != "" || ClientAddr(r).IsValid() {
		t.Error("an event out of nothing")
	}
	if w := do(NewMux(echo()), "GET", "/o/api/v2/account"); w.Code != 200 {
		t.Error(w.Code)
	}
}

func TestSilentHandlerCountsAs200(t *testing.T) {
	var got int
	s := quiet(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Observe = func(_ string, status int, _ time.Duration) { got = status }
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if got != 200 {
		t.Error(got)
	}
}
