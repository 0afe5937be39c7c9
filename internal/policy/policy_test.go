package policy

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"muster/internal/posture"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// windowsLaptop passes every check of the default policy.
func windowsLaptop() *posture.Report {
	return &posture.Report{
		DeviceType: posture.Laptop,
		OS:         posture.OS{Family: posture.Windows, Name: "Windows 11 Pro"},
		Applications: []posture.Application{
			{Name: "Microsoft Defender", Category: posture.Antimalware, Running: posture.Yes, Enabled: posture.Yes,
				Definitions: now.Add(-12 * time.Hour)},
			{Name: "Windows Firewall", Category: posture.Firewall, Running: posture.Yes, Enabled: posture.Yes},
			{Name: "BitLocker", Category: posture.Encryption, Volumes: []posture.Volume{
				{Name: "C:", System: true, Encrypted: posture.Yes}, {Name: "D:", Encrypted: posture.No}}},
			{Name: "7-Zip", Version: "24.09"},
		},
		Collected: []posture.Category{
			posture.PublicFileSharing, posture.RemoteControl, posture.Toolbars, posture.UnclassifiedUnwanted},
		Updates:         posture.Updates{Known: true, Pending: 2, Checked: now.Add(-time.Hour)},
		UserPasswordSet: posture.Yes,
		ScreenLock:      posture.Yes,
		ScreenLockAfter: 5 * time.Minute,
	}
}

// linuxServer passes every check of the default policy and says no more than that takes.
func linuxServer() *posture.Report {
	return &posture.Report{
		DeviceType: posture.Server,
		OS:         posture.OS{Family: posture.Linux, Name: "Debian GNU/Linux", Distribution: "Debian:12"},
		Applications: []posture.Application{
			{Name: "nftables", Category: posture.Firewall, Running: posture.Yes, Enabled: posture.Yes}},
		Updates: posture.Updates{Known: true},
	}
}

// androidPhone passes every check of the default policy.
func androidPhone() *posture.Report {
	return &posture.Report{
		DeviceType: posture.Phone, OS: posture.OS{Family: posture.Android},
		StorageEncrypted: posture.Yes, UserPasswordSet: posture.Yes, Genuine: posture.Yes,
	}
}

// app gives the report's first product of a category.
func app(r *posture.Report, c posture.Category) *posture.Application {
	for i := range r.Applications {
		if r.Applications[i].Category == c {
			return &r.Applications[i]
		}
	}
	panic("no product of category " + c)
}

// without removes the products of a category.
func without(r *posture.Report, c posture.Category) {
	var kept []posture.Application
	for _, a := range r.Applications {
		if a.Category != c {
			kept = append(kept, a)
		}
	}
	r.Applications = kept
}

func checksOf(issues []posture.Issue) string {
	var ids []string
	for _, i := range issues {
		ids = append(ids, i.Check+":"+string(i.Outcome)+":"+i.Severity.String())
	}
	return strings.Join(ids, " ")
}

