package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"muster/internal/catalogue"
	"muster/internal/errs"
	"muster/internal/posture"
	"muster/internal/signature"
)

type feedImport struct {
	jsonFlag    `embed:""`
	feedKeys    `embed:""`
	Account     string   `help:"Account that takes over VEX statements, by name, id or licence key; needed where there are several." placeholder:"A"`
	Paths       []string `arg:"" optional:"" name:"path" help:"Files and folders, packed or not; - for standard input."`
	Name        string   `help:"What the feed is called; after its format unless given." placeholder:"N"`
	Replace     bool     `help:"Remove what the feed had and the files have not. Lists that are whole (KEV, EPSS, Debian's tracker) are replaced anyway."`
	AllowOlder  bool     `help:"Let a feed be replaced by an older one."`
	AllowShrink bool     `help:"Let a feed be replaced by one with less than four fifths of its entries."`
	DryRun      bool     `help:"Say what would change, and change nothing."`
	Discard     bool     `help:"Undo what an import that broke off has left, in place of importing."`
	Progress    bool     `help:"Tell how far it is, also where standard error is not a terminal."`
}

// Run imports feeds.
func (c *feedImport) Run(env *environment) error {
	if c.Discard == (len(c.Paths) > 0) {
		return errs.New(errs.Invalid, "Give files or folders to import from, or --discard")
	}
	return env.withServices(func(s *services) error {
		if c.Discard {
			err := s.catalogue.Discard(env.ctx)
			if err != nil {
				return err
			}
			return printLine(env.stdout, "nothing is left of the import that broke off")
		}
		from, err := survey(c.Paths)
		if err != nil {
			return err
		}
		began := time.Now()
		result, in, err := c.take(env, s, from)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, importView{result, time.Since(began).Seconds(), in.progress.bytes.Load(), in.vex})
		}
		err = printImport(env.stdout, &result, c.DryRun, time.Since(began))
		if err == nil && in.vex != nil {
			err = printStatements(env.stdout, in.vex)
		}
		return err
	})
}

// importView is what an import did as the command line prints it. The names of its members stay.
type importView struct {
	catalogue.Result
	Seconds float64 `json:"seconds"`
	Bytes   int64   `json:"bytes"`
	// VEX is what became of VEX statements, where there are any.
	VEX *vexView `json:"vex,omitempty"`
}

func (c *feedImport) request(from sources) catalogue.Request {
	r := catalogue.Request{
		Source: strings.Join(c.Paths, " "), Replace: c.Replace, AllowOlder: c.AllowOlder, AllowShrink: c.AllowShrink, DryRun: c.DryRun,
	}
	if from.input != "" {
		// The same files another way are not the same import.
		r.Input = fmt.Sprintf("%s %q %v", from.input, c.Name, c.Replace)
	}
	return r
}

func (c *feedImport) take(env *environment, s *services, from sources) (catalogue.Result, *intake, error) {
	keys, err := readKeys(c.FeedKeys, signature.Feeds)
	if err != nil {
		return catalogue.Result{}, nil, err
	}
	in := &intake{name: c.Name, stdin: os.Stdin, keys: keys, account: func(ctx context.Context) (posture.AccountID, error) {
		a, err := s.identity.Resolve(ctx, c.Account)
		return a.ID, err
	}}
	stop := func() {}
	if c.Progress || isTerminal(env.stderr) {
		stop = in.show(env.ctx, env.stderr, from)
	}
	result, err := s.importFeeds(env.ctx, in, c.request(from), from)
	stop()
	return result, in, err
}

