package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/store"
	"muster/internal/store/storetest"
)

// TestStorageUpgrade: what the previous version stored can be read, is stored anew in time, and not before that version may
// be expected to be gone.
func TestStorageUpgrade(t *testing.T) {
	onBoth(t, func(t *testing.T, o store.Options) {
		b := &sharer{at: time.Now().UTC().Truncate(time.Millisecond), account: 1}
		o.Now = func() time.Time { return b.at }
		s, err := store.Open(t.Context(), o)
		must(t, err)
		defer s.Close()
		must(t, s.MigrateTo(t.Context(), 3))
		reports := oldReports(t, s)
		_, err = s.Migrate(t.Context())
		must(t, err)
		b.Store = s
		b.svc = device.New(device.Options{Store: s, Judge: findingJudge{}, Decode: readJSON, Now: o.Now})
		all := func(when string) {
			t.Helper()
			for id, r := range reports {
				b.compares(t, id, r)
			}
			b.finds(t, posture.Antimalware, posture.Firewall)
			storetest.CheckSpread(t, s, 1)
			if t.Failed() {
				t.Fatalf("that was %s", when)
			}
		}
		all("after the upgrade")
		tidy := func() {
			for more := true; more; {
				more, err = s.Tidy(t.Context(), 1)
				must(t, err)
			}
		}
		tidy()
		old := "SELECT COUNT(*) FROM device_reports WHERE verdict <> ''"
		if s.SharedLimits() {
			if n := b.number(t, old); n != int64(len(reports)) {
				t.Errorf("while the previous version may serve, only %d are as it can read them", n)
			}
			one := imageReport(0, 500)
			reports[b.enrols(t, one)] = one
			if n := b.number(t, old); n != int64(len(reports)) {
				t.Errorf("a new report is stored as the previous version cannot read it")
			}
			all("within the day")
			b.at = b.at.Add(25 * time.Hour)
			tidy()
		}
		if n := b.number(t, old); n != 0 {
			t.Errorf("%d are as the previous version stored them", n)
		}
		if n := b.number(t, perDevice); n > 2500 {
			t.Errorf("a device takes %d bytes", n)
		}
		all("in the end")
		if n := b.number(t, "SELECT COUNT(*) FROM device_reports WHERE place = 0"); n != 0 {
			t.Errorf("%d devices have no place", n)
		}
		one := imageReport(1, 501)
		reports[b.enrols(t, one)] = one
		all("while both are written")
		b.at = b.at.Add(time.Hour)
		tidy()
		if n := b.number(t, "SELECT COUNT(*) FROM device_facets"); n != 0 {
			t.Errorf("%d rows of before are left", n)
		}
		all("when nothing is left of what was before")
	})
}

// finds says whether the devices of the previous version are found by the issues that they have.
func (b *sharer) finds(t *testing.T, categories ...posture.Category) {
	t.Helper()
	for i, c := range categories {
		f := device.Filter{Categories: []posture.Category{c}}
		list, _, err := b.Select(t.Context(), 1, device.Query{Filter: f, Window: page.Window{Limit: 1000}})
		must(t, err)
		n, err := b.CountMatching(t.Context(), 1, f)
		must(t, err)
		if len(list) != 60 || n != 60 || !strings.HasSuffix(list[0].HostName, fmt.Sprintf("%05d", i)) {
			t.Errorf("%d devices have an issue with %s, and %d are counted", len(list), c, n)
		}
	}
}

// oldReports makes an account with devices that reported, with statements that schema 3 has.
func oldReports(t *testing.T, s *store.Store) map[string]*posture.Report {
	t.Helper()
	ctx := t.Context()
	must(t, store.Exec(ctx, s, `INSERT INTO accounts (id, name, email, last_login_at, created_at, devices_allowed, license_key, registration_code)
		VALUES (1, 'old', '', 0, 1000, 1000, 'key', 'CODE1234')`))
	must(t, store.Exec(ctx, s, "INSERT INTO policies (account_id, id, name, version, created_at, modified_at, deleted_at) VALUES (1, 1, 'Default', 1, 0, 0, 0)"))
	must(t, store.Exec(ctx, s, "INSERT INTO device_groups (account_id, id, name) VALUES (1, 1, 'Default')"))
	must(t, store.Exec(ctx, s, "INSERT INTO device_counts (account_id, group_id) VALUES (1, 1)"))
	out := make(map[string]*posture.Report)
	for i := range 120 {
		r := imageReport(i%2, i)
		body, err := json.Marshal(r)
		must(t, err)
		v, err := findingJudge{}.Judge(ctx, &device.Subject{Report: r}, storetest.Epoch)
		must(t, err)
		verdict, err := json.Marshal(v)
		must(t, err)
		d := device.Device{
			Account: 1, ID: fmt.Sprintf("0198c3b2a1f04d5e8a7b6c5d4e3f%04x", i), Managed: true, Name: "old", Judged: posture.StatusCompliant,
			Cell: posture.Cell{Group: 1, Status: posture.StatusCompliant}, HostName: r.HostName, HardwareID: r.HardwareID,
			EnrolledAt: storetest.Epoch, ReportedAt: storetest.Epoch, Judge: "1", Digest: []byte("digest"), Credentials: fmt.Append(nil, i),
		}
		must(t, s.InsertOld(ctx, &d, body, string(verdict)))
		out[d.ID] = r
		facets := []int64{1<<48 + 1 + int64(i%2)} // a category of issues
		must(t, store.Exec(ctx, s, "UPDATE device_reports SET facets = ? WHERE device_id = ?", store.PackFacets(facets), d.ID))
		must(t, store.Exec(ctx, s, "INSERT INTO device_facets (account_id, facet, device_id) VALUES (1, ?, ?)", facets[0], d.ID))
	}
	return out
}
