package app

import (
	"fmt"
	"io"
	"strings"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
)

// explanation says why a device stands where it does.
type explanation struct {
	// DecidedBy is what the status follows from: quarantine, exemption, rule, or "" where there is no verdict.
	DecidedBy   string    `json:"decided_by,omitempty"`
	StatusSince time.Time `json:"status_since,omitzero"`
	Group       string    `json:"group,omitempty"`
	// Judged is what the verdict comes to; it differs from the status of a device that is exempted or quarantined.
	Judged string `json:"verdict,omitempty"`
	// Policy is the one whose version judged, under its present name.
	Policy        string    `json:"policy,omitempty"`
	PolicyID      int64     `json:"policy_id,omitempty"`
	PolicyVersion *int64    `json:"policy_version,omitempty"`
	JudgedAt      time.Time `json:"judged_at,omitzero"`
	GraceUntil    time.Time `json:"grace_until,omitzero"`
	FailingSince  time.Time `json:"failing_since,omitzero"`
	// Silent says that the verdict is what it is because no report came.
	Silent bool `json:"silent,omitempty"`
}

// decide says what the status follows from.
func (e *explanation) decide(d *device.Device) {
	switch d.Cell.Status {
	case posture.StatusQuarantined:
		e.DecidedBy = "quarantine"
	case posture.StatusExempted:
		e.DecidedBy = "exemption"
	case posture.StatusUnknown, posture.StatusIgnored, posture.StatusOutOfLicence, posture.StatusInstalled:
		return
	default:
		e.DecidedBy = "rule"
	}
	e.Judged = d.Judged.String()
}

// explain adds what the verdict says of itself.
func (e *explanation) explain(env *environment, s *services, d *device.Device, v *posture.Verdict) error {
	if !d.Monitored() {
		return nil // what it was when it was last judged says nothing of how it stands
	}
	e.JudgedAt, e.GraceUntil, e.Silent = v.Judged, v.GraceUntil, v.Silent
	ref, ok := posture.ParsePolicyRef(v.Policy)
	if !ok {
		return nil // judged before policies had versions
	}
	names, err := s.policies.Names(env.ctx, d.Account)
	if err != nil {
		return err
	}
	e.Policy, e.PolicyID, e.PolicyVersion = names[ref.ID], int64(ref.ID), &ref.Version
	return nil
}

// printReasons adds the lines that say why.
func (v *deviceView) printReasons(t *table) {
	if v.Group != "" {
		pinned := ""
		if v.Pinned {
			pinned = ", where somebody put it"
		}
		t.row("group", v.Group+pinned)
	}
	if v.DecidedBy != "" {
		t.row("status follows from", v.DecidedBy)
	}
	t.row("decided by", v.Rule)
	if v.PolicyVersion != nil {
		t.row("of policy", fmt.Sprintf("%s, version %d", v.Policy, *v.PolicyVersion))
	}
	if v.Judged != "" && v.Judged != v.Status {
		t.row("verdict", v.Judged)
	}
	if v.Silent {
		t.row("", "since no report has come")
	}
	if !v.FailingSince.IsZero() {
		t.row("unfit since", stamp(v.FailingSince))
	}
	if !v.GraceUntil.IsZero() {
		t.row("grace ends", stamp(v.GraceUntil))
	}
}

// since says since when something is so, as far as that is known.
func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + stamp(t)
}

