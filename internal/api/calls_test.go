package api

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/internal/device"
	"muster/internal/policy"
	"muster/internal/posture"
)

// callExchanges are the calls besides lists and details of devices: each in each version that differs, and what they say
// in the cases that clients have to tell apart. Every one of them is a file of testdata/exchanges.
var callExchanges = []struct{ name, method, target, body string }{
	{"account_policy_v2", "GET", "v2/account/policy", ""},
	{"configuration_v3", "POST", "v3/configuration", `{"sections":["cross-domain-api"]}`},
	{"configuration_v3_regcode", "POST", "v3/configuration", `{"sections":["regcode"]}`},
	{"configuration_v31", "POST", "v3.1/configuration", `{"sections":["cross-domain-api","regcode"]}`},

	{"groups_v3", "POST", "v3/groups", ``},
	{"groups_v3_sorted", "POST", "v3/groups", `{"limit":1,"page":2,"search":"","sort":{"field":"group_name","order":"desc"}}`},
	{"groups_v3_search", "POST", "v3/groups", `{"search":"SERVERS","sort":{"field":"last_update"}}`},
	{"groups_v3_past_the_end", "POST", "v3/groups", `{"page":2}`},
	{"groups_v3_limit", "POST", "v3/groups", `{"limit":51}`},

	{"activities_v3", "POST", "v3/activities", ``},
	{"activities_v3_filtered", "POST", "v3/activities", `{"start_date":"01/01/2026","end_date":"01/01/2026","action":["allowed"],"search":"Wiki"}`},

	{"logs_v2", "GET", "v2/logs?limit=2", ""},
	{"logs_v2_administrators", "GET", "v2/logs?event_type=2", ""},
	{"logs_v3", "POST", "v3/logs", `{"limit":2}`},
	{"logs_v3_filtered", "POST", "v3/logs", `{"filter":["deleted","noncompliant"],"start_date":"2026/01/01","end_date":"2026/01/02"}`},
	{"logs_v3_token", "POST", "v3/logs", `{"limit":1,"token":""}`},
	{"logs_v31", "POST", "v3.1/logs", `{"event_category":"admin","page":1}`},
	{"logs_v31_deleted", "POST", "v3.1/logs", `{"event_category":"device","filter":{"events":["deleted"]}}`},
	{"logs_v32_page", "POST", "v3.2/logs", `{"event_category":"device","page":1}`},
	{"logs_v32_token", "POST", "v3.2/logs", `{"event_category":"device_report","token":"","age":86400}`},
	{"logs_v32_neither", "POST", "v3.2/logs", `{"event_category":"device"}`},
	{"logs_v33", "POST", "v3.3/logs", `{"event_category":"device","token":"","filter":{"events":["deleted_api"]},"start_time":1767225600000,"end_time":1767398400000}`},
	{"logs_v33_webhook", "POST", "v3.3/logs", `{"event_category":"webhook","token":""}`},

	{"apps_v3", "POST", "v3/apps", ``},
	{"apps_v3_filtered", "POST", "v3/apps", `{"filter":{"severity":["critical"],"category":["browser"]},"sort":{"field":"number_of_cves","order":"desc"}}`},
	{"app_details_v3", "POST", "v3/apps/details", `{"product_id":"41","version":"120"}`},
	{"app_details_v3_cves", "POST", "v3/apps/details", `{"product_id":41,"version":"120","verbose":{"cves":1}}`},
	{"app_details_v3_unknown", "POST", "v3/apps/details", `{"product_id":41,"version":"119"}`},

	{"cves_v3", "POST", "v3/cves", ``},
	{"cves_v3_score", "POST", "v3/cves", `{"filter":{"score":7}}`},
	{"cves_v31", "POST", "v3.1/cves", `{"filter":{"score_type":"cvss3_score","score":7.0,"severity":["critical","high"]},"sort":{"field":"cvss3_score","order":"desc"}}`},
	{"cves_v32", "POST", "v3.2/cves", `{"filter":{"kev":1}}`},
	{"get_cves_v3", "POST", "v3/get_cves", `{"id":"` + hardwareID + `"}`},
	{"get_cves_v3_verbose", "POST", "v3/get_cves", `{"id":"` + mac.String() + `","verbose":1}`},
	{"get_cves_v31", "POST", "v3.1/get_cves", `{"id":"` + hardwareID + `","verbose":1,"filter":{"score_type":"cvss2_score","severity":["high"]}}`},
	{"get_cves_v32", "POST", "v3.2/get_cves", `{"id":"` + hardwareID + `","verbose":1,"page":1,"limit":50,"filter":{"kev":1}}`},
	{"get_cves_v32_past_the_end", "POST", "v3.2/get_cves", `{"id":"` + hardwareID + `","page":2}`},
	{"get_cves_v32_unknown_device", "POST", "v3.2/get_cves", `{"id":"nobody"}`},

	{"get_threats_v3", "POST", "v3/get_threats?limit=50&page=1", `{"id":"` + hardwareID + `"}`},
	{"get_threats_v3_local", "POST", "v3/get_threats", `{"id":"` + hardwareID + `","limit":10,"verbose":{"antimalware_scan":0}}`},
	{"get_threats_v3_past_the_end", "POST", "v3/get_threats?page=2", `{"id":"` + hardwareID + `"}`},
	{"get_threats_v3_unknown_device", "POST", "v3/get_threats", `{"id":"nobody"}`},

	{"get_reports_v3_waiting", "GET", "v3/get_reports?type=agent_log&command_id=" + waitingCommand, ""},
	{"get_reports_v31_failed", "GET", "v3.1/get_reports?type=agent_log&command_id=" + failedCommand, ""},
	{"get_reports_v31_expired", "GET", "v3.1/get_reports?type=scan_threats_log&command_id=" + expiredCommand, ""},
	{"get_reports_v31_no_log", "GET", "v3.1/get_reports?type=scan_threats_log&command_id=" + silentCommand, ""},
	{"get_reports_v31_other_command", "GET", "v3.1/get_reports?type=scan_threats_log&command_id=" + logCommand, ""},
	{"get_reports_v3_type", "GET", "v3/get_reports?type=scan_threats_log&command_id=" + scanCommand, ""},

	{"status_changed_v21", "GET", "v2.1/devices/status_changed?age=3600", ""},
	{"status_changed_v21_verbose", "GET", "v2.1/devices/status_changed?verbose=1", ""},
	{"status_changed_v21_linux_or_mobile", "GET", "v2.1/devices/status_changed?os_type=linux_or_mobile", ""},
	{"status_changed_v3", "POST", "v3/devices/status_changed", `{"age":3600,"limit":2}`},
	{"status_changed_v3_verbose", "POST", "v3/devices/status_changed", `{"verbose":1,"limit":2}`},

	{"policy_check_v2", "GET", "v2/devices/" + mac.String() + "/policy_check", ""},
	{"policy_check_v22_verbose", "GET", "v2.2/devices/" + hardwareID + "/policy_check?opt=1&verbose=1", ""},
	{"policy_check_v22_compliant", "GET", "v2.2/devices/" + serverID + "/policy_check?opt=1", ""},
	{"policy_check_v22_unknown_device", "GET", "v2.2/devices/nobody/policy_check?opt=1", ""},
	{"policy_check_v2_batch", "POST", "v2/devices/policy_check", `{"opt":0,"MAC_list":["000C.29AA.BBCC","02:42:ac:11:00:ff","` + serverID + `"]}`},
	{"policy_check_v2_batch_ids", "POST", "v2/devices/policy_check", `{"opt":1,"HWID_list":["` + serverID + `","` + printerID + `","` + graceID + `"]}`},

	{"stats_v2_added", "GET", "v2/devices/stats?event=added&in=1&period=month&opt=1", ""},
	{"stats_v2_not_seen", "GET", "v2/devices/stats?event=not_seen&opt=0", ""},
	{"stats_v2_networks", "GET", "v2/devices/stats?event=outdated&opt=3", ""},

	{"remediation_v2", "GET", "v2/devices/" + mac.String() + "/remediation", ""},
	{"remediation_v22_no_issues", "GET", "v2.2/devices/" + serverID + "/remediation?opt=1", ""},
	{"remediation_v22_unknown_device", "GET", "v2.2/devices/nobody/remediation?opt=1", ""},
	{"remediation_v3", "GET", "v3/devices/" + serverID + "/remediation", ""},
	{"remediation_v3_own_id", "GET", "v3/devices/KARI-1/remediation?opt=1", ""},
	{"remediation_v3_unknown_device", "GET", "v3/devices/nobody/remediation", ""},

	{"delete_v2", "POST", "v2/devices/" + mac.String() + "/delete", ""},
	{"delete_v22", "POST", "v2.2/devices/" + hardwareID + "/delete?opt=0", ""},
	{"delete_v22_unknown_device", "POST", "v2.2/devices/nobody/delete", ""},
	{"delete_v2_batch", "POST", "v2/devices/delete", `{"HWID_list":["` + hardwareID + `","nobody","` + hardwareID + `"],"opt":2}`},

	{"action_v2", "POST", "v2/devices/" + mac.String() + "/action?types=exempt_critical", ""},
	{"action_v2_unsupported", "POST", "v2/devices/" + printerID + "/action?types=dhcprenew&opt=1", ""},
	{"action_v2_unknown_device", "POST", "v2/devices/nobody/action?types=unexempt&opt=1", ""},
	{"action_v2_batch", "POST", "v2/devices/action", `{"types":"exempt_all","opt":0,"MAC_list":["` + mac.String() + `","02:42:ac:11:00:ff"]}`},
	{"action_v3", "POST", "v3/devices/action", `{"types":"exempt","ids":["` + hardwareID + `","` + printerID + `","nobody"],"params":{"exempt_time":24}}`},
	{"action_v31", "POST", "v3.1/devices/action", `{"types":"fetch_agent_log","ids":["` + hardwareID + `","nobody"]}`},
	{"action_v32", "POST", "v3.2/devices/action", `{"types":"scan_threats","macs":["` + mac.String() + `"],"params":{"full_scan":0,"scan_types":[0,4],"path":"C:\\Users"}}`},
	{"action_v33", "POST", "v3.3/devices/action", `{"types":"assign_to_group","ids":["` + hardwareID + `"],"params":{"group_id":"2"}}`},
	{"action_v33_unknown_group", "POST", "v3.3/devices/action", `{"types":"assign_to_group","ids":["` + hardwareID + `"],"params":{"group_id":"9"}}`},
	{"action_v31_not_yet_known", "POST", "v3.1/devices/action", `{"types":"scan_threats","ids":["` + hardwareID + `"]}`},
}

