// Package store keeps everything Muster knows in a database. It is one SQL implementation of the interfaces that the
// domain packages declare, for SQLite and PostgreSQL; what differs between the two lies in package dialect.
//
// Reads go to a pool. Writes go through one writer, which gathers what waits into one transaction, so that many
// callers share one commit; each is answered only after that commit is on disk.
package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
	"muster/internal/store/dialect"
)

// Store is an open database. It implements the storage interfaces of the domain packages.
type Store struct {
	dialect *dialect.Dialect
	pools   dialect.Pools
	writer  *writer
	log     *slog.Logger
	now     func() time.Time

	known     dictionary
	counting  together[posture.AccountID, device.Counts]
	grouping  together[posture.AccountID, map[posture.GroupID]string]
	estimates estimates

	bases  bases
	tidied tidied

	directories directories
	posting     postingState
	// sharedFrom is one more than storage_state says, 0 until it was read.
	sharedFrom atomic.Int64

	mu       sync.RWMutex
	prepared map[string]*sql.Stmt
}

// FileName is the name of the SQLite database in the data directory.
const FileName = "muster.db"

// Options say which database to open.
type Options struct {
	// Database is a postgres:// URL; empty means SQLite in Dir.
	Database string
	Dir      string
	Log      *slog.Logger     // slog.Default() when nil
	Now      func() time.Time // time.Now when nil; tells how long a change has been under way
}

// Open connects to the database, creating it where it is a file. It does not migrate.
func Open(ctx context.Context, o Options) (*Store, error) {
	d, url := dialect.SQLite, filepath.Join(o.Dir, FileName)
	if o.Database != "" {
		if !strings.HasPrefix(o.Database, "postgres://") && !strings.HasPrefix(o.Database, "postgresql://") {
			return nil, errs.InvalidField("database", "The database must be a postgres:// URL; leave it out for SQLite")
		}
		d, url = dialect.Postgres, o.Database
	}
	pools, err := d.Open(ctx, url)
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "The database cannot be opened")
	}
	s := &Store{dialect: d, pools: pools, log: o.Log, prepared: make(map[string]*sql.Stmt)}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.now = o.Now
	if s.now == nil {
		s.now = time.Now
	}
	s.writer = newWriter(s)
	return s, nil
}

// Close finishes the writes that were accepted and closes the database.
func (s *Store) Close() error {
	s.writer.close()
	return s.pools.Close()
}

// Engine names the kind of database: sqlite or postgres.
func (s *Store) Engine() string { return s.dialect.Name }

// SharedLimits says that several servers may use this database at once, so that rate limits must be counted in it.
func (s *Store) SharedLimits() bool { return s.dialect.SharedLimits }

// Ready reports whether the database answers, and takes changes.
func (s *Store) Ready(ctx context.Context) error {
	if s.writer.stuck(s.now()) {
		return errs.New(errs.Unavailable, "A change has been waiting for the database for more than %v", stuckAfter)
	}
	var one int
	return s.pools.Read.QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// Size gives the bytes that the database takes on disk.
func (s *Store) Size(ctx context.Context) (int64, error) {
	var n int64
	err := s.queryRow(ctx, s.dialect.Size).Scan(&n)
	return n, err
}

// statement prepares each text once; preparing costs more than most of the queries.
func (s *Store) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt := s.prepared[query]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	stmt, err := s.pools.Read.PrepareContext(ctx, s.dialect.Rebind(query))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.prepared[query]; other != nil {
		return other, stmt.Close()
	}
	s.prepared[query] = stmt
	return stmt, nil
}

// row is a *sql.Row whose statement may have failed already. Within a transaction it has no store: there the writer
// looks at what an error means.
type row struct {
	*sql.Row
	store *Store
	err   error
}

// Scan reads the row, or gives the error from before it.
func (r row) Scan(dest ...any) error {
	err := r.err
	if err == nil {
		err = r.Row.Scan(dest...)
	}
	if r.store == nil {
		return err
	}
	return r.store.fault(err)
}

// fault marks an error that says that the database cannot be used now.
func (s *Store) fault(err error) error {
	if err != nil && !expected(err) && s.dialect.Classify(err) == dialect.Unreachable {
		return errs.Wrap(errs.Unavailable, err, "The database cannot be used now; try again")
	}
	return err
}

// queryRow reads one row outside a transaction. Queries are short and are not cancelled: watching a context costs
// database/sql and the driver a goroutine each, which is more than most queries cost.
func (s *Store) queryRow(ctx context.Context, query string, args ...any) row {
	ctx = context.WithoutCancel(ctx)
	stmt, err := s.statement(ctx, query)
	if err != nil {
		return row{store: s, err: err}
	}
	return row{Row: stmt.QueryRowContext(ctx, args...), store: s}
}

// query reads rows outside a transaction and calls scan for each. Like queryRow it is not cancelled.
func (s *Store) query(ctx context.Context, scan func(scanner) error, query string, args ...any) error {
	ctx = context.WithoutCancel(ctx)
	stmt, err := s.statement(ctx, query)
	if err != nil {
		return s.fault(err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return s.fault(err)
	}
	return s.fault(eachRow(rows, scan))
}

// scanner is a row to read from.
type scanner interface{ Scan(dest ...any) error }

func eachRow(rows *sql.Rows, scan func(scanner) error) error {
	defer rows.Close() //nolint:errcheck // Err below tells of it
	for rows.Next() {
		err := scan(rows)
		if err != nil {
			return err
		}
	}
	return rows.Err()
}

// notFound turns the absence of a row into a NotFound error with the text, and leaves other errors alone.
func notFound(err error, text string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return errs.New(errs.NotFound, "%s", text)
	}
	return err
}

// millis stores a time; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// timeOf reads a stored time.
func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
