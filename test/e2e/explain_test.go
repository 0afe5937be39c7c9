package e2e

import (
	"strings"
	"testing"
)

// withGrace is a policy by which a machine without a certain program has two days to get it.
const withGrace = `name: Editors wanted
checks:
  - check: required_products
    severity: critical
    products: [{name: vim}]
    remediation: Install **vim**.
rules:
  - {name: No editor, min_critical: 1, status: non-compliant, grace: 48h}
  - {name: Default, status: compliant}
`

// TestDeviceExplained: a device says why it stands where it does, and a move to a group with another policy changes that at
// once.
func TestDeviceExplained(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		mac := "00:0c:29:00:00:01"
		a := p.register(strings.TrimSpace(p.muster("regcode", "show")), registration(mac))
		shown := func() object { return decode[object](t, p.muster("device", "show", a.ID, "--json")) }
		if d := shown(); d["group"] != "Default" || d["decided_by"] != nil || d["verdict"] != nil || d["policy"] != nil {
			t.Errorf("before a report: %v", d)
		}
		a.report(healthy("bench", mac)).want(200)
		if d := shown(); d["decided_by"] != "rule" || d["policy_id"] != 1.0 || d["status_since"] == nil || d["grace_until"] != nil || d["judged_at"] == nil {
			t.Errorf("compliant: %v", d)
		}
		p.muster("policy", "apply", file(t, withGrace))
		p.muster("group", "add", "Lab", "--policy", "Editors wanted")
		p.muster("device", "move", a.ID, "lab")
		d := shown()
		issue := d["issues"].([]any)[0].(object)
		if d["status"] != "in-grace" || d["group"] != "Lab" || d["rule"] != "No editor" || d["policy"] != "Editors wanted" || d["policy_version"] != 1.0 ||
			d["grace_until"] == nil || d["failing_since"] == nil || issue["since"] == nil || issue["evidence"] == "" || issue["remediation"] == "" {
			t.Errorf("moved: %v", d)
		}
		text := p.muster("device", "show", a.ID)
		for _, want := range []string{"in-grace since ", "Lab, where somebody put it", "No editor", "Editors wanted, version 1", "unfit since", "grace ends", "Install **vim**."} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in %s", want, text)
			}
		}
		p.muster("device", "quarantine", a.ID)
		if d = shown(); d["decided_by"] != "quarantine" || d["verdict"] != "in-grace" || d["rule"] != "No editor" {
			t.Errorf("quarantined: %v", d)
		}
		p.muster("device", "release", a.ID)
		p.muster("device", "exempt", a.ID)
		if d = shown(); d["decided_by"] != "exemption" || d["verdict"] != "in-grace" {
			t.Errorf("exempted: %v", d)
		}
		p.muster("device", "unexempt", a.ID)
		p.muster("device", "move", a.ID, "default")
		if d = shown(); d["status"] != "compliant" || d["policy_id"] != 1.0 || d["grace_until"] != nil || d["failing_since"] != nil {
			t.Errorf("moved back: %v", d)
		}
	})
}
