package device

import (
	"context"
	"time"

	"muster/internal/posture"
)

// Judge turns what is known of a device into a verdict: the same subject and time give the same verdict.
type Judge interface {
	// Judge judges by the version of the policy that the subject names. Unavailable: that cannot be read now.
	Judge(ctx context.Context, s *Subject, now time.Time) (posture.Verdict, error)
	// Version tells apart all that a verdict depends on besides the device itself, the time and what the subject says is
	// Known: the version of the policy, and the group.
	Version(policy posture.PolicyRef, group posture.GroupID) string
}

// Subject is one device as it is judged.
type Subject struct {
	Account posture.AccountID
	ID      string
	Group   posture.GroupID
	Policy  posture.PolicyRef // the current version of the group's policy
	Known   posture.Knowledge // what is to be judged by, or by what came after it
	Report  *posture.Report
	User    string // the linked user; "" for none
	// LastReport is when the last report came at the latest, also one that said nothing new: see reportedBy.
	LastReport time.Time
	// FailingSince is since when the device is unfit; zero while it is fit.
	FailingSince time.Time
	// Before is the last verdict; nil for none, and where nothing of it is worth knowing.
	Before *posture.Verdict
	// SameReport says that Before is about this very report: its findings hold, if the catalogue is the same.
	SameReport bool
}

// SubjectOf gives a live device as it is judged by what it reported.
func SubjectOf(d *Device, report *posture.Report) *Subject {
	return &Subject{
		Account: d.Account, ID: d.ID, Group: d.Cell.Group, Policy: d.Policy, Known: d.Known, Report: d.completed(report), User: d.Link.Username,
		LastReport: d.reportedBy(), FailingSince: d.FailingSince,
	}
}

// reportedBy is when the last report came at the latest; zero for never. One that has just come to some server may not be
// stored for SeenLag, and nobody is taken for silent before that is over.
func (d *Device) reportedBy() time.Time {
	if d.LastReport.IsZero() {
		return time.Time{}
	}
	return d.LastReport.Add(2 * SeenLag)
}

// completed gives a report with what the machine is from an earlier report, or from its registration, where this one does
// not say: else a laptop whose agent names its type once would be judged as everything that it might be.
func (d *Device) completed(r *posture.Report) *posture.Report {
	if r.DeviceType != "" && r.OS.Family != "" {
		return r
	}
	out := *r
	if out.DeviceType == "" {
		out.DeviceType = d.Type
	}
	if out.OS.Family == "" {
		out.OS.Family = d.OSFamily
	}
	return &out
}

// takeVerdict makes a verdict that of the device, and lets it stand where that and its exemption or quarantine put it.
func (d *Device) takeVerdict(v *posture.Verdict, version string, at time.Time) {
	if d.Exempted && !d.Exemption.Until.IsZero() && !at.Before(d.Exemption.Until) {
		d.Exempted, d.Exemption = false, Exemption{}
	}
	d.Judged, d.Judge = v.Status, version
	d.VerdictChange, d.Silence, d.Silent, d.LinkedMatters = v.NextChange, v.Silence, v.Silent, v.LinkedMatters
	d.FailingSince = v.FailingSince
	d.Cell.Severity, d.Cell.Levels = v.Severity, v.Levels
	_, d.Issues.Critical, d.Issues.Warning = v.CountIssues()
	d.stand()
	d.arm()
}

// stand gives a monitored device the status that follows from its verdict and from what administrators said.
func (d *Device) stand() {
	switch {
	case d.Quarantined:
		d.Cell.Status = posture.StatusQuarantined
	case d.Exempted:
		d.Cell.Status = posture.StatusExempted
	default:
		d.Cell.Status = d.Judged
	}
}

// arm sets NextChange to the earliest of all that time may do to the device.
func (d *Device) arm() {
	d.NextChange = d.nextChange()
}

func (d *Device) nextChange() time.Time {
	next := earlier(d.VerdictChange, d.silentAt())
	if d.Exempted {
		next = earlier(next, d.Exemption.Until)
	}
	return next
}

// silentAt is when the device counts as silent if no report comes; zero for never.
func (d *Device) silentAt() time.Time {
	if d.Silence == 0 {
		return time.Time{}
	}
	return d.reportedBy().Add(d.Silence)
}

// dueAt reports whether time has done something to the device by then.
func (d *Device) dueAt(at time.Time) bool {
	next := d.nextChange()
	return !next.IsZero() && !at.Before(next)
}

// earlier gives the earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
