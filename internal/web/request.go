package web

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"
)

// event is what is known of one request; handlers add to it, and one line is logged at its end.
type event struct {
	id        string
	client    netip.Addr
	operation string
	account   int64
	err       error
}

type eventKey struct{}

func eventOf(r *http.Request) *event {
	e, _ := r.Context().Value(eventKey{}).(*event)
	if e == nil {
		return &event{}
	}
	return e
}

func noteOperation(r *http.Request, name string) { eventOf(r).operation = name }
func noteError(r *http.Request, err error)       { eventOf(r).err = err }

// NoteAccount records whose call this is, for the log.
func NoteAccount(r *http.Request, account int64) { eventOf(r).account = account }

// RequestID gives the id under which the request is logged; it is also the answer's X-Request-Id.
func RequestID(r *http.Request) string { return eventOf(r).id }

// ClientAddr gives the address of the client: the peer, or what a trusted proxy says of it.
func ClientAddr(r *http.Request) netip.Addr { return eventOf(r).client }

// Observer is told of each finished request. operation is "" where no route matched.
type Observer func(operation string, status int, took time.Duration)

// Server wraps a handler in what every request needs: an id, the real client address, a log line (an error for 5xx, for
// debugging otherwise), and an answer when a handler panics.
type Server struct {
	Next    http.Handler
	Log     *slog.Logger
	Observe Observer
	// Proxies are the networks whose forwarding headers are believed.
	Proxies []netip.Prefix
}

// ServeHTTP runs one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	e := &event{id: rand.Text()[:16], client: s.clientAddr(r)}
	r = r.WithContext(context.WithValue(r.Context(), eventKey{}, e))
	rec := &recorder{ResponseWriter: w}
	rec.Header().Set("X-Request-Id", e.id)
	defer func() {
		p := recover()
		if p == http.ErrAbortHandler {
			panic(p)
		}
		begun := rec.status != 0
		if p != nil {
			s.Log.Error("a handler panicked", "request", e.id, "operation", e.operation, "panic", p, "stack", string(debug.Stack()))
		}
		if p != nil && !begun {
			WriteRawJSON(rec, http.StatusInternalServerError, []byte(`{"error":"server_error","error_description":"Internal error"}`))
		}
		s.finish(r, rec, e, time.Since(start))
		if p != nil && begun {
			// Breaking the connection off keeps the client from taking half an answer for a whole one.
			panic(http.ErrAbortHandler)
		}
	}()
	s.Next.ServeHTTP(rec, r)
}

// statusGone is what is counted and logged when the client hung up before its answer. No client ever sees it.
const statusGone = 499

func (s *Server) finish(r *http.Request, rec *recorder, e *event, took time.Duration) {
	status := rec.status
	if status == 0 {
		status = http.StatusOK
	}
	if r.Context().Err() != nil {
		// Whatever went wrong, nobody waits for the answer: clients that hang up must not look like failures.
		status = statusGone
	}
	if s.Observe != nil {
		s.Observe(e.operation, status, took)
	}
	level := slog.LevelDebug
	if status >= 500 {
		level = slog.LevelError
	}
	if !s.Log.Enabled(r.Context(), level) {
		return
	}
	// The path may hold a licence key and the query a token: neither is logged, the operation names the call.
	attrs := []any{
		"request", e.id, "operation", e.operation, "method", r.Method, "status", status,
		"client", e.client.String(), "account", e.account, "ms", float64(took.Microseconds()) / 1000,
	}
	if e.err != nil {
		attrs = append(attrs, "error", e.err.Error())
	}
	s.Log.Log(r.Context(), level, "request", attrs...)
}

// clientAddr believes X-Forwarded-For only as far as the chain of trusted proxies reaches: it walks from the peer
// backwards and stops at the first address that no trusted network holds. What lies before that may be invented.
func (s *Server) clientAddr(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	if len(s.Proxies) == 0 || !s.trusted(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return addr
		}
		addr = hop.Unmap()
		if !s.trusted(addr) {
			return addr
		}
	}
	return addr
}

func (s *Server) trusted(a netip.Addr) bool {
	for _, p := range s.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// recorder remembers the status that was sent.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader passes the status on and keeps it.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write passes the bytes on.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
