package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/risk"
	"muster/internal/store"
)

// riskBench is a softBench whose judge leaves out what is accepted.
type riskBench struct {
	*softBench
	risks  *risk.Service
	groups []posture.GroupID
}

func newRiskBench(t *testing.T, e Engine) *riskBench {
	t.Helper()
	b := &riskBench{softBench: newSoftBench(t, e), groups: []posture.GroupID{posture.DefaultGroup}}
	b.risks = risks(b.Store, b.clock.now, b.svc.JudgeNow)
	b.judge.accepted = func(account posture.AccountID) *risk.Set {
		set, err := b.risks.Active(t.Context(), account)
		check(t, err)
		return set
	}
	return b
}

// run does what runs do that follow from what was accepted: it judges anew the devices that have what they are about.
func (b *riskBench) run(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	open, err := b.OpenRuns(ctx, "reevaluate")
	check(t, err)
	for _, r := range open {
		facets, err := b.FacetsOf(ctx, b.account, nil, r.Params.CVEs)
		check(t, err)
		w := &device.Walk{Account: b.account, Groups: b.groups, Facets: facets, Anew: true}
		for end := len(facets) == 0 && len(r.Params.CVEs) > 0; !end; {
			_, end, err = b.svc.Rejudge(ctx, w)
			check(t, err)
		}
		check(t, second(b.CancelRun(ctx, b.account, r.ID, b.clock.at)))
	}
}

func (b *riskBench) counted(t *testing.T, id string) string {
	t.Helper()
	v, err := b.svc.Vulnerability(t.Context(), b.account, id)
	if errs.Is(err, errs.NotFound) {
		return "none"
	}
	check(t, err)
	return fmt.Sprintf("%d open, %d accepted", v.Devices, v.Accepted)
}

// testAcceptedLapses: what is accepted stops counting at once, and counts again at the very moment at which it lapses,
// without anybody doing anything.
func testAcceptedLapses(t *testing.T, e Engine) {
	b := newRiskBench(t, e)
	ctx := t.Context()
	one, two := b.newReporting(t, app("a", "", "4444")), b.newReporting(t, app("a", "", "333"))
	worst := "CVE-2022-0098" // device one has it, and worse than what else it has
	if d := b.device(t, one); d.Vulnerabilities != 4 || d.Cell.Levels[0] != posture.LevelHigh {
		t.Fatalf("%d vulnerabilities, level %v", d.Vulnerabilities, d.Cell.Levels)
	}
	until := b.clock.at.Add(time.Hour)
	_, err := b.risks.Accept(ctx, b.account, &risk.Acceptance{Vulnerability: worst, Reason: "x", Author: "anna", Until: until})
	check(t, err)
	b.run(t)
	stands := func(when string, vulnerabilities int, level posture.Level, counted string) {
		t.Helper()
		d := b.device(t, one)
		if d.Vulnerabilities != vulnerabilities || d.Cell.Levels[0] != level || b.counted(t, worst) != counted {
			t.Errorf("%s: %d vulnerabilities, level %v, %s", when, d.Vulnerabilities, d.Cell.Levels[0], b.counted(t, worst))
		}
		CheckCounts(ctx, t, b.Store, b.account)
		CheckSpread(t, b.Store, b.account)
	}
	stands("accepted", 3, posture.LevelMedium, "0 open, 1 accepted")
	v, err := b.svc.Verdict(ctx, b.account, one)
	check(t, err)
	accepted := slices.DeleteFunc(v.Findings, func(f posture.Finding) bool { return f.Accepted == nil })
	if len(accepted) != 1 || accepted[0].ID != worst || accepted[0].Accepted.By != "anna" || !accepted[0].Accepted.Until.Equal(until) || !v.NextChange.Equal(until) {
		t.Errorf("accepted %+v, next change %v", accepted, v.NextChange)
	}
	b.clock.at = until.Add(-time.Millisecond)
	check(t, second(b.svc.Sweep(ctx, b.account)))
	stands("a moment before", 3, posture.LevelMedium, "0 open, 1 accepted")
	b.clock.at = until
	if n, err := b.svc.Sweep(ctx, b.account); n != 1 || err != nil {
		t.Errorf("%d devices were judged, %v", n, err)
	}
	stands("lapsed", 4, posture.LevelHigh, "1 open, 0 accepted")
	// On one device only, judged at once; in one of two products it still counts.
	for _, a := range []risk.Acceptance{{Device: two}, {Device: one, Product: risk.Product{Name: "b"}}} {
		a.Vulnerability, a.Reason = "CVE-2000-0001", "x"
		check(t, second(b.risks.Accept(ctx, b.account, &a)))
	}
	if got := b.counted(t, "CVE-2000-0001"); got != "1 open, 1 accepted" {
		t.Errorf("accepted on one device: %s", got)
	}
	b.reports(t, one, &posture.Report{Applications: []posture.Application{app("a", "", "333"), app("b", "", "333")}})
	if got := b.counted(t, "CVE-2000-0001"); got != "1 open, 1 accepted" {
		t.Errorf("accepted in one of two products: %s", got)
	}
	b.reports(t, one, &posture.Report{Applications: []posture.Application{app("b", "", "333")}})
	if got := b.counted(t, "CVE-2000-0001"); got != "0 open, 2 accepted" {
		t.Errorf("accepted in the only product: %s", got)
	}
	// Of what was found as one, the rest still counts.
	if own, err := b.svc.DeviceVulnerabilities(ctx, b.account, one); err != nil || len(own) != 2 || b.device(t, one).Vulnerabilities != 2 {
		t.Errorf("%d count on the device: %+v, %v", b.device(t, one).Vulnerabilities, own, err)
	}
	check(t, b.svc.Delete(ctx, b.account, one))
	if got := b.counted(t, "CVE-2000-0001"); got != "0 open, 1 accepted" {
		t.Errorf("after a device was deleted: %s", got)
	}
	CheckSpread(t, b.Store, b.account)
}

