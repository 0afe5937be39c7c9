package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"muster/internal/posture"
)

// mark stands for one device's having one facet: sums of marks are equal where the same devices have the same.
func mark(facet int64, at place) uint64 {
	h := (uint64(facet) ^ uint64(at)*0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9
	h = (h ^ h>>29) * 0x94D049BB133111EB
	return h ^ h>>32
}

const (
	allStoredSets = "SELECT place, facets FROM device_reports WHERE account_id = ? AND place > 0"
	allPostings   = "SELECT facet, chunk, members FROM facet_chunks WHERE account_id = ? AND facet > 0"
)

// MendPostings compares, chunk by chunk, what facet_chunks says with what is stored of the devices, and puts right what differs.
// It gives how many chunks did. It reads all that the account has: it is for when CheckFacets found a difference, which is a
// fault of Muster, or of a server of the previous version that served beside this one for longer than a day.
func (s *Store) MendPostings(ctx context.Context, account posture.AccountID) (mended int, err error) {
	ready, _, err := s.postings(ctx)
	if err != nil || !ready {
		return 0, err
	}
	suspects, err := s.suspects(ctx, account)
	for _, chunk := range slices.Sorted(maps.Keys(suspects)) {
		if err != nil {
			return mended, err
		}
		var differed bool
		err = s.writer.do(ctx, keyMany, func(tx *Tx) error {
			var err error
			differed, err = tx.mendChunk(ctx, chunkKey{account, chunk}, suspects[chunk])
			return err
		})
		if differed {
			mended++
		}
	}
	return mended, err
}

// suspects gives the chunks that may say something else than what is stored of their devices, with the facets that they say
// something of. What is changed meanwhile makes more of them suspect, no fewer.
func (s *Store) suspects(ctx context.Context, account posture.AccountID) (map[int64][]int64, error) {
	differ := make(map[int64]uint64)
	err := s.query(ctx, func(r scanner) error {
		var at place
		var packed []byte
		err := r.Scan(&at, &packed)
		if err != nil {
			return err
		}
		set, err := s.unpackSet(ctx, account, packed)
		for _, facet := range set {
			if posted(facet) {
				differ[at.chunk()] += mark(facet, at)
			}
		}
		return err
	}, allStoredSets, account)
	if err != nil {
		return nil, err
	}
	err = s.eachPosting(ctx, account, func(facet, chunk int64, set []uint32) {
		for _, slot := range set {
			differ[chunk] -= mark(facet, placeOf(chunk, slot))
		}
	})
	if err != nil {
		return nil, err
	}
	out := make(map[int64][]int64)
	for chunk, sum := range differ {
		if sum != 0 {
			out[chunk] = nil
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, s.eachPosting(ctx, account, func(facet, chunk int64, _ []uint32) {
		if _, suspect := out[chunk]; suspect {
			out[chunk] = append(out[chunk], facet)
		}
	})
}

// eachPosting reads all of an account's rows. A row that cannot be read is one of nobody.
func (s *Store) eachPosting(ctx context.Context, account posture.AccountID, do func(facet, chunk int64, set []uint32)) error {
	return s.query(ctx, func(r scanner) error {
		var facet, chunk int64
		var members []byte
		err := r.Scan(&facet, &chunk, &members)
		if err != nil {
			return err
		}
		set, err := unpackSlots(members)
		if err != nil {
			s.log.Error("a set of devices cannot be read", "account", account, "facet", facet, "chunk", chunk)
			set = nil
		}
		do(facet, chunk, set)
		return nil
	}, allPostings, account)
}

// mendChunk writes the rows of a chunk anew where they are not what is stored of its devices. While the chunk is locked, what
// others changed and did not commit is not seen, and comes on top.
func (tx *Tx) mendChunk(ctx context.Context, key chunkKey, facets []int64) (differed bool, err error) {
	_, err = tx.exec(ctx, beginPostings, key.account, key.chunk, []byte{})
	if err == nil {
		err = tx.lockPostings(ctx, key)
	}
	if err != nil {
		return false, err
	}
	want, err := tx.storedPostings(ctx, key)
	if err != nil {
		return false, err
	}
	facets = distinct(slices.AppendSeq(slices.Clone(facets), maps.Keys(want)))
	have, err := tx.postingsOf(ctx, key, facets)
	if err != nil {
		return false, err
	}
	var rows [][]any
	var empty []int64
	for _, facet := range facets {
		packed, there := have[facet]
		switch {
		case len(want[facet]) == 0 && there:
			empty = append(empty, facet)
		case len(want[facet]) > 0 && string(packSlots(want[facet])) != string(packed):
			rows = append(rows, []any{key.account, facet, key.chunk, len(want[facet]), packSlots(want[facet])})
		}
	}
	return len(rows)+len(empty) > 0, tx.putChunk(ctx, key, rows, empty)
}

const selectStoredSets = `SELECT place, facets FROM device_reports WHERE account_id = ? AND place > 0 AND place >= ? AND place < ? ORDER BY place`

// storedPostings gives the slots of each facet as the sets say that are stored with reports.
func (tx *Tx) storedPostings(ctx context.Context, key chunkKey) (map[int64][]uint32, error) {
	var places []place
	var packed [][]byte
	err := tx.query(ctx, func(r scanner) error {
		var at place
		var set []byte
		err := r.Scan(&at, &set)
		places, packed = append(places, at), append(packed, set)
		return err
	}, selectStoredSets, key.account, int64(placeOf(key.chunk, 0)), int64(placeOf(key.chunk+1, 0)))
	if err != nil {
		return nil, err
	}
	out := make(map[int64][]uint32)
	for i, at := range places {
		set, err := tx.w.store.unpackSet(ctx, key.account, packed[i])
		if err != nil {
			return nil, fmt.Errorf("the device at place %d: %w", at, err)
		}
		for _, facet := range set {
			if posted(facet) {
				out[facet] = append(out[facet], at.slot())
			}
		}
	}
	return out, nil
}
