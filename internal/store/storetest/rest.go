package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/posture"
	"muster/internal/ratelimit"
	"muster/internal/ratelimit/ratelimittest"
	"muster/internal/store"
)

func testMigrations(t *testing.T, e Engine) {
	o := e.New(t)
	var wg sync.WaitGroup
	applied := make([][]string, 3)
	for i := range applied {
		s, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if i == 0 {
			wantCode(t, s.CheckSchema(t.Context()), errs.Unavailable)
		}
		wg.Go(func() {
			var err error
			applied[i], err = s.Migrate(t.Context())
			if err != nil {
				t.Error(err)
			}
			err = s.CheckSchema(t.Context())
			if err != nil {
				t.Error(err)
			}
		})
		if s.Engine() == "sqlite" {
			wg.Wait() // one server at a time is all that SQLite promises
		}
	}
	wg.Wait()
	if n := len(applied[0]) + len(applied[1]) + len(applied[2]); n == 0 || n != max(len(applied[0]), len(applied[1]), len(applied[2])) {
		t.Errorf("each migration is applied once: %v", applied)
	}
}

func testAccounts(t *testing.T, e Engine) {
	s := Open(t, e.New(t))
	ctx := t.Context()
	id := Account(t, s, "acme", 5)
	_, err := s.CreateAccount(ctx, identity.Account{Name: "acme", LicenseKey: "k", RegistrationCode: "c"})
	wantCode(t, err, errs.Conflict)
	if other := Account(t, s, "other", 5); other == id {
		t.Fatalf("two accounts have the id %d", id)
	}
	changed, err := s.UpdateAccount(ctx, id, func(a *identity.Account) ([]event.Event, error) {
		a.DevicesAllowed, a.LastLogin, a.CrossDomain = 7, Epoch, identity.CrossDomain{Enabled: true, Port: 12345}
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, find := range map[string]func() (identity.Account, error){
		"id":      func() (identity.Account, error) { return s.AccountByID(ctx, id) },
		"name":    func() (identity.Account, error) { return s.AccountByName(ctx, "acme") },
		"licence": func() (identity.Account, error) { return s.AccountByLicenseKey(ctx, "key-acme") },
		"code":    func() (identity.Account, error) { return s.AccountByRegistrationCode(ctx, "code-acme") },
	} {
		got, err := find()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(changed, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	_, err = s.AccountByName(ctx, "nobody")
	wantCode(t, err, errs.NotFound)
	_, err = s.UpdateAccount(ctx, id, func(a *identity.Account) ([]event.Event, error) { a.Name = "other"; return nil, nil })
	wantCode(t, err, errs.Conflict)
	refusal := errs.New(errs.Invalid, "no")
	_, err = s.UpdateAccount(ctx, id, func(a *identity.Account) ([]event.Event, error) { a.Name = "x"; return nil, refusal })
	if !errors.Is(err, refusal) {
		t.Errorf("a refused change: %v", err)
	}
	list, err := s.ListAccounts(ctx)
	if err != nil || len(list) != 2 || list[0].Name != "acme" || list[1].Name != "other" {
		t.Errorf("list %+v, %v", list, err)
	}
}

func testTokens(t *testing.T, e Engine) {
	s := Open(t, e.New(t))
	ctx := t.Context()
	id, other := Account(t, s, "acme", 5), Account(t, s, "other", 5)
	app := identity.Application{
		Account: id, ClientID: "client", Name: "n", Permission: scope.Write, RateLimit: identity.DefaultRateLimit,
		SecretHash: identity.HashOf("secret"), CreatedAt: Epoch,
	}
	err := s.CreateApplication(ctx, app)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.CreateApplication(ctx, app), errs.Conflict)
	got, err := s.ApplicationByClientID(ctx, "client")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(app, got); diff != "" {
		t.Error(diff)
	}
	token := func(text string, ends time.Duration) identity.Token {
		return identity.Token{
			Hash: identity.HashOf(text), Kind: identity.AccessToken, Account: id, ClientID: "client",
			Permission: scope.Write, CreatedAt: Epoch, ExpiresAt: Epoch.Add(ends),
		}
	}
	err = s.CreateTokens(ctx, []identity.Token{token("a", time.Hour), token("b", 2*time.Hour)}, identity.Hash{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.CreateTokens(ctx, []identity.Token{token("c", time.Hour), token("a", time.Hour)}, identity.Hash{}, time.Time{}), errs.Conflict)
	_, err = s.FindToken(ctx, identity.HashOf("c"))
	wantCode(t, err, errs.NotFound)
	err = s.CreateTokens(ctx, []identity.Token{token("d", time.Hour)}, identity.HashOf("b"), Epoch.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.FindToken(ctx, identity.HashOf("b"))
	if err != nil || !b.ExpiresAt.Equal(Epoch.Add(time.Minute)) {
		t.Errorf("a rotated token: %+v, %v", b, err)
	}
	n, err := s.DeleteExpiredTokens(ctx, Epoch.Add(30*time.Minute))
	if err != nil || n != 1 {
		t.Errorf("%d expired, %v", n, err)
	}
	wantCode(t, s.RevokeApplication(ctx, other, "client", Epoch), errs.NotFound)
	err = s.RevokeApplication(ctx, id, "client", Epoch.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.FindToken(ctx, identity.HashOf("a"))
	wantCode(t, err, errs.NotFound)
	apps, err := s.ListApplications(ctx, id)
	if err != nil || len(apps) != 1 || !apps[0].RevokedAt.Equal(Epoch.Add(time.Second)) {
		t.Errorf("applications %+v, %v", apps, err)
	}
}

// testWriter has good and bad steps share transactions: a bad one must take nothing with it and leave nothing behind.
func testWriter(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	var wg sync.WaitGroup
	const each = 40
	for i := range 3 * each {
		wg.Go(func() {
			d := device.Device{
				Account: b.account, ID: fmt.Sprintf("%032x", i), EnrolledAt: Epoch,
				Cell: posture.Cell{Group: posture.DefaultGroup, Status: posture.StatusInstalled},
			}
			fault := errors.New("a fault after a write")
			err := b.Store.Change(ctx, device.Change{Device: d.ID, Do: func(tx device.Tx) error {
				err := tx.Insert(ctx, &d)
				switch {
				case err != nil:
					return err
				case i%3 == 1:
					return fault
				case i%3 == 2:
					panic("in a change")
				}
				return nil
			}})
			if (i%3 == 0) != (err == nil) {
				t.Errorf("step %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	list := everything(ctx, t, b.Store, b.account)
	if len(list) != each {
		t.Fatalf("%d devices of %d", len(list), each)
	}
	CheckCounts(ctx, t, b.Store, b.account)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	err := b.Store.Change(gone, device.Change{Do: func(device.Tx) error { t.Error("ran for a caller that has gone"); return nil }})
	if err == nil {
		t.Error("a caller that has gone got no error")
	}
}

// testCountsUnderLoad does everything at once to the same devices from several servers' worth of services, and
// compares counts with rows all the while.
func testCountsUnderLoad(t *testing.T, e Engine) {
	o := e.New(t)
	first := Open(t, o)
	account := Account(t, first, "acme", 60)
	services := []*device.Service{service(first, time.Now)}
	if first.SharedLimits() {
		services = append(services, service(Open(t, o), time.Now))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	var calls atomic.Int64
	for worker := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(worker), 7))
			for ; ctx.Err() == nil; calls.Add(1) {
				err := anything(ctx, services[worker%len(services)], account, rnd)
				if err != nil && ctx.Err() == nil && errs.CodeOf(err) == errs.Internal {
					t.Error(err)
					return
				}
			}
		})
	}
	// On a busy machine for longer, until enough has happened.
	checks := 0
	for began := time.Now(); !t.Failed() && (time.Since(began) < 4*time.Second || checks < 10 || calls.Load() < 500); checks++ {
		CheckCounts(t.Context(), t, first, account)
	}
	cancel()
	wg.Wait()
	if got := CheckCounts(t.Context(), t, first, account); got.Used() == 0 {
		t.Errorf("too little happened: counts %+v", got)
	}
	if n := CheckRecord(t.Context(), t, services[0], account); n < 100 {
		t.Errorf("too little happened: %d changes by %d calls", n, calls.Load())
	}
}

// anything does one random thing to one of a few machines.
func anything(ctx context.Context, svc *device.Service, account posture.AccountID, rnd *rand.Rand) error {
	n := rnd.IntN(80)
	mac := fmt.Sprintf("00:0c:29:00:01:%02x", n)
	d, err := svc.Find(ctx, account, device.SelectorOf(mac))
	if errs.Is(err, errs.NotFound) {
		if rnd.IntN(4) == 0 {
			_, err = svc.Import(ctx, account, []device.Sighting{{MAC: Adapters(mac)[0].MAC}})
			return err
		}
		_, err = svc.Enrol(ctx, account, device.Registration{HardwareID: fmt.Sprintf("HW-%04d", n), Adapters: Adapters(mac)})
		return err
	}
	if err != nil {
		return err
	}
	switch rnd.IntN(20) {
	case 0:
		return svc.Retire(ctx, device.Ref{Account: account, ID: d.ID})
	case 1:
		return svc.Delete(ctx, account, d.ID)
	case 2:
		return svc.Exempt(ctx, account, d.ID, "r", time.Time{})
	case 3:
		return svc.Unexempt(ctx, account, d.ID)
	case 4:
		return svc.LinkUser(ctx, account, device.SelectorOf(mac), device.LinkedUser{Username: fmt.Sprint(n)})
	case 5:
		_, err = svc.Enrol(ctx, account, device.Registration{HardwareID: fmt.Sprintf("HW-%04d", n), Adapters: Adapters(mac)})
		return err
	case 6:
		return svc.Quarantine(ctx, account, d.ID, "r")
	case 7:
		return svc.Release(ctx, account, d.ID, "r")
	case 8, 9:
		return second(svc.Act(ctx, account, device.ActionRequest{
			Action: device.ActAssignGroup, Device: device.Selector{ID: d.ID}, Group: posture.GroupID(1 + rnd.IntN(9)),
		}))
	case 10:
		return anyGroup(ctx, svc, account, rnd)
	case 11:
		other, err := svc.Find(ctx, account, device.SelectorOf(fmt.Sprintf("00:0c:29:00:01:%02x", rnd.IntN(80))))
		if err != nil {
			return err
		}
		return svc.Merge(ctx, account, d.ID, other.ID, "")
	case 12:
		return second(svc.Split(ctx, account, fmt.Sprintf("HW-%04d", n), ""))
	case 13:
		return svc.Exempt(ctx, account, d.ID, "r", time.Now().Add(time.Duration(rnd.IntN(300))*time.Millisecond))
	case 14:
		return second(svc.Sweep(ctx, account))
	default:
		r := posture.Report{Adapters: Adapters(mac)}
		r.OS.Name = fmt.Sprintf("%d/%d/%d", 3+rnd.IntN(2), rnd.IntN(3), rnd.IntN(5))
		return svc.Report(ctx, device.Ref{Account: account, ID: d.ID}, Submission(r, fmt.Sprint(rnd.IntN(4))))
	}
}

// anyGroup makes a group, or lets one go up in another.
func anyGroup(ctx context.Context, svc *device.Service, account posture.AccountID, rnd *rand.Rand) error {
	if rnd.IntN(2) == 0 {
		name := fmt.Sprint("group ", rnd.Uint64())
		return second(svc.CreateGroup(ctx, account, device.GroupChange{Name: &name}, ""))
	}
	list, err := svc.Groups(ctx, account)
	if err != nil {
		return err
	}
	id, into := list[rnd.IntN(len(list))].ID, list[rnd.IntN(len(list))].ID
	return second(svc.DissolveGroup(ctx, account, id, into, nil, ""))
}

func testLeases(t *testing.T, e Engine) {
	s := Open(t, e.New(t))
	for i, step := range []struct {
		holder string
		at     time.Duration
		want   bool
	}{
		{"a", 0, true}, {"b", 0, false}, {"a", 30 * time.Second, true}, {"b", time.Minute, false}, {"b", 91 * time.Second, true}, {"a", 92 * time.Second, false},
	} {
		now := Epoch.Add(step.at)
		got, err := s.Lease(t.Context(), "sweep", step.holder, now, now.Add(time.Minute))
		if err != nil || got != step.want {
			t.Errorf("step %d: %v, %v", i, got, err)
		}
	}
}

func testRateLimits(t *testing.T, e Engine) {
	ratelimittest.Run(t, func(t *testing.T) ratelimit.Source {
		s := Open(t, e.New(t))
		Account(t, s, "one", 1)
		Account(t, s, "two", 1)
		return store.NewLimits(s)
	})
}

func testBackup(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	en := b.enrol(t, device.Registration{HardwareID: "HW-0001", Name: "Bjørns \"PC\"", Adapters: Adapters("00:0c:29:00:00:01")})
	b.report(t, en.DeviceID, "4/2/3", posture.Report{Adapters: Adapters("00:0c:29:00:00:01")})
	_, err := b.svc.Import(ctx, b.account, []device.Sighting{{MAC: Adapters("00:0c:29:00:00:02")[0].MAC}})
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	n, err := b.Backup(ctx, &file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Restore(ctx, bytes.NewReader(file.Bytes()))
	wantCode(t, err, errs.Conflict)

	empty := Open(t, e.New(t))
	for name, damaged := range map[string][]byte{
		"cut": file.Bytes()[:file.Len()/2], "no backup": []byte("hello, this is no backup"), "empty": nil, "trailing part missing": file.Bytes()[:file.Len()-20],
	} {
		_, err = empty.Restore(ctx, bytes.NewReader(damaged))
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var nothing bytes.Buffer
	_, err = empty.Backup(ctx, &nothing)
	check(t, err)
	_, err = empty.Restore(ctx, &nothing)
	wantCode(t, err, errs.Invalid)
	restored, err := empty.Restore(ctx, bytes.NewReader(file.Bytes()))
	if err != nil || restored != n {
		t.Fatalf("restored %d of %d rows, %v", restored, n, err)
	}
	if diff := cmp.Diff(everything(ctx, t, b.Store, b.account), everything(ctx, t, empty, b.account), whole); diff != "" {
		t.Error(diff)
	}
	CheckCounts(ctx, t, empty, b.account)
	_, err = service(empty, b.clock.now).Authenticate(ctx, b.account, en.DeviceID, en.Key, en.Token)
	if err != nil {
		t.Errorf("credentials after a restore: %v", err)
	}
}
