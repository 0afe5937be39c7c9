package store

import (
	"context"
	"encoding/json"
	"fmt"

	"muster/internal/identity"
	"muster/internal/posture"
)

const selectSettings = "SELECT settings, settings_revision FROM accounts WHERE id = ?"

// scanSettings reads a row of selectSettings. An account that never decided anything has an empty text.
func scanSettings(r scanner, s *identity.Settings, revision *int64) error {
	var text string
	err := r.Scan(&text, revision)
	if err != nil || text == "" {
		return err
	}
	err = json.Unmarshal([]byte(text), s)
	if err != nil {
		return fmt.Errorf("reading stored settings: %w", err)
	}
	return nil
}

// AccountSettings implements identity.SettingsStore.
func (s *Store) AccountSettings(ctx context.Context, id posture.AccountID) (identity.Settings, int64, error) {
	var out identity.Settings
	var revision int64
	err := scanSettings(s.queryRow(ctx, selectSettings, id), &out, &revision)
	return out, revision, notFound(err, noAccount)
}

// UpdateAccountSettings implements identity.SettingsStore.
func (s *Store) UpdateAccountSettings(ctx context.Context, id posture.AccountID, change func(*identity.Settings, int64) (identity.SettingsChange, error)) (identity.Settings, int64, error) {
	var now identity.Settings
	var revision int64
	err := s.writer.do(ctx, keyMany, func(tx *Tx) error {
		now = identity.Settings{}
		err := scanSettings(tx.queryRow(ctx, selectSettings+s.dialect.ForUpdate, id), &now, &revision)
		if err != nil {
			return notFound(err, noAccount)
		}
		with, err := change(&now, revision)
		if err != nil || len(with.Events) == 0 {
			return err
		}
		text, err := json.Marshal(now)
		if err != nil {
			return fmt.Errorf("encoding settings: %w", err)
		}
		revision++
		err = tx.execOne(ctx, "UPDATE accounts SET settings = ?, settings_revision = ? WHERE id = ?", string(text), revision, id)
		if err != nil {
			return err
		}
		if with.Rejudge != nil {
			err = tx.MoveRiskRevision(ctx, id)
			if err != nil {
				return err
			}
			err = tx.InsertRun(ctx, with.Rejudge)
			if err != nil {
				return err
			}
		}
		return tx.recordAll(ctx, id, with.Events)
	})
	return now, revision, err
}
