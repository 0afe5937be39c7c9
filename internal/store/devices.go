package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

// deviceColumns are the columns of devices in the order of deviceFields. account_id and id come first: they are the key.
var deviceColumns = []string{
	"account_id", "id", "lifecycle", "group_id", "status", "judged", "severity", "level_opswat", "level_cvss2", "level_cvss3",
	"managed", "conflict", "hardware_id", "serial", "name", "host_name", "user_identity", "device_type", "os_family", "os_name",
	"os_version", "issues_critical", "issues_warning", "agent_type", "agent_version", "enrolled_at", "reported_at", "next_change_at", "judge", "digest", "credentials",
	"exempted", "exempt_since", "exempt_until", "exempt_reason", "link_username", "link_group",
	"profile", "vulnerabilities", "linked_id", "status_at",
	"exempt_by", "hold", "verdict_change_at", "silence", "failing_since", "verdict_flags", "pinned", "merged_into", "remove_at",
}

// deviceValues gives the values of a device in the order of deviceColumns.
func deviceValues(d *device.Device) []any {
	return []any{
		d.Account, d.ID, d.Lifecycle, d.Cell.Group, d.Cell.Status, d.Judged, d.Cell.Severity,
		d.Cell.Levels[0], d.Cell.Levels[1], d.Cell.Levels[2],
		flag(d.Managed), flag(d.Conflict), d.HardwareID, d.Serial, d.Name, d.HostName, d.UserIdentity,
		string(d.Type), string(d.OSFamily), d.OSName,
		d.OSVersion, d.Issues.Critical, d.Issues.Warning, d.AgentType, d.AgentVersion, millis(d.EnrolledAt), millis(d.ReportedAt), millis(d.NextChange), d.Judge,
		bytesOf(d.Digest), bytesOf(d.Credentials),
		flag(d.Exempted), millis(d.Exemption.Since), millis(d.Exemption.Until), d.Exemption.Reason, d.Link.Username, d.Link.Group,
		d.PackedProfile, d.Vulnerabilities, d.LinkedID, millis(d.StatusAt),
		d.Exemption.By, holdOf(d), millis(d.VerdictChange), d.Silence.Milliseconds(), millis(d.FailingSince), verdictFlags(d), flag(d.Pinned), d.MergedInto, millis(d.RemoveAt),
	}
}

// The bits of verdict_flags.
const (
	linkedMatters = 1
	silent        = 2
)

func verdictFlags(d *device.Device) int {
	return linkedMatters*flag(d.LinkedMatters) + silent*flag(d.Silent)
}

// holdOf gives what is stored of a quarantine.
func holdOf(d *device.Device) string {
	if !d.Quarantined {
		return ""
	}
	text, err := json.Marshal(d.Quarantine)
	if err != nil {
		panic("store: a quarantine cannot be encoded: " + err.Error())
	}
	return string(text)
}

// setHold reads what is stored of a quarantine. Whatever it says, a device that has one is held.
func setHold(d *device.Device, hold string) error {
	if hold == "" {
		return nil
	}
	d.Quarantined = true
	err := json.Unmarshal([]byte(hold), &d.Quarantine)
	if err != nil {
		return fmt.Errorf("reading a stored quarantine: %w", err)
	}
	return nil
}

// bytesOf keeps an absent value from being stored as NULL.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// scanDevice reads a row of deviceColumns, followed by the current policy of the group, and the times of last contact and
// last report, which may be NULL.
func scanDevice(r scanner, d *device.Device) error {
	var enrolled, reported, change, since, until, status, verdictChange, silence, failing, remove int64
	var flags int
	var hold string
	var seen, lastReport *int64
	err := r.Scan(
		&d.Account, &d.ID, &d.Lifecycle, &d.Cell.Group, &d.Cell.Status, &d.Judged, &d.Cell.Severity,
		&d.Cell.Levels[0], &d.Cell.Levels[1], &d.Cell.Levels[2],
		&d.Managed, &d.Conflict, &d.HardwareID, &d.Serial, &d.Name, &d.HostName, &d.UserIdentity,
		&d.Type, &d.OSFamily, &d.OSName,
		&d.OSVersion, &d.Issues.Critical, &d.Issues.Warning, &d.AgentType, &d.AgentVersion, &enrolled, &reported, &change, &d.Judge, &d.Digest, &d.Credentials,
		&d.Exempted, &since, &until, &d.Exemption.Reason, &d.Link.Username, &d.Link.Group,
		&d.PackedProfile, &d.Vulnerabilities, &d.LinkedID, &status,
		&d.Exemption.By, &hold, &verdictChange, &silence, &failing, &flags, &d.Pinned, &d.MergedInto, &remove,
		&d.Policy.ID, &d.Policy.Version, &d.Known.Generation, &d.Known.Revision, &seen, &lastReport)
	if err != nil {
		return err
	}
	d.EnrolledAt, d.ReportedAt, d.NextChange = timeOf(enrolled), timeOf(reported), timeOf(change)
	d.Exemption.Since, d.Exemption.Until, d.StatusAt = timeOf(since), timeOf(until), timeOf(status)
	d.VerdictChange, d.Silence, d.FailingSince = timeOf(verdictChange), time.Duration(silence)*time.Millisecond, timeOf(failing)
	d.RemoveAt = timeOf(remove)
	d.LinkedMatters, d.Silent = flags&linkedMatters != 0, flags&silent != 0
	d.SeenAt, d.LastReport = laterOf(reported, seen), laterOf(reported, lastReport)
	return setHold(d, hold)
}

