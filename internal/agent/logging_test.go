package agent

import (
	"fmt"
	"io"
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
