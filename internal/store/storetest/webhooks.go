package storetest

import (
	"context"
	"encoding/json"
	"errors"
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
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/store"
	"muster/internal/webhook"
)

// receiver is a sender whose receivers keep what they are sent. refuse says of what they want to know nothing.
type receiver struct {
	mu     sync.Mutex
	got    []string // "URL device status", in the order of arrival
	sent   []webhook.Request
	refuse func(url, device string) bool
	down   bool
	hold   chan struct{} // where set, every request waits for it
}

// Send implements webhook.Sender.
func (r *receiver) Send(ctx context.Context, q webhook.Request) webhook.Answer {
	r.mu.Lock()
	hold := r.hold
	r.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return webhook.Answer{Err: ctx.Err()}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, q)
	if r.down {
		return webhook.Answer{Err: errors.New("connection refused")}
	}
	var got []string
	for _, c := range changesOf(q.Body) {
		if r.refuse != nil && r.refuse(q.URL, c.Device) {
			return webhook.Answer{StatusCode: 500, Excerpt: "not this one"}
		}
		got = append(got, q.URL+" "+c.Device+" "+c.Status)
	}
	r.got = append(r.got, got...)
	return webhook.Answer{StatusCode: 204}
}

type told struct {
	Device string `json:"device_id"`
	Status string `json:"status"`
}

func changesOf(body []byte) []told {
	var list []told
	if json.Unmarshal(body, &list) == nil {
		return list
	}
	var one struct{ Data told }
	err := json.Unmarshal(body, &one)
	if err != nil {
		panic("storetest: neither form: " + string(body))
	}
	return []told{one.Data}
}

// take gives what has arrived since the last call.
func (r *receiver) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	got := r.got
	r.got, r.sent = nil, nil
	return got
}

func (r *receiver) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// hooks is a bench with webhooks.
type hooks struct {
	*bench
	receiver *receiver
	webhooks *webhook.Service
	out      *webhook.Deliverer
}

func newHooks(t *testing.T, e Engine) *hooks {
	t.Helper()
	h := &hooks{bench: newBench(t, e), receiver: &receiver{}}
	h.webhooks = webhook.New(webhook.Options{Store: h.Store, Sender: h.receiver, Now: h.clock.now})
	h.out = h.deliverer(h.Store)
	return h
}

// deliverer is one of another server.
func (h *hooks) deliverer(s *store.Store) *webhook.Deliverer {
	return webhook.NewDeliverer(webhook.DelivererOptions{Outbox: s, Sender: h.receiver, Wake: s.Outbox(), Now: h.clock.now, Chance: func() float64 { return 0 }})
}

func hookChange(name string, form webhook.Form, events ...string) webhook.Change {
	url := "https://" + name + ".example/"
	c := webhook.Change{Name: &name, URL: &url, Form: form}
	if len(events) > 0 {
		c.Events = &events
	}
	return c
}

func (h *hooks) hook(t *testing.T, name string, form webhook.Form, events ...string) string {
	t.Helper()
	m, err := h.webhooks.Create(t.Context(), h.account, hookChange(name, form, events...), "administrator")
	check(t, err)
	h.clock.advance(time.Second)
	return m.ID
}

func (h *hooks) state(t *testing.T, id string) webhook.Webhook {
	t.Helper()
	w, err := h.webhooks.Get(t.Context(), h.account, id)
	check(t, err)
	return w
}

// delivered lets everything be delivered that may be now, and compares it with what is wanted, in any order of devices.
func (h *hooks) delivered(t *testing.T, when string, want ...string) {
	t.Helper()
	check(t, h.out.Once(t.Context()))
	got := h.receiver.take()
	slices.SortStableFunc(got, byDevice)
	slices.SortStableFunc(want, byDevice)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: delivered %s", when, diff)
	}
}

// byDevice compares all but the status.
func byDevice(a, b string) int {
	return strings.Compare(a[:strings.LastIndex(a, " ")], b[:strings.LastIndex(b, " ")])
}

