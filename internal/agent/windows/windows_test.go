package windows

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/collect/collecttest"
	"muster/internal/agent/host"
	"muster/internal/agent/host/hosttest"
	"muster/internal/posture"
)

// scripts hands a script to a recording under its name: `run powershell protection`.
type scripts struct{ host.Programs }

func (s scripts) Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	if name == "powershell" {
		short := map[string]string{protectionScript: "protection", updatesScript: "updates", neighboursScript: "neighbours"}
		args = []string{short[args[len(args)-1]]}
	}
	return s.Programs.Run(ctx, name, args...)
}

func load(t testing.TB, name string) *machine {
	t.Helper()
	h := hosttest.Load(t, "testdata/"+name+".txtar")
	h.Programs = scripts{h.Programs}
	return &machine{h: h}
}

// collected runs all that is Windows' own.
func collected(t testing.TB, m *machine, before *collect.Snapshot) *collect.Snapshot {
	t.Helper()
	return collect.Gather(t.Context(), m.own(), before, m.h.Now(), slog.New(slog.DiscardHandler))
}

func TestLaptopItself(t *testing.T) {
	t.Parallel()
	s := collected(t, load(t, "laptop"), nil)
	collecttest.Same(t, "failures", s.Failed, map[string]string{})
	collecttest.Same(t, "system", s.OS, collect.OS{
		Family: posture.Windows, Vendor: collect.Known("Microsoft Corporation"), Name: collect.Known("Windows 11 Pro"),
		Version: collect.Known("10.0.26100.2314"), Build: collect.Known("26100.2314"), Architecture: collect.Known("amd64"), Language: collect.Known("en-GB"),
		Distribution: collecttest.None[string]("Windows is no distribution of packages"),
	})
	collecttest.Same(t, "hardware", s.Hardware, collect.Hardware{
		Type: collect.Known(posture.Laptop), Virtual: collect.Known(""), Vendor: collect.Known("LENOVO"), Model: collect.Known("21HM0048GE"),
		Battery: collect.Known(collect.Battery{Percent: 81, Charging: true}),
	})
	collecttest.Same(t, "identity", s.Identity, collect.Identity{
		HostName: collect.Known("LAB-PC-07"), Domain: collect.Known("lab.example.net"), Serial: collect.Known("PF4ABC12"),
		// openssl dgst -sha256 -hmac 'muster hardware id' of 123456789abc4def8123456789abcdef, and alike: the first 32 digits.
		HardwareID: collect.Known("dea93c326a2d619f3c5b4b2246382cc3"), MachineID: collect.Known("d336d58d4c95aa01b937de900d3a56e4"),
	})
	collecttest.Same(t, "adapters", s.Adapters, collect.Known([]collect.Adapter{
		{
			Name: "Ethernet", MAC: collecttest.MAC("8c:16:45:00:00:02"), HasMAC: true, PermanentMAC: collect.Known(collecttest.MAC("8c:16:45:00:00:02")), Enabled: true,
			Gateway: collecttest.None[netip.Addr]("the adapter has no gateway"), DNS: collect.Known([]netip.Addr(nil)), DHCP: collect.Known(collect.DHCP{}),
		},
		{
			Name: "Wi-Fi", MAC: collecttest.MAC("5a:2d:11:00:00:01"), HasMAC: true, PermanentMAC: collect.Known(collecttest.MAC("8c:16:45:00:00:01")), Enabled: true, Connected: true,
			Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.17/24"), netip.MustParsePrefix("2001:db8::17/64"), netip.MustParsePrefix("fe80::1c2d:3e4f:5a6b:7c8d/64")},
			Gateway:   collect.Known(netip.MustParseAddr("192.0.2.1")), DNS: collect.Known([]netip.Addr{netip.MustParseAddr("192.0.2.53")}),
			DHCP: collect.Known(collect.DHCP{
				Enabled: true, Server: netip.MustParseAddr("192.0.2.1"),
				Obtained: collecttest.At("2026-11-29T06:00:00Z"), Expires: collecttest.At("2026-11-30T06:00:00Z"),
			}),
		},
	}))
	collecttest.Same(t, "neighbours", s.Neighbours, collect.Known([]collect.Neighbour{
		{MAC: collecttest.MAC("02:00:5e:10:00:01"), Address: netip.MustParseAddr("192.0.2.1"), Adapter: "Wi-Fi"},
		{MAC: collecttest.MAC("02:00:5e:10:00:01"), Address: netip.MustParseAddr("fe80::1"), Adapter: "Wi-Fi"},
	}))
	cpu, err := load(t, "laptop").cpu(t.Context())
	collecttest.Same(t, "processor", collect.Of(cpu, err), collect.Known(collect.CPU{Model: "13th Gen Intel(R) Core(TM) i5-1335U", Cores: 2, MaxMHz: 2500}))
	who, err := load(t, "laptop").users(t.Context())
	collecttest.Same(t, "users", collect.Of(who, err), collect.Known([]collect.User{{Name: "kari", Domain: "LAB"}}))
}

