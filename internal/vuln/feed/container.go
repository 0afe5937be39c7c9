package feed

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"

	"muster/internal/errs"
)

// containerOf finds out from its beginning how a file is packed; nil where it is not. Names are not asked: files are
// renamed, and what is fetched by hand often has none.
func containerOf(start []byte) func(*run, *file) error {
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return (*run).gzip
	case bytes.HasPrefix(start, []byte("\xfd7zXZ\x00")):
		return (*run).xz
	case bytes.HasPrefix(start, []byte{0x28, 0xb5, 0x2f, 0xfd}), bytes.HasPrefix(start, []byte{0x50, 0x2a, 0x4d, 0x18}): // packed by several at once
		return (*run).zstd
	case bytes.HasPrefix(start, []byte("PK\x03\x04")), bytes.HasPrefix(start, []byte("PK\x05\x06")):
		return (*run).zip
	case len(start) > 262 && string(start[257:262]) == "ustar":
		return (*run).tar
	default:
		return nil
	}
}

func (r *run) gzip(f *file) error {
	z, err := gzip.NewReader(f.in)
	if err != nil {
		return r.unpackFault(f, err)
	}
	return r.within(f, z)
}

func (r *run) zstd(f *file) error {
	z, err := zstd.NewReader(f.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window(r.opt.Limits.Window)))
	if err != nil {
		return r.unpackFault(f, err)
	}
	defer z.Close()
	return r.within(f, z)
}

// window is a limit in the bounds that the library accepts.
func window(limit int64) uint64 { return uint64(min(max(limit, 1<<10), 1<<31)) }

func (r *run) xz(f *file) error {
	z, err := xz.NewReader(f.in, uint32(window(r.opt.Limits.Window)))
	if err != nil {
		return r.unpackFault(f, err)
	}
	return r.within(f, z)
}

// within reads the one file that another holds packed.
func (r *run) within(f *file, z io.Reader) error {
	u := &unpacking{run: r, file: f, from: f.at(), z: z}
	return r.open(f.path, u, f.nested, f.depth+1)
}

// unpackFault tells what the libraries say of a file that is packed.
func (r *run) unpackFault(f *file, err error) error {
	for _, memory := range []error{zstd.ErrWindowSizeExceeded, zstd.ErrDecoderSizeExceeded, xz.ErrMemlimit} {
		if errors.Is(err, memory) {
			return f.fault(errs.TooLarge, "to unpack it takes more than %d MiB of memory", r.opt.Limits.Window>>20)
		}
	}
	return f.broken(err, f.at())
}

// unpacking bounds what comes out of a file that is packed, and turns what the libraries say of damage into an error
// that names the file.
type unpacking struct {
	run  *run
	file *file // the packed one
	from int64 // where in it the packed bytes begin
	z    io.Reader
	n    int64 // unpacked
}

// ratioFrom is from how many bytes on the ratio is looked at: little that is packed well is no bomb.
const ratioFrom = 16 << 20

func (u *unpacking) Read(p []byte) (int, error) {
	n, err := u.z.Read(p)
	u.n += int64(n)
	u.run.unpacked += int64(n)
	lim := &u.run.opt.Limits
	switch {
	case u.run.unpacked > lim.Total:
		return 0, u.file.fault(errs.TooLarge, "unpacked it is larger than %d MiB", lim.Total>>20)
	case u.n > ratioFrom && u.n/lim.Ratio > u.file.at()-u.from:
		return 0, u.file.fault(errs.TooLarge, "at byte %d it unpacks to more than %d times its size", u.file.at(), lim.Ratio)
	case err != nil && err != io.EOF:
		return n, u.run.unpackFault(u.file, err)
	}
	return n, err
}

// tar reads the files of a tar archive. Their names are shown, and never used as paths.
func (r *run) tar(f *file) error {
	if start, _ := f.in.Peek(512); IsBundle(start) {
		return f.fault(errs.Invalid, "this is a signed bundle of feeds: it is verified with a key before what it holds is read")
	}
	end := &tail{r: f.in}
	t := tar.NewReader(end)
	for {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return endOfTar(f, end)
		case err != nil && !errors.Is(err, tar.ErrInsecurePath):
			return f.broken(err, f.at())
		case h.Typeflag != tar.TypeReg:
			continue
		}
		if err := r.member(f, h.Name, t); err != nil {
			return err
		}
	}
}

// member reads one of the files in an archive. It may leave some of it unread.
func (r *run) member(f *file, name string, in io.Reader) error {
	if r.files++; r.files > r.opt.Limits.Entries {
		return f.fault(errs.TooLarge, "it holds more than %d files", r.opt.Limits.Entries)
	}
	if !MayHold(name) {
		r.head.Ignored++
		return nil
	}
	return r.open(f.path+" > "+printable(name), in, true, f.depth+1)
}

// printable is a name as it may stand in a message.
func printable(name string) string {
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return shortened(strconv.Quote(name))
		}
	}
	if len(name) > 300 {
		return shortened(name)
	}
	return name
}

// tail remembers the last bytes read.
type tail struct {
	r    io.Reader
	last []byte
}

// endBlocks is what a tar archive ends with: two blocks of zeros.
const endBlocks = 1024

func (t *tail) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.last = append(t.last, p[max(0, n-endBlocks):n]...)
	if over := len(t.last) - endBlocks; over > 0 {
		t.last = append(t.last[:0], t.last[over:]...)
	}
	return n, err
}

// endOfTar wants the blocks that end an archive, which the library does not ask for, and nothing but padding after
// them. Reading on to the end is also what makes unpackers compare their checksums.
func endOfTar(f *file, end *tail) error {
	if len(end.last) < endBlocks || !zeros(end.last) {
		return f.fault(errs.Invalid, "the archive is cut short at byte %d: it has no end", f.at())
	}
	for {
		switch _, err := f.in.Peek(1); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return f.broken(err, f.at())
		}
		rest, _ := f.in.Peek(f.in.Buffered())
		if !zeros(rest) {
			return f.fault(errs.Invalid, "the archive ends before byte %d, and something follows", f.at())
		}
		_, _ = f.in.Discard(len(rest))
	}
}

func zeros(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }
