package store

import (
	"context"

	"muster/internal/posture"
)

// Matched gives for each account the generation of the catalogue that all its devices have been matched with; 0 is none.
func (s *Store) Matched(ctx context.Context) (map[posture.AccountID]int64, error) {
	out := make(map[posture.AccountID]int64)
	err := s.query(ctx, func(r scanner) error {
		var account posture.AccountID
		var generation int64
		err := r.Scan(&account, &generation)
		out[account] = generation
		return err
	}, "SELECT id, matched_generation FROM accounts")
	return out, err
}

// SetMatched says that all devices of an account have been matched with a generation. It never goes back.
func (s *Store) SetMatched(ctx context.Context, account posture.AccountID, generation int64) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		_, err := tx.exec(ctx, "UPDATE accounts SET matched_generation = ? WHERE id = ? AND matched_generation < ?", generation, account, generation)
		return err
	})
}
