package app

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/catalogue"
	"muster/internal/config"
	"muster/internal/device"
	"muster/internal/gears"
	"muster/internal/identity"
	"muster/internal/posture"
	"muster/internal/risk"
	"muster/internal/vuln"
)

// TestLapsedScoresAsBefore: when the risk of one CVE of an advisory lapses, the finding is as bad as before it was accepted: by
// what the advisory says of itself.
func TestLapsedScoresAsBefore(t *testing.T) {
	ctx := t.Context()
	s, err := openServices(ctx, config.Database{Dir: t.TempDir()}, slog.New(slog.DiscardHandler), created)
	no(t, err)
	t.Cleanup(func() { no(t, s.close()) })
	account, err := s.identity.CreateAccount(ctx, identity.NewAccount{Name: "Acme", DevicesAllowed: 1})
	no(t, err)
	mild := []vuln.Severity{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:L/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N"}}
	grave := []vuln.Severity{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}
	importEntries(t, s, vuln.Entry{
		ID: "DSA-1", Aliases: []string{"CVE-2030-0001", "CVE-2030-0002"}, Severity: mild,
		Affected: []vuln.Affected{{
			Package: vuln.Package{Ecosystem: "Debian:12", Name: "curl"},
			Ranges:  []vuln.Range{{Type: "ECOSYSTEM", Events: []vuln.Event{{Introduced: "0"}, {Fixed: "2"}}}},
		}},
	}, vuln.Entry{ID: "CVE-2030-0001", Severity: grave}, vuln.Entry{ID: "CVE-2030-0002", Severity: grave})
	until := time.Now().Add(time.Hour)
	_, err = s.risks.Accept(ctx, account.ID, &risk.Acceptance{Vulnerability: "CVE-2030-0001", Reason: "r", Actor: "a", Until: until})
	no(t, err)
	subject := &device.Subject{Account: account.ID, ID: "one", Group: posture.DefaultGroup, Report: &posture.Report{
		Applications: []posture.Application{{Name: "curl", Version: "1", Ecosystem: "Debian:12"}},
	}}
	found := func(at time.Time, before *posture.Verdict) *posture.Verdict {
		t.Helper()
		subject.Before, subject.SameReport = before, before != nil
		f, err := s.judge.vulnerabilities(ctx, subject, at)
		no(t, err)
		return &posture.Verdict{Findings: f.Findings, Catalogue: f.by.String()}
	}
	accepted := found(until.Add(-time.Minute), nil)
	if len(accepted.Findings) != 2 {
		t.Fatalf("while one is accepted: %+v", accepted.Findings)
	}
	if diff := cmp.Diff(found(until, nil), found(until, accepted)); diff != "" {
		t.Errorf("after it lapsed: %s", diff)
	}
}

// TestSystemIsToldOnce: a new feed reaches a device, and is explained there, also where only an earlier report said which system
// it runs.
func TestSystemIsToldOnce(t *testing.T) {
	ctx := t.Context()
	s, err := openServices(ctx, config.Database{Dir: t.TempDir()}, slog.New(slog.DiscardHandler), created)
	no(t, err)
	w := &wild{services: s, t: t}
	t.Cleanup(func() { no(t, s.close()) })
	account, err := s.identity.CreateAccount(ctx, identity.NewAccount{Name: "Acme", DevicesAllowed: 1})
	no(t, err)
	en, err := s.devices.Enrol(ctx, account.ID, device.Registration{})
	no(t, err)
	for _, text := range []string{
		`"os_info":[{"family":"windows","name":"x","version":"10"}]`, `"soh":{"applications":[{"name":"Reader","vendor":"Acme","version":"1"}]}`,
	} {
		body := fmt.Appendf(nil, `{"agent_type":"persistent","agent_version":"1","hostname":"h","scan_time":"2026-11-23T21:21:15Z",%s}`, text)
		no(t, s.devices.Report(ctx, device.Ref{Account: account.ID, ID: en.DeviceID}, device.Submission{
			Digest: sha256.Sum256(body), Body: body, Decode: func() (*posture.Report, error) { return gears.Decode(body) },
		}))
	}
	importEntries(t, s, vuln.Entry{ID: "CVE-2030-0002", Summary: "Of something else"})
	w.settle() // an account that was never matched is matched whole
	importEntries(t, s, vuln.Entry{ID: "CVE-2030-0001", Affected: []vuln.Affected{{
		Package: vuln.Package{Ecosystem: "Application:windows", Name: "Reader"}, Product: vuln.Product{Vendors: []string{"Acme"}},
		Ranges: []vuln.Range{{Type: "ECOSYSTEM", Events: []vuln.Event{{Introduced: "0"}, {Fixed: "2"}}}},
	}}})
	w.settle()
	d, err := s.devices.Find(ctx, account.ID, device.Selector{ID: en.DeviceID})
	no(t, err)
	got, err := s.explainVulnerability(ctx, account.ID, &d, "CVE-2030-0001")
	if err != nil || len(got.Findings) != 1 || len(got.Considered) != 1 || got.Considered[0].Outcome != vuln.IsAffected {
		t.Errorf("%+v, %v", got, err)
	}
}

// importEntries imports entries as a feed.
func importEntries(t *testing.T, s *services, list ...vuln.Entry) {
	t.Helper()
	session, err := s.catalogue.Import(t.Context(), catalogue.Request{})
	no(t, err)
	for i := range list {
		p := vuln.Prepare(&list[i])
		no(t, session.Add(t.Context(), catalogue.Into{Name: "osv", Format: "osv"}, &p))
	}
	_, err = session.Finish(t.Context(), nil)
	no(t, err)
	no(t, s.catalogue.Refresh(t.Context()))
}
