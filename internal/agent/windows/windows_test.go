package windows

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"muster/internal/agent/collect"
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

func known[T any](v T) collect.Fact[T] { return collect.Known(v) }

func none[T any](why string) collect.Fact[T] { return collect.DoesNotApply[T](why) }

func unread[T any](why string) collect.Fact[T] { return collect.CouldNotReadf[T]("%s", why) }

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func mac(text string) posture.MAC {
	m, ok := posture.ParseMAC(text)
	if !ok {
		panic(text)
	}
	return m
}

func TestLaptopItself(t *testing.T) {
	t.Parallel()
	s := collected(t, load(t, "laptop"), nil)
	same(t, "failures", s.Failed, map[string]string{})
	same(t, "system", s.OS, collect.OS{
		Family: posture.Windows, Vendor: known("Microsoft Corporation"), Name: known("Windows 11 Pro"),
		Version: known("10.0.26100.2314"), Build: known("26100.2314"), Architecture: known("amd64"), Language: known("en-GB"),
		Distribution: none[string]("Windows is no distribution of packages"),
	})
	same(t, "hardware", s.Hardware, collect.Hardware{
		Type: known(posture.Laptop), Virtual: known(""), Vendor: known("LENOVO"), Model: known("21HM0048GE"),
		Battery: known(collect.Battery{Percent: 81, Charging: true}),
	})
	same(t, "identity", s.Identity, collect.Identity{
		HostName: known("LAB-PC-07"), Domain: known("lab.example.net"), Serial: known("PF4ABC12"),
		// openssl dgst -sha256 -hmac 'muster hardware id' of 123456789abc4def8123456789abcdef, and alike: the first 32 digits.
		HardwareID: known("dea93c326a2d619f3c5b4b2246382cc3"), MachineID: known("d336d58d4c95aa01b937de900d3a56e4"),
	})
	same(t, "adapters", s.Adapters, known([]collect.Adapter{
		{
			Name: "Ethernet", MAC: mac("8c:16:45:00:00:02"), HasMAC: true, PermanentMAC: known(mac("8c:16:45:00:00:02")), Enabled: true,
			Gateway: none[netip.Addr]("the adapter has no gateway"), DNS: known([]netip.Addr(nil)), DHCP: known(collect.DHCP{}),
		},
		{
			Name: "Wi-Fi", MAC: mac("5a:2d:11:00:00:01"), HasMAC: true, PermanentMAC: known(mac("8c:16:45:00:00:01")), Enabled: true, Connected: true,
			Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.17/24"), netip.MustParsePrefix("2001:db8::17/64"), netip.MustParsePrefix("fe80::1c2d:3e4f:5a6b:7c8d/64")},
			Gateway:   known(netip.MustParseAddr("192.0.2.1")), DNS: known([]netip.Addr{netip.MustParseAddr("192.0.2.53")}),
			DHCP: known(collect.DHCP{
				Enabled: true, Server: netip.MustParseAddr("192.0.2.1"),
				Obtained: at("2026-11-29T06:00:00Z"), Expires: at("2026-11-30T06:00:00Z"),
			}),
		},
	}))
	same(t, "neighbours", s.Neighbours, known([]collect.Neighbour{
		{MAC: mac("02:00:5e:10:00:01"), Address: netip.MustParseAddr("192.0.2.1"), Adapter: "Wi-Fi"},
		{MAC: mac("02:00:5e:10:00:01"), Address: netip.MustParseAddr("fe80::1"), Adapter: "Wi-Fi"},
	}))
	cpu, err := load(t, "laptop").cpu(t.Context())
	same(t, "processor", collect.Of(cpu, err), known(collect.CPU{Model: "13th Gen Intel(R) Core(TM) i5-1335U", Cores: 2, MaxMHz: 2500}))
	who, err := load(t, "laptop").users(t.Context())
	same(t, "users", collect.Of(who, err), known([]collect.User{{Name: "kari", Domain: "LAB"}}))
}

func TestLaptopSoftware(t *testing.T) {
	t.Parallel()
	s := collected(t, load(t, "laptop"), nil)
	same(t, "software", s.Software, map[string]collect.Fact[[]collect.Application]{
		"registry": known([]collect.Application{
			{Name: "Git", Version: "2.47.0.2", Vendor: "The Git Development Community", Category: posture.DeveloperTool},
			{Name: "Microsoft OneDrive", Version: "24.216.1027.0003", Vendor: "Microsoft Corporation", Category: posture.CloudStorage},
			{Name: "TeamViewer", Version: "15.59.5", Vendor: "TeamViewer", Category: posture.RemoteControl},
		}),
		"store": known([]collect.Application{{Name: "Microsoft.WindowsNotepad", Version: "11.2410.2.0"}}),
	})
}

