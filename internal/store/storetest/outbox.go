package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/webhook"
)

// testOutbox follows changes from the step that makes them to the receivers.
func testOutbox(t *testing.T, e Engine) {
	h := newHooks(t, e)
	ctx := t.Context()
	first := h.enrol(t, device.Registration{HardwareID: "HW-0"}).DeviceID
	h.delivered(t, "nobody listens")
	other := Account(t, h.Store, "other", 10)
	_, err := h.webhooks.Create(ctx, other, hookChange("theirs", webhook.Standard, webhook.TopicNames()...), "")
	check(t, err)
	nac := h.hook(t, "nac", webhook.Opswat)
	all := h.hook(t, "all", webhook.Standard, webhook.TopicNames()...)
	id := h.enrol(t, device.Registration{HardwareID: "HW-1"}).DeviceID
	h.report(t, id, "4/2/0", posture.Report{})
	h.report(t, id, "4/2/0", posture.Report{HostName: "no change"})
	check(t, h.svc.Exempt(ctx, h.account, id, "r", time.Time{}))
	check(t, h.svc.Unexempt(ctx, h.account, id))
	h.report(t, id, "3/0/0", posture.Report{})
	check(t, h.svc.Retire(ctx, device.Ref{Account: h.account, ID: first}))
	if w := h.state(t, all); w.Pending != 6 || !w.OldestPending.Equal(h.state(t, nac).OldestPending) || h.state(t, nac).Pending != 5 {
		t.Errorf("waiting: %+v", w)
	}
	select {
	case <-h.Outbox():
	default:
		t.Error("nobody was told")
	}
	on := func(url, id string, statuses ...string) (out []string) {
		for _, s := range statuses {
			out = append(out, "https://"+url+".example/ "+id+" "+s)
		}
		return out
	}
	h.delivered(t, "everything", slices.Concat(
		on("nac", id, "installed", "non_compliant", "non_compliant", "compliant"), on("nac", first, "deleted"),
		on("all", id, "installed", "non_compliant", "exempted", "non_compliant", "compliant"), on("all", first, "deleted"))...)
	h.delivered(t, "nothing again")
	for _, id := range []string{nac, all} {
		if w := h.state(t, id); w.Pending != 0 || !w.OldestPending.IsZero() || w.Failures != 0 || !w.DeliveredAt.Equal(h.clock.at) {
			t.Errorf("%+v", w)
		}
	}
	_, err = h.webhooks.SetEnabled(ctx, h.account, nac, 0, false, "")
	check(t, err)
	h.report(t, id, "4/2/0", posture.Report{})
	h.delivered(t, "one is disabled", on("all", id, "non_compliant")...)
	_, err = h.webhooks.SetEnabled(ctx, h.account, nac, 0, true, "")
	check(t, err)
	h.report(t, id, "3/0/0", posture.Report{})
	h.delivered(t, "enabled again", append(on("nac", id, "compliant"), on("all", id, "compliant")...)...)
	check(t, h.webhooks.Delete(ctx, h.account, nac, 0, ""))
	// A step that fails leaves nothing to be told.
	failed := errors.New("no")
	err = h.Change(ctx, device.Change{Device: id, Do: func(tx device.Tx) error {
		e := event.Event{Account: h.account, ID: posture.NewID(h.clock.at, zeros{}), At: h.clock.at, Kind: event.StatusChanged, DeviceID: id, From: 3, To: 4}
		return errors.Join(tx.Record(ctx, e), failed)
	}})
	if !errors.Is(err, failed) {
		t.Error(err)
	}
	h.delivered(t, "the step failed")
}

