package gears

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/posture"
)

// adapter gives a report with one adapter of these members.
func adapter(members string) string { return `{"network_adapter_info":[{` + members + `}]}` }

var wantFindings = posture.Report{
	AgentType: "persistent", AgentVersion: "1.0.0", Engine: "4.3.4215.0", DeviceName: "LAB-PC-08", HostName: "LAB-PC-08", LinkedID: "asset-0815",
	DeviceType: posture.Desktop, OS: posture.OS{Family: posture.Windows, Name: "Windows 11 Pro", Version: "10.0.26100.6899"},
	Adapters: []posture.Adapter{
		{MAC: mustMAC("8c:16:45:00:00:02"), HasMAC: true, Description: "Ethernet", IPv4: []string{"192.0.2.18"}, IPv6: []string{"2001:db8::18"},
			Connected: posture.Yes, SubnetMask: "255.255.255.0", Gateway: "192.0.2.1", DNS: []string{"192.0.2.53", "2001:db8::53"},
			DHCP: posture.Yes, DHCPServer: "192.0.2.2", DHCPObtained: at("2026-11-23T06:00:00Z"), DHCPExpires: at("2026-11-24T06:00:00Z")},
		{MAC: mustMAC("8c:16:45:00:00:03"), HasMAC: true, Description: "Wi-Fi", DNS: []string{"192.0.2.53", "192.0.2.54"}, DHCP: posture.No},
	},
	PatchesKnown: true, PatchesChecked: at("2026-11-23T03:00:00Z"),
	MissingPatches: []posture.Patch{
		{KB: "KB5068861", Title: "2025-11 Cumulative Update for Windows 11 (KB5068861)", Product: "Windows 11", Vendor: "Microsoft Corporation",
			Severity: "Critical", Category: "Security Updates", Released: at("2025-11-11T00:00:00Z")},
		{KB: "890830"},
	},
	ThreatsScanned: at("2026-11-22T02:00:00Z"),
	Threats: []posture.Threat{
		{Source: posture.ThreatScan, Name: "Virus:DOS/EICAR_Test_File", File: `C:\Users\kari\Downloads\eicar.com`,
			Hash: "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f", Found: at("2026-11-22T02:11:00Z"),
			Existing: posture.Yes, Repeat: 1,
			Engines: []posture.ThreatEngine{{Engine: "ClamAV", Name: "Win.Test.EICAR_HDB-1"}, {Engine: "Microsoft Defender", Name: "Virus:DOS/EICAR_Test_File"}}},
		{Source: posture.ThreatLocal, Name: "PUA:Win32/Presenoker", File: `C:\Temp\setup.exe`, Found: at("2026-11-22T10:00:00Z"),
			Severity: "low", Action: "quarantined", Existing: posture.No, Repeat: 3,
			Product: "Microsoft Defender Antivirus", ProductVendor: "Microsoft Corporation", ProductVersion: "4.18.25090.3009"},
		{Source: posture.ThreatAddress, File: "198.51.100.7", Repeat: 1},
		{Source: posture.ThreatLocal, Name: "Worm", Repeat: 1},
	},
	Processes: []string{"explorer.exe", "svchost.exe", "lsass.exe"},
	Domain:    "lab.example",
	Disks: []posture.Disk{
		{Name: "C:", Total: 476940 << 20, Free: 20480 << 20, System: true}, {Name: "D:", Total: 1000 << 20, Free: 1000 << 20}, {Name: "E:"},
	},
	Custom: []posture.CustomResult{
		{ID: "dock-firmware", Outcome: posture.Fail, Output: "firmware 1.2, 1.4 is needed", At: at("2026-11-23T05:00:00Z")},
		{ID: "vpn", Outcome: posture.Pass}, {ID: "old", Outcome: posture.Errored}, {ID: "odd", Outcome: posture.Unknown},
	},
}

