package storetest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

// quiet is a Judge that finds devices unfit that have not reported for three hours, and counts how often it is asked.
type quiet struct{ asked atomic.Int64 }

const quietAfter = 3 * time.Hour

// Version implements device.Judge.
func (*quiet) Version(p posture.PolicyRef, g posture.GroupID) string { return Judge{}.Version(p, g) }

// Judge implements device.Judge.
func (j *quiet) Judge(ctx context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	j.asked.Add(1)
	v, err := Judge{}.Judge(ctx, s, now)
	if now.Sub(s.LastReport) >= quietAfter {
		v.Status, v.Silent = posture.StatusNonCompliant, true
	} else {
		v.Silence = quietAfter
	}
	return v, err
}

// restart stores what is in memory, as a server that ends does, and makes a new service.
func (b *bench) restart(t *testing.T, j device.Judge) {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	b.svc.Run(ended)
	b.svc = judgedBy(b.Store, b.clock, j)
}

// testSilence has some devices report what they reported before, and others nothing.
func testSilence(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	j := &quiet{}
	b.svc = judgedBy(b.Store, b.clock, j)
	id := map[string]string{}
	for _, name := range []string{"silent", "reporting", "pinging", "exempted", "gone"} {
		id[name] = b.enrol(t, device.Registration{}).DeviceID
	}
	start := b.clock.at
	report := func(name string) {
		t.Helper()
		check(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: id[name]}, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}}, "3/0/0|")))
	}
	for name := range id {
		report(name)
	}
	check(t, b.svc.Exempt(ctx, b.account, id["exempted"], "r", time.Time{}))
	check(t, b.svc.Delete(ctx, b.account, id["gone"]))
	due := func() int {
		t.Helper()
		list, err := b.Due(ctx, b.account, b.clock.at, 100)
		check(t, err)
		return len(list)
	}
	status := func(when string, silent, reporting posture.Status) {
		t.Helper()
		for name, want := range map[string]posture.Status{"silent": silent, "pinging": silent, "reporting": reporting, "exempted": posture.StatusExempted} {
			if d := b.device(t, id[name]); d.Cell.Status != want {
				t.Errorf("%s: %s is %v, want %v", when, name, d.Cell.Status, want)
			}
		}
		CheckCounts(ctx, t, b.Store, b.account)
	}
	for hour := range 3 {
		b.clock.at = start.Add(time.Duration(hour) * time.Hour)
		report("reporting")
		b.svc.Ping(ctx, device.Ref{Account: b.account, ID: id["pinging"]})
	}
	b.restart(t, j)
	b.clock.at = start.Add(quietAfter)
	asked := j.asked.Load()
	if n, err := b.svc.Sweep(ctx, b.account); err != nil || n != 0 || due() != 0 {
		t.Errorf("a report may still be on its way: %d judged, %d due, %v", n, due(), err)
	}
	b.clock.advance(2 * device.SeenLag)
	if n := due(); n != 4 {
		t.Errorf("%d are due, want all that are there", n)
	}
	if n, err := b.svc.Sweep(ctx, b.account); err != nil || n != 3 || j.asked.Load()-asked != 3 {
		t.Errorf("%d were judged, the judge was asked %d times, %v", n, j.asked.Load()-asked, err)
	}
	status("silent for three hours", posture.StatusNonCompliant, posture.StatusCompliant)
	if n := due(); n != 0 {
		t.Errorf("%d are still due", n)
	}
	// The one that reported is silent three hours after its last report, and not after its first.
	b.clock.at = start.Add(2*time.Hour + quietAfter)
	if n, err := b.svc.Sweep(ctx, b.account); err != nil || n != 0 {
		t.Errorf("too early: %d judged, %v", n, err)
	}
	b.clock.advance(2 * device.SeenLag)
	if n, err := b.svc.Sweep(ctx, b.account); err != nil || n != 1 {
		t.Errorf("%d judged, %v", n, err)
	}
	status("all silent", posture.StatusNonCompliant, posture.StatusNonCompliant)
	// What it reported before brings a device back, though that says nothing new.
	for _, name := range []string{"silent", "pinging", "reporting", "exempted"} {
		report(name)
	}
	status("all back", posture.StatusCompliant, posture.StatusCompliant)
	if n, err := b.svc.Sweep(ctx, b.account); err != nil || n != 0 {
		t.Errorf("back: %d judged, %v", n, err)
	}
	CheckRecord(ctx, t, b.svc, b.account)
}
