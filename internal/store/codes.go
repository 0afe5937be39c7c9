package store

import (
	"context"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/posture"
)

const (
	codeColumns = "account_id, id, code, name, group_id, created_at, expires_at, revoked_at, max_uses, uses"
	selectCode  = "SELECT " + codeColumns + " FROM registration_codes WHERE "
	noCode      = "Registration code not found"
	// usableCode is the condition of a code that lets another device in at a time.
	usableCode = "revoked_at = 0 AND (expires_at = 0 OR expires_at > ?) AND (max_uses = 0 OR uses < max_uses)"
)

func scanCode(r scanner, c *identity.RegistrationCode) error {
	var created, expires, revoked int64
	err := r.Scan(&c.Account, &c.ID, &c.Code, &c.Name, &c.Group, &created, &expires, &revoked, &c.MaxUses, &c.Uses)
	c.CreatedAt, c.ExpiresAt, c.RevokedAt = timeOf(created), timeOf(expires), timeOf(revoked)
	return err
}

// CreateCode implements identity.CodeStore. The row of the account stands for all of its codes.
func (s *Store) CreateCode(ctx context.Context, c identity.RegistrationCode, events ...event.Event) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		err := tx.lockAccount(ctx, c.Account)
		if err != nil {
			return err
		}
		if c.Group != 0 {
			_, err = tx.GroupForUpdate(ctx, c.Account, c.Group)
			if err != nil {
				return err
			}
		}
		var n int
		err = tx.queryRow(ctx, "SELECT COUNT(*) FROM registration_codes WHERE account_id = ? AND revoked_at = 0", c.Account).Scan(&n)
		if err != nil {
			return err
		}
		if n >= identity.MaxRegistrationCodes {
			return errs.New(errs.Conflict, "An account can have at most %d registration codes; revoke some first", identity.MaxRegistrationCodes)
		}
		err = tx.execOne(ctx, "INSERT INTO registration_codes ("+codeColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			c.Account, c.ID, c.Code, c.Name, c.Group, millis(c.CreatedAt), millis(c.ExpiresAt), millis(c.RevokedAt), c.MaxUses, c.Uses)
		if err != nil {
			return s.taken(err, "This registration code exists already")
		}
		return tx.recordAll(ctx, c.Account, events)
	})
}

// CodeByText implements identity.CodeStore. A code is looked up before anyone knows whose it is.
func (s *Store) CodeByText(ctx context.Context, code string) (identity.RegistrationCode, error) {
	var c identity.RegistrationCode
	err := scanCode(s.queryRow(ctx, selectCode+"code = ?", code), &c)
	return c, notFound(err, noCode)
}

// CodeByID implements identity.CodeStore.
func (s *Store) CodeByID(ctx context.Context, account posture.AccountID, id string) (identity.RegistrationCode, error) {
	var c identity.RegistrationCode
	err := scanCode(s.queryRow(ctx, selectCode+"account_id = ? AND id = ?", account, id), &c)
	return c, notFound(err, noCode)
}

// ListCodes implements identity.CodeStore.
func (s *Store) ListCodes(ctx context.Context, account posture.AccountID) ([]identity.RegistrationCode, error) {
	var out []identity.RegistrationCode
	err := s.query(ctx, func(r scanner) error {
		out = append(out, identity.RegistrationCode{})
		return scanCode(r, &out[len(out)-1])
	}, selectCode+"account_id = ? ORDER BY id", account)
	return out, err
}

// RevokeCode implements identity.CodeStore.
func (s *Store) RevokeCode(ctx context.Context, account posture.AccountID, id string, at time.Time, events ...event.Event) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		var revoked int64
		err := tx.queryRow(ctx, "SELECT revoked_at FROM registration_codes WHERE account_id = ? AND id = ?"+s.dialect.ForUpdate, account, id).Scan(&revoked)
		if err != nil || revoked != 0 {
			return notFound(err, noCode)
		}
		err = tx.execOne(ctx, "UPDATE registration_codes SET revoked_at = ? WHERE account_id = ? AND id = ?", millis(at), account, id)
		if err != nil {
			return err
		}
		return tx.recordAll(ctx, account, events)
	})
}

// UseCode implements device.GroupTx.
func (tx *Tx) UseCode(ctx context.Context, account posture.AccountID, id string, at time.Time) (posture.GroupID, error) {
	var group posture.GroupID
	err := tx.queryRow(ctx, "UPDATE registration_codes SET uses = uses + 1 WHERE account_id = ? AND id = ? AND "+usableCode+" RETURNING group_id",
		account, id, millis(at)).Scan(&group)
	tx.dirty = tx.dirty || err == nil
	return group, notFound(err, "Unknown registration code")
}

// moveCodes lets the codes that lead to a group lead to another one, or to none.
func (tx *Tx) moveCodes(ctx context.Context, account posture.AccountID, from, into posture.GroupID) error {
	_, err := tx.exec(ctx, "UPDATE registration_codes SET group_id = ? WHERE account_id = ? AND group_id = ?", into, account, from)
	return err
}
