package agent

import (
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"muster/test/proof"
)

// guardsPolicy asks for what the test changes.
const guardsPolicy = `name: Guards
checks:
  - {check: firewall_enabled, severity: critical}
  - {check: antimalware_running, severity: critical}
  - {check: unwanted_remote_control, severity: critical}
rules:
  - {name: Critical issue, issues: critical, status: non-compliant}
  - {name: Default, status: compliant}
`

// TestVerdictFollows changes the machine and waits for the server's verdict, from the real collectors through the real
// agent to the real server and back: a firewall is started, ClamAV is started and stopped, a forbidden package is
// installed and removed, an adapter is added.
func TestVerdictFollows(t *testing.T) {
	proof.NeedPrograms(t, "nft", "clamd", "dpkg-deb", "curl")
	// It is known as remote control, and nobody has it from Debian.
	forbidden := newDeb(t, "aeroadmin", "1.0")
	n := newNamespace(t, "verdict")
	s := serve(t, n, "127.0.0.1:8080")
	policy := filepath.Join(t.TempDir(), "guards.yaml")
	write(t, policy, guardsPolicy)
	s.muster("policy", "apply", policy, "--policy", "Default policy", "--wait")
	a := startAgent(t, n, s, "")
	follows := func(what, status string, issues ...string) {
		t.Helper()
		proof.Eventually(t, what, func() bool {
			st := a.status()
			return st.Verdict == status && st.Critical == len(issues)
		})
		if d := s.device(); !slices.Equal(checksOf(d), issues) || d["status"] != status {
			t.Errorf("%s: the server says %v: %q, want %q", what, d["status"], checksOf(d), issues)
		}
	}
	follows("the machine as it is", "non-compliant", "antimalware_running", "firewall_enabled")

	n.run(t, "nft", "add table inet t; add chain inet t in { type filter hook input priority 0; policy drop; }; add rule inet t in iif lo accept")
	follows("a firewall", "non-compliant", "antimalware_running")
	daemon := clamd(t)
	follows("and ClamAV", "compliant")

	forbidden.install()
	follows("a forbidden package", "non-compliant", "unwanted_remote_control")
	forbidden.remove()
	follows("which is gone", "compliant")

	daemon.signal(t, syscall.SIGTERM)
	follows("ClamAV has ended", "non-compliant", "antimalware_running")
	n.run(t, "nft", "flush", "ruleset")
	follows("nor is there a firewall", "non-compliant", "antimalware_running", "firewall_enabled")

	n.run(t, "ip", "link", "add", "proof0", "address", "02:00:5e:10:00:17", "type", "veth", "peer", "name", "proof1")
	n.run(t, "ip", "address", "add", "198.51.100.17/24", "dev", "proof0")
	n.run(t, "ip", "link", "set", "proof0", "up")
	token := s.token()
	proof.Eventually(t, "an integrator finds the machine by its new adapter", func() bool {
		out, err := try("ip", "netns", "exec", string(n), "curl", "--silent", "--max-time", "10", "--request", "POST",
			"--header", "Authorization: Bearer "+token, "--header", "Content-Type: application/json", "--data", "{}",
			s.url()+"/o/api/v3/devices/02:00:5e:10:00:17")
		return err == nil && strings.Contains(out, a.status().DeviceID)
	})
}

// checksOf lists the checks that a device fails, sorted.
func checksOf(device map[string]any) []string {
	issues, _ := device["issues"].([]any)
	var out []string
	for _, i := range issues {
		if m, ok := i.(map[string]any); ok {
			if name, ok := m["check"].(string); ok {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}
