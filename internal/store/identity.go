package store

import (
	"context"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/identity"
	"muster/internal/posture"
	"muster/internal/store/dialect"
)

const (
	accountColumns = "id, name, email, last_login_at, created_at, devices_allowed, license_key, registration_code, cross_domain_enabled, cross_domain_port"
	selectAccount  = "SELECT " + accountColumns + " FROM accounts WHERE "
	noAccount      = "Account not found"
)

func scanAccount(r scanner, a *identity.Account) error {
	var login, created int64
	err := r.Scan(&a.ID, &a.Name, &a.Email, &login, &created, &a.DevicesAllowed, &a.LicenseKey, &a.RegistrationCode,
		&a.CrossDomain.Enabled, &a.CrossDomain.Port)
	a.LastLogin, a.CreatedAt = timeOf(login), timeOf(created)
	return err
}

func (s *Store) account(ctx context.Context, where string, arg any) (identity.Account, error) {
	var a identity.Account
	err := scanAccount(s.queryRow(ctx, selectAccount+where, arg), &a)
	return a, notFound(err, noAccount)
}

// AccountByID implements identity.AccountStore.
func (s *Store) AccountByID(ctx context.Context, id posture.AccountID) (identity.Account, error) {
	return s.account(ctx, "id = ?", id)
}

// AccountByName implements identity.AccountStore.
func (s *Store) AccountByName(ctx context.Context, name string) (identity.Account, error) {
	return s.account(ctx, "name = ?", name)
}

// AccountByLicenseKey implements identity.AccountStore.
func (s *Store) AccountByLicenseKey(ctx context.Context, key string) (identity.Account, error) {
	return s.account(ctx, "license_key = ?", key)
}

// AccountByRegistrationCode implements identity.AccountStore.
func (s *Store) AccountByRegistrationCode(ctx context.Context, code string) (identity.Account, error) {
	return s.account(ctx, "registration_code = ?", code)
}

// ListAccounts implements identity.AccountStore.
func (s *Store) ListAccounts(ctx context.Context) ([]identity.Account, error) {
	var out []identity.Account
	err := s.query(ctx, func(r scanner) error {
		out = append(out, identity.Account{})
		return scanAccount(r, &out[len(out)-1])
	}, "SELECT "+accountColumns+" FROM accounts ORDER BY id")
	return out, err
}

// CreateAccount implements identity.AccountStore.
func (s *Store) CreateAccount(ctx context.Context, a identity.Account, events ...event.Event) (identity.Account, error) {
	err := s.writer.do(ctx, keyMany, func(tx *Tx) error {
		err := tx.queryRow(ctx, `INSERT INTO accounts (`+accountColumns+`)
			SELECT COALESCE(MAX(id), 0) + 1, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM accounts WHERE true RETURNING id`,
			a.Name, a.Email, millis(a.LastLogin), millis(a.CreatedAt), a.DevicesAllowed, a.LicenseKey, a.RegistrationCode,
			flag(a.CrossDomain.Enabled), a.CrossDomain.Port).Scan(&a.ID)
		tx.dirty = true
		if err != nil {
			return s.taken(err, "An account with this name, licence key or registration code exists already")
		}
		err = tx.execOne(ctx, "INSERT INTO device_groups (account_id, id, name, created_at) VALUES (?, ?, ?, ?)",
			a.ID, posture.DefaultGroup, "Default", millis(a.CreatedAt))
		if err != nil {
			return err
		}
		err = tx.execOne(ctx, insertCounts, a.ID, posture.DefaultGroup)
		if err != nil {
			return err
		}
		return tx.recordAll(ctx, a.ID, events)
	})
	return a, err
}

// recordAll appends events as those of an account.
func (tx *Tx) recordAll(ctx context.Context, account posture.AccountID, events []event.Event) error {
	for _, e := range events {
		e.Account = account
		err := tx.Record(ctx, e)
		if err != nil {
			return err
		}
	}
	return nil
}

// taken turns the breach of a unique key into a Conflict error with the text.
func (s *Store) taken(err error, text string) error {
	if s.dialect.Classify(err) == dialect.Duplicate {
		return errs.Wrap(errs.Conflict, err, "%s", text)
	}
	return err
}

// UpdateAccount implements identity.AccountStore.
func (s *Store) UpdateAccount(ctx context.Context, id posture.AccountID, change func(*identity.Account) ([]event.Event, error)) (identity.Account, error) {
	var a identity.Account
	err := s.writer.do(ctx, keyMany, func(tx *Tx) error {
		a = identity.Account{}
		err := scanAccount(tx.queryRow(ctx, selectAccount+"id = ?"+s.dialect.ForUpdate, id), &a)
		if err != nil {
			return notFound(err, noAccount)
		}
		events, err := change(&a)
		if err != nil {
			return err
		}
		err = tx.execOne(ctx, `UPDATE accounts SET name = ?, email = ?, last_login_at = ?, devices_allowed = ?, license_key = ?,
			registration_code = ?, cross_domain_enabled = ?, cross_domain_port = ? WHERE id = ?`,
			a.Name, a.Email, millis(a.LastLogin), a.DevicesAllowed, a.LicenseKey, a.RegistrationCode,
			flag(a.CrossDomain.Enabled), a.CrossDomain.Port, id)
		if err != nil {
			return s.taken(err, "An account with this name, licence key or registration code exists already")
		}
		return tx.recordAll(ctx, id, events)
	})
	return a, err
}

const applicationColumns = "account_id, client_id, name, permission, rate_limit, secret_hash, created_at, revoked_at"

