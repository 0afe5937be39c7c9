// Package posture is the vocabulary of Muster: what a machine says about itself, and the words for what is thought of
// it. It is the ground floor: it imports nothing of the project and does no I/O.
package posture

import "time"

// Fact is a yes-or-no answer that may be missing. Not knowing is not the same as no.
type Fact uint8

const (
	// NotReported: the agent said nothing, or could not tell.
	NotReported Fact = 0
	// No: the agent looked, and it is not so.
	No Fact = 1
	// Yes: the agent looked, and it is so.
	Yes Fact = 2
)

// FactOf turns a pointer to a bool, as decoders give them, into a Fact.
func FactOf(b *bool) Fact {
	switch {
	case b == nil:
		return NotReported
	case *b:
		return Yes
	default:
		return No
	}
}

// DeviceType is the kind of machine.
type DeviceType string

// The device types of the reference.
const (
	Desktop DeviceType = "desktop"
	Laptop  DeviceType = "laptop"
	Server  DeviceType = "server"
	VM      DeviceType = "vm"
	Phone   DeviceType = "phone"
	Tablet  DeviceType = "tablet"
)

// ParseDeviceType reads the reference's words and the older `notebook`; anything else gives "".
func ParseDeviceType(s string) DeviceType {
	switch d := DeviceType(s); d {
	case Desktop, Laptop, Server, VM, Phone, Tablet:
		return d
	case "notebook":
		return Laptop
	default:
		return ""
	}
}

// OSFamily is the broad kind of operating system.
type OSFamily string

// The operating-system families of the reference.
const (
	Windows OSFamily = "windows"
	MacOS   OSFamily = "mac"
	Linux   OSFamily = "linux"
	IOS     OSFamily = "ios"
	Android OSFamily = "android"
)

// OS is an operating system as its agent describes it.
type OS struct {
	Family       OSFamily
	Name         string
	Version      string
	Vendor       string
	Architecture string
	Language     string
	ServicePack  string
	// Build tells apart what bears the same version: "26100.2314", "24B91"; of a Linux system its kernel's release.
	Build string
	// Distribution is the package ecosystem of a Linux system in OSV's spelling, such as "Debian:12"; "" if not known.
	Distribution string
}

// Adapter is one network adapter.
type Adapter struct {
	MAC    MAC
	HasMAC bool // an agent may list an adapter whose address it could not read
	// Permanent is the burnt-in address, where it was reported; it differs from MAC where that is randomised or set.
	Permanent    MAC
	HasPermanent bool
	Description  string
	IPv4, IPv6   []string
	Enabled      Fact
	Connected    Fact

	SubnetMask   string
	Gateway      string
	DNS          []string
	DHCP         Fact
	DHCPServer   string
	DHCPObtained time.Time
	DHCPExpires  time.Time
}

// Category is a field of health that a policy looks at. The spelling is that of the newest calls of the reference.
type Category string

// The categories that Muster judges or stores. The full list of the reference is in package api.
const (
	Antimalware          Category = "anti-malware"
	Firewall             Category = "firewall"
	Encryption           Category = "encryption"
	OperatingSystem      Category = "operating_system"
	PatchManagement      Category = "patch_management"
	UserAuthentication   Category = "user_authentication"
	Vulnerabilities      Category = "vulnerabilities"
	Antiphishing         Category = "anti-phishing"
	Backup               Category = "backup"
	InstantMessenger     Category = "instant_messenger"
	CloudStorage         Category = "cloud_storage"
	PublicFileSharing    Category = "public_file_sharing"
	RemoteControl        Category = "remote_control"
	RecordingWebMeeting  Category = "recording_web_meeting"
	Toolbars             Category = "toolbars"
	MediaPlayer          Category = "media_player"
	VPNClient            Category = "vpn_client"
	CleanerOptimizer     Category = "cleaner_optimizer"
	DeveloperTool        Category = "developer_tool"
	Uninstaller          Category = "uninstaller"
	UnclassifiedUnwanted Category = "unclassified_pua"
	HardDrive            Category = "hard_drive"
	SystemSecurity       Category = "system_security"
	Browser              Category = "browser"
	VirtualMachine       Category = "virtual_machine"
	DataLossPrevention   Category = "data_loss_prevention"
	Threats              Category = "threats"
	RepeatedThreats      Category = "repeated_threats"
	SuspiciousIPs        Category = "suspicious_ips"
	CustomCheck          Category = "custom_check"
)

// Volume is one disk or partition and whether it is encrypted.
type Volume struct {
	Name      string
	Encrypted Fact
	System    bool // holds the operating system
}

// Application is one installed product and the state its agent found it in.
type Application struct {
	Name     string
	Vendor   string
	Version  string
	Category Category // "" for ordinary software
	// Ecosystem is the package ecosystem in OSV's spelling ("Debian:12", "PyPI", "npm"), "" for an application that no
	// package manager knows.
	Ecosystem string
	// Source is the source package where the ecosystem names vulnerabilities by it; "" means the same as Name.
	Source string
	// SourceVersion is the version of the source package where it is not that of the package; "" means the same as Version.
	SourceVersion string
	// Module is the module stream that an RPM package belongs to, as name:stream ("nodejs:18"); "" for none or not reported.
	Module string
	// Arch is the architecture that a package was built for, in its package manager's word; "" if not reported.
	Arch string

	Running     Fact
	Enabled     Fact // protection, firewall or schedule is switched on
	Definitions time.Time
	LastScan    time.Time
	LastBackup  time.Time // of backup software; zero for never or not reported
	Volumes     []Volume
}

// User is an account on the machine that the agent named.
type User struct {
	Name   string
	Domain string
}

