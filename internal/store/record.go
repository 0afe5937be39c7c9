package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/event"
	"muster/internal/posture"
)

// The ids of events and activities begin with their time, so a range of times is a range of ids, and the order of ids is
// that of times.

// idAt gives the text that sorts before the ids of a time and behind all earlier ones.
func idAt(t time.Time) string {
	const most = 1<<48 - 1
	return fmt.Sprintf("%012x", min(max(0, t.UnixMilli()), most))
}

// beyondIDs sorts behind every id.
const beyondIDs = "g"

// between gives the ids between which the entries of a time span lie, both times included and zero ones open, that come
// before an entry, "" for any.
func between(since, until time.Time, before string) (low, high string) {
	if !since.IsZero() {
		low = idAt(since.Add(time.Millisecond - 1)) // what is stored has no parts of a millisecond
	}
	high = beyondIDs
	if !until.IsZero() {
		high = idAt(until.Add(time.Millisecond))
	}
	if before != "" {
		high = min(high, before)
	}
	return low, high
}

const eventColumns = "account_id, id, at, kind, device_id, status_from, status_to, previous_at, actor, detail"

// Record implements device.Tx.
func (tx *Tx) Record(ctx context.Context, e event.Event) error {
	err := tx.execOne(ctx, "INSERT INTO events ("+eventColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		e.Account, e.ID, millis(e.At), string(e.Kind), e.DeviceID, e.From, e.To, millis(e.Previous), e.Actor, e.Detail)
	if err != nil || !e.Changes() {
		return err
	}
	return tx.changed(ctx, &e)
}

func scanEvent(r scanner, e *event.Event) error {
	var at, previous int64
	err := r.Scan(&e.Account, &e.ID, &at, &e.Kind, &e.DeviceID, &e.From, &e.To, &previous, &e.Actor, &e.Detail)
	e.At, e.Previous = timeOf(at), timeOf(previous)
	return err
}

const selectEvents = "SELECT " + eventColumns + " FROM events WHERE account_id = ? AND id > ? AND id < ? ORDER BY account_id DESC, id DESC LIMIT ? OFFSET ?"

// eventsOfKinds holds the statement for each number of kinds. Every kind is read in its own order as far as the limit
// goes: one range over all of them would read whatever lies between.
//
// Kind and id are compared together, so that no other index but that of kinds has their order. A planner that sees a kind
// that is frequent, but not of late, would otherwise walk all events back to it.
var eventsOfKinds = func() []string {
	const part = "SELECT " + eventColumns + " FROM events WHERE account_id = ? AND (kind, id) > (?, ?) AND (kind, id) < (?, ?)" +
		" AND (CAST(? AS BIGINT) >> status_to) & 1 = 1 ORDER BY kind DESC, id DESC LIMIT ?"
	out := make([]string, len(event.AllKinds())+1)
	for n := 1; n < len(out); n++ {
		out[n] = unionAll(eventColumns, slices.Repeat([]string{part}, n)) + " ORDER BY id DESC LIMIT ? OFFSET ?"
	}
	return out
}()

// unionAll joins statements that have limits of their own.
func unionAll(columns string, parts []string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		b.WriteString("SELECT " + columns + " FROM (" + p + ") AS part" + strconv.Itoa(i))
	}
	return b.String()
}

// Events implements device.Records.
func (s *Store) Events(ctx context.Context, account posture.AccountID, q device.EventQuery) ([]event.Event, error) {
	low, high := between(q.Since, q.Until, q.After)
	text, args := selectEvents, []any{account, low, high, q.Limit, q.Skip}
	if kinds := distinct(q.Kinds); len(kinds) > 0 {
		kinds = slices.DeleteFunc(kinds, func(k event.Kind) bool { return k.Category() == "" })
		if len(kinds) == 0 {
			return nil, nil
		}
		text, args = eventsOfKinds[len(kinds)], nil
		for _, k := range kinds {
			args = append(args, account, string(k), low, string(k), high, statusMask(k, q.To), q.Skip+q.Limit)
		}
		args = append(args, q.Limit, q.Skip)
	}
	var out []event.Event
	err := s.query(ctx, func(r scanner) error {
		out = append(out, event.Event{})
		return scanEvent(r, &out[len(out)-1])
	}, text, args...)
	return out, err
}

