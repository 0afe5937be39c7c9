package agent

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/agent/protocol"
	"muster/internal/agent/state"
)

// enrolled is a machine with settings, a state and a status, each of which a test may break.
type enrolled struct {
	server, state, file, status string
	manager                     manager
}

func enrolledMachine(t *testing.T) *enrolled {
	t.Helper()
	dir := t.TempDir()
	m := &enrolled{
		server: enroller(t), state: filepath.Join(dir, "state"),
		file: filepath.Join(dir, "etc", "settings.json"), status: filepath.Join(dir, "run", "status.json"),
	}
	held, err := state.Open(m.state)
	if err != nil {
		t.Fatal(err)
	}
	held.Server, held.Credentials = m.server, protocol.Credentials{LicenseKey: "l", DeviceID: "d1", Key: "k", Token: "t"}
	if err := errors.Join(held.Save(), held.Close()); err != nil {
		t.Fatal(err)
	}
	m.write(t, m.file, `{"server":"`+m.server+`","code":"RIGHT"}`)
	m.write(t, m.status, `{"server":"`+m.server+`","device_id":"d1"}`)
	return m
}

func (*enrolled) write(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// away is the address of a server that nobody listens at.
func away(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return s.URL
}

// toldAway has the state say that the server is where none is.
func (m *enrolled) toldAway(t *testing.T) {
	t.Helper()
	name := filepath.Join(m.state, state.FileName)
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, name, strings.ReplaceAll(string(raw), m.server, away(t)))
}

// run runs a command as administrator and gives what it says with its error.
func (m *enrolled) run(command string, args ...string) (string, error) {
	out, err := administer(&m.manager, append([]string{command, "--settings", m.file, "--state", m.state, "--status-file", m.status}, args...)...)
	if err != nil {
		out += explain(err)
	}
	return out, err
}

// Whatever is broken, uninstall says so, removes the rest, and fails only where something is left on the machine.
func TestUninstallWhateverIsBroken(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(*testing.T, *enrolled)
		says   []string
		left   bool
	}{
		"nothing": {func(*testing.T, *enrolled) {}, []string{"d1 is retired", "is removed from this machine"}, false},
		"half-written settings": {func(t *testing.T, m *enrolled) { m.write(t, m.file, `{"server":"https://mus`) },
			[]string{"are not a JSON object", "removed all the same", "d1 is retired", "is removed from this machine"}, false},
		"settings that say nonsense": {func(t *testing.T, m *enrolled) { m.write(t, m.file, `{"servers":1,"ping_every":"often"}`) },
			[]string{"servers: there is no such setting", "ping_every", "d1 is retired"}, false},
		"settings of somebody else": {func(t *testing.T, m *enrolled) {
			if err := os.Chmod(m.file, 0o666); err != nil {
				t.Fatal(err)
			}
		}, []string{"others can write to", "d1 is retired"}, false},
		"no settings": {func(t *testing.T, m *enrolled) {
			if err := os.Remove(m.file); err != nil {
				t.Fatal(err)
			}
		}, []string{"no such file", "d1 is retired"}, false},
		"half-written state": {func(t *testing.T, m *enrolled) { m.write(t, filepath.Join(m.state, state.FileName), `{"server":`) },
			[]string{"it is damaged", "stays in the server's inventory: muster device delete", "is removed from this machine"}, false},
		"an authority that is gone": {func(t *testing.T, m *enrolled) { m.write(t, m.file, `{"ca":"/nowhere/ca.pem"}`) },
			[]string{"d1 stays in the inventory", "/nowhere/ca.pem", "muster device delete d1", "is removed from this machine"}, false},
		"a server that is away": {func(t *testing.T, m *enrolled) { m.toldAway(t) },
			[]string{"d1 stays in the inventory", "connection refused", "muster device delete d1", "is removed from this machine"}, false},
		"a service that does not stop": {func(_ *testing.T, m *enrolled) { m.manager.fails = "stop" },
			[]string{"d1 is retired", "not everything could be removed", "the service cannot be stopped: stop: broken"}, true},
		"a service that cannot be removed": {func(_ *testing.T, m *enrolled) { m.manager.fails = "remove" },
			[]string{"d1 is retired", "the service cannot be removed: remove: broken"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := enrolledMachine(t)
			c.damage(t, m)
			out, err := m.run("uninstall")
			if (err != nil) != c.left {
				t.Errorf("it ends with %v", err)
			}
			for _, part := range c.says {
				if !strings.Contains(out, part) {
					t.Errorf("%q is not in\n%s", part, out)
				}
			}
			if c.left == strings.Contains(out, "is removed from this machine") {
				t.Errorf("it says\n%s", out)
			}
			for _, path := range []string{m.file, m.state, m.status} {
				if exists(path) {
					t.Errorf("%s is left", path)
				}
			}
			if got := strings.Join(m.manager.did, " "); got != "stop remove" {
				t.Errorf("it did %s", got)
			}
		})
	}
}

