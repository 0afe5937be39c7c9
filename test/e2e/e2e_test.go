package e2e

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/client"
)

// TestFromAgentToAnswer follows the README: a new database, an application, an agent, its report, and what an
// integrator then reads and writes.
func TestFromAgentToAnswer(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		account := decode[object](t, p.muster("account", "show", "--json"))
		code := account["registration_code"].(string)
		if !strings.Contains(p.out.String(), code) || !strings.Contains(p.out.String(), "muster app create") {
			t.Errorf("the first start says nothing of the code or of applications: %s", p.out)
		}
		c := newClient(t, p, "write")

		a := p.register(code, registration("00:0c:29:00:00:01"))
		a.ping().want(200)
		a.report(healthy("vm", "00:0c:29:00:00:01")).want(200)
		check := a.call("GET", "/policy_check", "").want(200).object()
		if check["status"] != "compliant" || check["total_issue"] != 0.0 {
			t.Errorf("policy check: %v", check)
		}
		got, err := c.Account(t.Context(), client.AccountQuery{})
		if err != nil || got.DevicesUsed != 1 || got.LicenseKey != account["license_key"] {
			t.Errorf("account details: %+v, %v", got, err)
		}
		want := []client.StatusCount{
			{Status: client.Compliant, Devices: 1}, {Status: client.NonCompliant}, {Status: client.Exempted}, {Status: client.Unknown},
		}
		if diff := cmp.Diff(want, got.ByStatus); diff != "" {
			t.Error(diff)
		}
		err = c.LinkUser(t.Context(), "00-0C-29-00-00-01", client.LinkedUser{Username: "kari", Group: "staff"})
		if err != nil {
			t.Errorf("link user: %v", err)
		}
		shown := decode[object](t, p.muster("device", "show", "--json", a.ID))
		if diff := cmp.Diff(object{"username": "kari", "group": "staff"}, shown["link_user"]); diff != "" {
			t.Error(diff)
		}
		a.call("DELETE", "", "").want(200)
		a.ping().want(401)
		err = c.LinkUser(t.Context(), a.ID, client.LinkedUser{Username: "kari"})
		if !client.IsNotFound(err) {
			t.Errorf("link user on a retired device: %v", err)
		}
		again := p.register(code, registration("00:0c:29:00:00:01"))
		if again.ID != a.ID {
			t.Errorf("a retired device came back as %s, was %s", again.ID, a.ID)
		}
	})
}

// TestCommandsTakeEffect changes things from the command line while the server runs.
func TestCommandsTakeEffect(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		clientID, token := p.client("read")
		code := strings.TrimSpace(p.muster("regcode", "show"))
		a := p.register(code, registration("00:0c:29:00:00:01"))
		a.ping().want(200)
		p.account(token)

		p.muster("device", "delete", a.ID)
		eventually(t, "a deleted device's ping is refused", func() bool { return a.ping().status == 401 })
		body := fmt.Sprintf(`{"hwid":%q,"opt":0}`, a.ID)
		told := p.call("POST", "/gears/api/1/agent/imhere", []string{"Gears-Access-Key", a.Key, "Gears-Access-Token", a.Token}, body).want(200).object()
		if told["code"] != 802.0 {
			t.Errorf("a deleted device is told %v", told)
		}
		p.muster("account", "set", "--devices-allowed", "7", "--name", "Renamed")
		eventually(t, "a changed account shows", func() bool {
			got := p.account(token)
			return got["devices_allowed"] == 7.0 && got["name"] == "Renamed"
		})
		fresh := strings.TrimSpace(p.muster("regcode", "rotate"))
		eventually(t, "the old registration code is refused", func() bool {
			return p.call("POST", "/api/v2/accounts/devices/registration_code", []string{"Gears-Auth", code}, registration("00:0c:29:00:00:02")).status == 404
		})
		p.register(fresh, registration("00:0c:29:00:00:03"))
		p.muster("app", "revoke", clientID)
		eventually(t, "a revoked application's token is refused", func() bool {
			return p.call("POST", "/o/api/v3.2/account", bearer(token), "").status == 401
		})
	})
}

