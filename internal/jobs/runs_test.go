package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/internal/errs"
	"muster/internal/jobs"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/run"
)

// shelf keeps runs in memory.
type shelf struct {
	mu   sync.Mutex
	runs []run.Run
}

func (s *shelf) find(id string) *run.Run {
	for i := range s.runs {
		if s.runs[i].ID == id {
			return &s.runs[i]
		}
	}
	return nil
}

func (s *shelf) AddRun(_ context.Context, r *run.Run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = append(s.runs, *r)
	return nil
}

func (s *shelf) Run(_ context.Context, _ posture.AccountID, id string) (run.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.find(id), nil
}

func (s *shelf) Runs(context.Context, posture.AccountID, page.Window) ([]run.Run, error) {
	return nil, errors.ErrUnsupported
}

func (s *shelf) OpenRuns(_ context.Context, kind run.Kind) ([]run.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []run.Run
	for _, r := range s.runs {
		if r.Kind == kind && !r.State.Ended() {
			out = append(out, r)
		}
	}
	return out, nil
}

func (s *shelf) SaveRun(_ context.Context, r *run.Run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.find(r.ID)
	if stored.State.Ended() {
		return run.ErrEnded()
	}
	*stored = *r
	return nil
}

func (s *shelf) CancelRun(_ context.Context, _ posture.AccountID, id string, at time.Time) (run.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(id)
	r.State, r.EndedAt = run.Cancelled, at
	return *r, nil
}

func (s *shelf) ForgetRuns(context.Context, time.Time) error { return nil }

// bunch is a lease for each name.
type bunch struct {
	mu     sync.Mutex
	leases map[string]*lease
}

func (b *bunch) Lease(ctx context.Context, name, holder string, now, until time.Time) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.leases == nil {
		b.leases = make(map[string]*lease)
	}
	if b.leases[name] == nil {
		b.leases[name] = &lease{}
	}
	return b.leases[name].Lease(ctx, name, holder, now, until)
}

