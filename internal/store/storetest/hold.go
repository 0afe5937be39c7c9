package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
)

// testQuarantine holds a device back through everything that might let it go.
func testQuarantine(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := event.By(t.Context(), "kari")
	reg := device.Registration{HardwareID: "HW-0001"}
	id := b.enrol(t, reg).DeviceID
	ref := device.Ref{Account: b.account, ID: id}
	b.report(t, id, "3/0/0", posture.Report{})
	since := b.clock.at
	check(t, b.svc.Quarantine(ctx, b.account, id, "stolen"))
	for _, step := range []struct {
		name string
		do   func() error
		want posture.Status
	}{
		{"quarantined", func() error { return nil }, posture.StatusQuarantined},
		{"reporting that it is fit", func() error {
			return b.svc.Report(ctx, ref, Submission(posture.Report{OS: posture.OS{Name: "3/1/0"}}, "{}"))
		}, posture.StatusQuarantined},
		{"exempted", func() error { return b.svc.Exempt(ctx, b.account, id, "r", b.clock.at.Add(time.Hour)) }, posture.StatusQuarantined},
		{"registered again", func() error { return second(b.svc.Enrol(ctx, b.account, reg)) }, posture.StatusQuarantined},
		{"retired and back", func() error {
			check(t, b.svc.Retire(ctx, ref))
			return second(b.svc.Enrol(ctx, b.account, reg))
		}, posture.StatusQuarantined},
		{"its agent removed", func() error {
			return b.svc.Remove(ctx, b.account, device.Selector{ID: id}, device.RemoveAgent, "")
		}, posture.StatusUnknown},
		{"with an agent again", func() error { return second(b.svc.Enrol(ctx, b.account, reg)) }, posture.StatusQuarantined},
		{"deleted with its data and back", func() error {
			check(t, b.svc.Remove(ctx, b.account, device.Selector{ID: id}, device.RemoveData, ""))
			return second(b.svc.Enrol(ctx, b.account, reg))
		}, posture.StatusQuarantined},
	} {
		check(t, step.do())
		b.clock.advance(time.Second)
		d := b.device(t, id)
		if d.Cell.Status != step.want || !d.Quarantined {
			t.Errorf("%s: %v, quarantined %v", step.name, d.Cell.Status, d.Quarantined)
		}
		want := device.Quarantine{Since: since, Reason: "stolen", By: "kari"}
		list, _, err := b.svc.Select(ctx, b.account, device.Query{Window: page.Window{Limit: 10}})
		check(t, err)
		for _, got := range []device.Quarantine{d.Quarantine, list[0].Quarantine} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", step.name, diff)
			}
		}
		CheckCounts(ctx, t, b.Store, b.account)
	}
	b.report(t, id, "4/2/0", posture.Report{})
	check(t, b.svc.Exempt(ctx, b.account, id, "r", time.Time{}))
	check(t, b.svc.Release(ctx, b.account, id, "found"))
	check(t, b.svc.Release(ctx, b.account, id, "again: nothing to do"))
	if d := b.device(t, id); d.Cell.Status != posture.StatusExempted || d.Quarantined {
		t.Errorf("released, its exemption holds: %+v", d)
	}
	b.clock.advance(time.Second)
	check(t, b.svc.Quarantine(ctx, b.account, id, "stolen again"))
	b.clock.advance(time.Second)
	check(t, b.svc.Unexempt(ctx, b.account, id))
	check(t, b.svc.Release(ctx, b.account, id, ""))
	if d := b.device(t, id); d.Cell.Status != posture.StatusNonCompliant {
		t.Errorf("released, its verdict holds: %+v", d)
	}
	CheckCounts(ctx, t, b.Store, b.account)
	b.clock.advance(time.Second)
	check(t, b.svc.Quarantine(t.Context(), b.account, id, ""))
	check(t, b.svc.Remove(ctx, b.account, device.Selector{ID: id}, device.RemoveAgent, ""))
	check(t, b.svc.Release(t.Context(), b.account, id, ""))
	if d := b.device(t, id); d.Cell.Status != posture.StatusUnknown || d.Quarantined {
		t.Errorf("released without an agent: %+v", d)
	}
	CheckCounts(ctx, t, b.Store, b.account)
	CheckRecord(ctx, t, b.svc, b.account)
	got := slices.DeleteFunc(b.recorded(t, id), func(s string) bool { return !strings.HasPrefix(s, "quarantined") && !strings.HasPrefix(s, "released") })
	if diff := cmp.Diff([]string{"quarantined kari stolen", "released kari found", "quarantined kari stolen again", "released kari"}, got[:4]); diff != "" {
		t.Error(diff)
	}
}

