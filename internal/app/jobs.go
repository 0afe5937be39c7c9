package app

import (
	"context"
	"time"

	"muster/internal/jobs"
	"muster/internal/page"
)

// jobs is the periodic work of the server.
func (s *server) jobs() []jobs.Job {
	return []jobs.Job{
		{Name: "expired-tokens", Every: 10 * time.Minute, Do: func(ctx context.Context, _ time.Time) error {
			_, err := s.identity.SweepTokens(ctx)
			return err
		}},
		{Name: "old-revocations", Every: time.Hour, Do: func(ctx context.Context, now time.Time) error {
			return s.store.ForgetRevocations(ctx, now.Add(-time.Hour))
		}},
		{Name: "old-rate-windows", Every: time.Hour, Do: func(ctx context.Context, now time.Time) error {
			return s.store.ForgetWindows(ctx, now.Add(-time.Hour))
		}},
		{Name: "old-pages", Every: page.Life, Do: func(ctx context.Context, now time.Time) error {
			return s.store.ForgetPages(ctx, now.Add(-page.Life))
		}},
		{Name: "old-commands", Every: time.Minute, Do: func(ctx context.Context, _ time.Time) error { return s.devices.TidyCommands(ctx) }},
		{Name: "due-verdicts", Every: time.Minute, Do: s.sweep},
		{Name: "old-runs", Every: time.Hour, Do: s.runner().ForgetOld},
		{Name: "old-events", Every: time.Hour, Do: s.forgetEvents},
		{Name: "count-check", Every: time.Hour, Do: s.checkCounts},
		{Name: "software-check", Every: 24 * time.Hour, Do: s.checkFacets},
	}
}

// sweep judges anew what only time has changed, in every account.
func (s *server) sweep(ctx context.Context, _ time.Time) error {
	accounts, err := s.identity.ListAccounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		_, err = s.devices.Sweep(ctx, a.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetEvents ends the record of every account where it is to be kept no longer.
func (s *server) forgetEvents(ctx context.Context, now time.Time) error {
	if s.cfg.KeepEvents == 0 {
		return nil
	}
	accounts, err := s.identity.ListAccounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		before := now.AddDate(0, 0, -s.cfg.KeepEvents)
		lost, err := s.webhooks.Forget(ctx, a.ID, before)
		if lost > 0 {
			s.log.Error("gave up changes that webhooks could not be told", "account", a.ID, "changes", lost, "days_kept", s.cfg.KeepEvents)
		}
		if err != nil {
			return err
		}
		n, err := s.devices.ForgetBefore(ctx, a.ID, before)
		if err != nil {
			return err
		}
		if n > 0 {
			s.log.Info("removed old events", "account", a.ID, "events", n, "days_kept", s.cfg.KeepEvents)
		}
	}
	return nil
}

// checkCounts compares the kept counts with the rows they stand for. A difference is a bug of Muster, and is reported
// as an error; it is not mended in silence.
func (s *server) checkCounts(ctx context.Context, _ time.Time) error {
	accounts, err := s.identity.ListAccounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		kept, actual, err := s.store.Recount(ctx, a.ID)
		if err != nil {
			return err
		}
		if kept != actual {
			s.metrics.drift.Inc()
			s.log.Error("kept counts differ from the devices", "account", a.ID, "kept", kept, "actual", actual)
		}
	}
	return nil
}

// maxDriftShown is how many differences one line of the log names.
const maxDriftShown = 10

// checkFacets is checkCounts for what devices have. It reads every report, and so is done once a day.
func (s *server) checkFacets(ctx context.Context, _ time.Time) error {
	accounts, err := s.identity.ListAccounts(ctx)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		drift, err := s.store.CheckFacets(ctx, a.ID)
		if err != nil {
			return err
		}
		if len(drift) > 0 {
			s.metrics.drift.Inc()
			s.log.Error("kept counts of what devices have differ from the reports", "account", a.ID, "differences", len(drift),
				"some", drift[:min(len(drift), maxDriftShown)])
		}
	}
	return nil
}
