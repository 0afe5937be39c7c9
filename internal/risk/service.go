package risk

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/run"
)

// cacheLife is how long a set is believed. It bounds how long a change made by another server stays unseen; changes made by
// this one take effect at once.
const cacheLife = time.Second

// Service is what can be done with what accounts say of vulnerabilities. All methods may be called at once from many
// goroutines.
type Service struct {
	store  Store
	now    func() time.Time
	random io.Reader
	wake   func()
	judge  func(ctx context.Context, account posture.AccountID, device string) error

	mu    sync.Mutex
	known map[posture.AccountID]*remembered
}

// remembered is a set that was read, and until when it is believed.
type remembered struct {
	set   *Set
	until time.Time
}

// Options are what a Service is made of; all must be there.
type Options struct {
	Store  Store
	Now    func() time.Time
	Random io.Reader
	// Wake is called when work over devices has been stored that is to begin.
	Wake func()
	// Judge judges one live device anew, by what it last reported.
	Judge func(ctx context.Context, account posture.AccountID, device string) error
}

// New makes a Service.
func New(o Options) *Service {
	return &Service{store: o.Store, now: o.Now, random: o.Random, wake: o.Wake, judge: o.Judge, known: make(map[posture.AccountID]*remembered)}
}

func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// maxKnown bounds how many sets are kept in memory.
const maxKnown = 1000

