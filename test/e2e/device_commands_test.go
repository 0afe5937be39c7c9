package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"muster/client"
)

// TestDeviceCommands does with devices what the command line can, in the database of a running server and through its API.
func TestDeviceCommands(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		code := strings.TrimSpace(p.muster("regcode", "show"))
		p.muster("group", "add", "Lab")
		id, secret := p.application("write")
		for i, at := range [][]string{db, {"--server", p.url, "--client-id", id, "--client-secret", secret}} {
			t.Run([]string{"database", "server"}[i], func(t *testing.T) {
				p.t = t
				host, mac := fmt.Sprintf("bench-%d", i), fmt.Sprintf("00:0c:29:00:00:%02x", i+1)
				a := p.register(code, registration(mac))
				a.report(healthy(host, mac)).want(200)
				manageDevice(&commander{t, p, at}, a, host, mac)
			})
			p.t = t
		}
	})
}

// commander runs commands about devices at one of the places where they are.
type commander struct {
	t  *testing.T
	p  *program
	at []string
}

func (c *commander) run(args ...string) (string, int) {
	c.t.Helper()
	return command(c.t, append(append([]string{"device"}, args...), c.at...)...)
}

// does fails unless a command says what it has done.
func (c *commander) does(want string, args ...string) {
	c.t.Helper()
	if out, code := c.run(args...); code != 0 || !strings.Contains(out, want) {
		c.t.Errorf("muster device %v: code %d, %s, want %q", args, code, out, want)
	}
}

// fails fails unless a command does.
func (c *commander) fails(code int, says string, args ...string) {
	c.t.Helper()
	if out, got := c.run(args...); got != code || !strings.Contains(out, says) {
		c.t.Errorf("muster device %v: code %d, want %d: %s does not say %q", args, got, code, out, says)
	}
}

func (c *commander) shown(id string) object {
	c.t.Helper()
	return decode[object](c.t, c.p.muster("device", "show", "--json", id))
}

// TestDeviceHolds exempts and quarantines with a reason, and looks where it shows.
func TestDeviceHolds(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		_, token := p.client("read")
		mac := "00:0c:29:00:00:01"
		a := p.register(strings.TrimSpace(p.muster("regcode", "show")), registration(mac))
		a.report(healthy("bench", mac)).want(200)
		p.muster("device", "exempt", a.ID, "--hours", "2", "--reason", "vendor visit")
		if out := p.muster("device", "quarantine", mac, "--reason", "stolen"); !strings.Contains(out, "quarantined "+a.ID) {
			t.Error(out)
		}
		list := decode[[]object](t, p.muster("device", "list", "--json"))
		shown := decode[object](t, p.muster("device", "show", "--json", a.ID))
		for _, d := range []object{list[0], shown} {
			e, q := d["exemption"].(object), d["quarantine"].(object)
			if d["status"] != "quarantined" || e["reason"] != "vendor visit" || e["by"] != "administrator" || e["until"] == nil ||
				q["reason"] != "stolen" || q["by"] != "administrator" || q["since"] == nil {
				t.Errorf("held: %v", d)
			}
		}
		text := p.muster("device", "show", a.ID)
		for _, want := range []string{"by administrator: stolen", "by administrator: vendor visit", " until "} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in %s", want, text)
			}
		}
		if got := a.call("GET", "/policy_check", "").want(200).object()["status"]; got != "quarantined" {
			t.Errorf("its agent is told %v", got)
		}
		if got := p.account(token)["devices_used"]; got != 1.0 {
			t.Errorf("it uses %v places", got)
		}
		details := p.call("GET", "/o/api/v2.1/devices/"+a.ID+"?opt=0", bearer(token), "").want(200).object()
		if details["status"] != 1.0 {
			t.Errorf("version 2 tells %v, not that it is not compliant", details["status"])
		}
		p.muster("device", "release", a.ID)
		if got := decode[object](t, p.muster("device", "show", "--json", a.ID)); got["status"] != "exempted" || got["quarantine"] != nil {
			t.Errorf("released: %v", got)
		}
		if out, code := command(t, append([]string{"device", "quarantine", "nobody"}, db...)...); code != 1 || !strings.Contains(out, "Device not found") {
			t.Errorf("of nobody: code %d: %s", code, out)
		}
		logs := p.call("POST", "/o/api/v3.1/logs", bearer(token), `{"event_category":"device","filter":{"events":["quarantined","released"]}}`).want(200).body
		if !strings.Contains(logs, "Device quarantined: stolen (by administrator)") || !strings.Contains(logs, "Device released from quarantine") {
			t.Errorf("logs: %s", logs)
		}
	})
}

