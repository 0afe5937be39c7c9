package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/catalogue"
	"muster/internal/errs"
	"muster/internal/store"
	"muster/internal/vuln"
)

// shelf is a catalogue under test, with a clock that is turned by hand.
type shelf struct {
	*catalogue.Service
	store store.Catalogue
	now   time.Time
	mu    sync.Mutex
}

func newShelf(s *store.Store) *shelf {
	out := &shelf{store: store.NewCatalogue(s), now: Epoch}
	out.Service = out.another()
	return out
}

// another is the service of another server on the same database.
func (s *shelf) another() *catalogue.Service {
	return catalogue.New(catalogue.Options{
		Store: s.store,
		Now:   func() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now },
		Wait: func(ctx context.Context, d time.Duration) error {
			if d == time.Second { // for the lease of an import that may be dead
				s.turn(d)
			}
			return ctx.Err()
		},
	})
}

func (s *shelf) turn(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// advisory is an entry for tests: it says that a package is mended by a version, on a day of 2026.
func advisory(id, pkg, fixed string, day int, aliases ...string) vuln.Entry {
	return vuln.Entry{
		ID: id, Modified: Epoch.AddDate(0, 0, day).Format(time.RFC3339), Summary: id + " in " + pkg + " before " + fixed, Aliases: aliases,
		Affected: []vuln.Affected{{
			Package: vuln.Package{Ecosystem: "npm", Name: pkg},
			Ranges:  []vuln.Range{{Type: "SEMVER", Events: []vuln.Event{{Introduced: "0"}, {Fixed: fixed}}}},
		}},
	}
}

var (
	osvFeed = catalogue.Into{Name: "osv", Format: "osv"}
	kevFeed = catalogue.Into{Name: "kev", Format: "kev", Whole: true}
)

// take imports entries into a feed.
func (s *shelf) take(ctx context.Context, r catalogue.Request, into catalogue.Into, head catalogue.Head, entries ...vuln.Entry) (catalogue.Result, error) {
	x, err := s.Import(ctx, r)
	if err != nil {
		return catalogue.Result{}, err
	}
	err = x.Open(ctx, into)
	for i := range entries {
		if err == nil {
			p := vuln.Prepare(&entries[i])
			err = x.Add(ctx, into, &p)
		}
	}
	if err != nil {
		return catalogue.Result{}, fmt.Errorf("%w, %w", err, x.Abort(ctx, false))
	}
	return x.Finish(ctx, map[string]catalogue.Head{into.Name: head})
}

// npm is the key of a package.
func npm(name string) vuln.Key { return vuln.Key{Space: "npm", Name: name} }

// said gives all that is said under some keys as of a generation, a line for each fact, in order.
func (s *shelf) said(ctx context.Context, t *testing.T, generation int64, keys ...vuln.Key) []string {
	t.Helper()
	out := []string{}
	check(t, s.store.Lookup(ctx, generation, keys, func(k vuln.Key, f catalogue.Fact) error {
		out = append(out, line(k, f.Feed, f.Entry, f.Rank, f.Data))
		return nil
	}))
	slices.Sort(out)
	return out
}

func line(k vuln.Key, feed, entry string, rank uint8, data []byte) string {
	return fmt.Sprintf("%s|%s|%v: %s %s %d %s", k.Space, k.Name, k.ByVendor, feed, entry, rank, data)
}

// entriesUnder gives the ids of the entries that are found under a key now.
func (s *shelf) entriesUnder(ctx context.Context, t *testing.T, k vuln.Key) string {
	t.Helper()
	state, err := s.State(ctx)
	check(t, err)
	found := make(map[string]bool)
	check(t, s.store.Lookup(ctx, state.Generation, []vuln.Key{k}, func(_ vuln.Key, f catalogue.Fact) error {
		found[f.Entry] = true
		return nil
	}))
	return strings.Join(slices.Sorted(maps.Keys(found)), " ")
}

// testCatalogue imports, looks up and removes.
func testCatalogue(t *testing.T, e Engine) {
	ctx := t.Context()
	s := newShelf(Open(t, e.New(t)))
	v, err := s.View(ctx)
	check(t, err)
	groups, err := v.Groups(ctx, []vuln.Key{npm("left")})
	if err != nil || len(groups) != 0 || v.Generation() != 0 {
		t.Errorf("an empty catalogue: generation %d, %v, %v", v.Generation(), groups, err)
	}
	r, err := s.take(ctx, catalogue.Request{Source: "here"}, osvFeed, catalogue.Head{AsOf: Epoch, Input: "one"},
		advisory("A-1", "left", "1.0.0", 1, "CVE-2026-0001"), advisory("A-2", "right", "2.0.0", 1), vuln.Entry{}, advisory("A-1", "left", "1.1.0", 2, "CVE-2026-0001"))
	check(t, err)
	want := catalogue.Outcome{Name: "osv", Format: "osv", AsOf: Epoch, Entries: 2, Added: 2, Flawed: 1}
	if diff := cmp.Diff([]catalogue.Outcome{want}, r.Feeds); diff != "" || r.Generation != 1 || !r.Changed || len(r.Unused) != 1 {
		t.Errorf("%s%+v", diff, r)
	}
	feeds, err := s.Feeds(ctx)
	wantFeed := catalogue.Feed{ID: 1, Name: "osv", Format: "osv", AsOf: Epoch, ImportedAt: s.now, Entries: 2, Source: "here", Input: "one"}
	if diff := cmp.Diff([]catalogue.Feed{wantFeed}, feeds); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got, err := s.View(ctx); err != nil || got.Generation() != 1 {
		t.Errorf("the server that imported is at generation %d, %v", got.Generation(), err)
	}
	v, err = s.View(ctx)
	check(t, err)
	groups, err = v.Groups(ctx, []vuln.Key{npm("left"), npm("right"), npm("neither")})
	if err != nil || len(groups) != 2 {
		t.Errorf("%v, %v", groups, err)
	}
	d, ok, err := v.Describe(ctx, "CVE-2026-0001")
	if err != nil || !ok || d.Summary != "A-1 in left before 1.1.0" {
		t.Errorf("%+v, %v, %v", d, ok, err)
	}
	// The same once more changes nothing.
	r, err = s.take(ctx, catalogue.Request{}, osvFeed, catalogue.Head{}, advisory("A-1", "left", "1.1.0", 2, "CVE-2026-0001"), advisory("A-2", "right", "0.9.0", 0))
	check(t, err)
	if got := r.Feeds[0]; r.Changed || r.Generation != 1 || got.Unchanged != 1 || got.Older != 1 || !got.AsOf.Equal(Epoch) {
		t.Errorf("%+v", r)
	}
	// Withdrawn, and another package.
	gone := advisory("A-2", "right", "2.0.0", 3)
	gone.Withdrawn = gone.Modified
	r, err = s.take(ctx, catalogue.Request{}, osvFeed, catalogue.Head{}, gone, advisory("A-1", "middle", "1.1.0", 3))
	check(t, err)
	if got := r.Feeds[0]; r.Generation != 2 || got.Withdrawn != 1 || got.Changed != 2 || got.Entries != 1 {
		t.Errorf("%+v", r)
	}
	for _, k := range []vuln.Key{npm("left"), npm("right"), catalogue.CVE("CVE-2026-0001")} {
		if got := s.entriesUnder(ctx, t, k); got != "" {
			t.Errorf("%v: %s", k, got)
		}
	}
	// Who began before sees what was.
	if got := s.said(ctx, t, 1, npm("left"), npm("right"), npm("middle")); len(got) != 2 {
		t.Errorf("generation 1: %q", got)
	}
	if d, ok, err := v.Describe(ctx, "A-2"); err != nil || !ok || d.Summary == "" {
		t.Errorf("generation 1: %+v, %v, %v", d, ok, err)
	}
	testCatalogueRemoval(ctx, t, s)
}

func testCatalogueRemoval(ctx context.Context, t *testing.T, s *shelf) {
	_, err := s.Remove(ctx, "nope")
	wantCode(t, err, errs.NotFound)
	late := s.another() // a server that looks nothing up for long
	v, err := late.View(ctx)
	check(t, err)
	groups, err := v.Groups(ctx, []vuln.Key{npm("middle")})
	if err != nil || len(groups) != 1 {
		t.Errorf("generation %d: %v, %v", v.Generation(), groups, err)
	}
	r, err := s.Remove(ctx, "osv")
	check(t, err)
	if r.Generation != 3 || r.Feeds[0].Removed != 2 {
		t.Errorf("%+v", r)
	}
	feeds, err := s.Feeds(ctx)
	if err != nil || len(feeds) != 0 || s.entriesUnder(ctx, t, npm("middle")) != "" {
		t.Errorf("after removing: %v, %v", feeds, err)
	}
	if got := s.said(ctx, t, 2, npm("middle")); len(got) != 1 {
		t.Errorf("generation 2 does not see its feed any more: %q", got)
	}
	_, err = s.take(ctx, catalogue.Request{}, catalogue.Into{Name: "osv", Format: "cve5"}, catalogue.Head{}, advisory("A-1", "left", "1.0.0", 1))
	check(t, err)
	if got := s.entriesUnder(ctx, t, npm("left")); got != "A-1" {
		t.Errorf("a feed that came back: %q", got)
	}
	// What nobody sees goes once nobody needs it.
	s.turn(time.Hour)
	check(t, s.Reach(ctx, 99)) // beyond: nothing
	check(t, s.Purge(ctx))
	if got := s.said(ctx, t, 1, npm("left")); len(got) != 1 {
		t.Errorf("rows were removed that runs over devices need: %q", got)
	}
	check(t, s.Reach(ctx, 4))
	check(t, s.Reach(ctx, 2))
	check(t, s.Purge(ctx))
	for generation := range int64(4) {
		if got := s.said(ctx, t, generation, npm("left"), npm("right"), npm("middle"), catalogue.CVE("A-1")); len(got) != 0 {
			t.Errorf("generation %d has rows after purging: %q", generation, got)
		}
	}
	if got := s.entriesUnder(ctx, t, npm("left")); got != "A-1" {
		t.Errorf("purging took what is seen: %q", got)
	}
	_, err = s.Touched(ctx, 3, 4, catalogue.Cursor{}, 10)
	wantCode(t, err, errs.Stale)
	v, err = late.View(ctx)
	check(t, err)
	groups, err = v.Groups(ctx, []vuln.Key{npm("middle")})
	if err != nil || len(groups) != 0 || v.Generation() != 4 {
		t.Errorf("generation %d: %v, %v", v.Generation(), groups, err)
	}
	// Somebody may still look something up in the generation before.
	_, err = s.take(ctx, catalogue.Request{}, catalogue.Into{Name: "osv", Format: "cve5"}, catalogue.Head{}, advisory("A-1", "left", "1.0.1", 2))
	check(t, err)
	check(t, s.Reach(ctx, 5))
	check(t, s.Purge(ctx))
	if got := s.said(ctx, t, 4, npm("left")); len(got) != 1 {
		t.Errorf("rows were removed a moment after they were replaced: %q", got)
	}
}

// touched gives all that changed between two generations.
func (s *shelf) touched(ctx context.Context, t *testing.T, from, to int64) string {
	t.Helper()
	found := make(map[string]bool)
	for c := (catalogue.Cursor{}); !c.End; {
		part, err := s.Touched(ctx, from, to, c, 2)
		check(t, err)
		for _, k := range part.Keys {
			found[k.Name] = true
		}
		for _, id := range part.IDs {
			found[id] = true
		}
		c = part.Next
	}
	return strings.Join(slices.Sorted(maps.Keys(found)), " ")
}

func testCatalogueTouched(t *testing.T, e Engine) {
	ctx := t.Context()
	s := newShelf(Open(t, e.New(t)))
	first := []vuln.Entry{
		advisory("A-1", "one", "1.0.0", 1), advisory("A-2", "two", "1.0.0", 1), advisory("A-3", "three", "1.0.0", 1),
		advisory("A-4", "four", "1.0.0", 1), advisory("A-5", "five", "1.0.0", 1),
	}
	_, err := s.take(ctx, catalogue.Request{}, osvFeed, catalogue.Head{}, first...)
	check(t, err)
	words := advisory("A-4", "four", "1.0.0", 2)
	words.Summary = "the same in other words"
	_, err = s.take(ctx, catalogue.Request{}, osvFeed, catalogue.Head{}, advisory("A-2", "deux", "1.0.0", 2), advisory("A-3", "three", "1.0.1", 2), words)
	check(t, err)
	_, err = s.take(ctx, catalogue.Request{Replace: true, AllowShrink: true}, osvFeed, catalogue.Head{}, first[0], advisory("A-3", "three", "1.0.2", 3), words)
	check(t, err)
	for _, c := range []struct {
		from, to int64
		want     string
	}{
		{0, 1, "A-1 A-2 A-3 A-4 A-5 five four one three two"},
		{1, 2, "A-2 A-3 A-4 deux three two"}, // A-4 affects what it did
		{2, 3, "A-2 A-3 A-5 deux five three"},
		{1, 3, "A-2 A-3 A-4 A-5 deux five three two"},
		{3, 3, ""},
	} {
		if got := s.touched(ctx, t, c.from, c.to); got != c.want {
			t.Errorf("from %d to %d: %s, want %s", c.from, c.to, got, c.want)
		}
	}
}

// testCatalogueGuards: what is broken, empty, older or truncated takes nothing away.
func testCatalogueGuards(t *testing.T, e Engine) {
	ctx := t.Context()
	s := newShelf(Open(t, e.New(t)))
	var all []vuln.Entry
	for i := range 10 {
		all = append(all, advisory(fmt.Sprintf("CVE-2026-%04d", i), "p", "1.0.0", 0))
	}
	_, err := s.take(ctx, catalogue.Request{}, kevFeed, catalogue.Head{AsOf: Epoch}, all...)
	check(t, err)
	before := s.said(ctx, t, 1, npm("p"))
	other := all[9]
	other.Summary = "otherwise"
	for _, c := range []struct {
		name    string
		request catalogue.Request
		asOf    time.Time
		entries []vuln.Entry
		want    errs.Code
	}{
		{"empty", catalogue.Request{AllowShrink: true, AllowOlder: true}, Epoch, nil, errs.Invalid},
		{"older", catalogue.Request{}, Epoch.Add(-time.Hour), append(slices.Clone(all[:9]), other), errs.Conflict},
		{"truncated", catalogue.Request{AllowOlder: true}, Epoch, all[:7], errs.Conflict},
		{"without ids", catalogue.Request{}, Epoch, []vuln.Entry{{}, {}}, errs.Invalid},
	} {
		_, err = s.take(ctx, c.request, kevFeed, catalogue.Head{AsOf: c.asOf}, c.entries...)
		if !errs.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		state, err := s.State(ctx)
		if err != nil || state.Generation != 1 || state.Input != "" || state.Holder != "" {
			t.Errorf("%s: %+v, %v", c.name, state, err)
		}
		if diff := cmp.Diff(before, s.said(ctx, t, 1, npm("p"))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if diff := cmp.Diff([]string{}, s.said(ctx, t, 2, npm("nothing"))); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	// Broken: what was read before is no more seen than the rest.
	x, err := s.Import(ctx, catalogue.Request{})
	check(t, err)
	for i := range all[:9] {
		e := advisory(all[i].ID, "elsewhere", "1.0.0", 5)
		p := vuln.Prepare(&e)
		check(t, x.Add(ctx, kevFeed, &p))
	}
	check(t, x.Abort(ctx, false))
	if diff := cmp.Diff(before, s.said(ctx, t, 1, npm("p"))); diff != "" {
		t.Error(diff)
	}
	// What is asked for is done.
	r, err := s.take(ctx, catalogue.Request{AllowOlder: true, AllowShrink: true}, kevFeed, catalogue.Head{AsOf: Epoch.Add(-time.Hour)}, all[:7]...)
	check(t, err)
	if r.Feeds[0].Removed != 3 || r.Feeds[0].Entries != 7 || !r.Feeds[0].AsOf.Equal(Epoch.Add(-time.Hour)) {
		t.Errorf("%+v", r)
	}
	r, err = s.take(ctx, catalogue.Request{}, kevFeed, catalogue.Head{AsOf: Epoch.Add(-time.Hour)}, all[:6]...)
	if err != nil || r.Feeds[0].Removed != 1 {
		t.Errorf("six of seven: %+v, %v", r, err)
	}
	// Of a feed that is not known, too, and of one that is added to.
	for _, into := range []catalogue.Into{osvFeed, {Name: "epss", Format: "epss", Whole: true}} {
		_, err = s.take(ctx, catalogue.Request{}, into, catalogue.Head{}, vuln.Entry{})
		wantCode(t, err, errs.Invalid)
	}
	if feeds, err := s.Feeds(ctx); err != nil || len(feeds) != 1 {
		t.Errorf("feeds: %v, %v", feeds, err)
	}
	_, err = s.take(ctx, catalogue.Request{}, catalogue.Into{Name: "kev", Format: "osv"}, catalogue.Head{}, all...)
	wantCode(t, err, errs.Invalid)
	_, err = s.take(ctx, catalogue.Request{}, catalogue.Into{Name: "../x", Format: "osv"}, catalogue.Head{}, all...)
	wantCode(t, err, errs.Invalid)
}

// testCatalogueAtOnce: there is one import at a time; one that died is taken up or undone.
func testCatalogueAtOnce(t *testing.T, e Engine) {
	ctx := t.Context()
	s := newShelf(Open(t, e.New(t)))
	_, err := s.take(ctx, catalogue.Request{}, osvFeed, catalogue.Head{}, advisory("A-1", "one", "1.0.0", 1), advisory("A-2", "two", "1.0.0", 1))
	check(t, err)
	many := make([]vuln.Entry, 0, 400)
	for i := range 400 {
		many = append(many, advisory(fmt.Sprintf("B-%04d", i), "many", "1.0.0", 1))
	}
	many = append(many, advisory("A-1", "one", "2.0.0", 2))
	begin := func(input string, n int) *catalogue.Session {
		x, err := s.Import(ctx, catalogue.Request{Input: input, Replace: true, AllowShrink: true})
		check(t, err)
		for i := range many[:n] {
			p := vuln.Prepare(&many[len(many)-1-i])
			check(t, x.Add(ctx, osvFeed, &p))
		}
		return x
	}
	first := begin("first", 250)
	// One that lives renews its lease while the other waits whether it does.
	alive := catalogue.New(catalogue.Options{Store: s.store, Now: func() time.Time { return s.now }, Wait: func(ctx context.Context, _ time.Duration) error {
		s.turn(time.Second)
		return first.Renew(ctx)
	}})
	_, err = alive.Import(ctx, catalogue.Request{Input: "second"})
	wantCode(t, err, errs.Conflict)
	// It dies. Another is begun, and undoes what it staged.
	second := begin("second", 300)
	if got := s.said(ctx, t, 2, npm("many")); len(got) != 300-300%200 && len(got) == 0 {
		t.Errorf("%d facts staged", len(got))
	}
	if got := s.entriesUnder(ctx, t, npm("many")); got != "" {
		t.Errorf("what is staged is seen: %s", got)
	}
	p := vuln.Prepare(&many[0])
	err = errsOf(first.Add(ctx, osvFeed, &p), func() error { _, err := first.Finish(ctx, nil); return err })
	wantCode(t, err, errs.Conflict)
	check(t, second.Abort(ctx, true))
	// The same again goes on where it was.
	third, err := s.Import(ctx, catalogue.Request{Input: "second", Replace: true, AllowShrink: true})
	check(t, err)
	for i := range many {
		p := vuln.Prepare(&many[len(many)-1-i])
		check(t, third.Add(ctx, osvFeed, &p))
	}
	r, err := third.Finish(ctx, nil)
	check(t, err)
	if got := r.Feeds[0]; !r.Resumed || r.Generation != 2 || got.Added != 400 || got.Changed != 1 || got.Removed != 1 || got.Entries != 401 {
		t.Errorf("%+v", r)
	}
	if got := s.touched(ctx, t, 1, 2); !strings.Contains(got, "one") || !strings.Contains(got, "two") || !strings.Contains(got, "many") {
		t.Errorf("touched: %s", got)
	}
	begin("dead", 300)
	s.turn(time.Hour)
	check(t, s.Discard(ctx))
	state, err := s.State(ctx)
	if err != nil || state.Input != "" || state.Holder != "" || len(s.said(ctx, t, 3, npm("many"))) != 400 {
		t.Errorf("after discarding: %+v, %v", state, err)
	}
	_, err = s.take(ctx, catalogue.Request{DryRun: true, Replace: true, AllowShrink: true}, osvFeed, catalogue.Head{}, many[:1]...)
	check(t, err)
	if got := s.said(ctx, t, 3, npm("many")); len(got) != 400 {
		t.Errorf("a dry run left %d", len(got))
	}
}

func errsOf(err error, then func() error) error {
	if err != nil {
		return err
	}
	return then()
}
