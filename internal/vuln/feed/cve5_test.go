package feed

import (
	"fmt"
	"strings"
	"testing"

	"muster/internal/vuln"
)

// cveRecordWith is a record with the affected products of who assigned the number and of CISA.
func cveRecordWith(own, added string) string {
	return `{"dataType":"CVE_RECORD","dataVersion":"5.1","cveMetadata":{"cveId":"CVE-2026-0001","state":"PUBLISHED",
	"datePublished":"2026-01-01T00:00:00","dateUpdated":"2026-01-02T00:00:00.5Z"},
	"containers":{"cna":{"providerMetadata":{"shortName":"x"},"affected":[` + own + `]},
	"adp":[{"title":"CVE Program Container"},{"title":"CISA ADP Vulnrichment","affected":[` + added + `]}]}}`
}

// productWith is one affected product by vendor V.
func productWith(rest string) string { return `{"vendor":"V","product":"P",` + rest + `}` }

func versionsOf(list string) string { return productWith(`"versions":[` + list + `]`) }

func TestVersionsOfCVE(t *testing.T) {
	for name, tc := range map[string]struct{ affected, want string }{
		// By the rules of the schema.
		"one version":                        {versionsOf(`{"version":"1.2","status":"affected"}`), "=1.2"},
		"before":                             {versionsOf(`{"version":"1.0","status":"affected","lessThan":"1.2","versionType":"semver"}`), "[1.0 1.2)"},
		"through":                            {versionsOf(`{"version":"1.0","status":"affected","lessThanOrEqual":"1.2"}`), "[1.0 1.2]"},
		"without end":                        {versionsOf(`{"version":"1.0","status":"affected","lessThan":"*"}`), "[1.0"},
		"without beginning":                  {versionsOf(`{"version":"0","status":"affected","lessThan":"1.2"}`), "[0 1.2)"},
		"unspecified beginning":              {versionsOf(`{"version":"unspecified","status":"affected","lessThan":"1.2"}`), "[0 1.2)"},
		"n/a as beginning":                   {versionsOf(`{"version":"n/a","status":"affected","lessThanOrEqual":"1.2"}`), "[0 1.2]"},
		"star as beginning":                  {versionsOf(`{"version":"*","status":"affected","lessThan":"1.2"}`), "[0 1.2)"},
		"all of a series":                    {versionsOf(`{"version":"5.4.2","status":"affected","lessThanOrEqual":"5.4.*"}`), "[5.4.2 5.5)"},
		"changes":                            {versionsOf(`{"version":"1.0","status":"affected","lessThan":"*","changes":[{"at":"1.5","status":"unaffected"},{"at":"1.7","status":"affected"},{"at":"1.9","status":"unaffected"}]}`), "[1.0 1.5) [1.7 1.9)"},
		"changes out of order":               {versionsOf(`{"version":"0","status":"affected","lessThanOrEqual":"2","changes":[{"at":"1.9","status":"affected"},{"at":"1.5","status":"unaffected"}]}`), "[0 1.5) [1.9 2]"},
		"a change after the end":             {versionsOf(`{"version":"0","status":"affected","lessThanOrEqual":"1.2","changes":[{"at":"1.3","status":"unaffected"}]}`), "[0 1.2]"},
		"unaffected within":                  {versionsOf(`{"version":"1","status":"affected","lessThan":"3"},{"version":"2","status":"unaffected","lessThan":"2.5"}`), "[1 2) [2.5 3)"},
		"unknown within":                     {versionsOf(`{"version":"1","status":"affected","lessThan":"3"},{"version":"2.5","status":"unknown","lessThan":"*"}`), "[1 2.5)"},
		"git is another space":               {versionsOf(`{"version":"1da177e4c3f4","status":"affected","lessThan":"05095271a4fb","versionType":"git"},{"version":"1","status":"affected","lessThan":"3"}`), "[1 3)"},
		"commits without a type":             {versionsOf(`{"version":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b","status":"affected"},{"version":"2","status":"affected"}`), "=2"},
		"touching ranges":                    {versionsOf(`{"version":"1","status":"affected","lessThan":"2"},{"version":"2","status":"affected","lessThan":"3"}`), "[1 3)"},
		"by default affected":                {productWith(`"defaultStatus":"affected"`), "[0"},
		"by default unaffected":              {productWith(`"defaultStatus":"unaffected"`), ""},
		"by default, but for a range":        {productWith(`"defaultStatus":"affected","versions":[{"version":"1.2","status":"unaffected","lessThan":"*"}]`), "[0 1.2)"},
		"by default, but for several ranges": {productWith(`"defaultStatus":"affected","versions":[{"version":"0","lessThan":"4.1","status":"unaffected"},{"version":"4.1","status":"affected"},{"version":"5.4.9","lessThanOrEqual":"5.4.*","status":"unaffected"},{"version":"5.6-rc1","lessThanOrEqual":"*","status":"unaffected","versionType":"original_commit_for_fix"}]`), "[4.1 5.4.9) [5.5 5.6-rc1) =4.1"},
		"in upper case":                      {productWith(`"defaultStatus":"AFFECTED","versions":[{"version":"1.2","status":"UNAFFECTED","lessThan":"*"}]`), "[0 1.2)"},

		// Beyond the rules: what publishers mean.
		"by default, and a bounded range":     {productWith(`"defaultStatus":"affected","versions":[{"version":"0","status":"affected","lessThanOrEqual":"6.5"}]`), "[0 6.5]"},
		"by default, but for the fix":         {productWith(`"defaultStatus":"affected","versions":[{"version":"1.2.3","status":"unaffected"}]`), "[0 1.2.3)"},
		"by default, but for several fixes":   {productWith(`"defaultStatus":"affected","versions":[{"version":"2.0.4","status":"unaffected"},{"version":"1.2.3","status":"unaffected"}]`), "[0 1.2.3) [2 2.0.4)"},
		"before itself":                       {versionsOf(`{"version":"129.0.6668.100","status":"affected","lessThan":"129.0.6668.100"}`), "[0 129.0.6668.100)"},
		"each branch has its fix":             {versionsOf(`{"version":"unspecified","status":"affected","lessThan":"14.7"},{"version":"unspecified","status":"affected","lessThan":"13.7"},{"version":"unspecified","status":"affected","lessThan":"15"}`), "[0 13.7) [14 14.7)"},
		"branches that differ further behind": {versionsOf(`{"version":"0","status":"affected","lessThan":"2.4.9"},{"version":"0","status":"affected","lessThan":"2.2.7"}`), "[0 2.2.7) [2.3 2.4.9)"},
		"branches of one beginning":           {versionsOf(`{"version":"2023.1","status":"affected","lessThan":"2023.2.7"},{"version":"2023.1","status":"affected","lessThan":"2023.1.7"}`), "[2023.1 2023.1.7) [2023.2 2023.2.7)"},
		"between two branches":                {versionsOf(`{"version":"0","status":"affected","lessThan":"131"},{"version":"0","status":"affected","lessThan":"128.3"}`), "[0 128.3) [129 131)"},
		"one end within another":              {versionsOf(`{"version":"0","status":"affected","lessThan":"1.2"},{"version":"0","status":"affected","lessThan":"1.2.5"}`), "[0 1.2.5)"},
		"fixes as a list":                     {versionsOf(`{"version":"0","status":"affected","lessThan":"4.0.4, 3.6.3, 3.5.8"}`), "[0 3.5.8) [3.6 3.6.3) [4 4.0.4)"},
		"a sign in the bound":                 {versionsOf(`{"version":"24.2","status":"affected","lessThan":"< 24.2.5"}`), "[24.2 24.2.5)"},
		"and earlier, as a bound":             {versionsOf(`{"version":"1.2","status":"affected","lessThanOrEqual":"prior"}`), "[0 1.2]"},
		"zero alone":                          {versionsOf(`{"version":"0","status":"affected"}`), "[0"},
		"a series as beginning":               {versionsOf(`{"version":"30.x.x","status":"affected","lessThan":"30.2.1"}`), "[30 30.2.1)"},
		"the name in front":                   {versionsOf(`{"version":"P 1.2 and previous versions","status":"affected"}`), "[0 1.2]"},

		// What is not used.
		"ends before it begins":   {versionsOf(`{"version":"2.0","status":"affected","lessThan":"1.2"}`), "! a range ends"},
		"not told":                {versionsOf(`{"version":"n/a","status":"affected"}`), "! no version"},
		"a dash":                  {versionsOf(`{"version":"-","status":"affected"}`), "! no version"},
		"an address as bound":     {versionsOf(`{"version":"19.0.0","status":"affected","lessThan":"https://aka.ms/OfficeSecurityReleases"}`), "! what is said of versions"},
		"the name of a processor": {versionsOf(`{"version":"QCA6564AU","status":"affected"}`), "! what is said of versions"},
		"only unaffected":         {versionsOf(`{"version":"1.2","status":"unaffected"}`), ""},
	} {
		g := read("cve.json", cveRecordWith(tc.affected, ""))
		if g.err != nil || len(g.entries) != 1 {
			t.Errorf("%s: %v", name, g.err)
			continue
		}
		got := strings.TrimSpace(strings.TrimPrefix(told(g.entries[0]), "Application P"))
		if want, bad := strings.CutPrefix(tc.want, "! "); bad {
			if len(g.problems) != 1 || !strings.Contains(g.problems[0], want) || got != "" {
				t.Errorf("%s: got %q and problems %v, want %q", name, got, g.problems, want)
			}
		} else if got != tc.want || len(g.problems) != 0 {
			t.Errorf("%s: got %q, want %q; problems %v", name, got, tc.want, g.problems)
		}
	}
}

