package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/store"
	"muster/internal/store/storetest"
	"muster/internal/testpg"
)

// onBoth runs a test on both engines.
func onBoth(t *testing.T, do func(t *testing.T, o store.Options)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { do(t, store.Options{Dir: t.TempDir()}) })
	t.Run("postgres", func(t *testing.T) { do(t, store.Options{Database: testpg.Database(t)}) })
}

// sharer is a server whose devices come of images.
type sharer struct {
	*store.Store
	svc     *device.Service
	account posture.AccountID
	at      time.Time
}

// findingJudge finds a fault in each package whose version is odd.
type findingJudge struct{}

func (findingJudge) Version(posture.PolicyRef, posture.GroupID) string { return "1" }

func (findingJudge) Judge(_ context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	v := posture.Verdict{Status: posture.StatusCompliant, Issues: []posture.Issue{}, Findings: []posture.Finding{}, Catalogue: "c", Judged: now}
	for i := range s.Report.Applications {
		if a := &s.Report.Applications[i]; strings.HasSuffix(a.Version, "1") {
			v.Findings = append(v.Findings, posture.Finding{ID: fmt.Sprintf("CVE-2026-%04d", i), Product: a.Name, Version: a.Version, Scores: [3]float64{50, -1, 5}})
		}
	}
	return v, nil
}

func readJSON(body []byte) (*posture.Report, error) {
	var r posture.Report
	err := json.Unmarshal(body, &r)
	return &r, err
}

func openSharer(t *testing.T, o store.Options) *sharer {
	t.Helper()
	b := &sharer{at: storetest.Epoch}
	o.Now = func() time.Time { return b.at }
	o.Log = slog.New(slog.DiscardHandler)
	b.Store = storetest.Open(t, o)
	b.svc = device.New(device.Options{Store: b.Store, Judge: findingJudge{}, Decode: readJSON, Now: o.Now, Log: o.Log})
	return b
}

func newSharer(t *testing.T, o store.Options) *sharer {
	t.Helper()
	b := openSharer(t, o)
	b.account = storetest.Account(t, b.Store, "images", 100_000)
	return b
}

// imageReport is what a device of an image reports: most of it as all of them.
func imageReport(image, n int) *posture.Report {
	r := &posture.Report{HardwareID: fmt.Sprintf("HW-%03d-%05d", image, n), HostName: fmt.Sprintf("host-%03d-%05d", image, n), OS: posture.OS{Family: posture.Linux}}
	for i := range 200 {
		version := fmt.Sprintf("%d.%d.%d", image%7, i%13, i%2)
		if (i+n)%40 == 0 {
			version = fmt.Sprintf("%d.0.%d-own", n, i%2)
		}
		r.Applications = append(r.Applications, posture.Application{Name: fmt.Sprintf("package-%d-%d", image, i), Version: version, Ecosystem: "Debian:12"})
	}
	return r
}

func (b *sharer) reports(t *testing.T, id string, r *posture.Report) {
	t.Helper()
	body, err := json.Marshal(r)
	must(t, err)
	must(t, b.svc.Report(t.Context(), device.Ref{Account: b.account, ID: id}, device.Submission{
		Digest: sha256.Sum256(body), Body: body, Decode: func() (*posture.Report, error) { return readJSON(body) },
	}))
	b.at = b.at.Add(time.Second)
}

func (b *sharer) enrols(t *testing.T, r *posture.Report) string {
	t.Helper()
	en, err := b.svc.Enrol(t.Context(), b.account, device.Registration{HardwareID: r.HardwareID})
	must(t, err)
	b.reports(t, en.DeviceID, r)
	return en.DeviceID
}

