package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/policies"
	"muster/internal/policy"
	"muster/internal/posture"
	"muster/internal/run"
	"muster/internal/store"
)

// document writes the default policy under another name, with the first so many of its checks.
func document(t *testing.T, name string, checks int) []byte {
	t.Helper()
	p := policy.Default()
	p.Name, p.Checks = name, p.Checks[:checks]
	text, err := p.YAML()
	check(t, err)
	return text
}

// book gives the policies of a bench.
func (b *bench) book() *policies.Service {
	return policies.New(policies.Options{Store: b.Store, Now: b.clock.now, Random: rand.Reader, Wake: func() {}})
}

func by(actor string) policies.Edit { return policies.Edit{Actor: actor} }

func testPolicies(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	book := b.book()
	other := Account(t, b.Store, "other", 10)
	first, err := book.List(ctx, b.account)
	if err != nil || len(first) != 1 || first[0].Ref() != (posture.PolicyRef{ID: 1}) || first[0].Name != "Default policy" {
		t.Fatalf("a new account has %+v, %v", first, err)
	}
	strict, err := book.Create(ctx, b.account, document(t, "Strict", 2), policies.Edit{Actor: "app-1", Note: "for the lab"})
	check(t, err)
	want := policies.Policy{Account: b.account, ID: 2, Name: "Strict", Version: 1, CreatedAt: b.clock.at, ModifiedAt: b.clock.at}
	if diff := cmp.Diff(want, strict); diff != "" {
		t.Fatal(diff)
	}
	for _, name := range []string{"strict", "Default policy", "DEFAULT POLICY"} {
		wantCode(t, second(book.Create(ctx, b.account, document(t, name, 1), by(""))), errs.Conflict)
	}
	wantCode(t, second(book.Create(ctx, b.account, []byte("nonsense: 1"), by(""))), errs.Invalid)
	wantCode(t, second(book.Create(ctx, b.account, document(t, "x", 1), policies.Edit{Note: strings.Repeat("x", 1025)})), errs.Invalid)
	wantCode(t, second(book.Create(ctx, 99, document(t, "x", 1), by(""))), errs.NotFound)
	_, err = book.Create(ctx, other, document(t, "Strict", 1), by(""))
	check(t, err)

	b.clock.advance(time.Minute)
	strict, err = book.Save(ctx, b.account, 2, document(t, "Stricter", 3), policies.Edit{Actor: "app-2", Expect: new(int64(1))})
	if err != nil || strict.Version != 2 || strict.Name != "Stricter" || !strict.ModifiedAt.Equal(b.clock.at) || strict.CreatedAt.Equal(b.clock.at) {
		t.Fatalf("%+v, %v", strict, err)
	}
	wantCode(t, second(book.Save(ctx, b.account, 2, document(t, "Late", 3), policies.Edit{Expect: new(int64(1))})), errs.Stale)
	wantCode(t, second(book.Save(ctx, b.account, 3, document(t, "None", 3), by(""))), errs.NotFound)
	wantCode(t, second(book.Save(ctx, other, 9, document(t, "None", 3), by(""))), errs.NotFound)
	same, err := book.Save(ctx, b.account, 2, document(t, "Stricter", 3), by("app-3"))
	if err != nil || same.Version != 2 {
		t.Errorf("saving what is current: %+v, %v", same, err)
	}
	back, err := book.Rollback(ctx, b.account, 2, 1, policies.Edit{Actor: "app-3", Expect: new(int64(2))})
	if err != nil || back.Version != 3 || back.Name != "Strict" {
		t.Errorf("taken back: %+v, %v", back, err)
	}
	wantCode(t, second(book.Rollback(ctx, b.account, 2, 77, by(""))), errs.NotFound)
	versions, err := book.Versions(ctx, b.account, 2, 0, 2)
	if err != nil || len(versions) != 2 || versions[0].Version != 3 || versions[0].Author != "app-3" || versions[1].Author != "app-2" || versions[1].Document != "" {
		t.Errorf("versions %+v, %v", versions, err)
	}
	versions, err = book.Versions(ctx, b.account, 2, 2, 2)
	if err != nil || len(versions) != 1 || versions[0].Note != "for the lab" {
		t.Errorf("older versions %+v, %v", versions, err)
	}
	v, err := book.Version(ctx, b.account, posture.PolicyRef{ID: 2, Version: 2})
	if err != nil || v.Document != string(document(t, "Stricter", 3)) {
		t.Errorf("version 2: %+v, %v", v, err)
	}
	c, err := book.Compiled(ctx, b.account, posture.PolicyRef{ID: 2, Version: 2})
	if err != nil || len(c.Policy().Checks) != 3 {
		t.Errorf("compiled: %v, %v", c, err)
	}
	wantCode(t, second(book.Compiled(ctx, other, posture.PolicyRef{ID: 2, Version: 2})), errs.NotFound)
	testPoliciesOfGroups(t, b, book)
}

