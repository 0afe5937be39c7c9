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
		p.muster("account", "set", "--cross-domain-enabled", "--cross-domain-port", "8443")
		p.muster("account", "settings", "set", "agents.discover_neighbours=true")
		want["cross_domain_api"] = object{"enabled": 1.0, "port": 8443.0}
		eventually(t, "the agent is told of its own interface, and of no neighbours where addresses are private", func() bool {
			return cmp.Equal(want, config())
		})
		p.muster("account", "settings", "set", "privacy.mac_address=false")
		want["neighbours"], private["mac_addr"] = 1.0, 0.0
		eventually(t, "the agent is to look around", func() bool { return cmp.Equal(want, config()) })
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
		if status != 1 || !strings.Contains(out, "revision 4") {
			t.Errorf("an old revision: code %d, %s", status, out)
		}
		if out := p.muster("account", "settings", "show"); !strings.Contains(strings.Join(strings.Fields(out), " "), " privacy.host_name true privacy.local_ip false ") {
			t.Errorf("show: %s", out)
		}
	})
}

// TestPrivateAccount: what an account declares private is hidden at once, and gone with the next report; the machine is still
// found by its address, and recognised.
func TestPrivateAccount(t *testing.T) {
	const mac = "00:0c:29:00:00:01"
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		code := strings.TrimSpace(p.muster("regcode", "show"))
		a := p.register(code, registration(mac))
		a.report(healthy("secret-host", mac)).want(200)
		_, token := p.client("read")
		secrets := []string{"secret-host", mac, "192.0.2.2", "127.0.0.1"}
		answers := func() string {
			t.Helper()
			out := ""
			for _, q := range [][3]string{
				{"POST", "v3.7/devices", "{}"}, {"GET", "v2.3/devices", ""}, {"POST", "v3.8/devices/detail", fmt.Sprintf(`{"ids":[%q]}`, a.ID)},
				{"GET", "v2.5/devices/" + mac + "?opt=1", ""}, {"POST", "v3/device_info", fmt.Sprintf(`{"ids":[%q]}`, a.ID)},
				{"POST", "v3.3/logs", `{"event_category":"device","token":""}`}, {"POST", "v3/devices/status_changed", "{}"},
				{"GET", "v2.1/devices/status_changed", ""}, {"GET", "v2.1/devices/search?q=secret&in=hostname", ""},
			} {
				r := p.call(q[0], "/o/api/"+q[1], bearer(token), q[2]).want(200)
				out += strings.ReplaceAll(r.body, p.url, "")
			}
			return out
		}
		leaks := func(text string) (found []string) {
			for _, s := range secrets {
				if strings.Contains(text, s) {
					found = append(found, s)
				}
			}
			return found
		}
		if got := leaks(answers()); len(got) != len(secrets) {
			t.Fatalf("where nothing is private, only %q shows", got)
		}
		p.muster("account", "settings", "set", "privacy.user_name=true", "privacy.host_name=true", "privacy.public_ip=true",
			"privacy.mac_address=true", "privacy.local_ip=true", "privacy.serial_number=true")
		eventually(t, "nothing private is answered", func() bool { return len(leaks(answers())) == 0 })
		if got := answers(); !strings.Contains(got, `\u003cprivate\u003e`) || !strings.Contains(got, `"total_count":0`) {
			t.Errorf("answered: %s", got)
		}
		if shown := p.muster("device", "show", a.ID, "--json"); !strings.Contains(shown, "secret-host") {
			t.Errorf("an administrator of the database sees %s", shown)
		}
		a.report(healthy("secret-host", mac)).want(200) // the same again
		if got := leaks(p.stored(a.ID)); len(got) > 0 {
			t.Errorf("stored with the next report: %q", got)
		}
		if again := p.register(code, registration(mac)); again.ID != a.ID {
			t.Errorf("recognised as %s, was %s", again.ID, a.ID)
		}
		if got := leaks(answers()); len(got) > 0 {
			t.Errorf("after it registered again: %q", got)
		}
	})
}

// stored gives the row and the body that the database has of a device.
func (p *program) stored(id string) string {
	p.t.Helper()
	s := p.store()
	accounts, err := s.ListAccounts(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	d, err := s.Device(p.t.Context(), accounts[0].ID, id)
	if err != nil {
		p.t.Fatal(err)
	}
	body, err := s.Report(p.t.Context(), accounts[0].ID, id)
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprintf("%+v %s", d, body)
}
