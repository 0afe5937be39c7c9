package dialect

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// Postgres is a PostgreSQL server, 13 or newer: one database, many Muster servers.
var Postgres = &Dialect{
	Name:         "postgres",
	Open:         openPostgres,
	Begin:        "BEGIN ISOLATION LEVEL READ COMMITTED",
	ForUpdate:    " FOR UPDATE",
	Rebind:       Rebind,
	Classify:     classifyPostgres,
	Snapshot:     &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
	SharedLimits: true,
	Goose:        goose.DialectPostgres,
	Size:         "SELECT pg_database_size(current_database())",
}

func openPostgres(ctx context.Context, url string) (Pools, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		// The parser's own text may quote the URL, and with it a password.
		return Pools{}, errors.New("the PostgreSQL URL cannot be read")
	}
	read := stdlib.OpenDB(*config)
	read.SetMaxOpenConns(16)
	read.SetMaxIdleConns(16)
	read.SetConnMaxLifetime(time.Hour)
	write := stdlib.OpenDB(*config)
	// One connection is the writer's for good; the others are for migrations and restoring.
	write.SetMaxOpenConns(4)
	write.SetMaxIdleConns(1)
	err = read.PingContext(ctx)
	if err != nil {
		return Pools{}, errors.Join(fmt.Errorf("connecting to PostgreSQL at %s: %w", config.Host, err), read.Close(), write.Close())
	}
	return Pools{Read: read, Write: write}, nil
}

func classifyPostgres(err error) Class {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return Other
	}
	switch e.Code {
	case "23505": // unique_violation
		return Duplicate
	case "40001", "40P01", "55P03": // serialization_failure, deadlock_detected, lock_not_available
		return Retry
	case "0A000": // "cached plan must not change result type", after a migration by another server
		return Retry
	default:
		return Other
	}
}

// Rebind numbers the placeholders: ? becomes $1, $2 … SQL text in package store holds no ? but placeholders.
func Rebind(query string) string {
	var b strings.Builder
	b.Grow(len(query) + 16)
	n := 0
	for {
		i := strings.IndexByte(query, '?')
		if i < 0 {
			b.WriteString(query)
			return b.String()
		}
		n++
		b.WriteString(query[:i])
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = query[i+1:]
	}
}
