package store

import (
	"context"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

// number gives an address as the integer it is stored as.
func number(m posture.MAC) int64 {
	var n int64
	for _, b := range m {
		n = n<<8 | int64(b)
	}
	return n
}

func macOf(n int64) posture.MAC {
	var m posture.MAC
	for i := range m {
		m[i] = byte(n >> (40 - 8*i))
	}
	return m
}

// A device uses its current addresses until it was last heard of, the others until they were last reported.
const (
	selectClaims = `SELECT a.device_id, a.mac, a.first_at, a.is_current, a.last_at, d.reported_at, COALESCE(s.seen_at, 0), d.lifecycle
		FROM device_adapters a
		JOIN devices d ON d.account_id = a.account_id AND d.id = a.device_id
		LEFT JOIN device_seen s ON s.account_id = a.account_id AND s.device_id = a.device_id`
	claimsOnMAC     = selectClaims + " WHERE a.account_id = ? AND a.mac = ?"
	liveClaimsOnMAC = claimsOnMAC + " AND d.lifecycle = 0 LIMIT ?"
	allClaimsOnMAC  = claimsOnMAC + " LIMIT ?"
	claimsOfDevice  = selectClaims + " WHERE a.account_id = ? AND a.device_id = ? ORDER BY a.is_current DESC, a.mac"
)

func claims(ctx context.Context, q querier, query string, args ...any) ([]device.Claim, error) {
	var out []device.Claim
	err := q.query(ctx, func(r scanner) error {
		var c device.Claim
		var mac, first, last, reported, seen int64
		err := r.Scan(&c.DeviceID, &mac, &first, &c.Current, &last, &reported, &seen, &c.Lifecycle)
		if c.Current {
			last = max(last, reported, seen)
		}
		c.MAC, c.First, c.Last = macOf(mac), timeOf(first), timeOf(last)
		out = append(out, c)
		return err
	}, query, args...)
	return out, err
}

// Claims implements device.Finder.
func (s *Store) Claims(ctx context.Context, account posture.AccountID, mac posture.MAC) ([]device.Claim, error) {
	return claims(ctx, s, liveClaimsOnMAC, account, number(mac), device.MaxClaims)
}

// Adapters implements device.Finder.
func (s *Store) Adapters(ctx context.Context, account posture.AccountID, id string) ([]device.Claim, error) {
	return claims(ctx, s, claimsOfDevice, account, id)
}

const soleClaim = "SELECT device_id FROM device_adapters WHERE account_id = ? AND mac = ? LIMIT 2"

// Claims implements device.Tx. Nearly every address was reported by one device only, and then nothing else about that
// claim matters.
func (tx *Tx) Claims(ctx context.Context, account posture.AccountID, mac posture.MAC) ([]device.Claim, error) {
	who, err := ids(ctx, tx, soleClaim, account, number(mac))
	switch {
	case err != nil:
		return nil, err
	case len(who) == 1:
		return []device.Claim{{DeviceID: who[0], MAC: mac}}, nil
	default:
		return claims(ctx, tx, liveClaimsOnMAC, account, number(mac), device.MaxClaims)
	}
}

// ClaimsAll implements device.Tx.
func (tx *Tx) ClaimsAll(ctx context.Context, account posture.AccountID, mac posture.MAC) ([]device.Claim, error) {
	return claims(ctx, tx, allClaimsOnMAC, account, number(mac), device.MaxClaims)
}

// keptAdapters is how many addresses of a device are remembered: far more than a machine has in its life, and few enough
// that one that invents a new address every day does no harm.
const keptAdapters = 256

// PutAdapters implements device.Tx. The usual report names the addresses that are current already, and writes nothing.
func (tx *Tx) PutAdapters(ctx context.Context, account posture.AccountID, id string, macs []posture.MAC, at time.Time) error {
	known := make(map[int64]bool)
	err := tx.query(ctx, func(r scanner) error {
		var mac int64
		var current bool
		err := r.Scan(&mac, &current)
		known[mac] = current
		return err
	}, "SELECT mac, is_current FROM device_adapters WHERE account_id = ? AND device_id = ?", account, id)
	if err != nil {
		return err
	}
	reported := make(map[int64]bool, len(macs))
	for _, m := range macs {
		mac := number(m)
		reported[mac] = true
		if known[mac] {
			continue
		}
		err = tx.execOne(ctx, `INSERT INTO device_adapters (account_id, mac, device_id, first_at, last_at, is_current)
			VALUES (?, ?, ?, ?, ?, 1)
			ON CONFLICT (account_id, mac, device_id) DO UPDATE SET is_current = 1, last_at = excluded.last_at`,
			account, mac, id, millis(at), millis(at))
		if err != nil {
			return err
		}
	}
	err = tx.adapterWords(ctx, account, id, known, reported)
	if err != nil {
		return err
	}
	err = tx.dropAdapters(ctx, account, id, known, reported, at)
	if err != nil || len(known)+len(reported) <= keptAdapters {
		return err
	}
	return tx.forgetAdapters(ctx, account, id)
}

// forgetAdapters removes the addresses beyond those that are kept, the longest unused first; current ones stay.
func (tx *Tx) forgetAdapters(ctx context.Context, account posture.AccountID, id string) error {
	_, err := tx.exec(ctx, `DELETE FROM device_adapters WHERE account_id = ? AND device_id = ? AND is_current = 0 AND mac IN (
		SELECT mac FROM device_adapters WHERE account_id = ? AND device_id = ? ORDER BY is_current DESC, last_at DESC LIMIT 1000000 OFFSET ?)`,
		account, id, account, id, keptAdapters)
	return err
}

// dropAdapters marks the addresses that were current and are not reported any more.
func (tx *Tx) dropAdapters(ctx context.Context, account posture.AccountID, id string, known, reported map[int64]bool, at time.Time) error {
	for mac, current := range known {
		if !current || reported[mac] {
			continue
		}
		err := tx.execOne(ctx, `UPDATE device_adapters SET is_current = 0, last_at = ?
			WHERE account_id = ? AND mac = ? AND device_id = ?`, millis(at), account, mac, id)
		if err != nil {
			return err
		}
	}
	return nil
}
