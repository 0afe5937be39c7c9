package device

import (
	"context"
	"sync"
	"time"
)

// SeenLag is how far the stored time of last contact may lie behind the truth. Pings are noted in memory and written
// together: a time of contact is worth little by itself, and a write for each ping would cost more than all else that
// a server of a quiet fleet does. Nothing but this one time waits.
const SeenLag = time.Second

// seenLog holds contact times that are not stored yet.
type seenLog struct {
	store  Agents
	shards [numShards]seenShard
}

type seenShard struct {
	mu      sync.Mutex
	pending map[Ref]time.Time
	writing map[Ref]time.Time // taken by a flush that has not ended
}

func newSeenLog(store Agents) *seenLog {
	l := &seenLog{store: store}
	for i := range l.shards {
		l.shards[i].pending = make(map[Ref]time.Time)
	}
	return l
}

// numShards is how many locks the maps that every agent touches are spread over.
const numShards = 64

// shardOf picks by the end of the id, the random part.
func shardOf(id string) int {
	n := len(id)
	if n < 2 {
		return 0
	}
	return int(id[n-1]+7*id[n-2]) % numShards
}

func (l *seenLog) shard(id string) *seenShard { return &l.shards[shardOf(id)] }

func (l *seenLog) note(ref Ref, at time.Time) {
	sh := l.shard(ref.ID)
	sh.mu.Lock()
	if at.After(sh.pending[ref]) {
		sh.pending[ref] = at
	}
	sh.mu.Unlock()
}

// overlay gives a device the contact time that is newest here, stored or not.
func (l *seenLog) overlay(d *Device) {
	ref := Ref{Account: d.Account, ID: d.ID}
	sh := l.shard(d.ID)
	sh.mu.Lock()
	for _, at := range []time.Time{sh.writing[ref], sh.pending[ref]} {
		if at.After(d.SeenAt) {
			d.SeenAt = at
		}
	}
	sh.mu.Unlock()
}

// flush stores everything noted so far. What could not be stored is kept for the next time.
func (l *seenLog) flush(ctx context.Context) error {
	var batch []Seen
	for i := range l.shards {
		batch = l.shards[i].take(batch)
	}
	if len(batch) == 0 {
		return nil
	}
	err := l.store.Touch(ctx, batch)
	for i := range l.shards {
		l.shards[i].settle(err == nil)
	}
	return err
}

func (sh *seenShard) take(batch []Seen) []Seen {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if len(sh.pending) == 0 {
		return batch
	}
	sh.writing, sh.pending = sh.pending, make(map[Ref]time.Time, len(sh.pending))
	for ref, at := range sh.writing {
		batch = append(batch, Seen{Ref: ref, At: at})
	}
	return batch
}

func (sh *seenShard) settle(stored bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !stored {
		for ref, at := range sh.writing {
			if at.After(sh.pending[ref]) {
				sh.pending[ref] = at
			}
		}
	}
	sh.writing = nil
}
