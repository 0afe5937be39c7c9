package api

import (
	"errors"
	"net/http"

	"muster/internal/errs"
	"muster/internal/web"
)

// errorForm says what the errors of an operation look like.
type errorForm uint8

const (
	// plainErrors have the members error and error_description.
	plainErrors errorForm = iota
	// resultErrors add result and msg: those of the calls whose success is told that way.
	resultErrors
)

// resultError marks an error of an operation with resultErrors for present.
type resultError struct{ error }

// Unwrap gives the error itself.
func (e *resultError) Unwrap() error { return e.error }

// result is the answer of a call that changes something.
type result struct {
	Result int    `json:"result"`
	Msg    string `json:"msg"`
}

// listError is a refusal of a part of a list, which has a status of its own.
type listError struct {
	error
	status int
	word   string
}

// Unwrap gives the error itself.
func (e *listError) Unwrap() error { return e.error }

// errPastEnd says that a page lies behind the last one.
func errPastEnd() error {
	return &listError{errs.New(errs.Invalid, "page lies behind the last one"), http.StatusRequestEntityTooLarge, "page_out_of_range"}
}

type errorBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// codeWords are the values of the member error: one for each status that web.Status gives.
var codeWords = map[int]string{
	http.StatusBadRequest:            "invalid_request",
	http.StatusUnauthorized:          "invalid_token",
	http.StatusForbidden:             "insufficient_scope",
	http.StatusNotFound:              "not_found",
	http.StatusMethodNotAllowed:      "method_not_allowed",
	http.StatusNotAcceptable:         "not_acceptable",
	http.StatusConflict:              "conflict",
	http.StatusRequestEntityTooLarge: "payload_too_large",
	http.StatusUnsupportedMediaType:  "unsupported_media_type",
	http.StatusTooManyRequests:       "rate_limit_exceeded",
	http.StatusInternalServerError:   "server_error",
	http.StatusServiceUnavailable:    "temporarily_unavailable",
}

// present writes an error of any path below the prefix.
func present(w http.ResponseWriter, r *http.Request, err error) {
	status := web.Status(err)
	body := errorBody{Error: codeWords[status], Description: web.Message(err)}
	var list *listError
	if errors.As(err, &list) {
		status, body.Error = list.status, list.word
	}
	challenge(w, r, status)
	var marked *resultError
	if errors.As(err, &marked) {
		web.WriteJSON(w, status, struct {
			errorBody
			result
		}{body, result{Result: 0, Msg: body.Description}})
		return
	}
	web.WriteJSON(w, status, body)
}

// challenge says how to do better where the token was at fault (RFC 6750, section 3). One that was not sent has no
// error.
func challenge(w http.ResponseWriter, r *http.Request, status int) {
	switch {
	case status == http.StatusUnauthorized && web.PresentedToken(r) == "":
		w.Header().Set("WWW-Authenticate", "Bearer")
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		w.Header().Set("WWW-Authenticate", `Bearer error="`+codeWords[status]+`"`)
	}
}
