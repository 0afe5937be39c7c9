package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"muster/internal/web"
)

// badCall is one call of the API, in the versions whose parameters are the same, for the test that sends every wrong value
// of every parameter.
type badCall struct {
	method   string
	versions string // of the path, separated by blanks
	path     string // below the version
	query    string // what a good request has
	body     string // the same, "" for none
	params   []badParam
}

// badParam is a parameter of a call. A dot in its name leads into an object of the body.
type badParam struct {
	name     string
	required bool
	kind     badKind
}

// badKind is what a parameter may be: it gives values that are not.
type badKind struct {
	members   []string // of a body, as JSON
	arguments []string // of a query, as they stand there
	// refusals are other statuses than 400 for some of them.
	refusals map[string]int
}

func (k badKind) with(more ...string) badKind {
	k.members = append(slices.Clone(k.members), more...)
	return k
}

// The kinds.
func badNumber(least, most int64) badKind {
	outside := []string{fmt.Sprint(least - 1), fmt.Sprint(most + 1), "99999999999999999999", "-99999999999999999999", "1.5", "1e1"}
	return badKind{
		members:   slices.Concat(outside, []string{`"x"`, `""`, `true`, `[1]`, `{}`, `"1 "`, `"\ud800"`}),
		arguments: slices.Concat(outside, []string{"x", "", "1+", "0x1", "%ff", "%zz", "%00"}),
	}
}

// badLimit is a number that has a status of its own above its maximum.
func badLimit(refusal int) badKind {
	k := badNumber(1, 50)
	k.refusals = map[string]int{"51": refusal}
	return k
}

func badList(most int, entries ...string) badKind {
	k := badKind{members: []string{`{}`, `true`, `[[]]`, `[{}]`, `[true]`, `[null]`, `["\ud800"]`, `"\u0000"`, `["\u0007"]`}}
	k.members = append(k.members, entries...)
	return k.with("[" + strings.TrimSuffix(strings.Repeat(`"1",`, most+1), ",") + "]")
}

func badText(most int) badKind {
	return badKind{
		members:   []string{`true`, `[]`, `{}`, `["x"]`, `"\u0000"`, `"a\nb"`, `"\ud800"`, `"` + strings.Repeat("ž", most+1) + `"`},
		arguments: []string{"%00", "%ff", "%zz", "a%0Ab", strings.Repeat("a", most+1)},
	}
}

var (
	badFlag   = badKind{members: []string{`2`, `-1`, `"yes"`, `""`, `[1]`, `{}`, `0.5`, `"TRUE"`}}
	badObject = badKind{members: []string{`5`, `"x"`, `true`, `[1]`, `""`, `[[]]`}}
	badWord   = badKind{
		members:   []string{`"nonsense"`, `""`, `5`, `true`, `["asc"]`, `{}`, `"\ud800"`},
		arguments: []string{"nonsense", "", "ASC", "%ff", "%zz", "5"},
	}
	badWords   = badList(maxWords, `"nonsense"`, `["nonsense"]`, `[""]`, `5`, `[5]`)
	badTexts   = badList(maxWanted, `[""]`, `""`, `["`+strings.Repeat("a", maxID+1)+`"]`)
	badNumbers = badList(maxWanted, `["x"]`, `[""]`, `"x"`, `[-1]`, `[1.5]`, `[99999999999999999999]`)
	badIDs     = badList(maxIDs, `[""]`, `""`, `["`+strings.Repeat("a", maxID+1)+`"]`)
	badCursor  = badKind{members: []string{`"x"`, `"AAAAAAAAAAAAAAAA"`, `5`, `true`, `["x"]`, `{}`, `"` + strings.Repeat("A", 5000) + `"`, `"a b"`}}
)

var badFilter = []badParam{
	{"filter", false, badObject},
	{"filter.device_type", false, badWords},
	{"filter.os", false, badWords},
	{"filter.device_status", false, badWords},
	{"filter.severity", false, badWords},
	{"filter.category", false, badWords},
	{"filter.agent_status", false, badWords},
	{"filter.cve_severity", false, badWords},
	{"filter.vulnerability_severity", false, badWords},
	{"filter.product_ids", false, badNumbers},
	{"filter.group_id", false, badNumbers},
	{"filter.group_ids", false, badNumbers},
	{"filter.cve_ids", false, badTexts},
	{"filter.agent_type", false, badTexts},
	{"search", false, badText(maxSearch)},
}

