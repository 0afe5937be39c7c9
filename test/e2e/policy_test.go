package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// needsEditor is a policy by which a healthy machine without a certain program is not compliant.
const needsEditor = `name: Needs an editor
checks:
  - check: required_products
    severity: critical
    products: [{name: vim}]
    remediation: Install **vim**.
rules:
  - {name: Critical issue, min_critical: 1, status: non-compliant}
  - {name: Default, status: compliant}
`

// file writes a file and gives its name.
func file(t *testing.T, text string) string {
	t.Helper()
	name := path(t, "policy.yaml")
	err := os.WriteFile(name, []byte(text), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// counted gives how many devices have a status.
func (p *program) counted(token, status string) float64 {
	p.t.Helper()
	return numbers(p.t, p.account(token)["devices_by_status"], "status")[status]
}

// statuses gives how many devices have each status, and sees that the list says so too.
func (p *program) statuses(token string) map[string]float64 {
	p.t.Helper()
	out := numbers(p.t, p.account(token)["devices_by_status"], "status")
	list := decode[[]object](p.t, p.muster("device", "list", "--json"))
	counted := map[string]float64{}
	for _, d := range list {
		counted[d["status"].(string)]++
	}
	for status, n := range out {
		if counted[status] != n {
			p.t.Errorf("%v devices are counted as %s, %v are listed", n, status, counted[status])
		}
	}
	return out
}

// runs lists the runs but those that feeds begin, such as that of the program itself a little after its start.
func (p *program) runs() []object {
	p.t.Helper()
	return slices.DeleteFunc(decode[[]object](p.t, p.muster("run", "list", "--json")), func(r object) bool { return r["kind"] == "rematch" })
}

func (p *program) wantStatuses(token string, compliant, not float64) {
	p.t.Helper()
	got := p.statuses(token)
	if got["compliant"] != compliant || got["non-compliant"] != not {
		p.t.Errorf("%v, want %v compliant and %v not", got, compliant, not)
	}
}

// TestPolicies follows a policy from its file to the devices and back.
func TestPolicies(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		_, token := p.client("read")
		code := strings.TrimSpace(p.muster("regcode", "show"))
		var agents []*agent
		for i := range 3 {
			mac := fmt.Sprintf("00:0c:29:00:01:%02x", i)
			a := p.register(code, registration(mac))
			a.report(healthy(fmt.Sprintf("host-%d", i), mac)).want(200)
			agents = append(agents, a)
		}
		p.wantStatuses(token, 3, 0)
		name := file(t, needsEditor)

		// Trying changes nothing, and says what saving does.
		trial := decode[object](t, p.muster("policy", "test", name, "--json"))
		if trial["devices"] != 3.0 || trial["changed"] != 3.0 {
			t.Errorf("the trial says %v", trial)
		}
		if out := p.muster("policy", "test", name); !strings.Contains(out, "3 of 3 devices") || !strings.Contains(out, "required_products") {
			t.Errorf("the trial says\n%s", out)
		}
		p.wantStatuses(token, 3, 0)
		if out := p.muster("policy", "diff", "1", name); !strings.Contains(out, "check required_products: added") {
			t.Errorf("the difference is\n%s", out)
		}
		if out := p.muster("policy", "apply", name, "--policy", "Default policy", "--note", "we all edit", "--wait"); !strings.Contains(out, "version 1") {
			t.Errorf("saving says %s", out)
		}
		p.wantStatuses(token, 0, 3)
		shown := decode[object](t, p.muster("device", "show", agents[0].ID, "--json"))
		issue := shown["issues"].([]any)[0].(object)
		if issue["check"] != "required_products" || issue["remediation"] != "Install **vim**." {
			t.Errorf("the device is shown as %v", shown)
		}
		runs := p.runs()
		if len(runs) != 3 || runs[0]["kind"] != "reevaluate" || runs[0]["state"] != "done" || runs[0]["changed"] != 3.0 || runs[0]["done"] != 3.0 ||
			runs[1]["kind"] != "dry-run" || runs[1]["state"] != "done" {
			t.Errorf("runs %v", runs)
		}
		if out := p.muster("policy", "history", "Needs an editor"); !strings.Contains(out, "we all edit") {
			t.Errorf("the history is\n%s", out)
		}
		wrongPolicies(t, p, name)
		p.wantStatuses(token, 0, 3)
		p.muster("policy", "rollback", "1", "0", "--expect-version", "1", "--wait")
		p.wantStatuses(token, 3, 0)
		groupsAndPolicies(t, p, token, name, agents[0])
	})
}

