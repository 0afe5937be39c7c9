// Package report writes what was found on a machine in the form of the agent protocol: the body of a registration and of
// a health report.
package report

import (
	"maps"
	"slices"

	"muster/internal/agent/collect"
)

// Unread is a fact that has no value, and why.
type Unread struct {
	Fact  string `json:"fact"`
	State string `json:"state"` // unreadable or not_applicable
	Why   string `json:"why,omitempty"`
}

// unread gathers the facts without a value.
type unread struct{ list []Unread }

type status interface {
	Status() (collect.State, string)
}

func (u *unread) note(name string, f status) {
	state, why := f.Status()
	switch state {
	case collect.IsKnown:
	case collect.NotApplicable:
		u.list = append(u.list, Unread{name, "not_applicable", why})
	case collect.Unreadable:
		u.list = append(u.list, Unread{name, "unreadable", why})
	case collect.NotLooked:
		u.list = append(u.list, Unread{name, "unreadable", "this agent does not look for it on this system"})
	}
}

// Facts lists every fact of a snapshot that has no value, in a fixed order. A fact that a collector did not come to is
// named with what made the collector give up, where that is known.
func Facts(s *collect.Snapshot) []Unread {
	var u unread
	for _, f := range []struct {
		name string
		fact status
	}{
		{"os_name", s.OS.Name}, {"os_version", s.OS.Version}, {"os_build", s.OS.Build}, {"os_vendor", s.OS.Vendor},
		{"architecture", s.OS.Architecture}, {"language", s.OS.Language}, {"distribution", s.OS.Distribution},
		{"device_type", s.Hardware.Type}, {"virtual", s.Hardware.Virtual},
		{"vendor", s.Hardware.Vendor}, {"model", s.Hardware.Model},
		{"cpu", s.Hardware.CPU}, {"memory", s.Hardware.Memory}, {"disks", s.Hardware.Disks}, {"battery", s.Hardware.Battery},
		{"hostname", s.Identity.HostName}, {"domain", s.Identity.Domain},
		{"hardware_id", s.Identity.HardwareID}, {"machine_id", s.Identity.MachineID}, {"serial_number", s.Identity.Serial},
		{"adapters", s.Adapters}, {"neighbours", s.Neighbours},
		{"users", s.Users}, {"last_reboot", s.Booted}, {"uptime", s.Uptime}, {"processes", s.Processes},
		{"encryption", s.Encryption}, {"firewall", s.Firewalls}, {"anti-malware", s.Antimalware},
		{"updates", s.Updates}, {"missing_patches", s.Patches},
		{"user_password_set", s.PasswordSet}, {"screen_lock", s.ScreenLock}, {"threats", s.Threats},
	} {
		u.note(f.name, f.fact)
	}
	for _, source := range slices.Sorted(maps.Keys(s.Software)) {
		u.note("software."+source, s.Software[source])
	}
	if updates, ok := s.Updates.Get(); ok {
		u.note("updates.checked", updates.Checked)
	}
	u.adapters(s.Adapters.Value)
	u.products("encryption", s.Encryption.Value)
	u.products("firewall", s.Firewalls.Value)
	u.products("anti-malware", s.Antimalware.Value)
	for _, subject := range slices.Sorted(maps.Keys(s.Failed)) {
		u.list = append(u.list, Unread{"collector." + subject, "unreadable", s.Failed[subject]})
	}
	return u.bounded()
}

// The protocol takes so many, of so many characters each.
const (
	maxUnread = 200
	maxName   = 64
)

func (u *unread) bounded() []Unread {
	list := u.list[:min(len(u.list), maxUnread)]
	for i := range list {
		if r := []rune(list[i].Fact); len(r) > maxName {
			list[i].Fact = string(r[:maxName])
		}
	}
	return list
}

func (u *unread) adapters(list []collect.Adapter) {
	for i := range list {
		a := &list[i]
		u.note("adapter."+a.Name+".permanent_mac", a.PermanentMAC)
		u.note("adapter."+a.Name+".gateway", a.Gateway)
		u.note("adapter."+a.Name+".dns", a.DNS)
		u.note("adapter."+a.Name+".dhcp", a.DHCP)
	}
}

// products names what could not be read of a product; what does not apply to it is no gap.
func (u *unread) products(category string, list []collect.Product) {
	for i := range list {
		p := &list[i]
		for _, f := range []struct {
			name string
			fact status
		}{{"running", p.Running}, {"enabled", p.Enabled}, {"definitions", p.Definitions}, {"last_scan", p.LastScan}} {
			if state, _ := f.fact.Status(); state == collect.Unreadable {
				u.note(category+"."+p.Name+"."+f.name, f.fact)
			}
		}
		for _, v := range p.Volumes {
			u.note(category+"."+p.Name+"."+v.Name, v.Encrypted)
		}
	}
}
