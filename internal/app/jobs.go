package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/internal/identity"
	"muster/internal/jobs"
	"muster/internal/page"
	"muster/internal/posture"
)

// jobs is the periodic work of the server.
func (s *server) jobs() []jobs.Job {
	list := []jobs.Job{
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
		{Name: "rematches", Every: 2 * time.Second, Do: s.startRematches},
		{Name: "due-removals", Every: time.Minute, Do: s.sweepRemovals},
		{Name: "old-devices", Every: time.Hour, Do: s.purgeDevices},
		{Name: "old-events", Every: time.Hour, Do: s.forgetEvents},
		{Name: "count-check", Every: time.Hour, Do: s.checkCounts},
		{Name: "storage", Every: time.Minute, Do: s.tidyStorage},
		{Name: "software-check", Every: 24 * time.Hour, Do: s.checkFacets},
		{Name: "old-catalogue", Every: 10 * time.Minute, Do: func(ctx context.Context, _ time.Time) error { return s.catalogue.Purge(ctx) }},
		{Name: "builtin-feed", Every: time.Hour, Do: func(ctx context.Context, _ time.Time) error { return s.ensureBuiltin(ctx) }},
		{Name: "feed-ages", Every: 24 * time.Hour, Do: s.warnOfAge},
	}
	if s.cfg.FeedsFolder != "" {
		list = append(list, jobs.Job{Name: "feeds-folder", Every: s.cfg.FeedsEvery, Do: s.importMirror})
	}
	return list
}

// storageTurn is how long storing anew what earlier versions stored goes on at a time.
const storageTurn = 45 * time.Second

// tidyStorage stores anew what earlier versions stored, in every account.
func (s *server) tidyStorage(ctx context.Context, _ time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, storageTurn)
	defer cancel()
	return s.inEach(ctx, func(account posture.AccountID) error {
		for more := true; more && ctx.Err() == nil; {
			var err error
			more, err = s.store.Tidy(ctx, account)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// inEach does something in every account. What goes wrong in one does not keep the others from it.
func (s *server) inEach(ctx context.Context, do func(account posture.AccountID) error) error {
	accounts, err := s.identity.ListAccounts(ctx)
	for i := 0; i < len(accounts) && ctx.Err() == nil; i++ {
		if failed := do(accounts[i].ID); failed != nil {
			err = errors.Join(err, fmt.Errorf("in account %d: %w", accounts[i].ID, failed))
		}
	}
	return err
}

// sweep judges anew what only time has changed, in every account.
func (s *server) sweep(ctx context.Context, _ time.Time) error {
	return s.inEach(ctx, func(account posture.AccountID) error {
		_, err := s.devices.Sweep(ctx, account)
		return err
	})
}

// sweepRemovals removes the devices that are to leave by themselves, in every account.
func (s *server) sweepRemovals(ctx context.Context, _ time.Time) error {
	return s.inEach(ctx, func(account posture.AccountID) error {
		n, err := s.devices.SweepRemovals(ctx, account)
		if n > 0 {
			s.log.Info("removed devices", "account", account, "devices", n)
		}
		return err
	})
}

// forgetEvents ends the record of every account where it is to be kept no longer.
func (s *server) forgetEvents(ctx context.Context, now time.Time) error {
	return s.forget(ctx, identity.Retention.Events, func(account posture.AccountID, days int) error {
		n, err := s.devices.ForgetBefore(ctx, account, now.AddDate(0, 0, -days))
		if n > 0 {
			s.log.Info("removed old events", "account", account, "events", n, "days_kept", days)
		}
		return err
	})
}

// purgeDevices ends what is kept of devices that left, where it is to be kept no longer.
func (s *server) purgeDevices(ctx context.Context, now time.Time) error {
	return s.forget(ctx, identity.Retention.Removed, func(account posture.AccountID, days int) error {
		n, err := s.devices.Purge(ctx, account, now.AddDate(0, 0, -days))
		if n > 0 {
			s.log.Info("forgot devices that left", "account", account, "devices", n, "days_kept", days)
		}
		return err
	})
}

// forget does something in every account that keeps something for some days only.
func (s *server) forget(ctx context.Context, kept func(identity.Retention, int) int, do func(account posture.AccountID, days int) error) error {
	return s.inEach(ctx, func(account posture.AccountID) error {
		now, err := s.identity.Settings(ctx, account)
		if err != nil {
			return err
		}
		days := kept(now.Retention, s.cfg.KeepEvents)
		if days == 0 {
			return nil
		}
		return do(account, days)
	})
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
			mended, err := s.store.MendPostings(ctx, a.ID)
			if err != nil {
				return err
			}
			s.log.Warn("what devices are found by was written anew where it differed", "account", a.ID, "parts", mended)
		}
	}
	return nil
}
