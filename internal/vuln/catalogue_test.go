package vuln

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func parseBuiltinAnew() (*Catalogue, error) { return Parse(bytes.NewReader(builtin)) }

func TestVersionIsADigestOfTheContent(t *testing.T) {
	a, b := appEntry("A-1", nil), appEntry("A-2", nil)
	base := New([]Entry{a, b}).Version()
	if got := New([]Entry{b, a}).Version(); got != base {
		t.Errorf("another order: %s, %s", base, got)
	}
	if got := New([]Entry{a, b, a}).Version(); got != base {
		t.Errorf("one twice: %s, %s", base, got)
	}
	for name, change := range map[string]func(*Entry){
		"id":       func(e *Entry) { e.ID = "A-3" },
		"fix":      func(e *Entry) { e.Affected[0].Ranges[0].Events[1].Fixed = "2.1" },
		"vendor":   func(e *Entry) { e.Affected[0].Product.Vendors = []string{"Other"} },
		"severity": func(e *Entry) { e.Severity = []Severity{{"CVSS_V2", "AV:L/AC:L/Au:N/C:P/I:N/A:N"}} },
		"kev":      func(e *Entry) { e.Extra.KEV = true },
		"epss":     func(e *Entry) { e.Extra.EPSS = probability(0.1) },
		"gone":     func(e *Entry) { e.Withdrawn = "2024-01-01T00:00:00Z" },
	} {
		if New([]Entry{a, appEntry("A-2", change)}).Version() == base {
			t.Errorf("a change of %s does not show", name)
		}
	}
	if New([]Entry{a}).Version() == base || New(nil).Version() == "" {
		t.Error("entries that are missing do not show")
	}
}

func TestOfTwoEntriesTheNewerStays(t *testing.T) {
	fixedIn := func(v, modified string) Entry {
		return appEntry("A-1", func(e *Entry) {
			e.Modified = modified
			e.Affected[0].Ranges[0].Events[1].Fixed = v
		})
	}
	for name, tc := range map[string]struct {
		older, newer Entry
	}{
		"by date":         {fixedIn("2.0", "2024-01-01T00:00:00Z"), fixedIn("3.0", "2024-02-01T00:00:00Z")},
		"by fraction":     {fixedIn("2.0", "2024-01-01T00:00:00Z"), fixedIn("3.0", "2024-01-01T00:00:00.5Z")},
		"by zone":         {fixedIn("2.0", "2024-01-01T01:00:00+02:00"), fixedIn("3.0", "2024-01-01T00:00:00Z")},
		"undated is old":  {fixedIn("2.0", ""), fixedIn("3.0", "2024-01-01T00:00:00Z")},
		"nonsense is old": {fixedIn("2.0", "zzz"), fixedIn("3.0", "2024-01-01T00:00:00Z")},
	} {
		for _, entries := range [][]Entry{{tc.older, tc.newer}, {tc.newer, tc.older}} {
			c := New(entries)
			if f := matchTool(t, c, "2.5"); len(f) != 1 || f[0].Fixed != "3.0" || c.Len() != 1 {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
	same := [][]Entry{{fixedIn("2.0", ""), fixedIn("3.0", "")}, {fixedIn("3.0", ""), fixedIn("2.0", "")}}
	if New(same[0]).Version() != New(same[1]).Version() {
		t.Error("of two undated entries the order decides")
	}
}

func TestWithdrawnEntriesDoNotMatch(t *testing.T) {
	withdrawn := appEntry("A-1", func(e *Entry) { e.Withdrawn, e.Modified = "2024-02-01T00:00:00Z", "2024-02-01T00:00:00Z" })
	c := New([]Entry{appEntry("A-1", nil), withdrawn})
	if f := matchTool(t, c, "1.0"); len(f) != 0 || c.Len() != 0 {
		t.Errorf("got %+v of %d", f, c.Len())
	}
}

func TestProblemsAreReportedAndBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*Entry)
		says  string
		found int
	}{
		"no id":            {func(e *Entry) { e.ID = "" }, "no id", 0},
		"bad vector":       {func(e *Entry) { e.Severity = []Severity{{"CVSS_V3", "high"}} }, "CVSS vector", 1},
		"unknown order":    {func(e *Entry) { e.Affected[0].Package.Ecosystem = "Plan9" }, `"Plan9"`, 0},
		"no vendor":        {func(e *Entry) { e.Affected[0].Product.Vendors = nil }, "no vendor", 0},
		"bad range":        {func(e *Entry) { e.Affected[0].Ranges[0].Events[1].Fixed = "next" }, "range of Tool", 0},
		"no range at all":  {func(e *Entry) { e.Affected[0].Ranges = nil }, "", 0},
		"commits only":     {func(e *Entry) { e.Affected[0].Ranges[0].Type = "GIT" }, "", 0},
		"no name":          {func(e *Entry) { e.Affected[0].Package.Name = "(x64)" }, "", 0},
		"nothing affected": {func(e *Entry) { e.Affected = nil }, "", 0},
	} {
		c := New([]Entry{appEntry("A-1", tc.spoil)})
		got := strings.Join(c.Problems(), "; ")
		if (got == "") != (tc.says == "") || !strings.Contains(got, tc.says) {
			t.Errorf("%s: %q, want %q", name, got, tc.says)
		}
		if f := matchTool(t, c, "1.0"); len(f) != tc.found {
			t.Errorf("%s: %d findings, want %d", name, len(f), tc.found)
		}
	}
	if got := len(New(slices.Repeat([]Entry{{}}, 1000)).Problems()); got != maxProblems {
		t.Errorf("%d problems are kept", got)
	}
}

func TestCVEsOfAnEntry(t *testing.T) {
	for _, tc := range []struct {
		entry Entry
		want  []string
	}{
		{Entry{ID: "CVE-2020-1"}, []string{"CVE-2020-1"}},
		{Entry{ID: "GHSA-x", Aliases: []string{"CVE-2020-2", "GO-1", "CVE-2020-1"}}, []string{"CVE-2020-1", "CVE-2020-2"}},
		{Entry{ID: "DSA-1", Upstream: []string{"CVE-2020-1"}, Related: []string{"CVE-2020-9"}}, []string{"CVE-2020-1"}},
		{Entry{ID: "ALSA-1", Related: []string{"CVE-2020-2", "CVE-2020-2", "X"}}, []string{"CVE-2020-2"}},
		{Entry{ID: "X-1"}, nil},
	} {
		if got := tc.entry.cves(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.entry.ID, got, tc.want)
		}
	}
}