// testWebhooks makes, changes and deletes webhooks.
func testWebhooks(t *testing.T, e Engine) {
	h := newHooks(t, e)
	ctx := t.Context()
	other := Account(t, h.Store, "other", 10)
	key := "k-1"
	c := hookChange("NAC", webhook.Opswat)
	c.APIKey = &key
	made, err := h.webhooks.Create(ctx, h.account, c, "administrator")
	check(t, err)
	want := webhook.Webhook{
		Ref: made.Ref, Name: "NAC", URL: "https://NAC.example/", Form: webhook.Opswat, Topics: webhook.Reference, Enabled: true, HasKey: true,
		CreatedAt: Epoch, Revision: 1,
	}
	if diff := cmp.Diff(want, h.state(t, made.ID)); diff != "" || made.Secret != "" {
		t.Errorf("made: %s", diff)
	}
	signed, err := h.webhooks.Create(ctx, h.account, hookChange("SIEM", webhook.Standard, "quarantined", "deleted"), "administrator")
	check(t, err)
	if !strings.HasPrefix(signed.Secret, "whsec_") || signed.Topics != webhook.TopicsOf(webhook.Topic(posture.StatusQuarantined), webhook.Deleted) {
		t.Errorf("%+v", signed)
	}
	_, err = h.webhooks.Create(ctx, h.account, hookChange("nac", webhook.Standard), "")
	wantCode(t, err, errs.Conflict)
	_, err = h.webhooks.Create(ctx, 99, hookChange("x", webhook.Standard), "")
	wantCode(t, err, errs.NotFound)
	h.clock.advance(time.Minute)
	name, off := "NAC 2", false
	changed, err := h.webhooks.Update(ctx, h.account, made.ID, 1, webhook.Change{Name: &name, Enabled: &off}, "administrator")
	check(t, err)
	want.Name, want.Enabled, want.Revision, want.ModifiedAt = name, false, 2, h.clock.at
	if diff := cmp.Diff(want, changed.Webhook); diff != "" {
		t.Errorf("changed: %s", diff)
	}
	if diff := cmp.Diff(want, h.state(t, made.ID)); diff != "" {
		t.Errorf("stored: %s", diff)
	}
	_, err = h.webhooks.Update(ctx, h.account, made.ID, 1, webhook.Change{Enabled: &off}, "")
	wantCode(t, err, errs.Stale)
	again, err := h.webhooks.Update(ctx, h.account, made.ID, 2, webhook.Change{Enabled: &off}, "")
	if err != nil || again.Revision != 2 {
		t.Errorf("a change that changes nothing: %+v, %v", again, err)
	}
	renewed, err := h.webhooks.Update(ctx, h.account, signed.ID, 0, webhook.Change{NewSecret: true}, "")
	if err != nil || renewed.Secret == signed.Secret || renewed.Secret == "" || renewed.Revision != 2 {
		t.Errorf("a new secret: %+v, %v", renewed, err)
	}
	for what, err := range map[string]error{
		"get":        second(h.webhooks.Get(ctx, other, made.ID)),
		"update":     second(h.webhooks.Update(ctx, other, made.ID, 0, webhook.Change{Enabled: &off}, "")),
		"delete":     h.webhooks.Delete(ctx, other, made.ID, 0, ""),
		"test":       second(h.webhooks.Test(ctx, other, made.ID, "")),
		"redeliver":  second(h.webhooks.Redeliver(ctx, other, made.ID, made.ID, "")),
		"deliveries": third(h.webhooks.Deliveries(ctx, other, made.ID, page.Window{Limit: 1})),
	} {
		if !errs.Is(err, errs.NotFound) {
			t.Errorf("%s of another account's: %v", what, err)
		}
	}
	wantCode(t, h.webhooks.Delete(ctx, h.account, made.ID, 1, ""), errs.Stale)
	check(t, h.webhooks.Delete(ctx, h.account, made.ID, 2, "administrator"))
	list, err := h.webhooks.List(ctx, h.account)
	if err != nil || len(list) != 1 || list[0].ID != signed.ID {
		t.Errorf("left: %+v, %v", list, err)
	}
	for i := len(list); i < webhook.MaxWebhooks; i++ {
		h.hook(t, fmt.Sprintf("n%d", i), webhook.Standard)
	}
	_, err = h.webhooks.Create(ctx, h.account, hookChange("more", webhook.Standard), "")
	wantCode(t, err, errs.Conflict)
	got := h.recorded(t, "")
	for _, event := range []string{"configured administrator webhook created: NAC", "configured administrator webhook changed: NAC 2", "configured administrator webhook deleted: NAC 2"} {
		if !slices.Contains(got, event) {
			t.Errorf("not recorded: %s in %v", event, got)
		}
	}
}

