package policies

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/policy"
	"muster/internal/posture"
	"muster/internal/run"
)

// The bounds of policies.
const (
	// MaxPolicies is how many policies an account may have at once.
	MaxPolicies = 200
	maxNote     = 1024 // characters
)

// Service is what can be done with the policies of accounts. All methods may be called at once from many goroutines.
type Service struct {
	store  Store
	now    func() time.Time
	random io.Reader
	wake   func()

	mu       sync.RWMutex
	compiled map[compiledKey]*policy.Compiled
}

type compiledKey struct {
	account posture.AccountID
	ref     posture.PolicyRef
}

// Options are what a Service is made of; all must be there.
type Options struct {
	Store  Store
	Now    func() time.Time
	Random io.Reader
	// Wake is called when work over devices has been stored that is to begin.
	Wake func()
}

// New makes a Service.
func New(o Options) *Service {
	return &Service{store: o.Store, now: o.Now, random: o.Random, wake: o.Wake, compiled: make(map[compiledKey]*policy.Compiled)}
}

func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// Edit says how a policy is changed: by whom, why, and from which version.
type Edit struct {
	Actor string
	Note  string // what the author says of the change; may be ""
	// Expect is the current version as the caller knows it; nil changes whichever is current.
	Expect *int64
}

func errNoPolicy() error { return errs.New(errs.NotFound, "Policy not found") }

// List gives the policies of an account, the default policy first, then in the order in which they were made.
func (s *Service) List(ctx context.Context, account posture.AccountID) ([]Policy, error) {
	stored, err := s.store.Policies(ctx, account)
	return withDefault(account, stored), err
}

// withDefault puts the default policy before those that are stored, where it is not one of them.
func withDefault(account posture.AccountID, stored []Policy) []Policy {
	if len(stored) > 0 && stored[0].ID == posture.DefaultPolicy {
		return stored
	}
	return append([]Policy{{Account: account, ID: posture.DefaultPolicy, Name: policy.Default().Name}}, stored...)
}

// Get gives a policy as it stands. NotFound: there is none, or it is deleted.
func (s *Service) Get(ctx context.Context, account posture.AccountID, id posture.PolicyID) (Policy, error) {
	all, err := s.List(ctx, account)
	if err != nil {
		return Policy{}, err
	}
	return find(all, id)
}

// Names gives the names of the policies of an account.
func (s *Service) Names(ctx context.Context, account posture.AccountID) (map[posture.PolicyID]string, error) {
	all, err := s.List(ctx, account)
	out := make(map[posture.PolicyID]string, len(all))
	for i := range all {
		out[all[i].ID] = all[i].Name
	}
	return out, err
}

func find(all []Policy, id posture.PolicyID) (Policy, error) {
	i := slices.IndexFunc(all, func(p Policy) bool { return p.ID == id })
	if i < 0 {
		return Policy{}, errNoPolicy()
	}
	return all[i], nil
}

// Find gives the policy with a name, whatever the letter case. NotFound: there is none.
func (s *Service) Find(ctx context.Context, account posture.AccountID, name string) (Policy, error) {
	all, err := s.List(ctx, account)
	if err != nil {
		return Policy{}, err
	}
	for _, p := range all {
		if strings.EqualFold(p.Name, strings.TrimSpace(name)) {
			return p, nil
		}
	}
	return Policy{}, errNoPolicy()
}

// Version gives one version with its document, also of a policy that is deleted. NotFound: none.
func (s *Service) Version(ctx context.Context, account posture.AccountID, ref posture.PolicyRef) (Version, error) {
	return version(ctx, s.store, account, ref)
}

// version gives a version that is stored, or that Muster comes with.
func version(ctx context.Context, from interface {
	PolicyVersion(ctx context.Context, account posture.AccountID, ref posture.PolicyRef) (Version, error)
}, account posture.AccountID, ref posture.PolicyRef) (Version, error) {
	if ref != (posture.PolicyRef{ID: posture.DefaultPolicy}) {
		return from.PolicyVersion(ctx, account, ref)
	}
	text, err := policy.Default().YAML()
	return Version{PolicyRef: ref, Document: string(text), Author: "Muster"}, err
}

// Versions gives up to so many versions older than one, the newest first, without their documents; before 0 is the
// beginning. The one that Muster comes with is not among them; those of a deleted policy stay. NotFound: there never was
// such a policy.
func (s *Service) Versions(ctx context.Context, account posture.AccountID, id posture.PolicyID, before int64, limit int) ([]Version, error) {
	list, err := s.store.PolicyVersions(ctx, account, id, before, limit)
	if err != nil || len(list) > 0 {
		return list, err
	}
	if before > 0 {
		_, err = s.store.PolicyVersion(ctx, account, posture.PolicyRef{ID: id, Version: 1})
		if !errs.Is(err, errs.NotFound) {
			return nil, err
		}
	}
	_, err = s.Get(ctx, account, id)
	return nil, err
}

