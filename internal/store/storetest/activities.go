package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
)

// testActivities stores attempts and looks for them.
func testActivities(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	other := Account(t, b.Store, "other", 10)
	for i, a := range []device.Activity{
		{Action: device.AccessBlocked, DeviceID: "dev-1", DeviceName: "Lap_07", AppUser: "kim", AccessRule: "100% fit", AppName: "Mail", DeviceStatus: posture.StatusNonCompliant, DeviceGroup: "Default"},
		{Action: device.AccessAllowed, DeviceID: "dev-2", DeviceName: "lapX07", AppUser: "KIM", AccessRule: "100 fit", AppName: "Øl!"},
		{Action: device.AccessMonitoredBlock, DeviceID: "dev-3", DeviceName: "srv", AppUser: "ada", AppName: "øl"},
	} {
		a.At = Epoch.Add(time.Duration(i) * time.Minute)
		check(t, b.svc.RecordActivity(ctx, b.account, a))
	}
	for _, bad := range []device.Activity{
		{Action: "x"}, {}, {Action: device.AccessAllowed, AppName: strings.Repeat("ø", 257)}, {Action: device.AccessAllowed, AppUser: "\x00"}, {Action: device.AccessAllowed, DeviceID: "\xff"},
	} {
		wantCode(t, b.svc.RecordActivity(ctx, b.account, bad), errs.Invalid)
	}
	for _, c := range []struct {
		name string
		q    device.ActivityQuery
		want string
	}{
		{"all", device.ActivityQuery{}, "dev-3 dev-2 dev-1"},
		{"an action", device.ActivityQuery{Actions: []device.ActivityAction{device.AccessAllowed}}, "dev-2"},
		{"actions", device.ActivityQuery{Actions: []device.ActivityAction{device.AccessAllowed, device.AccessBlocked, "x"}}, "dev-2 dev-1"},
		{"no such action", device.ActivityQuery{Actions: []device.ActivityAction{"x"}}, ""},
		{"times", device.ActivityQuery{Since: Epoch.Add(time.Minute), Until: Epoch.Add(time.Minute)}, "dev-2"},
		{"a user in any case", device.ActivityQuery{Search: "Kim"}, "dev-2 dev-1"},
		{"an id", device.ActivityQuery{Search: "DEV-3"}, "dev-3"},
		{"an underscore is itself", device.ActivityQuery{Search: "lap_"}, "dev-1"},
		{"so is a percent sign", device.ActivityQuery{Search: "0% F"}, "dev-1"},
		{"so is what escapes them", device.ActivityQuery{Search: "L!"}, "dev-2"},
		{"beyond ASCII case counts", device.ActivityQuery{Search: "ØL"}, "dev-2"},
		{"the group is not searched", device.ActivityQuery{Search: "default"}, ""},
		{"with an action", device.ActivityQuery{Search: "kim", Actions: []device.ActivityAction{device.AccessBlocked}}, "dev-1"},
	} {
		for _, limit := range []int{1, 10} {
			var got []string
			c.q.Window = page.Window{Limit: limit}
			for {
				list, next, err := b.svc.Activities(ctx, b.account, c.q)
				check(t, err)
				for i := range list {
					got = append(got, list[i].DeviceID)
				}
				if c.q.After = next; next == "" {
					break
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s, %d at a time: %q, want %q", c.name, limit, got, c.want)
			}
		}
	}
	for _, search := range []string{strings.Repeat("x", 257), "\x00", "\xff"} {
		wantCode(t, second3(b.svc.Activities(ctx, b.account, device.ActivityQuery{Search: search, Window: page.Window{Limit: 1}})), errs.Invalid)
	}
	list, _, err := b.svc.Activities(ctx, b.account, device.ActivityQuery{Search: "mail", Window: page.Window{Limit: 1}})
	if err != nil || len(list) != 1 || list[0].DeviceStatus != posture.StatusNonCompliant || list[0].DeviceGroup != "Default" || !list[0].At.Equal(Epoch) {
		t.Errorf("as it is stored: %+v, %v", list, err)
	}
	list, _, err = b.svc.Activities(ctx, other, device.ActivityQuery{Window: page.Window{Limit: 10}})
	if err != nil || len(list) != 0 {
		t.Errorf("attempts of another account: %+v, %v", list, err)
	}
}

// testForgetting ends the record of one account, and of what is old alone.
func testForgetting(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	other := Account(t, b.Store, "other", 10)
	_, err := b.svc.Enrol(ctx, other, device.Registration{HardwareID: "HW-0001"})
	check(t, err)
	id := b.enrol(t, device.Registration{HardwareID: "HW-0001"}).DeviceID
	for i := range 700 { // more than one step removes
		check(t, b.svc.RecordActivity(ctx, b.account, device.Activity{Action: device.AccessAllowed, At: Epoch.Add(time.Duration(i) * time.Millisecond)}))
	}
	b.report(t, id, "3/0/0", posture.Report{})
	cut := b.clock.at
	b.report(t, id, "4/0/0", posture.Report{})
	n, err := b.svc.ForgetBefore(ctx, b.account, cut)
	if err != nil || n != 703 {
		t.Errorf("%d were removed, %v", n, err)
	}
	left := allEvents(ctx, t, b.svc, b.account, device.EventQuery{Window: page.Window{Limit: 100}})
	if len(left) != 2 || !left[0].At.Equal(cut) || !left[1].At.Equal(cut) {
		t.Errorf("left are %+v", left)
	}
	if rest := allEvents(ctx, t, b.svc, other, device.EventQuery{Window: page.Window{Limit: 100}}); len(rest) != 1 {
		t.Errorf("of the other account %d are left", len(rest))
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, err = b.svc.ForgetBefore(gone, b.account, b.clock.at)
	if err == nil || len(allEvents(ctx, t, b.svc, b.account, device.EventQuery{Window: page.Window{Limit: 100}})) != 2 {
		t.Errorf("after the context ended: %v", err)
	}
}
