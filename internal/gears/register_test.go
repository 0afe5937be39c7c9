package gears

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

func mustMAC(s string) posture.MAC {
	m, ok := posture.ParseMAC(s)
	if !ok {
		panic("not an address: " + s)
	}
	return m
}

func (v *world) register(t *testing.T, auth, body string) (status int, answer string) {
	t.Helper()
	w := v.do(t, call{method: "POST", path: "/api/v2/accounts/devices/registration_code", body: body, bare: true,
		header: map[string]string{"Gears-Auth": auth}})
	return w.Code, w.Body.String()
}

func TestRegisterAnswersFourStrings(t *testing.T) {
	v := newWorld()
	w := v.do(t, call{method: "POST", path: "/api/v2/accounts/devices/registration_code", bare: true,
		body: string(readSample(t, "registrations/linux.json")), header: map[string]string{"Gears-Auth": theCode}})
	expect(t, w, 200, `{"license_key":"`+theKey+`","device_id":"`+theDevice+`","access_key":"`+theSecret+`","access_token":"`+theSecret2+`"}`)
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("credentials may be cached: Cache-Control %q", got)
	}
	var members map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &members); err != nil || len(members) != 4 {
		t.Errorf("not four strings: %v, %v", members, err)
	}
}

func TestRegistrationForms(t *testing.T) {
	for name, want := range map[string]device.Registration{
		"linux": {
			Name: "vm", AgentVersion: "0.7", Type: posture.Desktop, OS: posture.OS{Family: posture.Linux, Name: "Linux"},
			Adapters: []posture.Adapter{{
				MAC: mustMAC("02:fc:00:00:00:01"), HasMAC: true, Description: "eth0", IPv4: []string{"192.0.2.2"},
				IPv6: []string{"fd00::2", "fe80::fc:ff:fe00:1"}, Enabled: posture.Yes, Connected: posture.Yes, SubnetMask: "255.255.255.0",
			}},
		},
		"windows": {
			Name: "LAB-PC-07", HostName: "LAB-PC-07", AgentVersion: "1.0.0", Type: posture.Laptop,
			HardwareID: "4c4c4544-0042-3510-8054-b7c04f4d3432", Serial: "B5BTM42",
			OS: posture.OS{Family: posture.Windows, Name: "Windows 11 Pro", Version: "10.0.26100.2314", Vendor: "Microsoft Corporation",
				Architecture: "64-bit", Language: "nb-NO"},
			Adapters: []posture.Adapter{{
				MAC: mustMAC("8c:16:45:00:00:01"), HasMAC: true, Description: "Intel(R) Ethernet Connection I219-LM",
				IPv4: []string{"192.0.2.17"}, IPv6: []string{"2001:db8::17"}, Enabled: posture.Yes, Connected: posture.Yes,
			}},
		},
		"mac": {
			Name: "Kari's MacBook Pro", HostName: "karis-mbp.local", AgentVersion: "1.0.0", Type: posture.Laptop,
			HardwareID: "9f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", Serial: "C02XK1ZHJG5M",
			OS: posture.OS{Family: posture.MacOS, Name: "macOS", Version: "15.1.1", Vendor: "Apple Inc.", Architecture: "arm64"},
			Adapters: []posture.Adapter{{
				MAC: mustMAC("f0:18:98:00:00:0a"), HasMAC: true, Description: "en0", IPv4: []string{"192.0.2.55"},
				Enabled: posture.Yes, Connected: posture.Yes,
			}},
		},
		"ios": {
			Name: "Reception iPad", AgentVersion: "10.4.0", Serial: "DMPXK0A1B2C3", Type: posture.Tablet,
			OS:       posture.OS{Family: posture.IOS, Name: "iPadOS", Version: "18.1.1", Vendor: "Apple Inc.", Language: "nb"},
			Adapters: []posture.Adapter{{MAC: mustMAC("02:00:00:00:00:00"), HasMAC: true, IPv4: []string{"192.0.2.40"}}},
		},
		"android": {
			Name: "Pixel 8", AgentVersion: "10.4.1", GroupID: "6942069", Type: posture.Phone,
			OS: posture.OS{Family: posture.Android, Name: "Android", Version: "15", Vendor: "Google Inc.", Language: "en"},
			Adapters: []posture.Adapter{{
				MAC: mustMAC("3c:28:6d:00:00:07"), HasMAC: true, IPv4: []string{"192.0.2.31"}, IPv6: []string{"fe80::3e28:6dff:fe00:7"},
			}},
		},
		"first-generation": {
			Name: "lab-nb-03", HostName: "lab-nb-03", AgentVersion: "1.2.0.40", HardwareID: "9XK2LM40PQ7TR1ZB", Type: posture.Laptop,
			OS: posture.OS{Family: posture.Windows, Name: "Microsoft Windows 7 Professional", Version: "6.1.7601",
				Vendor: "Microsoft Corporation", Architecture: "64-bit", ServicePack: "1.0"},
			Adapters: []posture.Adapter{{MAC: mustMAC("8c:16:45:00:00:0b"), HasMAC: true, IPv4: []string{"192.0.2.61"}}},
			Users:    []posture.User{{Name: "kari", Domain: "LAB"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newWorld()
			if status, answer := v.register(t, theCode, string(readSample(t, "registrations/"+name+".json"))); status != 200 {
				t.Fatalf("status %d: %s", status, answer)
			}
			if diff := cmp.Diff([]device.Registration{want}, v.devices.enrolled); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRegistrationCodeMayCarryAGroup(t *testing.T) {
	for _, tc := range []struct{ auth, body, want string }{
		{theCode, `{"hostname":"a"}`, ""},
		{theCode + "_17", `{"hostname":"a"}`, "17"},
		{" " + theCode + "_17 ", `{"hostname":"a"}`, "17"},
		{theCode + "_17", `{"hostname":"a","group_id":"4"}`, "4"},
		{theCode, `{"hostname":"a","group_id":4}`, "4"},
	} {
		v := newWorld()
		if status, answer := v.register(t, tc.auth, tc.body); status != 200 {
			t.Fatalf("%s: status %d: %s", tc.auth, status, answer)
		}
		if got := v.devices.enrolled[0].GroupID; got != tc.want {
			t.Errorf("%s %s: group %q, want %q", tc.auth, tc.body, got, tc.want)
		}
	}
}

// TestRegistrationWithAnotherCode: the service is told which code it was, and nothing of the account's own.
func TestRegistrationWithAnotherCode(t *testing.T) {
	for code, want := range map[string]string{extraCode: "code-1", extraCode + "_17": "code-1", theCode: ""} {
		v := newWorld()
		if status, answer := v.register(t, code, `{"hostname":"a"}`); status != 200 {
			t.Fatalf("%s: status %d: %s", code, status, answer)
		}
		if got := v.devices.enrolled[0].Code; got != want {
			t.Errorf("%s: code %q, want %q", code, got, want)
		}
	}
}

func TestRegisterErrors(t *testing.T) {
	const ok = `{"hostname":"a"}`
	for _, tc := range []struct {
		name, auth, body string
		fail             error
		status           int
		want             string
	}{
		{"unknown code", "NOSUCH00", ok, nil, 404, `{"errors":[{"error_type":"404006","details":"Unknown registration code"}]}`},
		{"code without end", strings.Repeat("A", 5000), ok, nil, 404, `{"errors":[{"error_type":"404006","details":"Unknown registration code"}]}`},
		{"no code but a group", "_17", ok, nil, 400, `{"errors":[{"error_type":"400000","details":"The header Gears-Auth with the registration code is missing"}]}`},
		{"unknown code and broken body", "NOSUCH00", `{`, nil, 404, `{"errors":[{"error_type":"404006","details":"Unknown registration code"}]}`},
		{"code with a word for a group", theCode + "_x", ok, nil, 404, `{"errors":[{"error_type":"404006","details":"Unknown registration code"}]}`},
		{"licence key as code", theKey, ok, nil, 404, `{"errors":[{"error_type":"404006","details":"Unknown registration code"}]}`},
		{"no code", "", ok, nil, 400, `{"errors":[{"error_type":"400000","details":"The header Gears-Auth with the registration code is missing"}]}`},
		{"over the licence", theCode, ok, errs.New(errs.OverLicence, "no room"), 406,
			`{"errors":[{"error_type":"Exceeded token usage","details":"Exceeded token usage"}]}`},
		{"used up", theCode, ok, errs.New(errs.NotFound, "used up"), 404, `{"errors":[{"error_type":"404006","details":"Unknown registration code"}]}`},
		{"refused by the service", theCode, ok, errs.InvalidField("device_name", "The name is taken"), 400,
			`{"errors":[{"error_type":"400000","details":"The name is taken"}]}`},
		{"no body", theCode, "", nil, 400, `{"errors":[{"error_type":"400000","details":"The body is empty; a JSON object is expected"}]}`},
		{"a list", theCode, "[]", nil, 400, `{"errors":[{"error_type":"400000","details":"The body must be a JSON object"}]}`},
		{"names nothing", theCode, `{"agent_version":"1"}`, nil, 400, `{"errors":[{"error_type":"400000","details":"The registration names no device: ` +
			`one of device_name, hostname, hardware_id, serial_number, os.family or an adapter's mac is needed"}]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := newWorld()
			v.devices.fail = tc.fail
			status, answer := v.register(t, tc.auth, tc.body)
			if status != tc.status || answer != tc.want {
				t.Errorf("%d %s\nwant %d %s", status, answer, tc.status, tc.want)
			}
			if len(v.devices.enrolled) != 0 {
				t.Error("the service saw a registration")
			}
		})
	}
}

// byKey registers without a code.
func (v *world) byKey(t *testing.T, from, body string) (status int, answer string) {
	t.Helper()
	w := v.do(t, call{method: "POST", path: "/api/v2/accounts/devices/registration_code", body: body, bare: true, from: from})
	return w.Code, w.Body.String()
}

func TestRegisterByLicenseKey(t *testing.T) {
	for body, group := range map[string]string{
		`{"license_key":"` + theKey + `","hostname":"a"}`:                   "",
		`{"hostname":"a","license_key":" ` + theKey + ` ","group_id":"17"}`: "17",
	} {
		v := newWorld()
		status, answer := v.byKey(t, "", body)
		if want := `{"license_key":"` + theKey + `","device_id":"` + theDevice + `","access_key":"` + theSecret + `","access_token":"` + theSecret2 + `"}`; status != 200 || answer != want {
			t.Fatalf("%s: %d %s", body, status, answer)
		}
		if got, want := v.devices.enrolled, []device.Registration{{Name: "a", HostName: "a", GroupID: group}}; !cmp.Equal(got, want) {
			t.Errorf("%s: enrolled %+v", body, got)
		}
	}
}

func TestRegisterByLicenseKeyErrors(t *testing.T) {
	const unknown = `{"errors":[{"error_type":"404006","details":"Unknown registration code"}]}`
	const missing = `{"errors":[{"error_type":"400000","details":"The header Gears-Auth with the registration code is missing"}]}`
	for body, want := range map[string]string{
		``:                                    missing,
		`{"hostname":"a"}`:                    missing,
		`{"license_key":"","hostname":"a"}`:   missing,
		`{"license_key":"00","hostname":"a"}`: unknown,
		`{"license_key":"` + otherKey + `","hostname":"a"}`:                unknown, // it wants a code
		`{"license_key":"` + otherKey + `"}`:                               unknown, // and nothing else is told
		`{"license_key":"` + strings.Repeat("0", 65) + `","hostname":"a"}`: unknown,
		`{"license_key":"` + theCode + `","hostname":"a"}`:                 unknown,
		`{"license_key":[]}`:                                               `{"errors":[{"error_type":"400000","details":"Member license_key must be a string"}]}`,
		`{"license_key":"` + theKey + `","license_key":"00"}`:              `{"errors":[{"error_type":"400000","details":"Member license_key occurs twice"}]}`,
		`{"hostname":"` + strings.Repeat("a", maxOpenBody) + `"}`:          `{"errors":[{"error_type":"413000","details":"The body is larger than 262144 bytes"}]}`,
	} {
		v := newWorld()
		if status, answer := v.byKey(t, "", body); answer != want || len(v.devices.enrolled) != 0 {
			t.Errorf("%.80s: %d %s, want %s", body, status, answer, want)
		}
	}
}

// TestGuessingKeysIsGuessing: keys and codes are counted together, and who has guessed too much is not read any more.
func TestGuessingKeysIsGuessing(t *testing.T) {
	v := newWorld()
	v.guard.limit = 3
	const from = "198.51.100.1:1"
	for range 50 { // the key of an account that enrols by codes is one guess, however often it comes
		if status, _ := v.byKey(t, from, `{"license_key":"`+otherKey+`","hostname":"a"}`); status != 404 {
			t.Fatalf("status %d", status)
		}
	}
	v.byKey(t, from, `{"license_key":"00","hostname":"a"}`)
	v.registerFrom(t, from, "GUESS0")
	if status, _ := v.registerFrom(t, from, theCode); status != 429 {
		t.Errorf("a code after three guesses: status %d", status)
	}
	if status, _ := v.byKey(t, from, `not even JSON`); status != 429 {
		t.Errorf("a body after three guesses: status %d", status)
	}
}

// registerFrom tries a code from an address.
func (v *world) registerFrom(t *testing.T, from, code string) (status int, retryAfter string) {
	t.Helper()
	w := v.do(t, call{method: "POST", path: "/api/v2/accounts/devices/registration_code", body: `{"hostname":"a"}`, bare: true,
		from: from, header: map[string]string{"Gears-Auth": code}})
	return w.Code, w.Header().Get("Retry-After")
}

func TestGuessingCodesIsSlowedDown(t *testing.T) {
	v := newWorld()
	v.guard.limit = 3
	for i := range 3 {
		if status, _ := v.registerFrom(t, "198.51.100.1:1", fmt.Sprint("GUESS", i)); status != 404 {
			t.Fatalf("guess %d: status %d", i, status)
		}
	}
	status, after := v.registerFrom(t, "198.51.100.1:1", "GUESS9")
	if status != 429 || after != "2" {
		t.Errorf("status %d, Retry-After %q; want 429 and 2", status, after)
	}
	w := v.do(t, call{method: "POST", path: "/gears/api/2/agent/fetch_privacy", body: `{"reg_code":"GUESS9"}`, bare: true, from: "198.51.100.1:1"})
	expect(t, w, 429, `{"error":"429000","desc":"Too many wrong registration codes; try again later"}`)
	if status, _ := v.registerFrom(t, "198.51.100.2:1", theCode); status != 200 {
		t.Errorf("another address: status %d", status)
	}
}

func TestAnOfficeMayRegisterAtOnce(t *testing.T) {
	v := newWorld()
	v.guard.limit = 3
	for i := range 200 {
		if status, _ := v.registerFrom(t, "198.51.100.1:1", theCode); status != 200 {
			t.Fatalf("registration %d: status %d", i, status)
		}
	}
}

func TestRetryingOneWrongCodeIsNoGuessing(t *testing.T) {
	v := newWorld()
	v.guard.limit = 3
	for i := range 200 {
		if status, _ := v.registerFrom(t, "198.51.100.1:1", "REVOKED1"); status != 404 {
			t.Fatalf("try %d: status %d", i, status)
		}
	}
	if status, _ := v.registerFrom(t, "198.51.100.1:1", theCode); status != 200 {
		t.Errorf("a good agent behind the same address: status %d", status)
	}
}

func TestOneIPv6NetworkIsOneSource(t *testing.T) {
	v := newWorld()
	v.guard.limit = 2
	for i, from := range []string{"[2001:db8::1]:1", "[2001:db8::2]:1"} {
		v.registerFrom(t, from, fmt.Sprint("GUESS", i))
	}
	if status, _ := v.registerFrom(t, "[2001:db8::3]:1", "GUESS9"); status != 429 {
		t.Errorf("status %d, want 429", status)
	}
	if status, _ := v.registerFrom(t, "[2001:db8:0:1::3]:1", "GUESS9"); status != 404 {
		t.Errorf("next network: status %d, want 404", status)
	}
}

func TestWrongCodesForgetsTheOldest(t *testing.T) {
	var w wrongCodes
	for i := range len(w.order) + 1 {
		if !w.add(fmt.Sprint(i)) {
			t.Fatalf("code %d was known", i)
		}
	}
	if w.add(fmt.Sprint(len(w.order))) {
		t.Error("the newest was forgotten")
	}
	if !w.add("0") {
		t.Error("the oldest was kept")
	}
	if len(w.known) != len(w.order) {
		t.Errorf("%d kept, want %d", len(w.known), len(w.order))
	}
}
