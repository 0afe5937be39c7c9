package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"muster/internal/device"
	"muster/internal/posture"
	"muster/internal/web"
)

// allPrivate keeps everything private that can be.
var allPrivate = Private{
	Privacy: device.Privacy{
		UserName: true, HostName: true, PublicIP: true, MACAddress: true, LocalIP: true, Geolocation: true, SerialNumber: true,
		OtherApplications: true,
	},
	Looked: []posture.Category{posture.Antimalware, posture.Firewall, posture.HardDrive, posture.RemoteControl},
}

// privateExchanges are the calls that would show something private.
var privateExchanges = []struct{ name, method, target, body string }{
	{"devices_v2.3_private", "GET", "v2.3/devices?limit=2&order=asc", ""},
	{"devices_v3.3_private", "POST", "v3.3/devices", `{"limit":1}`},
	{"devices_v3.7_private", "POST", "v3.7/devices", `{"filter":{"device_status":["non-compliant"]}}`},
	{"search_v2.1_private", "GET", "v2.1/devices/search?q=bergen&in=hostname", ""},
	{"details_v2.5_private", "GET", "v2.5/devices/" + mac.String() + "?opt=1", ""},
	{"details_v3.8_private", "POST", "v3.8/devices/detail", `{"ids":["` + hardwareID + `"],"verbose":{"categories":1,"unclassified":1}}`},
	{"device_info_v3_private", "POST", "v3/device_info", `{"ids":["` + hardwareID + `","` + printerID + `"]}`},
	{"status_changed_v21_private", "GET", "v2.1/devices/status_changed", ""},
	{"status_changed_v3_private", "POST", "v3/devices/status_changed", `{"limit":2}`},
	{"logs_v33_private", "POST", "v3.3/logs", `{"event_category":"device","token":"","limit":1}`},
	{"activities_v3_private", "POST", "v3/activities", ``},
	{"apps_v3_private", "POST", "v3/apps", ``},
	{"app_details_v3_private", "POST", "v3/apps/details", `{"product_id":41,"version":"120"}`},
}

func TestPrivateExchanges(t *testing.T) {
	for _, c := range privateExchanges {
		t.Run(c.name, func(t *testing.T) {
			q := request{method: c.method, target: prefix + c.target, token: freeToken, body: c.body}
			goldenExchange(t, c.name, q, newPrivateLab(allPrivate).do(q))
		})
	}
}

// secrets are what must be found nowhere: each stands where the stock has something that can be private.
var secrets = []string{
	"secret-name", "secret-host", "secret-user", "secret-domain", "secret-identity", "secret-serial", "secret-app",
	"198.51.100.7", "00:0c:29:aa:bb:cc", "02:42:ac:11:00:09", "10.1.2.", "255.255.255.0", "fe80::1",
}

// keepSecrets puts them there.
func (l *lab) keepSecrets(t *testing.T) {
	t.Helper()
	for _, list := range [][]device.Device{l.devices.stock.devices, l.devices.world.gone} {
		for i := range list {
			d := &list[i]
			d.Name, d.HostName, d.Serial, d.UserIdentity = "secret-name", "secret-host.bergen", "secret-serial", "secret-identity"
			p, err := d.Profile()
			if err != nil {
				t.Fatal(err)
			}
			p.User, p.PublicIP = posture.User{Name: "secret-user", Domain: "secret-domain"}, "198.51.100.7"
			for k := range p.Adapters {
				p.Adapters[k].IPv6 = []string{"fe80::1"}
			}
			d.PackedProfile = p.Pack()
		}
	}
	for _, r := range l.devices.stock.reports {
		r.Applications = append(r.Applications, posture.Application{Name: "secret-app", Version: "1", Category: posture.Browser},
			posture.Application{Name: "secret-app", Ecosystem: "Debian:12"}, posture.Application{Name: "secret-app"})
		r.Processes = append(r.Processes, "/home/secret-user/bin/x")
		for i := range r.Threats {
			if r.Threats[i].Source != posture.ThreatAddress {
				r.Threats[i].File = `C:\Users\secret-user\x.exe`
			}
		}
	}
	for i := range l.devices.world.events {
		if e := &l.devices.world.events[i]; e.DeviceID != "" {
			e.DeviceName = "secret-name"
		}
	}
	for i := range l.devices.world.activities {
		l.devices.world.activities[i].DeviceName, l.devices.world.activities[i].AppUser = "secret-name", "secret-user"
	}
	for i := range l.devices.world.software {
		if s := &l.devices.world.software[i]; s.Category != posture.Antimalware {
			s.Name = "secret-app"
		}
	}
}

