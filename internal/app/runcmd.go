package app

import (
	"encoding/json"
	"fmt"
	"time"

	"muster/internal/errs"
	"muster/internal/identity"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/run"
)

type runCommand struct {
	List   runList   `cmd:"" help:"List work over many devices: judging anew, dry runs, moving to groups by rule."`
	Show   runShow   `cmd:"" help:"Show one run, with its result."`
	Cancel runCancel `cmd:"" help:"End a run; what it has done stays done."`
}

// runView is a run as the command line prints it. The names of its members stay.
type runView struct {
	ID        string           `json:"run_id"`
	Kind      run.Kind         `json:"kind"`
	State     string           `json:"state"`
	Policy    posture.PolicyID `json:"policy_id,omitempty"`
	Group     posture.GroupID  `json:"group_id,omitempty"`
	Total     int64            `json:"total"`
	Done      int64            `json:"done"`
	Changed   int64            `json:"changed"`
	Failed    int64            `json:"failed"`
	Message   string           `json:"message,omitempty"`
	Actor     string           `json:"actor"`
	CreatedAt time.Time        `json:"created_at"`
	StartedAt time.Time        `json:"started_at,omitzero"`
	EndedAt   time.Time        `json:"ended_at,omitzero"`
	Result    json.RawMessage  `json:"result,omitempty"`
}

func viewRun(r *run.Run) runView {
	return runView{
		ID: r.ID, Kind: r.Kind, State: r.State.String(), Policy: r.Params.Policy, Group: r.Params.Group, Total: r.Total, Done: r.Done,
		Changed: r.Changed, Failed: r.Failed, Message: r.Message, Actor: r.Actor,
		CreatedAt: r.CreatedAt, StartedAt: r.StartedAt, EndedAt: r.EndedAt, Result: r.Result,
	}
}

type runList struct {
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	Limit       int `help:"How many runs, the newest first." default:"20" placeholder:"N"`
}

// Run lists the runs.
func (c *runList) Run(env *environment) error {
	if c.Limit < 1 {
		return errs.InvalidField("limit", "--limit must be at least 1")
	}
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		list, _, err := s.runs.List(env.ctx, a.ID, page.Window{Limit: c.Limit})
		if err != nil {
			return err
		}
		views := make([]runView, len(list))
		t := newTable("RUN ID", "KIND", "STATE", "DONE", "OF", "CHANGED", "FAILED", "CREATED", "ENDED")
		for i := range list {
			r := viewRun(&list[i])
			r.Result = nil
			views[i] = r
			t.row(r.ID, r.Kind, r.State, r.Done, r.Total, r.Changed, r.Failed, stamp(r.CreatedAt), stamp(r.EndedAt))
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
	accountFlag `embed:""`
	jsonFlag    `embed:""`
	runArg      `embed:""`
}

// Run shows the run.
func (c *runShow) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		r, err := s.runs.Get(env.ctx, a.ID, c.RunID)
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
	accountFlag `embed:""`
	runArg      `embed:""`
}

// Run ends the run.
func (c *runCancel) Run(env *environment) error {
	return env.withAccount(c.accountFlag, func(s *services, a identity.Account) error {
		r, err := s.runs.Cancel(env.ctx, a.ID, c.RunID)
		if err != nil {
			return err
		}
		return printLine(env.stdout, "cancelled run", r.ID, "after", r.Done, "of", r.Total, "devices")
	})
}
