package macos

import (
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"muster/internal/agent/collect"
	"muster/internal/agent/collect/collecttest"
	"muster/internal/agent/host"
	"muster/internal/agent/host/hosttest"
)

// seed adds every section of the recordings.
func seed(f *testing.F) {
	f.Helper()
	for _, name := range []string{"laptop", "vm"} {
		raw, err := os.ReadFile("testdata/" + name + ".txtar")
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range txtar.Parse(raw).Files {
			f.Add(section.Data)
		}
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]collect.Fact[bool]{
		"FileVault is On.\n":  collect.Known(true),
		"FileVault is Off.\n": collect.Known(false),
		"FileVault is On.\nEncryption in progress: Percent completed = 34\n": collect.Known(false),
		"FileVault is Off, but needs to be restarted to finish.\n":           collect.Known(false),
		"": collecttest.Unread[bool]("fdesetup does not tell whether FileVault is on"),
	} {
		collecttest.Same(t, "FileVault: "+text, collect.Of(parseFileVault([]byte(text))), want)
	}
	for text, want := range map[string]collect.Fact[bool]{
		"Firewall is enabled. (State = 1) \n":    collect.Known(true),
		"Firewall is enabled. (State = 2)\n":     collect.Known(true),
		"Firewall is disabled. (State = 0)\n":    collect.Known(false),
		"Firewall is what it is. (State = x)":    collecttest.Unread[bool]("the firewall does not tell its state"),
		"Firewall is enabled. (State = 1\nState": collecttest.Unread[bool]("the firewall does not tell its state"),
		"":                                       collecttest.Unread[bool]("the firewall does not tell its state"),
	} {
		collecttest.Same(t, "firewall: "+text, collect.Of(parseFirewall([]byte(text))), want)
	}
}

func TestEncryptionStates(t *testing.T) {
	t.Parallel()
	collecttest.Same(t, "on", fileVaultOf(dict{"FileVault": true, "CryptoMigrationOn": false}), collect.Known(true))
	collecttest.Same(t, "at work", fileVaultOf(dict{"FileVault": true, "CryptoMigrationOn": true}), collect.Known(false))
	collecttest.Same(t, "off", fileVaultOf(dict{"FileVault": false}), collect.Known(false))
	collecttest.Same(t, "nothing", fileVaultOf(dict{}), collecttest.Unread[bool]("diskutil does not tell whether the volume is encrypted"))
}

func TestHypervisors(t *testing.T) {
	t.Parallel()
	const silent = "macOS does not tell whether it runs in a virtual machine"
	for _, c := range []struct {
		model, present string
		want           collect.Fact[string]
	}{
		{"Mac14,2", "0", collect.Known("")}, {"iMac19,1", "1", collect.Known("vm-other")}, {"VirtualMac2,1", "1", collect.Known("apple")},
		{"Parallels16,1", "", collect.Known("parallels")}, {"VMware7,1", "1", collect.Known("vmware")}, {"MacBookPro11,1", "", collecttest.Unread[string](silent)},
	} {
		collecttest.Same(t, c.model, collect.Of(hypervisor(c.model, c.present, nil)), c.want)
	}
}

func TestBatteries(t *testing.T) {
	t.Parallel()
	entry := func(inner string) []byte { return []byte("<plist><array><dict>" + inner + "</dict></array></plist>") }
	const silent = "ioreg does not tell the charge of the battery"
	for text, want := range map[string]collect.Fact[collect.Battery]{
		"<key>CurrentCapacity</key><integer>4000</integer><key>MaxCapacity</key><integer>6000</integer><key>ExternalConnected</key><false/>": collect.Known(collect.Battery{Percent: 67}),
		"<key>CurrentCapacity</key><integer>9</integer><key>MaxCapacity</key><integer>0</integer><key>ExternalConnected</key><true/>":        collecttest.Unread[collect.Battery](silent),
		"<key>BatteryInstalled</key><false/>": collecttest.None[collect.Battery]("there is no battery"),
		"":                                    collecttest.Unread[collect.Battery](silent),
	} {
		collecttest.Same(t, text, collect.Of(parseBattery(entry(text))), want)
	}
}

func TestPrefixLengths(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"0xffffff00": 24, "0xffffffff": 32, "0x0": 0, "0xff00ff00": -1, "255.255.255.0": -1} {
		n, ok := prefixLength([]string{"inet", "192.0.2.1", "netmask", text}, 32)
		if !ok {
			n = -1
		}
		if n != want {
			t.Errorf("%s is %d", text, n)
		}
	}
}

// A folder may be what it is not: nothing in it holds the agent or leads it elsewhere.
func TestFoldersOfUsers(t *testing.T) {
	t.Parallel()
	m := &machine{h: hosttest.Of(t, "-- file Applications/x --\n-- file Users/a/Applications --\n-- file Users/b/Applications/A.app --\n"+
		"-- file Users/c/Applications/B.app/Contents --\n-- file Users/d/Applications/C.app/Contents/Info.plist/x --\n")}
	collecttest.Same(t, "applications", collect.Of(m.applications()), collect.Known([]collect.Application(nil)))
}

func FuzzNetwork(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, l := range parseIfconfig(raw) {
			for _, p := range l.addresses {
				if !p.IsValid() || p.Addr().Zone() != "" {
					t.Errorf("%s has %v", l.name, p)
				}
			}
		}
		routes, err := parseRoutes(raw)
		if err != nil && routes != nil {
			t.Errorf("both %v and %v", routes, err)
		}
		valid := func(what string, at netip.Addr) {
			if !at.IsValid() || at.Zone() != "" {
				t.Errorf("%s: %v", what, at)
			}
		}
		for _, at := range routes {
			valid("gateway", at)
		}
		for _, all := range parseDNS(raw) {
			for _, at := range all {
				valid("name server", at)
			}
		}
		for _, n := range append(parseARP(raw), parseNDP(raw)...) {
			valid("neighbour", n.Address)
		}
		if d, lasts := parsePacket(raw); lasts < 0 || lasts > 200*365*24*time.Hour {
			t.Errorf("%+v lasts %v", d, lasts)
		}
		parsePorts(raw)
	})
}

func FuzzAnswers(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, _ = parseFileVault(raw)
		_, _ = parseFirewall(raw)
		if on, delay, err := parseScreenLock(raw); delay < 0 || err != nil && on {
			t.Errorf("%v, %v, %v", on, delay, err)
		}
		if minutes, told := parseDisplaySleep(raw); told && minutes < 0 {
			t.Errorf("%d minutes", minutes)
		}
		for _, p := range parseServices(raw) {
			if p.Running.State != collect.IsKnown {
				t.Errorf("%+v", p)
			}
		}
		values(raw)
	})
}

func FuzzPropertyLists(f *testing.F) {
	seed(f)
	mounted := []host.Volume{{Name: "/", Device: "/dev/disk3s1s1", System: true}, {Name: "/Volumes/B", Device: "/dev/disk5s1"}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, among := range [][]host.Volume{nil, mounted} {
			all, _ := parseAPFS(raw, among)
			for _, v := range all {
				if v.Name == "" || v.Encrypted.State == collect.NotLooked {
					t.Errorf("%+v", v)
				}
			}
		}
		if b, err := parseBattery(raw); b.Percent < 0 || b.Percent > 100 {
			t.Errorf("%+v, %v", b, err)
		}
		_, _ = parseDomain(raw)
		if d, err := parseDict(raw); err == nil {
			if u, patches, err := updatesOf(d); err == nil && (u.Pending < u.Security || u.Pending < len(patches)) {
				t.Errorf("%+v, %d patches", u, len(patches))
			}
		}
	})
}
