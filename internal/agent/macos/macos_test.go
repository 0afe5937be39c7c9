package macos

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/collect/collecttest"
	"muster/internal/agent/host"
	"muster/internal/agent/host/hosttest"
	"muster/internal/posture"
)

func load(t testing.TB, name string) *machine {
	t.Helper()
	m := &machine{h: hosttest.Load(t, "testdata/"+name+".txtar")}
	if name == "laptop" {
		m.h.Volumes = func() ([]host.Volume, error) {
			return []host.Volume{
				{Name: "/", Device: "/dev/disk3s1s1", System: true}, {Name: "/System/Volumes/Data", Device: "/dev/disk3s5"},
				{Name: "/Volumes/Backup", Device: "/dev/disk5s1"},
			}, nil
		}
	}
	return m
}

// collected runs all that is macOS' own.
func collected(t testing.TB, m *machine, before *collect.Snapshot) *collect.Snapshot {
	t.Helper()
	return collect.Gather(t.Context(), m.own(), before, m.h.Now(), slog.New(slog.DiscardHandler))
}

func TestLaptopItself(t *testing.T) {
	t.Parallel()
	s := collected(t, load(t, "laptop"), nil)
	collecttest.Same(t, "failures", s.Failed, map[string]string{})
	collecttest.Same(t, "system", s.OS, collect.OS{
		Family: posture.MacOS, Vendor: collect.Known("Apple Inc."), Name: collect.Known("macOS"), Version: collect.Known("15.1.1"), Build: collect.Known("24B91"),
		Architecture: collect.Known("arm64"), Language: collect.Known("en-GB"), Distribution: collecttest.None[string]("macOS is no distribution of packages"),
	})
	collecttest.Same(t, "hardware", s.Hardware, collect.Hardware{
		Type: collect.Known(posture.Laptop), Virtual: collect.Known(""), Vendor: collect.Known("Apple Inc."), Model: collect.Known("Mac14,2"),
		Battery: collect.Known(collect.Battery{Percent: 81, Charging: true}),
	})
	collecttest.Same(t, "identity", s.Identity, collect.Identity{
		HostName: collect.Known("Karis-MBP.local"), Domain: collect.Known("lab.example.net"), Serial: collect.Known("C02XK1ZHJG5M"),
		// The same as a laptop with Windows whose firmware and system have these ids.
		HardwareID: collect.Known("dea93c326a2d619f3c5b4b2246382cc3"), MachineID: collect.Known("d336d58d4c95aa01b937de900d3a56e4"),
	})
	collecttest.Same(t, "neighbours", s.Neighbours, collect.Known([]collect.Neighbour{
		{MAC: collecttest.MAC("02:00:5e:10:00:01"), Address: netip.MustParseAddr("192.0.2.1"), Adapter: "en0"},
		{MAC: collecttest.MAC("02:00:5e:10:00:01"), Address: netip.MustParseAddr("fe80::1"), Adapter: "en0"},
	}))
}

func TestLaptopNetwork(t *testing.T) {
	t.Parallel()
	s := collected(t, load(t, "laptop"), nil)
	collecttest.Same(t, "adapters", s.Adapters, collect.Known([]collect.Adapter{
		{
			Name: "en0", MAC: collecttest.MAC("5a:2d:11:00:00:01"), HasMAC: true, PermanentMAC: collect.Known(collecttest.MAC("8c:16:45:00:00:01")), Enabled: true, Connected: true,
			Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.33/24"), netip.MustParsePrefix("2001:db8::33/64"), netip.MustParsePrefix("fe80::1c2d:3e4f:5a6b:7c8d/64")},
			Gateway:   collect.Known(netip.MustParseAddr("192.0.2.1")), DNS: collect.Known([]netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("2001:db8::53")}),
			DHCP: collect.Known(collect.DHCP{
				Enabled: true, Server: netip.MustParseAddr("192.0.2.1"),
				Obtained: collecttest.At("2026-11-29T06:00:00Z"), Expires: collecttest.At("2026-11-30T06:00:00Z"),
			}),
		},
		{
			Name: "en1", MAC: collecttest.MAC("36:aa:00:00:00:40"), HasMAC: true, PermanentMAC: collect.Known(collecttest.MAC("36:aa:00:00:00:40")), Enabled: true,
			Gateway: collecttest.None[netip.Addr]("the adapter has no gateway"), DNS: collect.Known([]netip.Addr(nil)),
			DHCP: collecttest.None[collect.DHCP]("the adapter has no IPv4 address"),
		},
		{
			Name: "utun4", PermanentMAC: collecttest.None[posture.MAC]("no address is burnt into the adapter"), Enabled: true, Connected: true,
			Addresses: []netip.Prefix{netip.MustParsePrefix("10.8.0.2/32")}, Gateway: collecttest.None[netip.Addr]("the adapter has no gateway"),
			DNS: collect.Known([]netip.Addr(nil)), DHCP: collect.Known(collect.DHCP{}),
		},
	}))
}

