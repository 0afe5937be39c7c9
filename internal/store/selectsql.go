package store

import (
	"cmp"
	"fmt"
	"strings"

	"muster/internal/device"
	"muster/internal/posture"
)

// sqlText is a statement under construction.
type sqlText struct {
	strings.Builder
	args []any
}

func (q *sqlText) add(text string, args ...any) {
	q.WriteString(text)
	q.args = append(q.args, args...)
}

// plan is how the devices that a filter lets through are found: by one of its members, or by the order's own index, with
// all other members asked of each.
type plan struct {
	criteria
	account   posture.AccountID
	unindexed string
	// driver is the member by which devices are found; nil for the index of the order.
	driver *member
	// gather reads all that the driver has and sorts it; else each value of it is read in order.
	gather     bool
	order      device.Order
	descending bool
}

// orderValue is what an order sorts by before the id, as the index has it.
var orderValue = map[device.Order]string{
	device.ByHostName: "d.host_name", device.ByIssues: "(d.issues_critical + d.issues_warning)",
}

// behindIDs sorts behind every device id.
const behindIDs = "~"

// key is the column that holds the device's id.
func (p *plan) key() string {
	if p.driver == nil || p.driver.table == inDevices {
		return "d.id"
	}
	return "f.device_id"
}

// source writes FROM and WHERE for the values of the driver, all of them if it gathers, else one.
func (p *plan) source(q *sqlText, values []any) {
	m := p.driver
	others := len(p.members) > 1 || p.managed != posture.NotReported || len(p.conditions) > 0 || p.order != device.ByEnrolment
	switch {
	case m == nil || m.table == inDevices:
		q.add(" FROM devices d")
	case m.table == inFacets:
		q.add(" FROM device_facets f")
	default:
		q.add(" FROM device_words f")
	}
	posted := m != nil && m.table != inDevices
	if posted && others {
		q.add(" CROSS JOIN devices d")
	}
	if len(p.conditions) > 0 {
		q.add(" LEFT JOIN device_seen s ON s.account_id = d.account_id AND s.device_id = d.id")
	}
	if !posted {
		q.add(" WHERE d.account_id = ? AND d.lifecycle = 0", p.account)
	} else {
		q.add(" WHERE f.account_id = ?", p.account)
		if others {
			q.add(" AND d.account_id = f.account_id AND d.id = f.device_id AND d.lifecycle = 0")
		}
	}
	p.drive(q, values)
	if others || !posted {
		p.residuals(q)
	}
}

// drive writes the condition by which rows are found.
func (p *plan) drive(q *sqlText, values []any) {
	switch m := p.driver; {
	case m == nil:
	case m.table == inWords:
		q.add(" AND f.word >= ? AND f.word < ?", m.from, m.to)
	case m.table == inFacets:
		q.add(" AND f.facet"+oneOf(values), padded(values)...)
	default:
		q.add(" AND d."+m.column+oneOf(values), padded(values)...)
	}
}

// residuals writes the conditions of all members but the driver.
func (p *plan) residuals(q *sqlText) {
	for i := range p.members {
		m := &p.members[i]
		switch {
		case m == p.driver:
		case m.table == inDevices:
			q.add(" AND "+p.unindexed+"d."+m.column+oneOf(m.values), padded(m.values)...)
		case m.table == inFacets:
			q.add(" AND EXISTS (SELECT 1 FROM device_facets x WHERE x.account_id = d.account_id AND x.device_id = d.id AND x.facet"+
				oneOf(m.values)+")", padded(m.values)...)
		default:
			q.add(` AND EXISTS (SELECT 1 FROM device_words x WHERE x.account_id = d.account_id AND x.device_id = d.id
				AND x.word >= ? AND x.word < ?)`, m.from, m.to)
		}
	}
	if p.managed != posture.NotReported {
		q.add(" AND d.managed = ?", flag(p.managed == posture.Yes))
	}
	for _, c := range p.conditions {
		q.add(" AND ("+c.text+")", c.args...)
	}
}

