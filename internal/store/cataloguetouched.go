package store

import (
	"context"
	"errors"
	"slices"

	"muster/internal/catalogue"
	"muster/internal/vuln"
)

// changedEntry is an entry that came or went, and the version that it took the place of; 0 for none.
type changedEntry struct{ id, other int64 }

// Touched implements catalogue.Store.
//
// First it goes through what was added, then through what was removed. An entry that replaces another is compared with
// it: feeds often say the same in other words, or date what they said anew.
func (c Catalogue) Touched(ctx context.Context, from, to int64, after catalogue.Cursor, limit int) ([]vuln.Key, catalogue.Cursor, error) {
	var changed []changedEntry
	var err error
	next := after
	if !after.Removed {
		changed, err = c.added(ctx, from, to, after.Entry, limit)
		if len(changed) < limit {
			next = catalogue.Cursor{Removed: true, Since: from + 1}
		} else {
			next.Entry = changed[len(changed)-1].id
		}
	} else {
		changed, next, err = c.removed(ctx, to, after, limit)
	}
	if err != nil {
		return nil, after, err
	}
	numbers, err := c.differences(ctx, changed)
	if err != nil {
		return nil, after, err
	}
	keys, err := c.keysOf(ctx, numbers)
	return keys, next, err
}

// added lists the entries that came in some generations, and what they replaced.
func (c Catalogue) added(ctx context.Context, from, to, after int64, limit int) ([]changedEntry, error) {
	var first, end int64
	err := c.s.queryRow(ctx, `SELECT COALESCE(MIN(first_entry), 0), COALESCE(MAX(next_entry), 0) FROM catalogue_generations
		WHERE generation > ? AND generation <= ?`, from, to).Scan(&first, &end)
	if err != nil {
		return nil, err
	}
	var out []changedEntry
	err = c.s.query(ctx, func(r scanner) error {
		var e changedEntry
		err := r.Scan(&e.id, &e.other)
		out = append(out, e)
		return err
	}, "SELECT id, replaces FROM catalogue_entries WHERE id >= ? AND id > ? AND id < ? ORDER BY id LIMIT ?", first, after, end, limit)
	return out, err
}

// removed lists the entries that went in some generations and that nothing replaced.
func (c Catalogue) removed(ctx context.Context, to int64, after catalogue.Cursor, limit int) ([]changedEntry, catalogue.Cursor, error) {
	var out []changedEntry
	next := after
	seen := 0
	err := c.s.query(ctx, func(r scanner) error {
		var e changedEntry
		var heir int64
		err := r.Scan(&next.Since, &e.id, &heir)
		next.Entry = e.id
		seen++
		if heir == 0 {
			out = append(out, e)
		}
		return err
	}, `SELECT removed, id, heir FROM catalogue_entries
		WHERE removed > 0 AND (removed, id) > (?, ?) AND removed <= ? ORDER BY removed, id LIMIT ?`, after.Since, after.Entry, to, limit)
	next.End = seen < limit
	return out, next, err
}

// differences collects the numbers of the keys under which an entry says something that the other one does not.
func (c Catalogue) differences(ctx context.Context, changed []changedEntry) (map[int64]bool, error) {
	list := make([]int64, 0, 2*len(changed))
	for i := range changed {
		list = append(list, changed[i].id)
		if changed[i].other != 0 {
			list = append(list, changed[i].other)
		}
	}
	facts, err := c.factsOf(ctx, list)
	if err != nil {
		return nil, err
	}
	numbers := make(map[int64]bool)
	for i := range changed {
		mine, its := facts[changed[i].id], facts[changed[i].other]
		err = errors.Join(collect(mine, its, numbers), collect(its, mine, numbers))
		if err != nil {
			return nil, err
		}
	}
	return numbers, nil
}

// collect gathers the numbers of the keys of facts that are not among others.
func collect(facts, others map[factText]bool, numbers map[int64]bool) error {
	for f := range facts {
		if others[f] {
			continue
		}
		keys, err := unpackKeys([]byte(f.keys))
		if err != nil {
			return err
		}
		for _, k := range keys {
			numbers[k] = true
		}
	}
	return nil
}

// factText is a fact, to be compared. An entry says none twice.
type factText struct{ keys, data string }

// factsOf gives the facts of entries.
func (c Catalogue) factsOf(ctx context.Context, entries []int64) (map[int64]map[factText]bool, error) {
	out := make(map[int64]map[factText]bool, len(entries))
	err := inChunks(entries, func(part []int64) error {
		in, args := anyOf(nil, part)
		return c.s.query(ctx, func(r scanner) error {
			var entry int64
			var keys, data []byte
			err := r.Scan(&entry, &keys, &data)
			if out[entry] == nil {
				out[entry] = make(map[factText]bool)
			}
			out[entry][factText{string(keys), string(data)}] = true
			return err
		}, `SELECT e.id, f.keys, f.data FROM catalogue_entries e JOIN catalogue_facts f ON f.id >= e.first_fact AND f.id < e.first_fact + e.facts
			WHERE e.id IN `+in, args...)
	})
	return out, err
}

// keysOf gives the keys that numbers stand for.
func (c Catalogue) keysOf(ctx context.Context, numbers map[int64]bool) ([]vuln.Key, error) {
	list := make([]int64, 0, len(numbers))
	for n := range numbers {
		list = append(list, n)
	}
	slices.Sort(list)
	out := make([]vuln.Key, 0, len(list))
	err := inChunks(list, func(part []int64) error {
		in, args := anyOf(nil, part)
		return c.s.query(ctx, func(r scanner) error {
			var k vuln.Key
			var byVendor int
			err := r.Scan(&k.Space, &k.Name, &byVendor)
			k.ByVendor = byVendor != 0
			out = append(out, k)
			return err
		}, "SELECT space, name, by_vendor FROM catalogue_keys WHERE id IN "+in, args...)
	})
	return out, err
}
