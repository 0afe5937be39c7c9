// Package event is the append-only record of what happened to devices. An event is written in the transaction that
// made it true, so the record neither misses a change nor tells of one that was undone.
package event

import (
	"time"

	"muster/internal/posture"
)

// Kind says what happened. The words are stored: never rename.
type Kind string

// The kinds of event.
const (
	Enrolled      Kind = "enrolled"
	Returned      Kind = "returned" // enrolled again after it was retired or deleted, or with a new agent
	Imported      Kind = "imported"
	StatusChanged Kind = "status_changed"
	Exempted      Kind = "exempted"
	Unexempted    Kind = "unexempted"
	Retired       Kind = "retired"
	Deleted       Kind = "deleted"     // by an administrator
	DeletedByAPI  Kind = "deleted_api" // by a program
	Ignored       Kind = "ignored"
	Unignored     Kind = "unignored"
	Moved         Kind = "moved" // to another group; the detail is its name
	Reported      Kind = "reported"
	AgentUpdated  Kind = "agent_updated" // the detail is the new version
	// CommandQueued and CommandEnded are about what an agent was told to do; the detail names it.
	CommandQueued Kind = "command_queued"
	CommandEnded  Kind = "command_ended"
	// Configured is what an administrator changed about the account; the detail says it.
	Configured Kind = "configured"
)

// Event is one thing that happened to one device, or to the account itself.
type Event struct {
	Account  posture.AccountID
	ID       string // sorts by time
	At       time.Time
	Kind     Kind
	DeviceID string         // "" where it is about the account
	From, To posture.Status // the status before and after
	// Previous is when the status of the device had changed before, where this is a change of status or of being there
	// at all; zero for never.
	Previous time.Time
	Actor    string // the application or administrator behind it; "" for the device or Muster itself
	Detail   string // what else there is to say, for people
}
