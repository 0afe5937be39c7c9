package device

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// Service is what can be done with devices. All methods may be called at once from many goroutines.
type Service struct {
	store  Store
	judge  Judge
	decode func(body []byte) (*posture.Report, error)
	now    func() time.Time
	random io.Reader
	log    *slog.Logger
	seen   *seenLog
	auth   *credentialCache
	watch  *commandWatch
	joins  *joiner
	around *surroundings

	decided func(ctx context.Context, account posture.AccountID) (Rules, error) // may be nil

	catalogue Catalogue // may be nil
	wake      func()
}

// Options are what a Service is made of. Store and Judge must be there.
type Options struct {
	Store Store
	Judge Judge
	// Decode reads a report as it is stored, to judge it again. It must be there if Sweep is called.
	Decode func(body []byte) (*posture.Report, error)
	Now    func() time.Time // time.Now when nil
	Random io.Reader        // crypto/rand.Reader when nil
	Log    *slog.Logger     // slog.Default() when nil
	// Rules gives what an account decided about its devices; nil where no account decides anything.
	Rules func(ctx context.Context, account posture.AccountID) (Rules, error)
	// Catalogue describes vulnerabilities in lists; where nil they go without.
	Catalogue Catalogue
	// Wake, where not nil, is called when work over many devices has been stored that is to begin.
	Wake func()
	// CompileJoin reads the joining rules of groups; where nil no group can have one.
	CompileJoin CompileJoin
}

// New makes a Service. Its background work runs only inside Run.
func New(o Options) *Service {
	s := &Service{store: o.Store, judge: o.Judge, decode: o.Decode, now: o.Now, random: o.Random, log: o.Log}
	if s.now == nil {
		s.now = time.Now
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.catalogue, s.wake, s.decided = o.Catalogue, o.Wake, o.Rules
	if s.wake == nil {
		s.wake = func() {}
	}
	s.seen = newSeenLog(o.Store)
	s.auth = newCredentialCache(o.Store, s.now)
	s.watch = newCommandWatch(o.Store, s.now)
	s.around = newSurroundings()
	if o.CompileJoin == nil {
		o.CompileJoin = func(string) (JoinRule, error) { return nil, errs.New(errs.Invalid, "there are no joining rules here") }
	}
	s.joins = newJoiner(o.Store, o.CompileJoin, s.now, s.log)
	return s
}

// Run does the background work of the service until ctx ends, then writes what is still in memory: contact times are
// stored every SeenLag, credentials that ended elsewhere are forgotten here, and commands queued elsewhere noticed.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(SeenLag)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			// The last flush must not be cut short by the very signal that asks for it.
			s.flush(context.WithoutCancel(ctx))
			return
		case <-tick.C:
			s.flush(ctx)
			err := s.auth.refresh(ctx)
			if err != nil && ctx.Err() == nil {
				s.log.Error("reading ended credentials failed; agents removed elsewhere may be accepted for longer", "error", err)
			}
			err = s.LookForCommands(ctx)
			if err != nil && ctx.Err() == nil {
				s.log.Error("looking for new commands failed; agents may get them later", "error", err)
			}
		}
	}
}

func (s *Service) flush(ctx context.Context) {
	err := s.seen.flush(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.Error("storing contact times failed; it is tried again", "error", err)
	}
}

// clock gives the time to the millisecond, as it is stored.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// newEvent makes the event that tells of a change of d, which had another status before, or the same. A change of status
// becomes the device's last one, which Record stores. Each of a device's changes is later than the one before, whatever the
// clocks of servers do: else two of them could be its first since some moment, or none, and receivers of webhooks could
// not tell their order.
func (s *Service) newEvent(at time.Time, kind event.Kind, d *Device, from posture.Status) event.Event {
	e := event.Event{Account: d.Account, Kind: kind, DeviceID: d.ID, From: from, To: d.Cell.Status}
	if e.Changes() {
		if !at.After(d.StatusAt) {
			at = d.StatusAt.Add(time.Millisecond)
		}
		e.Previous, d.StatusAt = d.StatusAt, at
	}
	e.At, e.ID = at, posture.NewID(at, s.random)
	return e
}

// recordStatus appends an event if the device changed its status by a verdict, or its exemption ended by itself. It says
// which rule decided, where that is why the device stands where it does.
func (s *Service) recordStatus(ctx context.Context, tx Tx, at time.Time, old, d *Device, v *posture.Verdict) error {
	if old.Exempted && !d.Exempted {
		return s.record(ctx, tx, d, old.Cell.Status, note{at: at, kind: event.Unexempted, detail: "its time was up"})
	}
	if old.Cell.Status == d.Cell.Status {
		return nil
	}
	e := s.newEvent(at, event.StatusChanged, d, old.Cell.Status)
	if v.Rule != "" && v.Status == d.Cell.Status {
		e.Detail = "rule: " + v.Rule
	}
	return tx.Record(ctx, e)
}

