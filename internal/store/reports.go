package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	fastjson "github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"github.com/klauspost/compress/zstd"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// Reports are kept as received, so that what Muster does not understand today is not lost; zstd makes them a third to a
// tenth. One encoder and one decoder serve all goroutines.
var (
	encoder = must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest)))
	decoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxUnpacked)))
)

// maxUnpacked is how long a text may be that is unpacked: far longer than any that is accepted.
const maxUnpacked = 64 << 20

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// writeVerdict gives the JSON text of a verdict.
func writeVerdict(v *posture.Verdict) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding a verdict: %w", err)
	}
	return text, nil
}

// PutReport implements device.Tx.
func (tx *Tx) PutReport(ctx context.Context, account posture.AccountID, id string, r device.PackedReport, at time.Time) error {
	place, err := tx.moveFacets(ctx, account, id, &r)
	if err != nil {
		return err
	}
	return tx.execOne(ctx, `INSERT INTO device_reports (account_id, device_id, received_at, body, verdict, packed_verdict, facets, place)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account_id, device_id) DO UPDATE SET received_at = excluded.received_at,
		body = excluded.body, verdict = excluded.verdict, packed_verdict = excluded.packed_verdict, facets = excluded.facets,
		place = excluded.place`,
		account, id, millis(at), bytesOf(r.Body), r.Verdict, bytesOf(r.PackedVerdict), bytesOf(r.Set), int64(place))
}

// PutVerdict implements device.Tx.
func (tx *Tx) PutVerdict(ctx context.Context, account posture.AccountID, id string, r device.PackedReport) error {
	place, err := tx.moveFacets(ctx, account, id, &r)
	if err != nil {
		return err
	}
	return tx.execOne(ctx, `UPDATE device_reports SET verdict = ?, packed_verdict = ?, facets = ?, place = ?
		WHERE account_id = ? AND device_id = ?`, r.Verdict, bytesOf(r.PackedVerdict), bytesOf(r.Set), int64(place), account, id)
}

// Due implements device.Agents.
func (s *Store) Due(ctx context.Context, account posture.AccountID, now time.Time, limit int) ([]string, error) {
	return ids(ctx, s, `SELECT id FROM devices WHERE account_id = ? AND next_change_at > 0 AND next_change_at <= ? AND lifecycle = 0
		ORDER BY next_change_at LIMIT ?`, account, millis(now), limit)
}

// Verdict implements device.Finder. A device that was enrolled anew has none until it reports again.
func (s *Store) Verdict(ctx context.Context, account posture.AccountID, id string) (posture.Verdict, error) {
	var text string
	var packed []byte
	err := s.queryRow(ctx, `SELECT r.verdict, r.packed_verdict FROM device_reports r JOIN devices d ON d.account_id = r.account_id AND d.id = r.device_id
		WHERE r.account_id = ? AND r.device_id = ? AND d.lifecycle = 0 AND d.digest <> ?`, account, id, []byte{}).Scan(&text, &packed)
	if err != nil {
		return posture.Verdict{}, notFound(err, "The device has not reported yet")
	}
	text, err = s.verdictText(ctx, account, text, packed)
	if err != nil {
		return posture.Verdict{}, err
	}
	return s.UnpackVerdict(text)
}

// verdictText gives the JSON text of a stored verdict. One that stands as text is from a version that knew nothing else, and
// newer than what is packed beside it.
func (s *Store) verdictText(ctx context.Context, account posture.AccountID, text string, packed []byte) (string, error) {
	if text != "" || len(packed) == 0 {
		return text, nil
	}
	unpacked, err := s.unpack(ctx, account, packed)
	if err != nil {
		return "", fmt.Errorf("unpacking a stored verdict: %w", err)
	}
	return string(unpacked), nil
}

// Report implements device.Agents.
func (s *Store) Report(ctx context.Context, account posture.AccountID, id string) ([]byte, error) {
	var packed []byte
	err := s.queryRow(ctx, `SELECT r.body FROM device_reports r JOIN devices d ON d.account_id = r.account_id AND d.id = r.device_id
		WHERE r.account_id = ? AND r.device_id = ? AND d.lifecycle = 0`, account, id).Scan(&packed)
	if err != nil {
		return nil, notFound(err, "The device has not reported yet")
	}
	return s.unpack(ctx, account, packed)
}

// storedColumns are what device.Agents.Stored reads of devices d and device_seen s: see scanStored.
var storedColumns = `d.account_id, d.id, d.group_id, d.status, d.digest, d.judge, d.next_change_at, d.verdict_change_at, d.silence,
	d.verdict_flags, d.failing_since, d.exempted, d.exempt_until, d.hold <> '', d.issues_critical, d.issues_warning, d.link_username, d.link_group,
	d.pinned, d.device_type, d.os_family, d.reported_at, s.reported_at, ` + currentPolicy("d") + ", " + currentKnowledge("d")

