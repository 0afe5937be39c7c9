package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"muster/internal/errs"
	"muster/internal/web"
)

// problem is an error as RFC 9457 wants it.
type problem struct {
	// Type names the kind of problem; it leads to nowhere but the page about errors.
	Type      string    `json:"type"`
	Title     string    `json:"title"`
	Status    int       `json:"status"`
	Detail    string    `json:"detail"`
	Errors    []mistake `json:"errors,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
}

// mistake is one thing that is wrong with a request.
type mistake struct {
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// kinds names and titles the kinds of problem: one for each status.
var kinds = map[int][2]string{
	http.StatusBadRequest:            {"invalid", "The request cannot be accepted"},
	http.StatusUnauthorized:          {"token", "The access token is missing or not valid"},
	http.StatusForbidden:             {"permission", "The token does not allow this call"},
	http.StatusNotFound:              {"not-found", "There is no such thing"},
	http.StatusMethodNotAllowed:      {"method", "The path does not have this method"},
	http.StatusNotAcceptable:         {"not-acceptable", "That cannot be had"},
	http.StatusConflict:              {"conflict", "The state of things does not allow this"},
	http.StatusPreconditionFailed:    {"stale", "It was changed meanwhile"},
	http.StatusPreconditionRequired:  {"precondition", "The call has to say what it changes"},
	http.StatusRequestEntityTooLarge: {"too-large", "The request is too large"},
	http.StatusUnsupportedMediaType:  {"media-type", "The body is in a form that is not spoken here"},
	http.StatusTooManyRequests:       {"rate-limit", "Too many calls"},
	http.StatusInternalServerError:   {"server", "The server failed"},
	http.StatusServiceUnavailable:    {"unavailable", "The server cannot do this now"},
}

// present writes an error of any path below the prefix.
func present(w http.ResponseWriter, r *http.Request, err error) {
	forbidStoring(w)
	var method *web.MethodError
	if errors.As(err, &method) && r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent) // with Allow, which is what was asked
		return
	}
	status := web.Status(err)
	var condition *conditionError
	if errors.As(err, &condition) {
		status = http.StatusPreconditionRequired
	}
	kind := kinds[status]
	p := problem{
		Type: "/docs/admin#problem-" + kind[0], Title: kind[1], Status: status, Detail: web.Message(err), RequestID: web.RequestID(r),
	}
	if status == http.StatusBadRequest {
		p.Detail, p.Errors = mistakes(err, p.Detail)
	}
	challenge(w, r, status)
	body, encodeErr := json.Marshal(p)
	if encodeErr != nil {
		panic("admin: a problem cannot be encoded: " + encodeErr.Error())
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	//nolint:errcheck // the client has gone; there is nobody left to tell
	w.Write(body)
}

// mistakes lists what is wrong, and says all of it in one text.
func mistakes(err error, otherwise string) (detail string, list []mistake) {
	for _, e := range flat(err) {
		list = append(list, mistake{Field: e.Field, Message: e.Message})
	}
	if len(list) == 0 {
		return otherwise, nil
	}
	texts := make([]string, len(list))
	for i, m := range list {
		texts[i] = m.Message
	}
	return strings.Join(texts, "; "), list
}

// flat gives each Invalid error in an error, however the domain put them together.
func flat(err error) []*errs.Error {
	//nolint:errorlint // what stands here is looked at as it is: its parts are what is wanted
	switch e := err.(type) {
	case *errs.Error:
		if e.Code != errs.Invalid {
			return nil
		}
		if len(e.Several) > 0 {
			return e.Several
		}
		return []*errs.Error{e}
	case interface{ Unwrap() []error }:
		var out []*errs.Error
		for _, one := range e.Unwrap() {
			out = append(out, flat(one)...)
		}
		return out
	case interface{ Unwrap() error }:
		return flat(e.Unwrap())
	}
	return nil
}

// challenge says how to do better where the token was at fault (RFC 6750, section 3). One that was not sent has no error.
func challenge(w http.ResponseWriter, r *http.Request, status int) {
	switch {
	case status == http.StatusUnauthorized && web.BearerToken(r) == "":
		w.Header().Set("WWW-Authenticate", "Bearer")
	case status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	case status == http.StatusForbidden:
		w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
	}
}
