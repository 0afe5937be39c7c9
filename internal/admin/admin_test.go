package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/web"
	"muster/test/openapi"
)

func TestRoutes(t *testing.T) {
	routes := web.NewMux(New(Deps{})).Routes()
	openapi.LoadAdmin(t).CheckRoutes(t, routes)
	names := map[string]bool{}
	for _, rt := range routes {
		if permissions[rt.Scope] == "" || !strings.HasPrefix(rt.Path, prefix) || !strings.HasPrefix(rt.Name, "admin_") || names[rt.Name] {
			t.Errorf("%+v", rt)
		}
		names[rt.Name] = true
		if changes := rt.Method != "GET"; changes && rt.Scope == web.Read {
			t.Errorf("%s changes something with a token that may only read", rt.Name)
		}
		if takesBody(rt) != (bodies[rt.Name] != "") {
			t.Errorf("%s: is there a body? %q", rt.Name, bodies[rt.Name])
		}
	}
}

// takesBody goes by the description.
func takesBody(rt web.Route) bool {
	return rt.Method != "GET" && rt.Method != "DELETE" && !bodiless[rt.Name]
}

// bodiless are POST calls that say everything with their path.
var bodiless = map[string]bool{
	"admin_device_split": true, "admin_account_code": true, "admin_run_cancel": true, "admin_webhook_secret": true, "admin_webhook_test": true,
}

// Each call works, and one of another account's things is told that there is no such thing.
func TestEveryCallWorks(t *testing.T) {
	for _, rt := range web.NewMux(New(Deps{})).Routes() {
		t.Run(rt.Name, func(t *testing.T) {
			l := newLab(t)
			a := l.do(t, l.acme.example(rt))
			if a.status >= 300 {
				t.Errorf("%d %s", a.status, a.body)
			}
			if strings.Contains(a.body, "theirs") {
				t.Errorf("it tells of another account: %s", a.body)
			}
		})
	}
}

// inventory is all that can be read of a home.
func (l *lab) inventory(t *testing.T, h *home) string {
	t.Helper()
	var out strings.Builder
	for _, rt := range l.mux.Routes() {
		if rt.Method != "GET" {
			continue
		}
		q := h.example(rt)
		q.token = h.tokens[scope.Admin]
		a := l.do(t, q)
		fmt.Fprintf(&out, "%s %d %s\n", q.path, a.status, a.body)
	}
	return out.String()
}

func TestAccountsAreApart(t *testing.T) {
	l := newLab(t)
	before := l.inventory(t, &l.other)
	for _, rt := range l.mux.Routes() {
		q := l.other.example(rt)
		if !strings.Contains(rt.Path, "{") {
			continue
		}
		if a := l.do(t, q); a.status != 404 || strings.Contains(a.body, "theirs") {
			t.Errorf("%s: %d %s", rt.Name, a.status, a.body)
		}
	}
	// Bodies and queries name nothing of another account either.
	for _, q := range []request{
		{method: "POST", path: "devices/" + l.acme.plain + "/merge", body: `{"other":"` + l.other.plain + `"}`},
		{method: "PATCH", path: "groups/2", body: `{"policy":"` + l.other.policy + `"}`, headers: []string{"If-Match", "*"}},
		{method: "POST", path: "groups", body: `{"name":"x","policy":"` + l.other.policy + `"}`},
		{method: "POST", path: "registration-codes", body: `{"name":"x","group":"` + l.other.group + `"}`},
		{method: "POST", path: "dry-runs?group=" + l.other.group, body: bodies["admin_dry_run"]},
		{method: "POST", path: "dry-runs?policy=" + l.other.policy, body: bodies["admin_dry_run"]},
		{method: "DELETE", path: "groups/2?move_to=" + l.other.group, headers: []string{"If-Match", "*"}},
	} {
		if a := l.do(t, q); a.status != 400 && a.status != 404 {
			t.Errorf("%s %s: %d %s", q.method, q.path, a.status, a.body)
		}
	}
	if after := l.inventory(t, &l.other); after != before {
		t.Errorf("something of the other account has changed:\n%s\nwas\n%s", after, before)
	}
}

