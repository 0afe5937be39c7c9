package e2e

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"muster/client"
)

// status gives how a device stands now.
func (w *town) status(id string) client.DeviceDetail {
	w.t.Helper()
	d, err := w.c.DeviceDetail(w.t.Context(), id, client.DetailsQuery{})
	w.ok(err)
	return d
}

// counted gives how many devices account details count under a status.
func (w *town) counted(s client.Status) int64 {
	w.t.Helper()
	account, err := w.c.Account(w.t.Context(), client.AccountQuery{})
	w.ok(err)
	for _, n := range account.ByStatus {
		if n.Status == s {
			return n.Devices
		}
	}
	return -1
}

// actionsTakeEffect: what is done with a device shows in it, in the counts and in the record.
func actionsTakeEffect(w *town) {
	ill, exempted := w.ill(), w.counted(client.Exempted)
	w.act(client.ActionRequest{Action: client.Exempt, IDs: []string{ill.ID}, ExemptFor: time.Hour}, client.ActionDone)
	d := w.status(ill.ID)
	equal(w, "an exempted device", []any{d.Status, bool(d.Detail.Exempted), w.counted(client.Exempted)}, []any{client.Exempted, true, exempted + 1})
	until := decode[object](w.t, w.p.muster("device", "show", "--json", ill.ID))["exemption"].(object)["until"].(string)
	if at, err := time.Parse(time.RFC3339, until); err != nil || time.Until(at) < 59*time.Minute || time.Until(at) > time.Hour {
		w.t.Errorf("exempted until %s", until)
	}
	w.act(client.ActionRequest{Action: client.Unexempt, MACs: []string{ill.Networks[0].MAC}}, client.ActionDone)
	d = w.status(ill.ID)
	equal(w, "no longer exempted", []any{d.Status, bool(d.Detail.Exempted), w.counted(client.Exempted)}, []any{ill.Status, false, exempted})

	i := slices.IndexFunc(w.seen, func(d client.Device) bool { return d.Status == client.Unknown })
	stranger, unknown := w.seen[i].ID, w.counted(client.Unknown)
	w.act(client.ActionRequest{Action: client.Ignore, IDs: []string{stranger}}, client.ActionDone)
	equal(w, "ignored", []any{w.status(stranger).Status, w.counted(client.Unknown)}, []any{client.Ignored, unknown - 1})
	w.act(client.ActionRequest{Action: client.Ignore, IDs: []string{ill.ID, stranger}}, client.ActionUnsupported)
	w.act(client.ActionRequest{Action: client.Unignore, IDs: []string{stranger}}, client.ActionDone)
	equal(w, "no longer ignored", w.counted(client.Unknown), unknown)
	w.act(client.ActionRequest{Action: client.Exempt, IDs: []string{stranger}}, client.ActionUnsupported)

	w.act(client.ActionRequest{Action: client.AssignGroup, IDs: []string{ill.ID}, Group: "2"}, client.ActionDone)
	equal(w, "the group", w.status(ill.ID).GroupName, "Workshop")
	w.act(client.ActionRequest{Action: client.AssignGroup, IDs: []string{ill.ID}, Group: "99"}, client.ActionFailed)
	w.act(client.ActionRequest{Action: client.AssignGroup, IDs: []string{ill.ID}}, client.ActionDone)
	equal(w, "the group", w.status(ill.ID).GroupName, "Default")

	// The older forms.
	equal(w, "v3", w.ask("POST", "v3/devices/action", fmt.Sprintf(`{"types":"exempt","ids":[%q,"nobody"]}`, ill.ID)).body, fmt.Sprintf(`{%q:1,"nobody":0}`, ill.ID))
	equal(w, "v2 of several", w.ask("POST", "v2/devices/action", fmt.Sprintf(`{"types":"unexempt","HWID_list":[%q,"nobody"]}`, ill.ID)).body, `{"result":[1,0]}`)
	equal(w, "v2", w.ask("POST", "v2/devices/"+ill.ID+"/action?types=exempt_all&opt=1", "").body, `{"result":1,"msg":"OK"}`)
	equal(w, "v2 by address", w.ask("POST", "v2/devices/"+ill.Networks[0].MAC+"/action?types=unexempt", "").body, `{"result":1,"msg":"OK"}`)

	var heard []string
	for _, l := range all(w, w.c.AllLogs(w.t.Context(), client.LogsQuery{Events: words("exempted unexempted ignored unignored group_changed"), Age: time.Hour, Limit: 7})) {
		if l.DeviceID == ill.ID || l.DeviceID == stranger {
			heard = append(heard, l.Event)
		}
	}
	slices.Sort(heard) // what happens within a millisecond has no order
	equal(w, "what is recorded", heard, words("exempted exempted exempted group_changed group_changed ignored unexempted unexempted unexempted unignored"))
}

