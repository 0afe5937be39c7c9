package gears

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/posture"
)

func TestPing(t *testing.T) {
	for _, body := range []string{"{}", "", "[]", "not even JSON"} {
		v := newWorld()
		expect(t, v.do(t, call{method: "POST", path: deviceURL("/ping"), body: body}), 200, "{}")
		if want := []string{"ping " + theDevice}; !slices.Equal(v.devices.calls, want) {
			t.Errorf("body %q: calls %v, want %v", body, v.devices.calls, want)
		}
	}
}

func TestPingRefusesALargeBody(t *testing.T) {
	v := newWorld()
	w := v.do(t, call{method: "POST", path: deviceURL("/ping"), body: strings.Repeat(" ", maxSmallBody+1)})
	expect(t, w, 413, `{"errors":[{"error_type":"413000","details":"The body is larger than 65536 bytes"}]}`)
	if len(v.devices.calls) != 0 {
		t.Errorf("calls %v", v.devices.calls)
	}
}

func TestRetire(t *testing.T) {
	for _, header := range []map[string]string{nil, {"Content-Length": "0"}} {
		v := newWorld()
		expect(t, v.do(t, call{method: "DELETE", path: deviceURL(""), header: header}), 200, "{}")
		if want := []string{"retire " + theDevice}; !slices.Equal(v.devices.calls, want) {
			t.Errorf("calls %v, want %v", v.devices.calls, want)
		}
	}
}

func TestAccount(t *testing.T) {
	v := newWorld()
	expect(t, v.do(t, call{method: "GET", path: "/api/v2/accounts/" + theKey}), 200,
		`{"owner_email":"owner@example.net","account_name":"Example Ltd"}`)
}

