package storetest

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/store"
)

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }

func service(s *store.Store, now func() time.Time) *device.Service {
	return device.New(device.Options{Store: s, Judge: Judge{}, Decode: Decode, Now: now, Log: slog.New(slog.DiscardHandler), CompileJoin: CompileJoin})
}

// bench is one engine's store with a service and a clock over it, and one account.
type bench struct {
	*store.Store
	svc     *device.Service
	clock   *clock
	account posture.AccountID
}

func newBench(t *testing.T, e Engine) *bench {
	t.Helper()
	b := &bench{Store: Open(t, e.New(t)), clock: &clock{Epoch}}
	b.svc = service(b.Store, b.clock.now)
	b.account = Account(t, b.Store, "acme", 1000)
	return b
}

func (b *bench) enrol(t *testing.T, r device.Registration) device.Enrolment {
	t.Helper()
	out, err := b.svc.Enrol(t.Context(), b.account, r)
	if err != nil {
		t.Fatal(err)
	}
	b.clock.advance(time.Second)
	return out
}

func (b *bench) report(t *testing.T, id, verdict string, r posture.Report) {
	t.Helper()
	r.OS.Name = verdict
	err := b.svc.Report(t.Context(), device.Ref{Account: b.account, ID: id}, Submission(r, "{}"))
	if err != nil {
		t.Fatal(err)
	}
	b.clock.advance(time.Second)
}

