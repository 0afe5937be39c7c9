package identity

import (
	"sync"
	"time"
)

// cache remembers a bounded number of values for a short while. It keeps two generations: when the young one is full it
// becomes the old one, and what was in the old one is forgotten. So a lookup and an insertion cost the same however
// full it is.
type cache[K comparable, V any] struct {
	mu    sync.RWMutex
	size  int
	young map[K]entry[V]
	old   map[K]entry[V]
	// changes counts what made remembered values wrong. A value that was loaded before a change must not be put after it.
	changes uint64
}

type entry[V any] struct {
	value V
	until time.Time
}

// newCache makes a cache for up to size values.
func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{size: size, young: make(map[K]entry[V])}
}

// get gives the value under the key, unless it is too old.
func (c *cache[K, V]) get(key K, now time.Time) (V, bool) {
	c.mu.RLock()
	r, ok := c.young[key]
	if !ok {
		r, ok = c.old[key]
	}
	c.mu.RUnlock()
	if !ok || !now.Before(r.until) {
		var none V
		return none, false
	}
	return r.value, true
}

// version is to be asked before a value is loaded, and handed to put.
func (c *cache[K, V]) version() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.changes
}

// put remembers a value until then, unless something changed since the version was asked.
func (c *cache[K, V]) put(key K, value V, until time.Time, version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != version {
		return
	}
	if _, ok := c.young[key]; !ok && len(c.young) >= c.size/2 {
		c.old, c.young = c.young, make(map[K]entry[V])
	}
	c.young[key] = entry[V]{value, until}
}

// drop forgets one value, also if it is being loaded.
func (c *cache[K, V]) drop(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	delete(c.young, key)
	delete(c.old, key)
}

// clear forgets every value, also those that are being loaded.
func (c *cache[K, V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	clear(c.young)
	c.old = nil
}
