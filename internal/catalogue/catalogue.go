// Package catalogue keeps what feeds say of vulnerabilities: it takes imports in, so that none is ever half visible, and
// looks things up, so that all answers of one judgement come from one generation.
//
// Every version of an entry carries the generation that it was added in and the one that removed it. An import stages rows of
// the next generation, which nobody sees until one small transaction names it the current one.
package catalogue

import (
	"context"
	"log/slog"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"muster/internal/errs"
	"muster/internal/vuln"
)

// Feed is a source of entries, and how it stands.
type Feed struct {
	ID         int64
	Name       string
	Format     string
	AsOf       time.Time // what it says of its own age; zero where it says nothing
	ImportedAt time.Time // zero while its first import is under way
	Entries    int64     // that say anything
	Source     string    // where it was last read from, for people
	Input      string    // tells the last input from another
}

// Time is the time that the age of a feed counts from.
func (f *Feed) Time() time.Time {
	if f.AsOf.IsZero() {
		return f.ImportedAt
	}
	return f.AsOf
}

// State is how the catalogue stands.
type State struct {
	Generation int64 // 0 while nothing was ever imported
	// Reached is the generation that the work over devices has reached: what tells the difference to it is kept.
	Reached int64
	// Purged is the newest generation whose removed entries are gone.
	Purged int64
	// Holder imports now, and may until a time. Input says from what; it stays where an import broke off, and there may be
	// rows that it staged.
	Holder string
	Until  time.Time
	Input  string
}

// Lease is the right to import.
type Lease struct {
	Holder     string
	Now, Until time.Time
}

// Fact is one thing that an entry says under a key.
type Fact struct {
	Feed, Entry string
	Rank        uint8
	Data        []byte
}

// Version is a version of an entry.
type Version struct {
	Entry    int64 // its number
	Name     string
	Modified time.Time
	Digest   [DigestSize]byte
	Staged   bool  // by the import under way
	Replaces int64 // the version that it takes the place of; 0 for none
}

// DigestSize is how many bytes of a digest are kept: enough to tell versions of one entry apart.
const DigestSize = 16

// Staged is an entry to be stored.
type Staged struct {
	Feed     int64
	Name     string
	Modified time.Time
	Digest   [DigestSize]byte
	Replaces int64 // number of the version that it takes the place of; 0 for none
	Drops    int64 // number of a staged version that it takes the place of; 0 for none
	Facts    []StagedFact
}

// StagedFact is what an entry says, under all keys that it says it under.
type StagedFact struct {
	Keys []RankedKey
	Data []byte
}

// RankedKey is a key and what the word of the entry is worth under it.
type RankedKey struct {
	vuln.Key
	Rank uint8
}

// Switch is the end of an import.
type Switch struct {
	// Changed says that something is staged: without, there is no new generation.
	Changed bool
	Feeds   []Feed  // as they stand from now on
	Gone    []int64 // feeds that are removed
	At      time.Time
}

// Cursor is a place in the list of what generations touched; the zero Cursor is its beginning.
type Cursor struct {
	Removed bool  // the first part, by entries that were added, is through
	Since   int64 // generation, in the second part
	Entry   int64
	End     bool
}

