package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/store"
)

// allEvents walks the whole record, the newest first.
func allEvents(ctx context.Context, t *testing.T, svc *device.Service, account posture.AccountID, q device.EventQuery) []device.LogEntry {
	t.Helper()
	var out []device.LogEntry
	for {
		part, next, err := svc.Events(ctx, account, q)
		check(t, err)
		out = append(out, part...)
		if next == "" {
			return out
		}
		if next == q.After {
			t.Fatalf("the walk stands still at %s", next)
		}
		q.After = next
	}
}

// allChanges walks the changes since a time.
func allChanges(ctx context.Context, t *testing.T, svc *device.Service, account posture.AccountID, since time.Time) []device.Device {
	t.Helper()
	var out []device.Device
	q := device.ChangeQuery{Since: since, Window: page.Window{Limit: 50}}
	for {
		part, next, err := svc.Changes(ctx, account, q)
		check(t, err)
		out = append(out, part...)
		if next == "" {
			return out
		}
		if next == q.After {
			t.Fatalf("the walk stands still at %s", next)
		}
		q.After = next
	}
}

// CheckRecord fails the test unless, since whichever time, each device that changed has exactly one first change, and
// each device knows its last one. Nothing may change meanwhile. It gives how many changes there are.
func CheckRecord(ctx context.Context, t *testing.T, svc *device.Service, account posture.AccountID) int {
	t.Helper()
	changes, last := make(map[string][]event.Event), make(map[string]time.Time)
	n := 0
	for _, e := range allEvents(ctx, t, svc, account, device.EventQuery{Window: page.Window{Limit: 100}}) {
		if !e.Changes() {
			if !e.Previous.IsZero() {
				t.Errorf("%s is no change and has a previous one, %v", e.Kind, e.Previous)
			}
			continue
		}
		n++
		changes[e.DeviceID] = append(changes[e.DeviceID], e.Event)
		if e.At.After(last[e.DeviceID]) {
			last[e.DeviceID] = e.At
		}
	}
	for id, list := range changes {
		for _, e := range list {
			for _, since := range []time.Time{e.At, e.At.Add(time.Millisecond), e.At.Add(-time.Millisecond)} {
				first := 0
				for _, x := range list {
					if !x.At.Before(since) && x.Previous.Before(since) {
						first++
					}
				}
				if want := !last[id].Before(since); (first == 1) != want || first > 1 {
					t.Errorf("device %s has %d first changes since %v: %+v", id, first, since, list)
				}
			}
		}
	}
	for _, d := range allChanges(ctx, t, svc, account, time.Time{}) {
		if !d.StatusAt.Equal(last[d.ID]) {
			t.Errorf("device %s changed last at %v, its record says %v", d.ID, d.StatusAt, last[d.ID])
		}
	}
	return n
}

