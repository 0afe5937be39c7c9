package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"muster/internal/catalogue"
	"muster/internal/vuln"
)

// Catalogue keeps what feeds say of vulnerabilities. It implements catalogue.Store. It belongs to no account.
type Catalogue struct{ s *Store }

// NewCatalogue keeps it in the database of a store.
func NewCatalogue(s *Store) Catalogue { return Catalogue{s} }

// Rest implements catalogue.Store.
func (c Catalogue) Rest() time.Duration { return c.s.dialect.Rest }

// Settle implements catalogue.Store. It does not go through the writer, which it would hold up.
func (c Catalogue) Settle(ctx context.Context) error {
	if c.s.dialect.Recount == "" {
		return nil
	}
	for _, table := range catalogueTables {
		_, err := c.s.pools.Admin.ExecContext(ctx, c.s.dialect.Recount+table)
		if err != nil {
			return c.s.fault(err)
		}
	}
	return nil
}

const selectCatalogue = `SELECT generation, reached, purged, import_holder, import_until, import_input FROM catalogue WHERE id = 1`

func scanCatalogue(r scanner) (catalogue.State, error) {
	var out catalogue.State
	var until int64
	err := r.Scan(&out.Generation, &out.Reached, &out.Purged, &out.Holder, &until, &out.Input)
	out.Until = timeOf(until)
	if errors.Is(err, sql.ErrNoRows) { // nothing was ever imported
		return catalogue.State{}, nil
	}
	return out, err
}

// State implements catalogue.Store.
func (c Catalogue) State(ctx context.Context) (catalogue.State, error) {
	return scanCatalogue(c.s.queryRow(ctx, selectCatalogue))
}

const feedColumns = "id, name, format, as_of, imported_at, entries, source, input"

func scanFeed(r scanner, f *catalogue.Feed) error {
	var asOf, imported int64
	err := r.Scan(&f.ID, &f.Name, &f.Format, &asOf, &imported, &f.Entries, &f.Source, &f.Input)
	f.AsOf, f.ImportedAt = timeOf(asOf), timeOf(imported)
	return err
}

// Feeds implements catalogue.Store.
func (c Catalogue) Feeds(ctx context.Context) ([]catalogue.Feed, error) {
	var out []catalogue.Feed
	err := c.s.query(ctx, func(r scanner) error {
		out = append(out, catalogue.Feed{})
		return scanFeed(r, &out[len(out)-1])
	}, "SELECT "+feedColumns+" FROM catalogue_feeds WHERE gone = 0 ORDER BY name")
	return out, err
}

// Lookup implements catalogue.Store.
func (c Catalogue) Lookup(ctx context.Context, generation int64, keys []vuln.Key, each func(vuln.Key, catalogue.Fact) error) error {
	return inLookups(keys, func(part []vuln.Key) error {
		args := make([]any, 0, 3*len(part)+2)
		for _, k := range part {
			args = append(args, k.Space, k.Name, flag(k.ByVendor))
		}
		// A part may be filled up with its last key, which then is there once all the same: DISTINCT.
		return c.s.query(ctx, func(r scanner) error {
			var k vuln.Key
			var byVendor int
			var f catalogue.Fact
			err := r.Scan(&k.Space, &k.Name, &byVendor, &f.Rank, &f.Feed, &f.Entry, &f.Data)
			if err != nil {
				return err
			}
			k.ByVendor = byVendor != 0
			return each(k, f)
		}, lookupText(len(part)), append(args, generation, generation)...)
	})
}

func lookupText(n int) string {
	return wanted("space, name, by_vendor", "(?, ?, CAST(? AS BIGINT))", "(?, ?, ?)", n) + `SELECT k.space, k.name, k.by_vendor, l.rank, s.name, e.name, f.data
		FROM (SELECT DISTINCT space, name, by_vendor FROM wanted) sought
		JOIN catalogue_keys k ON k.space = sought.space AND k.name = sought.name AND k.by_vendor = sought.by_vendor
		JOIN catalogue_lookup l ON l.key_id = k.id
		JOIN catalogue_facts f ON f.id = l.fact_id
		JOIN catalogue_entries e ON e.id = f.entry_id
		JOIN catalogue_feeds s ON s.id = e.feed_id
		WHERE e.added <= ? AND (e.removed = 0 OR e.removed > ?)`
}

// Current implements catalogue.Store.
func (c Catalogue) Current(ctx context.Context, feed int64, names []string) (map[string]catalogue.Version, error) {
	state, err := c.State(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]catalogue.Version, len(names))
	err = inChunks(names, func(part []string) error {
		in, args := anyOf([]any{feed}, part)
		return c.s.query(ctx, func(r scanner) error {
			var v catalogue.Version
			var modified, added int64
			var digest []byte
			err := r.Scan(&v.Entry, &v.Name, &modified, &digest, &added, &v.Replaces)
			copy(v.Digest[:], digest)
			v.Modified, v.Staged = timeOf(modified), added > state.Generation
			out[v.Name] = v
			return err
		}, "SELECT id, name, modified, digest, added, replaces FROM catalogue_entries WHERE feed_id = ? AND removed = 0 AND name IN "+in, args...)
	})
	return out, err
}

// CurrentAfter implements catalogue.Store.
func (c Catalogue) CurrentAfter(ctx context.Context, feed int64, after string, limit int) ([]catalogue.Version, error) {
	var out []catalogue.Version
	err := c.s.query(ctx, func(r scanner) error {
		var v catalogue.Version
		err := r.Scan(&v.Entry, &v.Name)
		out = append(out, v)
		return err
	}, "SELECT id, name FROM catalogue_entries WHERE feed_id = ? AND removed = 0 AND name > ? ORDER BY name LIMIT ?", feed, after, limit)
	return out, err
}

// CountCurrent implements catalogue.Store.
func (c Catalogue) CountCurrent(ctx context.Context, feed int64) (int64, error) {
	var n int64
	err := c.s.queryRow(ctx, "SELECT COUNT(*) FROM catalogue_entries WHERE feed_id = ? AND removed = 0 AND facts > 0", feed).Scan(&n)
	return n, err
}

// GenerationAt implements catalogue.Store.
func (c Catalogue) GenerationAt(ctx context.Context, at time.Time) (int64, error) {
	var n int64
	err := c.s.queryRow(ctx, "SELECT generation FROM catalogue_generations WHERE at <= ? ORDER BY generation DESC LIMIT 1", millis(at)).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return n, err
}

// The keys of a fact are kept as their numbers, with the rank in the last two bits.

func packKeys(numbers []int64, keys []catalogue.RankedKey) []byte {
	out := make([]byte, 0, 4*len(numbers))
	for i, n := range numbers {
		out = binary.AppendUvarint(out, uint64(n)<<2|uint64(keys[i].Rank&3))
	}
	return out
}

// unpackKeys gives the numbers.
func unpackKeys(packed []byte) ([]int64, error) {
	var out []int64
	for len(packed) > 0 {
		n, size := binary.Uvarint(packed)
		if size <= 0 {
			return nil, fmt.Errorf("a stored list of keys cannot be read")
		}
		out = append(out, int64(n>>2))
		packed = packed[size:]
	}
	return out, nil
}
