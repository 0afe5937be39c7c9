package store

import (
	"context"
	"math"
	"time"

	"muster/internal/errs"
	"muster/internal/policies"
	"muster/internal/posture"
)

const noPolicy = "Policy not found"

func policiesOf(ctx context.Context, q querier, account posture.AccountID) ([]policies.Policy, error) {
	var out []policies.Policy
	err := q.query(ctx, func(r scanner) error {
		p := policies.Policy{Account: account}
		var created, modified int64
		err := r.Scan(&p.ID, &p.Name, &p.Version, &created, &modified)
		p.CreatedAt, p.ModifiedAt = timeOf(created), timeOf(modified)
		out = append(out, p)
		return err
	}, "SELECT id, name, version, created_at, modified_at FROM policies WHERE account_id = ? AND id >= 0 AND deleted_at = 0 ORDER BY id", account)
	return out, err
}

// Policies implements policies.Store.
func (s *Store) Policies(ctx context.Context, account posture.AccountID) ([]policies.Policy, error) {
	return policiesOf(ctx, s, account)
}

const selectVersion = "SELECT policy_id, version, document, at, author, note FROM policy_versions WHERE account_id = ? AND policy_id = ? AND version = ?"

func scanVersion(r scanner, v *policies.Version) error {
	var at int64
	err := r.Scan(&v.ID, &v.Version, &v.Document, &at, &v.Author, &v.Note)
	v.At = timeOf(at)
	return err
}

// PolicyVersion implements policies.Store.
func (s *Store) PolicyVersion(ctx context.Context, account posture.AccountID, ref posture.PolicyRef) (policies.Version, error) {
	var v policies.Version
	err := scanVersion(s.queryRow(ctx, selectVersion, account, ref.ID, ref.Version), &v)
	return v, notFound(err, noPolicyVersion)
}

const noPolicyVersion = "Policy version not found"

// PolicyVersions implements policies.Store.
func (s *Store) PolicyVersions(ctx context.Context, account posture.AccountID, id posture.PolicyID, before int64, limit int) ([]policies.Version, error) {
	if before <= 0 {
		before = math.MaxInt64
	}
	var out []policies.Version
	err := s.query(ctx, func(r scanner) error {
		out = append(out, policies.Version{})
		return scanVersion(r, &out[len(out)-1])
	}, `SELECT policy_id, version, '', at, author, note FROM policy_versions WHERE account_id = ? AND policy_id = ? AND version < ?
		ORDER BY version DESC LIMIT ?`, account, id, before, limit)
	return out, err
}

// GroupPolicies implements policies.Store.
func (s *Store) GroupPolicies(ctx context.Context, account posture.AccountID) (map[posture.GroupID]posture.PolicyRef, error) {
	out := make(map[posture.GroupID]posture.PolicyRef)
	err := s.query(ctx, func(r scanner) error {
		var id posture.GroupID
		var ref posture.PolicyRef
		err := r.Scan(&id, &ref.ID, &ref.Version)
		out[id] = ref
		return err
	}, `SELECT device_groups.id, policy_id, COALESCE(p.version, 0) FROM device_groups
		LEFT JOIN policies p ON p.account_id = device_groups.account_id AND p.id = device_groups.policy_id WHERE device_groups.account_id = ?`, account)
	return out, err
}

// ChangePolicies implements policies.Store. The row of the account stands for all of its policies, as for its groups: a
// group cannot get a policy while that is being deleted.
func (s *Store) ChangePolicies(ctx context.Context, account posture.AccountID, do func(tx policies.Tx) error) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		err := tx.lockAccount(ctx, account)
		if err != nil {
			return err
		}
		return do(tx)
	})
}

// Policies implements policies.Tx.
func (tx *Tx) Policies(ctx context.Context, account posture.AccountID) ([]policies.Policy, error) {
	return policiesOf(ctx, tx, account)
}

// PolicyVersion implements policies.Tx.
func (tx *Tx) PolicyVersion(ctx context.Context, account posture.AccountID, ref posture.PolicyRef) (policies.Version, error) {
	var v policies.Version
	err := scanVersion(tx.queryRow(ctx, selectVersion, account, ref.ID, ref.Version), &v)
	return v, notFound(err, noPolicyVersion)
}

// NextPolicyID implements policies.Tx. The first id behind that of the default policy is 2.
func (tx *Tx) NextPolicyID(ctx context.Context, account posture.AccountID) (posture.PolicyID, error) {
	var id posture.PolicyID
	tx.dirty = true
	err := tx.queryRow(ctx, nextInSequence, account, "policies", posture.DefaultPolicy+2).Scan(&id)
	return id, err
}

// nextInSequence gives the next number of an account's sequence; the last argument is one more than the first number.
const nextInSequence = `INSERT INTO account_sequences (account_id, name, next) VALUES (?, ?, ?)
	ON CONFLICT (account_id, name) DO UPDATE SET next = account_sequences.next + 1 RETURNING next - 1`

// PutPolicy implements policies.Tx.
func (tx *Tx) PutPolicy(ctx context.Context, p *policies.Policy, v *policies.Version) error {
	err := tx.execOne(ctx, `INSERT INTO policies (account_id, id, name, version, created_at, modified_at, deleted_at) VALUES (?, ?, ?, ?, ?, ?, 0)
		ON CONFLICT (account_id, id) DO UPDATE SET name = excluded.name, version = excluded.version, modified_at = excluded.modified_at`,
		p.Account, p.ID, p.Name, p.Version, millis(p.CreatedAt), millis(p.ModifiedAt))
	if err != nil {
		return err
	}
	return tx.execOne(ctx, "INSERT INTO policy_versions (account_id, policy_id, version, document, at, author, note) VALUES (?, ?, ?, ?, ?, ?, ?)",
		p.Account, p.ID, v.Version, v.Document, millis(v.At), v.Author, v.Note)
}

// DeletePolicy implements policies.Tx.
func (tx *Tx) DeletePolicy(ctx context.Context, account posture.AccountID, id posture.PolicyID, at time.Time) error {
	using, err := ids(ctx, tx, "SELECT name FROM device_groups WHERE account_id = ? AND policy_id = ? LIMIT 1", account, id)
	if err != nil {
		return err
	}
	if len(using) > 0 {
		return errs.New(errs.Conflict, "The group %q has this policy; give it another one first", using[0])
	}
	n, err := tx.exec(ctx, "UPDATE policies SET deleted_at = ? WHERE account_id = ? AND id = ? AND deleted_at = 0", millis(at), account, id)
	if err == nil && n == 0 {
		err = errs.New(errs.NotFound, noPolicy)
	}
	return err
}

// HasPolicy implements device.GroupTx: whoever makes such a step has locked the account.
func (tx *Tx) HasPolicy(ctx context.Context, account posture.AccountID, id posture.PolicyID) (bool, error) {
	if id == posture.DefaultPolicy {
		return true, nil
	}
	found, err := ids(ctx, tx, "SELECT name FROM policies WHERE account_id = ? AND id = ? AND deleted_at = 0", account, id)
	return len(found) > 0, err
}
