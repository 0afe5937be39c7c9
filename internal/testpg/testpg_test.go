//go:build unix

package testpg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestMain also plays the test process that dies: see TestNothingStays.
func TestMain(m *testing.M) {
	if os.Getenv("TESTPG_VICTIM") != "" {
		victim()
	}
	os.Exit(m.Run())
}

func TestDatabaseIsFreshAndGoesAway(t *testing.T) {
	var admin, name string
	t.Run("use", func(t *testing.T) {
		dsn := Database(t)
		query[string](t, dsn, "CREATE TABLE t (x int); SELECT 'made'")
		if other := Database(t); query[bool](t, other, "SELECT to_regclass('t') IS NOT NULL") {
			t.Error("a second database has the first one's table")
		}
		name = query[string](t, dsn, "SELECT current_database()")
		admin, _ = withDatabase(dsn, "postgres")
		hold(t, dsn) // a forgotten connection must not keep it
	})
	if name == "" {
		t.Skip("NOT TESTED ON POSTGRESQL")
	}
	if n := query[int](t, admin, "SELECT count(*) FROM pg_database WHERE datname = '"+name+"'"); n != 0 {
		t.Errorf("%s is still there after its test", name)
	}
}

func TestDatabasesInParallel(t *testing.T) {
	for i := range 8 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			query[int](t, Database(t), "CREATE TABLE t (x int); SELECT 1")
		})
	}
}

func TestClusterSortsLikeALanguage(t *testing.T) {
	s := shared(t)
	if query[int](t, s.DSN(), "SELECT count(*) FROM pg_collation WHERE collprovider = 'i'") == 0 {
		t.Skip("this PostgreSQL was built without ICU")
	}
	if query[bool](t, s.Database(t), "SELECT 'Z' < 'a'") {
		t.Error("text sorts by its bytes: a query that leans on that would not be found out")
	}
}

