// Package proof is what the tests have in common that try real programs on the machine at hand: what they need, and how
// they wait for what others do.
package proof

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Need skips a test where something that it needs is missing, and fails it where that must not be.
func Need(t testing.TB, there bool, what string) {
	t.Helper()
	if there {
		return
	}
	if os.Getenv("MUSTER_REQUIRE_AGENT_PROOF") != "" {
		t.Fatalf("this needs %s", what)
	}
	t.Skipf("this needs %s", what)
}

// NeedRoot is Need of root.
func NeedRoot(t testing.TB) {
	t.Helper()
	Need(t, os.Geteuid() == 0, "root")
}

// NeedPrograms is Need of programs.
func NeedPrograms(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := exec.LookPath(name)
		Need(t, err == nil, "the program "+name)
	}
}

// Limit is how long anything may take that is waited for.
const Limit = 2 * time.Minute

// Eventually waits until something holds.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), Limit)
	defer stop()
	tick := time.NewTicker(250 * time.Millisecond) // what is asked may start a program
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("after %v not yet: %s", Limit, what)
		case <-tick.C:
		}
	}
}

// Buffer is written by one and read by another.
type Buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write adds to what was written.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String is what was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
