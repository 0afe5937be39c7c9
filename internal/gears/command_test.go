package gears

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
)

var (
	expires     = time.Date(2026, 11, 30, 21, 21, 15, 0, time.UTC)
	logCommand  = device.Command{ID: "0193593aa1b27c3d8e4f5a6b7c8d9e20", Kind: device.FetchAgentLog, ExpiresAt: expires}
	whoCommand  = device.Command{ID: "0193593aa1b27c3d8e4f5a6b7c8d9e21", Kind: device.Reidentify, ExpiresAt: expires}
	scanCommand = device.Command{ID: "0193593aa1b27c3d8e4f5a6b7c8d9e22", Kind: device.ScanThreats, ExpiresAt: expires,
		Params: device.CommandParams{ScanTypes: []int{0, 4}, Path: "/srv"}}
	fullCommand = device.Command{ID: "0193593aa1b27c3d8e4f5a6b7c8d9e23", Kind: device.ScanThreats, ExpiresAt: expires,
		Params: device.CommandParams{FullScan: true}}
)

const (
	logAnswer  = `{"id":"0193593aa1b27c3d8e4f5a6b7c8d9e20","type":"fetch_agent_log","expires_at":"2026-11-30T21:21:15Z"}`
	whoAnswer  = `{"id":"0193593aa1b27c3d8e4f5a6b7c8d9e21","type":"re-identify","expires_at":"2026-11-30T21:21:15Z"}`
	scanAnswer = `{"id":"0193593aa1b27c3d8e4f5a6b7c8d9e22","type":"scan_threats","params":{"full_scan":0,"scan_types":[0,4],"path":"/srv"},"expires_at":"2026-11-30T21:21:15Z"}`
	fullAnswer = `{"id":"0193593aa1b27c3d8e4f5a6b7c8d9e23","type":"scan_threats","params":{"full_scan":1},"expires_at":"2026-11-30T21:21:15Z"}`
)

