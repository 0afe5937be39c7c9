package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	adminclient "muster/client/admin"
)

// found gives how many devices have a vulnerability open, and how many accepted.
func (p *program) found(cve string) string {
	p.t.Helper()
	for _, v := range decode[[]adminclient.Vulnerability](p.t, p.muster("vuln", "list", "--all", "--json", "--search", cve)) {
		return fmt.Sprintf("%d open, %d accepted", v.Open, v.Accepted)
	}
	return "none"
}

func (p *program) wantFound(cve, want string) {
	p.t.Helper()
	got := ""
	eventuallyWithin(p.t, 30*time.Second, cve+" is "+want, func() bool {
		got = p.found(cve)
		return got == want
	})
}

// TestAcceptingVulnerabilities takes a vulnerability from a feed to a decision and back, with a server and its command line.
func TestAcceptingVulnerabilities(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		_, token := p.client("write")
		code := strings.TrimSpace(p.muster("regcode", "show"))
		var agents []*agent
		for i, version := range []string{"1.0-1", "1.0-1", "1.0-2"} {
			mac := fmt.Sprintf("00:0c:29:00:03:%02x", i)
			a := p.register(code, registration(mac))
			a.report(withPackage(fmt.Sprintf("host-%d", i), mac, "frobnicate", version)).want(200)
			agents = append(agents, a)
		}
		p.feeds(inDebian("CVE-2031-0001", "frobnicate", "1.0-2", "2026-01-01T00:00:00Z"))
		p.wantVulnerable(token, "CVE-2031-0001", 2)
		p.wantFound("CVE-2031-0001", "2 open, 0 accepted")
		explains(p, agents)
		// On one device, at once.
		said := p.muster("vuln", "accept", "CVE-2031-0001", "--device", agents[0].ID, "--reason", "switched off in May", "--for", "30d", "--author", "Kari")
		if !strings.Contains(said, "the device has been judged anew") || p.found("CVE-2031-0001") != "1 open, 1 accepted" {
			t.Errorf("%s%s", said, p.found("CVE-2031-0001"))
		}
		if got := p.muster("vuln", "explain", agents[0].ID, "CVE-2031-0001"); !strings.Contains(got, "does not count") || !strings.Contains(got, "by Kari: switched off in May") {
			t.Error(got)
		}
		if got := p.call("POST", "/o/api/v3.2/get_cves", bearer(token), `{"id":"`+agents[0].ID+`"}`).want(200).body; strings.Contains(got, "CVE-2031-0001") {
			t.Errorf("the compatible API tells of it: %s", got)
		}
		p.wantVulnerable(token, "CVE-2031-0001", 1)
		// Everywhere, by a run.
		p.muster("vuln", "accept", "CVE-2031-0001", "--product", "frob*", "--ecosystem", "Debian", "--reason", "not reachable", "--wait")
		p.wantVulnerable(token, "CVE-2031-0001", 0)
		p.wantFound("CVE-2031-0001", "0 open, 2 accepted")
		if got := p.muster("vuln", "show", "CVE-2031-0001"); !strings.Contains(got, "not reachable") || !strings.Contains(got, "1.0-1 on 2 devices") || !strings.Contains(got, "CVSS:3.1/AV:N") {
			t.Error(got)
		}
		// A device that reports it for the first time is told at once.
		mac := "00:0c:29:00:03:10"
		late := p.register(code, registration(mac))
		late.report(withPackage("late", mac, "frobnicate", "1.0-1")).want(200)
		p.wantFound("CVE-2031-0001", "0 open, 3 accepted")
		throughServer(p)
		revokes(p, token)
		vexed(p, token)
		levels(p, token)
	})
}

func explains(p *program, agents []*agent) {
	p.t.Helper()
	for i, want := range map[int][]string{
		0: {"CVE-2031-0001 is open", "frobnicate 1.0-1 (Debian:12) is vulnerable by entry CVE-2031-0001 of feed osv, which is fixed in 1.0-2"},
		2: {"CVE-2031-0001 is not found", "its version is none that is vulnerable (fixed in 1.0-2)"},
	} {
		got := p.muster("vuln", "explain", agents[i].ID, "cve-2031-0001")
		for _, w := range want {
			if !strings.Contains(got, w) {
				p.t.Errorf("of device %d: %q is not in\n%s", i, w, got)
			}
		}
	}
	if got := p.muster("vuln", "explain", agents[0].ID, "CVE-1999-99999"); !strings.Contains(got, "No feed says anything about CVE-1999-99999") {
		p.t.Error(got)
	}
}

