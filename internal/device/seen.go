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
	pending map[Ref]contact
	writing map[Ref]contact // taken by a flush that has not ended
}

// contact is the last contact of a device, and the last that was a report.
type contact struct{ at, report time.Time }

// latest joins two contacts.
func (c contact) latest(o contact) contact {
	if o.at.After(c.at) {
		c.at = o.at
	}
	if o.report.After(c.report) {
		c.report = o.report
	}
	return c
}

func newSeenLog(store Agents) *seenLog {
	l := &seenLog{store: store}
	for i := range l.shards {
		l.shards[i].pending = make(map[Ref]contact)
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

func (l *seenLog) note(ref Ref, at time.Time) { l.add(ref, contact{at: at}) }

// noteReport is note for a contact that was a report.
func (l *seenLog) noteReport(ref Ref, at time.Time) { l.add(ref, contact{at, at}) }

func (l *seenLog) add(ref Ref, c contact) {
	sh := l.shard(ref.ID)
	sh.mu.Lock()
	sh.pending[ref] = sh.pending[ref].latest(c)
	sh.mu.Unlock()
}

// overlay gives a device the contact times that are newest here, stored or not.
func (l *seenLog) overlay(d *Device) {
	ref := Ref{Account: d.Account, ID: d.ID}
	sh := l.shard(d.ID)
	sh.mu.Lock()
	c := contact{d.SeenAt, d.LastReport}.latest(sh.writing[ref]).latest(sh.pending[ref])
	sh.mu.Unlock()
	d.SeenAt, d.LastReport = c.at, c.report
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
	sh.writing, sh.pending = sh.pending, make(map[Ref]contact, len(sh.pending))
	for ref, c := range sh.writing {
		batch = append(batch, Seen{Ref: ref, At: c.at, Report: c.report})
	}
	return batch
}

func (sh *seenShard) settle(stored bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !stored {
		for ref, c := range sh.writing {
			sh.pending[ref] = sh.pending[ref].latest(c)
		}
	}
	sh.writing = nil
}
