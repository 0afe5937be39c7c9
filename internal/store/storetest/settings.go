package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/store"
)

// testSettings: settings are those of one account, every change has its revision and its event, and none is lost.
func testSettings(t *testing.T, e Engine) {
	ctx := t.Context()
	s := Open(t, e.New(t))
	a, b := Account(t, s, "acme", 5), Account(t, s, "other", 5)
	ids := identity.New(identity.Options{Accounts: s, Applications: s, Tokens: s, Settings: s, Codes: s})
	wantSettings(ctx, t, s, a, identity.Settings{}, 1)
	want := identity.Settings{Licence: identity.Licence{AtLimit: identity.RefuseAtLimit}}
	want.Privacy.HostName, want.Removal.Unseen = true, identity.RemovalRule{Enabled: true, AfterHours: 24, Uninstall: true}
	want.Agents.AskUser = identity.AskUser{Enabled: true, Pattern: `^\w+$`, Message: "Wer sind Sie? \U0001F600"}
	check(t, second3(ids.UpdateSettings(ctx, a, nil, func(s *identity.Settings) error { *s = want; return nil })))
	wantSettings(ctx, t, s, a, want, 2)
	wantSettings(ctx, t, s, b, identity.Settings{}, 1)
	refused := errors.New("refused")
	_, _, err := ids.UpdateSettings(ctx, a, nil, func(s *identity.Settings) error { s.Privacy.PublicIP = true; return refused })
	if !errors.Is(err, refused) {
		t.Errorf("the error of the change is %v", err)
	}
	wantSettings(ctx, t, s, a, want, 2)
	_, _, err = s.AccountSettings(ctx, 99)
	wantCode(t, err, errs.NotFound)
	_, _, err = ids.UpdateSettings(ctx, 99, nil, func(*identity.Settings) error { return nil })
	wantCode(t, err, errs.NotFound)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, _, err := ids.UpdateSettings(ctx, b, nil, func(s *identity.Settings) error { s.Retention.EventDays++; return nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	wantSettings(ctx, t, s, b, identity.Settings{Retention: identity.Retention{EventDays: 8}}, 9)
	svc := service(s, time.Now)
	got := allEvents(ctx, t, svc, b, device.EventQuery{Kinds: event.Kinds(event.OfAdministrators), Window: page.Window{Limit: 20}})
	if len(got) != 8 {
		t.Errorf("recorded %+v", got)
	}
	check(t, e.Exec(ctx, s, "UPDATE accounts SET settings = '{' WHERE name = 'acme'"))
	if _, _, err = s.AccountSettings(ctx, a); err == nil {
		t.Error("settings that cannot be read are taken for none: what is private would show")
	}
}

func wantSettings(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID, want identity.Settings, revision int64) {
	t.Helper()
	got, at, err := s.AccountSettings(ctx, account)
	if err != nil || got != want || at != revision {
		t.Errorf("got %+v at %d, %v; want %+v at %d", got, at, err, want, revision)
	}
}

// exerciseSettings uses every statement about settings, and those that read less where something is private.
func exerciseSettings(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID) {
	t.Helper()
	ids := identity.New(identity.Options{Accounts: s, Applications: s, Tokens: s, Settings: s, Codes: s})
	check(t, second(ids.Settings(ctx, account)))
	check(t, second3(ids.UpdateSettings(ctx, account, nil, func(now *identity.Settings) error { now.Privacy.HostName = true; return nil })))
	svc := service(s, time.Now)
	for _, hidden := range []device.Privacy{{HostName: true}, allPrivate} {
		for _, search := range []string{"abc", "00:0c:29", "abc def"} {
			f := device.Filter{Search: search, Hidden: hidden}
			check(t, second3(svc.Select(ctx, account, device.Query{Filter: f, Window: page.Window{Limit: 5}})))
			check(t, second(svc.CountMatching(ctx, account, f)))
		}
		check(t, second3(svc.Activities(ctx, account, device.ActivityQuery{Search: "x", Hidden: hidden, Window: page.Window{Limit: 5}})))
	}
}
