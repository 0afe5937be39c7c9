package windows

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"muster/internal/agent/collect"
)

const (
	firewallPolicy = localMachine + `SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy`
	groupPolicy    = localMachine + `SOFTWARE\Policies\Microsoft\WindowsFirewall`
)

// firewallKeys are where group policy, device management and the machine's own settings are, in the order in which they count.
var firewallKeys = []string{groupPolicy, firewallPolicy + `\Mdm`, firewallPolicy}

// profiles of the firewall by the names of their keys; that for private networks has two.
var profiles = [][]string{{"DomainProfile"}, {"StandardProfile", "PrivateProfile"}, {"PublicProfile"}}

// firewalls gives the firewall of Windows, and those that have registered with SecurityCenter2.
func (m *machine) firewalls(found answers, err error) []collect.Product {
	own := collect.Product{
		Name: "Windows Defender Firewall", Vendor: "Microsoft Corporation",
		Running: m.service("MpsSvc"), Enabled: collect.Of(m.firewallOn()),
		Definitions: noDefinitions, LastScan: noScans,
	}
	others, err := valuesOf[registered](found, err, "firewalls")
	if err != nil && !isMissing(err) { // that of Windows is known all the same
		return []collect.Product{own}
	}
	out := []collect.Product{own}
	for _, r := range others {
		out = append(out, r.product())
	}
	sortProducts(out)
	return out
}

// firewallOn reports whether the firewall is on for every kind of network.
func (m *machine) firewallOn() (bool, error) {
	for _, names := range profiles {
		on, err := m.profileOn(names)
		if err != nil || !on {
			return false, err
		}
	}
	return true, nil
}

// profileOn gives the setting that counts.
func (m *machine) profileOn(names []string) (bool, error) {
	for _, where := range firewallKeys {
		for _, name := range names {
			n, err := m.number(where+`\`+name, "EnableFirewall")
			if err == nil {
				return n != 0, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return false, err
			}
		}
	}
	return false, fmt.Errorf("the registry does not say whether the firewall's %s is on", strings.ToLower(names[0]))
}

// service reports whether a service runs. One that is not there does not.
func (m *machine) service(name string) collect.Fact[bool] {
	if m.h.Native == nil {
		return collect.CouldNotRead[bool](errNoCalls)
	}
	running, err := m.h.Native.Service(name)
	if errors.Is(err, fs.ErrNotExist) {
		return collect.Known(false)
	}
	return collect.Of(running, err)
}
