package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/client"
	"muster/internal/testpg"
	"muster/tools/fleet"
)

// build makes the server once for all tests.
func build(t *testing.T) string {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

var (
	buildDir string
	built    = sync.OnceValues(func() (string, error) {
		program := filepath.Join(buildDir, "muster")
		out, err := exec.CommandContext(context.Background(), "go", "build", "-o", program, "muster/cmd/muster").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("building the server: %w\n%s", err, out)
		}
		return program, err
	})
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "muster-emulate-")
	if err != nil {
		panic(err)
	}
	buildDir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// TestFleet has fleets with every kind of misbehaviour live on a server that is killed meanwhile and at the end.
func TestFleet(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { liveAndDie(t, "") })
	t.Run("postgres", func(t *testing.T) { liveAndDie(t, testpg.Cluster(t, testpg.Durable()).DSN()) })
}

func liveAndDie(t *testing.T, database string) {
	t.Parallel()
	const devices = 200
	o := options{
		devices: devices, connections: 32, seed: 4, length: 8 * time.Second, ping: 500 * time.Millisecond, report: 1500 * time.Millisecond,
		// On a machine that is busy with other tests, contacts wait long to be written; make fleet is stricter.
		changed: 30, kills: 1, lag: 6 * time.Second, faults: shares(t, "all=5"), engine: "sqlite", database: database, program: build(t),
	}
	out, err := emulate(t.Context(), &o)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range out.Wrong {
		t.Error(wrong)
	}
	if out.Checked.Devices != devices || out.Checked.Bodies != devices || len(out.Errors) > 0 {
		t.Errorf("%+v, errors %v", out.Checked, out.Errors)
	}
	for i := range faults {
		if m := out.Faults[faults[i].name]; faults[i].do != nil && (m == nil || m.Done <= m.Excused) {
			t.Errorf("nobody misbehaved by %s: %+v", faults[i].name, m)
		}
	}
	if len(out.Excused) == 0 || out.Calls["ping"].Count < 5*devices || out.Calls["report"].Count < 2*devices {
		t.Errorf("too little happened to tell anything: excused %v, %+v", out.Excused, out.Calls)
	}
}

