package storetest

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/page"
	"muster/internal/posture"
)

// testOperators: operators are those of one account, every change has its revision and its event, and none is lost.
func testOperators(t *testing.T, e Engine) {
	ctx := event.By(t.Context(), "kari")
	s := Open(t, e.New(t))
	a, b := Account(t, s, "acme", 5), Account(t, s, "other", 5)
	at := Epoch
	svc := identity.NewOperators(s, func() time.Time { return at }, nil)
	made, err := svc.Create(ctx, a, identity.OperatorChange{Email: new("ola@acme.example"), Name: new(" Ola ")})
	check(t, err)
	want := identity.Operator{Account: a, ID: made.ID, Email: "ola@acme.example", Name: "Ola", Role: identity.RoleViewer, CreatedAt: Epoch, Revision: 1}
	at = at.Add(time.Second)
	other, err := svc.Create(ctx, b, identity.OperatorChange{Email: new("OLA@acme.example"), Name: new("x")})
	check(t, err)
	for name, c := range map[string]struct {
		change identity.OperatorChange
		code   errs.Code
	}{
		"taken":          {identity.OperatorChange{Email: new("OLA@acme.example"), Name: new("x")}, errs.Conflict},
		"no address":     {identity.OperatorChange{Email: new("ola"), Name: new("x")}, errs.Invalid},
		"none at all":    {identity.OperatorChange{Name: new("x")}, errs.Invalid},
		"no name":        {identity.OperatorChange{Email: new("b@acme.example")}, errs.Invalid},
		"a NUL":          {identity.OperatorChange{Email: new("b@acme.example"), Name: new("a\x00")}, errs.Invalid},
		"a long name":    {identity.OperatorChange{Email: new("b@acme.example"), Name: new(strings.Repeat("å", 257))}, errs.Invalid},
		"another's role": {identity.OperatorChange{Email: new("b@acme.example"), Name: new("x"), Role: new(identity.Role("owner"))}, errs.Invalid},
	} {
		if _, err = svc.Create(ctx, a, c.change); !errs.Is(err, c.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = svc.Create(ctx, 99, identity.OperatorChange{Email: new("c@acme.example"), Name: new("x")})
	wantCode(t, err, errs.NotFound)
	all, err := svc.List(ctx, a)
	check(t, err)
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Error(diff)
	}
	wantOperators(t, svc, s, a, &want, other.ID, &at)
	told := allEvents(ctx, t, service(s, time.Now), a, device.EventQuery{Kinds: event.Kinds(event.OfAdministrators), Window: page.Window{Limit: 20}})
	deleted := slices.ContainsFunc(told, func(e device.LogEntry) bool {
		return e.Actor == "kari" && e.Detail == `Operator deleted: "ola@acme.example"`
	})
	if len(told) != 12 || !deleted {
		t.Errorf("%d recorded, %+v", len(told), told)
	}
}

// wantOperators changes the operator, and ends with none.
func wantOperators(t *testing.T, svc *identity.Operators, s identity.OperatorStore, a posture.AccountID, want *identity.Operator, foreign string, at *time.Time) {
	t.Helper()
	ctx := event.By(t.Context(), "kari")
	for _, id := range []string{foreign, strings.Repeat("0", 32)} {
		wantCode(t, second(svc.Get(ctx, a, id)), errs.NotFound)
		wantCode(t, second(svc.Update(ctx, a, id, identity.OperatorChange{Name: new("x")})), errs.NotFound)
		wantCode(t, svc.Delete(ctx, a, id, nil), errs.NotFound)
	}
	wantCode(t, second(svc.Update(ctx, a, want.ID, identity.OperatorChange{Name: new("x"), Expect: new(int64(2))})), errs.Stale)
	wantCode(t, svc.Delete(ctx, a, want.ID, new(int64(2))), errs.Stale)
	got, err := svc.Update(ctx, a, want.ID, identity.OperatorChange{Name: new("Ola")})
	if err != nil || got.Revision != 1 {
		t.Errorf("a change of nothing: %+v, %v", got, err)
	}
	want.Role, want.DisabledAt, want.ModifiedAt, want.Revision = identity.RoleAdmin, *at, *at, 2
	got, err = svc.Update(ctx, a, want.ID, identity.OperatorChange{Role: new(identity.RoleAdmin), Disabled: new(true), Expect: new(int64(1))})
	if diff := cmp.Diff(*want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	var working sync.WaitGroup
	for range 8 {
		working.Go(func() {
			for {
				o, err := svc.Get(ctx, a, want.ID)
				check(t, err)
				_, err = svc.Update(ctx, a, want.ID, identity.OperatorChange{Name: new(o.Name + "a"), Expect: &o.Revision})
				if !errs.Is(err, errs.Stale) {
					check(t, err)
					return
				}
			}
		})
	}
	working.Wait()
	got, err = svc.Update(ctx, a, want.ID, identity.OperatorChange{Disabled: new(false)})
	if err != nil || got.Name != "Ola"+strings.Repeat("a", 8) || got.Revision != 11 || !got.DisabledAt.IsZero() {
		t.Errorf("after eight changes at once: %+v, %v", got, err)
	}
	check(t, svc.Delete(ctx, a, want.ID, &got.Revision))
	if left, err := s.Operators(ctx, a); err != nil || len(left) != 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}
