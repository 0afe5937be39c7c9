package api

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/internal/ratelimit"
	"muster/internal/web"
)

// bound is how large a body may be, as docs/api/conventions.md says.
const bound = 1 << 20

// limits reads the headers in the spelling of the reference.
func (a answer) limits() string {
	var out []string
	for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset-Time"} {
		out = append(out, strings.Join(a.header[name], ","))
	}
	return strings.Join(out, " ")
}

// noLimits is what limits gives where none of the headers is there.
const noLimits = "  "

func TestRateLimit(t *testing.T) {
	eachRoute(t, func(t *testing.T, l *lab, rt web.Route) {
		q := example(rt)
		for left := 9; left >= 0; left-- {
			a := l.do(q)
			if want := "10 " + strconv.Itoa(left) + " " + strconv.Itoa(60-9+left); a.status != 200 || a.limits() != want {
				t.Fatalf("%d, headers %q, want %q", a.status, a.limits(), want)
			}
			if got := a.header.Get("Retry-After"); got != "" {
				t.Errorf("Retry-After %q on a 200", got)
			}
			l.now = l.now.Add(time.Second)
		}
		l.now = l.now.Add(100 * time.Millisecond)
		a := l.do(q)
		a.wantError(t, 429, "rate_limit_exceeded", "Too many calls", resultForm(rt))
		if a.limits() != "10 0 50" || a.header.Get("Retry-After") != "50" {
			t.Errorf("headers %q, Retry-After %q", a.limits(), a.header.Get("Retry-After"))
		}
		l.now = l.now.Add(50 * time.Second)
		if a := l.do(q); a.status != 200 || a.limits() != "10 9 60" {
			t.Errorf("a new window: %d, headers %q", a.status, a.limits())
		}
	})
}

func TestRateLimitIsOfTheAccountAndTheOperation(t *testing.T) {
	l := newLab()
	account := request{method: "GET", target: "/o/api/v2/account", token: readToken}
	for range 10 {
		l.do(account)
	}
	for _, c := range []struct {
		name   string
		q      request
		status int
	}{
		{"the same again", account, 429},
		{"another version", request{method: "POST", target: "/o/api/v3.2/account", token: readToken}, 429},
		{"another token of the account", request{method: "GET", target: "/o/api/v2/account", token: writeToken}, 429},
		{"another operation", request{method: "POST", target: "/o/api/v2/devices/x/link_user", token: writeToken, body: `{"username":"a"}`}, 200},
		{"another account", request{method: "GET", target: "/o/api/v2/account", token: otherToken}, 200},
		{"an application with its own limit", request{method: "GET", target: "/o/api/v2/account", token: ownToken}, 200},
		{"an application without a limit", request{method: "GET", target: "/o/api/v2/account", token: freeToken}, 200},
	} {
		if a := l.do(c.q); a.status != c.status {
			t.Errorf("%s: %d, want %d", c.name, a.status, c.status)
		}
	}
}

func TestRateLimitOfAnApplication(t *testing.T) {
	l := newLab()
	q := request{method: "GET", target: "/o/api/v2/account", token: ownToken}
	for _, want := range []string{"3 2 60", "3 1 60", "3 0 60", "3 0 60"} {
		if a := l.do(q); a.limits() != want {
			t.Errorf("headers %q, want %q", a.limits(), want)
		}
	}
	if want := ratelimit.ApplicationOperation(acme.ID, "CLIENT", "account_details"); l.limits.keys[0] != want {
		t.Errorf("key %v, want %v", l.limits.keys[0], want)
	}
}

func TestNoRateLimit(t *testing.T) {
	l := newLab()
	for range 30 {
		a := l.do(request{method: "GET", target: "/o/api/v2/account", token: freeToken})
		if a.status != 200 || a.limits() != noLimits {
			t.Fatalf("%d, headers %q", a.status, a.limits())
		}
	}
}

func TestLimiterThatCannotCount(t *testing.T) {
	l := newLab()
	l.limits.err = errors.New("the database is on fire")
	a := l.do(request{method: "GET", target: "/o/api/v2/account", token: readToken})
	a.wantError(t, 500, "server_error", "Internal error", false)
}

// The headers stand on every refusal that comes after the account is known, and each refusal is counted.
func TestRateLimitHeadersOnErrors(t *testing.T) {
	const path = "/o/api/v2/devices/x/link_user"
	for _, c := range []struct {
		status int
		q      request
	}{
		{400, request{method: "POST", target: path, token: writeToken, body: `{}`}},
		{403, request{method: "POST", target: path, token: readToken, body: `{}`}},
		{413, request{method: "POST", target: path, token: writeToken, body: strings.Repeat(" ", bound+1)}},
		{415, request{method: "POST", target: path, token: writeToken, body: `<x/>`, contentType: "text/xml"}},
	} {
		if a := newLab().do(c.q); a.status != c.status || a.limits() != "10 9 60" {
			t.Errorf("%d, headers %q; want %d", a.status, a.limits(), c.status)
		}
	}
}

