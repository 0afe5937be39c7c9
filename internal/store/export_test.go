package store

import (
	"context"
	"maps"
	"strings"
)

// Exec runs a statement that writes.
func Exec(ctx context.Context, s *Store, query string, args ...any) error {
	_, err := s.pools.Admin.ExecContext(ctx, s.dialect.Rebind(query), args...)
	return err
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
