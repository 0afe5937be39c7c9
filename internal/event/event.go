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
	Deleted       Kind = "deleted"
)

// Event is one thing that happened to one device.
type Event struct {
	Account  posture.AccountID
	ID       string // sorts by time
	At       time.Time
	Kind     Kind
	DeviceID string
	From, To posture.Status // the status before and after
}
