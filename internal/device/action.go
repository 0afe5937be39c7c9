package device

import (
	"time"

	"muster/internal/posture"
)

// Action is what a program may do with a device. The words are those of the compatible API.
type Action string

// The actions. Those that an agent has to carry out are commands.
const (
	ActExempt      Action = "exempt"
	ActUnexempt    Action = "unexempt"
	ActIgnore      Action = "ignore"
	ActUnignore    Action = "unignore"
	ActDelete      Action = "delete"
	ActAssignGroup Action = "assign_to_group"
	ActRenewDHCP   Action = Action(RenewDHCP)
	ActReidentify  Action = Action(Reidentify)
	ActFetchLog    Action = Action(FetchAgentLog)
	ActScanThreats Action = Action(ScanThreats)
)

// ActionRequest is an action on one device.
type ActionRequest struct {
	Action Action
	Device Selector
	Actor  string // the application that asks, for the record
	// ExemptFor is how long an exemption lasts; zero is for good.
	ExemptFor time.Duration
	// Reason is why a device is exempted, no longer exempted, ignored or no longer ignored; the compatible API has no place
	// for it.
	Reason string
	Group  posture.GroupID
	Scan   CommandParams
}

// MaxExemptHours is the longest exemption that ends: the compatible API asks for less than 65 000 hours.
const MaxExemptHours = 65000 - 1

// Outcome is what became of an action.
type Outcome struct {
	Result ActionResult
	// CommandID names the command that was queued; "" where the action is done already.
	CommandID string
}

// ActionResult is the number that the compatible API gives.
type ActionResult int

// The results.
const (
	ActionUnsupported ActionResult = -1
	ActionFailed      ActionResult = 0
	ActionDone        ActionResult = 1
)

// RemoveMode says what becomes of a device that is deleted. Its agent is told to remove itself in every mode.
type RemoveMode int

const (
	// RemoveAgent keeps the device in the inventory, as one without an agent.
	RemoveAgent RemoveMode = 0
	// RemoveData takes the device out and erases what is known of the machine.
	RemoveData RemoveMode = 1
	// RemoveAndArchive takes the device out and keeps what is known of it.
	RemoveAndArchive RemoveMode = 2
)
