package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

const (
	commandColumns = "id, device_id, kind, params, state, actor, created_at, delivered_at, ended_at, expires_at, message"
	noCommand      = "Command not found"
	// A device has a few dozen commands in thirty days, so those that are over need no index to be left out.
	openCommands = "SELECT " + commandColumns + " FROM device_commands WHERE account_id = ? AND device_id = ? AND state < 2 ORDER BY id"
)

// scanCommand reads a row that ends with commandColumns and then perhaps more.
func scanCommand(r scanner, c *device.Command, before []any, after ...any) error {
	var params string
	var created, delivered, ended, expires int64
	err := r.Scan(append(append(before, &c.ID, &c.DeviceID, &c.Kind, &params, &c.State, &c.Actor, &created, &delivered, &ended, &expires, &c.Message), after...)...)
	if err != nil {
		return err
	}
	c.CreatedAt, c.DeliveredAt, c.EndedAt, c.ExpiresAt = timeOf(created), timeOf(delivered), timeOf(ended), timeOf(expires)
	err = json.Unmarshal([]byte(params), &c.Params)
	if err != nil {
		return fmt.Errorf("reading the parameters of a command: %w", err)
	}
	return nil
}

// Command implements device.Commands.
func (s *Store) Command(ctx context.Context, account posture.AccountID, id string) (device.Command, error) {
	var c device.Command
	err := scanCommand(s.queryRow(ctx, "SELECT "+commandColumns+", output FROM device_commands WHERE account_id = ? AND id = ?", account, id),
		&c, nil, &c.Output)
	return c, notFound(err, noCommand)
}

func openOf(ctx context.Context, q querier, account posture.AccountID, deviceID string) ([]device.Command, error) {
	var out []device.Command
	err := q.query(ctx, func(r scanner) error {
		out = append(out, device.Command{})
		return scanCommand(r, &out[len(out)-1], nil)
	}, openCommands, account, deviceID)
	return out, err
}

// OpenCommands implements device.Commands.
func (s *Store) OpenCommands(ctx context.Context, account posture.AccountID, deviceID string) ([]device.Command, error) {
	return openOf(ctx, s, account, deviceID)
}

// OpenCommands implements device.CommandTx.
func (tx *Tx) OpenCommands(ctx context.Context, account posture.AccountID, deviceID string) ([]device.Command, error) {
	return openOf(ctx, tx, account, deviceID)
}

// OpenSince implements device.Commands.
func (s *Store) OpenSince(ctx context.Context, expires time.Time) ([]device.Expecting, error) {
	var out []device.Expecting
	err := s.query(ctx, func(r scanner) error {
		var e device.Expecting
		var until int64
		err := r.Scan(&e.Account, &e.ID, &until)
		e.Until = timeOf(until)
		out = append(out, e)
		return err
	}, "SELECT account_id, device_id, expires_at FROM device_commands WHERE state < 2 AND expires_at >= ?", millis(expires))
	return out, err
}

// ExpiredCommands implements device.CommandTx.
func (tx *Tx) ExpiredCommands(ctx context.Context, now time.Time, limit int) ([]device.Expired, error) {
	var out []device.Expired
	err := tx.query(ctx, func(r scanner) error {
		out = append(out, device.Expired{})
		e := &out[len(out)-1]
		return scanCommand(r, &e.Command, []any{&e.Account})
	}, "SELECT account_id, "+commandColumns+` FROM device_commands WHERE state < 2 AND expires_at <= ?
		ORDER BY expires_at, account_id, device_id LIMIT ?`, millis(now), limit)
	// In the order in which others, who have locked their devices, come to them.
	slices.SortFunc(out, func(a, b device.Expired) int {
		return cmp.Or(compareDevices(deviceKey{a.Account, a.DeviceID}, deviceKey{b.Account, b.DeviceID}), cmp.Compare(a.ID, b.ID))
	})
	return out, err
}

// InsertCommand implements device.CommandTx.
func (tx *Tx) InsertCommand(ctx context.Context, account posture.AccountID, c *device.Command) error {
	params, err := json.Marshal(c.Params)
	if err != nil {
		return fmt.Errorf("encoding the parameters of a command: %w", err)
	}
	return tx.execOne(ctx, "INSERT INTO device_commands (account_id, "+commandColumns+", output) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		account, c.ID, c.DeviceID, string(c.Kind), string(params), c.State, c.Actor, millis(c.CreatedAt), millis(c.DeliveredAt),
		millis(c.EndedAt), millis(c.ExpiresAt), c.Message, bytesOf(c.Output))
}

// DeliverCommand implements device.CommandTx.
func (tx *Tx) DeliverCommand(ctx context.Context, account posture.AccountID, id string, at time.Time) error {
	_, err := tx.exec(ctx, "UPDATE device_commands SET state = ?, delivered_at = ? WHERE account_id = ? AND id = ? AND state = ?",
		device.CommandDelivered, millis(at), account, id, device.CommandQueued)
	return err
}

// EndCommand implements device.CommandTx.
func (tx *Tx) EndCommand(ctx context.Context, account posture.AccountID, c *device.Command) (bool, error) {
	n, err := tx.exec(ctx, "UPDATE device_commands SET state = ?, ended_at = ?, message = ?, output = ? WHERE account_id = ? AND id = ? AND state < 2",
		c.State, millis(c.EndedAt), c.Message, bytesOf(c.Output), account, c.ID)
	return n == 1, err
}

// ForgetCommands implements device.Commands.
func (s *Store) ForgetCommands(ctx context.Context, before time.Time, limit int) (n int64, err error) {
	err = s.writer.do(ctx, keyMany, func(tx *Tx) error {
		n, err = tx.exec(ctx, `DELETE FROM device_commands WHERE (account_id, id) IN (
			SELECT account_id, id FROM device_commands WHERE state >= 2 AND ended_at < ? LIMIT ?)`, millis(before), limit)
		return err
	})
	return n, err
}

// Erase implements device.Tx.
func (tx *Tx) Erase(ctx context.Context, account posture.AccountID, id string) error {
	for _, query := range []string{
		"DELETE FROM device_reports WHERE account_id = ? AND device_id = ?",
		"DELETE FROM device_commands WHERE account_id = ? AND device_id = ?",
		"DELETE FROM device_adapters WHERE account_id = ? AND device_id = ? AND is_current = 0",
	} {
		_, err := tx.exec(ctx, query, account, id)
		if err != nil {
			return err
		}
	}
	return nil
}
