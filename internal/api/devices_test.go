package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/page"
	"muster/internal/posture"
)

// deviceExchanges are the calls about devices in each version.
var deviceExchanges = func() []deviceExchange {
	get, post := "GET", "POST"
	all := `{"ids":["` + hardwareID + `"],"verbose":{"categories":1,"unclassified":1,"detected_patches":1}}`
	linux := `{"ids":["` + serverID + `","nobody"],"verbose":{"system_info":0,"detected_processes":1,"detected_packages":1,"infection":0}}`
	return []deviceExchange{
		{"devices_v2", get, "v2/devices?limit=2", "", 200},
		{"devices_v2.1", get, "v2.1/devices?limit=2&order=asc", "", 200},
		{"devices_v2.2", get, "v2.2/devices?limit=2&page=2&GroupBy=host", "", 200},
		{"devices_v2.3", get, "v2.3/devices?limit=2&GroupBy=issues", "", 200},
		{"devices_v2_limit", get, "v2/devices?limit=51", "", 406},
		{"devices_v2_page", get, "v2/devices?page=6", "", 413},
		{"devices_v3", post, "v3/devices", `[]`, 200},
		{"devices_v3.1", post, "v3.1/devices", `{"filter":{"os":["linux"]}}`, 200},
		{"devices_v3.2", post, "v3.2/devices", `{"filter":{"device_status":["pending"]},"page":1,"limit":20}`, 200},
		{"devices_v3.3", post, "v3.3/devices", `{"filter":{"device_type":["laptop","phone"],"severity":["critical"]},"sort":{"field":"device_name","order":"desc"}}`, 200},
		{"devices_v3.3_limit", post, "v3.3/devices", `{"limit":51}`, 400},
		{"devices_v3.3_page", post, "v3.3/devices", `{"page":3,"limit":20}`, 413},
		{"devices_v3.4", post, "v3.4/devices", `{"token":"","limit":1}`, 200},
		{"devices_v3.5", post, "v3.5/devices", `{"filter":{"device_status":["unknown"]}}`, 200},
		{"devices_v3.6", post, "v3.6/devices", `{"filter":{"group_id":2}}`, 200},
		{"devices_v3.7", post, "v3.7/devices", `{"filter":{"device_status":["non-compliant"]}}`, 200},
		{"devices_v3.7_filter", post, "v3.7/devices", `{"filter":{"os":["beos"]}}`, 400},
		{"search_v2.1", get, "v2.1/devices/search?q=bergen&in=hostname,nickname", "", 200},
		{"search_v2.1_nothing", get, "v2.1/devices/search?q=oslo&in=hostname", "", 200},
		{"search_v2.1_in", get, "v2.1/devices/search?q=oslo&in=colour", "", 400},
		{"details_v2", get, "v2/devices/" + hardwareID, "", 200},
		{"details_v2.1", get, "v2.1/devices/00:0c:29:aa:bb:cc?opt=1", "", 200},
		{"details_v2.3", get, "v2.3/devices/" + hardwareID, "", 200},
		{"details_v2.5", get, "v2.5/devices/" + phoneID, "", 200},
		{"details_v2_nobody", get, "v2/devices/nobody", "", 404},
		{"details_v3", post, "v3/devices/" + hardwareID, "", 200},
		{"details_v3_nobody", post, "v3/devices/nobody", "", 404},
		{"details_v3.1", post, "v3.1/devices/detail", `{"ids":["00-0C-29-AA-BB-CC"]}`, 200},
		{"details_v3.2", post, "v3.2/devices/detail", `{"opt":1,"ids":["KARI-1"],"verbose":{"mobile_apps":1}}`, 200},
		{"details_v3.3", post, "v3.3/devices/detail", `{"ids":["` + hardwareID + `"],"verbose":{"infection":1}}`, 200},
		{"details_v3.4", post, "v3.4/devices/detail", linux, 200},
		{"details_v3.5", post, "v3.5/devices/detail", `{"ids":["` + printerID + `"],"verbose":{"categories":1}}`, 200},
		{"details_v3.6", post, "v3.6/devices/detail", `{"ids":["` + graceID + `"]}`, 200},
		{"details_v3.7", post, "v3.7/devices/detail", `{"ids":["nobody"]}`, 200},
		{"details_v3.8", post, "v3.8/devices/detail", all, 200},
		{"details_v3.8_ids", post, "v3.8/devices/detail", `{}`, 400},
		{"device_info_v3", post, "v3/device_info", `{"ids":["` + hardwareID + `","` + printerID + `"]}`, 200},
		{"device_info_v3_select", post, "v3/device_info", `{"ids":"` + hardwareID + `","select":{"categories":["firewall","anti-malware","backup"]}}`, 200},
	}
}()

