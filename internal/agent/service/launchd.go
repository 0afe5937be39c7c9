package service

import (
	"bytes"
	"context"
	_ "embed" // the property list
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"muster/internal/agent/host"
)

// plist is the property list of the service.
//
//go:embed muster-agent.plist
var plist string

const (
	// /usr/local belongs to an ordinary user on many Macs; this folder does not.
	macProgram = "/Library/PrivilegedHelperTools/muster-agent"
	macPlist   = "/Library/LaunchDaemons/muster-agent.plist"
	macTarget  = "system/" + Name
)

// launchd is the manager of macOS. Its files are below root, "/" but in tests.
type launchd struct {
	root     string
	programs host.Programs
}

func (l launchd) path(name string) string { return filepath.Join(l.root, name) }

func (l launchd) Check() error { return nil }

func (l launchd) Install(ctx context.Context, program string) (bool, error) {
	copied, err := placeProgram(program, l.path(macProgram))
	if err != nil {
		return copied, err
	}
	written, err := place(l.path(macPlist), []byte(plist), 0o644)
	if err != nil {
		return copied || written, err
	}
	// An administrator may have disabled it, which outlives the file.
	return copied || written, l.launchctl(ctx, "enable", macTarget)
}

// Start loads the property list anew, which is how a changed one is read, and what starts the service.
func (l launchd) Start(ctx context.Context) error {
	if err := l.Stop(ctx); err != nil {
		return err
	}
	return l.launchctl(ctx, "bootstrap", "system", macPlist)
}

// Stop takes the service out of launchd, which would start it again otherwise. bootout may come back, even with an error
// that says so, before the service has ended, so that is waited for.
func (l launchd) Stop(ctx context.Context) error {
	if !l.loaded(ctx) {
		return nil
	}
	said := l.launchctl(ctx, "bootout", macTarget)
	ctx, done := context.WithTimeout(ctx, stopLimit)
	defer done()
	for l.loaded(ctx) {
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("the service does not stop"), said)
		case <-time.After(lookAgain):
		}
	}
	return nil
}

func (l launchd) loaded(ctx context.Context) bool {
	_, err := l.programs.Run(ctx, "launchctl", "print", macTarget)
	return err == nil
}

func (l launchd) State(ctx context.Context) (State, error) {
	if _, err := os.Stat(l.path(macPlist)); err != nil {
		return Absent, nil //nolint:nilerr // that it is not there is the answer
	}
	out, err := l.programs.Run(ctx, "launchctl", "print", macTarget)
	var exit *host.ExitError
	switch {
	case errors.As(err, &exit):
		return Stopped, nil
	case err != nil:
		return "", fmt.Errorf("launchctl print: %w", err)
	case launchdRuns(out):
		return Running, nil
	}
	return Stopped, nil
}

// launchdRuns reads what `launchctl print` says of a service, whose own members are indented once.
func launchdRuns(out []byte) bool {
	return bytes.Contains(out, []byte("\n\tstate = running\n"))
}

func (l launchd) Remove(context.Context) (string, error) {
	_, err := removeFiles(l.path(macPlist), l.path(macProgram))
	return "", err
}

func (l launchd) launchctl(ctx context.Context, args ...string) error {
	if _, err := l.programs.Run(ctx, "launchctl", args...); err != nil {
		return fmt.Errorf("launchctl %s: %w", args[0], err)
	}
	return nil
}
