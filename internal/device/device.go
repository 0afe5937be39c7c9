// Package device holds what happens to devices: they enrol, report, ping and retire; administrators import, exempt,
// link and delete them; everyone finds and counts them. It declares the storage it needs as small interfaces and does
// no I/O of its own.
package device

import (
	"time"

	"muster/internal/posture"
)

// Lifecycle says whether a device is there at all. The numbers are stored.
type Lifecycle uint8

const (
	// Live devices are listed, found and counted.
	Live Lifecycle = 0
	// Retired by its own agent. It may come back by enrolling again.
	Retired Lifecycle = 1
	// Deleted by an administrator or a program. Its agent is told to remove itself.
	Deleted Lifecycle = 2
	// Lapsed: removed by itself. It comes back with the next contact of its agent.
	Lapsed Lifecycle = 3
)

// Issues counts issues by their severity.
type Issues struct{ Critical, Warning int }

// Total counts all of them.
func (i Issues) Total() int { return i.Critical + i.Warning }

// LinkedUser is the user an integrator attached to a device. Group is the user's, not the device's.
type LinkedUser struct {
	Username string `json:"username"`
	Group    string `json:"group,omitempty"`
}

// Exemption lets a device pass whatever the policy says.
type Exemption struct {
	Since  time.Time
	Until  time.Time // zero: for good
	Reason string
	By     string // who gave it; "" for not recorded
}

// Quarantine holds a device back whatever the policy says, and whether or not it is exempted. It outlives the agent and
// the device itself: only releasing the device ends it.
type Quarantine struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by,omitempty"`
}

// Device is one row of the inventory.
type Device struct {
	Account   posture.AccountID
	ID        string // opaque: 32 lower-case hexadecimal digits, ordered by enrolment
	Lifecycle Lifecycle
	Cell      posture.Cell
	// Judged is the status the policy gave; Cell.Status may differ while the device is exempted.
	Judged posture.Status
	// Issues is how many issues the last verdict has.
	Issues Issues
	// Managed devices have an agent; others were only seen or imported.
	Managed bool

	HardwareID   string // normalised; "" when it identifies nothing
	Serial       string // normalised; "" when it identifies nothing
	Name         string // as reported or imported
	HostName     string
	UserIdentity string
	Type         posture.DeviceType
	OSFamily     posture.OSFamily
	OSName       string
	OSVersion    string
	AgentType    string
	AgentVersion string
	// LinkedID is what an integrator's own link put on a phone; "" for none.
	LinkedID string
	// Vulnerabilities is how many open ones the last verdict has.
	Vulnerabilities int
	// PackedProfile is a Profile as it is stored: see Profile.
	PackedProfile string

	EnrolledAt time.Time
	// ReportedAt is when the last stored report came; zero for never.
	ReportedAt time.Time
	// SeenAt is the last contact of any kind; zero for never. It may lie up to SeenLag behind the truth after a crash.
	SeenAt time.Time
	// StatusAt is when the status last changed, the end of the device included; zero for never since enrolment.
	StatusAt time.Time
	// LastReport is when the last report came, also one that said nothing new; zero for never. It lags like SeenAt.
	LastReport time.Time
	// NextChange is the earliest of all that time may do to the device: see arm. Zero is never.
	NextChange time.Time
	// RemoveAt is when to look whether the device is to leave by itself: see Removals. Zero is never.
	RemoveAt time.Time
	// VerdictChange is when the verdict may change whatever happens, Silence after how long without a report it may; zero
	// is never. Silent says that silence has changed it.
	VerdictChange time.Time
	Silence       time.Duration
	Silent        bool
	// LinkedMatters says that another linked user might change the verdict.
	LinkedMatters bool
	// FailingSince is since when the device is unfit, grace not counted; zero while it is fit.
	FailingSince time.Time
	// Policy is the current version of the policy of the device's group. It is read with the device, and not stored with it.
	Policy posture.PolicyRef
	// Known is what verdicts are made by at the moment of reading; only Stored, Reported and DeviceForUpdate read it.
	Known posture.Knowledge
	// Judge is the version of the policy and catalogue behind the verdict.
	Judge string
	// Digest is that of the stored report; empty before the first.
	Digest []byte
	// Credentials is the digest of the agent's key and token; empty for devices that never had an agent. They are valid
	// as long as the device is live and managed; after that its agent is told by them to remove itself.
	Credentials []byte

	Exempted    bool
	Exemption   Exemption
	Quarantined bool
	Quarantine  Quarantine
	// Pinned says that somebody chose the group: the device leaves it only when somebody chooses another.
	Pinned bool
	Link   LinkedUser
	// Veiled is what Profile is not to show: see Privacy.Veil.
	Veiled Privacy
	// Conflict is set when another live device claims the same hardware id.
	Conflict bool
	// MergedInto is the device that this one, which is gone, went up in; "" for none.
	MergedInto string
}

