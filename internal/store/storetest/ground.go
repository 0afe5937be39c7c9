package storetest

import (
	"context"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// interrupted is a Judge that finds devices unfit whose linked user is mallory, that have not reported for three hours, or
// that are not fit by themselves, and that has something else happen once while it judges.
type interrupted struct {
	quiet
	meanwhile func()
	fails     bool
}

// Judge implements device.Judge.
func (j *interrupted) Judge(ctx context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	if j.fails {
		return posture.Verdict{}, errs.New(errs.Unavailable, "out of order")
	}
	v, err := j.quiet.Judge(ctx, s, now)
	v.LinkedMatters = true
	if s.User == "mallory" {
		v.Status = posture.StatusNonCompliant
	}
	if v.Status != posture.StatusCompliant {
		v.FailingSince = s.FailingSince
		if v.FailingSince.IsZero() {
			v.FailingSince = now
		}
	}
	meanwhile := j.meanwhile
	j.meanwhile = nil
	if meanwhile != nil {
		meanwhile()
	}
	return v, err
}

// interruptedBench has one device that reported that it is fit.
func interruptedBench(t *testing.T, e Engine) (*bench, *interrupted, device.Ref) {
	t.Helper()
	b, j := newBench(t, e), &interrupted{}
	b.svc = judgedBy(b.Store, b.clock, j)
	ref := device.Ref{Account: b.account, ID: b.enrol(t, device.Registration{HardwareID: "HW-0001"}).DeviceID}
	b.report(t, ref.ID, "3/0/0", posture.Report{})
	return b, j, ref
}

// stands checks where a device stands, and that it is not due.
func (b *bench) stands(t *testing.T, id string, want posture.Status) {
	t.Helper()
	if d := b.device(t, id); d.Cell.Status != want {
		t.Errorf("the device is %v, want %v", d.Cell.Status, want)
	}
	if due, err := b.Due(t.Context(), b.account, b.clock.at, 10); err != nil || len(due) != 0 {
		t.Errorf("due: %v, %v", due, err)
	}
	CheckCounts(t.Context(), t, b.Store, b.account)
}

// testSilenceEndsMeanwhile has a device report while it is found silent.
func testSilenceEndsMeanwhile(t *testing.T, e Engine) {
	b, j, ref := interruptedBench(t, e)
	b.clock.advance(quietAfter + time.Minute)
	j.meanwhile = func() {
		b.clock.advance(time.Second)
		// Another server judges it silent just before, so that the report is not taken for one that changes nothing.
		_, err := b.svc.Sweep(t.Context(), b.account)
		check(t, err)
		check(t, b.svc.Report(t.Context(), ref, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}}, "{}")))
	}
	j.decodes(b)
	_, err := b.svc.Sweep(t.Context(), b.account)
	check(t, err)
	b.stands(t, ref.ID, posture.StatusCompliant)
}

// testSilenceOfSeveralServers judges a device anew whose last report came a moment ago to another server, which has not
// stored that yet.
func testSilenceOfSeveralServers(t *testing.T, e Engine) {
	b, j, ref := interruptedBench(t, e)
	j.decodes(b)
	other := device.New(device.Options{Store: b.Store, Judge: j, Now: b.clock.now})
	b.clock.at = b.device(t, ref.ID).LastReport.Add(quietAfter - time.Millisecond)
	check(t, other.Report(t.Context(), ref, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}}, "{}")))
	b.clock.advance(2 * device.SeenLag)
	_, _, err := b.svc.Rejudge(t.Context(), &device.Walk{Account: b.account, Groups: []posture.GroupID{posture.DefaultGroup}, Anew: true})
	check(t, err)
	b.stands(t, ref.ID, posture.StatusCompliant)
}

// decodes makes a service that reads the bodies of bench.report.
func (j *interrupted) decodes(b *bench) {
	b.svc = device.New(device.Options{Store: b.Store, Judge: j, Now: b.clock.now, Decode: func([]byte) (*posture.Report, error) {
		return &posture.Report{OS: posture.OS{Name: "3/0/0"}}, nil
	}})
}

// testAgentRemovedMeanwhile has the agent of a device removed while the device is judged anew, in either way.
func testAgentRemovedMeanwhile(t *testing.T, e Engine) {
	for _, how := range []string{"swept", "run over"} {
		b, j, ref := interruptedBench(t, e)
		ctx := t.Context()
		j.decodes(b)
		b.clock.advance(quietAfter + time.Minute)
		j.meanwhile = func() {
			check(t, b.svc.Remove(ctx, b.account, device.Selector{ID: ref.ID}, device.RemoveAgent, ""))
		}
		var err error
		if how == "swept" {
			_, err = b.svc.Sweep(ctx, b.account)
		} else {
			_, _, err = b.svc.Rejudge(ctx, &device.Walk{Account: b.account, Groups: []posture.GroupID{posture.DefaultGroup}, Anew: true})
		}
		check(t, err)
		b.stands(t, ref.ID, posture.StatusUnknown)
	}
}

