// Package admin is the door of the administration API, /api/v1: what programs that look after a server change and read, and
// the compatible API has no call for. One file for each resource.
//
// A call passes the same steps in the same order whatever it asks for (chain.go): token, rate limit, permission, media type,
// size. Only then its handler runs, which reads what was sent, makes one domain call and renders the answer.
// docs/admin-api.md describes this for those who call.
package admin

import (
	"context"
	"time"

	"muster/internal/identity"
	"muster/internal/ratelimit"
	"muster/internal/web"
)

// prefix is where every path of this door begins.
const prefix = "/api/v1/"

// Authenticator knows whose token is presented. Unauthenticated: the token is absent (""), unknown or expired.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (identity.Grant, error)
}

// Limiter counts calls. An error means that it could not count, not that there were too many.
type Limiter interface {
	Take(ctx context.Context, key ratelimit.Key, limit int) (ratelimit.Decision, error)
}

// Deps is what the door works with.
type Deps struct {
	Authenticator Authenticator
	Limiter       Limiter
	Accounts      Accounts
	Devices       Devices
	// Now gives the time; time.Now when nil.
	Now func() time.Time
	// RateLimit is how often a minute an account may call one operation, unless the application has its own limit.
	// 0 is no limit.
	RateLimit int
}

type door struct{ Deps }

// New builds the door.
func New(deps Deps) *web.Door {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	d := &door{deps}
	var routes []web.Route
	for _, op := range d.operations() {
		routes = append(routes, web.Route{
			Method: op.method, Path: prefix + op.path, Name: op.name, Scope: op.scope, Handler: d.handler(op),
		})
	}
	return &web.Door{Name: "admin", Prefixes: []string{prefix}, Routes: routes, Present: present}
}

// operation is one line of the API. Its name is that of a rate limit, and no other operation of any door has it.
type operation struct {
	name   string
	method string
	path   string // below the prefix
	scope  web.Scope
	handle func(*call) error
}

// operations is the whole API.
func (d *door) operations() []operation {
	return []operation{
		{"admin_account", "GET", "account", web.Read, d.showAccount},
		{"admin_account_change", "PATCH", "account", web.Admin, d.changeAccount},
		{"admin_account_code", "POST", "account/renew-registration-code", web.Admin, d.renewCode},
		{"admin_settings", "GET", "settings", web.Read, d.showSettings},
		{"admin_settings_change", "PATCH", "settings", web.Admin, d.changeSettings},

		{"admin_applications", "GET", "applications", web.Admin, d.listApplications},
		{"admin_application_create", "POST", "applications", web.Admin, d.createApplication},
		{"admin_application", "GET", "applications/{id}", web.Admin, d.showApplication},
		{"admin_application_revoke", "DELETE", "applications/{id}", web.Admin, d.revokeApplication},

		{"admin_groups", "GET", "groups", web.Read, d.listGroups},
		{"admin_group_create", "POST", "groups", web.Admin, d.createGroup},
		{"admin_group", "GET", "groups/{id}", web.Read, d.showGroup},
		{"admin_group_change", "PATCH", "groups/{id}", web.Admin, d.changeGroup},
		{"admin_group_delete", "DELETE", "groups/{id}", web.Admin, d.deleteGroup},

		{"admin_exemptions", "GET", "exemptions", web.Read, d.listExemptions},
		{"admin_exemption", "GET", "devices/{id}/exemption", web.Read, d.showExemption},
		{"admin_exemption_set", "PUT", "devices/{id}/exemption", web.Write, d.exempt},
		{"admin_exemption_end", "DELETE", "devices/{id}/exemption", web.Write, d.unexempt},

		{"admin_quarantines", "GET", "quarantines", web.Read, d.listQuarantines},
		{"admin_quarantine", "GET", "devices/{id}/quarantine", web.Read, d.showQuarantine},
		{"admin_quarantine_set", "PUT", "devices/{id}/quarantine", web.Write, d.hold},
		{"admin_quarantine_end", "DELETE", "devices/{id}/quarantine", web.Write, d.release},

		{"admin_events", "GET", "events", web.Read, d.listEvents},

		{"admin_checks", "GET", "checks", web.Read, d.listChecks},
		{"admin_policy_schema", "GET", "schema/policy", web.Read, d.policySchema},
	}
}
