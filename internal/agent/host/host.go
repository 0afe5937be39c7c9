// Package host is what a collector may ask of the machine: files, programs and, on Windows, the registry. Collectors see
// the machine through it alone, so that those of every system can be tested on any with what was recorded elsewhere.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// Host is a machine to look at.
type Host struct {
	// Files is the root of its files, named as fs.FS wants it: "etc/os-release". On Windows it is the system drive.
	Files    fs.FS
	Programs Programs
	// Slow runs programs that may take hours: a scan of the whole machine.
	Slow     Programs
	Registry Registry // nil but on Windows
	Native   Native   // nil but on Windows
	// Volumes lists the mounted file systems that hold the machine's own data, each once: those of local disks, and where the
	// system itself lies. File systems of the network, of users (FUSE) and of the kernel are left out, as are pictures of
	// disks (squashfs, disk images): to ask them how large they are may take for ever, or says nothing.
	Volumes func() ([]Volume, error)
	// Scratch makes a folder that only the agent can look into, for programs that must write where they only read, with links
	// to all that is in another folder but locks ("" for none). Whoever asked for it has it removed.
	Scratch func(like string) (dir string, remove func(), err error)
	// Netlink asks Linux for everything of one kind that it has of the network, in its routing protocol (rtnetlink(7)), and
	// gives the messages as they come, one after the other; nil but on Linux.
	Netlink func(request uint16) ([]byte, error)
	Now     func() time.Time
	// Privileged: the agent may read everything. What it could not read without is told as such.
	Privileged bool
}

// Volume is one mounted file system. Sizes are in bytes.
type Volume struct {
	Name        string // where it is mounted, or its drive letter: "/", "C:"
	Device      string
	Type        string // "ext4", "NTFS"
	Total, Free uint64 // what users may use of it
	System      bool   // holds the operating system
}

// Programs runs the machine's own programs.
type Programs interface {
	// Run starts a program, without a shell and with a bounded environment in the C locale, waits for its end and gives what
	// it wrote to its standard output. A name without a slash is looked for in the system's own folders only. It gives
	// ErrNoProgram where there is none, an *ExitError where it ended with anything but 0 (what it wrote is given all the
	// same), and ErrTooSlow or ErrTooMuch where it was ended for taking more time or writing more than it may.
	Run(ctx context.Context, name string, args ...string) ([]byte, error)
}

// Errors of Run.
var (
	ErrNoProgram = errors.New("the program is not installed")
	ErrTooSlow   = errors.New("the program took too long and was ended")
	ErrTooMuch   = errors.New("the program wrote too much and was ended")
)

// ExitError is the end of a program that was not well.
type ExitError struct {
	Program string
	Code    int
	Stderr  string // the beginning of what it said about it
}

func (e *ExitError) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("%s ended with status %d", e.Program, e.Code)
	}
	return fmt.Sprintf("%s ended with status %d: %s", e.Program, e.Code, e.Stderr)
}

// Registry is the registry of Windows.
type Registry interface {
	// Open opens a key by its whole path, such as `HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft`; fs.ErrNotExist where there is none.
	Open(path string) (Key, error)
}

// Key is an open key of the registry.
type Key interface {
	Subkeys() ([]string, error)
	String(value string) (string, error)  // REG_SZ and REG_EXPAND_SZ; fs.ErrNotExist where there is none
	Integer(value string) (uint64, error) // REG_DWORD and REG_QWORD
	Binary(value string) ([]byte, error)
	// Modified is when the key was last written to.
	Modified() (time.Time, error)
	Close() error
}

// maxFile bounds what is read of one file. The longest that a collector reads are the lists of installed packages.
const maxFile = 64 << 20

// ReadFile reads a whole file, and refuses one that is too long to be what it should be.
func (h *Host) ReadFile(name string) ([]byte, error) {
	f, err := h.Files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s is longer than %d bytes", name, maxFile)
	}
	return b, err
}

// Exists reports whether there is a file or folder of that name.
func (h *Host) Exists(name string) bool {
	_, err := fs.Stat(h.Files, name)
	return err == nil
}

// Run starts a program; see Programs.
func (h *Host) Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	return h.Programs.Run(ctx, name, args...)
}

// RunBoth is Run for a program that answers on its standard error: what it writes there is given too.
func (h *Host) RunBoth(ctx context.Context, name string, args ...string) ([]byte, error) {
	if p, ok := h.Programs.(interface {
		RunBoth(ctx context.Context, name string, args ...string) ([]byte, error)
	}); ok {
		return p.RunBoth(ctx, name, args...)
	}
	return h.Programs.Run(ctx, name, args...)
}
