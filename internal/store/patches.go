package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

// MissingPatches implements device.Spread.
func (s *Store) MissingPatches(ctx context.Context, account posture.AccountID) ([]device.MissingPatch, error) {
	var out []device.MissingPatch
	err := s.query(ctx, func(r scanner) error {
		var p device.MissingPatch
		var released int64
		err := r.Scan(&p.KB, &p.Title, &p.Product, &p.Vendor, &p.Severity, &p.Category, &released, &p.Devices)
		p.Released = timeOf(released)
		out = append(out, p)
		return err
	}, `SELECT kb, title, product, vendor, severity, category, released_at, devices FROM patches
		WHERE account_id = ? AND devices > 0 ORDER BY devices DESC, kb, title`, account)
	return out, err
}

// devicesWith finds some devices by a facet, in the order of enrolment.
var devicesWith = selectDevice + ` WHERE d.account_id = ? AND d.lifecycle = 0 AND d.id IN (SELECT device_id FROM device_facets
	WHERE account_id = ? AND facet = ? AND device_id > ? ORDER BY device_id LIMIT ?) ORDER BY d.id`

// DevicesMissing implements device.Spread. One number may stand for several updates with different titles, a few of them.
func (s *Store) DevicesMissing(ctx context.Context, account posture.AccountID, kb, after string, limit int) ([]device.Device, error) {
	if !storable(kb) || !storable(after) {
		return nil, nil
	}
	var updates []int64
	err := s.query(ctx, func(r scanner) error {
		var id int64
		err := r.Scan(&id)
		updates = append(updates, id)
		return err
	}, "SELECT id FROM patches WHERE account_id = ? AND kb = ? AND devices > 0 ORDER BY id", account, kb)
	if err != nil {
		return nil, err
	}
	var out []device.Device
	for _, id := range updates {
		err = s.query(ctx, func(r scanner) error {
			out = append(out, device.Device{})
			return scanDevice(r, &out[len(out)-1])
		}, devicesWith, account, account, facetOf(facetPatch, id), after, limit)
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b device.Device) int { return strings.Compare(a.ID, b.ID) })
	out = slices.CompactFunc(out, func(a, b device.Device) bool { return a.ID == b.ID })
	return out[:min(len(out), limit)], nil
}

// LastReport implements device.Spread.
func (s *Store) LastReport(ctx context.Context, account posture.AccountID, id string) ([]byte, time.Time, error) {
	var packed []byte
	var at int64
	err := s.queryRow(ctx, `SELECT r.body, r.received_at FROM device_reports r JOIN devices d ON d.account_id = r.account_id AND d.id = r.device_id
		WHERE r.account_id = ? AND r.device_id = ? AND d.lifecycle = 0 AND d.digest <> ?`, account, id, []byte{}).Scan(&packed, &at)
	if err != nil {
		return nil, time.Time{}, notFound(err, "The device has not reported yet")
	}
	body, err := s.unpack(ctx, account, packed)
	return body, timeOf(at), err
}