// wrongPolicies makes mistakes, none of which changes anything.
func wrongPolicies(t *testing.T, p *program, name string) {
	t.Helper()
	for what, c := range map[string]struct {
		code int
		args []string
		want []string
	}{
		"a mistyped check": {2, []string{"policy", "apply", file(t, strings.Replace(needsEditor, "required_products", "required_prodcuts", 1))}, []string{"required_prodcuts"}},
		"an unknown member and a bad number": {
			2, []string{"policy", "apply", file(t, strings.Replace(needsEditor, "severity: critical", "severty: critical", 1))}, []string{"severty"},
		},
		"another version": {1, []string{"policy", "apply", name, "--policy", "1", "--expect-version", "7"}, []string{"version 1 is current"}},
		"no such policy":  {1, []string{"policy", "show", "Nobody's"}, []string{"Nobody's"}},
		"no such version": {1, []string{"policy", "rollback", "1", "99"}, []string{"not found"}},
		"no file":         {2, []string{"policy", "test", path(t, "none.yaml")}, []string{"none.yaml"}},
		"the default":     {1, []string{"policy", "delete", "1"}, []string{"default"}},
	} {
		out, code := command(t, append(c.args, p.db...)...)
		if code != c.code {
			t.Errorf("%s: code %d: %s", what, code, out)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is not in %s", what, want, out)
			}
		}
	}
}

// groupsAndPolicies gives a group a policy of its own, and moves a device into it.
func groupsAndPolicies(t *testing.T, p *program, token, name string, a *agent) {
	t.Helper()
	p.muster("policy", "apply", name)
	p.muster("group", "add", "Editors", "--policy", "Needs an editor")
	p.wantStatuses(token, 3, 0)
	p.muster("device", "move", a.ID, "Editors")
	eventually(t, "the moved device is judged by the policy of its group", func() bool { return p.counted(token, "non-compliant") == 1 })
	p.wantStatuses(token, 2, 1)
	if out, code := command(t, append([]string{"policy", "delete", "Needs an editor"}, p.db...)...); code != 1 || !strings.Contains(out, "Editors") {
		t.Errorf("deleting a policy in use: %d %s", code, out)
	}
	p.muster("group", "edit", "Editors", "--policy", "1")
	eventually(t, "a group that gets another policy has its devices judged anew", func() bool { return p.counted(token, "compliant") == 3 })
	p.wantStatuses(token, 3, 0)
	p.muster("policy", "delete", "Needs an editor")
}

// TestRunsOutliveServers saves a policy while no server runs: the next one judges the devices.
func TestRunsOutliveServers(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		_, token := p.client("read")
		code := strings.TrimSpace(p.muster("regcode", "show"))
		for i := range 5 {
			mac := fmt.Sprintf("00:0c:29:00:02:%02x", i)
			p.register(code, registration(mac)).report(healthy(fmt.Sprintf("host-%d", i), mac)).want(200)
		}
		p.end()
		p.muster("policy", "apply", file(t, needsEditor), "--policy", "1")
		runs := p.runs()
		if len(runs) != 1 || runs[0]["state"] != "waiting" {
			t.Fatalf("runs %v", runs)
		}
		q := start(t, db, "--rate-limit", "0")
		eventually(t, "the next server judges the devices", func() bool { return q.counted(token, "non-compliant") == 5 })
		eventually(t, "the run is done", func() bool {
			return slices.ContainsFunc(q.runs(), func(r object) bool { return r["state"] == "done" })
		})
	})
}

// TestVerdictsFollowUsersAndGroups links users and renames a group where the policy asks for them.
func TestVerdictsFollowUsersAndGroups(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		_, token := p.client("write")
		code := strings.TrimSpace(p.muster("regcode", "show"))
		mac := "00:0c:29:00:03:01"
		a := p.register(code, registration(mac))
		a.report(healthy("host", mac)).want(200)
		p.muster("policy", "apply", "--policy", "1", "--wait", file(t, `name: By user and group
checks: []
rules:
  - {name: Jane, users: [jane], status: compliant}
  - {name: Trusted, groups: [Trusted], status: compliant}
  - {name: Default, status: non-compliant}
`))
		p.wantStatuses(token, 0, 1)
		link := func(user, device string) {
			t.Helper()
			p.call("POST", "/o/api/v2/devices/"+device+"/link_user", bearer(token), fmt.Sprintf(`{"username":%q}`, user)).want(200)
		}
		link("jane", a.ID)
		p.wantStatuses(token, 1, 0)
		link("joe", mac)
		p.wantStatuses(token, 0, 1)
		p.muster("group", "edit", "1", "--name", "Trusted")
		eventually(t, "a group of another name has its devices judged anew", func() bool { return p.counted(token, "compliant") == 1 })
		if got := decode[object](t, p.muster("device", "show", a.ID, "--json"))["rule"]; got != "Trusted" {
			t.Errorf("the rule %v decided", got)
		}
	})
}

