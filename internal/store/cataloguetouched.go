package store

import (
	"context"
	"slices"

	"muster/internal/catalogue"
	"muster/internal/vuln"
)

// changedEntry is an entry that came or went, with another version of it that was or is there, if any.
type changedEntry struct {
	catalogueEntry
	other catalogueEntry // its number is 0 where there is none
}

// catalogueEntry is an entry and where its facts are.
type catalogueEntry struct{ id, first, facts int64 }

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
	numbers := make(map[int64]bool)
	for i := range changed {
		err = c.differences(ctx, &changed[i], numbers)
		if err != nil {
			return nil, after, err
		}
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
		err := r.Scan(&e.id, &e.first, &e.facts, &e.other.id, &e.other.first, &e.other.facts)
		out = append(out, e)
		return err
	}, `SELECT e.id, e.first_fact, e.facts, COALESCE(o.id, 0), COALESCE(o.first_fact, 0), COALESCE(o.facts, 0)
		FROM catalogue_entries e LEFT JOIN catalogue_entries o ON o.id = e.replaces
		WHERE e.id >= ? AND e.id > ? AND e.id < ? ORDER BY e.id LIMIT ?`, first, after, end, limit)
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
		err := r.Scan(&next.Since, &e.id, &e.first, &e.facts, &heir)
		next.Entry = e.id
		seen++
		if heir == 0 {
			out = append(out, e)
		}
		return err
	}, `SELECT removed, id, first_fact, facts, heir FROM catalogue_entries
		WHERE removed > 0 AND (removed, id) > (?, ?) AND removed <= ? ORDER BY removed, id LIMIT ?`, after.Since, after.Entry, to, limit)
	next.End = seen < limit
	return out, next, err
}

// differences collects the numbers of the keys under which the one entry says something that the other does not.
func (c Catalogue) differences(ctx context.Context, e *changedEntry, numbers map[int64]bool) error {
	mine, err := c.factsOf(ctx, e.catalogueEntry)
	if err != nil {
		return err
	}
	its, err := c.factsOf(ctx, e.other)
	if err != nil {
		return err
	}
	for f, n := range mine {
		if its[f] == n {
			continue
		}
		err = collectKeys(f, numbers)
		if err != nil {
			return err
		}
	}
	for f := range its {
		if mine[f] > 0 {
			continue
		}
		err = collectKeys(f, numbers)
		if err != nil {
			return err
		}
	}
	return nil
}

func collectKeys(f factText, numbers map[int64]bool) error {
	keys, err := unpackKeys([]byte(f.keys))
	for _, k := range keys {
		numbers[k] = true
	}
	return err
}

// factText is a fact, to be compared.
type factText struct{ keys, data string }

// factsOf gives the facts of an entry, and how many there are of each.
func (c Catalogue) factsOf(ctx context.Context, e catalogueEntry) (map[factText]int, error) {
	out := make(map[factText]int, e.facts)
	if e.facts == 0 {
		return out, nil
	}
	err := c.s.query(ctx, func(r scanner) error {
		var keys, data []byte
		err := r.Scan(&keys, &data)
		out[factText{string(keys), string(data)}]++
		return err
	}, "SELECT keys, data FROM catalogue_facts WHERE id >= ? AND id < ?", e.first, e.first+e.facts)
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
