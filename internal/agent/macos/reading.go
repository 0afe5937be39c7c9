package macos

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

const (
	// maxPlist bounds a property list, in bytes. Those that are read here have some kilobytes.
	maxPlist = 1 << 20
)

// plist reads a file that is a property list with a dictionary. It must be a regular one: to open a FIFO in somebody's
// folder would wait for its other end.
func (m *machine) plist(name string) (dict, error) {
	info, err := fs.Stat(m.h.Files, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxPlist {
		return nil, fmt.Errorf("/%s is no file that could be a property list", name)
	}
	f, err := m.h.Files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	raw, err := io.ReadAll(io.LimitReader(f, maxPlist))
	if err != nil {
		return nil, err
	}
	d, err := parseDict(raw)
	if err != nil {
		return nil, fmt.Errorf("/%s: %w", name, err)
	}
	return d, nil
}

var errTooMany = errors.New("more programs are listed than there can be")

// entries lists what is in a folder, sorted by name; nothing in one that is not there or may not be read, nor in a link to one,
// which may lead anywhere. One with more than so many is not cut, since a part of it would pass for the whole.
func (m *machine) entries(dir string, most int) ([]fs.DirEntry, error) {
	if info, err := fs.Lstat(m.h.Files, dir); err != nil || !info.IsDir() {
		return nil, nil
	}
	f, err := m.h.Files.Open(dir)
	if err != nil {
		return nil, nil
	}
	defer f.Close() //nolint:errcheck // it was only read
	folder, ok := f.(fs.ReadDirFile)
	if !ok {
		return nil, nil
	}
	all, _ := folder.ReadDir(most + 1) // what could be read of it
	if len(all) > most {
		return nil, errTooMany
	}
	slices.SortFunc(all, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return all, nil
}
