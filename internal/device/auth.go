package device

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// credentialLife bounds how long a cached credential is believed without looking at the store again. Each is believed for
	// between a half and all of it: those of a whole fleet, which are read in the first minute after a start, are not all
	// read again in one minute.
	credentialLife = 10 * time.Minute
	// credentialsPerShard bounds the memory: 64 shards of 32 768 are two million devices in about half a gigabyte.
	credentialsPerShard = 32768
	// revocationOverlap is how far back each look for ended credentials reaches: further than the clocks of servers
	// differ, and than a transaction takes from its time stamp to its commit.
	revocationOverlap = 30 * time.Second
)

// credentialCache keeps the credential digests of agents that called lately, so that a ping costs no query. An entry
// ends when its device enrols again, retires or is deleted: here at once, on other servers when they next ask the
// store for what ended, which they do every SeenLag.
type credentialCache struct {
	store  Agents
	now    func() time.Time
	since  time.Time
	shards [numShards]credentialShard
}

type credentialShard struct {
	mu      sync.RWMutex
	entries map[Ref]credentialEntry
	// forgotten counts how often an entry was dropped, so that a look-up that began before a drop does not bring the
	// old entry back.
	forgotten uint64
}

type credentialEntry struct {
	Credentials
	until time.Time
}

func newCredentialCache(store Agents, now func() time.Time) *credentialCache {
	c := &credentialCache{store: store, now: now, since: now()}
	for i := range c.shards {
		c.shards[i].entries = make(map[Ref]credentialEntry)
	}
	return c
}

func (c *credentialCache) shard(id string) *credentialShard { return &c.shards[shardOf(id)] }

// find gives the credentials of a device. NotFound: there never was such a device in the account.
func (c *credentialCache) find(ctx context.Context, ref Ref) (Credentials, error) {
	sh := c.shard(ref.ID)
	now := c.now()
	sh.mu.RLock()
	e, ok := sh.entries[ref]
	before := sh.forgotten
	sh.mu.RUnlock()
	if ok && now.Before(e.until) {
		return e.Credentials, nil
	}
	found, err := c.store.Credentials(ctx, ref.Account, ref.ID)
	if err != nil {
		return Credentials{}, err
	}
	sh.mu.Lock()
	if sh.forgotten == before {
		sh.put(ref, credentialEntry{Credentials: found, until: now.Add(credentialLife/2 + rand.N(credentialLife/2))})
	}
	sh.mu.Unlock()
	return found, nil
}

// put makes room by dropping any one entry: which one hardly matters, since every agent calls about equally often.
func (sh *credentialShard) put(ref Ref, e credentialEntry) {
	if len(sh.entries) >= credentialsPerShard {
		for victim := range sh.entries {
			delete(sh.entries, victim)
			break
		}
	}
	sh.entries[ref] = e
}

func (c *credentialCache) forget(ref Ref) {
	sh := c.shard(ref.ID)
	sh.mu.Lock()
	delete(sh.entries, ref)
	sh.forgotten++
	sh.mu.Unlock()
}

// refresh forgets what ended on any server since the last call.
func (c *credentialCache) refresh(ctx context.Context) error {
	started := c.now()
	ended, err := c.store.RevokedSince(ctx, c.since.Add(-revocationOverlap))
	if err != nil {
		return err
	}
	for _, ref := range ended {
		c.forget(ref)
	}
	c.since = started
	return nil
}
