package admin

import (
	"context"
	"net/http"
	"strconv"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/ratelimit"
	"muster/internal/web"
)

// call is one request that passed every check, on its way through its handler.
type call struct {
	w          http.ResponseWriter
	r          *http.Request
	ctx        context.Context //nolint:containedctx // that of the request, with the application as who acts
	account    identity.Account
	actor      string           // the application that calls
	permission scope.Permission // what its token holds
	name       string           // of the operation
	query      *query
}

// id is what the path names.
func (c *call) id() string { return c.r.PathValue("id") }

// permissions gives what a token must hold for a route's scope. There is no public route here.
var permissions = map[web.Scope]scope.Permission{web.Read: scope.Read, web.Write: scope.Write, web.Admin: scope.Admin}

// handler puts the checks in front of an operation.
func (d *door) handler(op operation) web.Handler {
	needs, ok := permissions[op.scope]
	if !ok {
		panic("admin: operation " + op.name + " has a scope that no token holds")
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		c := &call{w: w, r: r, name: op.name}
		err := d.admit(c, needs)
		if err != nil {
			return err
		}
		return op.handle(c)
	}
}

// admit runs the checks that all operations share, in the order that docs/admin-api.md promises.
func (d *door) admit(c *call, needs scope.Permission) error {
	grant, err := d.Authenticator.Authenticate(c.r.Context(), web.BearerToken(c.r))
	if err != nil {
		return err
	}
	c.account, c.actor, c.permission = grant.Account, grant.ClientID, grant.Permission
	c.ctx = event.By(c.r.Context(), c.actor)
	web.NoteAccount(c.r, int64(grant.Account.ID))
	// The call is counted before its permission is looked at, because the headers belong on that refusal too.
	left, err := d.count(c, &grant)
	if err != nil {
		return err
	}
	if !grant.Permission.Allows(needs) {
		return errs.New(errs.Forbidden, "This call needs a token with the permission %s", string(needs))
	}
	err = left.Err()
	if err != nil {
		return err
	}
	c.query, err = readQuery(c.r.URL.RawQuery)
	return err
}

// count takes one call from what the caller has left, and says so in the headers.
func (d *door) count(c *call, grant *identity.Grant) (ratelimit.Decision, error) {
	limit, key := d.RateLimit, ratelimit.Operation(grant.Account.ID, c.name)
	if grant.RateLimit != identity.DefaultRateLimit {
		limit, key = grant.RateLimit, ratelimit.ApplicationOperation(grant.Account.ID, grant.ClientID, c.name)
	}
	left, err := d.Limiter.Take(c.r.Context(), key, limit)
	if err != nil || left.Limit == 0 {
		return left, err
	}
	// Written past Set, which would change the capitals: they are those of /o/api/.
	h, reset := c.w.Header(), strconv.Itoa(left.ResetSeconds())
	h["X-RateLimit-Limit"] = []string{strconv.Itoa(left.Limit)}
	h["X-RateLimit-Remaining"] = []string{strconv.Itoa(left.Remaining)}
	h["X-RateLimit-Reset-Time"] = []string{reset}
	if !left.Allowed {
		h.Set("Retry-After", reset)
	}
	return left, nil
}
