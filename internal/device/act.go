package device

import (
	"context"
	"errors"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// errUnsupported ends a step whose action does not apply to such a device, errRefused one that cannot be done now. They
// become outcomes; their code only keeps a shared transaction from being run again.
var (
	errUnsupported = errs.New(errs.Conflict, "The action does not apply to this device")
	errRefused     = errs.New(errs.Conflict, "The action cannot be done now")
)

// Act does what a program asks with one device. What the device does not bear, and that there is none, is an outcome; an
// error is a fault of Muster. Invalid: the request makes no sense for any device.
func (s *Service) Act(ctx context.Context, account posture.AccountID, r ActionRequest) (Outcome, error) {
	act, known := actions[r.Action]
	if !known {
		return Outcome{}, errs.InvalidField("types", "There is no action %q", string(r.Action))
	}
	err := r.check()
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Result: ActionDone}
	d, err := s.Find(ctx, account, r.Device)
	if err == nil {
		out.CommandID, err = act(s, ctx, Ref{Account: account, ID: d.ID}, &r)
	}
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, errUnsupported):
		return Outcome{Result: ActionUnsupported}, nil
	case errors.Is(err, errRefused), errs.Is(err, errs.NotFound):
		return Outcome{Result: ActionFailed}, nil
	default:
		return Outcome{}, err
	}
}

// actions does each action; it gives the id of the command, where it is one. NotFound: the device has gone meanwhile.
var actions = map[Action]func(s *Service, ctx context.Context, ref Ref, r *ActionRequest) (string, error){
	ActExempt: adjustment(event.Exempted, func(d *Device, r *ActionRequest, at time.Time) error {
		if !d.Monitored() {
			return errUnsupported
		}
		d.exempt(r.exemption(at))
		return nil
	}),
	ActUnexempt: adjustment(event.Unexempted, func(d *Device, _ *ActionRequest, _ time.Time) error {
		if !d.Monitored() {
			return errUnsupported
		}
		if !d.Exempted {
			return errNothingToDo
		}
		d.unexempt()
		return nil
	}),
	ActIgnore:   adjustment(event.Ignored, restate(posture.StatusUnknown, posture.StatusIgnored)),
	ActUnignore: adjustment(event.Unignored, restate(posture.StatusIgnored, posture.StatusUnknown)),
	// A program that does not say how it deletes gets the same from either call that deletes: see Remove.
	ActDelete: func(s *Service, ctx context.Context, ref Ref, r *ActionRequest) (string, error) {
		return "", s.removeAs(ctx, ref, RemoveData, r.Actor)
	},
	ActAssignGroup: (*Service).assignGroup,
	ActRenewDHCP:   (*Service).command,
	ActReidentify:  (*Service).command,
	ActFetchLog:    (*Service).command,
	ActScanThreats: (*Service).command,
}

// check refuses what makes no sense for any device.
func (r *ActionRequest) check() error {
	switch {
	case r.ExemptFor < 0 || r.ExemptFor > MaxExemptHours*time.Hour:
		return errs.InvalidField("exempt_time", "An exemption lasts at most %d hours, or is for good with 0", MaxExemptHours)
	case r.Action == ActScanThreats:
		return r.Scan.Check()
	default:
		return checkReason(r.Reason)
	}
}

// exemption is the one that the request asks for.
func (r *ActionRequest) exemption(at time.Time) Exemption {
	e := Exemption{Since: at, Reason: r.Reason, By: r.Actor}
	if r.ExemptFor > 0 {
		e.Until = at.Add(r.ExemptFor)
	}
	return e
}

// adjustment makes an action of a change to the device alone.
func adjustment(kind event.Kind, change func(d *Device, r *ActionRequest, at time.Time) error) func(*Service, context.Context, Ref, *ActionRequest) (string, error) {
	return func(s *Service, ctx context.Context, ref Ref, r *ActionRequest) (string, error) {
		n := note{at: s.clock(), kind: kind, actor: r.Actor, detail: r.Reason}
		return "", s.adjust(ctx, ref, n, func(_ Tx, _, d *Device) error { return change(d, r, n.at) })
	}
}

// restate moves devices from one status without an agent to the other.
func restate(from, to posture.Status) func(*Device, *ActionRequest, time.Time) error {
	return func(d *Device, _ *ActionRequest, _ time.Time) error {
		if d.Cell.Status != from {
			return errUnsupported
		}
		d.Cell.Status = to
		return nil
	}
}

// command queues a command for the agent of a device.
func (s *Service) command(ctx context.Context, ref Ref, r *ActionRequest) (string, error) {
	c := Command{DeviceID: ref.ID, Kind: CommandKind(r.Action), Actor: r.Actor, CreatedAt: s.clock()}
	c.ExpiresAt = c.CreatedAt.Add(CommandLife)
	if r.Action == ActScanThreats {
		c.Params = r.Scan
	}
	queued := c
	err := s.changeLive(ctx, ref, func(tx Tx, _, d *Device) error {
		if !obeys(d, c.Kind) {
			return errUnsupported
		}
		queued = c
		ok, err := s.queueCommand(ctx, tx, d, &queued)
		if err == nil && !ok {
			return errRefused
		}
		return err
	})
	if err != nil {
		return "", err
	}
	s.watch.note(Expecting{ref, queued.ExpiresAt})
	return queued.ID, nil
}

// obeys reports whether the agent of a device carries out commands of a kind. The agents of phones only ask their user
// who it is.
func obeys(d *Device, kind CommandKind) bool {
	phone := d.OSFamily == posture.IOS || d.OSFamily == posture.Android
	return d.Managed && d.Monitored() && (kind == Reidentify || !phone)
}
