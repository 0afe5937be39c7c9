package policy

import (
	"strings"
	"testing"
	"time"

	"muster/internal/posture"
)

// only is a policy of one check that holds for every machine.
func only(c Check) *Policy {
	if c.Severity == "" {
		c.Severity = Critical
	}
	if c.ID == "antimalware_definitions" && c.MaxAge == 0 {
		c.MaxAge = defaultDefinitionsAge
	}
	return &Policy{Name: "t", Checks: []Check{c}, Rules: []Rule{{Name: "d", Status: Compliant}}}
}

type checkCase struct {
	check   Check
	name    string
	change  func(*posture.Report)
	outcome posture.Outcome
	says    string // part of the evidence
}

func malware(f func(*posture.Application)) func(*posture.Report) {
	return func(r *posture.Report) { f(app(r, posture.Antimalware)) }
}

func firewall(f func(*posture.Application)) func(*posture.Report) {
	return func(r *posture.Report) { f(app(r, posture.Firewall)) }
}

func volumes(v ...posture.Volume) func(*posture.Report) {
	return func(r *posture.Report) { app(r, posture.Encryption).Volumes = v }
}

func none(c posture.Category, looked bool) func(*posture.Report) {
	return func(r *posture.Report) {
		without(r, c)
		r.Collected = nil
		if looked {
			r.Collected = []posture.Category{c}
		}
	}
}

func definitions(d time.Time) func(*posture.Report) {
	return malware(func(a *posture.Application) { a.Definitions = d })
}

