// Package admin is the door of the administration API, /api/v1: what programs that look after a server change and read, and
// the compatible API has no call for. One file for each resource.
//
// A call passes the same steps in the same order whatever it asks for (chain.go): token, rate limit, permission, media type,
// size. Only then its handler runs, which reads what was sent, makes one domain call and renders the answer.
// docs/admin-api.md describes this for those who call.
package admin

import (
	"context"
	"slices"
	"time"

	"muster/internal/device"
	"muster/internal/identity"
	"muster/internal/posture"
	"muster/internal/ratelimit"
	"muster/internal/vuln"
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
	Policies      Policies
	Runs          Runs
	Webhooks      Webhooks
	Operators     Operators
	Risks         Risks
	// Said gives what feeds say of vulnerabilities; those of which none says anything are left out.
	Said func(ctx context.Context, ids []string) (map[string]vuln.Joined, error)
	// ExplainVulnerability tells why a device has a vulnerability, or has not.
	ExplainVulnerability func(ctx context.Context, account posture.AccountID, d *device.Device, id string) (Explained, error)
	// Explain tells what each check of the policy of a device, which has reported, finds now, passed or not.
	Explain func(ctx context.Context, account posture.AccountID, d *device.Device) ([]posture.CheckResult, error)
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
	return slices.Concat(d.accountOperations(), d.deviceOperations(), d.vulnerabilityOperations(), d.policyOperations(), d.webhookOperations())
}

func (d *door) accountOperations() []operation {
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

		{"admin_codes", "GET", "registration-codes", web.Admin, d.listCodes},
		{"admin_code_create", "POST", "registration-codes", web.Admin, d.createCode},
		{"admin_code", "GET", "registration-codes/{id}", web.Admin, d.showCode},
		{"admin_code_revoke", "DELETE", "registration-codes/{id}", web.Admin, d.revokeCode},

		{"admin_operators", "GET", "operators", web.Admin, d.listOperators},
		{"admin_operator_create", "POST", "operators", web.Admin, d.createOperator},
		{"admin_operator", "GET", "operators/{id}", web.Admin, d.showOperator},
		{"admin_operator_change", "PATCH", "operators/{id}", web.Admin, d.changeOperator},
		{"admin_operator_delete", "DELETE", "operators/{id}", web.Admin, d.deleteOperator},

		{"admin_events", "GET", "events", web.Read, d.listEvents},
	}
}

func (d *door) deviceOperations() []operation {
	return []operation{
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

		{"admin_conflicts", "GET", "conflicts", web.Read, d.listConflicts},
		{"admin_device_merge", "POST", "devices/{id}/merge", web.Write, d.mergeDevices},
		{"admin_device_split", "POST", "devices/{id}/split", web.Write, d.splitDevices},

		{"admin_verdict", "GET", "devices/{id}/verdict", web.Read, d.showVerdict},
	}
}

func (d *door) vulnerabilityOperations() []operation {
	return []operation{
		{"admin_vulnerabilities", "GET", "vulnerabilities", web.Read, d.listVulnerabilities},
		{"admin_vulnerability", "GET", "vulnerabilities/{id}", web.Read, d.showVulnerability},
		{"admin_vulnerability_devices", "GET", "vulnerabilities/{id}/devices", web.Read, d.listHolders},
		{"admin_vulnerability_explain", "GET", "devices/{id}/vulnerabilities/{vulnerability}", web.Read, d.explainVulnerability},
		{"admin_risks", "GET", "accepted-risks", web.Read, d.listRisks},
		{"admin_risk_accept", "POST", "accepted-risks", web.Admin, d.acceptRisk},
		{"admin_risk", "GET", "accepted-risks/{id}", web.Read, d.showRisk},
		{"admin_risk_revoke", "POST", "accepted-risks/{id}/revoke", web.Admin, d.revokeRisk},
	}
}

func (d *door) policyOperations() []operation {
	return []operation{
		{"admin_policies", "GET", "policies", web.Read, d.listPolicies},
		{"admin_policy_create", "POST", "policies", web.Admin, d.createPolicy},
		{"admin_policy", "GET", "policies/{id}", web.Read, d.showPolicy},
		{"admin_policy_save", "PUT", "policies/{id}", web.Admin, d.savePolicy},
		{"admin_policy_delete", "DELETE", "policies/{id}", web.Admin, d.deletePolicy},
		{"admin_policy_versions", "GET", "policies/{id}/versions", web.Read, d.listVersions},
		{"admin_policy_version", "GET", "policies/{id}/versions/{version}", web.Read, d.showVersion},
		{"admin_policy_diff", "GET", "policies/{id}/diff", web.Read, d.diffVersions},
		{"admin_policy_compare", "POST", "policies/{id}/diff", web.Admin, d.diffDocument},
		{"admin_policy_rollback", "POST", "policies/{id}/rollback", web.Admin, d.rollBack},
		{"admin_dry_run", "POST", "dry-runs", web.Admin, d.startDryRun},

		{"admin_runs", "GET", "runs", web.Read, d.listRuns},
		{"admin_run", "GET", "runs/{id}", web.Read, d.showRun},
		{"admin_run_cancel", "POST", "runs/{id}/cancel", web.Admin, d.cancelRun},

		{"admin_checks", "GET", "checks", web.Read, d.listChecks},
		{"admin_policy_schema", "GET", "schema/policy", web.Read, d.policySchema},
	}
}

func (d *door) webhookOperations() []operation {
	return []operation{
		{"admin_webhooks", "GET", "webhooks", web.Admin, d.listHooks},
		{"admin_webhook_create", "POST", "webhooks", web.Admin, d.createHook},
		{"admin_webhook", "GET", "webhooks/{id}", web.Admin, d.showHook},
		{"admin_webhook_change", "PATCH", "webhooks/{id}", web.Admin, d.changeHook},
		{"admin_webhook_delete", "DELETE", "webhooks/{id}", web.Admin, d.deleteHook},
		{"admin_webhook_secret", "POST", "webhooks/{id}/renew-secret", web.Admin, d.renewSecret},
		{"admin_webhook_test", "POST", "webhooks/{id}/test", web.Admin, d.testHook},
		{"admin_webhook_deliveries", "GET", "webhooks/{id}/deliveries", web.Admin, d.listDeliveries},
		{"admin_webhook_redeliver", "POST", "webhooks/{id}/redeliver", web.Admin, d.redeliver},
	}
}
