package service

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent/host"
)

// manager answers for systemctl and launchctl, as far as this package uses them, and keeps what it was asked.
type manager struct {
	did    []string
	loaded bool
	show   string // of systemctl show
	fail   string // a command that fails
}

func (m *manager) Run(_ context.Context, name string, args ...string) ([]byte, error) {
	line := name + " " + strings.Join(slices.DeleteFunc(args, func(a string) bool {
		return a == "--quiet" || a == "--no-ask-password"
	}), " ")
	if m.fail != "" && strings.Contains(line, m.fail) {
		return nil, &host.ExitError{Program: name, Code: 1, Stderr: "Access denied"}
	}
	switch {
	case strings.HasPrefix(line, "systemctl show"):
		return []byte(m.show), nil
	case strings.HasPrefix(line, "launchctl print"):
		if !m.loaded {
			return nil, &host.ExitError{Program: name, Code: 113, Stderr: `Could not find service "muster-agent" in domain for system`}
		}
		return []byte("system/muster-agent = {\n\tactive count = 1\n\tstate = running\n\n\tprogram = /x\n}\n"), nil
	}
	m.did = append(m.did, line)
	switch line {
	case "launchctl bootout system/muster-agent":
		m.loaded = false
	case "launchctl bootstrap system " + macPlist:
		m.loaded = true
	}
	return nil, nil
}

