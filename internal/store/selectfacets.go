package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"muster/internal/device"
	"muster/internal/posture"
)

// Lists whose filter has members that facets serve are read in one of two ways. Either the facets lead: the devices that have
// them are found by facet_chunks, and the other members are asked of each. Or the others lead, as if there were no facets, and
// those devices are left out that facet_chunks does not have. The choice decides how long a list takes, never what is in it.

// faceted is a list, or a count, of devices by facets.
type faceted struct {
	store   *Store
	account posture.AccountID
	groups  facetGroups
	rest    criteria // all other members
	query   *device.Query
	few     float64 // devices that pass the facets, about
	share   float64 // of all devices
	// met are the devices that pass the facets, of those chunks that were asked for.
	met map[int64][]uint32
}

// withoutFacets takes out of criteria the members that facets serve.
func withoutFacets(c criteria) (rest criteria, groups facetGroups) {
	rest = c
	rest.members = nil
	for _, m := range c.members {
		if m.table != inFacets {
			rest.members = append(rest.members, m)
			continue
		}
		group := make([]int64, 0, len(m.values))
		for _, v := range m.values {
			if f, ok := v.(int64); ok {
				group = append(group, f)
			}
		}
		groups = append(groups, group)
	}
	return rest, groups
}

// faceted prepares a list by facets; nil where there is none in the filter, or they are not to be found so yet.
func (s *Store) faceted(ctx context.Context, account posture.AccountID, c criteria, q *device.Query) (*faceted, error) {
	rest, groups := withoutFacets(c)
	if len(groups) == 0 {
		return nil, nil
	}
	ready, _, err := s.postings(ctx)
	if err != nil || !ready {
		return nil, err
	}
	f := &faceted{store: s, account: account, groups: groups, rest: rest, query: q, share: 1, met: make(map[int64][]uint32)}
	total, err := s.totalDevices(ctx, account)
	if err != nil {
		return nil, err
	}
	f.few = total
	passing := make(map[int]float64, len(groups))
	for i, group := range groups {
		passing[i], err = s.passingFacets(ctx, account, group)
		if err != nil {
			return nil, err
		}
		f.few = min(f.few, passing[i])
		f.share *= min(1, max(passing[i], 1)/total)
	}
	return f, nil
}

// passingFacets is about how many devices have one of some facets.
func (s *Store) passingFacets(ctx context.Context, account posture.AccountID, group []int64) (float64, error) {
	sum := 0.0
	for _, facet := range group {
		e, err := s.estimates.get(fmt.Sprint(account, " f ", facet), s.now(), func() (estimate, error) {
			var n int64
			err := s.queryRow(ctx, "SELECT COALESCE(SUM(n), 0) FROM facet_chunks WHERE account_id = ? AND facet = ?", account, facet).Scan(&n)
			return estimate{devices: float64(n)}, err
		})
		if err != nil {
			return 0, err
		}
		sum += e.devices
	}
	return sum, nil
}

// restPassing is about how many devices the most telling of the other members lets through, and what share of all devices
// they let through together.
func (f *faceted) restPassing(ctx context.Context) (fewest, share float64, err error) {
	total, err := f.store.totalDevices(ctx, f.account)
	fewest, share = total, 1
	p := &plan{criteria: f.rest, account: f.account, unindexed: f.store.dialect.Unindexed}
	for i := 0; i < len(p.members) && err == nil; i++ {
		var e estimate
		e, err = f.store.passing(ctx, p, &p.members[i], total)
		fewest = min(fewest, e.devices)
		share *= min(1, max(e.devices, 1)/total)
	}
	return fewest, share, err
}

// bare reports whether the filter has nothing but facets.
func (f *faceted) bare() bool {
	return len(f.rest.members) == 0 && len(f.rest.conditions) == 0 && f.rest.managed == posture.NotReported
}

// lead reports whether the facets are to lead. Those that are found by facets are sorted where the order is not that of the
// enrolment, and so must be few.
func (f *faceted) lead(ctx context.Context) (bool, error) {
	want := float64(f.query.Skip + f.query.Limit + 1)
	if f.query.Order != device.ByEnrolment {
		return f.few <= counted && f.few <= want/f.share, nil
	}
	if f.bare() {
		return true, nil
	}
	fewest, share, err := f.restPassing(ctx)
	return min(f.few, want/share) <= 2*min(fewest, want/f.share), err
}

