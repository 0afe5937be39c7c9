package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// StopCommand is how an administrator stops the service here.
const StopCommand = "sc stop " + Name

// System is the manager of the machine that the agent runs on.
func System() Manager { return controlManager{} }

// controlManager is the service control manager.
type controlManager struct{}

func (controlManager) Check() error { return nil }

// program is where the program is put: nobody but administrators writes to Program Files.
func program() (string, error) {
	dir, err := windows.KnownFolderPath(windows.FOLDERID_ProgramFiles, 0)
	if err != nil {
		return "", fmt.Errorf("the folder of programs: %w", err)
	}
	return filepath.Join(dir, "Muster Agent", "muster-agent.exe"), nil
}

func (c controlManager) Install(ctx context.Context, from string) (bool, error) {
	to, err := program()
	if err != nil {
		return false, err
	}
	changed := false
	if !strings.EqualFold(from, to) {
		// A program that runs cannot be replaced.
		if err = c.Stop(ctx); err != nil {
			return false, err
		}
		if changed, err = placeProgram(from, to); err != nil {
			return false, err
		}
	}
	return changed, withService(func(m *mgr.Mgr, s *mgr.Service) error {
		config := mgr.Config{
			DisplayName: "Muster Agent", Description: "Reports the state of this machine to its Muster server.",
			StartType: mgr.StartAutomatic, DelayedAutoStart: true,
		}
		if s == nil {
			made, err := m.CreateService(Name, to, config, "run")
			if err != nil {
				return fmt.Errorf("the service cannot be made: %w", err)
			}
			defer made.Close() //nolint:errcheck // nothing is written by it
			s = made
		}
		return settle(s, config)
	})
}

// settle makes the service start with the machine, and again when it fails.
func settle(s *mgr.Service, want mgr.Config) error {
	config, err := s.Config()
	if err != nil {
		return err
	}
	config.DisplayName, config.Description = want.DisplayName, want.Description
	config.StartType, config.DelayedAutoStart = want.StartType, want.DelayedAutoStart
	again := func(after time.Duration) mgr.RecoveryAction {
		return mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: after}
	}
	const day = 24 * 60 * 60
	return errors.Join(
		s.UpdateConfig(config),
		s.SetRecoveryActions([]mgr.RecoveryAction{again(30 * time.Second), again(2 * time.Minute), again(10 * time.Minute)}, day),
		s.SetRecoveryActionsOnNonCrashFailures(true),
	)
}

func (c controlManager) Start(ctx context.Context) error {
	if err := c.Stop(ctx); err != nil {
		return err
	}
	return withService(func(_ *mgr.Mgr, s *mgr.Service) error {
		if s == nil {
			return windows.ERROR_SERVICE_DOES_NOT_EXIST
		}
		return s.Start()
	})
}

func (c controlManager) Stop(ctx context.Context) error {
	ctx, done := context.WithTimeout(ctx, stopLimit)
	defer done()
	return withService(func(_ *mgr.Mgr, s *mgr.Service) error {
		if s == nil {
			return nil
		}
		for {
			status, err := s.Query()
			if err != nil || status.State == svc.Stopped {
				return err
			}
			if status.State != svc.StopPending {
				if err := ask(s); err != nil {
					return err
				}
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the service does not stop: %w", ctx.Err())
			case <-time.After(lookAgain):
			}
		}
	})
}

// ask asks the service to stop. One that is just starting cannot be asked yet.
func ask(s *mgr.Service) error {
	_, err := s.Control(svc.Stop)
	if err == nil || errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) || errors.Is(err, windows.ERROR_SERVICE_CANNOT_ACCEPT_CTRL) {
		return nil
	}
	return fmt.Errorf("the service cannot be stopped: %w", err)
}

func (controlManager) State(context.Context) (State, error) {
	state := Absent
	err := withService(func(_ *mgr.Mgr, s *mgr.Service) error {
		if s == nil {
			return nil
		}
		status, err := s.Query()
		if state = Stopped; err == nil && status.State == svc.Running {
			state = Running
		}
		return err
	})
	return state, err
}

// Remove cannot remove the program while it is what is running: then it goes with the next start of the machine.
func (controlManager) Remove(context.Context) (string, error) {
	err := withService(func(_ *mgr.Mgr, s *mgr.Service) error {
		if s == nil {
			return nil
		}
		return s.Delete()
	})
	to, bad := program()
	if bad != nil {
		return "", errors.Join(err, bad)
	}
	kept, bad := removeProgram(to)
	return kept, errors.Join(err, bad)
}

// removeProgram removes the program and its folder, with the next start of the machine where it runs.
func removeProgram(to string) (kept string, err error) {
	for _, name := range []string{to, filepath.Dir(to)} {
		if err = os.Remove(name); err == nil || errors.Is(err, os.ErrNotExist) {
			continue
		}
		p, err := windows.UTF16PtrFromString(name)
		if err == nil {
			err = windows.MoveFileEx(p, nil, windows.MOVEFILE_DELAY_UNTIL_REBOOT)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		kept = "The program is still running: " + filepath.Dir(to) + " goes with the next start of Windows."
	}
	return kept, nil
}

// withService opens the service, and gives nil to the function where there is none.
func withService(do func(*mgr.Mgr, *mgr.Service) error) error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("the service control manager: %w", err)
	}
	defer m.Disconnect() //nolint:errcheck // nothing is written by it
	s, err := m.OpenService(Name)
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return do(m, nil)
	}
	if err != nil {
		return fmt.Errorf("the service: %w", err)
	}
	defer s.Close() //nolint:errcheck // nothing is written by it
	return do(m, s)
}
