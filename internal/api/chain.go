package api

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/ratelimit"
	"muster/internal/web"
)

// maxBody is how large a request body may be, in bytes. The largest that the reference allows, a batch of ids, is far
// below it.
const maxBody = 1 << 20

// call is one request that passed every check, on its way through its handler.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	version version
	account identity.Account
	client  string // the application that calls
	name    string // of the operation
	params  params
}

// permissions gives what a token must hold for a route's scope. There is no public route here.
var permissions = map[web.Scope]scope.Permission{web.Read: scope.Read, web.Write: scope.Write}

// handler puts the checks in front of an operation.
func (d *door) handler(op operation, v version) web.Handler {
	needs, ok := permissions[op.scope]
	if !ok {
		panic("api: operation " + op.name + " has a scope that no token holds")
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		// Answers hold licence keys, and a token may stand in the URL.
		w.Header().Set("Cache-Control", "no-store")
		c := &call{w: w, r: r, version: v, name: op.name}
		err := d.admit(c, op.name, needs)
		if err == nil {
			err = op.handle(c)
		}
		if err != nil && op.errors == resultErrors {
			return &resultError{err}
		}
		return err
	}
}

// admit runs the checks that all operations share, in the order that docs/api/conventions.md promises.
func (d *door) admit(c *call, operation string, needs scope.Permission) error {
	grant, err := d.Authenticator.Authenticate(c.r.Context(), web.PresentedToken(c.r))
	if err != nil {
		return err
	}
	c.account, c.client = grant.Account, grant.ClientID
	web.NoteAccount(c.r, int64(grant.Account.ID))
	// The call is counted before its scope is looked at, because the headers belong on that refusal too.
	left, err := d.count(c, &grant, operation)
	if err != nil {
		return err
	}
	if !grant.Permission.Allows(needs) {
		return errs.New(errs.Forbidden, "This call needs a token with the permission %s", string(needs))
	}
	if err := left.Err(); err != nil {
		return err
	}
	c.params, err = readParams(c.w, c.r)
	return err
}

// count takes one call from what the caller has left, and says so in the headers.
func (d *door) count(c *call, grant *identity.Grant, operation string) (ratelimit.Decision, error) {
	limit, key := d.RateLimit, ratelimit.Operation(grant.Account.ID, operation)
	if grant.RateLimit != identity.DefaultRateLimit {
		limit, key = grant.RateLimit, ratelimit.ApplicationOperation(grant.Account.ID, grant.ClientID, operation)
	}
	left, err := d.Limiter.Take(c.r.Context(), key, limit)
	if err != nil || left.Limit == 0 {
		return left, err
	}
	// Written past Set, which would change the capitals: some clients look for the spelling of the reference.
	h, reset := c.w.Header(), strconv.Itoa(left.ResetSeconds())
	h["X-RateLimit-Limit"] = []string{strconv.Itoa(left.Limit)}
	h["X-RateLimit-Remaining"] = []string{strconv.Itoa(left.Remaining)}
	h["X-RateLimit-Reset-Time"] = []string{reset}
	if !left.Allowed {
		h.Set("Retry-After", reset)
	}
	return left, nil
}

// readBody gives the body of a POST, empty where there is none. A GET has no body that means anything.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method != http.MethodPost || r.ContentLength == 0 {
		return nil, nil
	}
	foreign := !isJSON(r.Header.Get("Content-Type")) || packed(r.Header.Get("Content-Encoding"))
	if foreign && r.ContentLength > 0 {
		return nil, unsupported()
	}
	// Of a chunked body only reading tells whether it is there at all: an empty one may be called anything.
	body, err := web.ReadBody(w, r, maxBody)
	if foreign && (err != nil || len(body) > 0) {
		return nil, unsupported()
	}
	return body, err
}

func unsupported() error {
	return errs.New(errs.UnsupportedMedia, "The body must be application/json in UTF-8, not compressed")
}

// packed reports whether a Content-Encoding says that a body has to be unpacked before it can be read. Bodies are small; one
// that is unpacked may be of any size.
func packed(contentEncoding string) bool {
	return contentEncoding != "" && !strings.EqualFold(contentEncoding, "identity")
}

// isJSON reports whether a Content-Type, which may be absent, can announce JSON in UTF-8.
func isJSON(contentType string) bool {
	if contentType == "" || contentType == "application/json" {
		return true
	}
	media, options, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
		return false
	}
	charset, given := options["charset"]
	return !given || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}
