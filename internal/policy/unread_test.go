package policy

import (
	"strings"
	"testing"
	"time"

	"muster/internal/posture"
)

func unreadable(fact, why string) posture.Unread {
	return posture.Unread{Fact: fact, State: posture.Unreadable, Why: why}
}

func moot(fact, why string) posture.Unread {
	return posture.Unread{Fact: fact, State: posture.NotApplicable, Why: why}
}

// bare is a machine of which nothing is known but one program.
func bare(unread ...posture.Unread) *posture.Report {
	return &posture.Report{
		OS: posture.OS{Family: posture.Linux}, DeviceType: posture.Server, Unread: unread,
		Applications: []posture.Application{{Name: "curl", Version: "8.0"}},
	}
}

func TestUnreadFactsInEvidence(t *testing.T) {
	week := Duration(7 * day)
	for _, tc := range []struct {
		check   Check
		unread  posture.Unread
		outcome posture.Outcome
		says    string
	}{
		{Check{ID: "firewall_enabled"}, unreadable("firewall", "needs root: nft was refused."), posture.Unknown,
			"The agent could not read the firewall: needs root: nft was refused. The agent did not say whether there is a firewall; the policy asks for it."},
		{Check{ID: "firewall_enabled"}, moot("firewall", "the host has it"), posture.Unknown,
			"The firewall does not apply to this machine: the host has it. The agent did not say whether there is a firewall; the policy asks for it."},
		{Check{ID: "firewall_enabled"}, unreadable("encryption", "needs root"), posture.Unknown, "The agent did not say whether there is a firewall; the policy asks for it."},
		{Check{ID: "antimalware_running"}, unreadable("anti-malware", " a\n\tb "), posture.Unknown, "The agent could not read the anti-malware protection: a b. The agent"},
		{Check{ID: "disk_encryption"}, unreadable("encryption", ""), posture.Unknown, "The agent could not read the encryption of the disks. The agent"},
		{Check{ID: "disk_encryption"}, unreadable("encryption.LUKS./", "needs root"), posture.Unknown, "The agent could not read the encryption of the disks (LUKS./): needs root. The"},
		{Check{ID: "disk_encryption"}, moot("encryption", "no disk"), posture.Unknown, "The encryption of the disks does not apply to this machine: no disk. The"},
		{Check{ID: "os_security_updates"}, unreadable("updates", "apt failed"), posture.Unknown, "The agent could not read the list of waiting updates: apt failed. The"},
		{Check{ID: "os_security_updates"}, unreadable("updates.checked", "no stamp"), posture.Unknown, "The agent could not read the list of waiting updates (checked): no stamp. The"},
		{Check{ID: "missing_patches"}, moot("missing_patches", "they have no names here"), posture.Unknown, "The list of missing patches does not apply to this machine: they have no names here. The"},
		{Check{ID: "user_password"}, unreadable("user_password_set", "needs root"), posture.Unknown, "The agent could not read the password setting: needs root. The"},
		{Check{ID: "user_password"}, moot("user_password_set", "nobody logs on"), posture.Pass, "The password setting does not apply to this machine: nobody logs on."},
		{Check{ID: "screen_lock", MaxIdle: Duration(time.Minute)}, moot("screen_lock", "no screen"), posture.Pass, "The screen lock does not apply to this machine: no screen."},
		{Check{ID: "screen_lock"}, unreadable("screen_lock", "nobody is logged on"), posture.Unknown, "The agent could not read the screen lock: nobody is logged on. The"},
		{Check{ID: "disk_space", MinFree: 1}, moot("disks", "no disks of its own"), posture.Pass, "The free space of the disks does not apply"},
		{Check{ID: "os_version", MinVersion: "1"}, unreadable("os_version", "x"), posture.Unknown, "The agent could not read the version of the system: x. The"},
		{Check{ID: "reboot_recent", MaxAge: week}, unreadable("last_reboot", "x"), posture.Unknown, "The agent could not read the last start of the system: x. The"},
		{Check{ID: "domain_member"}, moot("domain", "it is in none"), posture.Fail, "The directory domain does not apply to this machine: it is in none. The"},
		{Check{ID: "domain_member"}, unreadable("domain", "x"), posture.Unknown, "The agent could not read the directory domain: x. The"},
		{Check{ID: "threats"}, unreadable("threats", "x"), posture.Unknown, "The agent could not read the result of scans for malware: x. The"},
		{Check{ID: "forbidden_processes", Processes: []string{"x"}}, unreadable("processes", "x"), posture.Unknown, "The agent could not read the list of running programs: x. The"},
		{Check{ID: "device_genuine"}, unreadable("", "x"), posture.Unknown, "The agent did not say"},

		// What is in no list that was read may be in the one that was not.
		{Check{ID: "forbidden_products", Products: []Product{{Name: "nmap"}}}, unreadable("software.dpkg", "locked"), posture.Unknown,
			"The agent could not read the list of installed software (dpkg): locked. The agent did not say whether there is nmap; the policy asks for the absence of nmap."},
		{Check{ID: "forbidden_products", Products: []Product{{Name: "nmap"}}}, moot("software.rpm", "no rpm"), posture.Pass, ""},
		{Check{ID: "forbidden_products", Products: []Product{{Name: "curl"}}}, unreadable("software.dpkg", "locked"), posture.Fail, "Installed: curl"},
		{Check{ID: "required_products", Products: []Product{{Name: "nmap"}}}, unreadable("software", "locked"), posture.Unknown, "The agent could not read the list of installed software: locked. The"},
		{Check{ID: "required_products", Products: []Product{{Name: "curl", Running: true}}}, unreadable("software", "locked"), posture.Unknown, "The agent did not say whether curl is running"},
		{Check{ID: "product_versions", Products: []Product{{Name: "nmap", MinVersion: "1"}}}, unreadable("software.snap", "x"), posture.Unknown, "The agent could not read the list of installed software (snap): x. The"},
		{Check{ID: "unwanted_toolbars"}, unreadable("software.apk", "x"), posture.Unknown, "The agent could not read the list of installed software (apk): x. The"},
		{Check{ID: "vulnerabilities"}, unreadable("software.apk", "x"), posture.Unknown, "The agent could not read the list of installed software (apk): x. The agent did not say all that is installed"},
		{Check{ID: "vulnerabilities"}, moot("software.apk", "x"), posture.Pass, ""},
	} {
		r := bare(tc.unread)
		got := compiled(t, only(tc.check)).Explain(&Subject{Report: r}, now)[0]
		if got.Outcome != tc.outcome || !strings.HasPrefix(got.Evidence, tc.says) {
			t.Errorf("%s, %v: %s %q, want %s %q", tc.check.ID, tc.unread, got.Outcome, got.Evidence, tc.outcome, tc.says)
		}
		if issues := Evaluate(only(tc.check), r, now).Issues; len(issues) > 0 != (tc.outcome != posture.Pass) || len(issues) > 0 && issues[0].Evidence != got.Evidence {
			t.Errorf("%s, %v: issues %+v", tc.check.ID, tc.unread, issues)
		}
	}
}

