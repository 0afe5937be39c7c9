package admin

import (
	"cmp"
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/posture"
	"muster/internal/risk"
)

// Risks is what this door asks about accepted risks. package risk says what each method does.
type Risks interface {
	Accept(ctx context.Context, account posture.AccountID, a *risk.Acceptance) (risk.Risk, error)
	Revoke(ctx context.Context, account posture.AccountID, id, reason, actor string, expect *int64) (risk.Risk, error)
	Get(ctx context.Context, account posture.AccountID, id string) (risk.Risk, error)
	List(ctx context.Context, account posture.AccountID, q risk.Query) ([]risk.Risk, string, error)
}

// acceptedRisk is a risk that somebody accepted, or a statement of a VEX document.
type acceptedRisk struct {
	ID            string      `json:"id"`
	Source        risk.Source `json:"source"`
	State         risk.State  `json:"state"`
	Accepts       bool        `json:"accepts"` // false for a statement that lifts
	Vulnerability string      `json:"vulnerability"`
	Aliases       []string    `json:"aliases"`
	Product       string      `json:"product,omitempty"`
	Ecosystem     string      `json:"ecosystem,omitempty"`
	Versions      []string    `json:"versions"`
	Group         string      `json:"group,omitempty"`
	Device        string      `json:"device_id,omitempty"`
	Reason        string      `json:"reason"`
	Author        string      `json:"author,omitempty"`
	CreatedAt     time.Time   `json:"created_at"`
	Until         time.Time   `json:"until,omitzero"`
	Revision      int64       `json:"revision"`
	Revoked       *revocation `json:"revoked,omitempty"`
	Statement     *statement  `json:"statement,omitempty"`
}

// revocation is who ended it, and why.
type revocation struct {
	At     time.Time `json:"at"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason"`
}

// statement is what only those of VEX documents have.
type statement struct {
	Document      string      `json:"document,omitempty"`
	ID            string      `json:"id,omitempty"`
	Status        risk.Status `json:"status"`
	Justification string      `json:"justification,omitempty"`
	At            time.Time   `json:"at"`
}

// newRisk is what accepting one takes.
type newRisk struct {
	Vulnerability string     `json:"vulnerability"`
	Product       string     `json:"product"`
	Ecosystem     string     `json:"ecosystem"`
	Versions      []string   `json:"versions"`
	Group         string     `json:"group"`
	Device        string     `json:"device"`
	Reason        string     `json:"reason"`
	Author        string     `json:"author"`
	Until         *time.Time `json:"until"`
}

func listed(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}

func (d *door) renderRisk(r *risk.Risk) acceptedRisk {
	out := acceptedRisk{
		ID: r.ID, Source: r.Source, State: r.StateAt(d.Now()), Accepts: r.Accepts(), Vulnerability: r.Vulnerability, Aliases: listed(r.Aliases),
		Product: r.Product.Name, Ecosystem: r.Product.Ecosystem, Versions: listed(r.Product.Versions), Device: r.Device, Reason: r.Reason, Author: r.Author,
		CreatedAt: r.CreatedAt, Until: r.Until, Revision: r.Revision(),
	}
	if r.Group != 0 {
		out.Group = number(r.Group)
	}
	if !r.Revoked.At.IsZero() {
		out.Revoked = &revocation{r.Revoked.At, r.Revoked.By, r.Revoked.Reason}
	}
	if x := &r.Statement; r.Source == risk.VEX {
		out.Statement = &statement{x.Document, x.ID, x.Status, x.Justification, x.At}
	}
	return out
}

// riskQuery reads which accepted risks are wanted.
func (c *call) riskQuery() risk.Query {
	q := risk.Query{Window: c.window()}
	words := []string{"any"}
	for _, s := range risk.States {
		words = append(words, string(s))
	}
	if state := c.query.choice("state", words...); state != "any" {
		q.State = risk.State(state)
	}
	if source := c.query.choice("source", "any", string(risk.Accepted), string(risk.VEX)); source != "any" {
		q.Source = risk.Source(source)
	}
	if text, ok := c.query.text("vulnerability"); ok {
		id, err := risk.VulnerabilityID(text)
		if err != nil {
			c.query.wrong("vulnerability", "must be a CVE id such as CVE-2026-12345, or the id of a feed's entry")
		}
		q.Vulnerability = id
	}
	if text, ok := c.query.text("group"); ok {
		id, ok := wholeNumber(text)
		if !ok || id < 1 {
			c.query.wrong("group", "must be the id of a group")
		}
		q.Group = posture.GroupID(id)
	}
	q.Device, _ = c.query.text("device_id")
	return q
}

// listRisks gives accepted risks and statements, the newest first.
func (d *door) listRisks(c *call) error {
	q := c.riskQuery()
	err := c.query.err()
	if err != nil {
		return err
	}
	list, next, err := d.Risks.List(c.ctx, c.account.ID, q)
	if err != nil {
		return err
	}
	return answerList(c, rendered(list, d.renderRisk), next)
}

func (d *door) showRisk(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	r, err := d.Risks.Get(c.ctx, c.account.ID, c.id())
	if err != nil {
		return err
	}
	return c.answerTagged(tag(r.Revision()), d.renderRisk(&r))
}

// acceptRisk accepts a risk: what it is about counts no more.
func (d *door) acceptRisk(c *call) error {
	var in newRisk
	err := c.query.err()
	if err == nil {
		err = c.read(&in)
	}
	if err != nil {
		return err
	}
	a := risk.Acceptance{Vulnerability: in.Vulnerability, Reason: in.Reason, Author: in.Author, Actor: c.actor}
	a.Product, err = risk.ParseProduct(in.Product)
	if err != nil {
		return err
	}
	a.Product.Ecosystem = cmp.Or(in.Ecosystem, a.Product.Ecosystem)
	if in.Versions != nil {
		a.Product.Versions = slices.Clone(in.Versions)
	}
	if in.Group != "" {
		id, ok := wholeNumber(in.Group)
		if !ok || id < 1 {
			return errs.InvalidField("group", "There is no group %q", in.Group)
		}
		a.Group = posture.GroupID(id)
	}
	a.Device, err = d.deviceNamed(c, in.Device)
	if err != nil {
		return err
	}
	if in.Until != nil {
		a.Until = *in.Until
	}
	r, err := d.Risks.Accept(c.ctx, c.account.ID, &a)
	if err != nil {
		return err
	}
	return c.created("accepted-risks/"+r.ID, tag(r.Revision()), d.renderRisk(&r))
}

// deviceNamed gives the id of a live device that a body names by its id, a hardware id or a MAC address; "" is none.
func (d *door) deviceNamed(c *call, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	none := errs.InvalidField("device", "There is no such device")
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxArgument {
		return "", none
	}
	x, err := d.Devices.Find(c.ctx, c.account.ID, device.SelectorOf(name))
	if errs.Is(err, errs.NotFound) {
		return "", none
	}
	return x.ID, err
}

// revoke is what ending an accepted risk takes.
type revoke struct {
	Reason string `json:"reason"`
}

// revokeRisk ends an accepted risk, or a statement: what it is about counts again.
func (d *door) revokeRisk(c *call) error {
	var in revoke
	expect, err := c.changing()
	if err == nil {
		err = c.read(&in)
	}
	if err != nil {
		return err
	}
	r, err := d.Risks.Revoke(c.ctx, c.account.ID, c.id(), in.Reason, c.actor, expect)
	if err != nil {
		return err
	}
	return c.answerTagged(tag(r.Revision()), d.renderRisk(&r))
}
