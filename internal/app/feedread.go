package app

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"muster/internal/catalogue"
	"muster/internal/errs"
	"muster/internal/posture"
	"muster/internal/vuln"
	"muster/internal/vuln/feed"
)

// stdin is the name that stands for standard input.
const stdin = "-"

// sources are the files that feeds are read from.
type sources struct {
	paths []string
	files int
	bytes int64
	// input tells these files, as they are now, from others; "" where standard input is among them.
	input string
}

// survey looks at what is to be read. Names of files within folders count from there, so that a folder may be moved.
func survey(paths []string) (sources, error) {
	out := sources{paths: paths}
	digest := sha256.New()
	piped := false
	for i, path := range paths {
		if path == stdin {
			piped = true
			continue
		}
		err := eachFile(path, func(name string, info fs.FileInfo) error {
			out.files++
			out.bytes += info.Size()
			below, err := filepath.Rel(path, name)
			digest.Write(fmt.Appendf(nil, "%d %q %d %d\n", i, below, info.Size(), info.ModTime().UnixNano()))
			return err
		})
		if err != nil {
			return out, err
		}
	}
	if !piped {
		out.input = hex.EncodeToString(digest.Sum(nil))
	}
	return out, nil
}

// unchanged fails where the files are not those any more that were looked at.
func (s *sources) unchanged() error {
	now, err := survey(s.paths)
	if err == nil && now.input != s.input {
		err = errs.New(errs.Conflict, "The files changed while they were read: import them again")
	}
	return err
}

// eachFile goes through the files of a folder that may hold feeds, in the order of their names, or calls fn for the one file
// that is named.
func eachFile(path string, fn func(name string, info fs.FileInfo) error) error {
	info, err := os.Stat(path)
	if err != nil {
		return unreadable(err, path)
	}
	if !info.IsDir() {
		return fn(path, info)
	}
	return filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return unreadable(err, name)
		}
		if d.IsDir() && name != path && d.Name()[0] == '.' {
			return fs.SkipDir
		}
		if d.IsDir() || !feed.MayHold(name) {
			return nil
		}
		info, err := os.Stat(name) // what a link leads to
		if err != nil {
			return unreadable(err, name)
		}
		if info.IsDir() {
			return nil
		}
		return fn(name, info)
	})
}

func unreadable(err error, path string) error {
	return errs.Wrap(errs.Invalid, err, "%s cannot be read", path)
}

// intake reads files into an import. Reading goes on while what was read before is stored.
type intake struct {
	session *catalogue.Session
	name    string // of the feed; "" for that of its format
	stdin   io.Reader
	keys    []ed25519.PublicKey // of those whose bundles are used
	// account gives the account that takes over VEX statements; nil for none.
	account func(context.Context) (posture.AccountID, error)
	vex     *vexView // what it took over

	progress   progress
	heads      map[string]feed.Head
	statements []*feed.Statement
}

// progress is how far an intake is. Others may look at it.
type progress struct{ bytes, items, files atomic.Int64 }

// parcel is some of what was read, in order.
type parcel struct {
	into     catalogue.Into
	entries  []*vuln.Entry
	problems []catalogue.Unused
}

// unused notes a problem.
func (p *parcel) unused(problem *feed.Problem) {
	i := slices.IndexFunc(p.problems, func(u catalogue.Unused) bool { return u.Reason == string(problem.Reason) })
	if i < 0 {
		i = len(p.problems)
		p.problems = append(p.problems, catalogue.Unused{Reason: string(problem.Reason)})
	}
	u := &p.problems[i]
	u.Times++
	if len(u.Examples) < catalogue.MaxExamples {
		u.Examples = append(u.Examples, problem.String())
	}
}

// parcelSize is how many entries are handed over at once, parcels how many parcels may wait.
const (
	parcelSize = 64
	parcels    = 16
)

