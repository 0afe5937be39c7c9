package host

import "net/netip"

// Native is what only calls of Windows tell: neither a file nor the registry has it, nor a program that starts quickly.
type Native interface {
	// Links are the network adapters, in the system's order.
	Links() ([]Link, error)
	// Firmware is the SMBIOS table, behind the eight octets that Windows puts before it.
	Firmware() ([]byte, error)
	// Domain is the directory domain that the machine is a member of; "" where it is of none.
	Domain() (string, error)
	Power() (Power, error)
	// Sessions are those in which somebody is logged on, also from afar, connected at this time or not.
	Sessions() ([]Session, error)
	// Service reports whether a service runs; fs.ErrNotExist where there is none of that name.
	Service(name string) (bool, error)
}

// Link is one network adapter of Windows. Text of an address is "" where there is none.
type Link struct {
	ID           string         `json:"id"` // "{GUID}", its key in the registry
	Name         string         `json:"name"`
	MAC          string         `json:"mac"`
	PermanentMAC string         `json:"permanent_mac"`
	Type         uint32         `json:"type"` // as IANA numbers them: 6 Ethernet, 24 loopback, 71 Wi-Fi, 131 tunnel
	Up           bool           `json:"up"`
	Addresses    []netip.Prefix `json:"addresses"`
	Gateways     []netip.Addr   `json:"gateways"`
	DNS          []netip.Addr   `json:"dns"`
}

// Power is where the machine's power comes from.
type Power struct {
	Battery bool `json:"battery"` // there is one
	Percent int  `json:"percent"` // -1 where it is not told
	Mains   bool `json:"mains"`
}

// Session is one of somebody who is logged on.
type Session struct {
	Name   string `json:"name"`
	Domain string `json:"domain"`
}
