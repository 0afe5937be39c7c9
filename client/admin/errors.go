package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"muster/client"
)

// Error is what the server answered in place of success: problem details, as RFC 9457 has them.
type Error struct {
	Type      string    `json:"type"`   // by which a program may decide
	Title     string    `json:"title"`  // the kind of problem in words
	Status    int       `json:"status"` // of HTTP
	Detail    string    `json:"detail"` // what is wrong with this call
	Errors    []Mistake `json:"errors"` // each mistake in the request
	RequestID string    `json:"request_id"`
	// Call is the method and the path.
	Call string `json:"-"`
	// RetryAfter is how long the server asks to wait; 0 if it does not say.
	RetryAfter time.Duration `json:"-"`
}

// Mistake is one thing that is wrong with a request.
type Mistake struct {
	Field   string `json:"field"` // the member or parameter at fault; "" for the whole
	Message string `json:"message"`
}

// Error implements error.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = http.StatusText(e.Status)
	}
	out := fmt.Sprintf("%s: %s (%d", e.Call, text, e.Status)
	if e.RequestID != "" {
		out += ", request " + e.RequestID
	}
	return out + ")"
}

// maxErrorText is how much of a body that is no problem details gets into an error.
const maxErrorText = 200

func errorOf(resp *http.Response, body []byte, call string) *Error {
	e := &Error{}
	if json.Unmarshal(body, e) != nil {
		text := strings.ToValidUTF8(strings.Join(strings.Fields(string(body)), " "), "\uFFFD")
		e = &Error{Detail: string([]rune(text)[:min(maxErrorText, len([]rune(text)))])}
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		e.Detail = "the server redirects to " + resp.Header.Get("Location") + "; give the address that it redirects to"
	}
	e.Status, e.Call = resp.StatusCode, call
	if e.RequestID == "" {
		e.RequestID = resp.Header.Get("X-Request-Id")
	}
	seconds, err := strconv.ParseInt(resp.Header.Get("Retry-After"), 10, 32)
	if err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	return e
}

// IsNotFound reports whether what was asked for does not exist.
func IsNotFound(err error) bool { return hasStatus(err, http.StatusNotFound) }

// IsStale reports whether what was to be changed is not in the state that the tag names.
func IsStale(err error) bool { return hasStatus(err, http.StatusPreconditionFailed) }

// IsConflict reports whether something stands in the way: a name that is taken, a group that has devices.
func IsConflict(err error) bool { return hasStatus(err, http.StatusConflict) }

// IsInvalid reports whether the server refused something in the request; the error says what.
func IsInvalid(err error) bool { return hasStatus(err, http.StatusBadRequest) }

// IsForbidden reports whether the application lacks the permission.
func IsForbidden(err error) bool { return hasStatus(err, http.StatusForbidden) }

// IsUnauthorized reports whether the server does not know the application, its secret or its token.
func IsUnauthorized(err error) bool {
	return hasStatus(err, http.StatusUnauthorized) || client.IsUnauthorized(err)
}

// IsRateLimited reports whether there were too many calls, and waiting would have taken longer than Options.MaxWait.
func IsRateLimited(err error) bool { return hasStatus(err, http.StatusTooManyRequests) }

func hasStatus(err error, status int) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status == status
}