func checkCases() []checkCase {
	id := func(s string) Check { return Check{ID: s} }
	aged := Check{ID: "os_security_updates", MaxAge: Duration(7 * day)}
	idle := Check{ID: "screen_lock", MaxIdle: Duration(15 * time.Minute)}
	cases := []checkCase{
		{id("antimalware_installed"), "there", nil, posture.Pass, ""},
		{id("antimalware_installed"), "looked, none", none(posture.Antimalware, true), posture.Fail, "found none"},
		{id("antimalware_installed"), "silence", none(posture.Antimalware, false), posture.Unknown, "did not say"},
		{id("antimalware_running"), "yes", nil, posture.Pass, ""},
		{id("antimalware_running"), "no", malware(func(a *posture.Application) { a.Running = posture.No }), posture.Fail, "Microsoft Defender is not running"},
		{id("antimalware_running"), "silence", malware(func(a *posture.Application) { a.Running = posture.NotReported }), posture.Unknown, "whether Microsoft Defender is running"},
		{id("antimalware_running"), "looked, none", none(posture.Antimalware, true), posture.Fail, "found none"},
		{id("antimalware_real_time"), "yes", nil, posture.Pass, ""},
		{id("antimalware_real_time"), "no", malware(func(a *posture.Application) { a.Enabled = posture.No }), posture.Fail, "real-time protection of Microsoft Defender is not switched on"},
		{id("antimalware_real_time"), "silence", malware(func(a *posture.Application) { a.Enabled = posture.NotReported }), posture.Unknown, "whether real-time"},
		{id("antimalware_definitions"), "new", nil, posture.Pass, ""},
		{id("antimalware_definitions"), "exactly 3 days", definitions(now.Add(-3 * day)), posture.Pass, ""},
		{id("antimalware_definitions"), "one tick over 3 days", definitions(now.Add(-3*day - tick)), posture.Fail, "7 March 2026 11:59 UTC; the policy asks for definitions no older than 3 days"},
		{id("antimalware_definitions"), "within clock skew", definitions(now.Add(day)), posture.Pass, ""},
		{id("antimalware_definitions"), "one tick beyond clock skew", definitions(now.Add(day + tick)), posture.Errored, "in the future"},
		{id("antimalware_definitions"), "far future", definitions(now.AddDate(50, 0, 0)), posture.Errored, "in the future"},
		{id("antimalware_definitions"), "silence", definitions(time.Time{}), posture.Unknown, "did not give the date"},
		{id("firewall_installed"), "there", nil, posture.Pass, ""},
		{id("firewall_installed"), "looked, none", none(posture.Firewall, true), posture.Fail, "found none"},
		{id("firewall_installed"), "silence", none(posture.Firewall, false), posture.Unknown, "did not say"},
		{id("firewall_running"), "yes", nil, posture.Pass, ""},
		{id("firewall_running"), "no", firewall(func(a *posture.Application) { a.Running = posture.No }), posture.Fail, "is not running"},
		{id("firewall_running"), "silence", firewall(func(a *posture.Application) { a.Running = posture.NotReported }), posture.Unknown, "whether"},
		{id("firewall_enabled"), "yes", nil, posture.Pass, ""},
		{id("firewall_enabled"), "no", firewall(func(a *posture.Application) { a.Enabled = posture.No }), posture.Fail, "Windows Firewall is not switched on"},
		{id("firewall_enabled"), "silence", firewall(func(a *posture.Application) { a.Enabled = posture.NotReported }), posture.Unknown, "whether"},
		{id("os_security_updates"), "none waiting", nil, posture.Pass, ""},
		{id("os_security_updates"), "one waiting", func(r *posture.Report) { r.Updates.Security = 1 }, posture.Fail, "1 security update "},
		{id("os_security_updates"), "two waiting", func(r *posture.Report) { r.Updates.Security = 2 }, posture.Fail, "2 security updates "},
		{id("os_security_updates"), "silence", func(r *posture.Report) { r.Updates = posture.Updates{} }, posture.Unknown, "did not say"},
		{id("os_security_updates"), "an old list, no age asked", func(r *posture.Report) { r.Updates.Checked = now.AddDate(-1, 0, 0) }, posture.Pass, ""},
		{aged, "new list", nil, posture.Pass, ""},
		{aged, "exactly 7 days", func(r *posture.Report) { r.Updates.Checked = now.Add(-7 * day) }, posture.Pass, ""},
		{aged, "over 7 days", func(r *posture.Report) { r.Updates.Checked = now.Add(-7*day - tick) }, posture.Stale, "last checked for updates on 3 March 2026"},
		{aged, "old list with an update", func(r *posture.Report) { r.Updates.Checked, r.Updates.Security = now.AddDate(-1, 0, 0), 1 }, posture.Fail, "1 security update"},
		{aged, "undated list", func(r *posture.Report) { r.Updates.Checked = time.Time{} }, posture.Unknown, "when the system last checked"},
		{aged, "list of the future", func(r *posture.Report) { r.Updates.Checked = now.AddDate(1, 0, 0) }, posture.Errored, "in the future"},
		{id("user_password"), "set", nil, posture.Pass, ""},
		{id("user_password"), "not set", func(r *posture.Report) { r.UserPasswordSet = posture.No }, posture.Fail, "password or passcode is not set"},
		{id("user_password"), "silence", func(r *posture.Report) { r.UserPasswordSet = posture.NotReported }, posture.Unknown, "did not say"},
		{id("screen_lock"), "on", nil, posture.Pass, ""},
		{id("screen_lock"), "off", func(r *posture.Report) { r.ScreenLock = posture.No }, posture.Fail, "screen lock is not"},
		{id("screen_lock"), "silence", func(r *posture.Report) { r.ScreenLock = posture.NotReported }, posture.Unknown, "did not say"},
		{id("screen_lock"), "any time will do", func(r *posture.Report) { r.ScreenLockAfter = 0 }, posture.Pass, ""},
		{idle, "soon enough", nil, posture.Pass, ""},
		{idle, "just soon enough", func(r *posture.Report) { r.ScreenLockAfter = 15 * time.Minute }, posture.Pass, ""},
		{idle, "too late", func(r *posture.Report) { r.ScreenLockAfter = 16 * time.Minute }, posture.Fail, "after 16 minutes; the policy asks that it does after at most 15 minutes"},
		{idle, "time not given", func(r *posture.Report) { r.ScreenLockAfter = 0 }, posture.Unknown, "after what time"},
		{idle, "off", func(r *posture.Report) { r.ScreenLock = posture.No }, posture.Fail, "not switched on"},
		{id("device_genuine"), "genuine", func(r *posture.Report) { r.Genuine = posture.Yes }, posture.Pass, ""},
		{id("device_genuine"), "rooted", func(r *posture.Report) { r.Genuine = posture.No }, posture.Fail, "is not as its maker delivered it"},
		{id("device_genuine"), "silence", nil, posture.Unknown, "did not say"},
	}
	return append(append(cases, encryptionCases()...), unwantedCases()...)
}

