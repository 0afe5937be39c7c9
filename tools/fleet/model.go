package fleet

import "time"

// model is a kind of machine: what Random and Demo make machines from.
type model struct {
	prefix   string // of host names
	kind     string // device type
	os       OS     // without its version
	versions []string
	list     string   // of the software
	sections []string // of the list, besides its base
	makers   []string // first bytes of the adapters' addresses
	adapters []string
	guards   func(now time.Time) []Product
}

var (
	windowsOS = OS{Family: "Windows", Name: "Windows 11 Pro", Vendor: "Microsoft Corporation", Architecture: "64-bit"}
	serverOS  = OS{Family: "Windows", Name: "Windows Server 2022 Standard", Vendor: "Microsoft Corporation", Architecture: "64-bit"}
	macOS     = OS{Family: "macOS", Name: "macOS", Vendor: "Apple Inc.", Architecture: "arm64"}
	debianOS  = OS{Family: "linux", Build: "6.1.0-40-amd64", Name: "Debian GNU/Linux 12 (bookworm)", Vendor: "Debian", Architecture: "x86_64", Distribution: "Debian:12"}
	ubuntuOS  = OS{Family: "linux", Build: "6.8.0-85-generic", Name: "Ubuntu 24.04 LTS", Vendor: "Canonical", Architecture: "x86_64", Distribution: "Ubuntu:24.04:LTS"}
	almaOS    = OS{Family: "linux", Build: "5.14.0-570.58.1.el9_6.x86_64", Name: "AlmaLinux 9", Vendor: "AlmaLinux OS Foundation", Architecture: "x86_64", Distribution: "AlmaLinux:9"}
	androidOS = OS{Family: "android", Name: "Android", Vendor: "Google Inc."}
	phoneOS   = OS{Family: "iOS", Name: "iOS", Vendor: "Apple Inc."}
	tabletOS  = OS{Family: "iOS", Name: "iPadOS", Vendor: "Apple Inc."}

	windowsVersions = []string{"10.0.26100.4652", "10.0.26100.6899"}
	macVersions     = []string{"14.2.1", "15.6.1", "15.7.1"}
	appleVersions   = []string{"17.2.1", "18.5", "18.7.1"}

	wired = []string{"Intel(R) Ethernet Connection I219-LM"}
	both  = []string{"Intel(R) Wi-Fi 6E AX211 160MHz", "Intel(R) Ethernet Connection I219-LM"}
)

var (
	officePC = &model{"office-pc", "desktop", windowsOS, windowsVersions, "windows", []string{"office"}, intel, wired, windowsGuards}
	officeLT = &model{"sales-lt", "laptop", windowsOS, windowsVersions, "windows", []string{"office"}, intel, both, windowsGuards}
	labPC    = &model{"lab-pc", "desktop", windowsOS, windowsVersions, "windows", []string{"engineering"}, intel, wired, windowsGuards}
	winDevLT = &model{"dev-lt", "laptop", windowsOS, windowsVersions, "windows", []string{"developer"}, intel, both, windowsGuards}
	winSrv   = &model{"file-srv", "server", serverOS, []string{"10.0.20348.3932", "10.0.20348.4294"}, "windows", nil, boards, wired, windowsGuards}

	designMac = &model{"design-mb", "laptop", macOS, macVersions, "mac", []string{"studio", "office"}, apple, []string{"en0"}, macGuards}
	officeMac = &model{"front-mb", "laptop", macOS, macVersions, "mac", []string{"office"}, apple, []string{"en0"}, macGuards}
	studioMac = &model{"studio-mac", "desktop", macOS, macVersions, "mac", []string{"studio", "office"}, apple, []string{"en0", "en1"}, macGuards}
	devMac    = &model{"dev-mb", "laptop", macOS, macVersions, "mac", []string{"developer", "office"}, apple, []string{"en0"}, macGuards}

	ubuntuLT  = &model{"dev-lt", "laptop", ubuntuOS, []string{"24.04.2", "24.04.3"}, "ubuntu-24.04", []string{"desktop"}, intel, []string{"wlp0s20f3", "enp0s31f6"}, ufwGuards}
	debianWS  = &model{"dev-ws", "desktop", debianOS, []string{"12.8", "12.12"}, "debian-12", []string{"desktop"}, intel, []string{"enp0s31f6"}, ufwGuards}
	debianVM  = &model{"web-vm", "vm", debianOS, []string{"12.8", "12.12"}, "debian-12", []string{"server"}, vmware, []string{"ens192"}, nftGuards}
	ubuntuSrv = &model{"app-srv", "server", ubuntuOS, []string{"24.04.2", "24.04.3"}, "ubuntu-24.04", []string{"server"}, boards, []string{"eno1", "eno2"}, ufwGuards}
	debianSrv = &model{"build-srv", "server", debianOS, []string{"12.8", "12.12"}, "debian-12", []string{"developer"}, boards, []string{"eno1", "eno2"}, nftGuards}
	almaSrv   = &model{"db-srv", "server", almaOS, []string{"9.4", "9.6"}, "almalinux-9", []string{"server"}, boards, []string{"eno1", "eno2"}, firewalldGuards}

	androidPhone = &model{"phone", "phone", androidOS, []string{"14", "15", "16"}, "android", nil, phones, []string{"wlan0"}, nil}
	applePhone   = &model{"phone", "phone", phoneOS, appleVersions, "ios", nil, private, []string{"en0"}, nil}
	appleTablet  = &model{"tablet", "tablet", tabletOS, appleVersions, "ios", nil, private, []string{"en0"}, nil}
)

