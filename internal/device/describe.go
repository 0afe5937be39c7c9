package device

import (
	"context"
	"unicode/utf8"

	"muster/internal/posture"
)

// The bounds of a profile: a row of the inventory stays small whatever an agent reports.
const (
	maxInterfaces  = 16
	maxAddresses   = 8   // of one adapter and kind
	maxProfileText = 256 // characters
)

// describe brings the stored profile up to date. One that cannot be read begins anew: what is reported now is whole.
func (s *Service) describe(d *Device, fill func(*Profile)) {
	p, err := d.Profile()
	if err != nil {
		s.log.Error("a stored profile cannot be read; it begins anew", "device", d.ID, "error", err)
		p = Profile{}
	}
	fill(&p)
	d.PackedProfile = p.Pack()
}

// report fills the profile from a report. What a machine is stays as it was where the report does not say; how it is
// now, and where, is as reported.
func (p *Profile) report(r *posture.Report) {
	p.system(&r.OS)
	p.Password, p.User = r.UserPasswordSet, posture.User{}
	if len(r.Users) > 0 {
		p.User = posture.User{Name: shorten(r.Users[0].Name), Domain: shorten(r.Users[0].Domain)}
	}
	if !r.Reboot.IsZero() {
		p.Reboot = r.Reboot
	}
	p.Adapters = interfacesOf(r.Adapters)
	keep(&p.PublicIP, shorten(r.PublicIP))
	keep(&p.EngineVersion, shorten(r.Engine))
}

// registration fills the profile from a registration, which says less than a report.
func (p *Profile) registration(r *Registration) {
	p.system(&r.OS)
	p.Adapters = interfacesOf(r.Adapters)
}

// system takes an operating system as a whole: the service pack of the last one is none of the next.
func (p *Profile) system(os *posture.OS) {
	if *os == (posture.OS{}) {
		return
	}
	p.Vendor, p.Architecture = shorten(os.Vendor), shorten(os.Architecture)
	p.Language, p.ServicePack = shorten(os.Language), shorten(os.ServicePack)
}

// interfacesOf gives the adapters that are shown, in the order reported. Of too many those come first that are really
// built in: a host of containers has dozens of others.
func interfacesOf(adapters []posture.Adapter) []Interface {
	out := make([]Interface, 0, min(len(adapters), maxInterfaces))
	spare := maxInterfaces
	for i := range adapters {
		if builtIn(&adapters[i]) {
			spare--
		}
	}
	for i := range adapters {
		a := &adapters[i]
		if !builtIn(a) {
			if spare <= 0 {
				continue
			}
			spare--
		}
		if len(out) < maxInterfaces {
			out = append(out, interfaceOf(a))
		}
	}
	return out
}

func builtIn(a *posture.Adapter) bool { return a.HasMAC && a.MAC.Identifies() }

func interfaceOf(a *posture.Adapter) Interface {
	out := Interface{
		Description: shorten(a.Description),
		IPv4:        firstFew(a.IPv4), IPv6: firstFew(a.IPv6), DNS: firstFew(a.DNS),
		SubnetMask: shorten(a.SubnetMask), Gateway: shorten(a.Gateway), DHCPServer: shorten(a.DHCPServer),
		Connected: a.Connected, Enabled: a.Enabled, DHCP: a.DHCP,
		DHCPObtained: a.DHCPObtained, DHCPExpires: a.DHCPExpires,
	}
	if a.HasMAC {
		out.MAC = a.MAC.String()
	}
	return out
}

func firstFew(addresses []string) []string {
	out := make([]string, 0, min(len(addresses), maxAddresses))
	for _, a := range addresses[:min(len(addresses), maxAddresses)] {
		out = append(out, shorten(a))
	}
	return out
}

// shorten cuts a text after so many characters.
func shorten(s string) string {
	if len(s) <= maxProfileText || utf8.RuneCountInString(s) <= maxProfileText {
		return s
	}
	return string([]rune(s)[:maxProfileText])
}

// takeLinkedID makes the device the only live one with its linked id, when a report first says it: the person who
// followed the link again has a new phone. It is called before the device itself is stored. Two devices that say so at the same moment on two servers both keep it, and
// then it names neither.
func takeLinkedID(ctx context.Context, tx Tx, old, d *Device) error {
	if d.LinkedID == "" || d.LinkedID == old.LinkedID {
		return nil
	}
	ids, err := tx.Linked(ctx, d.Account, d.LinkedID)
	if err != nil {
		return err
	}
	for _, id := range ids {
		other, err := tx.DeviceForUpdate(ctx, d.Account, id)
		if err != nil {
			return err
		}
		unlinked := other
		unlinked.LinkedID = ""
		err = tx.Update(ctx, &other, &unlinked)
		if err != nil {
			return err
		}
	}
	return nil
}
