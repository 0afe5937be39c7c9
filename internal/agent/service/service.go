// Package service hands the agent to the service manager of the machine: systemd, launchd, or that of Windows.
package service

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Name is what the service is called on every system.
const Name = "muster-agent"

// Manager is the service manager of a machine. Each of its methods may be called again: what is so already stays so.
type Manager interface {
	// Check says why a service cannot be installed here; nil where it can.
	Check() error
	// Install puts the program and the service in place, so that it starts with the machine. It does not start it. The
	// program is copied to where only administrators write, unless it is there already or came in a package.
	Install(ctx context.Context, program string) error
	// Start starts the service, anew where it runs already.
	Start(ctx context.Context) error
	// Stop stops the service and waits until it has ended. One that is not there is stopped.
	Stop(ctx context.Context) error
	State(ctx context.Context) (State, error)
	// Remove takes away what Install put in place; the service should be stopped. What came in a package is left to the
	// package manager, and kept says so in a sentence for people; "" where nothing was kept.
	Remove(ctx context.Context) (kept string, err error)
}

// State is what the service is doing.
type State string

// The states of a service.
const (
	Absent  State = "not installed"
	Stopped State = "stopped"
	Running State = "running"
)

// ErrNoManager is what Check gives where there is no service manager that we know.
var ErrNoManager = errors.New("this machine has no systemd")

// A service may take stopLimit to end; meanwhile it is looked at again and again.
const (
	stopLimit = 40 * time.Second
	lookAgain = 200 * time.Millisecond
)

// place copies a program or writes a file so that whoever looks sees the old or the new, and never a half.
func place(to string, content io.Reader, mode os.FileMode) (err error) {
	dir := filepath.Dir(to)
	if err = os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // programs and units are for everybody to read
		return err
	}
	f, err := os.CreateTemp(dir, ".muster-agent-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = io.Copy(f, content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), to)
}

// placeProgram copies a program unless it is there already.
func placeProgram(from, to string) error {
	if same(from, to) {
		return nil
	}
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return place(to, f, 0o755)
}

// same reports whether two names are of one file.
func same(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// removeFiles removes files that may not be there.
func removeFiles(names ...string) error {
	var errs []error
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
