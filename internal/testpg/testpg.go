// Package testpg gives tests a real PostgreSQL server.
//
// A test asks for a database and gets a fresh, empty one:
//
//	dsn := testpg.Database(t)
//
// The server behind it is, in this order: the one that MUSTER_TEST_POSTGRES names (a postgres:// URL of a role that may
// create databases); or a throw-away cluster made from the PostgreSQL programs on this machine, one for each test
// process, started when first asked for and removed when the process ends, however it ends. Such a cluster listens on a
// socket in a private directory and on no network address at all.
//
// Where there is neither, the test is skipped and says so, unless MUSTER_REQUIRE_POSTGRES is 1: then it fails.
//
// The throw-away clusters are unfriendly on purpose. Their text sorts as a natural language does and not by its bytes,
// and their time zone is an odd one, so that a query that leans on either is found here and not by an operator.
package testpg

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// EnvDSN names the variable with the postgres:// URL of a server to use instead of a throw-away cluster.
	EnvDSN = "MUSTER_TEST_POSTGRES"
	// EnvBin names the variable with the directory of the PostgreSQL programs to make clusters from.
	EnvBin = "MUSTER_TEST_POSTGRES_BIN"
	// EnvRequire names the variable that, when it is 1, makes a missing PostgreSQL a failure.
	EnvRequire = "MUSTER_REQUIRE_POSTGRES"
)

// ErrNotFound says that this machine has no PostgreSQL to make a cluster from.
var ErrNotFound = errors.New("no PostgreSQL on this machine: install it (Debian: apt-get install postgresql), " +
	"or name a server in " + EnvDSN)

// patience bounds every single step: an initdb, a start, a stop, a statement. It is generous because a busy machine is
// no reason to fail.
const patience = 90 * time.Second

// Database returns the postgres:// URL of a fresh, empty database that is dropped when t ends. Without PostgreSQL it
// skips t, or fails it where PostgreSQL is required.
func Database(t testing.TB) string {
	t.Helper()
	if admin := os.Getenv(EnvDSN); admin != "" {
		return createDatabase(t, admin, func() bool { return true })
	}
	return shared(t).Database(t)
}

// Available reports whether Database and Cluster would find a PostgreSQL. It starts nothing. It fails t where there is
// none but one is required.
func Available(t testing.TB) bool {
	t.Helper()
	if os.Getenv(EnvDSN) != "" {
		return true
	}
	_, err := findPrograms()
	if err != nil && required() {
		t.Fatalf("%s=1: %v", EnvRequire, err)
	}
	return err == nil
}

// Cluster starts a cluster that belongs to t alone and is removed when t ends: for tests that stop or kill the server.
// It needs PostgreSQL's programs on this machine, whatever MUSTER_TEST_POSTGRES says.
func Cluster(t testing.TB, options ...Option) *Server {
	t.Helper()
	s, err := Start(options...)
	if err != nil {
		giveUp(t, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("testpg: %v", err)
		}
	})
	return s
}

// Database returns the URL of a fresh, empty database on s that is dropped when t ends.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	return createDatabase(t, s.DSN(), s.Running)
}

// theShared is the cluster of this test process. Nothing stops it: it goes when the process does.
var theShared = sync.OnceValues(func() (*Server, error) { return Start() })

func shared(t testing.TB) *Server {
	t.Helper()
	s, err := theShared()
	if err != nil {
		giveUp(t, err)
	}
	return s
}

// giveUp skips t if there is no PostgreSQL and nobody insists. A PostgreSQL that is there but does not start is always
// a failure: otherwise a broken machine would look like a poor one.
func giveUp(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, ErrNotFound) {
		t.Fatalf("testpg: %v", err)
	}
	if required() {
		t.Fatalf("testpg: %s=1, but %v", EnvRequire, err)
	}
	t.Skipf("NOT TESTED ON POSTGRESQL: %v", err)
}

func required() bool { return os.Getenv(EnvRequire) == "1" }

// createDatabase makes a database on the server of the URL admin and returns the database's own URL. up says whether
// the server is still there when t ends: one that its test stopped has nothing to drop.
func createDatabase(t testing.TB, admin string, up func() bool) string {
	t.Helper()
	name := databaseName(t.Name())
	dsn, err := withDatabase(admin, name)
	if err != nil {
		t.Fatalf("testpg: %s: %v", EnvDSN, err)
	}
	if err := execute(admin, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("testpg: create a database: %v", err)
	}
	t.Cleanup(func() {
		if !up() {
			return
		}
		// FORCE ends the connections that the test forgot.
		if err := execute(admin, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("testpg: drop the database: %v", err)
		}
	})
	return dsn
}

// databaseName makes a name that is unique, needs no quotes, and tells a reader of pg_stat_activity which test it is.
func databaseName(test string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(test))
	if len(plain) > 30 { // PostgreSQL cuts names at 63 bytes
		plain = plain[:30]
	}
	return "muster_test_" + plain + "_" + strings.ToLower(rand.Text()[:16])
}

// withDatabase returns the URL dsn with another database in it.
func withDatabase(dsn, name string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return "", errors.New("want a postgres:// URL") // the text itself may hold a password
	}
	u.Path = "/" + name
	return u.String(), nil
}

// execute runs one statement on a connection of its own.
func execute(dsn, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}
