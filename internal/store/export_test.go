package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"muster/internal/device"
	"muster/internal/posture"
)

// Exec runs a statement that writes.
func Exec(ctx context.Context, s *Store, query string, args ...any) error {
	_, err := s.pools.Admin.ExecContext(ctx, s.dialect.Rebind(query), args...)
	return err
}

// A few devices are to make several chunks.
func init() { chunkSize = 8 }

// SetChunkSize is for measurements.
func SetChunkSize(n uint32) { chunkSize = n }

// PackFacets gives a set as the previous version stores it.
func PackFacets(set []int64) []byte { return packFacets(set) }

// WriteVerdict gives the text of a verdict.
var WriteVerdict = writeVerdict

// Number reads one whole number.
func (s *Store) Number(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.queryRow(ctx, query, args...).Scan(&n)
	return n, err
}

// TableSize is what a table or an index takes on disk.
type TableSize struct {
	Name  string
	Bytes int64
}

// TableSizes lists all tables and indexes, the largest first.
func (s *Store) TableSizes(ctx context.Context) ([]TableSize, error) {
	text := "SELECT name, SUM(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC"
	if s.SharedLimits() {
		text = `SELECT c.relname, pg_table_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = 'public' AND c.relkind IN ('r', 'i') ORDER BY 2 DESC`
	}
	var out []TableSize
	err := s.query(ctx, func(r scanner) error {
		var one TableSize
		err := r.Scan(&one.Name, &one.Bytes)
		out = append(out, one)
		return err
	}, text)
	return out, err
}

// BaseTexts gives the texts of all bases of an account.
func (s *Store) BaseTexts(ctx context.Context, account posture.AccountID) ([]string, error) {
	list, err := s.describedBases(ctx, account)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range list {
		b, err := s.base(ctx, account, d.id)
		if err != nil {
			return nil, err
		}
		out = append(out, string(b.text))
	}
	return out, nil
}

// Plans gives SQLite's plan for every statement that was used so far, reading and writing. Nothing may use the store
// meanwhile.
func (s *Store) Plans(ctx context.Context) (map[string]string, error) {
	used := maps.Clone(s.prepared)
	maps.Copy(used, s.writer.stmt)
	out := make(map[string]string)
	for query := range used {
		rows, err := s.pools.Read.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
		if err != nil {
			return nil, err
		}
		var plan []string
		err = eachRow(rows, func(r scanner) error {
			var id, parent, unused int
			var detail string
			err := r.Scan(&id, &parent, &unused, &detail)
			plan = append(plan, detail)
			return err
		})
		if err != nil {
			return nil, err
		}
		out[query] = strings.Join(plan, "; ")
	}
	return out, nil
}

// Spoil changes the database behind the store's back.
func (s *Store) Spoil(ctx context.Context, statement string) error {
	_, err := s.pools.Admin.ExecContext(ctx, statement)
	return err
}

// Shape is one way to run a list: what finds the devices, and the index that should.
type Shape struct {
	Name   string
	Index  string
	Gather bool
	Query  string
	Args   []any
}

// Shapes gives every way to run a list of a filter, whichever would be chosen.
func (s *Store) Shapes(ctx context.Context, account posture.AccountID, f *device.Filter) ([]Shape, error) {
	c, err := s.criteriaOf(ctx, account, f)
	if err != nil {
		return nil, err
	}
	var out []Shape
	for order := device.ByEnrolment; order <= device.ByIssues; order++ {
		for driver := -1; driver < len(c.members); driver++ {
			for _, gather := range []bool{false, true} {
				p := &plan{criteria: c, account: account, unindexed: s.dialect.Unindexed, order: order, gather: gather}
				if driver >= 0 {
					p.driver = &p.members[driver]
				}
				if gather && driver < 0 || !gather && driver >= 0 && !p.inParts(p.driver) {
					continue
				}
				out = append(out, p.shapes()...)
			}
		}
	}
	return out, nil
}

func (p *plan) shapes() []Shape {
	index := map[device.Order]string{device.ByEnrolment: "devices_live", device.ByHostName: "devices_host_name", device.ByIssues: "devices_issues"}[p.order]
	if p.driver != nil {
		index = map[string]string{
			"status": "devices_status", "severity": "devices_severity", "os_family": "devices_os", "device_type": "devices_type",
			"group_id": "devices_group", "level_opswat": "devices_level", "": "device_facets",
		}[p.driver.column]
		if p.driver.table == inWords {
			index = "device_words"
		}
	}
	after := position{id: strings.Repeat("7", 32), value: map[device.Order]any{device.ByHostName: "m", device.ByIssues: 1}[p.order]}
	var out []Shape
	for _, down := range []bool{false, true} {
		for _, at := range []position{{}, after} {
			for _, skip := range []int{0, 100} {
				p.descending = down
				q := p.list(at, skip, 51)
				name := fmt.Sprintf("order %d by %s, gather %v, descending %v, after %q, skip %d", p.order, index, p.gather, down, at.id, skip)
				out = append(out, Shape{name, index, p.gather, q.String(), q.args})
			}
		}
	}
	return out
}

// Explain gives the engine's plan for a shape, one step in a line.
func (s *Store) Explain(ctx context.Context, how string, shape Shape) (string, error) {
	rows, err := s.pools.Read.QueryContext(ctx, how+" "+s.dialect.Rebind(shape.Query), shape.Args...)
	if err != nil {
		return "", err
	}
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var plan strings.Builder
	err = eachRow(rows, func(r scanner) error {
		var detail string
		places := []any{new(any), new(any), new(any), &detail}
		err := r.Scan(places[len(places)-len(columns):]...)
		plan.WriteString(detail + "\n")
		return err
	})
	return plan.String(), err
}

// MigrateTo brings the schema to an earlier version than the newest.
func (s *Store) MigrateTo(ctx context.Context, version int64) error {
	p, err := s.provider()
	if err != nil {
		return err
	}
	_, err = p.UpTo(ctx, version)
	return err
}

// columnsOf gives the columns that a table has now.
func (s *Store) columnsOf(ctx context.Context, table string) ([]string, error) {
	rows, err := s.pools.Admin.QueryContext(ctx, "SELECT * FROM "+table+" WHERE 1 = 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	return columns, errors.Join(err, rows.Err())
}

// InsertOld stores a device with its report as far as an earlier schema has columns for it, and counts it.
func (s *Store) InsertOld(ctx context.Context, d *device.Device, body []byte, verdict string) error {
	there, err := s.columnsOf(ctx, "devices")
	if err != nil {
		return err
	}
	var columns []string
	var values []any
	all := deviceValues(d)
	for i, c := range deviceColumns {
		if slices.Contains(there, c) {
			columns, values = append(columns, c), append(values, all[i])
		}
	}
	err = Exec(ctx, s, "INSERT INTO devices ("+strings.Join(columns, ", ")+") VALUES ("+places(len(values))+")", values...)
	if err == nil {
		err = Exec(ctx, s, "INSERT INTO device_reports (account_id, device_id, received_at, body, verdict, facets) VALUES (?, ?, ?, ?, ?, ?)",
			d.Account, d.ID, millis(d.ReportedAt), encoder.EncodeAll(body, nil), verdict, []byte{})
	}
	if err != nil {
		return err
	}
	var counts device.Counts
	counts.Add(d.Cell, 1)
	return Exec(ctx, s, updateCounts, append(countValues(&counts), d.Account, d.Cell.Group)...)
}
