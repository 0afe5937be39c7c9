package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/agent/protocol"
	"muster/test/proof"
)

// TestCommands: what an administrator asks of a machine, its agent does: it sends its log, in which nothing is secret, and
// asks its user anew.
func TestCommands(t *testing.T) {
	proof.NeedPrograms(t, "curl")
	n := newNamespace(t, "commands")
	s := serve(t, n, "127.0.0.1:8080")
	s.muster("account", "settings", "set", "agents.ask_user.enabled=true", "agents.ask_user.pattern=@example[.]net$", "agents.ask_user.message=Your address?")
	a := startAgent(t, n, s, "")
	proof.Eventually(t, "the agent asks its user", func() bool { return a.status().Question == "Your address?" })
	id := a.status().DeviceID

	log := s.muster("device", "command", "fetch-log", id, "--wait", "30s")
	if !strings.Contains(log, "msg=enrolled") {
		t.Errorf("the log is %q", log)
	}
	var held struct{ Credentials protocol.Credentials }
	raw, err := os.ReadFile(filepath.Join(a.state, "state.json"))
	if err == nil {
		err = json.Unmarshal(raw, &held)
	}
	if err != nil || !held.Credentials.Complete() {
		t.Fatalf("%v, %+v", err, held)
	}
	for _, secret := range []string{held.Credentials.LicenseKey, held.Credentials.Key, held.Credentials.Token, s.code()} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log:\n%s", secret, log)
		}
	}

	token := s.token()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	identify := []string{
		"env", runAs + "=muster-agent", self, "identify", "--settings", os.DevNull, "--state", a.state, "--status-file", filepath.Join(a.state, "status.json"),
	}
	if out, err := try(identify[0], append(identify[1:], "kari")...); err == nil {
		t.Errorf("an answer that is not of the form was taken: %s", out)
	}
	run(t, identify[0], append(identify[1:], "kari@example.net")...)
	proof.Eventually(t, "the server knows who it is", func() bool { return strings.Contains(s.details(token, id), "kari@example.net") })
	s.muster("device", "command", "re-identify", id)
	proof.Eventually(t, "the user is asked anew", func() bool { return a.status().Question != "" })
	run(t, identify[0], append(identify[1:], "anna@example.net")...)
	proof.Eventually(t, "the server knows who it is now", func() bool { return strings.Contains(s.details(token, id), "anna@example.net") })
}
