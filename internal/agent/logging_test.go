package agent

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecent: the end of the log is kept, by whole lines, and bounded.
func TestRecent(t *testing.T) {
	log, kept := newLog(io.Discard, "info")
	log.Debug("not at this level")
	for i := range 10_000 {
		log.Info("something happened", "number", i)
		if n := len(kept.String()); n > maxLog {
			t.Fatalf("%d bytes are kept", n)
		}
	}
	text := kept.String()
	if len(text) < maxLog/2 || !strings.Contains(text, fmt.Sprint("number=", 9999)) || strings.Contains(text, "number=1\n") {
		t.Errorf("%d bytes are kept, from %.60q", len(text), text)
	}
	if !strings.HasPrefix(text, "time=") {
		t.Errorf("it begins in the middle of a line: %.60q", text)
	}
	if strings.Contains(text, "not at this level") {
		t.Error("what is not logged is kept")
	}
}

// TestLogFile: the log in a file is the agent's alone, and does not grow for ever.
func TestLogFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "agent.log")
	log, _ := newLog(logTo(failing{}, path), "info")
	line := strings.Repeat("x", 1000)
	for range 3 * maxLogFile / 1000 {
		log.Info("long", "line", line)
	}
	log.Info("the last")
	for name, want := range map[string]string{path: "the last", path + ".1": "x"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > maxLogFile || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has %d bytes and mode %v", name, info.Size(), info.Mode())
		}
		raw, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(raw), want) {
			t.Errorf("%s does not hold %q (%v)", name, want, err)
		}
	}
	// Opened again it goes on where it ended.
	log, _ = newLog(logTo(failing{}, path), "info")
	log.Info("another agent")
	if raw, err := os.ReadFile(path); err != nil || !strings.Contains(string(raw), "the last") || !strings.Contains(string(raw), "another agent") {
		t.Errorf("the log was begun anew (%v)", err)
	}
	// What cannot be written is no trouble.
	log, kept := newLog(logTo(io.Discard, filepath.Join(path, "no folder", "log")), "info")
	log.Info("all the same")
	if !strings.Contains(kept.String(), "all the same") {
		t.Error("without a file nothing is kept")
	}
}

// failing is a standard error that is not there.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
