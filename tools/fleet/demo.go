package fleet

import (
	"fmt"
	"time"
)

// Demonstration is a small organisation's fleet, and what its administrator does besides.
type Demonstration struct {
	// Machines have agents, which register and report.
	Machines []*Machine
	// Exempt are machines that are to pass although they are not fit.
	Exempt []Exemption
	// Unmanaged are devices without an agent, to be imported.
	Unmanaged []Sighting
}

// Exemption names a machine of Machines by its index, and says why it is exempted.
type Exemption struct {
	Machine int
	Reason  string
}

// Sighting is a device that was only seen. The type may be empty.
type Sighting struct{ MAC, Name, Type string }

// DemoMAC is the adapter address of one of the demo's machines, the one that the reference's examples name.
const DemoMAC = "00:0c:29:f2:7a:29"

// profile is a number of machines that are alike but for who and where they are.
type profile struct {
	count    int
	model    *model
	problems []problem
	old      old
	exempt   string // why, if they are
}

// old is a program, by its name in the list of software, and the version of it that is installed; or the operating
// system, by the name "os".
type old struct{ name, version string }

// none is for machines on which everything is up to date.
var none old

// problem is something wrong with how a machine is kept.
type problem func(*Machine)

// The health of a machine and its software have nothing to do with each other: a machine may be well kept and still
// carry an old program. What the server makes of both is not written here, and nowhere else: the default policy and the
// catalogue built in decide.
var profiles = []profile{
	// Nothing to complain of but old software, or not even that.
	{12, officePC, nil, old{"Zoom Workplace", "5.15.12"}, ""},
	{7, officePC, nil, old{"PuTTY release", "0.78"}, ""},
	{4, officePC, nil, old{"Foxit PDF Reader", "2023.2.0.21408"}, ""},
	{4, officeLT, nil, old{"Google Chrome", "127.0.6533.120"}, ""},
	{6, officeLT, nil, old{"7-Zip", "24.07"}, ""},
	{4, officeLT, nil, old{"WinSCP", "6.1.2"}, ""},
	{4, ubuntuLT, nil, old{"requests", "2.28.1"}, ""},
	{6, debianVM, nil, old{"openssh-client", "1:9.2p1-2+deb12u1"}, ""},
	{4, almaSrv, nil, old{"curl", "7.76.1-23.el9_2.2"}, ""},
	{3, debianSrv, nil, old{"util-linux", "2.38.1-5+b1"}, ""},
	{5, designMac, nil, old{"zoom.us", "5.10.7"}, ""},
	{2, designMac, nil, old{"os", "14.2.1"}, ""},
	{2, androidPhone, nil, old{"Chrome", "126.0.6478.122"}, ""},
	{2, androidPhone, nil, none, ""},
	{3, appleTablet, nil, none, ""},

	// One or two things to mend, none of them urgent.
	{9, labPC, list(updatesWait), old{"Notepad++", "8.5.3"}, ""},
	{5, labPC, list(updatesWait, neverLocks), old{"Oracle VM VirtualBox", "7.0.20"}, ""},
	{4, officePC, list(diskPlain), old{"Adobe Acrobat Reader DC", "23.003.20269"}, ""},
	{5, officePC, list(updatesWait), old{"FileZilla Client", "3.66.5"}, ""},
	{4, officeLT, list(remoteControl), old{"WinRAR", "6.22"}, ""},
	{5, debianWS, list(firewallOff), old{"curl", "7.88.1-10+deb12u5"}, ""},
	{3, almaSrv, list(updatesWait), none, ""},
	{5, studioMac, list(firewallOff), old{"VLC", "3.0.18"}, ""},
	{2, studioMac, list(neverLocks), none, ""},

	// Not fit.
	{1, officeLT, list(diskPlain), old{"Mozilla Firefox", "130.0.1"}, ""},
	{1, officePC, list(definitionsOld), old{"Google Chrome", "127.0.6533.120"}, ""},
	{2, labPC, list(firewallOff, updatesWait, neverLocks), old{"PuTTY release", "0.78"}, ""},
	{1, debianWS, list(firewallOff, updatesWait, diskPlain), old{"requests", "2.28.1"}, ""},

	// Not fit either, and that is known.
	{3, scopePC, list(updatesWait, noPassword, neverLocks), old{"7-Zip", "24.07"}, "measuring instrument: its maker supports it only as delivered"},
	{2, kioskPC, list(diskPlain, noPassword, neverLocks), old{"Adobe Acrobat Reader DC", "23.003.20269"}, "visitors' screen on a network of its own"},
}