// recordAgent appends an event if the device brought another version of its agent than it had.
func (s *Service) recordAgent(ctx context.Context, tx Tx, at time.Time, old, d *Device) error {
	if old.AgentVersion == "" || old.AgentVersion == d.AgentVersion {
		return nil
	}
	e := s.newEvent(at, event.AgentUpdated, d, d.Cell.Status)
	e.Detail = old.AgentVersion + " -> " + d.AgentVersion
	return tx.Record(ctx, e)
}

// changeLive makes a step that changes one live device: d is a copy of old to work on. NotFound: no such live device.
func (s *Service) changeLive(ctx context.Context, ref Ref, do func(tx Tx, old, d *Device) error) error {
	return s.store.Change(ctx, Change{Device: ref.ID, Do: func(tx Tx) error {
		old, err := tx.DeviceForUpdate(ctx, ref.Account, ref.ID)
		if err != nil {
			return err
		}
		if old.Lifecycle != Live {
			return errNoDevice()
		}
		d := old
		return do(tx, &old, &d)
	}})
}

// Find gives the live device that the selector names. NotFound: none, or an adapter that several devices share.
func (s *Service) Find(ctx context.Context, account posture.AccountID, sel Selector) (Device, error) {
	id, err := s.resolve(ctx, account, sel)
	if err != nil {
		return Device{}, err
	}
	d, err := s.store.Device(ctx, account, id)
	if errs.Is(err, errs.NotFound) && !sel.ByMAC {
		id, err = s.byHardwareID(ctx, account, sel.ID)
		if err != nil {
			return Device{}, err
		}
		d, err = s.store.Device(ctx, account, id)
	}
	if err != nil {
		return Device{}, err
	}
	s.seen.overlay(&d)
	return d, nil
}

// resolve gives the device id a selector means; an id is passed through without looking.
func (s *Service) resolve(ctx context.Context, account posture.AccountID, sel Selector) (string, error) {
	switch {
	case sel.ByMAC:
		return ownerOf(s.store.Claims(ctx, account, sel.MAC))
	case sel.Linked != "":
		return soleOf(s.store.ByLinkedID(ctx, account, sel.Linked))
	default:
		return sel.ID, nil
	}
}

// soleOf gives the one device that was just found; a number that two live devices claim names neither.
func soleOf(ids []string, err error) (string, error) {
	if err == nil && len(ids) != 1 {
		err = errNoDevice()
	}
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// ownerOf gives the device that claims which were just read name. NotFound: none.
func ownerOf(claims []Claim, err error) (string, error) {
	if err != nil {
		return "", err
	}
	id, ok := Owner(claims)
	if !ok {
		return "", errNoDevice()
	}
	return id, nil
}

// byHardwareID finds the one live device with a hardware id.
func (s *Service) byHardwareID(ctx context.Context, account posture.AccountID, value string) (string, error) {
	hw := posture.IdentifyingNumber(value)
	if hw == "" {
		return "", errNoDevice()
	}
	return soleOf(s.store.ByHardwareID(ctx, account, hw))
}

func errNoDevice() error { return errs.New(errs.NotFound, "Device not found") }

// Verdict gives what was last thought of a device, and why. NotFound: it never reported.
func (s *Service) Verdict(ctx context.Context, account posture.AccountID, id string) (posture.Verdict, error) {
	return s.store.Verdict(ctx, account, id)
}

// Adapters gives every address the device ever reported.
func (s *Service) Adapters(ctx context.Context, account posture.AccountID, id string) ([]Claim, error) {
	return s.store.Adapters(ctx, account, id)
}

// Counts gives how many devices stand where. Its cost does not depend on how many there are.
func (s *Service) Counts(ctx context.Context, account posture.AccountID) (Counts, error) {
	return s.store.Counts(ctx, account)
}

// LinkUser attaches a user to the device. Where the policy asks who uses it, the device is judged anew before it returns;
// until then it is due.
// NotFound: no such live device in the account.
func (s *Service) LinkUser(ctx context.Context, account posture.AccountID, sel Selector, user LinkedUser) error {
	id, matters := sel.ID, false
	at := s.clock()
	c := Change{Device: id, Do: func(tx Tx) error {
		var err error
		matters, err = tx.Link(ctx, account, id, user)
		if err != nil || !matters {
			return err
		}
		return outdate(ctx, tx, Ref{Account: account, ID: id}, at)
	}}
	if sel.ByMAC {
		c.Find = func(tx Tx) (string, error) {
			var err error
			id, err = ownerOf(tx.Claims(ctx, account, sel.MAC))
			return id, err
		}
	}
	err := s.store.Change(ctx, c)
	if errs.Is(err, errs.NotFound) && !sel.ByMAC {
		id, err = s.byHardwareID(ctx, account, sel.ID)
		if err != nil {
			return err
		}
		c.Device = id
		err = s.store.Change(ctx, c)
	}
	if err != nil || !matters {
		return err
	}
	return s.judgeAgain(ctx, Ref{Account: account, ID: id})
}