// TestImport adds devices that have no agent; one of them gets an agent later and stays the same device.
func TestImport(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		file := path(t, "devices.csv")
		write(t, file, "mac,name,type\n00:0c:29:00:00:01,printer,desktop\n000c29000002,camera,\n00-0C-29-00-00-01,twice,laptop\n")
		got := decode[object](t, p.muster("device", "import", file, "--json"))
		if got["added"] != 2.0 || got["known"] != 1.0 {
			t.Errorf("import: %v", got)
		}
		out, code := command(t, append([]string{"device", "import", badFile(t)}, db...)...)
		if code == 0 || !strings.Contains(out, "line 1") || !strings.Contains(out, "line 3") {
			t.Errorf("a bad file: code %d, %s", code, out)
		}
		_, token := p.client("read")
		if n := numbers(t, p.account(token)["devices_by_status"], "status")["unknown"]; n != 2 {
			t.Errorf("%v unknown devices", n)
		}
		printer := decode[object](t, p.muster("device", "show", "--json", "00:0c:29:00:00:01"))
		a := p.register(strings.TrimSpace(p.muster("regcode", "show")), registration("00:0c:29:00:00:01"))
		if a.ID != printer["device_id"] || printer["name"] != "printer" {
			t.Errorf("an imported device got an agent as %s, was %v", a.ID, printer)
		}
		list := decode[[]object](t, p.muster("device", "list", "--json"))
		if len(list) != 2 {
			t.Errorf("list %v", list)
		}
	})
}

func badFile(t *testing.T) string {
	t.Helper()
	file := path(t, "bad.csv")
	write(t, file, "not-a-mac,x,laptop\n00:0c:29:00:00:09,ok,laptop\n00:0c:29:00:00:0a,x,toaster\n")
	return file
}

func write(t *testing.T, file, text string) {
	t.Helper()
	err := os.WriteFile(file, []byte(text), 0o600)
	if err != nil {
		t.Fatal(err)
	}
}

// TestAccountsAreAlone gives one account's client and agent the names of another account's things.
func TestAccountsAreAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		p.muster("account", "create", "--name", "Other")
		_, mine := p.client("write", "--account", "Default")
		_, theirs := p.client("write", "--account", "Other")
		code := strings.TrimSpace(p.muster("regcode", "show", "--account", "Default"))
		a := p.register(code, registration("00:0c:29:00:00:01"))
		a.report(healthy("vm", "00:0c:29:00:00:01")).want(200)
		other := decode[object](t, p.muster("account", "show", "--json", "--account", "Other"))

		for _, value := range []string{a.ID, "00:0c:29:00:00:01"} {
			r := p.call("POST", "/o/api/v2/devices/"+value+"/link_user", bearer(theirs), `{"username":"x"}`).want(200)
			if r.body != `{"result":0,"msg":"Device not found"}` {
				t.Errorf("another account links %s: %s", value, r.body)
			}
		}
		if got := p.account(theirs); got["devices_used"] != 0.0 {
			t.Errorf("another account counts %v", got["devices_used"])
		}
		if got := p.account(mine); got["devices_used"] != 1.0 {
			t.Errorf("the account counts %v", got["devices_used"])
		}
		trespass := *a
		trespass.LicenseKey = other["license_key"].(string)
		for _, r := range []*response{
			trespass.ping(), trespass.report(healthy("vm", "00:0c:29:00:00:01")), trespass.call("GET", "/policy_check", ""),
			trespass.call("POST", "/config", "{}"), trespass.call("DELETE", "", ""),
			p.call("GET", "/api/v2/accounts/"+trespass.LicenseKey, []string{"Gears-Access-Key", a.Key, "Gears-Access-Token", a.Token}, ""),
		} {
			r.want(401)
		}
		twin := p.register(other["registration_code"].(string), registration("00:0c:29:00:00:01"))
		if twin.ID == a.ID {
			t.Error("a machine was recognised across accounts")
		}
		a.ping().want(200)
		for _, args := range [][]string{{"device", "show", a.ID}, {"device", "delete", a.ID}} {
			out, code := command(t, append(append(args, "--account", "Other"), db...)...)
			if code == 0 {
				t.Errorf("muster %v from another account: %s", args, out)
			}
		}
	})
}

