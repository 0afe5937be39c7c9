package webhook

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// box is an outbox of which another server may have everything.
type box struct {
	refs    []Ref
	taken   atomic.Bool
	looks   atomic.Int64
	pending atomic.Int64 // changes that wait, for each webhook
	settled atomic.Int64
}

func (b *box) Ripe(context.Context, time.Time) ([]Ref, error) {
	b.looks.Add(1)
	return b.refs, nil
}

func (b *box) LeaseWebhook(_ context.Context, ref Ref, _ string, _, _ time.Time) (Target, bool, error) {
	return Target{Webhook: Webhook{Ref: ref, Form: Opswat}}, !b.taken.Load(), nil
}

func (b *box) Heads(context.Context, Ref, time.Time, int) ([]Pending, error) {
	if b.pending.Add(-1) < 0 {
		return nil, nil
	}
	return []Pending{pending("status_changed", 3, 4)}, nil
}

func (b *box) Settle(_ context.Context, r *Round) error {
	b.settled.Add(int64(len(r.Done)))
	return nil
}

// slow is a sender that takes its time.
type slow struct {
	takes    time.Duration
	at, most atomic.Int64
}

func (s *slow) Send(ctx context.Context, _ Request) Answer {
	n := s.at.Add(1)
	defer s.at.Add(-1)
	for most := s.most.Load(); n > most && !s.most.CompareAndSwap(most, n); most = s.most.Load() {
	}
	select {
	case <-time.After(s.takes):
		return Answer{StatusCode: 200}
	case <-ctx.Done():
		return Answer{Err: ctx.Err()}
	}
}

// TestRunLooksOnceASecond: also while another server has what waits, and at once when it is told of something.
func TestRunLooksOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, wake := &box{refs: []Ref{{1, "a"}, {1, "b"}}}, make(chan struct{}, 1)
		b.taken.Store(true)
		d := NewDeliverer(DelivererOptions{Outbox: b, Sender: &slow{}, Wake: wake})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { d.Run(ctx); close(ended) }()
		time.Sleep(3500 * time.Millisecond) //nolint:forbidigo // the clock of the bubble
		if n := b.looks.Load(); n != 4 {
			t.Errorf("looked %d times in three and a half seconds", n)
		}
		b.taken.Store(false)
		b.pending.Store(1)
		wake <- struct{}{}
		synctest.Wait()
		if n := b.settled.Load(); n != 1 {
			t.Errorf("told, and delivered %d", n)
		}
		stop()
		<-ended
	})
}

// TestSlowReceivers: those of one account do not take all places, and what is broken off is not taken for a failure.
func TestSlowReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := &box{}, &slow{takes: time.Hour}
		for i := range 20 {
			b.refs = append(b.refs, Ref{1, string(rune('a' + i))})
		}
		b.refs = append(b.refs, Ref{2, "a"})
		b.pending.Store(1000)
		failed := 0
		d := NewDeliverer(DelivererOptions{Outbox: b, Sender: s, Observe: func(bool) { failed++ }})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { d.Run(ctx); close(ended) }()
		synctest.Wait()
		if n := s.most.Load(); n != atOncePerRoom+1 {
			t.Errorf("%d requests at once", n)
		}
		stop()
		<-ended
		if failed != 0 || b.settled.Load() != 0 {
			t.Errorf("%d failed, %d delivered", failed, b.settled.Load())
		}
	})
}

// TestTake: what is delivered, and what is said of what is not.
func TestTake(t *testing.T) {
	for want, a := range map[string]Answer{
		"":                {StatusCode: 299},
		"HTTP status 404": {StatusCode: 404},
		"HTTP status 199": {StatusCode: 199},
		"HTTP status 301 (redirects are not followed): moved": {StatusCode: 301, Excerpt: "moved"},
		"no answer in time":                 {Err: errors.New("no answer in time")},
		strings.Repeat("x", maxError) + "…": {Err: errors.New(strings.Repeat("x", maxError+1))},
	} {
		var d Delivery
		d.take(a, time.Second)
		if d.Error != want || d.Delivered() != (want == "") || d.StatusCode != a.StatusCode || d.Took != time.Second {
			t.Errorf("%+v: %+v", a, d)
		}
	}
	var d Delivery
	d.take(Answer{StatusCode: 200}, 0)
	if !d.Delivered() {
		t.Errorf("%+v", d)
	}
}
