package vuln

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"muster/internal/posture"
)

func TestFindingSaysWhatIsKnown(t *testing.T) {
	findings, levels := load(t).Match(installedOn(t, "windows/Igor Pavlov/7-Zip 19.00 (x64)/19.00"))
	want := []posture.Finding{{
		ID: "CVE-2025-0411", CVEs: []string{"CVE-2025-0411"}, Product: "7-Zip 19.00 (x64)", Version: "19.00", Fixed: "24.09", KEV: true,
		Ecosystem: "Application:windows",
		Scores:    [posture.NumScoreTypes]float64{70, -1, 7},
		Levels:    posture.Levels{posture.LevelHigh, posture.LevelUnknown, posture.LevelHigh},
	}}
	if !reflect.DeepEqual(findings, want) || levels != want[0].Levels {
		t.Errorf("got %+v at %v\nwant %+v", findings, levels, want)
	}
}

func TestNothingFound(t *testing.T) {
	findings, levels := load(t).Match(&posture.Report{})
	if findings == nil || len(findings) != 0 || levels != (posture.Levels{}) {
		t.Errorf("got %v at %v", findings, levels)
	}
}

func TestFindingsAreForTheCallerToChange(t *testing.T) {
	c := load(t)
	r := installedOn(t, "windows/Igor Pavlov/7-Zip/19.00")
	first, _ := c.Match(r)
	first[0].CVEs[0] = "changed"
	if second, _ := c.Match(r); second[0].CVEs[0] != "CVE-2025-0411" {
		t.Error("a change to a finding reached the catalogue")
	}
}

func TestLevelsAreTheWorstOfEachScore(t *testing.T) {
	r := installedOn(t, "Debian:7/eglibc/2.13-38") // v2 only: 10.0, opswat 70
	r.Applications = append(r.Applications, posture.Application{Name: "util-linux", Version: "2.38.1-5", Ecosystem: "Debian:12"})
	_, levels := load(t).Match(r)
	if want := (posture.Levels{posture.LevelHigh, posture.LevelHigh, posture.LevelLow}); levels != want {
		t.Errorf("got %v, want %v", levels, want)
	}
}

