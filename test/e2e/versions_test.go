package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/client"
)

// ill gives a Windows machine with critical issues and an address.
func (w *town) ill() client.Device {
	w.t.Helper()
	i := slices.IndexFunc(w.seen, func(d client.Device) bool {
		return d.Issues.Critical > 0 && d.OS.Family == "Windows" && d.Status == client.NonCompliant && len(d.Networks) > 0
	})
	if i < 0 {
		w.t.Fatal("every device is well")
	}
	return w.seen[i]
}

// shape is what an answer of one version looks like. Names with a dot are members of the first entry, or of an object.
type shape struct {
	method, path, body string
	starts             string // of the answer
	has, lacks         []string
}

// olderVersions asks in every version that programs still use. What the newest say is compared with the rest elsewhere;
// here it is the form: array or object, and how members are spelled.
func olderVersions(w *town) {
	ill := w.ill()
	id, mac := ill.ID, ill.Networks[0].MAC
	ids := fmt.Sprintf(`{"ids":[%q]}`, id)
	for _, s := range []shape{
		{"GET", "v2/devices?limit=50", "", "[{", words("hwid total_issue active network_info os_info user_info machine_type"), words("status agent_type device_id")},
		{"GET", "v2/devices.json", "", "[{", words("hwid"), nil},
		{"GET", "v2.1/devices?limit=50&GroupBy=issues", "", "[{", words("hwid remediation_link status critical_issue total_critical_issue exempt"), words("agent_type")},
		{"GET", "v2.2/devices?limit=2&order=asc", "", "[{", words("hwid agent_type status"), nil},
		{"GET", "v2.3/devices?GroupBy=host", "", "[{", words("hwid agent_type"), nil},
		{"POST", "v3/devices", `{"limit":5}`, "[{", words("device_id status severity issue network_info os_info geo_info link_user user_info cves group_name"), words("enrolled_at last_reboot host_name public_ip hwid")},
		{"POST", "v3.1/devices", "{}", "[{", words("device_id last_reboot"), words("enrolled_at host_name")},
		{"POST", "v3.2/devices", `{"page":1,"limit":5}`, "[{", words("device_id remediation_link"), words("enrolled_at")},
		{"POST", "v3.3/devices", "[]", "[{", words("device_id enrolled_at"), words("host_name public_ip")},
		{"POST", "v3.4/devices", `{"token":""}`, `{"next_token":"`, words("devices next_token"), nil},
		{"POST", "v3.5/devices", "", `{"next_token":"`, words("devices"), nil},
		{"POST", "v3.6/devices", "null", `{"next_token":"`, words("devices"), nil},
		{"GET", "v2.1/devices/search?q=lab-pc&in=hostname,nickname", "", `{"total_count":`, words("results total_count"), nil},
		{"GET", "v2/devices/" + id, "", "{", words("hwid status critical_issue applications last_seen"), words("device_id")},
		{"GET", "v2/devices/" + id + ".json", "", "{", words("hwid applications"), nil},
		{"GET", "v2.1/devices/" + mac + "?opt=1", "", "{", words("hwid total_critical_issue last_seen"), nil},
		{"GET", "v2.3/devices/" + id + "?opt=0", "", "{", words("applications exempt"), nil},
		{"GET", "v2.5/devices/" + id, "", "{", words("applications machine_type"), nil},
		{"POST", "v3/devices/" + id, "", "{", words("device_id categories os_info"), words("enrolled_at last_reboot linked_id host_name")},
		{"POST", "v3.1/devices/detail", ids, "[{", words("device_id last_reboot os_info network_info"), words("categories enrolled_at host_name")},
		{"POST", "v3.2/devices/detail", ids, "[{", words("device_id"), words("enrolled_at")},
		{"POST", "v3.3/devices/detail", fmt.Sprintf(`{"ids":[%q],"verbose":{"system_info":0,"categories":1}}`, id), "[{", words("enrolled_at categories"), words("os_info host_name")},
		{"POST", "v3.5/devices/detail", ids, "[{", words("device_id nick_name"), words("nickname host_name")},
		{"POST", "v3.7/devices/detail", ids, "[{", words("device_id"), words("host_name")},
		{"POST", "v3.8/devices/detail", ids, "[{", words("device_id host_name"), nil},
		{"POST", "v3/device_info", fmt.Sprintf(`{"ids":%q,"select":{"categories":["firewall"]}}`, id), "[{", words("device_id categories status severity"), nil},
		{"GET", "v2.1/devices/status_changed?age=3600", "", `{"devices":[{`, words("devices"), nil},
		{"POST", "v3/devices/status_changed", `{"limit":50}`, `{"monitored_devices":[{`, words("monitored_devices deleted_devices"), nil},
		{"GET", "v2/devices/" + mac + "/policy_check", "", "{", words("policy_name status issues total_critical_issue critical_status last_seen"), nil},
		{"GET", "v2.2/devices/" + id + "/policy_check?opt=1&verbose=1", "", "{", words("issues os_type device_type"), nil},
		{"POST", "v2/devices/policy_check", fmt.Sprintf(`{"opt":0,"MAC_list":[%q,"02:00:00:00:00:99","x"]}`, mac), `{"result":[1,2,2],"critical":[1,0,0]}`, nil, nil},
		{"GET", "v2/devices/stats?event=added&opt=1", "", `{"total_count":`, words("devices"), nil},
		{"GET", "v2/devices/" + id + "/remediation?opt=1", "", `{"remediation_link":"http`, nil, words("result")},
		{"GET", "v2.2/devices/nobody/remediation", "", `{"result":0,"msg":"Device not found"}`, nil, nil},
		{"GET", "v3/devices/nobody/remediation", "", `{"result":0,"remediation_link":""}`, nil, nil},
		{"GET", "v2/account", "", `{"`, words("devices_uncompliant devices_critical"), words("devices_by_vulnerability_severity")},
		{"GET", "v2/logs?limit=3", "", `{"logs":[{`, words("logs"), nil},
		{"POST", "v3/logs", `{"page":1}`, `{"logs":[{`, nil, words("data token")},
		{"POST", "v3/logs", `{"token":""}`, `{"data":[{`, words("token"), words("logs")},
		{"POST", "v3.1/logs", `{"event_category":"device","page":1}`, `{"logs":[{`, nil, words("data")},
		{"POST", "v3.2/logs", `{"event_category":"device","token":"","limit":100}`, `{"data":[{`, words("token"), words("logs")},
		{"POST", "v3.2/logs", `{"event_category":"device"}`, `{"logs":[{`, words("token"), words("data")},
		{"POST", "v3/configuration", `{"sections":["cross-domain-api"]}`, `{"cross-domain-api":{`, nil, words("regcode")},
		{"POST", "v3/get_cves", fmt.Sprintf(`{"id":%q}`, mac), `[{"cve_id":"`, nil, words("severity")},
		{"POST", "v3.1/get_cves", fmt.Sprintf(`{"id":%q,"verbose":1}`, id), "[{", words("cve_id severity opswat_score"), words("kev")},
		{"POST", "v3.2/get_cves", fmt.Sprintf(`{"id":%q,"verbose":1}`, id), "[{", words("kev"), nil},
		{"POST", "v3/cves", `{"limit":5}`, "[{", words("cve_id total_devices"), words("kev")},
		{"POST", "v3.1/cves", `{"filter":{"score_type":"cvss2_ score"}}`, "[{", words("cve_id"), words("kev")},
		{"POST", "v3/apps", "{}", "[{", words("product_id category_id number_of_devices"), nil},
		{"POST", "v2/get_reports?type=OSPatchSummary", "", "kb,title", nil, nil},
		{"POST", "v2/get_reports?type=MissingOSPatch&id=" + id, "", "kb,title", nil, nil},
		{"GET", "v3/get_reports?type=device_missing_os_patch&kb=KB5068861", "", "device_id,", nil, nil},
	} {
		w.check(s)
	}
	changed := w.ask("GET", "v2.1/devices/status_changed", "").object()["devices"].([]any)
	for _, one := range changed {
		o := one.(object)
		if macs, _ := o["mac_addresses"].([]any); len(macs) == 0 && w.agents[o["hwid"].(string)] == nil {
			w.t.Errorf("a change without addresses: %v", one)
		}
	}
	rest := w.ask("GET", "v2.1/devices/status_changed?os_type=linux_or_mobile", "").object()["devices"].([]any)
	equal(w, "changes of both kinds of systems", len(changed)+len(rest), len(w.seen))
}

