package device

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
)

// Events gives a part of the record, the newest first, and the position behind it, "" at the end. Invalid: q.After is
// not a position.
func (s *Service) Events(ctx context.Context, account posture.AccountID, q EventQuery) ([]LogEntry, string, error) {
	if q.After != "" && !isID(q.After) {
		return nil, "", errNoPosition()
	}
	wanted := q
	wanted.Limit++ // one more than is asked for tells whether there are more
	events, err := s.store.Events(ctx, account, wanted)
	if err != nil {
		return nil, "", err
	}
	out := make([]LogEntry, len(events))
	for i := range events {
		out[i].Event = events[i]
	}
	out, next := page.Cut(out, q.Limit, func(e *LogEntry) string { return e.ID })
	return out, next, s.label(ctx, account, out)
}

// label puts the names and addresses of their devices to the entries.
func (s *Service) label(ctx context.Context, account posture.AccountID, entries []LogEntry) error {
	var ids []string
	for i := range entries {
		if id := entries[i].DeviceID; id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	labels, err := s.store.Labels(ctx, account, ids)
	for i := range entries {
		l := labels[entries[i].DeviceID]
		entries[i].DeviceName, entries[i].MACs = l.Name, l.MACs
	}
	return err
}

// Changes gives a part of the devices, live or gone, that changed their status, came or went since a time, each at its
// first change since then, and the position behind it, "" at the end. A walk misses no device whose change was stored
// before it began, and repeats none, however many changes are made meanwhile. A part may have fewer entries than the
// limit and yet not be the last. Invalid: q.After is not a position.
//
// Events from before Muster kept the times of changes count as first changes, each of them: for as long as a window
// reaches back behind that upgrade, a device may be in two parts of one walk.
func (s *Service) Changes(ctx context.Context, account posture.AccountID, q ChangeQuery) ([]Device, string, error) {
	if q.After != "" {
		since, id, ok := splitChange(q.After)
		if !ok {
			return nil, "", errNoPosition()
		}
		q.Since, q.After = since, id
	}
	q.Since = wholeMillis(q.Since)
	wanted := q
	wanted.Limit++
	changed, err := s.store.Changed(ctx, account, wanted)
	if err != nil {
		return nil, "", err
	}
	changed, next := page.Cut(changed, q.Limit, func(c *Changed) string { return joinChange(q.Since, c.EventID) })
	out := make([]Device, 0, len(changed))
	seen := make(map[string]bool, len(changed))
	for i := range changed {
		d := &changed[i].Device
		if seen[d.ID] {
			continue
		}
		seen[d.ID] = true
		s.seen.overlay(d)
		out = append(out, *d)
	}
	return out, next, nil
}

// A position among changes is the time since which the walk asks, in milliseconds, and the id of the event that was
// reached. The time is part of it because a caller's "since" moves with the clock: a walk that took the new one would
// miss devices whose first change now lies outside, and repeat those whose first change is now another.
func joinChange(since time.Time, id string) string {
	return fmt.Sprintf("%0*x", timeDigits, since.UnixMilli()) + id
}

// wholeMillis rounds up to the times that events have. The result is after 1970: no event is from before, and a change
// that none went before has the time 0 for it.
func wholeMillis(t time.Time) time.Time {
	ms := t.UnixMilli()
	if t.After(time.UnixMilli(ms)) {
		ms++
	}
	return time.UnixMilli(max(1, ms)).UTC()
}

// timeDigits are enough hexadecimal digits for the times that ids can have.
const timeDigits = 12

func splitChange(position string) (since time.Time, id string, ok bool) {
	if len(position) <= timeDigits || !isID(position[timeDigits:]) {
		return time.Time{}, "", false
	}
	ms, err := strconv.ParseInt(position[:timeDigits], 16, 64)
	return time.UnixMilli(ms).UTC(), position[timeDigits:], err == nil && ms >= 0
}

// isID reports whether a text has the form of posture.NewID.
func isID(s string) bool { return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" }

func errNoPosition() error {
	return errs.InvalidField("token", "token is not one that an earlier answer gave")
}

// maxActivityText bounds each text of an attempt, and of a search for attempts, in characters.
const maxActivityText = 256

// RecordActivity stores an attempt; its id is made up, and so is its time when zero. Invalid: the action does not
// exist, or a text is over 256 characters or no text.
func (s *Service) RecordActivity(ctx context.Context, account posture.AccountID, a Activity) error {
	if !slices.Contains(ActivityActions, a.Action) {
		return errs.InvalidField("action", "action must be one of %v", ActivityActions)
	}
	for _, x := range [][2]string{
		{"device_id", a.DeviceID}, {"device_name", a.DeviceName}, {"device_group", a.DeviceGroup},
		{"app_user", a.AppUser}, {"access_rule", a.AccessRule}, {"app_name", a.AppName},
	} {
		err := checkText(x[0], x[1])
		if err != nil {
			return err
		}
	}
	if a.At.IsZero() {
		a.At = s.clock()
	}
	a.ID = posture.NewID(a.At, s.random)
	return s.store.PutActivity(ctx, account, a)
}

// Activities gives a part of the attempts, the newest first, and the position behind it, "" at the end. The search does
// not tell upper from lower case among the letters of ASCII. Invalid: q.After is not a position, or q.Search is over 256
// characters or no text.
func (s *Service) Activities(ctx context.Context, account posture.AccountID, q ActivityQuery) ([]Activity, string, error) {
	if q.After != "" && !isID(q.After) {
		return nil, "", errNoPosition()
	}
	err := checkText("search", q.Search)
	if err != nil {
		return nil, "", err
	}
	wanted := q
	wanted.Limit++
	list, err := s.store.Activities(ctx, account, wanted)
	if err != nil {
		return nil, "", err
	}
	list, next := page.Cut(list, q.Limit, func(a *Activity) string { return a.ID })
	return list, next, nil
}

// checkText refuses what a database does not bear.
func checkText(field, text string) error {
	if utf8.RuneCountInString(text) > maxActivityText {
		return errs.InvalidField(field, "%s is longer than %d characters", field, maxActivityText)
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return errs.InvalidField(field, "%s is not text", field)
	}
	return nil
}

// forgetChunk is how many entries of the record are removed in one step: reports wait for each step.
const forgetChunk = 500

// ForgetBefore removes what the record of an account has from before a time, and says how much. An end of the context
// ends it early.
func (s *Service) ForgetBefore(ctx context.Context, account posture.AccountID, before time.Time) (int64, error) {
	var total int64
	for ctx.Err() == nil {
		n, err := s.store.ForgetBefore(ctx, account, before, forgetChunk)
		total += n
		if err != nil || n == 0 {
			return total, err
		}
	}
	return total, ctx.Err()
}