func encryptionCases() []checkCase {
	check := Check{ID: "disk_encryption"}
	vol := func(name string, system bool, f posture.Fact) posture.Volume {
		return posture.Volume{Name: name, System: system, Encrypted: f}
	}
	phone := func(f posture.Fact) func(*posture.Report) {
		return func(r *posture.Report) { r.DeviceType, r.StorageEncrypted = posture.Phone, f }
	}
	const yes, no, silent = posture.Yes, posture.No, posture.NotReported
	return []checkCase{
		{check, "system volume", nil, posture.Pass, ""},
		{check, "system volume plain", volumes(vol("C:", true, no)), posture.Fail, "not encrypted: C:"},
		{check, "second system volume plain", volumes(vol("/", true, yes), vol("/usr", true, no)), posture.Fail, "not encrypted: /usr"},
		{check, "system volume silent", volumes(vol("C:", true, silent), vol("D:", false, yes)), posture.Unknown, "whether C: is encrypted"},
		{check, "plain beats silent", volumes(vol("C:", true, silent), vol("D:", true, no)), posture.Fail, "not encrypted: D:"},
		{check, "unmarked, all encrypted", volumes(vol("C:", false, yes), vol("D:", false, yes)), posture.Pass, ""},
		{check, "unmarked, some encrypted", volumes(vol("C:", false, yes), vol("D:", false, no)), posture.Unknown, "which volume holds the system"},
		{check, "unmarked, none encrypted", volumes(vol("C:", false, no), vol("D:", false, no)), posture.Fail, "not encrypted: C: and D:"},
		{check, "encrypted by another product", func(r *posture.Report) {
			volumes(vol("C:", true, no))(r)
			r.Applications = append(r.Applications, posture.Application{Name: "VeraCrypt", Category: posture.Encryption,
				Volumes: []posture.Volume{vol("C:", false, yes)}})
		}, posture.Pass, ""},
		{check, "product without volumes", volumes(), posture.Fail, "found none"},
		{check, "looked, none", none(posture.Encryption, true), posture.Fail, "found none"},
		{check, "silence", none(posture.Encryption, false), posture.Unknown, "did not say whether the disk"},
		{check, "computer with a whole-device answer", func(r *posture.Report) {
			none(posture.Encryption, false)(r)
			r.StorageEncrypted = yes
		}, posture.Pass, ""},
		{check, "volumes beat the whole-device answer", func(r *posture.Report) {
			volumes(vol("C:", true, no))(r)
			r.StorageEncrypted = yes
		}, posture.Fail, "not encrypted: C:"},
		{check, "phone", phone(yes), posture.Pass, ""},
		{check, "phone plain", phone(no), posture.Fail, "storage of the device is not encrypted"},
		{check, "phone silent", phone(silent), posture.Unknown, "storage of the device"},
		{check, "phone of unknown type", func(r *posture.Report) { r.DeviceType, r.OS.Family = "", posture.Android }, posture.Unknown, "storage of the device"},
		{check, "laptop with the system of a phone", func(r *posture.Report) { r.OS.Family = posture.Android }, posture.Pass, ""},
		{Check{ID: "disk_encryption", Volumes: []string{"D:"}}, "one by name", nil, posture.Fail, "asks that D: is encrypted"},
		{Check{ID: "disk_encryption", Volumes: []string{"C:", "D:"}}, "two by name, unmarked", volumes(vol("C:", false, yes), vol("D:", false, no)), posture.Fail, "not encrypted: D:"},
		{Check{ID: "disk_encryption", Volumes: []string{"system", "D:"}}, "the system and one by name, unmarked", volumes(vol("C:", false, yes), vol("D:", false, no)),
			posture.Unknown, "which volume holds the system"},
		{check, "many volumes", volumes(vol("h", true, no), vol("b", true, no), vol("e", true, no), vol("a", true, no), vol("d", true, no), vol("c", true, no)),
			posture.Fail, "not encrypted: a, b, c, d, e and 1 more"},
		{check, "tablet of unknown type", func(r *posture.Report) { r.DeviceType, r.OS.Family = "", posture.IOS }, posture.Unknown, "storage of the device"},
	}
}

