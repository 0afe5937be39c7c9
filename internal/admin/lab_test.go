package admin

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/posture"
	"muster/internal/ratelimit"
	"muster/internal/store"
	"muster/internal/store/storetest"
	"muster/internal/web"
	"muster/test/openapi"
)

// lab is the whole door with a database behind it, and two accounts that have one of everything.
type lab struct {
	http.Handler
	mux     *web.Mux
	limits  *counter
	store   *store.Store
	devices *device.Service
	who     *identity.Service

	mu   sync.Mutex
	time time.Time

	acme, other home
}

// home is an account with the ids of what it has.
type home struct {
	account identity.Account
	tokens  map[scope.Permission]string
	app     string // client id of an application that nobody uses
	group   string
	device  string // is exempted and quarantined
	plain   string // another device, of which nothing is special
}

// counter is a limiter that may fail.
type counter struct {
	ratelimit.Limiter
	err error
}

// Take implements Limiter.
func (c *counter) Take(ctx context.Context, key ratelimit.Key, limit int) (ratelimit.Decision, error) {
	if c.err != nil {
		return ratelimit.Decision{}, c.err
	}
	return c.Limiter.Take(ctx, key, limit)
}

func (l *lab) now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.time
}

func (l *lab) advance(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.time = l.time.Add(d)
}

func newLab(t testing.TB) *lab {
	t.Helper()
	ctx, log := t.Context(), slog.New(slog.DiscardHandler)
	l := &lab{time: storetest.Epoch}
	st, err := store.Open(ctx, store.Options{Dir: t.TempDir(), Log: log})
	must(t, err)
	t.Cleanup(func() { must(t, st.Close()) })
	_, err = st.Migrate(ctx)
	must(t, err)
	l.store = st
	l.devices = device.New(device.Options{Store: st, Judge: storetest.Judge{}, Decode: storetest.Decode, Now: l.now, Log: log})
	l.who = identity.New(identity.Options{Accounts: st, Settings: st, Codes: st, Applications: st, Tokens: st, Now: l.now})
	l.limits = &counter{Limiter: ratelimit.Limiter{Source: ratelimit.NewMemory(1000), Now: l.now}}
	l.mux = web.NewMux(New(Deps{
		Authenticator: l.who, Limiter: l.limits, Accounts: l.who, Devices: l.devices, Now: l.now, RateLimit: 10,
	}))
	l.Handler = &web.Server{Next: l.mux, Log: log}
	l.acme, l.other = l.furnish(t, "Acme Lab", "our"), l.furnish(t, "Their Lab", "theirs")
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// given is the value of a call that must work.
func given[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		must(t, err)
		return v
	}
}

// second is the error of a call whose value does not matter.
func second[T any](_ T, err error) error { return err }

// furnish makes an account that has one of everything. What it is called begins with whose it is.
func (l *lab) furnish(t testing.TB, name, whose string) home {
	t.Helper()
	ctx := t.Context()
	h := home{tokens: map[scope.Permission]string{}}
	h.account = given[identity.Account](t)(l.who.CreateAccount(ctx, identity.NewAccount{Name: name, DevicesAllowed: 100}))
	for _, p := range []scope.Permission{scope.Read, scope.Write, scope.Admin} {
		h.tokens[p] = l.token(t, h.account.ID, p, 0)
	}
	idle, _, err := l.who.CreateApplication(ctx, identity.NewApplication{Account: h.account.ID, Name: whose + " idle", Permission: scope.Read})
	must(t, err)
	h.app = idle.ClientID
	if whose == "theirs" { // so that the numbers of its things are not those of the other's
		must(t, second(l.devices.CreateGroup(ctx, h.account.ID, device.GroupChange{Name: new("theirs first")}, "test")))
	}
	group, err := l.devices.CreateGroup(ctx, h.account.ID, device.GroupChange{Name: new(whose + " servers")}, "test")
	must(t, err)
	h.group = number(group.ID)
	h.device, h.plain = l.enrol(t, h.account.ID, whose+"-1"), l.enrol(t, h.account.ID, whose+"-2")
	must(t, l.devices.Exempt(ctx, h.account.ID, h.device, whose+" reason", time.Time{}))
	must(t, l.devices.Quarantine(ctx, h.account.ID, h.device, whose+" fear"))
	return h
}

// token makes an application and gives a token of it.
func (l *lab) token(t testing.TB, account posture.AccountID, p scope.Permission, limit int) string {
	t.Helper()
	app, secret, err := l.who.CreateApplication(t.Context(), identity.NewApplication{Account: account, Name: "caller", Permission: p, RateLimit: limit})
	must(t, err)
	return given[identity.Issued](t)(l.who.ClientCredentials(t.Context(), app.ClientID, secret)).AccessToken
}