type deviceExchange struct {
	name, method, target, body string
	status                     int
}

// TestDeviceExchanges shows each call about devices in each version.
func TestDeviceExchanges(t *testing.T) {
	for _, c := range deviceExchanges {
		t.Run(c.name, func(t *testing.T) {
			q := request{method: c.method, target: prefix + c.target, token: readToken, body: c.body}
			a := newLab().do(q)
			if a.status != c.status {
				t.Errorf("status %d, want %d", a.status, c.status)
			}
			goldenExchange(t, c.name, q, a)
		})
	}
}

// entries gives the objects of an array.
func (a answer) entries(t *testing.T) []map[string]any {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal([]byte(a.body), &list); err != nil || a.status != 200 {
		t.Fatalf("%d %v: %s", a.status, err, a.body)
	}
	return list
}

// post sends a body to a call.
func (l *lab) post(target, body string) answer {
	return l.do(request{method: "POST", target: prefix + target, token: freeToken, body: body})
}

// Each version has the members of the one before it and its own.
func TestMembersByVersion(t *testing.T) {
	firstOf := func(v string) map[string]any {
		body := `{"filter":{"device_type":["laptop"]}}`
		if v >= "v3.4" {
			list, _ := newLab().post(v+"/devices", body).members(t)["devices"].([]any)
			m, _ := list[0].(map[string]any)
			return m
		}
		return newLab().post(v+"/devices", body).entries(t)[0]
	}
	check := func(call, since, member string, versions []string, get func(string) map[string]any) {
		for _, v := range versions {
			if _, there := get(v)[member]; there != (v >= since) {
				t.Errorf("%s %s: %s is there: %v", call, v, member, there)
			}
		}
	}
	lists := []string{"v3", "v3.1", "v3.2", "v3.3", "v3.4", "v3.5", "v3.6", "v3.7"}
	for member, since := range map[string]string{
		"device_id": "v3", "last_reboot": "v3.1", "enrolled_at": "v3.3", "host_name": "v3.6", "public_ip": "v3.7", "nickname": "v3",
	} {
		check("list", since, member, lists, firstOf)
	}
	details := []string{"v3", "v3.1", "v3.2", "v3.3", "v3.4", "v3.5", "v3.6", "v3.7", "v3.8"}
	l := newLab()
	l.devices.stock.devices[0].LinkedID = "OWN-1"
	for member, since := range map[string]string{
		"last_reboot": "v3.1", "linked_id": "v3.2", "enrolled_at": "v3.3", "host_name": "v3.8", "nick_name": "v3", "public_ip": "v3",
	} {
		check("details", since, member, details, func(v string) map[string]any {
			if v == "v3" {
				return l.post("v3/devices/"+hardwareID, "").members(t)
			}
			return l.post(v+"/devices/detail", `{"ids":["`+hardwareID+`"]}`).entries(t)[0]
		})
	}
	for member, since := range map[string]string{
		"hwid": "v2", "remediation_link": "v2.1", "status": "v2.1", "exempt": "v2.1", "agent_type": "v2.2", "total_issue": "v2",
	} {
		check("list", since, member, []string{"v2", "v2.1", "v2.2", "v2.3"}, func(v string) map[string]any {
			return newLab().do(request{method: "GET", target: prefix + v + "/devices?order=asc", token: freeToken}).entries(t)[0]
		})
	}
	for _, v := range []string{"v3.1", "v3.2"} {
		infection, _ := l.post(v+"/devices/detail", `{"ids":["`+hardwareID+`"],"verbose":{"infection":1}}`).entries(t)[0]["infection"].(map[string]any)
		text := fmt.Sprint(infection)
		if strings.Contains(text, "last_scan") != (v == "v3.2") || strings.Contains(text, "existing") != (v == "v3.2") {
			t.Errorf("%s: %s", v, text)
		}
	}
}

