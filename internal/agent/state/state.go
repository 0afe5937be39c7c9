// Package state is what an agent has to remember: who its server says it is, what it told last, and what it still has to
// tell. It lies in one file that only the agent can read.
package state

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"muster/internal/agent/protocol"
	"muster/internal/agent/settings"
	"muster/internal/atomicfile"
)

// State is what the agent remembers. Its members are written by Save only.
type State struct {
	Server      string               `json:"server,omitempty"` // that gave the credentials
	Credentials protocol.Credentials `json:"credentials,omitzero"`
	// HardwareID is that of the machine which enrolled: on another, the file is a copy and its credentials are not ours.
	HardwareID string `json:"hardware_id,omitempty"`
	// Retired: the server told the agent to leave. It does not enrol again by itself.
	Retired time.Time `json:"retired,omitzero"`
	// Digest is that of the last report that was answered.
	Digest   string    `json:"digest,omitempty"`
	Reported time.Time `json:"reported,omitzero"`
	// Done are commands that were carried out and their answers; one without Told has yet to reach the server.
	Done []Done `json:"done,omitempty"`

	file string
	lock *flock.Flock
}

// Done is a command that was carried out. It is remembered until it expires, so that one that comes again is not carried
// out again.
type Done struct {
	Result  protocol.Result `json:"result"`
	Expires time.Time       `json:"expires"`
	Told    bool            `json:"told,omitempty"`
}

// ErrRunning says that another agent has the state.
var ErrRunning = errors.New("another muster-agent is running here")

// ErrDamaged says that what is in the file is not what Save writes.
var ErrDamaged = errors.New("it is damaged")

// FileName is what the file in the folder of the state is called.
const FileName = "state.json"

// Open reads the state in a folder, which it makes if need be. Only one agent at a time has it, until Close.
func Open(dir string) (*State, error) {
	if err := settings.PrivateFolder(dir); err != nil {
		return nil, fmt.Errorf("the folder of the agent's state: %w", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("the agent's state cannot be locked: %w", err)
	}
	if !locked {
		return nil, ErrRunning
	}
	s, err := Read(dir)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	s.lock = lock
	return s, nil
}

// Read reads the state in a folder without holding it: for looking at only.
func Read(dir string) (*State, error) {
	s := &State{file: filepath.Join(dir, FileName)}
	raw, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the agent's state cannot be read: %w", err)
	}
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("the agent's state in %s cannot be read: %w: %w", s.file, ErrDamaged, err)
	}
	return s, nil
}

// Save writes the state, as a whole and lastingly.
func (s *State) Save() error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(s.file, raw, 0o600); err != nil {
		return fmt.Errorf("the agent's state cannot be saved: %w", err)
	}
	return nil
}

// Close lets others have the state.
func (s *State) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// Forget drops what belongs to a device that the agent no longer is. Nothing is saved.
func (s *State) Forget() {
	*s = State{file: s.file, lock: s.lock}
}

// SaysNew reports whether a report says other than the last that was answered.
func (s *State) SaysNew(digest [32]byte) bool { return s.Digest != hex.EncodeToString(digest[:]) }

// NoteReport remembers a report that was answered.
func (s *State) NoteReport(digest [32]byte, at time.Time) {
	s.Digest, s.Reported = hex.EncodeToString(digest[:]), at.UTC()
}

// Knows reports whether a command was carried out already.
func (s *State) Knows(id string) bool {
	return slices.ContainsFunc(s.Done, func(d Done) bool { return d.Result.CommandID == id })
}

// maxDone bounds the commands that are remembered: the server has at most 32 open for one agent.
const maxDone = 100

// NoteDone remembers the result of a command until it was told and the command has expired.
func (s *State) NoteDone(r protocol.Result, expires time.Time) {
	s.Done = append(s.Done, Done{Result: r, Expires: expires})
	if len(s.Done) > maxDone {
		s.Done = s.Done[len(s.Done)-maxDone:]
	}
}

// Untold are the results that the server has not had.
func (s *State) Untold() []protocol.Result {
	var out []protocol.Result
	for _, d := range s.Done {
		if !d.Told {
			out = append(out, d.Result)
		}
	}
	return out
}

// NoteTold remembers that a result reached the server, or that it does not want it; what it was is no longer needed.
func (s *State) NoteTold(id string, now time.Time) {
	for i := range s.Done {
		if d := &s.Done[i]; d.Result.CommandID == id {
			d.Told, d.Result.Output, d.Result.Message = true, "", ""
		}
	}
	s.Done = slices.DeleteFunc(s.Done, func(d Done) bool { return d.Told && d.Expires.Before(now) })
}
