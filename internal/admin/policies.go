package admin

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/policies"
	"muster/internal/policy"
	"muster/internal/posture"
	"muster/internal/web"
)

// Policies is what this door asks about policies. package policies says what each method does.
type Policies interface {
	List(ctx context.Context, account posture.AccountID) ([]policies.Policy, error)
	Get(ctx context.Context, account posture.AccountID, id posture.PolicyID) (policies.Policy, error)
	Version(ctx context.Context, account posture.AccountID, ref posture.PolicyRef) (policies.Version, error)
	Versions(ctx context.Context, account posture.AccountID, id posture.PolicyID, before int64, limit int) ([]policies.Version, error)
	Create(ctx context.Context, account posture.AccountID, document []byte, e policies.Edit) (policies.Policy, error)
	Save(ctx context.Context, account posture.AccountID, id posture.PolicyID, document []byte, e policies.Edit) (policies.Policy, error)
	Rollback(ctx context.Context, account posture.AccountID, id posture.PolicyID, to int64, e policies.Edit) (policies.Policy, error)
	Delete(ctx context.Context, account posture.AccountID, id posture.PolicyID, e policies.Edit) error
}

// policyHead is a policy without what it says.
type policyHead struct {
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	Version    int64     `json:"version"`
	CreatedAt  time.Time `json:"created_at,omitzero"`
	ModifiedAt time.Time `json:"modified_at,omitzero"`
}

// fullPolicy is a policy, or a version of one, with what it says.
type fullPolicy struct {
	policyHead
	Author   string          `json:"author,omitempty"`
	Note     string          `json:"note,omitempty"`
	Document json.RawMessage `json:"document"`
}

// policyVersion is one version without what it says.
type policyVersion struct {
	Version int64     `json:"version"`
	At      time.Time `json:"at,omitzero"`
	Author  string    `json:"author"`
	Note    string    `json:"note,omitempty"`
}

func renderPolicy(p *policies.Policy) policyHead {
	return policyHead{ID: number(p.ID), Name: p.Name, Version: p.Version, CreatedAt: p.CreatedAt, ModifiedAt: p.ModifiedAt}
}

func (d *door) listPolicies(c *call) error {
	w := c.window()
	err := c.query.err()
	if err != nil {
		return err
	}
	all, err := d.Policies.List(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	some, next := part(all, w, func(p *policies.Policy) string { return padded(int64(p.ID)) })
	return answerList(c, rendered(some, renderPolicy), next)
}

// policyID gives the policy that the path names, whether there is one or not.
func (c *call) policyID() (posture.PolicyID, error) {
	id, ok := wholeNumber(c.id())
	if !ok || id < 1 {
		return 0, errs.New(errs.NotFound, "Policy not found")
	}
	return posture.PolicyID(id), nil
}

func (d *door) showPolicy(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	id, err := c.policyID()
	if err != nil {
		return err
	}
	p, err := d.Policies.Get(c.ctx, c.account.ID, id)
	if err != nil {
		return err
	}
	return d.answerPolicy(c, http.StatusOK, &p)
}

// answerPolicy sends a policy with what it says.
func (d *door) answerPolicy(c *call, status int, p *policies.Policy) error {
	v, err := d.Policies.Version(c.ctx, c.account.ID, p.Ref())
	if err != nil {
		return err
	}
	c.w.Header().Set("ETag", tag(p.Version))
	return c.answerDocument(status, renderPolicy(p), &v)
}

// answerDocument sends what a version says, as YAML to those who would rather have that.
func (c *call) answerDocument(status int, head policyHead, v *policies.Version) error {
	c.w.Header().Add("Vary", "Accept")
	if prefersYAML(c.r.Header.Get("Accept")) {
		forbidStoring(c.w)
		c.w.Header().Set("Content-Type", mediaYAML)
		c.w.Header().Set("X-Content-Type-Options", "nosniff")
		c.w.WriteHeader(status)
		//nolint:errcheck // the client has gone; there is nobody left to tell
		c.w.Write([]byte(v.Document))
		return nil
	}
	said, err := policy.Parse([]byte(v.Document))
	if err != nil {
		return errs.Wrap(errs.Internal, err, "A stored policy cannot be read")
	}
	if said.Checks == nil {
		said.Checks = []policy.Check{} // nothing is ever null
	}
	document, err := json.Marshal(said)
	if err != nil {
		return err
	}
	return c.answer(status, fullPolicy{policyHead: head, Author: v.Author, Note: v.Note, Document: document})
}

// prefersYAML reports whether an Accept header names YAML before JSON. Weights are not looked at: nobody sends them here.
func prefersYAML(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		media, _, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(media)) {
		case mediaYAML, odd[mediaYAML], "text/yaml":
			return true
		case mediaJSON, "*/*", "application/*":
			return false
		}
	}
	return false
}

