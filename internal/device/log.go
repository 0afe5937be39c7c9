package device

import (
	"time"

	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
)

// EventQuery chooses entries of the record, the newest first.
type EventQuery struct {
	Kinds []event.Kind // none: all
	// To leaves of changes of status only those to one of these; none: all.
	To []posture.Status
	// Since and Until bound the time, both included; zero is open.
	Since, Until time.Time
	page.Window
}

// LogEntry is an event with what a log shows of its device, as far as that is still known.
type LogEntry struct {
	event.Event
	DeviceName string
	MACs       []posture.MAC
}

// ChangeQuery chooses devices whose status changed, or that came or went, since a time: each once, at its first change
// since then, the earliest first.
type ChangeQuery struct {
	Since time.Time
	OS    []posture.OSFamily // none: all
	page.Window
}

// Activity is a device's attempt to reach an application through access control.
type Activity struct {
	ID           string
	At           time.Time
	Action       ActivityAction
	DeviceID     string
	DeviceName   string
	DeviceStatus posture.Status
	DeviceGroup  string
	AppUser      string
	AccessRule   string
	AppName      string
}

// ActivityAction is how an attempt ended. The words are stored.
type ActivityAction string

// The actions.
const (
	AccessBlocked        ActivityAction = "blocked"
	AccessAllowed        ActivityAction = "allowed"
	AccessMonitoredBlock ActivityAction = "monitored_block" // would have been blocked
	AccessMonitoredAllow ActivityAction = "monitored_allow"
)

// ActivityQuery chooses attempts, the newest first.
type ActivityQuery struct {
	Since, Until time.Time // both included; zero is open
	Actions      []ActivityAction
	Search       string // part of a device's name or id, a user, a rule or an application
	page.Window
}
