package fleet

import (
	"strconv"
	"strings"
	"time"
)

// What is here follows from what a machine is, by numbers of its own: the machines must stay those that they were
// before their agents reported it.

// engineVersion is that of the library with which the agents of computers inspect products.
const engineVersion = "4.3.4215.0"

// stream gives numbers of their own for one kind of fact about a machine.
func (m *Machine) stream(kind uint64) dice { return dice(mix(m.seed^0xf1dd1e, kind)) }

const (
	streamThreats = iota
	streamProcesses
	streamLink
)

// linkedID is what an integrator's link put on the phone; "" on most.
func (m *Machine) linkedID() string {
	d := m.stream(streamLink)
	if !d.percent(30) {
		return ""
	}
	return "link-" + strconv.FormatUint(mix(m.seed, streamLink), 36)
}

// putNetwork writes how an adapter that is up came by its address: desktops, laptops and virtual machines ask for one,
// servers have a fixed one.
func (m *Machine) putNetwork(b []byte, a *Adapter) []byte {
	cut := strings.LastIndexByte(a.IPv4, '.')
	if m.mobile() || cut < 0 {
		return b
	}
	net := a.IPv4[:cut]
	b = append(open(b, "subnet_masks", '['), `{"mask":"255.255.255.0"}]`...)
	b = putText(b, "default_gateway", net+".254")
	b = putList(b, "dns_addresses", net+".253")
	asks := m.Type != "server"
	b = putFlag(b, "dhcp_enabled", asks)
	if asks {
		b = putText(b, "dhcp_server", net+".252")
		b = putTime(b, "dhcp_obtained", m.Health.Rebooted)
		b = putTime(b, "dhcp_expires", m.Health.Rebooted.AddDate(0, 0, 30))
	}
	return b
}

// fix is an update that a machine may lack.
type fix struct{ kb, title, product, vendor, severity, category, released string }

// Updates that came out after what the machines of the models have; of each list the security updates.
var (
	windowsSecurity = []fix{
		{"KB5068861", "2025-11 Cumulative Update for Windows 11 Version 24H2", "Windows 11", "Microsoft Corporation", "critical", "security", "2025-11-11"},
		{"KB890830", "Windows Malicious Software Removal Tool", "Windows 11", "Microsoft Corporation", "important", "security", "2025-11-11"},
	}
	serverSecurity = []fix{
		{"KB5068787", "2025-11 Cumulative Update for Windows Server 2022", "Windows Server 2022", "Microsoft Corporation", "critical", "security", "2025-11-11"},
		{"KB890830", "Windows Malicious Software Removal Tool", "Windows Server 2022", "Microsoft Corporation", "important", "security", "2025-11-11"},
	}
	windowsOther = []fix{
		{"KB4052623", "Update for Microsoft Defender Antivirus antimalware platform", "Microsoft Defender Antivirus", "Microsoft Corporation", "", "definition", "2025-11-04"},
		{"KB5067036", "2025-10 Cumulative Update Preview for Windows 11 Version 24H2", "Windows 11", "Microsoft Corporation", "moderate", "update", "2025-10-28"},
	}
	macSecurity = []fix{
		{"macOS 15.7.2", "macOS Sequoia 15.7.2", "macOS", "Apple Inc.", "important", "security", "2025-11-03"},
		{"Safari 26.1", "Safari 26.1", "Safari", "Apple Inc.", "important", "security", "2025-11-03"},
	}
	macOther = []fix{
		{"Command Line Tools 26.1", "Command Line Tools for Xcode 26.1", "Xcode", "Apple Inc.", "", "update", "2025-11-03"},
	}
)

