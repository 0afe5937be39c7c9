package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/posture"
	"muster/internal/ratelimit"
	"muster/internal/web"
)

// The tokens that the fake authenticator knows.
const (
	readToken  = "reader"
	writeToken = "writer"
	ownToken   = "own-limit" // may write; its application has a limit of its own
	freeToken  = "no-limit"
	otherToken = "other-account"
)

var acme = identity.Account{
	ID: 7, Name: "Acme Lab", Email: "ops@acme.example",
	LastLogin:      time.Date(2024, 2, 1, 10, 15, 0, 999e6, time.FixedZone("CET", 3600)),
	CreatedAt:      time.Date(2023, 11, 20, 10, 0, 0, 0, time.UTC),
	DevicesAllowed: 100, LicenseKey: "0123456789abcdef0123456789abcdef", RegistrationCode: "ABCD1234",
	CrossDomain: identity.CrossDomain{Port: identity.DefaultCrossDomainPort},
}

type tokens map[string]identity.Grant

func (t tokens) Authenticate(_ context.Context, token string) (identity.Grant, error) {
	switch token {
	case "broken":
		return identity.Grant{}, errors.New("the database is on fire")
	case "busy":
		return identity.Grant{}, errs.New(errs.Unavailable, "Try again later")
	}
	g, ok := t[token]
	if !ok {
		return g, errs.New(errs.Unauthenticated, "The access token is not valid or has expired")
	}
	return g, nil
}

// counter remembers the keys that were counted.
type counter struct {
	ratelimit.Limiter
	mu   sync.Mutex
	keys []ratelimit.Key
	err  error
}

func (c *counter) Take(ctx context.Context, key ratelimit.Key, limit int) (ratelimit.Decision, error) {
	c.mu.Lock()
	c.keys = append(c.keys, key)
	c.mu.Unlock()
	if c.err != nil {
		return ratelimit.Decision{}, c.err
	}
	return c.Limiter.Take(ctx, key, limit)
}

// inventory is one account with one device, and remembers what was asked.
type inventory struct {
	Devices // what no test needs
	stock   stock
	world   world

	mu     sync.Mutex
	counts device.Counts
	linked map[device.Selector]device.LinkedUser
	err    error
}

var (
	hardwareID = "00aa11bb22cc33dd44ee55ff66778899"
	mac        = posture.MAC{0x00, 0x0c, 0x29, 0xaa, 0xbb, 0xcc}
)

func (i *inventory) Counts(_ context.Context, account posture.AccountID) (device.Counts, error) {
	if account != acme.ID {
		return device.Counts{}, i.err
	}
	return i.counts, i.err
}

func (i *inventory) LinkUser(_ context.Context, account posture.AccountID, sel device.Selector, user device.LinkedUser) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err != nil {
		return i.err
	}
	if account != acme.ID || sel.ID != hardwareID && (!sel.ByMAC || sel.MAC != mac) {
		return errs.New(errs.NotFound, "No such device")
	}
	i.linked[sel] = user
	return nil
}

// lab is the whole door with fakes behind it.
type lab struct {
	http.Handler
	mux     *web.Mux
	limits  *counter
	devices *inventory
	now     time.Time
}

func newLab() *lab { return newPrivateLab(Private{}) }

