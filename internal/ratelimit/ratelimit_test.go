package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/internal/errs"
	"muster/internal/ratelimit"
	"muster/internal/ratelimit/ratelimittest"
)

var start = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

// clock is a time that moves only when told.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestMemoryConforms(t *testing.T) {
	ratelimittest.Run(t, func(*testing.T) ratelimit.Source { return ratelimit.NewMemory(1 << 10) })
}

func TestDecide(t *testing.T) {
	const length = time.Minute
	tests := []struct {
		name    string
		used    int64
		limit   int
		age     time.Duration
		want    ratelimit.Decision
		seconds int
	}{
		{"first call", 1, 10, 0, ratelimit.Decision{Allowed: true, Limit: 10, Remaining: 9, Reset: length}, 60},
		{"last call", 10, 10, 30 * time.Second, ratelimit.Decision{Allowed: true, Limit: 10, Reset: 30 * time.Second}, 30},
		{"one too many", 11, 10, 30 * time.Second, ratelimit.Decision{Limit: 10, Reset: 30 * time.Second}, 30},
		{"far too many", 1 << 40, 10, 0, ratelimit.Decision{Limit: 10, Reset: length}, 60},
		{"seconds round up", 1, 1, 100 * time.Millisecond, ratelimit.Decision{Allowed: true, Limit: 1, Reset: 59900 * time.Millisecond}, 60},
		{"never 0 while open", 1, 1, length - time.Nanosecond, ratelimit.Decision{Allowed: true, Limit: 1, Reset: 1}, 1},
		{"a clock that lags waits no longer than a window", 1, 1, -5 * time.Second, ratelimit.Decision{Allowed: true, Limit: 1, Reset: length}, 60},
		{"a negative limit allows nothing", 1, -1, 0, ratelimit.Decision{Limit: -1, Reset: length}, 60},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ratelimit.Decide(ratelimit.Window{Started: start, Used: tt.used}, tt.limit, start.Add(tt.age), length)
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if got.ResetSeconds() != tt.seconds {
				t.Errorf("got %d seconds, want %d", got.ResetSeconds(), tt.seconds)
			}
		})
	}
}

func TestLimiter(t *testing.T) {
	c := &clock{now: start}
	limiter := &ratelimit.Limiter{Source: ratelimit.NewMemory(16), Now: c.Now}
	key := ratelimit.Operation(7, "groups")
	for i := range 12 {
		d := mustTake(t, limiter, key, 10)
		if d.Allowed != (i < 10) || d.Remaining != max(0, 9-i) {
			t.Errorf("call %d: %+v", i+1, d)
		}
	}
	c.advance(ratelimit.Period)
	if d := mustTake(t, limiter, key, 10); !d.Allowed || d.Remaining != 9 {
		t.Errorf("the next window begins with %+v", d)
	}
}

func TestLimitZeroIsOffAndCountsNothing(t *testing.T) {
	limiter := &ratelimit.Limiter{Source: failing{}, Now: time.Now}
	if d := mustTake(t, limiter, ratelimit.Operation(1, "x"), 0); d != (ratelimit.Decision{Allowed: true}) || d.ResetSeconds() != 0 {
		t.Errorf("got %+v", d)
	}
	if _, err := limiter.Take(t.Context(), ratelimit.Operation(1, "x"), 1); !errors.Is(err, errSource) {
		t.Errorf("got %v, want the error of the source", err)
	}
}

var errSource = errors.New("out of order")

type failing struct{}

func (failing) Take(context.Context, ratelimit.Key, time.Time, time.Duration) (ratelimit.Window, error) {
	return ratelimit.Window{}, errSource
}

func TestDecisionErr(t *testing.T) {
	if err := (ratelimit.Decision{Allowed: true}).Err(); err != nil {
		t.Errorf("an allowed call gives %v", err)
	}
	refused := ratelimit.Decision{Limit: 10, Reset: 1500 * time.Millisecond}
	err := fmt.Errorf("wrapped: %w", refused.Err())
	got, ok := ratelimit.DecisionOf(err)
	if !errs.Is(err, errs.RateLimited) || !ok || got != refused {
		t.Errorf("got %v with %+v", err, got)
	}
	if _, ok := ratelimit.DecisionOf(errSource); ok {
		t.Error("another error has a decision")
	}
	if want := "try again in 2 seconds: limit of 10 used up"; !strings.Contains(err.Error(), want) {
		t.Errorf("%q lacks %q", err, want)
	}
}

