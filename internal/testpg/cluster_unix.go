//go:build unix

package testpg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	superuser = "postgres"
	dirPrefix = "muster-testpg-"
)

// Server is a throw-away cluster that this process started. Its methods may be called from several goroutines.
type Server struct {
	bin  string // where PostgreSQL's programs are
	dir  string // everything of the cluster: data, socket, log, lock
	cred *syscall.Credential

	mu      sync.Mutex
	janitor *janitor
}

// Start makes a cluster and starts it. It is for programs that are not tests; a test calls Database or Cluster. The
// cluster is removed by Close, or when this process ends.
func Start(options ...Option) (*Server, error) {
	bin, err := findPrograms()
	if err != nil {
		return nil, err
	}
	cred, err := unprivileged()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, cred: cred}
	s.sweep(os.TempDir())
	if s.dir, err = os.MkdirTemp("", dirPrefix); err != nil {
		return nil, err
	}
	if err := s.setUp(newSettings(s.dir, options)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// setUp fills the directory and starts the server. The janitor comes first: from then on nothing stays behind.
func (s *Server) setUp(conf settings) (err error) {
	if s.cred != nil {
		if err := os.Chown(s.dir, int(s.cred.Uid), int(s.cred.Gid)); err != nil {
			return err
		}
	}
	if s.janitor, err = s.hireJanitor(); err != nil {
		return err
	}
	if err := s.initDB(); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(conf.String())
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return s.start()
}

// initDB makes the data directory, with a natural language's sort order where this PostgreSQL has one built in.
func (s *Server) initDB() error {
	initdb := func(more ...string) error {
		args := []string{"-D", s.data(), "-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"}
		return s.run("initdb", append(args, more...)...)
	}
	err := initdb("--locale-provider=icu", "--icu-locale=en-US")
	if err == nil {
		return nil
	}
	if plain := initdb(); plain != nil { // initdb cleans up after itself when it fails
		return errors.Join(err, plain)
	}
	return nil
}

func (s *Server) data() string    { return filepath.Join(s.dir, "data") }
func (s *Server) pidFile() string { return filepath.Join(s.data(), "postmaster.pid") }
func (s *Server) log() string     { return filepath.Join(s.dir, "log") }

// DSN is the postgres:// URL of the server, for its superuser and the database postgres. It stays the same over Stop,
// Kill and Restart.
func (s *Server) DSN() string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(superuser),
		Path:     "/postgres",
		RawQuery: url.Values{"host": {s.dir}}.Encode(),
	}
	return u.String()
}

// Running reports whether the server is up.
func (s *Server) Running() bool {
	pid, err := s.postmaster()
	return err == nil && alive(pid)
}

// PIDs are the processes of the server, its first one in front; none while it is down. Where the system has no /proc
// there is only the first.
func (s *Server) PIDs() []int {
	pid, err := s.postmaster()
	if err != nil || !alive(pid) {
		return nil
	}
	return append([]int{pid}, children(pid)...)
}

// Stop shuts the server down in order: what was committed is on disk, connections are cut. A server that is down stays
// down.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop()
}

// Kill ends every process of the server with SIGKILL, as a crash would. A server that is down stays down.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	pid, err := s.postmaster()
	if err != nil || !alive(pid) {
		return nil
	}
	// Held still, the first process starts no further ones while we list them, and does not see them go.
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	pids := append(children(pid), pid)
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill PostgreSQL: %w", err)
		}
	}
	return wait("PostgreSQL to die", func() bool { return !slices.ContainsFunc(pids, alive) })
}

// Restart starts the server again after Stop or Kill, with the same DSN. A server that is up is stopped first.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.stop(); err != nil {
		return err
	}
	return s.start()
}

// Close stops the server and removes everything it had.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.janitor != nil {
		err = s.janitor.dismiss()
		s.janitor = nil
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

func (s *Server) start() error {
	// The files of a killed server stay, and PostgreSQL takes the process they name for a living one as long as nobody
	// has collected it. Where the system's first process is slow at that, or never does it, this would be for ever.
	if pid, err := s.postmaster(); err == nil && !alive(pid) {
		_ = os.Remove(filepath.Join(s.dir, ".s.PGSQL.5432.lock"))
		_ = os.Remove(s.pidFile())
	}
	err := s.run("pg_ctl", "-D", s.data(), "-l", s.log(), "-s", "-w", "-t", strconv.Itoa(int(patience.Seconds())), "start")
	if err != nil {
		log, _ := os.ReadFile(s.log()) // nothing more to say without it
		return fmt.Errorf("%w\n%s", err, log[max(0, len(log)-4000):])
	}
	return nil
}

