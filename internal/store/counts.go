package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"muster/internal/device"
	"muster/internal/posture"
)

// countColumns are the columns of device_counts in the order in which countPointers walks a device.Counts.
var countColumns = func() []string {
	var out []string
	for _, s := range posture.Statuses {
		name := strings.ReplaceAll(s.String(), "-", "_")
		if s == posture.StatusOutOfLicence {
			name = "out_of_licence"
		}
		out = append(out, "status_"+name)
	}
	out = append(out, "severity_none", "severity_warning", "severity_critical")
	for _, score := range []string{"opswat", "cvss2", "cvss3"} {
		for _, level := range []string{"unknown", "low", "medium", "high", "critical"} {
			out = append(out, score+"_"+level)
		}
	}
	return out
}()

// countPointers gives the places of the counts in the order of countColumns.
func countPointers(c *device.Counts) []*int64 {
	out := make([]*int64, 0, len(countColumns))
	for i := range c.Status {
		out = append(out, &c.Status[i])
	}
	for i := range c.Severity {
		out = append(out, &c.Severity[i])
	}
	for t := range c.Levels {
		for i := range c.Levels[t] {
			out = append(out, &c.Levels[t][i])
		}
	}
	return out
}

func countValues(c *device.Counts) []any {
	out := make([]any, 0, len(countColumns)+2)
	for _, n := range countPointers(c) {
		out = append(out, *n)
	}
	return out
}

var updateCounts = func() string {
	set := make([]string, len(countColumns))
	for i, c := range countColumns {
		set[i] = c + " = " + c + " + ?"
	}
	return "UPDATE device_counts SET " + strings.Join(set, ", ") + " WHERE account_id = ? AND group_id = ?"
}()

// countsText is a row as one text: drivers take longer to hand over 28 columns than databases to find them.
var countsText = strings.Join(countColumns, " || ' ' || ")

var (
	selectCounts      = "SELECT " + countsText + " FROM device_counts WHERE account_id = ?"
	selectGroupCounts = "SELECT group_id, " + countsText + " FROM device_counts WHERE account_id = ?"
)

// Counts implements device.Inventory: it reads one row for each group, for all who ask at the same time.
func (s *Store) Counts(ctx context.Context, account posture.AccountID) (device.Counts, error) {
	return s.counting.do(account, func() (device.Counts, error) {
		var total device.Counts
		err := s.query(ctx, addCounts(&total), selectCounts, account)
		return total, err
	})
}

// GroupCounts implements device.Fleet.
func (s *Store) GroupCounts(ctx context.Context, account posture.AccountID) (map[posture.GroupID]device.Counts, error) {
	out := make(map[posture.GroupID]device.Counts)
	err := s.query(ctx, func(r scanner) error {
		var group posture.GroupID
		var text string
		err := r.Scan(&group, &text)
		if err != nil {
			return err
		}
		out[group], err = readCounts(text)
		return err
	}, selectGroupCounts, account)
	return out, err
}

func addCounts(total *device.Counts) func(scanner) error {
	return func(r scanner) error {
		var text string
		err := r.Scan(&text)
		if err != nil {
			return err
		}
		one, err := readCounts(text)
		total.Merge(&one)
		return err
	}
}

// readCounts reads the text that countsText makes.
func readCounts(text string) (device.Counts, error) {
	var one device.Counts
	places := countPointers(&one)
	for number := range strings.SplitSeq(text, " ") {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return one, fmt.Errorf("reading counts: %w", err)
		}
		*places[0], places = n, places[1:]
	}
	return one, nil
}

const countRows = `SELECT status, severity, level_opswat, level_cvss2, level_cvss3, COUNT(*) FROM devices
	WHERE account_id = ? AND lifecycle = 0 GROUP BY status, severity, level_opswat, level_cvss2, level_cvss3`

// Recount implements device.Inventory. Both numbers are of the same moment.
func (s *Store) Recount(ctx context.Context, account posture.AccountID) (kept, actual device.Counts, err error) {
	tx, err := s.pools.Read.BeginTx(ctx, s.dialect.Snapshot)
	if err != nil {
		return kept, actual, err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	rows, err := tx.QueryContext(ctx, s.dialect.Rebind(selectCounts), account)
	if err != nil {
		return kept, actual, err
	}
	err = eachRow(rows, addCounts(&kept))
	if err != nil {
		return kept, actual, err
	}
	rows, err = tx.QueryContext(ctx, s.dialect.Rebind(countRows), account)
	if err != nil {
		return kept, actual, err
	}
	err = eachRow(rows, func(r scanner) error {
		var cell posture.Cell
		var n int64
		err := r.Scan(&cell.Status, &cell.Severity, &cell.Levels[0], &cell.Levels[1], &cell.Levels[2], &n)
		actual.Add(cell, n)
		return err
	})
	return kept, actual, err
}
