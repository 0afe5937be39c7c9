package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// strictFleet enrols devices in two groups, of which every third is not compliant once the policy of its group is stored.
func strictFleet(t *testing.T, b *bench, n int) (lab posture.GroupID, ids []string) {
	t.Helper()
	ctx := t.Context()
	lab = b.group(t, "Lab", true)
	for i := range n {
		r := device.Registration{Name: fmt.Sprintf("device %d", i)}
		if i%2 == 1 {
			r.GroupID = fmt.Sprint(lab)
		}
		en, err := b.svc.Enrol(ctx, b.account, r)
		check(t, err)
		ids = append(ids, en.DeviceID)
		if i == 0 {
			continue // it never reports
		}
		os := posture.OS{Name: "3/0/0", Version: "lax"}
		if i%3 == 0 {
			os.Version = "strict"
		}
		check(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: en.DeviceID}, Submission(posture.Report{OS: os}, os.Name+"|"+os.Version)))
	}
	return lab, ids
}

func testRejudging(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	const n = 600
	lab, ids := strictFleet(t, b, n)
	check(t, b.svc.Exempt(ctx, b.account, ids[3], "r", time.Time{}))
	check(t, b.svc.Retire(ctx, device.Ref{Account: b.account, ID: ids[9]}))
	book := b.book()
	_, err := book.Save(ctx, b.account, posture.DefaultPolicy, document(t, "Ours", 1), by("app-1"))
	check(t, err)
	walk := device.Walk{Account: b.account, Groups: []posture.GroupID{posture.DefaultGroup, lab}}
	total, err := b.svc.Total(ctx, &walk)
	if err != nil || total != n-1 {
		t.Errorf("the walk is about %d devices, %v", total, err)
	}
	var sum device.Tally
	parts := 0
	for end := false; !end; parts++ {
		// A new walk goes on where the last one was, as after a restart.
		walk = device.Walk{Account: b.account, Groups: walk.Groups, Position: walk.Position}
		var part device.Tally
		part, end, err = b.svc.Rejudge(ctx, &walk)
		check(t, err)
		sum.Done, sum.Changed, sum.Failed = sum.Done+part.Done, sum.Changed+part.Changed, sum.Failed+part.Failed
		CheckCounts(ctx, t, b.Store, b.account)
	}
	// Every third but the first, the exempted one and the one that is gone.
	if want := (device.Tally{Done: n - 1, Changed: n/3 - 3}); sum != want || parts < 4 {
		t.Errorf("%+v in %d parts, want %+v", sum, parts, want)
	}
	for i, id := range ids {
		if i == 9 {
			continue
		}
		want := posture.StatusCompliant
		switch {
		case i == 0:
			want = posture.StatusInstalled
		case i == 3:
			want = posture.StatusExempted
		case i%3 == 0:
			want = posture.StatusNonCompliant
		}
		if got := b.device(t, id); got.Cell.Status != want || i > 0 && got.Policy.Version != 1 {
			t.Fatalf("device %d is %v by %v, want %v", i, got.Cell.Status, got.Policy, want)
		}
	}
	if got := b.recorded(t, ids[6]); !slices.Equal(slices.Sorted(slices.Values(got)), []string{"enrolled", "reported", "status_changed", "status_changed"}) {
		t.Errorf("recorded: %v", got)
	}
	walk.Position = ""
	part, _, err := b.svc.Rejudge(ctx, &walk)
	if err != nil || part.Changed != 0 {
		t.Errorf("again: %+v, %v", part, err)
	}
}

