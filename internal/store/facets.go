package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"strings"

	"muster/internal/device"
	"muster/internal/posture"
)

// packFacets gives the stored form of a set in order: how far each number lies above the one before it.
func packFacets(set []int64) []byte {
	out := make([]byte, 0, 8+2*len(set))
	var last int64
	for _, f := range set {
		out = binary.AppendUvarint(out, uint64(f-last))
		last = f
	}
	return out
}

var errBadFacets = errors.New("a stored set of facets cannot be read")

func unpackFacets(packed []byte) ([]int64, error) {
	var out []int64
	var last int64
	for len(packed) > 0 {
		step, n := binary.Uvarint(packed)
		if n <= 0 || step > 1<<62 {
			return nil, errBadFacets
		}
		last += int64(step)
		out = append(out, last)
		packed = packed[n:]
	}
	return out, nil
}

func kindOf(facet int64) facetKind { return facetKind(facet >> 48) }

func idOf(facet int64) int64 { return facet & (1<<48 - 1) }

// countedIn says where the devices that have a thing are counted.
var countedIn = map[facetKind]counter{
	facetProductVersion: {"product_versions", "devices"}, facetVulnerability: {"vulnerabilities", "devices"}, facetPatch: {"patches", "devices"},
	facetAccepted: {"vulnerabilities", "accepted"},
}

// counter is a column that counts devices.
type counter struct{ table, column string }

// posted reports whether devices are found by a facet. Versions are only counted: they are half of all that a device
// has, and a device is looked for by its products.
func posted(facet int64) bool { return kindOf(facet) != facetProductVersion }

const selectFacets = "SELECT facets, place FROM device_reports WHERE account_id = ? AND device_id = ?"

// moveFacets makes a set that of a device, in all but its report, and gives the place that the device has: none, if it gets its
// first at the end of this transaction. It writes only what differs from the set before.
func (tx *Tx) moveFacets(ctx context.Context, account posture.AccountID, id string, r *device.PackedReport) (place, error) {
	var stored []byte
	var at place
	err := tx.query(ctx, func(r scanner) error { return r.Scan(&stored, &at) }, selectFacets, account, id)
	if err != nil || string(stored) == string(r.Set) {
		return at, err
	}
	old, err := tx.w.store.unpackSet(ctx, account, stored)
	if err != nil {
		return at, err
	}
	added, gone := differences(old, r.Facets)
	if at == 0 {
		err = tx.wantPlace(ctx, account, id, r.Facets)
		if err != nil {
			return at, err
		}
	}
	err = tx.removePostings(ctx, account, id, at, gone)
	if err != nil {
		return at, err
	}
	return at, tx.addPostings(ctx, account, id, at, added)
}

// wantPlace has a device that has no place get one at the end of the transaction, with all that it has. While a server of the
// previous version may serve, none is placed.
func (tx *Tx) wantPlace(ctx context.Context, account posture.AccountID, id string, facets []int64) error {
	sharing, err := tx.w.store.sharing(ctx)
	if err != nil || !sharing {
		return err
	}
	if tx.unplaced == nil {
		tx.unplaced = make(map[deviceKey][]int64)
	}
	tx.unplaced[deviceKey{account, id}] = facets
	return nil
}

// differences compares two sets in order.
func differences(old, now []int64) (added, gone []int64) {
	for len(old) > 0 && len(now) > 0 {
		switch {
		case old[0] < now[0]:
			gone, old = append(gone, old[0]), old[1:]
		case old[0] > now[0]:
			added, now = append(added, now[0]), now[1:]
		default:
			old, now = old[1:], now[1:]
		}
	}
	return append(added, now...), append(gone, old...)
}

