package service

import (
	"context"
	_ "embed" // the unit
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/internal/agent/host"
)

// unit is the unit that packages bring, and that is written where none did.
//
//go:embed muster-agent.service
var unit string

const (
	packagedProgram = "/usr/bin/muster-agent"
	ownProgram      = "/usr/local/bin/muster-agent"
	ownUnit         = "/etc/systemd/system/muster-agent.service"
)

// packagedUnits are where packages put units.
var packagedUnits = []string{"/usr/lib/systemd/system/muster-agent.service", "/lib/systemd/system/muster-agent.service"}

// systemd is the manager of most Linux machines. Its files are below root, "/" but in tests.
type systemd struct {
	root     string
	programs host.Programs
}

func (s systemd) path(name string) string { return filepath.Join(s.root, name) }

// Check wants systemd to be what runs the machine.
func (s systemd) Check() error {
	if !s.booted() {
		return ErrNoManager
	}
	return nil
}

// booted looks as sd_booted does: that systemd is installed says nothing.
func (s systemd) booted() bool {
	_, err := os.Lstat(s.path("/run/systemd/system"))
	return err == nil
}

func (s systemd) packaged() bool {
	for _, name := range packagedUnits {
		if _, err := os.Stat(s.path(name)); err == nil {
			return true
		}
	}
	return false
}

func (s systemd) Install(ctx context.Context, program string) (changed bool, err error) {
	if err = s.Check(); err != nil {
		return false, err
	}
	if s.packaged() {
		// What an earlier installation by hand left would be used in place of what the package brings.
		changed, err = s.removeOwn()
	} else {
		changed, err = s.placeOwn(program)
	}
	if err != nil {
		return changed, err
	}
	if err = s.systemctl(ctx, "daemon-reload"); err != nil {
		return changed, err
	}
	return changed, s.systemctl(ctx, "enable", Name)
}

func (s systemd) placeOwn(program string) (bool, error) {
	copied, err := placeProgram(program, s.path(ownProgram))
	if err != nil {
		return copied, err
	}
	text := strings.ReplaceAll(unit, packagedProgram, ownProgram)
	written, err := place(s.path(ownUnit), []byte(text), 0o644)
	return copied || written, err
}

func (s systemd) removeOwn() (bool, error) { return removeFiles(s.path(ownUnit), s.path(ownProgram)) }

// Start forgets earlier failures, which would delay it.
func (s systemd) Start(ctx context.Context) error {
	_ = s.systemctl(ctx, "reset-failed", Name)
	return s.systemctl(ctx, "restart", Name)
}

func (s systemd) Stop(ctx context.Context) error {
	state, err := s.State(ctx)
	if err != nil || state == Absent {
		return err
	}
	return s.systemctl(ctx, "stop", Name)
}

func (s systemd) State(ctx context.Context) (State, error) {
	if !s.booted() {
		return Absent, nil
	}
	out, err := s.programs.Run(ctx, "systemctl", "show", "--property=LoadState,ActiveState", Name)
	if err != nil {
		return "", fmt.Errorf("systemctl show: %w", err)
	}
	return systemdState(out), nil
}

// systemdState reads what `systemctl show` says. A unit that waits to be started again is no running one.
func systemdState(out []byte) State {
	says := strings.Fields(string(out))
	switch {
	case slices.Contains(says, "ActiveState=active"):
		return Running
	case len(says) == 0 || slices.Contains(says, "LoadState=not-found"):
		return Absent
	}
	return Stopped
}

func (s systemd) Remove(ctx context.Context) (string, error) {
	if !s.booted() {
		_, err := s.removeOwn()
		return "", err
	}
	var errs []error
	state, err := s.State(ctx)
	errs = append(errs, err)
	if state != Absent {
		// Also where it is not known: the link that starts it with the machine would stay.
		errs = append(errs, s.systemctl(ctx, "disable", Name))
	}
	_, err = s.removeOwn()
	errs = append(errs, err, s.systemctl(ctx, "daemon-reload"))
	// A unit that failed is remembered until it is forgotten.
	_ = s.systemctl(ctx, "reset-failed", Name)
	kept := ""
	if s.packaged() {
		kept = "The program came in a package: remove that with the package manager (apt purge muster-agent, dnf remove muster-agent)."
	}
	return kept, errors.Join(errs...)
}

func (s systemd) systemctl(ctx context.Context, args ...string) error {
	_, err := s.programs.Run(ctx, "systemctl", append([]string{"--quiet", "--no-ask-password"}, args...)...)
	if err != nil {
		return fmt.Errorf("systemctl %s: %w", args[0], err)
	}
	return nil
}
