package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
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

const hour = time.Hour

// sweeps lets the sweep run, and fails the test unless these devices were removed, and are the only ones that are not there.
func (b *bench) sweeps(t *testing.T, gone ...string) {
	t.Helper()
	n, err := b.svc.SweepRemovals(t.Context(), b.account)
	if err != nil || n != len(gone) {
		t.Errorf("at %v: removed %d devices, %v; want %d", b.clock.at.Sub(Epoch), n, err, len(gone))
	}
	for _, id := range gone {
		_, err := b.svc.Find(t.Context(), b.account, device.Selector{ID: id})
		if !errs.Is(err, errs.NotFound) {
			t.Errorf("at %v: %s is still there: %v", b.clock.at.Sub(Epoch), id, err)
		}
	}
	CheckCounts(t.Context(), t, b.Store, b.account)
	CheckSpread(t, b.Store, b.account)
}

// last gives the newest event.
func (b *bench) last(t *testing.T) event.Event {
	t.Helper()
	list, _, err := b.svc.Events(t.Context(), b.account, device.EventQuery{Window: page.Window{Limit: 1}})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	return list[0].Event
}

func (b *bench) enrolled(t *testing.T, n int) device.Enrolment {
	t.Helper()
	return b.enrol(t, device.Registration{HardwareID: fmt.Sprintf("HW-%04d", n), Name: fmt.Sprintf("pc %d", n)})
}

// testRemovalByTime: devices that are not heard of go when their time has come, no sooner, and others stay.
func testRemovalByTime(t *testing.T, e Engine) {
	b, rules := ruledBench(t, e)
	ctx := t.Context()
	busy, idle := b.enrolled(t, 1), b.enrolled(t, 2)
	mac, _ := posture.ParseMAC("00:0c:29:00:00:01")
	check(t, second(b.svc.Import(ctx, b.account, []device.Sighting{{MAC: mac, Name: "printer"}})))
	b.clock.at = Epoch.Add(1000 * hour)
	b.sweeps(t)
	if d := b.device(t, idle.DeviceID); !d.RemoveAt.IsZero() {
		t.Errorf("without a rule it is looked at: %v", d.RemoveAt)
	}
	b.svc.Ping(ctx, device.Ref{Account: b.account, ID: busy.DeviceID})
	rules.Removal = device.Removal{Unseen: 48 * hour}
	b.sweeps(t, idle.DeviceID)
	if x := b.last(t); x.Kind != event.Unseen || x.DeviceID != idle.DeviceID || x.Detail != "not heard of for 2 days" || x.Actor != "" {
		t.Errorf("recorded %+v", x)
	}
	late := b.enrolled(t, 3)
	check(t, b.svc.Quarantine(ctx, b.account, b.enrolled(t, 4).DeviceID, "kept as it is"))
	b.clock.at = Epoch.Add(1047 * hour)
	b.svc.Ping(ctx, device.Ref{Account: b.account, ID: busy.DeviceID})
	b.sweeps(t)
	b.clock.at = Epoch.Add(1048*hour + time.Second)
	b.sweeps(t, late.DeviceID)
	rules.Removal.WithoutAgent = 2000 * hour
	b.clock.at = Epoch.Add(1094 * hour)
	b.sweeps(t)
	rules.Removal.Unseen = 0
	b.clock.at = Epoch.Add(2000 * hour)
	b.sweeps(t)
	b.clock.at = Epoch.Add(2001 * hour)
	printer, err := b.svc.Find(ctx, b.account, device.Selector{MAC: mac, ByMAC: true})
	check(t, err)
	b.sweeps(t, printer.ID)
	// The shorter time reaches devices that had a longer one.
	rules.Removal = device.Removal{Unseen: 5000 * hour}
	b.sweeps(t)
	rules.Removal = device.Removal{Unseen: 900 * hour, UninstallUnseen: true}
	b.clock.advance(time.Second)
	b.sweeps(t, busy.DeviceID)
	if x := b.last(t); x.Detail != "not heard of for 900 hours; its agent is told to remove itself" {
		t.Errorf("recorded %+v", x)
	}
	_, standing, err := b.svc.Standing(ctx, busy.DeviceID, busy.Key, busy.Token)
	if err != nil || standing != device.StandingRemoved {
		t.Errorf("its agent is told %v, %v", standing, err)
	}
}

