package webhook

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"muster/internal/event"
	"muster/internal/posture"
)

const (
	// poll is how often it is looked for what other servers have put into the outbox, and for what may be tried again.
	poll = time.Second
	// atOnce is how many webhooks are served at the same time, and of one account.
	atOnce        = 64
	atOncePerRoom = 8
	// maxArray is how many changes one request of the form Opswat has.
	maxArray = 100
	// maxRequests is how many requests one round has, parallel how many of them are under way at the same time. Each takes
	// RequestTimeout at most, so that a round ends before its lease.
	maxRequests = 16
	parallel    = 8
	leaseFor    = maxRequests/parallel*RequestTimeout + 10*time.Second
)

// RequestTimeout is how long one request may take from its beginning to the end of its answer.
const RequestTimeout = 10 * time.Second

// Deliverer sends what is in the outbox.
type Deliverer struct {
	outbox  Outbox
	sender  Sender
	wake    <-chan struct{}
	observe func(delivered bool)
	now     func() time.Time
	random  io.Reader
	chance  func() float64
	log     *slog.Logger
	holder  string

	// again tells that a webhook was served, and may have got more meanwhile.
	again chan struct{}

	mu   sync.Mutex
	busy map[Ref]bool
	room map[posture.AccountID]int
}

// DelivererOptions are what a Deliverer is made of. Outbox and Sender must be there.
type DelivererOptions struct {
	Outbox Outbox
	Sender Sender
	// Wake tells that something was put into the outbox here. What others put there is found within a second.
	Wake <-chan struct{}
	// Observe is told of each request; may be nil.
	Observe func(delivered bool)
	Now     func() time.Time // time.Now when nil
	Random  io.Reader        // crypto/rand.Reader when nil
	Chance  func() float64   // in [0, 1), to spread retries; a random number when nil
	Log     *slog.Logger     // slog.Default() when nil
}

// NewDeliverer makes a Deliverer; it has its own name among all servers.
func NewDeliverer(o DelivererOptions) *Deliverer {
	d := &Deliverer{
		outbox: o.Outbox, sender: o.Sender, wake: o.Wake, observe: o.Observe, now: o.Now, random: o.Random, chance: o.Chance, log: o.Log,
		holder: rand.Text(), again: make(chan struct{}, 1), busy: make(map[Ref]bool), room: make(map[posture.AccountID]int),
	}
	if d.observe == nil {
		d.observe = func(bool) {}
	}
	if d.now == nil {
		d.now = time.Now
	}
	if d.random == nil {
		d.random = rand.Reader
	}
	if d.chance == nil {
		d.chance = mathrand.Float64
	}
	if d.log == nil {
		d.log = slog.Default()
	}
	return d
}

// Run delivers until ctx ends and the requests under way are broken off. What was sent and not answered is sent again by
// whoever comes next.
func (d *Deliverer) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := d.look(ctx, &wg)
		if err != nil && ctx.Err() == nil {
			d.log.Error("looking for what webhooks are to be told failed; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-d.wake:
		case <-d.again:
		}
	}
}

// Once delivers what may be delivered now, and returns when that is done.
func (d *Deliverer) Once(ctx context.Context) error {
	var wg sync.WaitGroup
	err := d.look(ctx, &wg)
	wg.Wait()
	return err
}

// look starts serving each webhook for which something may be sent and that is not being served.
func (d *Deliverer) look(ctx context.Context, wg *sync.WaitGroup) error {
	refs, err := d.outbox.Ripe(ctx, d.clock())
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if !d.enter(ref) {
			continue
		}
		wg.Go(func() {
			progress, err := d.serve(ctx, ref)
			d.leave(ref)
			if progress {
				d.lookAgain()
			}
			if err != nil && ctx.Err() == nil {
				d.log.Error("delivering to a webhook failed; it is tried again", "account", ref.Account, "webhook", ref.ID, "error", err)
			}
		})
	}
	return nil
}

// enter takes a place for a webhook. Those of one account do not take them all: its receivers may be slow.
func (d *Deliverer) enter(ref Ref) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy[ref] || len(d.busy) >= atOnce || d.room[ref.Account] >= atOncePerRoom {
		return false
	}
	d.busy[ref] = true
	d.room[ref.Account]++
	return true
}

func (d *Deliverer) leave(ref Ref) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, ref)
	d.room[ref.Account]--
	if d.room[ref.Account] == 0 {
		delete(d.room, ref.Account)
	}
}

// lookAgain has it looked at once for what came to a webhook while it was being served.
func (d *Deliverer) lookAgain() {
	select {
	case d.again <- struct{}{}:
	default: // it will be looked anyway
	}
}

func (d *Deliverer) clock() time.Time { return d.now().UTC().Truncate(time.Millisecond) }

// serve makes rounds for one webhook until nothing may be sent to it now, or another server does. It reports whether
// anything was delivered.
func (d *Deliverer) serve(ctx context.Context, ref Ref) (progress bool, err error) {
	for ctx.Err() == nil {
		more, err := d.round(ctx, ref)
		if err != nil || !more {
			return progress, err
		}
		progress = true
	}
	return progress, nil
}

// round leases a webhook, sends some of what waits, and stores what came of it. It reports whether something
// was delivered, and so there may be more.
func (d *Deliverer) round(ctx context.Context, ref Ref) (bool, error) {
	now := d.clock()
	target, got, err := d.outbox.LeaseWebhook(ctx, ref, d.holder, now, now.Add(leaseFor))
	if err != nil || !got {
		return false, err
	}
	heads, err := d.outbox.Heads(ctx, ref, now, maxArray)
	if err != nil {
		return false, err
	}
	r := &Round{
		Ref: ref, Holder: d.holder, At: now,
		Failures: target.Failures, RetryAt: target.RetryAt, DeliveredAt: target.DeliveredAt, LastError: target.LastError,
	}
	d.send(ctx, &target, parcels(&target.Webhook, heads), r)
	r.conclude(&target.Webhook, d.clock(), d.chance)
	// What was delivered is to be known as such, also when the server is told to stop.
	return len(r.Done) > 0, d.outbox.Settle(context.WithoutCancel(ctx), r)
}

