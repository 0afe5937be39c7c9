package catalogue

import "sync"

// cache keeps what was looked up, within a bound of bytes. It has two halves: when the young are many, the old are
// forgotten and the young grow old; what is asked for again is young again.
type cache[K comparable, V any] struct {
	limit int // of one half
	size  func(K, V) int

	mu         sync.RWMutex
	young, old map[K]V
	bytes      int // of the young
}

func newCache[K comparable, V any](limit int, size func(K, V) int) *cache[K, V] {
	return &cache[K, V]{limit: limit / 2, size: size, young: make(map[K]V)}
}

// get calls have with what is known, and gives the keys of which nothing is.
func (c *cache[K, V]) get(keys []K, have func(K, V)) []K {
	var missing, again []K
	c.mu.RLock()
	for _, k := range keys {
		v, ok := c.young[k]
		if !ok {
			if v, ok = c.old[k]; ok {
				again = append(again, k)
			}
		}
		if !ok {
			missing = append(missing, k)
			continue
		}
		have(k, v)
	}
	c.mu.RUnlock()
	if len(again) > 0 {
		c.renew(again)
	}
	return missing
}

// renew makes old ones young.
func (c *cache[K, V]) renew(keys []K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range keys {
		v, ok := c.old[k]
		if ok {
			c.add(k, v)
		}
	}
}

func (c *cache[K, V]) put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(k, v)
}

func (c *cache[K, V]) add(k K, v V) {
	if _, ok := c.young[k]; ok {
		return
	}
	n := c.size(k, v)
	if c.bytes+n > c.limit && c.bytes > 0 {
		c.old, c.young, c.bytes = c.young, make(map[K]V), 0
	}
	c.young[k] = v
	c.bytes += n
}

// without gives a cache of the same but for some keys.
func (c *cache[K, V]) without(gone map[K]bool) *cache[K, V] {
	out := newCache(0, c.size)
	out.limit = c.limit
	c.mu.RLock()
	defer c.mu.RUnlock()
	out.old = make(map[K]V, len(c.old))
	for k, v := range c.old {
		if !gone[k] {
			out.old[k] = v
		}
	}
	for k, v := range c.young {
		if !gone[k] {
			out.young[k] = v
			out.bytes += c.size(k, v)
		}
	}
	return out
}
