package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"muster/client"
)

func TestReports(t *testing.T) {
	var sent string
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		sent = r.Method + " " + r.RequestURI
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="patches.csv"`)
		io.WriteString(w, "kb,devices\n"+strings.Repeat("KB1,2\n", 1000))
	})
	c := s.client(client.Options{MaxAnswer: 1000}) // does not bound reports
	r, err := c.Report(t.Context(), client.ReportQuery{Type: client.DevicesMissingPatch, KB: "KB 1"})
	check(t, err)
	text, err := io.ReadAll(r.Body)
	check(t, errors.Join(err, r.Body.Close()))
	if r.MediaType != "text/csv" || r.FileName != "patches.csv" || len(text) != 6011 || sent != "GET /o/api/v3.1/get_reports?kb=KB+1&type=device_missing_os_patch" {
		t.Errorf("%+v of %d bytes for %s", r, len(text), sent)
	}
}

func TestReportsThatAreNotThere(t *testing.T) {
	for text, want := range map[string]client.NoReport{
		`{"status":0,"message":"The log is not there yet"}`: {Status: "0", Message: "The log is not there yet"},
		`{"status":"pending"}`:                              {Status: "pending"},
	} {
		_, err := newServer(t, answer(text)).client(client.Options{}).Report(t.Context(), client.ReportQuery{Type: client.AgentLog, CommandID: "c"})
		if e, ok := errors.AsType[*client.NoReport](err); !ok || *e != want || !strings.Contains(err.Error(), want.Message) {
			t.Errorf("%s: %v", text, err)
		}
	}
	_, err := newServer(t, refuse(404)).client(client.Options{}).Report(t.Context(), client.ReportQuery{})
	if !client.IsNotFound(err) {
		t.Errorf("an unknown command: %v", err)
	}
	r, err := newServer(t, answer(`[{"kb":"KB1"}]`)).client(client.Options{}).Report(t.Context(), client.ReportQuery{})
	check(t, err)
	if text, _ := io.ReadAll(r.Body); string(text) != `[{"kb":"KB1"}]` || r.MediaType != "application/json" {
		t.Errorf("a report in JSON: %q", text)
	}
}

// TestReportThatBreaksOff: half a report is not a whole one.
func TestReportThatBreaksOff(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/zip")
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "PK")
	})
	r, err := s.client(client.Options{}).Report(t.Context(), client.ReportQuery{})
	check(t, err)
	defer r.Body.Close()
	if _, err = io.ReadAll(r.Body); err == nil {
		t.Error("half a report has no error")
	}
}

// TestRetriedReport: a report is read again like any other read.
func TestRetriedReport(t *testing.T) {
	s := newServer(t, script(t, hangUp, refuse(429, "Retry-After", "5"), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/zip")
	}))
	r, err := s.client(client.Options{}).Report(t.Context(), client.ReportQuery{})
	check(t, err)
	check(t, r.Body.Close())
}

func TestValues(t *testing.T) {
	type values struct {
		N client.Number
		F client.Flag
		T client.Time
		A client.Addresses
		S client.Status
		X client.Text
	}
	for text, want := range map[string]string{
		`{"N":7,"F":1,"T":"2024-03-02T10:15:00+01:00","A":"10.0.0.1, fe80::1","S":3,"X":5}`: `7|true|2024-03-02T09:15:00Z|[10.0.0.1 fe80::1]|pending|5`,
		`{"N":"9.3","F":"0","T":"2024-03-02","A":["10.0.0.1","N/A",""],"S":"2","X":"a"}`:    `9.3|false|2024-03-02T00:00:00Z|[10.0.0.1]|removed|a`,
		`{"N":null,"F":true,"T":1706778900123,"A":"N/A","S":"noncompliant","X":null}`:       `|true|2024-02-01T09:15:00Z|[]|non-compliant|`,
		`{"N":"n/a","F":2,"T":"N/A","A":null,"S":"something new","X":""}`:                   `n/a|true|0001-01-01T00:00:00Z|[]|something new|`,
	} {
		var v values
		err := json.Unmarshal([]byte(text), &v)
		got := strings.Join([]string{v.N.String(), map[bool]string{true: "true", false: "false"}[bool(v.F)], v.T.Format("2006-01-02T15:04:05Z07:00"),
			"[" + strings.Join(v.A, " ") + "]", string(v.S), string(v.X)}, "|")
		if err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{`{"N":{}}`, `{"F":"maybe"}`, `{"F":[]}`, `{"T":"yesterday"}`, `{"T":{}}`, `{"A":{}}`, `{"A":[1]}`, `{"S":[]}`, `{"X":[]}`} {
		if json.Unmarshal([]byte(text), new(values)) == nil {
			t.Errorf("%s is accepted", text)
		}
	}
	if f, ok := client.Number("9.3").Float64(); f != 9.3 || !ok {
		t.Error("9.3 is no number")
	}
	if _, ok := client.Number("").Int64(); ok {
		t.Error("no number is one")
	}
	out, err := json.Marshal([]any{client.Number("41"), client.Number("x"), client.Number(""), client.Flag(true), client.Flag(false)})
	if string(out) != `[41,"x",null,1,0]` || err != nil {
		t.Errorf("%s, %v", out, err)
	}
}
