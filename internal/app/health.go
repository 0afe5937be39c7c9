package app

import (
	"context"
	"net/http"
	"time"

	"muster/internal/errs"
	"muster/internal/web"
)

// watch answers what watches the server, at these paths exactly, and passes everything else on. All of it is public.
type watch struct {
	answers map[string]http.Handler
	next    http.Handler
}

// watched puts the answers to those who watch the server in front of a handler: whether the process lives, whether it
// can do its work and, where only this machine can ask, its numbers.
func (s *server) watched(next http.Handler, withMetrics bool) http.Handler {
	w := &watch{next: next, answers: map[string]http.Handler{
		"/healthz": http.HandlerFunc(s.alive), "/readyz": http.HandlerFunc(s.ready),
	}}
	if withMetrics {
		w.answers["/metrics"] = s.metrics.handler()
	}
	return w
}

// ServeHTTP looks at the path as it is: an http.ServeMux would clean it, and redirect to what it made of it.
func (h *watch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := h.answers[r.URL.Path]
	switch {
	case answer == nil:
		h.next.ServeHTTP(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		web.PresentPlain(w, r, &web.MethodError{Method: r.Method, Allowed: []string{http.MethodGet, http.MethodHead}})
	default:
		answer.ServeHTTP(w, r)
	}
}

// nothing answers where there is nothing.
func nothing(w http.ResponseWriter, r *http.Request) {
	web.PresentPlain(w, r, errs.New(errs.NotFound, "No such path"))
}

func (s *server) alive(w http.ResponseWriter, _ *http.Request) {
	web.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	err := s.store.Ready(ctx)
	if err != nil {
		s.log.Warn("not ready", "error", err)
		web.WriteJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "database unavailable"})
		return
	}
	web.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}
