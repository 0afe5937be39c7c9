package app

import (
	"context"
	"strconv"
	"strings"
	"time"

	adminclient "muster/client/admin"
	"muster/internal/errs"
	"muster/internal/jobs"
	"muster/internal/posture"
	"muster/internal/run"
)

// administration is the administration API, of a server or in front of the database, for the commands that stand on it.
type administration struct {
	*adminclient.Client
	ctx    context.Context //nolint:containedctx // that of the command
	server string          // "" for the database
	local  *inDatabase     // nil for a server
	runner *jobs.Runs      // of the database
}

// administer gives fn the administration API that the flags name, and puts what it answers into the words of the command
// line.
func (env *environment) administer(f deviceFlags, fn func(*administration) error) error {
	return env.withAdministrationOf(f, func(api *adminclient.Client, local *inDatabase) error {
		a := &administration{Client: api, ctx: env.ctx, server: f.Server, local: local}
		if local != nil {
			a.runner = local.runner().Quietly()
		}
		return told(fn(a), f.Server)
	})
}

// policy gives the policy with the name, whatever the letter case, or else the id.
func (a *administration) policy(name string) (adminclient.Policy, error) {
	var byID adminclient.Policy
	for p, err := range a.Policies(a.ctx) {
		if err != nil {
			return p, err
		}
		if strings.EqualFold(p.Name, strings.TrimSpace(name)) {
			p.Tag = tagOf(p.Version)
			return p, nil
		}
		if p.ID == name {
			byID = p
		}
	}
	if byID.ID == "" {
		return byID, errs.New(errs.NotFound, "No policy has the name or id %q", name)
	}
	byID.Tag = tagOf(byID.Version)
	return byID, nil
}

func tagOf(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

// group gives the id of the group with the name, whatever the letter case, or else the id.
func (a *administration) group(name string) (string, error) {
	byID := ""
	for g, err := range a.Groups(a.ctx) {
		if err != nil {
			return "", err
		}
		if strings.EqualFold(g.Name, strings.TrimSpace(name)) {
			return g.ID, nil
		}
		if g.ID == name {
			byID = g.ID
		}
	}
	if byID == "" {
		return "", errs.New(errs.NotFound, "No group has the name or id %q", name)
	}
	return byID, nil
}

// number reads an id as the command line prints it.
func number[T posture.PolicyID | posture.GroupID](id string) T {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0
	}
	return T(n)
}

// askEvery is how often is asked how far a run is. A server counts the calls: it is asked less often the longer it takes.
const (
	askEvery       = time.Second / 4
	askServerEvery = 7 * time.Second
)

// wait waits until a run has ended. In the database, the run is done here unless a server does it.
func (a *administration) wait(id string) (adminclient.Run, error) {
	for pause := askEvery; ; pause = min(2*pause, askServerEvery) {
		if a.local != nil {
			one, err := a.local.runs.Get(a.ctx, a.local.account, id)
			if err == nil && !one.State.Ended() {
				err = a.runner.Do(a.ctx, &one)
			}
			if err != nil {
				return adminclient.Run{}, err
			}
		}
		r, err := a.Run(a.ctx, id)
		if err != nil || r.Ended() {
			return r, err
		}
		if a.local != nil {
			pause = askEvery
		}
		err = a.pause(pause)
		if err != nil {
			return r, err
		}
	}
}

func (a *administration) pause(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-a.ctx.Done():
		return a.ctx.Err()
	case <-timer.C:
		return nil
	}
}

// waitForPolicy waits until the devices of a policy have been judged by what was saved last.
func (a *administration) waitForPolicy(id string) error {
	for r, err := range a.Runs(a.ctx) {
		if err != nil {
			return err
		}
		if r.Kind != string(run.Reevaluate) || r.Policy != id {
			continue
		}
		r, err = a.wait(r.ID)
		switch {
		case err != nil:
			return err
		case r.State == run.Failed.String():
			return errs.New(errs.Unavailable, "Judging the devices anew failed: %s", r.Message)
		case r.State == run.Cancelled.String():
			return errs.New(errs.Conflict, "Judging the devices anew was ended before it was done: %s", r.Message)
		}
		return nil // older ones ended before it began
	}
	return nil
}
