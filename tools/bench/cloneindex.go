package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/internal/device"
	"muster/internal/posture"
	"muster/internal/store"
)

// The tables by which devices are found: what a clone has there is made as the store would make it.

// named is what the words of a device are made of, and its addresses.
type named struct {
	device.Device
	addresses []posture.MAC
}

// words gives what the device is searched for by, sorted.
func (n *named) words() []string {
	out := device.Words(&n.Device)
	for _, mac := range n.addresses {
		two := device.AddressWords(mac)
		out = append(out, two[:]...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// prepareIndexes reads what the originals are searched by.
func (c *cloner) prepareIndexes(ctx context.Context) error {
	for i := range baseSize {
		n, err := c.read(ctx, c.agents[i].id)
		if err != nil {
			return err
		}
		c.bases = append(c.bases, n)
	}
	return nil
}

// read reads a device.
func (c *cloner) read(ctx context.Context, id string) (n named, err error) {
	err = c.db.QueryRowContext(ctx, c.rebind(`SELECT name, host_name, serial, hardware_id, user_identity, link_username FROM devices
		WHERE account_id = ? AND id = ?`), c.account.ID, id).Scan(
		&n.Name, &n.HostName, &n.Serial, &n.HardwareID, &n.UserIdentity, &n.Link.Username)
	if err != nil {
		return n, err
	}
	n.ID = id
	rows, err := c.db.QueryContext(ctx, c.rebind(
		"SELECT mac FROM device_adapters WHERE account_id = ? AND device_id = ? AND is_current = 1"), c.account.ID, id)
	if err != nil {
		return n, err
	}
	defer rows.Close() //nolint:errcheck // Err says it
	for rows.Next() {
		var mac int64
		err = rows.Scan(&mac)
		if err != nil {
			return n, err
		}
		n.addresses = append(n.addresses, macFrom(mac))
	}
	return n, rows.Err()
}

func macFrom(n int64) (mac posture.MAC) {
	for b := range mac {
		mac[b] = byte(n >> (40 - 8*b))
	}
	return mac
}

// wordsAtOnce is how many rows one statement takes.
const wordsAtOnce = 1000

// cloneWords makes the words of the devices from one index to before another.
func (c *cloner) cloneWords(ctx context.Context, tx *sql.Tx, from, to int) error {
	var args []any
	flush := func() error {
		rows := len(args) / 3
		if rows == 0 {
			return nil
		}
		_, err := tx.ExecContext(ctx, c.rebind("INSERT INTO device_words (account_id, word, device_id) VALUES (?, ?, ?)"+
			strings.Repeat(", (?, ?, ?)", rows-1)), args...)
		args = args[:0]
		return err
	}
	for i := from; i < to; i++ {
		n := c.bases[i%baseSize]
		n.HardwareID, n.Serial = posture.IdentifyingNumber(hardwareID(i)), posture.IdentifyingNumber(serialNumber(i))
		n.Name, n.HostName = hostName(i), hostName(i)
		n.addresses = []posture.MAC{macFrom(macOf(i, 0)), macFrom(macOf(i, 1))}
		for _, w := range n.words() {
			args = append(args, c.account.ID, w, c.agents[i].id)
			if len(args) == 3*wordsAtOnce {
				err := flush()
				if err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

const (
	// checkedWords is how many devices have their words looked at, and checkedFacets up to which size all facets are counted:
	// that takes long.
	checkedWords, checkedFacets = 1000, 100_000
)

// checkIndexes looks whether devices are found by what they have, and by nothing else.
func (f *fleet) checkIndexes(ctx context.Context, st *store.Store) (err error) {
	if len(f.agents) <= checkedFacets {
		drift, err := st.CheckFacets(ctx, f.account.ID)
		if err != nil {
			return err
		}
		if len(drift) > 0 {
			return fmt.Errorf("%d counts of what devices have are wrong, such as %+v", len(drift), drift[0])
		}
	}
	c := &cloner{fleet: f}
	c.db, err = f.openSQL(false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.db.Close()) }()
	for i := 0; i < len(f.agents); i += max(1, len(f.agents)/checkedWords) {
		n, err := c.read(ctx, f.agents[i].id)
		if err != nil {
			return err
		}
		stored, err := c.storedWords(ctx, n.ID)
		if err != nil {
			return err
		}
		if !slices.Equal(stored, n.words()) {
			return fmt.Errorf("device %d is found by %q in place of %q", i, stored, n.words())
		}
	}
	return nil
}

func (c *cloner) storedWords(ctx context.Context, id string) ([]string, error) {
	rows, err := c.db.QueryContext(ctx, c.rebind("SELECT word FROM device_words WHERE account_id = ? AND device_id = ?"), c.account.ID, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // Err says it
	var out []string
	for rows.Next() {
		var w string
		err = rows.Scan(&w)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	slices.Sort(out)
	return out, rows.Err()
}
