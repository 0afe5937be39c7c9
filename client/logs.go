package client

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"
)

// Log is one entry of the log.
type Log struct {
	Time       Time            `json:"timestamp"`
	Event      string          `json:"event"`
	DeviceID   string          `json:"device_id"`
	DeviceName string          `json:"device_name"`
	MACs       []string        `json:"mac_addresses"`
	Details    json.RawMessage `json:"details"` // as the kind of entry has them
}

// LogCategory is a part of the log.
type LogCategory string

// The categories.
const (
	DeviceLog  LogCategory = "device"
	AdminLog   LogCategory = "admin"
	WebhookLog LogCategory = "webhook"
	ReportLog  LogCategory = "device_report"
)

// LogsQuery chooses entries of the log. The time is from Since to Until, or Age; with neither it is the last hour.
type LogsQuery struct {
	Category LogCategory // "" is DeviceLog
	// Events are kinds of entries: added, deleted, deleted_user, deleted_api, unseen, compliant, noncompliant, …
	Events       []string
	Since, Until time.Time
	Age          time.Duration // in whole seconds, at most 24 hours
	// Token is the position that the page before gave; "" is the beginning.
	Token string
	Limit int // at most 100; 0 is 20
}

// MarshalJSON gives the body of the call.
func (q LogsQuery) MarshalJSON() ([]byte, error) {
	var filter map[string][]string
	if len(q.Events) > 0 {
		filter = map[string][]string{"events": q.Events}
	}
	return json.Marshal(struct {
		Category LogCategory         `json:"event_category"`
		Since    int64               `json:"start_time,omitempty"`
		Until    int64               `json:"end_time,omitempty"`
		Age      int64               `json:"age,omitempty"`
		Filter   map[string][]string `json:"filter,omitempty"`
		// Token is there in any case: it chooses the form that has positions.
		Token string `json:"token"`
		Limit int    `json:"limit,omitempty"`
	}{orDefault(q.Category, DeviceLog), millis(q.Since), millis(q.Until), seconds(q.Age), filter, q.Token, q.Limit})
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// LogsPage is a part of the log.
type LogsPage struct {
	Logs []Log
	// NextToken is the position of the next page; "" if this was the last. It may be empty when asked for.
	NextToken string
}

// UnmarshalJSON takes the spellings of all versions.
func (p *LogsPage) UnmarshalJSON(data []byte) error {
	var body struct {
		Data  []Log  `json:"data"`
		Logs  []Log  `json:"logs"`
		Token string `json:"token"`
		Next  string `json:"next_token"`
	}
	err := json.Unmarshal(data, &body)
	*p = LogsPage{Logs: body.Data, NextToken: orDefault(body.Token, body.Next)}
	if len(p.Logs) == 0 {
		p.Logs = body.Logs
	}
	return err
}

// Logs gives a page of the log: Get Logs v3.3. Behind the last entry it is empty, or the error fits IsPastEnd.
func (c *Client) Logs(ctx context.Context, q LogsQuery) (LogsPage, error) {
	return fetch[LogsPage](ctx, c, post("/v3.3/logs", q))
}

// maxLogs is the largest page of the log.
const maxLogs = 100

// AllLogs walks the log from q.Token on.
func (c *Client) AllLogs(ctx context.Context, q LogsQuery) iter.Seq2[Log, error] {
	q.Limit = orDefault(q.Limit, maxLogs)
	return byToken(q.Token, func(token string) ([]Log, string, error) {
		q.Token = token
		page, err := c.Logs(ctx, q)
		if len(page.Logs) == 0 {
			return nil, "", err // the end, whatever position it names
		}
		return page.Logs, page.NextToken, err
	})
}

// Activity is a device's attempt to reach an application through access control.
type Activity struct {
	Time         Time   `json:"timestamp"`
	Action       string `json:"action"` // blocked, allowed, monitored_block, …
	DeviceID     string `json:"device_id"`
	DeviceName   string `json:"device_name"`
	DeviceStatus Status `json:"device_status"`
	DeviceGroup  string `json:"device_group"`
	User         string `json:"app_user"`
	Rule         string `json:"access_rule"`
	Application  string `json:"app_name"`
}

// ActivitiesQuery chooses activities. The time is from From to To, or Age; with neither it is the last 24 hours.
type ActivitiesQuery struct {
	Actions  []string
	Search   string
	From, To time.Time     // days in UTC, both or neither
	Age      time.Duration // in whole hours
	Page     int           // from 1
	Limit    int           // at most 50; 0 is 50
}

// MarshalJSON gives the body of the call.
func (q ActivitiesQuery) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Actions []string `json:"action,omitempty"`
		Search  string   `json:"search,omitempty"`
		From    string   `json:"start_date,omitempty"`
		To      string   `json:"end_date,omitempty"`
		Age     int64    `json:"age,omitempty"`
		Page    int      `json:"page,omitempty"`
		Limit   int      `json:"limit,omitempty"`
	}{q.Actions, q.Search, day(q.From, "01/02/2006"), day(q.To, "01/02/2006"), int64((q.Age + time.Hour - 1) / time.Hour), q.Page, q.Limit})
}

// errBothDays is the error of a query with half a time.
var errBothDays = errors.New("client: From and To come together")

// Activities gives a page of the activities: Get Access Activities v3.
func (c *Client) Activities(ctx context.Context, q ActivitiesQuery) ([]Activity, error) {
	if q.From.IsZero() != q.To.IsZero() {
		return nil, errBothDays
	}
	return fetch[[]Activity](ctx, c, post("/v3/activities", q))
}

// AllActivities walks the activities from q.Page on.
func (c *Client) AllActivities(ctx context.Context, q ActivitiesQuery) iter.Seq2[Activity, error] {
	q.Limit = orDefault(q.Limit, maxPage)
	return byPage(q.Page, q.Limit, func(page int) ([]Activity, error) {
		q.Page = page
		return c.Activities(ctx, q)
	})
}
