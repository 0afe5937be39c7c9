package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/catalogue"
	"muster/internal/errs"
	"muster/internal/store"
	"muster/internal/vuln"
)

// exerciseCatalogue uses every statement of the catalogue.
func exerciseCatalogue(ctx context.Context, t *testing.T, s *store.Store) {
	t.Helper()
	c := newShelf(s)
	one, two := advisory("A-1", "one", "1.0.0", 1, "CVE-2026-0001"), advisory("A-2", "two", "1.0.0", 1)
	for day, list := range [][]vuln.Entry{{one, two}, {advisory("A-1", "one", "1.0.1", 2), advisory("A-1", "one", "1.0.2", 3), two}, {two}} {
		_, err := c.take(ctx, catalogue.Request{Replace: day == 2, AllowShrink: true}, osvFeed, catalogue.Head{}, list...)
		check(t, err)
	}
	c.touched(ctx, t, 0, 3)
	v, err := c.View(ctx)
	check(t, err)
	_, err = v.Groups(ctx, []vuln.Key{npm("two")})
	check(t, err)
	x, err := c.Import(ctx, catalogue.Request{Input: "x"})
	check(t, err)
	p := vuln.Prepare(&one)
	check(t, x.Add(ctx, osvFeed, &p))
	check(t, x.Renew(ctx))
	_, err = x.Finish(ctx, nil)
	check(t, err)
	_, err = c.Remove(ctx, "osv")
	check(t, err)
	check(t, c.Discard(ctx))
	check(t, c.Reach(ctx, 5))
	c.turn(time.Hour)
	check(t, c.Purge(ctx))
}

// errKilled is what a store says that dies with the process.
var errKilled = errors.New("killed")

// mortal is a store that dies after so many changes.
type mortal struct {
	catalogue.Store
	left int
}

func (m *mortal) die() error {
	if m.left == 0 {
		return errKilled
	}
	m.left--
	return nil
}

func (m *mortal) Stage(ctx context.Context, l catalogue.Lease, e []catalogue.Staged) error {
	return errsOf(m.die(), func() error { return m.Store.Stage(ctx, l, e) })
}

func (m *mortal) StageRemoval(ctx context.Context, l catalogue.Lease, e []int64) error {
	return errsOf(m.die(), func() error { return m.Store.StageRemoval(ctx, l, e) })
}

func (m *mortal) Switch(ctx context.Context, l catalogue.Lease, s catalogue.Switch) (n int64, err error) {
	err = errsOf(m.die(), func() error { n, err = m.Store.Switch(ctx, l, s); return err })
	return n, err
}

func (m *mortal) Discard(ctx context.Context, l catalogue.Lease, n int) (done bool, err error) {
	err = errsOf(m.die(), func() error { done, err = m.Store.Discard(ctx, l, n); return err })
	return done, err
}

func (m *mortal) Release(ctx context.Context, holder string) error {
	return errsOf(m.die(), func() error { return m.Store.Release(ctx, holder) })
}

func (m *mortal) Purge(ctx context.Context, generation int64, _ int) (done bool, err error) {
	err = errsOf(m.die(), func() error { done, err = m.Store.Purge(ctx, generation, 2); return err })
	return done, err
}

// batch is one input of a sequence.
type batch struct {
	into    catalogue.Into
	replace bool
	entries []vuln.Entry
}

// deal makes an input by chance.
func deal(dice *rand.Rand, n int) batch {
	b := batch{into: osvFeed, replace: dice.IntN(3) == 0}
	if dice.IntN(2) == 0 {
		b.into, b.replace = kevFeed, true
	}
	for range 1 + dice.IntN(n) {
		e := advisory(fmt.Sprintf("CVE-2026-%04d", dice.IntN(n)), fmt.Sprintf("p%d", dice.IntN(4)), fmt.Sprintf("1.0.%d", dice.IntN(3)), dice.IntN(3))
		if dice.IntN(5) == 0 {
			e.Withdrawn = e.Modified
		}
		if dice.IntN(4) == 0 {
			e.Affected = append(e.Affected, advisory("", "p0", "2.0.0", 0).Affected...)
		}
		b.entries = append(b.entries, e)
	}
	return b
}

