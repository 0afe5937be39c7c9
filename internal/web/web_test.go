package web

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"muster/internal/errs"
)

// echo is a door whose routes answer with the value in their path.
func echo() *Door {
	handler := func(w http.ResponseWriter, r *http.Request) error {
		WriteJSON(w, http.StatusOK, map[string]string{"value": r.PathValue("value")})
		return nil
	}
	route := func(method, path string) Route {
		return Route{Method: method, Path: path, Name: "echo", Scope: Read, Handler: handler}
	}
	return &Door{
		Name:     "echo",
		Prefixes: []string{"/o/api/"},
		Routes: []Route{
			route("GET", "/o/api/v2/account"),
			route("POST", "/o/api/v2/devices/{value}/link_user"),
			route("GET", "/o/api/v2/devices/{value}"),
			route("DELETE", "/o/api/v2/devices/{value}"),
			route("GET", "/o/api/static/"),
		},
		Present: func(w http.ResponseWriter, _ *http.Request, err error) {
			WriteJSON(w, Status(err), map[string]string{"door": "echo", "error_description": Message(err)})
		},
	}
}

// quiet serves a handler with everything around it, and logs nothing.
func quiet(h http.Handler) *Server {
	return &Server{Next: h, Log: slog.New(slog.DiscardHandler)}
}

// do serves one request whose target is read as a server reads it.
func do(h http.Handler, method, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	u, err := url.ParseRequestURI(target)
	if err != nil {
		panic(err)
	}
	r.URL = u
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRouting(t *testing.T) {
	h := quiet(NewMux(echo()))
	for _, c := range []struct {
		name, method, target string
		status               int
		body, allow          string
	}{
		{"a route", "GET", "/o/api/v2/account", 200, `{"value":""}`, ""},
		{"a HEAD of it", "HEAD", "/o/api/v2/account", 200, `{"value":""}`, ""},
		{"a query", "GET", "/o/api/v2/account?verify=True", 200, `{"value":""}`, ""},
		{"a value", "POST", "/o/api/v2/devices/00:0c:29:aa:bb:cc/link_user", 200, `{"value":"00:0c:29:aa:bb:cc"}`, ""},
		{"an escaped value", "POST", "/o/api/v2/devices/a%20b/link_user", 200, `{"value":"a b"}`, ""},
		{"an escaped slash in a value", "GET", "/o/api/v2/devices/a%2Fb", 200, `{"value":"a/b"}`, ""},
		{"the root of a subtree", "GET", "/o/api/static/", 200, `{"value":""}`, ""},
		{"a folder in a subtree", "GET", "/o/api/static/x/", 200, `{"value":""}`, ""},
		{"a subtree", "GET", "/o/api/static/x/y", 200, `{"value":""}`, ""},

		{"nobody's path", "GET", "/nowhere", 404, `{"error":"Not Found","error_description":"No such path"}`, ""},
		{"the door's path", "GET", "/o/api/nowhere", 404, `{"door":"echo","error_description":"No such path"}`, ""},
		{"the door's prefix", "GET", "/o/api/", 404, `{"door":"echo","error_description":"No such path"}`, ""},
		{"the prefix without its slash", "GET", "/o/api", 404, `{"error":"Not Found","error_description":"No such path"}`, ""},
		{"other case", "GET", "/o/API/v2/account", 404, "", ""},
		{"a trailing slash", "GET", "/o/api/v2/account/", 404, `{"door":"echo","error_description":"No such path"}`, ""},
		{"two slashes", "GET", "/o/api//v2/account", 404, `{"door":"echo","error_description":"No such path"}`, ""},
		{"two slashes first", "GET", "//o/api/v2/account", 404, `{"error":"Not Found","error_description":"No such path"}`, ""},
		{"an empty value", "POST", "/o/api/v2/devices//link_user", 404, `{"door":"echo","error_description":"No such path"}`, ""},
		{"escaped slashes at a border", "POST", "/o/api/v2/devices/%2F/link_user", 404, "", ""},
		{"one dot", "GET", "/o/api/./v2/account", 404, `{"door":"echo","error_description":"No such path"}`, ""},
		{"two dots", "GET", "/o/api/v2/x/../account", 404, `{"door":"echo","error_description":"No such path"}`, ""},
		{"escaped dots", "GET", "/o/api/v2/devices/%2e%2e", 404, "", ""},
		{"the subtree without its slash", "GET", "/o/api/static", 404, `{"door":"echo","error_description":"No such path"}`, ""},

		{"the wrong method", "POST", "/o/api/v2/account", 405,
			`{"door":"echo","error_description":"Method POST is not allowed here; use GET or HEAD"}`, "GET, HEAD"},
		{"the wrong method of several", "PUT", "/o/api/v2/devices/x", 405,
			`{"door":"echo","error_description":"Method PUT is not allowed here; use GET or HEAD or DELETE"}`, "GET, HEAD, DELETE"},
		{"HEAD of a POST", "HEAD", "/o/api/v2/devices/x/link_user", 405, "", "POST"},
		{"OPTIONS", "OPTIONS", "/o/api/v2/devices/x/link_user", 405, "", "POST"},
		{"a method nobody knows", "BREW", "/o/api/v2/account", 405, "", "GET, HEAD"},
		{"CONNECT", "CONNECT", "/o/api/v2/account", 405, "", "GET, HEAD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := do(h, c.method, c.target)
			if w.Code != c.status {
				t.Fatalf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if c.body != "" && w.Body.String() != c.body {
				t.Errorf("body %s, want %s", w.Body, c.body)
			}
			if got := w.Header().Get("Allow"); got != c.allow {
				t.Errorf("Allow %q, want %q", got, c.allow)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type %q", got)
			}
			if got := w.Header().Get("Location"); got != "" {
				t.Errorf("redirects to %q", got)
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("not JSON: %s", w.Body)
			}
		})
	}
}

func TestPathsThatAreNone(t *testing.T) {
	h := quiet(NewMux(echo()))
	for _, path := range []string{"", "*", "o/api/v2/account"} {
		r := httptest.NewRequest("OPTIONS", "/", nil)
		r.URL.Path = path
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound {
			t.Errorf("path %q: status %d", path, w.Code)
		}
	}
}

// HEAD over a real connection: the answer has the headers of a GET and no body.
func TestHeadOverTheWire(t *testing.T) {
	srv := httptest.NewServer(quiet(NewMux(echo())))
	defer srv.Close()
	resp, err := http.Head(srv.URL + "/o/api/v2/account")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || len(body) != 0 || resp.ContentLength != int64(len(`{"value":""}`)) {
		t.Errorf("body %q, length %d, error %v", body, resp.ContentLength, err)
	}
}

func TestWrapStandsAroundEveryRoute(t *testing.T) {
	d := echo()
	d.Wrap = func(rt Route) Handler {
		return func(http.ResponseWriter, *http.Request) error {
			return errs.New(errs.Forbidden, "closed: %s", rt.Name)
		}
	}
	w := do(NewMux(d), "GET", "/o/api/v2/account")
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "closed: echo") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestNewMuxRefusesHalfARoute(t *testing.T) {
	whole := echo().Routes[0]
	for name, spoil := range map[string]func(*Route){
		"scope":   func(r *Route) { r.Scope = "" },
		"name":    func(r *Route) { r.Name = "" },
		"method":  func(r *Route) { r.Method = "" },
		"handler": func(r *Route) { r.Handler = nil },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			rt := whole
			spoil(&rt)
			NewMux(&Door{Name: "half", Routes: []Route{rt}})
		})
	}
}

