package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	"muster/internal/errs"
	"muster/internal/store/dialect"
)

const (
	// maxBatch bounds how many steps share a transaction, and so how long the first of them waits for the last.
	maxBatch = 128
	// maxAttempts is how often a step is run that lost a race with another server.
	maxAttempts = 5
)

var errClosed = errs.New(errs.Unavailable, "The server is shutting down")

// step is one caller's change, and where its result goes.
type step struct {
	ctx  context.Context
	fn   func(*Tx) error
	done chan error
}

// writer runs the steps of all callers on one connection, as many in one transaction as are waiting.
type writer struct {
	store *Store
	steps chan *step
	ended chan struct{}

	mu     sync.RWMutex
	closed bool

	conn *sql.Conn // used by the loop only
	stmt map[string]*sql.Stmt
}

func newWriter(s *Store) *writer {
	w := &writer{store: s, steps: make(chan *step, maxBatch), ended: make(chan struct{})}
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
func (w *writer) do(ctx context.Context, fn func(*Tx) error) error {
	st := &step{ctx: ctx, fn: fn, done: make(chan error, 1)}
	w.mu.RLock()
	if w.closed {
		w.mu.RUnlock()
		return errClosed
	}
	select {
	case w.steps <- st:
		w.mu.RUnlock()
	case <-ctx.Done():
		w.mu.RUnlock()
		return ctx.Err()
	}
	// From here on the step may take effect whatever becomes of the caller, so its result is waited for.
	return <-st.done
}

func (w *writer) loop() {
	defer close(w.ended)
	for st := range w.steps {
		w.batch(st)
	}
	w.dropConn()
}

// batch runs the step and those that wait behind it in one transaction. If one fails after it wrote something, or the
// commit does, everything is undone and each step is run again by itself.
func (w *writer) batch(first *step) {
	tx, err := w.begin()
	if err != nil {
		first.done <- err
		return
	}
	steps := make([]*step, 0, 8)
	results := make([]error, 0, 8)
	for st := first; st != nil; st = w.next(len(steps)) {
		err := w.run(tx, st)
		steps, results = append(steps, st), append(results, err)
		if err != nil && (tx.dirty || !expected(err)) {
			w.rollback(tx)
			w.eachAlone(steps)
			return
		}
	}
	err = w.commit(tx)
	if err != nil {
		w.eachAlone(steps)
		return
	}
	for i, st := range steps {
		st.done <- results[i]
	}
}

// next gives a step that is waiting, or nil.
func (w *writer) next(taken int) *step {
	if taken >= maxBatch {
		return nil
	}
	select {
	case st := <-w.steps: // nil once the channel is closed and empty
		return st
	default:
		return nil
	}
}

// expected reports whether an error is an answer rather than a fault: the transaction it came from is sound.
func expected(err error) bool { return errs.CodeOf(err) != errs.Internal }

// run executes one step. tx.dirty tells afterwards whether this step has written.
func (w *writer) run(tx *Tx, st *step) (err error) {
	tx.dirty = false
	if st.ctx.Err() != nil {
		return errs.Wrap(errs.Unavailable, st.ctx.Err(), "The caller has gone")
	}
	defer func() {
		if p := recover(); p != nil {
			tx.dirty = true
			err = fmt.Errorf("a change panicked: %v", p)
		}
	}()
	return st.fn(tx)
}

func (w *writer) eachAlone(steps []*step) {
	for _, st := range steps {
		st.done <- w.alone(st)
	}
}

// alone runs one step in a transaction of its own, again if it loses a race.
func (w *writer) alone(st *step) error {
	var err error
	for attempt := range maxAttempts {
		if attempt > 0 {
			w.store.log.Debug("a change lost a race and is run again", "attempt", attempt, "error", err)
		}
		err = w.attempt(st)
		if err == nil || w.store.dialect.Classify(err) != dialect.Retry || st.ctx.Err() != nil {
			return err
		}
	}
	return errs.Wrap(errs.Unavailable, err, "The database is busy; try again")
}

func (w *writer) attempt(st *step) error {
	tx, err := w.begin()
	if err != nil {
		return err
	}
	err = w.run(tx, st)
	if err != nil {
		w.rollback(tx)
		return err
	}
	return w.commit(tx)
}

// begin starts a transaction, on a new connection if the old one is broken.
func (w *writer) begin() (*Tx, error) {
	ctx := context.Background()
	for range 2 {
		err := w.connect(ctx)
		if err != nil {
			return nil, errs.Wrap(errs.Unavailable, err, "The database cannot be reached")
		}
		_, err = w.conn.ExecContext(ctx, w.store.dialect.Begin)
		if err == nil {
			return &Tx{w: w}, nil
		}
		w.dropConn()
		if w.store.dialect.Classify(err) == dialect.Retry {
			return nil, errs.Wrap(errs.Unavailable, err, "The database is busy; try again")
		}
	}
	return nil, errs.New(errs.Unavailable, "The database cannot be reached")
}

func (w *writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	conn, err := w.store.writes.Conn(ctx)
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

// commit writes the counts that the steps moved, and commits.
func (w *writer) commit(tx *Tx) error {
	err := tx.flushCounts()
	if err != nil {
		w.rollback(tx)
		return err
	}
	_, err = w.conn.ExecContext(context.Background(), "COMMIT")
	if err != nil {
		w.rollback(tx)
	}
	return err
}

// rollback undoes the transaction; a connection that cannot even do that is given up, which undoes it too.
func (w *writer) rollback(*Tx) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := w.conn.ExecContext(ctx, "ROLLBACK")
	if err != nil {
		w.discard()
	}
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