func TestCallExchanges(t *testing.T) {
	for _, c := range callExchanges {
		t.Run(c.name, func(t *testing.T) {
			q := request{method: c.method, target: prefix + c.target, token: freeToken, body: c.body}
			goldenExchange(t, c.name, q, newLab().do(q))
		})
	}
}

// Reports that are files: what is in them, as it comes, and how a browser is told to keep it.
func TestReportFiles(t *testing.T) {
	for _, c := range []struct{ name, method, target string }{
		{"get_reports_v2_summary", "POST", "v2/get_reports?type=OSPatchSummary"},
		{"get_reports_v2_devices", "POST", "v2/get_reports?type=DeviceMissingOSPatch&kb=KB5000001"},
		{"get_reports_v2_of_device", "POST", "v2/get_reports?type=MissingOSPatch&id=" + hardwareID},
		{"get_reports_v3_summary", "GET", "v3/get_reports?type=os_patch_summary"},
		{"get_reports_v3_devices", "GET", "v3/get_reports?type=device_missing_os_patch&kb=5000001"},
		{"get_reports_v31_of_device", "GET", "v3.1/get_reports?type=missing_os_patch&id=" + mac.String()},
		{"get_reports_v31_nothing_missing", "GET", "v3.1/get_reports?type=missing_os_patch&id=" + printerID},
		{"get_reports_v3_log", "GET", "v3/get_reports?type=agent_log&command_id=" + logCommand},
		{"get_reports_v31_scan", "GET", "v3.1/get_reports?type=scan_threat_log&command_id=" + scanCommand},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newLab().do(request{method: c.method, target: prefix + c.target, token: freeToken})
			body := a.body
			if a.header.Get("Content-Type") == "application/zip" {
				body = unzip(t, a.body)
			}
			text := fmt.Sprintf("%s %s\n\n%d %s\nContent-Type: %s\nContent-Disposition: %s\n\n%s", c.method, prefix+c.target, a.status,
				http.StatusText(a.status), a.header.Get("Content-Type"), a.header.Get("Content-Disposition"), strings.ReplaceAll(body, "\r\n", "\n"))
			compareFile(t, filepath.Join("testdata", "exchanges", c.name+".http"), []byte(text))
		})
	}
}

