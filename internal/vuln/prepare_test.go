package vuln

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/posture"
)

func TestDigestIsOfWhatMatters(t *testing.T) {
	base := appEntry("A-1", nil)
	for name, tc := range map[string]struct {
		change func(*Entry)
		same   bool
	}{
		"nothing":         {nil, true},
		"long words":      {func(e *Entry) { e.Details = "first line\nwhat nobody keeps" }, false},
		"a commit":        {func(e *Entry) { e.Affected[0].Ranges = append(e.Affected[0].Ranges, Range{Type: "GIT"}) }, true},
		"a fix":           {func(e *Entry) { e.Affected[0].Ranges[0].Events[1].Fixed = "9" }, false},
		"withdrawn":       {func(e *Entry) { e.Withdrawn = "2024-01-01T00:00:00Z" }, false},
		"a repeated one":  {func(e *Entry) { e.Affected[0].Versions = []string{"1.5"} }, true},
		"another summary": {func(e *Entry) { e.Summary = "other" }, false},
	} {
		changed := appEntry("A-1", tc.change)
		if got := Prepare(&changed).Digest == Prepare(&base).Digest; got != tc.same {
			t.Errorf("%s: same digest %v", name, got)
		}
	}
	twice := appEntry("A-1", func(e *Entry) { e.Details = "first line\nmore" })
	other := appEntry("A-1", func(e *Entry) { e.Details = "first line\nwhat nobody keeps" })
	if Prepare(&twice).Digest != Prepare(&other).Digest {
		t.Error("what is not kept changes the digest")
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	k := Key{Space: "Debian:12", Name: "curl"}
	for _, data := range []string{"", "{", `{"i":"A","r":[["2.0"]]}`, `{"i":"A","r":[[""]]}`, `{"i":7}`} {
		if g, err := NewGroup(k, []Stored{{Data: []byte(data)}}); err == nil {
			t.Errorf("%q: %+v", data, g)
		}
	}
	if j, err := JoinAbout([]About{{ID: "CVE-2020-1", Data: []byte("{")}}); err == nil {
		t.Errorf("%+v", j)
	}
}

func TestKeysOfAnInventory(t *testing.T) {
	r := &posture.Report{
		OS: posture.OS{Family: posture.Linux, Version: "12", Distribution: "Debian:12"},
		Applications: []posture.Application{
			{Name: "libcurl4", Source: "curl", Version: "7", Ecosystem: "Debian"},
			{Name: "curl", Version: "7", Ecosystem: "Debian:12"},
			{Name: "Ruamel_Yaml", Version: "0.17", Ecosystem: "PyPI"},
			{Name: "no version", Ecosystem: "npm"},
			{Name: "Mozilla Firefox", Vendor: "Mozilla", Version: "115"},
			{Name: "Zoom", Version: "6"},
		},
	}
	want := []Key{
		{Space: "Application", Name: "firefox", ByVendor: true}, {Space: "Application", Name: "zoom"},
		{Space: "Application:linux", Name: "firefox", ByVendor: true}, {Space: "Application:linux", Name: "zoom"},
		{Space: "Debian:12", Name: "curl"}, {Space: "OS:linux"}, {Space: "PyPI", Name: "ruamel-yaml"},
	}
	slices.SortFunc(want, Key.Compare)
	if diff := cmp.Diff(want, Take(r).Keys()); diff != "" {
		t.Error(diff)
	}
	// Whatever is compared is looked up under one of them.
	asked := make(map[Key]bool)
	Take(r).Match(func(k Key) *Group { asked[k] = true; return nil })
	for k := range asked {
		if !slices.Contains(want, k) {
			t.Errorf("%+v is no key of the report", k)
		}
	}
}

func TestWhatEntriesSayTogether(t *testing.T) {
	vector := []Severity{{"CVSS_V3", "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H"}}
	var all []About
	for feed, entries := range map[string][]Entry{
		"nvd":  {{ID: "CVE-2020-0001", Severity: vector}},
		"kev":  {{ID: "KEV-1", Aliases: []string{"CVE-2020-0001"}, Extra: Extra{KEV: true}}},
		"epss": {{ID: "EPSS-1", Aliases: []string{"CVE-2020-0001"}, Extra: Extra{EPSS: probability(0.25)}}},
		// Its score is that of the worst of several.
		"osv": {{ID: "RLSA-1", Aliases: []string{"CVE-2020-0001", "CVE-2020-0002"}, Summary: "update", Extra: Extra{EPSS: probability(0.9)}}},
	} {
		for i := range entries {
			for _, a := range Prepare(&entries[i]).About {
				if a.ID == "CVE-2020-0001" {
					a.Feed = feed
					all = append(all, a)
				}
			}
		}
	}
	j, err := JoinAbout(all)
	if err != nil {
		t.Fatal(err)
	}
	want := Facts{V2: NotScored, V3: 8.1, V4: NotScored, EPSS: 0.25, KEV: true}
	if j.Facts != want || j.Summary != "update" || len(j.Said) != 3 {
		t.Errorf("%+v", j)
	}
	if j.Said[0].Feed != "nvd" || j.Said[0].Severity[0] != vector[0] {
		t.Errorf("the one under its own id comes first: %+v", j.Said)
	}
}

// One entry must not take all memory there is: it holds its CVEs once for each package.
func TestEntryThatIsTooLarge(t *testing.T) {
	e := Entry{ID: "X-1"}
	for i := range 1000 {
		e.Aliases = append(e.Aliases, fmt.Sprintf("CVE-2030-%05d", i))
		e.Affected = append(e.Affected, Affected{Package: Package{Ecosystem: "Debian:12", Name: "curl"}, Versions: []string{"1"}})
	}
	if p := Prepare(&e); p.ID != "" || len(p.Problems) != 1 || len(p.Targets) != 0 {
		t.Errorf("%q with %d targets, %v", p.ID, len(p.Targets), p.Problems)
	}
	e.Affected = e.Affected[:100]
	if p := Prepare(&e); p.ID != "X-1" || len(p.Targets) != 100 {
		t.Errorf("%q with %d targets, %v", p.ID, len(p.Targets), p.Problems)
	}
}
