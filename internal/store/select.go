package store

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
)

// position is a place behind one device in an order.
type position struct {
	id    string
	value any // of the order, where that is not the enrolment
}

// readPosition reads what writePosition made. Invalid: it is none of this order.
func readPosition(order device.Order, text string) (position, error) {
	wrong := errs.InvalidField("token", "The token is not a position in this list")
	if text == "" {
		return position{}, nil
	}
	if len(text) < 32 || !posture.IsID(text[:32]) {
		return position{}, wrong
	}
	at, value := position{id: text[:32]}, text[32:]
	switch order {
	case device.ByHostName:
		if !storable(value) {
			return position{}, wrong
		}
		at.value = value
	case device.ByIssues:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != value {
			return position{}, wrong
		}
		at.value = n
	default:
		if value != "" {
			return position{}, wrong
		}
	}
	return at, nil
}

func writePosition(order device.Order, d *device.Device) string {
	switch order {
	case device.ByHostName:
		return d.ID + d.HostName
	case device.ByIssues:
		return d.ID + strconv.Itoa(d.Issues.Total())
	default:
		return d.ID
	}
}

// compare says which of two devices comes first in an ascending list.
func compare(order device.Order, a, b *device.Device) int {
	c := 0
	switch order {
	case device.ByHostName:
		c = strings.Compare(a.HostName, b.HostName)
	case device.ByIssues:
		c = cmp.Compare(a.Issues.Total(), b.Issues.Total())
	}
	return cmp.Or(c, strings.Compare(a.ID, b.ID))
}

// arrange puts a list into its order. The database gives it so, though it does not promise to.
func arrange(list []device.Device, order device.Order, descending bool) {
	before := func(a, b *device.Device) int {
		if descending {
			return compare(order, b, a)
		}
		return compare(order, a, b)
	}
	for i := 1; i < len(list); i++ {
		if before(&list[i-1], &list[i]) > 0 {
			slices.SortFunc(list, func(a, b device.Device) int { return before(&a, &b) })
			return
		}
	}
}

// Select implements device.Selection.
func (s *Store) Select(ctx context.Context, account posture.AccountID, q device.Query) ([]device.Device, string, error) {
	after, err := readPosition(q.Order, q.After)
	if err != nil {
		return nil, "", err
	}
	c, err := s.criteriaOf(ctx, account, &q.Filter)
	if err != nil || c.nothing {
		return nil, "", err
	}
	list, err := s.selectPart(ctx, account, c, &q, after)
	if err != nil {
		return nil, "", err
	}
	arrange(list, q.Order, q.Descending)
	list, next := page.Cut(list, q.Limit, func(d *device.Device) string { return writePosition(q.Order, d) })
	return list, next, nil
}

// selectPart gives one device more than the query wants.
func (s *Store) selectPart(ctx context.Context, account posture.AccountID, c criteria, q *device.Query, after position) ([]device.Device, error) {
	f, err := s.faceted(ctx, account, c, q)
	if err != nil {
		return nil, err
	}
	if f != nil {
		return s.selectFaceted(ctx, f, after)
	}
	p, err := s.plan(ctx, account, c, q)
	if err != nil {
		return nil, err
	}
	text := p.list(after, q.Skip, q.Limit+1)
	return s.listed(ctx, text.String(), min(q.Limit+1, 1024), text.args...)
}

// listed reads rows of a list.
func (s *Store) listed(ctx context.Context, query string, room int, args ...any) ([]device.Device, error) {
	out := make([]device.Device, 0, room)
	err := s.queryShape(ctx, func(r scanner) error {
		out = append(out, device.Device{})
		return scanListed(r, &out[len(out)-1])
	}, query, args...)
	return out, err
}

// maxPrepared is how many texts are kept prepared. Filters make more texts than anyone uses; what comes when there are so
// many is prepared each time.
const maxPrepared = 1500

// queryShape is query for texts of which there are many.
func (s *Store) queryShape(ctx context.Context, scan func(scanner) error, query string, args ...any) error {
	s.mu.RLock()
	kept := s.prepared[query] != nil || len(s.prepared) < maxPrepared
	s.mu.RUnlock()
	if kept {
		return s.query(ctx, scan, query, args...)
	}
	rows, err := s.pools.Read.QueryContext(context.WithoutCancel(ctx), s.dialect.Rebind(query), args...)
	if err != nil {
		return s.fault(err)
	}
	return s.fault(eachRow(rows, scan))
}

// idsAtOnce is how many devices are read by their ids at once.
const idsAtOnce = 512

// DevicesByID implements device.Selection.
func (s *Store) DevicesByID(ctx context.Context, account posture.AccountID, ids []string) ([]device.Device, error) {
	out := make([]device.Device, 0, len(ids))
	for chunk := range slices.Chunk(ids, idsAtOnce) {
		chunk = padded(chunk)
		var args []any
		for _, id := range chunk {
			args = append(args, id)
		}
		// Looked up one by one: a database that is told so many values of a condition plans anew each time.
		some, err := s.listed(ctx, wanted("id", "(?)", "(?)", len(chunk))+"SELECT "+listRow+" FROM (SELECT DISTINCT id FROM wanted) wanted CROSS JOIN"+fromListed+
			" WHERE d.account_id = ? AND d.id = wanted.id AND d.lifecycle = 0", len(chunk), append(args, account)...)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// ByLinkedID implements device.Selection.
func (s *Store) ByLinkedID(ctx context.Context, account posture.AccountID, linkedID string) ([]string, error) {
	if !storable(linkedID) {
		return nil, nil
	}
	return ids(ctx, s, `SELECT id FROM devices WHERE account_id = ? AND linked_id = ? AND linked_id <> '' AND lifecycle = 0
		LIMIT 2`, account, linkedID)
}

// CountMatching implements device.Selection.
func (s *Store) CountMatching(ctx context.Context, account posture.AccountID, f device.Filter) (int64, error) {
	c, err := s.criteriaOf(ctx, account, &f)
	if err != nil || c.nothing {
		return 0, err
	}
	if c.kept() {
		return s.keptCount(ctx, account, &f)
	}
	faceted, err := s.faceted(ctx, account, c, &device.Query{})
	if err != nil {
		return 0, err
	}
	if faceted != nil {
		return faceted.count(ctx)
	}
	p, err := s.countPlan(ctx, account, c)
	if err != nil {
		return 0, err
	}
	var n int64
	q := p.count()
	err = s.queryShape(ctx, func(r scanner) error { return r.Scan(&n) }, q.String(), q.args...)
	return n, err
}

// kept reports whether the kept counts tell how many devices there are.
func (c *criteria) kept() bool {
	for i := range c.members {
		if m := &c.members[i]; m.table != inDevices || m.column != "status" && m.column != "group_id" {
			return false
		}
	}
	return c.managed == posture.NotReported && len(c.conditions) == 0
}

// keptCount adds up what is kept for each group.
func (s *Store) keptCount(ctx context.Context, account posture.AccountID, f *device.Filter) (int64, error) {
	var counts device.Counts
	var err error
	if len(f.Groups) == 0 {
		counts, err = s.Counts(ctx, account)
	} else {
		groups := padded(scalar("", f.Groups).values)
		err = s.query(ctx, addCounts(&counts), selectCounts+" AND group_id IN ("+places(len(groups))+")",
			append([]any{account}, groups...)...)
	}
	statuses := f.Statuses
	if len(statuses) == 0 {
		statuses = posture.Statuses[:]
	}
	var n int64
	for _, status := range distinct(statuses) {
		if int(status) < len(counts.Status) {
			n += counts.Status[status]
		}
	}
	return n, err
}
