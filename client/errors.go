package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Error is what the server answered in place of success.
type Error struct {
	// Status is the HTTP status. It is 200 where a call tells a failure in its answer: see Code.
	Status int
	// Code is the word by which a program decides: "not_found", "invalid_request", … "" if the server sent none, as
	// something in front of it may.
	Code string
	// Description says for people what is wrong.
	Description string
	// RequestID is what the server's log has the call under.
	RequestID string
	// Call is the method and the path.
	Call string
	// RetryAfter is how long the server asks to wait; 0 if it does not say.
	RetryAfter time.Duration
}

// Words of Error.Code that calls answered with 200 have.
const (
	codeNotFound     = "not_found"
	codeFailed       = "failed"
	codeOutOfLicence = "out_of_license_usage"
)

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", e.Call)
	switch {
	case e.Description != "":
		b.WriteString(e.Description)
	case e.Code != "":
		b.WriteString(e.Code)
	default:
		b.WriteString(http.StatusText(e.Status))
	}
	fmt.Fprintf(&b, " (%d", e.Status)
	if e.Code != "" && e.Description != "" {
		fmt.Fprintf(&b, " %s", e.Code)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, ", request %s", e.RequestID)
	}
	b.WriteString(")")
	return b.String()
}

// IsNotFound reports whether what was asked for, mostly a device, does not exist.
func IsNotFound(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Status == http.StatusNotFound || e.Code == codeNotFound)
}

// IsInvalid reports whether the server refused a parameter; the error says which.
func IsInvalid(err error) bool {
	return hasStatus(err, http.StatusBadRequest) || hasStatus(err, http.StatusNotAcceptable)
}

// IsUnauthorized reports whether the server does not know the application, its secret or its token.
func IsUnauthorized(err error) bool { return hasStatus(err, http.StatusUnauthorized) }

// IsForbidden reports whether the application lacks the permission: mostly one that may only read.
func IsForbidden(err error) bool { return hasStatus(err, http.StatusForbidden) }

// IsRateLimited reports whether there were too many calls, and waiting would have taken longer than Options.MaxWait.
func IsRateLimited(err error) bool { return hasStatus(err, http.StatusTooManyRequests) }

// IsPastEnd reports whether there is no such page.
func IsPastEnd(err error) bool { return hasStatus(err, http.StatusRequestEntityTooLarge) }

func hasStatus(err error, status int) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == status
}

// outcome is how some calls tell success and failure.
type outcome struct {
	Result int    `json:"result"`
	Msg    string `json:"msg"`
}

// failure gives the error of an answer that says with status 200 that nothing was done, nil if it was.
func (o outcome) failure(call string) error {
	if o.Result == 1 {
		return nil
	}
	return refused(call, o.Msg)
}

func refused(call, msg string) *Error {
	e := &Error{Status: http.StatusOK, Code: codeFailed, Description: msg, Call: call}
	if strings.EqualFold(strings.TrimRight(msg, "."), "device not found") {
		e.Code = codeNotFound
	}
	return e
}

// maxErrorText is how much of a body that is not JSON gets into an error.
const maxErrorText = 200

// errorOf reads the error of an answer, whoever sent it.
func errorOf(resp *http.Response, body []byte, call string, now time.Time) *Error {
	e := &Error{Status: resp.StatusCode, Call: call, RequestID: resp.Header.Get("X-Request-Id"), RetryAfter: retryAfter(resp.Header, now)}
	var told struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
		Msg         string          `json:"msg"`
	}
	switch err := json.Unmarshal(body, &told); {
	case err == nil:
		e.Description = told.Description
		if e.Description == "" {
			e.Description = told.Msg
		}
		e.Code = errorWord(told.Error, e)
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.Description = "the server redirects to " + resp.Header.Get("Location") + "; give the address that it redirects to"
	default:
		e.Description = excerpt(body)
	}
	return e
}

// errorWord reads the member error: a word, or an object with a message of its own.
func errorWord(raw json.RawMessage, e *Error) string {
	var word string
	if json.Unmarshal(raw, &word) == nil {
		return word
	}
	var object struct {
		Code    Number `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(raw, &object) == nil && e.Description == "" {
		e.Description = object.Message
	}
	return object.Code.String()
}

// excerpt makes one line of something that may be a page for people.
func excerpt(body []byte) string {
	text := strings.ToValidUTF8(strings.Join(strings.Fields(string(body)), " "), "\uFFFD")
	if runes := []rune(text); len(runes) > maxErrorText {
		return string(runes[:maxErrorText]) + "…"
	}
	return text
}
