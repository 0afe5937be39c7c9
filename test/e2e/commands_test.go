package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/posture"
)

// beside opens the database of a running server as another server would, and gives its device service and the account.
func (p *program) beside() (*device.Service, posture.AccountID) {
	p.t.Helper()
	s := p.store()
	accounts, err := s.ListAccounts(p.t.Context())
	if err != nil || len(accounts) != 1 {
		p.t.Fatal(accounts, err)
	}
	return device.New(device.Options{Store: s}), accounts[0].ID
}

// TestCommandsReachTheirAgents: what is queued beside the server goes to the agents of both generations, and what they
// answer can be read beside it; also across a restart.
func TestCommandsReachTheirAgents(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		code := strings.TrimSpace(p.muster("regcode", "show"))
		a := p.register(code, registration("00:0c:29:00:00:01"))
		svc, account := p.beside()
		act := func(action device.Action) string {
			t.Helper()
			out, err := svc.Act(t.Context(), account, device.ActionRequest{Action: action, Device: device.Selector{ID: a.ID}, Actor: "test"})
			if err != nil || out.Result != device.ActionDone {
				t.Fatalf("%s: %+v, %v", action, out, err)
			}
			return out.CommandID
		}
		if got := a.ping().want(200).body; got != "{}" {
			t.Errorf("before any command: %s", got)
		}
		id := act(device.ActFetchLog)
		told := func() (list []any) {
			list, _ = a.ping().want(200).object()["commands"].([]any)
			return list
		}
		eventually(t, "the command goes with a ping", func() bool { return len(told()) == 1 })
		if first := told()[0].(object); first["id"] != id || first["type"] != "fetch_agent_log" {
			t.Errorf("the command: %v", first)
		}
		p.end()
		p = start(t, db)
		a.p = p
		if len(told()) != 1 {
			t.Error("the command did not outlive a restart")
		}
		a.call("POST", "/result", fmt.Sprintf(`{"method":"fetch_agent_log","command_id":%q,"result":1,"output":"first\nlast\n"}`, id)).want(200)
		c, err := svc.Command(t.Context(), account, id)
		if err != nil || c.State != device.CommandDone || string(c.Output) != "first\nlast\n" || c.DeliveredAt.IsZero() {
			t.Errorf("the result: %+v, %v", c, err)
		}
		if got := a.ping().want(200).body; got != "{}" {
			t.Errorf("after the result: %s", got)
		}

		second := func(call, rest string) object {
			t.Helper()
			return p.call("POST", "/gears/api/1/agent/"+call, a.headers(), fmt.Sprintf(`{"hwid":%q%s}`, a.ID, rest)).want(200).object()
		}
		id = act(device.ActReidentify)
		eventually(t, "the agent is to identify its user", func() bool { return second("imhere", `,"opt":0`)["code"] == 807.0 })
		second("result", `,"method":"807","result":"1"`)
		if diff := cmp.Diff(object{"code": 0.0, "msg": "OK"}, second("imhere", "")); diff != "" {
			t.Error(diff)
		}
		c, err = svc.Command(t.Context(), account, id)
		if err != nil || c.State != device.CommandDone {
			t.Errorf("the result by its code: %+v, %v", c, err)
		}
	})
}

