// Package dialect holds all that differs between the databases Muster runs on: how they are opened, what their errors
// mean, how rows are locked, and the spelling of placeholders. SQL text is written once, in package store, in the
// subset that all of them understand; what truly differs is a named member here, never an `if` there.
package dialect

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/pressly/goose/v3"
)

// Class says what an error of the database means to the caller.
type Class int

const (
	// Other errors are faults.
	Other Class = iota
	// Duplicate: a unique key exists already.
	Duplicate
	// Unreachable: the database cannot be used now.
	Unreachable
	// Retry: the transaction lost a race (deadlock, serialisation, lock time-out) and may be run again.
	Retry
)

// Pools are the connections to one database.
type Pools struct {
	Read  *sql.DB
	Write *sql.DB // the writer's one connection
	// Single is for statements that write one row and commit by themselves.
	Single *sql.DB
	// Admin is for migrations and restoring, which may take as long as they need.
	Admin *sql.DB
}

// Close closes all of them.
func (p Pools) Close() error {
	var all []error
	closed := make(map[*sql.DB]bool)
	for _, db := range []*sql.DB{p.Read, p.Write, p.Single, p.Admin} {
		if db != nil && !closed[db] {
			closed[db] = true
			all = append(all, db.Close())
		}
	}
	return errors.Join(all...)
}

// Dialect is one kind of database.
type Dialect struct {
	Name string
	// Open connects, and creates the database where that is the engine's way.
	Open func(ctx context.Context, url string) (Pools, error)
	// Begin starts a transaction that may write.
	Begin string
	// ForUpdate, after a SELECT, keeps others from changing the rows until the transaction ends.
	ForUpdate string
	// LockEvents keeps others from writing events until the transaction ends, and waits for those who have; readers go on.
	// Empty where there is one writer anyway.
	LockEvents string
	// ThisChange numbers the transaction that asks, later ones higher; OldestChange gives the number of the oldest transaction
	// that has written or locked anything and goes on. Both are empty where there is one writer.
	ThisChange, OldestChange string
	// Unindexed, before a column in a condition, keeps the planner from finding rows by that column, where it needs to be
	// told.
	Unindexed string
	// Rebind turns ? placeholders into the engine's own.
	Rebind func(query string) string
	// Classify says what an error means.
	Classify func(error) Class
	// Snapshot are the options of a read-only transaction that sees one moment.
	Snapshot *sql.TxOptions
	// SharedLimits says that several servers may use the database at once, so that rate limits must be counted in it.
	SharedLimits bool
	// Goose is the migration tool's name of the engine; its files lie in migrations/<Name>.
	Goose goose.Dialect
	// Rest is for how long work that changes very much leaves the database to others after each transaction. Only one at a
	// time writes to SQLite, and whoever waits looks again by the clock rather than being woken.
	Rest time.Duration
	// Recount, before the name of a table, has the planner look how much there is in it: plans that were made while it was
	// empty are made anew. Empty where the planner is told what to expect.
	Recount string
	// Size gives the bytes that the database takes.
	Size string
}
