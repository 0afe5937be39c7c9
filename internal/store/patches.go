package store

import (
	"context"
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
	facets := make(device.Facets, len(updates))
	for i, id := range updates {
		facets[i] = facetOf(facetPatch, id)
	}
	ids, err := s.DevicesWith(ctx, account, facets, after, limit)
	if err != nil {
		return nil, err
	}
	var out []device.Device
	err = inChunks(ids, func(part []string) error {
		in, args := anyOf([]any{account}, part)
		return s.query(ctx, func(r scanner) error {
			out = append(out, device.Device{})
			return scanDevice(r, &out[len(out)-1])
		}, selectDevice+" WHERE d.account_id = ? AND d.lifecycle = 0 AND d.id IN "+in+" ORDER BY d.id", args...)
	})
	return out, err
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
