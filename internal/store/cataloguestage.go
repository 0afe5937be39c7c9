package store

import (
	"context"
	"database/sql"
	"errors"

	"muster/internal/catalogue"
	"muster/internal/errs"
	"muster/internal/vuln"
)

// do runs a change of the catalogue. It may lock any row of it, but none of an account.
func (c Catalogue) do(ctx context.Context, fn func(*Tx) error) error {
	return c.s.writer.do(ctx, keyMany, fn)
}

// errLostImport is what the holder of a lease is told who has it no longer.
func errLostImport() error {
	return errs.New(errs.Conflict, "Another import has begun meanwhile; this one came to nothing")
}

// Take implements catalogue.Store.
func (c Catalogue) Take(ctx context.Context, l catalogue.Lease) (catalogue.State, error) {
	var before catalogue.State
	err := c.do(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, `INSERT INTO catalogue (id, generation, reached, purged, next_feed, next_key, next_entry, next_fact, first_staged,
			import_holder, import_until, import_input) VALUES (1, 0, 0, 0, 1, 1, 1, 1, 1, '', 0, '') ON CONFLICT DO NOTHING`)
		if err != nil {
			return err
		}
		before, err = scanCatalogue(tx.queryRow(ctx, selectCatalogue+c.s.dialect.ForUpdate))
		if err != nil || before.Until.After(l.Now) {
			return err
		}
		return tx.execOne(ctx, "UPDATE catalogue SET import_holder = ?, import_until = ? WHERE id = 1", l.Holder, millis(l.Until))
	})
	if err == nil && before.Until.After(l.Now) {
		err = errs.New(errs.Conflict, "Another import is under way; there is one at a time")
	}
	return before, err
}

// held renews a lease, and gives how things stand.
func (tx *Tx) held(ctx context.Context, l catalogue.Lease) (generation int64, err error) {
	tx.dirty = true
	err = tx.queryRow(ctx, "UPDATE catalogue SET import_until = ? WHERE id = 1 AND import_holder = ? RETURNING generation", millis(l.Until), l.Holder).Scan(&generation)
	if errors.Is(err, sql.ErrNoRows) {
		err = errLostImport()
	}
	return generation, err
}

// Renew implements catalogue.Store.
func (c Catalogue) Renew(ctx context.Context, l catalogue.Lease) error {
	return c.do(ctx, func(tx *Tx) error {
		_, err := tx.held(ctx, l)
		return err
	})
}

// Begin implements catalogue.Store.
func (c Catalogue) Begin(ctx context.Context, l catalogue.Lease, input string) error {
	return c.do(ctx, func(tx *Tx) error {
		_, err := tx.held(ctx, l)
		if err != nil {
			return err
		}
		return tx.execOne(ctx, "UPDATE catalogue SET import_input = ? WHERE id = 1", input)
	})
}

// Release implements catalogue.Store.
func (c Catalogue) Release(ctx context.Context, holder string) error {
	return c.do(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "UPDATE catalogue SET import_holder = '', import_until = 0 WHERE id = 1 AND import_holder = ?", holder)
		return err
	})
}