func TestPermissions(t *testing.T) {
	rank := map[web.Scope]int{web.Read: 0, web.Write: 1, web.Admin: 2}
	eachRoute(t, func(t *testing.T, l *lab, rt web.Route) {
		before := l.inventory(t, &l.acme)
		for i, p := range []scope.Permission{scope.Read, scope.Write, scope.Admin} {
			q := l.acme.example(rt)
			q.token = l.acme.tokens[p]
			if i >= rank[rt.Scope] {
				continue
			}
			a := l.do(t, q)
			if a.status != 403 || a.header.Get("WWW-Authenticate") != `Bearer error="insufficient_scope"` || !strings.Contains(a.body, string(rt.Scope)) {
				t.Errorf("%s: %d %s", p, a.status, a.body)
			}
		}
		if after := l.inventory(t, &l.acme); after != before {
			t.Errorf("something has changed:\n%s\nwas\n%s", after, before)
		}
	})
}

// The account's own code lets devices in, as the other codes do, which need admin.
func TestRegistrationCodeIsForAdministrators(t *testing.T) {
	l := newLab(t)
	for p, told := range map[scope.Permission]bool{scope.Read: false, scope.Write: false, scope.Admin: true} {
		a := l.do(t, request{method: "GET", path: "account", token: l.acme.tokens[p]})
		if a.status != 200 || strings.Contains(a.body, l.acme.account.RegistrationCode) != told {
			t.Errorf("%s: %d %s", p, a.status, a.body)
		}
	}
}