// What cannot be removed is named, and the rest is gone.
func TestUninstallNamesWhatIsLeft(t *testing.T) {
	m := enrolledMachine(t)
	if err := os.Remove(m.file); err != nil {
		t.Fatal(err)
	}
	m.write(t, filepath.Join(m.file, "somebody's"), "") // the file is a folder with something in it
	out, err := m.run("uninstall")
	if err == nil || !strings.Contains(out, "not everything could be removed; all but this is gone: remove "+m.file) {
		t.Errorf("%v: %s", err, out)
	}
	if exists(m.state) || exists(m.status) {
		t.Error("the rest is left")
	}
}

// A folder that was named by mistake is not emptied, and that is said.
func TestUninstallLeavesOthersFolders(t *testing.T) {
	m := enrolledMachine(t)
	others := filepath.Join(t.TempDir(), "thesis")
	m.write(t, others, "years of work")
	out, err := m.run("uninstall", "--state", filepath.Dir(others))
	if err != nil || !strings.Contains(out, filepath.Dir(others)+" stays as it is") || !exists(others) {
		t.Errorf("%v: %s", err, out)
	}
}

// retire changes nothing where the server does not answer, and says what can be done.
func TestRetire(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(*testing.T, *enrolled)
		says   []string
		fails  bool
	}{
		"answered": {func(*testing.T, *enrolled) {}, []string{"has retired this device"}, false},
		"away": {func(t *testing.T, m *enrolled) { m.toldAway(t) },
			[]string{"stays device d1 of http://127.0.0.1", "nothing was changed", "connection refused", "muster device delete d1"}, true},
		"running": {func(t *testing.T, m *enrolled) {
			held, err := state.Open(m.state)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = held.Close() })
		}, []string{"another muster-agent is running here: stop it first ("}, true},
		"damaged": {func(t *testing.T, m *enrolled) { m.write(t, filepath.Join(m.state, state.FileName), `{"server":`) },
			[]string{"it is damaged", "Remove that file"}, true},
		"not enrolled": {func(t *testing.T, m *enrolled) { m.write(t, filepath.Join(m.state, state.FileName), `{}`) },
			[]string{"this machine is not enrolled"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := enrolledMachine(t)
			c.damage(t, m)
			before, _ := os.ReadFile(filepath.Join(m.state, state.FileName))
			out, err := m.run("retire")
			after, _ := os.ReadFile(filepath.Join(m.state, state.FileName))
			if (err != nil) != c.fails || c.fails != (string(before) == string(after)) {
				t.Errorf("it ends with %v; the state was\n%s\nand is\n%s", err, before, after)
			}
			for _, part := range c.says {
				if !strings.Contains(out, part) {
					t.Errorf("%q is not in\n%s", part, out)
				}
			}
		})
	}
	m := enrolledMachine(t)
	_, err := m.run("retire")
	left, bad := state.Read(m.state)
	if bad != nil || left.Credentials != (protocol.Credentials{}) || left.Retired.IsZero() {
		t.Errorf("%v: a retired machine keeps %+v", bad, left)
	}
	again, bad := m.run("retire")
	if err != nil || bad == nil || !strings.Contains(again, "this machine was retired ") {
		t.Errorf("%v; %v: %s", err, bad, again)
	}
}

// status tells what it can, and what is broken on the way to it.
func TestStatusWhateverIsBroken(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(*testing.T, *enrolled)
		says   []string
		status int
	}{
		"settings": {func(t *testing.T, m *enrolled) { m.write(t, m.file, `{"server":`) },
			[]string{"are not a JSON object", "does not start with these settings", "device         d1"}, exitUnknown},
		"what the agent shows": {func(t *testing.T, m *enrolled) { m.write(t, m.status, `{"dev`) },
			[]string{"what the agent shows cannot be read: " + "/", "device         d1"}, exitUnknown},
		"the state too": {func(t *testing.T, m *enrolled) {
			m.write(t, m.status, `{"dev`)
			m.write(t, filepath.Join(m.state, state.FileName), `{"server":`)
		}, []string{"what the agent shows cannot be read", "the agent's state in", "it is damaged", "Remove that file"}, 1},
		"the server": {func(t *testing.T, m *enrolled) {
			m.toldAway(t)
			if err := os.Remove(m.status); err != nil {
				t.Fatal(err)
			}
		}, []string{"device d1 of http://127.0.0.1", "cannot be asked", "connection refused"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := enrolledMachine(t)
			c.damage(t, m)
			out, err := m.run("status")
			got := 1
			var exit *exitError
			if errors.As(err, &exit) {
				got = exit.status
			}
			if err == nil || got != c.status {
				t.Errorf("it ends with %v", err)
			}
			for _, part := range c.says {
				if !strings.Contains(out, part) {
					t.Errorf("%q is not in\n%s", part, out)
				}
			}
		})
	}
}