func TestLaptopSoftware(t *testing.T) {
	t.Parallel()
	s := collected(t, load(t, "laptop"), nil)
	collecttest.Same(t, "software", s.Software, map[string]collect.Fact[[]collect.Application]{
		"registry": collect.Known([]collect.Application{
			{Name: "Git", Version: "2.47.0.2", Vendor: "The Git Development Community", Category: posture.DeveloperTool},
			{Name: "Microsoft OneDrive", Version: "24.216.1027.0003", Vendor: "Microsoft Corporation", Category: posture.CloudStorage},
			{Name: "TeamViewer", Version: "15.59.5", Vendor: "TeamViewer", Category: posture.RemoteControl},
		}),
		"store": collect.Known([]collect.Application{{Name: "Microsoft.WindowsNotepad", Version: "11.2410.2.0"}}),
	})
}

func TestLaptopProtection(t *testing.T) {
	t.Parallel()
	s := collected(t, load(t, "laptop"), nil)
	collecttest.Same(t, "encryption", s.Encryption, collect.Known([]collect.Product{{
		Name: "BitLocker Drive Encryption", Vendor: "Microsoft Corporation", Running: collect.Known(true), Enabled: collect.Known(true),
		Definitions: noDefinitions, LastScan: noScans,
		Volumes: []collect.Volume{{Name: "C:", Encrypted: collect.Known(true), System: true}, {Name: "D:", Encrypted: collect.Known(false)}},
	}}))
	collecttest.Same(t, "firewalls", s.Firewalls, collect.Known([]collect.Product{{
		Name: "Windows Defender Firewall", Vendor: "Microsoft Corporation", Running: collect.Known(true), Enabled: collect.Known(true), // by policy
		Definitions: noDefinitions, LastScan: noScans,
	}}))
	collecttest.Same(t, "antimalware", s.Antimalware, collect.Known([]collect.Product{{
		Name: "Microsoft Defender Antivirus", Vendor: "Microsoft Corporation", Version: "4.18.24090.11", Running: collect.Known(true), Enabled: collect.Known(true),
		Definitions: collect.Known(collecttest.At("2026-11-30T06:12:44Z")), LastScan: collect.Known(collecttest.At("2026-11-29T11:20:31Z")),
	}}))
	collecttest.Same(t, "threats", s.Threats, collect.Known(collect.Threats{Scanned: collecttest.At("2026-11-29T11:20:31Z"), Found: []collect.Threat{{
		Name: "Virus:DOS/EICAR_Test_File", File: `C:\Users\kari\Downloads\eicar.com`, Severity: "severe", Action: "quarantined",
		Product: "Microsoft Defender Antivirus", Found: collecttest.At("2026-11-22T10:01:30Z"), Existing: posture.No,
	}}}))
	collecttest.Same(t, "updates", s.Updates, collect.Known(collect.Updates{Pending: 3, Security: 1, Checked: collect.Known(collecttest.At("2026-11-30T03:00:12Z"))}))
	collecttest.Same(t, "patches", s.Patches, collect.Known([]collect.Patch{
		{KB: "KB5088888", Title: "2026-11 .NET Framework Update (KB5088888)", Vendor: "Microsoft Corporation", Category: "update", Released: collecttest.At("2026-11-12T00:00:00Z")},
		{
			KB: "KB5099999", Title: "2026-11 Cumulative Update for Windows 11 Version 24H2 for x64-based Systems (KB5099999)", Product: "Windows 11",
			Vendor: "Microsoft Corporation", Severity: "critical", Category: "security", Released: collecttest.At("2026-11-10T00:00:00Z"),
		},
	}))
	collecttest.Same(t, "password", s.PasswordSet, collect.Known(true))
	collecttest.Same(t, "screen lock", s.ScreenLock, collect.Known(collect.ScreenLock{Enabled: true, After: 10 * time.Minute}))
}

