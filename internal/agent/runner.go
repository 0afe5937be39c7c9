package agent

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/devinfo"
	"muster/internal/agent/host"
	"muster/internal/agent/protocol"
	"muster/internal/agent/report"
	"muster/internal/agent/schedule"
	"muster/internal/agent/settings"
	"muster/internal/agent/state"
)

// runner is an agent at work. Its loop alone touches its members.
type runner struct {
	settings   *settings.Settings
	client     *protocol.Client // without credentials; see server
	state      *state.State
	host       *host.Host
	collectors []collect.Collector
	log        *slog.Logger
	logs       *recent
	random     schedule.Random

	snapshot *collect.Snapshot
	checks   checkRunner
	door     *devinfo.Door // nil unless the settings let web pages ask
	// config is how the server wants it, once it has said so. Nothing is reported before: what is private is in it.
	config     protocol.Config
	configured bool

	// When to do what next.
	ping, look, full time.Time
	wantReport       bool
	// unjudged: a report was answered, and what the server makes of it is not known yet.
	unjudged bool
	// refused is the digest of a report that the server refused. It is sent again only at the interval.
	refused [sha256.Size]byte
	// After failures nothing is said before quietUntil.
	failures, rejections int
	quietUntil           time.Time

	status Status
	// unsaved is why what the agent has to remember could not be kept; nil when it was.
	unsaved error
	working map[string]bool // commands that are being carried out, by id
	results chan done
	// checking: the custom checks are being run.
	checking bool
	checked  chan []collect.CustomResult
}

// done is a command that has been carried out.
type done struct {
	result  protocol.Result
	expires time.Time
}

// errRetired ends the agent: its server wants it no more.
var errRetired = errors.New("the server has retired this device")

// run works until the context ends or the server retires the device.
func (r *runner) run(ctx context.Context) error {
	if r.door != nil {
		defer r.door.Close()
	}
	r.working, r.results, r.checked = map[string]bool{}, make(chan done), make(chan []collect.CustomResult)
	r.show() // it may take a minute until there is more to say
	now := r.host.Now()
	r.ping = now.Add(schedule.First(r.pingEvery(), r.random))
	r.full, r.look = now, now.Add(r.settings.LookEvery)
	if r.state.Digest != "" {
		// Known to the server already: after a power cut, all agents of a building start at once.
		r.full = r.ping
	}
	for {
		if !r.wait(ctx) {
			return nil
		}
		if err := r.step(ctx); err != nil {
			return err
		}
	}
}

// wait passes the time until something is to be done, and takes the results of commands meanwhile. It gives false when the
// agent is to stop.
func (r *runner) wait(ctx context.Context) bool {
	for {
		timer := time.NewTimer(max(0, r.next().Sub(r.host.Now())))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case d := <-r.results:
			timer.Stop()
			r.finished(d)
		case results := <-r.checked:
			timer.Stop()
			r.noteChecks(results)
		case <-timer.C:
			return !stopped(ctx)
		}
	}
}

// next is when something is to be done.
func (r *runner) next() time.Time {
	at := r.full
	if r.snapshot == nil {
		return at // nothing is said before it is known which machine this is
	}
	if r.look.Before(at) {
		at = r.look
	}
	talk := r.ping
	if r.wantReport || r.unjudged || !r.state.Credentials.Complete() || len(r.state.Untold()) > 0 {
		talk = time.Time{}
	}
	if talk.Before(r.quietUntil) {
		talk = r.quietUntil
	}
	if talk.Before(at) {
		at = talk
	}
	return at
}

// step does what is due. Errors end the agent; what may go better next time is none.
func (r *runner) step(ctx context.Context) error {
	now := r.host.Now()
	if !now.Before(r.full) {
		if r.configured && !now.Before(r.quietUntil) {
			if err := r.refreshConfig(ctx); err != nil {
				r.log.Warn("the server does not say how to behave; it stays as it was", "error", err)
			}
		}
		r.collectAll(ctx)
		if err := r.recogniseMachine(); err != nil {
			return err
		}
		r.full = now.Add(schedule.Next(r.reportEvery(), r.random))
		r.look = now.Add(r.settings.LookEvery)
	} else if !now.Before(r.look) {
		r.collect(ctx, collect.LightOnes(r.collectors))
		r.look = now.Add(r.settings.LookEvery)
	}
	if stopped(ctx) || r.host.Now().Before(r.quietUntil) {
		return nil
	}
	return r.after(ctx, r.talk(ctx))
}

