package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	adminclient "muster/client/admin"
)

const folderOfServers = `kind: settings
spec:
  privacy:
    public_ip: true
---
# What servers are judged by.
kind: policy
name: Strict
spec:
  description: For servers
  checks:
    - check: firewall_running
      severity: critical
  rules:
    - name: critical
      min_critical: 1
      status: non-compliant
    - name: rest
      status: compliant
---
kind: group
name: Servers
spec:
  description: What must not sleep
  policy: strict
  remove_unseen: 90d
`

const folderOfOthers = `kind: registration-code
name: office
spec: {group: servers, max_uses: 5}
---
kind: webhook
name: siem
spec:
  url: https://siem.acme.example/hook
  form: opswat
  events: [deleted, non_compliant]
  api_key_env: MUSTER_E2E_SIEM_KEY
`

// folder writes files into a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		put(t, dir, name, text)
	}
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ways are how a folder is applied: to the database, and through a server.
func ways(p *program) map[string]func(args ...string) (string, int) {
	id, secret := p.application("admin", "--calls-per-minute", "0")
	return map[string]func(args ...string) (string, int){
		"database": func(args ...string) (string, int) {
			return command(p.t, append(append([]string{"apply"}, args...), p.db...)...)
		},
		"server": func(args ...string) (string, int) {
			return command(p.t, append([]string{"apply", "--server", p.url, "--client-id", id, "--client-secret", secret}, args...)...)
		},
	}
}

var codeShown = regexp.MustCompile(`\(code [A-Z0-9]{8}\)`)

// TestApply: a folder makes the account as it says, at once and in the right order; again it does nothing; what is told before
// is what is done.
func TestApply(t *testing.T) {
	t.Setenv("MUSTER_E2E_SIEM_KEY", "a-key-that-nobody-may-see")
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		for name, apply := range ways(p) {
			t.Run(name, func(t *testing.T) { applied(t, p, apply) })
		}
	})
}

func applied(t *testing.T, p *program, apply func(...string) (string, int)) {
	dir := folder(t, map[string]string{"z-servers.yaml": folderOfServers, "a-others.yml": folderOfOthers})
	run := func(want string, args ...string) {
		t.Helper()
		got, code := apply(append([]string{"-f", dir}, args...)...)
		if got = codeShown.ReplaceAllString(got, "(code)"); code != 0 || got != want {
			t.Errorf("apply %v: code %d\n%s\nwant\n%s", args, code, got, want)
		}
		if strings.Contains(got, "a-key-that") {
			t.Error("it tells the API key")
		}
	}
	c, _ := newAdmin(t, p, "admin")
	before := state(t, c)
	run(`would change settings
   privacy.public_ip: false -> true
would create policy Strict
would create group Servers
would create registration-code office
would create webhook siem
`, "--dry-run")
	if after := state(t, c); after != before {
		t.Errorf("a dry run has changed something:\n%s\nwas\n%s", after, before)
	}
	run(`changed settings
   privacy.public_ip: false -> true
created policy Strict
created group Servers
created registration-code office (code)
created webhook siem
`)
	made := state(t, c)
	for _, want := range []string{"Servers policy Strict 90d", "office Servers 5 valid", "siem opswat [non_compliant deleted] key true"} {
		if !strings.Contains(made, want) {
			t.Errorf("there is no %q in\n%s", want, made)
		}
	}
	run("nothing to do: the account is as the folder says\n")
	run("nothing to do: the account is as the folder says\n", "--prune")
	exportedAgain(t, p, apply)

	put(t, dir, "z-servers.yaml", strings.NewReplacer("90d", "30d", "severity: critical", "severity: warning", "kind: group\nname: Servers", "kind: group\nname: Racks").Replace(folderOfServers))
	put(t, dir, "a-others.yml", strings.NewReplacer("servers", "Racks", "[deleted, non_compliant]", "[deleted]").Replace(folderOfOthers))
	changes := `%s policy Strict
   check firewall_running, severity: critical → warning
%s group Racks
%s registration-code office%s
   group: "Servers" -> "Racks"
%s webhook siem
   events: ["non_compliant","deleted"] -> ["deleted"]
%s group Servers
`
	fill := func(text string, words ...string) string {
		for _, w := range words {
			text = strings.Replace(text, "%s", w, 1)
		}
		return text
	}
	run(fill(changes, "would change", "would create", "would replace", "", "would change", "would delete"), "--dry-run", "--prune")
	run(fill(changes, "changed", "created", "replaced", " (code)", "changed", "deleted"), "--prune")
	run("nothing to do: the account is as the folder says\n", "--prune")
	run("changed webhook siem\n   api_key: \"the one before\" -> \"that of MUSTER_E2E_SIEM_KEY\"\n", "--send-secrets")
	resetAccount(t, c)
}

// exportedAgain: an account that was written as a folder is as that folder says.
func exportedAgain(t *testing.T, p *program, apply func(...string) (string, int)) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "account")
	got := p.muster("export", "-o", dir)
	if strings.Count(got, "wrote ") != 5 {
		t.Errorf("%s", got)
	}
	// The webhook has its key: nobody needs it to compare.
	if got, code := apply("-f", dir, "--prune"); code != 0 || got != "nothing to do: the account is as the folder says\n" {
		t.Errorf("code %d, %s", code, got)
	}
	if got, code := command(t, append([]string{"export", "-o", dir}, p.db...)...); code != 1 || !strings.Contains(got, "is not empty") {
		t.Errorf("over what is there: code %d, %s", code, got)
	}
}