func TestPolicyCheck(t *testing.T) {
	seen := time.Date(2026, 11, 23, 22, 21, 15, 999, time.FixedZone("", 3600))
	for _, tc := range []struct {
		name    string
		summary device.Summary
		want    string
	}{
		{"never seen", device.Summary{Status: posture.StatusInstalled},
			`{"status":"installed","total_issue":0,"total_critical_issue":0,"remediation_link":"https://muster.example.net/device/` + theDevice + `"}`},
		{"unfit", device.Summary{Status: posture.StatusNonCompliant, Issues: device.Issues{Critical: 1, Warning: 2}, SeenAt: seen},
			`{"status":"non-compliant","total_issue":3,"total_critical_issue":1,"remediation_link":"https://muster.example.net/device/` + theDevice + `","last_seen":"2026-11-23T21:21:15Z"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := newWorld()
			v.devices.summary = tc.summary
			expect(t, v.do(t, call{method: "GET", path: deviceURL("/policy_check")}), 200, tc.want)
		})
	}
}

func TestConfigAlwaysSaysEverything(t *testing.T) {
	const plain = `{"user_identity":{"enable":0,"regex":"","msg":""},"privacy":{"serial_number":0,"local_ip":0,"hostname":0,` +
		`"public_ip":0,"mac_addr":0,"username":0},"notification_install_app":0}`
	for _, body := range []string{
		`{"include":["mac_required","user_identity","privacy","notification_install_app"]}`, `{"include":[]}`, `{}`, "", "[]", "null",
	} {
		v := newWorld()
		expect(t, v.do(t, call{method: "POST", path: deviceURL("/config"), body: body}), 200, plain)
	}
}

func TestConfigRefusesALargeBody(t *testing.T) {
	w := newWorld().do(t, call{method: "POST", path: deviceURL("/config"), body: strings.Repeat(" ", maxSmallBody+1)})
	expect(t, w, 413, `{"errors":[{"error_type":"413000","details":"The body is larger than 65536 bytes"}]}`)
}

func TestConfigOfAnAccountWithSettings(t *testing.T) {
	v := newWorld()
	v.settings = Settings{
		PingEvery: time.Minute, ReportEvery: time.Hour, NotifyInstall: true,
		Privacy:      Privacy{SerialNumber: true, LocalIP: true, HostName: true, PublicIP: true, MAC: true, Username: true},
		UserIdentity: UserIdentity{Ask: true, Pattern: `^[a-z]+$`, Message: "Who are you?"},
	}
	expect(t, v.do(t, call{method: "POST", path: deviceURL("/config"), body: "{}"}), 200,
		`{"user_identity":{"enable":1,"regex":"^[a-z]+$","msg":"Who are you?"},"privacy":{"serial_number":1,"local_ip":1,`+
			`"hostname":1,"public_ip":1,"mac_addr":1,"username":1},"notification_install_app":1,"ping_frequency":60,"report_frequency":3600}`)
}

func TestConfigOfAnAgentThatLooksAround(t *testing.T) {
	v := newWorld()
	v.settings.Neighbours = true
	v.accounts.crossDomain = identity.CrossDomain{Enabled: true, Port: 11369}
	w := v.do(t, call{method: "POST", path: deviceURL("/config"), body: "{}"})
	if want := `"notification_install_app":0,"neighbours":1,"cross_domain_api":{"enabled":1,"port":11369}}`; !strings.HasSuffix(w.Body.String(), want) {
		t.Errorf("answered %s", w.Body)
	}
}

func TestFetchPrivacy(t *testing.T) {
	const private = `{"serial_number":1,"local_ip":0,"hostname":0,"public_ip":0,"mac_addr":0,"username":1}`
	for _, tc := range []struct{ path, body string }{
		{"/gears/api/2/agent/fetch_privacy", `{"reg_code":"` + theCode + `"}`},
		{"/gears/api/2/agent/fetch_privacy", `{"reg_code":"` + theCode + `_17","other":[1]}`},
		{"/gears/api/6/agent/fetch_privacy", `{"license_key":"` + theKey + `"}`},
		{"/gear/api/3/agent/fetch_privacy", `{"license_key":"` + theKey + `"}`},
	} {
		v := newWorld()
		v.settings.Privacy = Privacy{SerialNumber: true, Username: true}
		expect(t, v.do(t, call{method: "POST", path: tc.path, body: tc.body, bare: true}), 200, private)
	}
}

func TestFetchPrivacyErrors(t *testing.T) {
	const path = "/gears/api/2/agent/fetch_privacy"
	for _, tc := range []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"unknown code", path, `{"reg_code":"NOSUCH00"}`, 404, `{"error":"404006","desc":"Unknown registration code"}`},
		{"unknown licence key", path, `{"license_key":"00"}`, 404, `{"error":"404006","desc":"Unknown registration code"}`},
		{"neither", path, `{}`, 400, `{"error":"400000","desc":"Member reg_code or license_key is missing"}`},
		{"no body", path, ``, 400, `{"error":"400000","desc":"The body is empty; a JSON object is expected"}`},
		{"wrong type", path, `{"reg_code":[]}`, 400, `{"error":"400000","desc":"Member reg_code must be a string"}`},
		{"number out of range", "/gears/api/7/agent/fetch_privacy", `{}`, 404, `{"error":"404000","desc":"No such path"}`},
		{"no number", "/gears/api/two/agent/fetch_privacy", `{}`, 404, `{"error":"404000","desc":"No such path"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			expect(t, newWorld().do(t, call{method: "POST", path: tc.path, body: tc.body, bare: true}), tc.status, tc.want)
		})
	}
}

