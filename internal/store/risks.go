package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/posture"
	"muster/internal/risk"
)

const (
	riskColumns = `account_id, id, source, vulnerability, aliases, product, ecosystem, versions, group_id, device_id, reason, author, created_at,
	until_at, revoked_at, revoked_by, revoked_reason, document, statement, status, justification, stated_at`
	selectRisks = "SELECT " + riskColumns + " FROM accepted_risks WHERE account_id = ?"
	noRisk      = "Accepted risk not found"
)

// packList writes a list of texts; none is ”.
func packList(list []string) string {
	if len(list) == 0 {
		return ""
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic("store: a list of texts cannot be encoded: " + err.Error())
	}
	return string(text)
}

func unpackList(text string, into *[]string) error {
	if text == "" {
		return nil
	}
	err := json.Unmarshal([]byte(text), into)
	if err != nil {
		return fmt.Errorf("reading a list of an accepted risk: %w", err)
	}
	return nil
}

func scanRisk(r scanner, out *risk.Risk) error {
	var aliases, versions string
	var created, until, revoked, stated int64
	err := r.Scan(&out.Account, &out.ID, &out.Source, &out.Vulnerability, &aliases, &out.Product.Name, &out.Product.Ecosystem, &versions,
		&out.Group, &out.Device, &out.Reason, &out.Author, &created, &until, &revoked, &out.Revoked.By, &out.Revoked.Reason,
		&out.Statement.Document, &out.Statement.ID, &out.Statement.Status, &out.Statement.Justification, &stated)
	if err != nil {
		return err
	}
	out.CreatedAt, out.Until, out.Revoked.At, out.Statement.At = timeOf(created), timeOf(until), timeOf(revoked), timeOf(stated)
	err = unpackList(aliases, &out.Aliases)
	if err != nil {
		return err
	}
	return unpackList(versions, &out.Product.Versions)
}

func risks(ctx context.Context, q querier, query string, args ...any) ([]risk.Risk, error) {
	var out []risk.Risk
	err := q.query(ctx, func(r scanner) error {
		out = append(out, risk.Risk{})
		return scanRisk(r, &out[len(out)-1])
	}, query, args...)
	return out, err
}

const selectRiskRevision = "SELECT risk_revision FROM accounts WHERE id = ?"

// RiskRevision implements risk.Store.
func (s *Store) RiskRevision(ctx context.Context, account posture.AccountID) (int64, error) {
	var n int64
	err := s.queryRow(ctx, selectRiskRevision, account).Scan(&n)
	return n, notFound(err, noAccount)
}

// RiskRevision gives the account's, as the step sees it.
func (tx *Tx) RiskRevision(ctx context.Context, account posture.AccountID) (int64, error) {
	var n int64
	err := tx.queryRow(ctx, selectRiskRevision, account).Scan(&n)
	return n, notFound(err, noAccount)
}

const inForce = " AND revoked_at = 0 AND (until_at = 0 OR until_at > ?)"

// ActiveRisks implements risk.Store.
func (s *Store) ActiveRisks(ctx context.Context, account posture.AccountID, at time.Time) ([]risk.Risk, risk.Thresholds, error) {
	var settings identity.Settings
	var revision int64
	err := scanSettings(s.queryRow(ctx, selectSettings, account), &settings, &revision)
	if err != nil {
		return nil, risk.Thresholds{}, notFound(err, noAccount)
	}
	list, err := risks(ctx, s, selectRisks+inForce+" ORDER BY id", account, millis(at))
	return list, risk.Thresholds(settings.Vulnerabilities.Thresholds()), err
}

// Risk implements risk.Store.
func (s *Store) Risk(ctx context.Context, account posture.AccountID, id string) (risk.Risk, error) {
	return oneRisk(ctx, s, account, id)
}

// Risk implements risk.Tx.
func (tx *Tx) Risk(ctx context.Context, account posture.AccountID, id string) (risk.Risk, error) {
	return oneRisk(ctx, tx, account, id)
}

func oneRisk(ctx context.Context, q querier, account posture.AccountID, id string) (risk.Risk, error) {
	if !storable(id) {
		return risk.Risk{}, notFound(sql.ErrNoRows, noRisk)
	}
	list, err := risks(ctx, q, selectRisks+" AND id = ?", account, id)
	if err == nil && len(list) == 0 {
		err = notFound(sql.ErrNoRows, noRisk)
	}
	if err != nil {
		return risk.Risk{}, err
	}
	return list[0], nil
}

// Risks implements risk.Store.
func (s *Store) Risks(ctx context.Context, account posture.AccountID, q risk.Query) ([]risk.Risk, error) {
	if !storable(q.After) || !storable(q.Vulnerability) || !storable(q.Device) {
		return nil, nil
	}
	var text strings.Builder
	args := []any{account}
	and := func(condition string, values ...any) {
		text.WriteString(" AND " + condition)
		args = append(args, values...)
	}
	if q.After != "" {
		and("id < ?", q.After)
	}
	switch q.State {
	case risk.Active:
		text.WriteString(inForce)
		args = append(args, millis(q.Now))
	case risk.Lapsed:
		and("revoked_at = 0 AND until_at > 0 AND until_at <= ?", millis(q.Now))
	case risk.Revoked:
		and("revoked_at > 0")
	}
	if q.Vulnerability != "" {
		and("vulnerability = ?", q.Vulnerability)
	}
	if q.Group != 0 {
		and("group_id = ?", q.Group)
	}
	if q.Device != "" {
		and("device_id = ?", q.Device)
	}
	if q.Source != "" {
		and("source = ?", string(q.Source))
	}
	return risks(ctx, s, selectRisks+text.String()+" ORDER BY id DESC LIMIT ? OFFSET ?", append(args, q.Limit, q.Skip)...)
}