func TestLaptopSoftware(t *testing.T) {
	t.Parallel()
	s := collected(t, load(t, "laptop"), nil)
	collecttest.Same(t, "software", s.Software, map[string]collect.Fact[[]collect.Application]{
		"applications": collect.Known([]collect.Application{
			{Name: "Editor", Version: "7"}, {Name: "Own", Version: "0.1"},
			{Name: "TeamViewer", Version: "15.59.5", Category: posture.RemoteControl},
			{Name: "Terminal", Version: "2.14", Vendor: "Apple Inc."},
		}),
		"receipts": collect.Known([]collect.Application{{Name: "org.example.tool", Version: "1.23"}}),
		"homebrew": collect.Known([]collect.Application{
			{Name: "jq", Version: "1.7.1", PURL: "pkg:brew/jq@1.7.1"}, {Name: "openssl@3", Version: "3.4.0", PURL: "pkg:brew/openssl%403@3.4.0"},
		}),
	})
}

func TestLaptopProtection(t *testing.T) {
	t.Parallel()
	s := collected(t, load(t, "laptop"), nil)
	collecttest.Same(t, "encryption", s.Encryption, collect.Known([]collect.Product{{
		Name: "FileVault", Vendor: "Apple Inc.", Running: collect.Known(true), Enabled: collect.Known(true), Definitions: noDefinitions, LastScan: noScans,
		Volumes: []collect.Volume{
			{Name: "/", Encrypted: collect.Known(true), System: true}, {Name: "/System/Volumes/Data", Encrypted: collect.Known(true)},
			{Name: "/Volumes/Backup", Encrypted: collect.Known(false)},
		},
	}}))
	collecttest.Same(t, "firewall", s.Firewalls, collect.Known([]collect.Product{{
		Name: "Application Firewall", Vendor: "Apple Inc.", Running: collect.Known(true), Enabled: collect.Known(true), Definitions: noDefinitions, LastScan: noScans,
	}}))
	service := func(name, vendor string, running bool) collect.Product {
		return collect.Product{
			Name: name, Vendor: vendor, Running: collect.Known(running), Enabled: collecttest.Unread[bool]("its service does not tell what it guards"),
			Definitions: collecttest.Unread[time.Time]("its service does not tell the date of its definitions"),
			LastScan:    collecttest.Unread[time.Time]("its service does not tell when it scanned"),
		}
	}
	written := collect.Known(hosttest.Now.Add(-time.Hour))
	collecttest.Same(t, "antimalware", s.Antimalware, collect.Known([]collect.Product{
		service("CrowdStrike Falcon", "CrowdStrike", true),
		service("Malwarebytes", "Malwarebytes", false),
		{
			Name: "XProtect", Vendor: "Apple Inc.", Version: "5287", Running: collect.Known(true), Enabled: collect.Known(true), Definitions: written,
			LastScan: collecttest.None[time.Time]("it looks at programs as they are started"),
		},
		{
			Name: "XProtect Remediator", Vendor: "Apple Inc.", Version: "149", Running: collect.Known(true), Enabled: collect.Known(true), Definitions: written,
			LastScan: collecttest.Unread[time.Time]("macOS does not tell when it scanned"),
		},
	}))
	collecttest.Same(t, "threats", s.Threats, collecttest.None[collect.Threats]("macOS keeps no list of the malware that it found"))
	collecttest.Same(t, "updates", s.Updates, collect.Known(collect.Updates{Pending: 2, Security: 1, Checked: collect.Known(collecttest.At("2026-11-30T03:00:12Z"))}))
	collecttest.Same(t, "patches", s.Patches, collect.Known([]collect.Patch{
		{Title: "Printer Drivers 5.1", Product: "macOS", Vendor: "Apple Inc.", Category: "update"},
		{Title: "macOS Sequoia 15.2", Product: "macOS", Vendor: "Apple Inc.", Category: "security"},
	}))
	collecttest.Same(t, "password", s.PasswordSet, collect.Known(true))
	collecttest.Same(t, "screen lock", s.ScreenLock, collect.Known(collect.ScreenLock{Enabled: true, After: 15 * time.Minute}))
}