func unwantedCases() []checkCase {
	var cases []checkCase
	for _, u := range unwanted {
		check := Check{ID: unwantedID(u.category), Allowed: []string{"Wanted Tool"}}
		install := func(names ...string) func(*posture.Report) {
			return func(r *posture.Report) {
				for _, n := range names {
					r.Applications = append(r.Applications, posture.Application{Name: n, Category: u.category})
				}
			}
		}
		cases = append(cases,
			checkCase{check, "looked, none", func(r *posture.Report) { r.Collected = []posture.Category{u.category} }, posture.Pass, ""},
			checkCase{check, "one", install("Zed"), posture.Fail, "Installed: Zed;"},
			checkCase{check, "several", install("Zed", "Abc", "Zed"), posture.Fail, "Installed: Abc and Zed;"},
			checkCase{check, "allowed", install("wanted tool "), posture.Pass, ""},
			checkCase{check, "allowed and another", install("Wanted Tool", "Zed"), posture.Fail, "Installed: Zed;"},
			checkCase{check, "silence", func(r *posture.Report) { r.Collected = nil }, posture.Unknown, "did not look"})
	}
	return cases
}

func TestEveryCheckAndOutcome(t *testing.T) {
	for _, tc := range checkCases() {
		t.Run(tc.check.ID+"/"+tc.name, func(t *testing.T) {
			r := windowsLaptop()
			if tc.change != nil {
				tc.change(r)
			}
			verifyCheck(t, tc, Evaluate(only(tc.check), r, now))
		})
	}
}

func verifyCheck(t *testing.T, tc checkCase, v posture.Verdict) {
	t.Helper()
	if tc.outcome == posture.Pass {
		if len(v.Issues) != 0 {
			t.Fatalf("got %+v, want no issue", v.Issues)
		}
		return
	}
	if len(v.Issues) != 1 {
		t.Fatalf("got %d issues, want one: %+v", len(v.Issues), v.Issues)
	}
	i := v.Issues[0]
	if i.Check != tc.check.ID || i.Outcome != tc.outcome || i.Severity != posture.Critical {
		t.Errorf("got %s %s %s, want %s %s critical", i.Check, i.Outcome, i.Severity, tc.check.ID, tc.outcome)
	}
	if i.Category != define(tc.check.ID).category {
		t.Errorf("category %q", i.Category)
	}
	if !strings.Contains(i.Evidence, tc.says) || !strings.HasSuffix(i.Evidence, ".") || !strings.Contains(i.Evidence, "the policy asks") {
		t.Errorf("evidence %q, want a sentence with %q", i.Evidence, tc.says)
	}
	if len(i.Remediation) < 15 || !strings.HasSuffix(i.Remediation, ".") {
		t.Errorf("remediation %q", i.Remediation)
	}
}

