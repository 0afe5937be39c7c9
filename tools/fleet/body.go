package fleet

import (
	"slices"
	"time"
)

// agentVersion is that of the agents of computers, mobileVersion that of phones.
const (
	agentVersion  = "1.0.0"
	mobileVersion = "10.4.1"
)

// looked are the categories that the agents of computers look for.
var looked = []string{
	"anti-malware", "firewall", "encryption", "patch_management", "user_authentication", "operating_system",
	"public_file_sharing", "remote_control", "toolbars", "unclassified_pua",
}

// looked gives the categories that the agent had a look at.
func (m *Machine) looked() []string {
	if len(m.Unread) == 0 {
		return looked
	}
	return slices.DeleteFunc(slices.Clone(looked), func(category string) bool {
		return slices.ContainsFunc(m.Unread, func(u Unread) bool { return u.Fact == category })
	})
}

func (m *Machine) putUnread(b []byte) []byte {
	if len(m.Unread) == 0 {
		return b
	}
	b = open(b, "unread", '[')
	for _, u := range m.Unread {
		b = append(next(b), '{')
		b = putText(b, "fact", u.Fact)
		b = putText(b, "state", u.State)
		b = putText(b, "why", u.Why)
		b = append(b, '}')
	}
	return append(b, ']')
}

// Registration is the body with which the machine registers; the device id is that of an earlier registration, or "".
func (m *Machine) Registration(deviceID string) []byte {
	b := make([]byte, 0, 1<<10)
	b = append(b, '{')
	b = putText(b, "device_id", deviceID)
	if m.mobile() {
		b = putText(b, "device_name", m.HostName)
		b = putText(b, "agent_version", mobileVersion)
	} else {
		b = putText(b, "hostname", m.HostName)
		b = putText(b, "hardware_id", m.HardwareID)
		b = putText(b, "agent_version", agentVersion)
	}
	b = putText(b, "serial_number", m.Serial)
	b = putText(b, "device_type", m.Type)
	b = open(b, "os", '{')
	b = m.putOS(b)
	b = append(b, '}')
	b = m.putAdapters(b, "network_adapter_info")
	return append(b, '}')
}

// Report is the body of a health report at a time. The time of the scan, the charge of the battery and what is free of
// memory and disk go with the time; all else stays until the machine changes. The device id is told by phones only.
func (m *Machine) Report(deviceID string, at time.Time) []byte {
	b := make([]byte, 0, m.size())
	if m.mobile() {
		return m.mobileReport(b, deviceID, at)
	}
	return m.computerReport(b, at)
}

// size is about the length of a report.
func (m *Machine) size() int {
	n := 3072 + 160*(len(m.Software)+len(m.Guards))
	for _, s := range m.sections {
		n += len(s.rendered)
	}
	return n
}

func (m *Machine) computerReport(b []byte, at time.Time) []byte {
	b = append(b, `{"agent_type":"persistent","device_name":null`...)
	b = putText(b, "agent_version", agentVersion)
	b = putText(b, "core_version", engineVersion)
	b = putText(b, "hostname", m.HostName)
	b = putText(b, "hardware_id", m.HardwareID)
	b = putText(b, "machine_id", m.MachineID)
	b = putText(b, "serial_number", m.Serial)
	b = putTime(b, "scan_time", at)
	if m.User != "" {
		b = append(open(b, "local_user", '['), '{')
		b = putText(b, "name", m.User)
		b = append(b, '}', ']')
	}
	b = append(open(b, "soh", '{'), `"os_info":[{`...)
	b = putText(b, "device_type", m.Type)
	b = m.putOSInfo(b)
	b = m.putAdapters(b, "network_adapter_info")
	b = m.putSystem(b, at)
	b = append(b, '}', ']')
	b = putList(b, "collected", m.looked()...)
	b = m.putUnread(b)
	b = m.putHealth(b)
	b = m.putFindings(b)
	b = open(b, "applications", '[')
	for i := range m.Guards {
		b = m.Guards[i].append(b)
	}
	b = m.putSoftware(b)
	return append(b, ']', '}', '}')
}

// putOSInfo writes the operating system flattened, as agents on Linux do, or nested, as the others do.
func (m *Machine) putOSInfo(b []byte) []byte {
	if m.OS.Family == "linux" {
		return m.putOS(b)
	}
	return append(m.putOS(open(b, "os", '{')), '}')
}

func (m *Machine) putOS(b []byte) []byte {
	b = putText(b, "family", m.OS.Family)
	b = putText(b, "name", m.OS.Name)
	b = putText(b, "version", m.OS.Version)
	b = putText(b, "build", m.OS.Build)
	if !m.mobile() {
		b = text(name(b, "virtual"), m.OS.Virtual)
	}
	b = putText(b, "vendor", m.OS.Vendor)
	b = putText(b, "architecture", m.OS.Architecture)
	return putText(b, "distribution", m.OS.Distribution)
}

func (m *Machine) putAdapters(b []byte, key string) []byte {
	b = open(b, key, '[')
	for i := range m.Adapters {
		a := &m.Adapters[i]
		b = append(next(b), '{')
		if !m.mobile() {
			b = putFlag(b, "adapter_enabled", true)
			state := "disconnected"
			if a.Up {
				state = "connected"
			}
			b = putText(b, "media_state", state)
		}
		b = putText(b, "description", a.Name)
		b = putText(b, "mac", a.MAC)
		b = putList(b, "ipv4", a.IPv4)
		b = putList(b, "ipv6", a.IPv6)
		b = m.putNetwork(b, a)
		b = append(b, '}')
	}
	return append(b, ']')
}

