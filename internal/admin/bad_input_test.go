package admin

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"muster/internal/web"
	"muster/test/openapi"
)

// wrongTypes are values that members of a type do not take.
var wrongTypes = map[string][]string{
	"string":  {`5`, `true`, `[]`, `{}`, `null`, `"\ud800"`, `"a\u0000b"`, `["a"]`},
	"integer": {`"5"`, `1.5`, `1e3`, `true`, `null`, `[]`, `{}`, `99999999999999999999`, `-0`, `""`},
	"boolean": {`1`, `0`, `"true"`, `null`, `[]`, `{}`, `""`},
	"array":   {`5`, `"a"`, `null`, `{}`, `true`, `[null]`},
	"object":  {`5`, `"a"`, `null`, `[]`, `true`, `{"bogus":1}`},
}

// badValues are values that a member does not take, by what the description says of it.
func badValues(s *openapi3.Schema) []string {
	var out []string
	for kind, list := range wrongTypes {
		if s.Type.Is(kind) {
			out = append(out, list...)
		}
	}
	if s.MaxLength != nil {
		out = append(out, fmt.Sprintf("%q", strings.Repeat("a", int(*s.MaxLength)+1)))
	}
	if s.MinLength > 0 {
		out = append(out, `""`)
	}
	if s.Min != nil {
		out = append(out, fmt.Sprint(*s.Min-1))
	}
	if s.Max != nil {
		out = append(out, fmt.Sprintf("%.0f", *s.Max+1))
	}
	if len(s.Enum) > 0 {
		out = append(out, `"bogus"`)
	}
	if s.Format == "date-time" {
		out = append(out, `"tomorrow"`, `"2026-02-30T00:00:00Z"`, `"2026-03-01"`, `""`, `"0001-01-01T00:00:00Z"`, `"1969-12-31T00:00:00Z"`)
	}
	return out
}

// badMembers gives for each member of a body, also within objects, values that it does not take.
func badMembers(at string, s *openapi3.Schema, found map[string][]string) {
	for name, member := range s.Properties {
		found[at+name] = badValues(member.Value)
		if member.Value.Type.Is("object") {
			badMembers(at+name+".", member.Value, found)
		}
	}
}

// with puts a value into a body, in place of what it has there.
func with(t *testing.T, body, member, value string) string {
	t.Helper()
	var m map[string]json.RawMessage
	must(t, json.Unmarshal([]byte(body), &m))
	name, rest, nested := strings.Cut(member, ".")
	if nested {
		inner := string(m[name])
		if inner == "" {
			inner = "{}"
		}
		value = with(t, inner, rest, value)
	}
	m[name] = json.RawMessage(value)
	var parts []string
	for k, v := range m {
		parts = append(parts, fmt.Sprintf("%q:%s", k, v))
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ",") + "}"
}

func bodyRoutes() []web.Route {
	return slices.DeleteFunc(web.NewMux(New(Deps{})).Routes(), func(rt web.Route) bool { return !takesBody(rt) })
}

// Every member of every body, with every kind of value that it does not take: the answer names it, and nothing changes.
func TestBadMembers(t *testing.T) {
	described := openapi.LoadAdmin(t)
	for _, rt := range bodyRoutes() {
		schema := described.BodySchema(rt.Method, rt.Path)
		if schema == nil {
			continue
		}
		t.Run(rt.Name, func(t *testing.T) {
			l := newLab(t)
			before := l.inventory(t, &l.acme)
			q := l.acme.example(rt)
			good := q.body
			found := map[string][]string{}
			badMembers("", schema, found)
			for member, values := range found {
				for _, value := range values {
					q.body = with(t, good, member, value)
					if a := l.do(t, q); a.status != 400 || !a.mentions(t, member) {
						t.Errorf("%s: %d %s", clip(q.body), a.status, a.body)
					}
				}
			}
			for _, member := range schema.Required {
				q.body = without(t, good, member)
				if a := l.do(t, q); a.status != 400 || !a.about(t, member) {
					t.Errorf("%s: %d %s", q.body, a.status, a.body)
				}
			}
			if after := l.inventory(t, &l.acme); after != before {
				t.Errorf("something has changed:\n%s\nwas\n%s", after, before)
			}
		})
	}
}

// mentions is about for a member or something within it.
func (a answer) mentions(t *testing.T, member string) bool {
	for _, m := range a.problem(t).Errors {
		if m.Field == member || strings.HasPrefix(m.Field, member+".") || strings.HasPrefix(m.Field, member+"[") {
			return true
		}
	}
	return false
}

func clip(text string) string { return text[:min(len(text), 200)] }

func without(t *testing.T, body, member string) string {
	t.Helper()
	var m map[string]json.RawMessage
	must(t, json.Unmarshal([]byte(body), &m))
	delete(m, member)
	text, err := json.Marshal(m)
	must(t, err)
	return string(text)
}

