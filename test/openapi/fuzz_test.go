package openapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/internal/testpg"
	"muster/internal/web"
)

// forged makes a cursor of a list for a position that the server did not give. There is nothing secret in a cursor: who
// reads how they are made can make any.
func forged(call string, chosen string, position []byte) string {
	list := sha256.Sum256(fmt.Appendf(nil, "%s 0 %s", call, chosen))
	sum := sha256.Sum256(append([]byte(hex.EncodeToString(list[:12])), position...))
	return base64.RawURLEncoding.EncodeToString(append(sum[:9:9], position...))
}

// forgeries stand in a body for cursors of the fuzzer's positions: of all devices, and of the events of devices of the last
// hour.
var forgeries = map[string]func([]byte) string{
	"@devices": func(p []byte) string { return forged("get_devices", `{"Nothing":false}`, p) },
	"@events":  func(p []byte) string { return forged("logs", `["device",[],3600]`, p) },
}

// attempt is one request of the fuzzer.
type attempt struct {
	route                   uint16
	method, value, query    string
	contentType, acceptable string
	body                    string
	position                []byte
}

func (a *attempt) add(f *testing.F) {
	f.Add(a.route, a.method, a.value, a.query, a.contentType, a.acceptable, a.body, a.position)
}

// request makes the request. The method is the route's unless the fuzzer has one that the server has any business with.
func (a *attempt) request(rt web.Route, token string) *http.Request {
	body := a.body
	for mark, forge := range forgeries {
		if strings.Contains(body, mark) {
			body = strings.ReplaceAll(body, mark, forge(a.position))
		}
	}
	r := httptest.NewRequest(rt.Method, strings.ReplaceAll(rt.Path, "{value}", url.PathEscape(a.value)), strings.NewReader(body))
	switch a.method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		r.Method = a.method
	case "chunked":
		r.ContentLength = -1
	}
	r.URL.RawQuery = a.query
	r.Header.Set("Authorization", "Bearer "+token)
	for name, value := range map[string]string{"Content-Type": a.contentType, "Accept-Encoding": a.acceptable} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return r
}

// seeds gives the recorded exchanges of internal/api as attempts, and what programs get wrong.
func seeds(t testing.TB, routes []web.Route) []attempt {
	t.Helper()
	number := make(map[string]uint16)
	for i, rt := range routes {
		number[rt.Method+" "+rt.Path] = uint16(i)
	}
	var out []attempt
	for _, path := range []string{"/o/api/v3.4/devices", "/o/api/v3.7/devices"} {
		for _, position := range []string{"", "00", "\x00", "\xff", strings.Repeat("0", 32), strings.Repeat("0", 32) + "\x00\xff"} {
			out = append(out, attempt{route: number["POST "+path], body: `{"token":"@devices"}`, position: []byte(position)})
		}
	}
	logs := number["POST /o/api/v3.2/logs"]
	out = append(out,
		attempt{route: logs, body: `{"event_category":"device","token":"@events"}`, position: []byte("019b7d1a8808\x00")},
		attempt{route: logs, body: `{"event_category":"device","token":"@events"}`, position: []byte(strings.Repeat("f", 32))})
	newest := make(map[string]int) // of each call: one version of it is enough to begin with
	for i, rt := range routes {
		newest[rt.Method+" "+rt.Name] = i
	}
	for _, i := range slices.Sorted(maps.Values(newest)) {
		rt := routes[i]
		out = append(out, attempt{route: uint16(i), value: knownMAC}, attempt{route: uint16(i), value: "\x00\xff/..%", method: "chunked", body: "{}"},
			attempt{route: uint16(i), method: "HEAD", value: "a"})
		if rt.Method == "GET" {
			out = append(out, attempt{route: uint16(i), value: knownMAC, query: "limit=9223372036854775807&page=2147483648"},
				attempt{route: uint16(i), value: knownMAC, query: "limit=50&page=2147483648"})
			continue
		}
		for _, body := range []string{
			`{"limit":50,"page":2147483648,"search":"%_\\'"}`, `{"limit":1e400,"page":-0,"age":1E2}`, `{"page":2.0,"limit":"1","search":"\u0000"}`,
			`{"ids":["` + knownMAC + `","00","\ud800"],"opt":1}`, `{"id":"` + knownMAC + `","id":7,"verbose":1}`,
			`{"filter":{"product_ids":[9223372036854775807,281474976710657],"group_ids":[9223372036854775807,0],"cve_ids":["'"]}}`,
			`{"product_id":281474976710656,"version":"1"}`, strings.Repeat("[", 70), strings.Repeat(`{"a":`, 65),
		} {
			out = append(out, attempt{route: uint16(i), value: knownHardware[0], body: body, acceptable: "gzip"})
		}
	}
	return append(out, exchanges(t, number)...)
}