// putSystem writes the state of the machine, nearly all of which changes by itself.
func (m *Machine) putSystem(b []byte, at time.Time) []byte {
	b = open(b, "system", '{')
	b = m.putNoise(b, at, 16384, 488_000)
	b = putTime(b, "last_reboot", m.Health.Rebooted)
	return append(b, '}')
}

// putNoise writes what is different in every report although nothing has happened.
func (m *Machine) putNoise(b []byte, at time.Time, memory, disk int64) []byte {
	noise := mix(m.seed, uint64(at.Unix()))
	b = open(b, "memory", '{')
	b = putNumber(b, "total_memory_mb", memory)
	b = putNumber(b, "available_memory_mb", memory/4+int64(noise%4096))
	b = open(append(b, '}'), "disk_space", '{')
	b = putNumber(b, "total_size_mb", disk)
	b = putNumber(b, "available_size_mb", disk/3+int64(noise>>12%4096))
	b = append(b, '}')
	b = putNumber(b, "device_up_time", max(0, int64(at.Sub(m.Health.Rebooted)/time.Second)))
	if m.Type == "laptop" || m.mobile() {
		b = open(b, "battery", '{')
		b = putNumber(b, "percentage", 1+int64(noise>>24%100))
		b = putFlag(b, "is_charging", noise>>40%2 == 0)
		b = append(b, '}')
	}
	return b
}

func (m *Machine) putHealth(b []byte) []byte {
	h := &m.Health
	b = open(b, "updates", '{')
	b = putNumber(b, "pending", int64(h.Pending))
	b = putNumber(b, "security", int64(h.Security))
	b = putTime(b, "checked", h.Checked)
	b = append(b, '}')
	b = putFlag(b, "user_password_set", h.PasswordSet)
	b = open(b, "screen_lock", '{')
	b = putFlag(b, "enabled", h.LocksAfter > 0)
	if h.LocksAfter > 0 {
		b = putNumber(b, "after_seconds", int64(h.LocksAfter/time.Second))
	}
	return append(b, '}')
}

// mobileReport is the form of phones and tablets.
func (m *Machine) mobileReport(b []byte, deviceID string, at time.Time) []byte {
	b = append(b, '{')
	b = putText(b, "device_name", m.HostName)
	b = putText(b, "device_id", deviceID)
	b = putText(b, "serial_number", m.Serial)
	b = putText(b, "agent_version", mobileVersion)
	b = putText(b, "user_identity", m.User)
	b = putText(b, "trans_id", m.linkedID())
	b = append(open(b, "soh", '{'), `"os_info":[{`...)
	b = putText(b, "device_type", m.Type)
	b = m.putOS(b)
	b = m.putAdapters(b, "network_adapters")
	b = open(append(b, '}', ']'), "system", '{')
	b = m.putNoise(b, at, 7680, 112_640)
	b = putNumber(b, "last_reboot", m.Health.Rebooted.UnixMilli())
	b = putFlag(b, "passcode", m.Health.PasswordSet)
	b = putFlag(b, "authentic", m.Health.Genuine)
	b = open(b, "encryption", '{')
	b = putFlag(b, "internal", m.Health.Encrypted)
	b = append(b, '}', '}')
	b = putNumber(b, "last_time_ip_scanning", at.UnixMilli())
	b = open(b, "applications", '[')
	b = m.putSoftware(b)
	return append(b, ']', '}', '}')
}

func (m *Machine) putSoftware(b []byte) []byte {
	for i := range m.Software {
		if m.mobile() {
			b = m.Software[i].appendMobile(b)
		} else {
			b = m.Software[i].append(b)
		}
	}
	for _, s := range m.sections {
		b = append(next(b), s.rendered...)
	}
	return b
}

// append writes the product as an element of a list.
func (p *Product) append(b []byte) []byte {
	b = append(next(b), '{')
	b = putText(b, "name", p.Name)
	b = putText(b, "vendor", p.Vendor)
	b = putText(b, "version", p.Version)
	b = putText(b, "category", p.Category)
	if p.Ecosystem != "" {
		b = open(b, "package", '{')
		b = putText(b, "ecosystem", p.Ecosystem)
		b = putText(b, "source", p.Source)
		b = append(b, '}')
	}
	if p.State != nil {
		b = p.State.put(b)
	}
	return append(b, '}')
}

func (p *Product) appendMobile(b []byte) []byte {
	b = open(append(next(b), '{'), "product", '{')
	b = putText(b, "name", p.Name)
	b = putText(b, "version", p.Version)
	return append(b, '}', '}')
}

func (s *State) put(b []byte) []byte {
	if len(s.Volumes) == 0 {
		b = putFlag(b, "running", s.Running)
		b = putFlag(b, "enabled", s.Enabled)
		b = putTime(b, "definitions_date", s.Definitions)
		return putTime(b, "last_scan", s.LastScan)
	}
	b = open(b, "volumes", '[')
	for _, v := range s.Volumes {
		b = append(next(b), '{')
		b = putText(b, "name", v.Name)
		b = putFlag(b, "encrypted", v.Encrypted)
		b = putFlag(b, "system", v.System)
		b = append(b, '}')
	}
	return append(b, ']')
}
