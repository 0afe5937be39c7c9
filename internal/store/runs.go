package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/run"
)

const (
	runColumns = "account_id, id, kind, state, params, position, total, done, changed, failed, result, message, actor, created_at, started_at, ended_at"
	noRun      = "Run not found"
)

func scanRun(r scanner, out *run.Run) error {
	var params, result string
	var created, started, ended int64
	err := r.Scan(&out.Account, &out.ID, &out.Kind, &out.State, &params, &out.Position, &out.Total, &out.Done, &out.Changed, &out.Failed,
		&result, &out.Message, &out.Actor, &created, &started, &ended)
	if err != nil {
		return err
	}
	out.CreatedAt, out.StartedAt, out.EndedAt = timeOf(created), timeOf(started), timeOf(ended)
	if result != "" {
		out.Result = json.RawMessage(result)
	}
	err = json.Unmarshal([]byte(params), &out.Params)
	if err != nil {
		return fmt.Errorf("reading what a run is about: %w", err)
	}
	return nil
}

func packParams(p run.Params) string {
	text, err := json.Marshal(p)
	if err != nil {
		panic("store: what a run is about cannot be encoded: " + err.Error())
	}
	return string(text)
}

// AddRun implements run.Store.
func (s *Store) AddRun(ctx context.Context, r *run.Run) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		open, err := ids(ctx, tx, "SELECT id FROM runs WHERE account_id = ? AND state < 2 LIMIT ?", r.Account, run.MaxOpen)
		if err != nil {
			return err
		}
		if len(open) >= run.MaxOpen {
			return errs.New(errs.Conflict, "%d runs of the account have not ended; wait for one, or cancel one", len(open))
		}
		return tx.addRun(ctx, r)
	})
}

func (tx *Tx) addRun(ctx context.Context, r *run.Run) error {
	return tx.execOne(ctx, "INSERT INTO runs ("+runColumns+") VALUES (?, ?, ?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		r.Account, r.ID, string(r.Kind), r.State, packParams(r.Params), r.Total, r.Done, r.Changed, r.Failed, string(r.Result), r.Message,
		r.Actor, millis(r.CreatedAt), millis(r.StartedAt), millis(r.EndedAt))
}

// InsertRun implements device.GroupTx and policies.Tx. What is about the same devices is told apart by its text.
func (tx *Tx) InsertRun(ctx context.Context, r *run.Run) error {
	_, err := tx.exec(ctx, "UPDATE runs SET state = ?, message = ?, ended_at = ? WHERE account_id = ? AND kind = ? AND params = ? AND state < 2",
		run.Cancelled, "run "+r.ID+" took its place", millis(r.CreatedAt), r.Account, string(r.Kind), packParams(r.Params))
	if err != nil {
		return err
	}
	return tx.addRun(ctx, r)
}

// Run implements run.Store.
func (s *Store) Run(ctx context.Context, account posture.AccountID, id string) (run.Run, error) {
	var out run.Run
	err := scanRun(s.queryRow(ctx, "SELECT "+runColumns+" FROM runs WHERE account_id = ? AND id = ?", account, id), &out)
	return out, notFound(err, noRun)
}

// Runs implements run.Store.
func (s *Store) Runs(ctx context.Context, account posture.AccountID, w page.Window) ([]run.Run, error) {
	after := w.After
	if after == "" {
		after = beyondIDs
	}
	return s.runs(ctx, "SELECT "+runColumns+" FROM runs WHERE account_id = ? AND id < ? ORDER BY id DESC LIMIT ? OFFSET ?", account, after, w.Limit, w.Skip)
}

// OpenRuns implements run.Store.
func (s *Store) OpenRuns(ctx context.Context, kind run.Kind) ([]run.Run, error) {
	return s.runs(ctx, `SELECT account_id, id, kind, state, params, position, total, done, changed, failed, '', message, actor, created_at, started_at, ended_at
		FROM runs WHERE state < 2 AND kind = ? ORDER BY id`, string(kind))
}

func (s *Store) runs(ctx context.Context, query string, args ...any) ([]run.Run, error) {
	var out []run.Run
	err := s.query(ctx, func(r scanner) error {
		out = append(out, run.Run{})
		return scanRun(r, &out[len(out)-1])
	}, query, args...)
	return out, err
}

// SaveRun implements run.Store.
func (s *Store) SaveRun(ctx context.Context, r *run.Run) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		n, err := tx.exec(ctx, `UPDATE runs SET state = ?, position = ?, total = ?, done = ?, changed = ?, failed = ?, result = ?, message = ?,
			started_at = ?, ended_at = ? WHERE account_id = ? AND id = ? AND state < 2`,
			r.State, r.Position, r.Total, r.Done, r.Changed, r.Failed, string(r.Result), r.Message, millis(r.StartedAt), millis(r.EndedAt), r.Account, r.ID)
		if err == nil && n == 0 {
			err = run.ErrEnded()
		}
		return err
	})
}

// CancelRun implements run.Store.
func (s *Store) CancelRun(ctx context.Context, account posture.AccountID, id string, at time.Time) (run.Run, error) {
	var out run.Run
	err := s.writer.do(ctx, keyMany, func(tx *Tx) error {
		err := scanRun(tx.queryRow(ctx, "SELECT "+runColumns+" FROM runs WHERE account_id = ? AND id = ?"+s.dialect.ForUpdate, account, id), &out)
		if err != nil {
			return notFound(err, noRun)
		}
		if out.State.Ended() {
			return run.ErrEnded()
		}
		out.State, out.EndedAt = run.Cancelled, at
		return tx.execOne(ctx, "UPDATE runs SET state = ?, ended_at = ? WHERE account_id = ? AND id = ?", run.Cancelled, millis(at), account, id)
	})
	return out, err
}

// ForgetRuns implements run.Store.
func (s *Store) ForgetRuns(ctx context.Context, before time.Time) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		const ended = " FROM runs WHERE ended_at > 0 AND ended_at < ?"
		_, err := tx.exec(ctx, "DELETE FROM leases WHERE name IN (SELECT '"+run.LeasePrefix+"' || id"+ended+")", millis(before))
		if err != nil {
			return err
		}
		_, err = tx.exec(ctx, "DELETE"+ended, millis(before))
		return err
	})
}