// testRemovalByVerdict: the time counts from when the status became what it is.
func testRemovalByVerdict(t *testing.T, e Engine) {
	b, rules := ruledBench(t, e)
	ctx := t.Context()
	rules.Removal = device.Removal{NonCompliant: 100 * hour}
	b.sweeps(t)
	bad, mended, held := b.enrolled(t, 1).DeviceID, b.enrolled(t, 2).DeviceID, b.enrolled(t, 3).DeviceID
	status := func(s posture.Status) string { return fmt.Sprintf("%d/2/0", s) }
	for h := 0; h < 400; h += 20 {
		b.clock.at = Epoch.Add(time.Duration(h) * hour)
		switch h {
		case 80:
			b.report(t, bad, status(posture.StatusNonCompliant), posture.Report{})
			b.report(t, mended, status(posture.StatusNonCompliant), posture.Report{})
			b.report(t, held, status(posture.StatusNonCompliant), posture.Report{})
			check(t, b.svc.Quarantine(ctx, b.account, held, "look at it"))
		case 140:
			b.report(t, mended, status(posture.StatusCompliant), posture.Report{})
		case 160:
			b.report(t, mended, status(posture.StatusNonCompliant), posture.Report{})
		}
		b.clock.advance(time.Minute)
		switch h {
		case 180:
			b.sweeps(t, bad)
			if x := b.last(t); x.Kind != event.Removed || !strings.HasPrefix(x.Detail, "non-compliant for 100 hours") {
				t.Errorf("recorded %+v", x)
			}
		case 260:
			b.sweeps(t, mended)
		default:
			b.sweeps(t)
		}
	}
	b.device(t, held)
}

// testRemovalByGroup: a group has a time of its own, whatever the account has, also for devices that move into it.
func testRemovalByGroup(t *testing.T, e Engine) {
	b, rules := ruledBench(t, e)
	ctx := t.Context()
	name, short := "Loans", 10*hour
	g, err := b.svc.CreateGroup(ctx, b.account, device.GroupChange{Name: &name, RemoveUnseen: &short}, "")
	check(t, err)
	b.sweeps(t)
	in, out, moved := b.enrolled(t, 1), b.enrolled(t, 2), b.enrolled(t, 3)
	for _, id := range []string{in.DeviceID} {
		check(t, b.move(ctx, id, g.ID))
	}
	b.clock.at = Epoch.Add(9 * hour)
	b.sweeps(t)
	b.clock.at = Epoch.Add(11 * hour)
	b.sweeps(t, in.DeviceID)
	check(t, b.move(ctx, moved.DeviceID, g.ID))
	b.clock.at = Epoch.Add(22 * hour)
	b.sweeps(t, moved.DeviceID)
	rules.Removal.Unseen = 30 * hour
	b.sweeps(t)
	long := 200 * hour
	_, err = b.svc.UpdateGroup(ctx, b.account, g.ID, device.GroupChange{RemoveUnseen: &long}, "")
	check(t, err)
	check(t, b.move(ctx, out.DeviceID, g.ID))
	b.clock.at = Epoch.Add(100 * hour)
	b.sweeps(t)
	b.clock.at = Epoch.Add(231 * hour)
	b.sweeps(t, out.DeviceID)
	// Every device is looked at once in that time: one that is too short would keep the sweep busy for good.
	for d, ok := range map[time.Duration]bool{-hour: false, time.Millisecond: false, hour - 1: false, hour: true, 3660 * 24 * hour: true, 3661 * 24 * hour: false, 0: true} {
		_, err = b.svc.UpdateGroup(ctx, b.account, g.ID, device.GroupChange{RemoveUnseen: &d}, "")
		if ok != (err == nil) || !ok && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "remove_unseen")) {
			t.Errorf("%v: %v", d, err)
		}
	}
}

