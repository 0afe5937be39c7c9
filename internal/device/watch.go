package device

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// watchOverlap is how far back each look for new commands reaches: further than the clocks of servers differ, and
	// than a transaction takes from its time stamp to its commit.
	watchOverlap = 30 * time.Second
	// watchTidy is how often devices are dropped that never came for their commands.
	watchTidy = time.Hour
)

// commandWatch knows the devices for which commands may wait, of all accounts, so that the contacts of all others cost
// no query. A device is in it from when a command is queued, here at once, on other servers when they next look, which
// they do every SeenLag; until an agent asks and none is left. It is read from the database before it is first asked.
type commandWatch struct {
	store  Commands
	now    func() time.Time
	loaded atomic.Bool
	size   atomic.Int64 // of all shards: mostly nobody waits for anything, and then no lock is taken
	shards [numShards]watchShard

	mu    sync.Mutex // of the reads of the database
	since time.Time
	tidy  time.Time
}

type watchShard struct {
	mu      sync.RWMutex
	devices map[Ref]time.Time // until when
	// noted counts the additions, so that a look that began before one does not drop it.
	noted uint64
}

func newCommandWatch(store Commands, now func() time.Time) *commandWatch {
	w := &commandWatch{store: store, now: now}
	for i := range w.shards {
		w.shards[i].devices = make(map[Ref]time.Time)
	}
	return w
}

// waiting reports whether commands may wait for a device, and how often its shard was added to by now.
func (w *commandWatch) waiting(ctx context.Context, ref Ref) (bool, uint64, error) {
	if !w.loaded.Load() {
		err := w.refresh(ctx)
		if err != nil {
			return false, 0, err
		}
	}
	if w.size.Load() == 0 {
		return false, 0, nil
	}
	sh := &w.shards[shardOf(ref.ID)]
	sh.mu.RLock()
	_, ok := sh.devices[ref]
	noted := sh.noted
	sh.mu.RUnlock()
	return ok, noted, nil
}

// note adds a device.
func (w *commandWatch) note(e Expecting) {
	sh := &w.shards[shardOf(e.ID)]
	sh.mu.Lock()
	before := len(sh.devices)
	if e.Until.After(sh.devices[e.Ref]) {
		sh.devices[e.Ref] = e.Until
	}
	w.size.Add(int64(len(sh.devices) - before))
	sh.noted++
	sh.mu.Unlock()
}

// drop takes a device out for which no command was left, unless one may have come since then.
func (w *commandWatch) drop(ref Ref, noted uint64) {
	sh := &w.shards[shardOf(ref.ID)]
	sh.mu.Lock()
	if sh.noted == noted {
		before := len(sh.devices)
		delete(sh.devices, ref)
		w.size.Add(int64(len(sh.devices) - before))
	}
	sh.mu.Unlock()
}

// refresh adds the devices for which commands were queued since the last call, on any server; the first time, all.
func (w *commandWatch) refresh(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	started := w.now()
	var from time.Time
	if w.loaded.Load() {
		from = w.since.Add(CommandLife - watchOverlap)
	}
	list, err := w.store.OpenSince(ctx, from)
	if err != nil {
		return err
	}
	for _, e := range list {
		w.note(e)
	}
	w.since = started
	w.loaded.Store(true)
	if started.Sub(w.tidy) >= watchTidy {
		w.tidy = started
		w.dropExpired(started)
	}
	return nil
}

func (w *commandWatch) dropExpired(now time.Time) {
	for i := range w.shards {
		sh := &w.shards[i]
		sh.mu.Lock()
		for ref, until := range sh.devices {
			if until.Before(now) {
				delete(sh.devices, ref)
				w.size.Add(-1)
			}
		}
		sh.mu.Unlock()
	}
}
