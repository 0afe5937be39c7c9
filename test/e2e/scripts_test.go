package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// withScripts is a policy with checks of its own.
const withScripts = `# What we ask.
name: Ours
checks:
  - check: custom_check
    name: dock   # agents report under this name
    severity: critical
    scripts:
      - os: [linux]
        interpreter: sh
        timeout: 5s
        text: |
          test "$(id -u)" != 0
      - {interpreter: powershell, text: exit 0}
  - check: custom_check
    name: phones
    severity: warning
    device_types: [phone]
    scripts: [{interpreter: sh, text: exit 0}]
rules:
  - {name: Critical issue, min_critical: 1, status: non-compliant}
  - {name: Default, status: compliant}
`

// keyPair makes a key to sign scripts with, and gives the file with the secret one.
func keyPair(t *testing.T) string {
	t.Helper()
	name := path(t, "scripts.key")
	if out, code := command(t, "script", "keygen", name); code != 0 || !strings.HasPrefix(out, "muster-script-key:") {
		t.Fatal(code, out)
	}
	return name
}

// TestScriptsAreSigned signs, sees, changes and signs again, all without a database.
func TestScriptsAreSigned(t *testing.T) {
	t.Parallel()
	key, other, name := keyPair(t), keyPair(t), file(t, withScripts)
	run := func(code int, want string, args ...string) string {
		t.Helper()
		out, got := command(t, args...)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("%v: %d %s", args, got, out)
		}
		return out
	}
	run(1, "exists already", "script", "keygen", key)
	run(1, "would not run 3 of 3", "script", "verify", name, "--script-keys", key+".pub")
	run(0, "signed 3 scripts", "script", "sign", name, "--key", key)
	run(0, "good", "script", "verify", name, "--script-keys", key+".pub")
	run(1, "not trusted here", "script", "verify", name, "--script-keys", other+".pub")
	run(2, "this is the secret key", "script", "verify", name, "--script-keys", key)
	run(2, "begins with muster-script-secret:", "script", "sign", name, "--key", key+".pub")
	signed, err := os.ReadFile(name)
	if err != nil || !strings.HasPrefix(string(signed), "# What we ask.\n") || !strings.Contains(string(signed), "# agents report under this name") {
		t.Errorf("%v\n%s", err, signed)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	for _, change := range [][2]string{{"name: dock", "name: dick"}, {"-u", "-g"}, {"5s", "6s"}, {"[linux]", "[mac]"}, {"interpreter: sh", "interpreter: bash"}} {
		changed := file(t, strings.Replace(string(signed), change[0], change[1], 1))
		out := run(1, "changed after it was signed", "script", "verify", changed, "--script-keys", key+".pub", "--json")
		bad := 0
		for line := range strings.Lines(out) {
			if strings.Contains(line, `"good": false`) {
				bad++
			}
		}
		if want := 1 + strings.Count(change[0], "dock"); bad != want { // the name is that of two scripts
			t.Errorf("%v: %d are bad\n%s", change, bad, out)
		}
	}
	run(2, "--valid-until must be a day", "script", "sign", name, "--key", key, "--valid-until", "soon")
	run(2, "is over already", "script", "sign", name, "--key", key, "--valid-until", "2026-01-01")
	run(0, " until 2099-12-31T00:00:00Z", "script", "sign", name, "--key", key, "--valid-until", "2099-12-31")
	run(0, `"valid_until": "2099-12-31T00:00:00Z"`, "script", "verify", name, "--script-keys", key+".pub", "--json")
	run(2, "line 9", "script", "sign", file(t, strings.Replace(withScripts, "interpreter: sh", "interpreter: perl", 1)), "--key", key)
}

// TestAgentsAreToldTheirScripts: the scripts of the policy that judges a device come with its configuration.
func TestAgentsAreToldTheirScripts(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		code := strings.TrimSpace(p.muster("regcode", "show"))
		a := p.register(code, registration("00:0c:29:00:09:01"))
		asked := func() []any {
			list, _ := a.call("POST", "/config", `{"include":["custom_checks"]}`).want(200).object()["custom_checks"].([]any)
			return list
		}
		if got := asked(); got != nil {
			t.Errorf("asked for without a policy: %v", got)
		}
		name, key := file(t, withScripts), keyPair(t)
		if out, code := command(t, "script", "sign", name, "--key", key, "--valid-until", "2099-12-31"); code != 0 {
			t.Fatal(out)
		}
		p.muster("policy", "apply", name, "--policy", "1", "--wait")
		got := asked()
		if len(got) != 1 {
			t.Fatalf("%v", got)
		}
		c := got[0].(object)
		if c["id"] != "dock" || c["interpreter"] != "sh" || c["timeout_seconds"] != 5.0 || fmt.Sprint(c["os"]) != "[linux]" ||
			c["text"] != "test \"$(id -u)\" != 0\n" || !strings.HasPrefix(c["signature"].(string), "v2:") {
			t.Errorf("%v", c)
		}
		// The policy is a group's.
		p.muster("policy", "rollback", "1", "0", "--wait")
		p.muster("policy", "apply", name)
		if got := asked(); got != nil {
			t.Errorf("%v", got)
		}
		p.muster("group", "add", "Docks", "--policy", "Ours")
		p.muster("device", "move", a.ID, "Docks")
		if got := asked(); len(got) != 1 {
			t.Errorf("%v", got)
		}
	})
}
