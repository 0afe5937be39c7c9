package store

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
)

const (
	// maxParts is how many values of a member are read side by side, each in order.
	maxParts = 16
	// counted is how far devices are counted to see how many a member lets through.
	counted = 10_000
	// estimateLife is how long such a number is believed, and maxEstimates how many are kept.
	estimateLife = 5 * time.Minute
	maxEstimates = 10_000
)

// plan chooses how to find the devices. The choice decides how long that takes, never what is found.
func (s *Store) plan(ctx context.Context, account posture.AccountID, c criteria, q *device.Query) (*plan, error) {
	p := &plan{criteria: c, account: account, unindexed: s.dialect.Unindexed, order: q.Order, descending: q.Descending}
	if len(c.members) == 0 {
		return p, nil
	}
	if only := &p.members[0]; len(c.members) == 1 && p.inParts(only) {
		p.driver = only
		return p, nil
	}
	return p, s.choose(ctx, p, float64(q.Skip+q.Limit+1))
}

// inParts reports whether each value of a member can be read in the order of the list.
func (p *plan) inParts(m *member) bool {
	return p.order == device.ByEnrolment && m.table != inWords && len(m.values) <= maxParts
}

// choose compares what reading so many entries costs, in rows that are looked at. Members are taken to be independent.
func (s *Store) choose(ctx context.Context, p *plan, want float64) error {
	total, err := s.totalDevices(ctx, p.account)
	if err != nil {
		return err
	}
	passing := make([]estimate, len(p.members))
	for i := range p.members {
		passing[i], err = s.passing(ctx, p, &p.members[i], total)
		if err != nil {
			return err
		}
		total = max(total, passing[i].devices)
	}
	share := 1.0
	for i := range passing {
		share *= max(passing[i].devices, 1) / total
	}
	best := min(total, want/share)
	for i := range p.members {
		m, n := &p.members[i], max(passing[i].devices, 1)
		if cost := min(n, want*n/total/share) / 2; p.inParts(m) && cost <= best {
			p.driver, p.gather, best = m, false, cost
		}
		if !passing[i].more && n < best {
			p.driver, p.gather, best = m, true, n
		}
	}
	return nil
}

// countPlan chooses how to count: by the member that lets the fewest through.
func (s *Store) countPlan(ctx context.Context, account posture.AccountID, c criteria) (*plan, error) {
	p := &plan{criteria: c, account: account, unindexed: s.dialect.Unindexed, gather: len(c.members) > 0}
	if len(c.members) > 0 {
		p.driver = &p.members[0]
	}
	if len(c.members) < 2 {
		return p, nil
	}
	total, err := s.totalDevices(ctx, account)
	if err != nil {
		return nil, err
	}
	fewest := 0.0
	for i := range p.members {
		e, err := s.passing(ctx, p, &p.members[i], total)
		if err != nil {
			return nil, err
		}
		if i == 0 || e.devices < fewest {
			p.driver, fewest = &p.members[i], e.devices
		}
	}
	return p, nil
}

// estimate is about how many devices a member lets through.
type estimate struct {
	devices float64
	more    bool // than were counted
	at      time.Time
}

// estimates remembers estimates for a while.
type estimates struct {
	mu    sync.Mutex
	known map[string]estimate
}

// get gives a number that is known, or asks for it.
func (e *estimates) get(key string, now time.Time, ask func() (estimate, error)) (estimate, error) {
	e.mu.Lock()
	known, ok := e.known[key]
	e.mu.Unlock()
	if age := now.Sub(known.at); ok && age >= 0 && age < estimateLife {
		return known, nil
	}
	fresh, err := ask()
	if err != nil {
		return fresh, err
	}
	fresh.at = now
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known == nil || len(e.known) >= maxEstimates {
		e.known = make(map[string]estimate)
	}
	e.known[key] = fresh
	return fresh, nil
}