// testEarlierVerdicts has a device become unfit by time that was judged by a program that did not store when verdicts
// change, and that never reports again.
func testEarlierVerdicts(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	until := b.clock.at.Add(time.Hour)
	id := b.enrol(t, device.Registration{}).DeviceID
	version := until.Format(time.RFC3339)
	check(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: id}, Submission(posture.Report{OS: posture.OS{Name: "3/0/0", Version: version}}, "3/0/0|"+version)))
	check(t, e.Exec(ctx, b.Store, "UPDATE devices SET verdict_change_at = 0, judge = 'v2'"))
	b.clock.advance(time.Minute)
	if n, err := b.svc.Sweep(ctx, b.account); err != nil || n != 0 {
		t.Errorf("too early: %d judged, %v", n, err)
	}
	b.clock.at = until
	if n, err := b.svc.Sweep(ctx, b.account); err != nil || n != 1 {
		t.Errorf("%d judged, %v", n, err)
	}
	b.stands(t, id, posture.StatusNonCompliant)
}

// testLinkedMeanwhile links another user to a device while its report is judged.
func testLinkedMeanwhile(t *testing.T, e Engine) {
	b, j, ref := interruptedBench(t, e)
	j.decodes(b)
	j.meanwhile = func() {
		check(t, b.svc.LinkUser(t.Context(), b.account, device.Selector{ID: ref.ID}, device.LinkedUser{Username: "mallory"}))
	}
	b.report(t, ref.ID, "3/1/0", posture.Report{})
	b.stands(t, ref.ID, posture.StatusNonCompliant)
}

// testLinkedUnjudged links a user to a device that cannot be judged at that moment.
func testLinkedUnjudged(t *testing.T, e Engine) {
	b, j, ref := interruptedBench(t, e)
	j.decodes(b)
	j.fails = true
	wantCode(t, b.svc.LinkUser(t.Context(), b.account, device.Selector{ID: ref.ID}, device.LinkedUser{Username: "mallory"}), errs.Unavailable)
	j.fails = false
	if n, err := b.svc.Sweep(t.Context(), b.account); err != nil || n != 1 {
		t.Errorf("%d judged, %v", n, err)
	}
	b.stands(t, ref.ID, posture.StatusNonCompliant)
}

// testGraceOutlivesAgent removes the agent of a device that is unfit in several ways, and installs it again.
func testGraceOutlivesAgent(t *testing.T, e Engine) {
	b, _, ref := interruptedBench(t, e)
	ctx := t.Context()
	b.report(t, ref.ID, "4/2/0", posture.Report{})
	began := b.device(t, ref.ID).FailingSince
	if began.IsZero() {
		t.Fatal("the device is not unfit")
	}
	again := func(what string, keeps bool) {
		t.Helper()
		b.clock.advance(time.Hour)
		if got := b.enrol(t, device.Registration{HardwareID: "HW-0001"}).DeviceID; got != ref.ID {
			t.Fatalf("%s: it came back as %s, not %s", what, got, ref.ID)
		}
		b.report(t, ref.ID, "4/2/0", posture.Report{})
		if got := b.device(t, ref.ID).FailingSince; got.Equal(began) != keeps {
			t.Errorf("%s: unfit since %v, was since %v", what, got, began)
		}
	}
	again("registered again", true)
	check(t, b.svc.Retire(ctx, ref))
	again("reinstalled", true)
	check(t, b.svc.Remove(ctx, b.account, device.Selector{ID: ref.ID}, device.RemoveData, ""))
	again("deleted", false)
	began = b.device(t, ref.ID).FailingSince
	check(t, b.svc.Remove(ctx, b.account, device.Selector{ID: ref.ID}, device.RemoveAgent, ""))
	again("agent removed", false)
}

// placed is a Judge that finds devices unfit whose report did not come from the office.
type placed struct{}

const office = "203.0.113.9"

// Version implements device.Judge.
func (placed) Version(p posture.PolicyRef, g posture.GroupID) string { return Judge{}.Version(p, g) }

// Judge implements device.Judge.
func (placed) Judge(ctx context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	v, err := Judge{}.Judge(ctx, s, now)
	if s.Report.PublicIP != office {
		v.Status = posture.StatusNonCompliant
	}
	v.LinkedMatters = true
	return v, err
}

// testWhereReportsCameFrom judges a device anew in every way: it is judged by what it was judged by when it reported.
func testWhereReportsCameFrom(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	lab := b.group(t, "Lab", false)
	b.svc = judgedBy(b.Store, b.clock, placed{})
	ref := device.Ref{Account: b.account, ID: b.enrol(t, device.Registration{}).DeviceID}
	check(t, b.svc.Report(ctx, ref, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}, PublicIP: office}, "3/0/0|")))
	check(t, b.svc.LinkUser(ctx, b.account, device.Selector{ID: ref.ID}, device.LinkedUser{Username: "kari"}))
	b.stands(t, ref.ID, posture.StatusCompliant)
	check(t, b.move(ctx, ref.ID, lab))
	b.stands(t, ref.ID, posture.StatusCompliant)
	walk := func() *device.Walk {
		return &device.Walk{Account: b.account, Groups: []posture.GroupID{lab}, Anew: true}
	}
	_, _, err := b.svc.Rejudge(ctx, walk())
	check(t, err)
	b.stands(t, ref.ID, posture.StatusCompliant)
	var trial device.Trial
	_, _, err = b.svc.Try(ctx, walk(), placed{}, &trial)
	if err != nil || trial.Devices != 1 || trial.Changed != 0 {
		t.Errorf("a trial says %+v, %v", trial, err)
	}
}
