package catalogue

import (
	"cmp"
	"context"
	"crypto/rand"
	"hash/maphash"
	"regexp"
	"slices"
	"strings"
	"time"

	"muster/internal/errs"
	"muster/internal/vuln"
)

// Request says what an import is to do.
type Request struct {
	// Input tells one input from another: an import that broke off is taken up again by one with the same. "" never is.
	Input  string
	Source string // for people
	// Replace has every feed that is read replaced: what is not in the input is removed. Lists that are whole are replaced anyway.
	Replace bool
	// AllowOlder and AllowShrink let a feed be replaced by one that is older, or has less than four fifths of its entries.
	AllowOlder, AllowShrink bool
	// DryRun finds out what would change, and changes nothing.
	DryRun bool
}

// Into says which feed an entry belongs to.
type Into struct {
	Name, Format string
	Whole        bool // the format is that of whole lists: what is not there is gone
}

// Outcome is what an import did to a feed.
type Outcome struct {
	Name   string    `json:"name"`
	Format string    `json:"format"`
	AsOf   time.Time `json:"as_of,omitzero"`
	// Entries are those that say anything, after the import.
	Entries   int64 `json:"entries"`
	Added     int64 `json:"added"`
	Changed   int64 `json:"changed"`
	Unchanged int64 `json:"unchanged"`
	Older     int64 `json:"older"`     // than what is stored, and left out
	Withdrawn int64 `json:"withdrawn"` // among those read
	Removed   int64 `json:"removed"`   // because they are not there any more
	Flawed    int64 `json:"flawed"`    // times that something in it could not be used: see Unused
}

// Result is what an import did.
type Result struct {
	Generation int64     `json:"generation"`
	Changed    bool      `json:"changed"` // there is a new generation
	Resumed    bool      `json:"resumed"` // an import that had broken off was taken up
	Feeds      []Outcome `json:"feeds"`
	// Unused is what could not be used, the most frequent first.
	Unused []Unused `json:"unused"`
}

// Unused is something about entries that could not be used. What stands beside it in the entry is.
type Unused struct {
	Reason   string   `json:"reason"`
	Times    int64    `json:"times"`
	Examples []string `json:"examples"`
}

const (
	// leaseFor is for how long an import has its lease; whoever runs it renews it in a third of that.
	leaseFor = 15 * time.Second
	// RenewEvery is how often Renew is to be called while an import goes on.
	RenewEvery = leaseFor / 3
	// maxReasons is how many reasons are told why something was not used.
	maxReasons = 100
	// MaxExamples is how many examples of each are told.
	MaxExamples = 3

	// A transaction is to take about this long: everybody else's changes wait for it.
	wantedTime = 80 * time.Millisecond
	// Facts in a batch, which follow from how long the ones before took.
	minBatch, firstBatch, maxBatch = 50, 200, 5000
	discardPart                    = 200
	// After so many entries, and twice as many, and so on, the database looks how much there is.
	firstSettle = 1000
)

// Session is an import under way. Its methods are called by one goroutine at a time, but for Renew.
type Session struct {
	service *Service
	request Request
	holder  string
	state   State
	resumed bool
	changed bool // something is staged
	feeds   map[string]*feeding
	order   []*feeding
	seed    maphash.Seed
	result  Result
	unused  map[string]*Unused // by the reason

	waiting  []waiting
	names    map[named]bool // of those waiting
	weight   int            // of those waiting
	batch    int            // weight at which they are stored
	most     int            // that batch may become
	staged   int            // entries so far
	settle   int            // when so many are staged, the database looks how much there is
	finished bool
}

type named struct {
	feed *feeding
	name string
}

type waiting struct {
	named
	staged Staged
	live   bool
}

// feeding is a feed that is being read.
type feeding struct {
	Feed
	whole   bool
	known   bool            // it was imported before
	seen    map[uint64]bool // digests of the names that were read, and whether they say anything; where whole
	live    int64           // of these, those that do
	outcome Outcome
}