// Updates says what the system's own updater has waiting.
type Updates struct {
	Known    bool
	Pending  int // all kinds
	Security int // of them, security updates
	Checked  time.Time
}

// Report is what one machine said about itself at one time, translated from its agent's wire form.
type Report struct {
	AgentType    string
	AgentVersion string
	DeviceName   string // as the owner or administrator named it; may be ""
	HostName     string
	HardwareID   string
	// MachineID is made from an id of the installed system: another after a new installation.
	MachineID    string
	Serial       string
	UserIdentity string
	ScanTime     time.Time
	DeviceType   DeviceType
	OS           OS
	Hardware     Hardware
	Adapters     []Adapter
	Users        []User
	Applications []Application
	// Collected names the categories that the agent looked for. Of a category that is not here and has no application
	// nothing is known.
	Collected []Category

	Updates         Updates
	UserPasswordSet Fact
	ScreenLock      Fact
	// ScreenLockAfter is the idle time before the screen locks; 0 means not reported.
	ScreenLockAfter time.Duration
	// StorageEncrypted is the whole-device answer of phones and tablets, which name no volumes.
	StorageEncrypted Fact
	// Genuine is No for a rooted or jailbroken device.
	Genuine Fact
	Reboot  time.Time

	// LinkedID is what an integrator's own link put on a phone.
	LinkedID string
	// PublicIP is where the report came from. The door sets it.
	PublicIP string
	// Engine is the version of the library with which the agent inspects products.
	Engine string
	// MissingPatches means nothing unless PatchesKnown.
	PatchesKnown   bool
	PatchesChecked time.Time
	MissingPatches []Patch
	Threats        []Threat
	ThreatsScanned time.Time // when the agent last scanned; zero for never or not reported
	// Domain is the directory domain that the machine is a member of; "" for none or not reported.
	Domain string
	Disks  []Disk
	// Custom are the results of the checks that the agent ran at a policy's request.
	Custom    []CustomResult
	Processes []string
	// Unread is what the agent looked for and has no value of. What is neither here nor in the report, it says nothing of.
	Unread []Unread
}

// Unread is a fact that an agent has no value of, and why.
type Unread struct {
	Fact string `json:"fact"` // in the agent's words: "firewall", "software.dpkg"
	// State is Unreadable or NotApplicable.
	State UnreadState `json:"state"`
	Why   string      `json:"why,omitempty"` // for people
}

// UnreadState says whether there may be something to know.
type UnreadState string

const (
	// Unreadable: there may be, and the agent could not read it.
	Unreadable UnreadState = "unreadable"
	// NotApplicable: there cannot be: the battery of a server.
	NotApplicable UnreadState = "not_applicable"
)

// Hardware is the machine itself. What is zero was not reported.
type Hardware struct {
	Vendor, Model string
	// Virtual says whether it is a virtual machine or a container, Hypervisor of which kind: "kvm", "docker".
	Virtual    Fact
	Hypervisor string
	CPU        string
	Cores      int
	MaxMHz     int
	MemoryMB   int
}

// Looked reports whether the agent looked for products of the category.
func (r *Report) Looked(c Category) bool {
	for _, k := range r.Collected {
		if k == c {
			return true
		}
	}
	for i := range r.Applications {
		if r.Applications[i].Category == c {
			return true
		}
	}
	return false
}

// MACs lists the addresses of all adapters that have one, without repeats, in the order reported.
func (r *Report) MACs() []MAC { return MACsOf(r.Adapters) }

// MACsOf lists the addresses of those adapters that have one, without repeats and zeros, in the order given.
func MACsOf(adapters []Adapter) []MAC {
	out := make([]MAC, 0, len(adapters))
	seen := make(map[MAC]bool, len(adapters))
	for i := range adapters {
		a := &adapters[i]
		if a.HasMAC && a.MAC != (MAC{}) && !seen[a.MAC] {
			seen[a.MAC] = true
			out = append(out, a.MAC)
		}
	}
	return out
}

// Disk is one mounted file system. Sizes are in bytes; a Total of 0 means that they were not reported.
type Disk struct {
	Name   string
	Total  int64
	Free   int64
	System bool // holds the operating system
}

// CustomResult is what came of one custom check on the machine.
type CustomResult struct {
	ID      string
	Outcome Outcome // Pass, Fail, Unknown or Errored: a check that crashed or took too long is Errored
	Output  string  // what it said, for people
	At      time.Time
}

// Patch is an update of the operating system that a machine lacks.
type Patch struct {
	KB       string // the number of the knowledge-base article with its KB, or another name that tells it apart
	Title    string
	Product  string
	Vendor   string
	Severity string // in the vendor's words
	Category string
	Released time.Time
}

// Threat is one piece of malware that a scan or the machine's own antimalware found.
type Threat struct {
	Source   ThreatSource
	Name     string
	File     string
	Hash     string
	Found    time.Time
	Severity string
	Action   string // what was done about it
	Existing Fact   // whether it is still there
	Repeat   int    // how often it was found
	// Product is what found it; of a scan by several engines each has an entry in Engines.
	Product, ProductVendor, ProductVersion string
	Engines                                []ThreatEngine
}

// ThreatEngine is what one engine of a scan called a threat.
type ThreatEngine struct{ Engine, Name string }

// ThreatSource says what found a threat.
type ThreatSource string

const (
	// ThreatScan is the agent's own scan.
	ThreatScan ThreatSource = "scan"
	// ThreatLocal is the antimalware installed on the machine.
	ThreatLocal ThreatSource = "local"
	// ThreatAddress is a suspicious network connection; File is the address.
	ThreatAddress ThreatSource = "address"
)