// TestPoliciesThroughAServer uses the commands on a server, as an application of it.
func TestPoliciesThroughAServer(t *testing.T) {
	p := start(t, engines["sqlite"](t), "--rate-limit", "0")
	code := strings.TrimSpace(p.muster("regcode", "show"))
	mac := "00:0c:29:00:04:01"
	p.register(code, registration(mac)).report(healthy("host", mac)).want(200)
	at := func(permission string) func(args ...string) (string, int) {
		id, secret := p.application(permission)
		return func(args ...string) (string, int) {
			t.Helper()
			return command(t, append(args, "--server", p.url, "--client-id", id, "--client-secret", secret)...)
		}
	}
	muster, name := at("admin"), file(t, needsEditor)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"policy", "list"}, 0, "Default policy"},
		{[]string{"policy", "show", "1"}, 0, "check: firewall_running"},
		{[]string{"policy", "test", name}, 0, "1 of 1 devices"},
		{[]string{"policy", "diff", "default policy", name}, 0, "required_products"},
		{[]string{"policy", "apply", name, "--policy", "1", "--expect-version", "4"}, 1, "version 0 is current"},
		{[]string{"policy", "apply", name, "--policy", "1", "--wait", "--note", "from afar"}, 0, "have been judged anew"},
		{[]string{"policy", "apply", name}, 0, "says that already"},
		{[]string{"policy", "history", "1"}, 0, "from afar"},
		{[]string{"policy", "show", "1", "--version", "0"}, 0, "name: Default policy"},
		{[]string{"policy", "rollback", "1", "0", "--wait"}, 0, "version 2"},
		{[]string{"policy", "diff", "1", "--version", "1", "--json"}, 0, "required_products"},
		{[]string{"policy", "delete", "1"}, 1, "default policy"},
		{[]string{"policy", "show", "Nobody's"}, 1, "Nobody's"},
		{[]string{"run", "list"}, 0, "reevaluate"},
		{[]string{"run", "cancel", strings.Repeat("0", 32)}, 1, "not found"},
	} {
		out, code := muster(c.args...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%v: code %d, %q is not in %s", c.args, code, c.want, out)
		}
	}
	if out, code := at("write")("policy", "apply", name); code != 1 || !strings.Contains(out, "--permission admin") {
		t.Errorf("without the permission: %d %s", code, out)
	}
}

// TestWhatAMachineIsStays: an agent that names the type of its machine when it registers need not repeat it, and one that
// never did is judged as everything that it might be.
func TestWhatAMachineIsStays(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		_, token := p.client("read")
		code := strings.TrimSpace(p.muster("regcode", "show"))
		mac := "00:0c:29:00:05:01"
		silent := strings.NewReplacer(`"device_type":"desktop",`, "", `"family":"linux",`, "").Replace(healthy("host", mac))
		if strings.Contains(silent, "device_type") || strings.Contains(silent, "family") {
			t.Fatal("the report says what the machine is")
		}
		a := p.register(code, registration(mac))
		a.report(silent).want(200)
		p.wantStatuses(token, 1, 0)
		p.muster("policy", "apply", "--policy", "1", "--wait", file(t, strings.Replace(needsEditor, "checks:\n", "checks:\n  - {check: device_genuine, severity: critical, device_types: [phone]}\n", 1)))
		if shown := decode[object](t, p.muster("device", "show", a.ID, "--json")); len(shown["issues"].([]any)) != 1 {
			t.Errorf("judged anew: %v", shown["issues"])
		}
		p.muster("policy", "rollback", "1", "0", "--wait")
		unsaid := p.register(code, strings.NewReplacer(`"device_type":"desktop",`, "", `"family":"linux",`, "").Replace(registration("00:0c:29:00:05:02")))
		unsaid.report(strings.ReplaceAll(silent, mac, "00:0c:29:00:05:02")).want(200)
		p.wantStatuses(token, 1, 1)
	})
}

// TestVersionsOfADeletedPolicy can still be listed and shown.
func TestVersionsOfADeletedPolicy(t *testing.T) {
	p := start(t, engines["sqlite"](t), "--rate-limit", "0")
	_, token := p.client("admin")
	p.muster("policy", "apply", file(t, needsEditor), "--note", "for a while")
	p.muster("policy", "delete", "2")
	for path, status := range map[string]int{"/api/v1/policies/2": 404, "/api/v1/policies/2/versions": 200, "/api/v1/policies/2/versions/1": 200, "/api/v1/policies/3/versions": 404} {
		r := p.call("GET", path, bearer(token), "")
		if r.status != status {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
}
