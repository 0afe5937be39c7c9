package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/store"
)

// clashes walks through the clashes of an account, and names the devices of each by what names gives.
func (b *bench) clashes(t *testing.T, limit int, names map[string]string) []string {
	t.Helper()
	var out []string
	for w := (page.Window{Limit: limit}); ; {
		list, next, err := b.svc.Conflicts(t.Context(), b.account, w)
		check(t, err)
		for _, c := range list {
			var who []string
			for i := range c.Devices {
				who = append(who, names[c.Devices[i].ID])
			}
			out = append(out, fmt.Sprintf("%s %s: %s", c.Kind, c.Value, strings.Join(who, " ")))
		}
		if next == "" {
			return out
		}
		w.After = next
	}
}

// testDoubles: which devices look like one machine, and which do not.
func testDoubles(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	names := map[string]string{}
	add := func(name string, r posture.Report) string {
		id := b.enrol(t, device.Registration{}).DeviceID
		names[id] = name
		b.report(t, id, "3/0/0", r)
		return id
	}
	macs := func(last ...string) []posture.Adapter {
		for i := range last {
			last[i] = "00:0c:29:00:00:" + last[i]
		}
		return Adapters(last...)
	}
	add("a1", posture.Report{HardwareID: "HW-A", Serial: "SN-A", Adapters: macs("a1")})
	add("a2", posture.Report{HardwareID: "HW-A", Serial: "SN-A", Adapters: macs("a1")}) // told of once
	add("b1", posture.Report{HardwareID: "HW-B1", Serial: "SN-B", Adapters: macs("b1")})
	add("b2", posture.Report{Serial: "SN-B", Adapters: macs("b1")})
	add("c1", posture.Report{Adapters: append(macs("c1", "c2"), Adapters("02:00:00:00:00:01")...)})
	add("c2", posture.Report{Adapters: macs("c2", "c1")})
	add("c3", posture.Report{Adapters: macs("c2")}) // not all of them
	add("d1", posture.Report{Adapters: Adapters("02:00:00:00:00:02")})
	add("d2", posture.Report{Adapters: Adapters("02:00:00:00:00:02")}) // invented addresses
	add("e1", posture.Report{Serial: "Default string"})
	add("e2", posture.Report{Serial: "Default string"})
	gone := add("f1", posture.Report{Serial: "SN-F"})
	add("f2", posture.Report{Serial: "SN-F"})
	check(t, b.svc.Delete(ctx, b.account, gone))
	want := []string{
		"hardware_id hw-a: a1 a2", "serial_number sn-b: b1 b2", "adapters 00:0c:29:00:00:c1: c1 c2",
	}
	for _, limit := range []int{1, 2, 100} {
		if diff := cmp.Diff(want, b.clashes(t, limit, names)); diff != "" {
			t.Errorf("%d at a time: %s", limit, diff)
		}
	}
	other := Account(t, b.Store, "other", 10)
	if list, next, err := b.svc.Conflicts(ctx, other, page.Window{Limit: 10}); err != nil || len(list) != 0 || next != "" {
		t.Errorf("another account's: %v, %q, %v", list, next, err)
	}
	for _, position := range []string{"x", "9a", "2nothing", "1\x00", "1\xff"} {
		_, _, err := b.svc.Conflicts(ctx, b.account, page.Window{Limit: 10, After: position})
		wantCode(t, err, errs.Invalid)
	}
}

// testWalkOfDoubles cuts values apart at every place.
func testWalkOfDoubles(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	for _, serial := range []string{"A", "B", "B", "B", "C", "D", "D", "E", "E", "E", "E"} {
		id := b.enrol(t, device.Registration{}).DeviceID
		b.report(t, id, "3/0/0", posture.Report{Serial: "SN-" + serial})
	}
	for limit := 1; limit < 14; limit++ {
		var got []string
		after := ""
		for {
			list, next, err := b.Doubles(ctx, b.account, device.SameSerial, after, limit)
			check(t, err)
			for _, d := range list {
				got = append(got, d.Value)
				// A page that one value fills gives as many of its devices as fit.
				if whole := map[string]int{"sn-b": 3, "sn-d": 2, "sn-e": 4}[d.Value]; len(d.IDs) != min(whole, limit) || d.More && limit > whole {
					t.Errorf("limit %d: %s has %d devices, more %v", limit, d.Value, len(d.IDs), d.More)
				}
			}
			if next == "" {
				break
			}
			if next <= after {
				t.Fatalf("limit %d: from %q to %q", limit, after, next)
			}
			after = next
		}
		want := []string{"sn-b", "sn-d", "sn-e"}
		if limit == 1 {
			want = nil // no page has room for two
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("limit %d: %s", limit, diff)
		}
	}
}