// laterOf gives the later of two stored times, of which the second may be missing.
func laterOf(a int64, b *int64) time.Time {
	if b != nil && *b > a {
		a = *b
	}
	return timeOf(a)
}

// currentPolicy are two columns: the policy that the group of a device of the table has, and its current version.
func currentPolicy(devices string) string {
	group := " FROM device_groups g WHERE g.account_id = " + devices + ".account_id AND g.id = " + devices + ".group_id"
	return "COALESCE((SELECT g.policy_id" + group + "), 1), COALESCE((SELECT p.version FROM policies p WHERE p.account_id = " + devices +
		".account_id AND p.id = (SELECT g.policy_id" + group + ")), 0)"
}

// currentKnowledge are two columns: what verdicts on a device of the table are made by, see posture.Knowledge.
func currentKnowledge(devices string) string {
	return "COALESCE((SELECT c.generation FROM catalogue c WHERE c.id = 1), 0), COALESCE((SELECT a.risk_revision FROM accounts a WHERE a.id = " +
		devices + ".account_id), 0)"
}

var (
	selectDevice = "SELECT d." + strings.Join(deviceColumns, ", d.") + ", " + currentPolicy("d") + `, 0, 0, s.seen_at, s.reported_at FROM devices d
		LEFT JOIN device_seen s ON s.account_id = d.account_id AND s.device_id = d.id`
	liveDevice = selectDevice + " WHERE d.account_id = ? AND d.id = ? AND d.lifecycle = 0"
	lockDevice = "SELECT " + strings.Join(deviceColumns, ", ") + ", " + currentPolicy("devices") + ", " + currentKnowledge("devices") + ", NULL, NULL FROM devices WHERE account_id = ? AND id = ?"

	insertDevice = "INSERT INTO devices (" + strings.Join(deviceColumns, ", ") + ") VALUES (?" +
		strings.Repeat(", ?", len(deviceColumns)-1) + ")"
	updateDevice = "UPDATE devices SET " + strings.Join(deviceColumns[2:], " = ?, ") + " = ? WHERE account_id = ? AND id = ?"
)

const noDevice = "Device not found"

// Device implements device.Finder.
func (s *Store) Device(ctx context.Context, account posture.AccountID, id string) (device.Device, error) {
	var d device.Device
	err := scanDevice(s.queryRow(ctx, liveDevice, account, id), &d)
	return d, notFound(err, noDevice)
}

// ByHardwareID implements device.Finder.
func (s *Store) ByHardwareID(ctx context.Context, account posture.AccountID, hardwareID string) ([]string, error) {
	return ids(ctx, s, `SELECT id FROM devices WHERE account_id = ? AND hardware_id = ? AND hardware_id <> '' AND lifecycle = 0
		ORDER BY reported_at DESC, id DESC LIMIT 2`, account, hardwareID)
}

// querier is what Store and Tx have in common.
type querier interface {
	query(ctx context.Context, scan func(scanner) error, query string, args ...any) error
}

func ids(ctx context.Context, q querier, query string, args ...any) ([]string, error) {
	var out []string
	err := q.query(ctx, func(r scanner) error {
		var id string
		err := r.Scan(&id)
		out = append(out, id)
		return err
	}, query, args...)
	return out, err
}