// compares says whether what is stored of a device is what it reported.
func (b *sharer) compares(t *testing.T, id string, r *posture.Report) {
	t.Helper()
	got, _, err := b.svc.LastReport(t.Context(), b.account, id)
	must(t, err)
	if diff := cmp.Diff(r, got); diff != "" {
		t.Errorf("the report of %s: %s", r.HostName, diff)
	}
	v, err := b.Verdict(t.Context(), b.account, id)
	must(t, err)
	want, err := findingJudge{}.Judge(t.Context(), &device.Subject{Report: r}, v.Judged)
	must(t, err)
	if diff := cmp.Diff(want.Findings, v.Findings); diff != "" {
		t.Errorf("the verdict on %s: %s", r.HostName, diff)
	}
}

func (b *sharer) number(t *testing.T, query string) int64 {
	t.Helper()
	n, err := b.Number(t.Context(), query)
	must(t, err)
	return n
}

const perDevice = "SELECT SUM(length(body) + length(verdict) + length(packed_verdict) + length(facets)) / COUNT(*) FROM device_reports"

// TestDevicesOfAnImageShareStorage: they take little, and each reads what it stored, also after a restart and a restore.
func TestDevicesOfAnImageShareStorage(t *testing.T) {
	onBoth(t, func(t *testing.T, o store.Options) {
		b := newSharer(t, o)
		type one struct {
			id string
			r  *posture.Report
		}
		var all []one
		for i := range 60 {
			r := imageReport(i%3, i)
			all = append(all, one{b.enrols(t, r), r})
		}
		for i := range all[:30] { // some change
			all[i].r = imageReport(i%3, i+1000)
			all[i].r.HardwareID = fmt.Sprintf("HW-%03d-%05d", i%3, i)
			b.reports(t, all[i].id, all[i].r)
		}
		if n := b.number(t, "SELECT COUNT(*) FROM report_bases"); n < 3 || n > 6 {
			t.Errorf("%d bases for three images", n)
		}
		if n := b.number(t, perDevice); n > 1200 {
			t.Errorf("a device takes %d bytes", n)
		}
		for _, d := range all {
			b.compares(t, d.id, d.r)
		}
		storetest.CheckSpread(t, b.Store, b.account)
		again := openSharer(t, o)
		again.account = b.account
		var file bytes.Buffer
		_, err := b.Backup(t.Context(), &file)
		must(t, err)
		restored := openSharer(t, store.Options{Dir: t.TempDir()})
		restored.account = b.account
		_, err = restored.Restore(t.Context(), &file)
		must(t, err)
		for _, d := range all {
			again.compares(t, d.id, d.r)
			restored.compares(t, d.id, d.r)
		}
		storetest.CheckSpread(t, restored.Store, b.account)
	})
}

// TestBasesNameNobody: what is kept for all holds nothing by which one of them is known.
func TestBasesNameNobody(t *testing.T) {
	b := newSharer(t, store.Options{Dir: t.TempDir()})
	for i := range 6 {
		r := imageReport(1, i)
		r.UserIdentity = "somebody" // whom all have in common
		r.Applications = append(r.Applications, posture.Application{Name: "profile of somebody", Version: "1"})
		b.enrols(t, r)
	}
	texts, err := b.BaseTexts(t.Context(), b.account)
	must(t, err)
	if len(texts) == 0 {
		t.Fatal("there is no base")
	}
	for _, text := range texts {
		if strings.Contains(text, "host-001") || strings.Contains(text, "HW-001") || strings.Contains(text, "somebody") || !strings.Contains(text, "package-1-7") {
			t.Errorf("a base holds %s", text)
		}
	}
}

// TestALostBaseIsSeen: what was stored with it is an error, never something else, and others report as before.
func TestALostBaseIsSeen(t *testing.T) {
	for name, spoil := range map[string]string{
		"lost":    "DELETE FROM report_bases",
		"damaged": "UPDATE report_bases SET content = substr(content, 1, 30) || x'00' || substr(content, 32)",
		"another": "UPDATE report_bases SET content = (SELECT content FROM report_bases o WHERE o.id = 1)",
	} {
		t.Run(name, func(t *testing.T) {
			o := store.Options{Dir: t.TempDir()}
			b := newSharer(t, o)
			var ids []string
			for i := range 8 {
				ids = append(ids, b.enrols(t, imageReport(1+i%2, i)))
			}
			must(t, b.Spoil(t.Context(), spoil))
			again := openSharer(t, o)
			again.account = b.account
			last := device.Ref{Account: b.account, ID: ids[7]}
			_, _, err := again.svc.LastReport(t.Context(), last.Account, last.ID)
			if err == nil {
				t.Error("the report was read")
			}
			_, err = again.Verdict(t.Context(), last.Account, last.ID)
			if err == nil {
				t.Error("the verdict was read")
			}
			r := imageReport(2, 77)
			again.compares(t, again.enrols(t, r), r)
		})
	}
}