// counting does runs of ten parts.
func counting(_ context.Context, r *run.Run) (bool, error) {
	r.Done++
	r.Position = fmt.Sprint(r.Done)
	return r.Done == 10, nil
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func runsOf(s *shelf, leases jobs.Leases, work jobs.Work) *jobs.Runs {
	return jobs.NewRuns(s, leases, slog.New(slog.DiscardHandler), func() time.Time { return noon }, map[run.Kind]jobs.Work{run.DryRun: work})
}

func open(id string) *shelf { return &shelf{runs: []run.Run{{ID: id, Kind: run.DryRun}}} }

func TestRunToItsEnd(t *testing.T) {
	s := open("a")
	err := runsOf(s, &bunch{}, counting).Once(t.Context(), run.DryRun)
	if r := s.runs[0]; err != nil || r.State != run.Done || r.Done != 10 || !r.StartedAt.Equal(noon) || !r.EndedAt.Equal(noon) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRunGoesOnWhereItWas(t *testing.T) {
	s, leases := open("a"), &bunch{}
	ctx, stop := context.WithCancel(t.Context())
	err := runsOf(s, leases, func(ctx context.Context, r *run.Run) (bool, error) {
		end, err := counting(ctx, r)
		if r.Done == 4 {
			stop() // in the middle of the fourth part: it is not stored
		}
		return end, err
	}).Once(ctx, run.DryRun)
	if r := s.runs[0]; err != nil || r.State != run.Running || r.Position != "3" {
		t.Fatalf("%+v, %v", r, err)
	}
	// At once: a server that ends leaves nobody waiting.
	err = runsOf(s, leases, counting).Once(t.Context(), run.DryRun)
	if r := s.runs[0]; err != nil || r.State != run.Done || r.Done != 10 || !r.StartedAt.Equal(noon) {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestRunsTakeTurns: a short run does not wait for the end of a long one, nor for one that cannot go on.
func TestRunsTakeTurns(t *testing.T) {
	s := &shelf{runs: []run.Run{{ID: "broken", Kind: run.DryRun}, {ID: "long", Kind: run.DryRun}, {ID: "short", Kind: run.DryRun}}}
	now, leases := noon, &bunch{}
	work := map[run.Kind]jobs.Work{run.DryRun: func(_ context.Context, r *run.Run) (bool, error) {
		now = now.Add(time.Second)
		if r.ID == "broken" {
			return false, errs.New(errs.Unavailable, "not now")
		}
		r.Done++
		if ended := s.find("short").State.Ended(); r.ID == "long" && r.Done == 30 && !ended {
			t.Error("the short run waits for the long one")
		}
		return r.ID == "short" || r.Done == 60, nil
	}}
	runs := jobs.NewRuns(s, leases, slog.New(slog.DiscardHandler), func() time.Time { return now }, work)
	err := runs.Once(t.Context(), run.DryRun)
	if err != nil || s.find("long").State != run.Done || s.find("long").Done != 60 || s.find("short").State != run.Done || s.find("broken").State != run.Waiting {
		t.Errorf("%+v, %v", s.runs, err)
	}
}

func TestRunByOneServerAtATime(t *testing.T) {
	s, leases := open("a"), &bunch{}
	other := runsOf(s, leases, func(context.Context, *run.Run) (bool, error) {
		t.Error("two servers do one run")
		return true, nil
	})
	err := runsOf(s, leases, func(ctx context.Context, r *run.Run) (bool, error) {
		err := other.Once(ctx, run.DryRun)
		if err != nil {
			t.Error(err)
		}
		return counting(ctx, r)
	}).Once(t.Context(), run.DryRun)
	if err != nil || s.runs[0].State != run.Done {
		t.Errorf("%+v, %v", s.runs[0], err)
	}
}

func TestCancelledRunStops(t *testing.T) {
	s := open("a")
	err := runsOf(s, &bunch{}, func(ctx context.Context, r *run.Run) (bool, error) {
		if r.Done == 3 {
			_, err := s.CancelRun(ctx, 0, "a", noon)
			if err != nil {
				t.Error(err)
			}
		}
		return counting(ctx, r)
	}).Once(t.Context(), run.DryRun)
	if r := s.runs[0]; err != nil || r.State != run.Cancelled || r.Done != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRunThatFails(t *testing.T) {
	for _, c := range []struct {
		err     error
		state   run.State
		message string
	}{
		{errs.New(errs.Unavailable, "no database"), run.Waiting, ""},
		{errs.New(errs.Invalid, "no such check"), run.Failed, "no such check"},
		{errors.New("a secret of the inside"), run.Failed, "internal error"},
	} {
		s := open("a")
		err := runsOf(s, &bunch{}, func(context.Context, *run.Run) (bool, error) { return false, c.err }).Once(t.Context(), run.DryRun)
		if r := s.runs[0]; err != nil || r.State != c.state || !strings.Contains(r.Message, c.message) || strings.Contains(r.Message, "secret") {
			t.Errorf("after %v: %+v, %v", c.err, r, err)
		}
	}
}

func TestRunsAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open("stored")
		svc := run.New(s, time.Now, zeros{})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			runsOf(s, &bunch{}, counting).Run(ctx, svc.Added())
		}()
		synctest.Wait()
		if s.runs[0].State != run.Done {
			t.Error("what was stored before is not done at once")
		}
		_, err := svc.Start(ctx, 1, run.DryRun, run.Params{}, "")
		if err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if s.runs[1].State != run.Done {
			t.Error("what is added here is not done at once")
		}
		err = s.AddRun(ctx, &run.Run{ID: "by another server", Kind: run.DryRun})
		if err != nil {
			t.Error(err)
		}
		<-time.After(1100 * time.Millisecond)
		synctest.Wait()
		if s.runs[2].State != run.Done {
			t.Error("what another server added is not done a second later")
		}
		stop()
		<-done
	})
}

// zeros is a source of zeros.
type zeros struct{}

// Read fills p.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
