package feed

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/internal/vuln"
)

// told is what an entry says of versions, in one line for each affected product.
func told(e *vuln.Entry) string {
	var out []string
	for _, a := range e.Affected {
		s := a.Package.Ecosystem + " " + a.Package.Name
		for _, r := range a.Ranges {
			for _, v := range r.Events {
				switch {
				case v.Introduced != "":
					s += " [" + v.Introduced
				case v.Fixed != "":
					s += " " + v.Fixed + ")"
				default:
					s += " " + v.LastAffected + "]"
				}
			}
		}
		if len(a.Versions) > 0 {
			s += " =" + strings.Join(a.Versions, ",")
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func TestDebianTracker(t *testing.T) {
	g := read("tracker.json", `{
	"xz-utils": {
		"CVE-2026-0001": {"description": "It overflows.", "debianbug": 1, "scope": "remote", "releases": {
			"trixie": {"status": "open", "urgency": "not yet assigned", "repositories": {"trixie": "5.8.1-1"}},
			"bookworm": {"status": "resolved", "fixed_version": "5.4.1-1+deb12u1", "urgency": "medium"},
			"jessie": {"status": "open", "urgency": "end-of-life"},
			"bullseye": {"status": "resolved", "fixed_version": "0", "urgency": "medium"},
			"forky": {"status": "undetermined", "urgency": "medium"},
			"sid": {"status": "open", "nodsa": "Minor issue", "nodsa_reason": "postponed", "urgency": "low"}}},
		"CVE-2026-0002": {"releases": {"trixie": {"status": "open", "urgency": "unimportant"}}},
		"CVE-2026-0003": {"releases": {"potato": {"status": "open", "urgency": "low"}, "trixie": {"status": "resolved", "urgency": "low"},
			"sid": {"status": "strange", "urgency": "low"}}},
		"CVE-2026-0004": {"releases": 7},
		"TEMP-0000000-ABCDEF": {"releases": {"wheezy": {"status": "resolved", "fixed_version": "1:2-3", "urgency": "low**"}}}
	},
	"curl": {"CVE-2026-0001": {"releases": {"buster": {"status": "open", "urgency": "high"}}}}
	}`)
	if g.err != nil || g.head.Format != DebianTracker {
		t.Fatal(g.err, g.head.Format)
	}
	var got []string
	for _, e := range g.entries {
		got = append(got, e.ID+strings.Join(e.Upstream, "")+": "+told(e))
	}
	want := []string{
		"DEBIAN-CVE-2026-0001:xz-utilsCVE-2026-0001: Debian:8 xz-utils [0; Debian:12 xz-utils [0 5.4.1-1+deb12u1); Debian:13 xz-utils [0; Debian:sid xz-utils [0",
		"DEBIAN-TEMP-0000000-ABCDEF:xz-utils: Debian:7 xz-utils [0 1:2-3)",
		"DEBIAN-CVE-2026-0001:curlCVE-2026-0001: Debian:10 curl [0",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if fmt.Sprint(g.head.Problems) != fmt.Sprint(map[Reason]int{unknownRelease: 1, noFixedVersion: 1, unknownStatus: 1, notOfTheForm: 1}) {
		t.Error(g.problems)
	}
	read("t.json", `{"a":{"CVE-2026-0001":{"releases":{}}}}`).fails(t, "the list is empty")
	read("t.json", `{"a":{"CVE-2026-0001":{"releases":{}}}`).fails(t, "cut short")
	read("t.json", `{"a":{"CVE-2026-0001":{"releases":{}}},"b":7}`).fails(t, "in the place of {")
}

const epssText = "#model_version:v2025.03.14,score_date:2026-11-30T12:55:00+0000\ncve,epss,percentile\n" +
	"CVE-1999-0001,0.01025,0.76\nCVE-1999-0002,0.5,0.98\n"

func TestEPSS(t *testing.T) {
	g := read("epss.csv", epssText)
	if g.err != nil || g.ids() != "CVE-1999-0001 CVE-1999-0002" || g.head.Format != EPSS {
		t.Fatal(g.err, g.ids())
	}
	if e := g.entries[0]; *e.Extra.EPSS != 0.01025 || e.Modified != "" {
		t.Errorf("%+v", e)
	}
	if want := time.Date(2026, 11, 30, 12, 55, 0, 0, time.UTC); !g.head.AsOf.Equal(want) {
		t.Error(g.head.AsOf)
	}
	if g := read("epss.csv", epssText[strings.Index(epssText, "cve,"):]); g.err != nil || len(g.entries) != 2 || !g.head.AsOf.IsZero() {
		t.Error("without a comment:", g.err)
	}
	if g := read("epss.csv", epssText+"CVE-2026-0001,x,0\nCVE-2026-0002,NaN,0\nCVE-2026-0003,1.5,0\nCVE,0.1,0\n"); g.err != nil ||
		len(g.entries) != 2 || g.head.Problems[noProbability] != 3 || g.head.Problems[noCVE] != 1 {
		t.Error(g.err, g.problems)
	}
	for n := range epssText {
		cut := read("epss.csv", epssText[:n])
		if cut.err == nil && !strings.HasSuffix(epssText[:n], "76\n") { // after a line nothing tells
			t.Errorf("cut at %q is no error", epssText[:n])
		}
	}
	read("e.csv", epssText+"CVE-1999-0003,0.2\n").fails(t, "line 5 is not of 3 values, or is cut short")
	read("e.csv", "cve,epss,percentile\n").fails(t, "the list is empty")
	read("e.csv", "#model_version:1\na,b\n1,2\n").fails(t, "no columns cve and epss")
}

func TestKEVAsLines(t *testing.T) {
	const text = "cveID,vendorProject,product,vulnerabilityName,dateAdded,shortDescription,requiredAction,dueDate,knownRansomwareCampaignUse,notes,cwes\r\n" +
		`CVE-2026-0001,V,P,"V P ""Big"" Overflow",2026-03-04,"It, well, overflows.",Act,2026-03-25,Unknown,,"CWE-121, CWE-787"` + "\r\n" +
		"CVE-2026-0002,V,P,Name,2026-03-05,Words,Act,2026-03-25,Known,,\r\n"
	g := read("kev.csv", text)
	if g.err != nil || g.ids() != "CVE-2026-0001 CVE-2026-0002" || g.head.Format != KEV || !g.head.AsOf.Equal(time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)) {
		t.Fatal(g.err, g.ids(), g.head)
	}
	if e := g.entries[0]; e.Summary != `V P "Big" Overflow` || e.Details != "It, well, overflows." || len(e.Extra.CWEs) != 2 || !e.Extra.KEV {
		t.Errorf("%+v", e)
	}
	if g := read("kev.csv", strings.TrimSpace(text)); g.err != nil || len(g.entries) != 2 {
		t.Error("without an end of line at the end:", g.err)
	}
	read("kev.csv", text[:len(text)-5]).fails(t, "line 3 is not of 11 values, or is cut short")
	read("kev.csv", text[:strings.Index(text, ", CWE-787")]).fails(t, "cut short")
	read("kev.csv", "cveID,other\nCVE-2026-0001,x\n").fails(t, "there are no columns")
}

func TestOpenVEX(t *testing.T) {
	g := read("vex.json", `{
	"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/vex-1", "author": "Jo", "role": "Security",
	"timestamp": "2026-01-02T03:04:05.678+01:00", "version": 3,
	"statements": [
		{"vulnerability": {"@id": "https://example.com/v", "name": "CVE-2026-0001", "aliases": ["GHSA-1"]},
		 "products": [{"@id": "pkg:deb/debian/curl@7.88?arch=amd64", "subcomponents": [{"@id": "x", "identifiers": {"purl": "pkg:npm/a@1"}}]},
			{"identifiers": {"cpe23": "cpe:2.3:a:v:p:1:*:*:*:*:*:*:*"}}, "cpe:/a:v:p"],
		 "status": "not_affected", "justification": "vulnerable_code_not_in_execute_path", "impact_statement": "Not built in.",
		 "supplier": "We", "status_notes": "n", "timestamp": "2026-02-02T00:00:00Z", "last_updated": "2026-03-02T00:00:00Z", "version": 5},
		{"vulnerability": "CVE-2026-0002", "products": ["pkg:npm/b"], "status": "fixed", "action_statement": "a"},
		{"products": ["pkg:npm/b"], "status": "fixed"},
		{"vulnerability": "CVE-2026-0003", "status": "fixed"},
		{"vulnerability": "CVE-2026-0003", "products": ["pkg:npm/b"], "status": "harmless"},
		{"vulnerability": "CVE-2026-0003", "products": ["pkg:npm/b"], "status": "not_affected"},
		{"vulnerability": 7}
	]}`)
	if g.err != nil || g.head.Format != OpenVEX || len(g.statements) != 2 || g.head.Items != 2 {
		t.Fatal(g.err, g.head)
	}
	s := g.statements[0]
	if s.Vulnerability != "CVE-2026-0001" || s.Aliases[0] != "GHSA-1" || s.Status != NotAffected || s.Justification != "vulnerable_code_not_in_execute_path" ||
		s.Impact != "Not built in." || s.Author != "Jo" || s.Role != "Security" || s.Document != "https://example.com/vex-1" || s.Supplier != "We" ||
		s.Version != 5 || s.At.Month() != time.February || s.Updated.Month() != time.March {
		t.Errorf("%+v", s)
	}
	want := []Product{
		{ID: "pkg:deb/debian/curl@7.88?arch=amd64", PURL: "pkg:deb/debian/curl@7.88?arch=amd64", Subcomponents: []Product{{ID: "x", PURL: "pkg:npm/a@1"}}},
		{CPE: "cpe:2.3:a:v:p:1:*:*:*:*:*:*:*"}, {ID: "cpe:/a:v:p", CPE: "cpe:/a:v:p"},
	}
	if fmt.Sprintf("%+v", s.Products) != fmt.Sprintf("%+v", want) {
		t.Errorf("%+v", s.Products)
	}
	s = g.statements[1]
	if want := time.Date(2026, 1, 2, 2, 4, 5, 678e6, time.UTC); s.Vulnerability != "CVE-2026-0002" || s.Version != 3 || !s.At.Equal(want) || !s.Updated.IsZero() || s.Action != "a" {
		t.Errorf("%+v", s)
	}
	for _, r := range []Reason{noVulnerability, noProduct, noVEXStatus, unfounded, notOfTheForm} {
		if g.head.Problems[r] != 1 {
			t.Errorf("%s: %d", r, g.head.Problems[r])
		}
	}
	read("v.json", `{"@context":"https://spdx.org/rdf/3.0","@graph":[]}`).fails(t, "not that of OpenVEX")
	read("v.json", `{"@context":"https://openvex.dev/ns","statements":7}`).fails(t, "not of the form")
}