// testMerging makes one of two, and lets both agents call again.
func testMerging(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	stay := b.enrol(t, device.Registration{Name: "stays"})
	goes := b.enrol(t, device.Registration{Name: "goes", Serial: "SN-0001"})
	b.report(t, stay.DeviceID, "3/1/1", posture.Report{HardwareID: "HW-0001", Adapters: Adapters("00:0c:29:00:00:01")})
	b.report(t, goes.DeviceID, "4/2/4", posture.Report{HardwareID: "HW-0001", Adapters: Adapters("00:0c:29:00:00:02", "00:0c:29:00:00:01")})
	check(t, b.svc.LinkUser(ctx, b.account, device.Selector{ID: goes.DeviceID}, device.LinkedUser{Username: "kari"}))
	b.act(t, device.ActFetchLog, goes.DeviceID)
	other := Account(t, b.Store, "other", 10)
	for name, err := range map[string]error{
		"another account's": b.svc.Merge(ctx, other, stay.DeviceID, goes.DeviceID, ""),
		"with nobody":       b.svc.Merge(ctx, b.account, stay.DeviceID, "nobody", ""),
	} {
		if !errs.Is(err, errs.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantCode(t, b.svc.Merge(ctx, b.account, stay.DeviceID, stay.DeviceID, ""), errs.Invalid)
	check(t, b.svc.Merge(ctx, b.account, stay.DeviceID, goes.DeviceID, "kari"))
	b.clock.advance(time.Second)
	d := b.device(t, stay.DeviceID)
	if d.Conflict || d.Serial != "sn-0001" || d.Link.Username != "kari" || d.Cell.Status != posture.StatusCompliant || d.Name != "stays" {
		t.Errorf("the survivor: %+v", d)
	}
	_, err := b.svc.Find(ctx, b.account, device.Selector{ID: goes.DeviceID})
	wantCode(t, err, errs.NotFound)
	if got := CheckCounts(ctx, t, b.Store, b.account); got.Used() != 1 {
		t.Errorf("counts %+v", got)
	}
	for _, mac := range []string{"00:0c:29:00:00:01", "00:0c:29:00:00:02"} {
		if d, err := b.svc.Find(ctx, b.account, device.SelectorOf(mac)); err != nil || d.ID != stay.DeviceID {
			t.Errorf("by %s: %s, %v", mac, d.ID, err)
		}
	}
	if list, err := b.svc.Adapters(ctx, b.account, stay.DeviceID); err != nil || len(list) != 2 || !list[0].Current || list[1].Current {
		t.Errorf("addresses: %+v, %v", list, err)
	}
	events := b.recorded(t, goes.DeviceID)
	if !slices.Contains(events, "deleted kari merged into "+stay.DeviceID) || !slices.Contains(events, "command_ended  fetch_agent_log: failed") {
		t.Errorf("recorded of the other: %v", events)
	}
	if events = b.recorded(t, stay.DeviceID); !slices.Contains(events, "merged kari took over "+goes.DeviceID) {
		t.Errorf("recorded of the survivor: %v", events)
	}
	b.afterMerge(t, stay, goes)
	CheckRecord(ctx, t, b.svc, b.account)
	if list := b.clashes(t, 10, nil); len(list) != 0 {
		t.Errorf("still doubles: %v", list)
	}
}

// afterMerge has the agents call: that of the survivor goes on, the other is led to it and not told to go.
func (b *bench) afterMerge(t *testing.T, stay, goes device.Enrolment) {
	t.Helper()
	ctx := t.Context()
	check(t, second(b.svc.Authenticate(ctx, b.account, stay.DeviceID, stay.Key, stay.Token)))
	wantCode(t, second(b.svc.Authenticate(ctx, b.account, goes.DeviceID, goes.Key, goes.Token)), errs.Unauthenticated)
	_, _, err := b.svc.Standing(ctx, goes.DeviceID, goes.Key, goes.Token)
	wantCode(t, err, errs.Unauthenticated)
	for name, r := range map[string]device.Registration{
		"by its old id": {DeviceID: goes.DeviceID, HardwareID: "HW-0001"}, "by its serial number": {HardwareID: "HW-0001", Serial: "SN-0001"}, "by its address": {HardwareID: "HW-0001", Adapters: Adapters("00:0c:29:00:00:02")},
	} {
		if again := b.enrol(t, r); again.DeviceID != stay.DeviceID {
			t.Errorf("%s: registers as %s", name, again.DeviceID)
		}
	}
	for name, r := range map[string]device.Registration{
		"its old id": {DeviceID: goes.DeviceID}, "its serial number": {Serial: "SN-0001"}, "its address": {Adapters: Adapters("00:0c:29:00:00:02")},
	} {
		if got := b.enrol(t, r); got.DeviceID == stay.DeviceID {
			t.Errorf("who knows %s becomes the survivor", name)
		} else {
			check(t, b.svc.Delete(ctx, b.account, got.DeviceID))
		}
	}
	// A chain of merges leads to its end, also when that is gone meanwhile.
	third := b.enrol(t, device.Registration{HardwareID: "HW-0003"})
	check(t, b.svc.Merge(ctx, b.account, third.DeviceID, stay.DeviceID, ""))
	check(t, b.svc.Delete(ctx, b.account, third.DeviceID))
	if again := b.enrol(t, device.Registration{DeviceID: goes.DeviceID, HardwareID: "HW-0001"}); again.DeviceID != third.DeviceID {
		t.Errorf("registers as %s, want %s", again.DeviceID, third.DeviceID)
	}
	if got := CheckCounts(ctx, t, b.Store, b.account); got.Used() != 1 {
		t.Errorf("counts %+v", got)
	}
}

// testMergingOfUntold: of two devices that went up in each other, one has told no hardware id. It is recognised as before, unless
// the survivor has told one: that is nobody's who cannot tell it.
func testMergingOfUntold(t *testing.T, e Engine) {
	for name, c := range map[string]struct {
		survivor string
		same     bool
	}{"neither has told one": {"", true}, "the survivor has": {"HW-0001", false}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, e)
			stay := b.enrol(t, device.Registration{HardwareID: c.survivor})
			goes := b.enrol(t, device.Registration{Serial: "SN-0002"})
			check(t, b.svc.Merge(t.Context(), b.account, stay.DeviceID, goes.DeviceID, ""))
			for what, r := range map[string]device.Registration{"its id": {DeviceID: goes.DeviceID}, "its serial number": {Serial: "SN-0002"}} {
				if again := b.enrol(t, r); (again.DeviceID == stay.DeviceID) != c.same {
					t.Errorf("by %s: recognised = %v, want %v", what, !c.same, c.same)
				}
			}
			if c.survivor == "" {
				return
			}
			check(t, second(b.svc.Authenticate(t.Context(), b.account, stay.DeviceID, stay.Key, stay.Token)))
			if again := b.enrol(t, device.Registration{DeviceID: goes.DeviceID, HardwareID: c.survivor}); again.DeviceID != stay.DeviceID {
				t.Error("by its old id and the survivor's hardware id: it is not recognised")
			}
		})
	}
}

