package device

import (
	"bytes"
	"context"
	"errors"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// Report stores a health report and what is thought of it. When it returns nil, both are on disk. A report that says
// nothing new, judged by an unchanged policy at a time that changes nothing, is only noted as a contact.
func (s *Service) Report(ctx context.Context, ref Ref, sub Submission) error {
	at := s.clock()
	rules, err := s.rules(ctx, ref.Account)
	if err != nil {
		return err
	}
	neighbours, fresh, err := s.neighboursOf(ref, &sub, &rules, at)
	if err != nil {
		return err
	}
	err = s.take(ctx, ref, sub, &rules, at)
	if err == nil && fresh {
		s.meet(ctx, ref, sub.Around.Set, neighbours, at)
	}
	return err
}

// take stores what a report says of its own machine, unless it is known.
func (s *Service) take(ctx context.Context, ref Ref, sub Submission, rules *Rules, at time.Time) error {
	sub.Digest = rules.Privacy.digest(sub.Digest)
	var j judged
	for range maxJudgings {
		stored, err := s.store.Stored(ctx, ref.Account, ref.ID)
		if errs.Is(err, errs.NotFound) {
			s.auth.forget(ref)
			return errUnknownAgent()
		}
		if err != nil {
			return err
		}
		if stored.Cell.Status == posture.StatusOutOfLicence {
			back, err := s.readmitted(ctx, ref)
			if err != nil {
				return err
			}
			if back {
				continue
			}
			return errs.New(errs.OverLicence, "Exceeded token usage")
		}
		if s.unchanged(&stored, &sub, at) {
			s.seen.noteReport(ref, at)
			return nil
		}
		if j.report == nil {
			j, err = s.open(&sub, rules.Privacy, at)
			if err != nil {
				return err
			}
		}
		moved, err := s.joinByReport(ctx, ref, &stored, j.report)
		if err != nil {
			return err
		}
		if moved {
			continue // to be judged by the policy of its new group
		}
		err = s.judgeReport(ctx, ref, &stored, j)
		if errors.Is(err, errJudgedMeanwhile) {
			continue
		}
		if errs.Is(err, errs.NotFound) {
			return errUnknownAgent()
		}
		if err != nil {
			return err
		}
		s.seen.noteReport(ref, at)
		return nil
	}
	return errJudgedMeanwhile
}

// readmitted gives a device that came back when there was no place the one that there is by now.
func (s *Service) readmitted(ctx context.Context, ref Ref) (bool, error) {
	err := s.revive(ctx, ref)
	if err != nil {
		return false, err
	}
	d, err := s.store.Device(ctx, ref.Account, ref.ID)
	return err == nil && d.Cell.Status != posture.StatusOutOfLicence, unlessGone(err)
}

// open decodes a submission, and takes out of it what is private. What is left of the body is what is judged: else the
// verdict would be another when it is judged anew.
func (s *Service) open(sub *Submission, p Privacy, at time.Time) (judged, error) {
	report, err := sub.Decode()
	if err != nil {
		return judged{}, err
	}
	j := judged{digest: sub.Digest, body: sub.Body, report: report, macs: report.MACs(), private: p, at: at}
	if p.stores() {
		return j, nil
	}
	j.body = sub.Hide(p)
	j.report, err = s.decode(j.body)
	if err != nil {
		return judged{}, errs.Wrap(errs.Internal, err, "A report cannot be read without what is private")
	}
	j.report.PublicIP = report.PublicIP
	p.report(j.report)
	return j, nil
}

// storedReport reads a report of a device with its profile, as it was judged when it came: where it came from is no part
// of what is stored of it, and rules may look at that.
func (s *Service) storedReport(d *Device, body []byte) (*posture.Report, error) {
	report, err := s.decode(body)
	if err != nil {
		return nil, err
	}
	if p, broken := d.Profile(); broken == nil {
		report.PublicIP = p.PublicIP
	}
	return report, nil
}

// maxJudgings bounds how often a report is judged again because something else judged the device meanwhile.
const maxJudgings = 8

// errJudgedMeanwhile ends a step that finds that the device was judged, or its policy changed, since it was read: what
// was judged by may be out of date.
var errJudgedMeanwhile = errs.New(errs.Unavailable, "The device is being judged by others at this moment; try again")

// judgeReport judges a report of a device that was read, and stores both.
func (s *Service) judgeReport(ctx context.Context, ref Ref, stored *Device, j judged) error {
	stored.LastReport = j.at
	subject := SubjectOf(stored, j.report)
	err := s.recall(ctx, stored, subject)
	if err != nil {
		return err
	}
	verdict, err := s.judge.Judge(ctx, subject, j.at)
	if err != nil {
		return err
	}
	j.verdict = &verdict
	j.packed, err = s.pack(ctx, ref, j.body, subject.Report, &verdict)
	if err != nil {
		return err
	}
	return s.changeLive(ctx, ref, func(tx Tx, old, d *Device) error {
		if !old.Managed {
			return errNoDevice() // its agent was removed since it was authenticated
		}
		err := onSameGround(ctx, tx, old, stored, j.verdict)
		if err != nil {
			return err
		}
		return s.storeReport(ctx, tx, old, d, j)
	})
}

// onSameGround gives errJudgedMeanwhile where a verdict on a device that was read is out of date.
func onSameGround(ctx context.Context, tx Tx, old, read *Device, v *posture.Verdict) error {
	if !old.sameGround(read, v) {
		return errJudgedMeanwhile
	}
	known, err := tx.Known(ctx, old)
	if err == nil && known != read.Known {
		err = errJudgedMeanwhile
	}
	return err
}

// sameGround reports whether a device is still judged by what it was when it was read. A report that said nothing new may
// have ended a silence; another linked user matters where the verdict says so.
func (d *Device) sameGround(read *Device, v *posture.Verdict) bool {
	return d.Policy == read.Policy && d.Cell.Group == read.Cell.Group && d.Judge == read.Judge && bytes.Equal(d.Digest, read.Digest) &&
		(d.Link.Username == read.Link.Username || !v.LinkedMatters) && d.ReportedAt.Equal(read.ReportedAt) && d.Known == read.Known
}

// recall adds to a subject what was thought of the device before, where that matters: a device without issues has none
// that could have begun earlier.
func (s *Service) recall(ctx context.Context, d *Device, subject *Subject) error {
	if d.Issues.Total() == 0 || len(d.Digest) == 0 {
		return nil
	}
	before, err := s.store.Verdict(ctx, d.Account, d.ID)
	if err != nil {
		return unlessGone(err)
	}
	subject.Before = &before
	return nil
}

// unchanged reports whether judging a report could say nothing else than what is stored.
func (s *Service) unchanged(stored *Device, sub *Submission, at time.Time) bool {
	lapsed := stored.Exempted && !stored.Exemption.Until.IsZero() && !at.Before(stored.Exemption.Until)
	return bytes.Equal(stored.Digest, sub.Digest[:]) && !stored.Silent && !lapsed &&
		(stored.VerdictChange.IsZero() || at.Before(stored.VerdictChange)) &&
		stored.Judge == s.judge.Version(stored.Policy, stored.Cell.Group)
}

// judged is a report that is ready to be stored.
type judged struct {
	digest  [32]byte
	body    []byte
	report  *posture.Report
	macs    []posture.MAC
	private Privacy
	verdict *posture.Verdict
	packed  PackedReport
	at      time.Time
}

func (s *Service) storeReport(ctx context.Context, tx Tx, old, d *Device, j judged) error {
	applyReport(d, j.report, j.at)
	s.describe(d, func(p *Profile) {
		p.report(j.report)
		j.private.profile(p)
	})
	j.private.forget(d)
	d.Digest, d.LastReport = j.digest[:], j.at
	d.takeVerdict(j.verdict, s.judge.Version(d.Policy, d.Cell.Group), j.at)
	d.Vulnerabilities = j.packed.Open
	err := dropShared(ctx, tx, old, d)
	if err != nil {
		return err
	}
	err = noteConflict(ctx, tx, old, d)
	if err != nil {
		return err
	}
	err = takeLinkedID(ctx, tx, old, d)
	if err != nil {
		return err
	}
	err = tx.Update(ctx, old, d)
	if err != nil {
		return err
	}
	// Agents that are told not to report their addresses still have those that they registered with.
	if len(j.macs) > 0 || !j.private.MACAddress {
		err = tx.PutAdapters(ctx, d.Account, d.ID, j.macs, j.at)
		if err != nil {
			return err
		}
	}
	err = tx.PutReport(ctx, d.Account, d.ID, j.packed, j.at)
	if err != nil {
		return err
	}
	err = tx.Record(ctx, s.newEvent(j.at, event.Reported, d, d.Cell.Status))
	if err != nil {
		return err
	}
	err = s.recordAgent(ctx, tx, j.at, old, d)
	if err != nil {
		return err
	}
	return s.recordStatus(ctx, tx, j.at, old, d, j.verdict)
}

// applyReport fills the inventory from a report. What the report leaves out stays as it was.
func applyReport(d *Device, r *posture.Report, at time.Time) {
	keep(&d.HardwareID, posture.IdentifyingNumber(r.HardwareID))
	keep(&d.Serial, posture.IdentifyingNumber(r.Serial))
	keep(&d.Name, r.DeviceName)
	keep(&d.HostName, r.HostName)
	keep(&d.UserIdentity, r.UserIdentity)
	keep(&d.AgentType, r.AgentType)
	keep(&d.AgentVersion, r.AgentVersion)
	keep(&d.OSName, r.OS.Name)
	keep(&d.OSVersion, r.OS.Version)
	keep(&d.LinkedID, r.LinkedID)
	keepWord(&d.Type, r.DeviceType)
	keepWord(&d.OSFamily, r.OS.Family)
	d.ReportedAt = at
}

func errUnknownAgent() error {
	return errs.New(errs.Unauthenticated, "These credentials belong to no device in service")
}