func testPoliciesOfGroups(t *testing.T, b *bench, book *policies.Service) {
	t.Helper()
	ctx := t.Context()
	lab := b.group(t, "Lab", false)
	update := func(id posture.PolicyID, expect *int64) error {
		return second(b.svc.UpdateGroup(ctx, b.account, lab, device.GroupChange{Policy: &id, Expect: expect}, "app-1"))
	}
	wantCode(t, update(77, nil), errs.Invalid)
	wantCode(t, update(2, new(int64(9))), errs.Stale)
	if open, err := b.OpenRuns(ctx, run.Reevaluate); err != nil || len(open) != 1 {
		t.Errorf("runs %+v, %v: one for the policy that was saved, and none for what was refused", open, err)
	}
	check(t, update(2, new(int64(1))))
	groups, err := book.GroupsWith(ctx, b.account, 2)
	if err != nil || !slices.Equal(groups, []posture.GroupID{lab}) {
		t.Errorf("groups with the policy: %v, %v", groups, err)
	}
	p, err := book.OfGroup(ctx, b.account, lab)
	if err != nil || p.Policy().Name != "Strict" {
		t.Errorf("policy of the group: %v, %v", p, err)
	}
	wantCode(t, second(book.OfGroup(ctx, b.account, 77)), errs.NotFound)
	wantCode(t, book.Delete(ctx, b.account, 2, by("")), errs.Conflict)
	wantCode(t, book.Delete(ctx, b.account, 1, by("")), errs.Conflict)
	check(t, update(1, nil))
	wantCode(t, book.Delete(ctx, b.account, 2, policies.Edit{Expect: new(int64(2))}), errs.Stale)
	check(t, book.Delete(ctx, b.account, 2, policies.Edit{Actor: "app-1", Expect: new(int64(3))}))
	wantCode(t, book.Delete(ctx, b.account, 2, by("")), errs.NotFound)
	wantCode(t, second(book.Get(ctx, b.account, 2)), errs.NotFound)
	wantCode(t, update(2, nil), errs.Invalid)
	v, err := book.Version(ctx, b.account, posture.PolicyRef{ID: 2, Version: 1})
	if err != nil || v.Author != "app-1" {
		t.Errorf("a version of a deleted policy: %+v, %v", v, err)
	}
	again, err := book.Create(ctx, b.account, document(t, "Strict", 1), by(""))
	if err != nil || again.ID != 3 {
		t.Errorf("the name is free again, and the id not: %+v, %v", again, err)
	}
	saved, err := book.Save(ctx, b.account, 1, document(t, "Ours", 1), by(""))
	if err != nil || saved.Version != 1 {
		t.Errorf("the default policy: %+v, %v", saved, err)
	}
	saved, err = book.Rollback(ctx, b.account, 1, 0, by(""))
	if err != nil || saved.Version != 2 || saved.Name != "Default policy" {
		t.Errorf("back to what Muster comes with: %+v, %v", saved, err)
	}
	got := b.recorded(t, "")
	for _, event := range []string{
		"configured app-1 policy created: Strict, version 1", "configured app-2 policy changed: Stricter, version 2",
		"configured app-3 policy taken back to what version 1 said: Strict, version 3", "configured app-1 policy deleted: Strict",
	} {
		if !slices.Contains(got, event) {
			t.Errorf("not recorded: %s in %v", event, got)
		}
	}
}