func shares(t *testing.T, list string) map[string]int {
	t.Helper()
	out, err := parseFaults(list)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// quick is a small fleet for a moment.
func quick(t *testing.T, devices int) *options {
	return &options{
		devices: devices, connections: 8, seed: 5, length: time.Second, ping: 100 * time.Millisecond, report: 200 * time.Millisecond,
		changed: 50, engine: "sqlite", program: build(t),
	}
}

// TestDifferencesAreSeen has a fleet live on a good server, and then changes what is known of it: each difference has to be
// noticed, and nothing else.
func TestDifferencesAreSeen(t *testing.T) {
	t.Parallel()
	e, err := begin(t.Context(), quick(t, 8))
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	if err := e.live(t.Context()); err != nil {
		t.Fatal(err)
	}
	check := func(want ...string) {
		t.Helper()
		out := e.outcome()
		if err := e.verify(t.Context(), out); err != nil {
			t.Fatal(err)
		}
		for _, text := range want {
			if !strings.Contains(strings.Join(out.Wrong, "\n"), text) {
				t.Errorf("%q is not said: %q", text, out.Wrong)
			}
		}
		if len(out.Wrong) != len(want) || (len(want) == 0) != (out.verdict() == nil) {
			t.Errorf("said is %q, want %q", out.Wrong, want)
		}
	}
	check()
	d := e.devices[0]
	held := d.answered
	d.answered = d.fresh()
	check("device 0: report {", "another is stored")
	d.maybe = []said{held} // the newer one was not answered after all
	d.answered = d.fresh()
	check()
	d.met(time.Now().Add(time.Hour))
	check("device 0 was answered at")
	d.contacts = d.contacts[1:]
	stranger := fleet.NewAgent(e.http, e.url, e.code, fleet.Random(99, 0, time.Now()))
	for _, do := range []func(context.Context) error{stranger.Register, stranger.Report} {
		if err := do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check("none was answered with its id")
	for _, id := range []string{stranger.DeviceID, e.devices[3].id} {
		if err := e.api.DeleteDevice(t.Context(), id, client.EraseData); err != nil {
			t.Fatal(err)
		}
	}
	check("device 3 was answered with the id", "device 3: its report cannot be read")
}

// liar is a server between the fleet and a good one. It may answer by itself, or change an answer.
type liar struct {
	name, want string
	answer     func(w http.ResponseWriter, r *http.Request, n int64) bool
	change     func(*http.Response)
}

var liars = []liar{
	{"does not store every report", "was answered, and the API shows", every("/report/health", 5, http.StatusOK), nil},
	{"does not note contacts", "and seen last at", every("/ping", 1, http.StatusOK), nil},
	{"fails now and then", "a well-behaved ping failed", every("/ping", 20, http.StatusInternalServerError), nil},
	{"takes everything", "answered 200, want 4", nil, func(r *http.Response) {
		if r.StatusCode == http.StatusBadRequest || r.StatusCode == http.StatusRequestEntityTooLarge {
			r.StatusCode, r.Body, r.ContentLength = http.StatusOK, io.NopCloser(strings.NewReader("{}")), 2
			r.Header.Set("Content-Length", "2")
		}
	}},
	{"forgets to end credentials", "with old credentials: no error", nil, func(r *http.Response) {
		if r.StatusCode == http.StatusUnauthorized {
			r.StatusCode, r.Body, r.ContentLength = http.StatusOK, io.NopCloser(strings.NewReader("{}")), 2
			r.Header.Set("Content-Length", "2")
		}
	}},
	{"counts one too many", "account details count", nil, changing("/v3.2/account", func(a map[string]any) map[string]any {
		a["devices_by_status"] = append(a["devices_by_status"].([]any), map[string]any{"status": "unknown", "number_of_devices": 1})
		return a
	})},
	{"lists devices twice", "is listed twice", nil, changing("/v3.7/devices", func(a map[string]any) map[string]any {
		all, _ := a["devices"].([]any)
		a["devices"] = append(all, all...)
		return a
	})},
}

// changing changes what a call of the API answers.
func changing[T any](path string, change func(T) T) func(*http.Response) {
	return func(r *http.Response) {
		if r.StatusCode != http.StatusOK || !strings.HasSuffix(r.Request.URL.Path, path) {
			return
		}
		var answer T
		err := json.NewDecoder(r.Body).Decode(&answer)
		if err != nil {
			r.StatusCode = http.StatusBadGateway
			return
		}
		text, err := json.Marshal(change(answer))
		if err != nil {
			r.StatusCode = http.StatusBadGateway
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		r.Header.Set("Content-Length", strconv.Itoa(len(text)))
	}
}

// every answers every n-th call of a kind by itself, once the fleet lives.
func every(path string, n int64, status int) func(http.ResponseWriter, *http.Request, int64) bool {
	return func(w http.ResponseWriter, r *http.Request, count int64) bool {
		if !strings.HasSuffix(r.URL.Path, path) || count%n != 0 {
			return false
		}
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		io.WriteString(w, "{}")
		return true
	}
}

// TestBadServersAreSeen has fleets live on servers that are not good.
func TestBadServersAreSeen(t *testing.T) {
	t.Parallel()
	good, err := begin(t.Context(), quick(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer good.close()
	target, err := url.Parse(good.url)
	if err != nil {
		t.Fatal(err)
	}
	for seed, l := range liars {
		var calls atomic.Int64
		proxy := httputil.NewSingleHostReverseProxy(target)
		proxy.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		proxy.ModifyResponse = func(r *http.Response) error {
			if l.change != nil {
				l.change(r)
			}
			return nil
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if l.answer == nil || !l.answer(w, r, calls.Add(1)) {
				r.Header.Del("Accept-Encoding") // so that what is answered can be changed
				proxy.ServeHTTP(w, r)
			}
		}))
		o := quick(t, 30)
		o.seed, o.server, o.code, o.clientID, o.clientSecret = uint64(100+seed), server.URL, good.code, good.clientID, good.clientSecret
		o.length = 2500 * time.Millisecond
		if l.want == "and seen last at" {
			o.report = time.Hour // which are contacts too
		}
		if l.change != nil {
			o.faults = shares(t, "huge=20,broken=30,stale=20")
		}
		out, err := emulate(t.Context(), o)
		server.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := out.verdict(); err == nil || !strings.Contains(strings.Join(out.Wrong, "\n"), l.want) {
			t.Errorf("a server that %s: %v, want %q in %q", l.name, err, l.want, out.Wrong)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"-faults huge=x", "not a kind and a share"},
		{"-faults kindness=3", "there are skew, twin"},
		{"-faults all=9", "too many"},
		{"-devices 0", "at least 1"},
		{"-server http://127.0.0.1:1 -code C", "needs -code, -client-id"},
		{"-server http://127.0.0.1:1 -code C -client-id I -client-secret S -kills 1", "cannot be killed"},
	} {
		if _, err := parse(strings.Fields(c.args)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.args, err, c.want)
		}
	}
	o, err := parse(strings.Fields("-faults all=2,huge=0,drop=9 -devices 7"))
	if err != nil || o.faults["huge"] != 0 || o.faults["drop"] != 9 || o.faults["skew"] != 2 || o.devices != 7 {
		t.Errorf("%+v, %v", o, err)
	}
}
