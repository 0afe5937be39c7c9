package e2e

import (
	"strings"
	"testing"
)

// TestRegistrationCodes makes codes on the command line, and lets agents in by them while they are good.
func TestRegistrationCodes(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		own := strings.TrimSpace(p.muster("regcode", "show"))
		p.muster("group", "add", "Lab")
		once := decode[object](t, p.muster("regcode", "create", "one machine", "--group", "lab", "--max-uses", "1", "--expires-in", "1h", "--json"))
		code := once["code"].(string)
		if once["state"] != "valid" || once["group_id"] != 2.0 || once["expires_at"] == nil || len(code) != 8 {
			t.Errorf("made: %v", once)
		}
		many := strings.TrimSpace(p.muster("regcode", "create", "many"))
		refused := func(code, mac string) {
			t.Helper()
			r := p.call("POST", "/api/v2/accounts/devices/registration_code", []string{"Gears-Auth", code}, registration(mac)).want(404)
			if !strings.Contains(r.body, `"error_type":"404006"`) {
				t.Errorf("refused with %s", r.body)
			}
		}
		a := p.register(strings.ToLower(code), registration("00:0c:29:00:00:01"))
		a.report(healthy("one", "00:0c:29:00:00:01")).want(200)
		refused(code, "00:0c:29:00:00:02")
		p.register(code, registration("00:0c:29:00:00:01")) // the same machine, in service
		p.register(many, registration("00:0c:29:00:00:02"))
		p.register(own, registration("00:0c:29:00:00:03"))
		groups := decode[[]object](t, p.muster("group", "list", "--json"))
		if groups[0]["devices"] != 2.0 || groups[1]["devices"] != 1.0 {
			t.Errorf("groups: %v", groups)
		}
		list := decode[[]object](t, p.muster("regcode", "list", "--json"))
		if len(list) != 2 || list[0]["state"] != "used-up" || list[0]["uses"] != 1.0 || list[1]["uses"] != 1.0 || list[1]["state"] != "valid" {
			t.Errorf("codes: %v", list)
		}
		if out := p.muster("regcode", "list"); !strings.Contains(out, "one machine") || !strings.Contains(out, "Lab") {
			t.Errorf("codes: %s", out)
		}
		p.muster("regcode", "revoke", "many")
		eventually(t, "the code is refused", func() bool {
			return p.call("POST", "/api/v2/accounts/devices/registration_code", []string{"Gears-Auth", many}, registration("00:0c:29:00:00:02")).status == 404
		}) // also for a machine that came with it
		refused(many, "00:0c:29:00:00:04")
		privacy := func(code string) int {
			return p.call("POST", "/gears/api/1/agent/fetch_privacy", nil, `{"reg_code":"`+code+`"}`).status
		}
		if got := [3]int{privacy(own), privacy(code), privacy(many)}; got != [3]int{200, 200, 404} {
			t.Errorf("settings by the codes: %v", got)
		}
		p.muster("regcode", "rotate")
		for _, c := range []struct {
			code int
			args []string
		}{
			{1, []string{"regcode", "revoke", "nobody"}}, {2, []string{"regcode", "create", ""}}, {2, []string{"regcode", "create", "x", "--max-uses", "-1"}},
			{1, []string{"regcode", "create", "x", "--group", "attic"}}, {2, []string{"regcode", "create", "x", "--expires-in", "-1h"}},
		} {
			if out, exit := command(t, append(c.args, db...)...); exit != c.code {
				t.Errorf("muster %v: code %d, want %d: %s", c.args, exit, c.code, out)
			}
		}
	})
}
