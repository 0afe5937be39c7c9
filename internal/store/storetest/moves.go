package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
	"muster/internal/store"
)

// strict is a Judge that finds every device of one group unfit, and may be out of order.
type strict struct {
	group posture.GroupID
	fails bool
}

// Version implements device.Judge.
func (*strict) Version(p posture.PolicyRef, g posture.GroupID) string { return Judge{}.Version(p, g) }

// Judge implements device.Judge.
func (j *strict) Judge(ctx context.Context, s *device.Subject, now time.Time) (posture.Verdict, error) {
	if j.fails {
		return posture.Verdict{}, errs.New(errs.Unavailable, "out of order")
	}
	v, err := Judge{}.Judge(ctx, s, now)
	if s.Group == j.group {
		v.Status = posture.StatusNonCompliant
	}
	return v, err
}

// judgedBy makes a service with another judge than that of the suite.
func judgedBy(s *store.Store, c *clock, j device.Judge) *device.Service {
	return device.New(device.Options{Store: s, Judge: j, Decode: Decode, Now: c.now, Log: slog.New(slog.DiscardHandler), CompileJoin: CompileJoin})
}

// testMovesAreJudged moves devices to a group with another policy.
func testMovesAreJudged(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	lab := b.group(t, "Lab", false)
	j := &strict{group: lab}
	b.svc = judgedBy(b.Store, b.clock, j)
	id := map[string]string{}
	for _, name := range []string{"plain", "exempted", "held", "installed"} {
		id[name] = b.enrol(t, device.Registration{}).DeviceID
		if name != "installed" {
			check(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: id[name]}, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}}, "3/0/0|")))
		}
	}
	check(t, b.svc.Exempt(ctx, b.account, id["exempted"], "r", b.clock.at.Add(time.Hour)))
	check(t, b.svc.Quarantine(ctx, b.account, id["held"], "r"))
	move := func(id string, to posture.GroupID) {
		t.Helper()
		out, err := b.svc.Act(ctx, b.account, device.ActionRequest{Action: device.ActAssignGroup, Device: device.Selector{ID: id}, Group: to})
		if err != nil || out.Result != device.ActionDone {
			t.Fatalf("%+v, %v", out, err)
		}
		b.clock.advance(time.Second)
	}
	want := func(when string, group posture.GroupID, plain posture.Status) {
		t.Helper()
		for name, status := range map[string]posture.Status{
			"plain": plain, "exempted": posture.StatusExempted, "held": posture.StatusQuarantined, "installed": posture.StatusInstalled,
		} {
			d := b.device(t, id[name])
			if d.Cell.Status != status || d.Cell.Group != group || !d.Pinned {
				t.Errorf("%s, %s: %v in group %d, pinned %v", when, name, d.Cell.Status, d.Cell.Group, d.Pinned)
			}
			if judged := plain; name != "installed" && d.Judged != judged {
				t.Errorf("%s, %s: judged %v, want %v", when, name, d.Judged, judged)
			}
		}
		CheckCounts(ctx, t, b.Store, b.account)
	}
	for _, name := range []string{"plain", "exempted", "held", "installed"} {
		move(id[name], lab)
	}
	want("moved", lab, posture.StatusNonCompliant)
	for _, name := range []string{"plain", "exempted", "held", "installed"} {
		move(id[name], posture.DefaultGroup)
	}
	want("moved back", posture.DefaultGroup, posture.StatusCompliant)
	if n, err := b.svc.Sweep(ctx, b.account); err != nil || n != 0 {
		t.Errorf("nothing is due any more: %d, %v", n, err)
	}
	// What cannot be judged when it is moved is judged as soon as that can be done.
	j.fails = true
	move(id["plain"], lab)
	if d := b.device(t, id["plain"]); d.Cell.Status != posture.StatusCompliant || d.Cell.Group != lab || d.NextChange.IsZero() {
		t.Errorf("moved while nothing can be judged: %+v", d)
	}
	j.fails = false
	if n, err := b.svc.Sweep(ctx, b.account); err != nil || n != 1 || b.device(t, id["plain"]).Cell.Status != posture.StatusNonCompliant {
		t.Errorf("swept: %d, %v", n, err)
	}
	CheckRecord(ctx, t, b.svc, b.account)
}

