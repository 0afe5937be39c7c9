package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"

	"muster/internal/agent/collect"
	"muster/internal/agent/devinfo"
	"muster/internal/agent/host"
	"muster/internal/agent/protocol"
	"muster/internal/agent/script"
	"muster/internal/agent/service"
	"muster/internal/agent/settings"
	"muster/internal/agent/state"
)

const runText = `
It enrols this machine if it is not enrolled, reports in full at an interval and when something changed, and pings in
between. It ends with success when it is stopped, or when the server retires the device.`

// checkRunner runs custom checks.
type checkRunner func(context.Context, []protocol.CustomCheck) []collect.CustomResult

func runAgent(ctx context.Context, p *program, c *command, args []string) error {
	f := settings.NewFlags(c.name, p.env)
	if err := p.loadAlone(c, f, args); err != nil {
		return helped(err)
	}
	if f.Warning != "" {
		p.complain("%s\n", f.Warning)
	}
	debug.SetGCPercent(50) // memory is dearer here than the little time that the agent needs
	return service.Run(ctx, func(ctx context.Context) error { return p.work(ctx, &f.Settings) })
}

// work is what the service does.
func (p *program) work(ctx context.Context, s *settings.Settings) error {
	r, err := newRunner(p, s)
	if err != nil {
		return err
	}
	defer r.state.Close() //nolint:errcheck // the process ends and its lock with it
	if !r.state.Retired.IsZero() {
		r.log.Info("the server has retired this device; `muster-agent install` enrols it again", "retired", r.state.Retired)
		r.show()
		return nil
	}
	r.log.Info("started", "version", Version, "server", r.settings.Server, "device_id", r.state.Credentials.DeviceID)
	err = r.run(ctx)
	if errors.Is(err, errRetired) {
		r.show()
		return nil
	}
	r.log.Info("stopped")
	return err
}

// runScript is how the agent starts itself to run a custom check.
func runScript(ctx context.Context, p *program, _ *command, args []string) error {
	return &exitError{status: script.Command(ctx, args, p.stderr)}
}

// newRunner makes an agent from its settings. It holds the state until that is closed.
func newRunner(p *program, s *settings.Settings) (*runner, error) {
	if err := s.Validate(); err != nil {
		return nil, &usageError{err}
	}
	client, err := httpClient(s)
	if err != nil {
		return nil, err
	}
	keys, err := script.ReadKeys(s.ScriptKeys)
	if err != nil {
		return nil, &usageError{fmt.Errorf("--script-keys: %w", err)}
	}
	held, err := state.Open(s.StateDir)
	if err != nil {
		return nil, err
	}
	log, logs := newLog(logTo(p.stderr, s.LogFile), s.LogLevel)
	h := host.System()
	r := &runner{
		settings: s, client: protocol.New(client, s.Server), state: held, host: h, collectors: collectors(h),
		log: log, logs: logs, random: rand.Float64,
		checks: script.New(script.Settings{Keys: keys, User: s.ScriptUser, Now: h.Now}).Run,
	}
	if s.CrossDomain {
		r.door, err = devinfo.New(devinfo.Settings{
			Origins: s.CrossDomainOrigins, CertFile: s.CrossDomainCert, KeyFile: s.CrossDomainKey, StateDir: s.StateDir, Now: h.Now, Log: log,
		})
		if err != nil {
			return nil, errors.Join(&usageError{fmt.Errorf("--cross-domain-origins: %w", err)}, held.Close())
		}
	}
	if err := r.recognise(); err != nil {
		return nil, errors.Join(err, held.Close())
	}
	return r, nil
}

// recognise drops credentials that are not this machine's for this server. It is done before anything is sent: a cloned
// disk must not report in its original's name, and credentials go to the server that gave them and to no other.
func (r *runner) recognise() error {
	s := r.state
	if s.Server != "" && s.Server != r.settings.Server {
		r.log.Info("the server is another than before: enrolling anew", "before", s.Server)
		s.Forget()
		return s.Save()
	}
	return nil
}

// recogniseMachine does the same once it is known which machine this is.
func (r *runner) recogniseMachine() error {
	id, known := r.snapshot.Identity.HardwareID.Get()
	s := r.state
	if !known || s.HardwareID == "" || s.HardwareID == id {
		return nil
	}
	r.log.Warn("this is another machine than the one that enrolled, so its credentials are not ours: enrolling anew")
	s.Forget()
	return s.Save()
}