// testRejudgingUnderLoad judges a fleet anew while its devices report, are moved and deleted, and compares counts with rows.
func testRejudgingUnderLoad(t *testing.T, e Engine) {
	b := newBench(t, e)
	b.svc = service(b.Store, time.Now)
	ctx := t.Context()
	lab, ids := strictFleet(t, b, 300)
	_, err := b.book().Save(ctx, b.account, posture.DefaultPolicy, document(t, "Ours", 1), by(""))
	check(t, err)
	var others sync.WaitGroup
	for i := range 3 {
		others.Go(func() {
			for k := i + 1; k < len(ids); k += 7 {
				os := posture.OS{Name: "3/0/0", Version: []string{"lax", "strict"}[k%2]}
				ref := device.Ref{Account: b.account, ID: ids[k]}
				body := fmt.Sprintf("%s|%s", os.Name, os.Version)
				err := b.svc.Report(ctx, ref, Submission(posture.Report{OS: os}, body))
				if err == nil && k%5 == 0 {
					err = second(b.svc.Act(ctx, b.account, device.ActionRequest{Action: device.ActAssignGroup, Device: device.Selector{ID: ids[k]}, Group: lab}))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	walk := device.Walk{Account: b.account, Groups: []posture.GroupID{posture.DefaultGroup, lab}}
	for end := false; !end; {
		_, end, err = b.svc.Rejudge(ctx, &walk)
		check(t, err)
		CheckCounts(ctx, t, b.Store, b.account)
	}
	others.Wait()
	CheckCounts(ctx, t, b.Store, b.account)
	for i, id := range ids[1:] {
		d := b.device(t, id)
		report, _, err := b.svc.LastReport(ctx, b.account, id)
		check(t, err)
		want := posture.StatusCompliant
		if report.OS.Version == "strict" {
			want = posture.StatusNonCompliant
		}
		if d.Cell.Status != want {
			t.Errorf("device %d, which is %s, is %v", i+1, report.OS.Version, d.Cell.Status)
		}
	}
}

// testTrials compares what a trial says with what then happens.
func testTrials(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	lab, ids := strictFleet(t, b, 300)
	check(t, b.svc.Exempt(ctx, b.account, ids[3], "r", time.Time{}))
	before := CheckCounts(ctx, t, b.Store, b.account)
	groups := []posture.GroupID{posture.DefaultGroup, lab}
	var trial device.Trial
	walk := device.Walk{Account: b.account, Groups: groups}
	var looked int64
	for end := false; !end; {
		n, last, err := b.svc.Try(ctx, &walk, stored{}, &trial)
		check(t, err)
		end, looked = last, looked+n
	}
	trial.Sort()
	if now := CheckCounts(ctx, t, b.Store, b.account); now != before || looked != 300 {
		t.Errorf("a trial changed something, or looked at %d: %+v, %+v", looked, before, now)
	}
	change := func(n int64) []device.TrialChange {
		return []device.TrialChange{{From: "compliant", To: "non-compliant", Devices: n}}
	}
	if len(trial.Examples) != 98 || trial.Examples[0].Name == "" {
		t.Errorf("%d examples, the first %+v", len(trial.Examples), trial.Examples[:1])
	}
	trial.Examples = nil
	want := device.Trial{
		Devices: 299, Changed: 98, Changes: change(98), Checks: []device.TrialCheck{{Check: "strict", Now: 0, Then: 99}},
		Groups: []device.TrialGroup{{Group: posture.DefaultGroup, Devices: 149, Changes: change(49)}, {Group: lab, Devices: 150, Changes: change(49)}},
	}
	if diff := cmp.Diff(want, trial); diff != "" {
		t.Error(diff)
	}
	_, err := b.book().Save(ctx, b.account, posture.DefaultPolicy, document(t, "Ours", 1), by(""))
	check(t, err)
	walk.Position = ""
	var changed int64
	for end := false; !end; {
		part, last, err := b.svc.Rejudge(ctx, &walk)
		check(t, err)
		end, changed = last, changed+part.Changed
	}
	if changed != want.Changed {
		t.Errorf("%d devices changed, the trial said %d", changed, want.Changed)
	}
	// What cannot be judged now is not what cannot be judged.
	_, _, err = b.svc.Try(ctx, &device.Walk{Account: b.account, Groups: groups}, &strict{fails: true}, &trial)
	wantCode(t, err, errs.Unavailable)
}

// stored judges as Judge does where a policy has been stored.
type stored struct{}

// Version implements device.Judge.
func (stored) Version(posture.PolicyRef, posture.GroupID) string { return "" }

// Judge implements device.Judge.
func (stored) Judge(ctx context.Context, subject *device.Subject, now time.Time) (posture.Verdict, error) {
	other := *subject
	other.Policy.Version = 1
	return Judge{}.Judge(ctx, &other, now)
}
