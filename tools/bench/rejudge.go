package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"muster/internal/catalogue"
	"muster/internal/errs"
	"muster/internal/policies"
	"muster/internal/policy"
	"muster/internal/posture"
	"muster/internal/run"
	"muster/internal/store"
	"muster/internal/vuln"
	"muster/tools/process"
)

// rejudgeBudget is in milliseconds of processor time for one device: a million in ten minutes on two cores.
const rejudgeBudget = 1.2

// during are the rows that are measured once more while the fleet is judged anew, when they may cost twice their budget. An
// unchanged report is not among them: one that comes before its device's turn is judged itself, like one that is changed.
var during = []string{"ping", "device details v3.8, by id", "list by cursor v3.7, any page", "report, changed (12 kB)"}

// measureRejudging saves policies and measures what it costs to judge the whole fleet by them: first with nothing else to
// do, then while requests come in.
func (b *bench) measureRejudging(ctx context.Context, f *fleet, c *process.Server, size int) (err error) {
	st, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	each, err := b.measureRun(ctx, f, c, st, "judging the fleet anew, each device", size, func() (*run.Run, error) { return f.savePolicy(ctx, st, 1) })
	if err != nil {
		return err
	}
	for i, name := range during {
		err = b.measureDuring(ctx, f, c, st, name, each, int64(i+2))
		if err != nil {
			return err
		}
	}
	_, err = b.measureRun(ctx, f, c, st, "matching the fleet anew after a feed, each device", size, func() (*run.Run, error) { return f.importFeed(ctx, st) })
	return err
}

// measureRun measures what a run over the whole fleet costs for each device, with nothing else to do.
func (b *bench) measureRun(ctx context.Context, f *fleet, c *process.Server, st *store.Store, name string, size int, start func() (*run.Run, error)) (float64, error) {
	m := f.meter(c)
	before, err := m.read()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	r, err := start()
	if err != nil {
		return 0, err
	}
	err = watch(ctx, st, r, func(r *run.Run) bool { return r.State.Ended() })
	if err != nil {
		return 0, err
	}
	after, err := m.read()
	if err != nil {
		return 0, err
	}
	if r.State != run.Done || r.Failed > 0 || r.Done < int64(size) {
		return 0, fmt.Errorf("%s ended as %s with %d of %d, %d of them in vain: %s", name, r.State, r.Done, r.Total, r.Failed, r.Message)
	}
	spent, took := after.minus(before), time.Since(began)
	out := result{Row: name, Engine: f.engine, Devices: size, Requests: r.Done, Budget: rejudgeBudget}
	out.Millis, out.Server = perRequest(spent.total(), r.Done), perRequest(spent.server, r.Done)
	b.add(out)
	fmt.Fprintf(os.Stderr, "%s: %s: %d in %s, %d of them have another status\n", f.engine, name, r.Done, took.Round(time.Second), r.Changed)
	return out.Millis, nil
}

