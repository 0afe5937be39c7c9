package packages

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// volatile are members of a report that differ from one moment to the next.
var volatile = regexp.MustCompile(`^\s*"(scan_time|available_memory_mb|device_up_time|free_mb|collected)":`)

// sameFacts: what the unit takes away from the agent takes nothing from what it finds: in the unit it reports the same as when
// root runs it.
func sameFacts(m *machine, rpm string) {
	t := m.t
	// By rpm, so that there is a database of rpm to read too, where other systems have it; and two kinds of firewall.
	m.run("sh", "-c", "mkdir -p /etc/rpm && echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros")
	m.run("rpm", "-i", "--nodeps", rpm)
	m.run("nft", "add table inet t; add chain inet t in { type filter hook input priority 0; policy drop; }; add rule inet t in iif lo accept")
	m.run("iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "23", "-j", "DROP")
	text := m.run("cat", "/usr/lib/systemd/system/muster-agent.service")
	for from, to := range map[string]string{
		"/usr/bin/muster-agent run\n": "/usr/bin/muster-agent once --json\nStandardOutput=truncate:/mnt/inside\nStandardError=truncate:/mnt/said\n",
		"Type=exec\n":                 "Type=oneshot\n",
		"ConditionPathExists=":        "#",
	} {
		if !strings.Contains(text, from) {
			t.Fatalf("the unit has no %q", from)
		}
		text = strings.Replace(text, from, to, 1)
	}
	if err := os.WriteFile(filepath.Join(m.files, "once.service"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.run("cp", "/mnt/once.service", "/run/systemd/system/")
	m.run("systemctl", "daemon-reload")
	outside, inside := looks(m)
	if diff := cmp.Diff(lines(outside), lines(inside)); diff != "" {
		t.Errorf("in the unit the agent reports other than root's agent (-root +unit):\n%s", diff)
	}
	for _, want := range []string{`"pkg:rpm/`, `"pkg:deb/`, "nftables"} {
		if !strings.Contains(inside, want) {
			t.Errorf("there is no %s in\n%s", want, inside)
		}
	}
}

// looks gives what root's agent reports, and what the agent reports in the unit once. Root's looks before and after: a machine that
// changed between them, as when a program ends or becomes old enough to be told of, is looked at again.
func looks(m *machine) (outside, inside string) {
	m.t.Helper()
	plain := func() string { return m.run("sh", "-c", "muster-agent once --json 2>/dev/null") }
	const most = 10
	for range most {
		before := plain()
		if out, err := m.try("systemctl", "start", "once"); err != nil {
			m.t.Fatalf("%v\n%s%s", err, out, m.run("cat", "/mnt/said"))
		}
		text, err := os.ReadFile(filepath.Join(m.files, "inside"))
		if err != nil {
			m.t.Fatal(err)
		}
		outside, inside = plain(), string(text)
		if slices.Equal(lines(before), lines(outside)) {
			return outside, inside
		}
	}
	m.t.Fatalf("the machine never stayed the same for the length of three looks; the last:\n%s", outside)
	return outside, inside
}

// lines are those of a report without what is volatile.
func lines(report string) []string {
	var out []string
	for s := bufio.NewScanner(strings.NewReader(report)); s.Scan(); {
		if !volatile.MatchString(s.Text()) {
			out = append(out, s.Text())
		}
	}
	return out
}

// policy has the agent run a script that shows what it may do. Only what is no pass is shown, so that it does not pass.
const policy = `name: With a script
checks:
  - check: custom_check
    name: who
    title: Scripts are nobody
    severity: warning
    scripts:
      - os: [linux]
        interpreter: sh
        timeout: 10s
        text: |
          touch mine || exit 3
          touch /mnt/x /var/lib/muster-agent/x 2>/dev/null && exit 4
          cat /etc/shadow /var/lib/muster-agent/state.json 2>/dev/null && exit 5
          touch /tmp/x 2>/dev/null && echo "and writes to /tmp"
          echo "this is $(id -un)"
          exit 6
rules:
  - {name: Default, status: compliant}
`

// customCheck: a custom check runs under the unit, and as nobody.
func customCheck(m *machine, s *server, code, deb string) {
	t := m.t
	if err := os.WriteFile(filepath.Join(m.files, "policy.yaml"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	s.muster("script", "keygen", "/mnt/key")
	s.muster("script", "sign", "/mnt/policy.yaml", "--key", "/mnt/key")
	s.muster("policy", "apply", "/mnt/policy.yaml")
	s.muster("group", "edit", "Default", "--policy", "With a script")
	m.run("dpkg", "-i", deb)
	m.run("install", "-D", "/mnt/key.pub", "/etc/muster-agent/checks.pub")
	m.run("muster-agent", "install", "--server", s.url, "--code", code, "--script-keys", "/etc/muster-agent/checks.pub", "--device-name", "box")
	d := s.await("the report", func(device) bool { return true })
	out := s.muster("device", "show", d.ID)
	if !strings.Contains(out, "this is nobody") || !strings.Contains(out, "ended with status 6") {
		t.Errorf("the script did not run as it should:\n%s", out)
	}
	m.run("muster-agent", "uninstall")
	m.run("dpkg", "-P", "muster-agent")
	m.wantNothing()
}
