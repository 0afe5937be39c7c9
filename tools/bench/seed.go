package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"muster/internal/identity"
	"muster/internal/identity/scope"
	"muster/internal/store"
	"muster/internal/testpg"
	"muster/tools/process"
)

// baseSize is how many devices of each fleet enrol and report through the agent door; the others are made like them in
// the database.
const baseSize = 1000

// fleet is a database with devices in it, and what their agents know.
type fleet struct {
	engine, url, data string // url of PostgreSQL, directory of SQLite
	cluster           *testpg.Server
	program, listen   string
	programArgs       []string
	flags             []string  // of the server, besides the usual ones
	made              time.Time // the reports
	bodies            *bodies
	account           identity.Account
	app               identity.Application
	secret, token     string
	agents            []agent
	cursors           []string     // where the pages of all devices begin
	product, cve      string       // that every other device has
	changing          atomic.Int64 // since when statuses change, in seconds
}

// agent is what one device was given when it enrolled.
type agent struct{ id, key, token string }

// newFleet makes an empty database with an account.
func (b *bench) newFleet(ctx context.Context, engine string, size int) (*fleet, error) {
	f := &fleet{engine: engine, data: filepath.Join(b.dir, engine+"-"+strconv.Itoa(size)), program: b.program, listen: "127.0.0.1:0"}
	if b.profile != "" {
		f.programArgs = []string{profiledMode}
	}
	var err error
	f.made = time.Now()
	f.bodies, err = newBodies(b.root, f.made)
	if err != nil {
		return nil, err
	}
	switch engine {
	case "sqlite":
	case "postgres":
		f.cluster, err = testpg.Start(testpg.Durable(), testpg.Set("shared_buffers", "256MB"), testpg.Set("max_wal_size", "4GB"))
		if err != nil {
			return nil, err
		}
		f.url = f.cluster.DSN()
	default:
		return nil, fmt.Errorf("-engines: %q is not known", engine)
	}
	err = f.makeAccount(ctx)
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *fleet) close() error {
	if f.cluster == nil {
		return nil
	}
	return f.cluster.Close()
}

func (f *fleet) open(ctx context.Context) (*store.Store, error) {
	return store.Open(ctx, store.Options{Database: f.url, Dir: f.data, Log: slog.New(slog.DiscardHandler)})
}

func (f *fleet) makeAccount(ctx context.Context) (err error) {
	st, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	_, err = st.Migrate(ctx)
	if err != nil {
		return err
	}
	ids := identity.New(identity.Options{Accounts: st, Applications: st, Tokens: st, Settings: st, Codes: st})
	f.account, err = ids.CreateAccount(ctx, identity.NewAccount{Name: "Bench", DevicesAllowed: 10_000_000})
	if err != nil {
		return err
	}
	f.app, f.secret, err = ids.CreateApplication(ctx, identity.NewApplication{
		Account: f.account.ID, Name: "bench", Permission: scope.Write, RateLimit: identity.DefaultRateLimit,
	})
	if err != nil {
		return err
	}
	issued, err := ids.ClientCredentials(ctx, f.app.ClientID, f.secret)
	f.token = issued.AccessToken
	return err
}

// serve starts the server on the fleet.
func (f *fleet) serve() (*process.Server, error) {
	args := append(f.programArgs, "serve", "--listen", f.listen, "--rate-limit", "0", "--data", f.data) //nolint:gocritic // a new slice is meant
	args = append(args, f.flags...)
	if f.url != "" {
		args = append(args, "--database", f.url)
	}
	return process.Start(f.program, args...)
}

func (f *fleet) meter(c *process.Server) meter {
	m := meter{server: c.Cmd.Process.Pid}
	if f.cluster != nil {
		m.database = f.cluster.PIDs
	}
	return m
}

// seed brings the fleet to its size.
func (f *fleet) seed(ctx context.Context, size int) error {
	c, err := f.serve()
	if err != nil {
		return err
	}
	f.agents = make([]agent, baseSize, size)
	err = errors.Join(f.enrolBase(ctx, c.Addr), c.Stop())
	if err != nil {
		return err
	}
	err = f.clone(ctx, size)
	if err != nil {
		return err
	}
	return errors.Join(f.checkCounts(ctx, int64(size)), f.findShared(ctx))
}

// enrolBase registers the first devices and sends their reports.
func (f *fleet) enrolBase(ctx context.Context, addr string) error {
	const connections = 32
	errs := make([]error, connections)
	var working sync.WaitGroup
	for k := range connections {
		working.Go(func() { errs[k] = f.enrolPart(ctx, addr, k, connections) })
	}
	working.Wait()
	return errors.Join(errs...)
}

// enrolPart enrols every step-th device.
func (f *fleet) enrolPart(ctx context.Context, addr string, from, step int) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // everything was answered
	answers := bufio.NewReader(conn)
	for i := from; i < baseSize && ctx.Err() == nil; i += step {
		body, err := exchange(conn, answers, f.register(nil, i), nil)
		if err != nil {
			return err
		}
		var got struct {
			DeviceID    string `json:"device_id"`
			AccessKey   string `json:"access_key"`
			AccessToken string `json:"access_token"`
		}
		err = json.Unmarshal(body, &got)
		if err != nil {
			return err
		}
		f.agents[i] = agent{got.DeviceID, got.AccessKey, got.AccessToken}
		_, err = exchange(conn, answers, f.report(nil, i, 0, i), nil)
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// checkCounts compares what is kept with the rows, and with the size that the fleet is to have.
func (f *fleet) checkCounts(ctx context.Context, atLeast int64) (err error) {
	st, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	kept, actual, err := st.Recount(ctx, f.account.ID)
	if err != nil {
		return err
	}
	if kept != actual || actual.Used() < atLeast {
		return fmt.Errorf("the counts are wrong: kept %v, rows %v, at least %d expected", kept, actual, atLeast)
	}
	return f.checkIndexes(ctx, st)
}