func words(text string) []string { return strings.Fields(text) }

// ask calls the API with the token in the header.
func (w *town) ask(method, path, body string) *response {
	w.t.Helper()
	return w.p.call(method, "/o/api/"+path, bearer(w.token), body).want(200)
}

func (w *town) check(s shape) {
	w.t.Helper()
	r := w.ask(s.method, s.path, s.body)
	if !strings.HasPrefix(r.body, s.starts) {
		w.t.Errorf("%s %s begins %.60s, want %s", s.method, s.path, r.body, s.starts)
		return
	}
	if len(s.has)+len(s.lacks) == 0 {
		return
	}
	members := map[string]bool{}
	for _, o := range objects(w, r.body) {
		for name := range o {
			members[name] = true
		}
	}
	for _, name := range s.has {
		if !members[name] {
			w.t.Errorf("%s %s has no member %s", s.method, s.path, name)
		}
	}
	for _, name := range s.lacks {
		if members[name] {
			w.t.Errorf("%s %s has the member %s", s.method, s.path, name)
		}
	}
}

// objects reads an object or an array of objects.
func objects(w *town, text string) []object {
	w.t.Helper()
	if text[0] == '{' {
		return []object{decode[object](w.t, text)}
	}
	return decode[[]object](w.t, text)
}

