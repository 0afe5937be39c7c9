package app

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/jobs"
	"muster/internal/policy"
	"muster/internal/posture"
	"muster/internal/run"
)

// runner does what is stored as runs.
func (s *services) runner() *jobs.Runs {
	return jobs.NewRuns(s.store, s.store, s.log, time.Now, map[run.Kind]jobs.Work{run.Reevaluate: s.reevaluate, run.DryRun: s.dryRun, run.Regroup: s.regroup, run.Rematch: s.rematch})
}

// walk gives the way through the devices that a run is about, from where the run is, and counts them at the beginning.
func (s *services) walk(ctx context.Context, r *run.Run) (*device.Walk, error) {
	groups, err := s.groupsOf(ctx, r.Account, r.Params)
	if err != nil {
		return nil, err
	}
	w := &device.Walk{Account: r.Account, Groups: groups, Position: r.Position, Anew: r.Params.Anew}
	if len(r.Params.CVEs) > 0 {
		w.Facets, err = s.store.FacetsOf(ctx, r.Account, nil, r.Params.CVEs)
		w.None = len(w.Facets) == 0
		if err != nil {
			return nil, err
		}
	}
	if r.Position == "" {
		r.Total, err = s.devices.Total(ctx, w)
	}
	return w, err
}

// groupsOf gives the groups whose devices a run is about, in order.
func (s *services) groupsOf(ctx context.Context, account posture.AccountID, p run.Params) ([]posture.GroupID, error) {
	if p.Group != 0 {
		return []posture.GroupID{p.Group}, nil
	}
	if p.Policy != 0 {
		return s.policies.GroupsWith(ctx, account, p.Policy)
	}
	names, err := s.devices.GroupNames(ctx, account)
	return slices.Sorted(maps.Keys(names)), err
}

// settle, at the beginning of a run, waits for those who judge devices at this moment by what was known before: other servers
// may. What they store is looked at too.
func (s *services) settle(ctx context.Context, r *run.Run) error {
	if r.Position != "" {
		return nil
	}
	return s.store.AwaitJudged(ctx)
}

// reevaluate judges the next devices of a run anew.
func (s *services) reevaluate(ctx context.Context, r *run.Run) (end bool, err error) {
	err = s.settle(ctx, r)
	if err != nil {
		return false, err
	}
	w, err := s.walk(ctx, r)
	if err != nil {
		return false, err
	}
	end, err = s.rejudge(ctx, r, w)
	if end && len(w.Facets) > 0 {
		r.Total = r.Done // how many have something is not known before
	}
	return end, err
}

// rejudge judges the next devices of a walk anew for a run.
func (s *services) rejudge(ctx context.Context, r *run.Run, w *device.Walk) (end bool, err error) {
	t, end, err := s.devices.Rejudge(ctx, w)
	if err != nil {
		return false, err
	}
	r.Position = w.Position
	r.Done, r.Changed, r.Failed = r.Done+t.Done, r.Changed+t.Changed, r.Failed+t.Failed
	return end, nil
}

// regroup moves the next devices of a run to the groups that want them.
func (s *services) regroup(ctx context.Context, r *run.Run) (end bool, err error) {
	if r.Position == "" {
		counts, err := s.devices.Counts(ctx, r.Account)
		if err != nil {
			return false, err
		}
		r.Total = counts.Used()
	}
	t, next, err := s.devices.ApplyRulesTo(ctx, r.Account, r.Position)
	if err != nil {
		return false, err
	}
	r.Position, r.Done, r.Changed = next, r.Done+t.Done, r.Changed+t.Changed
	return next == "", nil
}

// dryRun tries the policy of a run on its next devices. The last part puts the result in order.
func (s *services) dryRun(ctx context.Context, r *run.Run) (end bool, err error) {
	judge, err := s.trialOf([]byte(r.Params.Document), r.Params.Policy)
	if err != nil {
		return false, err
	}
	w, err := s.walk(ctx, r)
	if err != nil {
		return false, err
	}
	result := newTrial()
	if len(r.Result) > 0 {
		err = json.Unmarshal(r.Result, result)
		if err != nil {
			return false, errs.Wrap(errs.Internal, err, "The result of run %s cannot be read", r.ID)
		}
	}
	looked, end, err := s.devices.Try(ctx, w, judge, result)
	if err != nil {
		return false, err
	}
	if end {
		result.Sort()
	}
	r.Result, err = json.Marshal(result)
	r.Position = w.Position
	r.Done, r.Changed, r.Failed = r.Done+looked, result.Changed, result.Failed
	return end, err
}

// newTrial gives one whose lists are there.
func newTrial() *device.Trial {
	return &device.Trial{
		Changes: []device.TrialChange{}, Groups: []device.TrialGroup{}, Checks: []device.TrialCheck{}, Examples: []device.TrialExample{},
	}
}

// trialOf gives a judge that judges every device by a document. Invalid: the document has mistakes.
func (s *services) trialOf(document []byte, id posture.PolicyID) (device.Judge, error) {
	p, err := policy.Parse(document)
	if err != nil {
		return nil, err
	}
	compiled, err := policy.Compile(p, posture.PolicyRef{ID: id})
	if err != nil {
		return nil, err
	}
	return trial{s.judge, compiled}, nil
}
