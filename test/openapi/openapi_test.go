package openapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	spec "muster/api"
	"muster/internal/admin"
	"muster/internal/api"
	"muster/internal/oauth"
	"muster/internal/web"
)

// problems loads a document and says what is wrong with it.
func problems(t *testing.T, text []byte) error {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return err
	}
	if !doc.IsOpenAPI31OrLater() {
		t.Fatal("this is not OpenAPI 3.1")
	}
	return doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaDefaultsValidation(), openapi3.EnableMultiError())
}

// The document is valid, and so is each example in it.
func TestDocument(t *testing.T) {
	for _, text := range [][]byte{spec.YAML, spec.AdminYAML} {
		if err := problems(t, text); err != nil {
			t.Error(err)
		}
	}
}

// That the check of the document is one.
func TestDocumentCheckBites(t *testing.T) {
	for _, c := range []struct{ name, old, replacement, about string }{
		{"an example with a member nobody described", "result: 1, msg: OK", "result: 1, msg: OK, stray: 1", "stray"},
		{"an example of the wrong type", "expires_in: 43199", "expires_in: soon", "expires_in"},
		{"an example with a word that is not in the list", "status: non_compliant", "status: non-compliant", "status"},
		{"an example that is not the constant", "token_type: bearer", "token_type: mac", "token_type"},
		{"a type that does not exist", "type: integer", "type: whole", "whole"},
		{"a reference to nothing", "#/components/schemas/Time", "#/components/schemas/Tide", "Tide"},
		{"a default that its schema does not allow", "default: des", "default: down", "down"},
		{"the same operation twice", "operationId: getDevicesV2_1", "operationId: getDevicesV2", "getDevicesV2"},
		{"an operation without answers", "operationId: getDevicesV2\n", "operationId: getDevicesV2\n      bogus: 1\n", "bogus"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !bytes.Contains(spec.YAML, []byte(c.old)) {
				t.Fatalf("the document has no %q", c.old)
			}
			err := problems(t, bytes.Replace(spec.YAML, []byte(c.old), []byte(c.replacement), 1))
			if err == nil || !strings.Contains(err.Error(), c.about) {
				t.Errorf("found %v, want something about %s", err, c.about)
			}
		})
	}
}

// Every object of an answer names all that may be in it. Otherwise a member that nobody described would pass unseen.
func TestAnswersAreClosed(t *testing.T) {
	answersAreClosed(t, Load(t), 100)
	answersAreClosed(t, LoadAdmin(t), 30)
}

func answersAreClosed(t *testing.T, c *Checker, least int) {
	t.Helper()
	seen := map[*openapi3.Schema]bool{}
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status, r := range op.Responses.Map() {
				for kind, media := range r.Value.Content {
					if media.Schema != nil {
						closed(t, strings.Join([]string{method, path, status, kind}, " "), media.Schema.Value, seen)
					}
				}
			}
		}
	}
	if len(seen) < least {
		t.Errorf("only %d schemas were looked at", len(seen))
	}
}

func closed(t *testing.T, where string, s *openapi3.Schema, seen map[*openapi3.Schema]bool) {
	if seen[s] {
		return
	}
	seen[s] = true
	if s.Type.Is("object") && s.AdditionalProperties.Schema == nil && (s.AdditionalProperties.Has == nil || *s.AdditionalProperties.Has) {
		t.Errorf("%s: an object lets any member pass", where)
	}
	if s.Type == nil && len(s.OneOf) == 0 {
		t.Errorf("%s: a schema without a type", where)
	}
	for name, p := range s.Properties {
		closed(t, where+" "+name, p.Value, seen)
	}
	if s.Items != nil {
		closed(t, where+"[]", s.Items.Value, seen)
	}
	if s.AdditionalProperties.Schema != nil {
		closed(t, where+"{}", s.AdditionalProperties.Schema.Value, seen)
	}
	for _, one := range s.OneOf {
		closed(t, where, one.Value, seen)
	}
}