// programsInTheWild sends what programs that were written against this API send.
func programsInTheWild(w *town) {
	ill := w.ill()
	p, id, mac := w.p, ill.ID, ill.Networks[0].MAC
	clientID, secret := p.application("write")

	// The access-control server: details by address, changes, a refresh by GET, a plain 401 for a stale token.
	issued := p.call("GET", "/o/oauth/token?grant_type=client_credentials&client_id="+clientID+"&client_secret="+secret, nil, "").want(200).object()
	token := issued["access_token"].(string)
	one := p.call("GET", "/o/api/v2.1/devices/"+mac+"?opt=1&access_token="+token, nil, "").want(200).object()
	seen, err := time.Parse(time.RFC3339, one["last_seen"].(string))
	if err != nil || time.Since(seen) > time.Minute || one["total_critical_issue"] != float64(ill.Issues.Critical) {
		w.t.Errorf("details: %v, %v", one, err)
	}
	if gone := p.call("GET", "/o/api/v2.1/devices/02:00:00:00:00:99?opt=1&access_token="+token, nil, "").want(404).object(); gone["last_seen"] != nil {
		w.t.Errorf("details of nobody: %v", gone)
	}
	if list := p.call("GET", "/o/api/v2.1/devices/status_changed?age=300&access_token="+token, nil, "").want(200).object()["devices"].([]any); len(list) == 0 {
		w.t.Error("nothing has changed")
	}
	refreshed := p.call("GET", "/o/oauth/token?grant_type=refresh_token&client_id="+clientID+"&client_secret="+secret+"&refresh_token="+issued["refresh_token"].(string), nil, "").want(200).object()
	if refreshed["access_token"] == token || refreshed["refresh_token"] == nil {
		w.t.Errorf("refreshed: %v", refreshed)
	}
	p.call("GET", "/o/api/v2.1/devices/"+mac+"?opt=1&access_token=stale", nil, "").want(401)

	// The add-on that asks every call by the same code: a form for the token, ?verify=True, a page in every body.
	form := "client_id=" + clientID + "&client_secret=" + secret + "&grant_type=client_credentials&verify=true"
	token = p.call("POST", "/o/oauth/token?verify=True", []string{"Content-Type", "application/x-www-form-urlencoded"}, form).want(200).object()["access_token"].(string)
	headers := append(bearer(token), "Content-Type", "application/json")
	known := map[any]bool{}
	for next, n := any(""), 0; next != "" || n == 0; n++ {
		part := p.call("POST", "/o/api/v3.4/devices?verify=True", headers, fmt.Sprintf(`{"token":%q,"limit":50,"page":%d}`, next, n+1)).want(200).object()
		for _, d := range part["devices"].([]any) {
			known[d.(object)["device_id"]] = true
		}
		next = part["next_token"]
	}
	equal(w, "devices by cursor", len(known), len(w.seen))
	for _, call := range []string{
		"v3.4/devices/detail " + fmt.Sprintf(`{"ids":[%q],"page":1,"verbose":{"categories":1}}`, id), "v3/device_info " + fmt.Sprintf(`{"ids":[%q],"page":1}`, id),
		"v3/groups {\"page\":1}", "v3/apps {\"page\":1}", "v3.2/cves {\"page\":1}", "v3/activities {\"page\":1}", "v3/devices/status_changed {\"page\":1}",
		"v3.2/account {\"page\":1}", `v3/configuration {"sections":["cross-domain-api"],"page":1}`, "v3/logs {\"page\":1}",
	} {
		path, body, _ := strings.Cut(call, " ")
		p.call("POST", "/o/api/"+path+"?verify=True", headers, body).want(200)
	}
	for _, path := range []string{"v2/account", "v2/account/policy", "v2/devices/stats?event=added"} {
		p.call("GET", "/o/api/"+strings.ReplaceAll(path+"?verify=True", "added?", "added&"), headers, "").want(200)
	}
	w.walkUntilPastEnd(headers, "v3.2/get_cves?verify=True", fmt.Sprintf(`{"id":%q,"limit":2,"page":%%d}`, id), ill.Vulnerabilities.Total)
	p.call("POST", "/o/api/v3.2/get_cves?verify=True", headers, `{"id":"0123456789abcdef0123456789abcdef","page":1}`).want(404)

	// The inventory adapter: v3.2, the token in the query and once more in the body.
	w.walkUntilPastEnd(nil, "v3.2/devices?access_token="+token, `{"page":%d,"limit":50,"access_token":"`+token+`"}`, len(w.seen))

	// The library: the token twice, [] for nothing, opt in the body, parameters of one call with another.
	twice := func(method, path, body string) *response {
		if !strings.Contains(path, "?") {
			path += "?"
		}
		return p.call(method, "/o/api/"+path+"&access_token="+token, headers, body).want(200)
	}
	for _, path := range []string{"v3.3/devices", "v3/groups", "v3/apps", "v3.2/cves", "v3/activities", "v3/devices/status_changed", "v3.2/account", "v3/logs"} {
		twice("POST", path, "[]")
	}
	twice("POST", "v3.3/devices/detail", fmt.Sprintf(`{"ids":[%q]}`, id))
	twice("POST", "v3/device_info", fmt.Sprintf(`{"ids":[%q],"select":{"categories":[]}}`, id))
	twice("POST", "v2/devices/policy_check", fmt.Sprintf(`{"opt":0,"MAC_list":[%q]}`, mac))
	twice("GET", "v2/devices/stats?event=not_seen&in=1&period=month&device_id="+id, "")
	twice("GET", "v3/devices/"+id+"/remediation?device_id="+id, "")
	twice("GET", "v3.1/get_reports?type=os_patch_summary&device_id="+id, "")
	twice("POST", "v3/get_threats", fmt.Sprintf(`{"id":%q,"page":1,"limit":50}`, id))
	spare := p.register(w.code, registration("00:0c:29:00:01:01"))
	deleted := twice("POST", "v2.2/devices/"+spare.ID+"/delete", fmt.Sprintf(`{"device_id":%q,"opt":2}`, spare.ID))
	equal(w, "deleted", deleted.body, `{"result":1,"msg":"Device has been deleted"}`)
	if show := w.p.register(w.code, registration("00:0c:29:00:01:01")); show.ID != spare.ID {
		w.t.Errorf("an archived device came back as %s, was %s", show.ID, spare.ID)
	}
	twice("POST", "v2.2/devices/"+spare.ID+"/delete", `{"opt":2}`)

	// The phone applications: as many as there are, in one page, which is more than a page holds.
	refusal := p.call("GET", fmt.Sprintf("/o/api/v2/devices?limit=%d&access_token=%s", len(w.seen), token), nil, "").want(406).object()
	if !strings.Contains(fmt.Sprint(refusal["error_description"]), "50") {
		w.t.Errorf("the refusal does not say how many: %v", refusal)
	}
}