// importFeeds imports files, all or nothing.
func (s *services) importFeeds(ctx context.Context, in *intake, r catalogue.Request, from sources) (catalogue.Result, error) {
	if in.name != "" {
		err := catalogue.CheckName(in.name)
		if err != nil {
			return catalogue.Result{}, err
		}
	}
	session, err := s.catalogue.Import(ctx, r)
	if err != nil {
		return catalogue.Result{}, err
	}
	in.session = session
	stop := s.keepLease(ctx, session)
	defer stop()
	err = in.read(ctx, from)
	var account posture.AccountID
	if err == nil && len(in.statements) > 0 {
		account, err = in.owner(ctx)
	}
	if err == nil {
		result, err := in.ended(ctx, from.input)
		if err == nil && account != 0 && !r.DryRun {
			in.vex, err = s.importStatements(ctx, account, in.statements)
		}
		return result, err
	}
	failed := session.Abort(ctx, ctx.Err() != nil)
	if failed != nil && !errs.Is(failed, errs.Conflict) {
		s.log.Warn("what an import staged could not be undone; the next one will", "error", failed)
	}
	if ctx.Err() != nil {
		err = errs.New(errs.Unavailable, "The import was broken off, and nothing of it is seen. The same command goes on with it; 'muster feed import --discard' undoes it")
	}
	return catalogue.Result{}, err
}

// keepLease keeps the right to import while the input is slow.
func (s *services) keepLease(ctx context.Context, session *catalogue.Session) (stop func()) {
	return every(ctx, catalogue.RenewEvery, func(ctx context.Context) {
		err := session.Renew(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Debug("the lease of an import could not be renewed", "error", err)
		}
	})
}

// every does something again and again, until stop is called, which waits for what is being done.
func every(ctx context.Context, period time.Duration, do func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(period)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			do(ctx)
		}
	}()
	return func() { cancel(); <-ended }
}

// isTerminal reports whether somebody reads along.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// show tells how far an intake is, until stop is called.
func (in *intake) show(ctx context.Context, w io.Writer, from sources) (stop func()) {
	began := time.Now()
	again, end := "", "\n"
	if isTerminal(w) {
		again, end = "\r\x1b[K", "" // the same line once more
	}
	tell := func() {
		bytes, items, seconds := in.progress.bytes.Load(), in.progress.items.Load(), time.Since(began).Seconds()
		line := fmt.Sprintf("%d entries, %d files, %s", items, in.progress.files.Load(), mebibytes(bytes))
		if from.bytes > 0 {
			line += fmt.Sprintf(" of %s (%d %%)", mebibytes(from.bytes), min(100, 100*bytes/from.bytes))
		}
		fmt.Fprintf(w, "%s%s, %.0f entries/s%s", again, line, float64(items)/max(seconds, 0.001), end) //nolint:errcheck // nobody is told if nobody can be
	}
	quiet := every(ctx, time.Second, func(context.Context) { tell() })
	return func() {
		quiet()
		tell()
		if end == "" {
			fmt.Fprintln(w) //nolint:errcheck // as above
		}
	}
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// printUnused says what could not be used, and where for example.
func printUnused(w io.Writer, list []catalogue.Unused) error {
	err := printLine(w)
	if err != nil {
		return err
	}
	t := newTable("NOT USED, BECAUSE", "TIMES", "FOR EXAMPLE")
	for i := range list {
		u := &list[i]
		t.row(u.Reason, u.Times, strings.Join(u.Examples[:min(1, len(u.Examples))], ""))
	}
	err = t.print(w)
	if err != nil {
		return err
	}
	return printLine(w)
}

func printImport(w io.Writer, r *catalogue.Result, dry bool, took time.Duration) error {
	t := newTable("FEED", "AS OF", "ENTRIES", "ADDED", "CHANGED", "UNCHANGED", "OLDER", "WITHDRAWN", "REMOVED", "FLAWED")
	for i := range r.Feeds {
		o := &r.Feeds[i]
		asOf := "unknown"
		if !o.AsOf.IsZero() {
			asOf = stamp(o.AsOf)
		}
		t.row(o.Name, asOf, o.Entries, o.Added, o.Changed, o.Unchanged, o.Older, o.Withdrawn, o.Removed, o.Flawed)
	}
	err := t.print(w)
	if err == nil && len(r.Unused) > 0 {
		err = printUnused(w, r.Unused)
	}
	if err != nil {
		return err
	}
	switch {
	case dry:
		return printLine(w, "nothing was changed: this was a dry run")
	case r.Changed:
		return printLine(w, "imported in", took.Round(100*time.Millisecond).String()+"; a server judges anew the devices that this concerns")
	default:
		return printLine(w, "imported in", took.Round(100*time.Millisecond).String()+"; it says nothing new")
	}
}