// TestLimitIsSharedByServers sends more calls than allowed to two servers over one database at once.
func TestLimitIsSharedByServers(t *testing.T) {
	db := engines["postgres"](t)
	servers := []*program{start(t, db, "--rate-limit", "20"), start(t, db, "--rate-limit", "20")}
	_, token := servers[0].client("read")
	var allowed, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			r := servers[i%2].call("POST", "/o/api/v3.2/account", bearer(token), "")
			switch r.status {
			case 200:
				allowed.Add(1)
			case 429:
				refused.Add(1)
				if r.header.Get("Retry-After") == "" || r.header.Get("X-RateLimit-Remaining") != "0" {
					t.Errorf("headers of a refusal: %v", r.header)
				}
			default:
				t.Errorf("status %d: %s", r.status, r.body)
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 20 || refused.Load() != 40 {
		t.Errorf("%d allowed, %d refused", allowed.Load(), refused.Load())
	}
}

// TestDeletedOnOneServerEndsOnTheOther: each server remembers credentials, and must forget them.
func TestDeletedOnOneServerEndsOnTheOther(t *testing.T) {
	db := engines["postgres"](t)
	one, two := start(t, db), start(t, db)
	a := one.register(strings.TrimSpace(one.muster("regcode", "show")), registration("00:0c:29:00:00:01"))
	elsewhere := *a
	elsewhere.p = two
	elsewhere.ping().want(200)
	a.call("DELETE", "", "").want(200)
	eventually(t, "the other server refuses a retired device", func() bool { return elsewhere.ping().status == 401 })
}

// TestMoveToPostgres takes a backup of SQLite, while it serves, to PostgreSQL.
func TestMoveToPostgres(t *testing.T) {
	from := start(t, engines["sqlite"](t))
	a := from.register(strings.TrimSpace(from.muster("regcode", "show")), registration("00:0c:29:00:00:01"))
	a.report(healthy("vm", "00:0c:29:00:00:01")).want(200)
	_, token := from.client("read")
	before := from.account(token)
	file := path(t, "backup.muster")
	from.muster("backup", file)
	_, code := command(t, append([]string{"backup", file}, from.db...)...)
	if code == 0 {
		t.Error("a backup overwrote a file")
	}
	_, code = command(t, append([]string{"restore", file}, from.db...)...)
	if code == 0 {
		t.Error("a backup was restored under a running server")
	}
	db := engines["postgres"](t)
	out, code := command(t, append([]string{"restore", file}, db...)...)
	if code != 0 {
		t.Fatal(out)
	}
	to := start(t, db)
	if diff := cmp.Diff(before, to.account(token)); diff != "" {
		t.Error(diff)
	}
	a.p = to
	a.ping().want(200)
	a.report(healthy("vm", "00:0c:29:00:00:01")).want(200)
}

// TestLogHoldsNoSecrets looks for every secret of a run in what the server logged, at the most talkative level.
func TestLogHoldsNoSecrets(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--log-level", "debug")
		code := strings.TrimSpace(p.muster("regcode", "show"))
		app := decode[object](t, p.muster("app", "create", "--name", "n", "--json"))
		secret := app["client_secret"].(string)
		r := p.call("GET", "/o/oauth/token?grant_type=client_credentials&client_id="+app["client_id"].(string)+"&client_secret="+secret, nil, "").want(200)
		token := r.object()["access_token"].(string)
		a := p.register(code, registration("00:0c:29:00:00:01"))
		a.report(`{"broken`).want(400)
		p.call("POST", "/o/api/v3.2/account?access_token="+token, nil, `{"score_type":1}`)
		p.call("GET", "/o/oauth/token?grant_type=client_credentials&client_id=x&client_secret="+secret, nil, "").want(401)
		p.end()
		for name, s := range map[string]string{"secret": secret, "token": token, "key": a.Key, "agent's token": a.Token, "code": code} {
			if strings.Contains(p.log.String(), s) {
				t.Errorf("the log holds the %s", name)
			}
		}
	})
}