// newPrivateLab is newLab for an account that keeps something private.
func newPrivateLab(private Private) *lab {
	l := &lab{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	l.limits = &counter{Limiter: ratelimit.Limiter{Source: ratelimit.NewMemory(1000), Now: func() time.Time { return l.now }}}
	l.devices = &inventory{linked: map[device.Selector]device.LinkedUser{}, stock: newStock(), world: newWorld()}
	grant := func(p scope.Permission, limit int) identity.Grant {
		return identity.Grant{Account: acme, ClientID: "CLIENT", Permission: p, RateLimit: limit}
	}
	other := grant(scope.Write, identity.DefaultRateLimit)
	other.Account.ID = 8
	l.mux = web.NewMux(New(Deps{
		Authenticator: tokens{
			readToken: grant(scope.Read, identity.DefaultRateLimit), writeToken: grant(scope.Write, identity.DefaultRateLimit),
			ownToken: grant(scope.Write, 3), freeToken: grant(scope.Write, 0), otherToken: other,
		},
		Limiter: l.limits, Devices: l.devices, RateLimit: 10,
		BaseURL:  func(*http.Request) string { return "https://muster.example" },
		Policies: l.devices,
		Private:  func(context.Context, posture.AccountID) (Private, error) { return private, l.devices.err },
		Now:      func() time.Time { return l.now },
	}))
	l.Handler = &web.Server{Next: l.mux, Log: slog.New(slog.DiscardHandler)}
	return l
}

// request is one call; contentType "-" leaves the header out.
type request struct {
	method, target, token, body, contentType string
	chunked                                  bool
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (l *lab) do(q request) answer {
	var body io.Reader = strings.NewReader(q.body)
	if q.chunked {
		body = io.MultiReader(body)
	}
	r := httptest.NewRequest(q.method, "/", body)
	u, err := url.ParseRequestURI(q.target)
	if err != nil {
		panic(err)
	}
	r.URL = u
	if q.token != "" {
		r.Header.Set("Authorization", "Bearer "+q.token)
	}
	switch {
	case q.contentType == "" && q.body != "":
		r.Header.Set("Content-Type", "application/json")
	case q.contentType != "-" && q.contentType != "":
		r.Header.Set("Content-Type", q.contentType)
	}
	return l.serve(r)
}

func (l *lab) serve(r *http.Request) answer {
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// members decodes an answer that has to be a JSON object without a null in it.
func (a answer) members(t *testing.T) map[string]any {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	if strings.Contains(a.body, "null") {
		t.Errorf("null in %s", a.body)
	}
	return m
}

// wantError checks an error answer: its status, its code word, and a text in its description.
func (a answer) wantError(t *testing.T, status int, word, about string, withResult bool) {
	t.Helper()
	m := a.members(t)
	if a.status != status || m["error"] != word {
		t.Errorf("status %d, error %v; want %d, %s: %s", a.status, m["error"], status, word, a.body)
	}
	description, _ := m["error_description"].(string)
	if description == "" || !strings.Contains(description, about) {
		t.Errorf("error_description %q says nothing of %q", description, about)
	}
	if !withResult {
		if len(m) != 2 {
			t.Errorf("more than an error: %s", a.body)
		}
		return
	}
	if m["result"] != 0.0 || m["msg"] != description {
		t.Errorf("result %v, msg %v in %s", m["result"], m["msg"], a.body)
	}
}

// example gives a request that a route answers with 200.
func example(rt web.Route) request {
	q := request{method: rt.Method, target: strings.ReplaceAll(rt.Path, "{value}", hardwareID), token: writeToken}
	switch {
	case examples[rt.Method+" "+rt.Name] != "":
		if extra := examples[rt.Method+" "+rt.Name]; extra[0] == '?' {
			q.target += extra
		} else {
			q.body = extra
		}
	case strings.HasSuffix(rt.Path, "/devices/action") && strings.Contains(rt.Path, "/v2"), rt.Name == "delete_devices":
		q.body = `{"types":"unexempt","HWID_list":["` + hardwareID + `"]}`
	case rt.Name == "device_action" && !strings.HasSuffix(rt.Path, "/devices/action"):
		q.target += "?types=unexempt"
	case rt.Name == "search_devices":
		q.target += "?q=bergen&in=hostname"
	case rt.Name == "device_info", strings.HasSuffix(rt.Path, "/detail"):
		q.body = `{"ids":["` + hardwareID + `"]}`
	case rt.Name == "device_action":
		q.body = `{"types":"unexempt","ids":["` + hardwareID + `"]}`
	}
	return q
}

// examples are what calls need besides the token, where all routes of a name and method need the same.
var examples = map[string]string{
	"POST link_user":     `{"username":"kari"}`,
	"POST configuration": `{"sections":["cross-domain-api"]}`,
	"POST logs":          `{"event_category":"device"}`,
	"POST app_details":   `{"product_id":41,"version":"120"}`,
	"POST device_cves":   `{"id":"` + hardwareID + `"}`,
	"POST threats":       `{"id":"` + hardwareID + `"}`,
	"POST reports":       "?type=OSPatchSummary",
	"GET reports":        "?type=os_patch_summary",
	"POST policy_check":  `{"HWID_list":["` + hardwareID + `"]}`,
	"GET device_stats":   "?event=added",
}

// eachRoute runs a test for every route of the table.
func eachRoute(t *testing.T, test func(*testing.T, *lab, web.Route)) {
	for _, rt := range newLab().mux.Routes() {
		t.Run(rt.Method+" "+rt.Path, func(t *testing.T) { test(t, newLab(), rt) })
	}
}

// resultForm reports whether the errors of a route have result and msg besides.
func resultForm(rt web.Route) bool {
	d := &door{}
	for _, op := range d.operations() {
		for _, one := range d.routes(op) {
			if one.Method == rt.Method && one.Path == rt.Path {
				return op.errors == resultErrors
			}
		}
	}
	panic("no operation has " + rt.Path)
}

func TestRouteTable(t *testing.T) {
	var out strings.Builder
	for _, rt := range newLab().mux.Routes() {
		fmt.Fprintf(&out, "%s %s: %s, %s\n", rt.Method, rt.Path, rt.Name, rt.Scope)
	}
	compareFile(t, filepath.Join("testdata", "routes.txt"), []byte(out.String()))
}

func TestEveryRouteDeclaresWhatATokenMustHold(t *testing.T) {
	eachRoute(t, func(t *testing.T, l *lab, rt web.Route) {
		if rt.Scope != web.Read && rt.Scope != web.Write {
			t.Fatalf("scope %q", rt.Scope)
		}
		q := example(rt)
		if a := l.do(q); a.status != 200 {
			t.Errorf("write token: %d %s", a.status, a.body)
		}
		q.token = readToken
		a := l.do(q)
		if rt.Scope == web.Read {
			if a.status != 200 {
				t.Errorf("read token: %d %s", a.status, a.body)
			}
			return
		}
		a.wantError(t, 403, "insufficient_scope", "needs a token with the permission write", resultForm(rt))
		if got := a.header.Get("WWW-Authenticate"); got != `Bearer error="insufficient_scope"` {
			t.Errorf("WWW-Authenticate %q", got)
		}
	})
}

func TestUnscopedOperationPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	(&door{}).routes(operation{name: "open", methods: "GET", path: "open", versions: []version{v2}, scope: web.Public})
}

func TestNoRouteWithoutAToken(t *testing.T) {
	eachRoute(t, func(t *testing.T, l *lab, rt web.Route) {
		q := example(rt)
		for token, challenge := range map[string]string{"": "Bearer", "unknown": `Bearer error="invalid_token"`} {
			q.token = token
			a := l.do(q)
			a.wantError(t, 401, "invalid_token", "token", resultForm(rt))
			if got := a.header.Get("WWW-Authenticate"); got != challenge {
				t.Errorf("token %q: WWW-Authenticate %q, want %q", token, got, challenge)
			}
			if a.limits() != noLimits {
				t.Errorf("rate limit headers %q before the account is known", a.limits())
			}
		}
		q.token, q.target = "", q.target+"?access_token=unknown"
		l.do(q).wantError(t, 401, "invalid_token", "token", resultForm(rt))
		if len(l.limits.keys) != 0 {
			t.Errorf("a stranger's call was counted: %v", l.limits.keys)
		}
	})
}

func TestTokenInTheQuery(t *testing.T) {
	l := newLab()
	if a := l.do(request{method: "GET", target: "/o/api/v2/account?access_token=" + readToken}); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestFailureOfTheAuthenticator(t *testing.T) {
	eachRoute(t, func(t *testing.T, l *lab, rt web.Route) {
		q := example(rt)
		q.token = "broken"
		a := l.do(q)
		a.wantError(t, 500, "server_error", "Internal error", resultForm(rt))
		if strings.Contains(a.body, "fire") {
			t.Errorf("the cause is shown: %s", a.body)
		}
		q.token = "busy"
		l.do(q).wantError(t, 503, "temporarily_unavailable", "Try again later", resultForm(rt))
	})
}

func TestFailureOfTheDomain(t *testing.T) {
	eachRoute(t, func(t *testing.T, l *lab, rt web.Route) {
		if rt.Name == "configuration" {
			return // it is all in the account, which came with the token
		}
		l.devices.err = errors.New("the database is on fire")
		a := l.do(example(rt))
		a.wantError(t, 500, "server_error", "Internal error", resultForm(rt))
		if strings.Contains(a.body, "fire") {
			t.Errorf("the cause is shown: %s", a.body)
		}
	})
}

func TestPathsOfTheDoor(t *testing.T) {
	l := newLab()
	for _, c := range []struct {
		method, target string
		status         int
		allow          string
	}{
		{"GET", "/o/api/", 404, ""},
		{"GET", "/o/api/v9/account", 404, ""},
		{"GET", "/o/api/v3.3/account", 404, ""},
		{"GET", "/o/api/v2/account/", 404, ""},
		{"GET", "/o/api/v2//account", 404, ""},
		{"GET", "/o/api/v2/../v2/account", 404, ""},
		{"GET", "/o/api/v3/account.json", 404, ""},
		{"POST", "/o/api/v2/devices//link_user", 404, ""},
		{"POST", "/o/api/v3/devices/" + hardwareID + "/link_user", 404, ""},
		{"GET", "/o/api/v3.2/account", 405, "POST"},
		{"HEAD", "/o/api/v3.2/account", 405, "POST"},
		{"PUT", "/o/api/v3.2/account", 405, "POST"},
		{"DELETE", "/o/api/v3.1/account", 405, "GET, HEAD, POST"},
		{"GET", "/o/api/v2/devices/x/link_user", 405, "POST"},
	} {
		a := l.do(request{method: c.method, target: c.target})
		word := map[int]string{404: "not_found", 405: "method_not_allowed"}[c.status]
		a.wantError(t, c.status, word, "", false)
		if got := a.header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.target, got, c.allow)
		}
	}
}

func TestHeadAnswersAsGet(t *testing.T) {
	l := newLab()
	get := l.do(request{method: "GET", target: "/o/api/v2/account", token: freeToken})
	head := l.do(request{method: "HEAD", target: "/o/api/v2/account", token: freeToken})
	if head.status != 200 || head.header.Get("Content-Length") != get.header.Get("Content-Length") {
		t.Errorf("%d %v", head.status, head.header)
	}
}

func TestAnswersAreNotCached(t *testing.T) {
	a := newLab().do(request{method: "GET", target: "/o/api/v3/account", token: readToken})
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

// Each kind of error of the domain has a word of the list, whatever call it comes from.
func TestEveryErrorHasACodeWord(t *testing.T) {
	for _, code := range []errs.Code{
		errs.Invalid, errs.Unauthenticated, errs.Forbidden, errs.NotFound, errs.Conflict, errs.TooLarge, errs.UnsupportedMedia,
		errs.OverLicence, errs.RateLimited, errs.Unavailable, errs.Internal,
	} {
		if codeWords[web.Status(errs.New(code, "x"))] == "" {
			t.Errorf("%s has none", code)
		}
	}
}
