package store

import (
	"context"
	"slices"
	"strings"
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

// addOutdated adds, as alternatives, the versions of agents that are not the newest of their system.
func (s *Store) addOutdated(ctx context.Context, account posture.AccountID, alternatives *condition) error {
	versions := make(map[string][]string)
	err := s.query(ctx, func(r scanner) error {
		var family, version string
		err := r.Scan(&family, &version)
		versions[family] = append(versions[family], version)
		return err
	}, "SELECT os_family, version FROM agent_versions WHERE account_id = ? ORDER BY os_family, version", account)
	if err != nil {
		return err
	}
	for family, all := range versions {
		newest := slices.MaxFunc(all, device.CompareAgents)
		var old []any
		for _, v := range all {
			if device.CompareAgents(v, newest) < 0 {
				old = append(old, v)
			}
		}
		if len(old) > 0 {
			alternatives.or("d.managed = 1 AND d.os_family = ? AND d.agent_version"+oneOf(old), append([]any{family}, padded(old)...)...)
		}
	}
	return nil
}

// noteAgent keeps the version of a device's agent among those that are known.
func (tx *Tx) noteAgent(ctx context.Context, old, d *device.Device) error {
	if d.AgentVersion == "" || old.AgentVersion == d.AgentVersion && old.OSFamily == d.OSFamily {
		return nil
	}
	_, err := tx.exec(ctx, `INSERT INTO agent_versions (account_id, os_family, version) VALUES (?, ?, ?)
		ON CONFLICT (account_id, os_family, version) DO NOTHING`, d.Account, string(d.OSFamily), strings.ToValidUTF8(d.AgentVersion, ""))
	return err
}
