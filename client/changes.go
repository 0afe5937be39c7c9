package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"strconv"
	"time"
)

// Change is a device whose status has changed.
type Change struct {
	Device
	Detail Detail `json:"status_detail"`
	// Deleted devices are gone, and only their ids are told.
	Deleted bool `json:"-"`
	// IssueList is there if ChangesQuery.Verbose asks for it. How many they are, Device.Issues tells always.
	IssueList []Issue `json:"issues"`
}

// Issue is one check that a device did not pass.
type Issue struct {
	Category string `json:"category"` // what it is called, such as Firewall or Operating System
	Critical Flag   `json:"critical"` // otherwise it is a warning
	Evidence string `json:"desc"`     // what was reported and what was asked
	// The rest is there if details were asked for.
	Check       string  `json:"check"`
	Outcome     Outcome `json:"outcome"`
	Product     string  `json:"product"` // "" if the check is not about one
	Remediation string  `json:"remediation"`
}

// Outcome is how a check ended.
type Outcome string

// The outcomes of issues. Others may be added. Only the first says that something is wrong; the others say that it is not
// known whether it is.
const (
	OutcomeFail    Outcome = "fail"
	OutcomeUnknown Outcome = "unknown" // the device did not tell
	OutcomeStale   Outcome = "stale"   // what it told is too old
	OutcomeError   Outcome = "error"   // it could not find out
)

// ChangesQuery chooses devices by when their status changed.
type ChangesQuery struct {
	// Age is how far to look back, in whole seconds, at most 24 hours; 0 is 24 hours.
	Age     time.Duration
	Verbose bool // with the issues of each
	Page    int  // from 1
	Limit   int  // at most 50; 0 is 20
}

// MarshalJSON gives the body of the call.
func (q ChangesQuery) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Age     int64 `json:"age,omitempty"`
		Verbose Flag  `json:"verbose,omitempty"`
		Page    int   `json:"page,omitempty"`
		Limit   int   `json:"limit,omitempty"`
	}{seconds(q.Age), Flag(q.Verbose), q.Page, q.Limit})
}

// seconds rounds up: what happened in the part of a second that was asked for belongs to it.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// Changes gives a page of the devices whose status has changed, and of those that are gone: Status Change v3.
func (c *Client) Changes(ctx context.Context, q ChangesQuery) ([]Change, error) {
	out, err := fetch[struct {
		Monitored []Change `json:"monitored_devices"`
		Deleted   []Change `json:"deleted_devices"`
	}](ctx, c, post("/v3/devices/status_changed", q))
	for i := range out.Deleted {
		out.Deleted[i].Deleted, out.Deleted[i].Status = true, Removed
	}
	return append(out.Monitored, out.Deleted...), err
}

// AllChanges walks the changes from q.Page on. A page may be short without being the last, for a device that changed more
// than once is told once: only an empty page, or none, is the end.
func (c *Client) AllChanges(ctx context.Context, q ChangesQuery) iter.Seq2[Change, error] {
	q.Limit = orDefault(q.Limit, maxPage)
	return byPage(q.Page, 1, func(page int) ([]Change, error) {
		q.Page = page
		return c.Changes(ctx, q)
	})
}

// PolicyStatus is whether a device may come in.
type PolicyStatus struct {
	Status        Status  `json:"status"`
	Critical      Flag    `json:"critical_status"` // it has a critical issue
	TotalIssues   int     `json:"total_issue"`
	TotalCritical int     `json:"total_critical_issue"`
	DeviceType    string  `json:"device_type"`
	OS            string  `json:"os_type"`
	LastSeen      Time    `json:"last_seen"`
	Issues        []Issue `json:"issues"`
}

// PolicyCheck tells whether a device, named by its id or a MAC address, may come in: Device Policy Check v2.2. One that is
// not there is an error that fits IsNotFound, or has the status Removed. With verbose the issues have all their members.
func (c *Client) PolicyCheck(ctx context.Context, device string, verbose bool) (PolicyStatus, error) {
	path, err := devicePath("/v2.2", device, "/policy_check")
	if err != nil {
		return PolicyStatus{}, err
	}
	v := url.Values{"opt": {opt(device)}}
	if verbose {
		v.Set("verbose", "1")
	}
	return fetch[PolicyStatus](ctx, c, get(path, v))
}

// PolicyVerdict is the short form of PolicyStatus. The status of a device that is not there is Removed.
type PolicyVerdict struct {
	Status   Status
	Critical bool
}

// PolicyChecks tells of many devices, named by ids or by MAC addresses, not by both, whether they may come in, in the same
// order: Devices Policy Check v2.
func (c *Client) PolicyChecks(ctx context.Context, devices []string) ([]PolicyVerdict, error) {
	members := map[string]any{"opt": 0}
	if len(devices) > 0 && !isMAC(devices[0]) {
		members["opt"] = 1
	}
	body, err := deviceList(devices, members)
	if err != nil {
		return nil, err
	}
	k := post("/v2/devices/policy_check", body)
	out, err := fetch[struct {
		Result   []Status `json:"result"`
		Critical []Flag   `json:"critical"`
	}](ctx, c, k)
	if err != nil {
		return nil, err
	}
	if len(out.Result) != len(devices) || len(out.Critical) != len(devices) {
		return nil, miscounted(&k, min(len(out.Result), len(out.Critical)), len(devices))
	}
	list := make([]PolicyVerdict, len(devices))
	for i := range list {
		list[i] = PolicyVerdict{out.Result[i], bool(out.Critical[i])}
	}
	return list, nil
}

// StatsEvent is what devices are counted by.
type StatsEvent string

// The events.
const (
	StatsAdded    StatsEvent = "added"
	StatsNotSeen  StatsEvent = "not_seen"
	StatsOutdated StatsEvent = "outdated" // an old agent
)

// StatsIDs is what devices are named by.
type StatsIDs int

// The kinds of names.
const (
	StatsMACs      StatsIDs = 0
	StatsDeviceIDs StatsIDs = 1
)

// StatsQuery chooses devices. The time is Amount of Period, or from From to To; neither is as the server has it.
type StatsQuery struct {
	Event    StatsEvent
	IDs      StatsIDs
	Amount   int
	Period   string    // second, hour, month, ytd
	From, To time.Time // days in UTC, both or neither
	Devices  string    // all (the default), managed, unmanaged
}

// Stats are the devices that were chosen.
type Stats struct {
	Total   int      `json:"total_count"`
	Devices []string `json:"devices"`
}

// Stats gives the devices that something is so of: Device Statistics v2.
func (c *Client) Stats(ctx context.Context, q StatsQuery) (Stats, error) {
	if q.From.IsZero() != q.To.IsZero() {
		return Stats{}, errBothDays
	}
	v := url.Values{"event": {string(q.Event)}, "opt": {strconv.Itoa(int(q.IDs))}}
	setInt(v, "in", q.Amount)
	setText(v, "period", q.Period)
	setText(v, "device_type", q.Devices)
	setText(v, "start_date", day(q.From, "20060102"))
	setText(v, "end_date", day(q.To, "20060102"))
	return fetch[Stats](ctx, c, get("/v2/devices/stats", v))
}

// day writes a date in UTC; "" for the zero time.
func day(t time.Time, layout string) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(layout)
}