// Every version of every call of the reference, as the method and the path.
var reference = strings.Fields(`
	GET devices: 2 2.1 2.2 2.3                  POST devices: 3 3.1 3.2 3.3 3.4 3.5 3.6 3.7   GET devices/search: 2.1
	GET devices/{value}: 2 2.1 2.3 2.5          POST devices/{value}: 3
	POST devices/detail: 3.1 3.2 3.3 3.4 3.5 3.6 3.7 3.8                                      POST device_info: 3
	POST devices/{value}/delete: 2 2.2          POST devices/delete: 2
	POST devices/{value}/action: 2              POST devices/action: 2 3 3.1 3.2 3.3
	GET devices/status_changed: 2.1             POST devices/status_changed: 3                POST devices/{value}/link_user: 2
	GET devices/{value}/policy_check: 2 2.2     POST devices/policy_check: 2                  GET devices/stats: 2
	GET devices/{value}/remediation: 2 2.2 3    POST get_threats: 3                           POST get_cves: 3 3.1 3.2
	POST get_reports: 2                         GET get_reports: 3 3.1
	GET account: 2 3 3.1                        POST account: 2 3 3.1 3.2                     GET account/policy: 2
	POST configuration: 3 3.1                   POST groups: 3                                POST activities: 3
	GET logs: 2                                 POST logs: 3 3.1 3.2 3.3
	POST apps: 3                                POST apps/details: 3                          POST cves: 3 3.1 3.2`)

func TestEveryVersionIsDescribed(t *testing.T) {
	want := map[string]bool{
		"GET /o/oauth/token": true, "POST /o/oauth/token": true, "POST /o/oauth/revoke": true,
		"GET /o/oauth2/token": true, "POST /o/oauth2/token": true, "POST /o/oauth2/revoke": true,
	}
	var method, path string
	for _, word := range reference {
		switch {
		case word == "GET" || word == "POST":
			method = word
		case strings.HasSuffix(word, ":"):
			path = strings.TrimSuffix(word, ":")
		default:
			want[method+" /o/api/v"+word+"/"+path] = true
		}
	}
	for path, item := range Load(t).doc.Paths.Map() {
		for method, op := range item.Operations() {
			if !want[method+" "+path] {
				t.Errorf("%s %s is described, and not in the reference", method, path)
			}
			delete(want, method+" "+path)
			if op.Extensions["x-call"] == nil || op.Extensions["x-permission"] == nil || op.Summary == "" || len(op.Tags) != 1 {
				t.Errorf("%s %s lacks x-call, x-permission, a summary or a tag", method, path)
			}
		}
	}
	for missing := range want {
		t.Errorf("%s is not described", missing)
	}
}

// The routes that there are, are described. That all that is described has a route is CheckRoutes' other half.
func TestRoutesOfTheDoors(t *testing.T) {
	routes := web.NewMux(api.New(api.Deps{}), oauth.New(nil)).Routes()
	Load(t).CheckRoutes(t, routes)
	admin := web.NewMux(admin.New(admin.Deps{})).Routes()
	LoadAdmin(t).CheckRoutes(t, admin)
}

func TestRouteCheckBites(t *testing.T) {
	c := Load(t)
	route := func(method, path string, scope web.Scope) web.Route {
		return web.Route{Method: method, Path: path, Scope: scope}
	}
	for _, good := range []web.Route{
		route("GET", "/o/api/v2/account", web.Read), route("GET", "/o/api/v2.0/account.json", web.Read), route("POST", "/o/api/v3.0/devices", web.Read),
		route("POST", "/o/api/v2.0/devices/{value}/link_user", web.Write), route("GET", "/o/oauth/token", web.Public), route("GET", "/healthz", web.Public),
	} {
		if got := c.Undescribed([]web.Route{good}); len(got) != 0 {
			t.Errorf("%v", got)
		}
	}
	for _, bad := range []web.Route{
		route("PUT", "/o/api/v2/account", web.Read), route("GET", "/o/api/v3.9/account", web.Read), route("GET", "/o/api/v3/account.json", web.Read),
		route("POST", "/o/api/v2/devices/{value}/link_user", web.Read), route("POST", "/o/api/v2/devices/{id}/link_user", web.Write),
	} {
		if got := c.Undescribed([]web.Route{bad}); len(got) != 1 {
			t.Errorf("%v: %q", bad, got)
		}
	}
	all := 0
	for _, item := range c.doc.Paths.Map() {
		all += len(item.Operations())
	}
	if got := len(c.Unrouted(nil)); got != all {
		t.Errorf("without routes, %d operations lack one, want %d", got, all)
	}
	left := c.Unrouted([]web.Route{route("GET", "/o/api/v2.0/account", web.Read)})
	if len(left) != all-1 || slices.ContainsFunc(left, func(s string) bool { return strings.HasPrefix(s, "GET /o/api/v2/account ") }) {
		t.Errorf("%d left", len(left))
	}
}