// enrol gives the id of a new device that is compliant.
func (l *lab) enrol(t testing.TB, account posture.AccountID, name string) string {
	t.Helper()
	e := given[device.Enrolment](t)(l.devices.Enrol(t.Context(), account, device.Registration{HardwareID: "HW-" + name, Name: name}))
	must(t, l.devices.Report(t.Context(), device.Ref{Account: account, ID: e.DeviceID},
		storetest.Submission(posture.Report{OS: posture.OS{Name: "2/0/0"}}, "2/0/0|")))
	l.advance(time.Millisecond)
	return e.DeviceID
}

// request is one call as an application of acme that may do everything, unless token says otherwise. Headers come as name,
// value, name, value.
type request struct {
	method, path, token, body string
	headers                   []string
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request, and sees that the answer is as api/admin.yaml says.
func (l *lab) do(t testing.TB, q request) answer {
	t.Helper()
	if q.token == "" {
		q.token = l.acme.tokens[scope.Admin]
	}
	r := httptest.NewRequest(q.method, prefix+q.path, strings.NewReader(q.body))
	if q.token != "-" {
		r.Header.Set("Authorization", "Bearer "+q.token)
	}
	if q.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(q.headers); i += 2 {
		r.Header.Set(q.headers[i], q.headers[i+1])
	}
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	a := answer{w.Code, w.Header(), w.Body.String()}
	if r.Method == http.MethodHead {
		a.body = ""
	}
	openapi.LoadAdmin(t).CheckExchange(t, r, []byte(q.body), a.status, a.header, []byte(a.body))
	a.check(t, q)
	return a
}

// check looks at what holds of every answer.
func (a answer) check(t testing.TB, q request) {
	t.Helper()
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Request-Id") == "" {
		t.Errorf("%s %s: headers %v", q.method, q.path, a.header)
	}
	if a.status < 400 || q.method == http.MethodHead {
		return
	}
	p := a.problem(t)
	if p.Status != a.status || p.Title == "" || p.Detail == "" || p.RequestID != a.header.Get("X-Request-Id") || !strings.HasPrefix(p.Type, "/docs/admin#problem-") {
		t.Errorf("%s %s: %d %s", q.method, q.path, a.status, a.body)
	}
}

func (a answer) problem(t testing.TB) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d, no problem but %s (%v)", a.status, a.body, err)
	}
	return p
}

// about reports whether a refusal names a member among its mistakes.
func (a answer) about(t testing.TB, field string) bool {
	t.Helper()
	for _, m := range a.problem(t).Errors {
		if m.Field == field && strings.Contains(m.Message, field) {
			return true
		}
	}
	return false
}

// want fails unless the status is right, and gives the answer as an object.
func (a answer) want(t testing.TB, status int) map[string]any {
	t.Helper()
	if a.status != status {
		t.Fatalf("%d, want %d: %s", a.status, status, a.body)
	}
	if a.body == "" {
		return nil
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	return m
}

// bodies are what calls that take a body are sent where it only matters that it is right.
var bodies = map[string]string{
	"admin_account_change":     `{"email":"it@acme.example"}`,
	"admin_settings_change":    `{"licence":{"warn_percent":80}}`,
	"admin_application_create": `{"name":"inventory"}`,
	"admin_group_create":       `{"name":"Laptops"}`,
	"admin_group_change":       `{"description":"x"}`,
	"admin_exemption_set":      `{"reason":"x"}`,
	"admin_quarantine_set":     `{"reason":"x"}`,
}

// ids gives what to put into a path, by the segment in front of it.
func (h *home) ids(path string) string {
	what, _, _ := strings.Cut(path, "/")
	id := map[string]string{"groups": h.group, "applications": h.app, "devices": h.device}[what]
	return strings.ReplaceAll(path, "{id}", id)
}

// example is a call of a route that works, about what belongs to a home.
func (h *home) example(rt web.Route) request {
	q := request{method: rt.Method, path: h.ids(strings.TrimPrefix(rt.Path, prefix)), body: bodies[rt.Name]}
	if conditional(rt) {
		q.headers = []string{"If-Match", "*"}
	}
	return q
}

// unconditional are calls that change what has no revision.
var unconditional = map[string]bool{"admin_application_revoke": true, "admin_exemption_end": true, "admin_quarantine_end": true, "admin_exemption_set": true, "admin_quarantine_set": true}

// conditional reports whether a route needs If-Match.
func conditional(rt web.Route) bool {
	return (rt.Method == "PUT" || rt.Method == "PATCH" || rt.Method == "DELETE") && !unconditional[rt.Name]
}

// eachRoute runs a test for every route of the door.
func eachRoute(t *testing.T, test func(t *testing.T, l *lab, rt web.Route)) {
	l := newLab(t)
	for _, rt := range l.mux.Routes() {
		t.Run(rt.Name, func(t *testing.T) { test(t, l, rt) })
	}
}