// walkUntilPastEnd asks page by page until 413 or an empty page, and counts the entries.
func (w *town) walkUntilPastEnd(headers []string, path, body string, want int) {
	w.t.Helper()
	n := 0
	for page := 1; page < 1000; page++ {
		r := w.p.call("POST", "/o/api/"+path, headers, fmt.Sprintf(body, page))
		if r.status == 413 && page > 1 || r.body == "[]" {
			equal(w, path, n, want)
			return
		}
		n += len(decode[[]json.RawMessage](w.t, r.want(200).body))
	}
	w.t.Errorf("%s does not end", path)
}

// tolerances are those of the requests that are not sent elsewhere here.
func tolerances(w *town) {
	p, ill := w.p, w.ill()
	id, token := ill.ID, w.token
	details := func(headers []string, query, body string) *response {
		return p.call("POST", "/o/api/v3.8/devices/detail"+query, headers, body)
	}
	body := fmt.Sprintf(`{"ids":[%q]}`, id)
	details([]string{"access_token", token}, "", body).want(200)
	details(nil, "?access_token="+token, body).want(200)
	details(bearer(token), "?access_token=stale", body).want(200)
	details(bearer("stale"), "?access_token="+token, body).want(401)
	if got := details(nil, "", body).want(401); got.object()["error"] == nil || got.header.Get("Content-Type") != "application/json" {
		w.t.Errorf("without a token: %s", got.body)
	}
	for _, body := range []string{"", "{}", "[]", "null", `{"filter":null}`, `{"filter":{},"sort":null,"colour":1}`} {
		if got := w.ask("POST", "v3.3/devices", body); got.body[0] != '[' {
			w.t.Errorf("%q is answered %.60s", body, got.body)
		}
	}
	for _, bad := range []string{`{"limit":"x"}`, `{"limit":51}`, `{"page":0}`, `{"filter":{"os":["beos"]}}`, `{"filter":5}`, `{"page":1.5}`, `{`} {
		r := p.call("POST", "/o/api/v3.3/devices", bearer(token), bad).want(400).object()
		if r["error"] == nil || r["error_description"] == nil {
			w.t.Errorf("%s is answered %v", bad, r)
		}
	}
	var number string
	for _, app := range decode[[]object](w.t, w.ask("POST", "v3/apps", `{"limit":1}`).body) {
		number = app["product_id"].(string)
		for _, spelled := range []string{number, `"` + number + `"`} {
			got := w.ask("POST", "v3/apps/details", fmt.Sprintf(`{"product_id":%s,"version":%q}`, spelled, app["version"])).object()
			equal(w, "an application", fmt.Sprint(got["product_id"], got["total_devices"]), number+" "+fmt.Sprint(app["number_of_devices"]))
		}
	}
	mac := ill.Networks[0].MAC
	plain := strings.ReplaceAll(mac, ":", "")
	for _, spelled := range []string{mac, strings.ToUpper(mac), strings.ReplaceAll(mac, ":", "-"), plain, plain[:4] + "." + plain[4:8] + "." + plain[8:]} {
		for _, opt := range []string{"0", "1"} {
			equal(w, spelled, w.ask("GET", "v2.5/devices/"+spelled+"?opt="+opt, "").object()["hwid"], any(id))
			w.ask("GET", "v2.2/devices/"+spelled+"/policy_check?opt="+opt, "")
		}
		equal(w, spelled, len(decode[[]object](w.t, w.ask("POST", "v3.8/devices/detail", fmt.Sprintf(`{"ids":[%q]}`, spelled)).body)), 1)
	}
	// limit and page of threats, and opt of an action, are read wherever they are.
	w.ask("POST", "v3/get_threats?limit=1&page=1", fmt.Sprintf(`{"id":%q}`, id))
	p.call("POST", "/o/api/v3/get_threats", bearer(token), fmt.Sprintf(`{"id":%q,"limit":51}`, id)).want(400)
	p.call("POST", "/o/api/v3/get_threats?page=9", bearer(token), fmt.Sprintf(`{"id":%q}`, id)).want(413)
	// Nobody, in each of the three ways.
	p.call("POST", "/o/api/v3/get_threats", bearer(token), `{"id":"nobody"}`).want(404)
	equal(w, "delete nobody", w.ask("POST", "v2.2/devices/nobody/delete", "").body, `{"result":0,"msg":"Device not found"}`)
	equal(w, "delete them", w.ask("POST", "v2/devices/delete", `{"HWID_list":["nobody"]}`).body, `{"result":[0]}`)
	equal(w, "details", w.ask("POST", "v3.8/devices/detail", fmt.Sprintf(`{"ids":["nobody",%q]}`, id)).body[:15], `[{"device_id":"`)
	// Past the end is told, and no page is repeated.
	for path, body := range map[string]string{
		"v3.3/devices": `{"page":99,"limit":50}`, "v3/apps": `{"page":999}`, "v3.2/cves": `{"page":99}`, "v3/groups": `{"page":2}`, "v3/activities": `{"page":2}`,
		"v3/devices/status_changed": `{"page":99}`, "v3/logs": `{"page":9999}`,
	} {
		p.call("POST", "/o/api/"+path, bearer(token), body).want(413)
	}
	// The last cursor of logs leads to nothing, whichever way that is said.
	part := w.ask("POST", "v3.2/logs", `{"event_category":"admin","token":"","limit":100,"age":86400}`).object()
	if len(part["data"].([]any)) > 0 && part["token"] == "" {
		w.t.Error("a part of the logs comes without a token")
	}
}
