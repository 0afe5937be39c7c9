package oauth

import (
	"errors"
	"net/http"
	"strconv"

	"muster/internal/identity"
	"muster/internal/ratelimit"
	"muster/internal/web"
)

// refusal is the error body of RFC 6749, 5.2.
type refusal struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// present writes an error. Nothing that the caller sent is repeated in it: people put secrets into the wrong parameter.
func present(w http.ResponseWriter, r *http.Request, err error) {
	status := web.Status(err)
	forbidCaching(w)
	if d, ok := ratelimit.DecisionOf(err); ok {
		w.Header().Set("Retry-After", strconv.Itoa(d.ResetSeconds()))
	}
	// RFC 6749, 5.2 wants this only of those who tried Basic. Others might be browsers, which would ask for a password.
	if _, _, basic := r.BasicAuth(); basic && status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="muster"`)
	}
	web.WriteJSON(w, status, refusal{codeOf(err, status), web.Message(err)})
}

// codeOf gives the error code of RFC 6749. It has none for a server that will not or cannot answer at the token
// endpoint; those of the authorization endpoint (4.1.2.1) are used for it.
func codeOf(err error, status int) string {
	switch {
	case errors.Is(err, identity.ErrUnsupportedGrant):
		return "unsupported_grant_type"
	case errors.Is(err, identity.ErrInvalidGrant):
		return "invalid_grant"
	case status == http.StatusUnauthorized:
		return "invalid_client"
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return "temporarily_unavailable"
	case status >= 500:
		return "server_error"
	default:
		return "invalid_request"
	}
}
