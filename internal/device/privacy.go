package device

import (
	"context"
	"crypto/sha256"
	"regexp"
	"strings"

	"muster/internal/posture"
)

// Private stands in answers for what an account keeps private, whether it is known or not.
const Private = "<private>"

// Privacy says what of its devices an account keeps private: it is not stored when it is reported, and not shown where it
// is known from before. Which machine it is has to be known nevertheless: the hardware id and the adapter addresses are
// stored in any case, to recognise it and to find it for who knows one of them.
type Privacy struct {
	UserName, HostName, PublicIP, MACAddress, LocalIP, Geolocation, SerialNumber bool
	// OtherApplications are those of categories other than Looked, in which the account's policies make checks.
	// They are stored, for vulnerabilities are found in them.
	OtherApplications bool
}

// Rules are what an account decides about its devices.
type Rules struct {
	Privacy Privacy
	Removal Removal
	// RefuseAtLimit keeps nothing of a device that is new and has no place; otherwise it is kept as one out of licence.
	RefuseAtLimit bool
	// Discover adds the machines that agents see on their networks.
	Discover bool
}

// rules gives what an account decided; nothing where nobody was asked.
func (s *Service) rules(ctx context.Context, account posture.AccountID) (Rules, error) {
	if s.decided == nil {
		return Rules{}, nil
	}
	return s.decided(ctx, account)
}

// stores reports whether everything that is reported may be stored.
func (p Privacy) stores() bool {
	p.OtherApplications = false
	return p == Privacy{}
}

// digest tells apart reports that say the same and are stored differently, so that the first one after a change of
// privacy is stored anew.
func (p Privacy) digest(of [sha256.Size]byte) [sha256.Size]byte {
	if p.stores() {
		return of
	}
	var kept byte
	for i, private := range []bool{p.UserName, p.HostName, p.PublicIP, p.MACAddress, p.LocalIP, p.Geolocation, p.SerialNumber} {
		if private {
			kept |= 1 << i
		}
	}
	return sha256.Sum256(append(of[:], kept))
}

// empty leaves nothing of a text that is private.
func empty(private bool, texts ...*string) {
	if !private {
		return
	}
	for _, t := range texts {
		*t = ""
	}
}

// report takes what is private out of a report. The adapter addresses go too: ask for them before.
func (p Privacy) report(r *posture.Report) {
	empty(p.HostName, &r.HostName, &r.DeviceName)
	empty(p.SerialNumber, &r.Serial)
	empty(p.UserName, &r.UserIdentity)
	empty(p.PublicIP, &r.PublicIP)
	for i := range r.Adapters {
		p.adapter(&r.Adapters[i])
	}
	if p.MACAddress {
		for i := range r.Adapters {
			a := &r.Adapters[i]
			a.MAC, a.HasMAC, a.Permanent, a.HasPermanent = posture.MAC{}, false, posture.MAC{}, false
		}
	}
	if !p.UserName {
		return
	}
	r.Users = nil
	for i := range r.Threats {
		r.Threats[i].File = HideUser(r.Threats[i].File)
	}
	for i := range r.Processes {
		r.Processes[i] = HideUser(r.Processes[i])
	}
	for i := range r.Unread {
		r.Unread[i].Why = HideUser(r.Unread[i].Why)
	}
}

// adapter takes out of an adapter where in the network it is.
func (p Privacy) adapter(a *posture.Adapter) {
	if !p.LocalIP {
		return
	}
	a.IPv4, a.IPv6, a.DNS = nil, nil, nil
	a.SubnetMask, a.Gateway, a.DHCPServer = "", "", ""
}

// registration takes what is private out of a registration, but for the adapter addresses: the machine is recognised by
// them.
func (p Privacy) registration(r Registration) Registration {
	empty(p.HostName, &r.Name, &r.HostName)
	empty(p.SerialNumber, &r.Serial)
	r.Adapters = append([]posture.Adapter(nil), r.Adapters...)
	for i := range r.Adapters {
		p.adapter(&r.Adapters[i])
	}
	if p.UserName {
		r.Users = nil
	}
	r.Private = p
	return r
}

// forget takes what is private out of the inventory.
func (p Privacy) forget(d *Device) {
	empty(p.HostName, &d.Name, &d.HostName)
	empty(p.SerialNumber, &d.Serial)
	empty(p.UserName, &d.UserIdentity)
}

// profile takes what is private out of a profile.
func (p Privacy) profile(of *Profile) {
	empty(p.PublicIP, &of.PublicIP)
	if p.UserName {
		of.User = posture.User{}
	}
	for i := range of.Adapters {
		a := &of.Adapters[i]
		empty(p.MACAddress, &a.MAC)
		empty(p.LocalIP, &a.SubnetMask, &a.Gateway, &a.DHCPServer)
		if p.LocalIP {
			a.IPv4, a.IPv6, a.DNS = nil, nil, nil
		}
	}
}

// Veil makes a device one that can be shown to anybody who may see the devices of the account.
func (p Privacy) Veil(d *Device) {
	hide(p.HostName, &d.Name, &d.HostName)
	hide(p.SerialNumber, &d.Serial)
	hide(p.UserName, &d.UserIdentity)
	d.Veiled = p
}

// VeilReport is Veil for a report.
func (p Privacy) VeilReport(r *posture.Report) { p.report(r) }

// VeilEntries is Veil for what a log tells of devices.
func (p Privacy) VeilEntries(entries []LogEntry) {
	for i := range entries {
		e := &entries[i]
		if e.DeviceID == "" {
			continue
		}
		hide(p.HostName, &e.DeviceName)
		if p.MACAddress {
			e.MACs = nil
		}
	}
}

// VeilActivities is Veil for attempts.
func (p Privacy) VeilActivities(list []Activity) {
	for i := range list {
		hide(p.HostName, &list[i].DeviceName)
		hide(p.UserName, &list[i].AppUser)
	}
}

// hide puts Private into the place of a text that is private.
func hide(private bool, texts ...*string) {
	if !private {
		return
	}
	for _, t := range texts {
		*t = Private
	}
}

// show makes a profile one that can be shown. An adapter has an address of each kind, known or not.
func (p Privacy) show(of *Profile) {
	p.profile(of)
	hide(p.PublicIP, &of.PublicIP)
	hide(p.UserName, &of.User.Name)
	for i := range of.Adapters {
		a := &of.Adapters[i]
		hide(p.MACAddress, &a.MAC)
		if p.LocalIP {
			a.IPv4, a.IPv6 = []string{Private}, []string{Private}
		}
	}
}

// userFolder is the folder of a user in a path, as the usual systems have it.
var userFolder = regexp.MustCompile(`(?i)([\\/](?:users|home|documents and settings)[\\/]+)[^\\/"]+`)

// HideUser takes the name of a user out of a path.
func HideUser(path string) string {
	if !strings.ContainsAny(path, `\/`) {
		return path
	}
	return userFolder.ReplaceAllString(path, "${1}"+Private)
}
