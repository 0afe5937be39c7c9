package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
	"muster/internal/agent/protocol"
	"muster/internal/agent/service"
	"muster/internal/agent/settings"
	"muster/internal/agent/state"
	"muster/internal/atomicfile"
)

const installText = `
  muster-agent install --server https://muster.example.net --code AB12CD34

It enrols this machine, keeps the settings in a file that only the administrator can read, and starts the service, now and
with the machine. When the server cannot be reached or does not take the code, it says so and leaves nothing behind.

Run again, it changes what it is told and nothing else; a machine that is enrolled stays the same device. With a newer
muster-agent it puts that in the place of the old one, unless a package brought it. To roll out to many machines, write the
settings file first, or give the code as MUSTER_AGENT_CODE, where the list of processes does not show it.`

// installation is what the command install works with.
type installation struct {
	*program
	flags   *settings.Flags
	s       *settings.Settings
	manager service.Manager // nil: no service is wanted
	client  *protocol.Client
}

func runInstall(ctx context.Context, p *program, c *command, args []string) error {
	f := settings.NewFlags(c.name, p.env)
	f.Writes = true
	noService := f.Bool("no-service", false, "only write the settings and enrol; have muster-agent run started by other means")
	if err := p.loadAlone(c, f, args); err != nil {
		return helped(err)
	}
	i := &installation{program: p, flags: f, s: &f.Settings}
	if !*noService {
		i.manager = p.manager()
	}
	if err := i.prepare(args); err != nil {
		return err
	}
	enrolled, err := i.enrol(ctx)
	if err != nil {
		return err
	}
	written, err := i.save()
	if err != nil {
		return err
	}
	if i.manager == nil {
		i.say("The settings are in %s. Have `muster-agent run` started with this machine, as administrator.\n", f.File)
		return nil
	}
	return i.start(ctx, enrolled || written)
}

// prepare finds every mistake that can be found before anything is done.
func (i *installation) prepare(args []string) error {
	if !i.privileged {
		return errors.New(needsAdministrator("install"))
	}
	if i.manager != nil {
		if err := i.manager.Check(); err != nil {
			return fmt.Errorf("%w, so the service cannot be installed. With --no-service the machine is enrolled, and `muster-agent run` is yours to start", err)
		}
	}
	i.oneWayIn(args)
	if err := errors.Join(i.wholePaths(), i.defaultPlaces(), i.s.Validate()); err != nil {
		return &usageError{err}
	}
	client, err := httpClient(i.s)
	if err != nil {
		return err
	}
	i.client = protocol.New(client, i.s.Server)
	return nil
}

func needsAdministrator(command string) string {
	if runtime.GOOS == "windows" {
		return command + " needs the rights of an administrator: run it from a console that was opened with 'Run as administrator'"
	}
	return command + " needs root: sudo muster-agent " + command + " …"
}

// oneWayIn has the code or the licence key of the command line replace the other one, which the file may have.
func (i *installation) oneWayIn(args []string) {
	given := settings.NewFlags("", func(string) (string, bool) { return "", false })
	given.Bool("no-service", false, "")
	if given.Parse(args) != nil {
		return // it was understood before
	}
	switch code, key := given.Settings.Code != "", given.Settings.LicenseKey != ""; {
	case code && !key:
		i.s.LicenseKey = ""
	case key && !code:
		i.s.Code = ""
	}
}

