package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/posture"
	"muster/internal/store"
	"muster/internal/web"
)

// apiTrespasses has one for each operation of the compatible API, whatever its version.
var apiTrespasses = map[string]trespass{
	"/o/api account_details": readAccount,
	"/o/api account_policy":  readPolicy,
	"/o/api configuration":   readConfiguration,
	"/o/api groups":          listGroups,
	"/o/api activities":      listActivities,
	"/o/api logs":            listLogs,
	"/o/api apps":            listApps,
	"/o/api app_details":     readApp,
	"/o/api cves":            listCVEs,
	"/o/api device_cves":     byIDInBody,
	"/o/api threats":         byIDInBody,
	"/o/api reports":         downloadReports,
	"/o/api get_devices":     listDevices,
	"/o/api search_devices":  searchDevices,
	"/o/api device_details":  readDevices,
	"/o/api device_info":     readDevices,
	"/o/api status_changed":  listChanges,
	"/o/api policy_check":    checkPolicy,
	"/o/api device_stats":    countDevices,
	"/o/api remediation":     readLink,
	"/o/api link_user":       linkUser,
	"/o/api delete_device":   deleteAnothers,
	"/o/api delete_devices":  deleteAnothers,
	"/o/api device_action":   actOnAnothers,
}

// treasures are what b has and a has not, as calls name it. Ids that are only numbers, which a may have too, are not
// among the secrets that no answer may tell.
type treasures struct {
	group, product, cve, patch, command, imported string
	groupID, productID                            string
	administered
}

// lastSeen moves by itself, whenever b's agent asks for its verdict.
var lastSeen = regexp.MustCompile(`"last_seen": ?"[^"]*"`)

// furnish gives both accounts a device with everything that calls can tell of one, and b some things more.
func (x *neighbours) furnish() {
	p := x.p
	x.a.home, x.b.home = x.a.agent, x.b.agent
	x.a.home.report(furnished(x.a, "our", "7-Zip", "24.07", "KB5000001")).want(200)
	x.b.home.report(furnished(x.b, "their", "FileZilla Client", "3.66.5", "KB5000002")).want(200)
	p.muster("group", "add", "their-group-of-devices", "--account", x.b.name)
	file := path(p.t, "devices.csv")
	write(p.t, file, "00:0c:29:ff:ff:01,their-printer,desktop\n")
	p.muster("device", "import", file, "--account", x.b.name)
	x.their = treasures{group: "their-group-of-devices", groupID: "2", product: "their-app", patch: "KB5000002"}
	for _, v := range x.asB("POST", "/o/api/v3.7/devices", `{"filter":{"device_status":["unknown"]}}`).object()["devices"].([]any) {
		x.their.imported = v.(object)["device_id"].(string)
	}
	apps := decode[[]object](p.t, x.asB("POST", "/o/api/v3/apps", `{"search":"their-app"}`).body)
	x.their.productID = apps[0]["product_id"].(string)
	cves := decode[[]object](p.t, x.asB("POST", "/o/api/v3.2/get_cves", fmt.Sprintf(`{"id":%q}`, x.b.home.ID)).body)
	x.their.cve = cves[0]["cve_id"].(string)
	x.their.command = x.logOf(x.b, "their-log")
	x.logOf(x.a, "our-log")
	x.putActivities()
	x.their.administered = x.furnishAdministered()
}

// asB asks as the other account.
func (x *neighbours) asB(method, path, body string) *response {
	x.p.t.Helper()
	return x.p.call(method, path, bearer(x.b.token), body).want(200)
}

// logOf has the agent of a household send a log, and gives the id of the command.
func (x *neighbours) logOf(h *household, text string) string {
	x.p.t.Helper()
	r := x.p.call("POST", "/o/api/v3.3/devices/action", bearer(h.token), fmt.Sprintf(`{"types":"fetch_agent_log","ids":[%q]}`, h.home.ID)).want(200)
	id := decode[[]object](x.p.t, r.body)[0]["command_id"].(string)
	if !strings.Contains(h.home.ping().want(200).body, id) {
		x.p.t.Fatal("the command does not go with the next ping")
	}
	h.home.call("POST", "/result", fmt.Sprintf(`{"method":"fetch_agent_log","command_id":%q,"result":1,"output":%q}`, id, text)).want(200)
	return id
}

