package store

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"muster/internal/device"
	"muster/internal/posture"
)

// Tx is one step of a transaction that it may share with others. It implements device.Tx.
type Tx struct {
	w     *writer
	dirty bool
	// moved collects how the counts change; it is written once, before the commit, in the order of its keys, so that
	// two servers lock the rows in the same order.
	moved map[countKey]*device.Counts
	// spread collects likewise how the numbers of devices that have a thing change.
	spread map[facetKey]int64
	// unplaced collects the devices that have something to be found by for the first time, and what. They get their places
	// before the commit: a chunk is locked by whoever takes a place in it, and no device may be locked after that.
	unplaced map[deviceKey][]int64
	// posted collects by chunk who begins and ends to have a facet.
	posted map[chunkKey]map[int64][]postingChange
	locks  locks
}

// deviceKey is one device of one account.
type deviceKey struct {
	account posture.AccountID
	id      string
}

type countKey struct {
	account posture.AccountID
	group   posture.GroupID
}

// exec runs a statement that writes. No statement of a step is cancelled with its caller: others share the transaction.
func (tx *Tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx = context.WithoutCancel(ctx)
	tx.dirty = true
	stmt, err := tx.w.prepare(ctx, query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// execOne is exec for a statement that must change exactly one row.
func (tx *Tx) execOne(ctx context.Context, query string, args ...any) error {
	n, err := tx.exec(ctx, query, args...)
	if err == nil && n != 1 {
		return errNoRowChanged
	}
	return err
}

func (tx *Tx) queryRow(ctx context.Context, query string, args ...any) row {
	ctx = context.WithoutCancel(ctx)
	stmt, err := tx.w.prepare(ctx, query)
	if err != nil {
		return row{err: err}
	}
	return row{Row: stmt.QueryRowContext(ctx, args...)}
}

func (tx *Tx) query(ctx context.Context, scan func(scanner) error, query string, args ...any) error {
	ctx = context.WithoutCancel(ctx)
	stmt, err := tx.w.prepare(ctx, query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	return eachRow(rows, scan)
}

// count adds n devices to a cell of the account.
func (tx *Tx) count(account posture.AccountID, cell posture.Cell, n int64) {
	tx.dirty = true
	if tx.moved == nil {
		tx.moved = make(map[countKey]*device.Counts)
	}
	key := countKey{account, cell.Group}
	if tx.moved[key] == nil {
		tx.moved[key] = &device.Counts{}
	}
	tx.moved[key].Add(cell, n)
}

func (tx *Tx) flushCounts() error {
	keys := slices.SortedFunc(maps.Keys(tx.moved), func(a, b countKey) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.group, b.group))
	})
	for _, k := range keys {
		if *tx.moved[k] == (device.Counts{}) {
			continue
		}
		err := tx.execOne(context.Background(), updateCounts, append(countValues(tx.moved[k]), k.account, k.group)...)
		if err != nil {
			return err
		}
	}
	return nil
}
