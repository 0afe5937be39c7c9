package e2e

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/admin"
	"muster/internal/api"
	"muster/internal/gears"
	"muster/internal/oauth"
	"muster/internal/reference"
	"muster/internal/web"
)

// siteDoors are the doors of the server by their package. Their tables are data, so nothing has to stand behind them.
var siteDoors = map[string]*web.Door{
	"oauth": oauth.New(nil), "api": api.New(api.Deps{}), "gears": gears.New(gears.Deps{}),
	"reference": reference.New(),
	"admin":     admin.New(admin.Deps{}),
}

// trespass tries one route as account A with what belongs to account B. It checks the answers itself; that nothing of B
// has changed is checked after it.
type trespass func(x *neighbours, rt web.Route)

// trespasses has one for each route; those of the compatible API, which come in many versions, are in apiTrespasses. A
// new route needs one too: it is how the rule that accounts are alone is kept.
var trespasses = map[string]trespass{
	"GET /o/oauth/token":    tokenOfAnother,
	"POST /o/oauth/token":   tokenOfAnother,
	"POST /o/oauth/revoke":  revokeAnothers,
	"GET /o/oauth2/token":   tokenOfAnother,
	"POST /o/oauth2/token":  tokenOfAnother,
	"POST /o/oauth2/revoke": revokeAnothers,

	"POST /api/v2/accounts/devices/registration_code":                      registerAs,
	"GET /api/v2/accounts/{license_key}":                                   agentOfAccount,
	"POST /api/v2/accounts/{license_key}/devices/{device_id}/ping":         agentOfDevice,
	"PUT /api/v2/accounts/{license_key}/devices/{device_id}/report/health": agentOfDevice,
	"GET /api/v2/accounts/{license_key}/devices/{device_id}/policy_check":  agentOfDevice,
	"POST /api/v2/accounts/{license_key}/devices/{device_id}/config":       agentOfDevice,
	"POST /api/v2/accounts/{license_key}/devices/{device_id}/result":       agentOfDevice,
	"DELETE /api/v2/accounts/{license_key}/devices/{device_id}":            agentOfDevice,
	"POST /gears/api/{n}/agent/fetch_privacy":                              fetchPrivacy,
	"POST /gears/api/{n}/agent/imhere":                                     agentByBody,
	"POST /gears/api/{n}/agent/result":                                     agentByBody,
	"POST /gear/api/{n}/agent/fetch_privacy":                               fetchPrivacy,
	"POST /gear/api/{n}/agent/imhere":                                      agentByBody,
	"POST /gear/api/{n}/agent/result":                                      agentByBody,

	"GET /openapi.yaml":   readPublic,
	"GET /admin.yaml":     readPublic,
	"GET /docs":           readPublic,
	"GET /docs/admin":     readPublic,
	"GET /docs/style.css": readPublic,
}

// TestEveryRouteKeepsAccountsApart walks the site map with another account's ids and credentials.
func TestEveryRouteKeepsAccountsApart(t *testing.T) {
	var routes []web.Route
	for _, door := range siteDoors {
		routes = append(routes, web.NewMux(door).Routes()...)
	}
	// Registrations come last: they give a what looks like b's in every list.
	slices.SortFunc(routes, func(a, b web.Route) int { return strings.Compare(b.Path+b.Method, a.Path+a.Method) })
	onBoth(t, func(t *testing.T, db []string) {
		x := moveIn(t, start(t, db, "--rate-limit", "0"))
		known, files := map[string]bool{}, x.files()
		for _, rt := range routes {
			key := rt.Method + " " + rt.Path
			try := trespasses[key]
			if operation := "/o/api " + rt.Name; strings.HasPrefix(rt.Path, "/o/api/") {
				key, try = operation, apiTrespasses[operation]
			}
			if strings.HasPrefix(rt.Path, "/api/v1/") {
				try = administerAnothers
			}
			known[key] = true
			t.Run(rt.Method+" "+rt.Path, func(t *testing.T) { x.walk(t, rt, try) })
		}
		if diff := cmp.Diff(files, x.files()); diff != "" {
			t.Errorf("the administrator sees something else of the other account: %s", diff)
		}
		for _, key := range append(slices.Collect(maps.Keys(trespasses)), slices.Collect(maps.Keys(apiTrespasses))...) {
			if !known[key] {
				t.Errorf("there is no route %s any more", key)
			}
		}
	})
}