// Import begins an import. Conflict: another one is under way. What one that broke off has staged is taken up where it has
// the same input, and undone where not.
func (s *Service) Import(ctx context.Context, r Request) (*Session, error) {
	x := &Session{
		service: s, request: r, holder: rand.Text(), feeds: make(map[string]*feeding), seed: maphash.MakeSeed(),
		names: make(map[named]bool), unused: make(map[string]*Unused), batch: firstBatch, most: maxBatch, settle: firstSettle,
	}
	if s.batch > 0 {
		x.batch, x.most = s.batch, s.batch
	}
	var err error
	if r.DryRun {
		x.state, err = s.store.State(ctx)
		if err == nil && x.state.Input != "" {
			err = errs.New(errs.Conflict, "An import is under way, or broke off: wait for it, run it again, or undo it with 'muster feed import --discard'")
		}
		return x, err
	}
	x.state, err = s.take(ctx, x.holder)
	if err != nil {
		return nil, err
	}
	x.resumed = r.Input != "" && x.state.Input == r.Input
	if x.state.Input != "" && !x.resumed {
		err = x.discard(ctx)
	}
	if err == nil {
		err = s.store.Begin(ctx, x.lease(), inputOr(r.Input))
	}
	if err != nil {
		return nil, x.release(ctx, err)
	}
	x.changed = x.resumed // it may have come far
	return x, nil
}

// inputOr names an input that cannot be told from others.
func inputOr(input string) string {
	if input == "" {
		return "unnamed"
	}
	return input
}

// Discard undoes what an import that broke off has staged.
func (s *Service) Discard(ctx context.Context) error {
	x := &Session{service: s, holder: rand.Text()}
	_, err := s.take(ctx, x.holder)
	if err != nil {
		return err
	}
	return x.release(ctx, x.discard(ctx))
}

// take gets the lease. Where somebody has it who may be dead, it waits: one who lives renews it before it ends.
func (s *Service) take(ctx context.Context, holder string) (State, error) {
	var first State
	for {
		now := s.clock()
		state, err := s.store.Take(ctx, Lease{Holder: holder, Now: now, Until: now.Add(leaseFor)})
		if !errs.Is(err, errs.Conflict) {
			return state, err
		}
		if first.Holder == "" {
			first = state
			s.log.Info("an import is under way, or died a moment ago; waiting to see which", "until", state.Until)
		}
		if state.Holder != first.Holder || !state.Until.Equal(first.Until) {
			return state, errs.New(errs.Conflict, "Another import is under way; there is one at a time")
		}
		err = s.wait(ctx, time.Second)
		if err != nil {
			return state, err
		}
	}
}

func (x *Session) lease() Lease {
	now := x.service.clock()
	return Lease{Holder: x.holder, Now: now, Until: now.Add(leaseFor)}
}

// Renew keeps others from taking the import for dead while it waits for its input.
func (x *Session) Renew(ctx context.Context) error {
	if x.request.DryRun {
		return nil
	}
	return x.service.store.Renew(ctx, x.lease())
}

// discard undoes everything that is staged.
func (x *Session) discard(ctx context.Context) error {
	for {
		done, err := x.service.store.Discard(ctx, x.lease(), discardPart)
		if err != nil || done {
			return err
		}
		err = x.service.wait(ctx, x.service.store.Rest())
		if err != nil {
			return err
		}
	}
}

// release gives the lease up after an error, or without.
func (x *Session) release(ctx context.Context, err error) error {
	failed := x.service.store.Release(context.WithoutCancel(ctx), x.holder)
	if err != nil {
		return err
	}
	return failed
}

// Abort ends an import that came to nothing. Unless its input is to be read again, what it staged is undone.
func (x *Session) Abort(ctx context.Context, resume bool) error {
	if x.finished || x.request.DryRun {
		return nil
	}
	x.finished = true
	if resume && x.request.Input != "" {
		return x.release(ctx, nil)
	}
	ctx = context.WithoutCancel(ctx)
	return x.release(ctx, x.discard(ctx))
}

// Unused notes that something in a feed could not be used.
func (x *Session) Unused(feed string, u Unused) {
	if f := x.feeds[feed]; f != nil {
		f.outcome.Flawed += u.Times
	}
	known := x.unused[u.Reason]
	if known == nil {
		if len(x.unused) >= maxReasons {
			return
		}
		known = &Unused{Reason: u.Reason, Examples: []string{}}
		x.unused[u.Reason] = known
	}
	known.Times += u.Times
	known.Examples = append(known.Examples, u.Examples[:min(len(u.Examples), MaxExamples-len(known.Examples))]...)
}