func stopped(ctx context.Context) bool { return ctx.Err() != nil }

// talk says what there is to say to the server.
func (r *runner) talk(ctx context.Context) error {
	if !r.state.Credentials.Complete() {
		return r.enrol(ctx)
	}
	if err := r.tellResults(ctx); err != nil {
		return err
	}
	if !r.configured {
		if err := r.refreshConfig(ctx); err != nil {
			return err
		}
		r.runChecks(ctx)
	}
	if r.wantReport {
		if err := r.report(ctx); err != nil {
			return err
		}
	}
	if r.unjudged {
		v, err := r.server().Verdict(ctx)
		if err != nil {
			return err
		}
		r.unjudged = false
		r.showVerdict(v)
	}
	if r.host.Now().Before(r.ping) {
		return nil
	}
	commands, err := r.server().Ping(ctx)
	if err != nil {
		return err
	}
	r.ping = r.host.Now().Add(schedule.Next(r.pingEvery(), r.random))
	r.carryOut(ctx, commands)
	return nil
}

// after draws the consequences of how talking went.
func (r *runner) after(ctx context.Context, err error) error {
	now := r.host.Now()
	if stopped(ctx) {
		return nil // it is being stopped: a call that was cut off is no failure
	}
	if err == nil {
		if r.failures > 0 {
			r.log.Info("the server can be reached again", "failures", r.failures)
		}
		r.failures, r.rejections, r.quietUntil = 0, 0, time.Time{}
		if r.unsaved != nil {
			r.keep() // the disk may have room again
		}
		r.showContact(now)
		return nil
	}
	if protocol.Rejected(err) && r.state.Credentials.Complete() {
		if gone := r.rejected(ctx); gone != nil {
			return gone
		}
	}
	r.failures++
	pause := schedule.Retry(r.failures, r.pingEvery(), protocol.RetryAfter(err), r.random)
	r.quietUntil = now.Add(pause)
	r.log.Warn("the server could not be told", "error", err, "failures", r.failures, "again_in", pause.Round(time.Second))
	r.showError(err)
	return nil
}

// maxRejections is how often credentials have to be refused before they are given up for new ones. A server that is
// being restored from its backup may not know them for a while.
const maxRejections = 3

// rejected finds out what it means that the server does not know the device's credentials.
func (r *runner) rejected(ctx context.Context) error {
	code, err := r.server().ImHere(ctx)
	if err == nil && code == protocol.CodeRemove {
		return r.retired()
	}
	r.rejections++
	if r.rejections < maxRejections {
		return nil
	}
	if r.settings.Code == "" && r.settings.LicenseKey == "" {
		r.log.Error("the server does not know this device any more, and there is no registration code to enrol again with")
		return nil
	}
	r.log.Warn("the server does not know this device any more: enrolling again")
	r.rejections = 0
	r.state.Credentials.Key, r.state.Credentials.Token = "", ""
	r.state.Digest = ""
	r.keep()
	return nil
}

// keep saves what is to be remembered. That it cannot, on a full disk, is no reason to stop: it counts until the agent ends, and
// whoever asks for the status is told.
func (r *runner) keep() {
	err := r.state.Save()
	switch {
	case err != nil && r.unsaved == nil:
		r.log.Error("the agent goes on, and when it is started again it will not know what it did since", "error", err)
	case err == nil && r.unsaved != nil:
		r.log.Info("the agent's state can be saved again")
	}
	r.unsaved = err
}

// retired forgets the device.
func (r *runner) retired() error {
	r.log.Info("the server has retired this device; this agent stops, and enrols again only when it is told to")
	r.state.Forget()
	r.state.Retired = r.host.Now().UTC()
	r.status = Status{} // what the server thought of the device counts no more
	if err := r.state.Save(); err != nil {
		return err
	}
	return errRetired
}

// enrol registers the machine.
func (r *runner) enrol(ctx context.Context) error {
	who, err := enrol(ctx, r.client, r.settings, func() *collect.Snapshot { return r.snapshot }, r.state.Credentials.DeviceID)
	if err != nil {
		return err
	}
	r.state.Server, r.state.Credentials = r.settings.Server, who
	r.state.HardwareID = r.snapshot.Identity.HardwareID.Value
	r.state.Digest, r.wantReport = "", true
	r.log.Info("enrolled", "device_id", who.DeviceID)
	r.answerPages()
	r.keep()
	return nil
}

