package gears

import (
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"muster/internal/posture"
)

func TestText(t *testing.T) {
	for in, want := range map[string]text{
		`"a"`: "a", `""`: "", `null`: "", `" a\t"`: "a", `12`: "12", `1.50`: "1.50", `"\u00e5\"\\n"`: `å"\n`,
		`"a\u0000"`: "a", `"\u0000a\u0000b"`: "ab", `"\\u0000"`: `\u0000`, `"\ud83d\ude00"`: "😀",
	} {
		var got text
		if err := json.Unmarshal([]byte(in), &got); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestFlag(t *testing.T) {
	for in, want := range map[string]posture.Fact{
		`true`: posture.Yes, `1`: posture.Yes, `"1"`: posture.Yes, `"true"`: posture.Yes, `"True"`: posture.Yes, `"\u0031"`: posture.Yes,
		`false`: posture.No, `0`: posture.No, `"0"`: posture.No, `"FALSE"`: posture.No, `null`: posture.NotReported, `""`: posture.NotReported,
	} {
		var got flag
		if err := json.Unmarshal([]byte(in), &got); err != nil || posture.Fact(got) != want {
			t.Errorf("%s: %v, %v; want %v", in, got, err, want)
		}
	}
}

func TestCount(t *testing.T) {
	for in, want := range map[string]count{
		`0`: {0, true}, `7`: {7, true}, `"7"`: {7, true}, `1000000000`: {1_000_000_000, true}, `null`: {}, `""`: {},
	} {
		var got count
		if err := json.Unmarshal([]byte(in), &got); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{`-1`, `1.5`, `1e3`, `1000000001`, `"x"`, `true`, `[]`, `{}`} {
		var got count
		if err := json.Unmarshal([]byte(in), &got); err == nil {
			t.Errorf("%s was read as %v", in, got)
		}
	}
}

func TestMoment(t *testing.T) {
	for in, want := range map[string]string{
		`"2026-11-23T21:21:15Z"`: "2026-11-23T21:21:15Z", `"2026-11-23T22:21:15+01:00"`: "2026-11-23T21:21:15Z",
		`"2026-11-23T21:21:15.9Z"`: "2026-11-23T21:21:15.9Z", `"2026-11-23T21:21:15"`: "2026-11-23T21:21:15Z",
		`"2026-11-23 21:21:15"`: "2026-11-23T21:21:15Z", `"2026-11-23"`: "2026-11-23T00:00:00Z",
		`1794000000`: "2026-11-06T21:20:00Z", `1794000000000`: "2026-11-06T21:20:00Z", `1794000000.5`: "2026-11-06T21:20:00.5Z",
		`"1794000000"`: "2026-11-06T21:20:00Z", `1.794e9`: "2026-11-06T21:20:00Z", `99999999999`: "", `100000000000`: "1973-03-03T09:46:40Z",
		`7258118399999`: "2199-12-31T23:59:59.999Z",
	} {
		got, err := parseMoment([]byte(in))
		if want == "" {
			if err == nil {
				t.Errorf("%s was read as %v", in, got)
			}
			continue
		}
		if err != nil || !got.Equal(at(want)) {
			t.Errorf("%s: %v, %v; want %s", in, got, err, want)
		}
	}
}

func TestMomentNever(t *testing.T) {
	for _, in := range []string{`null`, `0`, `""`, `"0"`, `0.0`, `"1970-01-01T00:00:00Z"`, `"0001-01-01T00:00:00Z"`, `"1601-01-01T00:00:00Z"`} {
		if got, err := parseMoment([]byte(in)); err != nil || !got.IsZero() {
			t.Errorf("%s: %v, %v; want never", in, got, err)
		}
	}
}

func TestMomentRefused(t *testing.T) {
	for _, in := range []string{
		`-1`, `-0.0001`, `-1e300`, `"-1"`, `"1969-12-31"`, `7258118400000`, `"2200-01-01"`, `"9999-12-31T23:59:59Z"`, `1e400`, `"NaN"`, `"Infinity"`, `"x"`,
		`true`, `[]`, `{}`, `"2026-13-01"`, `"2026-11-23T25:00:00Z"`,
	} {
		if got, err := parseMoment([]byte(in)); err == nil {
			t.Errorf("%s was read as %v", in, got)
		}
	}
}

func TestAddressesAreSorted(t *testing.T) {
	var in struct {
		A list[address] `json:"a"`
		B list[address] `json:"b"`
	}
	body := `{"a":["192.0.2.1","::ffff:192.0.2.2","N/A","","fe80::1%eth0","192.0.2.3/24","0.0.0.0"],"b":"2001:DB8::0001"}`
	if err := json.Unmarshal([]byte(body), &in); err != nil {
		t.Fatal(err)
	}
	v4, v6 := sortAddresses(in.A, in.B)
	if diff := cmp.Diff([]string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, v4); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"fe80::1", "2001:db8::1"}, v6); diff != "" {
		t.Error(diff)
	}
}

func TestFamily(t *testing.T) {
	for want, spellings := range map[posture.OSFamily][]string{
		posture.Windows: {"windows", "Windows", "WIN", "win32", "Microsoft Windows"},
		posture.MacOS:   {"mac", "macOS", "Mac OS X", "OSX", "Darwin"},
		posture.Linux:   {"linux", "Linux", "GNU/Linux"},
		posture.IOS:     {"ios", "iOS", "iPadOS"},
		posture.Android: {"android", "Android"},
		"freebsd":       {"FreeBSD"},
		"":              {"", "a name that is much too long to be that of a family"},
	} {
		for _, s := range spellings {
			if got := family(s); got != want {
				t.Errorf("%q: %q, want %q", s, got, want)
			}
		}
	}
}

func TestCategory(t *testing.T) {
	for want, spellings := range map[posture.Category][]string{
		posture.Antimalware:          {"anti-malware", "antivirus", "Anti-Virus", "antimalware"},
		posture.Firewall:             {"firewall", "FIREWALL"},
		posture.Encryption:           {"encryption", "hard_disk_encryption"},
		posture.OperatingSystem:      {"operating_system", "osupdate", "system"},
		posture.PatchManagement:      {"patch_management", "patch_management_agent", "patch_mangement_agent"},
		posture.UserAuthentication:   {"user_authentication"},
		posture.Vulnerabilities:      {"vulnerabilities"},
		posture.Antiphishing:         {"anti-phishing", "antiphishing"},
		posture.Backup:               {"backup", "backupclient"},
		posture.InstantMessenger:     {"instant_messenger", "instant_messegener"},
		posture.CloudStorage:         {"cloud_storage", "Cloud_Storage"},
		posture.PublicFileSharing:    {"public_file_sharing", "publicfilesharing"},
		posture.RemoteControl:        {"remote_control"},
		posture.RecordingWebMeeting:  {"recording_web_meeting"},
		posture.Toolbars:             {"toolbars"},
		posture.MediaPlayer:          {"media_player"},
		posture.VPNClient:            {"vpn_client"},
		posture.CleanerOptimizer:     {"cleaner_optimizer"},
		posture.DeveloperTool:        {"developer_tool"},
		posture.Uninstaller:          {"uninstaller"},
		posture.UnclassifiedUnwanted: {"unclassified_pua"},
		posture.HardDrive:            {"hard_drive"},
		posture.SystemSecurity:       {"system_security", "systemsecurity"},
		posture.Browser:              {"browser"},
		posture.VirtualMachine:       {"virtual_machine"},
		posture.DataLossPrevention:   {"data_loss_prevention"},
		posture.Threats:              {"threats", "threat_antivirus", "threat_metascan"},
		posture.RepeatedThreats:      {"repeated_threats"},
		posture.SuspiciousIPs:        {"suspicious_ips", "threat_ip"},
		posture.CustomCheck:          {"custom_check"},
		"":                           {"", "weather", "threat", "a name that is much too long to be that of a category"},
	} {
		for _, s := range spellings {
			if got := category(s); got != want {
				t.Errorf("%q: %q, want %q", s, got, want)
			}
		}
	}
}