// NewFeed implements catalogue.Store.
func (c Catalogue) NewFeed(ctx context.Context, l catalogue.Lease, name, format string) (catalogue.Feed, error) {
	var out catalogue.Feed
	err := c.do(ctx, func(tx *Tx) error {
		_, err := tx.held(ctx, l)
		if err != nil {
			return err
		}
		var gone int64
		err = tx.queryRow(ctx, "SELECT gone FROM catalogue_feeds WHERE name = ?", name).Scan(&gone)
		if err == nil {
			err = scanFeed(tx.queryRow(ctx, "SELECT "+feedColumns+" FROM catalogue_feeds WHERE name = ?", name), &out)
			if gone != 0 { // it comes back
				out = catalogue.Feed{ID: out.ID, Name: name, Format: format}
			}
			return err
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var next int64
		err = tx.queryRow(ctx, "UPDATE catalogue SET next_feed = next_feed + 1 WHERE id = 1 RETURNING next_feed").Scan(&next)
		if err != nil {
			return err
		}
		out = catalogue.Feed{ID: next - 1, Name: name, Format: format}
		return tx.execOne(ctx, "INSERT INTO catalogue_feeds ("+feedColumns+", gone) VALUES (?, ?, ?, 0, 0, 0, '', '', 0)", out.ID, name, format)
	})
	return out, err
}

// Stage implements catalogue.Store.
func (c Catalogue) Stage(ctx context.Context, l catalogue.Lease, entries []catalogue.Staged) error {
	return c.do(ctx, func(tx *Tx) error {
		generation, err := tx.held(ctx, l)
		if err != nil {
			return err
		}
		st := staging{tx: tx, generation: generation + 1, keys: make(map[vuln.Key]int64)}
		return st.store(ctx, entries)
	})
}

// staging stores a batch.
type staging struct {
	tx         *Tx
	generation int64 // that will have it
	keys       map[vuln.Key]int64
}

func (st *staging) store(ctx context.Context, entries []catalogue.Staged) error {
	err := st.makeRoom(ctx, entries)
	if err != nil {
		return err
	}
	err = st.number(ctx, entries)
	if err != nil {
		return err
	}
	facts := 0
	for i := range entries {
		facts += len(entries[i].Facts)
	}
	var entry, fact int64
	err = st.tx.queryRow(ctx, "UPDATE catalogue SET next_entry = next_entry + ?, next_fact = next_fact + ? WHERE id = 1 RETURNING next_entry, next_fact",
		len(entries), facts).Scan(&entry, &fact)
	if err != nil {
		return err
	}
	return st.insert(ctx, entries, entry-int64(len(entries)), fact-int64(facts))
}

// makeRoom ends the versions that others take the place of.
func (st *staging) makeRoom(ctx context.Context, entries []catalogue.Staged) error {
	var replaced, dropped []int64
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Drops != 0:
			dropped = append(dropped, e.Drops)
		case e.Replaces != 0:
			replaced = append(replaced, e.Replaces)
		}
	}
	err := st.end(ctx, replaced, 1)
	if err == nil {
		err = st.tx.dropEntries(ctx, dropped)
	}
	return err
}

// end has entries removed by the generation.
func (st *staging) end(ctx context.Context, entries []int64, heir int) error {
	return inChunks(entries, func(part []int64) error {
		in, args := anyOf([]any{st.generation, heir}, part)
		_, err := st.tx.exec(ctx, "UPDATE catalogue_entries SET removed = ?, heir = ? WHERE removed = 0 AND id IN "+in, args...)
		return err
	})
}

