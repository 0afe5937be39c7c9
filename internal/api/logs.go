package api

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
)

// maxLogAge is the oldest that can be asked for by age, in seconds.
const maxLogAge = 86400

// logsV2 lists events as texts.
func (d *door) logsV2(c *call) error {
	p := &c.params
	number, limit := limits{otherwise: 1, most: 50, refusal: http.StatusNotAcceptable, place: inQuery}.paged(p)
	category := event.OfDevices
	if p.number("event_type", inQuery, 1, 1, 2) == 2 {
		category = event.OfAdministrators
	}
	if p.err != nil {
		return p.err
	}
	type entry struct {
		Timestamp string   `json:"timestamp"`
		Texts     []string `json:"eventlog"`
	}
	out := []entry{}
	q := device.EventQuery{Kinds: event.Kinds(category)}
	err := d.readPage(c, category, number, limit, func(w page.Window) (int, string, error) {
		q.Window = w
		list, next, err := d.Devices.Events(c.r.Context(), c.account.ID, q)
		out = make([]entry, len(list))
		for i := range list {
			out[i] = entry{timestamp(list[i].At), []string{eventText(&list[i])}}
		}
		return len(list), next, err
	})
	if err != nil {
		return err
	}
	c.answer(struct {
		Logs []entry `json:"logs"`
	}{out})
	return nil
}

// logEntry is one entry of Logs v3. Timestamp is text in v3.0 and milliseconds since 1970 from v3.1 on.
type logEntry struct {
	Timestamp  any      `json:"timestamp"`
	Event      string   `json:"event"`
	DeviceID   string   `json:"device_id,omitempty"`
	DeviceName string   `json:"device_name,omitempty"`
	MACs       []string `json:"mac_addresses"`
	Details    string   `json:"details"`
}

// logQuery is what a call of Logs v3 asks for.
type logQuery struct {
	events device.EventQuery
	chosen any // what tells this list from others: a time that moves with the clock is there as its age
	// byToken asks for a part by cursor, and gets the answer of v3.2; else by page, and gets that of v3.0.
	byToken bool
	number  int
}

// logs lists events, the newest first. Which way of paging is meant shows in the body rather than in the version.
func (d *door) logs(c *call) error {
	q, err := d.readLogQuery(c)
	if err != nil {
		return err
	}
	out := []logEntry{}
	next := ""
	read := func(w page.Window) (int, string, error) {
		q.events.Window = w
		list, after, err := d.Devices.Events(c.r.Context(), c.account.ID, q.events)
		next, out = after, make([]logEntry, len(list))
		for i := range list {
			out[i] = renderEvent(c.version, &list[i])
		}
		if after == "" && len(list) > 0 {
			// Whoever asks with the last cursor is told that there is no more, rather than given no cursor.
			next = list[len(list)-1].ID
		}
		return len(list), after, err
	}
	if q.byToken {
		_, _, err = read(q.events.Window)
	} else {
		err = d.readPage(c, q.chosen, q.number, q.events.Limit, read)
	}
	if err != nil {
		return err
	}
	c.answer(logAnswer(c, &q, out, cursor(c.name, q.chosen, next)))
	return nil
}

// logAnswer has the shape that goes with the way of paging. Who says neither is answered by page, and from v3.2 on with a
// token as well, so as to be able to go on by cursor.
func logAnswer(c *call, q *logQuery, list []logEntry, next string) any {
	type byPage struct {
		Logs []logEntry `json:"logs"`
	}
	type byToken struct {
		Data  []logEntry `json:"data"`
		Token string     `json:"token"`
	}
	_, k := c.params.find("page", inBody)
	switch {
	case q.byToken:
		return byToken{list, next}
	case c.version >= v32 && k == absent:
		return struct {
			byPage
			Token string `json:"token"`
		}{byPage{list}, next}
	default:
		return byPage{list}
	}
}

func (d *door) readLogQuery(c *call) (logQuery, error) {
	p := &c.params
	q := logQuery{}
	size := limits{otherwise: 20, most: 50, refusal: http.StatusNotAcceptable}
	_, k := p.find("token", inBody)
	q.byToken = k != absent
	if q.byToken || c.version >= v32 {
		size.most = 100
	}
	q.number, q.events.Limit = size.paged(p)
	category := readCategory(c)
	words := readEvents(c, category)
	period := d.readPeriod(c, &q.events)
	q.events.Kinds, q.events.To = eventsOf(c.version, words, category)
	q.chosen = []any{category, words, period}
	q.events.After = p.readCursor(c.name, q.chosen)
	return q, p.err
}

