package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/agent/service"
)

// manager is a service manager that keeps what it was asked.
type manager struct {
	absent error
	fails  string // what it cannot do
	did    []string
}

func (m *manager) do(what string) error {
	m.did = append(m.did, what)
	if what == m.fails {
		return errors.New(what + ": broken")
	}
	return nil
}

func (m *manager) Check() error                                  { return m.absent }
func (m *manager) Install(context.Context, string) (bool, error) { return true, m.do("install") }
func (m *manager) Start(context.Context) error                   { return m.do("start") }
func (m *manager) Stop(context.Context) error                    { return m.do("stop") }
func (m *manager) State(context.Context) (service.State, error)  { return service.Stopped, nil }
func (m *manager) Remove(context.Context) (string, error)        { return "", m.do("remove") }

// administer runs a command as an administrator's.
func administer(m *manager, args ...string) (string, error) {
	var out bytes.Buffer
	p := &program{
		stdout: &out, stderr: &out, privileged: true, env: func(string) (string, bool) { return "", false },
		manager: func() service.Manager { return m },
	}
	err := p.main(context.Background(), args)
	return out.String(), err
}

// What is wrong with a command line is told before anything is done.
func TestInstallMistakes(t *testing.T) {
	const server = "https://muster.example.net"
	for _, c := range []struct {
		name, says string
		manager    manager
		args       []string
	}{
		{"nothing", "--server: name the server", manager{}, nil},
		{"argument", `no arguments, and got "now"`, manager{}, []string{"now"}},
		{"flag", "flag provided but not defined: -serve", manager{}, []string{"--serve", server}},
		{"no systemd", "--no-service", manager{absent: service.ErrNoManager}, []string{"--server", server, "--code", "A"}},
		{"both ways in", "not with both", manager{}, []string{"--server", server, "--code", "A", "--license-key", "B"}},
		{"no authority", "--ca: there is no file /nowhere", manager{}, []string{"--server", server, "--code", "A", "--ca", "/nowhere"}},
		{"state elsewhere", "--no-service", manager{}, []string{"--server", server, "--code", "A", "--state", t.TempDir()}},
		{"plain HTTP", "without TLS", manager{}, []string{"--server", "http://muster.example.net", "--code", "A"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := administer(&c.manager, append([]string{"install"}, c.args...)...)
			if err == nil || !strings.Contains(err.Error(), c.says) || len(c.manager.did) > 0 {
				t.Errorf("%v, want %q\n%s\nit did %v", err, c.says, out, c.manager.did)
			}
		})
	}
}

func TestInstallNeedsAdministrator(t *testing.T) {
	for _, command := range []string{"install", "uninstall"} {
		m := &manager{}
		p := &program{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, env: os.LookupEnv, manager: func() service.Manager { return m }}
		if err := p.main(t.Context(), []string{command}); err == nil || !strings.Contains(err.Error(), command+" needs") || len(m.did) > 0 {
			t.Errorf("%s: %v, it did %v", command, err, m.did)
		}
	}
}

// enroller takes agents with one code.
func enroller(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer := `{}`
		asked, _ := io.ReadAll(r.Body)
		switch {
		case strings.HasSuffix(r.URL.Path, "/registration_code") && r.Header.Get("Gears-Auth") != "RIGHT",
			strings.HasSuffix(r.URL.Path, "/fetch_privacy") && bytes.Contains(asked, []byte("WRONG")):
			w.WriteHeader(http.StatusNotFound)
			answer = `{"errors":[{"error_type":"404006","details":"Unknown registration code"}]}`
		case strings.HasSuffix(r.URL.Path, "/registration_code"):
			answer = `{"license_key":"l","device_id":"d1","access_key":"k","access_token":"t"}`
		case r.Header.Get("Gears-Access-Key") == "" && strings.Contains(r.URL.Path, "/devices/"):
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// An installation without a service leaves the settings and the state, or nothing.
func TestInstallAndUninstall(t *testing.T) {
	url, dir := enroller(t), t.TempDir()
	state := filepath.Join(dir, "state")
	file := filepath.Join(dir, "muster-agent", "settings.json")
	places := []string{"--settings", file, "--state", state, "--status-file", ""}
	m := &manager{absent: errors.New("not asked")}
	install := func(args ...string) (string, error) {
		return administer(m, append(append([]string{"install", "--no-service"}, places...), args...)...)
	}

	t.Log("a settings file that is named has to be there")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(`{"license_key":"of before"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := install("--server", url, "--code", "WRONG")
	if err == nil || !strings.Contains(err.Error(), "404: Unknown registration code\nIs the code right") || exists(state) {
		t.Errorf("%v, and the state is there: %v", err, exists(state))
	}
	out, err := install("--server", url, "--code", "RIGHT")
	if err != nil || !strings.Contains(out, "enrolled with "+url+" as device d1") {
		t.Errorf("%v: %s", err, out)
	}
	b, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(b), `"code": "RIGHT"`) || strings.Contains(string(b), "license_key") {
		t.Errorf("%v: the settings are %s", err, b)
	}
	_, err = install("--code", "WRONG")
	if err == nil || !strings.Contains(err.Error(), "nothing was changed: the server answered 404: Unknown registration code\nIs the code right") {
		t.Errorf("a code that is none took the place of the right one: %v", err)
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, b) {
		t.Errorf("%v: the settings are %s", err, now)
	}
	out, err = install()
	if err != nil || !strings.Contains(out, "This machine is enrolled as device d1") {
		t.Errorf("%v: %s", err, out)
	}
	out, err = administer(m, append([]string{"uninstall"}, places...)...)
	if err != nil || !strings.Contains(out, "d1 is retired") || exists(state) || exists(file) || exists(filepath.Dir(file)) {
		t.Errorf("%v: %s", err, out)
	}
	if got := strings.Join(m.did, " "); got != "stop remove" {
		t.Errorf("it did %s", got)
	}
}

// TestInstallThatCannotBeKept: where what the server gives could not be kept, it is not asked for: enrolling ends the
// credentials that the machine has.
func TestInstallThatCannotBeKept(t *testing.T) {
	asked := false
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	// Somebody's link lies where the folder ought to be.
	link := filepath.Join(dir, "link")
	if err := os.Symlink(state, link); err != nil {
		t.Skip(err)
	}
	file := filepath.Join(dir, "settings.json")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := administer(&manager{}, "install", "--no-service", "--settings", file, "--state", link, "--status-file", "", "--server", s.URL, "--code", "RIGHT")
	if err == nil || !strings.Contains(err.Error(), "could not be kept") || asked {
		t.Errorf("%v, and the server was asked: %v", err, asked)
	}
}