func (b *bench) move(ctx context.Context, id string, g posture.GroupID) error {
	_, err := b.svc.Act(ctx, b.account, device.ActionRequest{Action: device.ActAssignGroup, Device: device.Selector{ID: id}, Group: g})
	return err
}

// testRemovalOfMany: more devices than a page has, some of which leave by their agents meanwhile; none is missed.
func testRemovalOfMany(t *testing.T, e Engine) {
	b, rules := ruledBench(t, e)
	ctx := t.Context()
	var sightings []device.Sighting
	for i := range 450 {
		sightings = append(sightings, device.Sighting{MAC: posture.MAC{0, 0x0c, 0x29, 1, byte(i >> 8), byte(i)}})
	}
	check(t, second(b.svc.Import(ctx, b.account, sightings)))
	rules.Removal.WithoutAgent = hour
	b.sweeps(t)
	check(t, second(b.svc.Import(ctx, b.account, []device.Sighting{{MAC: posture.MAC{0, 0x0c, 0x29, 2, 0, 0}}}))) // after the look at all
	b.clock.advance(2 * hour)
	n, err := b.svc.SweepRemovals(ctx, b.account)
	if err != nil || n != 451 {
		t.Errorf("removed %d, %v", n, err)
	}
	if c := CheckCounts(ctx, t, b.Store, b.account); c.Status[posture.StatusUnknown] != 0 {
		t.Errorf("left: %+v", c)
	}
	// One that was broken off looks at all again.
	check(t, second(b.svc.Import(ctx, b.account, sightings[:300])))
	check(t, b.SetRemoving(ctx, b.account, hour, false))
	broken, cancel := context.WithCancel(ctx)
	cancel()
	if _, err = b.svc.SweepRemovals(broken, b.account); err == nil {
		t.Error("a sweep that was broken off says that it is done")
	}
	b.clock.advance(2 * hour)
	n, err = b.svc.SweepRemovals(ctx, b.account)
	if _, all, err2 := b.Removing(ctx, b.account); err != nil || err2 != nil || n != 300 || !all {
		t.Errorf("removed %d, %v, %v, %v", n, all, err, err2)
	}
}