func TestLaptopProtection(t *testing.T) {
	t.Parallel()
	s := collected(t, load(t, "laptop"), nil)
	same(t, "encryption", s.Encryption, known([]collect.Product{{
		Name: "BitLocker Drive Encryption", Vendor: "Microsoft Corporation", Running: known(true), Enabled: known(true),
		Definitions: noDefinitions, LastScan: noScans,
		Volumes: []collect.Volume{{Name: "C:", Encrypted: known(true), System: true}, {Name: "D:", Encrypted: known(false)}},
	}}))
	same(t, "firewalls", s.Firewalls, known([]collect.Product{{
		Name: "Windows Defender Firewall", Vendor: "Microsoft Corporation", Running: known(true), Enabled: known(true), // by policy
		Definitions: noDefinitions, LastScan: noScans,
	}}))
	same(t, "antimalware", s.Antimalware, known([]collect.Product{{
		Name: "Microsoft Defender Antivirus", Vendor: "Microsoft Corporation", Version: "4.18.24090.11", Running: known(true), Enabled: known(true),
		Definitions: known(at("2026-11-30T06:12:44Z")), LastScan: known(at("2026-11-29T11:20:31Z")),
	}}))
	same(t, "threats", s.Threats, known(collect.Threats{Scanned: at("2026-11-29T11:20:31Z"), Found: []collect.Threat{{
		Name: "Virus:DOS/EICAR_Test_File", File: `C:\Users\kari\Downloads\eicar.com`, Severity: "severe", Action: "quarantined",
		Product: "Microsoft Defender Antivirus", Found: at("2026-11-22T10:01:30Z"), Existing: posture.No,
	}}}))
	same(t, "updates", s.Updates, known(collect.Updates{Pending: 3, Security: 1, Checked: known(at("2026-11-30T03:00:12Z"))}))
	same(t, "patches", s.Patches, known([]collect.Patch{
		{KB: "KB5088888", Title: "2026-11 .NET Framework Update (KB5088888)", Vendor: "Microsoft Corporation", Category: "update", Released: at("2026-11-12T00:00:00Z")},
		{
			KB: "KB5099999", Title: "2026-11 Cumulative Update for Windows 11 Version 24H2 for x64-based Systems (KB5099999)", Product: "Windows 11",
			Vendor: "Microsoft Corporation", Severity: "critical", Category: "security", Released: at("2026-11-10T00:00:00Z"),
		},
	}))
	same(t, "password", s.PasswordSet, known(true))
	same(t, "screen lock", s.ScreenLock, known(collect.ScreenLock{Enabled: true, After: 10 * time.Minute}))
}

func TestServer(t *testing.T) {
	t.Parallel()
	s := collected(t, load(t, "server"), nil)
	same(t, "name", s.OS.Name, known("Windows Server 2022 Standard"))
	same(t, "language", s.OS.Language, known("de-DE"))
	same(t, "type", s.Hardware.Type, known(posture.VM))
	same(t, "virtual", s.Hardware.Virtual, known("microsoft"))
	same(t, "battery", s.Hardware.Battery, none[collect.Battery]("there is no battery"))
	same(t, "domain", s.Identity.Domain, none[string]("the machine is a member of no directory domain"))
	same(t, "permanent MAC", s.Adapters.Value[0].PermanentMAC, none[posture.MAC]("no address is burnt into the adapter"))
	same(t, "store", s.Software["store"], none[[]collect.Application]("this Windows has no Store"))
	same(t, "encryption", s.Encryption, known([]collect.Product(nil)))
	same(t, "firewall", s.Firewalls.Value[0].Enabled, known(false)) // off for public networks
	const stopped = "The service cannot be started, either because it is disabled or because it has no enabled devices associated with it. HRESULT 0x800106ba,Get-MpComputerStatus"
	same(t, "antimalware", s.Antimalware, known([]collect.Product{
		{
			Name: "CrowdStrike Falcon", Vendor: "CrowdStrike", Running: known(true),
			Enabled:     unread[bool]("its service does not tell what it guards"),
			Definitions: unread[time.Time]("its service does not tell the date of its definitions"),
			LastScan:    unread[time.Time]("its service does not tell when it scanned"),
		},
		{
			Name: "Microsoft Defender Antivirus", Vendor: "Microsoft Corporation", Running: known(false), Enabled: known(false),
			Definitions: unread[time.Time](stopped), LastScan: unread[time.Time](stopped),
		},
	}))
	same(t, "threats", s.Threats, unread[collect.Threats](stopped))
	same(t, "updates", s.Updates, unread[collect.Updates]("it is not told when Windows Update searched for updates, if it ever did"))
	same(t, "password", s.PasswordSet, unread[bool]("1 accounts need no password, and it is not told whether they have one"))
	same(t, "screen lock", s.ScreenLock, known(collect.ScreenLock{Enabled: true, After: 5 * time.Minute}))
}