var selectStored = "SELECT " + storedColumns + " FROM" + fromListed + " WHERE d.account_id = ? AND d.id = ? AND d.lifecycle = 0 AND d.managed = 1"

// scanStored reads storedColumns, and more columns behind them.
func scanStored(r scanner, d *device.Device, more ...any) error {
	var change, verdictChange, silence, failing, until, reported int64
	var lastReport *int64
	var flags int
	err := r.Scan(append([]any{
		&d.Account, &d.ID, &d.Cell.Group, &d.Cell.Status, &d.Digest, &d.Judge, &change,
		&verdictChange, &silence, &flags, &failing, &d.Exempted, &until, &d.Quarantined, &d.Issues.Critical, &d.Issues.Warning,
		&d.Link.Username, &d.Link.Group, &d.Pinned, &d.Type, &d.OSFamily, &reported, &lastReport, &d.Policy.ID, &d.Policy.Version, &d.Known.Generation, &d.Known.Revision,
	}, more...)...)
	d.Managed = true
	d.NextChange, d.VerdictChange, d.FailingSince, d.Exemption.Until = timeOf(change), timeOf(verdictChange), timeOf(failing), timeOf(until)
	d.Silence = time.Duration(silence) * time.Millisecond
	d.LinkedMatters, d.Silent = flags&linkedMatters != 0, flags&silent != 0
	d.ReportedAt, d.LastReport = timeOf(reported), laterOf(reported, lastReport)
	return err
}

// Stored implements device.Agents.
func (s *Store) Stored(ctx context.Context, account posture.AccountID, id string) (device.Device, error) {
	var d device.Device
	err := scanStored(s.queryRow(ctx, selectStored, account, id), &d)
	return d, notFound(err, noDevice)
}

var selectReported = "SELECT " + storedColumns + `, d.name, d.host_name, d.profile, r.body, COALESCE(r.verdict, ''), r.packed_verdict FROM` + fromListed + `
	LEFT JOIN device_reports r ON r.account_id = d.account_id AND r.device_id = d.id
	WHERE d.account_id = ? AND d.lifecycle = 0 AND d.managed = 1`

// Reported implements device.Fleet.
func (s *Store) Reported(ctx context.Context, account posture.AccountID, group posture.GroupID, after string, limit int) ([]device.Reported, error) {
	return s.reported(ctx, selectReported+" AND d.group_id = ? AND d.id > ? ORDER BY d.id LIMIT ?", account, group, after, limit)
}

// ReportedOf implements device.Fleet.
func (s *Store) ReportedOf(ctx context.Context, account posture.AccountID, ids []string) ([]device.Reported, error) {
	var out []device.Reported
	err := inChunks(slices.Sorted(slices.Values(ids)), func(part []string) error {
		in, args := anyOf([]any{account}, part)
		some, err := s.reported(ctx, selectReported+" AND d.id IN "+in+" ORDER BY d.id", args...)
		out = append(out, some...)
		return err
	})
	return out, err
}

func (s *Store) reported(ctx context.Context, query string, args ...any) ([]device.Reported, error) {
	var out []device.Reported
	var packed, verdicts [][]byte
	err := s.query(ctx, func(r scanner) error {
		var one device.Reported
		var body, verdict []byte
		err := scanStored(r, &one.Device, &one.Device.Name, &one.Device.HostName, &one.Device.PackedProfile, &body, &one.Verdict, &verdict)
		out, packed, verdicts = append(out, one), append(packed, body), append(verdicts, verdict)
		return err
	}, query, args...)
	// Only now, when no connection is held: a base may have to be read.
	for i := 0; i < len(out) && err == nil; i++ {
		err = s.unpackReported(ctx, &out[i], packed[i], verdicts[i])
	}
	return out, err
}

// unpackReported unpacks what is stored of a device. What cannot be read is left empty, so that whoever reads it says which
// device it is, and goes on with the others.
func (s *Store) unpackReported(ctx context.Context, one *device.Reported, body, verdict []byte) error {
	var err, failed error
	if len(body) > 0 {
		one.Body, err = s.unpack(ctx, one.Device.Account, body)
	}
	one.Verdict, failed = s.verdictText(ctx, one.Device.Account, one.Verdict, verdict)
	err = errors.Join(err, failed)
	if err == nil || errs.Is(err, errs.Unavailable) {
		return err
	}
	s.log.Error("what is stored of a device cannot be unpacked", "account", one.Device.Account, "device", one.Device.ID, "error", err)
	one.Body, one.Verdict = nil, ""
	return nil
}

// UnpackVerdict implements device.Fleet.
func (s *Store) UnpackVerdict(text string) (posture.Verdict, error) {
	var v posture.Verdict
	err := fastjson.Unmarshal([]byte(text), &v, jsonv1.FormatDurationAsNano(true)) // as json.Marshal writes durations
	if err != nil {
		err = fmt.Errorf("reading a stored verdict: %w", err)
	}
	return v, err
}