// told lists what could not be used.
func (x *Session) told() []Unused {
	out := make([]Unused, 0, len(x.unused))
	for _, u := range x.unused {
		out = append(out, *u)
	}
	slices.SortFunc(out, func(a, b Unused) int {
		return cmp.Or(cmp.Compare(b.Times, a.Times), strings.Compare(a.Reason, b.Reason))
	})
	return out
}

var quoted = regexp.MustCompile(`"[^"]*"`)

// reasonOf is what problems of several entries have in common.
func reasonOf(id, problem string) string {
	return quoted.ReplaceAllString(strings.TrimPrefix(problem, id+": "), "…")
}

// Open begins with a feed, also where nothing is read into it after all: a whole list that is empty must be noticed.
func (x *Session) Open(ctx context.Context, into Into) error {
	_, err := x.open(ctx, into)
	return err
}

func (x *Session) open(ctx context.Context, into Into) (*feeding, error) {
	f := x.feeds[into.Name]
	if f != nil {
		if f.Format != into.Format {
			return nil, errs.New(errs.Invalid, "The feed %s would be of the formats %s and %s; give them different names", into.Name, f.Format, into.Format)
		}
		return f, nil
	}
	err := CheckName(into.Name)
	if err != nil {
		return nil, err
	}
	f = &feeding{whole: into.Whole || x.request.Replace}
	f.Feed, err = x.feed(ctx, into)
	if err != nil {
		return nil, err
	}
	if f.Format != into.Format {
		return nil, errs.New(errs.Invalid, "The feed %s is of the format %s, and this is %s; give it another name", into.Name, f.Format, into.Format)
	}
	f.known = !f.ImportedAt.IsZero()
	f.outcome = Outcome{Name: f.Name, Format: f.Format}
	if f.whole {
		f.seen = make(map[uint64]bool)
	}
	x.feeds[into.Name] = f
	x.order = append(x.order, f)
	return f, nil
}

func (x *Session) feed(ctx context.Context, into Into) (Feed, error) {
	if !x.request.DryRun {
		return x.service.store.NewFeed(ctx, x.lease(), into.Name, into.Format)
	}
	f, err := x.service.Feed(ctx, into.Name)
	if errs.Is(err, errs.NotFound) {
		return Feed{Name: into.Name, Format: into.Format}, nil
	}
	return f, err
}

// Add takes an entry in.
func (x *Session) Add(ctx context.Context, into Into, p *vuln.Prepared) error {
	f, err := x.open(ctx, into)
	if err != nil {
		return err
	}
	for _, problem := range p.Problems {
		x.Unused(f.Name, Unused{Reason: reasonOf(p.ID, problem), Times: 1, Examples: []string{problem}})
	}
	if p.ID == "" {
		return nil
	}
	if p.Withdrawn {
		f.outcome.Withdrawn++
	}
	w := waiting{named: named{f, p.ID}, staged: stagedOf(f.ID, p)}
	w.live = len(w.staged.Facts) > 0
	f.note(maphash.String(x.seed, p.ID), w.live)
	if x.names[w.named] {
		// Twice in one batch: which one stays depends on the other being stored.
		err = x.flush(ctx)
		if err != nil {
			return err
		}
	}
	x.names[w.named] = true
	x.waiting = append(x.waiting, w)
	x.weight += 1 + len(w.staged.Facts)
	if x.weight < x.batch {
		return nil
	}
	return x.flush(ctx)
}

// note remembers which names were read.
func (f *feeding) note(name uint64, live bool) {
	if f.seen == nil {
		if live {
			f.live++
		}
		return
	}
	was, ok := f.seen[name]
	if ok && was {
		f.live--
	}
	f.seen[name] = live
	if live {
		f.live++
	}
}

