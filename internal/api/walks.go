package api

import (
	"sync"
	"time"
)

const (
	// maxWalks is how many lists are remembered at once; of those beyond, the ones that were not used lately go.
	maxWalks = 1 << 12
	// maxPages is how many pages of one list are remembered; beyond, only every 64th of those far behind.
	maxPages = 1 << 10
	// walkLife is how long a list is remembered after its last use.
	walkLife = 15 * time.Minute
)

// walks remembers where the pages of lists begin. It is a cache with a bounded life: what it has forgotten is counted off
// from the last page that it knows.
type walks struct {
	mu  sync.Mutex
	all map[walkKey]*walk
}

// walkKey tells walks apart: two programs that walk the same list must not move each other's pages.
type walkKey struct {
	account int64
	client  string
	list    string
}

type walk struct {
	used  time.Time
	pages map[int]string // the position behind which a page begins
}

// start gives the last known page up to the one asked for, and the position behind which it begins.
func (w *walks) start(key walkKey, number int, now time.Time) (known int, after string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	walk := w.all[key]
	if walk == nil || now.Sub(walk.used) > walkLife {
		return 1, ""
	}
	walk.used = now
	if after, ok := walk.pages[number]; ok {
		return number, after
	}
	known = 1
	for n := range walk.pages {
		if n > known && n < number {
			known = n
		}
	}
	return known, walk.pages[known]
}

// note remembers where a page begins.
func (w *walks) note(key walkKey, number int, after string, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = make(map[walkKey]*walk)
	}
	one := w.all[key]
	if one == nil || now.Sub(one.used) > walkLife {
		if len(w.all) >= maxWalks {
			w.makeRoom(now)
		}
		one = &walk{pages: make(map[int]string)}
		w.all[key] = one
	}
	one.used = now
	if len(one.pages) >= maxPages {
		one.thin(number)
	}
	one.pages[number] = after
}

// thin forgets most pages, but not those near the one that is being read.
func (w *walk) thin(number int) {
	for n := range w.pages {
		if (n < number-64 || n > number+64) && n%64 != 0 {
			delete(w.pages, n)
		}
	}
	if len(w.pages) >= maxPages {
		clear(w.pages)
	}
}

// makeRoom forgets what is too old, or else the half that was used the longest ago.
func (w *walks) makeRoom(now time.Time) {
	for age := walkLife; len(w.all) > maxWalks/2; age /= 2 {
		for key, one := range w.all {
			if now.Sub(one.used) >= age {
				delete(w.all, key)
			}
		}
	}
}