// Create makes a policy of a document. Invalid: the document has mistakes, all of which the error tells. Conflict: the
// name is taken, whatever the letter case, or there are MaxPolicies.
func (s *Service) Create(ctx context.Context, account posture.AccountID, document []byte, e Edit) (Policy, error) {
	doc, err := s.read(document, &e)
	if err != nil {
		return Policy{}, err
	}
	var p Policy
	err = s.store.ChangePolicies(ctx, account, func(tx Tx) error {
		all, err := listed(ctx, tx, account)
		if err != nil {
			return err
		}
		if len(all) >= MaxPolicies {
			return errs.New(errs.Conflict, "An account can have at most %d policies", MaxPolicies)
		}
		p = Policy{Account: account, CreatedAt: s.clock()}
		err = nameFree(all, &p, doc.name)
		if err != nil {
			return err
		}
		p.ID, err = tx.NextPolicyID(ctx, account)
		if err != nil {
			return err
		}
		return s.put(ctx, tx, &p, doc, e, "policy created: ")
	})
	return p, err
}

func listed(ctx context.Context, tx Tx, account posture.AccountID) ([]Policy, error) {
	stored, err := tx.Policies(ctx, account)
	return withDefault(account, stored), err
}

func nameFree(all []Policy, p *Policy, name string) error {
	for i := range all {
		if all[i].ID != p.ID && strings.EqualFold(all[i].Name, name) {
			return errs.New(errs.Conflict, "There is a policy %q already", all[i].Name)
		}
	}
	p.Name = name
	return nil
}

// Save makes a document the current version of a policy, and has the devices judged anew whose groups have it. A
// document that says nothing else than the current version changes nothing. Invalid and Conflict: as for Create.
// NotFound: there is no such policy. Stale: another version is current than the caller expects.
func (s *Service) Save(ctx context.Context, account posture.AccountID, id posture.PolicyID, document []byte, e Edit) (Policy, error) {
	doc, err := s.read(document, &e)
	if err != nil {
		return Policy{}, err
	}
	return s.change(ctx, account, id, e, func(Tx, *Policy) (*canonical, string, error) { return doc, "policy changed: ", nil })
}

// Rollback makes what an earlier version said the current version, as a new one. NotFound: there is no such policy or
// version. Stale: as for Save.
func (s *Service) Rollback(ctx context.Context, account posture.AccountID, id posture.PolicyID, to int64, e Edit) (Policy, error) {
	err := checkNote(e.Note)
	if err != nil {
		return Policy{}, err
	}
	return s.change(ctx, account, id, e, func(tx Tx, p *Policy) (*canonical, string, error) {
		v, err := version(ctx, tx, account, posture.PolicyRef{ID: p.ID, Version: to})
		if err != nil {
			return nil, "", err
		}
		// Read again: what is accepted may have become stricter since then.
		doc, err := s.read([]byte(v.Document), &e)
		return doc, fmt.Sprintf("policy taken back to what version %d said: ", to), err
	})
}

// change stores a new version of a policy.
func (s *Service) change(ctx context.Context, account posture.AccountID, id posture.PolicyID, e Edit,
	next func(tx Tx, p *Policy) (*canonical, string, error),
) (Policy, error) {
	var p Policy
	judge := false
	err := s.store.ChangePolicies(ctx, account, func(tx Tx) error {
		judge = false
		all, err := listed(ctx, tx, account)
		if err != nil {
			return err
		}
		p, err = find(all, id)
		if err != nil {
			return err
		}
		err = expected(&p, e)
		if err != nil {
			return err
		}
		doc, what, err := next(tx, &p)
		if err != nil {
			return err
		}
		now, err := version(ctx, tx, account, p.Ref())
		if err != nil || now.Document == doc.text {
			return err
		}
		err = nameFree(all, &p, doc.name)
		if err != nil {
			return err
		}
		judge = true
		return s.put(ctx, tx, &p, doc, e, what)
	})
	if err == nil && judge {
		s.wake()
	}
	return p, err
}

func expected(p *Policy, e Edit) error {
	if e.Expect != nil && *e.Expect != p.Version {
		return errs.New(errs.Stale, "The policy has been changed meanwhile: version %d is current, not %d", p.Version, *e.Expect)
	}
	return nil
}