// Every member of the filter reaches the inventory as what it means.
func TestDeviceFilter(t *testing.T) {
	monitored := slices.DeleteFunc(slices.Clone(posture.Statuses[:]), func(s posture.Status) bool { return !s.Monitored() })
	for _, c := range []struct {
		body string
		want device.Filter
	}{
		{``, device.Filter{}}, {`{}`, device.Filter{}}, {`{"filter":null}`, device.Filter{}}, {`{"filter":[]}`, device.Filter{}},
		{`{"filter":{"os":[]}}`, device.Filter{}}, {`{"filter":{"os":null,"colour":["red"]},"search":"","verify":true}`, device.Filter{}},
		{`{"filter":{"device_type":["laptop","vm"]}}`, device.Filter{Types: []posture.DeviceType{posture.Laptop, posture.VM}}},
		{`{"filter":{"device_type":"phone"}}`, device.Filter{Types: []posture.DeviceType{posture.Phone}}},
		{`{"filter":{"os":["windows","mac","linux","ios","android"]}}`,
			device.Filter{OS: []posture.OSFamily{posture.Windows, posture.MacOS, posture.Linux, posture.IOS, posture.Android}}},
		{`{"filter":{"device_status":["non_compliant"]}}`, device.Filter{Statuses: []posture.Status{posture.StatusNonCompliant}}},
		{`{"filter":{"device_status":["non-compliant","out-of-license-usage"]}}`,
			device.Filter{Statuses: []posture.Status{posture.StatusNonCompliant, posture.StatusOutOfLicence}}},
		{`{"filter":{"device_status":["pending"]}}`, device.Filter{Statuses: []posture.Status{posture.StatusPending, posture.StatusInGrace}}},
		{`{"filter":{"severity":["no_issues","critical"]}}`, device.Filter{Severities: []posture.IssueSeverity{posture.NoIssue, posture.Critical}}},
		{`{"filter":{"severity":["no_issue","warnings"]}}`, device.Filter{Severities: []posture.IssueSeverity{posture.NoIssue, posture.Warning}}},
		{`{"filter":{"category":["antivirus","patch_mangement_agent","instant_messegener","instant-messenger"]}}`, device.Filter{
			Categories: []posture.Category{posture.Antimalware, posture.PatchManagement, posture.InstantMessenger, posture.InstantMessenger}}},
		{`{"filter":{"category":["system"]}}`, device.Filter{Categories: []posture.Category{posture.UserAuthentication, posture.OperatingSystem}}},
		{`{"filter":{"agent_status":["connected","unseen","out_of_date"]}}`, device.Filter{Contacts: []device.Contact{device.Connected, device.Unseen, device.OutOfDate}}},
		{`{"filter":{"cve_severity":["important"],"vulnerability_severity":["unknown"]}}`,
			device.Filter{Levels: []posture.Level{posture.LevelHigh, posture.LevelUnknown}}},
		{`{"filter":{"group_id":"2"}}`, device.Filter{Groups: []posture.GroupID{2}}},
		{`{"filter":{"group_id":[1],"group_ids":["2",3]}}`, device.Filter{Groups: []posture.GroupID{1, 2, 3}}},
		{`{"filter":{"product_ids":[7,"8"],"cve_ids":["CVE-2024-1"]}}`, device.Filter{Products: []int64{7, 8}, CVEs: []string{"CVE-2024-1"}}},
		{`{"filter":{"agent_type":"guest"}}`, device.Filter{Statuses: monitored}},
		{`{"filter":{"agent_type":["guest"],"device_status":["unknown","compliant"]}}`, device.Filter{Statuses: []posture.Status{posture.StatusCompliant}}},
		{`{"search":"lab pc"}`, device.Filter{Search: "lab pc"}},
	} {
		for _, v := range []string{"v3", "v3.3", "v3.4", "v3.7"} {
			l := newLab()
			if a := l.post(v+"/devices", c.body); a.status != 200 {
				t.Errorf("%s %s: %d %s", v, c.body, a.status, a.body)
				continue
			}
			got, want := l.devices.stock.asked[0].Filter, c.want
			// What is empty lets everything pass, whether it is nil or not.
			if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b {
				t.Errorf("%s %s: %s, want %s", v, c.body, a, b)
			}
		}
	}
	for _, body := range []string{
		`{"filter":{"agent_type":["guest"],"device_status":["unknown"]}}`,
	} {
		l := newLab()
		if a := l.post("v3.3/devices", body); a.status != 200 || a.body != "[]" || len(l.devices.stock.asked) != 0 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
		if a := l.post("v3.7/devices", body); a.body != `{"next_token":"","devices":[]}` {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}

// Sizes, orders and their defaults.
func TestDeviceQuery(t *testing.T) {
	for _, c := range []struct {
		method, target, body string
		order                device.Order
		down                 bool
		limit                int
	}{
		{"GET", "v2/devices", "", device.ByEnrolment, true, 1},
		{"GET", "v2/devices.json", "", device.ByEnrolment, true, 1},
		{"GET", "v2.3/devices?limit=50&order=asc&GroupBy=none&agent_type=managed", "", device.ByEnrolment, false, 50},
		{"GET", "v2/devices?GroupBy=hwid&order=des", "", device.ByEnrolment, true, 1},
		{"GET", "v2/devices?GroupBy=host", "", device.ByHostName, true, 1},
		{"GET", "v2/devices?GroupBy=issues&groupby=nonsense", "", device.ByIssues, true, 1},
		{"POST", "v3/devices", "[]", device.ByEnrolment, false, 1},
		{"POST", "v3.0/devices", "{}", device.ByEnrolment, false, 1},
		{"POST", "v3.1/devices", "", device.ByEnrolment, false, 20},
		{"POST", "v3.3/devices?limit=3", "", device.ByEnrolment, false, 3},
		{"POST", "v3.3/devices?limit=3", `{"limit":"4"}`, device.ByEnrolment, false, 4},
		{"POST", "v3/devices", `{"sort":{"field":"device_name"}}`, device.ByHostName, false, 1},
		{"POST", "v3/devices", `{"sort":{"field":"enrolled_at","order":"desc"}}`, device.ByEnrolment, true, 1},
		{"POST", "v3.4/devices", ``, device.ByEnrolment, false, 20},
		{"POST", "v3.7/devices", `{"limit":50,"page":7,"sort":{"field":"nonsense"}}`, device.ByEnrolment, false, 50},
	} {
		l := newLab()
		a := l.do(request{method: c.method, target: prefix + c.target, token: freeToken, body: c.body})
		if a.status != 200 {
			t.Errorf("%s: %d %s", c.target, a.status, a.body)
			continue
		}
		q := l.devices.stock.asked[0]
		if q.Order != c.order || q.Descending != c.down || q.Window != (page.Window{Limit: c.limit}) {
			t.Errorf("%s %s: %+v", c.target, c.body, q)
		}
	}
}

// A walk lists every device once, by page and by cursor.
func TestWalks(t *testing.T) {
	l := newLab()
	var byPage, byCursor, down []string
	for n := 1; n <= 5; n++ {
		byPage = append(byPage, l.post("v3.3/devices", fmt.Sprintf(`{"limit":1,"page":%d}`, n)).entries(t)[0]["device_id"].(string))
		a := l.do(request{method: "GET", target: prefix + fmt.Sprintf("v2/devices?page=%d", n), token: freeToken})
		down = append(down, a.entries(t)[0]["hwid"].(string))
	}
	for token, more := "", true; more; more = token != "" {
		m := l.post("v3.7/devices", fmt.Sprintf(`{"limit":2,"token":%q}`, token)).members(t)
		for _, one := range m["devices"].([]any) {
			byCursor = append(byCursor, one.(map[string]any)["device_id"].(string))
		}
		var there bool
		if token, there = m["next_token"].(string); !there {
			t.Fatal("no next_token")
		}
	}
	want := []string{hardwareID, serverID, phoneID, printerID, graceID}
	slices.Reverse(down)
	if !slices.Equal(byPage, want) || !slices.Equal(byCursor, want) || !slices.Equal(down, want) {
		t.Errorf("%v\n%v\n%v\nwant\n%v", byPage, byCursor, down, want)
	}
}

func TestNoDevicesAtAll(t *testing.T) {
	l := newLab()
	l.devices.stock.devices = nil
	for target, want := range map[string]string{
		"v2/devices": "[]", "v2.1/devices/search?q=abc&in=mac": `{"total_count":0,"results":[]}`,
	} {
		if a := l.do(request{method: "GET", target: prefix + target, token: freeToken}); a.status != 200 || a.body != want {
			t.Errorf("%s: %d %s", target, a.status, a.body)
		}
	}
	for target, want := range map[string]string{"v3/devices": "[]", "v3.3/devices": "[]", "v3.4/devices": `{"next_token":"","devices":[]}`} {
		if a := l.post(target, ""); a.status != 200 || a.body != want {
			t.Errorf("%s: %d %s", target, a.status, a.body)
		}
	}
}

// What a list calls a device, the filter finds it under, and nothing else: so a number that is counted from a list agrees
// with the number that the filter gives.
func TestStatusWords(t *testing.T) {
	for _, status := range posture.Statuses {
		word := wordFor(listStatuses, status)
		l := newLab()
		l.devices.stock.devices[0].Cell.Status = status
		for other := range map[string]bool{"compliant": true, "non_compliant": true, "pending": true, "unknown": true, word: true} {
			found := slices.ContainsFunc(l.post("v3.3/devices", `{"filter":{"device_status":["`+other+`"]}}`).entries(t),
				func(m map[string]any) bool { return m["device_id"] == hardwareID && m["status"] == word })
			if word == "" || found != (other == word) {
				t.Errorf("%s, shown as %q: found by %q: %v", status, word, other, found)
			}
		}
		if hyphened := wordFor(detailStatuses, status); strings.ReplaceAll(hyphened, "-", "_") != word {
			t.Errorf("%s is %q in lists and %q in details", status, word, hyphened)
		}
	}
	want := map[posture.Status]int{
		posture.StatusCompliant: 0, posture.StatusExempted: 0, posture.StatusNonCompliant: 1, posture.StatusQuarantined: 1,
		posture.StatusUnknown: 3, posture.StatusInstalled: 3, posture.StatusPending: 3, posture.StatusInGrace: 3,
		posture.StatusOutOfLicence: 3, posture.StatusIgnored: 3,
	}
	for status, n := range want {
		if numberStatuses[status] != n {
			t.Errorf("%s is %d, want %d", status, numberStatuses[status], n)
		}
	}
}

// Every word of every table is read as what it means, in the spellings of neighbouring calls too, and each meaning has one
// word that is written.
func TestSpellings(t *testing.T) {
	checkSpellings(t, "list statuses", listStatuses)
	checkSpellings(t, "detail statuses", detailStatuses)
	checkSpellings(t, "list severities", listSeverities)
	checkSpellings(t, "detail severities", detailSeverities)
	checkSpellings(t, "device types", deviceTypes)
	checkSpellings(t, "systems", filterSystems)
	checkSpellings(t, "contacts", filterContacts)
	checkSpellings(t, "list categories", listCategories)
	checkSpellings(t, "information categories", informationCategories)
	for _, s := range shownSystems {
		if strings.ToLower(s.word) != wordFor(filterSystems, s.means) {
			t.Errorf("%s is filtered by %s", s.word, wordFor(filterSystems, s.means))
		}
	}
}

func checkSpellings[T comparable](t *testing.T, name string, table []spelling[T]) {
	t.Helper()
	for _, s := range table {
		for _, word := range []string{s.word, strings.ReplaceAll(s.word, "-", "_"), strings.ReplaceAll(s.word, "_", "-"), strings.TrimSuffix(s.word, "s") + "s"} {
			p := &params{body: map[string]json.RawMessage{"w": json.RawMessage(`["` + word + `"]`)}}
			if got := words(p, "w", table); !slices.Contains(got, s.means) || p.err != nil {
				t.Errorf("%s: %q is read as %v, %v", name, word, got, p.err)
			}
		}
		written := wordFor(table, s.means)
		p := &params{body: map[string]json.RawMessage{"w": json.RawMessage(`"` + written + `"`)}}
		if got := words(p, "w", table); written == "" || !slices.Contains(got, s.means) {
			t.Errorf("%s: what is written for %v is %q, and read as %v", name, s.means, written, got)
		}
	}
}

func TestSearch(t *testing.T) {
	for query, want := range map[string]string{
		"q=lab&in=hostname": "lab", "q=lab+pc&in=mac": "lab pc", "q=lab%2Bpc&in=hostname,+nickname": "lab pc",
		"q=%C5%BElu&in=all": "žlu", "q=++lab++pc++&in=username": "lab pc", "q=000&in=hostname%2Cmac": "000",
		"q=1+2+3+4+5+6+7+8+1&in=all": "1 2 3 4 5 6 7 8 1",
	} {
		l := newLab()
		a := l.do(request{method: "GET", target: prefix + "v2.1/devices/search?" + query, token: freeToken})
		if a.status != 200 || l.devices.stock.asked[0].Search != want || l.devices.stock.asked[0].Limit != 10 {
			t.Errorf("%s: %d %s, asked %+v", query, a.status, a.body, l.devices.stock.asked)
		}
	}
	l := newLab()
	many := l.do(request{method: "GET", target: prefix + "v2.1/devices/search?q=1+2+3+4+5+6+7+8+9&in=all", token: freeToken})
	many.wantError(t, 400, "invalid_request", "q must have at most 8 different words", false)
	a := l.do(request{method: "GET", target: prefix + "v2.1/devices/search?q=bergen&in=hostname&limit=1&page=2", token: freeToken})
	m := a.members(t)
	results, _ := m["results"].([]any)
	if m["total_count"] != 2.0 || len(results) != 1 || results[0].(map[string]any)["hwid"] != serverID {
		t.Errorf("%s", a.body)
	}
}

// What details of the usual size cost is what reading a device costs: reports and verdicts stay closed.
func TestDetailsOpenWhatTheyShow(t *testing.T) {
	for flags, opened := range map[string]int{
		``: 0, `"system_info":1`: 0, `"system_info":0`: 0, `"categories":0`: 0, `"categories":1`: 2, `"unclassified":1`: 2, `"mobile_apps":1`: 2,
		`"detected_processes":1`: 2, `"detected_packages":"1"`: 2, `"detected_patches":true`: 2, `"infection":1`: 2, `"infection":0`: 0,
	} {
		l := newLab()
		a := l.post("v3.8/devices/detail", `{"ids":["`+hardwareID+`"],"verbose":{`+flags+`}}`)
		m := a.entries(t)[0]
		if l.devices.stock.opened != opened {
			t.Errorf("{%s}: opened %d", flags, l.devices.stock.opened)
		}
		if _, there := m["os_info"]; there == strings.Contains(flags, `"system_info":0`) {
			t.Errorf("{%s}: os_info is there: %v", flags, there)
		}
		if _, there := m["infection"]; there != (opened > 0) {
			t.Errorf("{%s}: infection is there: %v", flags, there)
		}
	}
	l := newLab()
	m := l.post("v3.8/devices/detail", `{"ids":["`+hardwareID+`"],"verbose":{"categories":1,"infection":0}}`).entries(t)[0]
	if _, there := m["infection"]; there {
		t.Error("infection, though its flag is 0")
	}
}

// Every block of a device that never reported is there, and empty.
func TestBlocksOfNothing(t *testing.T) {
	flags := []string{"categories", "unclassified", "mobile_apps", "detected_processes", "detected_packages", "detected_patches", "infection"}
	body := `{"ids":["` + printerID + `"],"verbose":{"` + strings.Join(flags, `":1,"`) + `":1}}`
	a := newLab().post("v3.8/devices/detail", body)
	m := a.entries(t)[0]
	for _, block := range flags {
		if v, there := m[block]; !there || holdsNull(v) {
			t.Errorf("%s is %v", block, v)
		}
	}
	if holdsNull(m) || strings.Contains(a.body, `"total":1`) {
		t.Errorf("%s", a.body)
	}
}

func TestDetailsOfSeveral(t *testing.T) {
	l := newLab()
	ids := fmt.Sprintf(`["%s","nobody","000C29AABBCC","%s","%s"]`, phoneID, hardwareID, serverID)
	var got []string
	for _, m := range l.post("v3.8/devices/detail", `{"ids":`+ids+`}`).entries(t) {
		got = append(got, m["device_id"].(string))
	}
	if want := []string{phoneID, hardwareID, serverID}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v: in the order asked, each once, without those that are not there", got, want)
	}
	if a := l.post("v3.8/devices/detail", `{"ids":[]}`); a.status != 200 || a.body != "[]" {
		t.Errorf("no ids: %d %s", a.status, a.body)
	}
	// The integrator's own ids are another name space, and v3.1 knows of none.
	if a := l.post("v3.8/devices/detail", `{"opt":1,"ids":["`+hardwareID+`"]}`); a.body != "[]" {
		t.Errorf("%s", a.body)
	}
	if list := l.post("v3.1/devices/detail", `{"opt":1,"ids":["`+hardwareID+`"]}`).entries(t); len(list) != 1 {
		t.Errorf("%v", list)
	}
	fifty := `["` + strings.Repeat(`x","`, 49) + `x"]`
	if a := l.post("v3.8/devices/detail", `{"ids":`+fifty+`}`); a.status != 200 {
		t.Errorf("50 ids: %d %s", a.status, a.body)
	}
}

func TestDetailsAreBounded(t *testing.T) {
	l := newLab()
	big := make([]string, 16)
	for i := range big {
		big[i] = strings.Repeat("a", 1<<20-100)
	}
	report := l.devices.stock.reports[serverID]
	report.Processes = big
	one, two := `{"ids":["`+serverID+`"],"verbose":{"detected_processes":1}}`, `{"ids":["`+serverID+`","`+hardwareID+`"],"verbose":{"detected_processes":1}}`
	if a := l.post("v3.8/devices/detail", one); a.status != 200 || len(a.body) > maxAnswer {
		t.Fatalf("%d, %d bytes", a.status, len(a.body))
	}
	l.devices.stock.reports[hardwareID] = report
	l.post("v3.8/devices/detail", two).wantError(t, 413, "payload_too_large", "fewer ids", false)
}

func TestDetailsJSONSuffix(t *testing.T) {
	for _, value := range []string{hardwareID, mac.String(), "000c.29aa.bbcc"} {
		a := newLab().do(request{method: "GET", target: prefix + "v2/devices/" + value + ".json", token: freeToken})
		if m := a.members(t); m["hwid"] != hardwareID {
			t.Errorf("%s: %s", value, a.body)
		}
	}
}

func TestActive(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := &painter{now: now}
	for _, c := range []struct {
		managed bool
		seen    time.Time
		want    bool
	}{
		{true, now, true}, {true, now.Add(-24 * time.Hour), true}, {true, now.Add(-24*time.Hour - time.Second), false},
		{true, time.Time{}, false}, {false, now, false},
	} {
		if got := p.active(&device.Device{Managed: c.managed, SeenAt: c.seen}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestBrokenProfileIsAFault(t *testing.T) {
	l := newLab()
	l.devices.stock.devices[0].PackedProfile = "{"
	for _, target := range []string{"v3.3/devices", "v3.7/devices", "v3/devices/" + hardwareID} {
		l.post(target, "").wantError(t, 500, "server_error", "Internal error", false)
	}
	l.do(request{method: "GET", target: prefix + "v2/devices?order=asc", token: freeToken}).wantError(t, 500, "server_error", "Internal error", false)
}
