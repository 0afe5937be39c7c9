package vuln

import (
	"fmt"
	"testing"

	"muster/internal/posture"
)

func TestKindsOfWindows(t *testing.T) {
	for _, tc := range []struct {
		names []string
		want  string
	}{
		{[]string{"Windows 11 Version 24H2"}, "[windows client]"},
		{[]string{"Windows Server 2025 (Server Core installation)"}, "[windows server]"},
		{[]string{"Microsoft Windows Server 2025 Datacenter"}, "[windows server]"},
		{[]string{"windows 10 1809", "windows server 2019"}, "[]"},
		{[]string{"Windows"}, "[]"},
		{[]string{"Microsoft Windows 7 Professional"}, "[windows client]"},
		{[]string{"x"}, "[]"},
		{nil, "[]"},
	} {
		if got := fmt.Sprint(windowsOf(tc.names...)); got != tc.want {
			t.Errorf("%q: %s, want %s", tc.names, got, tc.want)
		}
	}
}

// What is wrong with a server is not wrong with the client of the same build, unless nobody says which it is.
func TestServersAndClientsOfOneBuild(t *testing.T) {
	of := func(id, name string, more ...string) Entry {
		return Entry{ID: id, Affected: []Affected{{
			Package: Package{Ecosystem: "OS:windows", Name: name}, Product: Product{Names: more},
			Ranges: []Range{{Type: "ECOSYSTEM", Events: []Event{{Introduced: "10.0.26100"}, {Fixed: "10.0.26100.2033"}}}},
		}}}
	}
	c := New([]Entry{
		of("CVE-2024-0001", "Windows Server 2025"), of("CVE-2024-0002", "Windows 11 Version 24H2"),
		of("CVE-2024-0003", "Windows 11 Version 24H2", "Windows Server 2025"), of("CVE-2024-0004", "Windows"),
	})
	for name, want := range map[string]string{
		"Windows 11 Pro":           "[CVE-2024-0002 CVE-2024-0003 CVE-2024-0004]",
		"Windows Server 2025":      "[CVE-2024-0001 CVE-2024-0003 CVE-2024-0004]",
		"Windows":                  "[CVE-2024-0001 CVE-2024-0002 CVE-2024-0003 CVE-2024-0004]",
		"Microsoft Windows 11 Pro": "[CVE-2024-0002 CVE-2024-0003 CVE-2024-0004]",
	} {
		findings, _ := c.Match(&posture.Report{OS: posture.OS{Family: posture.Windows, Name: name, Version: "10.0.26100.1742"}})
		if got := fmt.Sprint(idsOf(findings)); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