// unzip lists what an archive holds.
func unzip(t *testing.T, archive string) string {
	t.Helper()
	r, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, f := range r.File {
		body, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "(a file %s)\n%s", f.Name, text)
	}
	return out.String()
}

// walkLogs reads all pages of logs by their cursor.
func walkLogs(t *testing.T, l *lab, version, rest string) []string {
	t.Helper()
	var out []string
	token := ""
	for range 20 {
		body := fmt.Sprintf(`{"event_category":"device","limit":2,"token":%q%s}`, token, rest)
		m := l.do(request{method: "POST", target: prefix + version + "/logs", token: freeToken, body: body}).members(t)
		data, ok := m["data"].([]any)
		if !ok {
			t.Fatalf("no data: %v", m)
		}
		token, _ = m["token"].(string)
		if len(data) == 0 {
			if token != "" {
				t.Errorf("a token behind the end: %q", token)
			}
			return out
		}
		if token == "" {
			t.Error("a page without a token")
		}
		for _, e := range data {
			entry, _ := e.(map[string]any)
			out = append(out, fmt.Sprint(entry["timestamp"], " ", entry["event"]))
		}
	}
	t.Fatal("the walk has no end")
	return nil
}

// A walk by cursor gives every event once, also where the last page is full, and in every version.
func TestLogsByToken(t *testing.T) {
	for version, more := range map[string]string{"v3": "", "v3.1": "", "v3.2": `,"age":86400`, "v3.3": `,"age":86400`} {
		l := newLab()
		got := walkLogs(t, l, version, more)
		want := 5 // of devices
		if version == "v3" {
			want = 6 // and one of an administrator
		}
		if len(got) != want || len(slices.Compact(slices.Clone(got))) != want {
			t.Errorf("%s: %q", version, got)
		}
		for _, e := range got {
			if isText := strings.HasPrefix(e, "2026-"); isText != (version == "v3") {
				t.Errorf("%s: timestamp of %q", version, e)
			}
		}
	}
}