// TestAnAgentIsRemovedAndTheDeviceStays: the agent is told to go, can do nothing else, and may come back.
func TestAnAgentIsRemovedAndTheDeviceStays(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		code := strings.TrimSpace(p.muster("regcode", "show"))
		a := p.register(code, registration("00:0c:29:00:00:01"))
		a.report(healthy("vm", "00:0c:29:00:00:01")).want(200)
		svc, account := p.beside()
		err := svc.Remove(t.Context(), account, device.Selector{ID: a.ID}, device.RemoveAgent, "test")
		if err != nil {
			t.Fatal(err)
		}
		imhere := func() any {
			return p.call("POST", "/gears/api/1/agent/imhere", a.headers(), fmt.Sprintf(`{"hwid":%q}`, a.ID)).want(200).object()["code"]
		}
		if got := imhere(); got != 802.0 {
			t.Errorf("the agent is answered %v", got)
		}
		a.report(healthy("other", "00:0c:29:00:00:01")).want(401)
		eventually(t, "the server has forgotten the credentials", func() bool { return a.ping().status == 401 })
		show := decode[object](t, p.muster("device", "show", a.ID, "--json"))
		if show["status"] != "unknown" || show["managed"] != false || show["host_name"] != "vm" {
			t.Errorf("the device: %v", show)
		}
		if show["verdict"] = p.call("GET", "/api/v2/accounts/"+a.LicenseKey, a.headers(), "").status; show["verdict"] != 401 {
			t.Errorf("the credentials still open the account's details: %v", show["verdict"])
		}
		back := p.register(code, registration("00:0c:29:00:00:01"))
		if back.ID != a.ID {
			t.Errorf("it came back as %s", back.ID)
		}
		back.report(healthy("vm", "00:0c:29:00:00:01")).want(200)
		if show = decode[object](t, p.muster("device", "show", a.ID, "--json")); show["managed"] != true {
			t.Errorf("back: %v", show)
		}
	})
}

// TestGroupsOnTheCommandLine makes, lists, changes and deletes groups, and lets an agent join one.
func TestGroupsOnTheCommandLine(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		code := strings.TrimSpace(p.muster("regcode", "show"))
		made := decode[object](t, p.muster("group", "add", "Lab", "--description", "Floor 2", "--auto-join", "--json"))
		if made["group_id"] != 2.0 || made["auto_join"] != true || made["description"] != "Floor 2" {
			t.Errorf("made: %v", made)
		}
		if when, err := time.Parse(time.RFC3339, made["created_at"].(string)); err != nil || time.Since(when) > time.Hour {
			t.Errorf("made at %v, %v", made["created_at"], err)
		}
		p.register(code+"_2", registration("00:0c:29:00:00:01"))
		if out, exit := command(t, append([]string{"group", "delete", "lab"}, db...)...); exit != 1 || !strings.Contains(out, "has devices") {
			t.Errorf("deleting a group with a device: code %d: %s", exit, out)
		}
		p.muster("group", "edit", "LAB", "--name", "Attic", "--no-auto-join", "--description", "", "--remove-unseen", "90d")
		p.register(code+"_2", registration("00:0c:29:00:00:02"))
		p.muster("group", "add", "Empty")
		p.muster("group", "delete", "3")
		list := decode[[]object](t, p.muster("group", "list", "--json"))
		if unseen := list[1]["remove_unseen"]; unseen != 90*86400.0 {
			t.Errorf("devices that were not heard of go after %v seconds", unseen)
		}
		var got []string
		for _, g := range list {
			got = append(got, fmt.Sprintf("%v %v %v %v %q", g["group_id"], g["name"], g["devices"], g["auto_join"], g["description"]))
		}
		if diff := cmp.Diff([]string{`1 Default 1 false ""`, `2 Attic 1 false ""`}, got); diff != "" {
			t.Error(diff)
		}
		for _, args := range [][]string{{"group", "edit", "Attic"}, {"group", "add", ""}, {"group", "edit", "Attic", "--name", strings.Repeat("x", 65)}, {"group", "edit", "Attic", "--remove-unseen", "soon"}, {"group", "edit", "Attic", "--remove-unseen=-1h"}} {
			if out, exit := command(t, append(args, db...)...); exit != 2 {
				t.Errorf("muster %v: code %d: %s", args, exit, out)
			}
		}
		if out := p.muster("group", "delete", "attic", "--move-to", "default"); !strings.Contains(out, "moved 1 device to Default") {
			t.Errorf("deleting a group with its devices moved: %s", out)
		}
		if list := decode[[]object](t, p.muster("group", "list", "--json")); len(list) != 1 || list[0]["devices"] != 2.0 {
			t.Errorf("left: %v", list)
		}
		if out, exit := command(t, append([]string{"group", "delete", "Default"}, db...)...); exit != 1 {
			t.Errorf("deleting the default group: code %d: %s", exit, out)
		}
	})
}
