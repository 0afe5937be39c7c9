package state

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"muster/internal/agent/protocol"
)

func opened(t *testing.T, dir string) *State {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRemembered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := opened(t, dir)
	s.Server, s.HardwareID = "https://muster.example.net", "h1"
	s.Credentials = protocol.Credentials{LicenseKey: "L", DeviceID: "D", Key: "K", Token: "T"}
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	digest := sha256.Sum256([]byte("report"))
	s.NoteReport(digest, at)
	s.NoteDone(protocol.Result{Method: "m", CommandID: "c1", Result: "1", Output: "long"}, at.Add(time.Hour))
	if err := s.Save(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrRunning) {
		t.Errorf("a second agent got the state: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := opened(t, dir)
	if diff := cmp.Diff(s, again, cmpopts.IgnoreUnexported(State{})); diff != "" {
		t.Error(diff)
	}
	if again.SaysNew(digest) || !again.SaysNew(sha256.Sum256([]byte("another"))) {
		t.Error("it does not tell a new report from the last")
	}
	for name, want := range map[string]os.FileMode{".": 0o700, FileName: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v (%v), want %v", name, info.Mode(), err, want)
		}
	}
	again.Forget()
	if err := again.Save(); err != nil {
		t.Fatal(err)
	}
	last, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&State{}, last, cmpopts.IgnoreUnexported(State{})); diff != "" {
		t.Errorf("after it was to forget: %s", diff)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDone(t *testing.T) {
	s := &State{}
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	s.NoteDone(protocol.Result{CommandID: "a", Output: "log"}, at.Add(time.Hour))
	s.NoteDone(protocol.Result{CommandID: "b"}, at.Add(2*time.Hour))
	if n := len(s.Untold()); n != 2 || !s.Knows("a") || s.Knows("c") {
		t.Fatalf("%d untold", n)
	}
	s.NoteTold("a", at)
	if n := len(s.Untold()); n != 1 || !s.Knows("a") {
		t.Errorf("%d untold; a command that was told has to be known until it expires", n)
	}
	if s.Done[0].Result.Output != "" {
		t.Error("an output that was told is kept")
	}
	s.NoteTold("b", at.Add(90*time.Minute))
	if s.Knows("a") || !s.Knows("b") {
		t.Errorf("what has expired is kept, or what has not is dropped: %+v", s.Done)
	}
	for i := range 3 * maxDone {
		s.NoteDone(protocol.Result{CommandID: fmt.Sprint(i)}, at)
	}
	if len(s.Done) != maxDone {
		t.Errorf("%d commands are remembered", len(s.Done))
	}
}

// TestBroken: a state that cannot be read is no empty state: enrolling again over it would lose which device this was.
func TestBroken(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(`{"credentials":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, ErrDamaged) {
		t.Fatalf("half a state was read: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := opened(t, dir).Close(); err != nil { // the lock was let go of
		t.Fatal(err)
	}
}
