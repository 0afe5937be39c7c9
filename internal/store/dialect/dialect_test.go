package dialect_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"muster/internal/store/dialect"
)

// TestSQLiteVersion: versions before 3.51.3 can corrupt a database when the write-ahead log starts anew.
func TestSQLiteVersion(t *testing.T) {
	pools, err := dialect.SQLite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer pools.Close()
	var text, journal string
	var synchronous, major, minor, patch int
	err = errors.Join(
		pools.Write.QueryRowContext(t.Context(), "SELECT sqlite_version()").Scan(&text),
		pools.Write.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&journal),
		pools.Write.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&synchronous))
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Sscanf(text, "%d.%d.%d", &major, &minor, &patch)
	if err != nil || major*1_000_000+minor*1_000+patch < 3_051_003 {
		t.Errorf("SQLite %s, %v", text, err)
	}
	if journal != "wal" || synchronous != 2 {
		t.Errorf("journal_mode %s, synchronous %d: what is answered must be on disk", journal, synchronous)
	}
	_, err = pools.Read.ExecContext(t.Context(), "CREATE TABLE x (y)")
	if err == nil {
		t.Error("a reader can write")
	}
}

func TestRebind(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT 1": "SELECT 1", "a = ? AND b = ?": "a = $1 AND b = $2", "?": "$1",
		"?, ?, ?, ?, ?, ?, ?, ?, ?, ?": "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10",
	} {
		if got := dialect.Rebind(query); got != want {
			t.Errorf("%q became %q", query, got)
		}
	}
}

func TestClassifyPostgres(t *testing.T) {
	for code, want := range map[string]dialect.Class{
		"23505": dialect.Duplicate, "40001": dialect.Retry, "40P01": dialect.Retry, "57P01": dialect.Unreachable, "08006": dialect.Unreachable,
		"53300": dialect.Unreachable, "22001": dialect.Other,
	} {
		if got := dialect.Postgres.Classify(fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code})); got != want {
			t.Errorf("%s: class %d, want %d", code, got, want)
		}
	}
}