func third[A, B any](_ A, _ B, err error) error { return err }

// testRedelivery tells again what was told.
func testRedelivery(t *testing.T, e Engine) {
	h := newHooks(t, e)
	ctx := t.Context()
	hook := h.hook(t, "one", webhook.Standard)
	id := h.enrol(t, device.Registration{HardwareID: "HW-0"}).DeviceID
	line := func(s string) string { return "https://one.example/ " + id + " " + s }
	whole := []string{line("installed"), line("compliant"), line("non_compliant"), line("compliant"), line("non_compliant")}
	h.delivered(t, "the first time", whole[0])
	for i := range 4 {
		h.report(t, id, fmt.Sprintf("%d/0/0", 3+i%2), posture.Report{})
		h.delivered(t, "the first time", whole[i+1])
	}
	log, next, err := h.webhooks.Deliveries(ctx, h.account, hook, page.Window{Limit: 2})
	if err != nil || len(log) != 2 || next != log[1].ID || log[0].Events != 1 || log[0].StatusCode != 204 || log[0].Attempt != 1 {
		t.Fatalf("%+v, %q, %v", log, next, err)
	}
	rest, next, err := h.webhooks.Deliveries(ctx, h.account, hook, page.Window{Limit: 3, After: next})
	if err != nil || len(rest) != 3 || next != "" || rest[0].FirstEvent == log[1].FirstEvent {
		t.Fatalf("%+v, %q, %v", rest, next, err)
	}
	for from, want := range map[string][]string{
		log[1].FirstEvent:             whole[3:],
		log[1].ID:                     whole[3:],
		Epoch.Format(time.RFC3339):    whole,
		"2099-01-01T00:00:00Z":        nil,
		posture.NewID(Epoch, zeros{}): whole,
	} {
		out, err := h.webhooks.Redeliver(ctx, h.account, hook, from, "administrator")
		if err != nil || out.Events != len(want) || out.Next != "" {
			t.Errorf("from %s: %+v, %v", from, out, err)
		}
		_, err = h.webhooks.Redeliver(ctx, h.account, hook, from, "administrator") // they wait already
		check(t, err)
		h.clock.advance(time.Second)
		h.delivered(t, "again from "+from, want...)
	}
	for _, from := range []string{"", "x", "2026-03-01"} {
		wantCode(t, second(h.webhooks.Redeliver(ctx, h.account, hook, from, "")), errs.Invalid)
	}
	queued, next, err := h.Redeliver(ctx, webhook.Ref{Account: h.account, ID: hook}, "", 3, h.clock.at)
	if err != nil || queued != 3 || next != log[1].FirstEvent {
		t.Errorf("a part: %d, %q, %v", queued, next, err)
	}
	_, err = h.webhooks.SetEnabled(ctx, h.account, hook, 0, false, "")
	check(t, err)
	wantCode(t, second(h.webhooks.Redeliver(ctx, h.account, hook, Epoch.Format(time.RFC3339), "")), errs.Conflict)
	d, err := h.webhooks.Test(ctx, h.account, hook, "administrator")
	if err != nil || !d.Delivered() || d.Events != 0 {
		t.Errorf("a test: %+v, %v", d, err)
	}
	h.clock.advance(time.Second)
	h.receiver.down = true
	d, err = h.webhooks.Test(ctx, h.account, hook, "administrator")
	if err != nil || d.Delivered() {
		t.Errorf("a test: %+v, %v", d, err)
	}
	log, _, err = h.webhooks.Deliveries(ctx, h.account, hook, page.Window{Limit: 1})
	if err != nil || !cmp.Equal(log, []webhook.Delivery{d}) {
		t.Errorf("%+v, %v", log, err)
	}
	kinds := map[event.Kind]int{}
	for _, e := range allEvents(ctx, t, h.svc, h.account, device.EventQuery{Kinds: event.Kinds(event.OfWebhooks), Window: page.Window{Limit: 100}}) {
		kinds[e.Kind]++
	}
	if kinds[event.WebhookDelivered] < 10 || kinds[event.WebhookFailed] != 1 {
		t.Errorf("recorded: %v", kinds)
	}
}