var badVerbose = []badParam{
	{"verbose", false, badObject},
	{"verbose.system_info", false, badFlag},
	{"verbose.categories", false, badFlag},
	{"verbose.unclassified", false, badFlag},
	{"verbose.mobile_apps", false, badFlag},
	{"verbose.detected_processes", false, badFlag},
	{"verbose.detected_packages", false, badFlag},
	{"verbose.detected_patches", false, badFlag},
	{"verbose.infection", false, badFlag},
}

// badCalls lists every call with every parameter that it reads.
var badCalls = []badCall{
	{"GET", "v2 v2.1 v2.2 v2.3", "devices", "", "", []badParam{
		{"limit", false, badLimit(http.StatusNotAcceptable)}, {"page", false, badNumber(1, maxPage)},
		{"GroupBy", false, badWord}, {"order", false, badWord},
	}},
	{"POST", "v3 v3.1 v3.2 v3.3", "devices", "", "{}", slices.Concat(badFilter, []badParam{
		{"limit", false, badNumber(1, 50)}, {"page", false, badNumber(1, maxPage)},
		{"sort", false, badObject}, {"sort.field", false, badWord}, {"sort.order", false, badWord},
	})},
	{"POST", "v3.4 v3.5 v3.6 v3.7", "devices", "", "{}", slices.Concat(badFilter, []badParam{
		{"limit", false, badNumber(1, 50)}, {"token", false, badCursor},
	})},
	{"GET", "v2.1", "devices/search", "q=bergen&in=hostname", "", []badParam{
		{"limit", false, badLimit(http.StatusNotAcceptable)}, {"page", false, badNumber(1, maxPage)},
		{"q", true, badKind{arguments: []string{"", "ab", "a+", "+++", "%2B%2B%2Bab", "%00abc", "%ff", strings.Repeat("a", 101), "1+2+3+4+5+6+7+8+9"}}},
		{"in", true, badKind{arguments: []string{"", ",", "+", "nonsense", "hostname,nonsense", "HOSTNAME", "ip", "ipv4", "mac,ipv6", "%ff", "%00"}}},
	}},
	{"GET", "v2 v2.1 v2.3 v2.5", "devices/" + hardwareID, "", "", []badParam{{"opt", false, badNumber(0, 1)}}},
	{"POST", "v3", "devices/" + hardwareID, "", "{}", badVerbose},
	{"POST", "v3.1", "devices/detail", "", `{"ids":["` + hardwareID + `"]}`, slices.Concat(badVerbose, []badParam{{"ids", true, badIDs}})},
	{"POST", "v3.2 v3.3 v3.4 v3.5 v3.6 v3.7 v3.8", "devices/detail", "", `{"ids":["` + hardwareID + `"]}`,
		slices.Concat(badVerbose, []badParam{{"ids", true, badIDs}, {"opt", false, badNumber(0, 1)}})},
	{"POST", "v3", "device_info", "", `{"ids":["` + hardwareID + `"]}`, []badParam{
		{"ids", true, badIDs}, {"opt", false, badNumber(0, 1)}, {"select", false, badObject}, {"select.categories", false, badWords},
	}},
	{"POST", "v2", "devices/" + hardwareID + "/link_user", "", `{"username":"kari"}`, []badParam{
		{"username", true, badText(maxName).with(`""`)}, {"group", false, badText(maxName).with(`""`)}, {"opt", false, badNumber(0, 1)},
	}},
}

// request gives the call with a parameter set to a value, or without it.
func (c *badCall) request(t *testing.T, version, name, value string, there bool) request {
	t.Helper()
	q := request{method: c.method, target: prefix + version + "/" + c.path, token: freeToken}
	if c.method == "GET" {
		var parts []string
		for _, part := range strings.Split(c.query, "&") {
			if !strings.HasPrefix(part, name+"=") {
				parts = append(parts, part)
			}
		}
		if there {
			parts = append(parts, name+"="+value)
		}
		q.target += "?" + strings.Join(parts, "&")
		return q
	}
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(c.body), &members); err != nil {
		t.Fatal(err)
	}
	outer, inner, nested := strings.Cut(name, ".")
	switch {
	case !there:
		delete(members, name)
	case nested:
		members[outer] = json.RawMessage(fmt.Sprintf(`{%q:%s}`, inner, value))
	default:
		members[name] = json.RawMessage(value)
	}
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	q.body = string(body)
	return q
}

