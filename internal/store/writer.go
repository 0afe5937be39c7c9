package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"muster/internal/errs"
	"muster/internal/store/dialect"
)

const (
	// maxBatch bounds how many steps share a transaction, and so how long the first of them waits for the last.
	maxBatch = 128
	// stuckAfter is how long a transaction may take before the server says that it is not ready.
	stuckAfter = 5 * time.Second
	// maxAttempts is how often a step is run that lost a race with another server.
	maxAttempts = 5
)

var errClosed = errs.New(errs.Unavailable, "The server is shutting down")

// step is one caller's change, and where its result goes.
type step struct {
	ctx context.Context
	// key names the row that the step locks before all others but the counts. Steps that share a transaction run in the
	// order of their keys, so that the transactions of several servers take their locks in one order, and none waits
	// for another that waits for it.
	key string
	// find, where set, gives the key; it only reads.
	find func(*Tx) (string, error)
	fn   func(*Tx) error
	done chan error
	err  error // of the attempt under way
	// first is what an attempt in a transaction of its own locks before it begins.
	first locks
}

// Keys of steps that lock no device. They sort behind every device id.
const (
	keySeen  = "~seen"
	keyToken = "~token:"
	// keyMany is the key of a step that may lock anything. Where several servers write, it has a transaction to itself.
	keyMany = ""
)

// writer runs the steps of all callers on one connection, as many in one transaction as are waiting.
type writer struct {
	store *Store
	steps chan *step
	ended chan struct{}
	// began is when the transaction under way began, in milliseconds; 0 between transactions.
	began atomic.Int64

	mu     sync.RWMutex
	closed bool

	// stored is told when a transaction that put something into the outbox is on disk.
	stored chan struct{}

	// These are used by the loop only.
	conn   *sql.Conn
	stmt   map[string]*sql.Stmt
	outbox bool // the transaction under way, or one that was undone, put something there
}

func newWriter(s *Store) *writer {
	w := &writer{store: s, steps: make(chan *step, maxBatch), ended: make(chan struct{}), stored: make(chan struct{}, 1)}
	go w.loop()
	return w
}

// close waits for the accepted steps to finish and refuses new ones.
func (w *writer) close() {
	w.mu.Lock()
	already := w.closed
	w.closed = true
	w.mu.Unlock()
	if !already {
		close(w.steps)
	}
	<-w.ended
}

// do runs fn in a transaction and returns when that is on disk, or when fn failed and left no trace.
func (w *writer) do(ctx context.Context, key string, fn func(*Tx) error) error {
	return w.submit(&step{ctx: ctx, key: key, fn: fn})
}

func (w *writer) submit(st *step) error {
	st.done = make(chan error, 1)
	w.mu.RLock()
	if w.closed {
		w.mu.RUnlock()
		return errClosed
	}
	select {
	case w.steps <- st:
		w.mu.RUnlock()
	case <-st.ctx.Done():
		w.mu.RUnlock()
		return st.ctx.Err()
	}
	// From here on the step may take effect whatever becomes of the caller, so its result is waited for.
	return <-st.done
}

func (w *writer) loop() {
	defer close(w.ended)
	for st := range w.steps {
		w.began.Store(w.store.now().UnixMilli())
		w.serve(w.gather(st))
		w.began.Store(0)
	}
	w.dropConn()
}

// gather takes the steps that wait behind the first.
func (w *writer) gather(first *step) []*step {
	steps := []*step{first}
	for len(steps) < maxBatch {
		select {
		case st, ok := <-w.steps:
			if !ok {
				return steps
			}
			steps = append(steps, st)
		default:
			return steps
		}
	}
	return steps
}

// serve runs the steps, in one transaction as far as they may share one.
func (w *writer) serve(steps []*step) {
	var shared, single []*step
	for _, st := range steps {
		if w.store.dialect.SharedLimits && st.key == keyMany && st.find == nil {
			single = append(single, st)
		} else {
			shared = append(shared, st)
		}
	}
	if len(shared) > 0 {
		w.batch(shared)
	}
	w.eachAlone(single)
}

