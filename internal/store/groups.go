package store

import (
	"context"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

const (
	insertCounts = "INSERT INTO device_counts (account_id, group_id) VALUES (?, ?)"
	noGroup      = "Group not found"
	// Groups from before they had a time of creation have that of their account.
	selectGroup = `SELECT device_groups.id, device_groups.name, domain_name, description, auto_join,
		CASE WHEN device_groups.created_at = 0 THEN a.created_at ELSE device_groups.created_at END, modified_at,
		policy_id, join_rule, join_order, remove_unseen, revision`
	fromGroups   = " FROM device_groups JOIN accounts a ON a.id = device_groups.account_id"
	lockedGroups = selectGroup + ", 0" + fromGroups + " WHERE device_groups.account_id = ? ORDER BY device_groups.id"
)

// listGroups adds the statuses up: each live device has one.
var listGroups = func() string {
	var statuses []string
	for _, c := range countColumns[:posture.NumStatuses] {
		statuses = append(statuses, "device_counts."+c)
	}
	return selectGroup + ", " + strings.Join(statuses, " + ") + fromGroups + `
		JOIN device_counts ON device_counts.account_id = device_groups.account_id AND device_counts.group_id = device_groups.id WHERE device_groups.account_id = ? ORDER BY device_groups.id`
}()

func groups(ctx context.Context, q querier, query string, account posture.AccountID) ([]device.Group, error) {
	var out []device.Group
	err := q.query(ctx, func(r scanner) error {
		var g device.Group
		var created, modified, removeUnseen int64
		err := r.Scan(&g.ID, &g.Name, &g.Domain, &g.Description, &g.AutoJoin, &created, &modified,
			&g.Policy, &g.JoinRule, &g.JoinOrder, &removeUnseen, &g.Revision, &g.Devices)
		g.CreatedAt, g.ModifiedAt, g.RemoveUnseen = timeOf(created), timeOf(modified), time.Duration(removeUnseen)*time.Millisecond
		out = append(out, g)
		return err
	}, query, account)
	return out, err
}

// Groups implements device.Groups.
func (s *Store) Groups(ctx context.Context, account posture.AccountID) ([]device.Group, error) {
	return groups(ctx, s, listGroups, account)
}

// Joinable implements device.Groups.
func (s *Store) Joinable(ctx context.Context, account posture.AccountID) ([]device.Group, error) {
	var out []device.Group
	err := s.query(ctx, func(r scanner) error {
		var g device.Group
		err := r.Scan(&g.ID, &g.JoinRule, &g.JoinOrder, &g.Domain)
		out = append(out, g)
		return err
	}, "SELECT id, join_rule, join_order, domain_name FROM device_groups WHERE account_id = ? AND (join_rule <> '' OR domain_name <> '')", account)
	return out, err
}

// GroupNames implements device.Groups. Every list of devices asks, so those who ask at the same time share a read.
func (s *Store) GroupNames(ctx context.Context, account posture.AccountID) (map[posture.GroupID]string, error) {
	ctx = context.WithoutCancel(ctx) // the others wait for it too
	return s.grouping.do(account, func() (map[posture.GroupID]string, error) {
		names := make(map[posture.GroupID]string)
		err := s.query(ctx, func(r scanner) error {
			var id posture.GroupID
			var name string
			err := r.Scan(&id, &name)
			names[id] = name
			return err
		}, "SELECT id, name FROM device_groups WHERE account_id = ?", account)
		return names, err
	})
}

// GroupsForUpdate implements device.GroupTx. The row of the account stands for all of its groups.
func (tx *Tx) GroupsForUpdate(ctx context.Context, account posture.AccountID) ([]device.Group, error) {
	err := tx.lockAccount(ctx, account)
	if err != nil {
		return nil, err
	}
	return groups(ctx, tx, lockedGroups, account)
}

// GroupForUpdate implements device.GroupTx.
func (tx *Tx) GroupForUpdate(ctx context.Context, account posture.AccountID, id posture.GroupID) (device.Group, error) {
	g := device.Group{ID: id}
	err := tx.queryRow(ctx, "SELECT name, auto_join FROM device_groups WHERE account_id = ? AND id = ?"+tx.w.store.dialect.ForUpdate, account, id).
		Scan(&g.Name, &g.AutoJoin)
	return g, notFound(err, noGroup)
}

// InsertGroup implements device.GroupTx. The first id behind that of the default group is 2.
func (tx *Tx) InsertGroup(ctx context.Context, account posture.AccountID, g *device.Group) error {
	tx.dirty = true
	err := tx.queryRow(ctx, nextInSequence, account, "groups", posture.DefaultGroup+2).Scan(&g.ID)
	if err != nil {
		return err
	}
	err = tx.execOne(ctx, `INSERT INTO device_groups (account_id, id, name, domain_name, description, auto_join, created_at, modified_at,
		policy_id, join_rule, join_order, remove_unseen, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		account, g.ID, g.Name, g.Domain, g.Description, flag(g.AutoJoin), millis(g.CreatedAt), millis(g.ModifiedAt),
		g.Policy, g.JoinRule, g.JoinOrder, g.RemoveUnseen.Milliseconds(), g.Revision)
	if err != nil {
		return err
	}
	return tx.execOne(ctx, insertCounts, account, g.ID)
}

// UpdateGroup implements device.GroupTx.
func (tx *Tx) UpdateGroup(ctx context.Context, account posture.AccountID, g *device.Group) error {
	return tx.execOne(ctx, `UPDATE device_groups SET name = ?, domain_name = ?, description = ?, auto_join = ?, modified_at = ?,
		policy_id = ?, join_rule = ?, join_order = ?, remove_unseen = ?, revision = ? WHERE account_id = ? AND id = ?`,
		g.Name, g.Domain, g.Description, flag(g.AutoJoin), millis(g.ModifiedAt),
		g.Policy, g.JoinRule, g.JoinOrder, g.RemoveUnseen.Milliseconds(), g.Revision, account, g.ID)
}

// DeleteGroup implements device.GroupTx. The devices themselves are asked: the counts of the step are not written yet.
// Devices that are gone keep the number of their group; when one comes back, it is looked for.
func (tx *Tx) DeleteGroup(ctx context.Context, account posture.AccountID, id, heir posture.GroupID) error {
	list, err := ids(ctx, tx, "SELECT id FROM devices WHERE account_id = ? AND group_id = ? AND lifecycle = 0 LIMIT 1", account, id)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		return errs.New(errs.Conflict, "The group has devices; move them to another one first")
	}
	err = tx.moveCodes(ctx, account, id, heir)
	if err != nil {
		return err
	}
	delete(tx.moved, countKey{account, id}) // what earlier steps moved out of it
	for _, query := range []string{
		"DELETE FROM device_counts WHERE account_id = ? AND group_id = ?",
		"DELETE FROM device_groups WHERE account_id = ? AND id = ?",
	} {
		err = tx.execOne(ctx, query, account, id)
		if err != nil {
			return err
		}
	}
	return nil
}