// Monitored reports whether the device uses a licence.
func (d *Device) Monitored() bool { return d.Lifecycle == Live && d.Cell.Status.Monitored() }

// Counts is how many live devices of an account stand where. Status counts every live device; Severity and Levels
// count the monitored ones, each once, so each of them adds up to Used.
type Counts struct {
	Status   [posture.NumStatuses]int64
	Severity [3]int64
	Levels   [posture.NumScoreTypes][posture.NumLevels]int64
}

// Used is the number of monitored devices: those that use a licence.
func (c *Counts) Used() int64 {
	var n int64
	for i, v := range c.Status {
		if posture.Status(i).Monitored() {
			n += v
		}
	}
	return n
}

// Add counts n more devices (fewer, if negative) in a cell.
func (c *Counts) Add(cell posture.Cell, n int64) {
	c.Status[cell.Status] += n
	if !cell.Status.Monitored() {
		return
	}
	c.Severity[cell.Severity] += n
	for t, level := range cell.Levels {
		c.Levels[t][level] += n
	}
}

// Merge adds another count to this one.
func (c *Counts) Merge(o *Counts) {
	for i := range c.Status {
		c.Status[i] += o.Status[i]
	}
	for i := range c.Severity {
		c.Severity[i] += o.Severity[i]
	}
	for t := range c.Levels {
		for i := range c.Levels[t] {
			c.Levels[t][i] += o.Levels[t][i]
		}
	}
}

// Selector names one device as a caller knows it: by one of its members.
type Selector struct {
	ID  string // device id or hardware id
	MAC posture.MAC
	// ByMAC says that MAC is meant.
	ByMAC bool
	// Linked is the id that an integrator's own link put on a phone.
	Linked string
}

// SelectorOf reads a value that may be either. Where it plainly is a MAC address, or plainly is not, the value decides.
func SelectorOf(value string) Selector {
	if mac, ok := posture.ParseMAC(value); ok {
		return Selector{MAC: mac, ByMAC: true}
	}
	return Selector{ID: value}
}

// Registration is what an agent says when it enrols.
type Registration struct {
	DeviceID     string // the id it had, when it registers again
	HardwareID   string
	Serial       string
	Name         string
	HostName     string
	AgentVersion string
	GroupID      string
	Domain       string // the directory domain, where the agent says so
	Code         string // id of the registration code; "" for that of the account itself
	Type         posture.DeviceType
	OS           posture.OS
	Adapters     []posture.Adapter
	Users        []posture.User
	Private      Privacy // set by Enrol
}

// Enrolment is the answer to a registration. Key and Token are shown this once and stored only as a digest.
type Enrolment struct {
	DeviceID string
	Key      string
	Token    string
}

// Ref names an authenticated device.
type Ref struct {
	Account posture.AccountID
	ID      string
}

// Submission is one health report on its way in. Decode is called only when the report differs from the stored one.
type Submission struct {
	// Digest covers everything in the report that matters, and leaves out what changes by itself (clocks, free memory).
	Digest [32]byte
	// Body is the report as received, for keeping: it holds members that Muster does not know.
	Body   []byte
	Decode func() (*posture.Report, error)
	// Around is what the report says of other machines, which Digest and Body leave out; nil for nothing.
	Around *Around
	// Hide gives the body without what is private. It must be there where accounts keep anything private.
	Hide func(Privacy) []byte
}

// Summary is what an agent is told about itself.
type Summary struct {
	Status posture.Status
	Issues Issues
	SeenAt time.Time
}

// Standing says what an agent that calls should do next.
type Standing uint8

const (
	// StandingGood: carry on.
	StandingGood Standing = iota
	// StandingRemoved: the device or its agent was deleted; the agent is to remove itself.
	StandingRemoved
)