// machine is a root with a program to install, and systemd running.
func machine(t *testing.T) (root, program string) {
	t.Helper()
	root = t.TempDir()
	program = filepath.Join(root, "home/someone/muster-agent")
	write(t, program, "the program")
	if err := os.MkdirAll(filepath.Join(root, "run/systemd/system"), 0o755); err != nil {
		t.Fatal(err)
	}
	return root, program
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files gives the files below a folder with their contents and rights, without what was there to begin with.
func files(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		info, bad := d.Info()
		if name := strings.TrimPrefix(path, root); !strings.HasPrefix(name, "/home/") {
			out[name] = info.Mode().String() + " " + string(b)
		}
		return errors.Join(err, bad)
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSystemdByHand(t *testing.T) {
	root, program := machine(t)
	m := &manager{show: "LoadState=not-found\nActiveState=inactive\n"}
	s := systemd{root: root, programs: m}
	for i := range 2 { // again changes nothing
		m.did = nil
		changed, err := s.Install(t.Context(), program)
		if err != nil || changed != (i == 0) {
			t.Errorf("time %d: changed %v, %v", i+1, changed, err)
		}
		check(t, s.Start(t.Context()))
		want := []string{
			"systemctl daemon-reload", "systemctl enable muster-agent", "systemctl reset-failed muster-agent", "systemctl restart muster-agent",
		}
		if diff := cmp.Diff(want, m.did); diff != "" {
			t.Error(diff)
		}
		want2 := map[string]string{
			"/usr/local/bin/muster-agent":              "-rwxr-xr-x the program",
			"/etc/systemd/system/muster-agent.service": "-rw-r--r-- " + strings.ReplaceAll(unit, "/usr/bin/", "/usr/local/bin/"),
		}
		if diff := cmp.Diff(want2, files(t, root)); diff != "" {
			t.Error(diff)
		}
	}
	m.did, m.show = nil, "LoadState=loaded\nActiveState=active\n"
	check(t, s.Stop(t.Context()))
	kept, err := s.Remove(t.Context())
	check(t, err)
	want := []string{
		"systemctl stop muster-agent", "systemctl disable muster-agent", "systemctl daemon-reload", "systemctl reset-failed muster-agent",
	}
	if diff := cmp.Diff(want, m.did); diff != "" {
		t.Error(diff)
	}
	if left := files(t, root); len(left) > 0 || kept != "" {
		t.Errorf("left: %v; %q", left, kept)
	}
}

// A systemd that answers nothing keeps none of the files, and what it did not do is told.
func TestSystemdThatIsBroken(t *testing.T) {
	root, program := machine(t)
	m := &manager{show: "LoadState=loaded\nActiveState=active\n"}
	s := systemd{root: root, programs: m}
	install(t, s, program)
	m.fail = "systemctl"
	_, err := s.Remove(t.Context())
	for _, part := range []string{"systemctl show: ", "systemctl disable: ", "systemctl daemon-reload: ", "Access denied"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not tell %q", err, part)
		}
	}
	if left := files(t, root); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// What a package brought is neither written nor removed, and what lies in its way is.
func TestSystemdByPackage(t *testing.T) {
	root, program := machine(t)
	s := systemd{root: root, programs: &manager{show: "LoadState=loaded\nActiveState=inactive\n"}}
	install(t, s, program)
	write(t, filepath.Join(root, packagedUnits[0]), "of the package")
	before := map[string]string{packagedUnits[0]: "-rw------- of the package"}
	install(t, s, program)
	if diff := cmp.Diff(before, files(t, root)); diff != "" {
		t.Error(diff)
	}
	kept, err := s.Remove(t.Context())
	check(t, err)
	if diff := cmp.Diff(before, files(t, root)); diff != "" || !strings.Contains(kept, "apt purge muster-agent") {
		t.Error(diff, kept)
	}
}

func TestSystemdAbsent(t *testing.T) {
	root, program := machine(t)
	check(t, os.Remove(filepath.Join(root, "run/systemd/system")))
	m := &manager{}
	s := systemd{root: root, programs: m}
	if _, err := s.Install(t.Context(), program); !errors.Is(err, ErrNoManager) {
		t.Errorf("%v", err)
	}
	check(t, s.Stop(t.Context()))
	_, err := s.Remove(t.Context())
	check(t, err)
	if left := files(t, root); len(left) > 0 || len(m.did) > 0 {
		t.Errorf("%v, %v", left, m.did)
	}
}

func TestSystemdFails(t *testing.T) {
	root, program := machine(t)
	s := systemd{root: root, programs: &manager{fail: "enable"}}
	if _, err := s.Install(t.Context(), program); err == nil || !strings.Contains(err.Error(), "Access denied") {
		t.Errorf("%v", err)
	}
}

func TestSystemdState(t *testing.T) {
	for out, want := range map[string]State{
		"LoadState=not-found\nActiveState=inactive\n":  Absent,
		"LoadState=loaded\nActiveState=active\n":       Running,
		"LoadState=loaded\nActiveState=inactive\n":     Stopped,
		"LoadState=loaded\nActiveState=activating\n":   Stopped,
		"LoadState=loaded\nActiveState=failed\n":       Stopped,
		"LoadState=loaded\nActiveState=deactivating\n": Stopped,
		"LoadState=masked\nActiveState=inactive\n":     Stopped,
		// Its unit was removed while it ran.
		"LoadState=not-found\nActiveState=active\n": Running,
		"": Absent,
	} {
		if got := systemdState([]byte(out)); got != want {
			t.Errorf("%q: %q, want %q", out, got, want)
		}
	}
}

func TestLaunchd(t *testing.T) {
	root, program := machine(t)
	m := &manager{}
	l := launchd{root: root, programs: m}
	state := func(want State) {
		t.Helper()
		got, err := l.State(t.Context())
		if err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	state(Absent)
	for range 2 {
		install(t, l, program)
		check(t, l.Start(t.Context()))
	}
	state(Running)
	want := map[string]string{macProgram: "-rwxr-xr-x the program", macPlist: "-rw-r--r-- " + plist}
	if diff := cmp.Diff(want, files(t, root)); diff != "" {
		t.Error(diff)
	}
	check(t, l.Stop(t.Context()))
	check(t, l.Stop(t.Context()))
	state(Stopped)
	_, err := l.Remove(t.Context())
	check(t, err)
	state(Absent)
	did := []string{
		"launchctl enable system/muster-agent", "launchctl bootstrap system " + macPlist, "launchctl enable system/muster-agent",
		"launchctl bootout system/muster-agent", "launchctl bootstrap system " + macPlist, "launchctl bootout system/muster-agent",
	}
	if diff := cmp.Diff(did, m.did); diff != "" {
		t.Error(diff)
	}
	if left := files(t, root); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// The property list is well-formed, and starts the program that Install puts in place.
func TestPropertyList(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(plist))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(plist, "<string>"+macProgram+"</string>") || !strings.Contains(plist, "<string>"+Name+"</string>") {
		t.Error("the property list names another program or service")
	}
	// Started with the machine, and again after a failure, but not after the end that it comes to by itself.
	said := strings.Join(strings.Fields(plist), "")
	for _, part := range []string{"<key>RunAtLoad</key><true/>", "<key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>", "<key>Umask</key><integer>63</integer>"} {
		if !strings.Contains(said, part) {
			t.Errorf("the property list has no %s", part)
		}
	}
}

// A file that cannot be put in place leaves neither a half nor a temporary file.
func TestPlaceFails(t *testing.T) {
	dir := t.TempDir()
	to := filepath.Join(dir, "x")
	write(t, filepath.Join(to, "in the way"), "")
	if changed, err := place(to, []byte("new"), 0o755); err == nil || changed {
		t.Errorf("%v, %v", changed, err)
	}
	if left := files(t, dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

func install(t *testing.T, m Manager, program string) {
	t.Helper()
	_, err := m.Install(t.Context(), program)
	check(t, err)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