func (b *bench) device(t *testing.T, id string) device.Device {
	t.Helper()
	d, err := b.svc.Find(t.Context(), b.account, device.Selector{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// wantCode fails the test unless err carries the code.
func wantCode(t *testing.T, err error, code errs.Code) {
	t.Helper()
	if !errs.Is(err, code) {
		t.Fatalf("got error %v, want one with code %s", err, code)
	}
}

func testEnrolment(t *testing.T, e Engine) {
	b := newBench(t, e)
	first := b.enrol(t, device.Registration{HardwareID: "HW-0001", Serial: "SN-0001", Name: "one", Adapters: Adapters("00:0c:29:00:00:01")})
	for _, c := range []struct {
		name string
		reg  device.Registration
		same bool
	}{
		{"by hardware id", device.Registration{HardwareID: "hw-0001 "}, true},
		{"by hardware id, with a serial number", device.Registration{HardwareID: "HW-0001", Serial: "SN-0001"}, true},
		{"hardware id before address", device.Registration{HardwareID: "HW-0001", Adapters: Adapters("00:0c:29:00:00:99")}, true},
		{"by its own id and hardware id", device.Registration{DeviceID: first.DeviceID, HardwareID: "HW-0001"}, true},
		{"not by an id that somebody knows", device.Registration{DeviceID: first.DeviceID}, false},
		{"not by that id with another hardware id", device.Registration{DeviceID: first.DeviceID, HardwareID: "HW-0009"}, false},
		{"not by a serial number that somebody knows", device.Registration{Serial: "SN-0001"}, false},
		{"not by an address that somebody sees", device.Registration{Adapters: Adapters("00-0C-29-00-00-01")}, false},
		{"not by name", device.Registration{Name: "one", HostName: "one"}, false},
		{"not by a serial that says nothing", device.Registration{Serial: "Default string"}, false},
		{"not by a random address", device.Registration{Adapters: Adapters("02:00:00:00:00:01")}, false},
		{"not by the address of a machine with another hardware id", device.Registration{HardwareID: "HW-0002", Adapters: Adapters("00:0c:29:00:00:01")}, false},
	} {
		got := b.enrol(t, c.reg)
		if (got.DeviceID == first.DeviceID) != c.same {
			t.Errorf("%s: recognised = %v, want %v", c.name, !c.same, c.same)
		}
	}
	// Of agents that tell no hardware id the rest has to do.
	plain := b.enrol(t, device.Registration{Serial: "SN-0002", Name: "two", Adapters: Adapters("00:0c:29:00:00:02")})
	for name, reg := range map[string]device.Registration{
		"by serial": {Serial: "SN-0002"}, "by address": {Adapters: Adapters("00-0C-29-00-00-02")}, "by its own id": {DeviceID: plain.DeviceID},
	} {
		if got := b.enrol(t, reg); got.DeviceID != plain.DeviceID {
			t.Errorf("without a hardware id, %s: it is not recognised", name)
		}
	}
	_, err := b.svc.Authenticate(t.Context(), b.account, first.DeviceID, first.Key, first.Token)
	wantCode(t, err, errs.Unauthenticated)
	CheckCounts(t.Context(), t, b.Store, b.account)
}

// testEnrolmentOfGone: a device that is not in service, and has told its hardware id, is nobody else's either. Its history, group
// and user are its own; and the agent of one that left by itself is to find its credentials as they were.
func testEnrolmentOfGone(t *testing.T, e Engine) {
	for name, leave := range map[string]func(b *bench, rules *device.Rules, id string) error{
		"retired": func(b *bench, _ *device.Rules, id string) error {
			return b.svc.Retire(t.Context(), device.Ref{Account: b.account, ID: id})
		},
		"deleted": func(b *bench, _ *device.Rules, id string) error { return b.svc.Delete(t.Context(), b.account, id) },
		"without its agent": func(b *bench, _ *device.Rules, id string) error {
			return b.svc.Remove(t.Context(), b.account, device.Selector{ID: id}, device.RemoveAgent, "")
		},
		"left by itself": func(b *bench, rules *device.Rules, _ string) error {
			rules.Removal.Unseen = hour
			check(t, second(b.svc.SweepRemovals(t.Context(), b.account)))
			b.clock.advance(2 * hour)
			return second(b.svc.SweepRemovals(t.Context(), b.account))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, rules := ruledBench(t, e)
			own := device.Registration{HardwareID: "HW-0001", Serial: "SN-0001", Adapters: Adapters("00:0c:29:00:00:01")}
			first := b.enrol(t, own)
			check(t, leave(b, rules, first.DeviceID))
			for what, reg := range map[string]device.Registration{
				"its id": {DeviceID: first.DeviceID}, "its serial number": {Serial: "SN-0001"}, "its address": {Adapters: Adapters("00:0c:29:00:00:01")},
				"its id, and another hardware id": {DeviceID: first.DeviceID, HardwareID: "HW-0002"},
			} {
				if got := b.enrol(t, reg); got.DeviceID == first.DeviceID {
					t.Errorf("who knows %s becomes the device", what)
				}
			}
			if got := b.enrol(t, own); got.DeviceID != first.DeviceID {
				t.Error("the machine itself is not recognised")
			}
			CheckCounts(t.Context(), t, b.Store, b.account)
		})
	}
}

func testLicence(t *testing.T, e Engine) {
	b := newBench(t, e)
	small := Account(t, b.Store, "small", 1)
	first, err := b.svc.Enrol(t.Context(), small, device.Registration{HardwareID: "HW-0001"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second attempt must not leave another row
		_, err = b.svc.Enrol(t.Context(), small, device.Registration{HardwareID: "HW-0002"})
		wantCode(t, err, errs.OverLicence)
		_, err = b.svc.Enrol(t.Context(), small, device.Registration{Name: "nothing to recognise it by"})
		wantCode(t, err, errs.OverLicence)
	}
	got := CheckCounts(t.Context(), t, b.Store, small)
	if got.Used() != 1 || got.Status[posture.StatusOutOfLicence] != 1 {
		t.Fatalf("counts %+v", got)
	}
	again, err := b.svc.Enrol(t.Context(), small, device.Registration{HardwareID: "HW-0001"})
	if err != nil || again.DeviceID != first.DeviceID {
		t.Fatalf("a device within the licence enrols again: %v, %v", again, err)
	}
	err = b.svc.Retire(t.Context(), device.Ref{Account: small, ID: first.DeviceID})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.svc.Enrol(t.Context(), small, device.Registration{HardwareID: "HW-0002"})
	if err != nil {
		t.Fatalf("the place that became free: %v", err)
	}
	CheckCounts(t.Context(), t, b.Store, small)
}

func testReports(t *testing.T, e Engine) {
	b := newBench(t, e)
	en := b.enrol(t, device.Registration{Name: "one"})
	if d := b.device(t, en.DeviceID); d.Cell.Status != posture.StatusInstalled || !d.ReportedAt.IsZero() {
		t.Fatalf("before a report: %+v", d)
	}
	ref := device.Ref{Account: b.account, ID: en.DeviceID}
	sub := Submission(posture.Report{OS: posture.OS{Name: "4/2/3"}, HostName: "host"}, `{"unknown":"member"}`)
	err := b.svc.Report(t.Context(), ref, sub)
	if err != nil {
		t.Fatal(err)
	}
	d := b.device(t, en.DeviceID)
	want := posture.Cell{Group: posture.DefaultGroup, Status: posture.StatusNonCompliant, Severity: posture.Critical, Levels: posture.Levels{3, 3, 3}}
	if diff := cmp.Diff(want, d.Cell); diff != "" {
		t.Error(diff)
	}
	body, err := b.Store.Report(t.Context(), b.account, en.DeviceID)
	if err != nil || string(body) != `{"unknown":"member"}` {
		t.Errorf("stored report %q, %v", body, err)
	}
	reported := d.ReportedAt
	b.clock.advance(time.Hour)
	sub.Decode = func() (*posture.Report, error) {
		t.Error("an unchanged report was decoded")
		return nil, errs.New(errs.Invalid, "")
	}
	err = b.svc.Report(t.Context(), ref, sub)
	if err != nil {
		t.Fatal(err)
	}
	d = b.device(t, en.DeviceID)
	if !d.ReportedAt.Equal(reported) || !d.SeenAt.Equal(b.clock.at) {
		t.Errorf("an unchanged report: reported %v, seen %v", d.ReportedAt, d.SeenAt)
	}
	v, err := b.svc.Verdict(t.Context(), b.account, en.DeviceID)
	if err != nil || v.Status != posture.StatusNonCompliant {
		t.Errorf("verdict %+v, %v", v, err)
	}
	CheckCounts(t.Context(), t, b.Store, b.account)
}

func testAdapters(t *testing.T, e Engine) {
	b := newBench(t, e)
	one := b.enrol(t, device.Registration{HardwareID: "HW-0001", Adapters: Adapters("00:0c:29:00:00:01")})
	two := b.enrol(t, device.Registration{HardwareID: "HW-0002", Adapters: Adapters("00:0c:29:00:00:02")})
	dock := Adapters("00:0c:29:00:00:dd")[0]
	find := func(mac string) string {
		sel := device.SelectorOf(mac)
		d, err := b.svc.Find(t.Context(), b.account, sel)
		if errs.Is(err, errs.NotFound) {
			return ""
		}
		if err != nil {
			t.Fatal(err)
		}
		return d.ID
	}
	b.report(t, one.DeviceID, "3/0/0", posture.Report{Adapters: append(Adapters("00:0c:29:00:00:01"), dock)})
	if got := find("000C2900.00DD"); got != "" {
		t.Errorf("a malformed address found %q", got)
	}
	if got := find("000c.2900.00dd"); got != one.DeviceID {
		t.Errorf("a dock with one user: found %q", got)
	}
	b.report(t, one.DeviceID, "3/0/0", posture.Report{Adapters: Adapters("00:0c:29:00:00:01")})
	b.report(t, two.DeviceID, "3/0/0", posture.Report{Adapters: append(Adapters("00:0c:29:00:00:02"), dock)})
	if got := find("00:0c:29:00:00:dd"); got != two.DeviceID {
		t.Errorf("an adapter that moved: found %q", got)
	}
	b.report(t, two.DeviceID, "3/0/0", posture.Report{Adapters: Adapters("00:0c:29:00:00:02")})
	b.report(t, one.DeviceID, "3/0/0", posture.Report{Adapters: append(Adapters("00:0c:29:00:00:01"), dock)})
	b.report(t, one.DeviceID, "3/0/0", posture.Report{Adapters: Adapters("00:0c:29:00:00:01")})
	if got := find("00:0c:29:00:00:dd"); got != "" {
		t.Errorf("an adapter used by turns: found %q", got)
	}
	for i := range 300 {
		b.report(t, two.DeviceID, "3/0/0", posture.Report{Adapters: Adapters(fmt.Sprintf("02:00:00:00:%02x:%02x", i/256, i%256))})
	}
	many, err := b.svc.Adapters(t.Context(), b.account, two.DeviceID)
	if err != nil || len(many) > 260 || len(many) < 250 || many[0].MAC.String() != "02:00:00:00:01:2b" {
		t.Errorf("of a device that invents addresses %d are kept, %v", len(many), err)
	}
	list, err := b.svc.Adapters(t.Context(), b.account, one.DeviceID)
	if err != nil || len(list) != 2 || !list[0].Current || list[1].Current {
		t.Errorf("every address is kept: %+v, %v", list, err)
	}
}

func testLifecycle(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	en := b.enrol(t, device.Registration{HardwareID: "HW-0001", Adapters: Adapters("00:0c:29:00:00:01")})
	ref := device.Ref{Account: b.account, ID: en.DeviceID}
	b.report(t, en.DeviceID, "4/2/4", posture.Report{})
	steps := []struct {
		name string
		do   func() error
		want posture.Status
	}{
		{"exempt", func() error { return b.svc.Exempt(ctx, b.account, en.DeviceID, "vendor visit", time.Time{}) }, posture.StatusExempted},
		{"unexempt", func() error { return b.svc.Unexempt(ctx, b.account, en.DeviceID) }, posture.StatusNonCompliant},
		{"link", func() error {
			return b.svc.LinkUser(ctx, b.account, device.SelectorOf("00:0c:29:00:00:01"), device.LinkedUser{Username: "kari", Group: "staff"})
		}, posture.StatusNonCompliant},
	}
	for _, step := range steps {
		err := step.do()
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := b.device(t, en.DeviceID).Cell.Status; got != step.want {
			t.Errorf("after %s: %v, want %v", step.name, got, step.want)
		}
		CheckCounts(ctx, t, b.Store, b.account)
	}
	if got := b.device(t, en.DeviceID).Link; got != (device.LinkedUser{Username: "kari", Group: "staff"}) {
		t.Errorf("linked %+v", got)
	}
	err := b.svc.Retire(ctx, ref)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.svc.Find(ctx, b.account, device.Selector{ID: en.DeviceID})
	wantCode(t, err, errs.NotFound)
	wantCode(t, b.svc.Report(ctx, ref, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}}, "{}")), errs.Unauthenticated)
	wantCode(t, b.svc.Retire(ctx, ref), errs.Unauthenticated)
	_, standing, err := b.svc.Standing(ctx, en.DeviceID, en.Token, en.Key)
	if err != nil || standing != device.StandingRemoved {
		t.Errorf("a gone device asks: %v, %v", standing, err)
	}
	back := b.enrol(t, device.Registration{HardwareID: "HW-0001"})
	d := b.device(t, back.DeviceID)
	if back.DeviceID != en.DeviceID || d.Cell.Status != posture.StatusInstalled {
		t.Errorf("a retired device came back as %+v", d)
	}
	_, err = b.svc.Verdict(ctx, b.account, en.DeviceID)
	wantCode(t, err, errs.NotFound)
	if got := CheckCounts(ctx, t, b.Store, b.account); got.Used() != 1 {
		t.Errorf("counts %+v", got)
	}
}

