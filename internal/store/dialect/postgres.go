package dialect

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
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
	ForUpdate:    " FOR NO KEY UPDATE", // a foreign key that leads to the row does not wait for it
	ThisChange:   "SELECT txid_current()",
	OldestChange: "SELECT txid_snapshot_xmin(txid_current_snapshot())",
	LockEvents:   "LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE",
	Rebind:       Rebind,
	Classify:     classifyPostgres,
	Snapshot:     &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
	SharedLimits: true,
	Goose:        goose.DialectPostgres,
	Recount:      "ANALYZE ",
	Size:         "SELECT pg_database_size(current_database())",
}

func openPostgres(ctx context.Context, url string) (Pools, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		// The parser's own text may quote the URL, and with it a password.
		return Pools{}, errors.New("the PostgreSQL URL cannot be read")
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	patient := *config
	config.DialFunc = impatient(config.DialFunc)
	pools := Pools{Read: stdlib.OpenDB(*config), Write: stdlib.OpenDB(*config), Admin: stdlib.OpenDB(patient)}
	pools.Single = pools.Read
	pools.Read.SetMaxOpenConns(16)
	pools.Read.SetMaxIdleConns(16)
	pools.Read.SetConnMaxLifetime(time.Hour)
	pools.Write.SetMaxOpenConns(1)
	pools.Admin.SetMaxOpenConns(4)
	pools.Admin.SetMaxIdleConns(0)
	err = pools.Read.PingContext(ctx)
	if err != nil {
		return Pools{}, errors.Join(fmt.Errorf("connecting to PostgreSQL at %s: %w", config.Host, err), pools.Close())
	}
	return pools, nil
}

// silence is how long the database may say nothing while it is asked something. Queries are not watched for
// cancellation, so this is what ends those of a server that hangs or has gone from the network.
const silence = 30 * time.Second

// impatient makes connections on which each read fails after a silence.
func impatient(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &impatientConn{conn}, nil
	}
}

type impatientConn struct{ net.Conn }

// Read waits for the silence at the most.
func (c *impatientConn) Read(b []byte) (int, error) {
	err := c.SetReadDeadline(time.Now().Add(silence)) //nolint:forbidigo // the network has the real clock
	if err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func classifyPostgres(err error) Class {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return classifyConnection(err)
	}
	if strings.HasPrefix(e.Code, "08") || strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "53") {
		return Unreachable // connection exceptions, shutting down, out of resources
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

// classifyConnection looks at an error that did not come from the database itself.
func classifyConnection(err error) Class {
	var network net.Error
	var connect *pgconn.ConnectError
	if errors.As(err, &network) || errors.As(err, &connect) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) {
		return Unreachable
	}
	return Other
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
