package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestEnrolByLicenseKey: an account lets agents in by its licence key only while it says so, and for itself alone.
func TestEnrolByLicenseKey(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		first := p.register(strings.TrimSpace(p.muster("regcode", "show")), registration("00:0c:29:00:00:01"))
		p.muster("account", "create", "--name", "Other")
		other := decode[object](t, p.muster("account", "show", "--account", "Other", "--json"))["license_key"].(string)
		p.muster("group", "add", "Lab", "--auto-join", "--account", "Default")
		p.muster("group", "add", "Closed", "--account", "Default")
		group := make(map[string]float64)
		for _, g := range decode[[]object](t, p.muster("group", "list", "--json", "--account", "Default")) {
			group[g["name"].(string)] = g["group_id"].(float64)
		}
		n := 1
		enrol := func(key string, group float64) *response {
			n++
			body := strings.Replace(registration(fmt.Sprintf("00:0c:29:00:00:%02x", n)), "{", fmt.Sprintf(`{"license_key":%q,"group_id":%.0f,`, key, group), 1)
			return p.call("POST", "/api/v2/accounts/devices/registration_code", nil, body)
		}
		const wrong = `{"errors":[{"error_type":"404006","details":"Unknown registration code"}]}`
		refused := func(why, key string) {
			t.Helper()
			if got := enrol(key, 0).want(404).body; got != wrong {
				t.Errorf("%s: %s", why, got)
			}
		}
		refused("off unless switched on", first.LicenseKey)
		p.muster("account", "settings", "set", "agents.enrol_by_license_key=true", "--account", "Default")
		var in object
		eventually(t, "the key opens the account", func() bool {
			r := enrol(first.LicenseKey, group["Lab"])
			if r.status == 200 {
				in = r.object()
			}
			return r.status == 200
		})
		refused("another account's key", other)
		refused("a key that nobody has", strings.Repeat("0", len(other)))
		a := &agent{p: p, LicenseKey: in["license_key"].(string), ID: in["device_id"].(string), Key: in["access_key"].(string), Token: in["access_token"].(string)}
		a.report(healthy("by-key", fmt.Sprintf("00:0c:29:00:00:%02x", n-2))).want(200)
		groupOf := func(id any) any {
			return decode[object](t, p.muster("device", "show", id.(string), "--json", "--account", "Default"))["group_id"]
		}
		if got := groupOf(a.ID); got != group["Lab"] {
			t.Errorf("it named Lab and came to group %v", got)
		}
		if got := groupOf(enrol(first.LicenseKey, group["Closed"]).want(200).object()["device_id"]); got == group["Closed"] {
			t.Error("it named a group that lets nobody join, and came to it")
		}
		if other := p.muster("device", "list", "--account", "Other"); strings.Contains(other, a.ID) {
			t.Errorf("the other account has it: %s", other)
		}
		p.muster("account", "settings", "set", "agents.enrol_by_license_key=false", "--account", "Default")
		eventually(t, "the key opens nothing any more", func() bool { return enrol(first.LicenseKey, 0).status == 404 })
		a.report(healthy("by-key-2", "00:0c:29:00:00:77")).want(200)
	})
}