// testAcceptedCounts does all that changes what counts, in any order, and compares after each step what is counted and found
// with what each device last reported and what is accepted.
func testAcceptedCounts(t *testing.T, e Engine) {
	for seed := range uint64(3) {
		b := newRiskBench(t, e)
		rnd := rand.New(rand.NewPCG(seed, 5))
		b.groups = append(b.groups, b.group(t, "Lab", false))
		var devices, accepted []string
		for range 5 {
			devices = append(devices, b.newReporting(t, randomApps(rnd)...))
		}
		for step := range 25 {
			what := b.change(t, rnd, devices, &accepted)
			b.run(t)
			check(t, second(b.svc.Sweep(t.Context(), b.account)))
			b.compare(t)
			if t.Failed() {
				t.Fatalf("seed %d, after step %d: %s", seed, step, what)
			}
		}
	}
}

func randomApps(rnd *rand.Rand) []posture.Application {
	var out []posture.Application
	for _, name := range []string{"a", "b", "c"} {
		if n := rnd.IntN(5); n > 0 {
			out = append(out, app(name, "", "4444"[:n]))
		}
	}
	return out
}

// change does one thing, and says what.
func (b *riskBench) change(t *testing.T, rnd *rand.Rand, devices []string, accepted *[]string) string {
	t.Helper()
	ctx := t.Context()
	b.clock.advance(time.Second)
	one := devices[rnd.IntN(len(devices))]
	switch n := rnd.IntN(8); n {
	case 0, 1, 2:
		a := &risk.Acceptance{Reason: "x", Vulnerability: fmt.Sprintf("CVE-%d-009%d", 2020+rnd.IntN(3), 8+rnd.IntN(2))}
		if rnd.IntN(3) == 0 {
			a.Vulnerability = []string{"CVE-2000-0001", "GHSA-a", "GHSA-b"}[rnd.IntN(3)]
		}
		if rnd.IntN(2) == 0 {
			a.Until = b.clock.at.Add(time.Duration(1+rnd.IntN(600)) * time.Second)
		}
		switch rnd.IntN(5) {
		case 0:
			a.Group = b.groups[rnd.IntN(2)]
		case 1:
			a.Device = one
		case 2:
			a.Product = risk.Product{Name: []string{"a", "b"}[rnd.IntN(2)]}
		}
		r, err := b.risks.Accept(ctx, b.account, a)
		if errs.Is(err, errs.Invalid) && a.Device != "" {
			return "nothing: the device is gone"
		}
		check(t, err)
		*accepted = append(*accepted, r.ID)
		return fmt.Sprintf("accepted %+v", a)
	case 3:
		if len(*accepted) == 0 {
			return "nothing"
		}
		i := rnd.IntN(len(*accepted))
		id := (*accepted)[i]
		*accepted = slices.Delete(*accepted, i, i+1)
		_, err := b.risks.Revoke(ctx, b.account, id, "x", "y", nil)
		checkOr(t, err, errs.Conflict)
		return "revoked " + id
	case 4:
		b.clock.advance(time.Duration(rnd.IntN(600)) * time.Second)
		return "time went by"
	case 5:
		checkOr(t, b.move(ctx, one, b.groups[rnd.IntN(2)]), errs.NotFound)
		return "moved " + one
	case 6:
		if rnd.IntN(3) == 0 {
			checkOr(t, b.svc.Delete(ctx, b.account, one), errs.NotFound)
			return "deleted " + one
		}
		fallthrough
	default:
		r := &posture.Report{Applications: randomApps(rnd)}
		checkOr(t, b.svc.Report(ctx, device.Ref{Account: b.account, ID: one}, softSubmission(r)), errs.Unauthenticated)
		return "reported " + one
	}
}

