package store

import (
	"context"
	"slices"

	"muster/internal/device"
	"muster/internal/posture"
)

// holders finds some devices by a facet, in the order of enrolment.
const holders = `SELECT device_id FROM device_facets WHERE account_id = ? AND facet = ? AND device_id > ? AND device_id < ?
	ORDER BY device_id LIMIT ?`

// DevicesWith implements device.Spread. It costs what the facets and the limit are, not how many devices there are.
func (s *Store) DevicesWith(ctx context.Context, account posture.AccountID, facets device.Facets, after string, limit int) ([]string, error) {
	if !storable(after) || limit < 1 {
		return nil, nil
	}
	var out []string
	before := behindIDs
	for _, facet := range distinct(facets) {
		some, err := ids(ctx, s, holders, account, facet, after, before, limit)
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			continue
		}
		out = append(out, some...)
		slices.Sort(out)
		out = slices.Compact(out)
		if len(out) >= limit {
			out = out[:limit]
			before = out[limit-1] // what lies behind it is of no interest
		}
	}
	return out, nil
}