// DropFacets implements device.Tx.
func (tx *Tx) DropFacets(ctx context.Context, account posture.AccountID, id string) error {
	var stored []byte
	var at place
	err := tx.query(ctx, func(r scanner) error { return r.Scan(&stored, &at) }, selectFacets, account, id)
	if err != nil || len(stored) == 0 {
		return err
	}
	old, err := tx.w.store.unpackSet(ctx, account, stored)
	if err != nil {
		return err
	}
	delete(tx.unplaced, deviceKey{account, id})
	err = tx.removePostings(ctx, account, id, at, old)
	if err != nil {
		return err
	}
	return tx.execOne(ctx, "UPDATE device_reports SET facets = ? WHERE account_id = ? AND device_id = ?", []byte{}, account, id)
}

// batchSizes are how many rows one statement may take. Each size is another text to prepare, so there are few of them.
var batchSizes = [...]int{256, 64, 16, 4, 1}

// inBatches splits a list into parts of these sizes.
func inBatches[T any](list []T, do func(part []T) error) error {
	for _, size := range batchSizes {
		for len(list) >= size {
			err := do(list[:size])
			if err != nil {
				return err
			}
			list = list[size:]
		}
	}
	return nil
}

// maxAnyOf is how many values one IN takes.
const maxAnyOf = 256

// inChunks splits a list into parts that one IN takes.
func inChunks[T any](list []T, do func(part []T) error) error {
	for part := range slices.Chunk(list, maxAnyOf) {
		err := do(part)
		if err != nil {
			return err
		}
	}
	return nil
}

// anyOf gives the right side of IN for at most maxAnyOf values, and adds them, padded, to the arguments.
func anyOf[T any](args []any, values []T) (string, []any) {
	values = padded(values)
	for _, v := range values {
		args = append(args, v)
	}
	return "(" + places(len(values)) + ")", args
}

func (tx *Tx) addPostings(ctx context.Context, account posture.AccountID, id string, at place, facets []int64) error {
	tx.countFacets(account, facets, 1)
	tx.post(account, at, facets, false)
	_, only, err := tx.w.store.postings(ctx)
	if err != nil || only {
		return err
	}
	return inBatches(slices.DeleteFunc(slices.Clone(facets), notPosted), func(part []int64) error {
		args := make([]any, 0, 3*len(part))
		for _, f := range part {
			args = append(args, account, f, id)
		}
		_, err := tx.exec(ctx, "INSERT INTO device_facets (account_id, facet, device_id) VALUES (?, ?, ?)"+
			strings.Repeat(", (?, ?, ?)", len(part)-1)+" ON CONFLICT DO NOTHING", args...)
		return err
	})
}

func (tx *Tx) removePostings(ctx context.Context, account posture.AccountID, id string, at place, facets []int64) error {
	tx.countFacets(account, facets, -1)
	tx.post(account, at, facets, true)
	_, only, err := tx.w.store.postings(ctx)
	if err != nil || only {
		return err
	}
	return inChunks(slices.DeleteFunc(slices.Clone(facets), notPosted), func(part []int64) error {
		in, args := anyOf([]any{account, id}, part)
		_, err := tx.exec(ctx, "DELETE FROM device_facets WHERE account_id = ? AND device_id = ? AND facet IN "+in, args...)
		return err
	})
}

func notPosted(facet int64) bool { return !posted(facet) }

// facetKey is one thing of one account.
type facetKey struct {
	account posture.AccountID
	facet   int64
}

// countFacets adds n devices to the counts of those things that are counted.
func (tx *Tx) countFacets(account posture.AccountID, facets []int64, n int64) {
	if tx.spread == nil {
		tx.spread = make(map[facetKey]int64)
	}
	for _, f := range facets {
		if countedIn[kindOf(f)].table != "" {
			tx.dirty = true
			tx.spread[facetKey{account, f}] += n
		}
	}
}