// A signing secret is no API key.
func TestOnlyWebhooksWithAnAPIKeyHaveOne(t *testing.T) {
	l := newLab(t)
	for body, says := range map[string]string{
		`{"name":"a","url":"https://r.example/","form":"standard"}`:               `"has_api_key":false`,
		`{"name":"b","url":"https://r.example/","form":"opswat"}`:                 `"has_api_key":false`,
		`{"name":"c","url":"https://r.example/","form":"opswat","api_key":"key"}`: `"has_api_key":true`,
	} {
		if a := l.do(t, request{method: "POST", path: "webhooks", body: body}); a.status != 201 || !strings.Contains(a.body, says) {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}

func TestTokens(t *testing.T) {
	l := newLab(t)
	good := l.acme.tokens[scope.Read]
	for _, c := range []struct {
		name, token, query, challenge string
		headers                       []string
		status                        int
	}{
		{name: "in its place", token: good, status: 200},
		{name: "none", token: "-", status: 401, challenge: "Bearer"},
		{name: "another", token: "other", status: 401, challenge: `Bearer error="invalid_token"`},
		{name: "in the query", token: "-", query: "?access_token=" + good, status: 401, challenge: "Bearer"},
		{name: "in a header of its own", token: "-", headers: []string{"access_token", good}, status: 401, challenge: "Bearer"},
		{name: "in the query too", token: good, query: "?access_token=" + good, status: 400},
	} {
		a := l.do(t, request{method: "GET", path: "groups" + c.query, token: c.token, headers: c.headers})
		if a.status != c.status || a.header.Get("WWW-Authenticate") != c.challenge {
			t.Errorf("%s: %d, challenge %q", c.name, a.status, a.header.Get("WWW-Authenticate"))
		}
	}
}

func TestRateLimit(t *testing.T) {
	l := newLab(t)
	limited := l.token(t, l.acme.account.ID, scope.Admin, identity.DefaultRateLimit)
	limits := func(a answer) string {
		var out []string
		for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset-Time"} {
			out = append(out, strings.Join(a.header[name], ","))
		}
		return strings.Join(out, " ")
	}
	for _, rt := range l.mux.Routes() {
		q := request{method: rt.Method, path: l.acme.ids(strings.TrimPrefix(rt.Path, prefix)) + "?bogus=1", token: limited}
		for left := 9; left >= 0; left-- {
			if a := l.do(t, q); a.status != 400 && a.status != 428 || limits(a) != "10 "+strconv.Itoa(left)+" 60" {
				t.Fatalf("%s: %d, headers %q", rt.Name, a.status, limits(a))
			}
		}
		if a := l.do(t, q); a.status != 429 || limits(a) != "10 0 60" || a.header.Get("Retry-After") != "60" {
			t.Errorf("%s: %d, headers %q", rt.Name, a.status, limits(a))
		}
	}
	l.advance(time.Minute)
	if a := l.do(t, request{method: "GET", path: "groups", token: limited}); a.status != 200 || limits(a) != "10 9 60" {
		t.Errorf("a minute later: %d %q", a.status, limits(a))
	}
	own := l.token(t, l.acme.account.ID, scope.Read, 2)
	for _, want := range []int{200, 200, 429} {
		if a := l.do(t, request{method: "GET", path: "groups", token: own}); a.status != want {
			t.Errorf("an application with a limit of its own: %d", a.status)
		}
	}
	if a := l.do(t, request{method: "GET", path: "groups"}); a.status != 200 || limits(a) != "  " {
		t.Errorf("an application without a limit: %d, headers %q", a.status, limits(a))
	}
	l.limits.err = errors.New("the database is on fire")
	if a := l.do(t, request{method: "GET", path: "groups"}); a.status != 500 || strings.Contains(a.body, "fire") {
		t.Errorf("a limiter that cannot count: %d %s", a.status, a.body)
	}
}

func TestPathsAndMethods(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "groups/", 404, ""}, {"GET", "nothing", 404, ""}, {"GET", "groups/2/more", 404, ""}, {"GET", "groups//", 404, ""},
		{"GET", "Groups", 404, ""}, {"GET", "groups/02", 404, ""}, {"GET", "groups/-1", 404, ""}, {"GET", "groups/x", 404, ""}, {"GET", "groups/0", 404, ""},
		{"GET", "groups/99999999999999999999", 404, ""}, {"GET", "devices/%00/exemption", 404, ""}, {"GET", "devices/%ff/exemption", 404, ""},
		{"PUT", "groups", 405, "GET, HEAD, POST"}, {"POST", "groups/2", 405, "GET, HEAD, PATCH, DELETE"}, {"DELETE", "account", 405, "GET, HEAD, PATCH"},
		{"OPTIONS", "groups", 204, "GET, HEAD, POST"}, {"OPTIONS", "nothing", 404, ""},
		{"HEAD", "groups", 200, ""}, {"HEAD", "groups/2", 200, ""}, {"HEAD", "groups/9", 404, ""},
	} {
		for _, token := range []string{"", "-"} {
			a := l.do(t, request{method: c.method, path: c.path, token: token})
			if token == "-" && a.status == 401 && c.allow == "" {
				continue
			}
			if a.status != c.status || a.header.Get("Allow") != c.allow {
				t.Errorf("%s %s: %d, Allow %q", c.method, c.path, a.status, a.header.Get("Allow"))
			}
		}
	}
	if a := l.do(t, request{method: "HEAD", path: "groups/2"}); a.header.Get("ETag") != `"1"` {
		t.Errorf("HEAD: %v", a.header)
	}
}

// A change has to say which revision it is of.
func TestPreconditions(t *testing.T) {
	for _, rt := range web.NewMux(New(Deps{})).Routes() {
		if !conditional(rt) {
			continue
		}
		t.Run(rt.Name, func(t *testing.T) {
			l := newLab(t)
			q := l.acme.example(rt)
			before := l.inventory(t, &l.acme)
			for _, c := range []struct {
				header string
				status int
			}{
				{"", 428}, {`"0"`, 412}, {`"99"`, 412}, {`"x"`, 412}, {`""`, 412}, {`"01"`, 412}, {`"9223372036854775808"`, 412},
				{`1`, 400}, {`W/"1"`, 400}, {`"1", "2"`, 400}, {`"`, 400}, {`*, "1"`, 400},
			} {
				q.headers = nil
				if c.header != "" {
					q.headers = []string{"If-Match", c.header}
				}
				if a := l.do(t, q); a.status != c.status {
					t.Errorf("If-Match %s: %d %s", c.header, a.status, a.body)
				}
			}
			if after := l.inventory(t, &l.acme); after != before {
				t.Errorf("something has changed:\n%s\nwas\n%s", after, before)
			}
			path := q.path
			if rt.Method == "POST" { // to something below what it changes
				path = path[:strings.LastIndexByte(path, '/')]
			}
			seen := l.do(t, request{method: "GET", path: path})
			tag := seen.header.Get("ETag")
			q.headers = []string{"If-Match", tag}
			if a := l.do(t, q); a.status >= 300 || a.header.Get("ETag") == tag {
				t.Errorf("with the tag %s: %d %s, and then %q", tag, a.status, a.body, a.header.Get("ETag"))
			}
			if a := l.do(t, q); a.status != 412 && a.status != 404 {
				t.Errorf("with the tag of before: %d", a.status)
			}
		})
	}
}