// untouched checks that a refused call asked nothing of the inventory and changed nothing.
func (l *lab) untouched(t *testing.T, q request) {
	t.Helper()
	if len(l.devices.stock.asked)+l.devices.stock.opened+len(l.devices.linked)+len(l.devices.world.asked)+len(l.devices.world.changed) > 0 {
		t.Errorf("%s %s %.80s: the inventory was asked", q.method, q.target, q.body)
	}
}

// checkBad sends one bad request. The refusal names the parameter, and is told before anything is looked up.
func checkBad(t *testing.T, q request, status int, name, value string) {
	t.Helper()
	l := newLab()
	a := l.do(q)
	var m struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	if a.status != status || m.Error != codeWords[status] || !strings.HasPrefix(m.Description, name+" ") {
		t.Errorf("%s = %.60s: %d %.200s; want %d and a description that begins with the name", name, value, a.status, a.body, status)
	}
	l.untouched(t, q)
}

func TestBadInput(t *testing.T) {
	for _, c := range badCalls {
		for _, version := range strings.Fields(c.versions) {
			t.Run(c.method+" "+version+"/"+c.path, func(t *testing.T) {
				for _, p := range c.params {
					c.test(t, version, &p)
				}
			})
		}
	}
}

func (c *badCall) test(t *testing.T, version string, p *badParam) {
	values := p.kind.members
	if c.method == "GET" {
		values = p.kind.arguments
	}
	if len(values) == 0 {
		t.Fatalf("%s has no wrong values", p.name)
	}
	for _, value := range values {
		status := http.StatusBadRequest
		if s := p.kind.refusals[value]; s != 0 {
			status = s
		}
		checkBad(t, c.request(t, version, p.name, value, true), status, p.name, value)
	}
	without := c.request(t, version, p.name, "", false)
	if p.required {
		checkBad(t, without, http.StatusBadRequest, p.name, "(absent)")
	} else if a := newLab().do(without); a.status != 200 {
		t.Errorf("without %s: %d %s", p.name, a.status, a.body)
	}
	if c.method == "GET" {
		return
	}
	null := c.request(t, version, p.name, "null", true)
	if p.required {
		checkBad(t, null, http.StatusBadRequest, p.name, "null")
	} else if a := newLab().do(null); a.status != 200 {
		t.Errorf("%s = null: %d %s", p.name, a.status, a.body)
	}
}

// Every call that reads a body refuses what is none, whatever it does with it.
func TestBadBodies(t *testing.T) {
	eachRoute(t, func(t *testing.T, l *lab, rt web.Route) {
		if rt.Method != "POST" {
			return
		}
		for _, c := range []struct {
			name, body, contentType string
			status                  int
			about                   string
		}{
			{"broken JSON", `{"limit":`, "", 400, "JSON"},
			{"JSON and more", `{} x`, "", 400, "JSON"},
			{"a list", `[1]`, "", 400, "JSON object"},
			{"a string", `"x"`, "", 400, "JSON object"},
			{"no UTF-8", "{\"a\":\"\xff\"}", "", 400, "UTF-8"},
			{"too deep", strings.Repeat(`{"a":`, 65) + `1` + strings.Repeat(`}`, 65), "", 400, "64 levels"},
			{"a form", `limit=1`, "application/x-www-form-urlencoded", 415, "application/json"},
			{"text", `{}`, "text/plain", 415, "application/json"},
			{"latin", `{}`, "application/json; charset=latin1", 415, "UTF-8"},
			{"more than 1 MiB", `{"a":"` + strings.Repeat("a", 1<<20) + `"}`, "", 413, "1048576 bytes"},
		} {
			q := example(rt)
			q.token, q.body, q.contentType = freeToken, c.body, c.contentType
			l.do(q).wantError(t, c.status, codeWords[c.status], c.about, resultForm(rt))
			l.untouched(t, q)
		}
	})
}

