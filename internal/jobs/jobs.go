// Package jobs does periodic work, each piece on one server at a time: a lease in the database says on which.
package jobs

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"
)

// Leases gives a named piece of work to one holder at a time.
type Leases interface {
	// Lease gives the work to the holder until a time, if nobody else has it, and says whether.
	Lease(ctx context.Context, name, holder string, now, until time.Time) (bool, error)
}

// Job is one piece of work.
type Job struct {
	Name  string
	Every time.Duration
	Do    func(ctx context.Context, now time.Time) error
}

// Runner runs jobs.
type Runner struct {
	leases Leases
	log    *slog.Logger
	now    func() time.Time
	jobs   []Job
	holder string
}

// New makes a Runner; it has its own name among all servers.
func New(leases Leases, log *slog.Logger, now func() time.Time, jobs ...Job) *Runner {
	return &Runner{leases: leases, log: log, now: now, jobs: jobs, holder: rand.Text()}
}

// Run runs every job, first at once and then at its interval, until ctx ends and the work in hand is done.
func (r *Runner) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, j := range r.jobs {
		wg.Go(func() { r.repeat(ctx, j) })
	}
	wg.Wait()
}

func (r *Runner) repeat(ctx context.Context, j Job) {
	tick := time.NewTicker(j.Every)
	defer tick.Stop()
	for {
		r.Once(ctx, j, r.now())
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Once runs a job if no other server has it. The lease is a little shorter than the interval, so that the holder of the
// last turn is not kept from the next by its own lease, nor are the others for longer than one turn if it dies.
func (r *Runner) Once(ctx context.Context, j Job, now time.Time) {
	got, err := r.leases.Lease(ctx, j.Name, r.holder, now, now.Add(j.Every*9/10))
	if err == nil && got {
		err = j.Do(ctx, now)
	}
	if err != nil && ctx.Err() == nil {
		r.log.Error("a periodic job failed", "job", j.Name, "error", err)
	}
}