// By page, the newest entry that comes meanwhile neither hides one nor shows one twice.
func TestLogsByPageWhileMoreHappens(t *testing.T) {
	l := newLab()
	var got []string
	for n := 1; n <= 3; n++ {
		a := l.do(request{method: "POST", target: prefix + "v3/logs", token: freeToken, body: fmt.Sprintf(`{"limit":2,"page":%d}`, n)})
		list, _ := a.members(t)["logs"].([]any)
		for _, e := range list {
			entry, _ := e.(map[string]any)
			got = append(got, fmt.Sprint(entry["timestamp"]))
		}
		newer := l.devices.world.events[0]
		newer.ID, newer.At = fmt.Sprintf("%032x", 2000+n), l.now.AddDate(0, 0, n)
		l.devices.world.events = slices.Insert(l.devices.world.events, 0, newer)
	}
	if len(got) != 6 || len(slices.Compact(slices.Clone(got))) != 6 {
		t.Errorf("%q", got)
	}
	a := l.do(request{method: "POST", target: prefix + "v3/logs", token: freeToken, body: `{"limit":2,"page":4}`})
	a.wantError(t, 413, "page_out_of_range", "page", false)
}

func TestLogsTokenOfAnotherFilter(t *testing.T) {
	l := newLab()
	first := l.do(request{method: "POST", target: prefix + "v3.3/logs", token: freeToken, body: `{"event_category":"device","token":"","limit":1,"age":86400}`})
	token, _ := first.members(t)["token"].(string)
	for body, status := range map[string]int{
		`{"event_category":"device","age":86400,"token":"` + token + `"}`:                               200,
		`{"event_category":"admin","age":86400,"token":"` + token + `"}`:                                400,
		`{"event_category":"device","age":3600,"token":"` + token + `"}`:                                400,
		`{"event_category":"device","age":86400,"filter":{"events":["added"]},"token":"` + token + `"}`: 400,
		`{"event_category":"device","age":86400,"token":"` + strings.ToLower(token) + `"}`:              400,
	} {
		a := l.do(request{method: "POST", target: prefix + "v3.3/logs", token: freeToken, body: body})
		if a.status != status {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}

// What the domain is asked, and told to do.
func TestWhatCallsAskFor(t *testing.T) {
	for _, c := range []struct{ method, target, body, want string }{
		{"POST", "v3/activities", ``, "Since:2026-01-01 03:04:05"},
		{"POST", "v3/activities", `{"age":0}`, "Since:2026-01-02 03:04:05"},
		{"POST", "v3/activities", `{"age":5,"start_date":"01/02/2025","end_date":"01/03/2025"}`, "Since:2025-01-02 00:00:00 +0000 UTC Until:2025-01-03 23:59:59.999"},
		{"POST", "v3/activities", `{"start_date":"01/02/2025"}`, "Since:2025-01-02 00:00:00 +0000 UTC Until:0001"},
		{"POST", "v3/logs", `{"age":60}`, "Since:2026-01-02 03:03:05"},
		{"POST", "v3/logs", ``, "Since:0001"},
		{"POST", "v3/logs", `{"token":"","limit":100}`, "Limit:100"},
		{"POST", "v3.1/logs", `{"event_category":"device"}`, "Since:0001"},
		{"POST", "v3.2/logs", `{"event_category":"device"}`, "Since:2026-01-02 02:04:05"},
		{"POST", "v3.2/logs", `{"event_category":"device","age":60,"end_time":"1000"}`, "Since:0001-01-01 00:00:00 +0000 UTC Until:1970-01-01 00:00:01 "},
		{"POST", "v3.1/logs", `{"category":"webhook"}`, "Kinds:[webhook_delivered webhook_failed]"},
		{"POST", "v3.3/logs", `{"event_category":"admin","filter":{"events":["added"]}}`, "Kinds:[none]"},
		{"POST", "v3.2/logs", `{"event_category":"device","filter":{"events":["deleted","non-compliant"]}}`, "Kinds:[deleted deleted_api status_changed] To:[non-compliant]"},
		{"POST", "v3.3/logs", `{"event_category":"device","filter":{"events":"deleted"}}`, "Kinds:[deleted] To:[]"},
		{"POST", "v3.3/logs", `{"event_category":"device_report","filter":{"events":["nonsense"]}}`, "Kinds:[reported]"},
		{"POST", "v3.3/logs", `{"event_category":"device","limit":100,"page":1}`, "Limit:100"},
		{"POST", "v3/apps", ``, "Sort:0 Descending:true"},
		{"POST", "v3/apps", `{"filter":{"severity":["unknown","critical"]},"sort":{"field":"vendor","order":"asc"}}`, "Levels:[0 4] Categories:[] Sort:1 Descending:false"},
		{"POST", "v3/cves", ``, "By:opswat_score Levels:[] MinScore:-1 OnlyKEV:false Sort:0 Descending:false"},
		{"POST", "v3/cves", `{"filter":{"score_type":"cvss2_ score","score":"6.5","severity":["high","low"]}}`, "By:cvss2_score Levels:[3 1] MinScore:6.5"},
		{"POST", "v3.2/cves", `{"filter":{"kev":"1","score":50},"sort":{"field":"severity","order":"desc"}}`, "MinScore:50 OnlyKEV:true Sort:4 Descending:true"},
		{"GET", "v2.1/devices/status_changed", ``, "Since:2026-01-01 03:04:05 +0000 UTC OS:[windows mac ]"},
		{"GET", "v2.1/devices/status_changed?age=0&os_type=linux_or_mobile", ``, "Since:2026-01-02 03:04:05 +0000 UTC OS:[linux ios android]"},
		{"POST", "v3/devices/status_changed", `{"age":60}`, "Since:2026-01-02 03:03:05 +0000 UTC OS:[] Window:{After: Skip:0 Limit:20}"},
		{"GET", "v2/devices/stats?event=added&start_date=20250102&end_date=20250103", ``, "EnrolledFrom:2025-01-02 00:00:00 +0000 UTC EnrolledUntil:2025-01-03 23:59:59.999"},
		{"GET", "v2/devices/stats?event=added", ``, "EnrolledFrom:0001-01-01 00:00:00 +0000 UTC EnrolledUntil:0001"},
		{"GET", "v2/devices/stats?event=added&period=ytd", ``, "EnrolledFrom:2026-01-01 00:00:00"},
		{"GET", "v2/devices/stats?event=added&period=hour&in=5", ``, "EnrolledFrom:2026-01-01 22:04:05"},
		{"GET", "v2/devices/stats?event=added&period=hour&in=1000000000", ``, "EnrolledFrom:1975-"},
		{"GET", "v2/devices/stats?event=added&period=month&in=1000000000", ``, "EnrolledFrom:1976-"},
		{"GET", "v2/devices/stats?event=added&period=year&in=2&start_date=20240101&end_date=20240102", ``, "EnrolledFrom:2024-01-02 03:04:05"},
		{"GET", "v2/devices/stats?event=not_seen&in=90&period=second", ``, "NotSeenSince:2026-01-02 03:02:35"},
		{"GET", "v2/devices/stats?event=not_seen", ``, "NotSeenSince:2026-01-01 03:04:05"},
		{"GET", "v2/devices/stats?event=outdated&device_type=unmanaged", ``, "Contacts:[3] Now:0001-01-01 00:00:00 +0000 UTC Managed:1"},
	} {
		l := newLab()
		a := l.do(request{method: c.method, target: prefix + c.target, token: freeToken, body: c.body})
		if a.status != 200 {
			t.Errorf("%s %s: %d %s", c.target, c.body, a.status, a.body)
			continue
		}
		asked := make([]string, 0, 2)
		for _, q := range l.devices.world.asked {
			asked = append(asked, fmt.Sprintf("%+v", q))
		}
		for _, q := range l.devices.stock.asked {
			asked = append(asked, fmt.Sprintf("%+v", q))
		}
		if !slices.ContainsFunc(asked, func(q string) bool { return strings.Contains(q, c.want) }) {
			t.Errorf("%s %s asked for %s; want %s", c.target, c.body, asked, c.want)
		}
	}
}

func TestWhatCallsChange(t *testing.T) {
	const full = " {FullScan:true ScanTypes:[] Path:}"
	for _, c := range []struct{ target, body, want string }{
		{"v2/devices/" + hardwareID + "/delete", ``, "CLIENT removes (1)"},
		{"v2.2/devices/" + hardwareID + "/delete?opt=0", `{"opt":2}`, "CLIENT removes (0)"},
		{"v2.2/devices/" + hardwareID + "/delete", `{"opt":2,"device_id":"x"}`, "CLIENT removes (2)"},
		{"v2/devices/delete", `{"MAC_list":["00-0C-29-AA-BB-CC"]}`, "CLIENT removes (1)"},
		{"v2/devices/delete?opt=0", `{"HWID_list":["` + hardwareID + `","` + hardwareID + `"]}`, "CLIENT removes (0)"},
		{"v2/devices/" + hardwareID + "/action?types=exempt_all", ``, "CLIENT: exempt"},
		{"v2/devices/" + hardwareID + "/action", `{"types":"dhcprenew"}`, "CLIENT: dhcprenew"},
		{"v2/devices/action", `{"types":"unexempt","HWID_list":"` + hardwareID + `"}`, "CLIENT: unexempt"},
		{"v3/devices/action", `{"types":"exempt","ids":["` + hardwareID + `"]}`, "CLIENT: exempt"},
		{"v3/devices/action", `{"types":"exempt","ids":["` + hardwareID + `"],"params":{"exempt_time":"64999"}}`, "CLIENT: exempt for 64999h0m0s"},
		{"v3/devices/action", `{"types":"delete","macs":["` + mac.String() + `"],"params":[]}`, "CLIENT: delete"},
		{"v3/devices/action", `{"types":"re-identify","ids":["` + hardwareID + `"]}`, "CLIENT: re-identify"},
		{"v3/devices/action", `{"types":"assign_to_group","ids":["` + hardwareID + `"]}`, "CLIENT: assign_to_group 1"},
		{"v3/devices/action", `{"types":"assign_to_group","ids":["` + hardwareID + `"],"params":{"group_id":"default"}}`, "CLIENT: assign_to_group 1"},
		{"v3.1/devices/action", `{"types":"assign_to_group","ids":["` + hardwareID + `"],"params":{"group_id":2}}`, "CLIENT: assign_to_group 2"},
		{"v3.1/devices/action", `{"types":"assign_to_group","ids":["` + hardwareID + `"],"params":{"group_id":"staff"}}`, "CLIENT: assign_to_group 0"},
		{"v3.2/devices/action", `{"types":"scan_threats","ids":["` + hardwareID + `"]}`, "CLIENT: scan_threats" + full},
		{"v3.2/devices/action", `{"types":"scan_threats","ids":["` + hardwareID + `"],"params":{"full_scan":1,"scan_types":[4],"path":"/x"}}`, "CLIENT: scan_threats" + full},
		{"v3.3/devices/action", `{"types":"scan_threats","ids":["` + hardwareID + `"],"params":{"scan_types":[5,0,5],"path":"/x"}}`, "CLIENT: scan_threats {FullScan:false ScanTypes:[5 0] Path:}"},
		{"v3.3/devices/action", `{"types":"scan_threats","ids":["` + hardwareID + `"],"params":{"full_scan":0,"scan_types":["4"],"path":"/x"}}`, "CLIENT: scan_threats {FullScan:false ScanTypes:[4] Path:/x}"},
		{"v3.3/devices/action", `{"types":"unexempt","ids":["` + hardwareID + `"],"params":{"full_scan":0,"scan_types":[4]}}`, "CLIENT: unexempt"},
	} {
		l := newLab()
		a := l.do(request{method: "POST", target: prefix + c.target, token: freeToken, body: c.body})
		if got := l.devices.world.changed; a.status != 200 || !slices.Equal(got, []string{c.want + " " + hardwareID}) {
			t.Errorf("%s %s: %d %s, changed %q; want %q", c.target, c.body, a.status, a.body, got, c.want)
		}
	}
}

// The devices of another account are not there, whatever is asked about them or to be done with them.
func TestCallsOfAnotherAccount(t *testing.T) {
	for _, c := range callExchanges {
		l := newLab()
		a := l.do(request{method: c.method, target: prefix + c.target, token: otherToken, body: c.body})
		if a.status >= 500 || len(l.devices.world.changed) > 0 || strings.Contains(a.body, "lab-pc") || strings.Contains(a.body, "Example") {
			t.Errorf("%s: %d %s, changed %q", c.name, a.status, a.body, l.devices.world.changed)
		}
	}
}

// A device beyond the licence has no page to mend it by.
func TestRemediationBeyondTheLicence(t *testing.T) {
	l := newLab()
	l.devices.stock.devices[0].Cell.Status = posture.StatusOutOfLicence
	a := l.do(request{method: "GET", target: prefix + "v3/devices/" + hardwareID + "/remediation", token: readToken})
	if want := `{"result":-1,"remediation_link":""}`; a.status != 200 || a.body != want {
		t.Errorf("%d %s, want %s", a.status, a.body, want)
	}
}

// A batch of many devices is done as a whole, each once.
func TestLargeBatch(t *testing.T) {
	ids := make([]string, maxBatch)
	for i := range ids {
		ids[i] = fmt.Sprintf(`"%032x"`, i)
	}
	ids[7], ids[maxBatch-1] = `"`+hardwareID+`"`, `"`+serverID+`"`
	l := newLab()
	a := l.do(request{method: "POST", target: prefix + "v2/devices/delete", token: freeToken, body: `{"HWID_list":[` + strings.Join(ids, ",") + `]}`})
	want := make([]int, maxBatch)
	want[7], want[maxBatch-1] = 1, 1
	if text := fmt.Sprintf(`{"result":%s}`, strings.ReplaceAll(fmt.Sprint(want), " ", ",")); a.body != text || len(l.devices.world.changed) != 2 {
		t.Errorf("%d %s, changed %q", a.status, a.body, l.devices.world.changed)
	}
}

func TestPatchNames(t *testing.T) {
	for kb, want := range map[string][]string{
		"KB5000001": {"KB5000001", "5000001"}, "5000001": {"KB5000001", "5000001"}, "kb12": {"KB12", "12"}, "KB": {"KB"}, "macOS 15.2": {"macOS 15.2"},
	} {
		if got := patchNames(kb); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", kb, got, want)
		}
	}
}

// What is on for whom: the first entry that covers a computer holds for it.
func TestPolicyAppliesTo(t *testing.T) {
	portable := []posture.DeviceType{posture.Laptop}
	for _, c := range []struct {
		name   string
		checks []policy.Check
		want   string
	}{
		{"for all", []policy.Check{{Severity: policy.Warning}}, "{1 1 1 1} {1 0 1}"},
		{"for laptops", []policy.Check{{Severity: policy.Critical, DeviceTypes: portable}}, "{1 0 0 0} {1 1 1}"},
		{"for all but laptops", []policy.Check{{Severity: policy.Off, DeviceTypes: portable}, {Severity: policy.Critical}}, "{0 1 1 1} {1 1 1}"},
		{"for all but laptops with Linux", []policy.Check{
			{Severity: policy.Off, DeviceTypes: portable, OS: []posture.OSFamily{posture.Linux}}, {Severity: policy.Warning},
		}, "{1 1 1 1} {1 0 1}"},
		{"off", []policy.Check{{Severity: policy.Off}, {Severity: policy.Critical, DeviceTypes: []posture.DeviceType{posture.Phone}}}, "{0 0 0 0} {1 1 1}"},
		{"off for all", []policy.Check{{Severity: policy.Off}}, "{0 0 0 0} {0 0 0}"},
	} {
		for i := range c.checks {
			c.checks[i].ID = "disk_encryption"
		}
		shown := renderPolicy(&policy.Policy{Checks: c.checks})["Hard_Disk_Encryption"]
		check, _ := shown["Disk_Encryption"].(policyCheck)
		got := fmt.Sprint(shown["apply_to"], " ", struct{ alert, critical, remediation int }{check.Alert, check.Critical, check.Remediation})
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// Entries with names are checks of their own, and a custom check has the title that was given to it.
func TestPolicyWithNamedChecks(t *testing.T) {
	shown := renderPolicy(&policy.Policy{Checks: []policy.Check{
		{ID: "custom_check", Name: "dock", Title: "The dock is new", Severity: policy.Off, OS: []posture.OSFamily{posture.Linux}},
		{ID: "custom_check", Name: "vpn", Title: "The VPN is up", Severity: policy.Warning, DeviceTypes: []posture.DeviceType{posture.Laptop}},
		{ID: "custom_check", Name: "dock", Title: "The dock is new", Severity: policy.Critical},
	}})["Custom_Check"]
	if got := shown["Custom_Check_dock"]; got != (policyCheck{"The dock is new", 1, 1, 1}) {
		t.Errorf("dock: %v", got)
	}
	if got := shown["Custom_Check_vpn"]; got != (policyCheck{"The VPN is up", 1, 0, 1}) {
		t.Errorf("vpn: %v", got)
	}
	if got := shown["apply_to"]; got != (appliesTo{1, 1, 1, 1}) || len(shown) != 3 {
		t.Errorf("%v", shown)
	}
}

// The details of an application list the worst vulnerabilities, and count all of them.
func TestAppWithManyVulnerabilities(t *testing.T) {
	l := newLab()
	app := &l.devices.world.software[0]
	for len(app.Vulnerabilities) <= maxAppCVEs {
		app.Vulnerabilities = append(app.Vulnerabilities, app.Vulnerabilities[1])
	}
	a := l.do(request{method: "POST", target: prefix + "v3/apps/details", token: readToken, body: `{"product_id":41,"version":"120","verbose":{"cves":1}}`})
	m := a.members(t)
	if list, _ := m["cves"].([]any); len(list) != 100 || m["total_cves"] != 101.0 || m["total_important"] != 99.0 {
		t.Errorf("%d listed, %v in all, %v important", len(list), m["total_cves"], m["total_important"])
	}
}

// Cells that a spreadsheet would run are marked as text.
func TestCellsAreNoFormulas(t *testing.T) {
	l := newLab()
	a := l.do(request{method: "GET", target: prefix + "v3/get_reports?type=os_patch_summary", token: readToken})
	if !bytes.Contains([]byte(a.body), []byte(`"'=HYPERLINK(""x"")"`)) {
		t.Error(a.body)
	}
}

// The number of a status is the same in every call that has numbers, but for devices without an agent.
func TestStatusNumbers(t *testing.T) {
	want := map[posture.Status]int{
		posture.StatusUnknown: 2, posture.StatusIgnored: 2, posture.StatusCompliant: 0, posture.StatusExempted: 0,
		posture.StatusNonCompliant: 1, posture.StatusQuarantined: 1, posture.StatusInstalled: 3, posture.StatusPending: 3,
		posture.StatusInGrace: 3, posture.StatusOutOfLicence: 3,
	}
	for _, s := range posture.Statuses {
		if got := statusNumber(s); got != want[s] {
			t.Errorf("%v: %d, want %d", s, got, want[s])
		}
	}
}

// Every action of a call exists in the domain, and every word of the domain has its place in a call.
func TestActionsAreComplete(t *testing.T) {
	known := []device.Action{
		device.ActExempt, device.ActUnexempt, device.ActIgnore, device.ActUnignore, device.ActDelete, device.ActAssignGroup,
		device.ActRenewDHCP, device.ActReidentify, device.ActFetchLog, device.ActScanThreats,
	}
	for _, s := range actions {
		known = slices.DeleteFunc(known, func(a device.Action) bool { return a == s.means.action })
		if s.word != string(s.means.action) {
			t.Errorf("%s means %s", s.word, s.means.action)
		}
	}
	if len(known) > 0 {
		t.Errorf("no word for %v", known)
	}
}
