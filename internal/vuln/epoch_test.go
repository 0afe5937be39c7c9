package vuln

import (
	"testing"

	"muster/internal/posture"
)

// A package that tells no epoch is compared with fixes that all have one as if it had that too.
func TestEpochThatIsNotTold(t *testing.T) {
	entry := func(id, ecosystem, name, fix string) Entry {
		return Entry{ID: id, Aliases: []string{"CVE-" + id}, Affected: []Affected{{
			Package: Package{Ecosystem: ecosystem, Name: name},
			Ranges:  []Range{{Type: "ECOSYSTEM", Events: []Event{{Introduced: "0"}, {Fixed: fix}}}},
		}}}
	}
	c := New([]Entry{
		entry("1", "AlmaLinux:9", "openssl", "1:3.0.7-28.el9"), entry("2", "AlmaLinux:9", "openssl", "1:3.2.2-6.el9"),
		entry("3", "AlmaLinux:8", "podman", "1:1.4-1.el8"), entry("4", "AlmaLinux:8", "podman", "3:4.4-1.el8"),
		entry("5", "AlmaLinux:9", "curl", "7.76-2.el9"), entry("6", "Debian:12", "vim", "2:9.0-1"),
	})
	for _, tc := range []struct {
		ecosystem, name, version string
		found                    int
	}{
		{"AlmaLinux:9", "openssl", "1:3.0.7-29.el9", 1},
		{"AlmaLinux:9", "openssl", "3.0.7-29.el9", 1},
		{"AlmaLinux:9", "openssl", "3.2.2-6.el9", 0},
		{"AlmaLinux:9", "openssl", "3.0.1-1.el9", 2},
		{"AlmaLinux:9", "openssl", "0:3.2.2-6.el9", 0},
		{"AlmaLinux:9", "openssl", "2:3.0.1-1.el9", 0},
		{"AlmaLinux:8", "podman", "4.9-1.el8", 2}, // there is no telling which
		{"AlmaLinux:9", "curl", "7.76-2.el9", 0},
		{"Debian:12", "vim", "9.0-1", 1}, // a version of Debian always tells its epoch
	} {
		app := posture.Application{Name: tc.name, Version: tc.version, Ecosystem: tc.ecosystem}
		findings, _ := c.Match(&posture.Report{OS: posture.OS{Family: posture.Linux}, Applications: []posture.Application{app}})
		if len(findings) != tc.found {
			t.Errorf("%s %s on %s: %d findings, want %d", tc.name, tc.version, tc.ecosystem, len(findings), tc.found)
		}
		var lookups []Lookup
		keys, other := KeysOfApplication(&posture.OS{Family: posture.Linux}, &app)
		for _, k := range keys {
			lookups = append(lookups, Lookup{k, other})
		}
		if may := MayHave(lookups, "", tc.version, func(k Key) *Group { return c.groups[k] }); len(may) < tc.found {
			t.Errorf("%s %s may have %v", tc.name, tc.version, may)
		}
	}
}