// Not knowing makes an issue unless the policy says otherwise; a failure always does.
func TestOnUnknown(t *testing.T) {
	for _, tc := range checkCases() {
		r := windowsLaptop()
		if tc.change != nil {
			tc.change(r)
		}
		c := tc.check
		c.OnUnknown = LetPass
		if got, want := len(Evaluate(only(c), r, now).Issues) > 0, tc.outcome == posture.Fail; got != want {
			t.Errorf("%s/%s (%s) with on_unknown pass: issue %v, want %v", c.ID, tc.name, tc.outcome, got, want)
		}
		c.OnUnknown, c.Severity = Raise, Warning
		v := Evaluate(only(c), r, now)
		if got, want := len(v.Issues) > 0, tc.outcome != posture.Pass; got != want || got && v.Issues[0].Severity != posture.Warning {
			t.Errorf("%s/%s (%s) with on_unknown issue: %+v", c.ID, tc.name, tc.outcome, v.Issues)
		}
		c.Severity = Off
		if v := Evaluate(only(c), r, now); len(v.Issues) > 0 {
			t.Errorf("%s/%s is off and raised %+v", c.ID, tc.name, v.Issues)
		}
	}
}

func TestRemediationFitsTheSystem(t *testing.T) {
	for family, want := range map[posture.OSFamily]string{
		posture.Windows: "BitLocker", posture.MacOS: "FileVault", posture.Linux: "LUKS", "": "ask your administrator",
	} {
		r := windowsLaptop()
		r.OS.Family = family
		volumes(posture.Volume{Name: "C:", System: true, Encrypted: posture.No})(r)
		v := Evaluate(only(Check{ID: "disk_encryption"}), r, now)
		if len(v.Issues) != 1 || !strings.Contains(v.Issues[0].Remediation, want) {
			t.Errorf("%q: %+v, want advice with %q", family, v.Issues, want)
		}
	}
}

func TestSeveralProductsOneIsEnough(t *testing.T) {
	other := posture.Application{Name: "Other AV", Category: posture.Antimalware, Running: posture.Yes, Enabled: posture.Yes,
		Definitions: now.Add(-time.Hour)}
	r := windowsLaptop()
	*app(r, posture.Antimalware) = posture.Application{Name: "Microsoft Defender", Category: posture.Antimalware, Running: posture.No, Enabled: posture.No}
	r.Applications = append(r.Applications, other)
	if v := Evaluate(Default(), r, now); len(v.Issues) != 0 {
		t.Errorf("one good product of two: %s", checksOf(v.Issues))
	}
	// Each satisfies what the other does not: no single product protects the machine.
	app(r, posture.Antimalware).Running = posture.Yes
	r.Applications[len(r.Applications)-1].Enabled = posture.No
	v := Evaluate(Default(), r, now)
	if got := checksOf(v.Issues); got != "antimalware_real_time:fail:critical" || v.Issues[0].Product != "Other AV" {
		t.Errorf("got %s, want the one issue of the better product", got)
	}
}

// Of two products that are equally near, the one counts that lacks what is asked first.
func TestOneOfTwoEquallyNearProducts(t *testing.T) {
	a := posture.Application{Name: "Z", Category: posture.Antimalware, Running: posture.Yes, Enabled: posture.No, Definitions: now}
	b := posture.Application{Name: "A", Category: posture.Antimalware, Running: posture.Yes, Enabled: posture.Yes, Definitions: now.AddDate(0, -1, 0)}
	for _, both := range [][]posture.Application{{a, b}, {b, a}} {
		r := windowsLaptop()
		without(r, posture.Antimalware)
		r.Applications = append(r.Applications, both...)
		if v := Evaluate(Default(), r, now); len(v.Issues) != 1 || v.Issues[0].Product != "Z" {
			t.Errorf("got %+v", v.Issues)
		}
	}
}

