package run

import (
	"context"
	"io"
	"time"

	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
)

// Store keeps runs. Every method but Open names the account, and sees nothing of any other.
type Store interface {
	// AddRun stores a run that is to begin. Conflict: the account has MaxOpen that have not ended.
	AddRun(ctx context.Context, r *Run) error
	// Run gives one. NotFound: none of the account.
	Run(ctx context.Context, account posture.AccountID, id string) (Run, error)
	// Runs gives a part of an account's, the newest first; w.After is the id of one.
	Runs(ctx context.Context, account posture.AccountID, w page.Window) ([]Run, error)
	// OpenRuns gives those of all accounts that have not ended, the oldest first, without their results.
	OpenRuns(ctx context.Context, kind Kind) ([]Run, error)
	// SaveRun stores how far a run is: state, position, numbers, result, message and times. Conflict: it has ended meanwhile.
	SaveRun(ctx context.Context, r *Run) error
	// CancelRun ends a run at a time. NotFound: none of the account. Conflict: it has ended already.
	CancelRun(ctx context.Context, account posture.AccountID, id string, at time.Time) (Run, error)
	// ForgetRuns removes runs of all accounts that ended before a time, with their leases.
	ForgetRuns(ctx context.Context, before time.Time) error
}

// MaxOpen is how many runs of an account may wait or go on at once. Those that follow from a change replace each other
// and are not counted.
const MaxOpen = 20

// Service is what can be done with runs, besides doing them.
type Service struct {
	store  Store
	now    func() time.Time
	random io.Reader
	added  chan struct{}
}

// New makes a Service. now gives the time, random the ids.
func New(store Store, now func() time.Time, random io.Reader) *Service {
	return &Service{store: store, now: now, random: random, added: make(chan struct{}, 1)}
}

// Start stores a run that whoever does runs begins as soon as it can. Conflict: there are too many.
func (s *Service) Start(ctx context.Context, account posture.AccountID, kind Kind, p Params, actor string) (Run, error) {
	at := s.now().UTC().Truncate(time.Millisecond)
	r := Run{Account: account, ID: posture.NewID(at, s.random), Kind: kind, Params: p, Actor: actor, CreatedAt: at}
	err := s.store.AddRun(ctx, &r)
	if err != nil {
		return Run{}, err
	}
	s.Wake()
	return r, nil
}

// Get gives one run. NotFound: none of the account.
func (s *Service) Get(ctx context.Context, account posture.AccountID, id string) (Run, error) {
	return s.store.Run(ctx, account, id)
}

// List gives a part of an account's runs, the newest first, and the position behind it, "" at the end.
func (s *Service) List(ctx context.Context, account posture.AccountID, w page.Window) ([]Run, string, error) {
	limit := w.Limit
	w.Limit++
	list, err := s.store.Runs(ctx, account, w)
	if err != nil {
		return nil, "", err
	}
	list, next := page.Cut(list, limit, func(r *Run) string { return r.ID })
	return list, next, nil
}

// Cancel ends a run; what it has done stays done. NotFound: none of the account. Conflict: it has ended already.
func (s *Service) Cancel(ctx context.Context, account posture.AccountID, id string) (Run, error) {
	return s.store.CancelRun(ctx, account, id, s.now().UTC().Truncate(time.Millisecond))
}

// Wake lets this server look for runs at once rather than a little later.
func (s *Service) Wake() {
	select {
	case s.added <- struct{}{}:
	default:
	}
}

// Added is sent to after a Wake.
func (s *Service) Added() <-chan struct{} { return s.added }

// ErrEnded is what SaveRun gives for a run that has ended meanwhile.
func ErrEnded() error { return errs.New(errs.Conflict, "The run has ended already") }
