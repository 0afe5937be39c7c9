package app

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/internal/catalogue"
	"muster/internal/errs"
	"muster/internal/vuln"
	"muster/internal/vuln/feed"
)

// ensureBuiltin has the database hold the catalogue that comes with this program. While somebody imports, it is left for
// later.
func (s *services) ensureBuiltin(ctx context.Context) error {
	digest := vuln.BuiltinDigest()
	input := hex.EncodeToString(digest[:])
	f, err := s.catalogue.Feed(ctx, catalogue.BuiltinFeed)
	if err == nil && f.Input == input || err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	state, err := s.catalogue.State(ctx)
	if err != nil {
		return err
	}
	if state.Input != "" {
		s.log.Info("the vulnerabilities that come with the program are imported later: another import is under way, or broke off")
		return nil
	}
	session, err := s.catalogue.Import(ctx, catalogue.Request{
		Input: "builtin " + input, Source: "muster " + Version, Replace: true, AllowOlder: true, AllowShrink: true,
	})
	if errs.Is(err, errs.Conflict) {
		return nil // another server does
	}
	if err != nil {
		return err
	}
	into := catalogue.Into{Name: catalogue.BuiltinFeed, Format: catalogue.BuiltinFormat, Whole: true}
	err = vuln.BuiltinEntries(func(e *vuln.Entry) error {
		p := vuln.Prepare(e)
		return session.Add(ctx, into, &p)
	})
	if err == nil {
		_, err = session.Finish(ctx, map[string]catalogue.Head{catalogue.BuiltinFeed: {Input: input}})
		return err
	}
	failed := session.Abort(ctx, false)
	if failed != nil {
		s.log.Warn("what an import staged could not be undone; the next one will", "error", failed)
	}
	return err
}

// importMirror imports what has changed in the folder that the operator names: each folder in it is a feed of that name,
// and each file in it one that is named after its format. One that fails does not keep the others back.
func (s *server) importMirror(ctx context.Context, _ time.Time) error {
	list, err := os.ReadDir(s.cfg.FeedsFolder)
	if err != nil {
		return fmt.Errorf("reading the folder of feeds: %w", err)
	}
	stored, err := s.catalogue.Feeds(ctx)
	if err != nil {
		return err
	}
	inputs := make(map[string]bool)
	for i := range stored {
		inputs[stored[i].Input] = true
	}
	for _, entry := range list {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || !entry.IsDir() && !feed.MayHold(name) {
			continue
		}
		err = s.importMirrored(ctx, filepath.Join(s.cfg.FeedsFolder, name), entry.IsDir(), inputs)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errs.Is(err, errs.Conflict):
			s.log.Warn("a feed was not imported", "path", name, "error", err)
		case err != nil:
			s.log.Error("a feed cannot be imported", "path", name, "error", err)
		}
	}
	return nil
}

// importMirrored imports one feed of the folder, unless its files are those that were imported last.
func (s *server) importMirrored(ctx context.Context, path string, folder bool, inputs map[string]bool) error {
	from, err := survey([]string{path})
	if err != nil || from.files == 0 || inputs[from.input] || s.mirrored[path] == from.input {
		return err
	}
	in := &intake{keys: s.feedKeys}
	if folder {
		in.name = filepath.Base(path)
	}
	r := catalogue.Request{Input: "mirror " + from.input, Source: path}
	began := time.Now()
	result, err := s.importFeeds(ctx, in, r, from)
	if err != nil {
		return err
	}
	if s.mirrored == nil {
		s.mirrored = make(map[string]string)
	}
	s.mirrored[path] = from.input // several files may go into one feed, which remembers the last
	for i := range result.Feeds {
		o := &result.Feeds[i]
		s.log.Info("imported a feed", "feed", o.Name, "path", path, "entries", o.Entries, "added", o.Added, "changed", o.Changed,
			"removed", o.Removed, "withdrawn", o.Withdrawn, "flawed", o.Flawed, "took", time.Since(began).String())
	}
	return nil
}

// warnOfAge says each day which feeds are older than they should be.
func (s *server) warnOfAge(ctx context.Context, now time.Time) error {
	list, err := s.catalogue.Feeds(ctx)
	for i := range list {
		f := &list[i]
		if s.ages.Old(f, now) {
			s.log.Warn("a feed of vulnerabilities is old: what became known since is not found", "feed", f.Name, "format", f.Format,
				"as_of", f.Time(), "days", int(now.Sub(f.Time()).Hours()/24))
		}
	}
	return err
}