// zeros is a source of the same ids.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// testOutboxOrder has receivers fail, for one device and altogether.
func testOutboxOrder(t *testing.T, e Engine) {
	h := newHooks(t, e)
	var id []string
	for i := range 3 {
		id = append(id, h.enrol(t, device.Registration{HardwareID: fmt.Sprintf("HW-%d", i)}).DeviceID)
	}
	hook := map[webhook.Form]string{webhook.Opswat: h.hook(t, "opswat", webhook.Opswat), webhook.Standard: h.hook(t, "standard", webhook.Standard)}
	lines := func(list ...string) (out []string) {
		for _, form := range []string{"opswat", "standard"} {
			for _, s := range list {
				out = append(out, "https://"+form+".example/ "+s)
			}
		}
		return out
	}
	h.receiver.refuse = func(_, device string) bool { return device == id[0] }
	h.report(t, id[0], "4/2/0", posture.Report{})
	start := h.clock.at
	h.delivered(t, "the first one is refused")
	for _, w := range hook { // nobody keeps it: whichever server comes next goes on
		_, got, err := h.LeaseWebhook(t.Context(), webhook.Ref{Account: h.account, ID: w}, "another", h.clock.at, h.clock.at)
		if err != nil || !got {
			t.Errorf("the lease is kept: %v, %v", got, err)
		}
	}
	for _, d := range id[1:] {
		check(t, h.svc.Report(t.Context(), device.Ref{Account: h.account, ID: d}, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}}, "{}")))
	}
	check(t, h.svc.Report(t.Context(), device.Ref{Account: h.account, ID: id[0]}, Submission(posture.Report{OS: posture.OS{Name: "3/0/0"}}, "x")))
	h.delivered(t, "others go on", lines(id[1]+" compliant", id[2]+" compliant")...)
	for form, w := range hook {
		if s := h.state(t, w); s.Pending != 2 || s.LastError != "" || s.Failures != 0 {
			t.Errorf("%s: %+v", form, s)
		}
	}
	// The reference's retries are after four seconds and after a minute.
	for _, at := range []time.Duration{3999 * time.Millisecond, 4 * time.Second, 63 * time.Second, 64 * time.Second} {
		h.clock.at = start.Add(at)
		h.delivered(t, fmt.Sprint("after ", at))
	}
	log, _, err := h.webhooks.Deliveries(t.Context(), h.account, hook[webhook.Standard], page.Window{Limit: 100})
	check(t, err)
	var times []string
	for _, d := range log {
		if !d.Delivered() {
			times = append(times, fmt.Sprintf("%v: attempt %d, %d, %s, %s", d.At.Sub(start), d.Attempt, d.StatusCode, d.DeviceID, d.Error))
		}
	}
	what := ", 500, " + id[0] + ", HTTP status 500: not this one"
	if diff := cmp.Diff([]string{"1m4s: attempt 3" + what, "4s: attempt 2" + what, "0s: attempt 1" + what}, times); diff != "" {
		t.Errorf("attempts: %s", diff)
	}
	h.receiver.set(func() { h.receiver.refuse = nil })
	h.delivered(t, "it would be taken, and is not yet tried")
	h.clock.advance(2 * time.Minute)
	h.delivered(t, "it is taken", lines(id[0]+" non_compliant", id[0]+" compliant")...)
}

// testOutboxDown takes a receiver away for a day.
func testOutboxDown(t *testing.T, e Engine) {
	h := newHooks(t, e)
	var id []string
	for i := range 30 {
		id = append(id, h.enrol(t, device.Registration{HardwareID: fmt.Sprintf("HW-%02d", i)}).DeviceID)
	}
	hook := h.hook(t, "standard", webhook.Standard)
	h.receiver.down = true
	var want []string
	for round := range 3 {
		for _, d := range id {
			status := 3 + round%2
			h.report(t, d, fmt.Sprintf("%d/0/0", status), posture.Report{})
			want = append(want, "https://standard.example/ "+d+" "+webhook.Topic(status).String())
		}
		check(t, h.out.Once(t.Context()))
		if n := len(h.receiver.sent); round == 0 && n != 8 {
			t.Errorf("%d requests before the receiver is taken to be down for now", n)
		}
		h.receiver.take()
	}
	requests := 0
	for range 24 * 60 {
		h.clock.advance(time.Minute)
		check(t, h.out.Once(t.Context()))
		requests += len(h.receiver.sent)
		h.receiver.take()
	}
	if requests < 24*8 || requests > 24*14 {
		t.Errorf("%d requests in a day to a receiver that is down", requests)
	}
	w := h.state(t, hook)
	if w.Pending != 90 || w.Failures < 100 || w.LastError != "connection refused" || w.RetryAt.IsZero() || !w.Enabled || !w.DeliveredAt.IsZero() {
		t.Errorf("%+v", w)
	}
	h.receiver.set(func() { h.receiver.down = false })
	h.clock.advance(5 * time.Minute)
	h.delivered(t, "back again", want...)
	if w = h.state(t, hook); w.Failures != 0 || w.LastError != "" || !w.RetryAt.IsZero() {
		t.Errorf("%+v", w)
	}
}