// put stores the next version of a policy, with the run that judges by it.
func (s *Service) put(ctx context.Context, tx Tx, p *Policy, doc *canonical, e Edit, what string) error {
	at := s.clock()
	p.Version++
	p.ModifiedAt = at
	if p.CreatedAt.IsZero() {
		p.CreatedAt = at
	}
	err := tx.PutPolicy(ctx, p, &Version{PolicyRef: p.Ref(), Document: doc.text, At: at, Author: e.Actor, Note: e.Note})
	if err != nil {
		return err
	}
	if p.Version > 1 || p.ID == posture.DefaultPolicy { // no group has a policy that is new
		err = tx.InsertRun(ctx, &run.Run{
			Account: p.Account, ID: posture.NewID(at, s.random), Kind: run.Reevaluate, Params: run.Params{Policy: p.ID}, Actor: e.Actor, CreatedAt: at,
		})
		if err != nil {
			return err
		}
	}
	return s.record(ctx, tx, p.Account, at, e.Actor, fmt.Sprintf("%s%s, version %d", what, p.Name, p.Version))
}

func (s *Service) record(ctx context.Context, tx Tx, account posture.AccountID, at time.Time, actor, what string) error {
	return tx.Record(ctx, event.Event{
		Account: account, ID: posture.NewID(at, s.random), At: at, Kind: event.Configured, Actor: actor, Detail: what,
	})
}

// Delete deletes a policy that no group has; its versions stay. NotFound: there is none. Conflict: a group has it, or it
// is the default policy. Stale: as for Save.
func (s *Service) Delete(ctx context.Context, account posture.AccountID, id posture.PolicyID, e Edit) error {
	at := s.clock()
	return s.store.ChangePolicies(ctx, account, func(tx Tx) error {
		all, err := listed(ctx, tx, account)
		if err != nil {
			return err
		}
		p, err := find(all, id)
		if err != nil {
			return err
		}
		if id == posture.DefaultPolicy {
			return errs.New(errs.Conflict, "The default policy cannot be deleted")
		}
		err = expected(&p, e)
		if err != nil {
			return err
		}
		err = tx.DeletePolicy(ctx, account, id, at)
		if err != nil {
			return err
		}
		return s.record(ctx, tx, account, at, e.Actor, "policy deleted: "+p.Name)
	})
}

// canonical is a document in the one form in which it is stored.
type canonical struct{ name, text string }

// read checks a document and what goes with it.
func (s *Service) read(document []byte, e *Edit) (*canonical, error) {
	err := checkNote(e.Note)
	if err != nil {
		return nil, err
	}
	p, err := policy.Parse(document)
	if err != nil {
		return nil, err
	}
	_, err = policy.Compile(p, posture.PolicyRef{})
	if err != nil {
		return nil, err
	}
	text, err := p.YAML()
	return &canonical{p.Name, string(text)}, err
}

func checkNote(note string) error {
	if utf8.RuneCountInString(note) > maxNote || !utf8.ValidString(note) || strings.ContainsRune(note, 0) {
		return errs.InvalidField("note", "A note must have at most %d characters", maxNote)
	}
	return nil
}

// maxCompiled bounds how many compiled policies are kept in memory.
const maxCompiled = 1000

// Compiled gives a version of a policy, ready to judge. What a version says never changes, so it is kept. NotFound: none.
func (s *Service) Compiled(ctx context.Context, account posture.AccountID, ref posture.PolicyRef) (*policy.Compiled, error) {
	key := compiledKey{account, ref}
	if ref.Version == 0 {
		key.account = 0 // the same for all
	}
	s.mu.RLock()
	c := s.compiled[key]
	s.mu.RUnlock()
	if c != nil {
		return c, nil
	}
	v, err := s.Version(ctx, account, ref)
	if err != nil {
		return nil, err
	}
	c, err = policy.Restore([]byte(v.Document), ref)
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "The stored policy %s cannot be read", ref)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.compiled) >= maxCompiled {
		clear(s.compiled)
	}
	s.compiled[key] = c
	return c, nil
}

// OfGroup gives the policy that judges the devices of a group, ready to judge. NotFound: there is no such group.
func (s *Service) OfGroup(ctx context.Context, account posture.AccountID, group posture.GroupID) (*policy.Compiled, error) {
	all, err := s.store.GroupPolicies(ctx, account)
	if err != nil {
		return nil, err
	}
	ref, ok := all[group]
	if !ok {
		return nil, errs.New(errs.NotFound, "Group not found")
	}
	return s.Compiled(ctx, account, ref)
}

// GroupsWith gives the groups that have a policy, in order.
func (s *Service) GroupsWith(ctx context.Context, account posture.AccountID, id posture.PolicyID) ([]posture.GroupID, error) {
	all, err := s.store.GroupPolicies(ctx, account)
	var out []posture.GroupID
	for group, ref := range all {
		if ref.ID == id {
			out = append(out, group)
		}
	}
	slices.Sort(out)
	return out, err
}
