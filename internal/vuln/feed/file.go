package feed

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"muster/internal/errs"
)

// peekSize is how much of a file is looked at to find out what it is.
const peekSize = 64 << 10

// file is one file being read, whether it lies in a folder or within an archive. It counts what was taken from it.
type file struct {
	path   string
	in     *bufio.Reader
	taken  counter
	nested bool // one of many, where files that are no feed are common
	depth  int  // how many containers it lies in
}

// take prepares a file. Its buffer is one used before, where one is free: an archive may hold 300 000 files.
func (r *run) take(path string, in io.Reader, nested bool, depth int) *file {
	f := &file{path: path, nested: nested, depth: depth, taken: counter{r: in}}
	if last := len(r.free) - 1; last >= 0 {
		f.in, r.free = r.free[last], r.free[:last]
		f.in.Reset(&f.taken)
	} else {
		f.in = bufio.NewReaderSize(&f.taken, peekSize)
	}
	return f
}

func (r *run) release(f *file) {
	f.in.Reset(nil)
	r.free = append(r.free, f.in)
}

// at is the place that was reached, in bytes.
func (f *file) at() int64 { return f.taken.n - int64(f.in.Buffered()) }

// fault is an error that names the file.
func (f *file) fault(code errs.Code, format string, args ...any) *errs.Error {
	e := errs.New(code, format, args...)
	e.Message = f.path + ": " + e.Message
	return e
}

// broken turns an error of a reader below into one that names the file and the place, unless it is one of ours and
// names them already.
func (f *file) broken(err error, at int64) error {
	var own *errs.Error
	if errors.As(err, &own) {
		return err
	}
	what := "is damaged"
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		what = "is cut short"
	}
	return errs.Wrap(errs.Invalid, err, "%s: the file %s at byte %d", f.path, what, at)
}

// counter counts what was read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// source is what the caller gave. Its errors are those of a disk or a caller that gave up, and no fault of the file.
type source struct {
	name string
	r    io.Reader
}

func (s source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = errs.Wrap(errs.Unavailable, err, "%s: it cannot be read", s.name)
	}
	return n, err
}

// readers are the readers of what is not packed.
var readers = map[Format]func(*run, *file) error{
	OSV: (*run).osv, DebianTracker: (*run).tracker, KEV: (*run).kev, EPSS: (*run).epss, OpenVEX: (*run).openvex, CVE5: (*run).cve5, NVD: (*run).nvd,
}

// open reads a file of any kind.
func (r *run) open(path string, in io.Reader, nested bool, depth int) error {
	f := r.take(path, in, nested, depth)
	defer r.release(f)
	start, err := f.in.Peek(peekSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return f.broken(err, f.at())
	}
	unpack := containerOf(start)
	switch {
	case unpack == nil:
		return r.leaf(f, start)
	case depth >= r.opt.Limits.Depth:
		return f.fault(errs.TooLarge, "there are more than %d containers within each other", r.opt.Limits.Depth)
	default:
		return unpack(r, f)
	}
}

var byteOrderMark = []byte("\ufeff")

// leaf reads a file that is not packed.
func (r *run) leaf(f *file, start []byte) error {
	if bytes.HasPrefix(start, byteOrderMark) {
		_, _ = f.in.Discard(len(byteOrderMark))
		start = start[len(byteOrderMark):]
	}
	format := detect(start)
	read := readers[format]
	switch {
	case read != nil:
	case f.nested:
		r.head.Ignored++
		return nil
	case len(bytes.TrimSpace(start)) == 0:
		return f.fault(errs.Invalid, "the file is empty")
	default:
		return f.fault(errs.Invalid, "this is none of the feeds that are known: osv, cve5, nvd, debian-tracker, kev, epss, openvex")
	}
	if err := r.begin(f, format); err != nil {
		return err
	}
	r.head.Files++
	return read(r, f)
}

// feedNames are how the names of files end that are looked into where they lie among others.
var feedNames = []string{".json", ".jsonl", ".ndjson", ".csv", ".gz", ".xz", ".zst", ".tar", ".tgz", ".txz", ".tzst", ".zip"}

// MayHold reports whether a file of that name, among others in a folder or an archive, is looked into.
func MayHold(name string) bool {
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	return !strings.HasPrefix(base, ".") && slices.Contains(feedNames, strings.ToLower(path.Ext(base)))
}
