package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"muster/internal/testpg"
	"muster/tools/process"
)

// ownServer is a server that was started here, and can be killed.
type ownServer struct {
	dir, file string
	database  string // address of PostgreSQL; "" for SQLite
	cluster   *testpg.Server
	listen    string
	program   *process.Server // nil while it is away

	mu      sync.Mutex
	outages []outage
}

// outage is a time in which the server was away.
type outage struct{ from, to time.Time }

// startOwn starts a server with an empty database.
func (e *emulation) startOwn(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "muster-fleet-")
	if err != nil {
		return err
	}
	s := &ownServer{dir: dir, file: e.program, database: e.database, listen: "127.0.0.1:0"}
	e.own = s
	if s.file == "" {
		s.file = filepath.Join(dir, "muster")
		err = process.Build(ctx, ".", s.file)
		if err != nil {
			return err
		}
	}
	switch {
	case e.database != "" || e.engine == "sqlite":
	case e.engine == "postgres":
		s.cluster, err = testpg.Start(testpg.Durable())
		if err != nil {
			return err
		}
		s.database = s.cluster.DSN()
	default:
		return fmt.Errorf("-engine: %q is not known", e.engine)
	}
	err = s.start()
	if err != nil {
		return err
	}
	e.url = "http://" + s.listen
	return e.introduce(ctx)
}

func (s *ownServer) data() string { return filepath.Join(s.dir, "data") }

// with adds where the database is to the arguments of a command.
func (s *ownServer) with(args ...string) []string {
	args = append(args, "--data", s.data())
	if s.database != "" {
		args = append(args, "--database", s.database)
	}
	return args
}

// start starts the server, at the address that it had.
func (s *ownServer) start() (err error) {
	s.program, err = process.Start(s.file, s.with("serve", "--rate-limit", "0", "--listen", s.listen)...)
	if err != nil {
		return err
	}
	s.listen = s.program.Addr
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.outages); n > 0 {
		s.outages[n-1].to = time.Now()
	}
	return nil
}

// kill kills the server.
func (s *ownServer) kill() error {
	s.mu.Lock()
	s.outages = append(s.outages, outage{from: time.Now()})
	s.mu.Unlock()
	p := s.program
	s.program = nil
	return p.Kill()
}

// awaySince reports whether the server was away at some moment since a time.
func (s *ownServer) awaySince(t time.Time) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.outages)
	return n > 0 && (s.outages[n-1].to.IsZero() || s.outages[n-1].to.After(t))
}

// lostContact reports whether a kill may have taken the note of a contact with it. A server may answer until it is gone,
// for which there is no moment: only that it was before it came back.
func (s *ownServer) lostContact(at time.Time, lag time.Duration) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.outages {
		if (o.to.IsZero() || !at.After(o.to)) && o.from.Sub(at) <= lag {
			return true
		}
	}
	return false
}

func (s *ownServer) close() error {
	var err error
	if s.program != nil {
		err = s.program.Stop()
	}
	if s.cluster != nil {
		err = errors.Join(err, s.cluster.Close())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// introduce asks the server's command line for what the fleet needs.
func (e *emulation) introduce(ctx context.Context) error {
	code, err := e.own.muster(ctx, "regcode", "show")
	if err != nil {
		return err
	}
	e.code = strings.TrimSpace(string(code))
	text, err := e.own.muster(ctx, "app", "create", "--name", "emulator", "--permission", "write", "--json")
	if err != nil {
		return err
	}
	var app struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	err = json.Unmarshal(text, &app)
	e.clientID, e.clientSecret = app.ID, app.Secret
	return err
}

// muster runs a command beside the server.
func (s *ownServer) muster(ctx context.Context, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, s.file, s.with(args...)...).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("muster %s: %s", strings.Join(args, " "), failed.Stderr)
	}
	return out, err
}