// testComingBack: a device that left by itself comes back with its agent's next contact, as the device it was.
func testComingBack(t *testing.T, e Engine) {
	b, rules := ruledBench(t, e)
	ctx := t.Context()
	rules.Removal = device.Removal{Unseen: hour, Erase: true}
	b.sweeps(t)
	a := b.enrol(t, device.Registration{HardwareID: "HW-1", Name: "pc", Adapters: Adapters("00:0c:29:00:00:01")})
	ref := device.Ref{Account: b.account, ID: a.DeviceID}
	b.report(t, a.DeviceID, "3/0/0", posture.Report{Adapters: Adapters("00:0c:29:00:00:01")})
	leave := func() {
		t.Helper()
		b.clock.advance(2 * hour)
		b.sweeps(t, a.DeviceID)
	}
	leave()
	if _, err := b.Report(ctx, b.account, a.DeviceID); !errs.Is(err, errs.NotFound) {
		t.Errorf("what is known of it is erased, but for %v", err)
	}
	_, err := b.svc.Authenticate(ctx, b.account, a.DeviceID, a.Key, "wrong")
	wantCode(t, err, errs.Unauthenticated)
	if got, err := b.svc.Authenticate(ctx, b.account, a.DeviceID, a.Token, a.Key); err != nil || got != ref {
		t.Fatalf("back as %+v, %v", got, err)
	}
	d := b.device(t, a.DeviceID)
	if d.Cell.Status != posture.StatusInstalled || !d.Managed || d.RemoveAt.IsZero() || d.HardwareID != "hw-1" {
		t.Errorf("back: %+v", d)
	}
	if x := b.last(t); x.Kind != event.Returned || x.DeviceID != a.DeviceID {
		t.Errorf("recorded %+v", x)
	}
	mac, _ := posture.ParseMAC("00:0c:29:00:00:01")
	if found, err := b.svc.Find(ctx, b.account, device.Selector{MAC: mac, ByMAC: true}); err != nil || found.ID != a.DeviceID {
		t.Errorf("by its address: %s, %v", found.ID, err)
	}
	b.report(t, a.DeviceID, "3/0/0", posture.Report{})
	leave()
	_, standing, err := b.svc.Standing(ctx, a.DeviceID, a.Key, a.Token)
	if err != nil || standing != device.StandingGood || b.device(t, a.DeviceID).Cell.Status != posture.StatusInstalled {
		t.Errorf("it is told %v, %v", standing, err)
	}
	leave()
	// Meanwhile another took the last place.
	check(t, second(b.UpdateAccount(ctx, b.account, func(a *identity.Account) ([]event.Event, error) { a.DevicesAllowed = 1; return nil, nil })))
	b.enrolled(t, 2)
	check(t, second(b.svc.Authenticate(ctx, b.account, a.DeviceID, a.Key, a.Token)))
	if d := b.device(t, a.DeviceID); d.Cell.Status != posture.StatusOutOfLicence {
		t.Errorf("without a place it is %v", d.Cell.Status)
	}
	waiting := Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}}, "{}")
	before := b.last(t).ID
	wantCode(t, b.svc.Report(ctx, ref, waiting), errs.OverLicence)
	if b.last(t).ID != before {
		t.Error("that there is still no place is recorded")
	}
	check(t, second(b.UpdateAccount(ctx, b.account, func(a *identity.Account) ([]event.Event, error) { a.DevicesAllowed = 2; return nil, nil })))
	check(t, b.svc.Report(ctx, ref, waiting))
	if d := b.device(t, a.DeviceID); d.Cell.Status != posture.StatusCompliant {
		t.Errorf("with a place and a report it is %v", d.Cell.Status)
	}
	CheckCounts(ctx, t, b.Store, b.account)
	CheckSpread(t, b.Store, b.account)
}

// testPurge: what is kept of devices that left ends with its time, and nothing of others.
func testPurge(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	var gone []string
	for i := range 120 {
		a := b.enrolled(t, i)
		b.report(t, a.DeviceID, "3/0/0", posture.Report{Adapters: Adapters(fmt.Sprintf("00:0c:29:00:01:%02x", i))})
		switch i % 3 {
		case 0:
			check(t, b.svc.Delete(ctx, b.account, a.DeviceID))
			gone = append(gone, a.DeviceID)
		case 1:
			check(t, b.svc.Remove(ctx, b.account, device.Selector{ID: a.DeviceID}, device.RemoveAgent, ""))
		}
	}
	other := Account(t, b.Store, "other", 10)
	out, err := b.svc.Enrol(ctx, other, device.Registration{HardwareID: "HW-X"})
	check(t, err)
	check(t, b.svc.Delete(ctx, other, out.DeviceID))
	before := CheckCounts(ctx, t, b.Store, b.account)
	n, err := b.svc.Purge(ctx, b.account, Epoch)
	if err != nil || n != 0 {
		t.Errorf("too early: %d, %v", n, err)
	}
	n, err = b.svc.Purge(ctx, b.account, b.clock.at.Add(hour))
	if err != nil || n != len(gone) {
		t.Errorf("purged %d of %d, %v", n, len(gone), err)
	}
	for _, id := range gone {
		_, err = b.Credentials(ctx, b.account, id)
		wantCode(t, err, errs.NotFound)
		if claims, err := b.svc.Adapters(ctx, b.account, id); err != nil || len(claims) > 0 {
			t.Errorf("its addresses are kept: %+v, %v", claims, err)
		}
	}
	check(t, second(b.Credentials(ctx, other, out.DeviceID)))
	if after := CheckCounts(ctx, t, b.Store, b.account); after != before {
		t.Errorf("counts are %+v, were %+v", after, before)
	}
	CheckSpread(t, b.Store, b.account)
	events := allEvents(ctx, t, b.svc, b.account, device.EventQuery{Kinds: []event.Kind{event.Deleted}, Window: page.Window{Limit: 50}})
	if len(events) != len(gone) || !slices.Contains(gone, events[0].DeviceID) || events[0].DeviceName != "" {
		t.Errorf("the record of them: %d, %+v", len(events), events[0])
	}
	again := b.enrolled(t, 0)
	if slices.Contains(gone, again.DeviceID) {
		t.Error("it is remembered")
	}
}