// importFeed imports an entry about an operating system, for which all devices are looked at, and gives the run that follows.
func (f *fleet) importFeed(ctx context.Context, st *store.Store) (*run.Run, error) {
	session, err := catalogue.New(catalogue.Options{Store: store.NewCatalogue(st)}).Import(ctx, catalogue.Request{})
	if err != nil {
		return nil, err
	}
	entry := vuln.Prepare(&vuln.Entry{
		ID: "CVE-2031-0001", Severity: []vuln.Severity{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}},
		Affected: []vuln.Affected{{
			Package: vuln.Package{Ecosystem: "OS:linux", Name: "Linux"},
			Ranges:  []vuln.Range{{Type: "ECOSYSTEM", Events: []vuln.Event{{Introduced: "0"}, {Fixed: "9999"}}}},
		}},
	})
	err = session.Add(ctx, catalogue.Into{Name: "bench", Format: "osv"}, &entry)
	if err != nil {
		return nil, err
	}
	_, err = session.Finish(ctx, nil)
	if err != nil {
		return nil, err
	}
	for {
		open, err := st.OpenRuns(ctx, run.Rematch)
		if err != nil {
			return nil, err
		}
		if len(open) > 0 {
			return &open[0], nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// savePolicy stores another version of the default policy, by which some devices have another status than by the one
// before, and gives the run that follows.
func (f *fleet) savePolicy(ctx context.Context, st *store.Store, n int64) (*run.Run, error) {
	book := policies.New(policies.Options{Store: st, Now: time.Now, Random: rand.Reader, Wake: func() {}})
	p := policy.Default()
	p.Name = fmt.Sprintf("Policy %d", n)
	if n%2 == 1 {
		p.Rules[1].MinWarnings = 1
	}
	text, err := p.YAML()
	if err != nil {
		return nil, err
	}
	_, err = book.Save(ctx, f.account.ID, posture.DefaultPolicy, text, policies.Edit{})
	if err != nil {
		return nil, err
	}
	open, err := st.OpenRuns(ctx, run.Reevaluate)
	if err != nil || len(open) != 1 {
		return nil, errors.Join(err, fmt.Errorf("%d runs are open, not one", len(open)))
	}
	return &open[0], nil
}

// watch looks at a run until it is as it should be.
func watch(ctx context.Context, st *store.Store, r *run.Run, until func(*run.Run) bool) error {
	for {
		now, err := st.Run(ctx, r.Account, r.ID)
		if err != nil {
			return err
		}
		*r = now
		if until(r) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// measureDuring measures a row while devices are judged anew. What those cost by themselves is taken off; a fleet that is
// judged before the row is measured gives no figure.
func (b *bench) measureDuring(ctx context.Context, f *fleet, c *process.Server, st *store.Store, name string, each float64, n int64) error {
	var r row
	for _, r = range f.rows() {
		if r.name == name {
			break
		}
	}
	judging, err := f.savePolicy(ctx, st, n)
	if err != nil {
		return err
	}
	err = watch(ctx, st, judging, func(r *run.Run) bool { return r.Done > 0 || r.State.Ended() })
	if err != nil {
		return err
	}
	r.name, r.budget = r.name+", while the fleet is judged anew", 2*r.budget
	out, judged, err := b.measureBetween(ctx, f, c, st, r, judging)
	if err != nil {
		return err
	}
	if !judging.State.Ended() {
		off := each * float64(judged) / float64(out.Requests)
		out.Millis, out.Server = out.Millis-off, out.Server-off
		out.Engine, out.Devices = f.engine, len(f.agents)
		b.add(out)
	}
	_, err = st.CancelRun(ctx, judging.Account, judging.ID, time.Now())
	if errs.Is(err, errs.Conflict) {
		err = nil // it has ended by itself
	}
	return err
}

// measureBetween measures a row from its first request on, and says how many devices a run has judged meanwhile.
func (b *bench) measureBetween(ctx context.Context, f *fleet, c *process.Server, st *store.Store, r row, judging *run.Run) (result, int64, error) {
	m := f.meter(c)
	now, err := st.Run(ctx, judging.Account, judging.ID)
	if err != nil {
		return result{}, 0, err
	}
	*judging = now
	before, err := m.read()
	if err != nil {
		return result{}, 0, err
	}
	l, ctx := begin(ctx, c.Addr, b.connections, r.op)
	l.sampling.Store(true)
	after, err := b.until(ctx, l, m, before, b.window)
	now, runErr := st.Run(ctx, judging.Account, judging.ID)
	err = errors.Join(err, runErr, l.end(ctx))
	if err != nil {
		return result{}, 0, fmt.Errorf("%s: %w", r.name, err)
	}
	judged := now.Done - judging.Done
	*judging = now
	answered := l.answered.Load()
	spent := after.minus(before)
	out := result{Row: r.name, Budget: r.budget, Requests: answered}
	out.Millis, out.Server = perRequest(spent.total(), answered), perRequest(spent.server, answered)
	out.P50, out.P99 = l.percentiles()
	return out, judged, nil
}