// modelled is what a catalogue should hold: by feed and id.
type modelled map[string]map[string]vuln.Prepared

// take is what an import should do; false where it should be refused.
func (m modelled) take(b *batch) bool {
	was, now := m[b.into.Name], make(map[string]vuln.Prepared)
	if !b.replace {
		for id, p := range was {
			now[id] = p
		}
	}
	live, withdrawn := 0, false
	for i := range b.entries {
		p := vuln.Prepare(&b.entries[i])
		withdrawn = withdrawn || p.Withdrawn
		if old, ok := now[p.ID]; b.replace || !ok || !p.Modified.Before(old.Modified) {
			now[p.ID] = p
		}
	}
	for i := range b.entries {
		if p := now[b.entries[i].ID]; !p.Withdrawn {
			live++
		}
	}
	if live == 0 && (!withdrawn || b.replace && was != nil) {
		return false
	}
	m[b.into.Name] = now
	return true
}

// lines gives all that is said, as shelf.said does.
func (m modelled) lines() []string {
	out := []string{}
	for feed, entries := range m {
		for id, p := range entries {
			seen := make(map[string]bool)
			add := func(s string) {
				if !seen[s] {
					seen[s] = true
					out = append(out, s)
				}
			}
			for _, target := range p.Targets {
				for _, k := range target.Keys {
					add(line(k, feed, id, 0, target.Data))
				}
			}
			for _, a := range p.About {
				add(line(catalogue.CVE(a.ID), feed, id, uint8(a.Rank), a.Data))
			}
		}
	}
	slices.Sort(out)
	return out
}

// universe lists all keys that deal makes.
func universe(n int) []vuln.Key {
	var out []vuln.Key
	for i := range n {
		out = append(out, catalogue.CVE(fmt.Sprintf("CVE-2026-%04d", i)))
	}
	for i := range 4 {
		out = append(out, npm(fmt.Sprintf("p%d", i)))
	}
	return out
}

// testCatalogueProperty: whatever is imported, dies, is taken up again, replaced, undone, removed and purged, the catalogue
// holds what the same inputs leave in a model, and what changed is told.
func testCatalogueProperty(t *testing.T, e Engine) {
	const ids, rounds, steps = 12, 6, 14
	for round := range rounds {
		dice := rand.New(rand.NewPCG(uint64(round), 5))
		ctx := t.Context()
		s := newShelf(Open(t, e.New(t)))
		keys := universe(ids)
		model := make(modelled)
		before := model.lines()
		var generation int64
		for step := range steps {
			did := s.step(ctx, t, dice, model, ids)
			state, err := s.State(ctx)
			check(t, err)
			now := s.said(ctx, t, state.Generation, keys...)
			if diff := cmp.Diff(model.lines(), now); diff != "" {
				t.Fatalf("round %d, step %d, %s: %s", round, step, did, diff)
			}
			if state.Purged <= generation {
				s.checkTouched(ctx, t, generation, state.Generation, before, now, keys)
			}
			generation, before = state.Generation, now
		}
	}
}