// agentsHearOfDeletion deletes devices in each of the ways, and asks on as their agents do.
func agentsHearOfDeletion(w *town) {
	for _, c := range []struct {
		mode   client.DeleteMode
		stays  bool // in the inventory
		erased bool
	}{{client.KeepDevice, true, false}, {client.EraseData, false, true}, {client.ArchiveData, false, false}} {
		mac := fmt.Sprintf("00:0c:29:00:02:%02x", int(c.mode))
		a := w.p.register(w.code, registration(mac))
		a.report(healthy("leaving", mac)).want(200)
		before := w.counted(client.Compliant)
		w.ok(w.c.DeleteDevice(w.t.Context(), a.ID, c.mode))
		equal(w, "compliant devices", w.counted(client.Compliant), before-1)
		second := w.p.call("POST", "/gears/api/1/agent/imhere", a.headers(), fmt.Sprintf(`{"hwid":%q,"opt":0}`, a.ID)).want(200).object()
		equal(w, "what the agent hears", second["code"], any(802.0))
		a.ping().want(401)
		a.report(healthy("leaving", mac)).want(401)
		d, err := w.c.DeviceDetail(w.t.Context(), a.ID, client.DetailsQuery{})
		if c.stays != (err == nil) || c.stays && (d.Status != client.Unknown || d.HostName != "leaving") {
			w.t.Errorf("mode %d: %+v, %v", c.mode, d, err)
		}
		gone := slices.ContainsFunc(all(w, w.c.AllChanges(w.t.Context(), client.ChangesQuery{Age: time.Hour})), func(ch client.Change) bool { return ch.ID == a.ID && ch.Deleted })
		equal(w, "told as deleted", gone, !c.stays)
		word := "deleted_api"
		if c.stays {
			word = "agent_removed"
		}
		if !slices.ContainsFunc(all(w, w.c.AllLogs(w.t.Context(), client.LogsQuery{Events: []string{word}, Age: time.Hour})), func(l client.Log) bool { return l.DeviceID == a.ID }) {
			w.t.Errorf("mode %d is not in the logs", c.mode)
		}
		back := w.p.register(w.code, registration(mac))
		if back.ID != a.ID {
			w.t.Errorf("mode %d: the machine came back as %s, was %s", c.mode, back.ID, a.ID)
		}
		back.ping().want(200)
		if c.erased && w.status(a.ID).HostName != "" {
			w.t.Errorf("the host name of an erased device is known: %+v", w.status(a.ID))
		}
		done, err := w.c.DeleteDevices(w.t.Context(), []string{a.ID, "nobody"}, client.EraseData)
		w.ok(err)
		equal(w, "deleted together", done, []bool{true, false})
	}
	a := w.p.register(w.code, registration("00:0c:29:00:02:09"))
	w.act(client.ActionRequest{Action: client.Delete, IDs: []string{a.ID}}, client.ActionDone)
	w.act(client.ActionRequest{Action: client.Delete, IDs: []string{a.ID}}, client.ActionFailed)
	a.ping().want(401)
}