// unrecorded are calls that change nothing of the account. Who asked for a run stands with the run.
var unrecorded = map[string]bool{"admin_policy_compare": true, "admin_dry_run": true, "admin_run_cancel": true}

// What changes something leaves a trace that names the application.
func TestChangesAreRecorded(t *testing.T) {
	for _, rt := range web.NewMux(New(Deps{})).Routes() {
		if rt.Method == "GET" || unrecorded[rt.Name] {
			continue
		}
		t.Run(rt.Name, func(t *testing.T) {
			l := newLab(t)
			l.advance(time.Hour)
			l.do(t, l.acme.example(rt))
			seen := l.do(t, request{method: "GET", path: "events?since=" + l.now().Add(-time.Minute).Format(time.RFC3339)}).want(t, 200)
			list, _ := seen["items"].([]any)
			if len(list) == 0 || !strings.Contains(fmt.Sprint(list), "actor:"+l.admin(t)) {
				t.Errorf("%v", list)
			}
		})
	}
}

// admin gives the client id behind the token that tests call with.
func (l *lab) admin(t *testing.T) string {
	t.Helper()
	g, err := l.who.Authenticate(t.Context(), l.acme.tokens[scope.Admin])
	must(t, err)
	return g.ClientID
}

// walk collects a list part by part.
func (l *lab) walk(t *testing.T, path string) []string {
	t.Helper()
	var out []string
	for target := path; ; {
		a := l.do(t, request{method: "GET", path: target})
		m := a.want(t, http.StatusOK)
		items, _ := m["items"].([]any)
		for _, item := range items {
			o, _ := item.(map[string]any)
			id, _ := o["id"].(string)
			if id == "" {
				id, _ = o["device_id"].(string)
			}
			out = append(out, id)
		}
		next, _ := m["next"].(string)
		link := a.header.Get("Link")
		if next == "" {
			if link != "" {
				t.Errorf("a link %q at the end", link)
			}
			return out
		}
		target = strings.TrimPrefix(strings.TrimSuffix(link, `>; rel="next"`), "<"+prefix)
		if !strings.Contains(target, "after="+next) {
			t.Fatalf("next %q, link %q", next, link)
		}
	}
}

