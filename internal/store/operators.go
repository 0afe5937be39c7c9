package store

import (
	"context"

	"muster/internal/identity"
	"muster/internal/posture"
)

const listOperators = `SELECT id, email, name, role, created_at, modified_at, disabled_at, revision FROM operators
	WHERE account_id = ? ORDER BY id`

func operators(ctx context.Context, q querier, account posture.AccountID) ([]identity.Operator, error) {
	var out []identity.Operator
	err := q.query(ctx, func(r scanner) error {
		o := identity.Operator{Account: account}
		var created, modified, disabled int64
		err := r.Scan(&o.ID, &o.Email, &o.Name, &o.Role, &created, &modified, &disabled, &o.Revision)
		o.CreatedAt, o.ModifiedAt, o.DisabledAt = timeOf(created), timeOf(modified), timeOf(disabled)
		out = append(out, o)
		return err
	}, listOperators, account)
	return out, err
}

// Operators implements identity.OperatorStore.
func (s *Store) Operators(ctx context.Context, account posture.AccountID) ([]identity.Operator, error) {
	return operators(ctx, s, account)
}

// ChangeOperators implements identity.OperatorStore. The row of the account stands for all of its operators.
func (s *Store) ChangeOperators(ctx context.Context, account posture.AccountID, change func(all []identity.Operator) (identity.OperatorStep, error)) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		err := tx.lockAccount(ctx, account)
		if err != nil {
			return err
		}
		all, err := operators(ctx, tx, account)
		if err != nil {
			return err
		}
		step, err := change(all)
		if err != nil || step.Operator == nil {
			return err
		}
		err = tx.putOperator(ctx, account, step)
		if err != nil {
			return err
		}
		return tx.Record(ctx, step.Event)
	})
}

func (tx *Tx) putOperator(ctx context.Context, account posture.AccountID, step identity.OperatorStep) error {
	o := step.Operator
	if step.Remove {
		return tx.execOne(ctx, "DELETE FROM operators WHERE account_id = ? AND id = ?", account, o.ID)
	}
	return tx.execOne(ctx, `INSERT INTO operators (account_id, id, email, name, role, created_at, modified_at, disabled_at, revision)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account_id, id) DO UPDATE SET email = excluded.email, name = excluded.name,
		role = excluded.role, modified_at = excluded.modified_at, disabled_at = excluded.disabled_at, revision = excluded.revision`,
		account, o.ID, o.Email, o.Name, string(o.Role), millis(o.CreatedAt), millis(o.ModifiedAt), millis(o.DisabledAt), o.Revision)
}