// everyRequest makes each call of the API in each version, and those that show the most.
func everyRequest() []request {
	var out []request
	for _, rt := range newLab().mux.Routes() {
		out = append(out, example(rt))
	}
	add := func(method, target, body string) {
		out = append(out, request{method: method, target: prefix + target, token: freeToken, body: body})
	}
	for _, c := range callExchanges {
		add(c.method, c.target, c.body)
	}
	for _, c := range deviceExchanges {
		add(c.method, c.target, c.body)
	}
	for _, c := range privateExchanges {
		add(c.method, c.target, c.body)
	}
	for _, v := range detailVersions {
		for _, id := range []string{hardwareID, serverID, phoneID, printerID} {
			add("POST", strings.Join(v.segments()[:1], "")+"/devices/detail", `{"ids":["`+id+`"],"verbose":{"system_info":1,"categories":1,"unclassified":1,
				"mobile_apps":1,"detected_processes":1,"detected_packages":1,"detected_patches":1,"infection":1}}`)
		}
	}
	add("GET", "v3.1/get_reports?type=device_missing_os_patch&kb=KB5000001", "")
	add("GET", "v3.1/get_reports?type=missing_os_patch&id="+hardwareID, "")
	add("POST", "v3/get_threats", `{"id":"`+hardwareID+`","verbose":{"antimalware_scan":1,"local_scan":1}}`)
	return out
}

// leaks gives the secrets that an answer tells and the request did not.
func leaks(q request, a answer) []string {
	return slices.DeleteFunc(slices.Clone(secrets), func(s string) bool {
		return !strings.Contains(a.body, s) || strings.Contains(strings.ToLower(q.target+q.body), s)
	})
}

// TestNothingPrivateIsAnswered makes every call of an account that keeps everything private, and looks through the answers.
// Each secret is found somewhere where nothing is private: else the test would look for what is not there.
func TestNothingPrivateIsAnswered(t *testing.T) {
	answered, seen := map[string]bool{}, map[string]bool{}
	for _, q := range everyRequest() {
		closed, open := newPrivateLab(allPrivate), newLab()
		closed.keepSecrets(t)
		open.keepSecrets(t)
		a := closed.do(q)
		if found := leaks(q, a); len(found) > 0 {
			t.Errorf("%s %s %s tells %q: %s", q.method, q.target, q.body, found, a.body)
		}
		if a.status == http.StatusOK {
			answered[routeOf(closed, q)] = true
		}
		for _, s := range leaks(q, open.do(q)) {
			seen[s] = true
		}
	}
	for _, rt := range newLab().mux.Routes() {
		// Of an application that is private the details say that there is none.
		if name := rt.Method + " " + rt.Path; !answered[name] && rt.Name != "app_details" {
			t.Errorf("%s was not answered", name)
		}
	}
	for _, s := range secrets {
		// No call shows serial numbers.
		if !seen[s] && s != "secret-serial" {
			t.Errorf("%s is nowhere to be seen, private or not", s)
		}
	}
}

// routeOf gives the route that a request takes.
func routeOf(l *lab, q request) string {
	path, _, _ := strings.Cut(q.target, "?")
	name := ""
	for _, rt := range l.mux.Routes() {
		if rt.Method == q.method && takes(rt, path) && (name == "" || !strings.Contains(rt.Path, "{")) {
			name = rt.Method + " " + rt.Path
		}
	}
	return name
}

func takes(rt web.Route, path string) bool {
	a, b := strings.Split(rt.Path, "/"), strings.Split(path, "/")
	return slices.EqualFunc(a, b, func(x, y string) bool { return x == y || x == "{value}" })
}

// TestPrivateSearch: what is private is handed down for the store to find nothing by, and orders nothing.
func TestPrivateSearch(t *testing.T) {
	l := newPrivateLab(Private{Privacy: device.Privacy{HostName: true}})
	l.post("v3.3/devices", `{"sort":{"field":"device_name","order":"desc"}}`)
	l.do(request{method: "GET", target: prefix + "v2.1/devices/search?q=bergen&in=hostname", token: freeToken})
	asked := l.devices.stock.asked
	if len(asked) != 2 || asked[0].Order != device.ByEnrolment || !asked[0].Descending || !asked[0].Hidden.HostName || !asked[1].Hidden.HostName {
		t.Errorf("asked %+v", asked)
	}
	l.post("v3/activities", `{"search":"x"}`)
	for _, q := range l.devices.world.asked {
		if q, ok := q.(device.ActivityQuery); ok && !q.Hidden.HostName {
			t.Errorf("asked %+v", q)
		}
	}
}