// compare holds what is counted and found against what follows from reports and from what is accepted.
func (b *riskBench) compare(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	set, err := b.risks.Active(ctx, b.account)
	check(t, err)
	bare := &softJudge{}
	open, accepted := make(map[string][]string), make(map[string][]string)
	list, _, err := b.Select(ctx, b.account, device.Query{Window: page.Window{Limit: 1000}})
	check(t, err)
	for _, d := range list {
		r, _, err := b.svc.LastReport(ctx, b.account, d.ID)
		check(t, err)
		v, err := bare.Judge(ctx, &device.Subject{Report: r}, b.clock.at)
		check(t, err)
		want := set.Apply(v.Findings, risk.Place{Device: d.ID, Group: d.Cell.Group}, b.clock.at, nil)
		counts := make(map[string]bool)
		for _, f := range want.Findings {
			for _, id := range append(slices.Clone(f.CVEs), f.ID)[:max(len(f.CVEs), 1)] {
				counts[id] = counts[id] || f.Accepted == nil
			}
		}
		n := 0
		for id, counts := range counts {
			if counts {
				open[id] = append(open[id], d.ID)
				n++
			} else {
				accepted[id] = append(accepted[id], d.ID)
			}
		}
		if d.Vulnerabilities != n || d.Cell.Levels != want.Levels {
			t.Errorf("device %s has %d and levels %v; want %d and %v", d.ID, d.Vulnerabilities, d.Cell.Levels, n, want.Levels)
		}
	}
	got := make(map[string]device.Affected)
	for _, v := range walkVulnerabilities(t, b.svc, b.account, device.VulnerabilityQuery{MinScore: -1, On: device.Found}) {
		got[v.ID] = v.Affected
	}
	want := make(map[string]device.Affected)
	for _, of := range []map[string][]string{open, accepted} {
		for id := range of {
			want[id] = device.Affected{Devices: int64(len(open[id])), Accepted: int64(len(accepted[id]))}
			b.finds(t, device.Filter{CVEs: []string{id}}, open[id])
			b.finds(t, device.Filter{AcceptedCVEs: []string{id}}, accepted[id])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for on, some := range map[device.StandingOn]func(device.Affected) bool{
		device.OpenSomewhere:     func(a device.Affected) bool { return a.Devices > 0 },
		device.AcceptedSomewhere: func(a device.Affected) bool { return a.Accepted > 0 },
	} {
		n := 0
		for _, a := range want {
			if some(a) {
				n++
			}
		}
		if list := walkVulnerabilities(t, b.svc, b.account, device.VulnerabilityQuery{MinScore: -1, On: on}); len(list) != n {
			t.Errorf("%d are listed, want %d", len(list), n)
		}
	}
	CheckCounts(ctx, t, b.Store, b.account)
	CheckSpread(t, b.Store, b.account)
}

func (b *riskBench) finds(t *testing.T, f device.Filter, want []string) {
	t.Helper()
	list, _, err := b.Select(t.Context(), b.account, device.Query{Filter: f, Window: page.Window{Limit: 1000}})
	check(t, err)
	var got []string
	for i := range list {
		got = append(got, list[i].ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%+v finds %v, want %v", f, got, want)
	}
}

// slowStore does something before each change is committed.
type slowStore struct {
	*store.Store
	before func()
}

// Change implements device.Store.
func (s slowStore) Change(ctx context.Context, c device.Change) error {
	do := c.Do
	c.Do = func(tx device.Tx) error {
		err := do(tx)
		s.before()
		return err
	}
	return s.Store.Change(ctx, c)
}

// testAcceptedMeanwhile accepts something on one server while another stores a verdict by what was known before: whoever looks
// for the devices that are to be judged anew finds that one too.
func testAcceptedMeanwhile(t *testing.T, e Engine) {
	o := e.New(t)
	s := Open(t, o)
	if !s.SharedLimits() {
		return // one writer: nothing is stored at the same time
	}
	b := &riskBench{softBench: &softBench{&bench{Store: s, clock: &clock{Epoch}}, &softJudge{}}}
	b.account = Account(t, s, "acme", 10)
	b.svc = softService(s, b.judge, b.clock.now)
	id := b.newReporting(t, app("a", "", "1"))
	far := Open(t, o)
	other := risks(far, b.clock.now, b.svc.JudgeNow)
	// The device gets the vulnerability in a transaction that waits until the risk is accepted, and a little longer.
	read, accepted, walked := make(chan struct{}), make(chan struct{}), make(chan struct{})
	stored := make(chan error, 1)
	set, err := other.Active(t.Context(), b.account)
	check(t, err)
	b.judge.accepted = func(posture.AccountID) *risk.Set { return set }
	slow := softService(slowStore{s, sync.OnceFunc(func() {
		close(read)
		<-accepted
		select {
		case <-walked: // nobody waited
		case <-time.After(300 * time.Millisecond):
		}
	})}, b.judge, b.clock.now)
	go func() {
		stored <- slow.Report(t.Context(), device.Ref{Account: b.account, ID: id}, softSubmission(&posture.Report{Applications: []posture.Application{app("a", "", "22")}}))
	}()
	<-read
	_, err = other.Accept(t.Context(), b.account, &risk.Acceptance{Vulnerability: "CVE-2020-0098", Reason: "x"})
	check(t, err)
	close(accepted)
	check(t, far.AwaitJudged(t.Context()))
	facets, err := far.FacetsOf(t.Context(), b.account, nil, []string{"CVE-2020-0098"})
	check(t, err)
	found, err := far.DevicesWith(t.Context(), b.account, facets, "", 10)
	close(walked)
	check(t, <-stored)
	if err != nil || !slices.Equal(found, []string{id}) {
		t.Errorf("found %v, %v; want %s", found, err, id)
	}
}
