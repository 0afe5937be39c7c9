package client

import (
	"context"
	"runtime"
	"time"
)

// Clock is for tests that turn it themselves.
type Clock interface {
	Now() time.Time
	Sleep(ctx context.Context, d time.Duration) error
}

// SetClock gives a client another clock, before its first call.
func (c *Client) SetClock(k Clock) { c.clock = k }

// AwaitWaiting returns when n calls wait for the same request for a token.
func (c *Client) AwaitWaiting(n int) {
	for {
		c.tokens.mu.Lock()
		f := c.tokens.flight
		done := f != nil && f.waiting >= n
		c.tokens.mu.Unlock()
		if done {
			return
		}
		runtime.Gosched()
	}
}
