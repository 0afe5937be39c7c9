package host

import (
	"bytes"
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
	out := &bounded{most: p.maxOutput, full: stop}
	said := &bounded{most: maxStderr}
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
	case out.overflowed:
		return nil, ErrTooMuch
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.As(err, &exit):
		return out.buf.Bytes(), &ExitError{Program: name, Code: exit.ExitCode(), Stderr: oneLine(said.buf.String())}
	case err != nil:
		return nil, err
	}
	return out.buf.Bytes(), nil
}

// bounded keeps what is written to it up to a number of bytes, and tells somebody when there was more.
type bounded struct {
	buf        bytes.Buffer
	most       int
	overflowed bool
	full       func() // may be nil: the rest is passed over
}

func (b *bounded) Write(p []byte) (int, error) {
	keep := min(len(p), b.most-b.buf.Len())
	b.buf.Write(p[:keep])
	if keep < len(p) && b.full != nil && !b.overflowed {
		b.overflowed = true
		b.full()
	}
	return len(p), nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