// testForgettingWebhooks gives up what could not be told for too long.
func testForgettingWebhooks(t *testing.T, e Engine) {
	h := newHooks(t, e)
	ctx := t.Context()
	hook := h.hook(t, "one", webhook.Standard)
	h.receiver.down = true
	id := h.enrol(t, device.Registration{}).DeviceID
	h.delivered(t, "down")
	h.clock.advance(24 * time.Hour)
	h.report(t, id, "4/0/0", posture.Report{})
	h.delivered(t, "down")
	n, err := h.webhooks.Forget(ctx, h.account, Epoch.Add(12*time.Hour))
	if err != nil || n != 1 {
		t.Errorf("%d given up, %v", n, err)
	}
	w := h.state(t, hook)
	if w.Pending != 1 || !strings.HasPrefix(w.LastError, "1 changes were given up") {
		t.Errorf("%+v", w)
	}
	log, _, err := h.webhooks.Deliveries(ctx, h.account, hook, page.Window{Limit: 10})
	if err != nil || len(log) != 1 {
		t.Errorf("%+v, %v", log, err)
	}
	n, err = h.webhooks.Forget(ctx, h.account, Epoch.Add(12*time.Hour))
	if err != nil || n != 0 {
		t.Errorf("%d given up, %v", n, err)
	}
	check(t, h.webhooks.Delete(ctx, h.account, hook, 0, ""))
}

// exerciseWebhooks uses each statement about webhooks.
func exerciseWebhooks(ctx context.Context, t *testing.T, s *store.Store) {
	t.Helper()
	account := Account(t, s, "webhooks", 10)
	r := &receiver{refuse: func(_, _ string) bool { return true }}
	clock := &clock{Epoch}
	svc, devices := webhook.New(webhook.Options{Store: s, Sender: r, Now: clock.now}), service(s, clock.now)
	m, err := svc.Create(ctx, account, hookChange("one", webhook.Standard), "")
	check(t, err)
	en, err := devices.Enrol(ctx, account, device.Registration{})
	check(t, err)
	check(t, devices.Retire(ctx, device.Ref{Account: account, ID: en.DeviceID}))
	out := webhook.NewDeliverer(webhook.DelivererOptions{Outbox: s, Sender: r, Now: clock.now})
	for range 4 {
		check(t, out.Once(ctx))
		clock.advance(5 * time.Minute)
	}
	r.refuse = nil
	check(t, out.Once(ctx))
	_, err = svc.Test(ctx, account, m.ID, "")
	check(t, err)
	list, _, err := svc.Deliveries(ctx, account, m.ID, page.Window{Limit: 10})
	check(t, err)
	_, err = svc.Redeliver(ctx, account, m.ID, list[0].ID, "")
	check(t, err)
	_, err = svc.Update(ctx, account, m.ID, 0, webhook.Change{NewSecret: true}, "")
	check(t, err)
	check(t, out.Once(ctx))
	_, err = svc.Forget(ctx, account, clock.at)
	check(t, err)
	check(t, svc.Delete(ctx, account, m.ID, 0, ""))
}
