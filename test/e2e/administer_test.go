package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"muster/internal/web"
)

// adminBodies are what calls of the administration API take; the others take nothing.
var adminBodies = map[string]string{
	"admin_account_change":     `{"email":"it@our-house.test"}`,
	"admin_settings_change":    `{"licence":{"warn_percent":80}}`,
	"admin_application_create": `{"name":"ours"}`,
	"admin_group_create":       `{"name":"ours"}`,
	"admin_group_change":       `{"description":"ours now"}`,
	"admin_exemption_set":      `{"reason":"ours now"}`,
	"admin_quarantine_set":     `{"reason":"ours now"}`,
	"admin_code_create":        `{"name":"ours"}`,
	"admin_operator_create":    `{"email":"ola@our-house.test","name":"Ola"}`,
	"admin_operator_change":    `{"name":"Ours"}`,
	"admin_policy_create":      aPolicy,
	"admin_policy_save":        aPolicy,
	"admin_policy_compare":     aPolicy,
	"admin_policy_rollback":    `{"version":1}`,
	"admin_dry_run":            aPolicy,
	"admin_webhook_create":     `{"name":"ours","url":"https://siem.our-house.test/hook","form":"standard"}`,
	"admin_webhook_change":     `{"name":"ours"}`,
	"admin_device_merge":       `{"other":"00:00:00:00:00:01"}`,
	"admin_risk_accept":        `{"vulnerability":"CVE-2031-7777","reason":"ours"}`,
	"admin_risk_revoke":        `{"reason":"ours"}`,
	"admin_webhook_redeliver":  `{"from":"2026-01-01T00:00:00Z"}`,
}

const aPolicy = `{"name":"ours","rules":[{"name":"rest","status":"compliant"}]}`

// administered is what b has that only the administration API can name.
type administered struct{ policy, run, code, webhook, operator, risk string }

// furnishAdministered gives b one of each, none of them with a number that a comes to have.
func (x *neighbours) furnishAdministered() administered {
	_, x.b.admin = x.p.client("admin", "--account", x.b.name)
	made := func(path, body string) string {
		headers := append(bearer(x.b.admin), "Content-Type", "application/json")
		r := x.p.call("POST", "/api/v1/"+path, headers, strings.ReplaceAll(body, "ours", "their-own"))
		if r.status != 201 && r.status != 202 {
			x.p.t.Fatalf("POST %s: %d %s", path, r.status, r.body)
		}
		return r.object()["id"].(string)
	}
	made("policies", strings.ReplaceAll(aPolicy, "ours", "their-first"))
	return administered{
		risk:   made("accepted-risks", `{"vulnerability":"CVE-2031-8888","reason":"ours"}`),
		policy: made("policies", aPolicy), run: made("dry-runs", aPolicy), code: made("registration-codes", `{"name":"ours"}`),
		webhook:  made("webhooks", `{"name":"ours","url":"https://siem.their-house.test/hook","form":"standard","enabled":false}`),
		operator: made("operators", `{"email":"kari@their-house.test","name":"Kari"}`),
	}
}

// administerAnothers is every call of the administration API: with what belongs to b in the path it is 404, and without
// anything in the path it is about a.
func administerAnothers(x *neighbours, rt web.Route) {
	if x.a.admin == "" {
		_, x.a.admin = x.p.client("admin", "--account", x.a.name)
	}
	headers := append(bearer(x.a.admin), "If-Match", "*")
	body := adminBodies[rt.Name]
	if body != "" {
		headers = append(headers, "Content-Type", "application/json")
	}
	if !strings.Contains(rt.Path, "{") {
		r := x.call(rt.Method, rt.Path, headers, body)
		if r.status >= 300 {
			x.p.t.Errorf("%s: %d %s", rt.Name, r.status, r.body)
		}
		if made := r.header.Get("Location"); r.status == 201 && rt.Name != "admin_risk_accept" { // a's numbers must not be those of b's things
			x.call("DELETE", made, headers, "").want(204)
		}
		var made struct {
			Code string `json:"registration_code"`
		}
		if json.Unmarshal([]byte(r.body), &made) == nil && made.Code != "" {
			x.a.code = made.Code
		}
		return
	}
	what, _, _ := strings.Cut(strings.TrimPrefix(rt.Path, "/api/v1/"), "/")
	names := map[string][]string{
		"policies": {x.their.policy}, "runs": {x.their.run}, "registration-codes": {x.their.code}, "webhooks": {x.their.webhook},
		"vulnerabilities": {x.their.cve}, "accepted-risks": {x.their.risk},
		"operators": {x.their.operator}, "groups": {x.their.groupID}, "applications": {x.b.clientID}, "devices": {x.b.home.ID, x.b.mac, x.b.hardwareID, x.their.imported},
	}[what]
	if len(names) == 0 {
		x.p.t.Fatalf("nothing of b's is known to put into %s", rt.Path)
	}
	for _, name := range names {
		path := strings.NewReplacer("{id}", name, "{version}", "1", "{vulnerability}", x.their.cve).Replace(rt.Path)
		if rt.Name == "admin_policy_diff" {
			path += "?from=1"
		}
		x.call(rt.Method, path, headers, body).want(404)
	}
}

// TestAnExemptionUnderQuarantineIsListed: a quarantine hides the status of an exempted device, not its exemption.
func TestAnExemptionUnderQuarantineIsListed(t *testing.T) {
	p := start(t, engines["sqlite"](t), "--rate-limit", "0")
	_, token := p.client("read")
	code := strings.TrimSpace(p.muster("regcode", "show"))
	a := p.register(code, registration("00:0c:29:00:06:01"))
	b := p.register(code, registration("00:0c:29:00:06:02"))
	p.muster("device", "exempt", a.ID, "--reason", "lent out")
	p.muster("device", "quarantine", a.ID, "--reason", "lost")
	p.muster("device", "quarantine", b.ID, "--reason", "lost too")
	for list, want := range map[string]int{"exemptions": 1, "quarantines": 2} {
		items := p.call("GET", "/api/v1/"+list, bearer(token), "").want(200).object()["items"].([]any)
		if len(items) != want {
			t.Errorf("%s: %v", list, items)
		}
	}
}