func TestVirtualMachine(t *testing.T) {
	t.Parallel()
	m := load(t, "vm")
	m.h.Privileged = false
	s := collected(t, m, nil)
	collecttest.Same(t, "architecture", s.OS.Architecture, collect.Known("amd64"))
	collecttest.Same(t, "type", s.Hardware.Type, collect.Known(posture.VM))
	collecttest.Same(t, "virtual", s.Hardware.Virtual, collect.Known("vmware"))
	collecttest.Same(t, "battery", s.Hardware.Battery, collecttest.None[collect.Battery]("there is no battery"))
	collecttest.Same(t, "host name", s.Identity.HostName, collect.Known("build-3.example.net"))
	collecttest.Same(t, "domain", s.Identity.Domain, collecttest.None[string]("the machine is bound to no directory domain"))
	collecttest.Same(t, "adapters", len(s.Adapters.Value), 1)
	a := s.Adapters.Value[0]
	collecttest.Same(t, "gateway", a.Gateway, collect.Known(netip.MustParseAddr("198.51.100.1")))
	collecttest.Same(t, "addresses", a.Addresses, []netip.Prefix{netip.MustParsePrefix("198.51.100.3/28")})
	collecttest.Same(t, "permanent MAC", a.PermanentMAC.State, collect.Unreadable) // networksetup is not recorded
	collecttest.Same(t, "name servers", a.DNS.State, collect.Unreadable)
	collecttest.Same(t, "DHCP", a.DHCP, collect.Known(collect.DHCP{}))
	collecttest.Same(t, "homebrew", s.Software["homebrew"], collecttest.None[[]collect.Application]("Homebrew is not installed"))
	collecttest.Same(t, "encryption", s.Encryption.Value[0].Volumes, []collect.Volume{{Name: "/", Encrypted: collect.Known(false), System: true}})
	collecttest.Same(t, "firewall", s.Firewalls.Value[0].Enabled, collect.Known(false))
	collecttest.Same(t, "antimalware", s.Antimalware, collect.Known([]collect.Product{{
		Name: "XProtect", Vendor: "Apple Inc.", Version: "2175", Running: collect.Known(true), Enabled: collect.Known(false),
		Definitions: collect.Known(hosttest.Now.Add(-time.Hour)), LastScan: collecttest.None[time.Time]("it looks at programs as they are started"),
	}}))
	collecttest.Same(t, "updates", s.Updates, collecttest.Unread[collect.Updates]("macOS has noted no search for updates"))
	collecttest.Same(t, "password", s.PasswordSet, collect.Known(false))
	collecttest.Same(t, "screen lock", s.ScreenLock, collect.Known(collect.ScreenLock{Enabled: true, After: 10*time.Minute + 5*time.Second}))
}