// Store keeps the catalogue. What takes a Lease fails with Conflict where the holder has it no longer.
type Store interface {
	State(ctx context.Context) (State, error)
	// Feeds lists the feeds in the order of their names, also those whose first import is under way.
	Feeds(ctx context.Context) ([]Feed, error)
	// Lookup gives all that is said under keys, as of a generation; each key once.
	Lookup(ctx context.Context, generation int64, keys []vuln.Key, each func(vuln.Key, Fact) error) error
	// Current gives the versions that entries of a feed have with what is staged, for those that there are.
	Current(ctx context.Context, feed int64, names []string) (map[string]Version, error)
	// CurrentAfter goes through all of them in the order of their names; only Entry and Name are filled.
	CurrentAfter(ctx context.Context, feed int64, after string, limit int) ([]Version, error)
	// CountCurrent counts those that say anything.
	CountCurrent(ctx context.Context, feed int64) (int64, error)
	// Touched gives the keys under which something changed between two generations, and where to go on. It looks at so many
	// entries; a key may come more than once.
	Touched(ctx context.Context, from, to int64, after Cursor, limit int) ([]vuln.Key, Cursor, error)
	// GenerationAt gives the generation that was the current one at a time, 0 for none.
	GenerationAt(ctx context.Context, at time.Time) (int64, error)

	// Take gives the lease to a holder, if nobody else has it, and says how things stood before.
	Take(ctx context.Context, l Lease) (State, error)
	// Renew keeps the lease.
	Renew(ctx context.Context, l Lease) error
	// Begin says what is imported from.
	Begin(ctx context.Context, l Lease, input string) error
	// NewFeed makes a feed, or gives the one of that name.
	NewFeed(ctx context.Context, l Lease, name, format string) (Feed, error)
	// Stage stores entries of the next generation.
	Stage(ctx context.Context, l Lease, entries []Staged) error
	// StageRemoval removes entries in the next generation.
	StageRemoval(ctx context.Context, l Lease, entries []int64) error
	// Discard undoes a part of what is staged, and reports whether nothing is left.
	Discard(ctx context.Context, l Lease, limit int) (bool, error)
	// Switch makes the next generation the current one, if there is anything new, and ends the import. It gives the current
	// generation.
	Switch(ctx context.Context, l Lease, s Switch) (int64, error)
	// Release gives the lease up; what is staged stays for whoever goes on.
	Release(ctx context.Context, holder string) error

	// Reach says what State calls Reached; it never goes back.
	Reach(ctx context.Context, generation int64) error
	// Purge removes some rows that nobody sees since a generation, and reports whether none is left.
	Purge(ctx context.Context, generation int64, limit int) (bool, error)
	// Settle has the database look how much there is by now, where it plans by that.
	Settle(ctx context.Context) error
	// Rest is for how long an import leaves the database to others after each transaction.
	Rest() time.Duration
}

// Options are what a Service is made of. Store must be there.
type Options struct {
	Store Store
	Now   func() time.Time // time.Now when nil
	Log   *slog.Logger     // slog.Default() when nil
	// Wait waits for so long, or until the context ends; for tests.
	Wait func(ctx context.Context, d time.Duration) error
	// Memory bounds the bytes that are kept for looking things up; 96 MiB when 0.
	Memory int
	// Batch is how many facts are stored at once; 0 lets that follow from how long it takes.
	Batch int
	// Touched, where not nil, is called when this server has seen a new generation.
	Touched func()
}

// Service is what can be done with the catalogue. All methods may be called at once from many goroutines.
type Service struct {
	store  Store
	now    func() time.Time
	log    *slog.Logger
	wait   func(ctx context.Context, d time.Duration) error
	memory int
	batch  int
	wake   func()

	mu      sync.Mutex // of whoever reads how the catalogue stands
	current atomic.Pointer[known]
	checked atomic.Int64 // when that was last read, in nanoseconds since 1970
}

// New makes a Service.
func New(o Options) *Service {
	s := &Service{store: o.Store, now: o.Now, log: o.Log, wait: o.Wait, memory: o.Memory, batch: o.Batch, wake: o.Touched}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.wait == nil {
		s.wait = pause
	}
	if s.memory == 0 {
		s.memory = 96 << 20
	}
	if s.wake == nil {
		s.wake = func() {}
	}
	return s
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// State gives how the catalogue stands.
func (s *Service) State(ctx context.Context) (State, error) { return s.store.State(ctx) }

// Feeds lists the feeds that were imported, in the order of their names.
func (s *Service) Feeds(ctx context.Context) ([]Feed, error) {
	all, err := s.store.Feeds(ctx)
	var out []Feed
	for i := range all {
		if !all[i].ImportedAt.IsZero() {
			out = append(out, all[i])
		}
	}
	return out, err
}

// Feed gives one. NotFound: none of that name was imported.
func (s *Service) Feed(ctx context.Context, name string) (Feed, error) {
	all, err := s.Feeds(ctx)
	if err != nil {
		return Feed{}, err
	}
	for i := range all {
		if all[i].Name == name {
			return all[i], nil
		}
	}
	return Feed{}, errs.New(errs.NotFound, "There is no feed %q; 'muster feed list' shows those there are", name)
}

var feedName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// CheckName says what is wrong with the name of a feed.
func CheckName(name string) error {
	if !feedName.MatchString(name) {
		return errs.InvalidField("name", "A feed is named by up to 64 small letters, digits, dots, hyphens and underlines, a letter or digit first: %q is not", name)
	}
	return nil
}

// clock gives the time to the millisecond, as it is stored.
func (s *Service) clock() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// CVE is the key under which what is said of a CVE, or of an entry by its id, is kept: it is in no space.
func CVE(id string) vuln.Key { return vuln.Key{Name: id} }