// Active gives all that holds in an account. It answers from memory for up to a second, and reads the entries only where
// something has changed. NotFound: there is no such account.
func (s *Service) Active(ctx context.Context, account posture.AccountID) (*Set, error) {
	now := s.now()
	s.mu.Lock()
	kept := s.known[account]
	s.mu.Unlock()
	if kept != nil && now.Before(kept.until) {
		return kept.set, nil
	}
	revision, err := s.store.RiskRevision(ctx, account)
	if err != nil {
		return nil, err
	}
	var set *Set
	if kept != nil && kept.set.revision == revision {
		set = kept.set
	} else {
		// What is read may be newer than the revision that it is taken for; then it is read once more, and is never older.
		list, thresholds, err := s.store.ActiveRisks(ctx, account, s.clock())
		if err != nil {
			return nil, err
		}
		set = NewSet(revision, thresholds, list)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.known[account]; other != nil && other.set.revision > revision {
		return other.set, nil
	}
	if len(s.known) >= maxKnown {
		clear(s.known)
	}
	s.known[account] = &remembered{set, now.Add(cacheLife)}
	return set, nil
}

// Forget makes the next Active look whether something has changed.
func (s *Service) Forget(account posture.AccountID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept := s.known[account]; kept != nil {
		s.known[account] = &remembered{set: kept.set}
	}
}

// Acceptance is a risk that is to be accepted.
type Acceptance struct {
	Vulnerability string // a CVE id, or that of a feed's entry
	Product       Product
	Group         posture.GroupID // 0 is any
	Device        string          // the id of a live device; "" is any
	Reason        string
	Author        string // who answers for it; "" is the actor
	Actor         string
	Until         time.Time // zero for no end
}

// Accept stores that a risk is accepted, and has the devices judged anew that it may be about. Invalid: something about it
// cannot be accepted. Conflict: MaxActive entries hold already.
func (s *Service) Accept(ctx context.Context, account posture.AccountID, a *Acceptance) (Risk, error) {
	at := s.clock()
	r, err := a.entry(account, at)
	if err != nil {
		return Risk{}, err
	}
	r.ID = posture.NewID(at, s.random)
	err = s.change(ctx, account, func(tx Tx) error {
		err := r.checkPlace(ctx, tx)
		if err != nil {
			return err
		}
		err = s.roomFor(ctx, tx, account, at, 1)
		if err != nil {
			return err
		}
		err = tx.InsertRisk(ctx, &r)
		if err != nil {
			return err
		}
		return s.follow(ctx, tx, &r, note{at, a.Actor, event.RiskAccepted, r.about() + ": " + r.Reason})
	})
	if err != nil {
		return Risk{}, err
	}
	err = s.judgeNow(ctx, &r)
	return r, err
}

// entry checks what does not depend on what is stored.
func (a *Acceptance) entry(account posture.AccountID, at time.Time) (Risk, error) {
	var mistakes []*errs.Error
	check := func(err error) {
		if e, ok := err.(*errs.Error); ok { //nolint:errorlint // made here
			mistakes = append(mistakes, e)
		}
	}
	r := Risk{
		Account: account, Source: Accepted, Product: a.Product, Group: a.Group, Device: a.Device, Reason: strings.TrimSpace(a.Reason),
		Author: strings.TrimSpace(a.Author), CreatedAt: at, Until: a.Until.UTC().Truncate(time.Millisecond),
	}
	if a.Until.IsZero() {
		r.Until = time.Time{}
	}
	if r.Author == "" {
		r.Author = a.Actor
	}
	id, err := VulnerabilityID(a.Vulnerability)
	r.Vulnerability = id
	check(err)
	check(checkProduct(&r.Product))
	check(checkReason("reason", r.Reason))
	if !plain(r.Author, maxAuthor) {
		check(errs.InvalidField("author", "author must have at most %d characters, none of them one that controls how text is shown", maxAuthor))
	}
	check(checkUntil(r.Until, at))
	if r.Group != 0 && r.Device != "" {
		check(errs.InvalidField("device", "Name a group or a device, and not both"))
	}
	return r, errs.Several(mistakes)
}

// checkPlace refuses a group or device that the account does not have.
func (r *Risk) checkPlace(ctx context.Context, tx Tx) error {
	if r.Device != "" {
		ok, err := tx.HasLiveDevice(ctx, r.Account, r.Device)
		if err != nil || ok {
			return err
		}
		return errs.InvalidField("device", "There is no device %q", shortened(r.Device))
	}
	if r.Group != 0 {
		ok, err := tx.HasGroup(ctx, r.Account, r.Group)
		if err != nil || ok {
			return err
		}
		return errs.InvalidField("group", "There is no group %d", r.Group)
	}
	return nil
}

func (s *Service) roomFor(ctx context.Context, tx Tx, account posture.AccountID, at time.Time, more int64) error {
	active, err := tx.CountActiveRisks(ctx, account, at)
	if err == nil && active+more > MaxActive {
		err = errs.New(errs.Conflict, "An account can have at most %d accepted risks and statements at once", MaxActive)
	}
	return err
}

// about says in words what an entry is about.
func (r *Risk) about() string {
	out := r.Vulnerability
	if r.Product.Name != "" {
		out += " in " + r.Product.Name
	}
	switch {
	case r.Device != "":
		out += " on device " + r.Device
	case r.Group != 0:
		out += fmt.Sprintf(" in group %d", r.Group)
	}
	return out
}

// note is what is recorded of a change.
type note struct {
	at     time.Time
	actor  string
	kind   event.Kind
	detail string
}

// change makes a step, after which this server knows nothing any more of what the account says.
func (s *Service) change(ctx context.Context, account posture.AccountID, do func(tx Tx) error) error {
	// Even a change that failed may have been made: the connection can break after the commit.
	defer s.Forget(account)
	return s.store.ChangeRisks(ctx, account, do)
}

// follow stores what follows from the change of one entry.
func (s *Service) follow(ctx context.Context, tx Tx, r *Risk, n note) error {
	err := tx.MoveRiskRevision(ctx, r.Account)
	if err != nil {
		return err
	}
	if r.Device != "" {
		err = tx.JudgeSoon(ctx, r.Account, r.Device, n.at)
	} else {
		err = s.insertRun(ctx, tx, r.Account, run.Params{CVEs: touched(append([]string{r.Vulnerability}, r.Aliases...)), Group: r.Group, Anew: true}, n)
	}
	if err != nil {
		return err
	}
	return tx.Record(ctx, event.Event{
		Account: r.Account, ID: posture.NewID(n.at, s.random), At: n.at, Kind: n.kind, DeviceID: r.Device, Actor: n.actor, Detail: n.detail,
	})
}

// touched gives what devices are found by that have one of some vulnerabilities; none where they are only found by looking at
// all: a device is counted by the CVEs of an entry, and under the entry's own id only where that has none.
func touched(ids []string) []string {
	if len(ids) > maxTouched || !slices.ContainsFunc(ids, isCVE) {
		return nil
	}
	return ids
}

func isCVE(id string) bool { return strings.HasPrefix(id, "CVE-") }

// maxTouched is how many vulnerabilities a run names. One that is about more looks at all devices.
const maxTouched = 1000

func (s *Service) insertRun(ctx context.Context, tx Tx, account posture.AccountID, p run.Params, n note) error {
	return tx.InsertRun(ctx, &run.Run{
		Account: account, ID: posture.NewID(n.at, s.random), Kind: run.Reevaluate, Params: p, Actor: n.actor, CreatedAt: n.at,
	})
}

// judgeNow begins what a change has stored. What it cannot do at once the next sweep does: the change is made.
func (s *Service) judgeNow(ctx context.Context, r *Risk) error {
	if r.Device == "" {
		s.wake()
		return nil
	}
	err := s.judge(context.WithoutCancel(ctx), r.Account, r.Device)
	if errs.Is(err, errs.Unavailable) || errs.Is(err, errs.Invalid) {
		return nil
	}
	return err
}

// Revoke ends an entry: what it was about counts again. NotFound: there is none. Conflict: it has come to its end already.
// Stale: expect is not nil and not its revision. Invalid: the reason is none.
func (s *Service) Revoke(ctx context.Context, account posture.AccountID, id, reason, actor string, expect *int64) (Risk, error) {
	reason = strings.TrimSpace(reason)
	err := checkReason("reason", reason)
	if err != nil {
		return Risk{}, err
	}
	at := s.clock()
	var r Risk
	err = s.change(ctx, account, func(tx Tx) error {
		var err error
		r, err = tx.Risk(ctx, account, id)
		if err != nil {
			return err
		}
		if expect != nil && *expect != r.Revision() {
			return errs.New(errs.Stale, "The accepted risk has been changed meanwhile: it is at revision %d, not %d", r.Revision(), *expect)
		}
		switch r.StateAt(at) {
		case Revoked:
			return errs.New(errs.Conflict, "It has been revoked already, at %s", r.Revoked.At.Format(time.RFC3339))
		case Lapsed:
			return errs.New(errs.Conflict, "It has lapsed already, at %s", r.Until.Format(time.RFC3339))
		}
		r.Revoked = Revocation{At: at, By: actor, Reason: reason}
		err = tx.RevokeRisk(ctx, account, id, r.Revoked)
		if err != nil {
			return err
		}
		return s.follow(ctx, tx, &r, note{at, actor, event.RiskRevoked, r.about() + ": " + reason})
	})
	if err != nil {
		return Risk{}, err
	}
	err = s.judgeNow(ctx, &r)
	return r, err
}

// Get gives one entry. NotFound: none of the account.
func (s *Service) Get(ctx context.Context, account posture.AccountID, id string) (Risk, error) {
	return s.store.Risk(ctx, account, id)
}

// List gives a part of the entries that match, the newest first, and the position behind it, "" at the end.
func (s *Service) List(ctx context.Context, account posture.AccountID, q Query) ([]Risk, string, error) {
	q.Now = s.clock()
	limit := q.Limit
	q.Limit++
	list, err := s.store.Risks(ctx, account, q)
	if err != nil {
		return nil, "", err
	}
	list, next := page.Cut(list, limit, func(r *Risk) string { return r.ID })
	return list, next, nil
}
