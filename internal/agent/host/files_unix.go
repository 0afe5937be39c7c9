//go:build unix

package host

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// files is the files of this machine. Opening a FIFO that somebody has put where a file belongs would wait for its other
// end for ever; here it is an error, at once, and so is a device.
type files struct {
	fs.FS
	root string
}

func systemFiles() fs.FS { return files{os.DirFS(root()), root()} }

// Open opens a file or folder.
func (f files) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	file, err := os.OpenFile(filepath.Join(f.root, name), os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = fmt.Errorf("/%s is no file but a pipe, a socket or a device", name)
	}
	if err != nil {
		_ = file.Close() // nothing was written
		return nil, err
	}
	return file, nil
}

// The rest is as os has it.

// ReadDir lists a folder.
func (f files) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(f.FS, name) }

// Stat describes a file.
func (f files) Stat(name string) (fs.FileInfo, error) { return fs.Stat(f.FS, name) }

// Lstat describes a file, or the link itself.
func (f files) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(f.FS, name) }

// ReadLink gives what a link points to.
func (f files) ReadLink(name string) (string, error) { return fs.ReadLink(f.FS, name) }
