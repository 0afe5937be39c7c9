package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"muster/internal/errs"
	"muster/internal/posture"
)

func TestDefaultIsValid(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestGeneralEntryMayFollowRestrictedOnes(t *testing.T) {
	p := Default()
	p.Checks = []Check{
		{ID: "screen_lock", Severity: Off, OS: []posture.OSFamily{posture.Linux}},
		{ID: "screen_lock", Severity: Off, OS: []posture.OSFamily{posture.Linux, posture.MacOS}},
		{ID: "screen_lock", Severity: Warning, DeviceTypes: []posture.DeviceType{posture.Laptop}},
		{ID: "screen_lock", Severity: Critical},
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
}

// fields lists the members that a joined error names.
func fields(t *testing.T, err error) []string {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%v is not a list of errors", err)
	}
	var out []string
	for _, e := range joined.Unwrap() {
		var mistake *errs.Error
		if !errors.As(e, &mistake) || mistake.Code != errs.Invalid {
			t.Fatalf("%v is not an invalid error", e)
		}
		out = append(out, mistake.Field)
	}
	return out
}

func TestValidateNamesEachMistake(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(*Policy)
		field string
	}{
		{"no name", func(p *Policy) { p.Name = "" }, "name"},
		{"long name", func(p *Policy) { p.Name = strings.Repeat("ü", 256) }, "name"},
		{"a name of two lines", func(p *Policy) { p.Name = "a\nb" }, "name"},
		{"broken text", func(p *Policy) { p.Name = "a\xff" }, "name"},
		{"a long description", func(p *Policy) { p.Description = strings.Repeat("x", maxLongText+1) }, "description"},
		{"unknown check", func(p *Policy) { p.Checks[0].ID = "antimalware" }, "checks[0].check"},
		{"no severity", func(p *Policy) { p.Checks[2].Severity = "" }, "checks[2].severity"},
		{"unknown severity", func(p *Policy) { p.Checks[2].Severity = "high" }, "checks[2].severity"},
		{"unknown treatment", func(p *Policy) { p.Checks[1].OnUnknown = "fail" }, "checks[1].on_unknown"},
		{"unknown family", func(p *Policy) { p.Checks[7].OS = []posture.OSFamily{"macos"} }, "checks[7].os[0]"},
		{"unknown type", func(p *Policy) { p.Checks[4].DeviceTypes = []posture.DeviceType{"notebook"} }, "checks[4].device_types[0]"},
		{"definitions without age", func(p *Policy) { p.Checks[3].MaxAge = 0 }, "checks[3].max_age"},
		{"negative age", func(p *Policy) { p.Checks[3].MaxAge = -1 }, "checks[3].max_age"},
		{"immense age", func(p *Policy) { p.Checks[3].MaxAge = Duration((maxDays + 1) * day) }, "checks[3].max_age"},
		{"age where there is none", func(p *Policy) { p.Checks[0].MaxAge = 1 }, "checks[0].max_age"},
		{"idle time where there is none", func(p *Policy) { p.Checks[0].MaxIdle = 1 }, "checks[0].max_idle"},
		{"allowed where there is none", func(p *Policy) { p.Checks[0].Allowed = []string{"x"} }, "checks[0].allowed"},
		{"empty allowed name", func(p *Policy) { p.Checks[14].Allowed = []string{"x", ""} }, "checks[14].allowed[1]"},
		{"too many allowed", func(p *Policy) { p.Checks[14].Allowed = slices.Repeat([]string{"x"}, maxList+1) }, "checks[14].allowed"},
		{"an entry never used", func(p *Policy) { p.Checks[8].DeviceTypes = []posture.DeviceType{posture.Phone} }, "checks[8]"},
		{"the same entry twice", func(p *Policy) { p.Checks = append(p.Checks, p.Checks[0]) }, "checks[18]"},
		{"no rules", func(p *Policy) { p.Rules = nil }, "rules"},
		{"no default rule", func(p *Policy) { p.Rules = p.Rules[:2] }, "rules"},
		{"a rule without name", func(p *Policy) { p.Rules[1].Name = "" }, "rules[1].name"},
		{"two rules of a name", func(p *Policy) { p.Rules[1].Name = p.Rules[0].Name }, "rules[1].name"},
		{"a rule without status", func(p *Policy) { p.Rules[0].Status = "" }, "rules[0].status"},
		{"a status that rules cannot give", func(p *Policy) { p.Rules[0].Status = "exempted" }, "rules[0].status"},
		{"a negative condition", func(p *Policy) { p.Rules[1].MinCritical = -1 }, "rules[1].min_critical"},
		{"a default rule before the last", func(p *Policy) { p.Rules[0].MinCritical = 0 }, "rules[0]"},
		{"very many checks", func(p *Policy) {
			p.Checks = slices.Repeat([]Check{{ID: "screen_lock", Severity: Off, OS: []posture.OSFamily{"x"}}}, maxChecks+1)
		}, "checks"},
		{"very many rules", func(p *Policy) {
			for i := range maxRules {
				p.Rules = slices.Insert(p.Rules, 0, Rule{Name: strings.Repeat("r", i+1), MinCritical: 1, Status: Compliant})
			}
		}, "rules"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := Default()
			tc.spoil(p)
			if got := fields(t, p.Validate()); !slices.Contains(got, tc.field) {
				t.Errorf("mistakes in %v, want one in %s", got, tc.field)
			}
		})
	}
}