// putActivities stores an attempt for each account: nothing records any yet.
func (x *neighbours) putActivities() {
	p := x.p
	s := p.store()
	accounts, err := s.ListAccounts(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	for _, a := range accounts {
		whose := map[string]string{x.a.name: "our-intranet", x.b.name: "their-intranet"}[a.Name]
		err = s.PutActivity(p.t.Context(), a.ID, device.Activity{
			ID: "0" + whose, At: time.Now(), Action: device.AccessBlocked, DeviceStatus: posture.StatusCompliant, AppName: whose,
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
}

// store opens the database of a running server as another server would.
func (p *program) store() *store.Store {
	p.t.Helper()
	o := store.Options{Dir: p.db[1]}
	if len(p.db) > 2 {
		o.Database = p.db[3]
	}
	s, err := store.Open(p.t.Context(), o)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { s.Close() })
	return s
}

// furnished is the report of a Windows machine of a household, with products, a threat of each kind and a missing patch.
func furnished(h *household, whose, vulnerable, version, kb string) string {
	return fmt.Sprintf(`{"agent_type":"persistent","agent_version":"7.6.500.0","hostname":%[1]q,"scan_time":"2026-11-23T21:21:15Z",
		"os_info":[{"device_type":"desktop","family":"windows","name":"Windows 11 Pro","version":"10.0.26100","network_adapter_info":[
		{"mac":%[2]q,"ipv4":["192.0.2.2"],"ipv6":[]}],"system":{}}],"soh":{
		"applications":[{"name":"%[3]s-app","vendor":"%[3]s-vendor","version":"1-%[3]s"},{"name":%[4]q,"vendor":%[4]q,"version":%[5]q}],
		"missing_patches":{"checked":"2026-11-23T20:00:00Z","patches":[{"kb":%[6]q,"title":"%[3]s-patch","severity":"critical"}]},
		"threats":{"scanned":"2026-11-23T20:00:00Z","found":[{"source":"scan","name":"%[3]s-scan","file":"C:\\a"},{"name":"%[3]s-threat","file":"C:\\b"}]}}}`,
		h.machine, h.mac, whose, vulnerable, version, kb)
}

type question struct{ method, path, body string }

// inventory asks for all that the API tells of b.
func (x *neighbours) inventory() []question {
	id := fmt.Sprintf("%q", x.b.home.ID)
	return []question{
		{"POST", "/o/api/v3.2/account", ""},
		{"POST", "/o/api/v3.7/devices", `{"limit":50}`},
		{"POST", "/o/api/v3.8/devices/detail", `{"ids":[` + id + `],"verbose":{"categories":1,"detected_patches":1,"infection":1}}`},
		{"POST", "/o/api/v3.3/logs", `{"event_category":"device","age":86400,"limit":100}`},
		{"POST", "/o/api/v3.3/logs?", `{"event_category":"admin","age":86400,"limit":100}`},
		{"POST", "/o/api/v3/groups", `{"limit":50}`},
		{"POST", "/o/api/v3/apps", `{"limit":50}`},
		{"POST", "/o/api/v3.2/get_cves", `{"id":` + id + `,"verbose":1}`},
		{"POST", "/o/api/v3/activities", `{}`},
		{"GET", "/o/api/v3.1/get_reports?type=agent_log&command_id=" + x.their.command, ""},
	}
}

// ask calls a route as a; value is for the path, if it takes one.
func (x *neighbours) ask(rt web.Route, value, query, body string) *response {
	x.p.t.Helper()
	path := strings.ReplaceAll(rt.Path, "{value}", url.PathEscape(value))
	if query != "" {
		path += "?" + query
	}
	return x.call(rt.Method, path, bearer(x.a.token), body)
}

// same fails unless an answer is as it is to be.
func (x *neighbours) same(r *response, want string) {
	x.p.t.Helper()
	if r.want(200); r.body != want {
		x.p.t.Errorf("%s answers %s, want %s", r.what, r.body, want)
	}
}

// tells fails unless an answer holds something of a's, which shows that the call works.
func (x *neighbours) tells(r *response, text string) {
	x.p.t.Helper()
	if r.want(200); !strings.Contains(r.body, text) {
		x.p.t.Errorf("%s does not tell %q: %s", r.what, text, r.body)
	}
}

// names of b's devices.
func (x *neighbours) names() []string {
	return []string{x.b.home.ID, x.b.mac, strings.ToUpper(strings.ReplaceAll(x.b.mac, ":", "-")), x.b.hardwareID, x.their.imported, "00:0c:29:ff:ff:01"}
}

func quoted(list ...string) string {
	text, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func readPolicy(x *neighbours, rt web.Route) {
	x.tells(x.ask(rt, "", "license_key="+x.b.licenseKey+"&account_id=2", ""), `"policy"`)
}

func readConfiguration(x *neighbours, rt web.Route) {
	sections, text := `"cross-domain-api"`, "port"
	if strings.Contains(rt.Path, "v3.1") {
		sections, text = sections+`,"regcode"`, x.a.code
	}
	x.tells(x.ask(rt, "", "license_key="+x.b.licenseKey, fmt.Sprintf(`{"sections":[%s],"license_key":%q}`, sections, x.b.licenseKey)), text)
}

func listGroups(x *neighbours, rt web.Route) {
	x.same(x.ask(rt, "", "", `{"search":"their"}`), "[]")
	r := x.ask(rt, "", "", `{"limit":50}`)
	x.tells(r, `"group_name":"Default"`)
	if list := decode[[]object](x.p.t, r.body); len(list) != 1 {
		x.p.t.Errorf("a has %d groups: %s", len(list), r.body)
	}
}

func listActivities(x *neighbours, rt web.Route) {
	x.same(x.ask(rt, "", "", `{"search":"their"}`), "[]")
	x.tells(x.ask(rt, "", "", `{}`), "our-intranet")
}

// listLogs reads a's record in every way, and goes on where b had come to.
func listLogs(x *neighbours, rt web.Route) {
	if rt.Method == "GET" {
		x.tells(x.ask(rt, "", "limit=50", ""), "Device added")
		x.ask(rt, "", "limit=50&event_type=2", "").want(200)
		return
	}
	for _, category := range []string{"device", "admin"} {
		body := fmt.Sprintf(`{"event_category":%q,"age":86400,"limit":50`, category)
		x.ask(rt, "", "", body+"}").want(200)
		part := x.p.call(rt.Method, rt.Path, bearer(x.b.token), strings.Replace(body, "50", "1", 1)+`,"token":""}`).want(200).object()
		x.ask(rt, "", "", fmt.Sprintf(`%s,"token":%q}`, body, part["token"])).want(200)
	}
	x.tells(x.ask(rt, "", "", `{"event_category":"device","age":86400,"limit":50}`), `"added"`)
}

func listApps(x *neighbours, rt web.Route) {
	x.same(x.ask(rt, "", "", `{"search":"their"}`), "[]")
	x.tells(x.ask(rt, "", "", `{"limit":50}`), "our-app")
}

func readApp(x *neighbours, rt web.Route) {
	x.ask(rt, "", "", fmt.Sprintf(`{"product_id":%s,"version":"1-their","verbose":{"cves":1}}`, x.their.productID)).want(404)
	own := decode[[]object](x.p.t, x.p.call("POST", "/o/api/v3/apps", bearer(x.a.token), `{"search":"our-app"}`).want(200).body)
	x.tells(x.ask(rt, "", "", fmt.Sprintf(`{"product_id":%q,"version":"1-our"}`, own[0]["product_id"])), "our-app")
}

func listCVEs(x *neighbours, rt web.Route) {
	x.same(x.ask(rt, "", "", fmt.Sprintf(`{"search":%q}`, x.their.cve)), "[]")
	x.tells(x.ask(rt, "", "", `{}`), `"cve_id"`)
}

// byIDInBody is every call that names one device by the member id.
func byIDInBody(x *neighbours, rt web.Route) {
	for _, name := range x.names() {
		x.ask(rt, "", "", fmt.Sprintf(`{"id":%q}`, name)).want(404)
	}
	x.ask(rt, "", "", fmt.Sprintf(`{"id":%q}`, x.a.home.ID)).want(200)
}

func downloadReports(x *neighbours, rt web.Route) {
	words := []string{"os_patch_summary", "device_missing_os_patch", "missing_os_patch"}
	if strings.HasPrefix(rt.Path, "/o/api/v2") {
		words = []string{"OSPatchSummary", "DeviceMissingOSPatch", "MissingOSPatch"}
	} else {
		x.ask(rt, "", "type=agent_log&command_id="+x.their.command, "").want(404)
	}
	if strings.Contains(rt.Path, "v3.1") {
		x.ask(rt, "", "type=scan_threats_log&command_id="+x.their.command, "").want(404)
	}
	x.tells(x.ask(rt, "", "type="+words[0], ""), "our-patch")
	if r := x.ask(rt, "", "type="+words[1]+"&kb="+x.their.patch, "").want(200); strings.Count(r.body, "\n") != 1 {
		x.p.t.Errorf("devices that lack b's patch: %s", r.body)
	}
	for _, name := range x.names() {
		x.ask(rt, "", "type="+words[2]+"&id="+url.QueryEscape(name), "").want(404)
	}
	x.tells(x.ask(rt, "", "type="+words[2]+"&id="+x.a.home.ID, ""), "our-patch")
}

// listDevices filters by everything of b, and goes on where b had come to.
func listDevices(x *neighbours, rt web.Route) {
	if rt.Method == "GET" {
		x.tells(x.ask(rt, "", "limit=50&order=asc&group_id=2&license_key="+x.b.licenseKey, ""), x.a.home.ID)
		return
	}
	empty := "[]"
	if b := x.p.call(rt.Method, rt.Path, bearer(x.b.token), `{"limit":1}`).want(200).body; b[0] == '{' {
		empty = `{"next_token":"","devices":[]}`
		next := decode[object](x.p.t, b)["next_token"]
		if next == "" {
			x.p.t.Fatal("b has one device only")
		}
		x.ask(rt, "", "", fmt.Sprintf(`{"limit":50,"token":%q}`, next)).want(200)
	}
	for _, filter := range []string{
		`"filter":{"cve_ids":["` + x.their.cve + `"]}`, `"search":"their-app"`, `"search":"` + x.b.machine + `"`, `"search":"` + x.b.mac + `"`,
		`"search":"` + x.b.home.ID + `"`, `"filter":{"group_id":[` + x.their.groupID + `]}`, `"filter":{"device_status":["unknown"]}`,
	} {
		x.same(x.ask(rt, "", "", `{"limit":50,`+filter+`}`), empty)
	}
	x.ask(rt, "", "", `{"limit":50,"filter":{"product_ids":[`+x.their.productID+`]}}`).want(200)
	x.tells(x.ask(rt, "", "", `{"limit":50}`), x.a.home.ID)
}

func searchDevices(x *neighbours, rt web.Route) {
	for _, name := range append(x.names(), x.b.machine, x.b.serial, "their") {
		x.same(x.ask(rt, "", "in=all&limit=50&q="+url.QueryEscape(name), ""), `{"total_count":0,"results":[]}`)
	}
	x.tells(x.ask(rt, "", "in=all&q="+x.a.home.ID, ""), x.a.home.ID)
}

// readDevices names b's devices in the path, or in a list.
func readDevices(x *neighbours, rt web.Route) {
	inPath := strings.Contains(rt.Path, "{value}")
	for _, opt := range []string{"0", "1"} {
		if !inPath {
			x.same(x.ask(rt, "", "", `{"ids":`+quoted(x.names()...)+`,"opt":`+opt+`,"verbose":{"categories":1}}`), "[]")
			continue
		}
		for _, name := range x.names() {
			x.ask(rt, name, "opt="+opt, "").want(404)
		}
	}
	x.tells(x.ask(rt, x.a.home.ID, "", map[bool]string{false: `{"ids":` + quoted(x.a.home.ID) + `}`}[inPath]), x.a.home.ID)
}

func listChanges(x *neighbours, rt web.Route) {
	for _, verbose := range []string{"0", "1"} {
		if rt.Method == "GET" {
			x.tells(x.ask(rt, "", "verbose="+verbose, ""), x.a.home.ID)
			x.ask(rt, "", "os_type=linux_or_mobile&verbose="+verbose, "").want(200)
			continue
		}
		x.tells(x.ask(rt, "", "", `{"limit":50,"verbose":`+verbose+`}`), x.a.home.ID)
	}
}

func checkPolicy(x *neighbours, rt web.Route) {
	if !strings.Contains(rt.Path, "{value}") {
		x.same(x.ask(rt, "", "", `{"MAC_list":`+quoted(x.b.mac)+`}`), `{"result":[2],"critical":[0]}`)
		x.same(x.ask(rt, "", "", `{"opt":1,"HWID_list":`+quoted(x.b.home.ID, x.b.hardwareID)+`}`), `{"result":[2,2],"critical":[0,0]}`)
		x.same(x.ask(rt, "", "", `{"opt":1,"HWID_list":`+quoted(x.a.home.ID)+`}`), `{"result":[1],"critical":[1]}`)
		return
	}
	for _, name := range x.names() {
		for _, opt := range []string{"0", "1", "3"} {
			x.ask(rt, name, "verbose=1&opt="+opt, "").want(404)
		}
	}
	x.tells(x.ask(rt, x.a.home.ID, "opt=1", ""), `"status":1`)
}

func countDevices(x *neighbours, rt web.Route) {
	for _, event := range []string{"added", "not_seen", "outdated"} {
		for _, opt := range []string{"0", "1"} {
			x.ask(rt, "", "event="+event+"&opt="+opt, "").want(200)
		}
	}
	x.tells(x.ask(rt, "", "event=added&opt=1", ""), x.a.home.ID)
}

func readLink(x *neighbours, rt web.Route) {
	none := `{"result":0,"msg":"Device not found"}`
	if strings.HasPrefix(rt.Path, "/o/api/v3") {
		none = `{"result":0,"remediation_link":""}`
	}
	for _, name := range x.names() {
		for _, opt := range []string{"0", "1"} {
			x.same(x.ask(rt, name, "opt="+opt, ""), none)
		}
	}
	x.tells(x.ask(rt, x.a.home.ID, "", ""), x.a.home.ID)
}

// deleteAnothers deletes b's devices in every way, and one of its own.
func deleteAnothers(x *neighbours, rt web.Route) {
	x.enrol(x.a)
	inPath := strings.Contains(rt.Path, "{value}")
	for _, opt := range []string{"0", "1", "2"} {
		for _, name := range x.names() {
			if inPath {
				x.same(x.ask(rt, name, "opt="+opt, ""), `{"result":0,"msg":"Device not found"}`)
				continue
			}
			for _, list := range []string{"MAC_list", "HWID_list"} {
				x.same(x.ask(rt, "", "", fmt.Sprintf(`{"opt":%s,%q:[%q]}`, opt, list, name)), `{"result":[0]}`)
			}
		}
	}
	if inPath {
		x.same(x.ask(rt, x.a.agent.ID, "", ""), `{"result":1,"msg":"Device has been deleted"}`)
		return
	}
	x.same(x.ask(rt, "", "", `{"HWID_list":`+quoted(x.a.agent.ID)+`}`), `{"result":[1]}`)
}

// actOnAnothers does everything with b's devices, and one thing with a's. Answers name devices as the caller did.
func actOnAnothers(x *neighbours, rt web.Route) {
	p, token := x.p, bearer(x.a.token)
	if strings.Contains(rt.Path, "{value}") {
		for _, kind := range []string{"dhcprenew", "exempt_all", "exempt_critical", "unexempt"} {
			for _, name := range x.names() {
				x.same(x.ask(rt, name, "types="+kind, ""), `{"result":0,"msg":"Device not found"}`)
			}
		}
		x.same(x.ask(rt, x.a.home.ID, "types=unexempt", ""), `{"result":1,"msg":"OK"}`)
		return
	}
	if strings.HasPrefix(rt.Path, "/o/api/v2") {
		for _, kind := range []string{"dhcprenew", "exempt_all", "unexempt"} {
			x.same(x.ask(rt, "", "", fmt.Sprintf(`{"types":%q,"HWID_list":%s}`, kind, quoted(x.names()...))), `{"result":[0,0,0,0,0,0]}`)
		}
		x.same(x.ask(rt, "", "", `{"types":"unexempt","HWID_list":`+quoted(x.a.home.ID)+`}`), `{"result":[1]}`)
		return
	}
	done := func(kind, list string, names ...string) (sum float64) {
		r := p.call(rt.Method, rt.Path, token, fmt.Sprintf(`{"types":%q,%q:%s,"params":{"group_id":%q}}`, kind, list, quoted(names...), x.their.groupID)).want(200)
		if r.body[0] == '{' {
			for _, n := range r.object() {
				sum += n.(float64)
			}
			return sum
		}
		for _, o := range decode[[]object](p.t, r.body) {
			sum += o["status"].(float64)
			if o["command_id"] != "" {
				p.t.Errorf("a command for b: %s", r.body)
			}
		}
		return sum
	}
	for _, kind := range []string{"exempt", "unexempt", "ignore", "unignore", "delete", "dhcprenew", "re-identify", "assign_to_group", "fetch_agent_log", "scan_threats"} {
		if kind == "fetch_agent_log" && strings.Contains(rt.Path, "v3/") || kind == "fetch_agent_log" && strings.Contains(rt.Path, "v3.0") ||
			kind == "scan_threats" && !strings.Contains(rt.Path, "v3.2") && !strings.Contains(rt.Path, "v3.3") {
			continue
		}
		if n := done(kind, "ids", x.names()...) + done(kind, "macs", x.b.mac); n != 0 {
			p.t.Errorf("%s of b's devices: %v", kind, n)
		}
	}
	if n := done("assign_to_group", "ids", x.a.home.ID); n != 0 {
		p.t.Errorf("a's device in a group of b: %v", n)
	}
	if n := done("unexempt", "ids", x.a.home.ID); n != 1 {
		p.t.Errorf("a's own device: %v", n)
	}
}