// A request that is wrong in every way is told the first thing in this order.
func TestOrderOfChecks(t *testing.T) {
	l := newLab()
	spoilt := request{
		method: "PUT", target: "/o/api/v2/devices/x/link_user", token: "unknown", contentType: "text/xml",
		body: strings.Repeat("[", bound+1),
	}
	for _, c := range []struct {
		status int
		mend   func(*request)
	}{
		{405, func(q *request) { q.method = "POST" }},
		{401, func(q *request) { q.token = readToken }},
		{403, func(q *request) { q.token = writeToken }},
		{415, func(q *request) { q.contentType = "application/json" }},
		{413, func(q *request) { q.body = "[" }},
		{400, func(q *request) { q.body = `{"username":"kari"}` }},
		{200, func(*request) {}},
	} {
		if a := l.do(spoilt); a.status != c.status {
			t.Fatalf("status %d, want %d: %s", a.status, c.status, a.body)
		}
		c.mend(&spoilt)
	}
	for range 10 {
		l.do(request{method: "POST", target: spoilt.target, token: writeToken})
	}
	q := request{method: "POST", target: spoilt.target, token: readToken, contentType: "text/xml", body: "<x/>"}
	if a := l.do(q); a.status != 403 {
		t.Errorf("scope before limit: %d", a.status)
	}
	q.token = writeToken
	if a := l.do(q); a.status != 429 {
		t.Errorf("limit before media type: %d", a.status)
	}
}

func TestMediaType(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, contentType, body string
		status                  int
	}{
		{"JSON", "application/json", `{}`, 200},
		{"JSON with charset", "application/json; charset=utf-8", `{}`, 200},
		{"JSON with charset in capitals", "Application/JSON;charset=UTF-8", `{}`, 200},
		{"JSON with charset in quotes", `application/json; charset="utf-8"`, `{}`, 200},
		{"a kind of JSON", "application/vnd.api+json", `{}`, 200},
		{"no type", "-", `{}`, 200},
		{"a form without a body", form, ``, 200},
		{"text without a body", "text/plain", ``, 200},
		{"no type and no body", "-", ``, 200},
		{"a form", form, `score_type=cvss2_score`, 415},
		{"JSON called a form", form, `{}`, 415},
		{"a blank called a form", form, ` `, 415},
		{"text", "text/plain", `{}`, 415},
		{"XML", "application/xml", `{}`, 415},
		{"JSON in another charset", "application/json; charset=iso-8859-1", `{}`, 415},
		{"JSON in UTF-16", "application/json; charset=utf-16", `{}`, 415},
		{"nonsense", ";;;", `{}`, 415},
		{"nearly JSON", "application/jsonp", `{}`, 415},
	} {
		for _, chunked := range []bool{false, true} {
			q := request{method: "POST", target: "/o/api/v3.2/account", token: readToken, body: c.body, contentType: c.contentType, chunked: chunked}
			a := newLab().do(q)
			if a.status != c.status {
				t.Errorf("%s, chunked=%v: %d, want %d", c.name, chunked, a.status, c.status)
			}
			if c.status == 415 {
				a.wantError(t, 415, "unsupported_media_type", "application/json", false)
			}
		}
	}
}

func TestMediaTypeComesBeforeSizeOfAChunkedBody(t *testing.T) {
	q := request{method: "POST", target: "/o/api/v3.2/account", token: readToken, chunked: true, contentType: "text/plain",
		body: strings.Repeat(" ", bound+1)}
	if a := newLab().do(q); a.status != 415 {
		t.Errorf("status %d", a.status)
	}
}

// unread fails the test when somebody wants the body.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestForeignBodyIsNotRead(t *testing.T) {
	r := httptest.NewRequest("POST", "/o/api/v3.2/account", unread{t})
	r.ContentLength = 1000
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("Authorization", "Bearer "+readToken)
	if a := newLab().serve(r); a.status != 415 {
		t.Errorf("status %d", a.status)
	}
}

func TestSize(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		q := request{method: "POST", target: "/o/api/v3.2/account", token: readToken, chunked: chunked}
		q.body = `{"x":"` + strings.Repeat("x", bound-8) + `"}`
		if a := newLab().do(q); a.status != 200 {
			t.Errorf("as large as allowed, chunked=%v: %d %s", chunked, a.status, a.body)
		}
		q.body = " " + q.body
		newLab().do(q).wantError(t, 413, "payload_too_large", strconv.Itoa(bound), false)
	}
}

// A GET may carry a Content-Type, and even a body: neither means anything.
func TestBodyOfAGet(t *testing.T) {
	for _, body := range []string{"", "[]", "nonsense"} {
		for _, contentType := range []string{"-", "application/json", "text/plain"} {
			q := request{method: "GET", target: "/o/api/v3.1/account", token: readToken, body: body, contentType: contentType}
			if a := newLab().do(q); a.status != 200 {
				t.Errorf("%q as %s: %d", body, contentType, a.status)
			}
		}
	}
}

// The headers over a real connection: a client that looks for the very spelling of the reference finds it.
func TestHeadersOverTheWire(t *testing.T) {
	srv := httptest.NewServer(newLab())
	defer srv.Close()
	req, err := http.NewRequest("POST", srv.URL+"/o/api/v3.2/account", strings.NewReader("[]"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("access_token", readToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for name, want := range map[string]string{
		"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "9", "X-RateLimit-Reset-Time": "60", "Content-Type": "application/json",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q (of %v)", name, got, want, slices.Sorted(maps.Keys(resp.Header)))
		}
	}
}