// testMergingHolds: exemptions and quarantines are not lost.
func testMergingHolds(t *testing.T, e Engine) {
	for name, c := range map[string]struct {
		exempt, quarantine [2]bool // of the survivor and the other
		want               posture.Status
		reason             string
	}{
		"nothing":               {want: posture.StatusNonCompliant},
		"the other is exempted": {exempt: [2]bool{false, true}, want: posture.StatusExempted, reason: "reason 1"},
		"both are":              {exempt: [2]bool{true, true}, want: posture.StatusExempted, reason: "reason 0"},
		"the other is held":     {quarantine: [2]bool{false, true}, want: posture.StatusQuarantined},
		"exempted and held":     {exempt: [2]bool{true, false}, quarantine: [2]bool{false, true}, want: posture.StatusQuarantined, reason: "reason 0"},
		"the survivor is held":  {exempt: [2]bool{false, true}, quarantine: [2]bool{true, false}, want: posture.StatusQuarantined, reason: "reason 1"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, e)
			ctx := t.Context()
			var id []string
			for i := range 2 {
				id = append(id, b.enrol(t, device.Registration{}).DeviceID)
				check(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: id[i]}, Submission(posture.Report{OS: posture.OS{Name: "4/2/0"}}, "4/2/0|")))
				if c.exempt[i] {
					check(t, b.svc.Exempt(ctx, b.account, id[i], fmt.Sprint("reason ", i), Epoch.Add(time.Hour)))
				}
				if c.quarantine[i] {
					check(t, b.svc.Quarantine(ctx, b.account, id[i], "r"))
				}
			}
			check(t, b.svc.Merge(ctx, b.account, id[0], id[1], ""))
			if d := b.device(t, id[0]); d.Cell.Status != c.want || d.Exemption.Reason != c.reason {
				t.Errorf("%v, exemption %q", d.Cell.Status, d.Exemption.Reason)
			}
			CheckCounts(ctx, t, b.Store, b.account)
			CheckRecord(ctx, t, b.svc, b.account)
			b.clock.at = Epoch.Add(time.Hour)
			check(t, second(b.svc.Sweep(ctx, b.account)))
			if d := b.device(t, id[0]); d.Exempted {
				t.Error("an exemption that was taken over does not end")
			}
		})
	}
}

