package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"muster/internal/agent/service"
	"muster/internal/agent/settings"
	"muster/internal/agent/state"
)

const uninstallText = `
It retires the device, stops and removes the service, and removes the settings and the state of the agent. It asks nothing.
What stands in its way (a server that cannot be reached, settings or a state that cannot be read, a service that does not
stop) it says, and does the rest all the same. The exit status is 1 when something is left on the machine.`

// retireLimit is how long the server may take to answer when the agent leaves.
const retireLimit = 30 * time.Second

func runUninstall(ctx context.Context, p *program, c *command, args []string) error {
	f := settings.NewFlags(c.name, p.env)
	f.Tolerant = true
	keep := f.Bool("keep-device", false, "leave the device in the server's inventory")
	if err := p.loadAlone(c, f, args); err != nil {
		return helped(err)
	}
	if !p.privileged {
		return errors.New(needsAdministrator("uninstall"))
	}
	if f.Unread != nil {
		p.complain("%v\nThe agent is removed all the same, with its state in %s; --state FOLDER names another.\n", f.Unread, f.Settings.StateDir)
	}
	manager := p.manager()
	running := manager.Stop(ctx)
	if running != nil {
		running = fmt.Errorf("the service cannot be stopped: %w", running)
	}
	if !*keep {
		p.retireDevice(ctx, &f.Settings)
	}
	kept, left := manager.Remove(ctx)
	if left != nil {
		left = fmt.Errorf("the service cannot be removed: %w", left)
	}
	err := errors.Join(running, left, p.removeTraces(f))
	if err == nil {
		p.say("The agent is removed from this machine.\n")
	}
	if kept != "" {
		p.say("%s\n", kept)
	}
	if err != nil {
		return fmt.Errorf("not everything could be removed; all but this is gone: %w", err)
	}
	return nil
}

// retireDevice takes the device out of the inventory if that can be done.
func (p *program) retireDevice(ctx context.Context, s *settings.Settings) {
	held, err := state.Read(s.StateDir)
	if err != nil {
		p.complain("%v\nIf this machine was enrolled, its device stays in the server's inventory: muster device delete takes it out there.\n", err)
		return
	}
	if !held.Credentials.Complete() {
		return
	}
	id, server := held.Credentials.DeviceID, held.Server
	ctx, stop := context.WithTimeout(ctx, retireLimit)
	defer stop()
	if err := leave(ctx, s, held); err != nil {
		p.complain("The device %s stays in the inventory of %s, because it could not be retired: %s\nTo take it out there: muster device delete %s\n",
			id, server, explain(err), id)
		return
	}
	p.say("The device %s is retired.\n", id)
}

// removeTraces removes what the agent wrote. Folders that hold what others put there stay, with that.
func (p *program) removeTraces(f *settings.Flags) error {
	s := &f.Settings
	var errs []error
	switch {
	case s.StateDir == f.Lookup("state").DefValue || exists(filepath.Join(s.StateDir, state.FileName)):
		errs = append(errs, os.RemoveAll(s.StateDir))
	case exists(s.StateDir):
		// A folder that was named by mistake is not emptied.
		p.complain("%s stays as it is: there is no %s in it, so it is not an agent's.\n", s.StateDir, state.FileName)
	}
	for _, file := range []string{f.File, s.StatusFile} {
		if file == "" {
			continue
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
			continue
		}
		if dir := filepath.Dir(file); filepath.Base(dir) == service.Name {
			_ = os.Remove(dir) // where it is empty
		}
	}
	return errors.Join(errs...)
}