// list gives the entries of the part of the list that is asked for, and one more where there are more.
func (f *faceted) list(ctx context.Context, after position) ([]position, error) {
	lead, err := f.lead(ctx)
	if err != nil {
		return nil, err
	}
	want := f.query.Skip + f.query.Limit + 1
	var out []position
	switch {
	case !lead:
		out, err = f.follow(ctx, after, want)
	case f.query.Order == device.ByEnrolment:
		out, err = f.inOrder(ctx, after, want)
	default:
		out, err = f.sorted(ctx, after)
	}
	out = out[min(f.query.Skip, len(out)):]
	return out[:min(len(out), f.query.Limit+1)], err
}

// inOrder reads as many devices as are wanted by their facets, in the order of enrolment.
func (f *faceted) inOrder(ctx context.Context, after position, want int) ([]position, error) {
	var out []position
	atOnce := min(2*want, idsAtOnce)
	err := f.store.eachFound(ctx, f.account, f.groups, after.id, f.query.Descending, func(ids []string) (bool, error) {
		for len(ids) > 0 && len(out) < want {
			part := ids[:min(len(ids), atOnce)]
			ids, atOnce = ids[len(part):], min(2*atOnce, idsAtOnce) // the more the longer it takes
			some, err := f.passRest(ctx, part)
			if err != nil {
				return false, err
			}
			out = append(out, some...)
		}
		return len(out) >= want, nil
	})
	return out, err
}

// sorted reads all devices that have the facets, and puts those behind a position into the order of the list.
func (f *faceted) sorted(ctx context.Context, after position) ([]position, error) {
	var out []position
	err := f.store.eachFound(ctx, f.account, f.groups, "", false, func(ids []string) (bool, error) {
		for part := range slices.Chunk(ids, idsAtOnce) {
			some, err := f.passRest(ctx, part)
			if err != nil {
				return false, err
			}
			out = append(out, some...)
		}
		return false, nil
	})
	compare := func(a, b position) int {
		c := cmp.Or(compareValues(a.value, b.value), cmp.Compare(a.id, b.id))
		if f.query.Descending {
			return -c
		}
		return c
	}
	slices.SortFunc(out, compare)
	if after.id != "" {
		out = slices.DeleteFunc(out, func(e position) bool { return compare(e, after) <= 0 })
	}
	return out, err
}

// compareValues compares what an order sorts by: texts as bytes, or whole numbers.
func compareValues(a, b any) int {
	if text, ok := a.(string); ok {
		other, _ := b.(string)
		return cmp.Compare(text, other)
	}
	number, _ := a.(int64)
	other, _ := b.(int64)
	return cmp.Compare(number, other)
}

// passRest gives those of the devices, in the same order, that pass all other members.
func (f *faceted) passRest(ctx context.Context, ids []string) ([]position, error) {
	out := make([]position, 0, len(ids))
	if f.bare() && f.query.Order == device.ByEnrolment {
		for _, id := range ids {
			out = append(out, position{id: id})
		}
		return out, nil
	}
	p := &plan{criteria: f.rest, account: f.account, unindexed: f.store.dialect.Unindexed, order: f.query.Order}
	q := &sqlText{}
	p.selectKey(q)
	p.source(q, nil)
	in, args := anyOf(nil, ids)
	q.add(" AND d.id IN "+in, args...)
	passed := make(map[string]any, len(ids))
	err := f.store.queryShape(ctx, f.scanPosition(func(e position) { passed[e.id] = e.value }), q.String(), q.args...)
	for _, id := range ids {
		if value, ok := passed[id]; ok {
			out = append(out, position{id, value})
		}
	}
	return out, err
}

// selectKey begins a query for entries.
func (p *plan) selectKey(q *sqlText) {
	q.add("SELECT d.id AS id")
	if value := orderValue[p.order]; value != "" {
		q.add(", " + value + " AS v")
	}
}

// scanPosition reads entries.
func (f *faceted) scanPosition(take func(position)) func(scanner) error {
	return func(r scanner) error {
		var e position
		var text string
		var number int64
		var err error
		switch f.query.Order {
		case device.ByHostName:
			err = r.Scan(&e.id, &text)
			e.value = text
		case device.ByIssues:
			err = r.Scan(&e.id, &number)
			e.value = number
		default:
			err = r.Scan(&e.id)
		}
		take(e)
		return err
	}
}