func TestDefaultPolicyJudgesMachines(t *testing.T) {
	for _, tc := range []struct {
		name   string
		report *posture.Report
		change func(*posture.Report)
		status posture.Status
		rule   string
		issues string
	}{
		{"healthy laptop", windowsLaptop(), nil, posture.StatusCompliant, "Default", ""},
		{"healthy server", linuxServer(), nil, posture.StatusCompliant, "Default", ""},
		{"healthy phone", androidPhone(), nil, posture.StatusCompliant, "Default", ""},
		{"real-time protection off", windowsLaptop(), func(r *posture.Report) { app(r, posture.Antimalware).Enabled = posture.No },
			posture.StatusNonCompliant, "Critical issue", "antimalware_real_time:fail:critical"},
		{"one warning", windowsLaptop(), func(r *posture.Report) { r.ScreenLock = posture.No },
			posture.StatusCompliant, "Default", "screen_lock:fail:warning"},
		{"two warnings", windowsLaptop(), func(r *posture.Report) { r.ScreenLock, r.Updates.Security = posture.No, 1 },
			posture.StatusCompliant, "Default", "os_security_updates:fail:warning screen_lock:fail:warning"},
		{"three warnings", windowsLaptop(), func(r *posture.Report) {
			r.ScreenLock, r.Updates.Security = posture.No, 1
			app(r, posture.Firewall).Enabled = posture.No
		}, posture.StatusNonCompliant, "Three or more warnings",
			"firewall_enabled:fail:warning os_security_updates:fail:warning screen_lock:fail:warning"},
		{"an empty report of a laptop", &posture.Report{DeviceType: posture.Laptop, OS: posture.OS{Family: posture.Windows}}, nil,
			posture.StatusNonCompliant, "Critical issue", "antimalware_installed:unknown:critical " +
				"firewall_installed:unknown:warning disk_encryption:unknown:critical os_security_updates:unknown:warning " +
				"user_password:unknown:critical screen_lock:unknown:warning"},
		{"desktop without encryption", windowsLaptop(), func(r *posture.Report) {
			r.DeviceType = posture.Desktop
			app(r, posture.Encryption).Volumes[0].Encrypted = posture.No
		}, posture.StatusCompliant, "Default", "disk_encryption:fail:warning"},
		{"virtual machine without encryption", windowsLaptop(), func(r *posture.Report) {
			r.DeviceType = posture.VM
			without(r, posture.Encryption)
		}, posture.StatusCompliant, "Default", ""},
		{"linux laptop without anti-malware", windowsLaptop(), func(r *posture.Report) {
			r.OS.Family = posture.Linux
			without(r, posture.Antimalware)
		}, posture.StatusCompliant, "Default", ""},
		{"rooted phone", androidPhone(), func(r *posture.Report) { r.Genuine = posture.No },
			posture.StatusNonCompliant, "Critical issue", "device_genuine:fail:critical"},
		{"phone without passcode", androidPhone(), func(r *posture.Report) { r.UserPasswordSet = posture.No },
			posture.StatusNonCompliant, "Critical issue", "user_password:fail:critical"},
		{"remote control installed", windowsLaptop(), func(r *posture.Report) {
			r.Applications = append(r.Applications, posture.Application{Name: "TeamViewer", Category: posture.RemoteControl})
		}, posture.StatusCompliant, "Default", "unwanted_remote_control:fail:warning"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.change != nil {
				tc.change(tc.report)
			}
			v := Evaluate(Default(), tc.report, now)
			if v.Status != tc.status || v.Rule != tc.rule {
				t.Errorf("status %s by rule %q, want %s by %q", v.Status, v.Rule, tc.status, tc.rule)
			}
			if got := checksOf(v.Issues); got != tc.issues {
				t.Errorf("issues\n got %s\nwant %s", got, tc.issues)
			}
			if v.Policy != "7.3" || !v.Judged.Equal(now) || v.Issues == nil {
				t.Errorf("policy %q, judged %v, issues nil %v", v.Policy, v.Judged, v.Issues == nil)
			}
		})
	}
}

func TestSeverityIsTheWorstIssue(t *testing.T) {
	r := windowsLaptop()
	if v := Evaluate(Default(), r, now); v.Severity != posture.NoIssue {
		t.Errorf("healthy: %s", v.Severity)
	}
	r.ScreenLock = posture.No
	if v := Evaluate(Default(), r, now); v.Severity != posture.Warning {
		t.Errorf("screen lock off: %s", v.Severity)
	}
	r.UserPasswordSet = posture.No
	if v := Evaluate(Default(), r, now); v.Severity != posture.Critical {
		t.Errorf("no password: %s", v.Severity)
	}
}

// A machine that does not say what it is gets the strictest treatment it might deserve.
func TestUnknownKindOfMachineIsJudgedStrictly(t *testing.T) {
	for name, change := range map[string]func(*posture.Report){
		"no type":          func(r *posture.Report) { r.DeviceType = "" },
		"made-up type":     func(r *posture.Report) { r.DeviceType = "toaster" },
		"no family":        func(r *posture.Report) { r.OS.Family = "" },
		"made-up family":   func(r *posture.Report) { r.OS.Family = "beos" },
		"neither":          func(r *posture.Report) { r.OS.Family, r.DeviceType = "", "" },
		"made-up and none": func(r *posture.Report) { r.OS.Family, r.DeviceType = "beos", "" },
	} {
		r := windowsLaptop()
		r.DeviceType = posture.Desktop
		without(r, posture.Antimalware)
		without(r, posture.Encryption)
		change(r)
		v := Evaluate(Default(), r, now)
		want := "antimalware_installed:unknown:critical disk_encryption:unknown:critical"
		if strings.Contains(name, "family") { // the type is known: a desktop
			want = "antimalware_installed:unknown:critical disk_encryption:unknown:warning"
		}
		if got := checksOf(v.Issues); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q first", name, got, want)
		}
	}
}

