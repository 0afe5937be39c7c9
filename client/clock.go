package client

import (
	"context"
	"time"
)

// clock is time as the client sees it; tests have another.
type clock interface {
	Now() time.Time
	// Sleep waits, or gives the context's error if that ends first.
	Sleep(ctx context.Context, d time.Duration) error
}

type systemClock struct{}

// Now implements clock.
func (systemClock) Now() time.Time { return time.Now() } //nolint:forbidigo // a program that calls has the real clock

// Sleep implements clock.
func (systemClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