// decoded reads a report that must be good.
func decoded(t *testing.T, body string) *posture.Report {
	t.Helper()
	if _, err := digestOf([]byte(body)); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	r, err := decodeReport([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return r
}

func TestLinkedID(t *testing.T) {
	long := strings.Repeat("a", 50)
	for body, want := range map[string]string{
		`{}`:                                 "",
		`{"trans_id":"crm-1"}`:               "crm-1",
		`{"custom_id":"crm-1"}`:              "crm-1",
		`{"trans_id":"A","custom_id":"b"}`:   "A",
		`{"trans_id":"a b","custom_id":"b"}`: "b",
		`{"trans_id":4711}`:                  "4711",
		`{"trans_id":"` + long + `"}`:        long,
		`{"trans_id":"` + long + `a"}`:       "",
		`{"trans_id":"blå"}`:                 "",
		`{"trans_id":"a_b"}`:                 "",
		`{"trans_id":{"a":1}}`:               "",
		`{"trans_id":null,"custom_id":""}`:   "",
	} {
		if got := decoded(t, body).LinkedID; got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

// TestPatchesKnown: that nothing is missing is not the same as that nobody looked.
func TestPatchesKnown(t *testing.T) {
	for members, want := range map[string]bool{
		`"os_info":[]`:                                false,
		`"missing_patches":null`:                      false,
		`"missing_patches":{}`:                        true,
		`"missing_patches":{"patches":[]}`:            true,
		`"missing_patches":{"patches":[{"kb":"KB"}]}`: true,
	} {
		if got := decoded(t, soh(members)).PatchesKnown; got != want {
			t.Errorf("%s: %v", members, got)
		}
	}
}

func TestLongTextsOfFindingsAreCut(t *testing.T) {
	long := strings.Repeat("å", 600)
	r := decoded(t, soh(`"threats":{"found":[{"file":"`+long+`"}]},"missing_patches":{"patches":[{"title":"`+long+`"}]},"processes":["`+long+`"]`))
	want := long[:2*maxText]
	if r.Threats[0].File != want || r.MissingPatches[0].Title != want || r.Processes[0] != want {
		t.Errorf("%+v", r)
	}
}

func TestBrokenFindings(t *testing.T) {
	for body, text := range map[string]string{
		adapter(`"subnet_masks":[{},{"mask":{}}]`):                          "Member network_adapter_info[0].subnet_masks[1].mask must be a string",
		adapter(`"subnet_masks":[true]`):                                    "Member network_adapter_info[0].subnet_masks[0] must be a string",
		adapter(`"default_gateway":7`):                                      "Member network_adapter_info[0].default_gateway must be a list",
		adapter(`"dhcp_enabled":"x"`):                                       "Member network_adapter_info[0].dhcp_enabled must be true or false",
		adapter(`"dhcp_obtained":-1`):                                       "Member network_adapter_info[0].dhcp_obtained must not be a time before 1970",
		soh(`"missing_patches":[]`):                                         "Member soh.missing_patches must be an object",
		soh(`"missing_patches":{"patches":[{},{"kb":[]}]}`):                 "Member soh.missing_patches.patches[1].kb must be a string",
		soh(`"missing_patches":{"patches":[{"released":"x"}]}`):             "Member soh.missing_patches.patches[0].released must be a time",
		soh(`"missing_patches":{"patches":[` + elements(5001, `{}`) + `]}`): "Member soh.missing_patches.patches holds more than the 5000 elements allowed",
		soh(`"threats":{"found":[{"repeat":1.5}]}`):                         "Member soh.threats.found[0].repeat must be a whole number",
		soh(`"threats":{"found":[{"product":[]}]}`):                         "Member soh.threats.found[0].product must be an object",
		soh(`"threats":{"found":[{"engines":[{"name":true}]}]}`):            "Member soh.threats.found[0].engines[0].name must be a string",
		soh(`"threats":{"found":[` + elements(1001, `{}`) + `]}`):           "Member soh.threats.found holds more than the 1000 elements allowed",
		soh(`"disks":[{"free_mb":-1}]`):                                     "Member soh.disks[0].free_mb must be a whole number",
		soh(`"disks":[` + elements(1001, `{}`) + `]`):                       "Member soh.disks holds more than the 1000 elements allowed",
		soh(`"custom_checks":[{"outcome":true}]`):                           "Member soh.custom_checks[0].outcome must be a string",
		soh(`"custom_checks":[` + elements(1001, `{}`) + `]`):               "Member soh.custom_checks holds more than the 1000 elements allowed",
		soh(`"domain":[]`):                                                  "Member soh.domain must be a string",
		soh(`"processes":[7,{}]`):                                           "Member soh.processes[1] must be a string",
		soh(`"processes":[` + elements(10_001, `""`) + `]`):                 "Member soh.processes holds more than the 10000 elements allowed",
		`{"core_version":[]}`:                                               "Member core_version must be a string",
	} {
		v := newWorld()
		if status, answer := v.report(t, body); status != 400 || !strings.Contains(answer, text) {
			t.Errorf("%.90s: %d %s, want %q", body, status, answer, text)
		}
		if len(v.devices.reports) != 0 {
			t.Errorf("%.90s: the service saw a report", body)
		}
	}
}

// TestPublicIP: where a report came from is part of what is stored, and not of what makes a report a new one.
func TestPublicIP(t *testing.T) {
	send := func(v *world, from, body string) {
		t.Helper()
		w := v.do(t, call{method: "PUT", path: deviceURL("/report/health"), body: body, from: from})
		expect(t, w, 200, "{}")
	}
	for from, want := range map[string]string{
		"203.0.113.9:4711": "203.0.113.9", "10.1.2.3:1": "10.1.2.3", "127.0.0.1:1": "127.0.0.1", "[::1]:1": "::1",
		"[::ffff:203.0.113.9]:1": "203.0.113.9", "[fe80::1%eth0]:1": "fe80::1", "[2001:db8::7]:1": "2001:db8::7",
	} {
		v := newWorld()
		send(v, from, `{"hostname":"a"}`)
		if got := v.devices.reports[0].PublicIP; got != want {
			t.Errorf("from %s: %q, want %q", from, got, want)
		}
	}
	v := newWorld()
	send(v, "203.0.113.9:1", `{"hostname":"a"}`)
	send(v, "203.0.113.10:1", `{"hostname":"a"}`)
	if diff := cmp.Diff([]string{"report", "report unchanged"}, v.devices.calls); diff != "" {
		t.Error(diff)
	}
	if r := decoded(t, `{"hostname":"a","public_ip":"192.0.2.1"}`); r.PublicIP != "" {
		t.Errorf("a body names its own address: %q", r.PublicIP)
	}
}