// testOutboxMended: what is changed about a webhook may be what was wrong, so that nothing waits any longer.
func testOutboxMended(t *testing.T, e Engine) {
	h := newHooks(t, e)
	id := h.enrol(t, device.Registration{HardwareID: "HW-0"}).DeviceID
	hook := h.hook(t, "one", webhook.Standard)
	url, yes, no := "https://two.example/", true, false
	for i, changes := range [][]webhook.Change{{{URL: &url}}, {{Enabled: &no}, {Enabled: &yes}}, {{NewSecret: true}}} {
		status := 3 + i%2
		h.receiver.set(func() { h.receiver.down = true })
		h.report(t, id, fmt.Sprintf("%d/0/0", status), posture.Report{})
		for range 12 {
			h.delivered(t, "down")
			h.clock.advance(time.Hour)
		}
		h.delivered(t, "down")
		h.receiver.set(func() { h.receiver.down = false })
		h.delivered(t, "not yet time")
		for _, c := range changes {
			_, err := h.webhooks.Update(t.Context(), h.account, hook, 0, c, "")
			check(t, err)
		}
		h.delivered(t, "mended", "https://two.example/ "+id+" "+webhook.Topic(status).String())
		if w := h.state(t, hook); w.LastError != "" || w.Failures != 0 || w.Pending != 0 {
			t.Errorf("%+v", w)
		}
	}
}

// testOutboxLease has two servers deliver, and one of them stop in the middle.
func testOutboxLease(t *testing.T, e Engine) {
	h := newHooks(t, e)
	id := h.enrol(t, device.Registration{HardwareID: "HW-0"}).DeviceID
	h.hook(t, "one", webhook.Standard)
	h.report(t, id, "4/0/0", posture.Report{})
	h.report(t, id, "3/0/0", posture.Report{})
	h.receiver.hold = make(chan struct{})
	slow := h.deliverer(h.Store)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	refs, err := h.Ripe(t.Context(), h.clock.at)
	check(t, err)
	go func() { ended <- slow.Once(ctx) }()
	for got := true; got; { // until the other one has it
		_, got, err = h.LeaseWebhook(t.Context(), refs[0], "me", h.clock.at, h.clock.at)
		check(t, err)
	}
	h.delivered(t, "another server is at it")
	stop()
	check(t, <-ended)
	h.receiver.set(func() { h.receiver.hold = nil })
	h.delivered(t, "it stopped, and left the rest", "https://one.example/ "+id+" non_compliant", "https://one.example/ "+id+" compliant")
	// One that dies without a word keeps it for as long as its lease.
	h.report(t, id, "4/0/0", posture.Report{})
	_, got, err := h.LeaseWebhook(t.Context(), refs[0], "dead", h.clock.at, h.clock.at.Add(time.Minute))
	if err != nil || !got {
		t.Fatal(got, err)
	}
	h.delivered(t, "the lease of the dead")
	h.clock.advance(time.Minute)
	h.delivered(t, "the lease has ended", "https://one.example/ "+id+" non_compliant")
}