func TestRoutesListsAllDoors(t *testing.T) {
	other := &Door{Name: "other", Routes: []Route{{Method: "GET", Path: "/x", Name: "x", Scope: Public, Handler: echo().Routes[0].Handler}}}
	if got, want := len(NewMux(echo(), other).Routes()), len(echo().Routes)+1; got != want {
		t.Errorf("%d routes, want %d", got, want)
	}
}

func TestStatusAndMessage(t *testing.T) {
	cause := errors.New("disk on fire")
	for _, c := range []struct {
		err     error
		status  int
		message string
	}{
		{errs.InvalidField("opt", "opt is wrong"), 400, "opt is wrong"},
		{errs.New(errs.Unauthenticated, "who?"), 401, "who?"},
		{errs.New(errs.Forbidden, "no"), 403, "no"},
		{errs.New(errs.NotFound, "gone"), 404, "gone"},
		{&MethodError{Method: "PUT", Allowed: []string{"GET"}}, 405, "Method PUT is not allowed here; use GET"},
		{errs.New(errs.OverLicence, "full"), 406, "full"},
		{errs.New(errs.Conflict, "twice"), 409, "twice"},
		{errs.New(errs.TooLarge, "big"), 413, "big"},
		{errs.New(errs.UnsupportedMedia, "xml"), 415, "xml"},
		{errs.New(errs.RateLimited, "slow down"), 429, "slow down"},
		{errs.Wrap(errs.Unavailable, cause, "later"), 503, "later"},
		{errs.Wrap(errs.Internal, cause, "the disk burns"), 500, "Internal error"},
		{cause, 500, "Internal error"},
	} {
		if got := Status(c.err); got != c.status {
			t.Errorf("Status(%v) = %d, want %d", c.err, got, c.status)
		}
		if got := Message(c.err); got != c.message {
			t.Errorf("Message(%v) = %q, want %q", c.err, got, c.message)
		}
	}
}
