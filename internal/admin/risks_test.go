package admin

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/internal/identity/scope"
)

func get(path string) request { return request{method: "GET", path: path} }

// ids gives what a list says of a member of its entries.
func (a answer) each(t *testing.T, member string) string {
	t.Helper()
	var out []string
	for _, x := range a.want(t, 200)["items"].([]any) {
		out = append(out, fmt.Sprint(x.(map[string]any)[member]))
	}
	return strings.Join(out, " ")
}

// TestVulnerabilities: an account has one, which counts on one of its devices and is accepted on the other.
func TestVulnerabilities(t *testing.T) {
	l := newLab(t)
	own := l.acme.vulnerability
	for query, want := range map[string]string{
		"": own, "?state=accepted": own, "?state=found": own, "?state=found&kev=true": "", "?min_score=78.4": own, "?min_score=78.5": "",
		"?level=critical,important": own, "?level=low": "", "?score_type=cvss3_score&min_score=9.8": own, "?score_type=cvss2_score&min_score=0": "",
		"?search=cve-2026": own, "?search=none": "", "?product=lib": "", "?sort=id&order=desc&limit=1": own, "?sort=level": own, "?kev=false": own,
	} {
		if got := l.do(t, get("vulnerabilities"+query)).each(t, "id"); got != want {
			t.Errorf("%s gives %q, want %q", query, got, want)
		}
	}
	for query, field := range map[string]string{
		"?state=closed": "state", "?min_score=101": "min_score", "?min_score=NaN": "min_score", "?score_type=cvss3_score&min_score=11": "min_score",
		"?level=medium": "level", "?kev=yes": "kev", "?sort=name": "sort", "?order=up": "order", "?score_type=x": "score_type", "?after=x": "after",
	} {
		if a := l.do(t, get("vulnerabilities"+query)); a.status != 400 || !a.about(t, field) {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	one := l.do(t, get("vulnerabilities/"+own)).want(t, 200)
	if one["open_devices"] != 1.0 || one["accepted_devices"] != 1.0 || one["epss"] != 0.25 || len(one["said"].([]any)) != 1 {
		t.Errorf("%v", one)
	}
	for query, want := range map[string]string{"": l.acme.device, "?state=open": l.acme.device, "?state=accepted": l.acme.plain} {
		if got := l.do(t, get("vulnerabilities/"+own+"/devices"+query)).each(t, "device_id"); got != want {
			t.Errorf("devices%s: %s, want %s", query, got, want)
		}
	}
	for id, want := range map[string]string{l.acme.device: "open", l.acme.plain: "accepted"} {
		if got := l.do(t, get("devices/"+id+"/vulnerabilities/"+strings.ToLower(own))).want(t, 200)["state"]; got != want {
			t.Errorf("on %s it is %v, want %s", id, got, want)
		}
	}
	if got := l.do(t, get("devices/"+l.acme.plain+"/vulnerabilities/CVE-1999-9999")).want(t, 200)["state"]; got != "not_found" {
		t.Errorf("one that it has not is %v", got)
	}
	l.do(t, get("devices/"+l.acme.plain+"/vulnerabilities/nonsense")).want(t, 400)
	l.do(t, request{method: "PATCH", path: "settings", body: `{"privacy":{"host_name":true}}`, headers: []string{"If-Match", "*"}}).want(t, 200)
	if got := l.do(t, get("vulnerabilities/"+own+"/devices")); strings.Contains(got.body, `"name"`) {
		t.Errorf("names are private: %s", got.body)
	}
}

// TestAcceptingRisks accepts and revokes them; what is refused names what is wrong.
func TestAcceptingRisks(t *testing.T) {
	l := newLab(t)
	accept := func(body string) answer {
		return l.do(t, request{method: "POST", path: "accepted-risks", body: body})
	}
	until := l.now().Add(24 * time.Hour).Format(time.RFC3339)
	made := accept(`{"vulnerability":"cve-2026-7777","product":"pkg:deb/debian/curl@7.88?distro=debian-12","group":"` + l.acme.group + `","reason":"x","author":"Kari","until":"` + until + `"}`)
	r := made.want(t, 201)
	if r["vulnerability"] != "CVE-2026-7777" || r["product"] != "curl" || r["ecosystem"] != "Debian:12" || fmt.Sprint(r["versions"]) != "[7.88]" || r["author"] != "Kari" ||
		r["state"] != "active" || made.header.Get("ETag") != `"1"` || made.header.Get("Location") != prefix+"accepted-risks/"+r["id"].(string) {
		t.Errorf("%s", made.body)
	}
	path := "accepted-risks/" + r["id"].(string)
	for body, field := range map[string]string{
		`{"vulnerability":"CVE-1","reason":"x"}`:                                                     "vulnerability",
		`{"vulnerability":"CVE-2026-7777","reason":"x","until":"2020-01-01T00:00:00Z"}`:              "until",
		`{"vulnerability":"CVE-2026-7777","reason":"x","group":"` + l.other.group + `"}`:             "group",
		`{"vulnerability":"CVE-2026-7777","reason":"x","device":"` + l.other.device + `"}`:           "device",
		`{"vulnerability":"CVE-2026-7777","reason":"x","device":"nobody"}`:                           "device",
		`{"vulnerability":"CVE-2026-7777","reason":"x","product":"*"}`:                               "product",
		`{"vulnerability":"CVE-2026-7777","reason":"x","versions":["1"]}`:                            "product",
		`{"vulnerability":"CVE-2026-7777","reason":"` + strings.Repeat("x", 1025) + `"}`:             "reason",
		`{"vulnerability":"CVE-2026-7777","reason":"a\u202eb"}`:                                      "reason",
		`{"vulnerability":"CVE-2026-7777","reason":"x","author":"a\u0007"}`:                          "author",
		`{"vulnerability":"CVE-2026-7777","reason":"x","group":"1","device":"` + l.acme.plain + `"}`: "device",
	} {
		if a := accept(body); a.status != 400 || !a.about(t, field) && a.problem(t).Errors[0].Field != field {
			t.Errorf("%s: %d %s", clip(body), a.status, a.body)
		}
	}
	if a := accept(`{"vulnerability":"CVE-2026-7777","reason":"` + strings.Repeat("x", 1<<20) + `"}`); a.status != 413 {
		t.Errorf("a reason of a megabyte: %d", a.status)
	}
	for query, want := range map[string]string{
		"?vulnerability=cve-2026-7777": "CVE-2026-7777", "?group=" + l.acme.group: "CVE-2026-7777", "?device_id=" + l.acme.plain: l.acme.vulnerability,
		"?state=revoked": "", "?source=vex": "", "?state=active&limit=1": "CVE-2026-7777",
	} {
		if got := l.do(t, get("accepted-risks"+query)).each(t, "vulnerability"); got != want {
			t.Errorf("%s gives %q, want %q", query, got, want)
		}
	}
	revoke := func(match string) answer {
		return l.do(t, request{method: "POST", path: path + "/revoke", body: `{"reason":"not so"}`, headers: []string{"If-Match", match}})
	}
	revoke(`"2"`).want(t, 412)
	if got := revoke(`"1"`).want(t, 200); got["state"] != "revoked" || got["revoked"].(map[string]any)["reason"] != "not so" {
		t.Errorf("%v", got)
	}
	revoke(`"1"`).want(t, 412)
	revoke("*").want(t, 409)
	l.do(t, request{method: "POST", path: "accepted-risks", body: bodies["admin_risk_accept"], token: l.acme.tokens[scope.Write]}).want(t, 403)
	// What is accepted is in the record, with who and why.
	if got := l.do(t, get("events?limit=500")).body; !strings.Contains(got, `"risk_accepted"`) || !strings.Contains(got, "CVE-2026-7777 in curl in group "+l.acme.group+": not so") {
		t.Errorf("the record: %s", clip(got))
	}
}