// testOutboxOfSeveralServers makes webhooks on one server while another records changes: each change that was answered
// behind the making of a webhook is told to it, and so are all behind the first that was told.
func testOutboxOfSeveralServers(t *testing.T, e Engine) {
	o := e.New(t)
	b := &bench{Store: Open(t, o), clock: &clock{Epoch}}
	b.account = Account(t, b.Store, "acme", 1000)
	there := b.Store
	if b.SharedLimits() {
		there = Open(t, o)
	}
	b.svc = service(there, time.Now)
	h := webhook.New(webhook.Options{Store: b.Store, Sender: &receiver{}})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	var answered []string // device and verdict, in the order of the answers
	for range 4 {
		id := b.enrol(t, device.Registration{}).DeviceID
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				verdict := fmt.Sprintf("%d/0/0", 3+n%2)
				err := b.svc.Report(t.Context(), device.Ref{Account: b.account, ID: id}, Submission(posture.Report{OS: posture.OS{Name: verdict}}, fmt.Sprint(n)))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				answered = append(answered, id)
				mu.Unlock()
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(answered)
	}
	type since struct {
		id     string
		number int
	}
	var made []since
	for i := range 8 {
		m, err := h.Create(t.Context(), b.account, hookChange(fmt.Sprint("n", i), webhook.Standard, webhook.TopicNames()...), "")
		check(t, err)
		made = append(made, since{m.ID, count()})
		for n := count(); count() < n+10 && !t.Failed(); {
			check(t, b.Ready(t.Context()))
		}
	}
	stop()
	wg.Wait()
	events := allEvents(t.Context(), t, b.svc, b.account, device.EventQuery{Kinds: []event.Kind{event.StatusChanged}, Window: page.Window{Limit: 100}})
	for _, w := range made {
		heads := map[string]string{}
		list, err := b.Heads(t.Context(), webhook.Ref{Account: b.account, ID: w.id}, time.Now().Add(time.Hour), 100)
		check(t, err)
		for _, p := range list {
			heads[p.DeviceID] = p.EventID
		}
		must, whole := int64(len(answered)-w.number-4), int64(0) // each of four may have been answered a little later
		for _, e := range events {
			if first := heads[e.DeviceID]; first != "" && e.ID >= first {
				whole++
			}
		}
		state, err := h.Get(t.Context(), b.account, w.id)
		check(t, err)
		if state.Pending < must || state.Pending != whole {
			t.Errorf("a webhook is told of %d changes, %d were answered since it was made, %d recorded since its first", state.Pending, must, whole)
		}
	}
}

// testOutboxAndWriters makes a webhook while another server is about to store a change: the making waits, for that change
// was recorded when there was no webhook, and must not be stored when there is one.
func testOutboxAndWriters(t *testing.T, e Engine) {
	o := e.New(t)
	b := &bench{Store: Open(t, o), clock: &clock{Epoch}}
	if !b.SharedLimits() {
		return // there is one writer
	}
	b.svc, b.account = service(b.Store, b.clock.now), Account(t, b.Store, "acme", 10)
	id := b.enrol(t, device.Registration{}).DeviceID
	there := webhook.New(webhook.Options{Store: Open(t, o), Now: b.clock.now})
	made := make(chan error, 1)
	record := func(n int, behind func() error) {
		check(t, b.Change(t.Context(), device.Change{Device: id, Do: func(tx device.Tx) error {
			at := b.clock.at.Add(time.Duration(n) * time.Second)
			err := tx.Record(t.Context(), event.Event{
				Account: b.account, ID: posture.NewID(at, zeros{}), At: at, Kind: event.StatusChanged, DeviceID: id, From: 3, To: 4,
			})
			return errors.Join(err, behind())
		}}))
	}
	record(1, func() error {
		go func() {
			made <- second(there.Create(t.Context(), b.account, hookChange("one", webhook.Standard), ""))
		}()
		for {
			select {
			case <-made:
				return errors.New("it was made while a change was under way that it is not told of")
			default:
			}
			// An error, as long as nobody waits.
			err := e.Exec(t.Context(), b.Store, `SELECT 1 / COUNT(*) FROM pg_locks WHERE NOT granted AND
				database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
			if err == nil {
				return nil
			}
		}
	})
	check(t, <-made)
	record(2, func() error { return nil })
	list, err := there.List(t.Context(), b.account)
	if err != nil || len(list) != 1 || list[0].Pending != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}
