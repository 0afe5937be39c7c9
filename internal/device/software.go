package device

import (
	"time"

	"muster/internal/page"
	"muster/internal/posture"
)

// Software is one version of one product and how far it is spread.
type Software struct {
	ProductID int64
	Name      string
	Vendor    string
	Version   string
	Ecosystem string           // of a package, in OSV's spelling; "" for an application
	Category  posture.Category // "" for ordinary software
	Devices   int64            // live devices that have it
	CVEs      int64            // known vulnerabilities of it
	Levels    posture.Levels   // of the worst of them
}

// SoftwareQuery chooses versions that at least one live device has.
type SoftwareQuery struct {
	Search     string          // part of a name or vendor, whatever the letter case
	Levels     []posture.Level // under opswat_score
	Categories []posture.Category
	Sort       SoftwareOrder
	Descending bool
	page.Window
}

// SoftwareOrder is what a list of software is sorted by; within equals the name, the vendor, the ecosystem and the version
// decide. Texts compare as bytes. Numbers of devices move: a list by them may repeat or miss what moves meanwhile.
type SoftwareOrder uint8

// The orders.
const (
	SoftwareByName SoftwareOrder = iota
	SoftwareByVendor
	SoftwareByVersion
	SoftwareByCategory
	SoftwareByLevel
	SoftwareByDevices
	SoftwareByCVEs
	SoftwareByProduct // its id
)

// SoftwareDetail is a version with its vulnerabilities.
type SoftwareDetail struct {
	Software
	// Vulnerabilities come worst first. Their Devices count every device, whatever product it has them from.
	Vulnerabilities []Vulnerability
}

// Vulnerability is one CVE as the catalogue knows it, and how far it is spread.
type Vulnerability struct {
	ID string // the CVE id, or that of the feed entry where it has none
	Affected
	KEV    bool
	Scores [posture.NumScoreTypes]float64 // negative means not scored
	Levels posture.Levels
	Description
}

// Affected is how many live devices have a vulnerability. None is in both numbers.
type Affected struct {
	Devices  int64 // on which it counts
	Accepted int64 // on which it is found and does not count
}

// StandingOn says how a vulnerability is to stand on devices.
type StandingOn uint8

const (
	// OpenSomewhere is one that counts on at least one device.
	OpenSomewhere StandingOn = iota
	// AcceptedSomewhere is one that does not count on at least one device that has it.
	AcceptedSomewhere
	// Found is one that at least one device has.
	Found
)

// Description is what a catalogue says of a vulnerability besides its scores. Every member may be absent.
type Description struct {
	Summary   string
	Published time.Time
	Modified  time.Time
	CWE       string
}

// FoundVulnerability is a vulnerability of one device and where it has it from.
type FoundVulnerability struct {
	Vulnerability
	Findings []posture.Finding // at least one
}

// VulnerabilityQuery chooses vulnerabilities that at least one live device has.
type VulnerabilityQuery struct {
	On StandingOn
	// Product leaves those that are known of products with this in their names, whatever the letter case.
	Product string
	Search  string // part of the id or the summary, whatever the letter case
	By      posture.ScoreType
	Levels  []posture.Level // under By
	// MinScore leaves only those scored at least so high under By. Negative: any, scored or not.
	MinScore   float64
	OnlyKEV    bool
	Sort       VulnerabilityOrder
	Descending bool
	page.Window
}

// VulnerabilityOrder is what a list of vulnerabilities is sorted by; within equals the id decides.
type VulnerabilityOrder uint8

// The orders.
const (
	VulnerabilityByID VulnerabilityOrder = iota
	VulnerabilityByOpswat
	VulnerabilityByCVSS2
	VulnerabilityByCVSS3
	VulnerabilityByLevel // under By
)

// MissingPatch is an update of the operating system that devices lack.
type MissingPatch struct {
	posture.Patch
	Devices int64 // live devices that lack it
}
