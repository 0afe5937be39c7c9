package admin

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/policy"
	"muster/internal/posture"
	"muster/internal/run"
)

// Runs is what this door asks about work over many devices. package run says what each method does.
type Runs interface {
	Start(ctx context.Context, account posture.AccountID, kind run.Kind, p run.Params, actor string) (run.Run, error)
	Get(ctx context.Context, account posture.AccountID, id string) (run.Run, error)
	List(ctx context.Context, account posture.AccountID, w page.Window) ([]run.Run, string, error)
	Cancel(ctx context.Context, account posture.AccountID, id string) (run.Run, error)
	Wake()
}

// work is a run as the API shows it.
type work struct {
	ID        string    `json:"id"`
	Kind      run.Kind  `json:"kind"`
	State     string    `json:"state"`
	Group     string    `json:"group,omitempty"`
	Policy    string    `json:"policy,omitempty"`
	Total     int64     `json:"total"`
	Done      int64     `json:"done"`
	Changed   int64     `json:"changed"`
	Failed    int64     `json:"failed"`
	Message   string    `json:"message,omitempty"`
	Actor     string    `json:"actor,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Result is what a dry run found; in lists it is left out.
	Result *device.Trial `json:"result,omitempty"`
}

func renderRun(r *run.Run) work {
	out := work{
		ID: r.ID, Kind: r.Kind, State: r.State.String(), Total: r.Total, Done: r.Done, Changed: r.Changed, Failed: r.Failed,
		Message: r.Message, Actor: r.Actor, CreatedAt: r.CreatedAt, StartedAt: r.StartedAt, EndedAt: r.EndedAt,
	}
	if r.Params.Group != 0 {
		out.Group = number(r.Params.Group)
	}
	if r.Params.Policy != 0 {
		out.Policy = number(r.Params.Policy)
	}
	return out
}

// wholeRun is renderRun with what a dry run found, without names that the account keeps private.
func (d *door) wholeRun(c *call, r *run.Run) (work, error) {
	out := renderRun(r)
	if r.Kind != run.DryRun || len(r.Result) == 0 {
		return out, nil
	}
	out.Result = &device.Trial{}
	err := json.Unmarshal(r.Result, out.Result)
	if err != nil {
		return out, errs.Wrap(errs.Internal, err, "The result of a run cannot be read")
	}
	settings, _, err := d.Accounts.StoredSettings(c.ctx, c.account.ID)
	if err == nil && settings.Privacy.HostName {
		for i := range out.Result.Examples {
			out.Result.Examples[i].Name = ""
		}
	}
	return out, err
}

func (d *door) listRuns(c *call) error {
	w := c.window()
	err := c.query.err()
	if err != nil {
		return err
	}
	list, next, err := d.Runs.List(c.ctx, c.account.ID, w)
	if err != nil {
		return err
	}
	return answerList(c, rendered(list, renderRun), next)
}

func (d *door) showRun(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	id, err := c.uniqueID("Run not found")
	if err != nil {
		return err
	}
	r, err := d.Runs.Get(c.ctx, c.account.ID, id)
	if err != nil {
		return err
	}
	return d.answerRun(c, http.StatusOK, &r)
}

func (d *door) answerRun(c *call, status int, r *run.Run) error {
	out, err := d.wholeRun(c, r)
	if err != nil {
		return err
	}
	return c.answer(status, out)
}

func (d *door) cancelRun(c *call) error {
	err := c.plain()
	if err != nil {
		return err
	}
	id, err := c.uniqueID("Run not found")
	if err != nil {
		return err
	}
	r, err := d.Runs.Cancel(c.ctx, c.account.ID, id)
	if err != nil {
		return err
	}
	return d.answerRun(c, http.StatusOK, &r)
}

// startDryRun has a document tried on the fleet, or on the devices of a group or of a policy, without saving it.
func (d *door) startDryRun(c *call) error {
	group, ofPolicy := c.query.number("group", 0, 1, math.MaxInt64), c.query.number("policy", 0, 1, math.MaxInt64)
	if group != 0 && ofPolicy != 0 {
		c.query.wrong("group", "and policy are not to be given both")
	}
	err := c.query.err()
	if err != nil {
		return err
	}
	document, err := c.document()
	if err != nil {
		return err
	}
	_, err = policy.Parse(document)
	if err != nil {
		return err
	}
	params := run.Params{Group: posture.GroupID(group), Policy: posture.PolicyID(ofPolicy), Document: string(document)}
	err = d.checkScope(c, params)
	if err != nil {
		return err
	}
	r, err := d.Runs.Start(c.ctx, c.account.ID, run.DryRun, params, c.actor)
	if err != nil {
		return err
	}
	d.Runs.Wake()
	c.w.Header().Set("Location", prefix+"runs/"+r.ID)
	return d.answerRun(c, http.StatusAccepted, &r)
}

// checkScope sees that there is what a dry run is to be about.
func (d *door) checkScope(c *call, p run.Params) error {
	if p.Policy != 0 {
		_, err := d.Policies.Get(c.ctx, c.account.ID, p.Policy)
		if errs.Is(err, errs.NotFound) {
			return errs.InvalidField("policy", "There is no policy %d", p.Policy)
		}
		return err
	}
	if p.Group == 0 {
		return nil
	}
	names, err := d.Devices.GroupNames(c.ctx, c.account.ID)
	if err == nil && names[p.Group] == "" {
		err = errs.InvalidField("group", "There is no group %d", p.Group)
	}
	return err
}
