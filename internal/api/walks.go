package api

import (
	"context"
	"maps"
	"sync"
	"time"

	"muster/internal/page"
)

const (
	// maxWalks is how many lists are remembered at once; of those beyond, the ones that were not used lately go.
	maxWalks = 1 << 12
	// maxPages is how many pages of one list are remembered; beyond, only every 64th of those far behind.
	maxPages = 1 << 10
)

// Pages remembers where the pages of lists begin, for a bounded time: what it has forgotten is counted off from the last
// page that it knows. Servers that share a database must share it, or a walk that goes from one to the other may miss what
// has moved.
type Pages interface {
	// Start gives the last known page up to the one asked for, and the position behind which it begins.
	Start(ctx context.Context, list page.List, number int, now time.Time) (known int, after string, err error)
	// Note remembers where a page begins.
	Note(ctx context.Context, list page.List, number int, after string, now time.Time) error
	// End forgets the pages behind the last one: a list that has become shorter has them no more.
	End(ctx context.Context, list page.List, last int) error
}

// walks is Pages in the memory of one server.
type walks struct {
	mu  sync.Mutex
	all map[page.List]*walk
}

type walk struct {
	used  time.Time
	pages map[int]string // the position behind which a page begins
}

// Start implements Pages.
func (w *walks) Start(_ context.Context, key page.List, number int, now time.Time) (known int, after string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	walk := w.all[key]
	if walk == nil || now.Sub(walk.used) > page.Life {
		return 1, "", nil
	}
	walk.used = now
	if after, ok := walk.pages[number]; ok {
		return number, after, nil
	}
	known = 1
	for n := range walk.pages {
		if n > known && n < number {
			known = n
		}
	}
	return known, walk.pages[known], nil
}

// Note implements Pages.
func (w *walks) Note(_ context.Context, key page.List, number int, after string, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = make(map[page.List]*walk)
	}
	one := w.all[key]
	if one == nil || now.Sub(one.used) > page.Life {
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
	return nil
}

// End implements Pages.
func (w *walks) End(_ context.Context, key page.List, last int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one := w.all[key]; one != nil {
		maps.DeleteFunc(one.pages, func(number int, _ string) bool { return number > last })
	}
	return nil
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
	for age := page.Life; len(w.all) > maxWalks/2; age /= 2 {
		for key, one := range w.all {
			if now.Sub(one.used) >= age {
				delete(w.all, key)
			}
		}
	}
}
