package storetest

import (
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

// testSweep moves the clock past what only time changes, while the devices say nothing.
func testSweep(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	good := posture.OS{Name: "3/0/0", Version: Epoch.Add(72 * time.Hour).Format(time.RFC3339)}
	names := []string{"silent", "exempted", "unreadable", "retired", "exempted, never reported"}
	id := make(map[string]string)
	for _, name := range names {
		id[name] = b.enrol(t, device.Registration{Name: name}).DeviceID
		if name == "exempted, never reported" {
			continue
		}
		body := good.Name + "|" + good.Version
		if name == "unreadable" {
			body = "nonsense"
		}
		check(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: id[name]}, Submission(posture.Report{OS: good}, body)))
	}
	check(t, b.svc.Exempt(ctx, b.account, id["exempted"], "r", Epoch.Add(100*time.Hour)))
	check(t, b.svc.Exempt(ctx, b.account, id["exempted, never reported"], "r", Epoch.Add(100*time.Hour)))
	check(t, b.svc.Retire(ctx, device.Ref{Account: b.account, ID: id["retired"]}))
	for _, step := range []struct {
		at     time.Duration
		judged int
		want   map[string]posture.Status
	}{
		{71 * time.Hour, 0, map[string]posture.Status{"silent": posture.StatusCompliant, "exempted": posture.StatusExempted}},
		{72 * time.Hour, 3, map[string]posture.Status{"silent": posture.StatusNonCompliant, "exempted": posture.StatusExempted, "unreadable": posture.StatusCompliant}},
		{73 * time.Hour, 0, nil},
		{100 * time.Hour, 2, map[string]posture.Status{"exempted": posture.StatusNonCompliant, "exempted, never reported": posture.StatusInstalled}},
		{101 * time.Hour, 0, nil},
	} {
		b.clock.at = Epoch.Add(step.at)
		n, err := b.svc.Sweep(ctx, b.account)
		if err != nil || n != step.judged {
			t.Errorf("after %v: %d were judged, want %d; %v", step.at, n, step.judged, err)
		}
		for name, want := range step.want {
			if got := b.device(t, id[name]).Cell.Status; got != want {
				t.Errorf("after %v: %s is %v, want %v", step.at, name, got, want)
			}
		}
		CheckCounts(ctx, t, b.Store, b.account)
	}
	v, err := b.svc.Verdict(ctx, b.account, id["silent"])
	if err != nil || v.Severity != posture.Critical {
		t.Errorf("the verdict that time brought: %+v, %v", v, err)
	}
}

// testConflicts follows the mark of devices that claim one hardware id.
func testConflicts(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	var id []string
	for range 3 {
		id = append(id, b.enrol(t, device.Registration{}).DeviceID)
	}
	want := func(when string, conflict ...bool) {
		t.Helper()
		for i := range conflict {
			if got := b.device(t, id[i]).Conflict; got != conflict[i] {
				t.Errorf("%s: device %d in conflict = %v", when, i, got)
			}
		}
	}
	b.report(t, id[0], "3/0/0", posture.Report{HardwareID: "HW-0001"})
	want("one alone", false, false, false)
	b.report(t, id[1], "3/0/0", posture.Report{HardwareID: "HW-0001"})
	b.report(t, id[2], "3/0/0", posture.Report{HardwareID: "HW-0001"})
	want("three of them", true, true, true)
	b.report(t, id[2], "3/0/0", posture.Report{HardwareID: "HW-0002"})
	want("one changed its id", true, true, false)
	check(t, b.svc.Retire(ctx, device.Ref{Account: b.account, ID: id[1]}))
	if b.device(t, id[0]).Conflict {
		t.Error("the last one is still in conflict, with nobody")
	}
}