// TestBasesThatNobodyUsesGo: not at once, for somebody may be about to use them.
func TestBasesThatNobodyUsesGo(t *testing.T) {
	onBoth(t, func(t *testing.T, o store.Options) {
		b := newSharer(t, o)
		var ids []string
		for i := range 4 {
			ids = append(ids, b.enrols(t, imageReport(1, i)))
		}
		bases := func() int64 { return b.number(t, "SELECT COUNT(*) FROM report_bases") }
		choosable := func() int64 { return b.number(t, "SELECT COUNT(*) FROM report_bases WHERE retired_at = 0") }
		tidy := func() {
			_, err := b.CheckFacets(t.Context(), b.account)
			must(t, err)
		}
		b.at = b.at.Add(48 * time.Hour)
		tidy()
		if bases() != 1 || choosable() != 1 {
			t.Fatalf("of the base that is used, %d are left and %d may be chosen", bases(), choosable())
		}
		for _, id := range ids {
			b.reports(t, id, &posture.Report{OS: posture.OS{Family: posture.IOS}}) // nothing of its kind shares anything
		}
		tidy()
		tidy()
		if bases() != 1 || choosable() != 0 {
			t.Fatalf("at first %d are left and %d may be chosen", bases(), choosable())
		}
		b.at = b.at.Add(2 * time.Hour)
		tidy()
		if bases() != 0 {
			t.Errorf("in the end %d are left", bases())
		}
		r := imageReport(1, 1)
		b.reports(t, ids[1], r)
		b.compares(t, ids[1], r)
	})
}

// TestPostingsAreMended: whatever became of them, they are written anew from what is stored of the devices, and nothing else is.
func TestPostingsAreMended(t *testing.T) {
	onBoth(t, func(t *testing.T, o store.Options) {
		b := newSharer(t, o)
		for i := range 30 {
			b.enrols(t, imageReport(i%2, i))
		}
		for _, spoil := range []string{
			"DELETE FROM facet_chunks WHERE chunk = 2",
			"DELETE FROM facet_chunks WHERE facet > 0",
			"UPDATE facet_chunks SET facet = facet + 1000000 WHERE chunk = 1 AND facet > 0",
			"UPDATE facet_chunks SET members = (SELECT members FROM facet_chunks WHERE facet > 0 ORDER BY n DESC LIMIT 1), n = 3 WHERE chunk = 3 AND facet > 0",
		} {
			must(t, b.Spoil(t.Context(), spoil))
			drift, err := b.CheckFacets(t.Context(), b.account)
			must(t, err)
			n, err := b.MendPostings(t.Context(), b.account)
			must(t, err)
			if len(drift) == 0 || n == 0 {
				t.Errorf("after %s: %d differences, %d chunks mended", spoil, len(drift), n)
			}
			storetest.CheckSpread(t, b.Store, b.account)
			n, err = b.MendPostings(t.Context(), b.account)
			if err != nil || n != 0 {
				t.Errorf("of what is right, %d chunks were mended, %v", n, err)
			}
		}
		list, _, err := b.Select(t.Context(), b.account, device.Query{Filter: device.Filter{CVEs: []string{"CVE-2026-0001"}}, Window: page.Window{Limit: 100}})
		if err != nil || len(list) != 30 {
			t.Errorf("%d devices are found, %v", len(list), err)
		}
	})
}