// missing gives the updates that the machine lacks, as many of each kind as its updater has waiting as far as they are
// listed here; drivers and the like have no article.
func (m *Machine) missing() []fix {
	security, other := windowsSecurity, windowsOther
	switch {
	case m.OS.Family == "macOS":
		security, other = macSecurity, macOther
	case m.Type == "server":
		security, other = serverSecurity, windowsOther[:1]
	}
	h := &m.Health
	waiting := max(0, h.Pending-h.Security)
	n := min(h.Security, len(security))
	return append(security[:n:n], other[:min(waiting, len(other))]...) // never into the list itself, which all machines share
}

// putFindings writes what the agent found besides products.
func (m *Machine) putFindings(b []byte) []byte {
	if m.OS.Family == "linux" {
		return m.putProcesses(b)
	}
	b = open(b, "missing_patches", '{')
	b = putTime(b, "checked", m.Health.Checked)
	b = open(b, "patches", '[')
	for _, f := range m.missing() {
		b = append(next(b), '{')
		b = putText(b, "kb", f.kb)
		b = putText(b, "title", f.title)
		b = putText(b, "product", f.product)
		b = putText(b, "vendor", f.vendor)
		b = putText(b, "severity", f.severity)
		b = putText(b, "category", f.category)
		b = putText(b, "released", f.released)
		b = append(b, '}')
	}
	return m.putThreats(append(b, ']', '}'))
}

// malware is something that antimalware finds on ordinary machines.
type malware struct{ name, file, severity string }

var (
	windowsMalware = []malware{
		{"Virus:DOS/EICAR_Test_File", `C:\Users\Public\Downloads\eicar.com`, "severe"},
		{"PUA:Win32/Presenoker", `C:\Users\Public\Downloads\setup.exe`, "low"},
		{"Trojan:Script/Wacatac.B!ml", `C:\Users\Public\AppData\Local\Temp\invoice.js`, "severe"},
	}
	macMalware = []malware{
		{"Virus:DOS/EICAR_Test_File", "/Users/Shared/Downloads/eicar.com", "severe"},
		{"Adware:MacOS/Pirrit", "/Users/Shared/Downloads/player.dmg", "low"},
	}
)

// putThreats writes when the machine was last scanned and, on a few, what its antimalware found and put away.
func (m *Machine) putThreats(b []byte) []byte {
	g := m.guard("anti-malware")
	if g == nil {
		return b
	}
	b = open(b, "threats", '{')
	b = putTime(b, "scanned", g.State.LastScan)
	d := m.stream(streamThreats)
	if !d.percent(4) {
		return append(b, '}')
	}
	known := windowsMalware
	if m.OS.Family == "macOS" {
		known = macMalware
	}
	found := one(&d, known)
	b = append(open(b, "found", '['), '{')
	b = putText(b, "source", "local")
	b = putText(b, "name", found.name)
	b = putText(b, "file", found.file)
	b = putTime(b, "found", m.made.Add(-time.Duration(24+d.below(20*24))*time.Hour))
	b = putText(b, "severity", found.severity)
	b = putText(b, "action", "quarantined")
	b = putFlag(b, "existing", false)
	b = putNumber(b, "repeat", int64(1+d.below(3)))
	b = open(b, "product", '{')
	b = putText(b, "name", g.Name)
	b = putText(b, "vendor", g.Vendor)
	b = putText(b, "version", g.Version)
	return append(b, '}', '}', ']', '}')
}

// Programs that run on a Linux machine: on each, and on some.
var (
	alwaysRun    = []string{"agetty", "chronyd", "dbus-daemon", "sshd", "systemd", "systemd-journald", "systemd-logind", "systemd-udevd"}
	sometimesRun = []string{"auditd", "containerd", "cron", "nginx", "postgres", "rsyslogd", "smartd", "snmpd"}
)

func (m *Machine) putProcesses(b []byte) []byte {
	b = putList(b, "processes", alwaysRun...)
	b = b[:len(b)-1]
	d := m.stream(streamProcesses)
	for _, p := range sometimesRun {
		if d.percent(35) {
			b = text(next(b), p)
		}
	}
	return append(b, ']')
}