// step does one thing by chance, to the catalogue and to the model.
func (s *shelf) step(ctx context.Context, t *testing.T, dice *rand.Rand, model modelled, ids int) string {
	t.Helper()
	left := 1000
	if dice.IntN(2) == 0 {
		left = dice.IntN(5)
	}
	frail := catalogue.New(catalogue.Options{
		Store: &mortal{s.store, left}, Now: func() time.Time { return s.now }, Batch: 1,
		Wait: func(_ context.Context, d time.Duration) error {
			if d == time.Second {
				s.turn(d)
			}
			return nil
		},
	})
	switch dice.IntN(8) {
	case 0:
		check(t, s.Discard(ctx))
		return "discard"
	case 1:
		name := []string{"osv", "kev"}[dice.IntN(2)]
		_, err := frail.Remove(ctx, name)
		if err == nil {
			delete(model, name)
		}
		return fmt.Sprintf("remove %s: %v", name, err)
	case 2:
		s.turn(time.Hour)
		state, err := s.State(ctx)
		check(t, err)
		check(t, s.Reach(ctx, state.Generation-int64(dice.IntN(3))))
		return fmt.Sprintf("purge: %v", frail.Purge(ctx))
	default:
		b := deal(dice, ids)
		r := catalogue.Request{Input: fmt.Sprint(b), Replace: b.replace, AllowShrink: true}
		err := runBatch(ctx, frail, r, &b)
		again := 0
		for errors.Is(err, errKilled) && dice.IntN(3) > 0 { // the same command once more
			again++
			err = runBatch(ctx, s.Service, r, &b)
		}
		if errors.Is(err, errKilled) {
			return "import that died"
		}
		if ok := model.take(&b); ok != (err == nil) {
			t.Fatalf("import of %v: %v", b, err)
		}
		return fmt.Sprintf("import, again %d: %v", again, err)
	}
}

// runBatch imports, a small part at a time, and dies with its store.
func runBatch(ctx context.Context, s *catalogue.Service, r catalogue.Request, b *batch) error {
	x, err := s.Import(ctx, r)
	if err != nil {
		return err
	}
	for i := range b.entries {
		p := vuln.Prepare(&b.entries[i])
		err = x.Add(ctx, b.into, &p)
		if err != nil {
			return errors.Join(err, errs.New(errs.Unavailable, "no more"))
		}
	}
	_, err = x.Finish(ctx, nil)
	return err
}

// checkTouched: a key under which something changed is told, and what is told is told for a reason.
func (s *shelf) checkTouched(ctx context.Context, t *testing.T, from, to int64, before, now []string, keys []vuln.Key) {
	t.Helper()
	told := make(map[vuln.Key]bool)
	for c := (catalogue.Cursor{}); !c.End; {
		part, err := s.Touched(ctx, from, to, c, 3)
		check(t, err)
		for _, k := range part.Keys {
			told[k] = true
		}
		for _, id := range part.IDs {
			told[catalogue.CVE(id)] = true
		}
		c = part.Next
	}
	under := func(lines []string, k vuln.Key) []string {
		var out []string
		for _, l := range lines {
			if len(l) > len(k.Space)+len(k.Name)+1 && l[:len(k.Space)+1+len(k.Name)+1] == k.Space+"|"+k.Name+"|" {
				out = append(out, l)
			}
		}
		return out
	}
	for _, k := range keys {
		if changed := !slices.Equal(under(before, k), under(now, k)); changed != told[k] {
			t.Fatalf("from %d to %d: %v changed: %v, told: %v", from, to, k, changed, told[k])
		}
	}
}

// testCatalogueSwitch: whoever looks things up while generations change sees one or the other, never a mixture. Each
// generation says the same number under all keys.
func testCatalogueSwitch(t *testing.T, e Engine) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	st := Open(t, e.New(t))
	s := newShelf(st)
	const packages, generations = 20, 12
	var keys []vuln.Key
	for i := range packages {
		keys = append(keys, npm(fmt.Sprintf("p%d", i)))
	}
	looks, failed := make(chan struct{}, 1), make(chan struct{})
	var once sync.Once
	var readers sync.WaitGroup
	for range 2 {
		server := s.another()
		readers.Go(func() {
			for ctx.Err() == nil {
				err := sameEverywhere(ctx, server, keys)
				if err != nil {
					t.Error(err)
					once.Do(func() { close(failed) })
					return
				}
				select {
				case looks <- struct{}{}:
				default:
				}
			}
		})
	}
	for g := 1; g <= generations; g++ {
		var list []vuln.Entry
		for i := range packages {
			list = append(list, advisory(fmt.Sprintf("A-%d-%d", i, g%2), fmt.Sprintf("p%d", i), fmt.Sprintf("%d.0.0", g), 0, fmt.Sprintf("CVE-2026-%04d", i)))
		}
		_, err := s.take(ctx, catalogue.Request{Replace: true}, osvFeed, catalogue.Head{}, list...)
		check(t, err)
		s.turn(time.Minute)
		check(t, s.Reach(ctx, int64(g)))
		for range 4 { // the readers look
			select {
			case <-looks:
			case <-failed:
				return
			}
		}
	}
	cancel()
	readers.Wait()
}

