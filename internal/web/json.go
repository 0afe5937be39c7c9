package web

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"muster/internal/errs"
)

// ReadBody reads a request body of at most limit bytes. TooLarge: there is more. Invalid: it broke off, or it is not
// valid UTF-8.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, refuseBody(r, limit, limit+maxDrain)
	}
	body, err := readAll(http.MaxBytesReader(w, r.Body, limit), r.ContentLength)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, refuseBody(r, limit, maxDrain)
	}
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The body could not be read to its end")
	}
	if !utf8.Valid(body) {
		return nil, errs.New(errs.Invalid, "The body is not valid UTF-8")
	}
	return body, nil
}

// maxDrain is how much beyond its limit a refused body may have and still be taken in.
const maxDrain = 8 << 20

// refuseBody gives the error for a body above the limit, once the rest of it has been read and thrown away: most clients
// send everything before they read, and would find a broken connection instead of the answer. How long that may take
// is bounded by the server's ReadTimeout, and the rest by so many bytes.
func refuseBody(r *http.Request, limit, rest int64) error {
	if !hopeless(r, limit) {
		//nolint:errcheck // whether the client sends the rest or goes, the answer is the same
		io.CopyN(io.Discard, r.Body, rest)
	}
	return errs.New(errs.TooLarge, "The body is larger than %d bytes", limit)
}

// hopeless reports whether taking in the body is of no use: its client waits for leave to send it, or it is so large that
// the connection has to be broken off anyway.
func hopeless(r *http.Request, limit int64) bool {
	waits := r.ContentLength > limit && strings.EqualFold(r.Header.Get("Expect"), "100-continue")
	return waits || r.ContentLength > limit+maxDrain
}

// readAll reads into one allocation when the length was announced.
func readAll(r io.Reader, announced int64) ([]byte, error) {
	if announced <= 0 {
		return io.ReadAll(r)
	}
	body := make([]byte, announced)
	n, err := io.ReadFull(r, body)
	return body[:n], err
}

// WriteJSON sends a value as JSON. A value that cannot be encoded is a programmer's mistake, and panics before
// anything is sent.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("web: answer cannot be encoded: " + err.Error())
	}
	WriteRawJSON(w, status, body)
}

// WriteRawJSON sends bytes that are JSON already.
func WriteRawJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	//nolint:errcheck // the client has gone; there is nobody left to tell
	w.Write(body)
}

// Status gives the HTTP status that fits an error where its door has no other opinion.
func Status(err error) int {
	var method *MethodError
	if errors.As(err, &method) {
		return http.StatusMethodNotAllowed
	}
	switch errs.CodeOf(err) {
	case errs.Invalid:
		return http.StatusBadRequest
	case errs.Unauthenticated:
		return http.StatusUnauthorized
	case errs.Forbidden:
		return http.StatusForbidden
	case errs.NotFound:
		return http.StatusNotFound
	case errs.Conflict:
		return http.StatusConflict
	case errs.Stale:
		return http.StatusPreconditionFailed
	case errs.TooLarge:
		return http.StatusRequestEntityTooLarge
	case errs.UnsupportedMedia:
		return http.StatusUnsupportedMediaType
	case errs.OverLicence:
		return http.StatusNotAcceptable
	case errs.RateLimited:
		return http.StatusTooManyRequests
	case errs.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// Message gives the text of an error that a client may see; what is unknown stays opaque.
func Message(err error) string {
	var method *MethodError
	if errors.As(err, &method) {
		return method.Error()
	}
	var e *errs.Error
	if errors.As(err, &e) && e.Code != errs.Internal {
		return e.Message
	}
	return "Internal error"
}

// PresentPlain writes an error for paths that no door owns.
func PresentPlain(w http.ResponseWriter, _ *http.Request, err error) {
	status := Status(err)
	WriteJSON(w, status, map[string]string{"error": http.StatusText(status), "error_description": Message(err)})
}
