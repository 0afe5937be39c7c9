package agent

import (
	"fmt"
	"path/filepath"
	"testing"

	"muster/test/proof"
)

// TestEnrolsByLicenceKeyAndGroup: the account lets agents in by its licence key, and the agent comes to the group that its
// settings name; the code of another machine names a group as well.
func TestEnrolsByLicenceKeyAndGroup(t *testing.T) {
	n := newNamespace(t, "key")
	s := serve(t, n, "127.0.0.1:8080")
	s.muster("account", "settings", "set", "agents.enrol_by_license_key=true")
	s.muster("group", "add", "Lab", "--auto-join")
	var account struct {
		Key string `json:"license_key"`
	}
	s.read(&account, "account", "show")
	var groups []struct {
		ID   int64 `json:"group_id"`
		Name string
	}
	s.read(&groups, "group", "list")
	lab := ""
	for _, g := range groups {
		if g.Name == "Lab" {
			lab = fmt.Sprint(g.ID)
		}
	}
	if account.Key == "" || lab == "" {
		t.Fatalf("the account is %+v, its groups are %+v", account, groups)
	}
	for what, with := range map[string][]string{
		"a licence key and a group": {"--license-key", account.Key, "--group", lab},
		"a code with a group":       {"--code", s.code() + "_" + lab},
	} {
		a := startBy(t, n, s, "", with...)
		proof.Eventually(t, what+": the agent has reported", func() bool { return a.status().Verdict != "" })
		if d := s.device(); d == nil || fmt.Sprint(d["group_id"]) != lab {
			t.Errorf("%s: the device is %v, and the group was %s", what, d, lab)
		}
		s.muster("device", "delete", a.status().DeviceID)
		<-a.done
	}
}

// TestPages: a page that the settings allow is told by the real agent which device of the server's it is on, once the server
// wants that, and at the port that the server names.
func TestPages(t *testing.T) {
	proof.NeedPrograms(t, "curl")
	n := newNamespace(t, "pages")
	s := serve(t, n, "127.0.0.1:8080")
	a := startBy(t, n, s, "", "--code", s.code(), "--report-every", "2s", "--cross-domain", "--cross-domain-origins", "https://portal.example.net")
	proof.Eventually(t, "the agent has reported", func() bool { return a.status().Verdict != "" })
	ask := func(address, origin string) string {
		line := n.command("curl", "--silent", "--max-time", "10", "--cacert", filepath.Join(a.state, "devinfo.crt"), "--header", "Origin: "+origin, address)
		out, err := try(line[0], line[1:]...)
		if err != nil {
			return ""
		}
		return out
	}
	const usual, other, allowed = "https://localhost:11369/opswat/devinfo", "https://localhost:11370/opswat/devinfo", "https://portal.example.net"
	if out := ask(usual, allowed); out != "" {
		t.Fatalf("the server did not ask for it, and pages are told %s", out)
	}
	told := `{"code":0,"description":"Success","info":{"hwid":"` + a.status().DeviceID + `"}}` + "\n"
	s.muster("account", "set", "--cross-domain-enabled")
	proof.Eventually(t, "an allowed page is told", func() bool { return ask(usual, allowed) == told })
	if out := ask(usual+"?callback=learn", allowed); out != "learn("+told[:len(told)-1]+")" {
		t.Errorf("a script is told %s", out)
	}
	if out := ask(usual, "https://other.example.net"); out != `{"code":-32,"description":"Pages of this origin may not ask"}`+"\n" {
		t.Errorf("another page is told %s", out)
	}
	s.muster("account", "set", "--cross-domain-port", "11370")
	proof.Eventually(t, "it is told at the other port", func() bool { return ask(other, allowed) == told && ask(usual, allowed) == "" })
	s.muster("account", "set", "--cross-domain-enabled=false")
	proof.Eventually(t, "it is told no more", func() bool { return ask(other, allowed) == "" })
}