// batch runs the steps in one transaction. If one fails after it wrote something, everything is undone and each step is
// run again by itself; likewise if the commit certainly failed. If nobody can tell whether it did, nothing is run again:
// it might be done twice.
func (w *writer) batch(steps []*step) {
	tx, err := w.begin()
	if err != nil {
		answer(steps, err)
		return
	}
	if !w.runAll(tx, steps) {
		w.rollback()
		for _, st := range steps {
			w.noteRace(steps, st.err)
		}
		w.eachAlone(steps)
		return
	}
	switch err := w.commit(tx); {
	case err == nil:
		for _, st := range steps {
			st.done <- st.err
		}
	case errors.Is(err, errInDoubt):
		answer(steps, err)
	default:
		w.noteRace(steps, err)
		w.eachAlone(steps)
	}
}

// noteRace says so if steps that shared a transaction are run again because one of them lost a race.
func (w *writer) noteRace(steps []*step, err error) {
	if err != nil && w.store.dialect.Classify(err) == dialect.Retry {
		w.store.log.Debug("changes lost a race and are run again, each by itself", "changes", len(steps), "error", err)
	}
}

// runAll finds the keys, and runs the steps in their order. It reports whether the transaction is sound.
func (w *writer) runAll(tx *Tx, steps []*step) bool {
	for _, st := range steps {
		if !w.locate(tx, st) {
			return false
		}
	}
	slices.SortStableFunc(steps, func(a, b *step) int { return strings.Compare(a.key, b.key) })
	for _, st := range steps {
		if st.err == nil {
			st.err = w.run(tx, st.ctx, func() error { return st.fn(tx) })
		}
		if st.err != nil && (tx.dirty || !expected(st.err)) {
			return false
		}
	}
	return true
}

// locate has a step find its key. What it may not find is an answer; other errors spoil the transaction.
func (w *writer) locate(tx *Tx, st *step) bool {
	st.err = nil
	if st.find == nil {
		return true
	}
	st.err = w.run(tx, st.ctx, func() error {
		var err error
		st.key, err = st.find(tx)
		return err
	})
	return st.err == nil || expected(st.err)
}

// answer gives all steps the same result.
func answer(steps []*step, err error) {
	for _, st := range steps {
		st.done <- err
	}
}

// expected reports whether an error is an answer rather than a fault: the transaction it came from is sound.
func expected(err error) bool { return errs.CodeOf(err) != errs.Internal }

// run executes a part of a step. tx.dirty tells afterwards whether it has written.
func (w *writer) run(tx *Tx, ctx context.Context, part func() error) (err error) { //nolint:revive // the context is the caller's, and second on purpose
	tx.dirty = false
	if ctx.Err() != nil {
		return errs.Wrap(errs.Unavailable, ctx.Err(), "The caller has gone")
	}
	defer func() {
		if p := recover(); p != nil {
			tx.dirty = true
			err = fmt.Errorf("a change panicked: %v", p)
		}
	}()
	return part()
}

// eachAlone runs each step in a transaction of its own, until the database cannot be reached: then all that are left
// fail at once, rather than each after a time-out of its own.
func (w *writer) eachAlone(steps []*step) {
	for i, st := range steps {
		err := w.alone(st)
		if errors.Is(err, errNoBegin) {
			answer(steps[i:], err)
			return
		}
		st.done <- err
	}
}

// alone runs one step in a transaction of its own, again if it loses a race.
func (w *writer) alone(st *step) error {
	var err error
	late := 0
	for attempt := 0; attempt < maxAttempts; attempt++ {
		if attempt > 0 {
			w.store.log.Debug("a change lost a race and is run again", "attempt", attempt, "error", err)
		}
		err = w.attempt(st)
		for ; errors.Is(err, errLate) && late < maxLate; late++ {
			err = w.attempt(st)
		}
		again := errors.Is(err, errLate) || w.store.dialect.Classify(err) == dialect.Retry && !errors.Is(err, errInDoubt)
		if err == nil || !again || st.ctx.Err() != nil {
			return w.store.fault(err)
		}
	}
	return errs.Wrap(errs.Unavailable, err, "The database is busy; try again")
}