func manageDevice(c *commander, a *agent, host, mac string) {
	t := c.t
	found, _ := c.run("search", "--json", strings.ToUpper(host[:5]), host[6:])
	if list := decode[[]object](t, found); len(list) != 1 || list[0]["device_id"] != a.ID || strings.Contains(found, "0001-01-01") {
		t.Errorf("search: %s", found)
	}
	c.does(a.ID, "search", strings.ReplaceAll(mac, ":", "-"), "--limit", "1")
	if out, code := c.run("search", "nobody-knows", "--json"); code != 0 || strings.TrimSpace(out) != "[]" {
		t.Errorf("search for nothing: code %d: %s", code, out)
	}
	c.does("exempted "+a.ID, "exempt", a.ID, "--hours", "2")
	if e := c.shown(a.ID); e["status"] != "exempted" || e["exemption"].(object)["until"] == nil {
		t.Errorf("exempted: %v", e)
	}
	c.does("no longer exempted", "unexempt", mac)
	if got := c.shown(a.ID)["status"]; got != "compliant" {
		t.Errorf("no longer exempted: %v", got)
	}
	c.does("moved", "move", a.ID, "lab")
	groups := decode[[]object](t, c.p.muster("group", "list", "--json"))
	if groups[1]["devices"] != 1.0 {
		t.Errorf("moved: %v", groups)
	}
	c.does("moved", "move", a.ID, "1")
	c.does("linked", "link", mac, "kari", "--user-group", "staff")
	if got := fmt.Sprint(c.shown(a.ID)["link_user"]); got != "map[group:staff username:kari]" {
		t.Errorf("linked: %s", got)
	}
	c.fails(1, "No group", "move", a.ID, "attic")
	c.fails(1, "", "exempt", "nobody")
	c.fails(1, "Device not found", "link", "nobody", "kari")
	c.fails(2, "--hours", "exempt", a.ID, "--hours", "65000")
	c.fails(2, "--wait", "command", "renew-dhcp", a.ID, "--wait", "1s")
	c.fails(2, "--output", "command", "fetch-log", a.ID, "--output", "x")
	c.fails(2, "", "command", "dance", a.ID)
	c.fails(2, "--mode", "delete", a.ID, "--mode", "everything")
	orderAgent(c, a)
	for i, mode := range []string{"agent", "data", "archive"} {
		mac := fmt.Sprintf("%s:%02x", mac[:14], 0x80+i+8*len(host)+len(c.at))
		d := c.p.register(strings.TrimSpace(c.p.muster("regcode", "show")), registration(mac))
		c.does("deleted "+d.ID, "delete", d.ID, "--mode", mode)
		_, code := command(t, append([]string{"device", "show", d.ID}, c.p.db...)...)
		if stays := code == 0; stays != (mode == "agent") {
			t.Errorf("--mode %s: muster device show ends with %d", mode, code)
		}
		eventually(t, "the agent is refused", func() bool { return d.ping().status == 401 })
	}
}

// orderAgent tells the agent what to do, and has it answer.
func orderAgent(c *commander, a *agent) {
	t := c.t
	types := func() (out []string) {
		list, _ := a.ping().want(200).object()["commands"].([]any)
		for _, one := range list {
			out = append(out, one.(object)["type"].(string))
		}
		return out
	}
	c.does("queued", "command", "renew-dhcp", a.ID)
	c.does("queued", "command", "re-identify", a.ID)
	c.does("queued", "command", "scan", a.ID)
	eventually(t, "the agent hears of it", func() bool { return slices.Equal(types(), words("dhcprenew re-identify scan_threats")) })
	c.fails(1, "has not answered within", "command", "fetch-log", a.ID, "--wait", "1ms")
	eventually(t, "the agent hears of it", func() bool { return slices.Contains(types(), "fetch_agent_log") })
	open, _ := a.ping().want(200).object()["commands"].([]any)
	for _, one := range open {
		o := one.(object)
		a.call("POST", "/result", fmt.Sprintf(`{"method":%q,"command_id":%q,"result":1,"output":"line of %s\n"}`, o["type"], o["id"], o["type"])).want(200)
	}
	// The agent answers the next one while the command waits.
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		eventuallyWithin(t, demoStart, "the agent answers", func() bool {
			list, _ := a.ping().object()["commands"].([]any)
			for _, one := range list {
				a.call("POST", "/result", fmt.Sprintf(`{"method":"fetch_agent_log","command_id":%q,"result":1,"output":"newest\n"}`, one.(object)["id"]))
			}
			return len(list) > 0
		})
	}()
	file := path(t, "agent.log")
	c.does("wrote "+file, "command", "fetch-log", a.ID, "--wait", "1m", "--output", file)
	<-answered
	if text, err := os.ReadFile(file); err != nil || string(text) != "newest\n" {
		t.Errorf("the log: %q, %v", text, err)
	}
}

// TestReadOnlyCommands: an application that may only read changes nothing, whatever the command.
func TestReadOnlyCommands(t *testing.T) {
	p := start(t, engines["sqlite"](t), "--rate-limit", "0")
	a := p.register(strings.TrimSpace(p.muster("regcode", "show")), registration("00:0c:29:00:00:01"))
	id, secret := p.application("read")
	c := &commander{t, p, []string{"--server", p.url, "--client-id", id, "--client-secret", secret}}
	c.does(a.ID, "search", "vm")
	for _, args := range [][]string{{"exempt", a.ID}, {"link", a.ID, "kari"}, {"delete", a.ID, "--mode", "agent"}, {"command", "scan", a.ID}} {
		c.fails(1, "", args...)
	}
	d, err := newClient(t, p, "read").DeviceDetail(t.Context(), a.ID, client.DetailsQuery{})
	if err != nil || d.Status == client.Exempted || d.LinkedUser.Username != "" {
		t.Errorf("changed: %+v, %v", d, err)
	}
}