func TestServer(t *testing.T) {
	t.Parallel()
	s := collected(t, load(t, "server"), nil)
	collecttest.Same(t, "name", s.OS.Name, collect.Known("Windows Server 2022 Standard"))
	collecttest.Same(t, "language", s.OS.Language, collect.Known("de-DE"))
	collecttest.Same(t, "type", s.Hardware.Type, collect.Known(posture.VM))
	collecttest.Same(t, "virtual", s.Hardware.Virtual, collect.Known("microsoft"))
	collecttest.Same(t, "battery", s.Hardware.Battery, collecttest.None[collect.Battery]("there is no battery"))
	collecttest.Same(t, "domain", s.Identity.Domain, collecttest.None[string]("the machine is a member of no directory domain"))
	collecttest.Same(t, "permanent MAC", s.Adapters.Value[0].PermanentMAC, collecttest.None[posture.MAC]("no address is burnt into the adapter"))
	collecttest.Same(t, "store", s.Software["store"], collecttest.None[[]collect.Application]("this Windows has no Store"))
	collecttest.Same(t, "encryption", s.Encryption, collect.Known([]collect.Product(nil)))
	collecttest.Same(t, "firewall", s.Firewalls.Value[0].Enabled, collect.Known(false)) // off for public networks
	const stopped = "The service cannot be started, either because it is disabled or because it has no enabled devices associated with it. HRESULT 0x800106ba,Get-MpComputerStatus"
	collecttest.Same(t, "antimalware", s.Antimalware, collect.Known([]collect.Product{
		{
			Name: "CrowdStrike Falcon", Vendor: "CrowdStrike", Running: collect.Known(true),
			Enabled:     collecttest.Unread[bool]("its service does not tell what it guards"),
			Definitions: collecttest.Unread[time.Time]("its service does not tell the date of its definitions"),
			LastScan:    collecttest.Unread[time.Time]("its service does not tell when it scanned"),
		},
		{
			Name: "Microsoft Defender Antivirus", Vendor: "Microsoft Corporation", Running: collect.Known(false), Enabled: collect.Known(false),
			Definitions: collecttest.Unread[time.Time](stopped), LastScan: collecttest.Unread[time.Time](stopped),
		},
	}))
	collecttest.Same(t, "threats", s.Threats, collecttest.Unread[collect.Threats](stopped))
	collecttest.Same(t, "updates", s.Updates, collecttest.Unread[collect.Updates]("it is not told when Windows Update searched for updates, if it ever did"))
	collecttest.Same(t, "password", s.PasswordSet, collecttest.Unread[bool]("1 accounts need no password, and it is not told whether they have one"))
	collecttest.Same(t, "screen lock", s.ScreenLock, collect.Known(collect.ScreenLock{Enabled: true, After: 5 * time.Minute}))
}

func TestDesktopWithoutRights(t *testing.T) {
	t.Parallel()
	m := load(t, "desktop")
	m.h.Privileged = false
	s := collected(t, m, nil)
	collecttest.Same(t, "name", s.OS.Name, collect.Known("Windows 10 Home"))
	collecttest.Same(t, "type", s.Hardware.Type, collect.Known(posture.Desktop))
	collecttest.Same(t, "maker", s.Hardware.Vendor, collecttest.None[string]("the firmware tells no maker"))
	collecttest.Same(t, "serial", s.Identity.Serial, collecttest.None[string]("the firmware tells no serial number"))
	if why := s.Identity.HardwareID.Why; s.Identity.HardwareID.State != collect.Unreadable || !strings.Contains(why, "no id of its own") {
		t.Errorf("hardware id: %+v", s.Identity.HardwareID)
	}
	if why := s.Encryption.Why; s.Encryption.State != collect.Unreadable || !strings.HasPrefix(why, "needs administrator rights") {
		t.Errorf("encryption: %+v", s.Encryption)
	}
	const noDate = "Security Center does not tell the date of its definitions, but that they are out of date"
	collecttest.Same(t, "antimalware", s.Antimalware, collect.Known([]collect.Product{
		{
			Name: "Microsoft Defender Antivirus", Vendor: "Microsoft Corporation", Version: "4.18.24090.11", Running: collect.Known(true), Enabled: collect.Known(false),
			Definitions: collect.Known(collecttest.At("2026-11-01T00:00:00Z")), LastScan: collect.Known(time.Time{}),
		},
		{
			Name: "Some Antivirus", Running: collect.Known(true), Enabled: collect.Known(true),
			Definitions: collecttest.Unread[time.Time](noDate), LastScan: collecttest.Unread[time.Time]("Security Center does not tell when it scanned"),
		},
	}))
	collecttest.Same(t, "firewalls", len(s.Firewalls.Value), 2)
	collecttest.Same(t, "other firewall", s.Firewalls.Value[0].Enabled, collect.Known(true))
	collecttest.Same(t, "own firewall", s.Firewalls.Value[1].Enabled, collecttest.Unread[bool]("the registry does not say whether the firewall's domainprofile is on"))
	collecttest.Same(t, "password", s.PasswordSet, collect.Known(false))
	collecttest.Same(t, "screen lock", s.ScreenLock, collect.Known(collect.ScreenLock{}))
	collecttest.Same(t, "updates", s.Updates.State, collect.Unreadable) // no answer of the script is recorded
}