// A part of one product says nothing of another.
func TestUnreadPartOfAProduct(t *testing.T) {
	r := bare(unreadable("anti-malware.Other.enabled", "not this one"), unreadable("anti-malware.ClamAV.definitions", "nor this"),
		unreadable("anti-malware.ClamAV.enabled", "needs root"))
	r.Applications = append(r.Applications, posture.Application{Name: "ClamAV", Category: posture.Antimalware, Running: posture.Yes})
	got := compiled(t, only(Check{ID: "antimalware_real_time"})).Explain(&Subject{Report: r}, now)[0]
	if want := "The agent could not read the anti-malware protection (ClamAV.enabled): needs root. The agent did not say whether real-time protection of ClamAV is"; !strings.HasPrefix(got.Evidence, want) {
		t.Errorf("got %q", got.Evidence)
	}
	long := strings.Repeat("å", 80)
	r.Applications[1].Name = long
	r.Unread = []posture.Unread{unreadable("anti-malware."+strings.Repeat("å", 51), "cut")}
	if got := compiled(t, only(Check{ID: "antimalware_real_time"})).Explain(&Subject{Report: r}, now)[0]; !strings.Contains(got.Evidence, ": cut. ") {
		t.Errorf("a name that is cut: %q", got.Evidence)
	}
}

// What is known counts, whatever else could not be read.
func TestUnreadChangesNothingKnown(t *testing.T) {
	for _, tc := range checkCases() {
		r := windowsLaptop()
		if tc.change != nil {
			tc.change(r)
		}
		for fact := range factWords {
			if fact != softwareFact {
				r.Unread = append(r.Unread, unreadable(fact, "x"), moot(fact+".other", "x"))
			}
		}
		if got := compiled(t, only(tc.check)).Explain(&Subject{Report: r}, now)[0]; got.Outcome != tc.outcome || !strings.Contains(got.Evidence, tc.says) {
			t.Errorf("%s/%s: %s %q, want %s %q", tc.check.ID, tc.name, got.Outcome, got.Evidence, tc.outcome, tc.says)
		}
	}
}

// Every fact that a check looks at has words for people, and the other way round.
func TestFactWords(t *testing.T) {
	used := map[string]bool{softwareFact: true}
	for i := range areas {
		for j := range areas[i].checks {
			d := &areas[i].checks[j]
			if used[d.fact] = true; d.fact != "" && factWords[d.fact] == "" {
				t.Errorf("%s: no words for %q", d.id, d.fact)
			}
		}
	}
	for fact := range factWords {
		if !used[fact] {
			t.Errorf("no check looks at %q", fact)
		}
	}
}
