package store

import (
	"context"
	"database/sql"
	"errors"

	"muster/internal/posture"
)

// FacetDrift is a thing of which the kept number of devices, or the number of those that are found by it, is not that
// of the live devices that have it.
type FacetDrift struct {
	Facet int64 // kind and id: see facetOf
	// Actual is how many live devices have it, by the sets that are stored with their reports. Kept is what its row says
	// and Posted how many devices are found by it; -1 where there is no such number.
	Actual, Kept, Posted int64
	// Left is how many devices have it still that are gone or have not reported since they enrolled.
	Left int64
	// Others says that as many devices are found by it as have it, but not the same.
	Others bool
}

// facetTally is what is counted of one facet.
type facetTally struct {
	actual, kept, posted, left int64
	// marks is the sum of marks of those that have it less that of those that are found by it.
	marks uint64
}

// CheckFacets counts from scratch what live devices have, all at one moment, and gives what differs from what is kept.
// It reads every report of the account, and so sees which bases nobody uses: those go.
func (s *Store) CheckFacets(ctx context.Context, account posture.AccountID) ([]FacetDrift, error) {
	ready, _, err := s.postings(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := s.pools.Read.BeginTx(ctx, s.dialect.Snapshot)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	tally := make(map[int64]*facetTally)
	used := make(map[int64]bool)
	of := func(facet int64) *facetTally {
		if tally[facet] == nil {
			tally[facet] = &facetTally{}
		}
		return tally[facet]
	}
	read := func(scan func(scanner) error, query string, args ...any) {
		if err == nil {
			err = s.readAll(ctx, tx, scan, query, args...)
		}
	}
	read(func(r scanner) error {
		var packed, body, verdict []byte
		var live bool
		var at place
		err := r.Scan(&packed, &at, &live, &body, &verdict)
		if err != nil {
			return err
		}
		id, _, _ := baseOfSet(packed)
		used[id], used[baseOfFrame(body)], used[baseOfFrame(verdict)] = true, true, true
		set, err := s.unpackSet(ctx, account, packed)
		for _, f := range set {
			if live {
				of(f).actual++
			} else {
				of(f).left++
			}
			of(f).marks += mark(f, at)
		}
		return err
	}, `SELECT r.facets, r.place, CASE WHEN d.lifecycle = 0 AND length(d.digest) > 0 THEN 1 ELSE 0 END,
		substr(r.body, 1, 32), substr(r.packed_verdict, 1, 32) FROM device_reports r
		JOIN devices d ON d.account_id = r.account_id AND d.id = r.device_id WHERE r.account_id = ?`, account)
	if err == nil {
		err = s.readPosted(ctx, tx, account, ready, of)
	}
	for kind, in := range countedIn {
		read(func(r scanner) error {
			var id, n int64
			err := r.Scan(&id, &n)
			of(facetOf(kind, id)).kept = n
			return err
		}, "SELECT id, "+in.column+" FROM "+in.table+" WHERE account_id = ?", account)
	}
	if err == nil {
		err = s.tidyBases(ctx, account, used)
	}
	return drifts(tally), err
}

// readPosted takes off who is found by what, and counts them.
func (s *Store) readPosted(ctx context.Context, tx *sql.Tx, account posture.AccountID, ready bool, of func(facet int64) *facetTally) error {
	if !ready {
		return s.readAll(ctx, tx, func(r scanner) error {
			var facet, n int64
			err := r.Scan(&facet, &n)
			of(facet).posted, of(facet).marks = n, 0
			return err
		}, "SELECT facet, COUNT(*) FROM device_facets WHERE account_id = ? GROUP BY facet", account)
	}
	return s.readAll(ctx, tx, func(r scanner) error {
		var facet, chunk int64
		var members []byte
		err := r.Scan(&facet, &chunk, &members)
		set, failed := unpackSlots(members)
		for _, slot := range set {
			of(facet).marks -= mark(facet, placeOf(chunk, slot))
		}
		of(facet).posted += int64(len(set))
		return errors.Join(err, failed)
	}, allPostings, account)
}

func (s *Store) readAll(ctx context.Context, tx *sql.Tx, scan func(scanner) error, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, s.dialect.Rebind(query), args...)
	if err != nil {
		return err
	}
	return eachRow(rows, scan)
}

func drifts(tally map[int64]*facetTally) []FacetDrift {
	var out []FacetDrift
	for facet, t := range tally {
		if countedIn[kindOf(facet)].table == "" {
			t.kept = -1
		}
		if !posted(facet) {
			t.posted, t.marks = -1, 0
		}
		others := t.marks != 0 && t.posted == t.actual && t.left == 0
		if others || (t.kept >= 0 && t.kept != t.actual) || (t.posted >= 0 && t.posted != t.actual) || t.left > 0 {
			out = append(out, FacetDrift{Facet: facet, Actual: t.actual, Kept: t.kept, Posted: t.posted, Left: t.left, Others: others})
		}
	}
	return out
}