const link = `"name":"Acme Lab","date_created":"2023-11-20T10:00:00Z","devices_allowed":100,"devices_used":3,"devices_uncompliant":1,"devices_critical":1,"devices_issues":1`

func TestExchanges(t *testing.T) {
	const plainError, resultError = `{"error":"x","error_description":"y"}`, `{"error":"x","error_description":"y","result":0,"msg":"y"}`
	for _, c := range []struct {
		method, path, kind string
		status             int
		body               string
		about              string // of the complaint; "" for none
	}{
		{"GET", "/o/api/v2/account", "", 200, `{` + link + `}`, ""},
		{"GET", "/o/api/v2.0/account.json", "", 200, `{` + link + `}`, ""},
		{"GET", "/o/api/v2/account?verify=True", "", 200, `{` + link + `}`, ""},
		{"GET", "/o/api/v2/account", "", 200, `{` + link + `,"stray":1}`, "stray"},
		{"GET", "/o/api/v2/account", "", 200, `{` + link + `,"email":null}`, "email"},
		{"GET", "/o/api/v2/account", "", 200, `{` + link + `,"license_key":"0"}`, "license_key"},
		{"GET", "/o/api/v2/account", "", 200, strings.Replace(`{`+link+`}`, "Z", "+01:00", 1), "date_created"},
		{"GET", "/o/api/v2/account", "", 200, strings.Replace(`{`+link+`}`, "100", `"100"`, 1), "devices_allowed"},
		{"GET", "/o/api/v2/account", "", 200, `{}`, "devices_used"},
		{"GET", "/o/api/v2/account", "", 200, `nonsense`, "body"},
		{"GET", "/o/api/v2/account", "text/html", 200, `{` + link + `}`, "text/html"},
		{"GET", "/o/api/v2/account", "", 201, `{` + link + `}`, "status"},
		{"GET", "/o/api/v2/account", "", 418, plainError, "status"},
		{"GET", "/o/api/v2/account", "", 405, plainError, "status"},
		{"GET", "/o/api/v2/account", "", 401, plainError, ""},
		{"GET", "/o/api/v2/account", "", 401, resultError, "result"},
		{"GET", "/o/api/v2/account", "", 401, ``, "body"},
		{"PUT", "/o/api/v2/account", "", 405, plainError, ""},
		{"PUT", "/o/api/v2/account", "", 200, `{` + link + `}`, "method"},
		{"HEAD", "/o/api/v2/account", "", 200, ``, ""},
		{"HEAD", "/o/api/v2/account", "", 418, ``, "status"},
		{"HEAD", "/o/api/v3.2/account", "", 405, ``, ""},
		{"GET", "/o/api/v2.7/account", "", 404, plainError, ""},
		{"GET", "/o/api/v2.7/account", "", 404, `404 page not found`, "body"},
		{"GET", "/o/api/v2.7/account", "", 200, `{}`, "path"},
		{"GET", "/o/api/v2/account/", "", 200, `{` + link + `}`, "path"},
		{"GET", "/o/oauth/nothing", "", 404, `{"error":"invalid_request","error_description":"y"}`, ""},
		{"GET", "/o/oauth/nothing", "", 404, plainError, "error"},
		{"POST", "/o/api/v2/devices/02:42:ac:11:00:07/link_user", "", 200, `{"result":1,"msg":"OK"}`, ""},
		{"POST", "/o/api/v2/devices/02:42:ac:11:00:07/link_user", "", 200, `{"result":2,"msg":"OK"}`, "result"},
		{"POST", "/o/api/v2/devices/a%2Fb/link_user", "", 400, resultError, ""},
		{"POST", "/o/api/v2/devices/a/link_user", "", 400, plainError, "result"},
		{"POST", "/o/api/v2/devices//link_user", "", 200, `{"result":1,"msg":"OK"}`, "path"},
		{"POST", "/o/api/v2/devices/../link_user", "", 404, plainError, ""},
		{"POST", "/o/api/v2/devices/a%2F../link_user", "", 404, plainError, ""},
		{"POST", "/o/api/v2/devices/a%2F../link_user", "", 200, `{"result":1,"msg":"OK"}`, "path"},
		{"POST", "/o/api/v2/devices/%2F/link_user", "", 404, plainError, ""},
		{"GET", "/o/api/v2/devices/policy_check", "", 404, plainError, ""},
		{"GET", "/o/api/v2/devices/stats", "", 200, `{"total_count":0,"devices":[]}`, ""},
		{"GET", "/o/api/v2/devices/7", "", 200, `{"total_count":0,"devices":[]}`, "hwid"},
		{"POST", "/o/api/v3.3/devices", "", 200, `[]`, ""},
		{"POST", "/o/api/v3.3/devices", "", 200, `{"devices":[],"next_token":""}`, "array"},
		{"POST", "/o/api/v3.4/devices", "", 200, `{"devices":[],"next_token":""}`, ""},
		{"POST", "/o/api/v3.4/devices", "", 200, `{"devices":[]}`, "next_token"},
		{"POST", "/o/api/v3/logs", "", 200, `{"logs":[]}`, ""},
		{"POST", "/o/api/v3/logs", "", 200, `{"data":[],"token":""}`, ""},
		{"POST", "/o/api/v3/logs", "", 200, `{"logs":[],"token":""}`, "oneOf"},
		{"POST", "/o/api/v3/devices/action", "", 200, `{"5f0c":1,"dead":-1}`, ""},
		{"POST", "/o/api/v3/devices/action", "", 200, `{"5f0c":2}`, "5f0c"},
		{"GET", "/o/api/v3/get_reports", "text/csv; charset=utf-8", 200, "kb,devices\nKB1,\"2\"\n", ""},
		{"GET", "/o/api/v3/get_reports", "application/zip", 200, "PK\x03\x04", ""},
		{"GET", "/o/api/v3/get_reports", "", 200, `{"status":0,"message":"y"}`, ""},
		{"POST", "/o/api/v2/get_reports", "application/zip", 200, "PK\x03\x04", "application/zip"},
	} {
		t.Run(c.method+" "+c.path+" "+c.body, func(t *testing.T) {
			header := http.Header{"Content-Type": {"application/json"}}
			if c.kind != "" {
				header.Set("Content-Type", c.kind)
			}
			rec := &recorder{TB: t}
			Load(t).CheckExchange(rec, httptest.NewRequest(c.method, c.path, nil), nil, c.status, header, []byte(c.body))
			if (c.about == "") != (rec.complaint == "") || !strings.Contains(rec.complaint, c.about) {
				t.Errorf("the complaint is %q, want one about %q", rec.complaint, c.about)
			}
		})
	}
}

