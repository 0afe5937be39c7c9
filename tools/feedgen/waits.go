package main

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// waits is how long another process waits that writes to an SQLite database beside an import.
type waits struct {
	stop func()
	all  []time.Duration
	err  error
}

// beside begins to write now and then, as a server does.
func beside(ctx context.Context, data string) *waits {
	ctx, cancel := context.WithCancel(ctx)
	w := &waits{}
	var done sync.WaitGroup
	w.stop = func() { cancel(); done.Wait() }
	done.Go(func() { w.err = w.write(ctx, filepath.Join(data, "muster.db")) })
	return w
}

func (w *waits) write(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // nothing is lost
	db.SetMaxOpenConns(1)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		began := time.Now()
		_, err = db.ExecContext(context.WithoutCancel(ctx), "BEGIN IMMEDIATE; UPDATE leases SET expires_at = expires_at WHERE name = 'x'; COMMIT")
		if err != nil {
			return err
		}
		w.all = append(w.all, time.Since(began))
	}
}

// at gives the wait that so many hundredths do not exceed.
func (w *waits) at(hundredths int) time.Duration {
	if len(w.all) == 0 {
		return 0
	}
	slices.Sort(w.all)
	return w.all[(len(w.all)-1)*hundredths/100]
}
