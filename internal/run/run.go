// Package run is the record of work over many devices that takes its time: what it is to do, how far it is, and what
// came of it. It goes on where it was after a restart, on whichever server has the lease.
package run

import (
	"encoding/json"
	"time"

	"muster/internal/posture"
)

// Kind says what a run does. The words are stored: never rename.
type Kind string

const (
	// Reevaluate judges stored reports anew.
	Reevaluate Kind = "reevaluate"
	// DryRun judges stored reports by a policy that is not saved, and changes nothing.
	DryRun Kind = "dry-run"
	// Regroup moves devices to the groups that want them by rule or domain; Changed counts those that moved.
	Regroup Kind = "regroup"
	// Rematch judges anew the devices that a new generation of the catalogue of vulnerabilities touches, and puts right what
	// lists say of products and vulnerabilities.
	Rematch Kind = "rematch"
)

// State is how a run stands. The numbers are stored.
type State uint8

const (
	// Waiting: nobody has begun it.
	Waiting State = 0
	// Running: begun; a server that ends leaves it so, and another goes on.
	Running State = 1
	// Done: it came to its end.
	Done State = 2
	// Failed: it cannot go on; Message says why.
	Failed State = 3
	// Cancelled: somebody ended it.
	Cancelled State = 4
)

var stateNames = [...]string{"waiting", "running", "done", "failed", "cancelled"}

// String gives the word for the state.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "invalid"
}

// LeasePrefix, before the id of a run, is the name of the lease of whoever does it.
const LeasePrefix = "run:"

// Ended reports whether nothing more will come of the run.
func (s State) Ended() bool { return s >= Done }

// Params say what a run is about. Its devices are those of a group, or of all groups that have a policy, or, where both
// are 0, of the account. They are stored as JSON: members may be added, never renamed.
type Params struct {
	Group  posture.GroupID  `json:"group,omitempty"`
	Policy posture.PolicyID `json:"policy,omitempty"`
	// Anew says to judge devices also where nothing tells that they would be judged otherwise: their group has another name.
	Anew bool `json:"anew,omitempty"`
	// CVEs leave only devices that have one of these vulnerabilities, by its CVE id or that of a feed's entry, whether it
	// counts there or not.
	CVEs []string `json:"cves,omitempty"`
	// From and To are the generations of the catalogue between which a rematch looks; with From 0 it looks at everything.
	From int64 `json:"from,omitempty"`
	To   int64 `json:"to,omitempty"`
	// Document is the policy that a dry run tries, as YAML.
	Document string `json:"document,omitempty"`
}

// Run is one such piece of work.
type Run struct {
	Account  posture.AccountID
	ID       string // sorts by the time it was made
	Kind     Kind
	State    State
	Params   Params
	Position string // where it goes on; "" is the beginning
	Total    int64  // devices that it is about, as of its beginning
	Done     int64  // devices that it has looked at
	Changed  int64  // of them, those whose status changed, or would
	Failed   int64  // of them, those that could not be judged
	Result   json.RawMessage
	Message  string // why it failed
	Actor    string // who asked for it
	// Zero times are for what has not happened.
	CreatedAt, StartedAt, EndedAt time.Time
}
