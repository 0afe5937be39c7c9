package vuln

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/posture"
)

// groupsOf gives what entries say under keys.
func groupsOf(entries ...Entry) func(Key) *Group {
	stored := make(map[Key][]Stored)
	for i := range entries {
		for _, t := range Prepare(&entries[i]).Targets {
			for _, k := range t.Keys {
				stored[k] = append(stored[k], Stored{Feed: "test", Data: t.Data})
			}
		}
	}
	return func(k Key) *Group {
		if stored[k] == nil {
			return nil
		}
		return must(NewGroup(k, stored[k]))
	}
}

func TestConsider(t *testing.T) {
	packaged := func(id, ecosystem, name, fix string) Entry {
		return Entry{ID: id, Aliases: []string{"CVE-2024-0001", "CVE-2024-0002"}, Affected: []Affected{{
			Package: Package{Ecosystem: ecosystem, Name: name}, Ranges: []Range{{Type: "ECOSYSTEM", Events: []Event{{Introduced: "0"}, {Fixed: fix}}}},
		}}}
	}
	other := appEntry("X-1", func(e *Entry) { e.Aliases = []string{"CVE-2024-0001"} })
	known := groupsOf(
		packaged("DSA-1-1", "Debian:12", "curl", "8.0-1"), packaged("DSA-1-2", "Debian:13", "curl", "8.0-1"), packaged("DSA-2-1", "Debian:12", "zlib", "1.2"), other,
	)
	r := &posture.Report{
		OS: posture.OS{Family: posture.Linux, Version: "12", Distribution: "Debian:12"},
		Applications: []posture.Application{
			{Name: "libcurl4", Source: "curl", Version: "7.88-1", Ecosystem: "Debian"},
			{Name: "zlib1g", Source: "zlib", Version: "1.2-3", Ecosystem: "Debian"},
			{Name: "bash", Version: "5", Ecosystem: "Debian"},
			{Name: other.Affected[0].Package.Name, Vendor: "Somebody Else", Version: "1.5"},
		},
	}
	words := func(id string) []string {
		var out []string
		for _, c := range Consider(r, known, id) {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s (%s) %s, fixed in %s: %s", c.Entry, c.Ecosystem, c.Product, c.Package, c.Version, c.Fixed, c.Outcome)))
		}
		return out
	}
	want := []string{
		"DSA-1-1 Debian:12 curl (libcurl4) 7.88-1, fixed in 8.0-1: affected", "DSA-1-2 Debian:13 curl (libcurl4) 7.88-1, fixed in 8.0-1: other_release",
		"DSA-2-1 Debian:12 zlib (zlib1g) 1.2-3, fixed in 1.2: not_in_range",
	}
	if diff := cmp.Diff(want, words("cve-2024-0002")); diff != "" {
		t.Error(diff)
	}
	if got := words("CVE-2024-0001"); len(got) != 4 || !strings.HasSuffix(got[3], ": other_vendor") {
		t.Errorf("of several kinds: %q", got)
	}
	if diff := cmp.Diff(want[:1], words("DSA-1-1")); diff != "" {
		t.Error(diff)
	}
	if got := words("CVE-2024-9999"); got != nil {
		t.Errorf("of none: %q", got)
	}
	// What is asked for is what is looked up, and what is found affected is what Match finds.
	asked := make(map[Key]bool)
	for _, k := range ConsideredKeys(r) {
		asked[k] = true
	}
	Consider(r, func(k Key) *Group {
		if !asked[k] {
			t.Errorf("%+v is not asked for", k)
		}
		return nil
	}, "CVE-2024-0001")
	for _, h := range Take(r).Match(known) {
		if h.target.ID != "DSA-1-1" {
			t.Errorf("%s is found", h.target.ID)
		}
	}
}
