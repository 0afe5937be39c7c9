package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/jobs"
)

// lease is held by one holder at a time.
type lease struct {
	holder string
	until  time.Time
	err    error
}

func (l *lease) Lease(_ context.Context, _, holder string, now, until time.Time) (bool, error) {
	if l.err != nil || (l.holder != holder && now.Before(l.until)) {
		return false, l.err
	}
	l.holder, l.until = holder, until
	return true, nil
}

func TestOnceByOneServerAtATime(t *testing.T) {
	leases, ran := &lease{}, 0
	job := jobs.Job{Name: "sweep", Every: time.Minute, Do: func(context.Context, time.Time) error { ran++; return nil }}
	one, two := jobs.New(leases, slog.New(slog.DiscardHandler), time.Now), jobs.New(leases, slog.New(slog.DiscardHandler), time.Now)
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	one.Once(t.Context(), job, now)
	two.Once(t.Context(), job, now.Add(time.Second))
	if ran != 1 {
		t.Fatalf("ran %d times in one turn", ran)
	}
	two.Once(t.Context(), job, now.Add(time.Minute))
	if ran != 2 {
		t.Errorf("after the holder died it ran %d times", ran)
	}
}

func TestFailuresAreLogged(t *testing.T) {
	var log strings.Builder
	r := jobs.New(&lease{}, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
	r.Once(t.Context(), jobs.Job{Name: "sweep", Every: time.Minute, Do: func(context.Context, time.Time) error { return errors.New("no disk") }}, time.Now())
	if !strings.Contains(log.String(), "sweep") || !strings.Contains(log.String(), "no disk") {
		t.Errorf("log %q", log.String())
	}
	log.Reset()
	jobs.New(&lease{err: errors.New("no database")}, slog.New(slog.NewTextHandler(&log, nil)), time.Now).
		Once(t.Context(), jobs.Job{Name: "sweep", Every: time.Minute, Do: func(context.Context, time.Time) error { t.Error("ran"); return nil }}, time.Now())
	if !strings.Contains(log.String(), "no database") {
		t.Errorf("log %q", log.String())
	}
}

func TestRunRepeatsUntilStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran atomic.Int64
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			jobs.New(&lease{}, slog.New(slog.DiscardHandler), time.Now, jobs.Job{Name: "sweep", Every: time.Minute, Do: func(context.Context, time.Time) error { ran.Add(1); return nil }}).Run(ctx)
		}()
		<-time.After(10*time.Minute + time.Second)
		stop()
		<-done
		if got := ran.Load(); got != 11 {
			t.Errorf("ran %d times in ten minutes", got)
		}
	})
}