// With nothing there, each fact says so and none is taken for an answer.
func TestNothingCanBeRead(t *testing.T) {
	t.Parallel()
	s := collected(t, &machine{h: hosttest.Of(t, "")}, nil)
	for what, state := range map[string]collect.State{
		"name": s.OS.Name.State, "version": s.OS.Version.State, "architecture": s.OS.Architecture.State, "language": s.OS.Language.State,
		"host name": s.Identity.HostName.State, "domain": s.Identity.Domain.State, "hardware id": s.Identity.HardwareID.State,
		"machine id": s.Identity.MachineID.State, "serial": s.Identity.Serial.State, "type": s.Hardware.Type.State,
		"virtual": s.Hardware.Virtual.State, "battery": s.Hardware.Battery.State, "adapters": s.Adapters.State,
		"applications": s.Software["applications"].State, "encryption": s.Encryption.State, "antimalware": s.Antimalware.State,
		"firewall": s.Firewalls.Value[0].Running.State, "updates": s.Updates.State, "patches": s.Patches.State,
		"password": s.PasswordSet.State, "screen lock": s.ScreenLock.State, "neighbours": s.Neighbours.State,
	} {
		if state != collect.Unreadable {
			t.Errorf("%s has state %d", what, state)
		}
	}
}

// What did not change reads the same; the adapters that are plugged in are not listed again.
func TestSecondLook(t *testing.T) {
	t.Parallel()
	m := load(t, "laptop")
	first := collected(t, m, nil)
	m.h.Programs = without{m.h.Programs, "networksetup"}
	second := collected(t, m, first)
	collecttest.Same(t, "second look", second, first)
	m.portsFor = "en7 "
	if s := collected(t, m, second); s.Adapters.Value[0].PermanentMAC.State != collect.Unreadable {
		t.Errorf("after another adapter came: %+v", s.Adapters.Value[0])
	}
}

// without has one program not installed.
type without struct {
	host.Programs
	name string
}

func (w without) Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	if name == w.name {
		return nil, host.ErrNoProgram
	}
	return w.Programs.Run(ctx, name, args...)
}

func TestScreenLockOfUsers(t *testing.T) {
	t.Parallel()
	const console = "-- run stat -f %u /dev/console --\n501\n"
	const asked = "-- run launchctl asuser 501 sudo -n -u #501 /usr/sbin/sysadminctl -screenLock status --\n"
	for name, c := range map[string]struct {
		recording string
		want      collect.Fact[collect.ScreenLock]
	}{
		"off":                {console + asked + "2026-11-30 12:00:00.123 sysadminctl[1:2] screenLock is off\n", collect.Known(collect.ScreenLock{})},
		"at once, no time":   {console + asked + "screenLock delay is immediate\n", collect.Known(collect.ScreenLock{Enabled: true})},
		"display never off":  {console + asked + "screenLock delay is immediate\n-- run pmset -g --\n displaysleep 0\n", collecttest.Unread[collect.ScreenLock]("the display never goes off, and whether a screen saver starts is not known")},
		"other words":        {console + asked + "screenLock is what it is\n", collecttest.Unread[collect.ScreenLock]("sysadminctl does not tell whether the screen locks")},
		"nobody is there":    {"-- run stat -f %u /dev/console --\n0\n", collecttest.Unread[collect.ScreenLock]("it is a setting of each user, and nobody is logged on")},
		"profile: passwords": {"-- file Library/Managed Preferences/com.apple.mobiledevice.passwordpolicy.plist --\n<plist><dict><key>maxInactivity</key><integer>5</integer><key>maxGracePeriod</key><integer>1</integer></dict></plist>\n", collect.Known(collect.ScreenLock{Enabled: true, After: 6 * time.Minute})},
	} {
		m := &machine{h: hosttest.Of(t, c.recording)}
		s := &collect.Snapshot{}
		if err := m.screenLock(t.Context(), s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		collecttest.Same(t, name, s.ScreenLock, c.want)
	}
	m := &machine{h: hosttest.Of(t, console)}
	m.h.Privileged = false
	s := &collect.Snapshot{}
	if err := m.screenLock(t.Context(), s); err != nil || !strings.HasPrefix(s.ScreenLock.Why, "needs root") {
		t.Errorf("without root: %+v, %v", s.ScreenLock, err)
	}
}