// number finds the numbers of all keys, and gives new ones to those that have none.
func (st *staging) number(ctx context.Context, entries []catalogue.Staged) error {
	var list []vuln.Key
	for i := range entries {
		for j := range entries[i].Facts {
			for _, k := range entries[i].Facts[j].Keys {
				if _, ok := st.keys[k.Key]; !ok {
					st.keys[k.Key] = 0
					list = append(list, k.Key)
				}
			}
		}
	}
	err := st.findKeys(ctx, list)
	if err != nil {
		return err
	}
	var rows [][]any
	for _, k := range list {
		if st.keys[k] == 0 {
			rows = append(rows, []any{k.Space, k.Name, flag(k.ByVendor)})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	var next int64
	err = st.tx.queryRow(ctx, "UPDATE catalogue SET next_key = next_key + ? WHERE id = 1 RETURNING next_key", len(rows)).Scan(&next)
	if err != nil {
		return err
	}
	next -= int64(len(rows))
	for _, k := range list {
		if st.keys[k] == 0 {
			st.keys[k] = next
			next++
		}
	}
	for i, k := range rows {
		rows[i] = append(k, next-int64(len(rows)-i))
	}
	return insertRows(ctx, st.tx, "catalogue_keys (space, name, by_vendor, id)", 4, rows)
}

func (st *staging) findKeys(ctx context.Context, list []vuln.Key) error {
	return inLookups(list, func(part []vuln.Key) error {
		args := make([]any, 0, 3*len(part))
		for _, k := range part {
			args = append(args, k.Space, k.Name, flag(k.ByVendor))
		}
		return st.tx.query(ctx, func(r scanner) error {
			var k vuln.Key
			var byVendor int
			var id int64
			err := r.Scan(&k.Space, &k.Name, &byVendor, &id)
			k.ByVendor = byVendor != 0
			st.keys[k] = id
			return err
		}, wanted("space, name, by_vendor", "(?, ?, CAST(? AS BIGINT))", "(?, ?, ?)", len(part))+`SELECT k.space, k.name, k.by_vendor, k.id
			FROM wanted JOIN catalogue_keys k ON k.space = wanted.space AND k.name = wanted.name AND k.by_vendor = wanted.by_vendor`, args...)
	})
}

// insert stores the entries under the numbers from here on.
func (st *staging) insert(ctx context.Context, entries []catalogue.Staged, entry, fact int64) error {
	var rows, facts, lookup [][]any
	for i := range entries {
		e := &entries[i]
		rows = append(rows, []any{
			entry, e.Feed, e.Name, millis(e.Modified), e.Digest[:], st.generation, 0, e.Replaces, 0, fact, len(e.Facts),
		})
		for j := range e.Facts {
			f := &e.Facts[j]
			numbers := make([]int64, len(f.Keys))
			for n, k := range f.Keys {
				numbers[n] = st.keys[k.Key]
				lookup = append(lookup, []any{numbers[n], fact, k.Rank})
			}
			facts = append(facts, []any{fact, entry, packKeys(numbers, f.Keys), f.Data})
			fact++
		}
		entry++
	}
	err := insertRows(ctx, st.tx, "catalogue_entries (id, feed_id, name, modified, digest, added, removed, replaces, heir, first_fact, facts)", 11, rows)
	if err == nil {
		err = insertRows(ctx, st.tx, "catalogue_facts (id, entry_id, keys, data)", 4, facts)
	}
	if err == nil {
		err = insertRows(ctx, st.tx, "catalogue_lookup (key_id, fact_id, rank)", 3, lookup)
	}
	return err
}

// StageRemoval implements catalogue.Store.
func (c Catalogue) StageRemoval(ctx context.Context, l catalogue.Lease, entries []int64) error {
	return c.do(ctx, func(tx *Tx) error {
		generation, err := tx.held(ctx, l)
		if err != nil {
			return err
		}
		err = tx.unstage(ctx, generation, entries)
		if err != nil {
			return err
		}
		st := staging{tx: tx, generation: generation + 1}
		return st.end(ctx, entries, 0)
	})
}

// unstage drops those of the entries that no generation has yet; nothing takes the place of what they replaced.
func (tx *Tx) unstage(ctx context.Context, generation int64, entries []int64) error {
	return inChunks(entries, func(part []int64) error {
		in, args := anyOf([]any{generation}, part)
		var staged, replaced []int64
		err := tx.query(ctx, func(r scanner) error {
			var id, before int64
			err := r.Scan(&id, &before)
			staged, replaced = append(staged, id), append(replaced, before)
			return err
		}, "SELECT id, replaces FROM catalogue_entries WHERE added > ? AND id IN "+in, args...)
		if err != nil || len(staged) == 0 {
			return err
		}
		in, args = anyOf(nil, replaced)
		_, err = tx.exec(ctx, "UPDATE catalogue_entries SET heir = 0 WHERE id IN "+in, args...)
		if err != nil {
			return err
		}
		return tx.dropEntries(ctx, staged)
	})
}

// Switch implements catalogue.Store.
func (c Catalogue) Switch(ctx context.Context, l catalogue.Lease, s catalogue.Switch) (int64, error) {
	var generation int64
	err := c.do(ctx, func(tx *Tx) error {
		var err error
		generation, err = tx.held(ctx, l)
		if err != nil {
			return err
		}
		if s.Changed {
			generation++
			_, err = tx.exec(ctx, `INSERT INTO catalogue_generations (generation, at, first_entry, next_entry)
				SELECT ?, ?, first_staged, next_entry FROM catalogue WHERE id = 1`, generation, millis(s.At))
			if err != nil {
				return err
			}
		}
		for i := range s.Feeds {
			f := &s.Feeds[i]
			err = tx.execOne(ctx, "UPDATE catalogue_feeds SET format = ?, as_of = ?, imported_at = ?, entries = ?, source = ?, input = ?, gone = 0 WHERE id = ?",
				f.Format, millis(f.AsOf), millis(f.ImportedAt), f.Entries, f.Source, f.Input, f.ID)
			if err != nil {
				return err
			}
		}
		for _, id := range s.Gone {
			// The row stays for those who still look things up in the generation before.
			err = tx.execOne(ctx, "UPDATE catalogue_feeds SET gone = ?, entries = 0 WHERE id = ?", generation, id)
			if err != nil {
				return err
			}
		}
		return tx.execOne(ctx, `UPDATE catalogue SET generation = ?, first_staged = next_entry, import_holder = '', import_until = 0, import_input = ''
			WHERE id = 1`, generation)
	})
	return generation, err
}

// Reach implements catalogue.Store.
func (c Catalogue) Reach(ctx context.Context, generation int64) error {
	return c.do(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "UPDATE catalogue SET reached = ? WHERE id = 1 AND reached < ? AND generation >= ?", generation, generation, generation)
		return err
	})
}

// entryNumbers lists entries.
func (tx *Tx) entryNumbers(ctx context.Context, query string, args ...any) ([]int64, error) {
	var out []int64
	err := tx.query(ctx, func(r scanner) error {
		var id int64
		err := r.Scan(&id)
		out = append(out, id)
		return err
	}, query, args...)
	return out, err
}