// report sends what was found.
func (r *runner) report(ctx context.Context) error {
	made, err := report.New(r.snapshot, r.about())
	if err != nil {
		return err
	}
	err = r.server().Report(ctx, made.Body)
	if err != nil && !protocol.Refused(err) {
		return err
	}
	r.wantReport = false
	if err != nil {
		r.refused = made.Digest
		r.log.Error("the server refused the report", "error", err)
		r.showError(err)
		return nil
	}
	r.unjudged = true
	r.log.Debug("reported", "bytes", len(made.Body))
	r.state.NoteReport(made.Digest, r.host.Now())
	r.keep()
	return nil
}

func (r *runner) collectAll(ctx context.Context) {
	r.collect(ctx, r.collectors)
	if r.configured {
		r.runChecks(ctx)
	}
	// A report of the future was sent while the clock was wrong: how long ago that was nobody knows.
	since := r.host.Now().Sub(r.state.Reported)
	r.wantReport = r.wantReport || since < 0 || since >= r.reportEvery()*9/10
}

// collect looks at the machine. Neighbours that were seen while they were asked for go with the wish for them.
func (r *runner) collect(ctx context.Context, with []collect.Collector) {
	if !r.wantsNeighbours() {
		with = withoutNeighbours(with)
	}
	r.snapshot = collect.Gather(ctx, with, r.snapshot, r.host.Now(), r.log)
	if !r.wantsNeighbours() {
		r.snapshot.Neighbours = notAsked
	}
	r.noteNews()
}

// noteNews asks for a report if what was found is not what the server knows.
func (r *runner) noteNews() {
	made, err := report.New(r.snapshot, r.about())
	if err != nil {
		r.log.Error("what was found cannot be written down", "error", err)
		return
	}
	r.wantReport = r.wantReport || r.state.SaysNew(made.Digest) && made.Digest != r.refused
}

// runChecks begins to run the custom checks that the policy asks for. They may take their time, and the agent goes on
// meanwhile.
func (r *runner) runChecks(ctx context.Context) {
	if r.checks == nil || r.checking {
		return
	}
	r.checking = true
	asked := r.config.Checks
	go func() {
		results := r.checks(ctx, asked)
		select {
		case r.checked <- results:
		case <-ctx.Done():
		}
	}()
}

// noteChecks adds what the custom checks found to what was found.
func (r *runner) noteChecks(results []collect.CustomResult) {
	r.checking = false
	s := *r.snapshot
	s.Custom = results
	r.snapshot = &s
	r.noteNews()
}

// refreshConfig asks how to behave.
func (r *runner) refreshConfig(ctx context.Context) error {
	c, err := r.server().Config(ctx)
	if err != nil {
		return err
	}
	r.config, r.configured = c, true
	r.answerPages()
	r.carryOut(ctx, c.Commands)
	return nil
}

// answerPages lets web pages ask which device this is where the server wants it, and the settings do.
func (r *runner) answerPages() {
	if r.door == nil {
		return
	}
	w := devinfo.Wanted{DeviceID: r.state.Credentials.DeviceID}
	if c := r.config.CrossDomain; c != nil {
		w.Enabled, w.Port = c.Enabled == 1, c.Port
	}
	r.door.Become(w)
}

// about is what reports say besides what was found.
func (r *runner) about() report.About {
	return report.About{
		Version: Version, DeviceName: r.settings.DeviceName, UserID: userIdentity(r.settings.StateDir), Privacy: r.config.Privacy,
	}
}

// server is the client with the device's credentials.
func (r *runner) server() *protocol.Client { return r.client.As(r.state.Credentials) }

func (r *runner) pingEvery() time.Duration {
	return interval(r.settings.PingEvery, r.config.PingSeconds, time.Minute)
}

func (r *runner) reportEvery() time.Duration {
	return interval(r.settings.ReportEvery, r.config.ReportSeconds, time.Hour)
}

// interval is what the settings of this machine say, or what the server says, within reason, or the usual.
func interval(own time.Duration, server int, usual time.Duration) time.Duration {
	switch {
	case own > 0:
		return own
	case server > 0:
		const least, most = 5, 24 * 60 * 60
		return time.Duration(min(max(server, least), most)) * time.Second
	}
	return usual
}