func TestDesktopWithoutRights(t *testing.T) {
	t.Parallel()
	m := load(t, "desktop")
	m.h.Privileged = false
	s := collected(t, m, nil)
	same(t, "name", s.OS.Name, known("Windows 10 Home"))
	same(t, "type", s.Hardware.Type, known(posture.Desktop))
	same(t, "maker", s.Hardware.Vendor, none[string]("the firmware tells no maker"))
	same(t, "serial", s.Identity.Serial, none[string]("the firmware tells no serial number"))
	if why := s.Identity.HardwareID.Why; s.Identity.HardwareID.State != collect.Unreadable || !strings.Contains(why, "no id of its own") {
		t.Errorf("hardware id: %+v", s.Identity.HardwareID)
	}
	if why := s.Encryption.Why; s.Encryption.State != collect.Unreadable || !strings.HasPrefix(why, "needs administrator rights") {
		t.Errorf("encryption: %+v", s.Encryption)
	}
	const noDate = "Security Center does not tell the date of its definitions, but that they are out of date"
	same(t, "antimalware", s.Antimalware, known([]collect.Product{
		{
			Name: "Microsoft Defender Antivirus", Vendor: "Microsoft Corporation", Version: "4.18.24090.11", Running: known(true), Enabled: known(false),
			Definitions: known(at("2026-11-01T00:00:00Z")), LastScan: known(time.Time{}),
		},
		{
			Name: "Some Antivirus", Running: known(true), Enabled: known(true),
			Definitions: unread[time.Time](noDate), LastScan: unread[time.Time]("Security Center does not tell when it scanned"),
		},
	}))
	same(t, "firewalls", len(s.Firewalls.Value), 2)
	same(t, "other firewall", s.Firewalls.Value[0].Enabled, known(true))
	same(t, "own firewall", s.Firewalls.Value[1].Enabled, unread[bool]("the registry does not say whether the firewall's domainprofile is on"))
	same(t, "password", s.PasswordSet, known(false))
	same(t, "screen lock", s.ScreenLock, known(collect.ScreenLock{}))
	same(t, "updates", s.Updates.State, collect.Unreadable) // no answer of the script is recorded
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
	same(t, "second look", second, first)

	now := m.h.Now()
	m.h.Now = func() time.Time { return now.Add(updatesAge) }
	if s := collected(t, m, second); s.Updates.State != collect.Unreadable {
		t.Errorf("after %v: %+v", updatesAge, s.Updates)
	}
	m.h.Now = func() time.Time { return now }
	second.OS.Version = known("10.0.26100.2000")
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
	same(t, "firewall", s.Firewalls.Value[0].Running, known(false))

	other := hosttest.Of(t, "-- registry "+localMachine+uninstall+"\\New --\nDisplayName=New\n")
	m.h.Registry = other.Registry
	light()
	same(t, "programs", s.Software["registry"], known([]collect.Application{{Name: "New"}}))
	same(t, "firewall", s.Firewalls.Value[0].Enabled.State, collect.Unreadable) // its keys are gone
}

func TestListsThatAreTooLong(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range maxPrograms + 1 {
		fmt.Fprintf(&b, "-- registry HKEY_USERS\\S-1-5-21-1-2-3-1001\\%s\\%d --\nDisplayName=P\n", uninstall, i)
	}
	m := &machine{h: hosttest.Of(t, b.String())}
	same(t, "programs", collect.Of(m.programs()), unread[[]collect.Application](errTooMany.Error()))
}

// Whose settings are not there any more are remembered, and of a stranger nothing is guessed.
func TestScreenLockWithNobodyThere(t *testing.T) {
	t.Parallel()
	m := &machine{h: hosttest.Of(t, "-- registry HKEY_USERS\\S-1-5-18 --\n")}
	s := &collect.Snapshot{}
	if err := m.screenLock(t.Context(), s); err != nil || s.ScreenLock.State != collect.Unreadable {
		t.Errorf("%+v, %v", s.ScreenLock, err)
	}
	s.ScreenLock = known(collect.ScreenLock{Enabled: true})
	if err := m.screenLock(t.Context(), s); err != nil {
		t.Error(err)
	}
	same(t, "screen lock", s.ScreenLock, known(collect.ScreenLock{Enabled: true}))
}

func TestScriptsCanBeHandedOver(t *testing.T) {
	t.Parallel()
	for _, script := range []string{protectionScript, updatesScript, neighboursScript} {
		if strings.Contains(script, `"`) || len(script) > 8000 || strings.Contains(script, "#") || !strings.Contains(script, "ConvertTo-Json") {
			t.Errorf("%d characters, or with what does not go into one argument:\n%s", len(script), script)
		}
	}
}

// TestEmptyPasswords: an account that needs a password may have an empty one where none has to be longer.
func TestEmptyPasswords(t *testing.T) {
	t.Parallel()
	m := load(t, "laptop")
	for passwords, want := range map[string]collect.Fact[bool]{
		`[{"minimum": 8}]`: known(true),
		`[{"minimum": 0}]`: unread[bool]("the machine takes empty passwords, and it is not told whether there are any"),
		`[]`:               unread[bool]("the machine takes empty passwords, and it is not told whether there are any"),
	} {
		found, err := parseAnswers([]byte(`{"accounts": {"value": [{"required": true}]}, "passwords": {"value": ` + passwords + `}}`))
		same(t, passwords, collect.Of(m.passwordSet(found, err)), want)
	}
}