// testPoliciesAtOnce has several callers save one policy: each version is there once, and those who expected another are told.
func testPoliciesAtOnce(t *testing.T, e Engine) {
	b := newBench(t, e)
	book := b.book()
	_, err := book.Create(t.Context(), b.account, document(t, "P", 1), by(""))
	check(t, err)
	var mu sync.Mutex
	saved := 0
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for n := range 5 {
				p, err := book.Get(t.Context(), b.account, 2)
				if err == nil {
					_, err = book.Save(t.Context(), b.account, 2, document(t, fmt.Sprintf("P-%d-%d", i, n), 1), policies.Edit{Expect: &p.Version})
				}
				mu.Lock()
				if err == nil {
					saved++
				} else if !errs.Is(err, errs.Stale) {
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	p, err := book.Get(t.Context(), b.account, 2)
	check(t, err)
	versions, err := book.Versions(t.Context(), b.account, 2, 0, 100)
	if err != nil || p.Version != int64(saved+1) || len(versions) != saved+1 {
		t.Errorf("%d were saved, the version is %d of %d, %v", saved, p.Version, len(versions), err)
	}
	open, err := b.OpenRuns(t.Context(), run.Reevaluate)
	if err != nil || len(open) != 1 {
		t.Errorf("%d runs are open, %v: each takes the place of the one before", len(open), err)
	}
}

func testRuns(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	svc := run.New(b.Store, b.clock.now, rand.Reader)
	other := Account(t, b.Store, "other", 10)
	var started []run.Run
	for i := range run.MaxOpen {
		r, err := svc.Start(ctx, b.account, run.DryRun, run.Params{Group: posture.GroupID(i + 1), Document: "d"}, "app-1")
		check(t, err)
		started = append(started, r)
		b.clock.advance(time.Second)
	}
	wantCode(t, second(svc.Start(ctx, b.account, run.DryRun, run.Params{}, "")), errs.Conflict)
	got, err := svc.Get(ctx, b.account, started[0].ID)
	if diff := cmp.Diff(started[0], got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	wantCode(t, second(svc.Get(ctx, other, started[0].ID)), errs.NotFound)
	wantCode(t, second(svc.Cancel(ctx, other, started[0].ID)), errs.NotFound)
	var walked []string
	for after := ""; ; {
		list, next, err := svc.List(ctx, b.account, page.Window{After: after, Limit: 7})
		check(t, err)
		for i := range list {
			walked = append(walked, list[i].ID)
		}
		if after = next; next == "" {
			break
		}
	}
	slices.Reverse(walked)
	for i := range started {
		if walked[i] != started[i].ID {
			t.Fatalf("run %d of the list is %s, not %s", i, walked[i], started[i].ID)
		}
	}
	one := started[0]
	one.State, one.Position, one.Total, one.Done, one.Changed, one.Failed = run.Running, "1/x", 9, 5, 2, 1
	one.Result, one.StartedAt = []byte(`{"devices": 5}`), b.clock.at
	check(t, b.SaveRun(ctx, &one))
	got, err = svc.Get(ctx, b.account, one.ID)
	if diff := cmp.Diff(one, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	cancelled, err := svc.Cancel(ctx, b.account, one.ID)
	if err != nil || cancelled.State != run.Cancelled || cancelled.Done != 5 {
		t.Errorf("%+v, %v", cancelled, err)
	}
	wantCode(t, second(svc.Cancel(ctx, b.account, one.ID)), errs.Conflict)
	wantCode(t, b.SaveRun(ctx, &one), errs.Conflict)
	open, err := b.OpenRuns(ctx, run.DryRun)
	if err != nil || len(open) != run.MaxOpen-1 || open[0].ID != started[1].ID {
		t.Errorf("%d are open, %v", len(open), err)
	}
	check(t, b.ForgetRuns(ctx, b.clock.at))
	wantCode(t, errIfNone(svc.Get(ctx, b.account, started[1].ID)), errs.Internal)
	check(t, second(b.Lease(ctx, run.LeasePrefix+one.ID, "a", b.clock.at, b.clock.at.Add(hour))))
	check(t, b.ForgetRuns(ctx, b.clock.at.Add(time.Second)))
	wantCode(t, second(svc.Get(ctx, b.account, one.ID)), errs.NotFound)
	if got, err := b.Lease(ctx, run.LeasePrefix+one.ID, "b", b.clock.at, b.clock.at.Add(hour)); err != nil || !got {
		t.Errorf("the lease of a run that is forgotten is kept: %v, %v", got, err)
	}
}

// errIfNone turns success into an error without a code, and leaves errors as they are.
func errIfNone(_ run.Run, err error) error {
	if err == nil {
		return fmt.Errorf("it is there")
	}
	return err
}

// exercisePolicies uses the statements about policies and runs.
func exercisePolicies(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID) {
	t.Helper()
	book := policies.New(policies.Options{Store: s, Now: time.Now, Random: rand.Reader, Wake: func() {}})
	p, err := book.Create(ctx, account, document(t, "P", 1), by(""))
	check(t, err)
	_, err = book.Save(ctx, account, p.ID, document(t, "P", 2), by(""))
	check(t, err)
	_, err = book.Versions(ctx, account, p.ID, 0, 10)
	check(t, err)
	_, err = book.OfGroup(ctx, account, posture.DefaultGroup)
	check(t, err)
	svc := run.New(s, time.Now, rand.Reader)
	r, err := svc.Start(ctx, account, run.DryRun, run.Params{}, "")
	check(t, err)
	_, _, err = svc.List(ctx, account, page.Window{Limit: 10})
	check(t, err)
	_, err = s.OpenRuns(ctx, run.DryRun)
	check(t, err)
	check(t, s.SaveRun(ctx, &r))
	_, err = svc.Cancel(ctx, account, r.ID)
	check(t, err)
	check(t, s.ForgetRuns(ctx, Epoch))
	walk := device.Walk{Account: account, Groups: []posture.GroupID{posture.DefaultGroup}}
	_, err = service(s, time.Now).Total(ctx, &walk)
	check(t, err)
	_, err = s.Reported(ctx, account, posture.DefaultGroup, "", 10)
	check(t, err)
	check(t, book.Delete(ctx, account, p.ID, by("")))
}