// TestCommandsGoWithEveryContact: each call with which an agent shows that it is there tells it what to do.
func TestCommandsGoWithEveryContact(t *testing.T) {
	ping := call{method: "POST", path: deviceURL("/ping"), body: "{}"}
	config := call{method: "POST", path: deviceURL("/config"), body: "{}"}
	imhere := call{method: "POST", path: "/gears/api/1/agent/imhere", body: `{"hwid":"` + theDevice + `","opt":0}`}
	const settings = `{"user_identity":{"enable":0,"regex":"","msg":""},"privacy":{"serial_number":0,"local_ip":0,"hostname":0,` +
		`"public_ip":0,"mac_addr":0,"username":0},"notification_install_app":0`
	for _, tc := range []struct {
		name     string
		call     call
		commands []device.Command
		want     string
	}{
		{"ping", ping, []device.Command{logCommand, scanCommand, fullCommand}, `{"commands":[` + logAnswer + "," + scanAnswer + "," + fullAnswer + `]}`},
		{"ping with nothing", ping, nil, `{}`},
		{"config", config, []device.Command{whoCommand}, settings + `,"commands":[` + whoAnswer + `]}`},
		{"config with nothing", config, nil, settings + `}`},
		{"imhere", imhere, []device.Command{logCommand, scanCommand}, `{"code":0,"msg":"OK","commands":[` + logAnswer + "," + scanAnswer + `]}`},
		{"imhere, to identify behind another", imhere, []device.Command{logCommand, whoCommand}, `{"code":807,"msg":"The user is to say again who they are","commands":[` + logAnswer + "," + whoAnswer + `]}`},
		{"imhere, to identify", imhere, []device.Command{whoCommand, logCommand}, `{"code":807,"msg":"The user is to say again who they are","commands":[` + whoAnswer + "," + logAnswer + `]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := newWorld()
			v.devices.commands = tc.commands
			expect(t, v.do(t, tc.call), 200, tc.want)
		})
	}
	v := newWorld()
	v.devices.commands = []device.Command{logCommand}
	gone := call{method: "POST", path: imhere.path, body: `{"hwid":"` + goneDevice + `"}`}
	expect(t, v.do(t, gone), 200, `{"code":802,"msg":"The device was removed"}`)
}

func TestResults(t *testing.T) {
	const one, two = "result " + theDevice + " ", "/gears/api/1/agent/result"
	long := strings.Repeat(`line \"1\"\n`, 50_000)
	for _, tc := range []struct {
		name, body, want string
	}{
		{"by its id", `"method":"fetch_agent_log","command_id":"c-1","result":"1","message":"all of it","output":"a\nb"`, `"c-1" "fetch_agent_log" true "all of it" "a\nb"`},
		{"by the code", `"method":"807","result":"1"`, `"" "re-identify" true "" ""`},
		{"by the code as a number", `"method":807,"result":1`, `"" "re-identify" true "" ""`},
		{"removed", `"method":"802","result":"1"`, `"" "802" true "" ""`},
		{"true", `"command_id":"c-1","result":true`, `"c-1" "" true "" ""`},
		{"failed", `"command_id":"c-1","result":"0","message":"no` + `\u0000` + ` log"`, `"c-1" "" false "no log" ""`},
		{"says nothing", `"command_id":"c-1"`, `"c-1" "" false "" ""`},
		{"something else", `"command_id":"c-1","result":"done","output":null`, `"c-1" "" false "" ""`},
		{"a long log", `"command_id":"c-1","result":1,"output":"` + long + `"`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, c := range []call{
				{method: "POST", path: deviceURL("/result"), body: "{" + tc.body + "}"},
				{method: "POST", path: two, body: `{"hwid":"` + theDevice + `",` + tc.body + "}"},
			} {
				v := newWorld()
				want := "{}"
				if c.path == two {
					want = `{"code":0,"msg":"OK"}`
				}
				expect(t, v.do(t, c), 200, want)
				got := v.devices.calls[len(v.devices.calls)-1]
				if tc.want == "" && len(got) < 9*50_000 || tc.want != "" && got != one+tc.want {
					t.Errorf("the service was told %.200s", got)
				}
			}
		})
	}
}

func TestResultsThatAreRefused(t *testing.T) {
	too := errs.New(errs.TooLarge, "The output of a command may have at most 1048576 bytes")
	for _, tc := range []struct {
		name, body string
		fail       error
		status     int
		want       string
	}{
		{"no JSON", `x`, nil, 400, `The body is not valid JSON`},
		{"output of another type", `{"output":{}}`, nil, 400, `Member output must be a string`},
		{"output too large", `{"command_id":"c"}`, too, 413, too.Message},
		{"body too large", `{"output":"` + strings.Repeat("x", maxResultBody) + `"}`, nil, 413, "The body is larger than 4194304 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := newWorld()
			v.devices.fail = tc.fail
			w := v.do(t, call{method: "POST", path: deviceURL("/result"), body: tc.body})
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.want) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if len(v.devices.calls) != 0 {
				t.Errorf("the service was told %v", v.devices.calls)
			}
		})
	}
	v := newWorld()
	w := v.do(t, call{method: "POST", path: "/gears/api/1/agent/result", body: `{"hwid":"` + goneDevice + `","method":"fetch_agent_log","command_id":"c","result":1}`})
	if w.Code != http.StatusOK || !slices.Equal(v.devices.calls, []string{"standing"}) {
		t.Errorf("of a device that is gone: %d, the service was told %v", w.Code, v.devices.calls)
	}
}

func TestPingSaysWhenCommandsCannotBeRead(t *testing.T) {
	v := newWorld()
	v.devices.fail = errs.New(errs.Unavailable, "Try again later")
	expect(t, v.do(t, call{method: "POST", path: deviceURL("/ping"), body: "{}"}), 503, `{"errors":[{"error_type":"503000","details":"Try again later"}]}`)
}