func (w *writer) attempt(st *step) error {
	tx, err := w.begin()
	if err != nil {
		return err
	}
	err = tx.lockFirst(st.first)
	if err == nil {
		w.runAll(tx, []*step{st})
		err = st.err
	}
	if tx.locks.late {
		st.first, err = tx.locks, errLate
		st.first.late = false
	}
	if err != nil {
		w.rollback()
		return err
	}
	return w.commit(tx)
}

var (
	// errNoBegin marks the failure to begin a transaction at all.
	errNoBegin = errors.New("no transaction")
	// errInDoubt marks a commit of which nobody knows whether it took place.
	errInDoubt = errors.New("commit in doubt")
)

func noBegin(cause error) error {
	return errs.Wrap(errs.Unavailable, errors.Join(errNoBegin, cause), "The database cannot be written to now; try again")
}

// begin starts a transaction, on a new connection if the old one is broken.
func (w *writer) begin() (*Tx, error) {
	ctx := context.Background()
	var err error
	for range 2 {
		err = w.connect(ctx)
		if err != nil {
			return nil, noBegin(err)
		}
		_, err = w.conn.ExecContext(ctx, w.store.dialect.Begin)
		if err == nil {
			return &Tx{w: w}, nil
		}
		w.dropConn()
		if w.store.dialect.Classify(err) == dialect.Retry {
			break
		}
	}
	return nil, noBegin(err)
}

func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	conn, err := w.store.pools.Write.Conn(ctx)
	if err != nil {
		return err
	}
	w.conn, w.stmt = conn, make(map[string]*sql.Stmt)
	return nil
}

func (w *writer) dropConn() {
	if w.conn == nil {
		return
	}
	for _, stmt := range w.stmt {
		stmt.Close() //nolint:errcheck // the connection goes with it
	}
	w.conn.Close() //nolint:errcheck // it is being given up
	w.conn, w.stmt = nil, nil
}

// commit writes what the steps left to the end, and commits. errInDoubt: the connection broke while the database was
// told to commit.
func (w *writer) commit(tx *Tx) error {
	err := tx.flushPlaces()
	if err == nil {
		err = tx.flushCounts()
	}
	if err == nil {
		err = tx.flushFacets()
	}
	if err == nil {
		err = tx.flushPostings()
	}
	if err != nil {
		w.rollback()
		return err
	}
	_, err = w.conn.ExecContext(context.Background(), "COMMIT")
	w.tellOutbox()
	if err == nil {
		return nil
	}
	refused := w.store.dialect.Classify(err) == dialect.Retry
	w.rollback()
	if refused {
		return err
	}
	return errs.Wrap(errs.Unavailable, errors.Join(errInDoubt, err), "The database did not confirm the change; look before trying again")
}

// tellOutbox tells of what was put into the outbox. Whoever is told looks for it: once too often does no harm.
func (w *writer) tellOutbox() {
	if !w.outbox {
		return
	}
	w.outbox = false
	select {
	case w.stored <- struct{}{}:
	default: // it was told already
	}
}

// rollback undoes the transaction; a connection that cannot even do that is given up, which undoes it too.
func (w *writer) rollback() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := w.conn.ExecContext(ctx, "ROLLBACK")
	if err != nil {
		w.discard()
	}
}

// stuck reports whether a transaction has been under way for so long that new ones wait in vain.
func (w *writer) stuck(now time.Time) bool {
	began := w.began.Load()
	return began != 0 && now.UnixMilli()-began > stuckAfter.Milliseconds()
}

// discard closes the connection for good rather than giving it back to the pool in an unknown state.
func (w *writer) discard() {
	//nolint:errcheck // Raw reports the driver.ErrBadConn that it is told to
	w.conn.Raw(func(any) error { return driver.ErrBadConn })
	w.dropConn()
}

// prepare gives the writer's own prepared statement for a text.
func (w *writer) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	stmt := w.stmt[query]
	if stmt != nil {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(ctx, w.store.dialect.Rebind(query))
	if err != nil {
		return nil, err
	}
	w.stmt[query] = stmt
	return stmt, nil
}

var errNoRowChanged = errors.New("no row changed")
