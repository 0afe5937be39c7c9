package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

// condition is what a filter asks of devices d and device_seen s without an index.
type condition struct {
	text string
	args []any
}

const lastSeen = "COALESCE(s.seen_at, 0)"

// addConditions adds those of the members that no index serves.
func (s *Store) addConditions(ctx context.Context, account posture.AccountID, c *criteria, f *device.Filter) error {
	// Ids begin with the time of enrolment.
	if !f.EnrolledFrom.IsZero() {
		c.conditions = append(c.conditions, condition{"d.id >= ?", []any{idAt(f.EnrolledFrom)}})
	}
	if !f.EnrolledUntil.IsZero() {
		c.conditions = append(c.conditions, condition{"d.id < ?", []any{idAt(f.EnrolledUntil.Add(time.Millisecond))}})
	}
	if !f.NotSeenSince.IsZero() {
		at := millis(f.NotSeenSince)
		c.conditions = append(c.conditions, condition{"d.reported_at < ? AND " + lastSeen + " < ?", []any{at, at}})
	}
	return s.addContacts(ctx, account, c, f)
}

// addContacts adds how the agent is to stand.
func (s *Store) addContacts(ctx context.Context, account posture.AccountID, c *criteria, f *device.Filter) error {
	if len(f.Contacts) == 0 {
		return nil
	}
	cutoff := millis(f.Now.Add(-device.ContactLost))
	var alternatives condition
	for _, contact := range distinct(f.Contacts) {
		switch contact {
		case device.Connected:
			alternatives.or("d.reported_at >= ? OR "+lastSeen+" >= ?", cutoff, cutoff)
		case device.Disconnected:
			alternatives.or("d.reported_at < ? AND "+lastSeen+" < ? AND (d.reported_at > 0 OR "+lastSeen+" > 0)", cutoff, cutoff)
		case device.Unseen:
			alternatives.or("d.reported_at = 0 AND " + lastSeen + " = 0")
		case device.OutOfDate:
			err := s.addOutdated(ctx, account, &alternatives)
			if err != nil {
				return err
			}
		}
	}
	if alternatives.text == "" {
		c.nothing = true
		return nil
	}
	c.conditions = append(c.conditions, alternatives)
	return nil
}

// or adds an alternative.
func (c *condition) or(text string, args ...any) {
	if c.text != "" {
		c.text += " OR "
	}
	c.text += "(" + text + ")"
	c.args = append(c.args, args...)
}

// nextAgent gives the version and system that follow others in the order of the index: nobody reads all devices to see which
// versions there are.
const nextAgent = `SELECT agent_version, os_family FROM devices WHERE account_id = ? AND (agent_version, os_family) > (?, ?)
	AND lifecycle = 0 AND managed = 1 ORDER BY agent_version, os_family LIMIT 1`

// maxAgents bounds how many versions are looked at. No account has so many but by somebody's ill will.
const maxAgents = 2000

// newestAgents gives the newest version that devices of each system have. What is no number, such as a build of one's own,
// is no release, and makes no other out of date.
func (s *Store) newestAgents(ctx context.Context, account posture.AccountID) (map[string]string, error) {
	newest := make(map[string]string)
	version, family := "", "\U0010FFFF"
	for range maxAgents {
		err := s.queryRow(ctx, nextAgent, account, version, family).Scan(&version, &family)
		if errors.Is(err, sql.ErrNoRows) {
			return newest, nil
		}
		if err != nil {
			return nil, err
		}
		if device.Released(version) && device.CompareAgents(version, newest[family]) > 0 {
			newest[family] = version
		}
	}
	return newest, nil
}

// addOutdated adds, as alternatives, the versions of agents that are not the newest that a device of their system has.
func (s *Store) addOutdated(ctx context.Context, account posture.AccountID, alternatives *condition) error {
	newest, err := s.newestAgents(ctx, account)
	for _, family := range slices.Sorted(maps.Keys(newest)) {
		alternatives.or("d.managed = 1 AND d.os_family = ? AND d.agent_version <> '' AND d.agent_version <> ?", family, newest[family])
	}
	return err
}
