package main

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"os"
	"time"
)

// bare is one statement in a loop, by one caller, with the same driver and nothing around it.
type bare struct {
	name  string
	query string
	args  func(i int) []any
	// batch is how many share a commit; 0 for a statement that reads.
	batch int
}

func (f *fleet) bareStatements() []bare {
	link := "UPDATE devices SET link_username = ?, link_group = ? WHERE account_id = ? AND id = ? AND lifecycle = 0"
	linkArgs := func(i int) []any { return []any{"user", "staff", f.account.ID, f.agents[i].id} }
	return []bare{
		{name: "bare: look up a MAC", query: "SELECT device_id FROM device_adapters WHERE account_id = ? AND mac = ?",
			args: func(i int) []any { return []any{f.account.ID, macOf(i, 0)} }},
		{name: "bare: update one row, commit", query: link, args: linkArgs, batch: 1},
		{name: "bare: update one row, 32 share a commit", query: link, args: linkArgs, batch: 32},
	}
}

// measureBare measures the statements in this process: nothing else goes on in it meanwhile.
func (b *bench) measureBare(ctx context.Context, f *fleet, size int) (err error) {
	db, err := f.openSQL(true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	m := meter{server: os.Getpid()}
	if f.cluster != nil {
		m.database = f.cluster.PIDs
	}
	for _, s := range f.bareStatements() {
		if !b.options.rows.MatchString(s.name) {
			continue
		}
		out, err := b.loop(ctx, db, f, m, s)
		if err != nil {
			return err
		}
		out.Engine, out.Devices = f.engine, size
		b.add(out)
	}
	return nil
}

func (b *bench) loop(ctx context.Context, db *sql.DB, f *fleet, m meter, s bare) (result, error) {
	out := result{Row: s.name}
	before, err := m.read()
	if err != nil {
		return out, err
	}
	after, deadline := before, time.Now().Add(b.longest)
	for after.minus(before).total() < b.window/2 && time.Now().Before(deadline) {
		for range 1 + 200/(s.batch+1) {
			n, err := s.round(ctx, db, f)
			if err != nil {
				return out, err
			}
			out.Requests += n
		}
		after, err = m.read()
		if err != nil {
			return out, err
		}
	}
	spent := after.minus(before)
	out.Millis, out.Server = perRequest(spent.total(), out.Requests), perRequest(spent.server, out.Requests)
	return out, nil
}

// round runs the statement 32 times, or as often as share a commit.
func (s *bare) round(ctx context.Context, db *sql.DB, f *fleet) (int64, error) {
	if s.batch == 0 {
		return 32, s.read(ctx, db, f)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after the commit
	stmt, err := tx.PrepareContext(ctx, f.rebind(s.query))
	if err != nil {
		return 0, err
	}
	defer stmt.Close() //nolint:errcheck // the transaction closes it too
	for range s.batch {
		_, err = stmt.ExecContext(ctx, s.args(rand.IntN(len(f.agents)))...)
		if err != nil {
			return 0, err
		}
	}
	return int64(s.batch), tx.Commit()
}

func (s *bare) read(ctx context.Context, db *sql.DB, f *fleet) error {
	stmt, err := db.PrepareContext(ctx, f.rebind(s.query))
	if err != nil {
		return err
	}
	defer stmt.Close() //nolint:errcheck // nothing depends on it
	for range 32 {
		var id string
		err = stmt.QueryRowContext(ctx, s.args(rand.IntN(len(f.agents)))...).Scan(&id)
		if err != nil {
			return err
		}
	}
	return nil
}