// readCategory reads event_category, which v3.0 does not have. The draft of v3.1 called it category.
func readCategory(c *call) event.Category {
	if c.version < v31 {
		return ""
	}
	p := &c.params
	name := "event_category"
	if _, k := p.find(name, inBody); k == absent {
		if _, k = p.find("category", inBody); k != absent {
			name = "category"
		}
	}
	table := logCategories
	if c.version < v32 {
		table = table[:3]
	}
	if _, k := p.find(name, inBody); k == absent {
		p.wrong(name, "is required: one of %s", strings.Join(knownWords(table), ", "))
	}
	return choice(p, name, inBody, table, event.OfDevices)
}

var logCategories = []spelling[event.Category]{
	{word: "device", means: event.OfDevices},
	{word: "admin", means: event.OfAdministrators},
	{word: "webhook", means: event.OfWebhooks},
	{word: "device_report", means: event.OfReports},
}

// readEvents reads which events are wanted: an array in v3.0, a member of the filter later. It has no effect for reports.
func readEvents(c *call, category event.Category) []logWord {
	p, name := &c.params, "filter"
	if c.version >= v31 {
		p, name = p.object("filter"), "events"
	}
	if category == event.OfReports {
		return nil
	}
	table := logWords
	if c.version < v33 {
		table = logWords[1:]
	}
	return words(p, name, table)
}

// anyAge is the age of everything.
const anyAge = -1

// readPeriod reads the time that is asked for, and gives what tells it from others. An age counts only where no times are
// given.
func (d *door) readPeriod(c *call, q *device.EventQuery) any {
	p := &c.params
	first, last := "start_time", "end_time"
	if c.version < v31 {
		first, last = "start_date", "end_date"
	}
	if c.version < v31 {
		q.Since, q.Until = p.days(first, last, "2006/01/02", "YYYY/MM/DD")
	} else {
		q.Since, q.Until = p.moment(first), p.moment(last)
		if !q.Until.IsZero() && q.Until.Before(q.Since) {
			p.wrong(last, "must not lie before %s", first)
		}
	}
	otherwise := int64(anyAge)
	if c.version >= v32 {
		otherwise = 3600
	}
	age := p.number("age", inBody, otherwise, 0, maxLogAge)
	if !q.Since.IsZero() || !q.Until.IsZero() {
		return []any{q.Since, q.Until}
	}
	if age != anyAge {
		q.Since = d.Now().Add(-time.Duration(age) * time.Second)
	}
	return age
}

// maxMoment is the last time that can be asked for, in milliseconds: the year 9999.
const maxMoment = 253402300799999

