package api

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"muster/test/openapi"
)

// FuzzHandler sends any path value, query and body to any route of the door. Whatever comes, the server does not fail,
// and the answer is JSON as api/openapi.yaml describes it, or a file that a report is; a refusal says what is wrong.
func FuzzHandler(f *testing.F) {
	described := openapi.Load(f)
	routes := newLab().mux.Routes()
	number := make(map[string]uint8, len(routes)) // of a route
	for i, rt := range routes {
		number[rt.Method+" "+rt.Path] = uint8(i)
		q := example(rt)
		_, query, _ := strings.Cut(q.target, "?")
		f.Add(uint8(i), hardwareID, query, q.body)
	}
	for _, c := range callExchanges {
		path, query, _ := strings.Cut(prefix+c.target, "?")
		value := ""
		if _, rest, ok := strings.Cut(path, "/devices/"); ok {
			if named, last, ok := strings.Cut(rest, "/"); ok {
				value, path = named, strings.TrimSuffix(path, rest)+"{value}/"+last
			}
		}
		i, ok := number[c.method+" "+path]
		if !ok {
			f.Fatalf("no route for %s %s", c.method, path)
		}
		f.Add(i, value, query, c.body)
	}
	f.Fuzz(func(t *testing.T, route uint8, value, query, body string) {
		rt := routes[int(route)%len(routes)]
		l := newLab()
		r, err := http.NewRequest(rt.Method, "/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Path, r.URL.RawQuery, r.ContentLength = strings.ReplaceAll(rt.Path, "{value}", value), query, int64(len(body))
		if rt.Method == http.MethodGet {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("")), 0
		}
		r.Header.Set("Authorization", "Bearer "+freeToken)
		a := l.serve(r)
		a.wellFormed(t, rt.Name)
		described.CheckExchange(t, r, []byte(body), a.status, a.header, []byte(a.body))
	})
}

// wellFormed checks what holds of every answer but those of a broken server.
func (a answer) wellFormed(t *testing.T, operation string) {
	t.Helper()
	if a.status >= 500 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	switch kind := a.header.Get("Content-Type"); {
	case kind == "application/json":
	case operation == "reports" && a.status == 200 && (strings.HasPrefix(kind, "text/csv") || kind == "application/zip"):
		return
	default:
		t.Fatalf("%d, Content-Type %q", a.status, kind)
	}
	var value any
	if err := json.Unmarshal([]byte(a.body), &value); err != nil || holdsNull(value) {
		t.Fatalf("no JSON, or a null in it: %v, %s", err, a.body)
	}
	if a.status < 400 {
		return
	}
	m, _ := value.(map[string]any)
	word, _ := m["error"].(string)
	about, _ := m["error_description"].(string)
	if word == "" || about == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
}