// The life of one cluster: a subtest leaves it running for the next.
func TestCluster(t *testing.T) {
	t.Parallel()
	s := Cluster(t, Durable(), Set("full_page_writes", "off"), Set("listen_addresses", "*"))
	t.Run("options", func(t *testing.T) {
		const settings = `SELECT current_setting('fsync') || ' ' || current_setting('full_page_writes') || ' '
			|| current_setting('synchronous_commit')`
		if got := query[string](t, s.DSN(), settings); got != "on off on" {
			t.Errorf("durable, with a later option: fsync, full_page_writes, synchronous_commit = %s, want on off on", got)
		}
		if got := query[string](t, shared(t).DSN(), settings); got != "off off off" {
			t.Errorf("the shared one: %s, want off off off", got)
		}
	})
	t.Run("listens on no address", func(t *testing.T) {
		if got := query[string](t, s.DSN(), "SHOW listen_addresses"); got != "" {
			t.Errorf("listen_addresses = %q, want none", got)
		}
		info, err := os.Stat(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o700 {
			t.Errorf("the socket's directory has mode %v, want 0700: its server asks no password", info.Mode())
		}
	})
	t.Run("stop and restart", func(t *testing.T) { stopAndRestart(t, s) })
	t.Run("kill and restart", func(t *testing.T) { killAndRestart(t, s) })
	t.Run("close", func(t *testing.T) {
		pids := s.PIDs()
		for range 2 { // it may be called again
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if exists(s.dir) {
			t.Error("the directory is still there")
		}
		gone(t, pids)
	})
}

func stopAndRestart(t *testing.T, s *Server) {
	dsn := s.Database(t)
	query[int](t, dsn, "CREATE TABLE t (x int); SELECT 1")
	hold(t, dsn)  // an open connection must not hold up the stop
	for range 2 { // the second stop finds nothing to do
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if s.Running() {
		t.Fatal("it still runs")
	}
	for range 2 { // the second restart stops it first
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	if n := query[int](t, dsn, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// What was committed outlives a kill in the middle of the work; the DSN stays; nobody from before is left.
func killAndRestart(t *testing.T, s *Server) {
	dsn := s.Database(t)
	query[int](t, dsn, "CREATE TABLE t (x int); SELECT 1")

	conn := hold(t, dsn)
	var written int
	var wg sync.WaitGroup
	fifty := make(chan struct{})
	wg.Go(func() {
		for {
			if _, err := conn.Exec(t.Context(), "INSERT INTO t VALUES ($1)", written); err != nil {
				return
			}
			if written++; written == 50 {
				close(fifty)
			}
		}
	})
	<-fifty
	before := s.PIDs()
	if len(before) < 2 {
		t.Fatalf("PIDs() = %v: want the server's first process and its children", before)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if s.Running() || len(s.PIDs()) != 0 {
		t.Fatal("it still runs")
	}
	if i := slices.IndexFunc(before, alive); i >= 0 {
		t.Errorf("process %d of the killed server is still there", before[i])
	}

	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	// The last insert may have been committed without its answer getting through.
	if n := query[int](t, dsn, "SELECT count(*) FROM t"); n != written && n != written+1 {
		t.Errorf("%d rows after the crash, %d were answered", n, written)
	}
}

// However a test process ends, its cluster goes with it.
func TestNothingStays(t *testing.T) {
	t.Parallel()
	if _, err := findPrograms(); err != nil {
		giveUp(t, err)
	}
	for _, end := range []string{"exit", "SIGKILL"} {
		t.Run(end, func(t *testing.T) {
			t.Parallel()
			v := startVictim(t, end)
			if end == "SIGKILL" {
				if err := v.cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			_ = v.cmd.Wait() // it ends badly, as it should
			gone(t, v.pids)
			if err := wait("the directory to go", func() bool { return !exists(v.dir) }); err != nil {
				t.Error(err)
			}
		})
	}
}

// A cluster whose owner and janitor were both killed is removed by the next one that starts; one that is in use is not.
func TestSweep(t *testing.T) {
	t.Parallel()
	inUse := shared(t)
	v := startVictim(t, "orphan")
	if err := v.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = v.cmd.Wait()
	inUse.sweep(filepath.Dir(v.dir)) // another test that starts may be faster
	gone(t, v.pids)
	if err := wait("the directory to go", func() bool { return !exists(v.dir) }); err != nil {
		t.Error(err)
	}
	if query[int](t, inUse.DSN(), "SELECT 1") != 1 || !exists(inUse.dir) {
		t.Error("the sweep took a cluster that is in use")
	}
}

func TestWithoutPostgreSQL(t *testing.T) {
	t.Setenv(EnvDSN, "")
	t.Setenv(EnvBin, t.TempDir())
	t.Setenv(EnvRequire, "")
	if Available(t) {
		t.Error("found one in an empty directory")
	}
	skipped := record(func(tb testing.TB) { giveUp(tb, ErrNotFound) })
	if !skipped.skipped || skipped.failed || !strings.Contains(skipped.said, "NOT TESTED ON POSTGRESQL") {
		t.Errorf("want a loud skip, got %+v", skipped)
	}
	if broken := record(func(tb testing.TB) { giveUp(tb, errors.New("broken")) }); !broken.failed {
		t.Error("a PostgreSQL that does not start must fail the test")
	}

	t.Setenv(EnvRequire, "1")
	if required := record(func(tb testing.TB) { giveUp(tb, ErrNotFound) }); !required.failed {
		t.Error("it is required and missing, and the test did not fail")
	}
	if required := record(func(tb testing.TB) { Available(tb) }); !required.failed {
		t.Error("Available: it is required and missing, and the test did not fail")
	}
}

func TestNamedServer(t *testing.T) {
	t.Setenv(EnvDSN, shared(t).DSN()+"&application_name=named")
	if got := query[string](t, Database(t), "SHOW application_name"); got != "named" {
		t.Errorf("application_name = %q: that is not the connection that %s asks for", got, EnvDSN)
	}
	t.Setenv(EnvDSN, "host=nowhere password=geheim")
	if bad := record(func(tb testing.TB) { Database(tb) }); !bad.failed || strings.Contains(bad.said, "geheim") {
		t.Errorf("want a failure that keeps the password to itself, got %+v", bad)
	}
}

func TestDatabaseName(t *testing.T) {
	a, b := databaseName("TestÄ/Größe=1; DROP"), databaseName("TestÄ/Größe=1; DROP")
	if a == b {
		t.Error("two databases of one name")
	}
	if strings.Trim(a, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || len(a) > 63 {
		t.Errorf("%q needs quotes or is cut short", a)
	}
}

// What follows helps the tests above.

// query runs SQL and returns the first column of its last row.
func query[T any](t testing.TB, dsn, sql string) (v T) {
	t.Helper()
	ctx := context.Background() // not t's: clean-ups query too
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	statements := strings.Split(sql, ";")
	for _, s := range statements[:len(statements)-1] {
		if _, err := conn.Exec(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.QueryRow(ctx, statements[len(statements)-1]).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// hold opens a connection and leaves it open until long after t's own clean-ups.
func hold(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func gone(t *testing.T, pids []int) {
	t.Helper()
	if len(pids) == 0 {
		t.Error("there was no process to begin with")
	}
	if err := wait(fmt.Sprint("processes ", pids, " to go"), func() bool { return !slices.ContainsFunc(pids, alive) }); err != nil {
		t.Error(err)
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// A process that starts the cluster of its own and comes to an end.
type process struct {
	cmd  *exec.Cmd
	dir  string
	pids []int
}

func startVictim(t *testing.T, end string) process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := process{cmd: exec.Command(exe)}
	p.cmd.Env = append(os.Environ(), "TESTPG_VICTIM="+end, EnvDSN+"=")
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the victim said %q: %v", line, err)
	}
	for i, field := range strings.Fields(line) {
		if i == 0 {
			p.dir = field
			continue
		}
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatalf("the victim said %q", line)
		}
		p.pids = append(p.pids, pid)
	}
	return p
}

// victim uses the shared cluster, says where it is, and ends as it was told to.
func victim() {
	s, err := theShared()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	end := os.Getenv("TESTPG_VICTIM")
	if end == "orphan" {
		if err := s.janitor.cmd.Process.Kill(); err != nil {
			panic(err)
		}
		_ = s.janitor.cmd.Wait()
	}
	fmt.Println(s.dir, strings.Trim(fmt.Sprint(s.PIDs()), "[]"))
	if end == "exit" {
		os.Exit(0)
	}
	time.Sleep(patience) // until it is killed
	os.Exit(1)
}

// recorder is a testing.TB that notes what would have become of the test.
type recorder struct {
	testing.TB
	skipped, failed bool
	said            string
}

func record(f func(testing.TB)) *recorder {
	r := &recorder{}
	var wg sync.WaitGroup
	wg.Go(func() { f(r) }) // Fatal and Skip end the goroutine
	wg.Wait()
	return r
}

func (r *recorder) Helper()        {}
func (r *recorder) Name() string   { return "recorder" }
func (r *recorder) Cleanup(func()) {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed, r.said = true, fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped, r.said = true, fmt.Sprintf(format, args...)
	runtime.Goexit()
}
