package store_test

import (
	"context"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
	"muster/internal/store"
	"muster/internal/store/storetest"
	"muster/internal/testpg"
)

// TestUpgradeFromSchema2 migrates a database with devices of the version before policies were an account's own: they stand
// as they did, in groups with the default policy, and what judged them is known to be out of date.
func TestUpgradeFromSchema2(t *testing.T) {
	for name, o := range map[string]func(t *testing.T) store.Options{
		"sqlite":   func(t *testing.T) store.Options { return store.Options{Dir: t.TempDir()} },
		"postgres": func(t *testing.T) store.Options { return store.Options{Database: testpg.Database(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(t.Context(), o(t))
			must(t, err)
			defer s.Close()
			must(t, s.MigrateTo(t.Context(), 2))
			old := oldAccount(t, s)
			_, err = s.Migrate(t.Context())
			must(t, err)
			must(t, s.CheckSchema(t.Context()))
			upgraded(t, s, old)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// oldAccount makes an account with two groups and a device in each, with statements that schema 2 has.
func oldAccount(t *testing.T, s *store.Store) []device.Device {
	t.Helper()
	ctx := t.Context()
	exec := func(query string, args ...any) {
		t.Helper()
		must(t, store.Exec(ctx, s, query, args...))
	}
	exec(`INSERT INTO accounts (id, name, email, last_login_at, created_at, devices_allowed, license_key, registration_code, cross_domain_enabled, cross_domain_port)
		VALUES (1, 'old', '', 0, 1000, 10, 'key', 'CODE1234', 0, 11369)`)
	exec("INSERT INTO device_groups (account_id, id, name, created_at) VALUES (1, 1, 'Default', 1000)")
	exec("INSERT INTO device_groups (account_id, id, name, created_at) VALUES (1, 2, 'Lab', 2000)")
	exec("INSERT INTO device_counts (account_id, group_id) VALUES (1, 1)")
	exec("INSERT INTO device_counts (account_id, group_id) VALUES (1, 2)")
	var out []device.Device
	for i, status := range []posture.Status{posture.StatusCompliant, posture.StatusNonCompliant} {
		d := device.Device{
			Account: 1, ID: "0198c3b2a1f04d5e8a7b6c5d4e3f2a1" + string(rune('0'+i)), Managed: true, Name: "old", Judged: status,
			Cell:       posture.Cell{Group: posture.GroupID(i + 1), Status: status},
			EnrolledAt: storetest.Epoch, ReportedAt: storetest.Epoch, Judge: "default-1+builtin", Digest: []byte("digest"), Credentials: []byte("credentials"),
		}
		must(t, s.InsertOld(ctx, &d, []byte("3/0/0|"), `{"status":3,"severity":0,"levels":[0,0,0],"rule":"Default","issues":[],"findings":null,"policy":"default-1","catalogue":"builtin","judged":"2026-03-01T09:00:00Z"}`))
		out = append(out, d)
	}
	return out
}

func upgraded(t *testing.T, s *store.Store, old []device.Device) {
	t.Helper()
	ctx := t.Context()
	groups, err := s.Groups(ctx, 1)
	must(t, err)
	for _, g := range groups {
		if g.Policy != posture.DefaultPolicy || g.Revision != 1 || g.JoinRule != "" || g.Devices != 1 {
			t.Errorf("group %+v", g)
		}
	}
	storetest.CheckCounts(ctx, t, s, 1)
	for _, was := range old {
		d, err := s.Device(ctx, 1, was.ID)
		must(t, err)
		if d.Cell != was.Cell || d.Judge != was.Judge || d.Quarantined || d.Exempted || !d.LastReport.Equal(storetest.Epoch) ||
			d.Policy != (posture.PolicyRef{ID: 1}) || d.Pinned != (was.Cell.Group != posture.DefaultGroup) {
			t.Errorf("the device stands otherwise: %+v", d)
		}
		v, err := s.Verdict(ctx, 1, was.ID)
		if err != nil || v.Rule != "Default" || v.Policy != "default-1" {
			t.Errorf("its verdict: %+v, %v", v, err)
		}
	}
	svc := device.New(device.Options{Store: s, Judge: storetest.Judge{}, Decode: storetest.Decode, Now: func() time.Time { return storetest.Epoch }})
	walk := device.Walk{Account: 1, Groups: []posture.GroupID{1, 2}}
	var judged, changed int64
	for end := false; !end; {
		part, last, err := svc.Rejudge(context.WithoutCancel(ctx), &walk)
		must(t, err)
		end, judged, changed = last, judged+part.Done, changed+part.Changed
	}
	if judged != 2 || changed != 1 {
		t.Errorf("%d were judged anew and %d changed", judged, changed)
	}
	storetest.CheckCounts(ctx, t, s, 1)
}
