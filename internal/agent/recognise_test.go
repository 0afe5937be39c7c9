package agent

import (
	"errors"
	"io"
	"testing"
	"time"

	"muster/internal/agent/protocol"
	"muster/internal/agent/settings"
	"muster/internal/agent/state"
)

// TestAnotherServer: the settings name another server than the one that gave the credentials. It gets none of them.
func TestAnotherServer(t *testing.T) {
	for server, known := range map[string]bool{"https://muster.example.net": true, "https://other.example.net": false} {
		dir := t.TempDir()
		held, err := state.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		held.Server, held.Digest = "https://muster.example.net", "d"
		held.Credentials = protocol.Credentials{LicenseKey: "L", DeviceID: "D1", Key: "K", Token: "T"}
		if err := errors.Join(held.Save(), held.Close()); err != nil {
			t.Fatal(err)
		}
		r, err := newRunner(&program{stderr: io.Discard}, &settings.Settings{
			Server: server, Code: "CODE", StateDir: dir, LookEvery: time.Minute, LogLevel: "error",
		})
		if err != nil {
			t.Fatal(err)
		}
		kept, err := state.Read(dir)
		if err := errors.Join(err, r.state.Close()); err != nil {
			t.Fatal(err)
		}
		for what, s := range map[string]*state.State{"the agent": r.state, "its file": kept} {
			if s.Credentials.Complete() != known || (s.Digest != "") != known {
				t.Errorf("%s: %s has %+v", server, what, s)
			}
		}
	}
}
