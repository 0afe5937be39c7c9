package store

import (
	"context"
	"slices"

	"muster/internal/device"
	"muster/internal/posture"
)

// Devices are found by facets chunk by chunk: of several groups of facets, a device must have one of each.

// facetGroups are the groups; each holds at least one facet.
type facetGroups [][]int64

// chunkWindows are how many chunks are read at once, the more the longer nothing was found.
var chunkWindows = [...]int64{1, 4, 16, 64, 256, 1024}

// meet reads which devices of some chunks, from (included) to (excluded), have a facet of each group.
func (s *Store) meet(ctx context.Context, account posture.AccountID, groups facetGroups, from, to int64) (map[int64][]uint32, error) {
	var out map[int64][]uint32
	for i, group := range groups {
		have := make(map[int64][]uint32)
		err := inChunks(group, func(part []int64) error {
			in, args := anyOf([]any{account}, part)
			return s.query(ctx, func(r scanner) error {
				var chunk int64
				var packed []byte
				err := r.Scan(&chunk, &packed)
				if err != nil {
					return err
				}
				set, err := unpackSlots(packed)
				have[chunk] = unite(have[chunk], set)
				return err
			}, "SELECT chunk, members FROM facet_chunks WHERE account_id = ? AND facet IN "+in+" AND chunk >= ? AND chunk < ?", append(args, from, to)...)
		})
		if err != nil {
			return nil, err
		}
		if i > 0 {
			for chunk := range out {
				have[chunk] = intersect(out[chunk], have[chunk])
			}
			for chunk := range have {
				if out[chunk] == nil {
					delete(have, chunk)
				}
			}
		}
		out = have
		if len(out) == 0 {
			break
		}
	}
	return out, nil
}

// chunkRange gives the chunks that a walk goes through: the one that holds an id, or is the first, and the last.
func (s *Store) chunkRange(ctx context.Context, account posture.AccountID, id string) (at, last int64, err error) {
	last, err = s.chunkOf(ctx, account, behindIDs)
	if err != nil || id == behindIDs {
		return last, last, err
	}
	at, err = s.chunkOf(ctx, account, id)
	return max(at, 1), last, err
}

// chunkOf gives the chunk that an id belongs to, 0 where there is none.
func (s *Store) chunkOf(ctx context.Context, account posture.AccountID, id string) (chunk int64, err error) {
	err = s.query(ctx, func(r scanner) error {
		var row chunkRow
		err := r.Scan(&row.chunk, &row.firstID, &row.lastID, &row.slots)
		chunk = row.chunk
		return err
	}, selectChunk, account, id)
	return chunk, err
}

// eachFound calls do with the ids of the devices that have a facet of each group, in the order of enrolment or backwards,
// behind a position, a part at a time, until it says that it has enough.
func (s *Store) eachFound(ctx context.Context, account posture.AccountID, groups facetGroups, after string, descending bool, do func(ids []string) (enough bool, err error)) error {
	if len(groups) == 1 && len(groups[0]) == 1 {
		return s.eachHolder(ctx, account, groups[0][0], after, descending, do)
	}
	start := after
	if descending && after == "" {
		start = behindIDs
	}
	at, last, err := s.chunkRange(ctx, account, start)
	if err != nil || last == 0 {
		return err
	}
	for _, size := range chunkWindows {
		for again := true; again; {
			from, to := at, min(at+size, last+1)
			if descending {
				from, to = max(at-size+1, 1), at+1
			}
			if from >= to {
				return nil
			}
			found, enough, err := s.eachOfWindow(ctx, account, groups, from, to, after, descending, do)
			if err != nil || enough {
				return err
			}
			at = to
			if descending {
				at = from - 1
			}
			again = found || size == chunkWindows[len(chunkWindows)-1]
		}
	}
	return nil
}

// The statements that read the chunks of one facet in order, so many at once.
const (
	holdersUp   = "SELECT chunk, members FROM facet_chunks WHERE account_id = ? AND facet = ? AND chunk >= ? ORDER BY account_id, facet, chunk LIMIT ?"
	holdersDown = "SELECT chunk, members FROM facet_chunks WHERE account_id = ? AND facet = ? AND chunk <= ? ORDER BY account_id DESC, facet DESC, chunk DESC LIMIT ?"
)

