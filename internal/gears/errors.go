package gears

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"muster/internal/errs"
	"muster/internal/web"
)

var (
	errNoPath = errs.New(errs.NotFound, "No such path")
	// errUnknownCode has an error type of its own, which agents look for.
	errUnknownCode = errs.New(errs.NotFound, "Unknown registration code")
)

// overLicence is the one text that agents recognise instead of a number.
const overLicence = "Exceeded token usage"

// waitError says that a caller is to come back later.
type waitError struct {
	error
	after time.Duration
}

// Unwrap gives the error without the time.
func (e *waitError) Unwrap() error { return e.error }

// failure is one element of the list of errors in an answer.
type failure struct {
	Type    string `json:"error_type"`
	Details string `json:"details"`
}

// present writes an error in the form that agents read. There are three forms: calls below /api/v2 have a list of
// errors, fetch_privacy one error with a description, and the other calls below /gears a code with a message, beside
// which the list stands too because their agents share code that looks for it.
func present(w http.ResponseWriter, r *http.Request, err error) {
	status := web.Status(err)
	kind, text := errorType(err, status), details(err)
	if status == http.StatusUnauthorized {
		// Some HTTP clients take a 401 without a challenge for a broken answer.
		w.Header().Set("WWW-Authenticate", `Gears realm="agent"`)
	}
	var wait *waitError
	if errors.As(err, &wait) {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.after.Seconds()))))
	}
	list := []failure{{kind, text}}
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/"):
		web.WriteJSON(w, status, struct {
			Errors []failure `json:"errors"`
		}{list})
	case strings.HasSuffix(r.URL.Path, "/fetch_privacy"):
		web.WriteJSON(w, status, struct {
			Error string `json:"error"`
			Desc  string `json:"desc"`
		}{kind, text})
	default:
		web.WriteJSON(w, status, struct {
			Code   int       `json:"code"`
			Msg    string    `json:"msg"`
			Errors []failure `json:"errors"`
		}{status * 1000, text, list})
	}
}

// errorType is the HTTP status with three digits for the case, as in the two numbers that agents know (400000 and
// 404006).
func errorType(err error, status int) string {
	switch {
	case errors.Is(err, errUnknownCode):
		return "404006"
	case status == http.StatusNotAcceptable:
		return overLicence
	default:
		return strconv.Itoa(status) + "000"
	}
}

func details(err error) string {
	if errs.Is(err, errs.OverLicence) {
		return overLicence
	}
	return web.Message(err)
}