// testHoldsRefused: who cannot be held or exempted, and why not.
func testHoldsRefused(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	other := Account(t, b.Store, "other", 10)
	id := b.enrol(t, device.Registration{}).DeviceID
	_, err := b.svc.Import(ctx, b.account, []device.Sighting{{MAC: Adapters("00:0c:29:00:00:01")[0].MAC}})
	check(t, err)
	seen, err := b.svc.Find(ctx, b.account, device.SelectorOf("00:0c:29:00:00:01"))
	check(t, err)
	long := strings.Repeat("å", 1025)
	for name, c := range map[string]struct {
		err  error
		code errs.Code
	}{
		"quarantine of another account's": {b.svc.Quarantine(ctx, other, id, ""), errs.NotFound},
		"release of another account's":    {b.svc.Release(ctx, other, id, ""), errs.NotFound},
		"no such device":                  {b.svc.Quarantine(ctx, b.account, "nobody", ""), errs.NotFound},
		"no agent":                        {b.svc.Quarantine(ctx, b.account, seen.ID, ""), errs.Invalid},
		"a long reason":                   {b.svc.Quarantine(ctx, b.account, id, long), errs.Invalid},
		"a long reason to release":        {b.svc.Release(ctx, b.account, id, long), errs.Invalid},
		"a reason that is no text":        {b.svc.Quarantine(ctx, b.account, id, "a\xff"), errs.Invalid},
		"a long reason to exempt":         {b.svc.Exempt(ctx, b.account, id, long, time.Time{}), errs.Invalid},
		"exempt without an agent":         {b.svc.Exempt(ctx, b.account, seen.ID, "", time.Time{}), errs.Invalid},
		"exempt until now":                {b.svc.Exempt(ctx, b.account, id, "", b.clock.at), errs.Invalid},
		"exempt for too long":             {b.svc.Exempt(ctx, b.account, id, "", b.clock.at.Add(65000*time.Hour)), errs.Invalid},
		"exempt by action for too long": {second(b.svc.Act(ctx, b.account, device.ActionRequest{
			Action: device.ActExempt, Device: device.Selector{ID: id}, ExemptFor: 65000 * time.Hour,
		})), errs.Invalid},
	} {
		if !errs.Is(c.err, c.code) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	if d := b.device(t, id); d.Exempted || d.Quarantined {
		t.Errorf("something was changed: %+v", d)
	}
	check(t, b.svc.Exempt(ctx, b.account, id, strings.Repeat("å", 1024), b.clock.at.Add(device.MaxExemptHours*time.Hour)))
}

// testExemptionLapses turns the clock past the end of exemptions, with the server started anew in between.
func testExemptionLapses(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := event.By(t.Context(), "kari")
	id := map[string]string{}
	for _, name := range []string{"swept", "reporting", "held too", "for good"} {
		id[name] = b.enrol(t, device.Registration{}).DeviceID
		bad := posture.Report{OS: posture.OS{Name: "4/2/0"}}
		check(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: id[name]}, Submission(bad, "4/2/0|")))
		until := Epoch.Add(10 * time.Hour)
		if name == "for good" {
			until = time.Time{}
		}
		check(t, b.svc.Exempt(ctx, b.account, id[name], "vendor visit", until))
	}
	check(t, b.svc.Quarantine(ctx, b.account, id["held too"], "stolen"))
	if d := b.device(t, id["swept"]); d.Exemption.By != "kari" || d.Exemption.Reason != "vendor visit" || !d.Exemption.Until.Equal(Epoch.Add(10*time.Hour)) {
		t.Errorf("the exemption: %+v", d.Exemption)
	}
	b.svc = service(b.Store, b.clock.now) // what is due is in the database alone
	b.clock.at = Epoch.Add(10*time.Hour - time.Millisecond)
	if n, err := b.svc.Sweep(ctx, b.account); err != nil || n != 0 {
		t.Errorf("a moment before: %d judged, %v", n, err)
	}
	b.clock.advance(time.Millisecond)
	// An agent that reports what it reported before does not wait for the sweep.
	check(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: id["reporting"]}, Submission(posture.Report{OS: posture.OS{Name: "4/2/0"}}, "4/2/0|")))
	if n, err := b.svc.Sweep(ctx, b.account); err != nil || n != 2 {
		t.Errorf("its time is up: %d judged, %v", n, err)
	}
	for name, want := range map[string]posture.Status{
		"swept": posture.StatusNonCompliant, "reporting": posture.StatusNonCompliant, "held too": posture.StatusQuarantined, "for good": posture.StatusExempted,
	} {
		if d := b.device(t, id[name]); d.Cell.Status != want || d.Exempted != (name == "for good") {
			t.Errorf("%s: %v, exempted %v", name, d.Cell.Status, d.Exempted)
		}
		ended := slices.Contains(b.recorded(t, id[name]), "unexempted  its time was up")
		if ended != (name != "for good") {
			t.Errorf("%s: the end is recorded = %v", name, ended)
		}
	}
	CheckCounts(ctx, t, b.Store, b.account)
	CheckRecord(ctx, t, b.svc, b.account)
}