// flushFacets writes the counts that the steps moved. Like those of flushCounts, which come before them, the rows are
// locked in one order on all servers.
func (tx *Tx) flushFacets() error {
	maps.DeleteFunc(tx.spread, func(_ facetKey, n int64) bool { return n == 0 })
	keys := slices.SortedFunc(maps.Keys(tx.spread), func(a, b facetKey) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.table(), b.table()), cmp.Compare(idOf(a.facet), idOf(b.facet)),
			cmp.Compare(a.facet, b.facet))
	})
	for len(keys) > 0 {
		n := slices.IndexFunc(keys, func(k facetKey) bool { return k.account != keys[0].account || k.table() != keys[0].table() })
		if n < 0 {
			n = len(keys)
		}
		err := tx.flushTable(keys[:n])
		if err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// oneByOne is how many rows are updated each by itself, and so in order. More are cheaper together.
const oneByOne = 3

func (k facetKey) table() string { return countedIn[kindOf(k.facet)].table }

// countChange is by how much a column changes.
type countChange struct {
	column string
	n      int64
}

// flushTable writes the counts of one table of one account.
func (tx *Tx) flushTable(keys []facetKey) error {
	account, table := keys[0].account, keys[0].table()
	changeOf := func(k facetKey) countChange { return countChange{countedIn[kindOf(k.facet)].column, tx.spread[k]} }
	if len(keys) <= oneByOne {
		for _, k := range keys {
			err := tx.addDevices(table, account, changeOf(k), []int64{idOf(k.facet)})
			if err != nil {
				return err
			}
		}
		return nil
	}
	all := make([]int64, 0, len(keys))
	byChange := make(map[countChange][]int64)
	for _, k := range keys {
		all = append(all, idOf(k.facet))
		byChange[changeOf(k)] = append(byChange[changeOf(k)], idOf(k.facet))
	}
	err := tx.lockRows(table, account, slices.Compact(all))
	if err != nil {
		return err
	}
	for _, change := range slices.SortedFunc(maps.Keys(byChange), func(a, b countChange) int {
		return cmp.Or(cmp.Compare(a.column, b.column), cmp.Compare(a.n, b.n))
	}) {
		err = inChunks(byChange[change], func(part []int64) error { return tx.addDevices(table, account, change, part) })
		if err != nil {
			return err
		}
	}
	return nil
}

// lockRows locks rows in the order of their ids, which an update of several at once need not do. Where there is only one
// server, nobody else waits for them.
func (tx *Tx) lockRows(table string, account posture.AccountID, ids []int64) error {
	if !tx.w.store.dialect.SharedLimits {
		return nil
	}
	return inChunks(ids, func(part []int64) error {
		in, args := anyOf([]any{account}, part)
		return tx.query(context.Background(), func(scanner) error { return nil },
			"SELECT id FROM "+table+" WHERE account_id = ? AND id IN "+in+" ORDER BY id"+tx.w.store.dialect.ForUpdate, args...)
	})
}

// addDevices changes the counts of distinct rows, all by the same number, and with them whether they are listed.
func (tx *Tx) addDevices(table string, account posture.AccountID, change countChange, ids []int64) error {
	ctx := context.Background()
	in, args := anyOf([]any{change.n, account}, ids)
	err := tx.execSome(ctx, len(ids), "UPDATE "+table+" SET "+change.column+" = "+change.column+" + ? WHERE account_id = ? AND id IN "+in, args...)
	anyone := listedWhere[table]
	if err != nil || anyone == "" {
		return err
	}
	// By itself, and only where it is not so already: SQLite writes every index of a column that is set, to whatever.
	text := "UPDATE " + table + " SET listed = 1 WHERE account_id = ? AND id IN " + in + " AND " + tx.w.store.dialect.Unindexed + "listed = 0 AND " + anyone + " > 0"
	if change.n < 0 {
		text = "UPDATE " + table + " SET listed = 0 WHERE account_id = ? AND id IN " + in + " AND " + tx.w.store.dialect.Unindexed + "listed = 1 AND " + anyone + " <= 0"
	}
	_, err = tx.exec(ctx, text, args[1:]...)
	return err
}

// listedWhere says of what the number must not be 0 for a row to be in lists. Most changes leave it so: an index that begins with
// it need not be written then.
var listedWhere = map[string]string{"product_versions": "devices", "vulnerabilities": "devices + accepted"}
