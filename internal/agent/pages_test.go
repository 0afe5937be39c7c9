package agent

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"muster/internal/agent/devinfo"
	"muster/internal/agent/host"
	"muster/internal/agent/protocol"
	"muster/internal/agent/settings"
	"muster/internal/agent/state"
)

// TestPagesMayAskWhereBothSay: web pages reach the agent only where the server and the settings want it.
func TestPagesMayAskWhereBothSay(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	open := func() bool {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}
	dir := t.TempDir()
	held, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	door, err := devinfo.New(devinfo.Settings{
		Origins: []string{"https://portal.example.net"}, StateDir: dir, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{state: held, host: &host.Host{Now: time.Now}, client: protocol.New(http.DefaultClient, "http://127.0.0.1:1")}
	wants := func(c *protocol.CrossDomain) { r.config.CrossDomain = c; r.answerPages() }
	wants(&protocol.CrossDomain{Enabled: 1, Port: port})
	if open() {
		t.Error("without the setting it is open")
	}
	r.door = door
	for _, c := range []struct {
		wanted *protocol.CrossDomain
		open   bool
	}{{nil, false}, {&protocol.CrossDomain{Port: port}, false}, {&protocol.CrossDomain{Enabled: 1, Port: port}, true}, {nil, false}, {&protocol.CrossDomain{Enabled: 1, Port: port}, true}} {
		wants(c.wanted)
		if open() != c.open {
			t.Errorf("%+v: %v", c.wanted, !c.open)
		}
	}
	door.Close()
	if open() {
		t.Error("it is open when the agent has stopped")
	}
}

// Pages are told nothing unless the settings say so, whatever else they name.
func TestPagesAreOffUnlessSwitchedOn(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{false, true} {
		f := settings.NewFlags("run", func(string) (string, bool) { return "", false })
		args := []string{"--server", "https://muster.example.net", "--state", t.TempDir(), "--cross-domain-origins", "https://portal.example.net"}
		if on {
			args = append(args, "--cross-domain")
		}
		if _, err := f.Load(args); err != nil {
			t.Fatal(err)
		}
		r, err := newRunner(&program{stdout: new(bytes.Buffer), stderr: new(bytes.Buffer)}, &f.Settings)
		if err != nil {
			t.Fatal(err)
		}
		if (r.door != nil) != on {
			t.Errorf("switched on: %v, and there is a door: %v", on, r.door != nil)
		}
		if err := r.state.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Mistakes in what pages and scripts are allowed are told at the start.
func TestMistakesInWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--cross-domain", "--cross-domain-origins", "portal.example.net"}, {"--script-keys", "/no/such/file"}, {"--script-keys", "muster-script-key:AAAA"},
	} {
		f := settings.NewFlags("run", func(string) (string, bool) { return "", false })
		if _, err := f.Load(append([]string{"--server", "https://muster.example.net", "--state", t.TempDir()}, args...)); err != nil {
			t.Fatal(err)
		}
		var usage *usageError
		_, err := newRunner(&program{stdout: new(bytes.Buffer), stderr: new(bytes.Buffer)}, &f.Settings)
		if !errors.As(err, &usage) {
			t.Errorf("%v: %v", args, err)
		}
	}
}