// sameEverywhere looks things up one after the other in one view.
func sameEverywhere(ctx context.Context, server *catalogue.Service, keys []vuln.Key) error {
	v, err := server.View(ctx)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	said := ""
	for i, k := range keys {
		groups, err := v.Groups(ctx, keys[i:i+1])
		if err != nil {
			return err
		}
		if (groups[k] == nil) != (v.Generation() == 0) {
			return fmt.Errorf("generation %d: nothing under %v, or something", v.Generation(), k)
		}
		d, known, err := v.Describe(ctx, fmt.Sprintf("CVE-2026-%04d", i))
		if err != nil || known != (v.Generation() > 0) {
			return fmt.Errorf("generation %d: %v is not described: %w", v.Generation(), k, err)
		}
		if !known {
			continue
		}
		version := d.Summary[len(fmt.Sprintf("A-%d-0 in p%d before ", i, i)):]
		if said == "" {
			said = version
		}
		if version != said || version != fmt.Sprintf("%d.0.0", v.Generation()) {
			return fmt.Errorf("generation %d: %s after %s", v.Generation(), version, said)
		}
	}
	return nil
}

// testCatalogueBackup: a restored server finds what the old one found, whatever was imported into the new database before.
func testCatalogueBackup(t *testing.T, e Engine) {
	ctx := t.Context()
	old := Open(t, e.New(t))
	Account(t, old, "acme", 1)
	s := newShelf(old)
	_, err := s.take(ctx, catalogue.Request{}, osvFeed, catalogue.Head{}, advisory("A-1", "one", "1.0.0", 1), advisory("A-2", "two", "1.0.0", 1))
	check(t, err)
	// While another import is half-way.
	x, err := s.Import(ctx, catalogue.Request{Input: "half"})
	check(t, err)
	for i := range 300 {
		e := advisory(fmt.Sprintf("B-%d", i), "one", "1.0.0", 1)
		p := vuln.Prepare(&e)
		check(t, x.Add(ctx, osvFeed, &p))
	}
	var file bytes.Buffer
	_, err = old.Backup(ctx, &file)
	check(t, err)
	fresh := Open(t, e.New(t))
	r := newShelf(fresh)
	_, err = r.take(ctx, catalogue.Request{}, kevFeed, catalogue.Head{}, advisory("K-1", "one", "1.0.0", 1))
	check(t, err)
	_, err = fresh.Restore(ctx, &file)
	check(t, err)
	keys := []vuln.Key{npm("one"), npm("two"), catalogue.CVE("A-1"), catalogue.CVE("K-1"), catalogue.CVE("B-7")}
	if diff := cmp.Diff(s.said(ctx, t, 1, keys...), r.said(ctx, t, 1, keys...)); diff != "" || r.entriesUnder(ctx, t, npm("one")) != "A-1" {
		t.Error(diff)
	}
	r.turn(time.Hour)
	_, err = r.take(ctx, catalogue.Request{}, osvFeed, catalogue.Head{}, advisory("A-3", "one", "1.0.0", 1))
	if got := r.entriesUnder(ctx, t, npm("one")); err != nil || got != "A-1 A-3" {
		t.Errorf("after another import: %s, %v", got, err)
	}
}
