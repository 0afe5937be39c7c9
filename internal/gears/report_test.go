package gears

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/posture"
)

func (v *world) report(t testing.TB, body string) (status int, answer string) {
	t.Helper()
	w := v.do(t, call{method: "PUT", path: deviceURL("/report/health"), body: body})
	return w.Code, w.Body.String()
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

var wantReports = map[string]posture.Report{
	"windows-findings": wantFindings,
	"linux-agent":      wantOwn,
	"linux-gearsd": {
		AgentType: "persistent", AgentVersion: "0.7", DeviceName: "vm", HostName: "vm", ScanTime: at("2026-11-23T21:21:15Z"),
		DeviceType: posture.Desktop, OS: posture.OS{Family: posture.Linux, Name: "Linux"},
		Adapters: []posture.Adapter{
			{Description: "docker0", IPv4: []string{"172.17.0.1"}, Enabled: posture.Yes, Connected: posture.No, SubnetMask: "255.255.0.0"},
			{MAC: mustMAC("02:fc:00:00:00:01"), HasMAC: true, Description: "eth0", IPv4: []string{"192.0.2.2"},
				IPv6: []string{"fd00::2", "fe80::fc:ff:fe00:1"}, Enabled: posture.Yes, Connected: posture.Yes, SubnetMask: "255.255.255.0"},
		},
	},
	"windows": {
		Hardware:  posture.Hardware{MemoryMB: 16384},
		AgentType: "persistent", AgentVersion: "1.0.0", DeviceName: "LAB-PC-07", HostName: "LAB-PC-07",
		HardwareID: "4c4c4544-0042-3510-8054-b7c04f4d3432", Serial: "B5BTM42", ScanTime: at("2026-11-23T21:21:15Z"),
		DeviceType: posture.Laptop,
		OS: posture.OS{Family: posture.Windows, Name: "Windows 11 Pro", Version: "10.0.26100.2314", Vendor: "Microsoft Corporation",
			Architecture: "64-bit", Language: "nb-NO"},
		Adapters: []posture.Adapter{
			{MAC: mustMAC("8c:16:45:00:00:01"), HasMAC: true, Description: "Intel(R) Ethernet Connection I219-LM",
				IPv4: []string{"192.0.2.17"}, IPv6: []string{"2001:db8::17", "fe80::17"}, Enabled: posture.Yes, Connected: posture.Yes},
			{Description: "Teredo Tunneling Pseudo-Interface", Enabled: posture.No, Connected: posture.No},
		},
		Users: []posture.User{{Name: "kari", Domain: "LAB"}},
		Applications: []posture.Application{
			{Name: "Microsoft Defender Antivirus", Vendor: "Microsoft Corporation", Version: "4.18.24090.11", Category: posture.Antimalware,
				Running: posture.Yes, Enabled: posture.Yes, Definitions: at("2025-11-23T09:00:00Z"), LastScan: at("2025-11-23T10:00:00Z")},
			{Name: "Microsoft Defender Firewall", Vendor: "Microsoft Corporation", Version: "10.0.26100.2314", Category: posture.Firewall,
				Running: posture.Yes, Enabled: posture.Yes},
			{Name: "BitLocker Drive Encryption", Vendor: "Microsoft Corporation", Version: "10.0.26100.2314", Category: posture.Encryption,
				Volumes: []posture.Volume{{Name: "C:", Encrypted: posture.Yes, System: true}, {Name: "D:", Encrypted: posture.No}}},
			{Name: "7-Zip 24.08 (x64)", Vendor: "Igor Pavlov", Version: "24.08"},
			{Name: "Fair Weather", Vendor: "Example", Version: "2.5"},
		},
		Collected: []posture.Category{posture.Antimalware, posture.Firewall, posture.Encryption, posture.PatchManagement, posture.Backup},
		Updates:   posture.Updates{Known: true, Pending: 3, Security: 1, Checked: at("2026-11-23T03:00:00Z")},
		Reboot:    at("2026-11-20T06:12:44Z"), UserPasswordSet: posture.Yes, ScreenLock: posture.Yes, ScreenLockAfter: 10 * time.Minute,
	},
	"mac": {
		AgentType: "persistent", AgentVersion: "1.0.0", DeviceName: "Kari's MacBook Pro", HostName: "karis-mbp.local",
		HardwareID: "9f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", Serial: "C02XK1ZHJG5M", ScanTime: at("2026-11-23T21:05:00Z"),
		DeviceType: posture.Laptop,
		OS:         posture.OS{Family: posture.MacOS, Name: "macOS", Version: "15.1.1", Vendor: "Apple Inc.", Architecture: "arm64"},
		Adapters: []posture.Adapter{{MAC: mustMAC("f0:18:98:00:00:0a"), HasMAC: true, Description: "en0", IPv4: []string{"192.0.2.55"},
			Enabled: posture.Yes, Connected: posture.Yes}},
		Users: []posture.User{{Name: "kari"}},
		Applications: []posture.Application{
			{Name: "XProtect", Vendor: "Apple Inc.", Version: "5281", Category: posture.Antimalware, Running: posture.Yes, Enabled: posture.Yes,
				Definitions: at("2026-11-19T00:00:00Z")},
			{Name: "Application Firewall", Vendor: "Apple Inc.", Version: "15.1.1", Category: posture.Firewall, Enabled: posture.No},
			{Name: "FileVault", Vendor: "Apple Inc.", Version: "15.1.1", Category: posture.Encryption,
				Volumes: []posture.Volume{{Name: "/", Encrypted: posture.Yes, System: true}}},
			{Name: "requests", Version: "2.32.3", Ecosystem: "PyPI"},
			{Name: "@angular/core", Version: "18.2.11", Ecosystem: "npm"},
		},
		Collected:       []posture.Category{posture.Antimalware, posture.Firewall, posture.Encryption},
		Updates:         posture.Updates{Known: true, Checked: at("2026-11-23T00:00:00Z")},
		UserPasswordSet: posture.Yes, ScreenLock: posture.Yes, ScreenLockAfter: 5 * time.Minute,
	},
	"ios": {
		AgentVersion: "10.4.0", DeviceName: "Reception iPad", Serial: "DMPXK0A1B2C3", DeviceType: posture.Tablet,
		OS:              posture.OS{Family: posture.IOS, Name: "iPadOS", Version: "18.1.1", Vendor: "Apple Inc.", Language: "nb"},
		Adapters:        []posture.Adapter{{MAC: mustMAC("02:00:00:00:00:00"), HasMAC: true, IPv4: []string{"192.0.2.40"}}},
		UserPasswordSet: posture.Yes, StorageEncrypted: posture.Yes, Genuine: posture.Yes,
	},
	"android": {
		Hardware:     posture.Hardware{CPU: "Tensor G3", MaxMHz: 2914, MemoryMB: 7680},
		AgentVersion: "10.4.1", DeviceName: "Pixel 8", UserIdentity: "kari@example.net", DeviceType: posture.Phone, LinkedID: "a81f",
		OS: posture.OS{Family: posture.Android, Name: "Android", Version: "15", Vendor: "Google Inc.", Language: "en"},
		Adapters: []posture.Adapter{{MAC: mustMAC("3c:28:6d:00:00:07"), HasMAC: true, IPv4: []string{"192.0.2.31"},
			IPv6: []string{"fe80::3e28:6dff:fe00:7"}}},
		Applications:    []posture.Application{{Name: "Signal", Version: "7.21.3"}, {Name: "Firefox", Version: "133.0"}},
		UserPasswordSet: posture.Yes, StorageEncrypted: posture.Yes, Genuine: posture.Yes, Reboot: at("2025-11-23T12:13:20Z"),
	},
}

func TestReportForms(t *testing.T) {
	for name, want := range wantReports {
		t.Run(name, func(t *testing.T) {
			v := newWorld()
			body := string(readSample(t, "reports/"+name+".json"))
			if status, answer := v.report(t, body); status != 200 || answer != "{}" {
				t.Fatalf("status %d: %s", status, answer)
			}
			want.PublicIP = "192.0.2.1" // of the client
			if diff := cmp.Diff([]*posture.Report{&want}, v.devices.reports); diff != "" {
				t.Error(diff)
			}
			body, _, _ = strings.Cut(body, `"neighbours"`)
			if !bytes.HasPrefix(v.devices.bodies[0], []byte(body)) {
				t.Error("the body that is kept is not the one received")
			}
		})
	}
}

// TestFullLinuxReport checks the report that the budgets are measured with where it goes beyond the others.
func TestFullLinuxReport(t *testing.T) {
	raw := readSample(t, "reports/linux.json")
	r, err := decodeReport(raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) < 11_000 || len(raw) > 13_000 || len(r.Applications) < 100 {
		t.Errorf("%d bytes and %d applications are not the 12 kB that the budgets speak of", len(raw), len(r.Applications))
	}
	wantOS := posture.OS{Family: posture.Linux, Name: "Debian GNU/Linux 12 (bookworm)", Version: "12.8", Vendor: "Debian",
		Architecture: "x86_64", Distribution: "Debian:12"}
	if diff := cmp.Diff(wantOS, r.OS); diff != "" {
		t.Error(diff)
	}
	last := r.Applications[len(r.Applications)-1]
	want := posture.Application{Name: "openssh-sftp-server", Version: "1:9.2p1-2+deb12u3", Ecosystem: "Debian:12", Source: "openssh",
		Arch: "amd64"}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Error(diff)
	}
	if !r.Looked(posture.UserAuthentication) || r.Looked(posture.Backup) {
		t.Errorf("collected %v", r.Collected)
	}
}

