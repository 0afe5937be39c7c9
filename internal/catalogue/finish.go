package catalogue

import (
	"context"
	"hash/maphash"
	"strings"
	"time"

	"muster/internal/errs"
)

// Head is what an input says of itself.
type Head struct {
	AsOf  time.Time // zero where it does not say
	Input string    // tells it from the next; kept with the feed
}

// leastShare is how many hundredths of its entries a feed must keep when it is replaced.
const leastShare = 80

// sweepPart is how many entries are looked at by one query.
const sweepPart = 500

// Finish ends an import whose input was read to its proper end: what is absent from whole lists is removed, and everything
// becomes visible at once. heads has what each feed says of itself. After an error nothing of it ever is.
func (x *Session) Finish(ctx context.Context, heads map[string]Head) (Result, error) {
	result, err := x.finish(ctx, heads)
	if err == nil {
		x.finished = true
		return result, nil
	}
	// Broken off from outside, it can be taken up again.
	failed := x.Abort(ctx, ctx.Err() != nil)
	if failed != nil && !errs.Is(failed, errs.Conflict) { // another that took its place undoes it
		x.service.log.Warn("what an import staged could not be undone; the next one will", "error", failed)
	}
	return Result{}, err
}

func (x *Session) finish(ctx context.Context, heads map[string]Head) (Result, error) {
	err := x.flush(ctx)
	if err != nil {
		return Result{}, err
	}
	for _, f := range x.order {
		err = x.guard(f, heads[f.Name])
		if err != nil {
			return Result{}, err
		}
	}
	if len(x.order) == 0 {
		return Result{}, errs.New(errs.Invalid, "Nothing of a known format was found")
	}
	for _, f := range x.order {
		if f.whole {
			err = x.sweep(ctx, f)
			if err != nil {
				return Result{}, err
			}
		}
	}
	out, feeds, err := x.outcomes(ctx, heads)
	if err != nil || x.request.DryRun {
		return out, err
	}
	l := x.lease()
	out.Generation, err = x.service.store.Switch(ctx, l, Switch{Changed: x.changed, Feeds: feeds, At: l.Now})
	if err != nil {
		return Result{}, err
	}
	out.Changed = out.Generation != x.state.Generation
	x.lookAgain(ctx)
	return out, nil
}

// lookAgain has this server see the new generation at once. If that fails it does within a second.
func (x *Session) lookAgain(ctx context.Context) {
	if x.service.current.Load() == nil {
		return // nothing is looked up here
	}
	err := x.service.Refresh(ctx)
	if err != nil {
		x.service.log.Debug("the new generation of the catalogue cannot be read yet", "error", err)
	}
}

// guard refuses what would lose what is known: see Request.
func (x *Session) guard(f *feeding, h Head) error {
	switch {
	case f.live == 0 && f.outcome.Withdrawn == 0:
		return errs.New(errs.Invalid, "The feed %s would be empty: nothing usable was read. 'muster feed remove %s' removes a feed", f.Name, f.Name)
	case !f.whole || !f.known:
		return nil
	case f.live == 0:
		return errs.New(errs.Invalid, "The feed %s would be empty: all its entries are withdrawn. 'muster feed remove %s' removes a feed", f.Name, f.Name)
	case !h.AsOf.IsZero() && h.AsOf.Truncate(time.Millisecond).Before(f.AsOf) && !x.request.AllowOlder:
		return errs.New(errs.Conflict, "The feed %s is of %s, and what is stored of %s; --allow-older replaces it all the same",
			f.Name, h.AsOf.UTC().Format(time.RFC3339), f.AsOf.Format(time.RFC3339))
	case f.live*100 < f.Entries*leastShare && !x.request.AllowShrink:
		return errs.New(errs.Conflict, "The feed %s has %d entries, and %d are stored: it looks truncated. --allow-shrink replaces it all the same",
			f.Name, f.live, f.Entries)
	}
	return nil
}

// sweep removes what a whole list does not have any more.
func (x *Session) sweep(ctx context.Context, f *feeding) error {
	if f.ID == 0 {
		return nil
	}
	after := ""
	for {
		some, err := x.service.store.CurrentAfter(ctx, f.ID, after, sweepPart)
		if err != nil || len(some) == 0 {
			return err
		}
		after = some[len(some)-1].Name
		var gone []int64
		for i := range some {
			if _, ok := f.seen[maphash.String(x.seed, some[i].Name)]; !ok {
				gone = append(gone, some[i].Entry)
			}
		}
		if len(gone) == 0 {
			continue
		}
		f.outcome.Removed += int64(len(gone))
		x.changed = true
		if x.request.DryRun {
			continue
		}
		err = x.service.store.StageRemoval(ctx, x.lease(), gone)
		if err == nil {
			err = x.service.wait(ctx, x.service.store.Rest())
		}
		if err != nil {
			return err
		}
	}
}

// outcomes tells what was done, and how the feeds stand now.
func (x *Session) outcomes(ctx context.Context, heads map[string]Head) (Result, []Feed, error) {
	out := x.result
	out.Generation, out.Resumed, out.Changed = x.state.Generation, x.resumed, x.changed
	out.Unused = x.told()
	var feeds []Feed
	for _, f := range x.order {
		h := heads[f.Name]
		n := f.Feed
		asOf := h.AsOf.UTC().Truncate(time.Millisecond)
		if f.whole && !h.AsOf.IsZero() || asOf.After(n.AsOf) {
			n.AsOf = asOf
		}
		n.ImportedAt, n.Source, n.Input = x.service.clock(), shortened(x.request.Source), h.Input
		if !x.request.DryRun {
			var err error
			n.Entries, err = x.service.store.CountCurrent(ctx, f.ID)
			if err != nil {
				return out, nil, err
			}
		}
		f.outcome.AsOf, f.outcome.Entries = n.AsOf, n.Entries
		out.Feeds, feeds = append(out.Feeds, f.outcome), append(feeds, n)
	}
	return out, feeds, nil
}

// shortened bounds what is kept of the names of files.
func shortened(source string) string {
	const limit = 500
	if len(source) <= limit {
		return source
	}
	return strings.ToValidUTF8(source[:limit], "") + "…"
}

// Remove removes a feed with all its entries. NotFound: there is none of that name.
func (s *Service) Remove(ctx context.Context, name string) (Result, error) {
	f, err := s.Feed(ctx, name)
	if err != nil {
		return Result{}, err
	}
	x, err := s.Import(ctx, Request{Input: "remove " + name, Replace: true})
	if err != nil {
		return Result{}, err
	}
	gone := &feeding{Feed: f, whole: true, known: true, outcome: Outcome{Name: f.Name, Format: f.Format}}
	result, err := x.remove(ctx, gone)
	if err != nil {
		failed := x.Abort(ctx, ctx.Err() != nil)
		if failed != nil {
			s.log.Warn("what was staged could not be undone; the next import will", "error", failed)
		}
		return Result{}, err
	}
	x.finished = true
	return result, nil
}

func (x *Session) remove(ctx context.Context, f *feeding) (Result, error) {
	err := x.sweep(ctx, f)
	if err != nil {
		return Result{}, err
	}
	l := x.lease()
	generation, err := x.service.store.Switch(ctx, l, Switch{Changed: true, Gone: []int64{f.ID}, At: l.Now})
	if err != nil {
		return Result{}, err
	}
	x.lookAgain(ctx)
	return Result{Generation: generation, Changed: true, Resumed: x.resumed, Feeds: []Outcome{f.outcome}, Unused: []Unused{}}, nil
}