// With nothing there, each fact says so and none is taken for an answer.
func TestNothingCanBeRead(t *testing.T) {
	t.Parallel()
	m := &machine{h: hosttest.Of(t, "")}
	s := collected(t, m, nil)
	for what, state := range map[string]collect.State{
		"name": s.OS.Name.State, "version": s.OS.Version.State, "architecture": s.OS.Architecture.State, "language": s.OS.Language.State,
		"host name": s.Identity.HostName.State, "domain": s.Identity.Domain.State, "hardware id": s.Identity.HardwareID.State,
		"machine id": s.Identity.MachineID.State, "serial": s.Identity.Serial.State, "type": s.Hardware.Type.State,
		"virtual": s.Hardware.Virtual.State, "battery": s.Hardware.Battery.State, "adapters": s.Adapters.State,
		"registry": s.Software["registry"].State, "store": s.Software["store"].State, "encryption": s.Encryption.State,
		"antimalware": s.Antimalware.State, "threats": s.Threats.State, "updates": s.Updates.State, "patches": s.Patches.State,
		"password": s.PasswordSet.State, "screen lock": s.ScreenLock.State, "neighbours": s.Neighbours.State,
	} {
		if state != collect.Unreadable {
			t.Errorf("%s has state %d", what, state)
		}
	}
	if p := s.Firewalls.Value; len(p) != 1 || p[0].Running.State != collect.Unreadable || p[0].Enabled.State != collect.Unreadable {
		t.Errorf("firewalls: %+v", s.Firewalls)
	}
}

// What did not change reads the same, and Windows Update is not asked anew for some hours unless Windows was updated.
func TestSecondLook(t *testing.T) {
	t.Parallel()
	m := load(t, "laptop")
	first := collected(t, m, nil)
	recorded := m.h.Programs
	m.h.Programs = failing{recorded}
	second := collected(t, m, first)
	collecttest.Same(t, "second look", second, first)

	now := m.h.Now()
	m.h.Now = func() time.Time { return now.Add(updatesAge) }
	if s := collected(t, m, second); s.Updates.State != collect.Unreadable {
		t.Errorf("after %v: %+v", updatesAge, s.Updates)
	}
	m.h.Now = func() time.Time { return now }
	second.OS.Version = collect.Known("10.0.26100.2000")
	m.searchedFor = "10.0.26100.2000"
	if s := collected(t, m, second); s.Updates.State != collect.Unreadable {
		t.Errorf("after an update: %+v", s.Updates)
	}
}

// failing has PowerShell know nothing of updates.
type failing struct{ host.Programs }

func (f failing) Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	if args[len(args)-1] == updatesScript {
		return nil, host.ErrTooSlow
	}
	return f.Programs.Run(ctx, name, args...)
}

// Light collectors start no program.
func TestLightOnesStartNothing(t *testing.T) {
	t.Parallel()
	m := load(t, "laptop")
	m.protectionMarks = m.marksOfProtection()
	m.h.Programs = forbidden{t}
	for _, c := range collect.LightOnes(m.own()) {
		if err := c.Collect(t.Context(), &collect.Snapshot{}); err != nil {
			t.Errorf("%s: %v", c.Subject, err)
		}
	}
}

type forbidden struct{ t *testing.T }