func TestOrderOfProductsDoesNotMatter(t *testing.T) {
	a := posture.Application{Name: "AV", Category: posture.Antimalware, Running: posture.Yes, Enabled: posture.Yes, Definitions: now.AddDate(0, -1, 0)}
	b := a
	b.Definitions = now.AddDate(0, -2, 0)
	for _, both := range [][]posture.Application{{a, b}, {b, a}} {
		r := windowsLaptop()
		without(r, posture.Antimalware)
		r.Applications = append(r.Applications, both...)
		v := Evaluate(Default(), r, now)
		if len(v.Issues) != 1 || !strings.Contains(v.Issues[0].Evidence, "10 February 2026") {
			t.Errorf("got %+v", v.Issues)
		}
	}
}

// A product that is not running explains the rest; one whose state is not known explains nothing.
func TestNotRunningExplainsTheRest(t *testing.T) {
	r := windowsLaptop()
	*app(r, posture.Antimalware) = posture.Application{Name: "AV", Category: posture.Antimalware, Running: posture.No, Enabled: posture.No}
	if got := checksOf(Evaluate(Default(), r, now).Issues); got != "antimalware_running:fail:critical" {
		t.Errorf("not running: %s", got)
	}
	app(r, posture.Antimalware).Running = posture.NotReported
	want := "antimalware_running:unknown:critical antimalware_real_time:fail:critical antimalware_definitions:unknown:critical"
	if got := checksOf(Evaluate(Default(), r, now).Issues); got != want {
		t.Errorf("not known: %s", got)
	}
	// A warning does not hide a critical issue.
	p := Default()
	p.Checks[1].Severity = Warning
	app(r, posture.Antimalware).Running = posture.No
	want = "antimalware_running:fail:warning antimalware_real_time:fail:critical antimalware_definitions:unknown:critical"
	if got := checksOf(Evaluate(p, r, now).Issues); got != want {
		t.Errorf("warning before critical: %s", got)
	}
}

// Without a product the one issue is as severe as the severest check, whichever checks are on.
func TestNoProductIsAsBadAsTheWorstCheck(t *testing.T) {
	r := windowsLaptop()
	without(r, posture.Antimalware)
	p := Default()
	p.Checks[0].Severity, p.Checks[1].Severity, p.Checks[2].Severity = Warning, Warning, Off
	if got := checksOf(Evaluate(p, r, now).Issues); got != "antimalware_installed:unknown:critical" {
		t.Errorf("definitions critical: %s", got)
	}
	p.Checks[0].Severity = Off
	p.Checks[1].OnUnknown = LetPass
	if got := checksOf(Evaluate(p, r, now).Issues); got != "antimalware_definitions:unknown:critical" {
		t.Errorf("installed off, running lets the unknown pass: %s", got)
	}
}

func TestLongAndHostileNamesAreTamed(t *testing.T) {
	r := windowsLaptop()
	a := app(r, posture.Antimalware)
	a.Name, a.Enabled = "Evil\x00\n"+strings.Repeat("é", 300), posture.No
	v := Evaluate(only(Check{ID: "antimalware_real_time"}), r, now)
	if len(v.Issues) != 1 {
		t.Fatalf("got %+v", v.Issues)
	}
	p := v.Issues[0].Product
	if n := len([]rune(p)); n != maxName || !strings.HasPrefix(p, "Evilé") || !strings.HasSuffix(p, "…") {
		t.Errorf("product %q of %d characters", p, n)
	}
	a.Name = " \t"
	if v := Evaluate(only(Check{ID: "antimalware_real_time"}), r, now); v.Issues[0].Product != "(no name)" {
		t.Errorf("blank name: %q", v.Issues[0].Product)
	}
	var many []string
	for range 9 {
		many = append(many, "x")
	}
	if got := list(many); got != "x, x, x, x, x and 4 more" {
		t.Errorf("long list: %q", got)
	}
}