// logsArrive: a command queued by the API goes to the agent with its ping, and its result to who asked.
func logsArrive(w *town) {
	a := w.p.register(w.code, registration("00:0c:29:00:03:01"))
	a.report(healthy("talker", "00:0c:29:00:03:01")).want(200)
	id := w.act(client.ActionRequest{Action: client.FetchLog, IDs: []string{a.ID}}, client.ActionDone)[0]
	again := w.act(client.ActionRequest{Action: client.FetchLog, MACs: []string{"00-0C-29-00-03-01"}}, client.ActionDone)[0]
	equal(w, "the same command, which is still open", again, id)
	pending := w.ask("GET", "v3.1/get_reports?type=agent_log&command_id="+id, "")
	equal(w, "before the answer", pending.body, `{"status":0,"message":"The device has not answered yet"}`)
	told := a.ping().want(200).object()["commands"].([]any)
	if len(told) != 1 || told[0].(object)["id"] != id || told[0].(object)["type"] != "fetch_agent_log" {
		w.t.Fatalf("with the ping: %v", told)
	}
	text := strings.Repeat("2026-11-24 something happened\n", 5000)
	a.call("POST", "/result", fmt.Sprintf(`{"method":"fetch_agent_log","command_id":%q,"result":1,"output":%q}`, id, text)).want(200)
	if got := a.ping().want(200).body; got != "{}" {
		w.t.Errorf("after the answer: %s", got)
	}
	for _, version := range []string{"v3", "v3.1"} {
		r := w.ask("GET", version+"/get_reports?type=agent_log&command_id="+id, "")
		equal(w, "the kind of file", r.header.Get("Content-Type"), "application/zip")
		equal(w, "the log", unzip(w, r.body), text)
	}
	w.p.call("GET", "/o/api/v3.1/get_reports?type=scan_threats_log&command_id="+id, bearer(w.token), "").want(404)

	scan := w.act(client.ActionRequest{Action: client.ScanThreats, IDs: []string{a.ID}, Scan: &client.Scan{Parts: []client.ScanPart{client.ScanMemory, client.ScanPath}, Path: "/srv"}}, client.ActionDone)[0]
	params := a.ping().want(200).object()["commands"].([]any)[0].(object)["params"]
	equal(w, "what to scan", fmt.Sprint(params), "map[full_scan:0 path:/srv scan_types:[0 4]]")
	a.call("POST", "/result", fmt.Sprintf(`{"method":"scan_threats","command_id":%q,"result":0,"message":"no scanner"}`, scan)).want(200)
	_, err := w.c.Report(w.t.Context(), client.ReportQuery{Type: client.ThreatScanLog, CommandID: scan})
	if err == nil || !strings.Contains(err.Error(), "no scanner") {
		w.t.Errorf("a scan that failed: %v", err)
	}
	w.ok(w.c.DeleteDevice(w.t.Context(), a.ID, client.EraseData))
}

func unzip(w *town, text string) string {
	w.t.Helper()
	z, err := zip.NewReader(bytes.NewReader([]byte(text)), int64(len(text)))
	w.ok(err)
	if len(z.File) != 1 {
		w.t.Fatalf("%d files", len(z.File))
	}
	f, err := z.File[0].Open()
	w.ok(err)
	defer f.Close()
	out, err := io.ReadAll(f)
	w.ok(err)
	return string(out)
}

// cursorsOutliveRestart: a walk begun before a restart goes on after it as if nothing had happened.
func cursorsOutliveRestart(w *town) {
	devices, err := w.c.Devices(w.t.Context(), client.DevicesQuery{Limit: 40, Filter: &client.DeviceFilter{OS: []string{"windows", "linux", "mac"}}})
	w.ok(err)
	logs, err := w.c.Logs(w.t.Context(), client.LogsQuery{Limit: 40, Age: 2 * time.Hour})
	w.ok(err)
	wholeDevices := all(w, w.c.AllDevices(w.t.Context(), client.DevicesQuery{Token: devices.NextToken, Filter: &client.DeviceFilter{OS: []string{"windows", "linux", "mac"}}}))
	wholeLogs := all(w, w.c.AllLogs(w.t.Context(), client.LogsQuery{Token: logs.NextToken, Age: 2 * time.Hour}))
	w.p.end()
	next := start(w.p.t, w.p.db, "--rate-limit", "0")
	c, err := client.New(next.url, client.Options{Token: client.Token{AccessToken: w.token}, MaxWait: -1, Retries: -1})
	w.ok(err)
	got := all(w, c.AllDevices(w.t.Context(), client.DevicesQuery{Token: devices.NextToken, Filter: &client.DeviceFilter{OS: []string{"windows", "linux", "mac"}}}))
	equal(w, "devices", idsOf(got), idsOf(wholeDevices))
	equal(w, "logs", len(all(w, c.AllLogs(w.t.Context(), client.LogsQuery{Token: logs.NextToken, Age: 2 * time.Hour}))), len(wholeLogs))
	if len(got) < 20 || len(wholeLogs) < 20 {
		w.t.Errorf("%d devices and %d logs were left", len(got), len(wholeLogs))
	}
}

func idsOf(list []client.Device) []string {
	var out []string
	for i := range list {
		out = append(out, list[i].ID)
	}
	return out
}