func (f forbidden) Run(_ context.Context, name string, _ ...string) ([]byte, error) {
	f.t.Errorf("%s is started", name)
	return nil, host.ErrNoProgram
}

// Between full looks a service that stops, a switch of the firewall and a new program are noticed all the same.
func TestWatches(t *testing.T) {
	t.Parallel()
	m := load(t, "laptop")
	s := collected(t, m, nil)
	light := func() {
		t.Helper()
		s = collect.Gather(t.Context(), collect.LightOnes(m.own()), s, m.h.Now(), slog.New(slog.DiscardHandler))
	}
	native, ok := m.h.Native.(*hosttest.Native)
	if !ok {
		t.Fatalf("%T", m.h.Native)
	}
	native.Services["MpsSvc"] = false
	light()
	collecttest.Same(t, "firewall", s.Firewalls.Value[0].Running, collect.Known(false))

	other := hosttest.Of(t, "-- registry "+localMachine+uninstall+"\\New --\nDisplayName=New\n")
	m.h.Registry = other.Registry
	light()
	collecttest.Same(t, "programs", s.Software["registry"], collect.Known([]collect.Application{{Name: "New"}}))
	collecttest.Same(t, "firewall", s.Firewalls.Value[0].Enabled.State, collect.Unreadable) // its keys are gone
}

func TestListsThatAreTooLong(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range maxPrograms + 1 {
		fmt.Fprintf(&b, "-- registry HKEY_USERS\\S-1-5-21-1-2-3-1001\\%s\\%d --\nDisplayName=P\n", uninstall, i)
	}
	m := &machine{h: hosttest.Of(t, b.String())}
	collecttest.Same(t, "programs", collect.Of(m.programs()), collecttest.Unread[[]collect.Application](errTooMany.Error()))
}

// Whose settings are not there any more are remembered, and of a stranger nothing is guessed.
func TestScreenLockWithNobodyThere(t *testing.T) {
	t.Parallel()
	m := &machine{h: hosttest.Of(t, "-- registry HKEY_USERS\\S-1-5-18 --\n")}
	s := &collect.Snapshot{}
	if err := m.screenLock(t.Context(), s); err != nil || s.ScreenLock.State != collect.Unreadable {
		t.Errorf("%+v, %v", s.ScreenLock, err)
	}
	s.ScreenLock = collect.Known(collect.ScreenLock{Enabled: true})
	if err := m.screenLock(t.Context(), s); err != nil {
		t.Error(err)
	}
	collecttest.Same(t, "screen lock", s.ScreenLock, collect.Known(collect.ScreenLock{Enabled: true}))
}

func TestScriptsCanBeHandedOver(t *testing.T) {
	t.Parallel()
	for _, script := range []string{protectionScript, updatesScript, neighboursScript} {
		if strings.Contains(script, `"`) || len(script) > 8000 || strings.Contains(script, "#") || !strings.Contains(script, "ConvertTo-Json") {
			t.Errorf("%d characters, or with what does not go into one argument:\n%s", len(script), script)
		}
	}
}

// TestScriptsReadNoEnvironment: programs are started with few variables (host.Programs), and one that is not there reads as
// nothing, without an error.
func TestScriptsReadNoEnvironment(t *testing.T) {
	t.Parallel()
	for _, script := range []string{protectionScript, updatesScript, neighboursScript} {
		for _, found := range regexp.MustCompile(`(?i)\$env:(\w+)(\s*=)?`).FindAllStringSubmatch(script, -1) {
			if found[2] == "" {
				t.Errorf("a script reads the variable %s, which it is not given", found[1])
			}
		}
	}
}

// TestEmptyPasswords: an account that needs a password may have an empty one where none has to be longer.
func TestEmptyPasswords(t *testing.T) {
	t.Parallel()
	m := load(t, "laptop")
	for passwords, want := range map[string]collect.Fact[bool]{
		`[{"minimum": 8}]`: collect.Known(true),
		`[{"minimum": 0}]`: collecttest.Unread[bool]("the machine takes empty passwords, and it is not told whether there are any"),
		`[]`:               collecttest.Unread[bool]("the machine takes empty passwords, and it is not told whether there are any"),
	} {
		found, err := parseAnswers([]byte(`{"accounts": {"value": [{"required": true}]}, "passwords": {"value": ` + passwords + `}}`))
		collecttest.Same(t, passwords, collect.Of(m.passwordSet(found, err)), want)
	}
}