// totalDevices is about how many live devices the account has, at least 1.
func (s *Store) totalDevices(ctx context.Context, account posture.AccountID) (float64, error) {
	e, err := s.estimates.get(fmt.Sprint(account), s.now(), func() (estimate, error) {
		counts, err := s.Counts(ctx, account)
		n := int64(1)
		for _, of := range counts.Status {
			n += of
		}
		return estimate{devices: float64(n)}, err
	})
	return e.devices, err
}

// passing is about how many devices a member lets through.
func (s *Store) passing(ctx context.Context, p *plan, m *member, total float64) (estimate, error) {
	if m.table == inWords || len(m.values) > maxParts {
		key := fmt.Sprint(p.account, " ", m.table, m.column, m.values, m.from)
		return s.estimates.get(key, s.now(), func() (estimate, error) { return s.countAny(ctx, p, m, total) })
	}
	sum := estimate{}
	for _, value := range m.values {
		key := fmt.Sprint(p.account, " ", m.table, m.column, " ", value)
		e, err := s.estimates.get(key, s.now(), func() (estimate, error) { return s.countValue(ctx, p, m, value, total) })
		if err != nil {
			return sum, err
		}
		sum.devices += e.devices
		sum.more = sum.more || e.more
	}
	sum.devices = min(sum.devices, total)
	return sum, nil
}

// alone is a plan for one member of the plan alone.
func (p *plan) alone(m *member) *plan {
	return &plan{criteria: criteria{members: []member{*m}}, account: p.account, unindexed: p.unindexed}
}

// countAny counts what a member lets through without regard to order. Of one that lets through more than are counted
// nothing else is known; a fifth is a guess.
func (s *Store) countAny(ctx context.Context, p *plan, m *member, total float64) (estimate, error) {
	one := p.alone(m)
	one.driver = &one.members[0]
	q := &sqlText{}
	q.add("SELECT COUNT(*) FROM (SELECT " + one.key() + " AS id")
	one.source(q, m.values)
	q.add(fmt.Sprint(" LIMIT ", counted, ") u"))
	var n int64
	err := s.queryRow(ctx, q.String(), q.args...).Scan(&n)
	if n < counted {
		return estimate{devices: float64(n)}, err
	}
	return estimate{devices: max(counted, total/5), more: true}, err
}

// countValue counts what one value lets through. Where that is more than are counted, the rest is taken to be spread like
// these over the time in which the devices enrolled.
func (s *Store) countValue(ctx context.Context, p *plan, m *member, value any, total float64) (estimate, error) {
	one := p.alone(m)
	one.driver = &one.members[0]
	q := &sqlText{}
	q.add("SELECT COUNT(*), COALESCE(MAX(u.id), '') FROM (")
	one.part(q, []any{value}, position{})
	q.add(fmt.Sprint(" LIMIT ", counted, ") u"))
	var n int64
	var reached string
	err := s.queryRow(ctx, q.String(), q.args...).Scan(&n, &reached)
	if err != nil || n < counted {
		return estimate{devices: float64(n)}, err
	}
	first, err := ids(ctx, s, firstDevice, p.account)
	if err != nil {
		return estimate{}, err
	}
	last, err := ids(ctx, s, lastDevice, p.account)
	if err != nil || len(first) == 0 || len(last) == 0 {
		return estimate{devices: total, more: true}, err
	}
	whole, part := enrolledAt(last[0])-enrolledAt(first[0]), enrolledAt(reached)-enrolledAt(first[0])
	return estimate{devices: max(counted, min(total, counted*(whole+1)/(max(part, 0)+1))), more: true}, nil
}

const (
	firstDevice = "SELECT id FROM devices WHERE account_id = ? AND id > '' ORDER BY id LIMIT 1"
	lastDevice  = "SELECT id FROM devices WHERE account_id = ? AND id > '' ORDER BY id DESC LIMIT 1"
)

// enrolledAt gives the milliseconds that a device's id begins with.
func enrolledAt(id string) float64 {
	ms, err := strconv.ParseInt(id[:min(12, len(id))], 16, 64)
	if err != nil {
		return 0
	}
	return float64(ms)
}
