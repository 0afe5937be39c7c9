package api

import (
	"time"

	"muster/internal/device"
	"muster/internal/page"
	"muster/internal/posture"
)

// statEvent is what Device Statistics counts.
type statEvent uint8

const (
	statAdded statEvent = iota
	statNotSeen
	statOutdated
)

var statEvents = []spelling[statEvent]{
	{word: "added", means: statAdded}, {word: "not_seen", means: statNotSeen}, {word: "outdated", means: statOutdated},
}

// statPeriod gives the time that lies so many of its units back.
type statPeriod func(now time.Time, amount int) time.Time

var statPeriods = []spelling[statPeriod]{
	{word: "second", means: func(now time.Time, n int) time.Time { return now.Add(-time.Duration(n) * time.Second) }},
	{word: "hour", means: func(now time.Time, n int) time.Time {
		return now.Add(-time.Duration(min(n, maxStatYears*366*24)) * time.Hour)
	}},
	{word: "month", means: func(now time.Time, n int) time.Time { return now.AddDate(0, -min(n, maxStatYears*12), 0) }},
	{word: "year", means: func(now time.Time, n int) time.Time { return now.AddDate(-min(n, maxStatYears), 0, 0) }},
	{word: "ytd", means: func(now time.Time, _ int) time.Time {
		return time.Date(now.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	}},
}

var statDeviceTypes = []spelling[posture.Fact]{
	{word: "all", means: posture.NotReported}, {word: "managed", means: posture.Yes}, {word: "unmanaged", means: posture.No},
}

const (
	// maxStatYears is how far back a time is looked for; no device is older.
	maxStatYears = 50
	// maxStatAmount is the most units that a time may lie back: seconds of as many years.
	maxStatAmount = maxStatYears * 366 * 86400
	// maxStatDevices is how many devices are named; total_count counts all.
	maxStatDevices = 10000
)

// stats counts and names the devices that were added, not seen, or have an old agent.
func (d *door) stats(c *call) error {
	p := &c.params
	required(p, "event", inQuery)
	what := choice(p, "event", inQuery, statEvents, statAdded)
	kind := p.readKind(inQuery)
	from, until := d.readStatPeriod(p)
	f := device.Filter{Managed: choice(p, "device_type", inQuery, statDeviceTypes, posture.NotReported)}
	if p.err != nil {
		return p.err
	}
	switch what {
	case statAdded:
		f.EnrolledFrom, f.EnrolledUntil = from, until
	case statNotSeen:
		f.NotSeenSince = from
		if from.IsZero() {
			f.NotSeenSince = d.Now().Add(-device.ContactLost)
		}
	case statOutdated:
		f.Contacts = []device.Contact{device.OutOfDate}
	}
	total, err := d.Devices.CountMatching(c.r.Context(), c.account.ID, f)
	if err != nil {
		return err
	}
	names, err := d.statNames(c, f, kind)
	if err != nil {
		return err
	}
	c.answer(struct {
		Total   int64    `json:"total_count"`
		Devices []string `json:"devices"`
	}{total, names})
	return nil
}

// statNames gives the ids or the addresses of the devices, of at most maxStatDevices of them. Of networks Muster knows nothing.
func (d *door) statNames(c *call, f device.Filter, kind kindOfValue) ([]string, error) {
	out := []string{}
	if kind == valueNetwork {
		return out, nil
	}
	q := device.Query{Filter: f, Window: page.Window{Limit: 500}}
	for looked := 0; looked < maxStatDevices; {
		list, next, err := d.Devices.Select(c.r.Context(), c.account.ID, q)
		if err != nil {
			return nil, err
		}
		for i := range list {
			some := []string{list[i].ID}
			if kind == valueMAC {
				some, err = d.macsOf(c, &list[i])
			}
			if err != nil {
				return nil, err
			}
			out = append(out, some...)
		}
		looked += len(list)
		if q.After = next; next == "" {
			break
		}
	}
	return out, nil
}

// readStatPeriod reads the time in question: so many units back, or two days. Both absent mean all time.
func (d *door) readStatPeriod(p *params) (from, until time.Time) {
	amount := p.number("in", inQuery, 0, 1, maxStatAmount)
	back := choice(p, "period", inQuery, statPeriods, nil)
	first, last := p.day("start_date", inQuery, "20060102", "YYYYMMDD"), p.day("end_date", inQuery, "20060102", "YYYYMMDD")
	switch {
	case back != nil:
		return back(d.Now().UTC(), max(int(amount), 1)), time.Time{}
	case amount > 0:
		p.wrong("period", "is required with in")
	case first.IsZero() != last.IsZero():
		p.wrong("end_date", "and start_date are required together")
	case last.Before(first):
		p.wrong("end_date", "must not lie before start_date")
	}
	if last.IsZero() {
		return first, last
	}
	return first, last.AddDate(0, 0, 1).Add(-time.Millisecond)
}
