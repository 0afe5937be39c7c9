package collect

import (
	"net/netip"
	"time"

	"muster/internal/posture"
)

// Snapshot is what was found on the machine at one time. A slice in it is never changed once it is there: snapshots share
// what did not change between them.
type Snapshot struct {
	Taken time.Time

	OS       OS
	Hardware Hardware
	Identity Identity

	Adapters   Fact[[]Adapter]
	Neighbours Fact[[]Neighbour] // does not apply unless it is switched on

	Users  Fact[[]User] // who is logged on now
	Booted Fact[time.Time]
	Uptime Fact[time.Duration]

	// Software is every installed package and application, by where it was read: "dpkg", "rpm", "snap", "pip", "registry".
	Software  map[string]Fact[[]Application]
	Processes Fact[[]string] // the names of running programs, sorted, each once

	Encryption  Fact[[]Product]
	Firewalls   Fact[[]Product]
	Antimalware Fact[[]Product]

	Updates Fact[Updates]
	// Patches are the updates of the operating system itself that are missing, where they have names of their own (Windows,
	// macOS).
	Patches Fact[[]Patch]

	PasswordSet Fact[bool]
	ScreenLock  Fact[ScreenLock]

	Threats Fact[Threats]
	Custom  []CustomResult

	// Failed says, by subject, why a collector as a whole gave up.
	Failed map[string]string
}

func (s *Snapshot) failures() map[string]string {
	if s == nil {
		return nil
	}
	return s.Failed
}

// OS is the operating system.
type OS struct {
	Family       posture.OSFamily
	Vendor       Fact[string]
	Name         Fact[string] // as people call it: "Debian GNU/Linux 12 (bookworm)", "Windows Server 2022 Standard", "macOS"
	Version      Fact[string] // comparable: "12.8", "10.0.26100.2314", "15.1.1"
	Build        Fact[string] // "26100.2314", "24B91"; of a Linux system its kernel's release
	Architecture Fact[string] // in Go's words: "amd64", "arm64"
	Language     Fact[string] // BCP 47: "en-GB"
	Distribution Fact[string] // the package ecosystem in OSV's spelling: "Debian:12"
}

// Hardware is the machine itself.
type Hardware struct {
	Type    Fact[posture.DeviceType]
	Virtual Fact[string] // the hypervisor or kind of container ("kvm", "vmware", "docker"); "" for a physical machine
	Vendor  Fact[string]
	Model   Fact[string]
	CPU     Fact[CPU]
	Memory  Fact[Memory]
	Disks   Fact[[]Disk]
	Battery Fact[Battery]
}

// Identity tells the machine from others.
type Identity struct {
	HostName   Fact[string]
	Domain     Fact[string] // the directory domain that it is a member of
	HardwareID Fact[string] // 32 hex digits, made from the firmware's id; the same after a new installation
	MachineID  Fact[string] // 32 hex digits, made from the system's id; another after a new installation
	Serial     Fact[string]
}

// CPU is the processor.
type CPU struct {
	Model  string
	Cores  int // logical ones
	MaxMHz int // 0 where it is not told
}

// Memory is in bytes.
type Memory struct{ Total, Available uint64 }

// Disk is one mounted file system. Sizes are in bytes.
type Disk struct {
	Name        string // where it is mounted, or its drive letter: "/", "C:"
	Device      string
	Total, Free uint64
	System      bool // holds the operating system
}

// Battery is what there is of batteries, together.
type Battery struct {
	Percent  int
	Charging bool // on mains, charging or full
}

// Adapter is a network adapter. Loopback and tunnels without an address of their own are left out.
type Adapter struct {
	Name         string
	MAC          posture.MAC
	PermanentMAC Fact[posture.MAC] // burnt in; differs from MAC where that is randomised or set
	HasMAC       bool
	Addresses    []netip.Prefix
	Enabled      bool
	Connected    bool
	Gateway      Fact[netip.Addr]
	DNS          Fact[[]netip.Addr]
	DHCP         Fact[DHCP]
}

// DHCP says how an adapter came by its IPv4 address.
type DHCP struct {
	Enabled           bool
	Server            netip.Addr // the zero Addr where it is not told
	Obtained, Expires time.Time  // zero where they are not told
}

// Neighbour is another machine that was seen on the local network.
type Neighbour struct {
	MAC     posture.MAC
	Address netip.Addr
	Adapter string
}

// User is somebody who is logged on.
type User struct{ Name, Domain string }

// Application is an installed package or program.
type Application struct {
	Name, Vendor, Version string
	// PURL is the package URL, with the qualifiers that advisories need (distro, epoch, arch, rpmmod, upstream); "" for a
	// program that no package manager knows.
	PURL string
	// Category is "" for ordinary software.
	Category posture.Category
}

// Product guards the machine, or ought to: a firewall, an antimalware, disk encryption.
type Product struct {
	Name, Vendor, Version string
	Running, Enabled      Fact[bool]
	Definitions, LastScan Fact[time.Time] // a known zero time is 'never'
	Volumes               []Volume        // of disk encryption
}

// Volume is a file system and whether what it lies on is encrypted.
type Volume struct {
	Name      string
	Encrypted Fact[bool]
	System    bool
}

// Updates is what the system's own updater has waiting.
type Updates struct {
	Pending  int // all kinds
	Security int // of them, security updates
	Checked  Fact[time.Time]
}

// Patch is one missing update with a name of its own.
type Patch struct {
	KB, Title, Product, Vendor, Severity, Category string
	Released                                       time.Time // zero where it is not told
}

// ScreenLock says whether the screen locks when nobody is there.
type ScreenLock struct {
	Enabled bool
	After   time.Duration // 0 where it is not told
}

// Threats is what the machine's own antimalware found.
type Threats struct {
	Scanned time.Time // zero for never
	Found   []Threat
}

// Threat is one piece of malware.
type Threat struct {
	Name, File, Hash, Severity, Action, Product string
	Found                                       time.Time
	Existing                                    posture.Fact
}

// CustomResult is what came of a custom check.
type CustomResult struct {
	ID      string
	Outcome posture.Outcome
	Output  string
	At      time.Time
}