// The least and the most entries that are read at once where others lead.
const (
	leastFollowed = 100
	mostFollowed  = 1000
)

// follow reads the list as if there were no facets, and keeps the devices that have them, until there are as many as are
// wanted.
func (f *faceted) follow(ctx context.Context, after position, want int) ([]position, error) {
	all := *f.query
	all.Skip, all.Limit = 0, int(min(mostFollowed, max(leastFollowed, float64(want)/f.share)))
	p, err := f.store.plan(ctx, f.account, f.rest, &all)
	if err != nil {
		return nil, err
	}
	var out []position
	for atOnce := all.Limit; len(out) < want; atOnce = min(2*atOnce, mostFollowed) {
		var some []position
		q := p.entries(after, atOnce)
		err = f.store.queryShape(ctx, f.scanPosition(func(e position) { some = append(some, e) }), q.String(), q.args...)
		if err != nil {
			return nil, err
		}
		kept, err := f.passFacets(ctx, some)
		if err != nil {
			return nil, err
		}
		out = append(out, kept...)
		if len(some) < atOnce {
			break
		}
		after = some[len(some)-1]
	}
	return out, nil
}

// placesOf finds where devices stand; whoever has no facets has no place.
const placesOf = "SELECT device_id, place FROM device_reports WHERE account_id = ? AND place > 0 AND device_id IN "

// passFacets gives those of the devices, in the same order, that have a facet of each group.
func (f *faceted) passFacets(ctx context.Context, list []position) ([]position, error) {
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].id
	}
	places := make(map[string]place, len(ids))
	err := inChunks(ids, func(part []string) error {
		in, args := anyOf([]any{f.account}, part)
		return f.store.query(ctx, func(r scanner) error {
			var id string
			var at place
			err := r.Scan(&id, &at)
			places[id] = at
			return err
		}, placesOf+in, args...)
	})
	if err != nil {
		return nil, err
	}
	err = f.meetAt(ctx, places)
	var out []position
	for _, e := range list {
		at := places[e.id]
		if _, there := slices.BinarySearch(f.met[at.chunk()], at.slot()); at != 0 && there {
			out = append(out, e)
		}
	}
	return out, err
}

// meetAt reads who passes the facets in the chunks of some places, as far as that is not known yet.
func (f *faceted) meetAt(ctx context.Context, places map[string]place) error {
	var chunks []int64
	for _, at := range places {
		if _, known := f.met[at.chunk()]; !known {
			chunks = append(chunks, at.chunk())
			f.met[at.chunk()] = nil
		}
	}
	slices.Sort(chunks)
	for len(chunks) > 0 {
		n := 1
		for n < len(chunks) && chunks[n] == chunks[0]+int64(n) {
			n++
		}
		sets, err := f.store.meet(ctx, f.account, f.groups, chunks[0], chunks[0]+int64(n))
		if err != nil {
			return err
		}
		for chunk, set := range sets {
			f.met[chunk] = set
		}
		chunks = chunks[n:]
	}
	return nil
}

// count says how many devices there are.
func (f *faceted) count(ctx context.Context) (int64, error) {
	if f.bare() {
		return f.store.countFound(ctx, f.account, f.groups)
	}
	fewest, _, err := f.restPassing(ctx)
	if err != nil {
		return 0, err
	}
	if fewest < f.few {
		all, err := f.follow(ctx, position{}, maxWanted)
		return int64(len(all)), err
	}
	all, err := f.inOrder(ctx, position{}, maxWanted)
	return int64(len(all)), err
}

// maxWanted is more devices than any account has.
const maxWanted = 1 << 40

// selectFaceted is Select by facets.
func (s *Store) selectFaceted(ctx context.Context, f *faceted, after position) ([]device.Device, error) {
	entries, err := f.list(ctx, after)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(entries))
	at := make(map[string]int, len(entries))
	for i, e := range entries {
		ids[i], at[e.id] = e.id, i
	}
	list, err := s.DevicesByID(ctx, f.account, ids)
	slices.SortFunc(list, func(a, b device.Device) int { return cmp.Compare(at[a.ID], at[b.ID]) })
	return list, err
}
