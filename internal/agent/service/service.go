// Package service hands the agent to the service manager of the machine: systemd, launchd, or that of Windows.
package service

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"muster/internal/atomicfile"
)

// Name is what the service is called on every system.
const Name = "muster-agent"

// Manager is the service manager of a machine. Each of its methods may be called again: what is so already stays so.
type Manager interface {
	// Check says why a service cannot be installed here; nil where it can.
	Check() error
	// Install puts the program and the service in place, so that it starts with the machine, and reports whether that
	// changed a file. It does not start it. The program is copied to where only administrators write, unless it is there
	// already or came in a package.
	Install(ctx context.Context, program string) (changed bool, err error)
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

// place writes a file so that whoever looks sees the old or the new, and never a half. It gives false where there is
// nothing to do.
func place(to string, content []byte, mode os.FileMode) (changed bool, err error) {
	if old, err := os.ReadFile(to); err == nil && bytes.Equal(old, content) {
		return false, os.Chmod(to, mode)
	}
	if err = os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // programs and units are for everybody to read
		return false, err
	}
	err = atomicfile.Write(to, content, mode)
	return err == nil, err
}

// placeProgram copies a program.
func placeProgram(from, to string) (changed bool, err error) {
	content, err := os.ReadFile(from)
	if err != nil {
		return false, err
	}
	return place(to, content, 0o755)
}

// removeFiles removes files that may not be there, and reports whether one was.
func removeFiles(names ...string) (changed bool, err error) {
	var errs []error
	for _, name := range names {
		err := os.Remove(name)
		changed = changed || err == nil
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return changed, errors.Join(errs...)
}