func testListing(t *testing.T, e Engine) {
	b := newBench(t, e)
	var want []string
	for range 25 {
		want = append(want, b.enrol(t, device.Registration{}).DeviceID)
	}
	err := b.svc.Delete(t.Context(), b.account, want[7])
	if err != nil {
		t.Fatal(err)
	}
	want = append(want[:7:7], want[8:]...)
	var got []string
	for q := (device.Query{Window: page.Window{Limit: 10}}); ; {
		list, next, err := b.svc.Select(t.Context(), b.account, q)
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			got = append(got, list[i].ID)
		}
		if next == "" {
			break
		}
		q.After = next
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func testIsolation(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	other := Account(t, b.Store, "other", 10)
	en := b.enrol(t, device.Registration{HardwareID: "HW-0001", Serial: "SN-0001", Adapters: Adapters("00:0c:29:00:00:01")})
	b.report(t, en.DeviceID, "3/1/1", posture.Report{})
	for name, err := range map[string]error{
		"find":         second(b.svc.Find(ctx, other, device.Selector{ID: en.DeviceID})),
		"find by MAC":  second(b.svc.Find(ctx, other, device.SelectorOf("00:0c:29:00:00:01"))),
		"find by hwid": second(b.svc.Find(ctx, other, device.Selector{ID: "HW-0001"})),
		"verdict":      second(b.svc.Verdict(ctx, other, en.DeviceID)),
		"link":         b.svc.LinkUser(ctx, other, device.Selector{ID: en.DeviceID}, device.LinkedUser{Username: "x"}),
		"link by MAC":  b.svc.LinkUser(ctx, other, device.SelectorOf("00:0c:29:00:00:01"), device.LinkedUser{Username: "x"}),
		"delete":       b.svc.Delete(ctx, other, en.DeviceID),
		"exempt":       b.svc.Exempt(ctx, other, en.DeviceID, "", time.Time{}),
		"unexempt":     b.svc.Unexempt(ctx, other, en.DeviceID),
		"report body":  second(b.Store.Report(ctx, other, en.DeviceID)),
	} {
		if !errs.Is(err, errs.NotFound) {
			t.Errorf("%s from another account: %v", name, err)
		}
	}
	_, err := b.svc.Authenticate(ctx, other, en.DeviceID, en.Key, en.Token)
	wantCode(t, err, errs.Unauthenticated)
	_, err = b.svc.AuthenticateAny(ctx, other, en.Key, en.Token)
	wantCode(t, err, errs.Unauthenticated)
	_, err = b.svc.Summary(ctx, device.Ref{Account: other, ID: en.DeviceID})
	wantCode(t, err, errs.Unauthenticated)
	twin, err := b.svc.Enrol(ctx, other, device.Registration{HardwareID: "HW-0001", DeviceID: en.DeviceID})
	if err != nil || twin.DeviceID == en.DeviceID {
		t.Errorf("the same machine in another account: %v, %v", twin, err)
	}
	list, _, err := b.svc.Select(ctx, other, device.Query{Window: page.Window{Limit: 10}})
	if err != nil || len(list) != 1 || list[0].ID != twin.DeviceID {
		t.Errorf("listing another account: %v, %v", list, err)
	}
	adapters, err := b.svc.Adapters(ctx, other, en.DeviceID)
	if err != nil || len(adapters) != 0 {
		t.Errorf("adapters from another account: %v, %v", adapters, err)
	}
	if got := CheckCounts(ctx, t, b.Store, other); got.Used() != 1 {
		t.Errorf("counts of the other account: %+v", got)
	}
}

func second[T any](_ T, err error) error { return err }
