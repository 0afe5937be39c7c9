package store

import (
	"context"
	"slices"
	"strings"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// device_words holds, for each live device, device.Words of it and device.AddressWords of its current addresses. What
// changes a device writes what changes of its words, so one that stays as it is writes nothing here.

// addWords stores words that the device may have already.
func (tx *Tx) addWords(ctx context.Context, account posture.AccountID, id string, words []string) error {
	for chunk := range slices.Chunk(words, 32) {
		chunk = padded(chunk)
		args := make([]any, 0, 3*len(chunk))
		for _, w := range chunk {
			args = append(args, account, w, id)
		}
		_, err := tx.exec(ctx, "INSERT INTO device_words (account_id, word, device_id) VALUES (?, ?, ?)"+
			strings.Repeat(", (?, ?, ?)", len(chunk)-1)+" ON CONFLICT (account_id, word, device_id) DO NOTHING", args...)
		if err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) removeWords(ctx context.Context, account posture.AccountID, id string, words []string) error {
	for chunk := range slices.Chunk(words, 32) {
		chunk = padded(chunk)
		args := []any{account, id}
		for _, w := range chunk {
			args = append(args, w)
		}
		_, err := tx.exec(ctx, "DELETE FROM device_words WHERE account_id = ? AND device_id = ? AND word IN ("+places(len(chunk))+")", args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// replaceWords makes new the words of a device whose words were old. A word that it also has by another right, which keep
// gives where it matters, stays.
func (tx *Tx) replaceWords(ctx context.Context, account posture.AccountID, id string, old, words []string, keep func(gone []string) ([]string, error)) error {
	gone, added := without(old, words), without(words, old)
	if len(gone) > 0 {
		kept, err := keep(gone)
		if err != nil {
			return err
		}
		err = tx.removeWords(ctx, account, id, without(gone, kept))
		if err != nil {
			return err
		}
	}
	return tx.addWords(ctx, account, id, added)
}

// without gives the words of a that are not among b.
func without(a, b []string) []string {
	var out []string
	for _, w := range a {
		if !slices.Contains(b, w) {
			out = append(out, w)
		}
	}
	return out
}

// updateWords follows the change of a device from old to d.
func (tx *Tx) updateWords(ctx context.Context, old, d *device.Device) error {
	was, is := old.Lifecycle == device.Live, d.Lifecycle == device.Live
	switch {
	case was && is && device.SameWords(old, d), !was && !is:
		return nil
	case was && is:
		return tx.replaceWords(ctx, d.Account, d.ID, device.Words(old), device.Words(d), func(gone []string) ([]string, error) {
			if !slices.ContainsFunc(gone, likeAddress) {
				return nil, nil
			}
			return tx.addressWords(ctx, d.Account, d.ID)
		})
	case is:
		addresses, err := tx.addressWords(ctx, d.Account, d.ID)
		if err != nil {
			return err
		}
		return tx.addWords(ctx, d.Account, d.ID, append(device.Words(d), addresses...))
	default:
		_, err := tx.exec(ctx, "DELETE FROM device_words WHERE account_id = ? AND device_id = ?", d.Account, d.ID)
		return err
	}
}

// addressWords gives the words of the current addresses of a device.
func (tx *Tx) addressWords(ctx context.Context, account posture.AccountID, id string) ([]string, error) {
	var out []string
	err := tx.query(ctx, func(r scanner) error {
		var mac int64
		err := r.Scan(&mac)
		out = appendAddress(out, mac)
		return err
	}, "SELECT mac FROM device_adapters WHERE account_id = ? AND device_id = ? AND is_current = 1", account, id)
	return out, err
}

// likeAddress reports whether a word may be one of an address.
func likeAddress(word string) bool {
	return (len(word) == len("0a0b0c0d0e0f") || len(word) == len("0a:0b:0c:0d:0e:0f")) && strings.Trim(word, "0123456789abcdef:") == ""
}

func appendAddress(words []string, mac int64) []string {
	two := device.AddressWords(macOf(mac))
	return append(words, two[:]...)
}

// adapterWords follows the change of a live device's current addresses.
func (tx *Tx) adapterWords(ctx context.Context, account posture.AccountID, id string, known, reported map[int64]bool) error {
	var old, words []string
	for mac, current := range known {
		if current && !reported[mac] {
			old = appendAddress(old, mac)
		}
	}
	for mac := range reported {
		if !known[mac] {
			words = appendAddress(words, mac)
		}
	}
	slices.Sort(old)
	slices.Sort(words)
	return tx.replaceWords(ctx, account, id, old, words, func([]string) ([]string, error) {
		d, err := tx.named(ctx, account, id)
		if errs.Is(err, errs.NotFound) {
			return nil, nil // what is gone has no words to keep
		}
		return device.Words(&d), err
	})
}

// named gives what the words of a live device are made of.
func (tx *Tx) named(ctx context.Context, account posture.AccountID, id string) (device.Device, error) {
	d := device.Device{Account: account, ID: id}
	var flags int
	err := tx.locksDevice(account, id)
	if err != nil {
		return d, err
	}
	err = tx.queryRow(ctx, `SELECT name, host_name, serial, hardware_id, user_identity, linked_id, link_username, link_group, verdict_flags FROM devices
		WHERE account_id = ? AND id = ? AND lifecycle = 0`+tx.w.store.dialect.ForUpdate, account, id).Scan(
		&d.Name, &d.HostName, &d.Serial, &d.HardwareID, &d.UserIdentity, &d.LinkedID, &d.Link.Username, &d.Link.Group, &flags)
	d.LinkedMatters = flags&linkedMatters != 0
	return d, notFound(err, noDevice)
}

// places gives so many placeholders.
func places(n int) string { return "?" + strings.Repeat(", ?", n-1) }

// padded repeats the last of some values up to a power of two, so that few texts do for lists of every length.
func padded[T any](values []T) []T {
	n := 1
	for n < len(values) {
		n *= 2
	}
	out := make([]T, n)
	for i := range out {
		out[i] = values[min(i, len(values)-1)]
	}
	return out
}
