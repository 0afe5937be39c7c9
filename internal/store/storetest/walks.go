package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
)

// testWalks reads lists while devices come and go between those that stay: none of these may be missed or repeated.
func testWalks(t *testing.T, e Engine) {
	b := newBench(t, e)
	staying := make(map[string]bool)
	for i := range 60 {
		en := b.enrol(t, device.Registration{HardwareID: fmt.Sprintf("HW-%04d", i), HostName: fmt.Sprintf("host-%02d", i*7%60)})
		if i%2 == 0 {
			b.report(t, en.DeviceID, "4/1/1", posture.Report{OS: posture.OS{Family: posture.Windows}})
			staying[en.DeviceID] = true
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for worker := range 2 {
		wg.Go(func() {
			svc, rnd := service(b.Store, time.Now), rand.New(rand.NewPCG(uint64(worker), 1))
			for ctx.Err() == nil {
				err := comeAndGo(ctx, svc, b.account, rnd)
				if err != nil && ctx.Err() == nil && errs.CodeOf(err) == errs.Internal {
					t.Error(err)
					return
				}
			}
		})
	}
	windows := device.Filter{OS: []posture.OSFamily{posture.Windows}, Statuses: []posture.Status{posture.StatusNonCompliant}}
	words := device.Filter{Search: "host", Severities: []posture.IssueSeverity{posture.NoIssue, posture.Warning}}
	for i := range 60 {
		q := device.Query{Filter: []device.Filter{{}, windows, words}[i%3], Order: device.Order(i / 3 % 2), Descending: i%2 == 0, Window: page.Window{Limit: 3}}
		seen := make(map[string]int)
		for {
			list, next, err := b.svc.Select(t.Context(), b.account, q)
			if err != nil {
				t.Fatal(err)
			}
			for j := range list {
				seen[list[j].ID]++
			}
			if next == "" {
				break
			}
			q.After = next
		}
		for id := range staying {
			if seen[id] == 0 {
				t.Fatalf("walk %d (%+v) missed %s", i, q, id)
			}
		}
		for id, n := range seen {
			if n > 1 {
				t.Fatalf("walk %d (%+v) gave %s %d times", i, q, id, n)
			}
		}
	}
}

// comeAndGo enrols, reports for, deletes or retires one of the machines that do not stay. Their host names do not change.
func comeAndGo(ctx context.Context, svc *device.Service, account posture.AccountID, rnd *rand.Rand) error {
	n := 1 + 2*rnd.IntN(30)
	d, err := svc.Find(ctx, account, device.Selector{ID: fmt.Sprintf("HW-%04d", n)})
	if errs.Is(err, errs.NotFound) {
		_, err = svc.Enrol(ctx, account, device.Registration{HardwareID: fmt.Sprintf("HW-%04d", n), HostName: fmt.Sprintf("host-%02d", n*7%60)})
	}
	if err != nil || d.ID == "" {
		return err
	}
	switch rnd.IntN(3) {
	case 0:
		return svc.Retire(ctx, device.Ref{Account: account, ID: d.ID})
	case 1:
		return svc.Delete(ctx, account, d.ID)
	default:
		r := posture.Report{OS: posture.OS{Family: posture.Windows, Name: fmt.Sprintf("%d/%d/1", 3+rnd.IntN(2), rnd.IntN(3))}}
		return svc.Report(ctx, device.Ref{Account: account, ID: d.ID}, Submission(r, fmt.Sprint(rnd.IntN(4))))
	}
}

// testSearch follows the words of a device through its life, and sees that positions and other accounts open nothing.
func testSearch(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	other := Account(t, b.Store, "other", 10)
	_, err := b.svc.Enrol(ctx, other, device.Registration{HardwareID: "HW-0001", HostName: "lab-07", Adapters: Adapters("00:0c:29:00:00:01")})
	check(t, err)
	en := b.enrol(t, device.Registration{HardwareID: "HW-0001", HostName: "lab-07.example.test", Adapters: Adapters("00:0c:29:00:00:01")})
	finds := func(when, search string, want bool) {
		t.Helper()
		list, _, err := b.svc.Select(ctx, b.account, device.Query{Filter: device.Filter{Search: search}, Window: page.Window{Limit: 5}})
		if err != nil || len(list) > 1 || (len(list) == 1) != want {
			t.Errorf("%s, a search for %q gives %d devices, %v", when, search, len(list), err)
		}
	}
	id := device.Selector{ID: en.DeviceID}
	finds("enrolled", "LAB-0", true)
	finds("enrolled", "07", true)
	finds("enrolled", "000c29", true)
	finds("enrolled", "ab-07", false)
	check(t, b.svc.LinkUser(ctx, b.account, id, device.LinkedUser{Username: "lab kari"}))
	finds("linked", "kari 000c29000001", true)
	check(t, b.svc.LinkUser(ctx, b.account, id, device.LinkedUser{Username: "000c29000001"}))
	finds("linked to another", "kari", false)
	finds("linked to another", "lab", true)
	check(t, b.svc.LinkUser(ctx, b.account, id, device.LinkedUser{Username: "ola"}))
	finds("the user no longer named like the address", "000c29000001", true)
	finds("linked to a third", "ola", true)
	b.report(t, en.DeviceID, "3/0/0", posture.Report{HostName: "000c29000001", Adapters: Adapters("00:0c:29:00:00:02")})
	finds("renamed", "lab", false)
	finds("renamed like the address it had", "000c29000001", true)
	finds("with another address", "00-0c-29-00-00-02", true)
	b.report(t, en.DeviceID, "3/0/1", posture.Report{HostName: strings.Repeat("ø", 5000), Adapters: Adapters("00:0c:29:00:00:02")})
	finds("with neither the address nor the name", "00:0c:29:00:00:01", false)
	finds("with a very long name", strings.Repeat("ø", 400), true)
	check(t, b.svc.Retire(ctx, device.Ref{Account: b.account, ID: en.DeviceID}))
	finds("retired", "ola", false)
	finds("retired", "000c29", false)
	b.enrol(t, device.Registration{HardwareID: "HW-0001", Adapters: Adapters("00:0c:29:00:00:02")})
	finds("back", "ola", true)
	finds("back", "000c29000002", true)
	check(t, b.svc.Delete(ctx, b.account, en.DeviceID))
	finds("deleted", "hw", false)
	for _, search := range []string{"a b c d e f g h i", strings.Repeat("x y ", 1000)[:20] + "1 2 3 4 5 6 7 8 9"} {
		_, _, err = b.svc.Select(ctx, b.account, device.Query{Filter: device.Filter{Search: search}, Window: page.Window{Limit: 5}})
		wantCode(t, err, errs.Invalid)
	}
	finds("deleted", "\x00\xff", false)
	testForged(t, b, other)
}

// testForged gives lists what is no position, and what is none of theirs.
func testForged(t *testing.T, b *bench, other posture.AccountID) {
	t.Helper()
	ctx := t.Context()
	for range 3 {
		b.enrol(t, device.Registration{HostName: "h"})
	}
	one := everything(ctx, t, b.Store, b.account)[0].ID
	for _, c := range []struct {
		order device.Order
		after string
		ok    bool
	}{
		{device.ByEnrolment, one, true},
		{device.ByEnrolment, strings.Repeat("0", 32), true},
		{device.ByEnrolment, strings.Repeat("0", 31), false},
		{device.ByEnrolment, strings.Repeat("0", 33), false},
		{device.ByEnrolment, strings.ToUpper(strings.Repeat("a", 32)), false},
		{device.ByEnrolment, "' OR 1=1 --", false},
		{device.ByHostName, one + "h", true},
		{device.ByHostName, one, true},
		{device.ByHostName, "h", false},
		{device.ByHostName, one + "h\x00", false},
		{device.ByHostName, one + "\xff", false},
		{device.ByIssues, one + "0", true},
		{device.ByIssues, one, false},
		{device.ByIssues, one + "1x", false},
		{device.ByIssues, one + "99999999999999999999", false},
	} {
		q := device.Query{Order: c.order, Window: page.Window{After: c.after, Limit: 5}}
		_, _, err := b.svc.Select(ctx, b.account, q)
		if c.ok && err != nil || !c.ok && !errs.Is(err, errs.Invalid) {
			t.Errorf("order %d after %q: %v", c.order, c.after, err)
		}
		list, _, err := b.svc.Select(ctx, other, q)
		if c.ok && (err != nil || len(list) > 1 || len(list) == 1 && list[0].Account != other) {
			t.Errorf("another account's position %q: %v, %v", c.after, list, err)
		}
	}
	for _, w := range []page.Window{{}, {Limit: -1}, {Limit: 1, Skip: -1}} {
		_, _, err := b.svc.Select(ctx, b.account, device.Query{Window: w})
		wantCode(t, err, errs.Invalid)
	}
	for _, f := range []device.Filter{{Groups: make([]posture.GroupID, 300)}, {Products: make([]int64, 300)}} {
		for i := range f.Groups {
			f.Groups[i] = posture.GroupID(i)
		}
		for i := range f.Products {
			f.Products[i] = int64(i)
		}
		_, _, err := b.svc.Select(ctx, b.account, device.Query{Filter: f, Window: page.Window{Limit: 5}})
		wantCode(t, err, errs.Invalid)
	}
}

func testFindMany(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	other := Account(t, b.Store, "other", 10)
	foreign, err := b.svc.Enrol(ctx, other, device.Registration{HardwareID: "HW-0009"})
	check(t, err)
	one := b.enrol(t, device.Registration{HardwareID: "HW-0001", Adapters: Adapters("00:0c:29:00:00:01")}).DeviceID
	two := b.enrol(t, device.Registration{HardwareID: "HW-0002", Adapters: Adapters("00:0c:29:00:00:02")}).DeviceID
	three := b.enrol(t, device.Registration{HardwareID: "HW-0003"}).DeviceID
	gone := b.enrol(t, device.Registration{HardwareID: "HW-0004"}).DeviceID
	check(t, b.svc.Delete(ctx, b.account, gone))
	for id, linked := range map[string]string{one: "phone-1", two: "phone-2", three: "phone-2"} {
		check(t, b.Change(ctx, device.Change{Device: id, Do: func(tx device.Tx) error {
			old, err := tx.DeviceForUpdate(ctx, b.account, id)
			if err != nil {
				return err
			}
			d := old
			d.LinkedID = linked
			return tx.Update(ctx, &old, &d)
		}}))
	}
	sels := []device.Selector{
		{ID: two}, {ID: one}, {ID: "hw-0003"}, device.SelectorOf("000c.2900.0002"), {Linked: "phone-1"}, {Linked: "phone-2"}, {ID: two}, {ID: gone},
		{ID: "HW-0004"}, {ID: foreign.DeviceID}, {ID: "HW-0009"}, {ID: ""}, {Linked: "\x00"}, device.SelectorOf("00:0c:29:00:00:99"), {ID: strings.Repeat("0", 32)},
	}
	got, err := b.svc.FindMany(ctx, b.account, sels)
	check(t, err)
	ids := make([]string, len(got))
	for i, d := range got {
		single, err := b.svc.Find(ctx, b.account, sels[i])
		checkOr(t, err, errs.NotFound)
		if d != nil {
			ids[i] = d.ID
			if !d.SeenAt.Equal(single.SeenAt) || d.SeenAt.IsZero() {
				t.Errorf("selector %d: last contact %v, by itself %v", i, d.SeenAt, single.SeenAt)
			}
		}
		if single.ID != ids[i] {
			t.Errorf("%+v: by itself %q, among many %q", sels[i], single.ID, ids[i])
		}
	}
	if diff := gocmp.Diff([]string{two, one, three, two, one, "", two, "", "", "", "", "", "", "", ""}, ids); diff != "" {
		t.Error(diff)
	}
	var many []device.Selector
	for range 700 {
		en, err := b.svc.Enrol(ctx, b.account, device.Registration{})
		check(t, err)
		many = append(many, device.Selector{ID: en.DeviceID})
	}
	got, err = b.svc.FindMany(ctx, b.account, many)
	check(t, err)
	for i, d := range got {
		if d == nil || d.ID != many[i].ID {
			t.Fatalf("of many, number %d is %v", i, d)
		}
	}
}