func scanApplication(r scanner, a *identity.Application) error {
	var hash []byte
	var created, revoked int64
	err := r.Scan(&a.Account, &a.ClientID, &a.Name, &a.Permission, &a.RateLimit, &hash, &created, &revoked)
	copy(a.SecretHash[:], hash)
	a.CreatedAt, a.RevokedAt = timeOf(created), timeOf(revoked)
	return err
}

// CreateApplication implements identity.ApplicationStore.
func (s *Store) CreateApplication(ctx context.Context, a identity.Application, events ...event.Event) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		err := tx.execOne(ctx, "INSERT INTO applications ("+applicationColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			a.Account, a.ClientID, a.Name, string(a.Permission), a.RateLimit, a.SecretHash[:], millis(a.CreatedAt), millis(a.RevokedAt))
		if err != nil {
			return s.taken(err, "An application with this client id exists already")
		}
		return tx.recordAll(ctx, a.Account, events)
	})
}

// ApplicationByClientID implements identity.ApplicationStore. A client id is looked up before anyone knows whose it is.
func (s *Store) ApplicationByClientID(ctx context.Context, clientID string) (identity.Application, error) {
	var a identity.Application
	err := scanApplication(s.queryRow(ctx, "SELECT "+applicationColumns+" FROM applications WHERE client_id = ?", clientID), &a)
	return a, notFound(err, "Application not found")
}

// ListApplications implements identity.ApplicationStore.
func (s *Store) ListApplications(ctx context.Context, account posture.AccountID) ([]identity.Application, error) {
	var out []identity.Application
	err := s.query(ctx, func(r scanner) error {
		out = append(out, identity.Application{})
		return scanApplication(r, &out[len(out)-1])
	}, "SELECT "+applicationColumns+" FROM applications WHERE account_id = ? ORDER BY created_at, client_id", account)
	return out, err
}

// RevokeApplication implements identity.ApplicationStore.
func (s *Store) RevokeApplication(ctx context.Context, account posture.AccountID, clientID string, at time.Time, events ...event.Event) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		var revoked int64
		err := tx.queryRow(ctx, "SELECT revoked_at FROM applications WHERE account_id = ? AND client_id = ?"+s.dialect.ForUpdate, account, clientID).
			Scan(&revoked)
		if err != nil {
			return notFound(err, "Application not found")
		}
		if revoked == 0 {
			err = tx.execOne(ctx, "UPDATE applications SET revoked_at = ? WHERE account_id = ? AND client_id = ?", millis(at), account, clientID)
			if err == nil {
				err = tx.recordAll(ctx, account, events)
			}
			if err != nil {
				return err
			}
		}
		return tx.revokeTokens(ctx, account, clientID)
	})
}

// revokeTokens removes the tokens of an application, in the order in which others, who have several steps in one transaction, come
// to them.
func (tx *Tx) revokeTokens(ctx context.Context, account posture.AccountID, clientID string) error {
	const those = "FROM tokens WHERE account_id = ? AND client_id = ?"
	if tx.w.store.dialect.SharedLimits {
		err := tx.query(ctx, func(scanner) error { return nil }, "SELECT hash "+those+" ORDER BY hash"+tx.w.store.dialect.ForUpdate, account, clientID)
		if err != nil {
			return err
		}
	}
	_, err := tx.exec(ctx, "DELETE "+those, account, clientID)
	return err
}

// CreateTokens implements identity.TokenStore.
func (s *Store) CreateTokens(ctx context.Context, tokens []identity.Token, retire identity.Hash, limit time.Time) error {
	return s.writer.do(ctx, keyToken+string(retire[:]), func(tx *Tx) error {
		for i := range tokens {
			t := &tokens[i]
			err := tx.execOne(ctx, `INSERT INTO tokens (hash, account_id, client_id, kind, permission, created_at, expires_at)
				VALUES (?, ?, ?, ?, ?, ?, ?)`,
				t.Hash[:], t.Account, t.ClientID, t.Kind, string(t.Permission), millis(t.CreatedAt), millis(t.ExpiresAt))
			if err != nil {
				return s.taken(err, "This token exists already")
			}
		}
		if limit.IsZero() {
			return nil
		}
		_, err := tx.exec(ctx, "UPDATE tokens SET expires_at = ? WHERE hash = ? AND expires_at > ?", millis(limit), retire[:], millis(limit))
		return err
	})
}

// FindToken implements identity.TokenStore.
func (s *Store) FindToken(ctx context.Context, h identity.Hash) (identity.Token, error) {
	t := identity.Token{Hash: h}
	var created, expires int64
	err := s.queryRow(ctx, "SELECT account_id, client_id, kind, permission, created_at, expires_at FROM tokens WHERE hash = ?", h[:]).
		Scan(&t.Account, &t.ClientID, &t.Kind, &t.Permission, &created, &expires)
	t.CreatedAt, t.ExpiresAt = timeOf(created), timeOf(expires)
	return t, notFound(err, "Token not found")
}

// DeleteToken implements identity.TokenStore.
func (s *Store) DeleteToken(ctx context.Context, h identity.Hash) error {
	return s.writer.do(ctx, keyToken+string(h[:]), func(tx *Tx) error {
		_, err := tx.exec(ctx, "DELETE FROM tokens WHERE hash = ?", h[:])
		return err
	})
}

// DeleteExpiredTokens implements identity.TokenStore.
func (s *Store) DeleteExpiredTokens(ctx context.Context, before time.Time) (int64, error) {
	var n int64
	err := s.writer.do(ctx, keyMany, func(tx *Tx) error {
		var err error
		n, err = tx.exec(ctx, "DELETE FROM tokens WHERE expires_at < ?", millis(before))
		return err
	})
	return n, err
}
