package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"muster/internal/posture"
)

// Devices that enrolled one after the other make a chunk. For each facet and chunk, a row of facet_chunks says which of the
// chunk's devices have it: one row in the place of many, and a few bits or bytes for each device.
//
// A chunk holds a range of ids, so that chunks, and sorted within them the devices, come in the order of enrolment, whatever
// the order in which they got their places. A place is given with the first report that brings facets, and never again.

// chunkSize is with how many devices a chunk at the end is full. A smaller one makes more rows, a larger one rows that are
// dearer to change. Chunks before the end may become larger: devices come back, and clocks differ. Tests make it small.
var chunkSize uint32 = 1024

// chunkRow is a row of device_chunks.
type chunkRow struct {
	chunk           int64
	firstID, lastID string
	slots           uint32
}

const (
	selectChunk = `SELECT chunk, first_id, last_id, slots FROM device_chunks WHERE account_id = ? AND first_id <= ?
		ORDER BY account_id DESC, first_id DESC LIMIT 1`
	laterChunk = "SELECT chunk FROM device_chunks WHERE account_id = ? AND first_id > ? ORDER BY first_id LIMIT 1"
)

// lockChunk gives the chunk that an id belongs to, and lets nobody else place a device there. Whoever had it before may have
// begun another one, and so it is looked for again.
func (tx *Tx) lockChunk(ctx context.Context, account posture.AccountID, id string) (chunkRow, error) {
	var row chunkRow
	for {
		var again chunkRow
		err := tx.queryRow(ctx, selectChunk, account, id).Scan(&again.chunk, &again.firstID, &again.lastID, &again.slots)
		if errors.Is(err, sql.ErrNoRows) {
			err = tx.beginChunk(ctx, account, 1, "")
			if err != nil {
				return row, err
			}
			continue
		}
		if err != nil || again.chunk == row.chunk {
			return again, err
		}
		row = again
		if !tx.w.store.dialect.SharedLimits {
			return row, nil
		}
		var locked int64
		err = tx.queryRow(ctx, "SELECT chunk FROM device_chunks WHERE account_id = ? AND first_id = ?"+tx.w.store.dialect.ForUpdate,
			account, row.firstID).Scan(&locked)
		if err != nil {
			return row, err
		}
	}
}

// beginChunk makes a chunk, and the row by which it is locked.
func (tx *Tx) beginChunk(ctx context.Context, account posture.AccountID, chunk int64, firstID string) error {
	_, err := tx.exec(ctx, `INSERT INTO device_chunks (account_id, first_id, last_id, chunk, slots) VALUES (?, ?, '', ?, 0)
		ON CONFLICT DO NOTHING`, account, firstID, chunk)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, beginPostings, account, chunk, []byte{})
	return err
}

const beginPostings = "INSERT INTO facet_chunks (account_id, facet, chunk, n, members) VALUES (?, 0, ?, 0, ?) ON CONFLICT DO NOTHING"

// flushPlaces gives the devices their places that got something to be found by. The chunks are locked in one order on all servers,
// after all devices and before any count.
func (tx *Tx) flushPlaces() error {
	ctx := context.Background()
	keys := slices.SortedFunc(maps.Keys(tx.unplaced), func(a, b deviceKey) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.id, b.id))
	})
	for _, k := range keys {
		facets := tx.unplaced[k]
		if len(facets) == 0 {
			continue
		}
		at, err := tx.newPlace(ctx, k.account, k.id)
		if err != nil {
			return err
		}
		err = tx.execOne(ctx, "UPDATE device_reports SET place = ? WHERE account_id = ? AND device_id = ?", int64(at), k.account, k.id)
		if err != nil {
			return err
		}
		tx.post(k.account, at, facets, false)
	}
	return nil
}

// newPlace gives a device a place. It locks the chunk until the end of the transaction, before any count.
func (tx *Tx) newPlace(ctx context.Context, account posture.AccountID, id string) (place, error) {
	row, err := tx.lockChunk(ctx, account, id)
	if err != nil {
		return 0, err
	}
	if row.slots >= chunkSize && id > row.lastID {
		var later int64
		err = tx.queryRow(ctx, laterChunk, account, row.firstID).Scan(&later)
		if errors.Is(err, sql.ErrNoRows) {
			row = chunkRow{chunk: row.chunk + 1, firstID: id}
			err = tx.beginChunk(ctx, account, row.chunk, id)
		}
		if err != nil {
			return 0, err
		}
	}
	if row.slots >= 1<<slotBits {
		return 0, errors.New("a chunk of devices is full")
	}
	err = tx.execOne(ctx, "UPDATE device_chunks SET slots = ?, last_id = ? WHERE account_id = ? AND first_id = ?",
		row.slots+1, max(row.lastID, id), account, row.firstID)
	return placeOf(row.chunk, row.slots), err
}

// directories remember which device stands where: that never changes, there are only more.
type directories struct {
	mu    sync.Mutex
	known map[chunkKey]map[uint32]string
}

// chunkKey is one chunk of one account.
type chunkKey struct {
	account posture.AccountID
	chunk   int64
}

// maxDirectories is how many are remembered: some 50 MB.
const maxDirectories = 1024

// devicesAt gives the ids of the devices in some slots of a chunk, in order. Those that are gone are left out.
func (s *Store) devicesAt(ctx context.Context, account posture.AccountID, chunk int64, slots []uint32) ([]string, error) {
	key := chunkKey{account, chunk}
	s.directories.mu.Lock()
	known := s.directories.known[key]
	s.directories.mu.Unlock()
	if slices.ContainsFunc(slots, func(slot uint32) bool { _, ok := known[slot]; return !ok }) {
		fresh := make(map[uint32]string, chunkSize)
		err := s.query(ctx, func(r scanner) error {
			var at place
			var id string
			err := r.Scan(&at, &id)
			fresh[at.slot()] = id
			return err
		}, "SELECT place, device_id FROM device_reports WHERE account_id = ? AND place > 0 AND place >= ? AND place < ?",
			account, int64(placeOf(chunk, 0)), int64(placeOf(chunk+1, 0)))
		if err != nil {
			return nil, err
		}
		known = fresh
		s.directories.mu.Lock()
		if s.directories.known == nil || len(s.directories.known) >= maxDirectories {
			s.directories.known = make(map[chunkKey]map[uint32]string)
		}
		s.directories.known[key] = known
		s.directories.mu.Unlock()
	}
	out := make([]string, 0, len(slots))
	for _, slot := range slots {
		if id, ok := known[slot]; ok {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out, nil
}

// postingState says from when on facet_chunks holds all devices: 0 is not yet.
type postingState struct {
	mu    sync.Mutex
	since int64
	asked time.Time
}

const (
	// stateLife is how long a server does not see that all devices have places, and bothFor how long after that
	// device_facets is written still, for servers that have not seen it.
	stateLife = time.Minute
	bothFor   = 10 * time.Minute
)

// postings says whether devices are found by facet_chunks, and whether device_facets is of no more use to anyone.
func (s *Store) postings(ctx context.Context) (ready, only bool, err error) {
	now := s.now()
	s.posting.mu.Lock()
	defer s.posting.mu.Unlock()
	if age := now.Sub(s.posting.asked); s.posting.since == 0 && (s.posting.asked.IsZero() || age < 0 || age >= stateLife) {
		err = s.queryRow(ctx, "SELECT value FROM storage_state WHERE name = 'postings'").Scan(&s.posting.since)
		if err != nil {
			return false, false, err
		}
		s.posting.asked = now
	}
	since := s.posting.since
	return since > 0, since > 0 && millis(now) >= since+bothFor.Milliseconds(), nil
}