// The first three bytes of addresses, by who made the adapter. Those of Apple's phones are made up by the phone.
var (
	intel   = []string{"8c:16:45", "a4:bb:6d", "3c:52:82", "e4:a7:a0"}
	boards  = []string{"3c:ec:ef", "b8:59:9f", "d0:50:99"}
	apple   = []string{"f0:18:98", "a4:83:e7", "14:7d:da"}
	vmware  = []string{"00:50:56"}
	phones  = []string{"3c:28:6d", "8c:f5:a3"}
	private = []string{"d2:4c:11", "7a:90:3e"}
)

// guarding is the state of a product that is as it should be.
func guarding(definitions, scan time.Time) *State {
	return &State{Running: true, Enabled: true, Definitions: definitions, LastScan: scan}
}

// encrypted is the state of a disk encryption; the first volume holds the system.
func encrypted(names ...string) *State {
	s := &State{}
	for i, n := range names {
		s.Volumes = append(s.Volumes, Volume{Name: n, Encrypted: true, System: i == 0})
	}
	return s
}

func windowsGuards(now time.Time) []Product {
	const microsoft = "Microsoft Corporation"
	return []Product{
		{Name: "Microsoft Defender Antivirus", Vendor: microsoft, Version: "4.18.25090.3009", Category: "anti-malware",
			State: guarding(now.Add(-5*time.Hour), now.Add(-9*time.Hour))},
		{Name: "Microsoft Defender Firewall", Vendor: microsoft, Version: "10.0.26100.6899", Category: "firewall", State: guarding(time.Time{}, time.Time{})},
		{Name: "BitLocker Drive Encryption", Vendor: microsoft, Version: "10.0.26100.6899", Category: "encryption", State: encrypted("C:", "D:")},
		{Name: "Windows Update Agent", Vendor: microsoft, Version: "10.0.26100.6899", Category: "patch_management", State: guarding(time.Time{}, time.Time{})},
	}
}

func macGuards(now time.Time) []Product {
	return []Product{
		{Name: "Microsoft Defender", Vendor: "Microsoft Corporation", Version: "101.25082.0006", Category: "anti-malware",
			State: guarding(now.Add(-7*time.Hour), now.Add(-30*time.Hour))},
		{Name: "Application Firewall", Vendor: "Apple Inc.", Version: "15.7.1", Category: "firewall", State: guarding(time.Time{}, time.Time{})},
		{Name: "FileVault", Vendor: "Apple Inc.", Version: "15.7.1", Category: "encryption", State: encrypted("/")},
		{Name: "Time Machine", Vendor: "Apple Inc.", Version: "1.3", Category: "backup", State: guarding(time.Time{}, time.Time{})},
	}
}

func linuxGuards(firewall Product) []Product {
	firewall.Category, firewall.State = "firewall", guarding(time.Time{}, time.Time{})
	return []Product{firewall, {Name: "LUKS", Vendor: "cryptsetup", Version: "2.6.1", Category: "encryption", State: encrypted("/", "/home")}}
}

func ufwGuards(time.Time) []Product {
	return linuxGuards(Product{Name: "ufw", Vendor: "Canonical", Version: "0.36.2"})
}

func nftGuards(time.Time) []Product {
	return linuxGuards(Product{Name: "nftables", Vendor: "netfilter.org", Version: "1.0.6"})
}

func firewalldGuards(time.Time) []Product {
	return linuxGuards(Product{Name: "firewalld", Vendor: "firewalld.org", Version: "1.3.4"})
}

// machine makes a healthy machine with the software of its base and sections. What of the software varies is left to
// the caller.
func (mo *model) machine(id identity, host string, now time.Time) *Machine {
	c := software(mo.list)
	m := &Machine{
		HostName: host, Type: mo.kind, OS: mo.os, seed: id.number(), made: now,
		Health: Health{
			PasswordSet: true, LocksAfter: 10 * time.Minute, Checked: now.Add(-3 * time.Hour),
			Rebooted:  now.Add(-time.Duration(24+id.number()%400) * time.Hour).Truncate(time.Second),
			Encrypted: true, Genuine: true,
		},
	}
	m.OS.Version = mo.versions[len(mo.versions)-1]
	if !m.mobile() {
		m.HardwareID = id.hardwareID(m.OS.Family != "linux")
		m.MachineID = id.machineID()
	}
	if m.Type == "vm" {
		m.OS.Virtual = "vmware"
	}
	if m.OS.Family != "android" {
		m.Serial = id.serial()
	}
	maker := mo.makers[id.number()%uint64(len(mo.makers))]
	for i, name := range mo.adapters {
		a := Adapter{Name: name, MAC: id.mac(maker, i), Up: i == 0}
		if a.Up {
			a.IPv4, a.IPv6 = id.addresses(i)
		}
		m.Adapters = append(m.Adapters, a)
	}
	if mo.guards != nil {
		m.Guards = mo.guards(now)
	}
	for _, name := range mo.sections {
		m.sections = append(m.sections, c.section(name))
	}
	if c.base != nil {
		m.sections = append(m.sections, c.base)
	}
	return m
}

// install adds a line of software in one of its versions.
func (m *Machine) install(l *line, version string) {
	m.Software = append(m.Software, l.products(version)...)
}