func TestWorstFindingsComeFirst(t *testing.T) {
	r := installedOn(t, "windows/win.rar GmbH/WinRAR/5.61")
	r.Applications = append(r.Applications, posture.Application{Name: "PuTTY", Vendor: "Simon Tatham", Version: "0.80"},
		posture.Application{Name: "VLC media player", Vendor: "VideoLAN", Version: "3.0.1"})
	findings, _ := load(t).Match(r)
	var got []string
	for _, f := range findings {
		got = append(got, fmt.Sprint(f.ID, " ", f.Scores[posture.ScoreOpswat]))
	}
	want := []string{"CVE-2025-8088 88", "CVE-2018-20250 78", "CVE-2023-38831 78", "CVE-2023-47359 68.6", "CVE-2024-31497 41.3"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestPackagesOfOneSourceAreOneFinding(t *testing.T) {
	r := &posture.Report{OS: posture.OS{Family: posture.Linux}}
	for _, name := range []string{"libcurl4", "curl", "libcurl3-gnutls"} {
		r.Applications = append(r.Applications, posture.Application{
			Name: name, Source: "curl", Version: "7.88.1-10+deb12u5", Ecosystem: "Debian:12"})
	}
	// Another version of the same source is another finding, and a package that is merely called alike is none.
	r.Applications = append(r.Applications,
		posture.Application{Name: "libcurl4", Source: "curl", Version: "7.88.1-10+deb12u4", Ecosystem: "Debian:12"},
		posture.Application{Name: "curl", Source: "tiny-curl", Version: "7.0", Ecosystem: "Debian:12"})
	findings, _ := load(t).Match(r)
	var got []string
	for _, f := range findings {
		got = append(got, f.ID+" "+f.Product+" "+f.Version)
	}
	want := []string{"CVE-2024-2004 curl 7.88.1-10+deb12u4", "CVE-2024-2004 curl 7.88.1-10+deb12u5"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestReleaseOfTheDistributionCounts(t *testing.T) {
	const old = "1:9.2p1-2"
	for _, tc := range []struct {
		ecosystem, distribution string
		found                   bool
	}{
		{"Debian:12", "", true},
		{"Debian:11", "", false},
		{"Debian:11", "Debian:12", false},
		{"Debian:13", "", false},
		{"Debian", "Debian:12", true},
		{"Debian", "Debian:11", false},
		{"Debian", "", false},
		{"Debian", "Ubuntu:22.04", false},
		{"Debian", "Debianish:12", false},
		{"Deb", "Debian:12", false},
		{"Ubuntu:22.04", "", false},
	} {
		r := &posture.Report{OS: posture.OS{Family: posture.Linux, Distribution: tc.distribution},
			Applications: []posture.Application{{Name: "openssh-server", Source: "openssh", Version: old, Ecosystem: tc.ecosystem}}}
		findings, _ := load(t).Match(r)
		if (len(findings) > 0) != tc.found {
			t.Errorf("%s on %q: %v", tc.ecosystem, tc.distribution, idsOf(findings))
		}
	}
	// A machine may hold packages of two releases: each has its own fix, in whatever order they are listed.
	two := []posture.Application{{Name: "libwebp", Version: "0.6", Ecosystem: "Debian:11"}, {Name: "libwebp", Version: "0.6", Ecosystem: "Debian:12"}}
	for range 2 {
		findings, _ := load(t).Match(&posture.Report{Applications: two})
		if len(findings) != 2 || findings[0].Fixed != "0.6.1-2.1+deb11u2" || findings[1].Fixed != "1.2.4-0.2+deb12u1" {
			t.Errorf("two releases: %+v", findings)
		}
		slices.Reverse(two)
	}
	// Ubuntu writes its releases with and without LTS.
	for _, eco := range []string{"Ubuntu:22.04", "Ubuntu:22.04:LTS"} {
		r := installedOn(t, eco+"/openssh/1:8.9p1-3")
		if findings, _ := load(t).Match(r); len(findings) != 1 {
			t.Errorf("%s: %v", eco, idsOf(findings))
		}
	}
}

func TestVendorsAndNames(t *testing.T) {
	for _, tc := range []struct {
		what  string
		found bool
	}{
		{"windows//Mozilla Firefox (x64 en-US)/100.0", true},
		{"windows//Firefox/100.0", true},
		{"windows/ - /Mozilla Firefox/100.0", true},
		{"windows/MOZILLA CORPORATION/FIREFOX/100.0", true},
		{"windows/Mozilla Foundation/Mozilla Firefox/100.0", true},
		{"windows/Somebody/Mozilla Firefox/100.0", false},
		{"windows/Somebody/Firefox/100.0", false},
		{"windows/Mozilla/Firefox Focus/100.0", false},
		{"windows//Reader/9.3", false},
		{"windows/Adobe/Reader 9/9.3", true},
		{"windows//Adobe Reader 9/9.3", true},
		{"beos/Mozilla/Firefox/100.0", false},
		{"/Mozilla/Firefox/100.0", false},
		{"windows/Mozilla/Firefox/", false},
		{"windows/Mozilla/Firefox/unknown", false},
		{"windows/Mozilla//100.0", false},
	} {
		findings, _ := load(t).Match(installedOn(t, tc.what))
		if (len(findings) > 0) != tc.found {
			t.Errorf("%s: %v", tc.what, idsOf(findings))
		}
	}
}

// appEntry is an application of every family, fixed in 2.0.
func appEntry(id string, extra func(*Entry)) Entry {
	e := Entry{ID: id, Affected: []Affected{{
		Package: Package{Ecosystem: "Application", Name: "Tool"},
		Ranges:  []Range{{Type: "ECOSYSTEM", Events: []Event{{Introduced: "0"}, {Fixed: "2.0"}}}},
		Product: Product{Vendors: []string{"Acme"}},
	}}}
	if extra != nil {
		extra(&e)
	}
	return e
}

func matchTool(t testing.TB, c *Catalogue, versions ...string) []posture.Finding {
	t.Helper()
	r := &posture.Report{OS: posture.OS{Family: posture.Windows}}
	for _, v := range versions {
		r.Applications = append(r.Applications, posture.Application{Name: "Tool", Vendor: "Acme Ltd.", Version: v})
	}
	findings, _ := c.Match(r)
	return findings
}

func TestApplicationsOfEveryFamily(t *testing.T) {
	c := New([]Entry{appEntry("A-1", nil)})
	for _, f := range []posture.OSFamily{posture.Windows, posture.MacOS, posture.Linux, posture.IOS, posture.Android, "", "beos"} {
		r := &posture.Report{OS: posture.OS{Family: f}, Applications: []posture.Application{{Name: "Tool", Vendor: "Acme", Version: "1"}}}
		if findings, _ := c.Match(r); len(findings) != 1 {
			t.Errorf("%q: %v", f, idsOf(findings))
		}
	}
}

func TestOneProductListedTwiceIsOneFinding(t *testing.T) {
	c := New([]Entry{appEntry("A-1", nil)})
	names := []string{"Tool 1.0 (x86)", "Acme Tool 1.0 (x64)", "Tool 1.0 (x64)"}
	for range names {
		names = append(names[1:], names[0])
		r := &posture.Report{OS: posture.OS{Family: posture.Windows}}
		for _, n := range names {
			r.Applications = append(r.Applications, posture.Application{Name: n, Vendor: "Acme", Version: "1.0"})
		}
		findings, _ := c.Match(r)
		var got []string
		for _, f := range findings {
			got = append(got, f.Product)
		}
		if want := []string{"Acme Tool 1.0 (x64)"}; !slices.Equal(got, want) {
			t.Errorf("%v: got %v, want %v", names, got, want)
		}
	}
}

// A distribution publishes an advisory and an entry for the CVE; the machine has the vulnerability once.
func TestEntriesForTheSameCVEsAreOneFinding(t *testing.T) {
	scored := func(e *Entry) {
		e.Upstream = []string{"CVE-2020-1"}
		e.Severity = []Severity{{"CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}
	}
	bare := func(e *Entry) { e.Related = []string{"CVE-2020-1", "DSA-1"} }
	both := func(e *Entry) { e.Aliases = []string{"CVE-2020-2", "CVE-2020-1"} }
	for _, entries := range [][]Entry{
		{appEntry("DEBIAN-CVE-2020-1", scored), appEntry("DSA-1", bare), appEntry("DSA-2", both)},
		{appEntry("DEBIAN-CVE-2020-1", bare), appEntry("DSA-1", scored), appEntry("DSA-2", both)},
	} {
		findings := matchTool(t, New(entries), "1.0")
		if len(findings) != 2 || findings[0].Scores[posture.ScoreCVSS3] != 9.8 || !slices.Equal(findings[0].CVEs, []string{"CVE-2020-1"}) ||
			!slices.Equal(findings[1].CVEs, []string{"CVE-2020-1", "CVE-2020-2"}) {
			t.Errorf("got %+v", findings)
		}
	}
}

// One database knows what is affected, another how bad it is, a third that it is exploited.
func TestEntriesCompleteEachOther(t *testing.T) {
	const high, low = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:U/C:N/I:N/A:L" // 9.8, 2.3
	advisory := func(cves ...string) Entry {
		return appEntry("DSA-1", func(e *Entry) { e.Upstream = cves })
	}
	about := func(id, cve string, vector string, kev bool, epss *float64) Entry {
		e := Entry{ID: id, Aliases: []string{cve}, Extra: Extra{KEV: kev, EPSS: epss}}
		if vector != "" {
			e.Severity = []Severity{{"CVSS_V3", vector}}
		}
		return e
	}
	scored := appEntry("DSA-1", func(e *Entry) {
		e.Upstream = []string{"CVE-1"}
		e.Severity = []Severity{{"CVSS_V3", low}}
	})
	withdrawn := about("NVD-1", "CVE-1", high, true, nil)
	withdrawn.Withdrawn = "2024-01-01T00:00:00Z"
	for name, tc := range map[string]struct {
		entries    []Entry
		opswat, v3 float64
		exploited  bool
	}{
		"alone":                  {[]Entry{advisory("CVE-1")}, -1, -1, false},
		"severity":               {[]Entry{advisory("CVE-1"), about("NVD-1", "CVE-1", high, false, nil)}, 68.6, 9.8, false},
		"severity and KEV":       {[]Entry{advisory("CVE-1"), about("NVD-1", "CVE-1", high, false, nil), about("KEV-1", "CVE-1", "", true, nil)}, 98, 9.8, true},
		"severity and EPSS":      {[]Entry{advisory("CVE-1"), about("NVD-1", "CVE-1", high, false, nil), about("EPSS-1", "CVE-1", "", false, probability(0.25))}, 78.4, 9.8, false},
		"worst of two CVEs":      {[]Entry{advisory("CVE-1", "CVE-2"), about("NVD-1", "CVE-1", low, true, nil), about("NVD-2", "CVE-2", high, false, nil)}, 98, 9.8, true},
		"another CVE":            {[]Entry{advisory("CVE-1"), about("NVD-2", "CVE-2", high, true, nil)}, -1, -1, false},
		"its own comes first":    {[]Entry{scored, about("NVD-1", "CVE-1", high, false, nil)}, 16.1, 2.3, false},
		"exploited all the same": {[]Entry{scored, about("KEV-1", "CVE-1", "", true, nil)}, 23, 2.3, true},
		"withdrawn":              {[]Entry{advisory("CVE-1"), withdrawn}, -1, -1, false},
		"about several CVEs":     {[]Entry{advisory("CVE-1"), {ID: "B-1", Aliases: []string{"CVE-1", "CVE-2"}, Extra: Extra{KEV: true}}}, -1, -1, false},
	} {
		for range 2 {
			f := matchTool(t, New(tc.entries), "1.0")
			if len(f) != 1 || f[0].Scores[posture.ScoreOpswat] != tc.opswat || f[0].Scores[posture.ScoreCVSS3] != tc.v3 || f[0].KEV != tc.exploited {
				t.Errorf("%s: got %+v", name, f)
			}
			slices.Reverse(tc.entries)
		}
	}
}

// Only where the order of versions is certainly total may entries be sorted by their fix.
func TestOnlySimpleRangesAreSorted(t *testing.T) {
	for _, tc := range []struct {
		ecosystem, events string
		versions          []string
		want              bool
	}{
		{"Debian:12", "in 0, fix 2", nil, true},
		{"Application:mac", "in 0, fix 2", nil, true},
		{"Maven", "in 0, fix 2", nil, false},
		{"Debian:12", "in 1, fix 2", nil, false},
		{"Debian:12", "in 0, last 2", nil, false},
		{"Debian:12", "in 0", nil, false},
		{"Debian:12", "in 0, fix 2, in 3, fix 4", nil, false},
		{"Debian:12", "in 0, fix 2", []string{"3"}, false},
	} {
		edges, _ := edgesOf(tc.ecosystem, parseEvents(tc.events))
		target := &target{ranges: [][]edge{edges}, Versions: tc.versions}
		if got := target.onlyFix(tc.ecosystem) != nil; got != tc.want {
			t.Errorf("%s %s %v: %v", tc.ecosystem, tc.events, tc.versions, got)
		}
	}
}

func TestListedVersions(t *testing.T) {
	c := New([]Entry{appEntry("A-1", func(e *Entry) { e.Affected[0].Versions = []string{"1.5", "3.0", "trunk"} })})
	var got []string
	for _, f := range matchTool(t, c, "1.5", "2.0", "3.0", "3.0.0", "trunk", "other") {
		got = append(got, f.Version+" fixed "+f.Fixed)
	}
	if want := []string{"1.5 fixed 2.0", "3.0 fixed ", "trunk fixed "}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, g := range c.groups {
		if kept := g.rest[0].Versions; !slices.Equal(kept, []string{"3.0", "trunk"}) {
			t.Errorf("kept %v, want those that no range covers", kept)
		}
	}
}

func TestSeverityOfAnAffectedPackageGoesFirst(t *testing.T) {
	c := New([]Entry{appEntry("A-1", func(e *Entry) {
		e.Severity = []Severity{{"CVSS_V2", "AV:N/AC:L/Au:N/C:C/I:C/A:C"}}
		e.Affected[0].Severity = []Severity{{"CVSS_V2", "AV:L/AC:L/Au:N/C:P/I:N/A:N"}}
	})})
	if f := matchTool(t, c, "1.0"); len(f) != 1 || f[0].Scores[posture.ScoreCVSS2] != 2.1 {
		t.Errorf("got %+v", f)
	}
}

// The index finds what comparing with every entry finds, whatever the order of the report.
func TestMatchAgreesWithSearchingAll(t *testing.T) {
	packages := []string{"a", "b", "c"}
	releases := []string{"Debian:11", "Debian:12"}
	affected := rapid.Custom(func(t *rapid.T) Affected {
		low := rapid.IntRange(0, 5).Draw(t, "introduced")
		return Affected{
			Package: Package{Ecosystem: rapid.SampledFrom(releases).Draw(t, "release"), Name: rapid.SampledFrom(packages).Draw(t, "package")},
			Ranges: []Range{{Type: "ECOSYSTEM", Events: []Event{{Introduced: fmt.Sprint(low)},
				{Fixed: fmt.Sprint(low + rapid.IntRange(1, 4).Draw(t, "length"))}}}},
		}
	})
	apps := rapid.Custom(func(t *rapid.T) posture.Application {
		return posture.Application{Ecosystem: rapid.SampledFrom(releases).Draw(t, "release"),
			Name: rapid.SampledFrom(packages).Draw(t, "package"), Version: fmt.Sprint(rapid.IntRange(0, 10).Draw(t, "version"))}
	})
	rapid.Check(t, func(t *rapid.T) {
		var entries []Entry
		for i, a := range rapid.SliceOfN(affected, 0, 8).Draw(t, "affected") {
			entries = append(entries, Entry{ID: fmt.Sprintf("X-%d", i%4), Affected: []Affected{a}})
		}
		entries = merge(entries)
		installed := rapid.SliceOfN(apps, 0, 8).Draw(t, "installed")
		findings, _ := New(entries).Match(&posture.Report{Applications: installed})
		shuffled, _ := New(rapid.Permutation(entries).Draw(t, "order of entries")).
			Match(&posture.Report{Applications: rapid.Permutation(installed).Draw(t, "order")})
		if !reflect.DeepEqual(findings, shuffled) {
			t.Fatalf("differ by order: %v, %v", findings, shuffled)
		}
		var got []string
		for _, f := range findings {
			got = append(got, f.ID+" "+f.Product+" "+f.Version)
		}
		slices.Sort(got)
		got = slices.Compact(got) // two releases may fix one in different versions
		if want := searchAll(entries, installed); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// merge joins what has one id, since of two entries only one stays.
func merge(entries []Entry) []Entry {
	var out []Entry
	for _, e := range entries {
		if i := slices.IndexFunc(out, func(o Entry) bool { return o.ID == e.ID }); i >= 0 {
			out[i].Affected = append(out[i].Affected, e.Affected...)
		} else {
			out = append(out, e)
		}
	}
	return out
}

// searchAll is the obvious way to match, for one-digit versions.
func searchAll(entries []Entry, installed []posture.Application) []string {
	var out []string
	for _, e := range entries {
		for _, a := range e.Affected {
			var low, high int
			_, _ = fmt.Sscan(a.Ranges[0].Events[0].Introduced, &low)
			_, _ = fmt.Sscan(a.Ranges[0].Events[1].Fixed, &high)
			for _, app := range installed {
				var v int
				_, _ = fmt.Sscan(app.Version, &v)
				if app.Ecosystem == a.Package.Ecosystem && app.Name == a.Package.Name && low <= v && v < high {
					out = append(out, e.ID+" "+app.Name+" "+app.Version)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// fleet is a catalogue of many entries and a report of many packages, a tenth of them affected.
func fleet(entries, packages int) (*Catalogue, *posture.Report) {
	var list []Entry
	for i := range entries {
		list = append(list, Entry{ID: fmt.Sprintf("CVE-2020-%05d", i), Affected: []Affected{{
			Package: Package{Ecosystem: "Debian:12", Name: fmt.Sprintf("package-%d", i%4000)},
			Ranges:  []Range{{Type: "ECOSYSTEM", Events: []Event{{Introduced: "0"}, {Fixed: "1:1.2.3-4+deb12u1"}}}},
		}}})
	}
	r := &posture.Report{OS: posture.OS{Family: posture.Linux, Distribution: "Debian:12"}}
	for i := range packages {
		v := "1:1.2.3-4+deb12u2"
		if i%10 == 0 {
			v = "1:1.2.3-4"
		}
		r.Applications = append(r.Applications, posture.Application{
			Name: fmt.Sprintf("lib-%d", i), Source: fmt.Sprintf("package-%d", i*7), Version: v, Ecosystem: "Debian:12"})
	}
	return New(list), r
}

func BenchmarkMatch(b *testing.B) {
	for _, bc := range []struct{ entries, packages int }{{50, 600}, {40_000, 600}, {40_000, 2500}} {
		b.Run(fmt.Sprintf("%d entries, %d packages", bc.entries, bc.packages), func(b *testing.B) {
			c, r := fleet(bc.entries, bc.packages)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				_, _ = c.Match(r)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(bc.packages), "µs/package")
		})
	}
}

func BenchmarkMatchApplications(b *testing.B) {
	c := load(b)
	r := &posture.Report{OS: posture.OS{Family: posture.Windows}}
	for i := range 600 {
		r.Applications = append(r.Applications, posture.Application{
			Name: fmt.Sprintf("Some Product %d 1.2.3 (x64 en-US)", i), Vendor: "Some Vendor, Inc.", Version: "1.2.3"})
	}
	r.Applications = append(r.Applications, posture.Application{Name: "7-Zip 19.00 (x64)", Vendor: "Igor Pavlov", Version: "19.00"})
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Match(r)
	}
}

func BenchmarkParseBuiltin(b *testing.B) {
	b.SetBytes(int64(len(builtin)))
	for b.Loop() {
		_, _ = parseBuiltinAnew()
	}
}
