package admin

import (
	"net/http"
	"time"

	"muster/internal/errs"
	"muster/internal/posture"
)

// verdict is why a device stands where it does.
type verdict struct {
	DeviceID string `json:"device_id"`
	// Status is where the device stands, with exemption and quarantine; Judged is what its policy says.
	Status       string    `json:"status"`
	Judged       string    `json:"judged"`
	Severity     string    `json:"severity"`
	Rule         string    `json:"rule,omitempty"` // that decided
	Policy       string    `json:"policy,omitempty"`
	Version      int64     `json:"policy_version"`
	At           time.Time `json:"at,omitzero"`
	FailingSince time.Time `json:"failing_since,omitzero"`
	GraceUntil   time.Time `json:"grace_until,omitzero"`
	NextChange   time.Time `json:"next_change,omitzero"`
	Issues       []issue   `json:"issues"`
	Checks       []check   `json:"checks"`
	// Unread is what its agent has no value of, and why; left out where there is nothing.
	Unread []posture.Unread `json:"unread,omitempty"`
}

// issue is one check that did not pass.
type issue struct {
	check
	Remediation string    `json:"remediation"`
	Since       time.Time `json:"since,omitzero"`
}

// check is what one check found.
type check struct {
	Check    string           `json:"check"`
	Name     string           `json:"name,omitempty"`
	Title    string           `json:"title,omitempty"`
	Category posture.Category `json:"category"`
	Outcome  posture.Outcome  `json:"outcome"`
	Severity string           `json:"severity"`
	Product  string           `json:"product,omitempty"`
	Evidence string           `json:"evidence,omitempty"`
	Entry    int              `json:"entry,omitempty"` // of the policy's checks, from 1
}

func renderIssue(i *posture.Issue) issue {
	return issue{check{
		Check: i.Check, Name: i.Name, Category: i.Category, Outcome: i.Outcome, Severity: i.Severity.String(), Product: i.Product, Evidence: i.Evidence, Entry: i.Entry,
	}, i.Remediation, i.Since}
}

func renderCheck(r *posture.CheckResult) check {
	return check{
		Check: r.Check, Name: r.Name, Title: r.Title, Category: r.Category, Outcome: r.Outcome, Severity: r.Severity.String(), Product: r.Product,
		Evidence: r.Evidence, Entry: r.Entry,
	}
}

// showVerdict tells what was last thought of a device, and what each check of its policy finds, passed or not.
func (d *door) showVerdict(c *call) error {
	found, err := d.device(c)
	if err != nil {
		return err
	}
	v, err := d.Devices.Verdict(c.ctx, c.account.ID, found.ID)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	out := verdict{
		DeviceID: found.ID, Status: found.Cell.Status.String(), Judged: found.Judged.String(), Severity: v.Severity.String(), Rule: v.Rule, At: v.Judged,
		FailingSince: v.FailingSince, GraceUntil: v.GraceUntil, NextChange: v.NextChange,
		Policy: number(found.Policy.ID), Version: found.Policy.Version, Issues: rendered(v.Issues, renderIssue), Checks: []check{},
	}
	if err == nil {
		checks, err := d.Explain(c.ctx, c.account.ID, &found)
		if err != nil {
			return err
		}
		out.Checks = rendered(checks, renderCheck)
		report, _, err := d.Devices.LastReport(c.ctx, c.account.ID, found.ID)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		if err == nil {
			out.Unread = report.Unread
		}
	}
	return c.answer(http.StatusOK, out)
}
