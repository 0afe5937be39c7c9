package catalogue

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"muster/internal/vuln"
)

const (
	// refreshAfter is how old the knowledge of the current generation may be.
	refreshAfter = time.Second
	// Where so many parts of so many entries do not tell all that was touched, everything is looked up anew: somebody waits.
	touchedParts, touchedPart = 6, 500
)

// known is what this server knows of one generation. It is never wrong, only incomplete.
type known struct {
	generation int64
	groups     *cache[vuln.Key, *vuln.Group] // nil: there is nothing under the key
	said       *cache[string, *vuln.Joined]  // likewise
}

// Bytes that an entry of the caches takes besides what it holds.
const (
	groupCost = 96
	saidCost  = 400
)

func (s *Service) newKnown(generation int64) *known {
	return &known{
		generation: generation,
		groups: newCache(s.memory*2/3, func(k vuln.Key, g *vuln.Group) int {
			n := groupCost + len(k.Name)
			if g != nil {
				n += g.Size()
			}
			return n
		}),
		said: newCache(s.memory/3, func(id string, j *vuln.Joined) int {
			n := groupCost + len(id)
			if j == nil {
				return n
			}
			n += saidCost + len(j.Summary)
			for i := range j.Said {
				n += saidCost
				for k := range j.Said[i].Severity {
					n += 32 + len(j.Said[i].Severity[k].Score)
				}
			}
			return n
		}),
	}
}

// View is the catalogue of one generation. Whatever it answers belongs together; it is meant to be used for one judgement
// and dropped.
type View struct {
	service *Service
	known   *known
}

// View gives the current generation, as of a second ago at the most.
func (s *Service) View(ctx context.Context) (*View, error) {
	k := s.current.Load()
	if k == nil || s.now().UnixNano()-s.checked.Load() >= int64(refreshAfter) {
		err := s.refresh(ctx, k == nil)
		if err != nil {
			return nil, err
		}
		k = s.current.Load()
	}
	return &View{s, k}, nil
}

// ViewSince gives the current generation, which is not before one that somebody has seen, here or on another server.
func (s *Service) ViewSince(ctx context.Context, generation int64) (*View, error) {
	v, err := s.View(ctx)
	if err != nil || v.Generation() >= generation {
		return v, err
	}
	err = s.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	return s.View(ctx)
}

// Generation gives the number of the current generation, as of a second ago at the most; 0 is an empty catalogue.
func (s *Service) Generation(ctx context.Context) (int64, error) {
	v, err := s.View(ctx)
	if err != nil {
		return 0, err
	}
	return v.Generation(), nil
}

// Refresh looks for a new generation now.
func (s *Service) Refresh(ctx context.Context) error {
	s.checked.Store(0)
	return s.refresh(ctx, true)
}

// refresh reads the current generation. One caller does; the others go on with the one before, unless there is none.
func (s *Service) refresh(ctx context.Context, must bool) error {
	if must {
		s.mu.Lock()
	} else if !s.mu.TryLock() {
		return nil
	}
	defer s.mu.Unlock()
	now := s.now().UnixNano()
	k := s.current.Load()
	if k != nil && now-s.checked.Load() < int64(refreshAfter) {
		return nil
	}
	state, err := s.store.State(ctx)
	if err != nil {
		return err
	}
	if k == nil || k.generation != state.Generation {
		s.current.Store(s.following(ctx, k, &state))
	}
	s.checked.Store(now)
	if k != nil && k.generation != state.Generation {
		s.wake()
	}
	return nil
}

// following gives what is known of the next generation: what is known of the one before, but for what changed.
func (s *Service) following(ctx context.Context, before *known, state *State) *known {
	if before == nil || before.generation > state.Generation || before.generation < state.Purged {
		return s.newKnown(state.Generation)
	}
	keys, ids := make(map[vuln.Key]bool), make(map[string]bool)
	part := 0
	for c := (Cursor{}); !c.End; part++ {
		some, next, err := s.store.Touched(ctx, before.generation, state.Generation, c, touchedPart)
		if err != nil || part == touchedParts {
			return s.newKnown(state.Generation) // it costs some queries, no more
		}
		for _, k := range some {
			if k.Space == "" {
				ids[k.Name] = true
			} else {
				keys[k] = true
			}
		}
		c = next
	}
	return &known{generation: state.Generation, groups: before.groups.without(keys), said: before.said.without(ids)}
}

