// Package policies keeps the policies of an account, each with every version it ever had, and who changed what and when.
// It declares the storage it needs as a small interface and does no I/O of its own; what a policy says and how it judges
// is package policy.
//
// Every account has the policy posture.DefaultPolicy from its first moment: as version 0, which Muster comes with, until
// somebody saves another.
package policies

import (
	"context"
	"time"

	"muster/internal/event"
	"muster/internal/posture"
	"muster/internal/run"
)

// Policy is a policy as it stands.
type Policy struct {
	Account posture.AccountID
	ID      posture.PolicyID
	Name    string
	// Version is the current one; 0 while it is the default policy that Muster comes with.
	Version    int64
	CreatedAt  time.Time // zero at version 0
	ModifiedAt time.Time // when the current version was saved; zero at version 0
}

// Ref names its current version.
func (p *Policy) Ref() posture.PolicyRef { return posture.PolicyRef{ID: p.ID, Version: p.Version} }

// Version is one version of a policy. It never changes, and is never removed.
type Version struct {
	posture.PolicyRef
	Document string    // YAML; "" in lists
	At       time.Time // when it was saved; zero for version 0
	Author   string    // who saved it
	Note     string    // what the author said of the change
}

// Store keeps policies. Every method names the account, and sees nothing of any other.
type Store interface {
	// Policies gives the stored policies of an account that are not deleted, in the order of their ids.
	Policies(ctx context.Context, account posture.AccountID) ([]Policy, error)
	// PolicyVersion gives one version with its document, also of a deleted policy. NotFound: none.
	PolicyVersion(ctx context.Context, account posture.AccountID, ref posture.PolicyRef) (Version, error)
	// PolicyVersions gives up to so many versions older than one, the newest first, without their documents.
	PolicyVersions(ctx context.Context, account posture.AccountID, id posture.PolicyID, before int64, limit int) ([]Version, error)
	// GroupPolicies gives for each group of an account the current version of its policy.
	GroupPolicies(ctx context.Context, account posture.AccountID) (map[posture.GroupID]posture.PolicyRef, error)
	// ChangePolicies makes a step that changes the policies of an account, one such step at a time, that is on disk when it
	// returns nil. The step may run more than once. NotFound: no such account.
	ChangePolicies(ctx context.Context, account posture.AccountID, do func(tx Tx) error) error
}

// Tx is one atomic step on the policies of one account.
type Tx interface {
	// Policies is Store.Policies.
	Policies(ctx context.Context, account posture.AccountID) ([]Policy, error)
	// PolicyVersion is Store.PolicyVersion.
	PolicyVersion(ctx context.Context, account posture.AccountID, ref posture.PolicyRef) (Version, error)
	// NextPolicyID gives an id that no policy of the account ever had.
	NextPolicyID(ctx context.Context, account posture.AccountID) (posture.PolicyID, error)
	// PutPolicy stores a policy, new or not, with its current version, which is new.
	PutPolicy(ctx context.Context, p *Policy, v *Version) error
	// DeletePolicy marks a policy as deleted. Conflict: a group has it.
	DeletePolicy(ctx context.Context, account posture.AccountID, id posture.PolicyID, at time.Time) error
	// InsertRun stores work over many devices that is to begin, and ends what waits or goes on about the same devices.
	InsertRun(ctx context.Context, r *run.Run) error
	// Record appends an event.
	Record(ctx context.Context, e event.Event) error
}
