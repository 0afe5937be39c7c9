package host

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"time"
)

const (
	// programLimit is how long a program may take. `apt list` on a slow disk is the slowest of those that are run.
	programLimit = 60 * time.Second
	// slowLimit is for scans of a whole machine.
	slowLimit = 8 * time.Hour
	// maxOutput bounds what a program may write: `rpm -qa` of the largest installations is a tenth of it.
	maxOutput = 32 << 20
	maxStderr = 300
)

// programs runs the programs of this machine.
type programs struct {
	limit     time.Duration
	maxOutput int
}

// Run is as Programs says.
func (p programs) Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	return p.run(ctx, false, name, args)
}

// RunBoth is as Host says.
func (p programs) RunBoth(ctx context.Context, name string, args ...string) ([]byte, error) {
	return p.run(ctx, true, name, args)
}

func (p programs) run(ctx context.Context, both bool, name string, args []string) ([]byte, error) {
	path, err := lookUp(name)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeoutCause(ctx, p.limit, ErrTooSlow)
	defer stop()
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // a name from our source, looked up in the system's own folders
	out := &Bounded{Most: p.maxOutput, Full: stop}
	said := &Bounded{Most: maxStderr}
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = out, said, environment(), rootFolder()
	if both {
		cmd.Stderr = out
	}
	// What the program leaves behind must not hold the agent by an open pipe.
	cmd.WaitDelay = time.Second
	together := aloneInGroup(cmd)
	if err = cmd.Start(); err == nil {
		together(cmd.Process)
		err = cmd.Wait()
	}
	together(nil)
	var exit *exec.ExitError
	switch {
	case out.Overflowed():
		return nil, ErrTooMuch
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(err, &exit):
		return out.Bytes(), &ExitError{Program: name, Code: exit.ExitCode(), Stderr: oneLine(said.String())}
	case err != nil:
		return nil, err
	}
	return out.Bytes(), nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