// oneOf is the condition that a column has one of some values, of which there are few texts: see padded.
func oneOf(values []any) string {
	if len(values) == 1 {
		return " = ?"
	}
	return " IN (" + places(len(padded(values))) + ")"
}

// limits are the numbers of rows that stand in texts. A planner that knows the number sees that reading in order is
// cheapest, and a database that keeps plans keeps that one; the few steps keep the number of texts small.
var limits = []int{1, 2, 6, 11, 21, 26, 51, 101, 201, 501, 1001}

func limitText(want int) string {
	for _, n := range limits {
		if n >= want {
			return fmt.Sprint(" LIMIT ", n)
		}
	}
	n := 1024
	for n < want {
		n *= 2
	}
	return fmt.Sprint(" LIMIT ", n)
}

// part writes a query for the ids of the devices that one value of the driver, or all, lets through, behind a position,
// in order.
func (p *plan) part(q *sqlText, values []any, after position) {
	distinct := ""
	if p.repeats() {
		distinct = "DISTINCT "
	}
	key, value := p.key(), orderValue[p.order]
	if p.gather && p.driver.table == inDevices {
		key = p.unindexed + key
	}
	if p.gather && value != "" {
		value = p.unindexed + value
	}
	q.add("SELECT " + distinct + key + " AS id")
	if value != "" {
		q.add(", " + value + " AS v")
	}
	p.source(q, values)
	than, direction, start := " > ", "", ""
	if p.descending {
		than, direction, start = " < ", " DESC", behindIDs
	}
	if after.id != "" && value != "" {
		q.add(" AND ("+value+", "+key+")"+than+"(?, ?)", after.value, after.id)
	} else if value == "" {
		q.add(" AND "+key+than+"?", cmp.Or(after.id, start))
	}
	q.add(" ORDER BY ")
	if value != "" {
		q.add(value + direction + ", ")
	}
	q.add(key + direction)
}

// repeats reports whether the driver may have one device more than once.
func (p *plan) repeats() bool {
	return p.gather && (p.driver.table == inWords || p.driver.table == inFacets && len(p.driver.values) > 1)
}

// list is the whole query for a part of a list. It may give some rows more than were asked for.
func (p *plan) list(after position, skip, want int) *sqlText {
	q := &sqlText{}
	q.add("SELECT " + listRow + " FROM (")
	p.keys(q, after, skip, want)
	q.add(") p CROSS JOIN"+fromListed+" WHERE d.account_id = ? AND d.id = p.id AND d.lifecycle = 0", p.account)
	return q
}

// entries is the query for what a list sorts by.
func (p *plan) entries(after position, want int) *sqlText {
	q := &sqlText{}
	p.keys(q, after, 0, want)
	return q
}

// keys writes the query for the ids of a part of a list, with what it sorts by, in order.
func (p *plan) keys(q *sqlText, after position, skip, want int) {
	if p.driver == nil || p.gather || len(p.driver.values) == 1 {
		var all []any
		if p.driver != nil {
			all = p.driver.values
		}
		p.part(q, all, after)
		p.cut(q, skip, want)
		return
	}
	q.add("SELECT id FROM (")
	for i := range p.driver.values {
		if i > 0 {
			q.add(" UNION ")
		}
		q.add("SELECT id FROM (")
		p.part(q, p.driver.values[i:i+1], after)
		p.cut(q, 0, skip+want)
		q.add(fmt.Sprint(") u", i))
	}
	q.add(") u ORDER BY id")
	if p.descending {
		q.add(" DESC")
	}
	p.cut(q, skip, want)
}

func (p *plan) cut(q *sqlText, skip, want int) {
	switch {
	case skip > 0:
		q.add(" LIMIT ? OFFSET ?", want, skip)
	default:
		q.add(limitText(want))
	}
}

// count is the query for how many devices there are.
func (p *plan) count() *sqlText {
	q := &sqlText{}
	what := "COUNT(*)"
	if p.repeats() {
		what = "COUNT(DISTINCT f.device_id)"
	}
	q.add("SELECT " + what)
	var all []any
	if p.driver != nil {
		all = p.driver.values
	}
	p.source(q, all)
	return q
}