// testDissolving deletes groups whose devices go elsewhere.
func testDissolving(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	other := Account(t, b.Store, "other", 10)
	lab, office := b.group(t, "Lab", true), b.group(t, "Office", false)
	b.svc = judgedBy(b.Store, b.clock, &strict{group: office})
	const many = 120 // more than two steps move
	for i := range many {
		id := b.enrol(t, device.Registration{HardwareID: fmt.Sprintf("HW-%04d", i), GroupID: fmt.Sprint(lab)}).DeviceID
		if i%4 == 0 {
			check(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: id}, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}}, "3/0/0|")))
		}
	}
	old := int64(7)
	for name, c := range map[string]struct {
		err  error
		code errs.Code
	}{
		"into itself":            {second(b.svc.DissolveGroup(ctx, b.account, lab, lab, nil, "")), errs.Invalid},
		"into nothing":           {second(b.svc.DissolveGroup(ctx, b.account, lab, 99, nil, "")), errs.NotFound},
		"nothing":                {second(b.svc.DissolveGroup(ctx, b.account, 99, lab, nil, "")), errs.NotFound},
		"the default group":      {second(b.svc.DissolveGroup(ctx, b.account, posture.DefaultGroup, lab, nil, "")), errs.Conflict},
		"as it was":              {second(b.svc.DissolveGroup(ctx, b.account, lab, office, &old, "")), errs.Stale},
		"another account's":      {second(b.svc.DissolveGroup(ctx, other, lab, posture.DefaultGroup, nil, "")), errs.NotFound},
		"deleting as it was":     {b.svc.DeleteGroup(ctx, b.account, lab, &old, ""), errs.Stale},
		"deleting while in use":  {b.svc.DeleteGroup(ctx, b.account, lab, nil, ""), errs.Conflict},
		"deleting the last copy": {b.svc.DeleteGroup(ctx, b.account, posture.DefaultGroup, nil, ""), errs.Conflict},
	} {
		if !errs.Is(c.err, c.code) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	if got := b.members(t); got[lab] != many {
		t.Fatalf("something was moved: %v", got)
	}
	// It breaks off after the first step, and is done again.
	cut, cancel := context.WithCancel(ctx)
	b.clock.at = b.clock.at.Add(time.Second)
	svc := judgedBy(b.Store, b.clock, &strict{group: office})
	broken := device.New(device.Options{Store: &breaking{Store: b.Store, after: 2, cancel: cancel}, Judge: &strict{group: office}, Decode: Decode, Now: b.clock.now})
	n, err := broken.DissolveGroup(cut, b.account, lab, office, nil, "kari")
	if got := b.members(t); err == nil || n == 0 || got[office] != int64(n) || got[lab] != int64(many-n) {
		t.Fatalf("broken off: %d moved, %v, %v", n, got, err)
	}
	rest, err := svc.DissolveGroup(ctx, b.account, lab, office, new(int64(1)), "kari")
	if got := b.members(t); err != nil || n+rest != many || got[office] != many || len(got) != 2 {
		t.Fatalf("%d and %d moved, %v, %v", n, rest, got, err)
	}
	if judged, err := svc.Sweep(ctx, b.account); err != nil || judged != many/4 {
		t.Errorf("%d judged by the other policy, %v", judged, err)
	}
	if got := CheckCounts(ctx, t, b.Store, b.account); got.Status[posture.StatusNonCompliant] != many/4 || got.Status[posture.StatusInstalled] != many-many/4 {
		t.Errorf("counts %+v", got)
	}
	if !slices.Contains(b.recorded(t, ""), "configured kari group deleted: Lab") {
		t.Error("the end of the group is not recorded")
	}
	CheckRecord(ctx, t, svc, b.account)
}

// breaking is a store whose caller goes away after some steps.
type breaking struct {
	*store.Store
	after  int
	cancel func()
}

// Change implements device.Store.
func (s *breaking) Change(ctx context.Context, c device.Change) error {
	if s.after--; s.after < 0 {
		s.cancel()
		return errors.New("broken off")
	}
	return s.Store.Change(ctx, c)
}