// Generation is the number of the generation.
func (v *View) Generation() int64 { return v.known.generation }

// Groups gives what is known under keys; a key under which there is nothing is left out.
func (v *View) Groups(ctx context.Context, keys []vuln.Key) (map[vuln.Key]*vuln.Group, error) {
	out := make(map[vuln.Key]*vuln.Group, len(keys))
	have := func(k vuln.Key, g *vuln.Group) {
		if g != nil {
			out[k] = g
		}
	}
	missing := v.known.groups.get(keys, have)
	if len(missing) == 0 {
		return out, nil
	}
	facts, err := v.lookup(ctx, missing)
	if err != nil {
		return nil, err
	}
	for _, k := range missing {
		var g *vuln.Group
		if some := facts[k]; len(some) > 0 {
			stored := make([]vuln.Stored, len(some))
			for i := range some {
				stored[i] = vuln.Stored{Feed: some[i].Feed, Data: some[i].Data}
			}
			g, err = vuln.NewGroup(k, stored)
			if err != nil {
				return nil, err
			}
		}
		v.known.groups.put(k, g)
		have(k, g)
	}
	return out, nil
}

// Said gives what is said of CVEs, or of entries by their ids; one of which nothing is said is left out.
func (v *View) Said(ctx context.Context, ids []string) (map[string]*vuln.Joined, error) {
	out := make(map[string]*vuln.Joined, len(ids))
	have := func(id string, j *vuln.Joined) {
		if j != nil {
			out[id] = j
		}
	}
	missing := v.known.said.get(ids, have)
	if len(missing) == 0 {
		return out, nil
	}
	keys := make([]vuln.Key, len(missing))
	for i, id := range missing {
		keys[i] = CVE(id)
	}
	facts, err := v.lookup(ctx, keys)
	if err != nil {
		return nil, err
	}
	for _, id := range missing {
		var j *vuln.Joined
		if some := facts[CVE(id)]; len(some) > 0 {
			joined, err := join(id, some)
			if err != nil {
				return nil, err
			}
			j = &joined
		}
		v.known.said.put(id, j)
		have(id, j)
	}
	return out, nil
}

func join(id string, facts []Fact) (vuln.Joined, error) {
	about := make([]vuln.About, len(facts))
	for i := range facts {
		f := &facts[i]
		about[i] = vuln.About{ID: id, Rank: vuln.Rank(f.Rank), Data: f.Data, Entry: f.Entry, Feed: f.Feed}
	}
	return vuln.JoinAbout(about)
}

// Facts gives how bad CVEs are, for vuln.Score; vuln.NoFacts where nothing is known.
func (v *View) Facts(ctx context.Context, cves []string) (func(cve string) vuln.Facts, error) {
	said, err := v.Said(ctx, cves)
	if err != nil {
		return nil, err
	}
	return func(cve string) vuln.Facts {
		if j := said[cve]; j != nil {
			return j.Facts
		}
		return vuln.NoFacts
	}, nil
}

// Describe gives what is said of a CVE or of the entry with an id. It reports whether anything is known of that id.
func (v *View) Describe(ctx context.Context, id string) (vuln.Description, bool, error) {
	said, err := v.Said(ctx, []string{id})
	if err != nil || said[id] == nil {
		return vuln.Description{}, false, err
	}
	return said[id].Description, true, nil
}

// lookup reads what is under keys, in an order that does not depend on that of the imports.
func (v *View) lookup(ctx context.Context, keys []vuln.Key) (map[vuln.Key][]Fact, error) {
	out := make(map[vuln.Key][]Fact)
	if v.known.generation == 0 {
		return out, nil
	}
	err := v.service.store.Lookup(ctx, v.known.generation, keys, func(k vuln.Key, f Fact) error {
		out[k] = append(out[k], f)
		return nil
	})
	for _, facts := range out {
		slices.SortFunc(facts, func(a, b Fact) int {
			return cmp.Or(cmp.Compare(a.Rank, b.Rank), strings.Compare(a.Entry, b.Entry), strings.Compare(a.Feed, b.Feed), bytes.Compare(a.Data, b.Data))
		})
	}
	return out, err
}
