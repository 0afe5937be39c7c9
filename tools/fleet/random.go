package fleet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// share is how often a model is met among random machines.
type share struct {
	percent int
	model   *model
}

var shares = []share{
	{20, officePC}, {19, officeLT}, {8, labPC}, {6, winDevLT}, {3, winSrv},
	{5, designMac}, {4, officeMac}, {3, devMac}, {2, studioMac},
	{5, ubuntuLT}, {3, debianWS}, {6, debianVM}, {3, ubuntuSrv}, {2, debianSrv}, {4, almaSrv},
	{4, androidPhone}, {2, applePhone}, {1, appleTablet},
}

var users = []string{
	"aiko", "clara", "diego", "elena", "emil", "hana", "hugo", "ines", "ivan", "jonas", "kari", "lena",
	"marta", "mira", "nils", "noor", "omar", "paulo", "priya", "ravi", "sofia", "tomas", "yusuf", "zoe",
}

// Random makes the machine of a number. The same seed, number and time give the same machine; no two numbers of one
// seed give the same host name, hardware id, serial number or adapter address. Most machines are healthy, and most of
// their software is up to date as of now.
func Random(seed uint64, n int, now time.Time) *Machine {
	now = now.Truncate(time.Second)
	id := identity{seed: seed, n: uint64(n)}
	d := dice(mix(id.number(), 1))
	mo := draw(&d)
	m := mo.machine(id, fmt.Sprintf("%s-%06d", mo.prefix, n), now)
	m.OS.Version = newest(&d, mo.versions, 80)
	if m.Type != "server" && m.Type != "vm" {
		m.User = one(&d, users)
	}
	c := software(mo.list)
	for i := range c.varied {
		m.install(&c.varied[i], newest(&d, c.varied[i].versions, 80))
	}
	for i := range c.optional {
		if d.percent(25) {
			m.install(&c.optional[i], newest(&d, c.optional[i].versions, 70))
		}
	}
	m.neglect(&d)
	if m.OS.Family == "linux" && d.percent(15) {
		m.lackRoot()
	}
	return m
}

// lackRoot has the agent run without privileges: it cannot say whether there is a firewall.
func (m *Machine) lackRoot() {
	m.Guards = slices.DeleteFunc(m.Guards, func(p Product) bool { return p.Category == "firewall" })
	m.Unread = []Unread{
		{"firewall", "unreadable", "needs root: nft was refused"},
		{"threats", "not_applicable", "no anti-malware is installed"},
	}
}

func draw(d *dice) *model {
	p := d.below(100)
	for _, s := range shares {
		if p < s.percent {
			return s.model
		}
		p -= s.percent
	}
	return shares[0].model
}

// newest gives the last of some versions so often, otherwise any.
func newest(d *dice, versions []string, percent int) string {
	if d.percent(percent) {
		return versions[len(versions)-1]
	}
	return one(d, versions)
}

// neglect makes a machine as well or badly kept as machines are.
func (m *Machine) neglect(d *dice) {
	m.age(d)
	if g := m.guard("firewall"); g != nil {
		g.State.Enabled = !d.percent(6)
	}
	if g := m.guard("anti-malware"); g != nil {
		g.State.Running = !d.percent(4)
	}
	if g := m.guard("encryption"); g != nil && d.percent(8) {
		g.State.Volumes[0].Encrypted = false
	}
	m.Health.Encrypted, m.Health.Genuine = !d.percent(3), !d.percent(1)
	m.Health.PasswordSet = !d.percent(4)
	if d.percent(8) {
		m.Health.LocksAfter = 0
	}
}

// age sets what changes by the day: how old the definitions are, and which updates wait.
func (m *Machine) age(d *dice) {
	if g := m.guard("anti-malware"); g != nil {
		g.State.Definitions = m.made.Add(-time.Duration(d.below(40*60)) * time.Minute)
		g.State.LastScan = g.State.Definitions.Add(-time.Hour)
	}
	m.Health.Checked = m.made.Add(-time.Duration(d.below(24*60)) * time.Minute)
	m.Health.Pending, m.Health.Security = 0, 0
	if d.percent(30) {
		m.Health.Pending = 1 + d.below(9)
	}
	if d.percent(12) {
		m.Health.Security = 1 + d.below(3)
	}
}

// Drift gives the machine as it is after so many changes, each of which makes a report that says something new: it was
// rebooted, its definitions are others, one more program was updated, sometimes the firewall is off, or it is on another
// network. Step 0 changes nothing. Updates stay from step to step.
func (m *Machine) Drift(step int) *Machine {
	changed := *m
	if step == 0 {
		return &changed
	}
	changed.own()
	d := dice(mix(m.seed^0xd41f7, uint64(step)))
	// This alone would do: it differs from step to step.
	changed.Health.Rebooted = m.Health.Rebooted.Add(time.Duration(step) * time.Minute)
	changed.age(&d)
	changed.update(m, step)
	if g := changed.guard("firewall"); g != nil {
		g.State.Enabled = !d.percent(6)
	}
	if d.percent(30) {
		changed.move(&d)
	}
	return &changed
}

// update brings the programs to where they are after so many updates, of one program each. Products of one version go
// together: packages of one source have it in common.
func (m *Machine) update(before *Machine, updates int) {
	var versions []string
	for i := range before.Software {
		if v := before.Software[i].Version; !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	for i := range before.Software {
		v := before.Software[i].Version
		turn := (slices.Index(versions, v) + int(m.seed%97)) % len(versions)
		if updates > turn {
			m.Software[i].Version = raise(v, 1+(updates-1-turn)/len(versions))
		}
	}
}

// raise raises the last number of a version.
func raise(version string, by int) string {
	cut := len(strings.TrimRight(version, "0123456789"))
	n, err := strconv.Atoi(version[cut:])
	if err != nil {
		return version
	}
	return fmt.Sprintf("%s%0*d", version[:cut], len(version)-cut, n+by)
}

// move has the machine on another network: it has another address, and where it has two adapters, on the other one.
func (m *Machine) move(d *dice) {
	if len(m.Adapters) == 0 {
		return
	}
	id := identity{n: d.next() >> 40}
	v4, v6 := id.addresses(0)
	up := d.below(len(m.Adapters))
	for i := range m.Adapters {
		a := &m.Adapters[i]
		a.Up, a.IPv4, a.IPv6 = i == up, "", ""
		if a.Up {
			a.IPv4, a.IPv6 = v4, v6
		}
	}
}
