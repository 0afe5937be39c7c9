package script

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"muster/internal/agent/host"
	"muster/internal/agent/protocol"
)

// CommandName is the hidden command of the agent's program by which it starts itself.
const CommandName = "run-script"

// The exit statuses of the supervisor. They are not those of scripts: a supervisor that breaks down is no failed check.
const (
	statusPass  = 70
	statusFail  = 71
	statusError = 72
)

// Bounds of a run, beside its time limit.
const (
	maxWritten = 64 << 10 // bytes of output, after which a script is ended
	maxReason  = 1000     // bytes of what the supervisor says
	// patience is how long the supervisor may take to end a script and all that it started.
	patience = 10 * time.Second
)

// job is what the supervisor is told. It is no secret: everybody on the machine can see it.
type job struct {
	Program string   `json:"program"`
	Args    []string `json:"args"`
	Env     []string `json:"env"`
	Dir     string   `json:"dir"`
	Seconds int      `json:"seconds"`
	// As tells as whom it runs; without, as whoever the agent is.
	As *identity `json:"as,omitempty"`
}

type identity struct {
	User int64 `json:"user"`
	Main int64 `json:"group"`
}

func encode(j *job) (string, error) {
	text, err := json.Marshal(j)
	return string(text), err
}

var (
	errTooMuch = fmt.Errorf("the script wrote more than %d KiB and was ended", maxWritten>>10)
	errTooSlow = errors.New("the script took too long and could not be ended properly")
)

// launch runs a script that may be run, and reports whether it passed. An error is why it came to no answer.
func (s *Settings) launch(ctx context.Context, c *protocol.CustomCheck) (passed bool, output string, err error) {
	way, ok := interpreters[c.Interpreter]
	if !ok {
		return false, "", fmt.Errorf("there is no interpreter %s on systems such as this", c.Interpreter)
	}
	program, err := way.find()
	if err != nil {
		return false, "", fmt.Errorf("the interpreter %s: %w", c.Interpreter, err)
	}
	as, err := runAs(s.User)
	if err != nil {
		return false, "", err
	}
	place, err := newPlace(as)
	if err != nil {
		return false, "", fmt.Errorf("no place for the script could be made: %w", err)
	}
	defer place.remove()
	file, err := place.write("script"+way.suffix, c.Text)
	if err != nil {
		return false, "", fmt.Errorf("no place for the script could be made: %w", err)
	}
	return supervised(ctx, &job{
		Program: program, Args: append(append([]string{}, way.args...), file), Env: environment(place.work), Dir: place.work,
		Seconds: c.TimeoutSeconds, As: as,
	})
}

// supervised starts the supervisor, and reads what the script writes.
func supervised(ctx context.Context, j *job) (passed bool, output string, err error) {
	text, err := encode(j)
	if err != nil {
		return false, "", err
	}
	self, err := ownProgram()
	if err != nil {
		return false, "", err
	}
	ctx, stop := context.WithTimeoutCause(ctx, time.Duration(j.Seconds)*time.Second+patience, errTooSlow)
	defer stop()
	written := &host.Bounded{Most: maxWritten, Full: stop}
	reason := &host.Bounded{Most: maxReason}
	cmd := exec.CommandContext(ctx, self, CommandName, "supervise", text) //nolint:gosec // the agent's own program
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = written, reason, j.Env, filepath.Dir(j.Dir)
	cmd.WaitDelay = patience
	detach(cmd)
	// The system ends the supervisor with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	output = written.String()
	var exit *exec.ExitError
	switch {
	case written.Overflowed():
		return false, output, errTooMuch
	case ctx.Err() != nil:
		return false, output, context.Cause(ctx)
	case !errors.As(err, &exit):
		return false, output, errors.Join(errors.New("the script could not be supervised"), err)
	}
	switch exit.ExitCode() {
	case statusPass:
		return true, output, nil
	case statusFail:
		return false, output, nil
	case statusError:
		return false, output, errors.New(strings.TrimSpace(reason.String()))
	default:
		return false, output, fmt.Errorf("the supervisor of the script broke down: %w", exit)
	}
}

// interpreter is how to run a script of one kind.
type interpreter struct {
	names  []string // of its program, the first that there is
	args   []string // before the file
	suffix string   // of the file
}

func (i *interpreter) find() (string, error) {
	for _, name := range i.names {
		path, err := host.LookUp(name)
		if err == nil {
			return path, nil
		}
	}
	return "", host.ErrNoProgram
}

// place is where a script lies, a folder of the agent's, and where it works, an empty one that is its own. Neither holds
// anything of another run.
type place struct{ dir, work string }

// folderName begins the names of such folders.
const folderName = "muster-script-"

func (p *place) remove() { _ = os.RemoveAll(p.dir) }

// write puts the script where it can be read, and not changed.
func (p *place) write(name, text string) (string, error) {
	file := filepath.Join(p.dir, name)
	err := os.WriteFile(file, []byte(text), 0o400)
	if err == nil {
		err = readable(file)
	}
	return file, err
}
