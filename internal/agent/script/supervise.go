package script

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Command is what the agent's program does when it is started with CommandName, and gives its exit status. Whoever calls it
// gains nothing: it does for a user what the user may do.
func Command(ctx context.Context, args []string, stderr io.Writer) int {
	err := errors.New("this command is for the agent itself")
	var j job
	if len(args) == 2 {
		err = json.Unmarshal([]byte(args[1]), &j)
	}
	passed := false
	if err == nil {
		switch args[0] {
		case "enter":
			err = enter(&j) // which does not return when all is well
		case "clean":
			err = clean(&j)
		default:
			passed, err = supervise(ctx, &j)
		}
	}
	switch {
	case err == nil && passed:
		return statusPass
	case err == nil:
		return statusFail
	}
	_, _ = fmt.Fprintln(stderr, err) // there is nobody else to tell
	return statusError
}

// supervise runs a script to its end or to the end of its time, and ends all that it started.
func supervise(ctx context.Context, j *job) (passed bool, err error) {
	late := fmt.Errorf("the script took longer than %d seconds and was ended", j.Seconds)
	ctx, stop := context.WithTimeoutCause(ctx, time.Duration(j.Seconds)*time.Second, late)
	defer stop()
	// The system ends the script with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := contain()
	if err != nil {
		return false, fmt.Errorf("the script was not run, because what it starts could not be held together: %w", err)
	}
	cmd, err := c.command(ctx, j)
	if err != nil {
		return false, fmt.Errorf("the script was not run, because it could not be done without privileges: %w", err)
	}
	// Everything that the script writes goes to whoever started the supervisor, without passing through it.
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	err = cmd.Start()
	if err != nil {
		return false, fmt.Errorf("the script could not be started: %w", err)
	}
	var how error
	ended := make(chan struct{})
	go func() {
		how = cmd.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		c.end(cmd.Process)
		<-ended
		how = context.Cause(ctx)
	}
	c.end(cmd.Process)
	tidy(ctx, j)
	return verdict(how)
}

// verdict says what the end of a script means: 0 passes, 1 fails, anything else is an error.
func verdict(err error) (passed bool, _ error) {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true, nil
	case !errors.As(err, &exit):
		return false, err
	case exit.ExitCode() == 1:
		return false, nil
	case exit.ExitCode() < 0:
		return false, fmt.Errorf("the script crashed: %s", exit.ProcessState)
	default:
		return false, fmt.Errorf("the script ended with status %d, which is neither 0 nor 1", exit.ExitCode())
	}
}