func fullView(env *environment, s *services, account posture.AccountID, d *device.Device) (deviceView, error) {
	v := viewDevice(d)
	adapters, err := s.devices.Adapters(env.ctx, account, d.ID)
	if err != nil {
		return v, err
	}
	for _, c := range adapters {
		v.Adapters = append(v.Adapters, adapterView{c.MAC.String(), c.Current, c.MAC.LocallyAdministered(), c.First, c.Last})
	}
	groups, err := s.devices.GroupNames(env.ctx, account)
	if err != nil {
		return v, err
	}
	v.Group = groups[d.Cell.Group]
	err = v.witness(d)
	if err != nil {
		return v, err
	}
	verdict, err := s.devices.Verdict(env.ctx, account, d.ID)
	if errs.Is(err, errs.NotFound) {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.Rule, v.Issues, v.Findings = verdict.Rule, verdict.Issues, verdict.Findings
	report, _, err := s.devices.LastReport(env.ctx, account, d.ID)
	if err == nil {
		v.inspect(report)
	}
	if err != nil && !errs.Is(err, errs.NotFound) {
		return v, err
	}
	err = v.explain(env, s, d, &verdict)
	if err != nil {
		return v, err
	}
	v.Levels = make(map[string]string)
	for i, level := range verdict.Levels {
		v.Levels[posture.ScoreType(i).String()] = levelNames[level]
	}
	return v, nil
}

var levelNames = [posture.NumLevels]string{"unknown", "low", "medium", "high", "critical"}

func (v *deviceView) print(w io.Writer) error {
	t := newTable()
	t.row("device id", v.ID)
	t.row("name", v.label())
	t.row("type", v.Type)
	t.row("operating system", v.OSName+" "+v.OSVersion)
	v.printMachine(t)
	t.row("status", v.Status+since(v.StatusSince))
	if !v.fromServer {
		v.printReasons(t)
	}
	t.row("worst issue", v.Severity)
	t.row("enrolled", stamp(v.EnrolledAt))
	if !v.fromServer {
		t.row("last report", stamp(v.ReportedAt))
	}
	t.row("last seen", stamp(v.SeenAt))
	if v.LinkUser != nil {
		t.row("linked user", v.LinkUser.Username+" "+v.LinkUser.Group)
	}
	if v.Exempted != nil {
		t.row("exempted since", stamp(v.Exempted.Since)+until(v.Exempted.Until)+because(v.Exempted.By, v.Exempted.Reason))
	}
	if v.Quarantined != nil {
		t.row("quarantined since", stamp(v.Quarantined.Since)+because(v.Quarantined.By, v.Quarantined.Reason))
	}
	if v.Conflict {
		t.row("conflict", "another device claims the same hardware id")
	}
	for _, a := range v.Adapters {
		t.row("adapter", a.MAC)
	}
	for _, i := range v.Issues {
		t.row("issue", i.Severity.String()+" "+strings.TrimSuffix(string(i.Category)+"/"+i.Check, "/")+" ("+string(i.Outcome)+since(i.Since)+"): "+i.Evidence)
		if i.Remediation != "" || !v.fromServer {
			t.row("", i.Remediation)
		}
	}
	v.printUnread(t)
	for i := range v.Findings {
		if i == maxShownFindings {
			t.row("", fmt.Sprintf("and %d more, of which none is worse: --json has all", len(v.Findings)-i))
			break
		}
		if v.fromServer {
			t.row("vulnerability", v.Findings[i].ID)
			continue
		}
		t.row("vulnerability", findingLine(&v.Findings[i]))
	}
	return t.print(w)
}

// maxShownFindings is how many vulnerabilities people are shown of a device, the worst of them.
const maxShownFindings = 30

func findingLine(f *posture.Finding) string {
	text := f.ID + " in " + f.Product + " " + f.Version
	if f.Fixed != "" {
		text += ", mended in " + f.Fixed
	}
	if f.KEV {
		text += "; known to be exploited"
	}
	if a := f.Accepted; a != nil {
		text += "; accepted" + until(a.Until) + because(a.By, a.Reason)
	}
	return text
}

// until says until when something holds.
func until(t time.Time) string {
	if t.IsZero() {
		return " for good"
	}
	return " until " + stamp(t)
}

// because says who did something, and why, as far as that is known.
func because(by, reason string) string {
	if by != "" {
		by = " by " + by
	}
	if reason != "" {
		reason = ": " + reason
	}
	return by + reason
}