// stagedOf puts together what an entry says in the same words under several keys.
func stagedOf(feed int64, p *vuln.Prepared) Staged {
	out := Staged{Feed: feed, Name: p.ID, Modified: p.Modified.UTC().Truncate(time.Millisecond)}
	copy(out.Digest[:], p.Digest[:])
	place := make(map[string]int)
	say := func(k RankedKey, data []byte) {
		i, ok := place[string(data)]
		if !ok {
			i = len(out.Facts)
			place[string(data)] = i
			out.Facts = append(out.Facts, StagedFact{Data: data})
		}
		out.Facts[i].Keys = append(out.Facts[i].Keys, k)
	}
	for i := range p.Targets {
		for _, k := range p.Targets[i].Keys {
			say(RankedKey{Key: k}, p.Targets[i].Data)
		}
	}
	for i := range p.About {
		a := &p.About[i]
		say(RankedKey{Key: CVE(a.ID), Rank: uint8(a.Rank)}, a.Data)
	}
	for i := range out.Facts {
		out.Facts[i].Keys = distinct(out.Facts[i].Keys)
	}
	return out
}

// distinct leaves out keys that come again, keeping the better rank.
func distinct(keys []RankedKey) []RankedKey {
	if len(keys) < 2 {
		return keys
	}
	at := make(map[vuln.Key]int, len(keys))
	out := keys[:0]
	for _, k := range keys {
		i, ok := at[k.Key]
		if ok {
			out[i].Rank = min(out[i].Rank, k.Rank)
			continue
		}
		at[k.Key] = len(out)
		out = append(out, k)
	}
	return out
}

// flush decides about those that wait, and stages them.
func (x *Session) flush(ctx context.Context) error {
	if len(x.waiting) == 0 {
		return nil
	}
	began := x.service.now()
	var stage []Staged
	for _, f := range x.order {
		some, err := x.decide(ctx, f)
		if err != nil {
			return err
		}
		stage = append(stage, some...)
	}
	x.waiting, x.weight = x.waiting[:0], 0
	clear(x.names)
	if len(stage) == 0 {
		return nil
	}
	x.changed = true
	if x.request.DryRun {
		return nil
	}
	err := x.service.store.Stage(ctx, x.lease(), stage)
	if err != nil {
		return err
	}
	x.adapt(x.service.now().Sub(began))
	x.staged += len(stage)
	if x.staged >= x.settle {
		x.settle = 2 * x.staged
		err = x.service.store.Settle(ctx)
		if err != nil {
			return err
		}
	}
	return x.service.wait(ctx, x.service.store.Rest())
}

// adapt makes batches as large as others can bear.
func (x *Session) adapt(took time.Duration) {
	switch {
	case took > wantedTime:
		x.batch = max(min(minBatch, x.most), x.batch/2)
	case took < wantedTime/2:
		x.batch = min(x.most, x.batch*3/2)
	}
}

// decide finds out which of those that wait for a feed are new, or newer than what is stored.
func (x *Session) decide(ctx context.Context, f *feeding) ([]Staged, error) {
	var names []string
	for i := range x.waiting {
		if x.waiting[i].feed == f {
			names = append(names, x.waiting[i].name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	stored := make(map[string]Version)
	if f.ID != 0 { // a dry run makes no feeds
		var err error
		stored, err = x.service.store.Current(ctx, f.ID, names)
		if err != nil {
			return nil, err
		}
	}
	var out []Staged
	for i := range x.waiting {
		w := &x.waiting[i]
		if w.feed != f {
			continue
		}
		v, there := stored[w.name]
		if f.weigh(&w.staged, &v, there) {
			out = append(out, w.staged)
		}
	}
	return out, nil
}

// weigh counts an entry, and reports whether it is to be stored.
func (f *feeding) weigh(e *Staged, v *Version, there bool) bool {
	o := &f.outcome
	switch {
	case !there:
		o.Added++
		return true
	case v.Digest == e.Digest && v.Modified.Equal(e.Modified):
		// What this import, before it broke off, has staged.
		switch {
		case v.Staged && v.Replaces != 0:
			o.Changed++
		case v.Staged:
			o.Added++
		default:
			o.Unchanged++
		}
		return false
	case !f.whole && e.Modified.Before(v.Modified):
		o.Older++
		return false
	default:
		if v.Staged { // it is in the input twice
			e.Drops, e.Replaces = v.Entry, v.Replaces
			return true
		}
		e.Replaces = v.Entry
		o.Changed++
		return true
	}
}
