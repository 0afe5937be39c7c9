package device

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"muster/internal/errs"
	"muster/internal/posture"
)

// sweepPage is how many devices are looked up at once.
const sweepPage = 200

// Sweep judges anew the devices of an account that time alone has moved: definitions grew too old, grace ended, an
// exemption lapsed, a device fell silent. It costs what changes, not what exists: of a device that has reported since it
// was armed for silence only the next time is stored. It says how many it judged.
func (s *Service) Sweep(ctx context.Context, account posture.AccountID) (int, error) {
	var judged atomic.Int64
	for {
		due, err := s.store.Due(ctx, account, s.clock(), sweepPage)
		if err != nil {
			return int(judged.Load()), err
		}
		// Many at once: a day on which half a fleet's definitions grow old must not take until the next.
		failed := allAtOnce(due, func(id string) error {
			done, err := s.sweepOne(ctx, Ref{Account: account, ID: id})
			if done {
				judged.Add(1)
			}
			return err
		})
		if failed != nil || ctx.Err() != nil || len(due) < sweepPage {
			return int(judged.Load()), failed
		}
	}
}

// sweepOne judges one device that is due, or arms it again, and says whether it judged it.
func (s *Service) sweepOne(ctx context.Context, ref Ref) (judged bool, err error) {
	at := s.clock()
	stored, err := s.store.Stored(ctx, ref.Account, ref.ID)
	if err != nil {
		return false, unlessGone(err)
	}
	s.seen.overlay(&stored)
	// A verdict from before an upgrade may not say when it changes: the device is due all the same.
	if !stored.dueAt(at) && stored.Judge == s.judge.Version(stored.Policy, stored.Cell.Group) {
		return false, s.armAgain(ctx, ref, stored.LastReport)
	}
	err = s.judgeAgain(ctx, ref)
	if errs.Is(err, errs.Invalid) {
		// One report that cannot be read must not keep all others from being judged, minute after minute.
		s.log.Error("a stored report cannot be read; its verdict stays until the next one", "device", ref.ID, "error", err)
		err = s.giveUp(ctx, ref)
	}
	return true, err
}

// armAgain stores when time may next do something to a device that has reported since it was armed.
func (s *Service) armAgain(ctx context.Context, ref Ref, lastReport time.Time) error {
	return unlessGone(s.changeLive(ctx, ref, func(tx Tx, old, d *Device) error {
		if d.LastReport.Before(lastReport) {
			d.LastReport = lastReport
		}
		d.arm()
		return tx.Update(ctx, old, d)
	}))
}

// atOnce is how many devices are judged at once by work over many: so many share a transaction, and so long a report may
// wait behind them.
const atOnce = 24

// allAtOnce does something with each entry of a list, with atOnce of them at a time, and gives the first error.
func allAtOnce[T any](list []T, do func(T) error) error {
	results := make([]error, len(list))
	var working sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for i := range list {
		places <- struct{}{}
		working.Go(func() {
			defer func() { <-places }()
			results[i] = do(list[i])
		})
	}
	working.Wait()
	for _, err := range results {
		if err != nil {
			return err
		}
	}
	return nil
}

// judgeAgain judges the stored report of a device as of now.
func (s *Service) judgeAgain(ctx context.Context, ref Ref) error {
	for range maxJudgings {
		err := s.judgeOnce(ctx, ref)
		if !errors.Is(err, errJudgedMeanwhile) {
			return unlessGone(err)
		}
	}
	return errJudgedMeanwhile
}

func (s *Service) judgeOnce(ctx context.Context, ref Ref) error {
	at := s.clock()
	stored, err := s.store.Stored(ctx, ref.Account, ref.ID)
	if err != nil {
		return err
	}
	s.seen.overlay(&stored)
	verdict, packed, err := s.verdictAt(ctx, ref, &stored, at)
	if err != nil {
		return err
	}
	_, err = s.storeVerdict(ctx, ref, &stored, &verdict, &packed, at)
	return err
}

// storeVerdict stores a verdict on the stored report of a device that was read, and says whether that changed the status
// of the device. It gives errJudgedMeanwhile where the device is no longer judged by what it was when it was read.
func (s *Service) storeVerdict(ctx context.Context, ref Ref, stored *Device, v *posture.Verdict, packed *PackedReport, at time.Time) (changed bool, err error) {
	err = s.changeLive(ctx, ref, func(tx Tx, old, d *Device) error {
		if !old.Managed || !old.Monitored() {
			return errNoDevice() // its agent was removed since it was read: it has no verdict any more
		}
		err := onSameGround(ctx, tx, old, stored, v)
		if err != nil {
			return err
		}
		d.LastReport = stored.LastReport
		d.takeVerdict(v, s.judge.Version(d.Policy, d.Cell.Group), at)
		d.Vulnerabilities = packed.Open
		changed = old.Cell.Status != d.Cell.Status
		err = tx.Update(ctx, old, d)
		if err != nil {
			return err
		}
		if len(stored.Digest) > 0 {
			err = tx.PutVerdict(ctx, ref.Account, ref.ID, *packed)
			if err != nil {
				return err
			}
		}
		return s.recordStatus(ctx, tx, at, old, d, v)
	})
	return changed, err
}

// giveUp takes a device out of what is due.
func (s *Service) giveUp(ctx context.Context, ref Ref) error {
	return unlessGone(s.changeLive(ctx, ref, func(tx Tx, old, d *Device) error {
		d.NextChange = time.Time{}
		return tx.Update(ctx, old, d)
	}))
}

// unlessGone makes nothing of a device that was removed meanwhile.
func unlessGone(err error) error {
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// verdictAt judges the stored report as of a time. A device that never reported keeps the status it has without its exemption.
func (s *Service) verdictAt(ctx context.Context, ref Ref, stored *Device, at time.Time) (posture.Verdict, PackedReport, error) {
	if len(stored.Digest) == 0 {
		return posture.Verdict{Status: posture.StatusInstalled}, PackedReport{}, nil
	}
	body, err := s.store.Report(ctx, ref.Account, ref.ID)
	if err != nil {
		return posture.Verdict{}, PackedReport{}, err
	}
	shown, err := s.store.Device(ctx, ref.Account, ref.ID)
	if err != nil {
		return posture.Verdict{}, PackedReport{}, err
	}
	report, err := s.storedReport(&shown, body)
	if err != nil {
		return posture.Verdict{}, PackedReport{}, errs.Wrap(errs.Invalid, err, "The stored report of device %s cannot be read", ref.ID)
	}
	subject := SubjectOf(stored, report)
	subject.SameReport = true
	err = s.recall(ctx, stored, subject)
	if err != nil {
		return posture.Verdict{}, PackedReport{}, err
	}
	verdict, err := s.judge.Judge(ctx, subject, at)
	if err != nil {
		return posture.Verdict{}, PackedReport{}, err
	}
	packed, err := s.pack(ctx, ref, nil, subject.Report, &verdict)
	return verdict, packed, err
}
