package store

import (
	"context"
	"database/sql"
	"errors"

	"muster/internal/posture"
)

// The day and how many devices it added stand in one number of the account's sequences.
const (
	neighboursPerDay   = 1_000_000_000
	selectNeighbours   = "SELECT next FROM account_sequences WHERE account_id = ? AND name = 'neighbours'"
	putNeighboursAdded = `INSERT INTO account_sequences (account_id, name, next) VALUES (?, 'neighbours', ?)
		ON CONFLICT (account_id, name) DO UPDATE SET next = excluded.next`
)

// NeighboursAdded implements device.NeighbourTx.
func (tx *Tx) NeighboursAdded(ctx context.Context, account posture.AccountID, day int64) (int64, error) {
	var stored int64
	err := tx.queryRow(ctx, selectNeighbours, account).Scan(&stored)
	if errors.Is(err, sql.ErrNoRows) || err == nil && stored/neighboursPerDay != day {
		return 0, nil
	}
	return stored % neighboursPerDay, err
}

// PutNeighboursAdded implements device.NeighbourTx.
func (tx *Tx) PutNeighboursAdded(ctx context.Context, account posture.AccountID, day, n int64) error {
	return tx.execOne(ctx, putNeighboursAdded, account, day*neighboursPerDay+min(n, neighboursPerDay-1))
}