// moment reads milliseconds since 1970.
func (p *params) moment(name string) time.Time {
	ms := p.number(name, inBody, -1, 0, maxMoment)
	if ms < 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// logWord is a word for events, and what it stands for: a kind, of status changes also the status they lead to.
type logWord struct {
	Kind event.Kind
	To   posture.Status // of event.StatusChanged only
}

// logWords are the values of the filter and of the member event. The first is known from v3.3 on.
var logWords = []spelling[logWord]{
	{word: "deleted_api", means: logWord{Kind: event.DeletedByAPI}},
	{word: "added", means: logWord{Kind: event.Enrolled}},
	{word: "added_again", means: logWord{Kind: event.Returned}},
	{word: "imported", means: logWord{Kind: event.Imported}},
	{word: "deleted", means: logWord{Kind: event.Deleted}},
	{word: "deleted_user", means: logWord{Kind: event.Retired}},
	{word: "unseen", means: logWord{Kind: event.Unseen}},
	{word: "removed", means: logWord{Kind: event.Removed}},
	{word: "compliant", means: logWord{event.StatusChanged, posture.StatusCompliant}},
	{word: "noncompliant", means: logWord{event.StatusChanged, posture.StatusNonCompliant}},
	{word: "non_compliant", means: logWord{event.StatusChanged, posture.StatusNonCompliant}, slip: true},
	{word: "in_grace", means: logWord{event.StatusChanged, posture.StatusInGrace}},
	{word: "pending", means: logWord{event.StatusChanged, posture.StatusPending}},
	{word: "quarantined", means: logWord{Kind: event.Quarantined}},
	{word: "installed", means: logWord{event.StatusChanged, posture.StatusInstalled}},
	{word: "unknown", means: logWord{event.StatusChanged, posture.StatusUnknown}},
	{word: "out_of_license_usage", means: logWord{event.StatusChanged, posture.StatusOutOfLicence}},
	{word: "exempted", means: logWord{Kind: event.Exempted}},
	{word: "unexempted", means: logWord{Kind: event.Unexempted}},
	{word: "released", means: logWord{Kind: event.Released}},
	{word: "agent_removed", means: logWord{Kind: event.AgentRemoved}},
	{word: "merged", means: logWord{Kind: event.Merged}},
	{word: "ignored", means: logWord{Kind: event.Ignored}},
	{word: "unignored", means: logWord{Kind: event.Unignored}},
	{word: "group_changed", means: logWord{Kind: event.Moved}},
	{word: "command_queued", means: logWord{Kind: event.CommandQueued}},
	{word: "command_ended", means: logWord{Kind: event.CommandEnded}},
	{word: "agent_version", means: logWord{Kind: event.AgentUpdated}},
	{word: "report", means: logWord{Kind: event.Reported}},
	{word: "configuration", means: logWord{Kind: event.Configured}},
	{word: "risk_accepted", means: logWord{Kind: event.RiskAccepted}},
	{word: "risk_revoked", means: logWord{Kind: event.RiskRevoked}},
	{word: "webhook_delivered", means: logWord{Kind: event.WebhookDelivered}},
	{word: "webhook_failed", means: logWord{Kind: event.WebhookFailed}},
}

// eventsOf gives the kinds that the words stand for, within a category if one was named, and the statuses to which changes
// of status are to lead, none meaning any.
func eventsOf(v version, words []logWord, category event.Category) ([]event.Kind, []posture.Status) {
	if len(words) == 0 {
		if category == "" {
			return append(event.Kinds(event.OfDevices), event.Kinds(event.OfAdministrators)...), nil
		}
		return orNone(event.Kinds(category)), nil
	}
	var kinds []event.Kind
	var to []posture.Status
	for _, w := range words {
		if category != "" && w.Kind.Category() != category {
			continue
		}
		if w.Kind == event.StatusChanged {
			to = append(to, w.To)
		}
		if !slices.Contains(kinds, w.Kind) {
			kinds = append(kinds, w.Kind)
		}
		// Before v3.3 a device deleted by a program was one that was deleted: see eventWord.
		if w.Kind == event.Deleted && v < v33 && !slices.Contains(kinds, event.DeletedByAPI) {
			kinds = append(kinds, event.DeletedByAPI)
		}
	}
	return orNone(kinds), to
}

// orNone gives the kind of no event in the place of no kinds, which would stand for all.
func orNone(kinds []event.Kind) []event.Kind {
	if len(kinds) == 0 {
		return []event.Kind{noKind}
	}
	return kinds
}

// noKind is that of no event: what a filter asks for that names nothing of the category, or a category without events.
const noKind event.Kind = "none"

// eventWord gives the word of an event. Before v3.3 a device deleted by a program was one that was deleted.
func eventWord(v version, e *event.Event) string {
	w := logWord{Kind: e.Kind}
	if e.Kind == event.StatusChanged {
		w.To = e.To
	}
	if e.Kind == event.DeletedByAPI && v < v33 {
		w.Kind = event.Deleted
	}
	return cmp.Or(wordFor(logWords, w), string(e.Kind))
}

func renderEvent(v version, e *device.LogEntry) logEntry {
	out := logEntry{
		Timestamp: timestamp(e.At), Event: eventWord(v, &e.Event), DeviceID: e.DeviceID, DeviceName: e.DeviceName,
		MACs: make([]string, len(e.MACs)), Details: eventText(e),
	}
	if v >= v31 {
		out.Timestamp = e.At.UnixMilli()
	}
	for i, mac := range e.MACs {
		out.MACs[i] = mac.String()
	}
	return out
}

// eventTexts say in words what happened.
var eventTexts = map[event.Kind]string{
	event.Enrolled:      "Device added",
	event.Returned:      "Device added again",
	event.Imported:      "Device imported",
	event.StatusChanged: "Device status changed",
	event.Exempted:      "Device exempted",
	event.Unexempted:    "Exemption ended",
	event.Quarantined:   "Device quarantined",
	event.Released:      "Device released from quarantine",
	event.Retired:       "Device removed by its agent",
	event.Deleted:       "Device deleted",
	event.DeletedByAPI:  "Device deleted through the API",
	event.Unseen:        "Device removed",
	event.Removed:       "Device removed",
	event.AgentRemoved:  "Agent removed; the device stays",
	event.Merged:        "Device merged with another",
	event.Ignored:       "Device ignored",
	event.Unignored:     "Device no longer ignored",
	event.Moved:         "Device moved to another group",
	event.Reported:      "Report received",
	event.AgentUpdated:  "Agent version changed",
	event.CommandQueued: "Command queued",
	event.CommandEnded:  "Command ended",
	event.Configured:    "Configuration changed",
	event.RiskAccepted:  "Risk accepted",
	event.RiskRevoked:   "Accepted risk revoked",

	event.WebhookDelivered: "Webhook called",
	event.WebhookFailed:    "Webhook failed",
}

// eventText is one line for people: what, details, and who was behind it.
func eventText(e *device.LogEntry) string {
	text := eventTexts[e.Kind]
	switch {
	case text == "":
		text = string(e.Kind)
	case e.Kind == event.StatusChanged:
		text = "Device status changed from " + e.From.String() + " to " + e.To.String()
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Actor != "" {
		text += " (by " + e.Actor + ")"
	}
	return text
}
