package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"time"

	"muster/internal/agent/category"
	"muster/internal/agent/collect"
	"muster/internal/agent/protocol"
	"muster/internal/posture"
)

// About is what a report says besides what was found.
type About struct {
	Version    string // of the agent
	DeviceName string // as its administrator named it; may be ""
	UserID     string // what the user answered who they are; may be ""
	Privacy    protocol.Privacy
}

// Registration writes the body that enrols the machine. The licence key and group are for machines without a code; the
// device id is the one it had, if any.
func Registration(s *collect.Snapshot, a About, licenseKey, group, deviceID string) ([]byte, error) {
	b := registration{
		LicenseKey: licenseKey, GroupID: group, AgentVersion: a.Version, DeviceID: deviceID, DeviceName: a.DeviceName,
		HostName:   s.Identity.HostName.Value,
		DeviceType: string(s.Hardware.Type.Value), HardwareID: s.Identity.HardwareID.Value,
		Serial: s.Identity.Serial.Value, Domain: s.Identity.Domain.Value,
		OS:       osOf(s),
		Adapters: adaptersOf(s.Adapters.Value),
	}
	if on(a.Privacy.HostName) {
		b.HostName, b.DeviceName = "", ""
	}
	if on(a.Privacy.SerialNumber) {
		b.Serial = ""
	}
	hideAddresses(b.Adapters, a.Privacy)
	return json.Marshal(&b)
}

// Report is a health report.
type Report struct {
	Body []byte
	// Digest is of all in it that does not change by itself: a report with the digest of the last says nothing new.
	Digest [sha256.Size]byte
}

// New writes a health report of what was found. What is more than a server takes is left out and named as what could not be
// read.
func New(s *collect.Snapshot, a About) (Report, error) {
	r, ok, err := write(s, a)
	if err == nil && !ok {
		r, _, err = write(withoutSoftware(*s), a)
	}
	return r, err
}

// write writes a report, and reports whether a server takes one of its size.
func write(s *collect.Snapshot, a About) (r Report, ok bool, err error) {
	b := bodyOf(s, a)
	hide(&b, a.Privacy)
	full, err := json.Marshal(&b)
	if err != nil {
		return Report{}, false, err
	}
	still(&b)
	lasting, err := json.Marshal(&b)
	if err != nil {
		return Report{}, false, err
	}
	return Report{Body: full, Digest: sha256.Sum256(lasting)}, fits(&b, len(full)), nil
}

// still takes out what changes from one minute to the next on a machine on which nothing happens.
func still(b *body) {
	b.ScanTime = nil
	os := &b.SOH.OSInfo[0]
	if os.System != nil {
		s := *os.System
		s.Uptime, s.Battery = 0, nil
		if s.Memory != nil {
			s.Memory = &memory{TotalMB: s.Memory.TotalMB}
		}
		os.System = &s
	}
	os.Adapters = slices.Clone(os.Adapters)
	for i := range os.Adapters {
		os.Adapters[i].DHCPObtained, os.Adapters[i].DHCPExpires = nil, nil
	}
	b.SOH.Custom = slices.Clone(b.SOH.Custom)
	for i := range b.SOH.Custom {
		b.SOH.Custom[i].At = nil
	}
	b.SOH.Neighbours = nil
}

func bodyOf(s *collect.Snapshot, a About) body {
	os := osOf(s)
	os.Adapters = adaptersOf(s.Adapters.Value)
	os.System = systemOf(s)
	return body{
		AgentType: "persistent", AgentVersion: a.Version, DeviceName: a.DeviceName,
		HostName: s.Identity.HostName.Value, HardwareID: s.Identity.HardwareID.Value, MachineID: s.Identity.MachineID.Value,
		Serial: s.Identity.Serial.Value, Domain: s.Identity.Domain.Value, UserIdentity: a.UserID,
		ScanTime: when(s.Taken), LocalUsers: usersOf(s.Users.Value),
		SOH: health{
			OSInfo: []osInfo{os}, Collected: collected(s), Updates: updatesOf(s.Updates),
			PasswordSet: fact(s.PasswordSet), ScreenLock: screenLockOf(s.ScreenLock),
			Applications: applicationsOf(s), Processes: s.Processes.Value, Disks: disksOf(s.Hardware.Disks.Value),
			Patches: patchesOf(s), Threats: threatsOf(s.Threats), Custom: customOf(s.Custom),
			Neighbours: neighboursOf(s.Neighbours.Value), Unread: Facts(s),
		},
	}
}