// Two kinds of machine that only the demo has.
var (
	scopePC = &model{"lab-scope", "desktop", windowsOS, windowsVersions, "windows", []string{"engineering"}, intel, wired, windowsGuards}
	kioskPC = &model{"kiosk", "desktop", windowsOS, windowsVersions, "windows", nil, intel, wired, windowsGuards}
)

func list(p ...problem) []problem { return p }

func firewallOff(m *Machine) { m.guard("firewall").State.Enabled = false }

func diskPlain(m *Machine) { m.guard("encryption").State.Volumes[0].Encrypted = false }

func noPassword(m *Machine) { m.Health.PasswordSet = false }

func neverLocks(m *Machine) { m.Health.LocksAfter = 0 }

func updatesWait(m *Machine) {
	m.Health.Pending, m.Health.Security = 4, 2
	m.Health.Checked = m.made.Add(-20 * time.Hour)
}

func definitionsOld(m *Machine) {
	g := m.guard("anti-malware")
	g.State.Definitions = g.State.Definitions.AddDate(0, 0, -12)
}

func remoteControl(m *Machine) {
	m.install(software("windows").find("TeamViewer"), "15.71.4")
}

const demoSeed = 0xde30

// Demo is the demo's fleet as of a time. Its machines are the same at all times; only the dates that their agents find
// follow the time, by the hour, so that reporting again soon says nothing new.
func Demo(now time.Time) Demonstration {
	now = now.UTC().Truncate(time.Hour)
	var out Demonstration
	hosts := make(map[string]int)
	for i := range profiles {
		p := &profiles[i]
		for range p.count {
			n := len(out.Machines)
			hosts[p.model.prefix]++
			m := p.machine(identity{seed: demoSeed, n: uint64(n), mark: 1}, fmt.Sprintf("%s-%02d", p.model.prefix, hosts[p.model.prefix]), now)
			if p.model == debianVM && hosts[p.model.prefix] == 1 {
				m.Adapters[0].MAC = DemoMAC
			}
			if p.exempt != "" {
				out.Exempt = append(out.Exempt, Exemption{n, p.exempt})
			}
			out.Machines = append(out.Machines, m)
		}
	}
	out.Unmanaged = unmanaged()
	return out
}

// machine makes one machine of the profile. What the profile does not name is up to date.
func (p *profile) machine(id identity, host string, now time.Time) *Machine {
	m := p.model.machine(id, host, now)
	if m.Type != "server" && m.Type != "vm" {
		m.User = users[id.n%uint64(len(users))]
	}
	c := software(p.model.list)
	named := c.find(p.old.name)
	for i := range c.varied {
		if l := &c.varied[i]; l != named {
			m.install(l, l.versions[len(l.versions)-1])
		}
	}
	switch {
	case p.old == none:
	case p.old.name == "os":
		m.OS.Version = p.old.version
	case named == nil:
		panic("fleet: no software of " + p.model.list + " is called " + p.old.name)
	default:
		m.install(named, p.old.version)
	}
	for _, spoil := range p.problems {
		spoil(m)
	}
	return m
}

// unmanaged are devices that the network saw and nobody manages.
func unmanaged() []Sighting {
	var out []Sighting
	for _, k := range []struct {
		count       int
		maker, name string
		kind        string
	}{
		{6, "00:1b:a9", "printer", ""},
		{5, "00:40:8c", "camera", ""},
		{4, "00:04:f2", "desk-phone", ""},
		{3, "00:17:88", "meeting-room-screen", ""},
		{3, "00:1e:c2", "visitor-laptop", "laptop"},
		{2, "00:26:b0", "visitor-phone", "phone"},
		{2, "00:1a:4b", "old-pc", "desktop"},
	} {
		for i := range k.count {
			id := identity{seed: demoSeed + 1, n: uint64(len(out)), mark: 1}
			out = append(out, Sighting{id.mac(k.maker, 0), fmt.Sprintf("%s-%d", k.name, i+1), k.kind})
		}
	}
	return out
}