// read takes everything in. Where it fails, nothing of it is to be used.
func (in *intake) read(ctx context.Context, from sources) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	in.heads = make(map[string]feed.Head)
	queue := make(chan parcel, parcels)
	done := make(chan error, 1)
	go func() {
		defer close(queue)
		done <- in.readAll(ctx, from, queue)
	}()
	err := in.store(ctx, queue)
	if err != nil {
		// Whoever reads may wait for standard input, and is not waited for.
		cancel(err)
		return err
	}
	err = <-done
	if err != nil {
		return err
	}
	return from.unchanged()
}

// store takes in what was read.
func (in *intake) store(ctx context.Context, queue <-chan parcel) error {
	for {
		var p parcel
		var more bool
		select {
		case p, more = <-queue:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !more {
			return nil
		}
		if p.into.Name != "" {
			err := in.session.Open(ctx, p.into)
			if err != nil {
				return err
			}
		}
		for _, problem := range p.problems {
			in.session.Unused(p.into.Name, problem)
		}
		for _, e := range p.entries {
			prepared := vuln.Prepare(e)
			err := in.session.Add(ctx, p.into, &prepared)
			if err != nil {
				return err
			}
		}
	}
}

func (in *intake) readAll(ctx context.Context, from sources, queue chan<- parcel) error {
	for _, path := range from.paths {
		if path == stdin {
			err := in.readStream(ctx, "standard input", in.stdin, queue)
			if err != nil {
				return err
			}
			continue
		}
		err := eachFile(path, func(name string, _ fs.FileInfo) error {
			f, err := os.Open(name)
			if err != nil {
				return unreadable(err, name)
			}
			is, err := in.readBundle(ctx, name, f, queue)
			if err == nil && !is {
				err = in.readFile(ctx, origin{name: name, among: name != path}, f, queue)
			}
			return errors.Join(err, f.Close())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// origin says what a file is.
type origin struct {
	name   string
	called string // what its feed is called by who packed it; "" for nothing
	among  bool   // it lies among others in a folder, and may hold no feed
}

// readFile reads one file, which may hold many.
func (in *intake) readFile(ctx context.Context, o origin, r io.Reader, queue chan<- parcel) error {
	var p parcel
	send := func() error {
		if len(p.entries) == 0 && len(p.problems) == 0 && p.into.Name == "" {
			return nil
		}
		select {
		case queue <- p:
			p = parcel{into: p.into}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	head, err := feed.Read(o.name, &counted{r, &in.progress.bytes}, feed.Options{
		Among: o.among,
		Begin: func(f feed.Format) error {
			if f != feed.OpenVEX {
				p.into = in.into(f, o.called)
			}
			return nil
		},
		Problem: func(problem feed.Problem) {
			p.unused(&problem)
		},
	}, func(item feed.Item) error {
		in.progress.items.Add(1)
		if item.Statement != nil {
			in.statements = append(in.statements, item.Statement)
			return ctx.Err()
		}
		p.entries = append(p.entries, item.Entry)
		if len(p.entries) < parcelSize {
			return nil
		}
		return send()
	})
	if err != nil {
		return err
	}
	in.progress.files.Add(1)
	if p.into.Name != "" {
		all := in.heads[p.into.Name]
		err = all.Add(head)
		if err != nil {
			return errs.New(errs.Invalid, "%s: %v", o.name, err)
		}
		in.heads[p.into.Name] = all
	}
	return send()
}

// into says which feed a file of a format belongs to.
func (in *intake) into(f feed.Format, called string) catalogue.Into {
	name := cmp.Or(in.name, called, f.Name())
	return catalogue.Into{Name: name, Format: string(f), Whole: f.Whole()}
}

// finish ends the import, with what the feeds say of themselves.
func (in *intake) finish(ctx context.Context, input string) (catalogue.Result, error) {
	heads := make(map[string]catalogue.Head, len(in.heads))
	for name, h := range in.heads {
		heads[name] = catalogue.Head{AsOf: h.AsOf, Input: input}
	}
	return in.session.Finish(ctx, heads)
}

// counted counts the bytes that are read.
type counted struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}