// recorder keeps a complaint instead of failing.
type recorder struct {
	testing.TB
	complaint string
}

func (r *recorder) Errorf(_ string, args ...any) {
	err, _ := args[len(args)-1].(error)
	r.complaint = err.Error()
}

func TestPackedAnswer(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write([]byte(`{` + link + `,"stray":1}`))
	w.Close()
	header := http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}
	req := httptest.NewRequest("GET", "/o/api/v2/account", nil)
	for body, about := range map[string]string{packed.String(): "stray", "no gzip": "gzip"} {
		rec := &recorder{TB: t}
		Load(t).CheckExchange(rec, req, nil, 200, header, []byte(body))
		if !strings.Contains(rec.complaint, about) {
			t.Errorf("%q", rec.complaint)
		}
	}
}

// Every example of an answer passes the check as an answer.
func TestExamplesAreAnswers(t *testing.T) {
	c, n := Load(t), 0
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			for status, r := range op.Responses.Map() {
				media := r.Value.Content["application/json"]
				if media == nil {
					continue
				}
				body, err := json.Marshal(media.Example)
				if err != nil || media.Example == nil {
					t.Fatalf("%s %s %s has no example: %v", method, path, status, err)
				}
				var code int
				if err := json.Unmarshal([]byte(status), &code); err != nil {
					t.Fatal(err)
				}
				req := httptest.NewRequest(method, strings.ReplaceAll(path, "{value}", "02:42:ac:11:00:07"), nil)
				c.CheckExchange(t, req, nil, code, http.Header{"Content-Type": {"application/json"}}, body)
				n++
			}
		}
	}
	if n < 500 {
		t.Errorf("only %d examples", n)
	}
}