// ChangeRisks implements risk.Store. The row of the account stands for all that it says.
func (s *Store) ChangeRisks(ctx context.Context, account posture.AccountID, do func(tx risk.Tx) error) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		err := tx.lockAccount(ctx, account)
		if err != nil {
			return err
		}
		return do(tx)
	})
}

// CountActiveRisks implements risk.Tx.
func (tx *Tx) CountActiveRisks(ctx context.Context, account posture.AccountID, at time.Time) (int64, error) {
	var n int64
	err := tx.queryRow(ctx, "SELECT COUNT(*) FROM accepted_risks WHERE account_id = ?"+inForce, account, millis(at)).Scan(&n)
	return n, err
}

// Statements implements risk.Tx.
func (tx *Tx) Statements(ctx context.Context, account posture.AccountID, vulnerability string) ([]risk.Risk, error) {
	return risks(ctx, tx, selectRisks+" AND vulnerability = ? AND source = ? ORDER BY id", account, vulnerability, string(risk.VEX))
}

// HasLiveDevice implements risk.Tx.
func (tx *Tx) HasLiveDevice(ctx context.Context, account posture.AccountID, id string) (bool, error) {
	if !storable(id) {
		return false, nil
	}
	found, err := ids(ctx, tx, "SELECT id FROM devices WHERE account_id = ? AND id = ? AND lifecycle = 0", account, id)
	return len(found) > 0, err
}

// HasGroup implements risk.Tx.
func (tx *Tx) HasGroup(ctx context.Context, account posture.AccountID, id posture.GroupID) (bool, error) {
	found, err := ids(ctx, tx, "SELECT name FROM device_groups WHERE account_id = ? AND id = ?", account, id)
	return len(found) > 0, err
}

// InsertRisk implements risk.Tx.
func (tx *Tx) InsertRisk(ctx context.Context, r *risk.Risk) error {
	x := &r.Statement
	return tx.execOne(ctx, "INSERT INTO accepted_risks ("+riskColumns+") VALUES ("+places(22)+")",
		r.Account, r.ID, string(r.Source), r.Vulnerability, packList(r.Aliases), r.Product.Name, r.Product.Ecosystem, packList(r.Product.Versions),
		r.Group, r.Device, r.Reason, r.Author, millis(r.CreatedAt), millis(r.Until), millis(r.Revoked.At), r.Revoked.By, r.Revoked.Reason,
		x.Document, x.ID, string(x.Status), x.Justification, millis(x.At))
}

// RevokeRisk implements risk.Tx.
func (tx *Tx) RevokeRisk(ctx context.Context, account posture.AccountID, id string, end risk.Revocation) error {
	return tx.execOne(ctx, "UPDATE accepted_risks SET revoked_at = ?, revoked_by = ?, revoked_reason = ? WHERE account_id = ? AND id = ? AND revoked_at = 0",
		millis(end.At), end.By, end.Reason, account, id)
}

// MoveRiskRevision implements risk.Tx.
func (tx *Tx) MoveRiskRevision(ctx context.Context, account posture.AccountID) error {
	return tx.execOne(ctx, "UPDATE accounts SET risk_revision = risk_revision + 1 WHERE id = ?", account)
}

// JudgeSoon implements risk.Tx.
func (tx *Tx) JudgeSoon(ctx context.Context, account posture.AccountID, device string, at time.Time) error {
	old, err := tx.DeviceForUpdate(ctx, account, device)
	if errs.Is(err, errs.NotFound) || err == nil && (!old.Managed || !old.Monitored() || len(old.Digest) == 0) {
		return nil // it has no verdict
	}
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, "UPDATE devices SET verdict_change_at = ?, next_change_at = ? WHERE account_id = ? AND id = ?", millis(at), millis(at), account, device)
	return err
}

// AwaitJudged returns when every change of a device is on disk, or undone, that may rest on what was known before the call. Who
// looks for devices that are to be judged anew misses none then: what is stored later was judged by what is known now. It
// locks nothing: Tx.Known is read by transactions that have locked something, and so are seen here until they end.
// Unavailable: some transaction goes on and on.
func (s *Store) AwaitJudged(ctx context.Context) error {
	if s.dialect.ThisChange == "" {
		return nil
	}
	var now int64
	err := s.writer.do(ctx, keyMany, func(tx *Tx) error { return tx.queryRow(ctx, s.dialect.ThisChange).Scan(&now) })
	if err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range awaitAtMost / (20 * time.Millisecond) {
		var oldest int64
		err = s.queryRow(ctx, s.dialect.OldestChange).Scan(&oldest)
		if err != nil || oldest > now {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return errs.New(errs.Unavailable, "A transaction of the database has not ended for %v", awaitAtMost)
}

// awaitAtMost bounds one wait for transactions; whoever waits tries again.
const awaitAtMost = 10 * time.Second

// Known implements device.Tx.
func (tx *Tx) Known(ctx context.Context, old *device.Device) (posture.Knowledge, error) {
	if tx.w.store.dialect.ThisChange == "" {
		return old.Known, nil
	}
	var k posture.Knowledge
	err := tx.queryRow(ctx, "SELECT "+currentKnowledge("d")+" FROM (SELECT CAST(? AS BIGINT) AS account_id) d", old.Account).Scan(&k.Generation, &k.Revision)
	return k, err
}
