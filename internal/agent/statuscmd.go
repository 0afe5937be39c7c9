package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode"

	"muster/internal/agent/protocol"
	"muster/internal/agent/service"
	"muster/internal/agent/settings"
	"muster/internal/agent/state"
	"muster/internal/atomicfile"
)

const statusText = `
It shows what the running agent heard last; everybody may ask. Where the agent shows nothing, as on Windows, an administrator
asks the server. Settings that cannot be read are told on standard error. The exit status is 0 when the machine is fit
(compliant, in grace or exempted), 3 when it is not, 4 when that is not known or the server was not heard of for an hour, and 1
for a failure.`

// exitError ends the program with a status of its own and says no more.
type exitError struct{ status int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// Exit statuses of `status`.
const (
	exitUnfit   = 3
	exitUnknown = 4
)

func runStatus(ctx context.Context, p *program, c *command, args []string) error {
	f := settings.NewFlags(c.name, p.env)
	f.Tolerant = true
	asJSON := f.Bool("json", false, "as JSON")
	if err := p.loadAlone(c, f, args); err != nil {
		return helped(err)
	}
	if f.Unread != nil {
		p.complain("%v\nThe agent does not start with these settings; a running one still has those from before.\n", f.Unread)
	}
	s, err := readStatus(&f.Settings)
	if err != nil {
		gone := errors.Is(err, fs.ErrNotExist)
		if !gone {
			p.complain("what the agent shows cannot be read: %v\n", err)
		}
		s, err = askStatus(ctx, &f.Settings)
		if err == nil && gone && f.Settings.StatusFile != "" && s.Verdict != "" {
			s.Error = "the agent does not run here: this is what the server makes of its last report"
		}
	}
	if err != nil {
		return err
	}
	if *asJSON {
		out := json.NewEncoder(p.stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(s); err != nil {
			return err
		}
	} else {
		p.showStatus(s)
	}
	if out := verdictExit(s, time.Now()); out != 0 {
		return &exitError{out}
	}
	return nil
}

// lasting is for how long a verdict counts when the server is not heard of.
const lasting = time.Hour

// verdictExit is the exit status for a verdict. One that may have changed long ago is none, and neither is one of the future,
// from when the clock was wrong: how old that is nobody knows.
func verdictExit(s *Status, now time.Time) int {
	if now.Sub(s.Contact).Abs() > lasting {
		return exitUnknown
	}
	switch s.Verdict {
	case "compliant", "in-grace", "exempted":
		return 0
	case "non-compliant", "quarantined", "out-of-license-usage":
		return exitUnfit
	default:
		return exitUnknown
	}
}

// readStatus reads what the running agent shows. It gives fs.ErrNotExist where it shows nothing.
func readStatus(s *settings.Settings) (*Status, error) {
	raw, err := os.ReadFile(s.StatusFile)
	if err != nil {
		return nil, err
	}
	out := &Status{}
	if err := json.Unmarshal(raw, out); err != nil {
		return nil, fmt.Errorf("%s: %w", s.StatusFile, err)
	}
	return out, nil
}

// askStatus asks the server, for those who may read the credentials.
func askStatus(ctx context.Context, s *settings.Settings) (*Status, error) {
	held, err := state.Read(s.StateDir)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, errors.New("no agent has left word for everybody here; as administrator you can ask the server")
	case err != nil:
		return nil, err
	}
	out := &Status{Version: Version, Server: held.Server, DeviceID: held.Credentials.DeviceID, Reported: held.Reported, Retired: held.Retired}
	if !held.Credentials.Complete() {
		return out, nil
	}
	client, err := httpClient(s)
	if err != nil {
		return nil, err
	}
	v, err := protocol.New(client, held.Server).As(held.Credentials).Verdict(ctx)
	if err != nil {
		return nil, fmt.Errorf("this machine is device %s of %s, which cannot be asked what it thinks of it: %w", out.DeviceID, out.Server, err)
	}
	now := second(time.Now())
	out.Verdict, out.Issues, out.Critical, out.Remediation, out.Judged, out.Contact = v.Status, v.Issues, v.Critical, v.Remediation, now, now
	return out, nil
}

func (p *program) showStatus(s *Status) {
	line := func(name, format string, args ...any) {
		p.say("%-14s %s\n", name, oneLine(fmt.Sprintf(format, args...)))
	}
	switch {
	case !s.Retired.IsZero():
		line("status", "retired by its server %s", s.Retired.Format(time.RFC3339))
	case s.DeviceID == "":
		line("status", "not enrolled")
	case s.Verdict == "", s.Verdict == "installed": // no report yet
		line("status", "not judged yet")
	case time.Since(s.Contact) > lasting:
		line("status", "not known: it was %s, %d issues, %d of them critical, and the server was not heard of since", s.Verdict, s.Issues, s.Critical)
	default:
		line("status", "%s, %d issues, %d of them critical", s.Verdict, s.Issues, s.Critical)
	}
	if s.Issues > 0 && s.Remediation != "" {
		line("what to do", "%s", s.Remediation)
	}
	if s.Question != "" {
		line("asked", "%s (answer with: muster-agent identify YOUR-ANSWER, as administrator)", s.Question)
	}
	line("server", "%s", s.Server)
	line("device", "%s", s.DeviceID)
	line("last report", "%s", ago(s.Reported))
	line("last contact", "%s", ago(s.Contact))
	if s.Error != "" {
		line("trouble", "%s", s.Error)
	}
}

// oneLine makes a line of what may have come from a server, or from whatever answered in its place: nothing in it moves the
// cursor or colours the terminal.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }), " ")
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return fmt.Sprintf("%s (%s ago)", t.Format(time.RFC3339), time.Since(t).Round(time.Second))
}

