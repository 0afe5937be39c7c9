package app

import (
	"fmt"
	"time"

	adminclient "muster/client/admin"
	"muster/internal/errs"
	"muster/internal/posture"
)

type runCommand struct {
	List   runList   `cmd:"" help:"List work over many devices: judging anew, dry runs, moving to groups by rule."`
	Show   runShow   `cmd:"" help:"Show one run, with its result."`
	Cancel runCancel `cmd:"" help:"End a run; what it has done stays done."`
}

// runView is a run as the command line prints it. The names of its members stay.
type runView struct {
	ID        string             `json:"run_id"`
	Kind      string             `json:"kind"`
	State     string             `json:"state"`
	Policy    posture.PolicyID   `json:"policy_id,omitempty"`
	Group     posture.GroupID    `json:"group_id,omitempty"`
	Total     int64              `json:"total"`
	Done      int64              `json:"done"`
	Changed   int64              `json:"changed"`
	Failed    int64              `json:"failed"`
	Message   string             `json:"message,omitempty"`
	Actor     string             `json:"actor"`
	CreatedAt time.Time          `json:"created_at"`
	StartedAt time.Time          `json:"started_at,omitzero"`
	EndedAt   time.Time          `json:"ended_at,omitzero"`
	Result    *adminclient.Trial `json:"result,omitempty"`
}

func viewRun(r *adminclient.Run) runView {
	return runView{
		ID: r.ID, Kind: r.Kind, State: r.State, Policy: number[posture.PolicyID](r.Policy), Group: number[posture.GroupID](r.Group),
		Total: r.Total, Done: r.Done, Changed: r.Changed, Failed: r.Failed, Message: r.Message, Actor: r.Actor,
		CreatedAt: r.CreatedAt, StartedAt: r.StartedAt, EndedAt: r.EndedAt, Result: r.Result,
	}
}

type runList struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	Limit       int `help:"How many runs, the newest first." default:"20" placeholder:"N"`
}

// Run lists the runs.
func (c *runList) Run(env *environment) error {
	if c.Limit < 1 {
		return errs.InvalidField("limit", "--limit must be at least 1")
	}
	return env.administer(c.deviceFlags, func(api *administration) error {
		views := []runView{}
		t := newTable("RUN ID", "KIND", "STATE", "DONE", "OF", "CHANGED", "FAILED", "CREATED", "ENDED")
		for one, err := range api.Runs(env.ctx) {
			if err != nil {
				return err
			}
			r := viewRun(&one)
			views = append(views, r)
			t.row(r.ID, r.Kind, r.State, r.Done, r.Total, r.Changed, r.Failed, stamp(r.CreatedAt), stamp(r.EndedAt))
			if len(views) == c.Limit {
				break
			}
		}
		if c.JSON {
			return printJSON(env.stdout, views)
		}
		return t.print(env.stdout)
	})
}

// runArg names a run.
type runArg struct {
	RunID string `arg:"" help:"Id of the run."`
}

type runShow struct {
	deviceFlags `embed:""`
	jsonFlag    `embed:""`
	runArg      `embed:""`
}

// Run shows the run.
func (c *runShow) Run(env *environment) error {
	return env.administer(c.deviceFlags, func(api *administration) error {
		r, err := api.Client.Run(env.ctx, c.RunID)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, viewRun(&r))
		}
		v := viewRun(&r)
		t := newTable()
		t.row("run", v.ID)
		t.row("kind", v.Kind)
		t.row("state", v.State)
		t.row("devices", fmt.Sprintf("%d of %d", v.Done, v.Total))
		t.row("changed", v.Changed)
		t.row("failed", v.Failed)
		t.row("asked by", v.Actor)
		t.row("created", stamp(v.CreatedAt))
		t.row("started", stamp(v.StartedAt))
		t.row("ended", stamp(v.EndedAt))
		if v.Message != "" {
			t.row("message", v.Message)
		}
		return t.print(env.stdout)
	})
}

type runCancel struct {
	deviceFlags `embed:""`
	runArg      `embed:""`
}

// Run ends the run.
func (c *runCancel) Run(env *environment) error {
	return env.administer(c.deviceFlags, func(api *administration) error {
		r, err := api.CancelRun(env.ctx, c.RunID)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "cancelled run", r.ID, "after", r.Done, "of", r.Total, "devices")
	})
}