// eachHolder is eachFound for one facet, as most ask: its chunks are those that it has rows of.
func (s *Store) eachHolder(ctx context.Context, account posture.AccountID, facet int64, after string, descending bool, do func(ids []string) (bool, error)) error {
	text, at := holdersUp, int64(1)
	if descending {
		text, at = holdersDown, 1<<40
	}
	if after != "" {
		var err error
		at, err = s.chunkOf(ctx, account, after)
		if err != nil {
			return err
		}
	}
	for limit := 2; ; limit = min(4*limit, 64) {
		var chunks []int64
		var packed [][]byte
		err := s.query(ctx, func(r scanner) error {
			var chunk int64
			var members []byte
			err := r.Scan(&chunk, &members)
			chunks, packed = append(chunks, chunk), append(packed, members)
			return err
		}, text, account, facet, at, limit)
		if err != nil {
			return err
		}
		for i, chunk := range chunks {
			set, err := unpackSlots(packed[i])
			if err != nil {
				return err
			}
			ids, err := s.devicesAt(ctx, account, chunk, set)
			if err != nil {
				return err
			}
			enough, err := do(behindID(ids, after, descending))
			if err != nil || enough {
				return err
			}
			at = chunk + 1
			if descending {
				at = chunk - 1
			}
		}
		if len(chunks) < limit {
			return nil
		}
	}
}

// eachOfWindow is eachFound for some chunks.
func (s *Store) eachOfWindow(ctx context.Context, account posture.AccountID, groups facetGroups, from, to int64, after string, descending bool, do func(ids []string) (bool, error)) (found, enough bool, err error) {
	sets, err := s.meet(ctx, account, groups, from, to)
	if err != nil {
		return false, false, err
	}
	for i := range to - from {
		chunk := from + i
		if descending {
			chunk = to - 1 - i
		}
		if len(sets[chunk]) == 0 {
			continue
		}
		ids, err := s.devicesAt(ctx, account, chunk, sets[chunk])
		if err != nil {
			return found, false, err
		}
		ids = behindID(ids, after, descending)
		if len(ids) == 0 {
			continue
		}
		found = true
		enough, err = do(ids)
		if err != nil || enough {
			return found, enough, err
		}
	}
	return found, false, nil
}

// behindID gives those of ids in order that lie behind one, in the order of a walk.
func behindID(ids []string, after string, descending bool) []string {
	if !descending {
		i, there := slices.BinarySearch(ids, after)
		if there {
			i++
		}
		return ids[i:]
	}
	if after != "" {
		i, _ := slices.BinarySearch(ids, after)
		ids = ids[:i]
	}
	ids = slices.Clone(ids)
	slices.Reverse(ids)
	return ids
}

// countFound says how many devices have a facet of each group.
func (s *Store) countFound(ctx context.Context, account posture.AccountID, groups facetGroups) (int64, error) {
	_, last, err := s.chunkRange(ctx, account, "")
	if err != nil {
		return 0, err
	}
	var n int64
	const atOnce = 256
	for from := int64(1); from <= last; from += atOnce {
		sets, err := s.meet(ctx, account, groups, from, from+atOnce)
		if err != nil {
			return 0, err
		}
		for _, set := range sets {
			n += int64(len(set))
		}
	}
	return n, nil
}

// holders finds some devices by a facet, in the order of enrolment, where they have no places yet.
const holders = `SELECT device_id FROM device_facets WHERE account_id = ? AND facet = ? AND device_id > ? AND device_id < ?
	ORDER BY device_id LIMIT ?`

// DevicesWith implements device.Spread. It costs what the facets and the limit are, not how many devices there are.
func (s *Store) DevicesWith(ctx context.Context, account posture.AccountID, facets device.Facets, after string, limit int) ([]string, error) {
	if !storable(after) || limit < 1 || len(facets) == 0 {
		return nil, nil
	}
	ready, _, err := s.postings(ctx)
	if err != nil {
		return nil, err
	}
	if !ready {
		return s.holdersOf(ctx, account, facets, after, limit)
	}
	var out []string
	err = s.eachFound(ctx, account, facetGroups{distinct(facets)}, after, false, func(ids []string) (bool, error) {
		out = append(out, ids[:min(len(ids), limit-len(out))]...)
		return len(out) == limit, nil
	})
	return out, err
}

func (s *Store) holdersOf(ctx context.Context, account posture.AccountID, facets device.Facets, after string, limit int) ([]string, error) {
	var out []string
	before := behindIDs
	for _, facet := range distinct(facets) {
		some, err := ids(ctx, s, holders, account, facet, after, before, limit)
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			continue
		}
		out = append(out, some...)
		slices.Sort(out)
		out = slices.Compact(out)
		if len(out) >= limit {
			out = out[:limit]
			before = out[limit-1] // what lies behind it is of no interest
		}
	}
	return out, nil
}