func TestWording(t *testing.T) {
	for text, want := range map[string]string{
		"1.2.3": "=1.2.3", "v1.2": "=v1.2", "38": "=38", "1.2.0.8\\(8155\\)": "=1.2.0.8(8155)", "12L": "=12L", "1.0 build 7": "=1.0 build 7",
		"*": "[0", "All": "[0", "all versions": "[0", "All known versions": "[0", "any version": "[0",
		"< 1.77.2": "[0 1.77.2)", "<5.5": "[0 5.5)", "<= 4.2.0": "[0 4.2.0]", "≤ 4.2": "[0 4.2]", "&lt; 4": "[0 4)", "=< 3": "[0 3]",
		">= 6.13.0": "[6.13.0", "> 1.0": "[1.0.0.0.0.0.1", "= 0.4.7": "=0.4.7", "== 2": "=2",
		">= 15.0.0, < 15.5.0": "[15.0.0 15.5.0)", ">= 1.0 <= 2.0": "[1.0 2.0]", ">=1.0 && <2.0 || = 3.1": "[1.0 2.0) =3.1", ">= 1, < 2, >= 3, < 4": "[1 2) [3 4)",
		"stable < 3.3.2": "[0 3.3.2)", "stable: < 3.3.2": "[0 3.3.2)",
		"before 1.2": "[0 1.2)", "before version 5.17.10": "[0 5.17.10)", "prior to 8.0.3": "[0 8.0.3)", "All versions prior to v3.1": "[0 3.1)",
		"versions before 4.5.": "[0 4.5)", "earlier than 2": "[0 2)", "up to (excluding) 9.1": "[0 9.1)", "up to and including 9.1": "[0 9.1]", "up to 9.1": "[0 9.1]",
		"all versions prior to and including 16.3": "[0 16.3]",
		"v6.1.4 and earlier":                       "[0 6.1.4]", "firmware version 7.4.9 and earlier": "[0 7.4.9]", "1.2 or prior": "[0 1.2]", "1.2 and all previous versions": "[0 1.2]",
		"Ver.09.00.0015 and earlier": "[0 09.00.0015]", "5.0 and below": "[0 5.0]", "1.2 (and earlier)": "[0 1.2]",
		"2.0 and later": "[2.0", "2.0 or above": "[2.0", "from 2.0": "[2.0", "since version 3": "[3",
		"10.0.0 to 10.8.6": "[10.0.0 10.8.6]", "versions V4.32 through V5.38": "[4.32 5.38]", "from 1.0 before 1.5": "[1.0 1.5)", "1.0 up to and including 1.5": "[1.0 1.5]",
		"12.0-14.0": "[12.0 14.0]", "3.2.4-5": "=3.2.4-5", "between 2.0 and 2.2": "[2.0 2.2]", "13.1.0-13.1.2": "[13.1.0 13.1.2]",
		"5.x": "[5 6)", "1.2.*": "[1.2 1.3)", "10.5.6.x": "[10.5.6 10.5.7)", "2.x series": "[2 3)", "3.1.x.x": "[3.1 3.2)",
		"10.5.x.x: 10.5.1.0 and below": "[10.5 10.5.1.0]", "ArubaOS 10.4.x.x: 10.4.1.0 and below": "[10.4 10.4.1.0]",
		"7.0.2, 7.0.3": "=7.0.2,7.0.3", "1.0, 2.x and 3.1": "[2 3) =1.0,3.1", "Android 12.0, 13.0, 14.0": "=12.0,13.0,14.0",
		"Oracle Java SE:11.0.23": "=11.0.23", "some/package: >= 3.0.0, < 3.0.2": "[3.0.0 3.0.2)",
		"": "?", "n/a": "?", "see references": "?", "QCA6564AU": "?", "Snapdragon 8 Gen 2": "?", "SAP_BASIS 700": "?", "1kW to the moon": "?",
		"The first 5 digits of serial No. 26061 and prior": "?", "https://example.com/1": "?", "Upgrade to version 11.9": "?", strings.Repeat("1.", 200): "?",
	} {
		w, ok := understand(text)
		got := "?"
		if ok {
			got = strings.TrimSpace(told(&vuln.Entry{Affected: []vuln.Affected{affectedAs("", "", w.spans, w.single)}}))
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestProductsOfCVE(t *testing.T) {
	const v = `"versions":[{"version":"1","status":"affected","lessThan":"2"}]`
	for name, tc := range map[string]struct{ own, added, want string }{
		"platforms":                   {productWith(`"platforms":["Windows","MacOS","x86"],` + v), "", "Application:windows P [1 2) by V; Application:mac P [1 2) by V"},
		"all platforms":               {productWith(`"platforms":["Windows","MacOS","Linux"],` + v), "", "Application P [1 2) by V"},
		"platforms that say nothing":  {productWith(`"platforms":["64 bit","Unknown"],` + v), "", "Application P [1 2) by V"},
		"target of the CPE":           {productWith(`"cpes":["cpe:2.3:a:v_inc:p_app:*:*:*:*:*:macos:*:*"],` + v), "", "Application:mac P [1 2) by V,v inc also v inc p app"},
		"made for":                    {`{"vendor":"Zoom","product":"Zoom Client for Windows",` + v + `}`, "", "Application:windows Zoom Client for Windows [1 2) by Zoom also Zoom Client"},
		"made for iOS":                {`{"vendor":"Zoom","product":"Zoom for iOS",` + v + `}`, "", "Application:ios Zoom for iOS [1 2) by Zoom also Zoom"},
		"Apple's are for the Mac":     {`{"vendor":"Apple","product":"Xcode",` + v + `}`, "", "Application:mac Xcode [1 2) by Apple"},
		"but for those for Windows":   {`{"vendor":"Apple","product":"iTunes for Windows",` + v + `}`, "", "Application:windows iTunes for Windows [1 2) by Apple also iTunes"},
		"Microsoft's processors":      {`{"vendor":"Microsoft","product":"Word","platforms":["x64-based Systems"],` + v + `}`, "", "Application:windows Word [1 2) by Microsoft"},
		"Microsoft's on all":          {`{"vendor":"Microsoft","product":"Edge","platforms":["Unknown"],` + v + `}`, "", "Application Edge [1 2) by Microsoft"},
		"the series in the name":      {`{"vendor":"Microsoft","product":".NET 8.0","versions":[{"version":"1.0.0","status":"affected","lessThan":"8.0.8"}]}`, "", "Application .NET 8.0 [8.0 8.0.8) by Microsoft"},
		"the kernel as such":          {`{"vendor":"Linux","product":"Linux",` + v + `}`, "", "Application:linux Linux kernel [1 2) by Linux"},
		"hardware has no names":       {productWith(`"cpes":["cpe:2.3:h:x:y:*:*:*:*:*:*:*:*"],` + v), "", "Application P [1 2) by V"},
		"no vendor":                   {`{"vendor":"n/a","product":"P",` + v + `}`, "", "! no vendor"},
		"no product":                  {`{"vendor":"V","product":"n/a",` + v + `}`, "", "! no product"},
		"CISA knows the vendor":       {`{"vendor":"n/a","product":"P App",` + v + `}`, `{"vendor":"v_inc","product":"p_app","cpes":["cpe:2.3:a:v_inc:p_app:-:*:*:*:*:*:*:*"]}`, "Application P App [1 2) by v inc also v inc p app"},
		"CISA knows the versions":     {versionsOf(`{"version":"n/a","status":"affected"}`), productWith(v), "Application P [1 2) by V"},
		"CISA knows all":              {`{"vendor":"n/a","product":"n/a","versions":[{"version":"n/a","status":"affected"}]}`, `{"vendor":"v_inc","product":"p_app",` + v + `}`, "Application p app [1 2) by v inc"},
		"CISA's other names":          {productWith(v) + `,{"vendor":"V","product":"Q",` + v + `}`, `{"vendor":"v_soft","product":"q","cpes":["cpe:2.3:a:v_soft:q_q:*:*:*:*:*:*:*:*"]},{"vendor":"x","product":"y",` + v + `}`, "Application P [1 2) by V; Application Q [1 2) by V,v soft also v soft q q"},
		"CISA's word comes second":    {productWith(v), `{"vendor":"V","product":"P","versions":[{"version":"0","status":"affected","lessThan":"9"}]}`, "Application P [1 2) by V"},
		"one product in several":      {productWith(v) + "," + versionsOf(`{"version":"3","status":"affected","lessThan":"4"}`), "", "Application P [1 2) [3 4) by V"},
		"names with the same version": {productWith(v) + `,{"vendor":"V","product":"Q",` + v + `}`, "", "Application P [1 2) by V also Q"},

		"Windows by build": {`{"vendor":"Microsoft","product":"Windows 10 Version 1809","platforms":["x64-based Systems"],"versions":[{"version":"10.0.0","status":"affected","lessThan":"10.0.17763.6054"}]},
			{"vendor":"Microsoft","product":"Windows Server 2019 (Server Core installation)","versions":[{"version":"10.0.17763.0","status":"affected","lessThan":"10.0.17763.6054"}]},
			{"vendor":"Microsoft","product":"Windows Server 2012 R2","versions":[{"version":"6.3.0","status":"affected","lessThan":"6.3.9600.22074"}]}`, "",
			"OS:windows Windows 10 Version 1809 [10.0.17763 10.0.17763.6054); OS:windows Windows Server 2019 (Server Core installation) [10.0.17763.0 10.0.17763.6054); OS:windows Windows Server 2012 R2 [6.3.9600 6.3.9600.22074)"},
		"programs that begin with Windows": {`{"vendor":"Microsoft","product":"Windows Admin Center",` + v + `}`, "", "Application Windows Admin Center [1 2) by Microsoft"},
		"macOS by branch": {`{"vendor":"Apple","product":"macOS","versions":[{"version":"unspecified","status":"affected","lessThan":"13.7"}]},
			{"vendor":"Apple","product":"macOS","versions":[{"version":"unspecified","status":"affected","lessThan":"14.7"}]}`, "", "OS:mac macOS [0 13.7) [14 14.7)"},
		"iOS":     {`{"vendor":"Apple","product":"iOS and iPadOS","versions":[{"version":"unspecified","status":"affected","lessThan":"17.4"}]}`, "", "OS:ios iOS and iPadOS [0 17.4)"},
		"Android": {`{"vendor":"Google","product":"Android","versions":[{"version":"13","status":"affected"},{"version":"12L","status":"affected"}]}`, "", "! no version with the fix"},
		"a name of one word": {`{"vendor":"F","product":"ClientWindows",` + v + `},{"vendor":"F","product":"ClientEMS",` + v + `}`, "",
			"Application:windows ClientWindows [1 2) by F also Client; Application ClientEMS [1 2) by F"},
		"a watch":                    {`{"vendor":"Apple","product":"watchOS",` + v + `}`, "", "! no agent runs on"},
		"a system without a fix":     {`{"vendor":"Apple","product":"macOS","versions":[{"version":"all","status":"affected"}]}`, "", "! no version with the fix"},
		"Cisco's IOS is not Apple's": {`{"vendor":"Cisco","product":"IOS",` + v + `}`, "", "Application IOS [1 2) by Cisco"},

		"a package":          {`{"vendor":"V","product":"P","collectionURL":"https://pypi.org/project/p","packageName":"p",` + v + `}`, "", "PyPI p [1 2)"},
		"a package of Maven": {`{"collectionURL":"https://repo.maven.apache.org/maven2/","packageName":"org.x/y",` + v + `}`, "", "Maven org.x:y [1 2)"},
		"a package URL":      {`{"vendor":"V","product":"P","packageURL":"pkg:npm/%40scope/name@1?x=y",` + v + `}`, "", "npm @scope/name [1 2)"},
		"Red Hat's packages": {`{"vendor":"Red Hat","product":"Red Hat Enterprise Linux 8","collectionURL":"https://access.redhat.com/downloads/content/package-browser/","packageName":"bash","defaultStatus":"affected",
			"cpes":["cpe:/a:redhat:enterprise_linux:8::appstream","cpe:/o:redhat:enterprise_linux:8::baseos"],"versions":[{"version":"0:4.4-5.el8","lessThan":"*","versionType":"rpm","status":"unaffected"}]}`, "",
			"Red Hat:enterprise_linux:8::appstream bash [0 0:4.4-5.el8); Red Hat:enterprise_linux:8::baseos bash [0 0:4.4-5.el8)"},
		"Red Hat's images": {`{"vendor":"Red Hat","product":"OpenShift","collectionURL":"https://catalog.redhat.com/software/containers/","packageName":"x/y","defaultStatus":"affected"}`, "", "! their maker's own feed"},
	} {
		g := read("cve.json", cveRecordWith(tc.own, tc.added))
		if g.err != nil || len(g.entries) != 1 {
			t.Errorf("%s: %v", name, g.err)
			continue
		}
		got := toldWithVendors(g.entries[0])
		if want, bad := strings.CutPrefix(tc.want, "! "); bad {
			if len(g.problems) != 1 || !strings.Contains(g.problems[0], want) || got != "" {
				t.Errorf("%s: got %q and problems %v, want %q", name, got, g.problems, want)
			}
		} else if got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s\nproblems %v", name, got, tc.want, g.problems)
		}
	}
}

func toldWithVendors(e *vuln.Entry) string {
	var out []string
	for i := range e.Affected {
		one := vuln.Entry{Affected: e.Affected[i : i+1]}
		s := told(&one)
		if p := e.Affected[i].Product; len(p.Vendors) > 0 {
			s += " by " + strings.Join(p.Vendors, ",")
			if len(p.Names) > 0 {
				s += " also " + strings.Join(p.Names, ",")
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func TestWordsOfCVE(t *testing.T) {
	g := read("cve.json", `{"dataType":"CVE_RECORD","cveMetadata":{"cveId":"CVE-2026-0001","state":"PUBLISHED","datePublished":"2026-01-01T00:00:00","dateUpdated":"2026-01-02T00:00:00.5Z"},
	"containers":{"cna":{"title":" P overflows ","descriptions":[{"lang":"fr","value":"Mot"},{"lang":"en-US","value":"Words"}],
		"metrics":[{"cvssV3_1":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}},{"cvssV4_0":{"vectorString":"CVSS:4.0/AV:N"}},{"cvssV2_0":{"vectorString":"(AV:N/AC:L/Au:N/C:P/I:P/A:P)"}}],
		"problemTypes":[{"descriptions":[{"lang":"en","cweId":"CWE-787"},{"description":"text"}]}]},
	"adp":[{"providerMetadata":{"shortName":"CISA-ADP","dateUpdated":"2026-02-03T00:00:00Z"},"metrics":[{"other":{"type":"ssvc","content":{}}},{"other":{"type":"kev","content":{"dateAdded":"2026-01-05"}}},
		{"cvssV3_1":{"vectorString":"CVSS:3.1/AV:L"}},{"cvssV3_0":{"vectorString":"CVSS:3.0/AV:L"}}],"problemTypes":[{"descriptions":[{"cweId":"CWE-1"}]}]}]}}
	{"dataType":"CVE_RECORD","cveMetadata":{"cveId":"CVE-2026-0002","state":"REJECTED","dateRejected":"2026-01-03T00:00:00Z"},"containers":{"cna":{"rejectedReasons":[]}}}
	{"dataType":"CVE_RECORD","cveMetadata":{"cveId":"CVE-2026-0003","state":"PUBLISHED"},"containers":{"cna":{"affected":[]},"adp":[
		{"metrics":[{"cvssV3_1":{"vectorString":"CVSS:3.1/AV:L"}}],"problemTypes":[{"descriptions":[{"cweId":"CWE-1"}]}]}]}}
	{"dataType":"CVE_RECORD","cveMetadata":{"cveId":"CVE-2026-4"}} {"dataType":"CVE_RECORD","cveMetadata":7}`)
	if g.err != nil || g.ids() != "CVE-2026-0001 CVE-2026-0002 CVE-2026-0003" || g.head.Problems[noCVE] != 1 || g.head.Problems[notOfTheForm] != 1 {
		t.Fatal(g.err, g.ids(), g.problems)
	}
	e := g.entries[0]
	if e.Summary != "P overflows" || e.Details != "Words" || e.Published != "2026-01-01T00:00:00Z" || e.Modified != "2026-02-03T00:00:00Z" || !e.Extra.KEV || e.Withdrawn != "" {
		t.Errorf("%+v", e)
	}
	if got, want := fmt.Sprint(e.Severity), "[{CVSS_V3 CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H} {CVSS_V4 CVSS:4.0/AV:N} {CVSS_V2 AV:N/AC:L/Au:N/C:P/I:P/A:P}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if fmt.Sprint(e.Extra.CWEs) != "[CWE-787]" {
		t.Error(e.Extra.CWEs)
	}
	if e := g.entries[1]; e.Withdrawn != "2026-01-03T00:00:00Z" || e.Affected != nil {
		t.Errorf("%+v", e)
	}
	if e := g.entries[2]; e.Severity[0].Score != "CVSS:3.1/AV:L" || e.Extra.CWEs[0] != "CWE-1" {
		t.Errorf("%+v", e)
	}
}