// testStatusChanges does everything that changes a status, or does not, and looks at what is said of it.
func testStatusChanges(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	mac := Adapters("00:0c:29:00:00:01")
	_, err := b.svc.Import(ctx, b.account, []device.Sighting{{MAC: Adapters("00:0c:29:00:00:09")[0].MAC}})
	check(t, err)
	reg := device.Registration{HardwareID: "HW-0001", AgentVersion: "1.0", Adapters: mac}
	id := b.enrol(t, reg).DeviceID
	ref := device.Ref{Account: b.account, ID: id}
	report := func(verdict, agent string) func() error {
		return func() error {
			r := posture.Report{OS: posture.OS{Name: verdict}, AgentVersion: agent, Adapters: mac}
			return b.svc.Report(ctx, ref, Submission(r, agent))
		}
	}
	enrol := func() error { return second(b.svc.Enrol(ctx, b.account, reg)) }
	exempt := func() error { return b.svc.Exempt(ctx, b.account, id, "r", time.Time{}) }
	unexempt := func() error { return b.svc.Unexempt(ctx, b.account, id) }
	for _, step := range []struct {
		name    string
		do      func() error
		kinds   []event.Kind // that are recorded, in the order of the alphabet
		changes bool
	}{
		{"a report with a verdict", report("3/0/0", "1.0"), []event.Kind{event.Reported, event.StatusChanged}, true},
		{"the same report", report("3/0/0", "1.0"), nil, false},
		{"a report with a new agent", report("3/0/0", "1.1"), []event.Kind{event.AgentUpdated, event.Reported}, false},
		{"a report with another severity", report("3/1/0", "1.1"), []event.Kind{event.Reported}, false},
		{"a report with another verdict", report("4/2/0", "1.1"), []event.Kind{event.Reported, event.StatusChanged}, true},
		{"exempting", exempt, []event.Kind{event.Exempted}, true},
		{"exempting again", exempt, []event.Kind{event.Exempted}, false},
		{"a report of an exempted device", report("3/0/0", "1.1"), []event.Kind{event.Reported}, false},
		{"unexempting", unexempt, []event.Kind{event.Unexempted}, true},
		{"unexempting again", unexempt, nil, false},
		{"retiring", func() error { return b.svc.Retire(ctx, ref) }, []event.Kind{event.Retired}, true},
		{"coming back", enrol, []event.Kind{event.AgentUpdated, event.Returned}, true},
		{"deleting", func() error { return b.svc.Delete(ctx, b.account, id) }, []event.Kind{event.Deleted}, true},
		{"coming back as it was", enrol, []event.Kind{event.Returned}, true},
	} {
		b.clock.advance(time.Minute)
		check(t, step.do())
		var kinds []event.Kind
		for _, e := range allEvents(ctx, t, b.svc, b.account, device.EventQuery{Since: b.clock.at, Window: page.Window{Limit: 50}}) {
			kinds = append(kinds, e.Kind)
		}
		slices.Sort(kinds)
		if diff := cmp.Diff(step.kinds, kinds); diff != "" {
			t.Errorf("%s: recorded %s", step.name, diff)
		}
		list := allChanges(ctx, t, b.svc, b.account, b.clock.at)
		if (len(list) == 1) != step.changes || len(list) > 1 {
			t.Errorf("%s: %d changes", step.name, len(list))
		}
		if len(list) == 1 && !list[0].StatusAt.Equal(b.clock.at) {
			t.Errorf("%s: the status changed at %v", step.name, list[0].StatusAt)
		}
	}
	if n := CheckRecord(ctx, t, b.svc, b.account); n != 10 {
		t.Errorf("%d changes", n)
	}
	updated := allEvents(ctx, t, b.svc, b.account, device.EventQuery{Kinds: []event.Kind{event.AgentUpdated}, Window: page.Window{Limit: 50}})
	if len(updated) != 2 || updated[0].Detail != "1.1 -> 1.0" || updated[1].Detail != "1.0 -> 1.1" {
		t.Errorf("agents were updated: %+v", updated)
	}
}

// testChangesInOneMoment has a device change several times within a millisecond, and while the clock is set back.
func testChangesInOneMoment(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	id := b.enrol(t, device.Registration{HardwareID: "HW-0001"}).DeviceID
	b.report(t, id, "3/0/0", posture.Report{})
	start := b.clock.at
	for range 4 {
		check(t, b.svc.Exempt(ctx, b.account, id, "r", time.Time{}))
		check(t, b.svc.Unexempt(ctx, b.account, id))
	}
	for _, back := range []time.Duration{time.Hour, time.Minute} {
		b.clock.at = start.Add(-back)
		check(t, b.svc.Exempt(ctx, b.account, id, "r", time.Time{}))
		check(t, b.svc.Unexempt(ctx, b.account, id))
	}
	b.clock.at = start.Add(time.Second)
	check(t, b.svc.Delete(ctx, b.account, id))
	if n := CheckRecord(ctx, t, b.svc, b.account); n != 15 {
		t.Errorf("%d changes", n)
	}
	later := time.Time{}
	for _, e := range allEvents(ctx, t, b.svc, b.account, device.EventQuery{Window: page.Window{Limit: 50}}) {
		if e.Changes() && !later.IsZero() && !e.At.Before(later) {
			t.Errorf("a change at %v is followed by one at %v", e.At, later)
		}
		if e.Changes() {
			later = e.At
		}
	}
	for since, want := range map[time.Time]int{
		start.Add(-2 * time.Hour): 1, start: 1, start.Add(time.Microsecond): 1, start.Add(time.Second): 1, start.Add(time.Second + 1): 0,
	} {
		list := allChanges(ctx, t, b.svc, b.account, since)
		if len(list) != want {
			t.Errorf("since %v: %d changes", since, len(list))
		}
		if want == 1 && list[0].Lifecycle != device.Deleted {
			t.Errorf("since %v the device is %+v", since, list[0])
		}
	}
}

