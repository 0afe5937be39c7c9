package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestConflictsOnTheCommandLine has two agents claim one machine, and an administrator say what is what.
func TestConflictsOnTheCommandLine(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		code := strings.TrimSpace(p.muster("regcode", "show"))
		claims := func(i int, hardware string) *agent {
			mac := fmt.Sprintf("00:0c:29:00:00:%02x", i)
			a := p.register(code, registration(mac))
			a.report(strings.Replace(healthy(fmt.Sprint("host-", i), mac), "{", fmt.Sprintf(`{"hardware_id":%q,`, hardware), 1)).want(200)
			return a
		}
		stays, goes := claims(1, "HW-TWICE"), claims(2, "HW-TWICE")
		clones := []*agent{claims(3, "HW-CLONE"), claims(4, "HW-CLONE")}
		list := decode[[]object](t, p.muster("device", "conflicts", "--json"))
		if len(list) != 2 || list[0]["kind"] != "hardware_id" || list[0]["value"] != "hw-clone" || len(list[1]["devices"].([]any)) != 2 {
			t.Fatalf("conflicts: %v", list)
		}
		if text := p.muster("device", "conflicts"); !strings.Contains(text, "conflict: hardware id") || !strings.Contains(text, goes.ID) {
			t.Errorf("conflicts: %s", text)
		}
		p.muster("device", "merge", stays.ID, "00:0c:29:00:00:02")
		eventually(t, "the agent of the one that went up is refused", func() bool { return goes.ping().status == 401 })
		stays.ping().want(200)
		again := p.register(code, strings.Replace(registration("00:0c:29:00:00:02"), "{", fmt.Sprintf(`{"device_id":%q,"hardware_id":"HW-TWICE",`, goes.ID), 1))
		if again.ID != stays.ID {
			t.Errorf("it registers as %s", again.ID)
		}
		stranger := p.register(code, strings.Replace(registration("00:0c:29:00:00:05"), "{", fmt.Sprintf(`{"device_id":%q,`, goes.ID), 1))
		if stranger.ID == stays.ID {
			t.Error("whoever knows the id of one that went up in another registers as that")
		}
		if out := p.muster("device", "split", clones[0].ID); !strings.Contains(out, "hw-clone") || !strings.Contains(out, "2 devices") {
			t.Errorf("split: %s", out)
		}
		if out := strings.TrimSpace(p.muster("device", "conflicts", "--json")); out != "[]" {
			t.Errorf("left: %s", out)
		}
		for _, a := range clones {
			a.ping().want(200)
		}
		for _, args := range [][]string{{"device", "merge", stays.ID, stays.ID}, {"device", "split", "Default string"}} {
			if out, exit := command(t, append(args, db...)...); exit != 2 {
				t.Errorf("muster %v: code %d: %s", args, exit, out)
			}
		}
	})
}