// Bodies that are wrong as a whole.
func TestBadBodies(t *testing.T) {
	for _, rt := range bodyRoutes() {
		t.Run(rt.Name, func(t *testing.T) {
			l := newLab(t)
			before := l.inventory(t, &l.acme)
			q := l.acme.example(rt)
			good := q.body
			for _, c := range []struct {
				name, body, kind, coding string
				status                   int
			}{
				{name: "nothing", body: "", status: 400},
				{name: "blanks", body: "  \n", status: 400},
				{name: "an array", body: "[]", status: 400},
				{name: "null", body: "null", status: 400},
				{name: "a number", body: "1", status: 400},
				{name: "no JSON", body: "{", status: 400},
				{name: "more behind it", body: good + "{}", status: 400},
				{name: "not UTF-8", body: `{"a":"` + "\xff" + `"}`, status: 400},
				{name: "a member nobody knows", body: `{"bogus":1}`, status: 400},
				{name: "a member twice", body: good[:len(good)-1] + "," + good[1:], status: 400},
				{name: "a member in other letters", body: strings.ToUpper(good), status: 400},
				{name: "deep", body: `{"name":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, status: 400},
				{name: "too deep", body: `{"name":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, status: 400},
				{name: "too large", body: strings.Repeat(" ", maxBody) + good, status: 413},
				{name: "XML", body: "<x/>", kind: "text/xml", status: 415},
				{name: "a form", body: "name=x", kind: "application/x-www-form-urlencoded", status: 415},
				{name: "other letters", body: good, kind: "application/json; charset=iso-8859-1", status: 415},
				{name: "no media type", body: good, kind: "json json", status: 415},
				{name: "packed", body: good, coding: "gzip", status: 415},
			} {
				q.body, q.headers = c.body, l.acme.example(rt).headers
				if c.kind != "" {
					q.headers = append(q.headers, "Content-Type", c.kind)
				}
				if c.coding != "" {
					q.headers = append(q.headers, "Content-Encoding", c.coding)
				}
				if a := l.do(t, q); a.status != c.status {
					t.Errorf("%s: %d %s", c.name, a.status, a.body)
				}
			}
			if after := l.inventory(t, &l.acme); after != before {
				t.Errorf("something has changed:\n%s\nwas\n%s", after, before)
			}
			for _, kind := range []string{"application/json", "application/json; charset=UTF-8", "application/merge-patch+json"} {
				q.body, q.headers = "{}", append(l.acme.example(rt).headers, "Content-Type", kind, "Content-Encoding", "identity")
				if a := l.do(t, q); a.status == 415 {
					t.Errorf("%s: %d", kind, a.status)
				}
			}
		})
	}
}

// Who sends a body where none is looked at, or a parameter that there is not, means something by it.
func TestNothingIsIgnored(t *testing.T) {
	for _, rt := range web.NewMux(New(Deps{})).Routes() {
		l := newLab(t)
		before := l.inventory(t, &l.acme)
		q := l.acme.example(rt)
		mark := "?"
		if strings.Contains(q.path, mark) {
			mark = "&"
		}
		q.path += mark + "bogus=1"
		if a := l.do(t, q); a.status != 400 || !a.mentions(t, "bogus") {
			t.Errorf("%s: %d %s", rt.Name, a.status, a.body)
		}
		if q = l.acme.example(rt); rt.Method != "GET" && !takesBody(rt) {
			q.body = `{"a":1}`
			if a := l.do(t, q); a.status != 400 {
				t.Errorf("%s: with a body: %d %s", rt.Name, a.status, a.body)
			}
			q.body = strings.Repeat(" ", maxBody+1)
			if a := l.do(t, q); a.status != 413 {
				t.Errorf("%s: with a large body: %d %s", rt.Name, a.status, a.body)
			}
		}
		if after := l.inventory(t, &l.acme); after != before {
			t.Errorf("%s: something has changed:\n%s\nwas\n%s", rt.Name, after, before)
		}
	}
}

// Several mistakes are told at once, each with its member.
func TestEveryMistakeIsTold(t *testing.T) {
	l := newLab(t)
	a := l.do(t, request{method: "POST", path: "groups", body: `{"name":5,"auto_join":"yes","join_order":"first","remove_unseen":"soon","bogus":{}}`})
	for _, member := range []string{"name", "auto_join", "join_order", "remove_unseen", "bogus"} {
		if !a.about(t, member) {
			t.Errorf("nothing about %s: %s", member, a.body)
		}
	}
	a = l.do(t, request{method: "POST", path: "applications", body: `{"name":"","permission":"god","rate_limit":-2}`})
	for _, member := range []string{"name", "permission", "rate_limit"} {
		if !a.about(t, member) {
			t.Errorf("nothing about %s: %s", member, a.body)
		}
	}
}

// FuzzServer sends any path value, query, condition and body to any route of the door. Whatever comes, the server does not
// fail, and the answer is what api/admin.yaml describes.
func FuzzServer(f *testing.F) {
	l := newLab(f)
	routes := l.mux.Routes()
	for i, rt := range routes {
		q := l.acme.example(rt)
		f.Add(uint8(i), l.acme.device, "limit=1", "*", q.body)
		f.Add(uint8(i), "2", "", `"1"`, q.body)
	}
	described := openapi.LoadAdmin(f)
	token := l.acme.tokens["admin"]
	f.Fuzz(func(t *testing.T, route uint8, id, query, match, body string) {
		rt := routes[int(route)%len(routes)]
		if rt.Name == "admin_application_revoke" {
			return // of the application that calls
		}
		r := httptest.NewRequest(rt.Method, "/", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery = strings.ReplaceAll(rt.Path, "{id}", id), query
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("If-Match", match)
		w := httptest.NewRecorder()
		l.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		described.CheckExchange(t, r, []byte(body), w.Code, w.Header(), w.Body.Bytes())
		if w.Code >= 400 {
			answer{w.Code, w.Header(), w.Body.String()}.problem(t)
		}
	})
}
