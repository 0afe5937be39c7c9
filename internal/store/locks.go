package store

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"muster/internal/posture"
)

// Where several servers write, every transaction locks accounts first, then devices in the order of their ids, and then all else.
// Which devices a step locks it may learn only on its way: a report may end a conflict with a device that comes earlier. Such a
// step is undone and run again, and then what it locked is locked before it begins, in order.

// locks are the accounts and devices that a transaction has locked.
type locks struct {
	accounts map[posture.AccountID]bool
	devices  map[deviceKey]bool
	last     deviceKey // the last of the devices in order
	// late says that a lock was asked for that comes before one that the transaction has; it is among them nevertheless.
	late bool
}

// errLate ends a step that asks for a lock too late.
var errLate = errors.New("a lock is asked for out of order")

// maxLate is how often a step is run again for that. Each time it locks something more beforehand.
const maxLate = 200

func compareDevices(a, b deviceKey) int {
	return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.account, b.account)) // as the keys of steps are compared
}

// lockAccount lets nobody else lock the row of an account, which stands for what it has of codes, groups and the like.
func (tx *Tx) lockAccount(ctx context.Context, account posture.AccountID) error {
	err := tx.locksAccount(account)
	if err != nil {
		return err
	}
	var id posture.AccountID
	err = tx.queryRow(ctx, "SELECT id FROM accounts WHERE id = ?"+tx.w.store.dialect.ForUpdate, account).Scan(&id)
	return notFound(err, noAccount)
}

// locksAccount is to be asked before an account is locked.
func (tx *Tx) locksAccount(account posture.AccountID) error {
	if !tx.w.store.dialect.SharedLimits || tx.locks.accounts[account] {
		return nil
	}
	if tx.locks.accounts == nil {
		tx.locks.accounts = make(map[posture.AccountID]bool)
	}
	tx.locks.accounts[account] = true
	return tx.inOrder(len(tx.locks.devices) == 0)
}

// locksDevice is to be asked before a device is locked.
func (tx *Tx) locksDevice(account posture.AccountID, id string) error {
	key := deviceKey{account, id}
	if !tx.w.store.dialect.SharedLimits || tx.locks.devices[key] {
		return nil
	}
	if tx.locks.devices == nil {
		tx.locks.devices = make(map[deviceKey]bool)
	}
	tx.locks.devices[key] = true
	if compareDevices(key, tx.locks.last) < 0 {
		return tx.inOrder(false)
	}
	tx.locks.last = key
	return nil
}

func (tx *Tx) inOrder(is bool) error {
	if is {
		return nil
	}
	tx.locks.late = true
	return errLate
}

// lockFirst locks what an earlier attempt at a step came to lock.
func (tx *Tx) lockFirst(first locks) error {
	ctx := context.Background()
	for _, account := range slices.Sorted(maps.Keys(first.accounts)) {
		err := tx.lockAccount(ctx, account)
		if err != nil {
			return err
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(first.devices), compareDevices) {
		err := tx.locksDevice(key.account, key.id)
		if err != nil {
			return err
		}
		_, err = ids(ctx, tx, "SELECT id FROM devices WHERE account_id = ? AND id = ?"+tx.w.store.dialect.ForUpdate, key.account, key.id)
		if err != nil {
			return err
		}
	}
	return nil
}
