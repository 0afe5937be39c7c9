package admin

import (
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/event"
)

// entry is one thing that happened.
type entry struct {
	ID       string         `json:"id"`
	At       time.Time      `json:"at"`
	Kind     event.Kind     `json:"kind"`
	Category event.Category `json:"category"`
	DeviceID string         `json:"device_id,omitempty"`
	// From and To are the statuses of the device, where it changed.
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
	Actor  string `json:"actor,omitempty"`
	Detail string `json:"detail,omitempty"`
}

func renderEntry(e *device.LogEntry) entry {
	out := entry{
		ID: e.ID, At: e.At, Kind: e.Kind, Category: e.Kind.Category(), DeviceID: e.DeviceID, Actor: e.Actor, Detail: e.Detail,
	}
	if e.Changes() {
		out.From, out.To = e.From.String(), e.To.String()
	}
	return out
}

// categories are the parts of the record.
var categories = []string{string(event.OfDevices), string(event.OfAdministrators), string(event.OfReports), string(event.OfWebhooks)}

// listEvents gives the record, the newest first.
func (d *door) listEvents(c *call) error {
	q := device.EventQuery{Window: c.window(), Since: c.query.time("since"), Until: c.query.time("until")}
	var known []string
	for _, k := range event.AllKinds() {
		known = append(known, string(k))
	}
	of := c.query.words("category", categories)
	for _, word := range c.query.words("kind", known) {
		q.Kinds = append(q.Kinds, event.Kind(word))
	}
	if len(of) > 0 && len(q.Kinds) > 0 {
		c.query.wrong("category", "and kind are not to be given both")
	}
	for _, word := range of {
		q.Kinds = append(q.Kinds, event.Kinds(event.Category(word))...)
	}
	err := c.query.err()
	if err != nil {
		return err
	}
	if len(of) > 0 && len(q.Kinds) == 0 { // nothing of this category is ever recorded
		return answerList[entry](c, nil, "")
	}
	entries, next, err := d.Devices.Events(c.ctx, c.account.ID, q)
	if errs.Is(err, errs.Invalid) {
		return errs.InvalidField("after", "after is not one that this list gave as next")
	}
	if err != nil {
		return err
	}
	return answerList(c, rendered(entries, renderEntry), next)
}
