package fleet

import "time"

// Machine is an emulated machine: what its agent would find. Random and Demo make complete ones. A machine may be
// reported for by many goroutines as long as nobody changes it.
type Machine struct {
	HostName   string
	HardwareID string // "" on phones and tablets, which do not tell
	MachineID  string // of the installed system; the same
	Serial     string
	Type       string // in the protocol's words: desktop, laptop, server, vm, phone, tablet
	OS         OS
	User       string // "" where nobody signs in
	Adapters   []Adapter
	Health     Health
	// Unread is what the agent could not find out.
	Unread []Unread
	// Guards are the products that protect the machine, or ought to, and those it should not have.
	Guards []Product
	// Software is everything else that is installed, besides the sections.
	Software []Product
	// sections are software that machines have in common, as it stands in a report.
	sections []*section
	seed     uint64
	made     time.Time
}

// OS is an operating system.
type OS struct {
	Family, Name, Version, Vendor, Architecture string
	// Distribution is the ecosystem of the packages of a Linux system, in OSV's spelling.
	Distribution string
	Build        string
	// Virtual is the hypervisor; "" on a physical machine. Phones do not tell.
	Virtual string
}

// Unread is a fact that an agent has no value of, and why.
type Unread struct{ Fact, State, Why string }

// Adapter is a network adapter.
type Adapter struct {
	Name, MAC, IPv4, IPv6 string
	Up                    bool
}

// Health is how the machine is kept, as far as no product stands for it.
type Health struct {
	PasswordSet bool
	LocksAfter  time.Duration // 0: the screen does not lock
	Pending     int           // updates of the system that wait
	Security    int           // of them, security updates
	Checked     time.Time     // when the system last looked for updates
	Rebooted    time.Time
	// Encrypted and Genuine are the answers of phones and tablets.
	Encrypted, Genuine bool
}

// Product is an installed program or package.
type Product struct {
	Name, Vendor, Version string
	Category              string // "" for ordinary software
	Ecosystem, Source     string // of a package: whose it is, and what it was built from
	// State is nil for ordinary software.
	State *State
}

// State is the state of a product that is more than installed.
type State struct {
	Running, Enabled      bool
	Definitions, LastScan time.Time
	Volumes               []Volume
}

// Volume is a disk or a part of one.
type Volume struct {
	Name              string
	Encrypted, System bool
}

// mobile reports whether the machine is one whose agent speaks the phones' form of the protocol.
func (m *Machine) mobile() bool { return m.OS.Family == "android" || m.OS.Family == "iOS" }

// guard finds the product of a category; nil if there is none.
func (m *Machine) guard(category string) *Product {
	for i := range m.Guards {
		if m.Guards[i].Category == category {
			return &m.Guards[i]
		}
	}
	return nil
}

// own makes sure that what hangs on the machine belongs to it alone, so that it can be changed.
func (m *Machine) own() {
	m.Guards = append([]Product(nil), m.Guards...)
	m.Software = append([]Product(nil), m.Software...)
	m.Adapters = append([]Adapter(nil), m.Adapters...)
	for i := range m.Guards {
		if s := m.Guards[i].State; s != nil {
			state := *s
			state.Volumes = append([]Volume(nil), s.Volumes...)
			m.Guards[i].State = &state
		}
	}
}
