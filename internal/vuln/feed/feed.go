// Package feed reads the files in which vulnerabilities are published: OSV, CVE JSON 5, NVD, the Debian security tracker,
// KEV, EPSS and OpenVEX, plain or packed. It translates and decides nothing about machines, opens no file itself, and
// keeps no more than one record in memory.
package feed

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"muster/internal/errs"
	"muster/internal/vuln"
)

// Format is what a file holds.
type Format string

// The formats that are read. docs/feeds.md says what is read of each.
const (
	OSV           Format = "osv"
	CVE5          Format = "cve5"
	NVD           Format = "nvd"
	DebianTracker Format = "debian-tracker"
	KEV           Format = "kev"
	EPSS          Format = "epss"
	OpenVEX       Format = "openvex"
)

// Whole reports whether a file of this format is the complete list, so that what it no longer names is gone.
func (f Format) Whole() bool { return f == DebianTracker || f == KEV || f == EPSS }

// Name is what a feed of this format is called when nobody gives it another name.
func (f Format) Name() string { return string(f) }

// Item is one thing read. Exactly one of Entry and Statement is set, and belongs to whoever is handed it.
type Item struct {
	Entry     *vuln.Entry
	Statement *Statement
	Path      string // the file it came from, with the containers around it: "all.zip > GHSA-1.json"
}

// Head is what a feed says of itself, and what was noticed while reading it. It is complete once everything was read.
type Head struct {
	Format   Format
	AsOf     time.Time      // when it was published, or else its newest change; zero where neither is told
	Items    int            // handed over
	Declared int            // how many records the files say they hold; 0 where none says
	Files    int            // that held a feed
	Ignored  int            // files in archives that hold none
	Problems map[Reason]int // what could not be used
}

// Add joins what was read of another file to this. A feed is of one format.
func (h *Head) Add(o Head) error {
	if h.Format != "" && o.Format != "" && h.Format != o.Format {
		return errs.New(errs.Invalid, "these are several feeds, %s and %s: each has to be given alone", h.Format, o.Format)
	}
	if h.Format == "" {
		h.Format = o.Format
	}
	h.seen(o.AsOf)
	h.Items += o.Items
	h.Declared += o.Declared
	h.Files += o.Files
	h.Ignored += o.Ignored
	for reason, n := range o.Problems {
		h.problems(reason, n)
	}
	return nil
}

func (h *Head) seen(t time.Time) {
	if t.After(h.AsOf) {
		h.AsOf = t
	}
}

func (h *Head) problems(reason Reason, n int) {
	if h.Problems == nil {
		h.Problems = make(map[Reason]int)
	}
	h.Problems[reason] += n
}

// Reason is why something was not used, in words that follow its name.
type Reason string

// Problem is something in a feed that could not be used. What stands beside it is.
type Problem struct {
	Path   string
	ID     string // of the record, where it has one
	Reason Reason
	Detail string // the text that could not be used, where there is one
}

// String tells all of it.
func (p Problem) String() string {
	s := p.Path
	if p.ID != "" {
		s += ": " + p.ID
	}
	s += ": " + string(p.Reason)
	if p.Detail != "" {
		s += fmt.Sprintf(" (%q)", shortened(p.Detail))
	}
	return s
}

// shortened keeps what is quoted in messages short.
func shortened(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// Options are how to read. The zero value is good.
type Options struct {
	Limits Limits
	// Among says that the file lies among others in a folder: one that holds no feed is counted as ignored, and is no error.
	Among bool
	// Begin is told the format before the first item, once for each call of Read. Its error ends the reading.
	Begin func(Format) error
	// Problem is told what could not be used; all is counted in Head.Problems anyway.
	Problem func(Problem)
}

// Limits bound what is read, so that a broken or hostile file ends in an error and not in want of memory or time. What
// is zero is that of DefaultLimits.
type Limits struct {
	Item    int64 // bytes of one record
	Total   int64 // bytes in all, unpacked
	Ratio   int64 // unpacked bytes for each packed one, once there are many
	Entries int   // files in archives
	Depth   int   // containers within containers
	Window  int64 // memory that a packed file may ask for to be unpacked
}

// DefaultLimits are several times what the largest public feeds need.
func DefaultLimits() Limits {
	return Limits{Item: 32 << 20, Total: 64 << 30, Ratio: 500, Entries: 5_000_000, Depth: 6, Window: 128 << 20}
}

func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	for _, p := range []struct{ value, other *int64 }{
		{&l.Item, &d.Item}, {&l.Total, &d.Total}, {&l.Ratio, &d.Ratio}, {&l.Window, &d.Window},
	} {
		if *p.value == 0 {
			*p.value = *p.other
		}
	}
	if l.Entries == 0 {
		l.Entries = d.Entries
	}
	if l.Depth == 0 {
		l.Depth = d.Depth
	}
	return l
}

