package policy

import (
	"strings"
	"testing"

	"muster/internal/posture"
)

func TestNamesInSentences(t *testing.T) {
	six := strings.Fields("a b c d e f")
	for _, c := range []struct{ got, want string }{
		{list(nil), ""}, {list(six[:1]), "a"}, {list(six[:2]), "a and b"}, {list(six[:5]), "a, b, c, d and e"}, {list(six), "a, b, c, d, e and 1 more"},
		{joinOr(six[:5]), "a or b or c or d or e"}, {joinOr(six), "a or b or c or d or e or one of 1 others"},
		{named(strings.Repeat("é", maxName)), strings.Repeat("é", maxName)}, {named(strings.Repeat("é", maxName+1)), strings.Repeat("é", maxName-1) + "…"},
		{reason(strings.Repeat("é", maxOutput)), ": " + strings.Repeat("é", maxOutput)}, {reason(strings.Repeat("é", maxOutput+1)), ": " + strings.Repeat("é", maxOutput-1) + "…"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestNamesOfThreats(t *testing.T) {
	address := func(file, name string) posture.Threat {
		return posture.Threat{Source: posture.ThreatAddress, File: file, Name: name, Repeat: 9}
	}
	for _, tc := range []struct {
		check   Check
		threats []posture.Threat
		says    string
	}{
		{Check{ID: "threats"}, []posture.Threat{{Name: "Z"}, {File: "A", Hash: "h"}, {Hash: "M"}, {Name: "Z"}}, "Found: A, M and Z;"},
		{Check{ID: "threats"}, []posture.Threat{address("a", "")}, "did not say"},
		{Check{ID: "repeated_threats"}, []posture.Threat{address("a", "")}, "did not say"},
		{Check{ID: "repeated_threats"}, []posture.Threat{{Name: "Z", Repeat: 2}, {Name: "A", File: "f", Repeat: 3}, {Name: "O", Repeat: 1}}, "repeatedly: A and Z;"},
		{Check{ID: "suspicious_addresses"}, []posture.Threat{address("198.51.100.7", "botnet"), address("", "unnamed"), {Name: "Z"}}, "Contacted: 198.51.100.7 and unnamed;"},
		{Check{ID: "suspicious_addresses"}, []posture.Threat{{Name: "Z"}}, "did not look"},
	} {
		v := compiled(t, only(tc.check)).Evaluate(&Subject{Report: &posture.Report{Threats: tc.threats}}, now)
		if len(v.Issues) != 1 || !strings.Contains(v.Issues[0].Evidence, tc.says) {
			t.Errorf("%s of %v: %+v, want %q", tc.check.ID, tc.threats, v.Issues, tc.says)
		}
	}
}

// Addresses that were contacted long ago are known, and no reason to doubt that the agent looks.
func TestOldAddressesAreLookedAt(t *testing.T) {
	c := compiled(t, only(Check{ID: "suspicious_addresses", Within: Duration(day)}))
	r := &posture.Report{Threats: []posture.Threat{{Source: posture.ThreatAddress, File: "a", Found: now.Add(-2 * day)}}}
	if v := c.Evaluate(&Subject{Report: r}, now); len(v.Issues) != 0 {
		t.Errorf("%+v", v.Issues)
	}
}