// collected names the categories that were looked for: those whose fact is known, and where the software is known, those
// that are told by it.
func collected(s *collect.Snapshot) []string {
	out := []string{}
	add := func(looked bool, c posture.Category) {
		if looked {
			out = append(out, string(c))
		}
	}
	add(s.Antimalware.State == collect.IsKnown, posture.Antimalware)
	add(s.Firewalls.State == collect.IsKnown, posture.Firewall)
	add(s.Encryption.State == collect.IsKnown, posture.Encryption)
	for _, f := range s.Software {
		if f.State == collect.IsKnown {
			for _, c := range category.LookedFor(s.OS.Family) {
				add(true, c)
			}
			break
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func osOf(s *collect.Snapshot) osInfo {
	o := osInfo{
		Family: string(s.OS.Family), Name: s.OS.Name.Value, Version: s.OS.Version.Value, Build: s.OS.Build.Value,
		Vendor: s.OS.Vendor.Value, Architecture: s.OS.Architecture.Value, Language: s.OS.Language.Value,
		Distribution: s.OS.Distribution.Value, DeviceType: string(s.Hardware.Type.Value),
	}
	if v, ok := s.Hardware.Virtual.Get(); ok {
		o.Virtual = &v
	}
	return o
}

func systemOf(s *collect.Snapshot) *system {
	out := system{Vendor: s.Hardware.Vendor.Value, Model: s.Hardware.Model.Value}
	if c, ok := s.Hardware.CPU.Get(); ok {
		out.CPU = &cpu{c.Model, c.Cores, c.MaxMHz}
	}
	if m, ok := s.Hardware.Memory.Get(); ok {
		out.Memory = &memory{m.Total / mega, m.Available / mega}
	}
	if b, ok := s.Hardware.Battery.Get(); ok {
		out.Battery = &battery{b.Percent, b.Charging}
	}
	out.Uptime = int64(s.Uptime.Value / time.Second)
	out.Booted = when(s.Booted.Value)
	return &out
}

const mega = 1 << 20

func adaptersOf(list []collect.Adapter) []adapter {
	out := make([]adapter, 0, len(list))
	for i := range list {
		out = append(out, adapterOf(&list[i]))
	}
	slices.SortFunc(out, func(a, b adapter) int { return cmp.Compare(a.Description, b.Description) })
	return out
}

func adapterOf(a *collect.Adapter) adapter {
	w := adapter{
		Description: a.Name, Enabled: a.Enabled, MediaState: "disconnected", IPv4: []string{}, IPv6: []string{},
		Gateway: addressOf(a.Gateway.Value),
	}
	if a.HasMAC {
		w.MAC = a.MAC.String()
	}
	if m, ok := a.PermanentMAC.Get(); ok {
		w.PermanentMAC = m.String()
	}
	if a.Connected {
		w.MediaState = "connected"
	}
	prefixes := slices.Clone(a.Addresses)
	slices.SortFunc(prefixes, func(x, y netip.Prefix) int { return x.Addr().Compare(y.Addr()) })
	for _, p := range prefixes {
		if !p.Addr().Is4() {
			w.IPv6 = append(w.IPv6, p.Addr().WithZone("").String())
			continue
		}
		w.IPv4 = append(w.IPv4, p.Addr().String())
		w.Masks = append(w.Masks, mask{net.IP(net.CIDRMask(p.Bits(), 32)).String()})
	}
	for _, d := range a.DNS.Value {
		w.DNS = append(w.DNS, addressOf(d))
	}
	if d, ok := a.DHCP.Get(); ok {
		w.DHCP = &d.Enabled
		w.DHCPServer, w.DHCPObtained, w.DHCPExpires = addressOf(d.Server), when(d.Obtained), when(d.Expires)
	}
	return w
}

func addressOf(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.WithZone("").String()
}

func usersOf(list []collect.User) []user {
	out := make([]user, 0, len(list))
	for _, u := range list {
		out = append(out, user(u))
	}
	slices.SortFunc(out, func(a, b user) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(out)
}

// when leaves out the zero time, what a server takes for no time, and what is below a second.
func when(t time.Time) *time.Time {
	if year := t.UTC().Year(); year < firstYear || year > lastYear {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// fact is nil for what is not known.
func fact[T any](f collect.Fact[T]) *T {
	if v, ok := f.Get(); ok {
		return &v
	}
	return nil
}

func flagOf(f posture.Fact) *bool {
	if f == posture.NotReported {
		return nil
	}
	yes := f == posture.Yes
	return &yes
}
