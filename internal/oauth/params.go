package oauth

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/web"
)

// maxBody is far more than any grant needs.
const maxBody = 64 << 10

// params are the parameters of a request. One without a value is as good as absent (RFC 6749, 3.2), so "" serves for
// both; of several with one name the first counts.
type params map[string]string

func (p params) add(name, value string) {
	if p[name] == "" && value != "" {
		p[name] = value
	}
}

// readParams collects the parameters of the body and of the query. Where both name one, the body wins: it is the
// documented place.
func readParams(w http.ResponseWriter, r *http.Request) (params, error) {
	p := params{}
	if r.Method == http.MethodPost {
		body, err := web.ReadBody(w, r, maxBody)
		if err != nil {
			return nil, err
		}
		if err := p.addBody(r.Header.Get("Content-Type"), body); err != nil {
			return nil, err
		}
	}
	p.addForm(r.URL.RawQuery)
	return p, nil
}

// addBody reads a form, or a JSON object, which some clients send to everything. The type of an empty body does not
// matter: it is a habit of clients, not a statement.
func (p params) addBody(contentType string, body []byte) error {
	mediaType, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(mediaType)) {
	case "", "application/x-www-form-urlencoded":
		p.addForm(string(body))
		return nil
	case "application/json":
		return p.addJSON(body)
	}
	if len(body) == 0 {
		return nil
	}
	return errs.New(errs.UnsupportedMedia, "The body must be application/x-www-form-urlencoded")
}

// addForm reads name=value&name=value. Unlike url.ParseQuery it takes values that are not percent-encoded as they
// stand, and so never fails: the original accepts them, and its clients rely on that.
func (p params) addForm(form string) {
	for pair := range strings.SplitSeq(form, "&") {
		name, value, _ := strings.Cut(pair, "=")
		p.add(decoded(name), decoded(value))
	}
}

func decoded(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// addJSON reads the members that are strings and ignores others. An empty list and null are what clients send that have
// no parameters in the body.
func (p params) addJSON(body []byte) error {
	switch strings.TrimSpace(string(body)) {
	case "", "[]", "null":
		return nil
	}
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil {
		return errs.Wrap(errs.Invalid, err, "The body is not a JSON object")
	}
	for name, member := range members {
		if value, ok := member.(string); ok {
			p.add(name, value)
		}
	}
	return nil
}

// clientOf finds the client's credentials. The documented place is the parameters; HTTP Basic (RFC 6749, 2.3.1) serves
// where they hold no secret.
func clientOf(r *http.Request, p params) identity.Client {
	c := identity.Client{ID: p["client_id"], Secret: p["client_secret"], From: web.ClientAddr(r)}
	if id, secret, ok := r.BasicAuth(); ok && c.Secret == "" {
		c.ID, c.Secret = decoded(id), decoded(secret)
	}
	return c
}
