package e2e

import (
	"encoding/json"
	"strings"

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
		if made := r.header.Get("Location"); made != "" { // a's numbers must not be those of b's things
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
		"groups": {x.their.groupID}, "applications": {x.b.clientID}, "devices": {x.b.home.ID, x.b.mac, x.b.hardwareID, x.their.imported},
	}[what]
	if len(names) == 0 {
		x.p.t.Fatalf("nothing of b's is known to put into %s", rt.Path)
	}
	for _, name := range names {
		x.call(rt.Method, strings.ReplaceAll(rt.Path, "{id}", name), headers, body).want(404)
	}
}