// exchanges reads the recorded calls.
func exchanges(t testing.TB, number map[string]uint16) []attempt {
	t.Helper()
	files, err := filepath.Glob("../../internal/api/testdata/exchanges/*.http")
	must(t, err)
	var out []attempt
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		first, rest, _ := strings.Cut(string(text), "\n")
		method, target, _ := strings.Cut(first, " ")
		path, query, _ := strings.Cut(target, "?")
		a := attempt{query: query, contentType: "application/json"}
		if parts := strings.Split(path, "/"); len(parts) > 5 && parts[4] == "devices" {
			if _, fixed := number[method+" "+path]; !fixed {
				a.value, parts[5] = parts[5], "{value}"
				path = strings.Join(parts, "/")
			}
		}
		var known bool
		a.route, known = number[method+" "+path]
		if !known {
			t.Fatalf("%s: no route for %s %s", file, method, path)
		}
		if body, _, ok := strings.Cut(strings.TrimPrefix(rest, "\n"), "\n\n"); ok && json.Valid([]byte(body)) {
			a.body = body
		}
		out = append(out, a)
	}
	if len(out) < 90 {
		t.Fatalf("only %d exchanges", len(out))
	}
	return out
}

// FuzzServer sends anything to any route of the OAuth API of a whole server. Whatever comes, it does not fail, its answers
// are those of api/openapi.yaml, and nothing is logged as an error. What was deleted comes back. The record of events only grows:
// after some 50 000 runs a fresh start is faster.
func FuzzServer(f *testing.F) {
	database := ""
	if os.Getenv("MUSTER_FUZZ_POSTGRES") == "1" { // much slower: for a run by hand
		database = testpg.Database(f)
	}
	s := newSite(f, database, slog.LevelError)
	c := Load(f)
	routes := apiRoutes(s.mux)
	for _, a := range seeds(f, routes) {
		a.add(f)
	}
	f.Fuzz(func(t *testing.T, route uint16, method, value, query, contentType, acceptable, body string, position []byte) {
		rt := routes[int(route)%len(routes)]
		a := attempt{route, method, value, query, contentType, acceptable, body, position}
		w, r := httptest.NewRecorder(), a.request(rt, s.writer.token)
		s.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s: %d %s", r.Method, r.URL, w.Code, w.Body)
		}
		c.CheckExchange(t, r, []byte(body), w.Code, w.Header(), w.Body.Bytes())
		if text := s.log.take(); text != "" {
			t.Error(text)
		}
		if r.Method == rt.Method && rt.Scope == web.Write && w.Code == http.StatusOK && !bytes.Contains(w.Body.Bytes(), []byte("not found")) {
			s.mend(t)
		}
	})
}

// apiRoutes gives the routes of the OAuth API.
func apiRoutes(mux *web.Mux) []web.Route {
	var out []web.Route
	for _, rt := range mux.Routes() {
		if strings.HasPrefix(rt.Path, "/o/api/") {
			out = append(out, rt)
		}
	}
	return out
}

// TestForgedCursors sees that what seeds forge is taken for cursors: otherwise the fuzzer would test nothing but the digest.
func TestForgedCursors(t *testing.T) {
	s := newSite(t, "", slog.LevelError)
	for body, path := range map[string]string{
		`{"limit":3}`: "/o/api/v3.7/devices", `{"event_category":"device","limit":3,"token":""}`: "/o/api/v3.2/logs",
	} {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+s.writer.token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var got struct {
			Next  string `json:"next_token"`
			Token string `json:"token"`
		}
		must(t, json.Unmarshal(w.Body.Bytes(), &got))
		cursor := got.Next + got.Token
		raw, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || len(raw) < 10 {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		mark := "@devices"
		if got.Token != "" {
			mark = "@events"
		}
		if mine := forgeries[mark](raw[9:]); mine != cursor {
			t.Errorf("%s: forged %s, given %s", mark, mine, cursor)
		}
	}
}