// statusMask has a bit for each status to which events of a kind may lead.
func statusMask(k event.Kind, to []posture.Status) int64 {
	if k != event.StatusChanged || len(to) == 0 {
		return 1<<posture.NumStatuses - 1
	}
	var mask int64
	for _, s := range to {
		mask |= 1 << s
	}
	return mask
}

// inList gives the placeholders of a list with room for n values, and fills it with the values, the last of them again and
// again: the number of statement texts stays small.
func inList[T ~string](n int, values []T) (marks string, args []any) {
	n = max(n, len(values))
	for i := range n {
		args = append(args, string(values[min(i, len(values)-1)]))
	}
	return "(" + places(n) + ")", args
}

// labelChunk is how many devices are named at once: a page of logs, mostly.
const labelChunk = 50

// Labels implements device.Records.
func (s *Store) Labels(ctx context.Context, account posture.AccountID, ids []string) (map[string]device.Label, error) {
	out := make(map[string]device.Label, len(ids))
	for chunk := range slices.Chunk(ids, labelChunk) {
		marks, args := inList(labelChunk, chunk)
		args = append([]any{account}, args...)
		err := s.query(ctx, func(r scanner) error {
			var id, name, host string
			err := r.Scan(&id, &name, &host)
			if name == "" {
				name = host
			}
			out[id] = device.Label{Name: name}
			return err
		}, "SELECT id, name, host_name FROM devices WHERE account_id = ? AND id IN "+marks, args...)
		if err != nil {
			return nil, err
		}
		err = s.query(ctx, func(r scanner) error {
			var id string
			var mac int64
			err := r.Scan(&id, &mac)
			l := out[id]
			l.MACs = append(l.MACs, macOf(mac))
			out[id] = l
			return err
		}, "SELECT device_id, mac FROM device_adapters WHERE account_id = ? AND device_id IN "+marks+" AND is_current = 1 ORDER BY device_id, mac", args...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// families is how many operating systems a list has room for.
const families = 8

// changedText makes the statement that finds first changes, with or without a condition on the device: so many of each kind, and
// so much of them all. The parts are those of each kind that may be a change of status; what is one, event.Event.Changes says.
func changedText(onDevice, each, all string) string {
	parts := make([]string, len(event.Changing))
	for i, kind := range event.Changing {
		p := "SELECT e.id, e.device_id FROM events e"
		if onDevice != "" {
			p += " JOIN devices d ON d.account_id = e.account_id AND d.id = e.device_id AND " + onDevice
		}
		p += " WHERE e.account_id = ? AND (e.kind, e.id) > (?, ?) AND (e.kind, e.id) < (?, ?) AND e.previous_at < ?"
		if !slices.Contains(event.ComeOrGo, kind) {
			p += " AND e.status_from <> e.status_to"
		}
		parts[i] = p + " ORDER BY e.kind, e.id" + each
	}
	return "SELECT parts.id, " + listRow + " FROM (" +
		unionAll("id, device_id", parts) + ` ORDER BY id` + all + `) AS parts
		JOIN devices d ON d.account_id = ? AND d.id = parts.device_id
		LEFT JOIN device_seen s ON s.account_id = d.account_id AND s.device_id = d.id ORDER BY parts.id`
}

// Changed implements device.Records.
func (s *Store) Changed(ctx context.Context, account posture.AccountID, q device.ChangeQuery) ([]device.Changed, error) {
	onDevice, systems := "", []any(nil)
	if len(q.OS) > 0 {
		onDevice, systems = inList(families, distinct(q.OS))
		onDevice = "d.os_family IN " + onDevice
	}
	all := limitText(q.Limit)
	if q.Skip > 0 {
		all = " LIMIT ? OFFSET ?"
	}
	text := changedText(onDevice, limitText(q.Skip+q.Limit), all)
	var args []any
	for _, kind := range event.Changing {
		args = append(args, systems...)
		args = append(args, account, string(kind), max(idAt(q.Since), q.After), string(kind), beyondIDs, q.Since.UnixMilli())
	}
	if q.Skip > 0 {
		args = append(args, q.Limit, q.Skip)
	}
	args = append(args, account)
	var out []device.Changed
	err := s.query(ctx, func(r scanner) error {
		out = append(out, device.Changed{})
		c := &out[len(out)-1]
		return scanListed(behind{r, &c.EventID}, &c.Device)
	}, text, args...)
	return out, err
}

// behind is a row whose first column goes somewhere else.
type behind struct {
	scanner
	first any
}

// Scan reads the first column to its place, and the others to theirs.
func (b behind) Scan(dest ...any) error { return b.scanner.Scan(append([]any{b.first}, dest...)...) }

const activityColumns = "id, at, action, device_id, device_name, device_status, device_group, app_user, access_rule, app_name"

// PutActivity implements device.Records.
func (s *Store) PutActivity(ctx context.Context, account posture.AccountID, a device.Activity) error {
	return s.writer.do(ctx, keyMany, func(tx *Tx) error {
		return tx.execOne(ctx, "INSERT INTO access_activities (account_id, "+activityColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			account, a.ID, millis(a.At), string(a.Action), a.DeviceID, a.DeviceName, a.DeviceStatus, a.DeviceGroup, a.AppUser, a.AccessRule, a.AppName)
	})
}

// The columns that are searched have the "C" collation on PostgreSQL, under which LOWER knows the letters of ASCII only,
// as it does on SQLite.
var (
	selectActivities = "SELECT " + activityColumns + " FROM access_activities WHERE account_id = ? AND id > ? AND id < ? AND action IN (?" +
		strings.Repeat(", ?", len(device.ActivityActions)-1) + ")"
	activitySearched = []string{"device_id", "device_name", "app_user", "access_rule", "app_name"}
)

// searchActivities gives the statement that searches the columns that may be shown, and what it takes.
func searchActivities(q *device.ActivityQuery) (text string, args []any) {
	columns := slices.DeleteFunc(slices.Clone(activitySearched), func(column string) bool {
		return q.Hidden.HostName && column == "device_name" || q.Hidden.UserName && column == "app_user"
	})
	for range columns {
		args = append(args, likeHolding(q.Search))
	}
	return selectActivities + " AND (LOWER(" + strings.Join(columns, ") LIKE ? ESCAPE '\\' OR LOWER(") + ") LIKE ? ESCAPE '\\')", args
}

const newestActivities = " ORDER BY account_id DESC, id DESC LIMIT ? OFFSET ?"

// Activities implements device.Records.
func (s *Store) Activities(ctx context.Context, account posture.AccountID, q device.ActivityQuery) ([]device.Activity, error) {
	low, high := between(q.Since, q.Until, q.After)
	actions := distinct(q.Actions)
	if len(actions) == 0 {
		actions = device.ActivityActions
	}
	actions = slices.DeleteFunc(slices.Clone(actions), func(a device.ActivityAction) bool { return !slices.Contains(device.ActivityActions, a) })
	if len(actions) == 0 {
		return nil, nil
	}
	_, list := inList(len(device.ActivityActions), actions)
	text, args := selectActivities, append([]any{account, low, high}, list...)
	if q.Search != "" {
		var found []any
		text, found = searchActivities(&q)
		args = append(args, found...)
	}
	args = append(args, q.Limit, q.Skip)
	var out []device.Activity
	err := s.query(ctx, func(r scanner) error {
		var a device.Activity
		var at int64
		err := r.Scan(&a.ID, &at, &a.Action, &a.DeviceID, &a.DeviceName, &a.DeviceStatus, &a.DeviceGroup, &a.AppUser, &a.AccessRule, &a.AppName)
		a.At = timeOf(at)
		out = append(out, a)
		return err
	}, text+newestActivities, args...)
	return out, err
}

// ForgetBefore implements device.Records.
func (s *Store) ForgetBefore(ctx context.Context, account posture.AccountID, before time.Time, limit int) (int64, error) {
	var total int64
	err := s.writer.do(ctx, keyMany, func(tx *Tx) error {
		total = 0
		for _, table := range []string{"events", "access_activities"} {
			n, err := tx.exec(ctx, "DELETE FROM "+table+" WHERE account_id = ? AND id IN (SELECT id FROM "+table+
				" WHERE account_id = ? AND id < ? ORDER BY account_id, id LIMIT ?)", account, account, idAt(before), int64(limit)-total)
			if err != nil {
				return err
			}
			total += n
		}
		return nil
	})
	return total, err
}
