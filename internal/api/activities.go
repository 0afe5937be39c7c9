package api

import (
	"net/http"
	"time"

	"muster/internal/device"
	"muster/internal/page"
)

var activityLimits = limits{otherwise: 50, most: 50, refusal: http.StatusNotAcceptable}

var activityActions = []spelling[device.ActivityAction]{
	{word: "blocked", means: device.AccessBlocked},
	{word: "allowed", means: device.AccessAllowed},
	{word: "monitored_block", means: device.AccessMonitoredBlock},
	{word: "monitored_allow", means: device.AccessMonitoredAllow},
}

// activity is one entry of Activities.
type activity struct {
	Timestamp    string `json:"timestamp"`
	Action       string `json:"action"`
	DeviceID     string `json:"device_id"`
	DeviceName   string `json:"device_name,omitempty"`
	DeviceStatus string `json:"device_status"`
	DeviceGroup  string `json:"device_group,omitempty"`
	AppUser      string `json:"app_user,omitempty"`
	AccessRule   string `json:"access_rule,omitempty"`
	AppName      string `json:"app_name,omitempty"`
}

// maxActivityAge is the oldest that can be asked for by age, in hours: ten years.
const maxActivityAge = 10 * 366 * 24

// activities lists the attempts of devices to reach applications through access control, the newest first.
func (d *door) activities(c *call) error {
	p := &c.params
	number, limit := activityLimits.paged(p)
	from, until := p.days("start_date", "end_date", "01/02/2006", "MM/DD/YYYY")
	age := p.number("age", inBody, 24, 0, maxActivityAge)
	q := device.ActivityQuery{Since: from, Until: until, Actions: words(p, "action", activityActions)}
	q.Search = p.search()
	if p.err != nil {
		return p.err
	}
	chosen := []any{from, until, age, q.Actions, q.Search}
	if from.IsZero() && until.IsZero() {
		q.Since = d.Now().Add(-time.Duration(age) * time.Hour)
	}
	out := []activity{}
	err := d.readPage(c, chosen, number, limit, func(w page.Window) (int, string, error) {
		q.Window = w
		list, next, err := d.Devices.Activities(c.r.Context(), c.account.ID, q)
		out = make([]activity, len(list))
		for i := range list {
			out[i] = renderActivity(&list[i])
		}
		return len(list), next, err
	})
	if err != nil {
		return err
	}
	c.answer(out)
	return nil
}

func renderActivity(a *device.Activity) activity {
	return activity{
		Timestamp: timestamp(a.At), Action: string(a.Action), DeviceID: a.DeviceID, DeviceName: a.DeviceName,
		DeviceStatus: wordFor(detailStatuses, a.DeviceStatus), DeviceGroup: a.DeviceGroup, AppUser: a.AppUser,
		AccessRule: a.AccessRule, AppName: a.AppName,
	}
}

// days reads two parameters that name days in UTC, from the beginning of the first to the end of the last. The zero time
// stands for one that is absent.
func (p *params) days(first, last, layout, shown string) (from, until time.Time) {
	from, until = p.day(first, inBody, layout, shown), p.day(last, inBody, layout, shown)
	if !until.IsZero() {
		if until.Before(from) {
			p.wrong(last, "must not lie before %s", first)
		}
		until = until.AddDate(0, 0, 1).Add(-time.Millisecond)
	}
	return from, until
}

// day reads a day in UTC; the zero time stands for one that is absent.
func (p *params) day(name string, documented place, layout, shown string) time.Time {
	text, k := p.find(name, documented)
	if k == absent {
		return time.Time{}
	}
	at, err := time.Parse(layout, text)
	if k != asText && k != asNumber || err != nil || at.Year() < 1970 {
		p.wrong(name, "must be a day as %s", shown)
		return time.Time{}
	}
	return at
}
