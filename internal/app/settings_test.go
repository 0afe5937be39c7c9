package app

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/gears"
	"muster/internal/identity"
	"muster/internal/posture"
)

// TestDevicesLeaveAndAreForgotten: what an account decides reaches the periodic work, and that the other accounts not.
func TestDevicesLeaveAndAreForgotten(t *testing.T) {
	s := testServer(t, slog.New(slog.DiscardHandler))
	defer s.close()
	ctx := t.Context()
	now := time.Now()
	s.cfg.KeepEvents = 90
	past := device.New(device.Options{Store: s.store, Decode: gears.Decode, Now: func() time.Time { return now.Add(-72 * time.Hour) }})
	for _, name := range []string{"leaves", "stays"} {
		a, err := s.identity.CreateAccount(ctx, identity.NewAccount{Name: name, DevicesAllowed: 5})
		if err != nil {
			t.Fatal(err)
		}
		silent, err := past.Enrol(ctx, a.ID, device.Registration{HardwareID: "HW-1"})
		if err != nil {
			t.Fatal(err)
		}
		deleted, err := past.Enrol(ctx, a.ID, device.Registration{HardwareID: "HW-2"})
		if err != nil {
			t.Fatal(err)
		}
		if err = past.Delete(ctx, a.ID, deleted.DeviceID); err != nil {
			t.Fatal(err)
		}
		decides := name == "leaves"
		if decides {
			_, _, err = s.identity.UpdateSettings(ctx, a.ID, nil, func(x *identity.Settings) error {
				x.Removal.Unseen, x.Retention.RemovedDays = identity.RemovalRule{Enabled: true, AfterHours: 48}, 2
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, job := range s.jobs() {
			if job.Name == "due-removals" || job.Name == "old-devices" {
				if err := job.Do(ctx, now); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, err = s.devices.Find(ctx, a.ID, device.Selector{ID: silent.DeviceID})
		if decides != errs.Is(err, errs.NotFound) {
			t.Errorf("%s: the silent device: %v", name, err)
		}
		_, err = s.store.Credentials(ctx, a.ID, deleted.DeviceID)
		if decides != errs.Is(err, errs.NotFound) {
			t.Errorf("%s: the deleted device: %v", name, err)
		}
		if _, err = s.store.Credentials(ctx, a.ID, silent.DeviceID); err != nil {
			t.Errorf("%s: the silent device is forgotten already: %v", name, err)
		}
	}
}

// TestOneAccountDoesNotKeepOthers: what cannot be done in one account is done in the others all the same.
func TestOneAccountDoesNotKeepOthers(t *testing.T) {
	s := testServer(t, slog.New(slog.DiscardHandler))
	defer s.close()
	ctx := t.Context()
	broken, err := s.identity.CreateAccount(ctx, identity.NewAccount{Name: "broken", DevicesAllowed: 1})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := s.identity.CreateAccount(ctx, identity.NewAccount{Name: "whole", DevicesAllowed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = raw(t, s).ExecContext(ctx, "UPDATE accounts SET settings = '{' WHERE id = ?", broken.ID); err != nil {
		t.Fatal(err)
	}
	var done []posture.AccountID
	err = s.forget(ctx, func(identity.Retention, int) int { return 1 }, func(account posture.AccountID, _ int) error {
		done = append(done, account)
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("account %d", broken.ID)) {
		t.Errorf("what went wrong: %v", err)
	}
	if !slices.Equal(done, []posture.AccountID{whole.ID}) {
		t.Errorf("done in %v, want %d alone", done, whole.ID)
	}
}

// TestEventsAreKeptAsTheAccountSays: for less time than the server has, never for longer.
func TestEventsAreKeptAsTheAccountSays(t *testing.T) {
	s := testServer(t, slog.New(slog.DiscardHandler))
	defer s.close()
	ctx := t.Context()
	a, err := s.identity.CreateAccount(ctx, identity.NewAccount{Name: "one", DevicesAllowed: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.identity.UpdateSettings(ctx, a.ID, nil, func(x *identity.Settings) error { x.Retention.EventDays = 10; return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ keep, days, left int }{{0, 9, 2}, {90, 9, 2}, {5, 4, 2}, {5, 6, 0}} {
		s.cfg.KeepEvents = step.keep
		if err := s.forgetEvents(ctx, time.Now().AddDate(0, 0, step.days)); err != nil {
			t.Fatal(err)
		}
		if n := len(recorded(t, s.services, a.ID)); n != step.left {
			t.Errorf("the server keeps %d days: after %d there are %d events", step.keep, step.days, n)
		}
	}
}