func TestWalks(t *testing.T) {
	l := newLab(t)
	for i := range 7 {
		l.do(t, request{method: "POST", path: "groups", body: fmt.Sprintf(`{"name":"g%d"}`, i)}).want(t, 201)
		l.do(t, request{method: "POST", path: "applications", body: `{"name":"a"}`}).want(t, 201)
		l.do(t, request{method: "PUT", path: "devices/" + l.enrol(t, l.acme.account.ID, fmt.Sprint("x", i)) + "/exemption", body: `{"reason":"r"}`}).want(t, 200)
		l.do(t, request{method: "PUT", path: "devices/" + l.enrol(t, l.acme.account.ID, fmt.Sprint("y", i)) + "/quarantine", body: `{"reason":"r"}`}).want(t, 200)
	}
	for path, least := range map[string]int{"groups?": 9, "applications?": 7 + 4, "exemptions?": 7, "quarantines?": 8, "events?": 30, "events?category=admin,device&": 30} {
		whole := l.walk(t, path+"limit=500")
		if len(whole) < least {
			t.Errorf("%s: %d entries", path, len(whole))
		}
		for _, limit := range []int{1, 2, 5} {
			if got := l.walk(t, path+"limit="+strconv.Itoa(limit)); !slices.Equal(got, whole) {
				t.Errorf("%s in parts of %d: %v, whole %v", path, limit, got, whole)
			}
		}
	}
	first := l.do(t, request{method: "GET", path: "groups?limit=2"}).want(t, 200)["next"].(string)
	for _, path := range []string{
		"groups?after=x", "groups?after=", "groups?after=" + first[1:], "groups?after=" + first + "A", "applications?after=" + first, "groups?after=%00",
		"groups?limit=0", "groups?limit=501", "groups?limit=x", "groups?limit=1&limit=2", "groups?limit=01", "groups?limit=1.0", "groups?bogus=1", "groups?%ff=1",
		"groups?%zz=1", "events?kind=bogus", "events?kind=", "events?category=device&kind=moved", "events?since=yesterday", "events?until=1969-01-01T00:00:00Z",
		"events?category=device,,admin", "exemptions?limit=-1", "applications?q=x", "quarantines?;",
	} {
		if a := l.do(t, request{method: "GET", path: path}); a.status != 400 {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := l.do(t, request{method: "GET", path: "groups?limit=x&after=y&bogus=1"}); !a.about(t, "limit") || !a.about(t, "after") || !a.about(t, "bogus") {
		t.Errorf("not every mistake is told: %s", a.body)
	}
}

// The policy that Muster comes with is version 0, and has a tag like any other.
func TestDefaultPolicy(t *testing.T) {
	l := newLab(t)
	a := l.do(t, request{method: "GET", path: "policies/1"})
	if m := a.want(t, 200); m["version"] != 0.0 || a.header.Get("ETag") != `"0"` {
		t.Errorf("%v, tag %s", m, a.header.Get("ETag"))
	}
	q := request{method: "PUT", path: "policies/1", body: bodies["admin_policy_save"], headers: []string{"If-Match", `"0"`}}
	if a = l.do(t, q); a.status != 200 || a.header.Get("ETag") != `"1"` {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a = l.do(t, q); a.status != 412 {
		t.Errorf("once more: %d", a.status)
	}
	q.headers[1] = `"1"`
	if a = l.do(t, q); a.status != 200 || a.header.Get("ETag") != `"1"` {
		t.Errorf("what it says already: %d, tag %s", a.status, a.header.Get("ETag"))
	}
	for path, status := range map[string]int{"policies/1/versions/0": 200, "policies/1/versions/1": 200, "policies/1/versions/2": 404, "policies/1/versions/-1": 404, "policies/1/versions/x": 404} {
		if a = l.do(t, request{method: "GET", path: path}); a.status != status {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	if a = l.do(t, request{method: "DELETE", path: "policies/1", headers: []string{"If-Match", "*"}}); a.status != 409 {
		t.Errorf("deleting it: %d", a.status)
	}
}

// A policy comes as YAML to those who ask for it, and goes in as YAML; a mistake names the member.
func TestPolicyAsYAML(t *testing.T) {
	l := newLab(t)
	path := "policies/" + l.acme.policy
	for accept, kind := range map[string]string{
		"application/yaml": "application/yaml", "application/x-yaml;q=0.9, */*": "application/yaml", "text/yaml": "application/yaml",
		"": "application/json", "*/*": "application/json", "application/json, application/yaml": "application/json", "text/html": "application/json",
	} {
		a := l.do(t, request{method: "GET", path: path, headers: []string{"Accept", accept}})
		if a.status != 200 || a.header.Get("Content-Type") != kind || a.header.Get("Vary") != "Accept" {
			t.Errorf("Accept %q: %d, %v", accept, a.status, a.header)
		}
	}
	yaml := []string{"If-Match", "*", "Content-Type", "application/yaml"}
	text := l.do(t, request{method: "GET", path: path, headers: []string{"Accept", "application/yaml"}}).body
	if a := l.do(t, request{method: "PUT", path: path, body: text, headers: yaml}); a.status != 200 || a.header.Get("ETag") != `"3"` {
		t.Errorf("the same again: %d, tag %s", a.status, a.header.Get("ETag"))
	}
	for member, body := range map[string]string{
		"checks[0].severity": strings.Replace(text, "severity: critical", "severity: deadly", 1), "bogus": text + "bogus: 1\n",
	} {
		if a := l.do(t, request{method: "PUT", path: path, body: body, headers: yaml}); a.status != 400 || !a.mentions(t, member) {
			t.Errorf("%s: %d %s", member, a.status, a.body)
		}
	}
}