// parcels sorts changes of different devices into requests. In the form Opswat those that were not tried yet go together;
// one that failed goes alone, so that it does not hold up others again. A receiver that is taken to be down gets one
// request, of changes that were not tried yet where there are any: a device whose changes are refused time and again
// does not keep those of others from being tried.
func parcels(w *Webhook, heads []Pending) [][]Pending {
	var fresh, out [][]Pending
	array := -1
	for _, p := range heads {
		switch {
		case p.Attempts > 0:
			out = append(out, []Pending{p})
		case w.Form == Opswat && array >= 0:
			fresh[array] = append(fresh[array], p)
		default:
			array = len(fresh)
			fresh = append(fresh, []Pending{p})
		}
	}
	out = append(fresh, out...)
	most := maxRequests
	if w.Failures >= troubled {
		most = 1
	}
	return out[:min(len(out), most)]
}

// send makes the requests, a few at the same time, and notes what came of each. When the first few all fail, the others
// are left for later.
func (d *Deliverer) send(ctx context.Context, t *Target, requests [][]Pending, r *Round) {
	var mu sync.Mutex
	for first := 0; first < len(requests); first += parallel {
		if ctx.Err() != nil || len(r.Failed) > 0 && len(r.Done) == 0 {
			return
		}
		var wg sync.WaitGroup
		for _, list := range requests[first:min(first+parallel, len(requests))] {
			wg.Go(func() {
				done, ok := d.sendOne(ctx, t, list)
				if !ok {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				r.note(&t.Webhook, done, list, posture.NewID(done.At, d.random), d.chance)
			})
		}
		wg.Wait()
	}
}

// sendOne makes one request. It gives nothing where the server itself broke it off.
func (d *Deliverer) sendOne(ctx context.Context, t *Target, list []Pending) (Delivery, bool) {
	at := d.clock()
	answer := d.sender.Send(ctx, t.request(list, at))
	if answer.Err != nil && ctx.Err() != nil {
		return Delivery{}, false
	}
	out := Delivery{
		ID: posture.NewID(at, d.random), At: at, Attempt: list[0].Attempts + 1,
		Events: len(list), FirstEvent: list[0].EventID, LastEvent: list[0].EventID,
	}
	for i := range list {
		out.FirstEvent, out.LastEvent = min(out.FirstEvent, list[i].EventID), max(out.LastEvent, list[i].EventID)
	}
	if len(list) == 1 {
		out.DeviceID = list[0].DeviceID
	}
	out.take(answer, d.clock().Sub(at))
	d.observe(out.Delivered())
	return out, true
}

// take notes what came of a request. Any 2xx is delivered.
func (d *Delivery) take(a Answer, took time.Duration) {
	d.StatusCode, d.Took = a.StatusCode, took
	switch {
	case a.Err != nil:
		d.Error = a.Err.Error()
	case a.StatusCode < 200 || a.StatusCode > 299:
		d.Error = "HTTP status " + strconv.Itoa(a.StatusCode)
		if a.StatusCode >= 300 && a.StatusCode <= 399 {
			d.Error += " (redirects are not followed)"
		}
		if a.Excerpt != "" {
			d.Error += ": " + a.Excerpt
		}
	}
	d.Error = cut(d.Error)
}

// maxError is how much of an error is kept, in bytes.
const maxError = 300

func cut(s string) string {
	if len(s) > maxError {
		s = s[:maxError] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// note puts a request and what came of it into the round.
func (r *Round) note(w *Webhook, done Delivery, list []Pending, eventID string, chance func() float64) {
	r.Deliveries = append(r.Deliveries, done)
	r.Events = append(r.Events, deliveryEvent(w, &done, eventID))
	if done.Delivered() {
		r.Done = append(r.Done, list...)
		r.DeliveredAt = done.At
		return
	}
	r.LastError = done.Error
	for _, p := range list {
		p.Attempts++
		p.RetryAt = done.At.Add(done.Took + retryAfter(p.Attempts, chance()))
		r.Failed = append(r.Failed, p)
	}
}

// conclude says how the webhook stands after the round.
func (r *Round) conclude(w *Webhook, now time.Time, chance func() float64) {
	switch {
	case len(r.Done) > 0:
		r.Resume = w.Failures >= troubled
		r.Failures, r.RetryAt = 0, time.Time{}
		if len(r.Failed) == 0 {
			r.LastError = ""
		}
	case len(r.Failed) > 0:
		r.Failures++
		r.RetryAt = time.Time{}
		if pause := pauseAfter(r.Failures, chance()); pause > 0 {
			r.RetryAt = now.Add(pause)
		}
	}
}

// deliveryEvent tells of a request in the record.
func deliveryEvent(w *Webhook, d *Delivery, id string) event.Event {
	what := fmt.Sprintf("%d changes", d.Events)
	switch d.Events {
	case 0:
		what = "a test"
	case 1:
		what = "a change"
	}
	e := event.Event{
		Account: w.Account, ID: id, At: d.At, Kind: event.WebhookDelivered, DeviceID: d.DeviceID, Detail: w.Name + ": " + what,
	}
	if !d.Delivered() {
		e.Kind = event.WebhookFailed
		e.Detail += ", attempt " + strconv.Itoa(d.Attempt) + ": " + d.Error
	}
	return e
}
