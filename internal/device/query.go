package device

import (
	"context"
	"time"

	"muster/internal/page"
	"muster/internal/posture"
)

// Filter chooses live devices. Several values in one member are alternatives; different members must all hold; an
// empty member lets everything pass.
//
// Its JSON form tells filters apart in cursors that programs keep: a member that is added must not show while it is empty, nil or
// not.
type Filter struct {
	Types      []posture.DeviceType    `json:",omitempty"`
	OS         []posture.OSFamily      `json:",omitempty"`
	Statuses   []posture.Status        `json:",omitempty"`
	Severities []posture.IssueSeverity `json:",omitempty"`
	Groups     []posture.GroupID       `json:",omitempty"`
	// Levels are ranks of the worst open vulnerability under opswat_score.
	Levels []posture.Level `json:",omitempty"`
	// Categories: the device has an issue in one of them.
	Categories []posture.Category `json:",omitempty"`
	// Contacts is how the agent stands.
	Contacts []Contact `json:",omitempty"`
	// Now is the time of asking, by which Contacts are told apart. Service sets it.
	Now time.Time `json:",omitzero"`
	// Managed leaves only devices with an agent (posture.Yes) or without one (posture.No).
	Managed posture.Fact `json:",omitzero"`
	// Products are the ids of installed products: see Software.
	Products []int64 `json:",omitempty"`
	// CVEs: the device has an open vulnerability with one of these ids.
	CVEs []string `json:",omitempty"`
	// AcceptedCVEs: the device has a vulnerability with one of these ids that does not count there.
	AcceptedCVEs []string `json:",omitempty"`
	// EnrolledFrom and EnrolledUntil bound the time of enrolment, both included; zero is open.
	EnrolledFrom  time.Time `json:",omitzero"`
	EnrolledUntil time.Time `json:",omitzero"`
	// NotSeenSince leaves only devices whose last contact of any kind lies before it, or that never had one.
	NotSeenSince time.Time `json:",omitzero"`
	// Search holds words; each must begin a word of the device's names, users, numbers or addresses: see Words.
	Search string `json:",omitzero"`
	// Hidden is what nothing is found by, nor sorted.
	Hidden Privacy `json:"-"`
}

// MaxFilterValues is how many values a member of a filter may have, and MaxSearchWords how many words a search.
const (
	MaxFilterValues = 256
	MaxSearchWords  = 8
)

// Contact is how an agent stands, as of the time of asking.
type Contact uint8

const (
	// Connected: heard of within ContactLost.
	Connected Contact = iota
	// Disconnected: not heard of for longer.
	Disconnected
	// Unseen: no agent of the device was ever heard of.
	Unseen
	// OutOfDate: its agent is older than the newest that devices of the same system in the account have.
	OutOfDate
)

// ContactLost is how long an agent is silent before it counts as disconnected.
const ContactLost = 24 * time.Hour

// Order is that of a list of devices. Within equals, and by itself, enrolment decides.
type Order uint8

const (
	// ByEnrolment does not move.
	ByEnrolment Order = iota
	// ByHostName compares bytes.
	ByHostName
	// ByIssues compares how many issues there are in all.
	ByIssues
)

// Query is a filter, an order and the part of the outcome that is wanted.
type Query struct {
	Filter
	Order      Order
	Descending bool
	page.Window
}

// Selection finds devices by what they are rather than by who they are.
type Selection interface {
	// Select gives a part of the devices that match, and the position behind it, "" at the end. It leaves out what only
	// agents and judging need: Policy, Judge, Digest and Credentials. Invalid: q.After is not a position of this order, or the
	// filter is too long.
	Select(ctx context.Context, account posture.AccountID, q Query) (list []Device, next string, err error)
	// CountMatching says how many devices match. It costs time for each of them, unless they are chosen by nothing but
	// status and group. Invalid: the filter is too long.
	CountMatching(ctx context.Context, account posture.AccountID, f Filter) (int64, error)
	// DevicesByID gives those of the live devices that exist, in no particular order, as Select does.
	DevicesByID(ctx context.Context, account posture.AccountID, ids []string) ([]Device, error)
	// ByLinkedID gives the ids of the live devices with a linked id, two at the most.
	ByLinkedID(ctx context.Context, account posture.AccountID, linkedID string) ([]string, error)
}
