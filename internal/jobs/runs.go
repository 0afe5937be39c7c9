package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"muster/internal/errs"
	"muster/internal/run"
)

// Work does the next part of a run: it moves the position and the numbers of the run, and says whether that was the
// last. A part is short, seconds at the most. An error that says Unavailable has the part tried again later; any other
// ends the run.
type Work func(ctx context.Context, r *run.Run) (end bool, err error)

const (
	// runsEvery is how often runs are looked for that other servers, or the command line, have stored.
	runsEvery = time.Second
	// runLease is how long a server has a run for itself since its last part; after that another goes on with it.
	runLease = 30 * time.Second
	// runTurn is how long a run goes on before others of its kind have their turn.
	runTurn = 5 * time.Second
	// keepRuns is how long runs are kept that have ended.
	keepRuns = 30 * 24 * time.Hour
)

// Runs does the runs that are stored: those of a kind by turns on this server, each on one server at a time.
type Runs struct {
	store  run.Store
	leases Leases
	work   map[run.Kind]Work
	log    *slog.Logger
	now    func() time.Time
	holder string
	quiet  bool
}

// Quietly has it say nothing of runs that are done: whoever waits for them says so.
func (r *Runs) Quietly() *Runs {
	r.quiet = true
	return r
}

// NewRuns makes one that does runs as their kinds say.
func NewRuns(store run.Store, leases Leases, log *slog.Logger, now func() time.Time, work map[run.Kind]Work) *Runs {
	return &Runs{store: store, leases: leases, work: work, log: log, now: now, holder: rand.Text()}
}

// Run does what there is to do until ctx ends and the part in hand is done. It looks at once after each added.
func (r *Runs) Run(ctx context.Context, added <-chan struct{}) {
	tick := time.NewTicker(runsEvery)
	defer tick.Stop()
	busy := make(map[run.Kind]chan struct{})
	var working sync.WaitGroup
	defer working.Wait()
	for {
		for kind := range r.work {
			if done := busy[kind]; done != nil && !closed(done) {
				continue
			}
			done := make(chan struct{})
			busy[kind] = done
			working.Go(func() {
				defer close(done)
				err := r.Once(ctx, kind)
				if err != nil && ctx.Err() == nil {
					r.log.Error("runs cannot be looked for", "kind", kind, "error", err)
				}
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-added:
		case <-tick.C:
		}
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Once does the runs of a kind that have not ended, as far as no other server does them. They take turns: a small account
// does not wait for a large one.
func (r *Runs) Once(ctx context.Context, kind run.Kind) error {
	for {
		list, err := r.store.OpenRuns(ctx, kind)
		if err != nil {
			return err
		}
		more := false
		for i := range list {
			goOn, failed := r.turn(ctx, &list[i], runTurn)
			more, err = more || goOn, errors.Join(err, failed)
		}
		if !more || ctx.Err() != nil {
			return err
		}
	}
}

// Do does one run, to its end, unless another server does it. What it cannot do now it leaves for later.
func (r *Runs) Do(ctx context.Context, one *run.Run) error {
	_, err := r.turn(ctx, one, 0)
	return err
}

// turn is Do for so long, of which 0 is for good. more: that was too short.
func (r *Runs) turn(ctx context.Context, one *run.Run, length time.Duration) (more bool, err error) {
	got, err := r.lease(ctx, one)
	if err != nil || !got {
		return false, err
	}
	defer r.giveBack(ctx, one)
	// Again, now that nobody else has it: where it stands, and whether it still does.
	*one, err = r.store.Run(ctx, one.Account, one.ID)
	if err != nil || one.State.Ended() {
		return false, err
	}
	ends := r.now().Add(length)
	one.State = run.Running
	if one.StartedAt.IsZero() {
		one.StartedAt = r.clock()
	}
	for ctx.Err() == nil {
		goOn, err := r.part(ctx, one)
		if err != nil || !goOn {
			return false, err
		}
		if length > 0 && !r.now().Before(ends) {
			return true, nil
		}
		got, err = r.lease(ctx, one)
		if err != nil || !got {
			return false, err
		}
	}
	return false, nil
}

func (r *Runs) clock() time.Time { return r.now().UTC().Truncate(time.Millisecond) }

func (r *Runs) lease(ctx context.Context, one *run.Run) (bool, error) {
	now := r.now()
	return r.leases.Lease(ctx, run.LeasePrefix+one.ID, r.holder, now, now.Add(runLease))
}

// giveBack lets another server go on at once with a run that this one leaves in the middle, because it ends.
func (r *Runs) giveBack(ctx context.Context, one *run.Run) {
	if ctx.Err() == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	now := r.now()
	_, err := r.leases.Lease(ctx, run.LeasePrefix+one.ID, r.holder, now, now)
	if err != nil {
		r.log.Warn("a run could not be handed over; another server goes on with it later", "run", one.ID, "error", err)
	}
}

// part does the next part of a run and stores how far it is. It says whether there is more to do now.
func (r *Runs) part(ctx context.Context, one *run.Run) (goOn bool, err error) {
	end, err := r.work[one.Kind](ctx, one)
	switch {
	case ctx.Err() != nil:
		return false, nil //nolint:nilerr // the server ends; the run goes on from where it was stored
	case errs.Is(err, errs.Unavailable):
		r.log.Warn("a run cannot go on now; it is tried again", "run", one.ID, "kind", one.Kind, "error", err)
		return false, nil
	case err != nil:
		r.log.Error("a run failed", "run", one.ID, "kind", one.Kind, "error", err)
		one.State, one.Message, one.EndedAt = run.Failed, told(err), r.clock()
	case end:
		one.State, one.EndedAt = run.Done, r.clock()
		level := slog.LevelInfo
		if r.quiet {
			level = slog.LevelDebug
		}
		r.log.Log(ctx, level, "a run is done", "run", one.ID, "kind", one.Kind, "account", one.Account, "devices", one.Done, "changed", one.Changed, "failed", one.Failed)
	}
	err = r.store.SaveRun(ctx, one)
	if errs.Is(err, errs.Conflict) {
		return false, nil // somebody ended it
	}
	return !one.State.Ended(), err
}

// told gives what people may read of an error.
func told(err error) string {
	if errs.CodeOf(err) == errs.Internal {
		return "an internal error; the log of the server has it"
	}
	return err.Error()
}

// ForgetOld removes runs that ended long ago.
func (r *Runs) ForgetOld(ctx context.Context, now time.Time) error {
	return r.store.ForgetRuns(ctx, now.Add(-keepRuns))
}
