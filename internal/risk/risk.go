// Package risk is what an account says of vulnerabilities that its devices have: risks that somebody accepts, with a reason
// and for as long as is said, and statements of VEX documents. What it says makes findings count no more; it hides none.
//
// Nothing is ever deleted: what is revoked, lapsed or overtaken stays on record.
package risk

import (
	"context"
	"strings"
	"time"

	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/run"
)

// Source says where an entry comes from. The words are stored: never rename.
type Source string

const (
	// Accepted is a risk that somebody takes.
	Accepted Source = "risk"
	// VEX is a statement of a VEX document.
	VEX Source = "vex"
)

// Status is what a VEX statement says. The words are those of OpenVEX, and are stored.
type Status string

const (
	// NotAffected says that the vulnerability does not count in the product.
	NotAffected Status = "not_affected"
	// Fixed says so too.
	Fixed Status = "fixed"
	// Affected says that it does, and lifts what an earlier statement said of the product.
	Affected Status = "affected"
	// UnderInvestigation counts as Affected.
	UnderInvestigation Status = "under_investigation"
)

// Accepts reports whether findings do not count where this is said.
func (s Status) Accepts() bool { return s == NotAffected || s == Fixed }

// Risk is one entry: an accepted risk, or a VEX statement about one product.
type Risk struct {
	Account posture.AccountID
	ID      string // sorts by the time it was made
	Source  Source
	// Vulnerability is a CVE id, or the id of a feed's entry; Aliases are other ids of it.
	Vulnerability string
	Aliases       []string
	Product       Product         // the zero value is any
	Group         posture.GroupID // 0 is any
	Device        string          // "" is any
	Reason        string
	Author        string // who answers for it
	CreatedAt     time.Time
	Until         time.Time // from when on it does not hold; zero for no end
	Revoked       Revocation
	Statement     Statement // of a VEX statement
}

// Revocation is how an entry came to its end before its time. It is the zero value for one that was not revoked.
type Revocation struct {
	At     time.Time
	By     string
	Reason string
}

// Statement is what only VEX statements have.
type Statement struct {
	Document      string // the id of its document
	ID            string // its own; may be ""
	Status        Status
	Justification string    // the word of OpenVEX; may be ""
	At            time.Time // since when it says so
}

// State is how an entry stands. The words are those of the API.
type State string

const (
	// Active entries hold.
	Active State = "active"
	// Lapsed ones held until their time was over.
	Lapsed State = "lapsed"
	// Revoked ones were ended by somebody, or by a later statement.
	Revoked State = "revoked"
)

// States lists them.
var States = []State{Active, Lapsed, Revoked}

// StateAt says how the entry stands at a time.
func (r *Risk) StateAt(now time.Time) State {
	switch {
	case !r.Revoked.At.IsZero():
		return Revoked
	case !r.Until.IsZero() && !now.Before(r.Until):
		return Lapsed
	default:
		return Active
	}
}

// Accepts reports whether the entry is one by which findings do not count.
func (r *Risk) Accepts() bool { return r.Source != VEX || r.Statement.Status.Accepts() }

// Revision counts the changes of the entry, for callers that must not overtake each other.
func (r *Risk) Revision() int64 {
	if r.Revoked.At.IsZero() {
		return 1
	}
	return 2
}

// ids gives all ids of the vulnerability, as they are compared.
func (r *Risk) ids() []string {
	out := make([]string, 0, 1+len(r.Aliases))
	for _, id := range append([]string{r.Vulnerability}, r.Aliases...) {
		out = append(out, sameID(id))
	}
	return out
}

// sameID gives an id as it is compared: in capitals, as nearly all are written.
func sameID(id string) string { return strings.ToUpper(id) }

// Thresholds are the lowest opswat_score of each level, as the account decided.
type Thresholds struct{ Critical, Important, Moderate float64 }

// Query chooses entries. An empty member lets everything pass.
type Query struct {
	State         State
	Now           time.Time // by which State is told; Service sets it
	Vulnerability string    // its id, not an alias
	Group         posture.GroupID
	Device        string
	Source        Source
	page.Window
}

// Store keeps the entries. Every method names the account, and sees nothing of any other.
type Store interface {
	// RiskRevision counts all changes of what an account says of vulnerabilities, thresholds included. NotFound: no such
	// account.
	RiskRevision(ctx context.Context, account posture.AccountID) (int64, error)
	// ActiveRisks gives the entries that hold at a time, in the order of their ids, and the account's thresholds.
	ActiveRisks(ctx context.Context, account posture.AccountID, at time.Time) ([]Risk, Thresholds, error)
	// Risk gives one. NotFound: none of the account.
	Risk(ctx context.Context, account posture.AccountID, id string) (Risk, error)
	// Risks gives a part of those that match, the newest first; q.After is the id of one.
	Risks(ctx context.Context, account posture.AccountID, q Query) ([]Risk, error)
	// ChangeRisks makes a step on what an account says, one such step at a time, that is on disk when it returns nil. The
	// step may run more than once. NotFound: no such account.
	ChangeRisks(ctx context.Context, account posture.AccountID, do func(tx Tx) error) error
}

// Tx is one atomic step on the entries of one account.
type Tx interface {
	// Risk is Store.Risk.
	Risk(ctx context.Context, account posture.AccountID, id string) (Risk, error)
	// CountActiveRisks says how many entries hold at a time.
	CountActiveRisks(ctx context.Context, account posture.AccountID, at time.Time) (int64, error)
	// Statements gives the VEX statements about a vulnerability, also those that were revoked.
	Statements(ctx context.Context, account posture.AccountID, vulnerability string) ([]Risk, error)
	// HasLiveDevice and HasGroup say whether there is one with the id.
	HasLiveDevice(ctx context.Context, account posture.AccountID, id string) (bool, error)
	HasGroup(ctx context.Context, account posture.AccountID, id posture.GroupID) (bool, error)
	// InsertRisk stores a new entry.
	InsertRisk(ctx context.Context, r *Risk) error
	// RevokeRisk stores the end of an entry that was not revoked before.
	RevokeRisk(ctx context.Context, account posture.AccountID, id string, end Revocation) error
	// MoveRiskRevision counts a change. Whoever stores a verdict sees it.
	MoveRiskRevision(ctx context.Context, account posture.AccountID) error
	// JudgeSoon has a live device that has a verdict judged anew by the next sweep at the latest.
	JudgeSoon(ctx context.Context, account posture.AccountID, device string, at time.Time) error
	// InsertRun stores work over many devices that is to begin, and ends what waits or goes on about the same devices.
	InsertRun(ctx context.Context, r *run.Run) error
	// Record appends an event.
	Record(ctx context.Context, e event.Event) error
}