// TestMemoryIsBounded fills a source far beyond its room, first with windows that end, then with open ones.
func TestMemoryIsBounded(t *testing.T) {
	const size, calls = 64, 10_000
	m := ratelimit.NewMemory(size)
	for i := range calls {
		mustUse(t, m, ratelimit.Guess("x", fmt.Sprint(i)), start)
	}
	if held := countHeld(m, calls, start); held > size || held < size/4 {
		t.Errorf("%d windows are held, want about %d", held, size)
	}
	later := start.Add(time.Hour)
	for i := range size / 4 {
		mustUse(t, m, ratelimit.Guess("x", fmt.Sprint(i)), later)
	}
	if held := countHeld(m, size/4, later); held < size/8 {
		t.Errorf("only %d of %d new windows are held", held, size/4)
	}
}

// TestMemoryPrefersToForgetWhatEnded: a full source drops ended windows and keeps an open one.
func TestMemoryPrefersToForgetWhatEnded(t *testing.T) {
	m := ratelimit.NewMemory(16 * 64)
	for i := range 16 * 60 {
		mustUse(t, m, ratelimit.Guess("old", fmt.Sprint(i)), start)
	}
	later := start.Add(ratelimit.Period)
	kept := ratelimit.Guess("kept", "")
	mustUse(t, m, kept, later)
	for i := range 16 * 20 {
		mustUse(t, m, ratelimit.Guess("new", fmt.Sprint(i)), later)
	}
	if w := m.Peek(kept, later, ratelimit.Period); w.Used != 1 {
		t.Errorf("the open window is gone: %+v", w)
	}
}

func countHeld(m *ratelimit.Memory, n int, now time.Time) int {
	held := 0
	for i := range n {
		if m.Peek(ratelimit.Guess("x", fmt.Sprint(i)), now, ratelimit.Period).Used > 0 {
			held++
		}
	}
	return held
}

func TestGuard(t *testing.T) {
	c := &clock{now: start}
	g := ratelimit.NewGuard(64, c.Now)
	pair := ratelimit.Bound{Key: ratelimit.Guess("pair", "a b"), Limit: 3}
	origin := ratelimit.Bound{Key: ratelimit.Guess("origin", "a"), Limit: 5}
	for i := range 3 {
		if err := g.Check(pair, origin); err != nil {
			t.Fatalf("attempt %d: %v", i+1, err)
		}
		g.Failed(pair, origin)
		c.advance(10 * time.Second)
	}
	err := g.Check(pair, origin)
	if d, ok := ratelimit.DecisionOf(err); !ok || !errs.Is(err, errs.RateLimited) || d.ResetSeconds() != 30 || d.Limit != 3 {
		t.Errorf("got %v", err)
	}
	if err := g.Check(origin); err != nil {
		t.Errorf("the wider bound is reached too early: %v", err)
	}
	c.advance(30 * time.Second)
	if err := g.Check(pair, origin); err != nil {
		t.Errorf("after the window: %v", err)
	}
}

func TestOrigin(t *testing.T) {
	tests := []struct{ addr, want string }{
		{"192.0.2.7", "192.0.2.7"},
		{"::ffff:192.0.2.7", "192.0.2.7"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"2001:db8:1:2::1", "2001:db8:1:2::/64"},
		{"fe80::1%eth0", "fe80::/64"},
	}
	for _, tt := range tests {
		if got := ratelimit.Origin(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.addr, got, tt.want)
		}
	}
	if got := ratelimit.Origin(netip.Addr{}); got != "" {
		t.Errorf("no address: got %q", got)
	}
}

func TestGuessKeysAreShort(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	a, b := ratelimit.Guess("client", long), ratelimit.Guess("client", long+"y")
	if len(a.Bucket) > 200 || a == b {
		t.Errorf("got %d bytes, equal %t", len(a.Bucket), a == b)
	}
}

func mustTake(t *testing.T, l *ratelimit.Limiter, key ratelimit.Key, limit int) ratelimit.Decision {
	t.Helper()
	d, err := l.Take(t.Context(), key, limit)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustUse(t *testing.T, m *ratelimit.Memory, key ratelimit.Key, now time.Time) {
	t.Helper()
	if _, err := m.Take(t.Context(), key, now, ratelimit.Period); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkLimiter(b *testing.B) {
	limiter := &ratelimit.Limiter{Source: ratelimit.NewMemory(1 << 16), Now: time.Now}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := limiter.Take(b.Context(), ratelimit.Operation(1, "device_detail"), 1<<30); err != nil {
				b.Error(err)
			}
		}
	})
}
