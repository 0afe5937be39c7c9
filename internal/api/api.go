// Package api is the door of the compatible OAuth API, /o/api/v…: one file per resource, all versions of a resource side
// by side as small differences over one renderer.
//
// A call passes the same steps in the same order whatever it asks for (chain.go): token, rate limit, scope, media type,
// size, JSON. Only then its handler runs, which reads parameters, makes one domain call and renders the answer.
// docs/api/conventions.md describes this for those who call.
package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"muster/internal/identity"
	"muster/internal/posture"
	"muster/internal/ratelimit"
	"muster/internal/web"
)

// prefix is where every path of this door begins.
const prefix = "/o/api/"

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
	Devices       Devices
	// BaseURL gives the address under which the client reached the server, without a slash at the end, for links.
	BaseURL  func(*http.Request) string
	Policies Policies
	// Private gives what an account keeps private; nothing where nil.
	Private func(context.Context, posture.AccountID) (Private, error)
	// Pages remembers where pages of lists begin; in memory when nil, which does for a server that has its database alone.
	Pages Pages
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
	if deps.Pages == nil {
		deps.Pages = &walks{}
	}
	if deps.Private != nil {
		deps.Devices = veiled{deps.Devices, deps.Private}
	}
	d := &door{deps}
	var routes []web.Route
	for _, op := range d.operations() {
		routes = append(routes, d.routes(op)...)
	}
	return &web.Door{Name: "api", Prefixes: []string{prefix}, Routes: routes, Present: present}
}

// operation is one line of the index of the reference. Lines with one name share one rate limit: it counts what is
// asked for, not the version it is asked in.
type operation struct {
	name     string
	methods  string // separated by blanks
	path     string // below the version
	versions []version
	scope    web.Scope
	errors   errorForm
	handle   func(*call) error
}

// operations is the whole API, in the order of the reference.
func (d *door) operations() []operation {
	return []operation{
		{"account_details", "GET POST", "account", []version{v2, v3, v31}, web.Read, plainErrors, d.accountDetails},
		{"account_details", "GET POST", "account.json", []version{v2}, web.Read, plainErrors, d.accountDetails},
		{"account_details", "POST", "account", []version{v32}, web.Read, plainErrors, d.accountDetails},
		{"account_policy", "GET", "account/policy", []version{v2}, web.Read, plainErrors, d.accountPolicy},
		{"configuration", "POST", "configuration", []version{v3, v31}, web.Read, plainErrors, d.configuration},
		{"groups", "POST", "groups", []version{v3}, web.Read, plainErrors, d.groups},
		{"activities", "POST", "activities", []version{v3}, web.Read, plainErrors, d.activities},
		{"logs", "GET", "logs", []version{v2}, web.Read, plainErrors, d.logsV2},
		{"logs", "POST", "logs", []version{v3, v31, v32, v33}, web.Read, plainErrors, d.logs},
		{"apps", "POST", "apps", []version{v3}, web.Read, plainErrors, d.apps},
		{"app_details", "POST", "apps/details", []version{v3}, web.Read, plainErrors, d.appDetails},
		{"cves", "POST", "cves", []version{v3, v31, v32}, web.Read, plainErrors, d.cves},
		{"device_cves", "POST", "get_cves", []version{v3, v31, v32}, web.Read, plainErrors, d.deviceCVEs},
		{"threats", "POST", "get_threats", []version{v3}, web.Read, plainErrors, d.threats},
		{"reports", "POST", "get_reports", []version{v2}, web.Read, plainErrors, d.reports},
		{"reports", "GET", "get_reports", []version{v3, v31}, web.Read, plainErrors, d.reports},
		{"get_devices", "GET", "devices", []version{v2, v21, v22, v23}, web.Read, plainErrors, d.devicesV2},
		{"get_devices", "GET", "devices.json", []version{v2}, web.Read, plainErrors, d.devicesV2},
		{"get_devices", "POST", "devices", []version{v3, v31, v32, v33}, web.Read, plainErrors, d.devicesPage},
		{"get_devices", "POST", "devices", []version{v34, v35, v36, v37}, web.Read, plainErrors, d.devicesCursor},
		{"search_devices", "GET", "devices/search", []version{v21}, web.Read, plainErrors, d.searchDevices},
		{"device_details", "GET", "devices/{value}", []version{v2, v21, v23, v25}, web.Read, plainErrors, d.deviceV2},
		{"device_details", "POST", "devices/{value}", []version{v3}, web.Read, plainErrors, d.deviceV3},
		{"device_details", "POST", "devices/detail", detailVersions, web.Read, plainErrors, d.deviceDetails},
		{"device_info", "POST", "device_info", []version{v3}, web.Read, plainErrors, d.deviceInfo},
		{"status_changed", "GET", "devices/status_changed", []version{v21}, web.Read, plainErrors, d.statusChangedV21},
		{"status_changed", "POST", "devices/status_changed", []version{v3}, web.Read, plainErrors, d.statusChangedV3},
		{"policy_check", "GET", "devices/{value}/policy_check", []version{v2, v22}, web.Read, plainErrors, d.policyCheckOne},
		{"policy_check", "POST", "devices/policy_check", []version{v2}, web.Read, plainErrors, d.policyCheckMany},
		{"device_stats", "GET", "devices/stats", []version{v2}, web.Read, plainErrors, d.stats},
		{"remediation", "GET", "devices/{value}/remediation", []version{v2, v22}, web.Read, resultErrors, d.remediationV2},
		{"remediation", "GET", "devices/{value}/remediation", []version{v3}, web.Read, resultErrors, d.remediationV3},
		{"link_user", "POST", "devices/{value}/link_user", []version{v2}, web.Write, resultErrors, d.linkUser},
		{"delete_device", "POST", "devices/{value}/delete", []version{v2, v22}, web.Write, resultErrors, d.deleteDevice},
		{"delete_devices", "POST", "devices/delete", []version{v2}, web.Write, plainErrors, d.deleteDevices},
		{"device_action", "POST", "devices/{value}/action", []version{v2}, web.Write, resultErrors, d.actionV2},
		{"device_action", "POST", "devices/action", []version{v2}, web.Write, plainErrors, d.actionsV2Batch},
		{"device_action", "POST", "devices/action", []version{v3, v31, v32, v33}, web.Write, plainErrors, d.actionsV3},
	}
}

// routes spells an operation out: each version under each of its names, with each method.
func (d *door) routes(op operation) []web.Route {
	var out []web.Route
	for _, v := range op.versions {
		h := d.handler(op, v)
		for _, segment := range v.segments() {
			for _, method := range strings.Fields(op.methods) {
				out = append(out, web.Route{
					Method: method, Path: prefix + segment + "/" + op.path, Name: op.name, Scope: op.scope, Handler: h,
				})
			}
		}
	}
	return out
}

// version is that of one call of the API, times ten so that versions can be compared: 31 is v3.1.
type version int

const (
	v2  version = 20
	v21 version = 21
	v22 version = 22
	v23 version = 23
	v25 version = 25
	v3  version = 30
	v31 version = 31
	v32 version = 32
	v33 version = 33
	v34 version = 34
	v35 version = 35
	v36 version = 36
	v37 version = 37
	v38 version = 38
)

// segments gives the spellings in a path. The reference writes v2 and v3; v2.0 and v3.0 mean the same.
func (v version) segments() []string {
	major, minor := strconv.Itoa(int(v/10)), strconv.Itoa(int(v%10))
	if minor == "0" {
		return []string{"v" + major, "v" + major + ".0"}
	}
	return []string{"v" + major + "." + minor}
}