// edit reads how a policy is changed. expect says whether the call names the version that it is of.
func (c *call) edit(expect bool) (policies.Edit, error) {
	e := policies.Edit{Actor: c.actor}
	e.Note, _ = c.query.text("note")
	err := c.query.err()
	if err == nil && expect {
		e.Expect, err = c.expected()
	}
	return e, err
}

func (d *door) createPolicy(c *call) error {
	e, err := c.edit(false)
	if err != nil {
		return err
	}
	document, err := c.document()
	if err != nil {
		return err
	}
	p, err := d.Policies.Create(c.ctx, c.account.ID, document, e)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", prefix+"policies/"+number(p.ID))
	return d.answerPolicy(c, http.StatusCreated, &p)
}

// document gives a policy as it was sent: JSON is YAML too.
func (c *call) document() ([]byte, error) {
	body, err := c.body(mediaJSON, mediaYAML)
	if err == nil && len(strings.TrimSpace(string(body))) == 0 {
		err = errs.New(errs.Invalid, "This call needs a body: a policy, as YAML or JSON")
	}
	return body, err
}

// savePolicy makes a document the current version of a policy.
func (d *door) savePolicy(c *call) error {
	e, err := c.edit(true)
	if err != nil {
		return err
	}
	id, err := c.policyID()
	if err != nil {
		return err
	}
	document, err := c.document()
	if err != nil {
		return err
	}
	p, err := d.Policies.Save(c.ctx, c.account.ID, id, document, e)
	if err != nil {
		return err
	}
	return d.answerPolicy(c, http.StatusOK, &p)
}

// deletePolicy deletes a policy that no group has.
func (d *door) deletePolicy(c *call) error {
	expect, err := c.changing()
	if err == nil {
		err = c.noBody()
	}
	if err != nil {
		return err
	}
	id, err := c.policyID()
	if err == nil {
		err = d.Policies.Delete(c.ctx, c.account.ID, id, policies.Edit{Actor: c.actor, Expect: expect})
	}
	if err != nil {
		return err
	}
	return c.nothing()
}

// rollback is what taking a policy back takes.
type rollback struct {
	Version int64  `json:"version"`
	Note    string `json:"note"`
}

func (d *door) rollBack(c *call) error {
	in := rollback{Version: -1}
	expect, err := c.changing()
	if err == nil {
		err = c.read(&in)
	}
	if err == nil && in.Version < 0 {
		err = errs.InvalidField("version", "version must be that of an earlier version")
	}
	if err != nil {
		return err
	}
	id, err := c.policyID()
	if err != nil {
		return err
	}
	p, err := d.Policies.Rollback(c.ctx, c.account.ID, id, in.Version, policies.Edit{Actor: c.actor, Note: in.Note, Expect: expect})
	if err != nil {
		return err
	}
	return d.answerPolicy(c, http.StatusOK, &p)
}

