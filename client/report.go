package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/url"
	"strings"
)

// ReportType is a kind of report.
type ReportType string

// The types.
const (
	PatchSummary         ReportType = "os_patch_summary"
	DevicesMissingPatch  ReportType = "device_missing_os_patch" // takes KB
	PatchesMissingDevice ReportType = "missing_os_patch"        // takes Device
	AgentLog             ReportType = "agent_log"               // takes CommandID
	ThreatScanLog        ReportType = "scan_threats_log"        // takes CommandID
)

// ReportQuery names a report.
type ReportQuery struct {
	Type      ReportType
	KB        string // the number of an update
	Device    string // its id or a MAC address
	CommandID string // of an ActionResult
}

// Report is a file that the server makes: text as CSV, logs as ZIP. Close its Body.
type Report struct {
	MediaType string // such as text/csv, without parameters
	FileName  string // that the server suggests; "" if it suggests none. It may hold anything
	Body      io.ReadCloser
}

// NoReport says that there is nothing to download, or nothing yet. It is an error.
type NoReport struct {
	Status  Text // of the command, as the server words it
	Message string
}

// Error implements error.
func (e *NoReport) Error() string {
	text := "client: there is no report: " + e.Message
	if e.Status != "" {
		text += " (status " + string(e.Status) + ")"
	}
	return text
}

// Report gives a report: Get Reports v3.1. The error is a [*NoReport] while an agent has not yet sent what it was asked
// for. The body has no limit and ends with ctx.
func (c *Client) Report(ctx context.Context, q ReportQuery) (*Report, error) {
	v := url.Values{"type": {string(q.Type)}}
	setText(v, "kb", q.KB)
	setText(v, "id", q.Device)
	setText(v, "command_id", q.CommandID)
	k := get("/v3.1/get_reports", v)
	var report *Report
	err := c.persist(ctx, &k, func(a *answer) error {
		var err error
		report, err = a.report(c.maxAnswer)
		return err
	})
	return report, err
}

func (a *answer) report(limit int64) (*Report, error) {
	media, _, err := mime.ParseMediaType(a.resp.Header.Get("Content-Type"))
	if err != nil {
		media = "application/octet-stream"
	}
	r := &Report{MediaType: media}
	if _, named, err := mime.ParseMediaType(a.resp.Header.Get("Content-Disposition")); err == nil {
		r.FileName = named["filename"]
	}
	if media != "application/json" && !strings.HasSuffix(media, "+json") {
		if !a.timer.Stop() {
			return nil, a.lost(errTooSlow)
		}
		a.kept = true
		r.Body = reportBody{a}
		return r, nil
	}
	body, err := a.readAll(limit)
	if err != nil {
		return nil, err
	}
	var none struct {
		Status  *Text   `json:"status"`
		Message *string `json:"message"`
	}
	if json.Unmarshal(body, &none) == nil && (none.Status != nil || none.Message != nil) {
		e := &NoReport{}
		if none.Status != nil {
			e.Status = *none.Status
		}
		if none.Message != nil {
			e.Message = *none.Message
		}
		return nil, e
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r, nil
}

// reportBody is the rest of an answer.
type reportBody struct{ a *answer }

// Read implements io.Reader.
func (b reportBody) Read(p []byte) (int, error) { return b.a.resp.Body.Read(p) }

// Close implements io.Closer.
func (b reportBody) Close() error {
	b.a.close()
	return nil
}