func TestFirstCoveringEntryHolds(t *testing.T) {
	p := Default()
	p.Checks = []Check{
		{ID: "screen_lock", Severity: Off, DeviceTypes: []posture.DeviceType{posture.Desktop}},
		{ID: "screen_lock", Severity: Critical, OS: []posture.OSFamily{posture.MacOS}},
		{ID: "screen_lock", Severity: Warning},
	}
	for _, tc := range []struct {
		device posture.DeviceType
		os     posture.OSFamily
		want   string
	}{
		{posture.Desktop, posture.MacOS, ""},
		{posture.Laptop, posture.MacOS, "screen_lock:unknown:critical"},
		{posture.Laptop, posture.Linux, "screen_lock:unknown:warning"},
	} {
		v := Evaluate(p, &posture.Report{DeviceType: tc.device, OS: posture.OS{Family: tc.os}}, now)
		if got := checksOf(v.Issues); got != tc.want {
			t.Errorf("%s %s: got %q, want %q", tc.os, tc.device, got, tc.want)
		}
	}
}

func TestStrictestEntryHoldsForUnknownMachines(t *testing.T) {
	p := Default()
	p.Checks = []Check{
		{ID: "screen_lock", Severity: Off, DeviceTypes: []posture.DeviceType{posture.Server}},
		{ID: "screen_lock", Severity: Critical, DeviceTypes: []posture.DeviceType{posture.Laptop}},
		{ID: "screen_lock", Severity: Warning},
	}
	if got := checksOf(Evaluate(p, &posture.Report{OS: posture.OS{Family: posture.Linux}}, now).Issues); got != "screen_lock:unknown:critical" {
		t.Errorf("got %q, want the critical entry", got)
	}
}

func TestRulesFirstMatchDecides(t *testing.T) {
	p := Default()
	p.Rules = []Rule{
		{Name: "both", MinCritical: 1, MinWarnings: 1, Status: NonCompliant},
		{Name: "critical alone is let pass", MinCritical: 1, Status: Compliant},
		{Name: "rest", Status: NonCompliant},
	}
	r := windowsLaptop()
	if v := Evaluate(p, r, now); v.Rule != "rest" || v.Status != posture.StatusNonCompliant {
		t.Errorf("no issue: %s by %q", v.Status, v.Rule)
	}
	r.UserPasswordSet = posture.No
	if v := Evaluate(p, r, now); v.Rule != "critical alone is let pass" || v.Status != posture.StatusCompliant {
		t.Errorf("one critical: %s by %q", v.Status, v.Rule)
	}
	r.ScreenLock = posture.No
	if v := Evaluate(p, r, now); v.Rule != "both" || v.Status != posture.StatusNonCompliant {
		t.Errorf("both: %s by %q", v.Status, v.Rule)
	}
	p.Rules = nil
	if v := Evaluate(p, windowsLaptop(), now); v.Status != posture.StatusNonCompliant || v.Rule != "" {
		t.Errorf("no rules: %s by %q, want non-compliant by none", v.Status, v.Rule)
	}
}

func TestJSONRoundTrip(t *testing.T) {
	text, err := json.Marshal(Default())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"max_age":"3d"`) {
		t.Errorf("durations are not written for people: %s", text)
	}
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p, Default()) {
		t.Errorf("got %+v, want %+v", p, Default())
	}
}

func TestDurationText(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3d": 72 * time.Hour, "0d": 0, "12h": 12 * time.Hour, "90m": 90 * time.Minute, "36500d": 36500 * day, "-36500d": -36500 * day,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s: got %v, %v", text, time.Duration(d), err)
		}
	}
	for _, text := range []string{"", "d", "3", "3 d", "36501d", "-36501d", "99999999999999999999d", "x"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was accepted as %s", text, d)
		}
	}
	for d, want := range map[time.Duration]string{
		72 * time.Hour: "3 days", day: "1 day", 36 * time.Hour: "36 hours", time.Minute: "1 minute", 1500 * time.Millisecond: "1.5s", 0: "0s",
	} {
		if got := Duration(d).words(); got != want {
			t.Errorf("%v in words: %q, want %q", d, got, want)
		}
	}
}