// ticking is a clock for many goroutines: each look is a millisecond later.
type ticking struct {
	mu sync.Mutex
	at time.Time
}

func (c *ticking) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Millisecond)
	return c.at
}

// testWalkOfChanges walks the changes, again and again, while everything goes on changing.
func testWalkOfChanges(t *testing.T, e Engine) {
	s := Open(t, e.New(t))
	account := Account(t, s, "acme", 1000)
	clock := &ticking{at: Epoch}
	svc := service(s, clock.now)
	var refs []device.Ref
	for range 60 {
		en, err := svc.Enrol(t.Context(), account, device.Registration{}) // they come back by their ids
		check(t, err)
		refs = append(refs, device.Ref{Account: account, ID: en.DeviceID})
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for worker := range 3 {
		wg.Go(func() {
			for n := worker; ctx.Err() == nil; n += 3 {
				err := change(ctx, svc, refs[n%len(refs)], n)
				if err != nil && ctx.Err() == nil && errs.CodeOf(err) == errs.Internal {
					t.Error(err)
					return
				}
			}
		})
	}
	for walk := range 15 {
		since := clock.now()
		want := make(map[string]bool)
		for i := range refs {
			if i%2 == walk%2 {
				check(t, comeOrGo(t.Context(), svc, refs[i]))
				want[refs[i].ID] = true
			}
		}
		walkOnce(t, svc, account, clock, since, want)
	}
	cancel()
	wg.Wait()
	if n := CheckRecord(t.Context(), t, svc, account); n < 500 {
		t.Errorf("too little happened: %d changes", n)
	}
}

// walkOnce walks in small parts, with a since that moves as it does for callers who say how old a change may be.
func walkOnce(t *testing.T, svc *device.Service, account posture.AccountID, clock *ticking, since time.Time, want map[string]bool) {
	t.Helper()
	seen := make(map[string]int)
	q := device.ChangeQuery{Since: since, Window: page.Window{Limit: 4}}
	for {
		list, next, err := svc.Changes(t.Context(), account, q)
		check(t, err)
		for i := range list {
			seen[list[i].ID]++
		}
		if next == "" {
			break
		}
		if next == q.After {
			t.Fatalf("the walk stands still at %s", next)
		}
		q.After, q.Since = next, clock.now()
	}
	for id, n := range seen {
		if n > 1 {
			t.Errorf("device %s came %d times", id, n)
		}
	}
	for id := range want {
		if seen[id] == 0 {
			t.Errorf("device %s changed before the walk and was missed", id)
		}
	}
}

// comeOrGo deletes a device, or brings it back. Either is a change.
func comeOrGo(ctx context.Context, svc *device.Service, ref device.Ref) error {
	err := svc.Delete(ctx, ref.Account, ref.ID)
	if errs.Is(err, errs.NotFound) {
		_, err = svc.Enrol(ctx, ref.Account, device.Registration{DeviceID: ref.ID})
	}
	return err
}

// change does one of several things to a device, most of which change its status.
func change(ctx context.Context, svc *device.Service, ref device.Ref, n int) error {
	var err error
	switch n % 4 {
	case 0:
		err = svc.Exempt(ctx, ref.Account, ref.ID, "r", time.Time{})
	case 1:
		err = svc.Delete(ctx, ref.Account, ref.ID)
	default:
		err = errs.New(errs.NotFound, "")
	}
	if !errs.Is(err, errs.NotFound) {
		return err
	}
	r := posture.Report{OS: posture.OS{Name: fmt.Sprintf("%d/0/0", 3+n%2)}}
	err = svc.Report(ctx, ref, Submission(r, fmt.Sprint(n)))
	if errs.Is(err, errs.Unauthenticated) { // it was deleted
		_, err = svc.Enrol(ctx, ref.Account, device.Registration{DeviceID: ref.ID})
	}
	return err
}

// testLogs reads the record by kinds, times and parts.
func testLogs(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	other := Account(t, b.Store, "other", 10)
	mac := Adapters("00:0c:29:00:00:01", "00:0c:29:00:00:02")
	named := b.enrol(t, device.Registration{HardwareID: "HW-0001", Name: "lap-07", HostName: "host", Adapters: mac})
	hosted := b.enrol(t, device.Registration{HardwareID: "HW-0002", HostName: "srv-01"})
	for i := range 5 {
		b.report(t, named.DeviceID, fmt.Sprintf("%d/0/0", 3+i%2), posture.Report{Adapters: mac[:1]})
	}
	check(t, b.svc.Delete(ctx, b.account, named.DeviceID))
	b.clock.advance(time.Second)
	b.report(t, hosted.DeviceID, "3/0/0", posture.Report{})
	all := allEvents(ctx, t, b.svc, b.account, device.EventQuery{Window: page.Window{Limit: 3}})
	if len(all) != 15 {
		t.Fatalf("%d events", len(all))
	}
	for i := range all[1:] {
		if all[i].At.Before(all[i+1].At) || all[i].ID <= all[i+1].ID {
			t.Errorf("event %d is not newer than the next: %+v", i, all[i])
		}
	}
	some := []event.Kind{event.StatusChanged, event.Deleted, event.StatusChanged}
	ids := func(entries []device.LogEntry, keep func(device.LogEntry) bool) []string {
		var out []string
		for _, x := range entries {
			if keep(x) {
				out = append(out, x.ID)
			}
		}
		return out
	}
	from, to := Epoch.Add(3*time.Second), Epoch.Add(7*time.Second)
	within := func(x device.LogEntry) bool { return !x.At.Before(from) && !x.At.After(to) }
	ofKind := func(x device.LogEntry) bool { return slices.Contains(some, x.Kind) }
	for name, c := range map[string]struct {
		q    device.EventQuery
		keep func(device.LogEntry) bool
	}{
		"kinds": {device.EventQuery{Kinds: some}, ofKind},
		"to a status": {device.EventQuery{Kinds: some, To: []posture.Status{posture.StatusNonCompliant, posture.StatusPending}}, func(x device.LogEntry) bool {
			return ofKind(x) && (x.Kind != event.StatusChanged || x.To == posture.StatusNonCompliant)
		}},
		"times":          {device.EventQuery{Since: from, Until: to}, within},
		"both":           {device.EventQuery{Since: from, Until: to, Kinds: some}, func(x device.LogEntry) bool { return within(x) && ofKind(x) }},
		"every kind":     {device.EventQuery{Kinds: event.AllKinds()}, func(device.LogEntry) bool { return true }},
		"an odd time":    {device.EventQuery{Since: from.Add(-1), Until: to.Add(999)}, within},
		"just behind":    {device.EventQuery{Since: from.Add(1)}, func(x device.LogEntry) bool { return x.At.After(from) }},
		"no such kind":   {device.EventQuery{Kinds: []event.Kind{"x"}}, func(device.LogEntry) bool { return false }},
		"none in time":   {device.EventQuery{Until: Epoch.Add(-1)}, func(device.LogEntry) bool { return false }},
		"none by kind":   {device.EventQuery{Kinds: event.Kinds(event.OfWebhooks), Since: b.clock.at.Add(time.Hour)}, func(device.LogEntry) bool { return false }},
		"reports, alone": {device.EventQuery{Kinds: event.Kinds(event.OfReports)}, func(x device.LogEntry) bool { return x.Kind == event.Reported }},
	} {
		for _, limit := range []int{1, 2, 100} {
			c.q.Limit = limit
			got := ids(allEvents(ctx, t, b.svc, b.account, c.q), func(device.LogEntry) bool { return true })
			if diff := cmp.Diff(ids(all, c.keep), got); diff != "" {
				t.Errorf("%s, %d at a time: %s", name, limit, diff)
			}
		}
	}
	for _, kinds := range [][]event.Kind{nil, event.AllKinds()} {
		part, next, err := b.svc.Events(ctx, b.account, device.EventQuery{Kinds: kinds, Window: page.Window{Limit: 4, Skip: 9}})
		if err != nil || len(part) != 4 || part[0].ID != all[9].ID || next != all[12].ID {
			t.Errorf("passing over nine: %+v, %q, %v", part, next, err)
		}
	}
	checkLabels(t, all, named.DeviceID, hosted.DeviceID)
	if claims, err := b.svc.Adapters(ctx, b.account, named.DeviceID); err != nil || len(claims) != 2 {
		t.Errorf("addresses of a device that is gone: %+v, %v", claims, err)
	}
	if rest := allEvents(ctx, t, b.svc, other, device.EventQuery{Window: page.Window{Limit: 10}}); len(rest) != 0 {
		t.Errorf("events of another account: %+v", rest)
	}
	if rest := allChanges(ctx, t, b.svc, other, Epoch); len(rest) != 0 {
		t.Errorf("changes of another account: %+v", rest)
	}
	checkPositions(ctx, t, b)
}

// checkLabels looks at names and addresses, also of a device that is gone.
func checkLabels(t *testing.T, all []device.LogEntry, named, hosted string) {
	t.Helper()
	for _, x := range all {
		name, macs := "lap-07", []posture.MAC{Adapters("00:0c:29:00:00:01")[0].MAC}
		if x.DeviceID == hosted {
			name, macs = "srv-01", nil
		}
		if x.DeviceID != named && x.DeviceID != hosted || x.DeviceName != name || !slices.Equal(x.MACs, macs) {
			t.Errorf("%s: %q, %q, %v", x.Kind, x.DeviceID, x.DeviceName, x.MACs)
		}
	}
}

// checkPositions: what is not a position is refused, and is not text for the database.
func checkPositions(ctx context.Context, t *testing.T, b *bench) {
	t.Helper()
	id := strings.Repeat("0", 32)
	for _, after := range []string{"x", id[1:], strings.ToUpper("a" + id[1:]), "'; DROP TABLE events; --", id + id, "zzzzzzzzzzzz" + id, "-00000000001" + id} {
		w := page.Window{After: after, Limit: 10}
		if !errs.Is(second3(b.svc.Changes(ctx, b.account, device.ChangeQuery{Window: w})), errs.Invalid) {
			t.Errorf("changes behind %q", after)
		}
		if !errs.Is(second3(b.svc.Events(ctx, b.account, device.EventQuery{Window: w})), errs.Invalid) {
			t.Errorf("events behind %q", after)
		}
		if !errs.Is(second3(b.svc.Activities(ctx, b.account, device.ActivityQuery{Window: w})), errs.Invalid) {
			t.Errorf("activities behind %q", after)
		}
	}
}

func second3[T, U any](_ T, _ U, err error) error { return err }

// testChangesBySystem lists only devices of some operating systems.
func testChangesBySystem(t *testing.T, e Engine) {
	b := newBench(t, e)
	ctx := t.Context()
	systems := []posture.OSFamily{posture.Windows, posture.MacOS, posture.Linux, posture.Windows}
	for i, family := range systems {
		b.enrol(t, device.Registration{HardwareID: fmt.Sprintf("HW-%04d", i), OS: posture.OS{Family: family}})
	}
	for _, c := range []struct {
		os   []posture.OSFamily
		want int
	}{
		{nil, 4}, {[]posture.OSFamily{posture.Windows}, 2}, {[]posture.OSFamily{posture.MacOS, posture.Linux}, 2}, {[]posture.OSFamily{posture.IOS}, 0},
	} {
		list, next, err := b.svc.Changes(ctx, b.account, device.ChangeQuery{OS: c.os, Since: Epoch, Window: page.Window{Limit: 10}})
		if err != nil || len(list) != c.want || next != "" {
			t.Errorf("%v: %d devices, %q, %v", c.os, len(list), next, err)
		}
	}
	list, next, err := b.svc.Changes(ctx, b.account, device.ChangeQuery{OS: systems, Since: Epoch, Window: page.Window{Limit: 2, Skip: 1}})
	if err != nil || len(list) != 2 || next == "" || list[0].OSFamily != posture.MacOS || list[1].OSFamily != posture.Linux {
		t.Errorf("passing over one: %+v, %q, %v", list, next, err)
	}
}

// testAdministration: what changes an account is recorded with it, or not at all.
func testAdministration(t *testing.T, e Engine) {
	s := Open(t, e.New(t))
	ctx := event.By(t.Context(), "command line")
	ids := identity.New(identity.Options{Accounts: s, Applications: s, Tokens: s, Settings: s, Codes: s})
	svc := service(s, time.Now)
	a, err := ids.CreateAccount(ctx, identity.NewAccount{Name: "acme", DevicesAllowed: 5})
	check(t, err)
	b, err := ids.CreateAccount(t.Context(), identity.NewAccount{Name: "other", DevicesAllowed: 5})
	check(t, err)
	if found, err := s.AccountByID(ctx, a.ID); err != nil || found.CrossDomain != (identity.CrossDomain{Port: identity.DefaultCrossDomainPort}) {
		t.Errorf("a new account has %+v, %v", found.CrossDomain, err)
	}
	app, _, err := ids.CreateApplication(ctx, identity.NewApplication{Account: a.ID, Name: "Gate", Permission: "read"})
	check(t, err)
	_, _, err = ids.CreateApplication(ctx, identity.NewApplication{Account: a.ID, Name: "Twin", Permission: "read", ClientID: app.ClientID})
	wantCode(t, err, errs.Conflict)
	check(t, ids.RevokeApplication(ctx, a.ID, app.ClientID))
	check(t, ids.RevokeApplication(ctx, a.ID, app.ClientID))
	_, err = ids.UpdateAccount(ctx, a.ID, identity.AccountChange{Name: &b.Name})
	wantCode(t, err, errs.Conflict)
	for account, want := range map[posture.AccountID]int{a.ID: 3, b.ID: 1} {
		got := allEvents(t.Context(), t, svc, account, device.EventQuery{Kinds: event.Kinds(event.OfAdministrators), Window: page.Window{Limit: 10}})
		if len(got) != want {
			t.Errorf("account %d: recorded %+v", account, got)
		}
		for _, x := range got {
			if x.Kind != event.Configured || x.Account != account || (x.Actor == "command line") != (account == a.ID) || x.Detail == "" || x.DeviceID != "" {
				t.Errorf("recorded %+v", x)
			}
		}
	}
}

// exerciseRecord uses every statement about the record.
func exerciseRecord(ctx context.Context, t *testing.T, s *store.Store, account posture.AccountID) {
	t.Helper()
	svc := service(s, time.Now)
	w := page.Window{Limit: 10}
	for n := range len(event.AllKinds()) + 1 {
		check(t, second3(svc.Events(ctx, account, device.EventQuery{Kinds: event.AllKinds()[:n], Window: w})))
	}
	for _, systems := range [][]posture.OSFamily{nil, {posture.Windows}} {
		check(t, second3(svc.Changes(ctx, account, device.ChangeQuery{Since: Epoch, OS: systems, Window: w})))
	}
	check(t, svc.RecordActivity(ctx, account, device.Activity{Action: device.AccessAllowed}))
	for _, search := range []string{"", "x"} {
		check(t, second3(svc.Activities(ctx, account, device.ActivityQuery{Search: search, Window: w})))
	}
	check(t, second(svc.ForgetBefore(ctx, account, Epoch)))
}