func TestWrongMethods(t *testing.T) {
	routes := newLab().mux.Routes()
	for _, rt := range routes {
		path := strings.ReplaceAll(rt.Path, "{value}", hardwareID)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
			if taken(routes, method, path) {
				continue
			}
			a := newLab().do(request{method: method, target: path, token: freeToken})
			if allow := a.header.Get("Allow"); a.status != 405 || !strings.Contains(allow, rt.Method) {
				t.Errorf("%s %s: %d, Allow %q", method, path, a.status, allow)
			}
		}
	}
}

// taken reports whether a route takes a path: by its own name, or as the name of a device.
func taken(routes []web.Route, method, path string) bool {
	if method == "HEAD" {
		method = "GET"
	}
	_, last, _ := strings.Cut(path, "/devices/")
	return slices.ContainsFunc(routes, func(rt web.Route) bool {
		named := strings.ReplaceAll(rt.Path, "{value}", hardwareID) == path
		byValue := last != "" && !strings.Contains(last, "/") && rt.Path == strings.TrimSuffix(path, last)+"{value}"
		return rt.Method == method && (named || byValue)
	})
}

// Positions of another list, of another account's list and past the end lead nowhere.
func TestPagesThatAreNotThere(t *testing.T) {
	for _, version := range []string{"v3", "v3.1", "v3.2", "v3.3"} {
		for _, body := range []string{`{"page":6,"limit":1}`, `{"page":2,"limit":50}`, `{"page":2147483648,"limit":50}`, `{"page":2,"filter":{"agent_type":"guest","device_status":["unknown"]}}`} {
			a := newLab().do(request{method: "POST", target: prefix + version + "/devices", token: freeToken, body: body})
			a.wantError(t, 413, "page_out_of_range", "page", false)
		}
	}
	for _, target := range []string{"v2/devices?page=6", "v2.3/devices?page=2&limit=50", "v2.1/devices/search?q=bergen&in=hostname&page=2"} {
		a := newLab().do(request{method: "GET", target: prefix + target, token: freeToken})
		a.wantError(t, 413, "page_out_of_range", "page", false)
	}
	l := newLab()
	part := func(filter, token string) answer {
		body := fmt.Sprintf(`{"limit":1,"token":%q,"filter":%s}`, token, filter)
		return l.do(request{method: "POST", target: "/o/api/v3.7/devices", token: freeToken, body: body})
	}
	token, _ := part(`{"os":["windows","linux"]}`, "").members(t)["next_token"].(string)
	if token == "" {
		t.Fatal("no token")
	}
	part(`{"os":["linux"]}`, token).wantError(t, 400, "invalid_request", "token ", false)
	part(`{"os":["windows","linux"]}`, token[:len(token)-1]).wantError(t, 400, "invalid_request", "token ", false)
	part(`{"os":["windows","linux"]}`, token+"A").wantError(t, 400, "invalid_request", "token ", false)
	if a := part(`{"os":["windows","linux"]}`, token); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestDevicesThatAreNotThere(t *testing.T) {
	for _, value := range []string{"nobody", "00:0c:29:aa:bb:cd", url.PathEscape("<script>"), "a%00b", "%ff", strings.Repeat("a", 3000)} {
		for _, version := range []string{"v2", "v2.1", "v2.3", "v2.5"} {
			a := newLab().do(request{method: "GET", target: prefix + version + "/devices/" + value, token: freeToken})
			a.wantError(t, 404, "not_found", "evice", false)
		}
		a := newLab().do(request{method: "POST", target: prefix + "v3/devices/" + value, token: freeToken})
		a.wantError(t, 404, "not_found", "evice", false)
	}
	for _, target := range []string{"v3.1/devices/detail", "v3.8/devices/detail", "v3/device_info"} {
		for _, token := range []string{freeToken, otherToken} {
			ids := `["nobody","00:0c:29:aa:bb:cd","<script>"]`
			if token == otherToken {
				ids = `["` + hardwareID + `"]`
			}
			a := newLab().do(request{method: "POST", target: prefix + target, token: token, body: `{"ids":` + ids + `}`})
			if a.status != 200 || a.body != "[]" {
				t.Errorf("%s: %d %s", target, a.status, a.body)
			}
		}
	}
}
