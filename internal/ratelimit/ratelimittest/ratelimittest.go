// Package ratelimittest is the suite that every ratelimit.Source must pass.
package ratelimittest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/internal/posture"
	"muster/internal/ratelimit"
)

// start is a whole number of milliseconds: that is all a database keeps of a time.
var start = time.Date(2026, 3, 1, 9, 30, 0, 250_000_000, time.UTC)

// Run puts a Source to the test. newSource gives an empty one that knows the accounts 1 and 2, and 0 for none.
func Run(t *testing.T, newSource func(t *testing.T) ratelimit.Source) {
	t.Run("windows", func(t *testing.T) { testWindows(t, newSource(t)) })
	t.Run("keys", func(t *testing.T) { testKeys(t, newSource(t)) })
	t.Run("concurrent", func(t *testing.T) { testConcurrent(t, newSource(t)) })
	t.Run("concurrent turn", func(t *testing.T) { testConcurrentTurn(t, newSource(t)) })
}

// testWindows follows one key through time.
func testWindows(t *testing.T, source ratelimit.Source) {
	const length = time.Minute
	key := ratelimit.Operation(1, "device_detail")
	steps := []struct {
		name    string
		at      time.Duration
		started time.Duration
		used    int64
	}{
		{"the first call starts a window", 0, 0, 1},
		{"a call at the same moment counts", 0, 0, 2},
		{"so does one within it", 30 * time.Second, 0, 3},
		{"and one in its last millisecond", length - time.Millisecond, 0, 4},
		{"a call at its end starts the next", length, length, 1},
		{"a clock that lags counts in the window it finds", length - 5*time.Second, length, 2},
		{"a clock set back by a length starts anew", 0, 0, 1},
		{"after a pause the window starts with the call, not on a grid", 150 * time.Second, 150 * time.Second, 1},
		{"and lasts its length from there", 209 * time.Second, 150 * time.Second, 2},
	}
	for _, s := range steps {
		got := take(t, source, key, start.Add(s.at), length)
		if got.Used != s.used || !got.Started.Equal(start.Add(s.started)) {
			t.Errorf("%s: got %d calls since %v, want %d since %v", s.name, got.Used, got.Started.Sub(start), s.used, s.started)
		}
	}
}

// testKeys sees to it that neither account nor bucket is forgotten.
func testKeys(t *testing.T, source ratelimit.Source) {
	keys := []ratelimit.Key{
		ratelimit.Operation(1, "a"),
		ratelimit.Operation(2, "a"),
		ratelimit.Operation(1, "A"),
		ratelimit.ApplicationOperation(1, "client", "a"),
		ratelimit.Guess("client", "a'b\"c%d"),
		ratelimit.Guess("client", "日本語"),
	}
	for round := int64(1); round <= 2; round++ {
		for _, key := range keys {
			if got := take(t, source, key, start, time.Minute); got.Used != round {
				t.Errorf("%v counts %d calls, want %d", key, got.Used, round)
			}
		}
	}
}

// testConcurrent has many callers at once: exactly as many as the limit says get through, under every key.
func testConcurrent(t *testing.T, source ratelimit.Source) {
	const limit, callers = 10, 40
	limiter := &ratelimit.Limiter{Source: source, Now: func() time.Time { return start }}
	var allowed [3]atomic.Int64
	var wg sync.WaitGroup
	for i := range callers * len(allowed) {
		wg.Go(func() {
			account := i % len(allowed)
			d, err := limiter.Take(t.Context(), ratelimit.Operation(posture.AccountID(account), "op"), limit)
			if err != nil {
				t.Error(err)
			}
			if d.Allowed {
				allowed[account].Add(1)
			}
		})
	}
	wg.Wait()
	for account := range allowed {
		if got := allowed[account].Load(); got != limit {
			t.Errorf("account %d: %d of %d calls were allowed, want %d", account, got, callers, limit)
		}
	}
}

// testConcurrentTurn has many callers find an old window at once: one of them replaces it, once.
func testConcurrentTurn(t *testing.T, source ratelimit.Source) {
	const callers = 20
	key := ratelimit.Operation(1, "op")
	take(t, source, key, start, time.Minute)
	var seen [callers + 1]atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			w := take(t, source, key, start.Add(time.Hour), time.Minute)
			if w.Used >= 1 && w.Used <= callers {
				seen[w.Used].Add(1)
			}
		})
	}
	wg.Wait()
	for used := 1; used <= callers; used++ {
		if n := seen[used].Load(); n != 1 {
			t.Errorf("%d callers were told %d calls, want one", n, used)
		}
	}
}

func take(t *testing.T, source ratelimit.Source, key ratelimit.Key, now time.Time, length time.Duration) ratelimit.Window {
	w, err := source.Take(t.Context(), key, now, length)
	if err != nil {
		t.Errorf("Take: %v", err)
	}
	return w
}
