package device

import (
	"context"
	"time"

	"muster/internal/event"
	"muster/internal/posture"
)

// Store keeps devices. Every method names the account, and sees nothing of any other.
type Store interface {
	Finder
	Selection
	Inventory
	Agents
	Commands
	Groups
	Records
	Spread
	Appraisals
	Removals
	Fleet
	Doubles
	// Change makes a change that is on disk when it returns nil.
	Change(ctx context.Context, c Change) error
}

// Change is one atomic step. It may run more than once, so it must not act outside tx, and it may share its transaction
// with other callers' steps.
type Change struct {
	// Device is the one device that the step changes, by its id. A step that says so shares transactions with others on
	// all engines; one that does not may change anything, and is dearer where several servers write.
	Device string
	// Find names the device from within, where only looking tells; it must not write.
	Find func(tx Tx) (id string, err error)
	Do   func(tx Tx) error
}

// Finder finds live devices.
type Finder interface {
	// Device gives the live device with the id. NotFound: none.
	Device(ctx context.Context, account posture.AccountID, id string) (Device, error)
	// ByHardwareID gives the ids of the live devices that claim a hardware id, last seen first, two at the most.
	ByHardwareID(ctx context.Context, account posture.AccountID, hardwareID string) ([]string, error)
	// Claims gives who among the live devices has reported an adapter address, at most MaxClaims of them.
	Claims(ctx context.Context, account posture.AccountID, mac posture.MAC) ([]Claim, error)
	// Adapters gives every address the device ever reported, current ones first.
	Adapters(ctx context.Context, account posture.AccountID, id string) ([]Claim, error)
	// Verdict gives what was last thought of the device. NotFound: nothing yet.
	Verdict(ctx context.Context, account posture.AccountID, id string) (posture.Verdict, error)
}

// Inventory counts.
type Inventory interface {
	// Counts reads the counts that are kept with each change.
	Counts(ctx context.Context, account posture.AccountID) (Counts, error)
	// Recount counts the rows themselves, and reads the kept counts at the same moment, to compare.
	Recount(ctx context.Context, account posture.AccountID) (kept, actual Counts, err error)
}

// Agents holds what the agent door needs without a transaction.
type Agents interface {
	// Credentials gives the credential digest of a device that is there, live or gone, with how it stands.
	Credentials(ctx context.Context, account posture.AccountID, id string) (Credentials, error)
	// CredentialsAnywhere is Credentials for a caller that names no account.
	CredentialsAnywhere(ctx context.Context, id string) (Credentials, error)
	// IDByCredentials finds the live device with an agent that holds a credential digest. NotFound: none.
	IDByCredentials(ctx context.Context, account posture.AccountID, digest []byte) (string, error)
	// Stored gives of a device what a new report is compared with and judged by: account, id, Cell.Status and Cell.Group,
	// Policy, Type, OSFamily, Digest, Judge, what time does to it, Issues, Link, LastReport. NotFound: no such live device with an agent.
	Stored(ctx context.Context, account posture.AccountID, id string) (Device, error)
	// Report gives the last report of a live device as it was received. NotFound: it never reported.
	Report(ctx context.Context, account posture.AccountID, id string) ([]byte, error)
	// Due gives the live devices whose verdict or exemption time may have changed by now, the longest overdue first.
	Due(ctx context.Context, account posture.AccountID, now time.Time, limit int) ([]string, error)
	// PackReport readies a report and its verdict for PutReport. It takes processor time, and so is called before a step:
	// within one, others would wait for it.
	PackReport(ctx context.Context, p *ToPack) (PackedReport, error)
	// Touch notes contacts, each at least as late as what is stored.
	Touch(ctx context.Context, seen []Seen) error
	// RevokedSince lists the devices whose credentials ended or changed at or after a time.
	RevokedSince(ctx context.Context, since time.Time) ([]Ref, error)
}