func TestImHereAndResult(t *testing.T) {
	const refused = `{"code":401000,"msg":"The device's credentials are missing or not valid",` +
		`"errors":[{"error_type":"401000","details":"The device's credentials are missing or not valid"}]}`
	for _, tc := range []struct {
		name, path, body string
		bare             bool
		status           int
		want             string
	}{
		{"live", "/gears/api/1/agent/imhere", `{"hwid":"` + theDevice + `","opt":0}`, false, 200, `{"code":0,"msg":"OK"}`},
		{"live, other spelling", "/gear/api/3/agent/imhere", `{"hwid":"` + theDevice + `"}`, false, 200, `{"code":0,"msg":"OK"}`},
		{"deleted", "/gears/api/1/agent/imhere", `{"hwid":"` + goneDevice + `","opt":0}`, false, 200, `{"code":802,"msg":"The device was removed"}`},
		{"unknown", "/gears/api/1/agent/imhere", `{"hwid":"nobody","opt":0}`, false, 401, refused},
		{"no credentials", "/gears/api/1/agent/imhere", `{"hwid":"` + theDevice + `","opt":0}`, true, 401, refused},
		{"result", "/gears/api/1/agent/result", `{"hwid":"` + goneDevice + `","method":"802","result":"1"}`, false, 200, `{"code":0,"msg":"OK"}`},
		{"result without credentials", "/gears/api/1/agent/result", `{"hwid":"` + goneDevice + `"}`, true, 401, refused},
		{"no hwid", "/gears/api/1/agent/imhere", `{"opt":0}`, false, 400, `{"code":400000,"msg":"Member hwid, the id of the device, is missing",` +
			`"errors":[{"error_type":"400000","details":"Member hwid, the id of the device, is missing"}]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			expect(t, newWorld().do(t, call{method: "POST", path: tc.path, body: tc.body, bare: tc.bare}), tc.status, tc.want)
		})
	}
}

// agentCalls are the calls that need credentials and name their device in the path.
var agentCalls = []struct{ method, rest, body string }{
	{"POST", "/ping", "{}"},
	{"PUT", "/report/health", `{"hostname":"vm"}`},
	{"GET", "/policy_check", ""},
	{"POST", "/config", "{}"},
	{"POST", "/result", "{}"},
	{"DELETE", "", ""},
}

func TestWhoIsNotAuthenticLearnsNothing(t *testing.T) {
	keys := func(k, token string) map[string]string {
		return map[string]string{"Gears-Access-Key": k, "Gears-Access-Token": token}
	}
	for _, tc := range []struct {
		name, licence, device string
		header                map[string]string
	}{
		{"no credentials", theKey, theDevice, nil},
		{"key alone", theKey, theDevice, keys(theSecret, "")},
		{"token alone", theKey, theDevice, keys("", theSecret2)},
		{"wrong key", theKey, theDevice, keys("x", theSecret2)},
		{"the same value twice", theKey, theDevice, keys(theSecret, theSecret)},
		{"unknown device", theKey, "nobody", keys(theSecret, theSecret2)},
		{"unknown licence key", "00", theDevice, keys(theSecret, theSecret2)},
		{"licence key without end", strings.Repeat("0", 5000), theDevice, keys(theSecret, theSecret2)},
		{"licence key of another account", otherKey, theDevice, keys(theSecret, theSecret2)},
		{"device of another account", theKey, theOther, keys(theSecret, theSecret2)},
	} {
		for _, c := range agentCalls {
			t.Run(tc.name+" "+c.rest, func(t *testing.T) {
				v := newWorld()
				w := v.do(t, call{method: c.method, path: "/api/v2/accounts/" + tc.licence + "/devices/" + tc.device + c.rest,
					body: c.body, header: tc.header, bare: true})
				expect(t, w, 401, unauthenticated)
				if w.Header().Get("WWW-Authenticate") == "" {
					t.Error("a 401 without a challenge")
				}
				if len(v.devices.calls) != 0 || v.devices.touched {
					t.Errorf("the service saw %v", v.devices.calls)
				}
			})
		}
	}
}

func TestAccountNeedsCredentials(t *testing.T) {
	for _, c := range []call{
		{path: "/api/v2/accounts/" + theKey, bare: true},
		{path: "/api/v2/accounts/00"},
		{path: "/api/v2/accounts/" + theKey, header: map[string]string{"Gears-Access-Key": "x"}},
	} {
		c.method = "GET"
		expect(t, newWorld().do(t, c), 401, unauthenticated)
	}
}

func TestCredentialsMayBeCrossed(t *testing.T) {
	crossed := map[string]string{"Gears-Access-Key": theSecret2, "Gears-Access-Token": theSecret}
	for _, c := range agentCalls {
		w := newWorld().do(t, call{method: c.method, path: deviceURL(c.rest), body: c.body, header: crossed})
		if w.Code != 200 {
			t.Errorf("%s %s: status %d", c.method, c.rest, w.Code)
		}
	}
}

func TestFailuresOfTheServiceStayInside(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		status int
		want   string
	}{
		{"unknown", errBoom, 500, `{"errors":[{"error_type":"500000","details":"Internal error"}]}`},
		{"overloaded", errs.Wrap(errs.Unavailable, errBoom, "Try again later"), 503, `{"errors":[{"error_type":"503000","details":"Try again later"}]}`},
		{"device gone meanwhile", errs.New(errs.NotFound, "No such device"), 401, unauthenticated},
		{"credentials ended meanwhile", errNotAuthentic, 401, unauthenticated},
		{"conflict", errs.New(errs.Conflict, "Changed meanwhile"), 409, `{"errors":[{"error_type":"409000","details":"Changed meanwhile"}]}`},
	} {
		for _, c := range agentCalls[1:] { // a ping cannot fail
			t.Run(tc.name+" "+c.rest, func(t *testing.T) {
				v := newWorld()
				v.devices.fail, v.setFail = tc.err, tc.err
				expect(t, v.do(t, call{method: c.method, path: deviceURL(c.rest), body: c.body}), tc.status, tc.want)
			})
		}
	}
}

func TestAccountsFailing(t *testing.T) {
	v := newWorld()
	v.accounts.fail = errBoom
	const want = `{"errors":[{"error_type":"500000","details":"Internal error"}]}`
	expect(t, v.do(t, call{method: "POST", path: deviceURL("/ping"), body: "{}"}), 500, want)
	expect(t, v.do(t, call{method: "GET", path: "/api/v2/accounts/" + theKey}), 500, want)
	w := v.do(t, call{method: "POST", path: "/api/v2/accounts/devices/registration_code", body: "{}", header: map[string]string{"Gears-Auth": theCode}})
	expect(t, w, 500, want)
	if len(v.guard.failures) != 0 {
		t.Error("a failure of the server was counted as a guess")
	}
}

func TestPathsAndMethods(t *testing.T) {
	for _, tc := range []struct {
		method, path string
		status       int
		allow, want  string
	}{
		{"GET", deviceURL("/ping"), 405, "POST", `{"errors":[{"error_type":"405000","details":"Method GET is not allowed here; use POST"}]}`},
		{"GET", deviceURL("/nothing"), 404, "", `{"errors":[{"error_type":"404000","details":"No such path"}]}`},
		{"GET", "/gears/api/1/agent/nothing", 404, "", `{"code":404000,"msg":"No such path","errors":[{"error_type":"404000","details":"No such path"}]}`},
		{"GET", "/gears/api/1/agent/imhere", 405, "POST", `{"code":405000,"msg":"Method GET is not allowed here; use POST",` +
			`"errors":[{"error_type":"405000","details":"Method GET is not allowed here; use POST"}]}`},
	} {
		w := newWorld().do(t, call{method: tc.method, path: tc.path})
		expect(t, w, tc.status, tc.want)
		if got := w.Header().Get("Allow"); got != tc.allow {
			t.Errorf("%s: Allow %q, want %q", tc.path, got, tc.allow)
		}
	}
}

func TestEveryRouteDeclaresAScope(t *testing.T) {
	public := []string{"agent.register", "agent.fetch_privacy"}
	for _, rt := range New(Deps{}).Routes {
		want := "agent"
		if slices.Contains(public, rt.Name) {
			want = "public"
		}
		if string(rt.Scope) != want {
			t.Errorf("%s %s has scope %q, want %q", rt.Method, rt.Path, rt.Scope, want)
		}
		if !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete}, rt.Method) {
			t.Errorf("%s has method %q", rt.Path, rt.Method)
		}
	}
}
