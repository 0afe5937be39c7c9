package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestJoiningRules lets agents into groups by rule and by domain, and moves those that are there when a rule is made.
func TestJoiningRules(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		code := strings.TrimSpace(p.muster("regcode", "show"))
		mac := func(i int) string { return fmt.Sprintf("00:0c:29:00:00:%02x", i) }
		early := p.register(code, registration(mac(1)))
		early.report(healthy("lab-1", mac(1))).want(200)
		p.muster("group", "add", "Lab", "--join-rule", `device.host.startsWith("lab-")`, "--join-order", "3")
		p.muster("group", "add", "Corp", "--domain", "corp.example")
		in := func(a *agent) string {
			list := decode[[]object](t, p.muster("group", "list", "--json"))
			shown := decode[object](t, p.muster("device", "show", a.ID, "--json"))
			for _, g := range list {
				if g["group_id"] == shown["group_id"] {
					return g["name"].(string)
				}
			}
			return ""
		}
		a, n := p.register(code, registration(mac(2))), 0
		eventually(t, "a device joins by its rule when it reports", func() bool {
			n++ // what says nothing new is not looked at
			a.report(healthy(fmt.Sprint("lab-2-", n), mac(2))).want(200)
			return in(a) == "Lab"
		})
		byDomain := p.register(code, strings.Replace(registration(mac(3)), "{", `{"domain":"CORP.example",`, 1))
		if got := in(byDomain); got != "Corp" {
			t.Errorf("a machine of the domain registered: in %q", got)
		}
		byDomain.report(strings.Replace(healthy("pc", mac(3)), "{", `{"domain":"else.example",`, 1)).want(200)
		if got := in(byDomain); got != "Default" {
			t.Errorf("it left the domain: in %q", got)
		}
		if got := in(early); got != "Default" {
			t.Errorf("one that was there before: in %q", got)
		}
		if out := p.muster("group", "apply-rules"); !strings.Contains(out, "moved 1 device") || in(early) != "Lab" {
			t.Errorf("applied: %s, in %q", out, in(early))
		}
		runs := p.runs()
		if len(runs) != 1 || runs[0]["kind"] != "regroup" || runs[0]["state"] != "done" || runs[0]["changed"] != 1.0 || runs[0]["done"] != 3.0 {
			t.Errorf("runs: %v", runs)
		}
		p.muster("device", "move", early.ID, "corp")
		early.report(healthy("lab-1b", mac(1))).want(200)
		if shown := decode[object](t, p.muster("device", "show", early.ID, "--json")); in(early) != "Corp" || shown["pinned"] != true {
			t.Errorf("moved by hand: %v", shown)
		}
		p.muster("device", "unpin", early.ID)
		early.report(healthy("lab-1c", mac(1))).want(200)
		if got := in(early); got != "Lab" {
			t.Errorf("no longer pinned: in %q", got)
		}
		if out, exit := command(t, append([]string{"group", "edit", "Lab", "--join-rule", "device.host"}, db...)...); exit != 2 || !strings.Contains(out, "join_rule") {
			t.Errorf("a rule that is no condition: code %d: %s", exit, out)
		}
		p.muster("group", "edit", "Lab", "--join-rule", "")
		if list := p.muster("group", "list"); !strings.Contains(list, "Corp") {
			t.Error(list)
		}
	})
}