// As much as may be is no mistake.
func TestBoundsOfPolicies(t *testing.T) {
	p := &Policy{Name: strings.Repeat("ü", maxText), Description: "a\n\tb\r\n" + strings.Repeat("ü", maxLongText-6)}
	for i := range maxChecks {
		p.Checks = append(p.Checks, Check{ID: "disk_space", Name: fmt.Sprint(i), Severity: Warning, MinFree: 1})
	}
	for i := range maxRules - 1 {
		p.Rules = append(p.Rules, Rule{Name: fmt.Sprint(i), MinCritical: i + 1, Status: NonCompliant})
	}
	p.Rules = append(p.Rules, Rule{Name: "last", Status: Compliant})
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
}

// What is far too much is not looked through: a document of nothing but mistakes must not keep the server busy.
func TestValidateStopsAtTheBounds(t *testing.T) {
	p := &Policy{Name: "x", Checks: slices.Repeat([]Check{{ID: "nonsense"}}, 3*maxChecks), Rules: slices.Repeat([]Rule{{Name: "a", KEV: true, Status: Compliant}}, 3*maxRules)}
	if n := len(fields(t, p.Validate())); n != 1+maxChecks+2+2*(maxRules-1) {
		t.Errorf("%d mistakes", n)
	}
	empty := slices.Repeat([]string{""}, 5*maxMistakes)
	for name, rule := range map[string]Rule{
		"words": {OS: slices.Repeat([]posture.OSFamily{posture.Linux}, 5*maxMistakes)}, "lines": {Users: empty}, "checks": {Checks: empty},
	} {
		if n := len(fields(t, ruled(rule).Validate())); n == 0 || n > maxChecks+1 {
			t.Errorf("%s: %d mistakes", name, n)
		}
	}
	_, err := Parse([]byte("name: x\nrules: [" + strings.Repeat("x,", 2*maxMistakes) + "]\n"))
	if n := len(fields(t, err)); n != maxMistakes {
		t.Errorf("%d mistakes of form", n)
	}
}

func TestValidateReportsAllAtOnce(t *testing.T) {
	p := &Policy{
		Checks: []Check{{ID: "nonsense"}, {ID: "screen_lock", Severity: "high", OnUnknown: "perhaps", MaxAge: 1}},
		Rules:  []Rule{{Name: "a", MinCritical: 1, Status: "maybe"}},
	}
	want := []string{"name", "checks[0].check", "checks[1].severity", "checks[1].on_unknown", "checks[1].max_age",
		"rules", "rules[0].status"}
	if got := fields(t, p.Validate()); !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// Ids are stored in verdicts and policies: a change here breaks what accounts have.
func TestCheckIDsAreStable(t *testing.T) {
	var got []string
	for _, d := range Definitions() {
		got = append(got, d.ID)
		if d.Title == "" || d.Category == "" {
			t.Errorf("%s has no title or category", d.ID)
		}
	}
	want := strings.Fields(`antimalware_installed antimalware_running antimalware_real_time antimalware_definitions
		antimalware_scan firewall_installed firewall_running firewall_enabled disk_encryption os_security_updates user_password screen_lock
		device_genuine unwanted_public_file_sharing unwanted_remote_control unwanted_toolbars unwanted_unclassified_pua
		unwanted_instant_messenger unwanted_cloud_storage unwanted_recording_web_meeting unwanted_media_player
		unwanted_vpn_client unwanted_cleaner_optimizer unwanted_developer_tool unwanted_uninstaller unwanted_virtual_machine
		unwanted_browser antiphishing_installed antiphishing_enabled backup_installed backup_recent patch_agent_installed
		patch_agent_running patch_agent_enabled dlp_installed dlp_running missing_patches vulnerabilities disk_space os_version
		reboot_recent domain_member agent_version threats repeated_threats suspicious_addresses required_products
		product_versions forbidden_products forbidden_processes custom_check`)
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