func (s *Server) stop() error {
	if !s.Running() {
		return nil
	}
	return s.run("pg_ctl", "-D", s.data(), "-s", "-w", "-t", strconv.Itoa(int(patience.Seconds())), "-m", "fast", "stop")
}

// postmaster reads the process id of the server's first process from the file that PostgreSQL keeps for this.
func (s *Server) postmaster() (int, error) {
	b, err := os.ReadFile(s.pidFile())
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(b), "\n")
	return strconv.Atoi(first)
}

// run runs one of PostgreSQL's programs to its end.
func (s *Server) run(program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return nil
}

// environment is ours without what would send PostgreSQL's programs elsewhere (PGDATA, PGHOST …) or translate their
// words.
func environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "PG") || strings.HasPrefix(kv, "LC_") || strings.HasPrefix(kv, "LANG")
	})
	return append(env, "LC_ALL=C")
}

// findPrograms finds the directory with the newest initdb, pg_ctl and postgres.
func findPrograms() (string, error) {
	if dir := os.Getenv(EnvBin); dir != "" {
		if !complete(dir) {
			return "", fmt.Errorf("%s=%s: no initdb, pg_ctl and postgres there", EnvBin, dir)
		}
		return dir, nil
	}
	best, newest := "", -1.0
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
		"/usr/pgsql-*/bin",                   // packages for the Red Hat family
		"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
		"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
		"/Library/PostgreSQL/*/bin",          // the macOS installer
		"/usr/local/lib/postgresql*/bin",     // some ports
		"/usr/libexec/postgresql*",           // Alpine
		"/usr/lib/postgresql*/bin",           // openSUSE
		"/run/current-system/sw/bin",         // NixOS
	} {
		dirs, _ := filepath.Glob(pattern) // the patterns are well-formed
		for _, dir := range dirs {
			if v := version(dir); v > newest && complete(dir) {
				best, newest = dir, v
			}
		}
	}
	if best != "" {
		return best, nil
	}
	if path, err := exec.LookPath("initdb"); err == nil && complete(filepath.Dir(path)) {
		return filepath.Dir(path), nil
	}
	return "", ErrNotFound
}

// version is the number in the path of PostgreSQL's programs; 0 if there is none.
func version(dir string) float64 {
	digits := strings.FieldsFunc(dir, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	for _, d := range digits {
		if v, err := strconv.ParseFloat(d, 64); err == nil {
			return v
		}
	}
	return 0
}

func complete(dir string) bool {
	return !slices.ContainsFunc([]string{"initdb", "pg_ctl", "postgres"}, func(program string) bool {
		_, err := exec.LookPath(filepath.Join(dir, program))
		return err != nil
	})
}

// unprivileged is the user to run PostgreSQL as, which refuses to run as root; nil for the one we are.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(superuser)
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, errors.New("PostgreSQL refuses to run as root, and there is no user postgres to run it as")
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// alive reports whether the process runs. One that ended but was not yet collected by its parent does not.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil {
		return errors.Is(err, syscall.EPERM)
	}
	state, _, ok := procStat(pid)
	return !ok || state != "Z"
}

// children are the processes that pid started, as /proc tells.
func children(pid int) []int {
	var found []int
	entries, _ := os.ReadDir("/proc") // without it there are none to be found
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if _, parent, ok := procStat(child); ok && parent == pid {
			found = append(found, child)
		}
	}
	return found
}

// procStat reads the state and the parent of a process. ok is false where there is no /proc, or no such process.
func procStat(pid int) (state string, parent int, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", 0, false
	}
	// The name, in brackets, may hold anything; the state and the parent follow the last bracket.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 2 {
		return "", 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return fields[0], parent, err == nil
}

// wait returns when done says so.
func wait(what string, done func() bool) error {
	for end := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return errors.New("gave up waiting for " + what)
		}
	}
	return nil
}