// testSplitting declares a hardware id to be nobody's.
func testSplitting(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	other := Account(t, b.Store, "other", 10)
	theirs, err := b.svc.Enrol(ctx, other, device.Registration{HardwareID: "HW-0001"})
	check(t, err)
	const many = 60 // more than one step
	var id []string
	for i := range many {
		id = append(id, b.enrol(t, device.Registration{Serial: fmt.Sprintf("SN-%04d", i)}).DeviceID)
		b.report(t, id[i], "3/0/0", posture.Report{HardwareID: "HW-0001"})
	}
	check(t, b.svc.Merge(ctx, b.account, id[0], id[1], ""))
	check(t, b.svc.Delete(ctx, b.account, id[2]))
	for _, odd := range []string{"", "Default string", "00000000", strings.Repeat("x", 600), "a\x00b"} {
		wantCode(t, second(b.svc.Split(ctx, b.account, odd, "")), errs.Invalid)
	}
	n, err := b.svc.Split(ctx, b.account, " hw-0001", "kari")
	if err != nil || n != many {
		t.Errorf("%d devices had it, %v", n, err)
	}
	for _, i := range []int{0, 3, many - 1} {
		if d := b.device(t, id[i]); d.HardwareID != "" || d.Conflict {
			t.Errorf("device %d: %q, in conflict %v", i, d.HardwareID, d.Conflict)
		}
	}
	if list := b.clashes(t, 10, nil); len(list) != 0 {
		t.Errorf("still in conflict: %v", list)
	}
	b.report(t, id[3], "3/1/0", posture.Report{HardwareID: "HW-0001"})
	if d := b.device(t, id[3]); d.HardwareID != "" || d.Conflict || d.Cell.Severity != posture.Warning {
		t.Errorf("reported once more: %+v", d)
	}
	first := b.enrol(t, device.Registration{HardwareID: "HW-0001", Serial: "SN-new1"})
	if again := b.enrol(t, device.Registration{HardwareID: "HW-0001", Serial: "SN-new2"}); again.DeviceID == first.DeviceID || b.device(t, again.DeviceID).HardwareID != "" {
		t.Error("it still identifies a machine")
	}
	if again := b.enrol(t, device.Registration{DeviceID: id[1]}); again.DeviceID != id[1] {
		t.Error("a merge that it led to did not end")
	}
	if again, err := b.svc.Enrol(ctx, other, device.Registration{HardwareID: "HW-0001"}); err != nil || again.DeviceID != theirs.DeviceID {
		t.Errorf("in another account it identifies the machine still: %v, %v", again, err)
	}
	if n, err = b.svc.Split(ctx, b.account, "HW-0001", "kari"); err != nil || n != 0 {
		t.Errorf("once more: %d, %v", n, err)
	}
	got := slices.DeleteFunc(b.recorded(t, ""), func(s string) bool { return !strings.Contains(s, "hardware id") })
	if diff := cmp.Diff([]string{"configured kari hardware id identifies no machine: hw-0001"}, got); diff != "" {
		t.Error(diff)
	}
	CheckCounts(ctx, t, b.Store, b.account)
	CheckRecord(ctx, t, b.svc, b.account)
}

// exerciseMerges uses every statement about conflicts.
func exerciseMerges(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID) {
	t.Helper()
	svc := service(s, time.Now)
	var id []string
	for range 2 {
		en, err := svc.Enrol(ctx, account, device.Registration{})
		check(t, err)
		id = append(id, en.DeviceID)
		r := posture.Report{OS: posture.OS{Name: "3/0/0"}, HardwareID: "HW-double", Adapters: Adapters("00:0c:29:00:00:fe")}
		check(t, svc.Report(ctx, device.Ref{Account: account, ID: en.DeviceID}, Submission(r, en.DeviceID)))
	}
	_, _, err := svc.Conflicts(ctx, account, page.Window{Limit: 10})
	check(t, err)
	check(t, svc.Merge(ctx, account, id[0], id[1], ""))
	check(t, second(svc.Split(ctx, account, "HW-double", "")))
}
