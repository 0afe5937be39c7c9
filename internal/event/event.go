// Package event is the append-only record of what happened to devices and accounts. An event is written in the transaction that
// made it true, so the record neither misses a change nor tells of one that was undone.
package event

import (
	"context"
	"slices"
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
	Quarantined   Kind = "quarantined" // the detail is the reason
	Released      Kind = "released"    // from quarantine
	Retired       Kind = "retired"
	Deleted       Kind = "deleted"       // by an administrator
	DeletedByAPI  Kind = "deleted_api"   // by a program
	Unseen        Kind = "unseen"        // removed by Muster: not heard of for too long; the detail says more
	Removed       Kind = "removed"       // removed by Muster: not fit for too long; the detail says more
	AgentRemoved  Kind = "agent_removed" // by an administrator or a program; the device stays
	Merged        Kind = "merged"        // took over what was known of another device; the detail names it
	Ignored       Kind = "ignored"
	Unignored     Kind = "unignored"
	Moved         Kind = "moved" // to another group; the detail is its name
	Reported      Kind = "reported"
	AgentUpdated  Kind = "agent_updated" // the detail is the old version and the new
	// CommandQueued and CommandEnded are about what an agent was told to do; the detail names it.
	CommandQueued Kind = "command_queued"
	CommandEnded  Kind = "command_ended"
	// Configured is what an administrator changed about the account; the detail says it.
	Configured Kind = "configured"
	// RiskAccepted and RiskRevoked are about vulnerabilities that are not to count, or to count again; the detail says which
	// and why.
	RiskAccepted Kind = "risk_accepted"
	RiskRevoked  Kind = "risk_revoked"
	// WebhookDelivered and WebhookFailed are requests to a webhook; the detail names it.
	WebhookDelivered Kind = "webhook_delivered"
	WebhookFailed    Kind = "webhook_failed"
)

// Category is the part of the record that a kind of event belongs to.
type Category string

// The categories.
const (
	OfDevices        Category = "device"
	OfAdministrators Category = "admin"
	OfWebhooks       Category = "webhook"
	OfReports        Category = "device_report"
)

// kinds is every kind of event with its category, in the order of the constants.
var kinds = []struct {
	kind     Kind
	category Category
}{
	{Enrolled, OfDevices}, {Returned, OfDevices}, {Imported, OfDevices}, {StatusChanged, OfDevices}, {Exempted, OfDevices},
	{Unexempted, OfDevices}, {Quarantined, OfDevices}, {Released, OfDevices}, {Retired, OfDevices}, {Deleted, OfDevices}, {DeletedByAPI, OfDevices}, {Unseen, OfDevices}, {Removed, OfDevices},
	{AgentRemoved, OfDevices}, {Merged, OfDevices}, {Ignored, OfDevices},
	{Unignored, OfDevices}, {Moved, OfDevices}, {Reported, OfReports}, {AgentUpdated, OfDevices},
	{CommandQueued, OfDevices}, {CommandEnded, OfDevices}, {Configured, OfAdministrators},
	{RiskAccepted, OfAdministrators}, {RiskRevoked, OfAdministrators},
	{WebhookDelivered, OfWebhooks}, {WebhookFailed, OfWebhooks},
}

// Kinds gives the kinds of a category; none for a category that has none, or that does not exist.
func Kinds(c Category) []Kind {
	var out []Kind
	for _, k := range kinds {
		if k.category == c {
			out = append(out, k.kind)
		}
	}
	return out
}

// AllKinds gives every kind.
func AllKinds() []Kind {
	out := make([]Kind, len(kinds))
	for i, k := range kinds {
		out[i] = k.kind
	}
	return out
}

// Category says where the kind belongs; "" for one that does not exist.
func (k Kind) Category() Category {
	for _, known := range kinds {
		if known.kind == k {
			return known.category
		}
	}
	return ""
}

// Leaving are the kinds by which a device leaves the inventory.
var Leaving = []Kind{Retired, Deleted, DeletedByAPI, Unseen, Removed}

// Leaves reports whether a device leaves the inventory by an event of this kind.
func (k Kind) Leaves() bool { return slices.Contains(Leaving, k) }

// ComeOrGo are the kinds by which a device comes into the inventory or leaves it.
var ComeOrGo = append([]Kind{Enrolled, Returned, Imported}, Leaving...)

// Changing are the kinds that may be a change of status: each of ComeOrGo always is, the others are where the status
// after differs from the status before. No other kind ever is, whatever its statuses say.
var Changing = append([]Kind{StatusChanged, AgentRemoved, Exempted, Unexempted, Quarantined, Released, Merged, Ignored, Unignored}, ComeOrGo...)

// Event is one thing that happened to one device, or to the account itself.
type Event struct {
	Account  posture.AccountID
	ID       string // sorts by time
	At       time.Time
	Kind     Kind
	DeviceID string         // "" where it is about the account
	From, To posture.Status // the status before and after
	// Previous is when the status of the device had changed before, where this Changes it; zero for never, and elsewhere.
	Previous time.Time
	Actor    string // the application or administrator behind it; "" for the device or Muster itself
	Detail   string // what else there is to say, for people
}

// Changes reports whether the event is a change of a device's status, or of its being there at all.
func (e *Event) Changes() bool {
	return slices.Contains(ComeOrGo, e.Kind) || e.From != e.To && slices.Contains(Changing, e.Kind)
}

type actorKey struct{}

// By says who is behind what is done with the context: the application or administrator, as the record is to name it.
func By(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// Actor gives who is behind what is done with the context; "" where nobody was named.
func Actor(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return actor
}