const retireText = `
The device leaves the inventory and its credentials end. The agent does not enrol again until it is told to: muster-agent
install does. Stop the service first. When the server cannot be reached, nothing changes, here or there.`

func runRetire(ctx context.Context, p *program, c *command, args []string) error {
	f := settings.NewFlags(c.name, p.env)
	if err := p.loadAlone(c, f, args); err != nil {
		return helped(err)
	}
	held, err := p.holdState(f.Settings.StateDir)
	if err != nil {
		return err
	}
	defer held.Close() //nolint:errcheck // the process ends and its lock with it
	id, server := held.Credentials.DeviceID, held.Server
	if err := leave(ctx, &f.Settings, held); err != nil {
		return fmt.Errorf("this machine stays device %s of %s, and nothing was changed: %w\nTry again later, or take the device out there: muster device delete %[1]s", id, server, err)
	}
	held.Forget()
	held.Retired = time.Now().UTC()
	if err := held.Save(); err != nil {
		return fmt.Errorf("%s has retired this device, but that could not be noted here: %w", server, err)
	}
	p.say("%s has retired this device. `muster-agent install` enrols it again.\n", server)
	return nil
}

// holdState takes the state of a machine that is enrolled.
func (p *program) holdState(dir string) (*state.State, error) {
	held, err := state.Read(dir)
	switch {
	case errors.Is(err, fs.ErrPermission) && !p.privileged:
		return nil, errors.New(needsAdministrator("retire"))
	case err != nil:
		return nil, err
	case !held.Retired.IsZero():
		return nil, fmt.Errorf("this machine was retired %s and is not enrolled", held.Retired.Format(time.RFC3339))
	case !held.Credentials.Complete():
		return nil, errors.New("this machine is not enrolled")
	}
	held, err = state.Open(dir)
	if errors.Is(err, state.ErrRunning) {
		return nil, fmt.Errorf("%w: stop it first (%s)", err, service.StopCommand)
	}
	return held, err
}

// leave takes the device out of the inventory of the server that it is enrolled with.
func leave(ctx context.Context, s *settings.Settings, held *state.State) error {
	client, err := httpClient(s)
	if err != nil {
		return err
	}
	err = protocol.New(client, held.Server).As(held.Credentials).Retire(ctx)
	if protocol.Rejected(err) {
		return nil // it is not in service any more
	}
	return err
}

const identifyText = `
The answer goes to the server with the next report. It is kept on this machine until the administrator asks anew. One that
is not of the form that the administrator asked for is not taken.`

func runIdentify(_ context.Context, p *program, c *command, args []string) error {
	f := settings.NewFlags(c.name, p.env)
	rest, err := p.load(c, f, args)
	if err != nil {
		return helped(err)
	}
	who := strings.TrimSpace(strings.Join(rest, " "))
	if who == "" || len(who) > maxIdentity {
		return usagef("identify takes one answer of at most %d characters: muster-agent identify you@example.net", maxIdentity)
	}
	if !asAsked(&f.Settings, who) {
		return fmt.Errorf("%q is not of the form that the administrator asks for", who)
	}
	if err := settings.PrivateFolder(f.Settings.StateDir); err != nil {
		return err
	}
	return atomicfile.Write(identityFile(f.Settings.StateDir), []byte(who+"\n"), 0o600)
}

// asAsked reports whether an answer is of the form that the server asked the agent for, as far as that has shown it here. In
// what dialect the administrator wrote it is not known; what is no expression here takes every answer.
func asAsked(s *settings.Settings, who string) bool {
	shown, err := readStatus(s)
	if err != nil || shown.Pattern == "" {
		return true
	}
	form, err := regexp.Compile(shown.Pattern)
	return err != nil || form.MatchString(who)
}