// TestSiteMapIsWhole: the doors whose routes are walked are those that the server opens.
func TestSiteMapIsWhole(t *testing.T) {
	opened := map[string]bool{}
	for _, file := range sources(t, "../../internal/app") {
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && called(call) == "web.NewMux" {
				for _, door := range call.Args {
					made, _ := door.(*ast.CallExpr)
					opened[called(made)] = true
				}
			}
			return true
		})
	}
	want := map[string]bool{}
	for name := range siteDoors {
		want[name+".New"] = true
	}
	if diff := cmp.Diff(want, opened); diff != "" {
		t.Errorf("the doors of the server are not those walked here: %s", diff)
	}
}

// sources parses the program text of a package.
func sources(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*ast.File
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, file)
	}
	return out
}

// called names what a call calls, as package.Function.
func called(call *ast.CallExpr) string {
	if call == nil {
		return ""
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	pkg, _ := sel.X.(*ast.Ident)
	if pkg == nil {
		return ""
	}
	return pkg.Name + "." + sel.Sel.Name
}

// household is an account with a client and a device.
type household struct {
	name, licenseKey, code           string
	clientID, secret, token, refresh string
	admin                            string // a token that may do everything, once one is needed
	agent, home                      *agent // home stays, with what moveIn gave it
	machine, mac, hardwareID, serial string // of its device
}

// neighbours are two accounts in one server: a is the caller, b the one that must be left alone.
type neighbours struct {
	p    *program // its t is that of the route being walked
	a, b *household
	made int // devices
	// their is what b has besides, and seen what could be seen of b at last.
	their treasures
	seen  map[string]any
}

func moveIn(t *testing.T, p *program) *neighbours {
	t.Helper()
	p.muster("account", "create", "--name", "Their House", "--email", "owner@their-house.test")
	x := &neighbours{p: p}
	x.a, x.b = x.house("Default"), x.house("Their House")
	x.furnish()
	r := p.call("POST", "/o/api/v2/devices/"+x.b.agent.ID+"/link_user", bearer(x.b.token), `{"username":"their-user","group":"their-group"}`)
	if r.body != `{"result":1,"msg":"OK"}` {
		t.Fatalf("link user: %s", r.body)
	}
	x.seen = x.belongings()
	return x
}

func (x *neighbours) house(name string) *household {
	x.p.t.Helper()
	account := decode[object](x.p.t, x.p.muster("account", "show", "--json", "--account", name))
	app := decode[object](x.p.t, x.p.muster("app", "create", "--json", "--name", "x", "--permission", "write", "--account", name))
	h := &household{
		name: name, licenseKey: account["license_key"].(string), code: account["registration_code"].(string),
		clientID: app["client_id"].(string), secret: app["client_secret"].(string),
	}
	issued := x.p.call("GET", "/o/oauth/token?grant_type=client_credentials&client_id="+h.clientID+"&client_secret="+h.secret, nil, "").want(200).object()
	h.token, h.refresh = issued["access_token"].(string), issued["refresh_token"].(string)
	x.enrol(h)
	return h
}

// enrol gives an account another device, which is then the one it is tried with.
func (x *neighbours) enrol(h *household) {
	x.p.t.Helper()
	x.made++
	h.mac, h.machine = fmt.Sprintf("00:0c:29:00:%02x:%02x", x.made>>8, x.made&255), fmt.Sprintf("machine-%03d", x.made)
	h.hardwareID, h.serial = fmt.Sprintf("hardware-%03d", x.made), fmt.Sprintf("serial-%03d", x.made)
	h.agent = x.p.register(h.code, h.registration(""))
}

// registration is the body with which the household's device registers, under an id that it may have had.
func (h *household) registration(id string) string {
	return fmt.Sprintf(`{"device_id":%q,"device_name":%q,"hardware_id":%q,"serial_number":%q,"os":{"family":"linux"},
		"network_adapter_info":[{"mac":%q,"adapter_enabled":true,"ipv4":["192.0.2.2"],"ipv6":[]}]}`, id, h.machine, h.hardwareID, h.serial, h.mac)
}

// walk tries one route, and sees that everything of b is as it was and still works.
func (x *neighbours) walk(t *testing.T, rt web.Route, try trespass) {
	if try == nil {
		t.Fatal("the route has no entry in trespasses: say there how it is tried with another account's ids")
	}
	defer func(whole *testing.T) { x.p.t = whole }(x.p.t)
	x.p.t = t
	try(x, rt)
	before := x.seen
	x.seen = x.belongings()
	if diff := cmp.Diff(before, x.seen); diff != "" {
		t.Errorf("something of the other account changed: %s", diff)
	}
}

// belongings is all that can be seen of b through its calls. Reading it shows too that b's token and credentials still work.
func (x *neighbours) belongings() map[string]any {
	x.p.t.Helper()
	all := map[string]any{"verdict": x.b.agent.call("GET", "/policy_check", "").want(200).object()}
	for _, ask := range x.inventory() {
		all[ask.path] = lastSeen.ReplaceAllString(x.p.call(ask.method, ask.path, bearer(x.b.token), ask.body).want(200).body, "")
	}
	return all
}

// files is what the administrator sees of b.
func (x *neighbours) files() string {
	x.p.t.Helper()
	theirs := []string{"--json", "--account", x.b.name}
	return x.p.muster(append([]string{"account", "show"}, theirs...)...) +
		lastSeen.ReplaceAllString(x.p.muster(append([]string{"device", "show", x.b.agent.ID}, theirs...)...), "") +
		lastSeen.ReplaceAllString(x.p.muster(append([]string{"device", "list"}, theirs...)...), "")
}

// call sends a request, and sees that its answer tells nothing of b.
func (x *neighbours) call(method, path string, headers []string, body string) *response {
	x.p.t.Helper()
	r := x.p.call(method, path, headers, body)
	for _, secret := range []string{
		x.b.name, "their-", x.b.licenseKey, x.b.code, x.b.secret, x.b.token, x.b.refresh, x.b.agent.ID, x.b.agent.Key, x.b.agent.Token, x.b.machine, x.b.serial, x.b.mac,
		x.their.group, x.their.product, x.their.cve, x.their.patch, x.their.command, x.their.imported,
	} {
		if secret != "" && strings.Contains(r.body, secret) {
			x.p.t.Errorf("%s tells %q: %s", r.what, secret, r.body)
		}
	}
	return r
}

// agentOfDevice is every call whose path names a device. It ends with the same request for a's own device, which shows
// that it was the ids that were refused.
func agentOfDevice(x *neighbours, rt web.Route) {
	x.enrol(x.a)
	body := "{}"
	if rt.Method == "PUT" {
		body = healthy(x.a.machine, x.a.mac)
	}
	to := func(account, owner *household) *response {
		path := strings.NewReplacer("{license_key}", account.licenseKey, "{device_id}", owner.agent.ID).Replace(rt.Path)
		return x.call(rt.Method, path, x.a.agent.headers(), body)
	}
	to(x.b, x.b).want(401)
	to(x.b, x.a).want(401)
	to(x.a, x.b).want(401)
	to(x.a, x.a).want(200)
}

func (a *agent) headers() []string {
	return []string{"Gears-Access-Key", a.Key, "Gears-Access-Token", a.Token}
}

// agentOfAccount is the call whose path names the account alone.
func agentOfAccount(x *neighbours, rt web.Route) {
	x.enrol(x.a)
	to := func(h *household) *response {
		return x.call(rt.Method, strings.ReplaceAll(rt.Path, "{license_key}", h.licenseKey), x.a.agent.headers(), "")
	}
	to(x.b).want(401)
	to(x.a).want(200)
}

// agentByBody is every call whose body names the device.
func agentByBody(x *neighbours, rt web.Route) {
	x.enrol(x.a)
	for _, n := range []string{"1", "6"} {
		to := func(h *household) *response {
			body := fmt.Sprintf(`{"hwid":%q,"opt":0,"method":"802","result":"1"}`, h.agent.ID)
			return x.call(rt.Method, strings.ReplaceAll(rt.Path, "{n}", n), x.a.agent.headers(), body)
		}
		to(x.b).want(401)
		to(x.a).want(200)
	}
}

// fetchPrivacy needs no credentials: a's code gives a's settings, whatever else the body names.
func fetchPrivacy(x *neighbours, rt web.Route) {
	path := strings.ReplaceAll(rt.Path, "{n}", "1")
	to := func(code string) *response {
		body := fmt.Sprintf(`{"reg_code":%q,"license_key":%q,"hwid":%q}`, code, x.b.licenseKey, x.b.agent.ID)
		return x.call(rt.Method, path, x.a.agent.headers(), body)
	}
	to(x.a.code).want(200)
	to("wrong-code").want(404)
}

// registerAs registers machines with a's code that claim to be b's, by each of the ways in which one is recognised.
func registerAs(x *neighbours, rt web.Route) {
	b := x.b
	for _, claim := range []household{
		{mac: b.mac}, {serial: b.serial}, {hardwareID: b.hardwareID},
		{machine: b.machine, mac: b.mac, serial: b.serial, hardwareID: b.hardwareID},
	} {
		for _, id := range []string{"", b.agent.ID} {
			r := x.call(rt.Method, rt.Path, []string{"Gears-Auth", x.a.code}, claim.registration(id)).want(200).object()
			if r["device_id"] == b.agent.ID || r["license_key"] != x.a.licenseKey {
				x.p.t.Errorf("a claim to be %+v was answered %v", claim, r)
			}
			twin := agent{x.p, x.a.licenseKey, r["device_id"].(string), r["access_key"].(string), r["access_token"].(string)}
			twin.report(healthy(b.machine, b.mac)).want(200)
			// What stays would be found by b's address, and rightly so: it would be a's.
			twin.call("DELETE", "", "").want(200)
		}
	}
}

// readPublic reads a document that is there for everybody: it is the same whoever asks, and for whatever.
func readPublic(x *neighbours, rt web.Route) {
	stranger := x.call(rt.Method, rt.Path, nil, "").want(200)
	for _, h := range []*household{x.a, x.b} {
		got := x.call(rt.Method, rt.Path+"?license_key="+x.b.licenseKey, append(bearer(h.token), x.b.agent.headers()...), "").want(200)
		if got.body != stranger.body {
			x.p.t.Errorf("%s differs by who asks", got.what)
		}
	}
}

// readAccount asks for a's details in ways that could be taken to ask for b's.
func readAccount(x *neighbours, rt web.Route) {
	query := "?license_key=" + x.b.licenseKey + "&account=Their+House&account_id=2"
	body := fmt.Sprintf(`{"license_key":%q,"account":%q,"account_id":2}`, x.b.licenseKey, x.b.name)
	if rt.Method == "GET" {
		body = ""
	}
	got := x.call(rt.Method, rt.Path+query, bearer(x.a.token), body).want(200)
	if got.object()["name"] != x.a.name {
		x.p.t.Errorf("not the account of the token: %s", got.body)
	}
}

// linkUser links a user to b's device, by each of its names.
func linkUser(x *neighbours, rt web.Route) {
	x.enrol(x.a)
	to := func(value, opt string) string {
		path := strings.ReplaceAll(rt.Path, "{value}", value) + "?opt=" + opt
		return x.call(rt.Method, path, bearer(x.a.token), `{"username":"intruder","group":"intruders"}`).want(200).body
	}
	for _, value := range []string{x.b.agent.ID, x.b.hardwareID, x.b.mac, strings.ReplaceAll(x.b.mac, ":", "")} {
		for _, opt := range []string{"0", "1"} {
			if got := to(value, opt); got != `{"result":0,"msg":"Device not found"}` {
				x.p.t.Errorf("%s, opt %s: %s", value, opt, got)
			}
		}
	}
	for _, value := range []string{x.a.agent.ID, x.a.hardwareID, x.a.mac} {
		if got := to(value, "0"); got != `{"result":1,"msg":"OK"}` {
			x.p.t.Errorf("the own device %s: %s", value, got)
		}
	}
}

// oauth sends parameters to the token or the revocation endpoint.
func (x *neighbours) oauth(rt web.Route, client *household, secret, rest string) *response {
	x.p.t.Helper()
	form := "client_id=" + client.clientID + "&client_secret=" + secret + "&" + rest
	if rt.Method == "GET" {
		return x.call(rt.Method, rt.Path+"?"+form, nil, "")
	}
	return x.call(rt.Method, rt.Path, []string{"Content-Type", "application/x-www-form-urlencoded"}, form)
}

// tokenOfAnother wants a token with one half of b's credentials. None of it ends b's refresh token.
func tokenOfAnother(x *neighbours, rt web.Route) {
	x.oauth(rt, x.a, x.b.secret, "grant_type=client_credentials").want(401)
	x.oauth(rt, x.b, x.a.secret, "grant_type=client_credentials").want(401)
	x.oauth(rt, x.a, x.a.secret, "grant_type=refresh_token&refresh_token="+x.b.refresh).want(400)
	x.oauth(rt, x.a, x.a.secret, "grant_type=refresh_token&refresh_token="+x.b.token).want(400)
	x.oauth(rt, x.a, x.a.secret, "grant_type=client_credentials").want(200)
	form := "?grant_type=refresh_token&refresh_token=" + x.b.refresh + "&client_id=" + x.b.clientID + "&client_secret=" + x.b.secret
	x.b.refresh = x.p.call("GET", "/o/oauth/token"+form, nil, "").want(200).object()["refresh_token"].(string)
}

// revokeAnothers ends tokens: b's are not a's to end.
func revokeAnothers(x *neighbours, rt web.Route) {
	x.oauth(rt, x.a, x.a.secret, "token="+x.b.token).want(400)
	x.oauth(rt, x.a, x.a.secret, "token="+x.b.refresh).want(400)
	x.oauth(rt, x.b, x.a.secret, "token="+x.b.token).want(401)
	fresh := x.p.call("GET", "/o/oauth/token?grant_type=client_credentials&client_id="+x.a.clientID+"&client_secret="+x.a.secret, nil, "").want(200)
	x.oauth(rt, x.a, x.a.secret, "token="+fresh.object()["access_token"].(string)).want(200)
}
