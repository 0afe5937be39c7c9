package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inspected is a report of Muster's own agent on a laptop of which it may not read everything.
const inspected = `{"agent_type":"persistent","agent_version":"1.0.0","hostname":"lab-7","machine_id":"0f1e2d3c4b5a69788796a5b4c3d2e1f0",
	"soh":{"os_info":[{"device_type":"laptop","family":"linux","name":"Debian","version":"12.8","build":"6.1.0-28-amd64","virtual":"kvm",
	"network_adapter_info":[{"mac":"00:0c:29:00:00:01","permanent_mac":"00:0c:29:00:00:02","ipv4":["192.0.2.2"],"dhcp_expires":"EXPIRES"}],
	"system":{"vendor":"Example","model":"Notebook 14","cpu":{"model":"CPU 3","cores":8,"max_speed_mhz":4200},"memory":{"total_memory_mb":15872}}}],
	"collected":["anti-malware","encryption"],"updates":{"pending":0,"security":0},"user_password_set":true,
	"applications":[{"name":"dm-crypt","category":"encryption","volumes":[{"name":"/","encrypted":true,"system":true}]}],
	"unread":[{"fact":"firewall","state":"unreadable","why":"needs root: nft was refused"},
	{"fact":"screen_lock","state":"not_applicable","why":"no screen"},{"fact":"battery","state":"not_applicable"}]}}`

// TestWhatCouldNotBeRead: whoever looks at a device is told what its agent could not find out, and which check hangs on it;
// what does not apply passes.
func TestWhatCouldNotBeRead(t *testing.T) {
	const evidence = "The agent could not read the firewall: needs root: nft was refused. The agent did not say whether there is a firewall; the policy asks for it."
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		a := p.register(strings.TrimSpace(p.muster("regcode", "show")), registration("00:0c:29:00:00:01"))
		report := func(expires string) { a.report(strings.Replace(inspected, "EXPIRES", expires, 1)).want(200) }
		report("2026-11-30T12:00:00Z")
		shown := decode[object](t, p.muster("device", "show", a.ID, "--json"))
		issues := shown["issues"].([]any)
		if len(issues) != 1 || issues[0].(object)["evidence"] != evidence || issues[0].(object)["category"] != "firewall" {
			t.Errorf("issues: %v", issues)
		}
		unread := []any{
			object{"fact": "firewall", "state": "unreadable", "why": "needs root: nft was refused"},
			object{"fact": "screen_lock", "state": "not_applicable", "why": "no screen"}, object{"fact": "battery", "state": "not_applicable"},
		}
		want := object{
			"os_build": "6.1.0-28-amd64", "virtual": "kvm", "unread": unread,
			"hardware": object{"vendor": "Example", "model": "Notebook 14", "cpu": "CPU 3", "cores": 8.0, "max_mhz": 4200.0, "memory_mb": 15872.0},
		}
		for name, value := range want {
			if diff := cmp.Diff(value, shown[name]); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		text := strings.Join(strings.Fields(p.muster("device", "show", a.ID)), " ")
		for _, line := range []string{
			"build 6.1.0-28-amd64 virtual kvm machine Example Notebook 14 processor CPU 3, 8 cores memory 15872 MiB", evidence,
			"could not be read firewall: needs root: nft was refused does not apply screen_lock, battery",
		} {
			if !strings.Contains(text, line) {
				t.Errorf("it does not show %q: %s", line, text)
			}
		}
		_, token := p.client("read")
		verdict := p.call("GET", "/api/v1/devices/"+a.ID+"/verdict", bearer(token), "").want(200).object()
		if diff := cmp.Diff(any(unread), verdict["unread"]); diff != "" {
			t.Errorf("the verdict: %s", diff)
		}
		for _, c := range verdict["checks"].([]any) {
			if c := c.(object); c["check"] == "screen_lock" && (c["outcome"] != "pass" || c["evidence"] != "The screen lock does not apply to this machine: no screen.") {
				t.Errorf("a lock for no screen: %v", c)
			}
		}
		before := shown["reported_at"]
		report("2026-11-30T13:00:00Z")
		if shown := decode[object](t, p.muster("device", "show", a.ID, "--json")); shown["reported_at"] != before {
			t.Error("a lease that was renewed made the report a new one")
		}
	})
}
