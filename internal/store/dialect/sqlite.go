package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite is the embedded database: one file, one server.
var SQLite = &Dialect{
	Name:      "sqlite",
	Open:      openSQLite,
	Begin:     "BEGIN IMMEDIATE",
	ForUpdate: "", // the one writer excludes all others already
	Unindexed: "+",
	Rebind:    func(q string) string { return q },
	Classify:  classifySQLite,
	Snapshot:  &sql.TxOptions{ReadOnly: true},
	Goose:     goose.DialectSQLite3,
	Rest:      30 * time.Millisecond,
	Size:      "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
}

// openSQLite opens the file path. Settings that hold per connection are part of the data source name, so that every
// connection of the pool has them.
func openSQLite(ctx context.Context, path string) (Pools, error) {
	// 0700: the database holds the inventory of an organisation.
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err != nil {
		return Pools{}, fmt.Errorf("creating the data directory: %w", err)
	}
	write, err := sql.Open("sqlite", sqliteDSN(path, "_txlock=immediate", "_pragma=wal_autocheckpoint(4000)",
		"_pragma=journal_size_limit(67108864)", "_pragma=cache_size(-65536)"))
	if err != nil {
		return Pools{}, err
	}
	// One connection is the writer's for good; the others are for single statements, migrations and restoring.
	write.SetMaxOpenConns(4)
	write.SetMaxIdleConns(2)
	pools := Pools{Write: write, Single: write, Admin: write}
	// The first connection makes the file and sets its journal mode, which readers cannot.
	err = write.PingContext(ctx)
	if err != nil {
		return Pools{}, errors.Join(fmt.Errorf("opening %s: %w", path, err), pools.Close())
	}
	err = os.Chmod(path, 0o600)
	if err != nil {
		return Pools{}, errors.Join(err, pools.Close())
	}
	pools.Read, err = sql.Open("sqlite", sqliteDSN(path, "_pragma=query_only(1)", "_pragma=cache_size(-32768)"))
	if err != nil {
		return Pools{}, errors.Join(err, pools.Close())
	}
	// More readers than cores only contend for SQLite's page cache.
	pools.Read.SetMaxOpenConns(max(2, runtime.GOMAXPROCS(0)))
	pools.Read.SetMaxIdleConns(max(2, runtime.GOMAXPROCS(0)))
	return pools, nil
}

func sqliteDSN(path string, settings ...string) string {
	settings = append(settings, "_pragma=busy_timeout(10000)", "_pragma=journal_mode(WAL)",
		"_pragma=synchronous(FULL)", "_pragma=foreign_keys(1)", "_pragma=temp_store(2)")
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: strings.Join(settings, "&")}
	return u.String()
}

func classifySQLite(err error) Class {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return Other
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return Duplicate
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT, sqlite3.SQLITE_LOCKED:
		return Retry
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		return Unreachable
	default:
		return Other
	}
}
