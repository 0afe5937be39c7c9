package feed

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func nvdWith(configurations string) string {
	return `{"resultsPerPage":1,"startIndex":0,"totalResults":1,"format":"NVD_CVE","version":"2.0","timestamp":"2026-03-04T05:06:07.890","vulnerabilities":[` + nvdCVE(configurations) + `]}`
}

func nvdCVE(configurations string) string {
	return `{"cve":{"id":"CVE-2026-0001","published":"2026-01-01T00:00:00.000","lastModified":"2026-01-02T00:00:00.000","vulnStatus":"Analyzed","configurations":[` + configurations + `]}}`
}

// node is one configuration of one node.
func node(matches ...string) string {
	return `{"nodes":[{"operator":"OR","negate":false,"cpeMatch":[` + strings.Join(matches, ",") + `]}]}`
}

func match(cpe, bounds string) string {
	return `{"vulnerable":true,"criteria":"` + strings.ReplaceAll(cpe, `\`, `\\`) + `"` + bounds + `}`
}

func both(matches, condition string) string {
	return `{"operator":"AND","nodes":[{"operator":"OR","cpeMatch":[` + matches + `]},{"operator":"OR","cpeMatch":[` + condition + `]}]}`
}

func platform(cpe string) string {
	return strings.Replace(match(cpe, ""), "true", "false", 1)
}

func TestConfigurationsOfNVD(t *testing.T) {
	const p = "cpe:2.3:a:v_inc:p:*:*:*:*:*:*:*:*"
	before2 := match(p, `,"versionEndExcluding":"2.0"`)
	for name, tc := range map[string]struct{ configurations, want string }{
		"before":          {node(before2), "Application v inc p [0 2.0) by v inc"},
		"through":         {node(match(p, `,"versionStartIncluding":"1.0","versionEndIncluding":"2.0"`)), "Application v inc p [1.0 2.0] by v inc"},
		"after":           {node(match(p, `,"versionStartExcluding":"1.0","versionEndIncluding":"2.0"`)), "Application v inc p [1.0.0.0.0.0.1 2.0] by v inc"},
		"all":             {node(match(p, "")), "Application v inc p [0 by v inc"},
		"one":             {node(match("cpe:2.3:a:v:p:1.2:rc1:*:*:*:*:*:*", ""), match("cpe:2.3:a:v:p:1.1:-:*:*:*:*:*:*", "")), "Application v p =1.2 rc1,1.1 by v"},
		"several":         {node(match(p, `,"versionStartIncluding":"3.0","versionEndExcluding":"3.5"`), before2), "Application v inc p [0 2.0) [3.0 3.5) by v inc"},
		"in several":      {node(before2) + "," + node(match(p, `,"versionStartIncluding":"3.0"`)), "Application v inc p [0 2.0) [3.0 by v inc"},
		"signs in names":  {node(match(`cpe:2.3:a:notepad-plus-plus:notepad\+\+:*:*:*:*:*:*:*:*`, `,"versionEndExcluding":"2"`)), "Application notepad-plus-plus notepad++ [0 2) by notepad-plus-plus"},
		"a target":        {node(match("cpe:2.3:a:v:p:*:*:*:*:*:macos:*:*", `,"versionEndExcluding":"2"`)), "Application:mac v p [0 2) by v"},
		"another target":  {node(match("cpe:2.3:a:v:p:*:*:*:*:*:node.js:*:*", `,"versionEndExcluding":"2"`)), "Application v p [0 2) by v"},
		"long-lived":      {node(match("cpe:2.3:a:mozilla:firefox:*:*:*:*:esr:*:*:*", `,"versionEndExcluding":"115.7"`), match("cpe:2.3:a:mozilla:firefox:*:*:*:*:-:*:*:*", `,"versionEndExcluding":"122"`)), "Application mozilla firefox esr [0 115.7) by mozilla; Application mozilla firefox [0 122) by mozilla"},
		"on Windows":      {both(before2, platform("cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*")), "Application:windows v inc p [0 2.0) by v inc"},
		"on either":       {both(before2, platform("cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*")+","+platform("cpe:2.3:o:apple:macos:-:*:*:*:*:*:*:*")), "Application:mac v inc p [0 2.0) by v inc; Application:windows v inc p [0 2.0) by v inc"},
		"Linux":           {both(before2, platform("cpe:2.3:o:linux:linux_kernel:-:*:*:*:*:*:*:*")), "Application:linux v inc p [0 2.0) by v inc"},
		"the kernel":      {node(match("cpe:2.3:o:linux:linux_kernel:*:*:*:*:*:*:*:*", `,"versionEndExcluding":"6.1"`)), "Application:linux linux kernel [0 6.1) by linux"},
		"Apple's":         {node(match("cpe:2.3:a:apple:safari:*:*:*:*:*:*:*:*", `,"versionEndExcluding":"17"`)), "Application:mac apple safari [0 17) by apple"},
		"Windows":         {node(match("cpe:2.3:o:microsoft:windows_10_1809:*:*:*:*:*:*:x64:*", `,"versionEndExcluding":"10.0.17763.6414"`), match("cpe:2.3:o:microsoft:windows_server_2019:*:*:*:*:*:*:*:*", `,"versionEndExcluding":"10.0.17763.6414"`)), "OS:windows windows 10 1809 [10.0.17763 10.0.17763.6414)"},
		"macOS":           {node(match("cpe:2.3:o:apple:macos:*:*:*:*:*:*:*:*", `,"versionStartIncluding":"13.0","versionEndExcluding":"13.6.5"`)), "OS:mac macos [13.0 13.6.5)"},
		"iOS":             {node(match("cpe:2.3:o:apple:iphone_os:*:*:*:*:*:*:*:*", `,"versionEndExcluding":"16.7"`)), "OS:ios iphone os [0 16.7)"},
		"Android":         {node(match("cpe:2.3:o:google:android:13.0:*:*:*:*:*:*:*", "")), "! no version with the fix"},
		"hardware":        {node(match("cpe:2.3:h:v:p:-:*:*:*:*:*:*:*", "")), ""},
		"distributions":   {node(match("cpe:2.3:o:debian:debian_linux:10.0:*:*:*:*:*:*:*", ""), before2), "Application v inc p [0 2.0) by v inc"},
		"not vulnerable":  {node(platform(p)), ""},
		"no version":      {node(match("cpe:2.3:a:v:p:-:*:*:*:*:*:*:*", "")), "! no version is told"},
		"not a CPE":       {node(match("cpe:2.3:a", "")), "! no product is told"},
		"on hardware":     {both(match("cpe:2.3:o:v:p_firmware:*:*:*:*:*:*:*:*", ""), platform("cpe:2.3:h:v:p:-:*:*:*:*:*:*:*")), "! together with something"},
		"on a release":    {both(before2, platform("cpe:2.3:o:microsoft:windows_7:-:*:*:*:*:*:*:*")), "! together with something"},
		"of a version":    {both(before2, strings.Replace(match("cpe:2.3:o:apple:macos:*:*:*:*:*:*:*:*", `,"versionEndExcluding":"12"`), "true", "false", 1)), "! together with something"},
		"with another":    {both(before2, match("cpe:2.3:a:v:q:*:*:*:*:*:*:*:*", "")), "! together with something"},
		"negated":         {strings.Replace(node(before2), `"negate":false`, `"negate":true`, 1), "! together with something"},
		"negated all":     {strings.Replace(node(before2), `{"nodes"`, `{"negate":true,"nodes"`, 1), "! together with something"},
		"all of a node":   {strings.Replace(node(before2, match("cpe:2.3:a:v:q:*:*:*:*:*:*:*:*", "")), `"OR"`, `"AND"`, 1), "! together with something"},
		"Windows, no fix": {node(match("cpe:2.3:o:microsoft:windows_7:-:sp1:*:*:*:*:x64:*", "")), "! no version is told"},
		"macOS, no fix":   {node(match("cpe:2.3:o:apple:macos:*:*:*:*:*:*:*:*", "")), "! no version with the fix"},
		"a watch":         {node(match("cpe:2.3:o:apple:watchos:*:*:*:*:*:*:*:*", `,"versionEndExcluding":"9"`)), "! no agent runs on"},
	} {
		g := read("nvd.json", nvdWith(tc.configurations))
		if g.err != nil || len(g.entries) != 1 {
			t.Errorf("%s: %v", name, g.err)
			continue
		}
		got := toldWithVendors(g.entries[0])
		if want, bad := strings.CutPrefix(tc.want, "! "); bad {
			if len(g.problems) != 1 || !strings.Contains(g.problems[0], want) || got != "" {
				t.Errorf("%s: got %q and problems %v, want %q", name, got, g.problems, want)
			}
		} else if got != tc.want || len(g.problems) != 0 {
			t.Errorf("%s: got\n%s\nwant\n%s\nproblems %v", name, got, tc.want, g.problems)
		}
	}
}

func TestNVD(t *testing.T) {
	metric := func(kind, vector string) string {
		return `{"type":"` + kind + `","cvssData":{"vectorString":"` + vector + `"}}`
	}
	text := `{"resultsPerPage":3,"startIndex":5,"totalResults":9,"format":"NVD_CVE","timestamp":"2026-03-04T05:06:07.890","vulnerabilities":[
	{"cve":{"id":"CVE-2026-0001","published":"2026-01-01T00:00:00.123","lastModified":"2026-01-02T00:00:00.000","vulnStatus":"Modified","cisaExploitAdd":"2026-01-03","cisaVulnerabilityName":"P overflows",
		"descriptions":[{"lang":"es","value":"Palabras"},{"lang":"en","value":"Words"}],
		"metrics":{"cvssMetricV2":[` + metric("Primary", "AV:N") + `],"cvssMetricV31":[` + metric("Secondary", "CVSS:3.1/B") + "," + metric("Primary", "CVSS:3.1/A") + `],
			"cvssMetricV30":[` + metric("Primary", "CVSS:3.0/A") + `],"cvssMetricV40":[` + metric("Secondary", "CVSS:4.0/A") + `]},
		"weaknesses":[{"description":[{"lang":"en","value":"NVD-CWE-noinfo"},{"lang":"en","value":"CWE-20"}]}]}},
	{"cve":{"id":"CVE-2026-0002","lastModified":"2026-01-02T00:00:00.000","vulnStatus":"Rejected","configurations":[` + node(match("cpe:2.3:a:v:p:*:*:*:*:*:*:*:*", "")) + `]}},
	{"cve":{"id":7}}]}`
	g := read("nvd.json", text)
	if g.err != nil || g.ids() != "CVE-2026-0001 CVE-2026-0002" || g.head.Format != NVD || g.head.Declared != 3 || g.head.Problems[notOfTheForm] != 1 {
		t.Fatal(g.err, g.ids(), g.head)
	}
	if want := time.Date(2026, 3, 4, 5, 6, 7, 89e7, time.UTC); !g.head.AsOf.Equal(want) {
		t.Error(g.head.AsOf)
	}
	e := g.entries[0]
	if e.Published != "2026-01-01T00:00:00.123Z" || e.Modified != "2026-01-02T00:00:00Z" || !e.Extra.KEV || e.Summary != "P overflows" || e.Details != "Words" ||
		fmt.Sprint(e.Severity) != "[{CVSS_V2 AV:N} {CVSS_V3 CVSS:3.1/A} {CVSS_V4 CVSS:4.0/A}]" || fmt.Sprint(e.Extra.CWEs) != "[CWE-20]" {
		t.Errorf("%+v", e)
	}
	if e := g.entries[1]; e.Withdrawn != "2026-01-02T00:00:00Z" || e.Affected != nil {
		t.Errorf("%+v", e)
	}
	for _, tc := range []struct{ old, now, want string }{
		{`"resultsPerPage":3`, `"resultsPerPage":4`, "it says that it holds 4 vulnerabilities, and holds 3"},
		{`"totalResults":9`, `"totalResults":7`, "it says that there are 7 vulnerabilities in all"},
		{`"resultsPerPage":3,"startIndex":5`, `"startIndex":0`, "it says that there are 9 vulnerabilities, and holds 3"},
		{`{"cve":{"id":7}}`, `{"cve":{"id":7}`, "is not JSON"},
	} {
		read("nvd.json", strings.Replace(text, tc.old, tc.now, 1)).fails(t, tc.want)
	}
	for n := 1; n < len(text); n += 13 {
		if g := read("nvd.json", text[:n]); g.err == nil {
			t.Errorf("cut at %d is no error", n)
		}
	}
}
