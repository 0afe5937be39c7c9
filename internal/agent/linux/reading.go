package linux

import (
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// openRegular opens a file if it is a regular one. Of the machine at hand a FIFO is opened without waiting for its other end.
func openRegular(h *host.Host, name string) (fs.File, error) {
	f, err := h.Files.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("/%s is no regular file", name)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return f, nil
}

// readStart reads the beginning of a regular file, at most so many bytes of it.
func readStart(h *host.Host, name string, most int64) ([]byte, error) {
	f, err := openRegular(h, name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return io.ReadAll(io.LimitReader(f, most))
}

// fingerprint says of files and folders whether they are still what they were: their sizes and when they were last
// written to. Those that are not there are part of it.
func fingerprint(h *host.Host, names []string) string {
	var b strings.Builder
	for _, name := range names {
		if info, err := fs.Stat(h.Files, name); err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		} else {
			fmt.Fprintf(&b, "%s -\n", name)
		}
	}
	return b.String()
}

// remembered is a fact that is read anew only when what it is read from has changed, so that looking costs next to nothing.
type remembered[T any] struct {
	of   string
	fact collect.Fact[T]
	at   time.Time
}

// tryAgain is when what could not be read is tried again although nothing has changed: a package manager that fails may
// take a second of a processor to do so.
const tryAgain = time.Hour

func (r *remembered[T]) get(of string, now time.Time, read func() collect.Fact[T]) collect.Fact[T] {
	failed := r.fact.State == collect.NotLooked || r.fact.State == collect.Unreadable && now.Sub(r.at).Abs() >= tryAgain
	if failed || r.of != of {
		r.of, r.at, r.fact = of, now, read()
	}
	return r.fact
}

// subfolders lists the names of folders in a folder, at most so many, with the folder's before them. There are none in
// one that cannot be read.
func subfolders(h *host.Host, dir string, most int) []string {
	entries, err := fs.ReadDir(h.Files, dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && len(out) < most {
			out = append(out, dir+"/"+e.Name())
		}
	}
	return out
}