// wholePaths makes the names of files mean the same to the service, which starts in another folder, and on Linux has a
// /tmp of its own.
func (i *installation) wholePaths() error {
	var mistakes []error
	for name, path := range map[string]*string{"state": &i.s.StateDir, "status-file": &i.s.StatusFile} {
		if *path == "" {
			continue
		}
		whole, err := filepath.Abs(*path)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("--%s: %w", name, err))
		}
		*path = whole
	}
	for name, path := range map[string]*string{
		"ca": &i.s.CA, "client-cert": &i.s.ClientCert, "client-key": &i.s.ClientKey,
		"cross-domain-cert": &i.s.CrossDomainCert, "cross-domain-key": &i.s.CrossDomainKey,
	} {
		if *path == "" {
			continue
		}
		whole, err := filepath.Abs(*path)
		switch {
		case err != nil:
			mistakes = append(mistakes, fmt.Errorf("--%s: %w", name, err))
		case !exists(whole):
			mistakes = append(mistakes, fmt.Errorf("--%s: there is no file %s", name, whole))
		case i.manager != nil && (strings.HasPrefix(whole, "/tmp/") || strings.HasPrefix(whole, "/var/tmp/")):
			mistakes = append(mistakes, fmt.Errorf("--%s: the service does not see %s; put the file where it can stay, such as %s",
				name, whole, filepath.Join(filepath.Dir(i.flags.File), filepath.Base(whole))))
		}
		*path = whole
	}
	return errors.Join(mistakes...)
}

// defaultPlaces refuses places for settings and state where the service neither looks nor may write.
func (i *installation) defaultPlaces() error {
	if i.manager == nil {
		return nil
	}
	var mistakes []error
	for name, value := range map[string]string{"settings": i.flags.File, "state": i.s.StateDir, "status-file": i.s.StatusFile} {
		if usual := i.flags.Lookup(name).DefValue; value != usual && (name != "status-file" || value != "") {
			mistakes = append(mistakes, fmt.Errorf("--%s: the service has it at %s; another place goes with --no-service only", name, usual))
		}
	}
	return errors.Join(mistakes...)
}

// enrol sees that the server knows this machine, and enrols it where it does not. It reports whether it did.
func (i *installation) enrol(ctx context.Context) (bool, error) {
	before, err := state.Read(i.s.StateDir)
	if err != nil {
		return false, err
	}
	deviceID := ""
	if before.Server == i.s.Server && before.Credentials.Complete() {
		_, err := i.client.As(before.Credentials).Verdict(ctx)
		if err == nil {
			if err := i.wayBackIn(ctx); err != nil {
				return false, err
			}
			i.say("This machine is enrolled as device %s.\n", before.Credentials.DeviceID)
			return false, nil
		}
		if !protocol.Rejected(err) {
			return false, fmt.Errorf("nothing was changed: the server that this machine is enrolled with does not answer: %w", err)
		}
		deviceID = before.Credentials.DeviceID
	}
	made := !exists(i.s.StateDir)
	if err := keepable(i.s.StateDir); err != nil {
		return false, fmt.Errorf("the machine is not enrolled, because what the server gives it could not be kept: %w", err)
	}
	var found *collect.Snapshot
	who, err := enrol(ctx, i.client, i.s, func() *collect.Snapshot {
		log, _ := newLog(i.stderr, "error")
		h := host.System()
		found = collect.Gather(ctx, withoutNeighbours(collectors(h)), nil, h.Now(), log)
		return found
	}, deviceID)
	if err != nil {
		if made {
			_ = os.Remove(i.s.StateDir) // it is empty, or it stays
		}
		return false, notEnrolled(err, i.s)
	}
	if err := i.remember(ctx, who, found.Identity.HardwareID.Value); err != nil {
		return false, fmt.Errorf("the machine is enrolled as device %s, but that cannot be kept: %w", who.DeviceID, err)
	}
	i.say("This machine is enrolled with %s as device %s.\n", i.s.Server, who.DeviceID)
	return true, nil
}