// Change implements device.Store.
func (s *Store) Change(ctx context.Context, c device.Change) error {
	st := &step{ctx: ctx, key: c.Device, fn: func(tx *Tx) error { return c.Do(tx) }}
	if c.Find != nil {
		st.find = func(tx *Tx) (string, error) { return c.Find(tx) }
	}
	return s.writer.submit(st)
}

// Licence implements device.Tx. What earlier steps of the same transaction moved is counted in.
func (tx *Tx) Licence(ctx context.Context, account posture.AccountID) (allowed, used int64, err error) {
	err = tx.locksAccount(account)
	if err != nil {
		return 0, 0, err
	}
	err = tx.queryRow(ctx, "SELECT devices_allowed FROM accounts WHERE id = ?"+tx.w.store.dialect.ForUpdate, account).Scan(&allowed)
	if err != nil {
		return 0, 0, notFound(err, "Account not found")
	}
	var total device.Counts
	err = tx.query(ctx, addCounts(&total), selectCounts, account)
	for key, moved := range tx.moved {
		if key.account == account {
			total.Merge(moved)
		}
	}
	return allowed, total.Used(), err
}

// DeviceForUpdate implements device.Tx.
func (tx *Tx) DeviceForUpdate(ctx context.Context, account posture.AccountID, id string) (device.Device, error) {
	var d device.Device
	err := tx.locksDevice(account, id)
	if err != nil {
		return d, err
	}
	err = scanDevice(tx.queryRow(ctx, lockDevice+tx.w.store.dialect.ForUpdate, account, id), &d)
	return d, notFound(err, noDevice)
}

// Recognise implements device.Tx.
func (tx *Tx) Recognise(ctx context.Context, account posture.AccountID, hardwareID, serial string) ([]string, error) {
	if hardwareID != "" {
		return ids(ctx, tx, `SELECT id FROM devices WHERE account_id = ? AND hardware_id = ? AND hardware_id <> ''
			ORDER BY lifecycle, id DESC LIMIT 3`, account, hardwareID)
	}
	return ids(ctx, tx, `SELECT id FROM devices WHERE account_id = ? AND serial = ? AND serial <> ''
		ORDER BY lifecycle, id DESC LIMIT 3`, account, serial)
}

// Linked implements device.Tx.
func (tx *Tx) Linked(ctx context.Context, account posture.AccountID, linkedID string) ([]string, error) {
	return ids(ctx, tx, `SELECT id FROM devices WHERE account_id = ? AND linked_id = ? AND linked_id <> '' AND lifecycle = 0
		ORDER BY id LIMIT 3`, account, linkedID)
}

// Insert implements device.Tx.
func (tx *Tx) Insert(ctx context.Context, d *device.Device) error {
	err := tx.execOne(ctx, insertDevice, deviceValues(d)...)
	if err != nil {
		return err
	}
	tx.count(d.Account, d.Cell, 1)
	return tx.addWords(ctx, d.Account, d.ID, device.Words(d))
}

// Update implements device.Tx. A device that is not live stands in no cell.
func (tx *Tx) Update(ctx context.Context, old, d *device.Device) error {
	values := deviceValues(d)
	err := tx.execOne(ctx, updateDevice, append(values[2:], d.Account, d.ID)...)
	if err != nil {
		return err
	}
	err = tx.updateWords(ctx, old, d)
	if err != nil {
		return err
	}
	if old.Lifecycle == device.Live && d.Lifecycle == device.Live && old.Cell == d.Cell {
		return nil
	}
	if old.Lifecycle == device.Live {
		tx.count(d.Account, old.Cell, -1)
	}
	if d.Lifecycle == device.Live {
		tx.count(d.Account, d.Cell, 1)
	}
	return nil
}

// Link implements device.Tx. Nothing is written before it is known that there is such a device, so the answer that there
// is none costs the other steps of the transaction nothing; nor is anything for the user who is linked already.
func (tx *Tx) Link(ctx context.Context, account posture.AccountID, id string, user device.LinkedUser) (matters bool, err error) {
	old, err := tx.named(ctx, account, id)
	if err != nil || old.Link == user {
		return false, err
	}
	d := old
	d.Link = user
	err = tx.execOne(ctx, "UPDATE devices SET link_username = ?, link_group = ? WHERE account_id = ? AND id = ? AND lifecycle = 0",
		user.Username, user.Group, account, id)
	if err != nil {
		return false, err
	}
	return old.LinkedMatters, tx.updateWords(ctx, &old, &d)
}