// state is all that a folder can be about.
func state(t *testing.T, c *adminclient.Client) string {
	t.Helper()
	var out []string
	names := map[string]string{}
	settings := ok[adminclient.Settings](t)(c.Settings(t.Context()))
	out = append(out, settings.Tag)
	for _, p := range collected(t, c.Policies(t.Context())) {
		names["policy "+p.ID] = p.Name
		out = append(out, p.Name+p.Tag)
	}
	for _, g := range collected(t, c.Groups(t.Context())) {
		names["group "+g.ID] = g.Name
		out = append(out, strings.Join([]string{g.Name, "policy", names["policy "+g.Policy], g.RemoveUnseen, g.Tag}, " "))
	}
	for _, x := range collected(t, c.RegistrationCodes(t.Context())) {
		out = append(out, strings.Join([]string{x.Name, names["group "+x.Group], fmt.Sprint(x.MaxUses), x.State}, " "))
	}
	for _, w := range collected(t, c.Webhooks(t.Context())) {
		out = append(out, strings.Join([]string{w.Name, w.Form, fmt.Sprint(w.Events), "key", fmt.Sprint(w.HasAPIKey)}, " "))
	}
	return strings.Join(out, "\n")
}

// resetAccount makes the account as it began.
func resetAccount(t *testing.T, c *adminclient.Client) {
	t.Helper()
	ctx := t.Context()
	settings := ok[adminclient.Settings](t)(c.Settings(ctx))
	ok[adminclient.Settings](t)(c.ChangeSettings(ctx, settings.Tag, map[string]any{"privacy": map[string]any{"public_ip": false}}))
	for _, w := range collected(t, c.Webhooks(ctx)) {
		must(t, c.DeleteWebhook(ctx, w.ID, w.Tag))
	}
	for _, x := range collected(t, c.RegistrationCodes(ctx)) {
		must(t, c.RevokeRegistrationCode(ctx, x.ID))
	}
	for _, g := range collected(t, c.Groups(ctx))[1:] {
		must(t, c.DeleteGroup(ctx, g.ID, g.Tag, ""))
	}
	for _, p := range collected(t, c.Policies(ctx))[1:] {
		must(t, c.DeletePolicy(ctx, p.ID, p.Tag))
	}
}

// A mistake in any file changes nothing at all, and is told with its file and line.
func TestApplyRefusesMistakes(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db)
		c, _ := newAdmin(t, p, "admin")
		before := state(t, c)
		for name, apply := range ways(p) {
			for text, wants := range map[string][]string{
				"kind: group\nname: a\nspec:\n  policy: none\n":                                                                {`b.yaml:4: group a: there is no policy "none"`},
				"kind: group\nname: a\nspec:\n  remove_unseen: soon\n  colour: red\n":                                          {`b.yaml:5: group a: there is no member "colour"`},
				"kind: group\nname: a\nspec:\n  join_rule: 1 +\n":                                                              {"b.yaml:4: group a: join_rule"},
				"kind: policy\nname: p\nspec:\n  checks:\n    - check: none\n      severity: deadly\n":                         {`b.yaml:5: policy p: there is no check "none"`, `b.yaml:4: policy p: the last rule`},
				"kind: policy\nname: p\nspec:\n  name: q\n":                                                                    {"b.yaml:4: policy p: the name of a policy stands beside its kind"},
				"kind: settings\nspec:\n  vulnerabilities:\n    levels: {moderate: 60}\n":                                      {"settings: vulnerabilities.levels.important is 50 and must be above"},
				"kind: settings\nspec:\n  licence:\n    warn_percent: 101\n":                                                   {"b.yaml:4: settings: licence.warn_percent must be"},
				"kind: settings\nspec:\n  licence:\n    bogus: 1\n":                                                            {`b.yaml:4: settings: unknown field "bogus"`},
				"kind: webhook\nname: w\nspec:\n  url: x\n  form: odd\n  events: [x]\n":                                        {"b.yaml:4: webhook w: url", "b.yaml:5: webhook w: form", "b.yaml:6: webhook w: events"},
				"kind: webhook\nname: w\nspec:\n  url: https://x.example\n  form: opswat\n  api_key_env: MUSTER_E2E_NOT_SET\n": {"b.yaml:6: webhook w: the environment variable MUSTER_E2E_NOT_SET is not set"},
				"kind: registration-code\nname: r\nspec:\n  group: none\n":                                                     {`b.yaml:4: registration-code r: there is no group "none"`},
				"kind: registration-code\nname: r\nspec:\n  expires_at: 2020-01-01T00:00:00Z\n":                                {"b.yaml:4: registration-code r: expires_at lies in the past"},
				"kind: group\nname: servers\n":                                                                                 {"b.yaml:1: group servers: it is in a.yaml:"},
			} {
				_, good, _ := strings.Cut(folderOfServers, "---\n")
				got, code := apply("-f", folder(t, map[string]string{"a.yaml": good, "b.yaml": text}))
				for _, want := range wants {
					if code != 2 || !strings.Contains(got, want) {
						t.Errorf("%s: %q: code %d, %s; want %q", name, text, code, got, want)
					}
				}
			}
		}
		if after := state(t, c); after != before {
			t.Errorf("something has changed:\n%s\nwas\n%s", after, before)
		}
		if got, code := command(t, "apply", "-f", folder(t, map[string]string{"a.yaml": folderOfServers}), "--server", p.url, "--client-id", "x", "--client-secret", "y"); code != 1 || !strings.Contains(got, "does not accept") {
			t.Errorf("an unknown application: code %d, %s", code, got)
		}
		id, secret := p.application("write")
		if got, code := command(t, "apply", "-f", folder(t, map[string]string{"a.yaml": folderOfServers}), "--server", p.url, "--client-id", id, "--client-secret", secret); code != 1 || !strings.Contains(got, "--permission admin") {
			t.Errorf("one that may not administer: code %d, %s", code, got)
		}
	})
}
