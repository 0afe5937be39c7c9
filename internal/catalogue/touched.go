package catalogue

import (
	"context"
	"time"

	"muster/internal/errs"
	"muster/internal/vuln"
)

// Changes is a part of what changed between two generations.
type Changes struct {
	Keys []vuln.Key // of packages, applications and systems
	IDs  []string   // CVEs, and entries by their ids
	Next Cursor     // Next.End: there is no more
}

// Touched gives a part of what changed between two generations: the keys under which something is found that was not, or the
// other way about, and the CVEs of which something else is said. It looks at so many entries; a key may come again in a
// later part. Stale: from is so old that nobody can tell any more, and all that has to do with the catalogue may have changed.
func (s *Service) Touched(ctx context.Context, from, to int64, after Cursor, limit int) (Changes, error) {
	state, err := s.store.State(ctx)
	if err != nil {
		return Changes{}, err
	}
	if from < state.Purged {
		return Changes{}, errs.New(errs.Stale, "What changed since generation %d of the catalogue is not known any more", from)
	}
	keys, next, err := s.store.Touched(ctx, from, to, after, limit)
	out := Changes{Next: next}
	seen := make(map[vuln.Key]bool, len(keys))
	for _, k := range keys {
		switch {
		case seen[k]:
		case k.Space == "":
			out.IDs = append(out.IDs, k.Name)
		default:
			out.Keys = append(out.Keys, k)
		}
		seen[k] = true
	}
	return out, err
}

// Reach says that all devices have been judged by a generation: what Touched needs to tell the difference from it on is
// kept, and not what it needs for earlier ones. It never goes back.
func (s *Service) Reach(ctx context.Context, generation int64) error {
	return s.store.Reach(ctx, generation)
}

const (
	// keepGone is for how long the rows of a generation that another took the place of are kept: nobody looks anything up
	// for that long.
	keepGone = 10 * time.Minute
	// purgePart is how many entries one transaction removes.
	purgePart = 200
)

// Purge removes entries that nobody sees any more and nobody needs to tell what changed, a part at a time.
func (s *Service) Purge(ctx context.Context) error {
	state, err := s.store.State(ctx)
	if err != nil {
		return err
	}
	gone, err := s.store.GenerationAt(ctx, s.clock().Add(-keepGone))
	if err != nil {
		return err
	}
	// What a generation removed is seen in the one before.
	upTo := min(gone, state.Reached)
	if upTo <= state.Purged {
		return nil
	}
	for ctx.Err() == nil {
		done, err := s.store.Purge(ctx, upTo, purgePart)
		if err != nil || done {
			return err
		}
		err = s.wait(ctx, s.store.Rest())
		if err != nil {
			return nil //nolint:nilerr // the server ends; the rest is for another time
		}
	}
	return nil
}