// throughServer does with the API of the server what is done elsewhere in front of the database.
func throughServer(p *program) {
	p.t.Helper()
	id, secret := p.application("admin")
	far := func(args ...string) string {
		p.t.Helper()
		out, code := command(p.t, append(args, "--server", p.url, "--client-id", id, "--client-secret", secret)...)
		if code != 0 {
			p.t.Fatalf("%q: %s", args, out)
		}
		return out
	}
	if got := far("vuln", "list", "--accepted", "--min-score", "1", "--sort", "id"); !strings.Contains(got, "CVE-2031-0001") {
		p.t.Error(got)
	}
	if got := far("vuln", "accept", "CVE-2031-0002", "--reason", "not here", "--group", "default"); !strings.Contains(got, "in group 1 for good") {
		p.t.Error(got)
	}
	list := decode[[]adminclient.AcceptedRisk](p.t, far("vuln", "accepted", "--json", "--cve", "CVE-2031-0002"))
	if len(list) != 1 || list[0].Author != id {
		p.t.Fatalf("%+v", list)
	}
	if got := far("vuln", "revoke", list[0].ID, "--reason", "it is"); !strings.Contains(got, "counts again") {
		p.t.Error(got)
	}
	reader, readerSecret := p.application("read")
	out, code := command(p.t, "vuln", "accept", "CVE-2031-0002", "--reason", "x", "--server", p.url, "--client-id", reader, "--client-secret", readerSecret)
	if code == 0 {
		p.t.Errorf("one that may only read accepts: %s", out)
	}
}

func revokes(p *program, token string) {
	p.t.Helper()
	for _, r := range decode[[]adminclient.AcceptedRisk](p.t, p.muster("vuln", "accepted", "--json")) {
		p.muster("vuln", "revoke", r.ID, "--reason", "it is reachable")
		if out, code := command(p.t, append([]string{"vuln", "revoke", r.ID, "--reason", "again"}, p.db...)...); code == 0 || !strings.Contains(out, "revoked already") {
			p.t.Errorf("revoked twice: %s", out)
		}
	}
	p.wantFound("CVE-2031-0001", "3 open, 0 accepted")
	p.wantVulnerable(token, "CVE-2031-0001", 3)
	if got := p.muster("vuln", "accepted", "--state", "any"); strings.Count(got, "revoked") != 3 {
		p.t.Errorf("history: %s", got)
	}
	for _, args := range [][]string{
		{"vuln", "accept", "CVE-1", "--reason", "x"}, {"vuln", "accept", "CVE-2031-0001", "--reason", "x", "--until", "2020-01-01"},
		{"vuln", "accept", "CVE-2031-0001", "--reason", "x", "--for", "ever"}, {"vuln", "accept", "CVE-2031-0001", "--reason", "x", "--group", "nobody"},
		{"vuln", "accept", "CVE-2031-0001", "--reason", "x", "--device", "nobody"}, {"vuln", "accept", "CVE-2031-0001", "--reason", "a\x1b[2J"},
		{"vuln", "show", "CVE-2031-9999"}, {"vuln", "list", "--limit", "-1"}, {"vuln", "list", "--min-score", "x"}, {"vuln", "revoke", "x", "--reason", "y"},
	} {
		if out, code := command(p.t, append(args, p.db...)...); code == 0 {
			p.t.Errorf("%q: %s", args, out)
		}
	}
}

const vexDocument = `{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://acme.example/vex-%d","author":"Acme","timestamp":"2026-02-0%dT00:00:00Z","version":1,
"statements":[{"vulnerability":{"name":"CVE-2031-0001"},"products":[{"@id":"pkg:deb/debian/frobnicate"}],"status":%q,"justification":"vulnerable_code_not_present"}]}`

// vexed takes over VEX documents, of which the newest holds.
func vexed(p *program, token string) {
	p.t.Helper()
	write := func(day int, status string) string {
		name := path(p.t, "acme.openvex.json")
		if err := os.WriteFile(name, fmt.Appendf(nil, vexDocument, day, day, status), 0o600); err != nil {
			p.t.Fatal(err)
		}
		return name
	}
	if got := p.muster("feed", "import", write(2, "not_affected")); !strings.Contains(got, "VEX statements: 1 accept, 0 lift, 0 say nothing new") {
		p.t.Error(got)
	}
	p.wantFound("CVE-2031-0001", "0 open, 3 accepted")
	if got := p.muster("feed", "import", write(1, "affected")); !strings.Contains(got, "0 accept, 0 lift, 1 say nothing new") {
		p.t.Error(got)
	}
	p.wantVulnerable(token, "CVE-2031-0001", 0)
	p.muster("feed", "import", write(3, "affected"))
	p.wantFound("CVE-2031-0001", "3 open, 0 accepted")
	p.wantVulnerable(token, "CVE-2031-0001", 3)
}

// levels makes an important vulnerability one that is critical, and sees counts follow.
func levels(p *program, token string) {
	p.t.Helper()
	p.muster("account", "settings", "set", "vulnerabilities.levels.critical=60")
	eventuallyWithin(p.t, 30*time.Second, "it is critical", func() bool {
		n := numbers(p.t, p.account(token)["devices_by_vulnerability_severity"], "severity")
		list := decode[[]adminclient.Vulnerability](p.t, p.muster("vuln", "list", "--json", "--level", "critical"))
		return n["critical"] == 3 && n["important"] == 0 && len(list) > 0 && list[0].ID == "CVE-2031-0001"
	})
}
