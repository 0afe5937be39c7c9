// Package web is the small toolkit the doors share: routes that declare their scope, handlers that return errors, JSON
// in and out, request ids, and the client's real address.
package web

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"muster/internal/errs"
)

// Handler answers a request or returns an error, which its door presents. A handler that returns an error has written
// nothing.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Scope says what a caller must hold to use a route. Every route declares one.
type Scope string

const (
	// Public routes answer anyone: they issue credentials, or say that the server is up.
	Public Scope = "public"
	// Agent routes need the credentials of an enrolled device.
	Agent Scope = "agent"
	// Read routes need a token that may read.
	Read Scope = "read"
	// Write routes need a token that may write.
	Write Scope = "write"
	// Admin routes need a token that may administer the account.
	Admin Scope = "admin"
)

// Route is one line of a door's table.
type Route struct {
	Method  string
	Path    string // a net/http.ServeMux pattern without its method
	Name    string // of the operation: for rate limits, metrics and the log
	Scope   Scope
	Handler Handler
}

// Door is a set of routes below some prefixes that speak one protocol, and so present errors in one way.
type Door struct {
	Name     string
	Prefixes []string // paths that belong to the door even where no route matches; each ends in "/"
	Routes   []Route
	// Present writes an error as the door's protocol wants it. err is never nil.
	Present func(w http.ResponseWriter, r *http.Request, err error)
	// Wrap, where set, is put around the handler of each route: authentication, limits.
	Wrap func(Route) Handler
}

// Mux answers requests for a set of doors.
type Mux struct {
	mux   *http.ServeMux
	doors []*Door
	// subtrees says that a route covers paths below it. Only then can ServeMux redirect, and is each request matched
	// twice: once to see, once to serve.
	subtrees bool
}

// NewMux builds the routing table. It panics on a route without a scope, a name or a method, and on conflicts: those
// are a programmer's mistakes.
func NewMux(doors ...*Door) *Mux {
	m := &Mux{mux: http.NewServeMux(), doors: doors}
	m.mux.HandleFunc("/", m.unrouted)
	for _, d := range doors {
		for _, rt := range d.Routes {
			m.mount(d, rt)
		}
	}
	return m
}

// Routes lists every route of every door.
func (m *Mux) Routes() []Route {
	var out []Route
	for _, d := range m.doors {
		out = append(out, d.Routes...)
	}
	return out
}

func (m *Mux) mount(d *Door, rt Route) {
	if rt.Scope == "" || rt.Name == "" || rt.Method == "" || rt.Handler == nil {
		panic("web: route " + rt.Method + " " + rt.Path + " of door " + d.Name + " lacks a scope, name, method or handler")
	}
	h := rt.Handler
	if d.Wrap != nil {
		h = d.Wrap(rt)
	}
	m.subtrees = m.subtrees || strings.HasSuffix(rt.Path, "/") || strings.HasSuffix(rt.Path, "...}")
	m.mux.Handle(rt.Method+" "+rt.Path, &endpoint{door: d, name: rt.Name, handler: h})
}

// endpoint is a mounted route.
type endpoint struct {
	door    *Door
	name    string
	handler Handler
}

// ServeHTTP runs the handler and has the door present its error.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	noteOperation(r, e.name)
	err := e.handler(w, r)
	if err != nil {
		noteError(r, err)
		e.door.Present(w, r, err)
	}
}

// ServeHTTP finds the route, and has the right door present 404 and 405. It never redirects: clients of the doors
// follow none, and a path with empty or dotted segments names nothing.
func (m *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !cleanPath(r.URL) || m.subtrees && !m.matches(r) {
		m.unrouted(w, r)
		return
	}
	m.mux.ServeHTTP(w, r)
}

// unrouted answers what no route takes.
func (m *Mux) unrouted(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	if cleanPath(r.URL) {
		allowed = m.methods(r)
	}
	if len(allowed) == 0 {
		m.refuse(w, r, errs.New(errs.NotFound, "No such path"))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	m.refuse(w, r, &MethodError{Method: r.Method, Allowed: allowed})
}

// matches reports whether a route takes the request. ServeMux has a handler for every request: for those without a route
// the one for unrouted requests or, where a path only lacks its last slash, one that redirects.
func (m *Mux) matches(r *http.Request) bool {
	h, _ := m.mux.Handler(r)
	_, ok := h.(*endpoint)
	return ok
}

// MethodError says that a path exists, and not for this method.
type MethodError struct {
	Method  string
	Allowed []string
}

// Error names the methods that would do.
func (e *MethodError) Error() string {
	return "Method " + e.Method + " is not allowed here; use " + strings.Join(e.Allowed, " or ")
}

// methods lists those that the request's path has a route for.
func (m *Mux) methods(r *http.Request) []string {
	var out []string
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if m.matches(probe) {
			out = append(out, method)
		}
	}
	return out
}

func (m *Mux) refuse(w http.ResponseWriter, r *http.Request, err error) {
	noteError(r, err)
	for _, d := range m.doors {
		if slices.ContainsFunc(d.Prefixes, func(p string) bool { return strings.HasPrefix(r.URL.Path, p) }) {
			d.Present(w, r, err)
			return
		}
	}
	PresentPlain(w, r, err)
}

// cleanPath reports whether the path is one that a route can have: absolute, and without empty, "." or ".." segments.
// ServeMux would redirect the others.
func cleanPath(u *url.URL) bool {
	p := u.Path
	if p == "" || p[0] != '/' || strings.HasSuffix(p, "//") {
		return false
	}
	if len(p) > 1 && strings.HasSuffix(p, "/") {
		p = p[:len(p)-1]
	}
	return path.Clean(p) == p
}
