package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/internal/catalogue"
	"muster/internal/store"
	"muster/internal/vuln"
)

// feeds imports entries into the catalogue of a running server, as the command line does beside it.
func (p *program) feeds(entries ...vuln.Entry) {
	p.t.Helper()
	ctx := p.t.Context()
	session, err := catalogue.New(catalogue.Options{Store: store.NewCatalogue(p.store())}).Import(ctx, catalogue.Request{Input: p.t.Name()})
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range entries {
		prepared := vuln.Prepare(&entries[i])
		err = session.Add(ctx, catalogue.Into{Name: "osv", Format: "osv"}, &prepared)
		if err != nil {
			p.t.Fatal(err)
		}
	}
	_, err = session.Finish(ctx, nil)
	if err != nil {
		p.t.Fatal(err)
	}
}

// withPackage is a healthy report with a package of Debian 12.
func withPackage(host, mac, name, version string) string {
	return strings.Replace(healthy(host, mac), `"applications":[`,
		fmt.Sprintf(`"applications":[{"name":%q,"version":%q,"purl":"pkg:deb/debian/%s@%s?distro=debian-12"},`, name, version, name, version), 1)
}

// inDebian is an entry by which a package is vulnerable before a version.
func inDebian(id, name, fixed, modified string) vuln.Entry {
	return vuln.Entry{
		ID: id, Modified: modified, Summary: "A fault in " + name,
		Severity: []vuln.Severity{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}},
		Affected: []vuln.Affected{{
			Package: vuln.Package{Ecosystem: "Debian:12", Name: name},
			Ranges:  []vuln.Range{{Type: "ECOSYSTEM", Events: []vuln.Event{{Introduced: "0"}, {Fixed: fixed}}}},
		}},
	}
}

// wantVulnerable wants so many devices under the level that the CVE has, in the account, the lists and the details.
func (p *program) wantVulnerable(token, cve string, n int) {
	p.t.Helper()
	eventuallyWithin(p.t, 30*time.Second, fmt.Sprintf("%d devices with %s", n, cve), func() bool {
		levels := numbers(p.t, p.account(token)["devices_by_vulnerability_severity"], "severity")
		cves := p.call("POST", "/o/api/v3.2/cves", bearer(token), "{}").want(200).body
		return int(levels["important"]) == n && strings.Contains(cves, `"`+cve+`"`) == (n > 0)
	})
}

// TestNewFeedReachesDevices: what a feed says, and what it takes back, shows without any report.
func TestNewFeedReachesDevices(t *testing.T) {
	onBoth(t, func(t *testing.T, db []string) {
		p := start(t, db, "--rate-limit", "0")
		_, token := p.client("write")
		code := strings.TrimSpace(p.muster("regcode", "show"))
		for i, version := range []string{"1.0-1", "1.0-1", "1.0-2"} {
			mac := fmt.Sprintf("00:0c:29:00:02:%02x", i)
			p.register(code, registration(mac)).report(withPackage(fmt.Sprintf("host-%d", i), mac, "frobnicate", version)).want(200)
		}
		p.wantVulnerable(token, "CVE-2031-0001", 0)
		p.feeds(inDebian("CVE-2031-0001", "frobnicate", "1.0-2", "2026-01-01T00:00:00Z"))
		p.wantVulnerable(token, "CVE-2031-0001", 2)
		apps := func() string {
			return p.call("POST", "/o/api/v3/apps", bearer(token), `{"filter":{"search":"frobnicate"}}`).want(200).body
		}
		if got := apps(); !strings.Contains(got, `"number_of_cves":"1"`) && !strings.Contains(got, `"number_of_cves":1`) {
			t.Errorf("the version shows no vulnerability: %s", got)
		}
		// An older word of the same entry changes nothing; a newer one does.
		p.feeds(inDebian("CVE-2031-0001", "frobnicate", "0.5", "2025-01-01T00:00:00Z"))
		p.feeds(inDebian("CVE-2031-0001", "frobnicate", "1.0-3", "2026-01-02T00:00:00Z"))
		p.wantVulnerable(token, "CVE-2031-0001", 3)
		gone := inDebian("CVE-2031-0001", "frobnicate", "1.0-3", "2026-01-03T00:00:00Z")
		gone.Withdrawn = gone.Modified
		p.feeds(gone)
		p.wantVulnerable(token, "CVE-2031-0001", 0)
		eventuallyWithin(t, 10*time.Second, "the version has no vulnerability any more", func() bool {
			return !strings.Contains(apps(), `"number_of_cves":"1"`) && !strings.Contains(apps(), `"number_of_cves":1`)
		})
	})
}
