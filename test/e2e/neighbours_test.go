package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// neighboursReport is a report of a machine that sees others, of which it names the last digits of the addresses.
func neighboursReport(host, mac string, sees ...int) string {
	list := make([]string, len(sees))
	for i, n := range sees {
		list[i] = fmt.Sprintf(`{"mac":"00:0c:29:00:01:%02x","ip":"192.0.2.%d","adapter":"eth0"}`, n, n)
	}
	return strings.Replace(healthy(host, mac), `"soh":{`, `"soh":{"neighbours":[`+strings.Join(list, ",")+`],`, 1)
}

// TestNeighboursBecomeKnown: where an account wants to know, machines without an agent that an agent sees are listed as unknown,
// use no place, and are not kept with the report; where it does not, or keeps addresses private, nothing is noted.
func TestNeighboursBecomeKnown(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		p.muster("account", "create", "--name", "Other")
		mine, theirs := []string{"--account", "Default"}, []string{"--account", "Other"}
		join := func(account []string, mac string) *agent {
			return p.register(strings.TrimSpace(p.muster(append([]string{"regcode", "show"}, account...)...)), registration(mac))
		}
		unknown := func(account []string) (out []object) {
			for _, d := range decode[[]object](t, p.muster(append([]string{"device", "list", "--json"}, account...)...)) {
				if d["status"] == "unknown" {
					out = append(out, d)
				}
			}
			return out
		}
		a, b := join(mine, "00:0c:29:00:00:01"), join(theirs, "00:0c:29:00:00:01")
		set := func(account []string, values ...string) {
			p.muster(append(append([]string{"account", "settings", "set"}, values...), account...)...)
		}
		a.report(neighboursReport("lab-1", "00:0c:29:00:00:01", 7)).want(200)
		if got := unknown(mine); len(got) != 0 {
			t.Errorf("nobody asked: %v", got)
		}
		set(mine, "agents.discover_neighbours=true")
		set(theirs, "agents.discover_neighbours=true", "privacy.local_ip=true")
		n := 7
		eventually(t, "a neighbour is known", func() bool {
			n = 8 + n%200 // a list that stays the same is not looked at again
			a.report(neighboursReport("lab-1", "00:0c:29:00:00:01", n)).want(200)
			return len(unknown(mine)) > 0
		})
		b.report(neighboursReport("lab-1", "00:0c:29:00:00:01", n)).want(200)
		if got := unknown(theirs); len(got) != 0 {
			t.Errorf("where addresses are private: %v", got)
		}
		shown := decode[object](t, p.muster(append([]string{"device", "show", unknown(mine)[0]["device_id"].(string), "--json"}, mine...)...))
		by, _ := shown["seen_by"].(object)
		if by["device_id"] != a.ID || by["adapter"] != "eth0" || shown["managed"] != false {
			t.Errorf("shown: %v", shown)
		}
		text := p.muster(append([]string{"device", "show", unknown(mine)[0]["device_id"].(string)}, mine...)...)
		if !strings.Contains(text, "seen on the network by  "+a.ID+" on eth0, 20") {
			t.Errorf("shown: %s", text)
		}
		account := decode[object](t, p.muster(append([]string{"account", "show", "--json"}, mine...)...))
		if account["devices_used"] != 1.0 {
			t.Errorf("it uses a place: %v", account)
		}
		if body := p.stored(a.ID); strings.Contains(body, "00:0c:29:00:01") || !strings.Contains(body, `"neighbours":null`) {
			t.Errorf("kept with the report: %s", body)
		}
		if r := a.report(strings.Replace(healthy("lab-1", "00:0c:29:00:00:01"), `"soh":{`, `"soh":{"neighbours":[7],`, 1)); r.status != 400 {
			t.Errorf("a list of numbers: %d %s", r.status, r.body)
		}
	})
}
