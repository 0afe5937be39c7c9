package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSettingsReachAgents: what an account decides is told to its agents, before they register and after.
func TestSettingsReachAgents(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		code := strings.TrimSpace(p.muster("regcode", "show"))
		a := p.register(code, registration("00:0c:29:00:00:01"))
		open := object{"serial_number": 0.0, "local_ip": 0.0, "hostname": 0.0, "public_ip": 0.0, "mac_addr": 0.0, "username": 0.0}
		want := object{
			"user_identity": object{"enable": 0.0, "regex": "", "msg": ""}, "privacy": open, "notification_install_app": 0.0,
			"ping_frequency": 60.0, "report_frequency": 3600.0,
		}
		config := func() object { return a.call("POST", "/config", `{"include":["privacy"]}`).want(200).object() }
		if diff := cmp.Diff(want, config()); diff != "" {
			t.Errorf("before any setting: %s", diff)
		}
		shown := decode[object](t, p.muster("account", "settings", "set", "privacy.host_name=true", "privacy.mac_address=true",
			"agents.ping_seconds=120", "agents.report_seconds=600", "agents.notify_install=true", "agents.ask_user.enabled=true",
			`agents.ask_user.pattern=^\w+$`, "agents.ask_user.message=Who are you?", "--revision", "1", "--json"))
		if shown["revision"] != 2.0 {
			t.Errorf("shown: %v", shown)
		}
		private := object{"serial_number": 0.0, "local_ip": 0.0, "hostname": 1.0, "public_ip": 0.0, "mac_addr": 1.0, "username": 0.0}
		want = object{
			"user_identity": object{"enable": 1.0, "regex": `^\w+$`, "msg": "Who are you?"}, "privacy": private, "notification_install_app": 1.0,
			"ping_frequency": 120.0, "report_frequency": 600.0,
		}
		eventually(t, "the agent is told", func() bool { return cmp.Equal(want, config()) })
		for member, value := range map[string]string{"reg_code": code, "license_key": a.LicenseKey} {
			got := p.call("POST", "/gears/api/2/agent/fetch_privacy", nil, fmt.Sprintf(`{%q:%q}`, member, value)).want(200).object()
			if diff := cmp.Diff(private, got); diff != "" {
				t.Errorf("by %s: %s", member, diff)
			}
		}
		for _, bad := range [][]string{{"privacy.host_name"}, {"privacy.colour=true"}, {"agents.ping_seconds=1"}, {"licence.at_limit=x"}} {
			out, status := command(t, append(append([]string{"account", "settings", "set"}, bad...), db...)...)
			if name, _, _ := strings.Cut(bad[0], "="); status != 2 || !strings.Contains(out, name) {
				t.Errorf("%v: code %d, %s", bad, status, out)
			}
		}
		out, status := command(t, append([]string{"account", "settings", "set", "privacy.host_name=false", "--revision", "1"}, db...)...)
		if status != 1 || !strings.Contains(out, "revision 2") {
			t.Errorf("an old revision: code %d, %s", status, out)
		}
		if out := p.muster("account", "settings", "show"); !strings.Contains(strings.Join(strings.Fields(out), " "), " privacy.host_name true privacy.local_ip false ") {
			t.Errorf("show: %s", out)
		}
	})
}
