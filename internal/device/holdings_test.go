package device

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/posture"
)

// TestAcceptedHoldings: what is accepted wherever it is found does not count; what is so in one product only does.
func TestAcceptedHoldings(t *testing.T) {
	accepted := &posture.Acceptance{ID: "1"}
	open := heldVulnerabilities([]posture.Finding{
		{ID: "A-1", CVEs: []string{"CVE-1", "CVE-2"}, Product: "a", Accepted: accepted, Scores: [...]float64{9, -1, -1}},
		{ID: "A-1", CVEs: []string{"CVE-2"}, Product: "b", Scores: [...]float64{1, -1, -1}},
		{ID: "A-2", CVEs: []string{"CVE-3"}, Product: "b"},
		{ID: "A-3", Product: "b", Accepted: accepted},
		{ID: "A-3", Product: "c", Accepted: accepted},
	})
	want := []HeldVulnerability{
		{ID: "CVE-1", Accepted: true, Scores: [...]float64{9, -1, -1}}, {ID: "CVE-2", Scores: [...]float64{9, -1, -1}},
		{ID: "CVE-3"}, {ID: "A-3", Accepted: true},
	}
	if diff := cmp.Diff(want, open); diff != "" || countOpen(open) != 2 {
		t.Errorf("%d count: %s", countOpen(open), diff)
	}
}

func TestHoldings(t *testing.T) {
	long := strings.Repeat("å", 400)
	r := &posture.Report{
		Applications: []posture.Application{
			{Name: " Reader ", Vendor: " V ", Version: "9", Category: posture.Browser},
			{Name: "libz1", Source: "zlib", Ecosystem: "Debian:12", Version: "1.2"},
			{Name: "libz1", Source: "zlib", Ecosystem: "Debian:12", Version: "1.3"},
			{Name: "  ", Version: "1"},
			{Name: long},
		},
		PatchesKnown:   true,
		MissingPatches: []posture.Patch{{KB: " KB1 ", Title: long}, {Severity: "names nothing"}},
	}
	finding := func(product, version string, score float64, cves ...string) posture.Finding {
		return posture.Finding{
			ID: "GHSA-1", CVEs: cves, Product: product, Version: version, KEV: score > 8,
			Scores: [...]float64{score, -1, -1}, Levels: posture.Levels{posture.Level(score / 3)},
		}
	}
	v := &posture.Verdict{
		Catalogue: "c", Issues: []posture.Issue{{Category: posture.Firewall}},
		Findings: []posture.Finding{
			finding("Reader", "9", 9, "CVE-1", "CVE-2"), finding("Reader", "9", 4, "CVE-2"), finding("zlib", "1.2", 5, "CVE-2"),
			finding("Reader", "8", 3),
		},
	}
	want := Holdings{
		Categories: []posture.Category{posture.Firewall},
		Installed: []Installed{
			{Name: "Reader", Vendor: "V", Category: posture.Browser, Version: "9", CVEs: []string{"CVE-1", "CVE-2", "CVE-2"}, Levels: posture.Levels{3}},
			{Name: "libz1", Ecosystem: "Debian:12", Version: "1.2", Context: "zlib", CVEs: []string{"CVE-2"}, Levels: posture.Levels{1}},
			{Name: "libz1", Ecosystem: "Debian:12", Version: "1.3", Context: "zlib"},
			{Name: long[:512]},
		},
		Vulnerabilities: []HeldVulnerability{
			{ID: "CVE-1", KEV: true, Scores: [...]float64{9, -1, -1}, Levels: posture.Levels{3}},
			{ID: "CVE-2", KEV: true, Scores: [...]float64{9, -1, -1}, Levels: posture.Levels{3}},
			{ID: "GHSA-1", Scores: [...]float64{3, -1, -1}, Levels: posture.Levels{1}},
		},
		Missing:   []posture.Patch{{KB: "KB1", Title: long[:512]}},
		Catalogue: "c",
	}
	if diff := cmp.Diff(want, holdingsOf(r, v, nil)); diff != "" {
		t.Error(diff)
	}
	r.PatchesKnown = false
	if got := holdingsOf(r, v, nil); got.Missing != nil {
		t.Errorf("of patches nothing is known: %v", got.Missing)
	}
}

// TestHoldingsBounds: one report must not fill the database.
func TestHoldingsBounds(t *testing.T) {
	r, v := &posture.Report{PatchesKnown: true}, &posture.Verdict{}
	for i := range 30_000 {
		name := fmt.Sprint(i)
		r.Applications = append(r.Applications, posture.Application{Name: name})
		r.MissingPatches = append(r.MissingPatches, posture.Patch{KB: name})
		v.Findings = append(v.Findings, posture.Finding{ID: name})
	}
	h := holdingsOf(r, v, nil)
	if len(h.Installed) != maxInstalled || len(h.Vulnerabilities) != maxOpen || len(h.Missing) != maxMissing {
		t.Errorf("%d versions, %d vulnerabilities and %d patches are kept", len(h.Installed), len(h.Vulnerabilities), len(h.Missing))
	}
}

// TestCutText: a cut must not leave half a letter.
func TestCutText(t *testing.T) {
	if got := heldText("x" + strings.Repeat("å", 400)); got != "x"+strings.Repeat("å", 255) {
		t.Errorf("%q", got)
	}
}
