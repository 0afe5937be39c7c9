package device

import (
	"bytes"
	"context"
	"time"

	"muster/internal/errs"
	"muster/internal/event"
	"muster/internal/posture"
)

// Report stores a health report and what is thought of it. When it returns nil, both are on disk. A report that says
// nothing new, judged by an unchanged policy at a time that changes nothing, is only noted as a contact.
func (s *Service) Report(ctx context.Context, ref Ref, sub Submission) error {
	at := s.clock()
	stored, err := s.store.Stored(ctx, ref.Account, ref.ID)
	if errs.Is(err, errs.NotFound) {
		s.auth.forget(ref)
		return errUnknownAgent()
	}
	if err != nil {
		return err
	}
	if stored.Status == posture.StatusOutOfLicence {
		return errs.New(errs.OverLicence, "Exceeded token usage")
	}
	if s.unchanged(&stored, &sub, at) {
		s.seen.note(ref, at)
		return nil
	}
	report, err := sub.Decode()
	if err != nil {
		return err
	}
	verdict := s.judge.Judge(report, at)
	packed, err := s.pack(ctx, ref.Account, sub.Body, report, &verdict)
	if err != nil {
		return err
	}
	err = s.changeLive(ctx, ref, func(tx Tx, old, d *Device) error {
		if !old.Managed {
			return errNoDevice() // its agent was removed since it was authenticated
		}
		return s.storeReport(ctx, tx, old, d, judged{sub.Digest, report, &verdict, packed, at})
	})
	if errs.Is(err, errs.NotFound) {
		return errUnknownAgent()
	}
	if err != nil {
		return err
	}
	s.seen.note(ref, at)
	return nil
}

func (s *Service) unchanged(stored *Stored, sub *Submission, at time.Time) bool {
	return bytes.Equal(stored.Digest, sub.Digest[:]) && stored.Judge == s.judge.Version() &&
		(stored.NextChange.IsZero() || at.Before(stored.NextChange))
}

// judged is a report that is ready to be stored.
type judged struct {
	digest  [32]byte
	report  *posture.Report
	verdict *posture.Verdict
	packed  PackedReport
	at      time.Time
}

func (s *Service) storeReport(ctx context.Context, tx Tx, old, d *Device, j judged) error {
	applyReport(d, j.report, j.at)
	s.describe(d, func(p *Profile) { p.report(j.report) })
	d.Digest = j.digest[:]
	applyVerdict(d, j.verdict, s.judge.Version(), j.at)
	d.Vulnerabilities = j.packed.Open
	err := noteConflict(ctx, tx, old, d)
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
	err = tx.PutAdapters(ctx, d.Account, d.ID, j.report.MACs(), j.at)
	if err != nil {
		return err
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
	return s.recordStatus(ctx, tx, j.at, old, d)
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

// applyVerdict moves the device to the cell its verdict names; an exemption in force decides the status alone.
func applyVerdict(d *Device, v *posture.Verdict, version string, at time.Time) {
	if d.Exempted && !d.Exemption.Until.IsZero() && !at.Before(d.Exemption.Until) {
		d.Exempted, d.Exemption = false, Exemption{}
	}
	d.Judged, d.Judge, d.NextChange = v.Status, version, v.NextChange
	d.Cell.Severity, d.Cell.Levels = v.Severity, v.Levels
	_, d.Issues.Critical, d.Issues.Warning = v.CountIssues()
	d.Cell.Status = v.Status
	if d.Exempted {
		d.Cell.Status = posture.StatusExempted
		if until := d.Exemption.Until; !until.IsZero() && (d.NextChange.IsZero() || until.Before(d.NextChange)) {
			d.NextChange = until
		}
	}
}

func errUnknownAgent() error {
	return errs.New(errs.Unauthenticated, "These credentials belong to no device in service")
}