// Read finds out what a file holds, plain or packed (gz, xz, zst, tar, zip, one within another), and hands over each
// item as it is read. It stops at the first error: its own, which names the file and the place, or that of each or
// Begin, unchanged. Only if it returns nil was everything read to its proper end: what was handed over before an error
// is not to be used.
func Read(name string, r io.Reader, opt Options, each func(Item) error) (Head, error) {
	opt.Limits = opt.Limits.orDefault()
	run := &run{opt: opt, each: each}
	if err := run.open(name, source{name, r}, opt.Among, 0); err != nil {
		return run.head, err
	}
	return run.head, run.verdict(name)
}

// ReadFS reads every file of a folder and the folders in it that may hold a feed, in the order of their names, as one
// feed. In all else it is as Read.
func ReadFS(name string, folder fs.FS, opt Options, each func(Item) error) (Head, error) {
	opt.Limits, opt.Among = opt.Limits.orDefault(), false // of all together there has to be a feed
	run := &run{opt: opt, each: each}
	err := fs.WalkDir(folder, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return errs.Wrap(errs.Unavailable, err, "%s: it cannot be read", path.Join(name, p))
		case d.IsDir() && p != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || !MayHold(p):
			return nil
		}
		return run.openIn(name, folder, p)
	})
	if err != nil {
		return run.head, err
	}
	return run.head, run.verdict(name)
}

func (r *run) openIn(name string, folder fs.FS, p string) error {
	shown := path.Join(name, p)
	f, err := folder.Open(p)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "%s: it cannot be read", shown)
	}
	defer func() { _ = f.Close() }() // it was only read
	return r.open(shown, source{shown, f}, true, 0)
}

// run is one call of Read.
type run struct {
	opt  Options
	each func(Item) error
	head Head

	unpacked int64 // bytes, by all containers
	files    int   // in archives

	// What is used again for the next file.
	json jsonReader
	free []*bufio.Reader
}

// verdict decides whether what was read is a feed at all.
func (r *run) verdict(name string) error {
	switch {
	case r.head.Format == "" && r.opt.Among:
		return nil
	case r.head.Format == "":
		return errs.New(errs.Invalid, "%s: no feed was found in it", name)
	case r.head.Items == 0 && r.head.Format.Whole():
		return errs.New(errs.Invalid, "%s: the list is empty, and is not taken for true", name)
	}
	return nil
}

// begin settles the format of the whole.
func (r *run) begin(f *file, format Format) error {
	switch r.head.Format {
	case format:
		return nil
	case "":
		r.head.Format = format
		if r.opt.Begin != nil {
			return r.opt.Begin(format)
		}
		return nil
	default:
		return f.fault(errs.Invalid, "it holds %s, and what was read before %s: each feed has to be given alone", format, r.head.Format)
	}
}

func (r *run) hand(item Item) error {
	r.head.Items++
	return r.each(item)
}

func (r *run) entry(f *file, e *vuln.Entry) error { return r.hand(Item{Entry: e, Path: f.path}) }

func (r *run) problem(f *file, id string, reason Reason, detail string) {
	r.head.problems(reason, 1)
	if r.opt.Problem != nil {
		r.opt.Problem(Problem{Path: f.path, ID: id, Reason: reason, Detail: detail})
	}
}
