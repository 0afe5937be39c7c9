package device

import (
	"context"
	"time"

	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
)

// EventQuery chooses entries of the record, the newest first.
type EventQuery struct {
	Kinds []event.Kind // none: all
	// To leaves of changes of status, where Kinds has them, only those to one of these; none: all.
	To []posture.Status
	// Since and Until bound the time, both included; zero is open.
	Since, Until time.Time
	page.Window
}

// Records keeps the record of what happened.
type Records interface {
	// Events gives events, the newest first; q.After is the id of an event.
	Events(ctx context.Context, account posture.AccountID, q EventQuery) ([]event.Event, error)
	// Labels gives what logs show of devices, live or gone. There is none for a device that does not exist.
	Labels(ctx context.Context, account posture.AccountID, ids []string) (map[string]Label, error)
	// Changed gives devices at the changes that q asks for, the earliest first; q.After is the id of an event.
	Changed(ctx context.Context, account posture.AccountID, q ChangeQuery) ([]Changed, error)
	// PutActivity stores an attempt.
	PutActivity(ctx context.Context, account posture.AccountID, a Activity) error
	// Activities gives attempts, the newest first; q.After is the id of one.
	Activities(ctx context.Context, account posture.AccountID, q ActivityQuery) ([]Activity, error)
	// ForgetBefore removes up to so many events, and attempts, of an account from before a time, the oldest first, and
	// says how many.
	ForgetBefore(ctx context.Context, account posture.AccountID, before time.Time, limit int) (int64, error)
}

// Label is what a log shows of a device.
type Label struct {
	Name string        // as reported or imported, or else the host name
	MACs []posture.MAC // the current ones, or those a device that is gone had last
}

// Changed is a device as it is now, and the event that told of its change.
type Changed struct {
	EventID string
	Device  Device
}

// LogEntry is an event with what a log shows of its device, as far as that is still known.
type LogEntry struct {
	event.Event
	DeviceName string
	MACs       []posture.MAC
}

// ChangeQuery chooses devices whose status changed, or that came or went, since a time: each once, at its first change
// since then, the earliest first. A window that goes on behind a position keeps the Since that it began with.
type ChangeQuery struct {
	Since time.Time
	OS    []posture.OSFamily // none: all
	page.Window
}

// Activity is a device's attempt to reach an application through access control. Muster controls no access to
// applications yet, and so records none by itself.
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

// ActivityActions lists them all.
var ActivityActions = []ActivityAction{AccessBlocked, AccessAllowed, AccessMonitoredBlock, AccessMonitoredAllow}

// ActivityQuery chooses attempts, the newest first.
type ActivityQuery struct {
	Since, Until time.Time // both included; zero is open
	Actions      []ActivityAction
	Search       string  // part of a device's name or id, a user, a rule or an application
	Hidden       Privacy // what nothing is found by
	page.Window
}
