//go:build unix

package host

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestProgramsOfThisMachine(t *testing.T) {
	t.Parallel()
	p := programs{limit: time.Minute, maxOutput: 1 << 20}
	const both = "echo said; echo answered >&2"
	if out, err := p.Run(t.Context(), "sh", "-c", both); err != nil || string(out) != "said\n" {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := p.RunBoth(t.Context(), "sh", "-c", both); err != nil || string(out) != "said\nanswered\n" {
		t.Errorf("both: %q, %v", out, err)
	}
	var exit *ExitError
	if out, err := p.Run(t.Context(), "sh", "-c", both+"; exit 7"); !errors.As(err, &exit) || exit.Code != 7 || exit.Stderr != "answered" || string(out) != "said\n" {
		t.Errorf("exit 7: %q, %v", out, err)
	}
	if _, err := p.Run(t.Context(), "no-such-program"); !errors.Is(err, ErrNoProgram) {
		t.Errorf("a program that is not there: %v", err)
	}
	if out, err := p.Run(t.Context(), "sh", "-c", "echo $HOME $LC_ALL $PATH"); err != nil || strings.TrimSpace(string(out)) != "/ C "+strings.Join(folders, ":") {
		t.Errorf("environment: %q, %v", out, err)
	}
}

// A program that never ends, or never stops writing, holds nobody, and what it started ends with it.
func TestProgramsThatAreEnded(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	open, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	p := programs{limit: 300 * time.Millisecond, maxOutput: 1 << 20}
	start := time.Now()
	if _, err := p.Run(t.Context(), "sh", "-c", "exec 3>"+fifo+"; echo open >&3; sleep 1000 & sleep 1000"); !errors.Is(err, ErrTooSlow) {
		t.Errorf("too slow: %v", err)
	}
	if err := open.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(open); err != nil || string(said) != "open\n" { // it ends when nobody has it open any more
		t.Errorf("what the program started goes on: %q, %v", said, err)
	}
	p.limit = time.Minute
	if _, err := p.Run(t.Context(), "sh", "-c", "while :; do echo more and more; done"); !errors.Is(err, ErrTooMuch) {
		t.Errorf("too much: %v", err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("they took %v", took)
	}
}