// listVersions gives the versions of a policy, the newest first.
func (d *door) listVersions(c *call) error {
	w := c.window()
	err := c.query.err()
	if err != nil {
		return err
	}
	id, err := c.policyID()
	if err != nil {
		return err
	}
	before, err := versionBefore(w)
	if err != nil {
		return err
	}
	list, err := d.Policies.Versions(c.ctx, c.account.ID, id, before, w.Limit+1)
	if err != nil {
		return err
	}
	list, next := page.Cut(list, w.Limit, func(v *policies.Version) string { return strconv.FormatInt(v.Version, 10) })
	return answerList(c, rendered(list, func(v *policies.Version) policyVersion {
		return policyVersion{Version: v.Version, At: v.At, Author: v.Author, Note: v.Note}
	}), next)
}

// versionBefore reads a position in the list of versions; 0 is the beginning.
func versionBefore(w page.Window) (int64, error) {
	if w.After == "" {
		return 0, nil
	}
	before, ok := wholeNumber(w.After)
	if !ok || before < 1 {
		return 0, errs.InvalidField("after", "after is not one that this list gave as next")
	}
	return before, nil
}

func (d *door) showVersion(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	id, err := c.policyID()
	if err != nil {
		return err
	}
	at, ok := wholeNumber(c.r.PathValue("version"))
	if !ok || at < 0 {
		return errs.New(errs.NotFound, "There is no such version")
	}
	v, p, err := d.version(c, id, at)
	if err != nil {
		return err
	}
	return c.answerDocument(http.StatusOK, policyHead{ID: number(id), Name: p.Name, Version: at, ModifiedAt: v.At}, &v)
}

// version reads one version, and what it says.
func (d *door) version(c *call, id posture.PolicyID, at int64) (policies.Version, *policy.Policy, error) {
	v, err := d.Policies.Version(c.ctx, c.account.ID, posture.PolicyRef{ID: id, Version: at})
	if err != nil {
		return v, nil, err
	}
	p, err := policy.Parse([]byte(v.Document))
	if err != nil {
		return v, nil, errs.Wrap(errs.Internal, err, "A stored policy cannot be read")
	}
	return v, p, nil
}

// difference is one difference between two policies. Text is the whole of it in words.
type difference struct {
	policy.Change
	Text string `json:"text"`
}

// answerDiff says how two policies differ. The list comes whole.
func (c *call) answerDiff(old, changed *policy.Policy) error {
	return answerList(c, rendered(policy.Diff(old, changed), func(x *policy.Change) difference { return difference{*x, x.String()} }), "")
}

// diffVersions says how a version differs from an earlier one.
func (d *door) diffVersions(c *call) error {
	from, to := c.query.number("from", -1, 0, math.MaxInt64), c.query.number("to", -1, 0, math.MaxInt64)
	if from < 0 && len(c.query.values["from"]) == 0 {
		c.query.wrong("from", "is needed")
	}
	err := c.query.err()
	if err != nil {
		return err
	}
	id, err := c.policyID()
	if err != nil {
		return err
	}
	if to < 0 {
		p, err := d.Policies.Get(c.ctx, c.account.ID, id)
		if err != nil {
			return err
		}
		to = p.Version
	}
	_, old, err := d.version(c, id, from)
	if err != nil {
		return err
	}
	_, changed, err := d.version(c, id, to)
	if err != nil {
		return err
	}
	return c.answerDiff(old, changed)
}

// diffDocument says how a document differs from the current version.
func (d *door) diffDocument(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	id, err := c.policyID()
	if err != nil {
		return err
	}
	document, err := c.document()
	if err != nil {
		return err
	}
	changed, err := policy.Parse(document)
	if err != nil {
		return err
	}
	p, err := d.Policies.Get(c.ctx, c.account.ID, id)
	if err != nil {
		return err
	}
	_, old, err := d.version(c, id, p.Version)
	if err != nil {
		return err
	}
	return c.answerDiff(old, changed)
}

// policySchema gives the JSON Schema of policies, for editors.
func (d *door) policySchema(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	forbidStoring(c.w)
	web.WriteRawJSON(c.w, http.StatusOK, policy.Schema())
	return nil
}

// listChecks gives every check that a policy can make, in the order in which issues come.
func (d *door) listChecks(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	return answerList(c, policy.Definitions(), "")
}