// Discard implements catalogue.Store.
func (c Catalogue) Discard(ctx context.Context, l catalogue.Lease, limit int) (bool, error) {
	done := false
	err := c.do(ctx, func(tx *Tx) error {
		done = false
		generation, err := tx.held(ctx, l)
		if err != nil {
			return err
		}
		// The staged ones go first: there is one version at a time that nothing has removed.
		staged, err := tx.entryNumbers(ctx, "SELECT id FROM catalogue_entries WHERE id >= (SELECT first_staged FROM catalogue WHERE id = 1) ORDER BY id LIMIT ?", limit)
		if err != nil || len(staged) > 0 {
			return errors.Join(err, tx.dropEntries(ctx, staged))
		}
		removed, err := tx.entryNumbers(ctx, "SELECT id FROM catalogue_entries WHERE removed > 0 AND removed > ? ORDER BY removed, id LIMIT ?", generation, limit)
		if err != nil {
			return err
		}
		if len(removed) > 0 {
			return inChunks(removed, func(part []int64) error {
				in, args := anyOf(nil, part)
				_, err := tx.exec(ctx, "UPDATE catalogue_entries SET removed = 0, heir = 0 WHERE id IN "+in, args...)
				return err
			})
		}
		_, err = tx.exec(ctx, "DELETE FROM catalogue_feeds WHERE imported_at = 0 AND gone = 0")
		if err != nil {
			return err
		}
		done = true
		return tx.execOne(ctx, "UPDATE catalogue SET first_staged = next_entry, import_input = '' WHERE id = 1")
	})
	return done, err
}

// Purge implements catalogue.Store.
func (c Catalogue) Purge(ctx context.Context, generation int64, limit int) (bool, error) {
	done := false
	err := c.do(ctx, func(tx *Tx) error {
		// Said first: from now on nobody is to ask what changed before.
		_, err := tx.exec(ctx, "UPDATE catalogue SET purged = ? WHERE id = 1 AND purged < ?", generation, generation)
		if err != nil {
			return err
		}
		gone, err := tx.entryNumbers(ctx, "SELECT id FROM catalogue_entries WHERE removed > 0 AND removed <= ? ORDER BY removed, id LIMIT ?", generation, limit)
		if err != nil {
			return err
		}
		done = len(gone) < limit
		err = tx.dropEntries(ctx, gone)
		if err == nil && done {
			_, err = tx.exec(ctx, "DELETE FROM catalogue_generations WHERE generation < ?", generation)
		}
		return err
	})
	return done, err
}

// catalogueEntry is an entry and where its facts are.
type catalogueEntry struct{ id, first, facts int64 }

// dropEntries removes entries with all that they say.
func (tx *Tx) dropEntries(ctx context.Context, entries []int64) error {
	return inChunks(entries, func(part []int64) error {
		in, args := anyOf(nil, part)
		var gone []catalogueEntry
		err := tx.query(ctx, func(r scanner) error {
			var e catalogueEntry
			err := r.Scan(&e.id, &e.first, &e.facts)
			gone = append(gone, e)
			return err
		}, "SELECT id, first_fact, facts FROM catalogue_entries WHERE id IN "+in, args...)
		if err != nil {
			return err
		}
		for _, e := range gone {
			err = tx.dropFacts(ctx, e)
			if err != nil {
				return err
			}
		}
		_, err = tx.exec(ctx, "DELETE FROM catalogue_entries WHERE id IN "+in, args...)
		return err
	})
}

func (tx *Tx) dropFacts(ctx context.Context, e catalogueEntry) error {
	keys := make(map[int64][]int64)
	err := tx.query(ctx, func(r scanner) error {
		var fact int64
		var packed []byte
		err := r.Scan(&fact, &packed)
		if err != nil {
			return err
		}
		keys[fact], err = unpackKeys(packed)
		return err
	}, "SELECT id, keys FROM catalogue_facts WHERE id >= ? AND id < ?", e.first, e.first+e.facts)
	if err != nil {
		return err
	}
	for fact, numbers := range keys {
		err = inChunks(numbers, func(part []int64) error {
			in, args := anyOf([]any{fact}, part)
			_, err := tx.exec(ctx, "DELETE FROM catalogue_lookup WHERE fact_id = ? AND key_id IN "+in, args...)
			return err
		})
		if err != nil {
			return err
		}
	}
	_, err = tx.exec(ctx, "DELETE FROM catalogue_facts WHERE id >= ? AND id < ?", e.first, e.first+e.facts)
	return err
}
