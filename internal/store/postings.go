package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"muster/internal/posture"
)

// postingChange is a device that begins or ends to have a facet.
type postingChange struct {
	slot uint32
	gone bool
}

// post notes that a device begins or ends to have facets. It is written once, before the commit: see flushPostings.
func (tx *Tx) post(account posture.AccountID, at place, facets []int64, gone bool) {
	if at == 0 || len(facets) == 0 {
		return
	}
	tx.dirty = true
	if tx.posted == nil {
		tx.posted = make(map[chunkKey]map[int64][]postingChange)
	}
	key := chunkKey{account, at.chunk()}
	if tx.posted[key] == nil {
		tx.posted[key] = make(map[int64][]postingChange)
	}
	for _, f := range facets {
		if posted(f) {
			tx.posted[key][f] = append(tx.posted[key][f], postingChange{at.slot(), gone})
		}
	}
}

// flushPostings writes which devices have what. The chunks are locked in one order on all servers, after all counts.
func (tx *Tx) flushPostings() error {
	keys := slices.SortedFunc(maps.Keys(tx.posted), func(a, b chunkKey) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.chunk, b.chunk))
	})
	for _, key := range keys {
		err := tx.flushChunk(context.Background(), key, tx.posted[key])
		if err != nil {
			return err
		}
	}
	return nil
}

// flushChunk writes the changes of one chunk.
func (tx *Tx) flushChunk(ctx context.Context, key chunkKey, changes map[int64][]postingChange) error {
	err := tx.lockPostings(ctx, key)
	if err != nil {
		return err
	}
	facets := slices.Sorted(maps.Keys(changes))
	stored, err := tx.postingsOf(ctx, key, facets)
	if err != nil {
		return err
	}
	var rows [][]any
	var empty []int64
	for _, facet := range facets {
		set, err := unpackSlots(stored[facet])
		if err != nil {
			return err
		}
		set = applyPostings(set, changes[facet])
		if len(set) == 0 {
			empty = append(empty, facet)
			continue
		}
		if packed := packSlots(set); string(packed) != string(stored[facet]) {
			rows = append(rows, []any{key.account, facet, key.chunk, len(set), packed})
		}
	}
	return tx.putChunk(ctx, key, rows, empty)
}

// lockPostings lets nobody else write a chunk. Where there is only one server, nobody else does.
func (tx *Tx) lockPostings(ctx context.Context, key chunkKey) error {
	if !tx.w.store.dialect.SharedLimits {
		return nil
	}
	var locked int64
	return tx.queryRow(ctx, "SELECT facet FROM facet_chunks WHERE account_id = ? AND facet = 0 AND chunk = ?"+tx.w.store.dialect.ForUpdate,
		key.account, key.chunk).Scan(&locked)
}

// postingsOf reads the packed sets of some facets in a chunk.
func (tx *Tx) postingsOf(ctx context.Context, key chunkKey, facets []int64) (map[int64][]byte, error) {
	out := make(map[int64][]byte, len(facets))
	err := inChunks(facets, func(part []int64) error {
		in, args := anyOf([]any{key.account, key.chunk}, part)
		return tx.query(ctx, func(r scanner) error {
			var facet int64
			var members []byte
			err := r.Scan(&facet, &members)
			out[facet] = members
			return err
		}, "SELECT facet, members FROM facet_chunks WHERE account_id = ? AND chunk = ? AND facet IN "+in, args...)
	})
	return out, err
}

// applyPostings makes changes in their order.
func applyPostings(set []uint32, changes []postingChange) []uint32 {
	for _, c := range changes {
		i, there := slices.BinarySearch(set, c.slot)
		switch {
		case c.gone && there:
			set = slices.Delete(set, i, i+1)
		case !c.gone && !there:
			set = slices.Insert(set, i, c.slot)
		}
	}
	return set
}

// putChunk writes rows of facet_chunks, and removes those of facets that none of the chunk's devices has any more.
func (tx *Tx) putChunk(ctx context.Context, key chunkKey, rows [][]any, empty []int64) error {
	err := inBatches(rows, func(part [][]any) error {
		_, err := tx.exec(ctx, "INSERT INTO facet_chunks (account_id, facet, chunk, n, members) VALUES (?, ?, ?, ?, ?)"+
			strings.Repeat(", (?, ?, ?, ?, ?)", len(part)-1)+
			" ON CONFLICT (account_id, facet, chunk) DO UPDATE SET n = excluded.n, members = excluded.members", slices.Concat(part...)...)
		return err
	})
	if err != nil {
		return err
	}
	return inChunks(empty, func(part []int64) error {
		in, args := anyOf([]any{key.account, key.chunk}, part)
		_, err := tx.exec(ctx, "DELETE FROM facet_chunks WHERE account_id = ? AND chunk = ? AND facet IN "+in, args...)
		return err
	})
}