func TestByteOrderMarkIsPassedOver(t *testing.T) {
	v := newWorld()
	v.report(t, `{"hostname":"a"}`)
	if status, answer := v.report(t, "\ufeff"+`{"hostname":"a"}`); status != 200 {
		t.Fatalf("status %d: %s", status, answer)
	}
	if want := []string{"report", "report unchanged"}; !slices.Equal(v.devices.calls, want) {
		t.Errorf("calls %v, want %v", v.devices.calls, want)
	}
}

func TestUnchangedReportIsNotDecoded(t *testing.T) {
	v := newWorld()
	body := string(readSample(t, "reports/windows.json"))
	later := strings.NewReplacer("21:21:15Z", "22:21:15Z", "9021", "4711").Replace(body)
	v.report(t, body)
	v.report(t, later)
	if want := []string{"report", "report unchanged"}; !slices.Equal(v.devices.calls, want) {
		t.Errorf("calls %v, want %v", v.devices.calls, want)
	}
}

// TestKnownDigestIsNoPassForABrokenReport sends a report that differs from the stored one only in a volatile member
// that cannot be right: it is refused although nothing else of it would be looked at.
func TestKnownDigestIsNoPassForABrokenReport(t *testing.T) {
	for _, bad := range []string{
		`"scan_time":-1`, `"scan_time":"yesterday"`, `"scan_time":{}`, `"scan_time":1e999`,
		`"last_time_ip_scanning":-3`, `"system":{"device_up_time":-3}`, `"system":{"battery":{"percentage":-3}}`,
	} {
		v := newWorld()
		if status, answer := v.report(t, `{"hostname":"a","scan_time":1794000000,"system":{}}`); status != 200 {
			t.Fatal(answer)
		}
		body := `{"hostname":"a",` + bad + `}`
		if status, answer := v.report(t, body); status != 400 {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}

// TestVolatileMembersOfUnknownForm: what is no number is not Muster's to judge, and neither is a number elsewhere.
func TestVolatileMembersOfUnknownForm(t *testing.T) {
	for _, body := range []string{
		`{"last_time_ip_scanning":"soon"}`, `{"last_time_ip_scanning":{"a":-1}}`, `{"last_time_ip_scanning":null}`,
		`{"last_time_ip_scanning":1763931600000000000}`, `{"trans_id":-7}`, `{"device_up_time":-3}`, `{"battery":{"percentage":-3}}`,
		soh(`"system":{"device_up_time":"3 days","battery":{"percentage":null,"current_ma":-350}}`),
		soh(`"system":{"device_up_time":-0,"memory":7,"disk_space":["-"],"temperature":-3}`),
	} {
		if status, answer := newWorld().report(t, body); status != 200 {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}

// TestWhereThingsMayStand checks what the examples do not: second places, and members that are given in part.
func TestWhereThingsMayStand(t *testing.T) {
	yes, no := posture.Yes, posture.No
	for body, want := range map[string]posture.Report{
		`{"device_name":"a","hostname":"b"}`:                   {DeviceName: "a", HostName: "b"},
		`{"hwid":"a"}`:                                         {HardwareID: "a"},
		soh(`"hardware_id":"a"`):                               {HardwareID: "a"},
		soh(`"hwid":"a"`):                                      {HardwareID: "a"},
		soh(`"serial_number":"a"`):                             {Serial: "a"},
		soh(`"system":{"serial_number":"a"}`):                  {Serial: "a"},
		soh(`"os_info":[{"serial_number":"a"}]`):               {Serial: "a"},
		soh(`"os_info":[{"os":{"serial_number":"a"}}]`):        {Serial: "a"},
		`{"os":{"family":"osx"}}`:                              {OS: posture.OS{Family: posture.MacOS}},
		`{"os_info":{"os_family":"win","os_sp_version":1}}`:    {OS: posture.OS{Family: posture.Windows, ServicePack: "1"}},
		soh(`"os_info":{"name":"a"}`):                          {OS: posture.OS{Name: "a"}},
		`{"os":{"name":"a"},"soh":{"os_info":[{"name":"b"}]}}`: {OS: posture.OS{Name: "b"}},
		soh(`"os_info":[{"device_type":"Server"}]`):            {DeviceType: posture.Server},
		soh(`"os_info":[{"os":{"device_type":"vm"}}]`):         {DeviceType: posture.VM},
		soh(`"os_info":[{"device_type":"toaster"}]`):           {},
		`{"local_user":[{"name":"a"},{"name":""}],"user_info":{"username":"b","domain":"C"}}`: {
			Users: []posture.User{{Name: "a"}, {Name: "b", Domain: "C"}}},
		soh(`"os_info":[{"local_user":[{"name":"a"}]}]`):                    {Users: []posture.User{{Name: "a"}}},
		soh(`"updates":{"security":3}`):                                     {Updates: posture.Updates{Known: true, Pending: 3, Security: 3}},
		soh(`"updates":{"pending":5,"security":3}`):                         {Updates: posture.Updates{Known: true, Pending: 5, Security: 3}},
		soh(`"updates":{"checked":1794000000}`):                             {},
		`{"updates":{"pending":1},"soh":{"updates":{}}}`:                    {Updates: posture.Updates{Known: true, Pending: 1}},
		`{"screen_lock":{"enabled":0}}`:                                     {ScreenLock: no},
		`{"screen_lock":{"enabled":0},"soh":{"screen_lock":{"enabled":1}}}`: {ScreenLock: yes},
		soh(`"system":{"encryption":{"internal":true,"external":false}}`):   {StorageEncrypted: no},
		soh(`"system":{"encryption":{"internal":false,"external":true}}`):   {StorageEncrypted: no},
		soh(`"system":{"encryption":{"external":true}}`):                    {},
		soh(`"os_info":[{"system":{"encryption":{"internal":1},"passcode":0,"authentic":0,"last_reboot":"soon"}}]`): {
			StorageEncrypted: yes, UserPasswordSet: no, Genuine: no},
		soh(`"collected":["weather","firewall"]`):                    {Collected: []posture.Category{posture.Firewall}},
		`{"collected":"firewall","soh":{"collected":["antivirus"]}}`: {Collected: []posture.Category{posture.Antimalware, posture.Firewall}},
		soh(`"applications":[{"version":"1"},{"product":{}},{"purl":"pkg:npm/"},null,{"name":"a"}]`): {
			Applications: []posture.Application{{Name: "a"}}},
		soh(`"applications":{"name":"a","volumes":{"name":"/","encrypted":"0"}}`): {
			Applications: []posture.Application{{Name: "a", Volumes: []posture.Volume{{Name: "/", Encrypted: no}}}}},
		`{"user_identity":{"not":"known"}}`: {},
	} {
		raw := []byte(body)
		if _, err := digestOf(raw); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		got, err := decodeReport(raw)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}

// nested gives a report with so many levels.
func nested(levels int) string {
	return `{"x":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `}`
}

func elements(n int, one string) string {
	return strings.TrimSuffix(strings.Repeat(one+",", n), ",")
}

// soh puts members into the state of health of a report.
func soh(members string) string { return `{"soh":{` + members + `}}` }

func TestHostileAndBrokenReports(t *testing.T) {
	long := strings.Repeat("å", maxText+1)
	for _, tc := range []struct {
		name, body string
		status     int
		text       string // in the answer
	}{
		{"nesting bomb", nested(1_000_000), 400, "Member x[0][0]"},
		{"one level too many", nested(maxDepth + 1), 400, "is nested more than 64 levels deep"},
		{"nesting in a volatile member", `{"soh":{"system":{"battery":` + strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70) + `}}}`, 400, "Member soh.system.battery.a.a"},
		{"a byte too many", `{"x":"` + strings.Repeat("x", maxBody-7) + `"}`, 413, "The body is larger than 4194304 bytes"},
		{"10 000 adapters", soh(`"os_info":[{"network_adapter_info":[` + elements(10_000, `{"mac":"02:fc:00:00:00:01"}`) + `]}]`), 400,
			"Member soh.os_info[0].network_adapter_info holds more than the 1000 elements allowed"},
		{"too many adapters beside soh", `{"network_adapter_info":[` + elements(1001, `{}`) + `]}`, 400, "Member network_adapter_info holds more than"},
		{"too many addresses", `{"network_adapter_info":[{"ipv6":[` + elements(1001, `"::1"`) + `]}]}`, 400, "Member network_adapter_info[0].ipv6 holds more than"},
		{"too many applications", soh(`"applications":[` + elements(20_001, `{}`) + `]`), 400, "Member soh.applications holds more than the 20000 elements allowed"},
		{"too many volumes", soh(`"applications":[{"volumes":[` + elements(1001, `{}`) + `]}]`), 400, "Member soh.applications[0].volumes holds more than"},
		{"too many users", `{"local_user":[` + elements(1001, `{}`) + `]}`, 400, "Member local_user holds more than"},
		{"too many categories", soh(`"collected":[` + elements(201, `"firewall"`) + `]`), 400, "Member soh.collected holds more than"},
		{"too many systems", soh(`"os_info":[` + elements(17, `{}`) + `]`), 400, "Member soh.os_info holds more than"},
		{"too many members", `{` + members(maxMembers+1) + `}`, 400, "is one member too many"},
		{"invalid UTF-8", `{"hostname":"` + "\xff" + `"}`, 400, "The body is not valid UTF-8"},
		{"half a surrogate pair", `{"hostname":"\ud800"}`, 400, "The body is not valid JSON at byte 13, in member hostname"},
		{"negative scan time", `{"scan_time":-1}`, 400, "Member scan_time must not be a time before 1970"},
		{"negative definitions date", soh(`"applications":[{"definitions_date":-86400}]`), 400, "Member soh.applications[0].definitions_date must not be a time before 1970"},
		{"negative time in a string", soh(`"applications":[{"last_scan":"-5"}]`), 400, "Member soh.applications[0].last_scan must not be a time before 1970"},
		{"date before 1970", soh(`"updates":{"checked":"1969-12-31T23:59:59Z"}`), 400, "Member soh.updates.checked must not be a time before 1970"},
		{"negative reboot", soh(`"system":{"last_reboot":-1}`), 400, "Member soh.system.last_reboot must not be a time before 1970"},
		{"huge time", `{"scan_time":1e300}`, 400, "Member scan_time must not be a time after 2199"},
		{"number beyond any", `{"scan_time":1e999999}`, 400, "Member scan_time must not be a time after 2199"},
		{"negative count", soh(`"updates":{"pending":-1}`), 400, "Member soh.updates.pending must be a whole number from 0 to 1000000000"},
		{"huge count", soh(`"updates":{"security":99999999999999999999999}`), 400, "Member soh.updates.security must be a whole number"},
		{"fraction of a second", soh(`"screen_lock":{"after_seconds":1.5}`), 400, "Member soh.screen_lock.after_seconds must be a whole number"},
		{"negative time of a scan for addresses", `{"last_time_ip_scanning":-3}`, 400, "Member last_time_ip_scanning must not be a time before 1970"},
		{"the same in soh", soh(`"last_time_ip_scanning":"-3"`), 400, "Member soh.last_time_ip_scanning must not be a time before 1970"},
		{"date of a scan for addresses", soh(`"last_time_ip_scanning":"1969-12-31T23:59:59Z"`), 400, "Member soh.last_time_ip_scanning must not be a time before 1970"},
		{"negative time since start", `{"system":{"device_up_time":-3}}`, 400, "Member system.device_up_time must not be negative"},
		{"the same in soh.system", soh(`"system":{"device_up_time":-3}`), 400, "Member soh.system.device_up_time must not be negative"},
		{"the same in os_info", soh(`"os_info":[{"system":{"device_up_time":"-3"}}]`), 400, "Member soh.os_info[0].system.device_up_time must not be negative"},
		{"the same, spelt differently", soh(`"system":{"device\u005fup_time":-0.5}`), 400, "Member soh.system.device_up_time must not be negative"},
		{"negative beyond any number", soh(`"system":{"device_up_time":-1e999999}`), 400, "Member soh.system.device_up_time must not be negative"},
		{"negative free memory", soh(`"system":{"memory":{"available_memory_mb":-1}}`), 400, "Member soh.system.memory.available_memory_mb must not be negative"},
		{"negative memory", soh(`"system":{"memory":{"total_memory_mb":-1}}`), 400, "Member soh.system.memory.total_memory_mb must not be negative"},
		{"negative free disk", soh(`"system":{"disk_space":{"available_size_mb":-1}}`), 400, "Member soh.system.disk_space.available_size_mb must not be negative"},
		{"negative disk", soh(`"system":{"disk_space":{"total_size_mb":" -1 "}}`), 400, "Member soh.system.disk_space.total_size_mb must not be negative"},
		{"negative charge", soh(`"system":{"battery":{"percentage":-1}}`), 400, "Member soh.system.battery.percentage must not be negative"},
		{"negative battery", soh(`"system":{"battery":-1}`), 400, "Member soh.system.battery must not be negative"},
		{"truncated", `{"hostname":"vm","soh":{"os_info":[{"family":"li`, 400, "The body ends before its JSON does, in member soh.os_info[0]"},
		{"truncated after a name", `{"hostname":`, 400, "The body ends before its JSON does"},
		{"empty", ``, 400, "The body is empty"},
		{"blank", "  \n", 400, "The body is empty"},
		{"null", `null`, 400, "The body must be a JSON object"},
		{"a list", `[]`, 400, "The body must be a JSON object"},
		{"not JSON", `hello`, 400, "The body is not valid JSON at byte 0"},
		{"two objects", `{} {}`, 400, "The body goes on after its JSON object, which ends at byte 2"},
		{"text after the object", `{}x`, 400, "The body goes on after its JSON object, which ends at byte 2"},
		{"trailing comma", `{"hostname":"vm",}`, 400, "The body is not valid JSON at byte 16"},
		{"member twice", `{"hostname":"a","soh":{},"hostname":"b"}`, 400, "Member hostname occurs twice"},
		{"member twice, spelt differently", `{"soh":{"os_info":[{"name":"a","n\u0061me":"b"}]}}`, 400, "Member soh.os_info[0].name occurs twice"},
		{"volatile member twice", `{"scan_time":1,"scan_time":2}`, 400, "Member scan_time occurs twice"},
		{"soh is a list", `{"soh":[]}`, 400, "Member soh must be an object"},
		{"system is a text", soh(`"system":"x"`), 400, "Member soh.system must be an object"},
		{"os_info is a text", soh(`"os_info":"linux"`), 400, "Member soh.os_info must be a list"},
		{"application is a number", soh(`"applications":[{},7]`), 400, "Member soh.applications[1] must be an object"},
		{"applications is true", soh(`"applications":true`), 400, "Member soh.applications must be a list"},
		{"adapters is a text", `{"network_adapter_info":"eth0"}`, 400, "Member network_adapter_info must be a list"},
		{"address is an object", `{"network_adapter_info":[{"ipv4":[{}]}]}`, 400, "Member network_adapter_info[0].ipv4[0] must be a string"},
		{"hostname is an object", `{"hostname":{}}`, 400, "Member hostname must be a string"},
		{"version is a list", soh(`"applications":[{"product":{"version":[1]}}]`), 400, "Member soh.applications[0].product.version must be a string"},
		{"version is true", `{"agent_version":true}`, 400, "Member agent_version must be a string"},
		{"flag is 2", soh(`"applications":[{"running":2}]`), 400, "Member soh.applications[0].running must be true or false (or 1 or 0)"},
		{"flag is a word", soh(`"system":{"passcode":"maybe"}`), 400, "Member soh.system.passcode must be true or false"},
		{"flag is a list", soh(`"user_password_set":[]`), 400, "Member soh.user_password_set must be true or false"},
		{"count is a word", soh(`"updates":{"pending":"many"}`), 400, "Member soh.updates.pending must be a whole number"},
		{"time is a word", `{"scan_time":"yesterday"}`, 400, "Member scan_time must be a time"},
		{"time is true", `{"scan_time":true}`, 400, "Member scan_time must be a time"},
		{"time is an object", `{"scan_time":{}}`, 400, "Member scan_time must be a time"},
		{"category is a number in a list", soh(`"collected":[["firewall"]]`), 400, "Member soh.collected[0] must be a string"},
		{"long hostname", `{"hostname":"` + long + `"}`, 400, "Member hostname is longer than 512 characters"},
		{"long version", soh(`"applications":[{"version":"` + long + `"}]`), 400, "Member soh.applications[0].version is longer than 512 characters"},
		{"long number", `{"hostname":` + strings.Repeat("1", maxText+1) + `}`, 400, "Member hostname is longer than 512 characters"},
		{"long name of a member", `{"` + strings.Repeat("n", 100_000) + `":1,"` + strings.Repeat("n", 100_000) + `":2}`, 400, strings.Repeat("n", maxMemberShown) + "… occurs twice"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := newWorld()
			status, answer := v.report(t, tc.body)
			prefix := fmt.Sprintf(`{"errors":[{"error_type":"%d000","details":"`, tc.status)
			if status != tc.status || !strings.HasPrefix(answer, prefix) || !strings.Contains(answer, tc.text) {
				t.Errorf("%d %s\nwant %d with %q", status, answer, tc.status, tc.text)
			}
			if len(v.devices.calls) != 0 || len(v.devices.reports) != 0 {
				t.Errorf("the service saw %v", v.devices.calls)
			}
			if len(answer) > 2000 {
				t.Errorf("an answer of %d bytes", len(answer))
			}
		})
	}
}

// members gives so many members with different names.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%05d":0,`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

func TestWhatIsJustWithinTheLimits(t *testing.T) {
	for name, body := range map[string]string{
		"depth":        nested(maxDepth),
		"adapters":     `{"network_adapter_info":[` + elements(maxAdapters, `{}`) + `]}`,
		"applications": soh(`"applications":[` + elements(maxApps, `{"name":"a"}`) + `]`),
		"text":         `{"hostname":"` + strings.Repeat("å", maxText) + `"}`,
		"unknown text": `{"x":"` + strings.Repeat("x", 1_000_000) + `"}`,
		"members":      `{` + members(maxMembers) + `}`,
		"size":         `{"x":"` + strings.Repeat("x", maxBody-8) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if status, answer := newWorld().report(t, body); status != 200 {
				t.Errorf("status %d: %s", status, answer)
			}
		})
	}
}