// testPurgeKeepsQuarantine: waiting for long enough must not end a quarantine.
func testPurgeKeepsQuarantine(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	a := b.enrolled(t, 0)
	b.report(t, a.DeviceID, "3/0/0", posture.Report{HostName: "box"})
	check(t, b.svc.Quarantine(ctx, b.account, a.DeviceID, "stolen"))
	check(t, b.svc.Retire(ctx, device.Ref{Account: b.account, ID: a.DeviceID}))
	for _, want := range []int{1, 0} {
		if n, err := b.svc.Purge(ctx, b.account, b.clock.at.Add(hour)); err != nil || n != want {
			t.Errorf("purged %d, %v, want %d", n, err, want)
		}
	}
	if body, err := b.Report(ctx, b.account, a.DeviceID); err == nil {
		t.Errorf("its report is kept: %s", body)
	}
	if again := b.enrolled(t, 0); again.DeviceID != a.DeviceID {
		t.Error("it is not recognised")
	}
	b.stands(t, a.DeviceID, posture.StatusQuarantined)
	if d := b.device(t, a.DeviceID); d.Quarantine.Reason != "stolen" || d.HostName != "" {
		t.Errorf("it came back as %+v", d)
	}
}

// testRefusedAtLimit: what becomes of a new device for which there is no place is the account's to say.
func testRefusedAtLimit(t *testing.T, e Engine) {
	b, rules := ruledBench(t, e)
	ctx := t.Context()
	check(t, second(b.UpdateAccount(ctx, b.account, func(a *identity.Account) ([]event.Event, error) { a.DevicesAllowed = 1; return nil, nil })))
	known := b.enrolled(t, 1)
	over := func(n int, want int64) {
		t.Helper()
		_, err := b.svc.Enrol(ctx, b.account, device.Registration{HardwareID: fmt.Sprintf("HW-%04d", n)})
		wantCode(t, err, errs.OverLicence)
		if c := CheckCounts(ctx, t, b.Store, b.account); c.Status[posture.StatusOutOfLicence] != want {
			t.Errorf("%d devices are out of licence, want %d", c.Status[posture.StatusOutOfLicence], want)
		}
	}
	over(2, 1)
	rules.RefuseAtLimit = true
	over(3, 1)
	over(2, 1) // it is known already
	if again := b.enrolled(t, 1); again.DeviceID != known.DeviceID {
		t.Errorf("one that has its place came as %s", again.DeviceID)
	}
}

// exerciseRemovals uses every statement about devices that leave by themselves.
func exerciseRemovals(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID) {
	t.Helper()
	svc := device.New(device.Options{
		Store: s, Judge: Judge{}, Decode: Decode, Now: func() time.Time { return time.Now().Add(5 * hour) }, Log: slog.New(slog.DiscardHandler),
		Rules: func(context.Context, posture.AccountID) (device.Rules, error) {
			return device.Rules{Removal: device.Removal{Unseen: hour, WithoutAgent: 1000 * hour}}, nil
		},
	})
	out, err := svc.Enrol(ctx, account, device.Registration{HardwareID: "HW-LAPSE"})
	check(t, err)
	check(t, second(svc.SweepRemovals(ctx, account)))
	check(t, second(s.DueForRemoval(ctx, account, time.Now(), 200)))
	late := device.New(device.Options{Store: s, Judge: Judge{}, Decode: Decode, Now: func() time.Time { return time.Now().Add(50 * hour) }})
	check(t, late.Delete(ctx, account, out.DeviceID))
	check(t, second(svc.Purge(ctx, account, time.Now().Add(100*hour))))
}