// wayBackIn sees that another code, or licence key, than the settings have so far is one. A machine that is enrolled needs it
// only when it has to enrol again, which is too late to be told.
func (i *installation) wayBackIn(ctx context.Context) error {
	before := settings.NewFlags("", func(string) (string, bool) { return "", false })
	before.Writes = true
	_, err := before.Load([]string{"--settings", i.flags.File})
	if err != nil {
		return err
	}
	if was := &before.Settings; i.s.Code == was.Code && i.s.LicenseKey == was.LicenseKey || i.s.Code == "" && i.s.LicenseKey == "" {
		return nil
	}
	_, err = i.client.FetchPrivacy(ctx, i.s.Code, i.s.LicenseKey)
	if err != nil {
		return fmt.Errorf("this machine is enrolled, but could not enrol again, and nothing was changed: %w", advised(err, i.s))
	}
	return nil
}

func notEnrolled(err error, s *settings.Settings) error {
	return fmt.Errorf("the machine is not enrolled, and nothing was changed: %w", advised(err, s))
}

// advised says what an administrator can do about it.
func advised(err error, s *settings.Settings) error {
	what := ""
	var e *protocol.Error
	switch {
	case errors.As(err, &e) && e.Status == 404 && e.Type != "":
		what = "\nIs the code right, and of this server? `muster regcode show` on the server prints the one that counts."
		if s.LicenseKey != "" {
			what = "\nIs the licence key right, and does its account let agents enrol by it?"
		}
	case errors.As(err, &e) && e.Status == 406:
		what = "\nThe account has no room for another device. Run it again when there is: `muster account show` on the server counts them."
	case errors.As(err, &e) && e.Type == "":
		what = "\nWhat answers at " + s.Server + " is no Muster server, or something in between."
	}
	if e != nil {
		// Which of its calls it was says nothing to an administrator.
		err = fmt.Errorf("the server answered %d: %s", e.Status, e.Details)
	}
	return fmt.Errorf("%w%s", err, what)
}

// keepable sees that something can be kept in the folder of the state. Enrolling anew ends the credentials from before, so
// that it must not be found out after it.
func keepable(dir string) error {
	if err := settings.PrivateFolder(dir); err != nil {
		return err
	}
	probe := filepath.Join(dir, "probe")
	if err := atomicfile.Write(probe, make([]byte, 4096), 0o600); err != nil {
		return err
	}
	return os.Remove(probe)
}

// remember keeps who the machine is. The service has the state while it runs.
func (i *installation) remember(ctx context.Context, who protocol.Credentials, hardwareID string) error {
	if i.manager != nil {
		if err := i.manager.Stop(ctx); err != nil {
			return err
		}
	}
	held, err := state.Open(i.s.StateDir)
	if err != nil {
		return err
	}
	held.Forget()
	held.Server, held.Credentials, held.HardwareID = i.s.Server, who, hardwareID
	return errors.Join(held.Save(), held.Close())
}

// save writes the settings and reports whether that changed them.
func (i *installation) save() (bool, error) {
	before, _ := os.ReadFile(i.flags.File)
	if runtime.GOOS == "windows" {
		// What is made in the folder for the data of programs belongs to whoever made it.
		if err := settings.PrivateFolder(filepath.Dir(i.flags.File)); err != nil {
			return false, err
		}
	}
	if err := settings.Save(i.flags.File, *i.s); err != nil {
		return false, fmt.Errorf("the settings cannot be written: %w", err)
	}
	after, err := os.ReadFile(i.flags.File)
	return !bytes.Equal(before, after), err
}

// start puts the service in place and starts it, anew where something changed.
func (i *installation) start(ctx context.Context, changed bool) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	again := "; `muster-agent install` goes on from here"
	placed, err := i.manager.Install(ctx, self)
	if err != nil {
		return fmt.Errorf("the service cannot be installed: %w%s", err, again)
	}
	now, err := i.manager.State(ctx)
	if err == nil && (changed || placed || now != service.Running) {
		err = i.manager.Start(ctx)
	}
	if err != nil {
		return fmt.Errorf("the service cannot be started: %w%s", err, again)
	}
	i.say("The service runs, and starts with this machine. muster-agent status shows what the server thinks of it.\n")
	return nil
}