// Tx is one atomic step. Reads see the step's own writes; a device that was read stays as read until the step ends.
type Tx interface {
	CommandTx
	GroupTx
	HardwareTx
	NeighbourTx
	// Licence gives the account's limit and the monitored devices, and lets no other step take the last place meanwhile.
	Licence(ctx context.Context, account posture.AccountID) (allowed, used int64, err error)
	// DeviceForUpdate gives the device whatever its lifecycle. NotFound: none.
	DeviceForUpdate(ctx context.Context, account posture.AccountID, id string) (Device, error)
	// Known gives what verdicts are made by now. It is to be asked after DeviceForUpdate, which gave the device: where others
	// write at the same time, only then do they see that this step is under way.
	Known(ctx context.Context, old *Device) (posture.Knowledge, error)
	// Recognise gives the ids of devices, live and gone, with the hardware id or serial number (the other being ""),
	// live ones first, then last enrolled first; three at the most.
	Recognise(ctx context.Context, account posture.AccountID, hardwareID, serial string) ([]string, error)
	// Claims is Finder.Claims, but for a device that alone has reported the address: that may be gone.
	Claims(ctx context.Context, account posture.AccountID, mac posture.MAC) ([]Claim, error)
	// ClaimsAll is Finder.Claims over live and gone devices.
	ClaimsAll(ctx context.Context, account posture.AccountID, mac posture.MAC) ([]Claim, error)
	// Linked gives the ids of the live devices with a linked id, three at the most.
	Linked(ctx context.Context, account posture.AccountID, linkedID string) ([]string, error)
	// Insert stores a new device and counts it.
	Insert(ctx context.Context, d *Device) error
	// Update stores a device that DeviceForUpdate gave as old, and moves it from its old cell to the new.
	Update(ctx context.Context, old, d *Device) error
	// Link stores only the linked user, and says whether the verdict on the device may be another one now. NotFound: no such
	// live device.
	Link(ctx context.Context, account posture.AccountID, id string, user LinkedUser) (matters bool, err error)
	// PutAdapters makes these the device's current addresses; older ones are kept as no longer current.
	PutAdapters(ctx context.Context, account posture.AccountID, id string, macs []posture.MAC, at time.Time) error
	// PutReport stores what PackReport made, and counts the device among those that have its facets, and no others.
	PutReport(ctx context.Context, account posture.AccountID, id string, r PackedReport, at time.Time) error
	// PutVerdict replaces only the verdict and the facets of the report that is stored.
	PutVerdict(ctx context.Context, account posture.AccountID, id string, r PackedReport) error
	// Erase removes what is known of a device that is not live beyond its row: report, commands, all addresses but the
	// current. What only live devices have, Update has removed.
	Erase(ctx context.Context, account posture.AccountID, id string) error
	// DropFacets counts a device nowhere any more: it is gone, or what it reported no longer holds.
	DropFacets(ctx context.Context, account posture.AccountID, id string) error
	// Revoke makes every server forget the device's credentials.
	Revoke(ctx context.Context, ref Ref, at time.Time) error
	// Removing is Removals.Removing, and lets nobody change it before the step ends.
	Removing(ctx context.Context, account posture.AccountID) (shortest time.Duration, err error)
	// LookAgain stores RemoveAt of those of the devices that are live.
	LookAgain(ctx context.Context, account posture.AccountID, at map[string]time.Time) error
	// Forget removes the rows of devices that are not live, and all that hangs on them but events.
	Forget(ctx context.Context, account posture.AccountID, ids []string) error
	// Record appends an event. One that changes the status of a device becomes its last change of status.
	Record(ctx context.Context, e event.Event) error
}

// MaxClaims is how many devices may claim one address before it is taken to identify none without a closer look.
const MaxClaims = 16

// Claim is one device's use of one adapter address.
type Claim struct {
	DeviceID string
	MAC      posture.MAC
	First    time.Time // first reported
	Last     time.Time // last known to be in use by this device
	Current  bool      // in the device's latest report
	// Lifecycle is how the device stands.
	Lifecycle Lifecycle
}

// Credentials is the credential digest of a device and how the device stands.
type Credentials struct {
	Account   posture.AccountID
	Lifecycle Lifecycle
	// Managed is whether the device has an agent. One that has none and a digest nevertheless is one whose agent was
	// removed: the digest is kept to tell that agent so, and opens nothing.
	Managed bool
	Digest  []byte
}

// valid reports whether the credentials open the device.
func (c *Credentials) valid() bool { return c.Lifecycle == Live && c.Managed }

// lapsed reports whether the credentials bring the device back.
func (c *Credentials) lapsed() bool { return c.Lifecycle == Lapsed && c.Managed }

// ToPack is a report and its verdict.
type ToPack struct {
	Account posture.AccountID
	Device  string
	Body    []byte // as received; nil where the one that is stored stays
	Report  *posture.Report
	Verdict *posture.Verdict
	Facets  Facets
}

// PackedReport is a report and its verdict in the form in which they are stored: as the store made it, and it alone reads it.
type PackedReport struct {
	Body []byte
	// Verdict is the verdict as text, PackedVerdict as bytes: one of them is empty.
	Verdict       string
	PackedVerdict []byte
	Facets        Facets
	Set           []byte // Facets, packed
	Open          int    // vulnerabilities
}

// Seen is one contact.
type Seen struct {
	Ref
	At time.Time
	// Report is when a report came, also one that said nothing new; zero where only something else came.
	Report time.Time
}
