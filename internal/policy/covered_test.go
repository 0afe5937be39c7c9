package policy

import (
	"slices"
	"testing"

	"muster/internal/posture"
)

func TestCovered(t *testing.T) {
	for _, c := range []struct {
		family posture.OSFamily
		kind   posture.DeviceType
		want   []posture.Category
	}{
		{posture.Linux, posture.Server, []posture.Category{posture.Firewall, posture.OperatingSystem}},
		{posture.Windows, posture.VM, []posture.Category{posture.Antimalware, posture.Firewall, posture.OperatingSystem}},
		{posture.IOS, posture.Phone, []posture.Category{posture.Encryption, posture.UserAuthentication, posture.SystemSecurity}},
	} {
		if got := Default().Covered(c.family, c.kind); !slices.Equal(got, c.want) {
			t.Errorf("%s %s: %v, want %v", c.family, c.kind, got, c.want)
		}
	}
	// A machine that does not say what it is might be any: nothing that some machine is asked for is left out.
	if got := Default().Covered("", ""); len(got) < 6 || !slices.Contains(got, posture.Antimalware) || !slices.Contains(got, posture.Encryption) {
		t.Errorf("%v", got)
	}
	off := &Policy{Checks: []Check{{ID: "firewall_enabled", Severity: Off}}}
	if got := off.Covered(posture.Linux, posture.Server); len(got) != 0 {
		t.Errorf("a check that is off covers %v", got)
	}
}
