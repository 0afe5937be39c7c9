package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/protocol"
	"muster/internal/agent/script"
	"muster/internal/posture"
)

// TestMain lets the program of the tests be the one that an agent starts to run a script.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == script.CommandName {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		code := script.Command(ctx, os.Args[2:], os.Stderr)
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// TestFromScriptToVerdict signs a script, has a policy ask for it, runs it as the agent does, reports what came of it, and
// sees the verdict follow.
func TestFromScriptToVerdict(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		key := keyPair(t)
		keys, err := script.ReadKeys([]string{key + ".pub"})
		if err != nil {
			t.Fatal(err)
		}
		code := strings.TrimSpace(p.muster("regcode", "show"))
		const mac = "00:0c:29:00:0a:01"
		a := p.register(code, registration(mac))
		agent := protocol.New(http.DefaultClient, p.url).As(protocol.Credentials{LicenseKey: a.LicenseKey, DeviceID: a.ID, Key: a.Key, Token: a.Token})
		runner := script.New(script.Settings{Keys: keys, Now: time.Now})
		check := func() []collect.CustomResult {
			t.Helper()
			config, err := agent.Config(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			results := runner.Run(t.Context(), config.Checks)
			a.report(withResults(t, healthy("vm", mac), results)).want(200)
			return results
		}
		apply := func(text string, sign bool) {
			t.Helper()
			name := file(t, text)
			if out, code := command(t, "script", "sign", name, "--key", key); sign && code != 0 {
				t.Fatal(out)
			}
			if !sign {
				name = file(t, text)
			}
			p.muster("policy", "apply", name, "--policy", "1", "--wait")
		}
		verdict := func(status, said string) {
			t.Helper()
			shown := decode[object](t, p.muster("device", "show", a.ID, "--json"))
			issues, _ := json.Marshal(shown["issues"])
			if shown["status"] != status || !strings.Contains(string(issues), said) {
				t.Errorf("%v, want %s and %q: %s", shown["status"], status, said, issues)
			}
		}
		ran := func(outcome posture.Outcome) {
			t.Helper()
			if got := check(); len(got) != 1 || got[0].ID != "dock" || got[0].Outcome != outcome {
				t.Errorf("%+v, want %v", got, outcome)
			}
		}
		apply(withScripts, true)
		ran(posture.Pass)
		verdict("compliant", "")
		apply(strings.Replace(withScripts, "test \"$(id -u)\" != 0", "echo the dock is old; exit 1", 1), true)
		ran(posture.Fail)
		verdict("non-compliant", "the dock is old")
		apply(strings.Replace(withScripts, "test \"$(id -u)\" != 0", "kill -SEGV $$", 1), true)
		ran(posture.Errored)
		verdict("non-compliant", "crashed")
		// A script that nobody signed is not run, however well it would pass.
		apply(withScripts, false)
		ran(posture.Errored)
		verdict("non-compliant", "not signed")
		apply(withScripts, true)
		ran(posture.Pass)
		verdict("compliant", "")
	})
}

// withResults puts the results of custom checks into a report.
func withResults(t *testing.T, report string, results []collect.CustomResult) string {
	t.Helper()
	body := decode[object](t, report)
	var list []object
	for _, r := range results {
		list = append(list, object{"id": r.ID, "outcome": r.Outcome, "output": r.Output, "at": r.At})
	}
	body["soh"].(object)["custom_checks"] = list
	out, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
