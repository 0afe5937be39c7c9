package packages

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/test/proof"
)

const (
	settingsFile = "/etc/muster-agent/settings.json"
	stateFolder  = "/var/lib/muster-agent"
	ownProgram   = "/usr/local/bin/muster-agent"
	ownUnit      = "/etc/systemd/system/muster-agent.service"
)

// device is what the server says of a device.
type device struct {
	ID           string `json:"device_id"`
	Name         string `json:"name"`
	AgentVersion string `json:"agent_version"`
	ReportedAt   string `json:"reported_at"`
}

func (s *server) devices() []device {
	s.m.t.Helper()
	var out []device
	if err := json.Unmarshal([]byte(s.muster("device", "list", "--json")), &out); err != nil {
		s.m.t.Fatal(err)
	}
	return out
}

// await waits until the server has one device, of which something is so and which has reported since.
func (s *server) await(what string, so func(device) bool) device {
	s.m.t.Helper()
	var d device
	proof.Eventually(s.m.t, what, func() bool {
		all := s.devices()
		if len(all) == 1 {
			d = all[0]
		}
		return len(all) == 1 && d.ReportedAt > s.since && so(d)
	})
	return d
}

// want fails the test unless a thing is as it should be.
func (m *machine) want(what, got, want string) {
	m.t.Helper()
	if got != want {
		m.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// wantFails runs a program that is to fail and to say why.
func (m *machine) wantFails(says string, args ...string) {
	m.t.Helper()
	out, err := m.try(args...)
	if err == nil || !strings.Contains(out, says) {
		m.t.Errorf("%s: %v, and no %q in\n%s", strings.Join(args, " "), err, says, out)
	}
}

// wantNothing sees that nothing of the agent is left. The record that rpm and dpkg keep of it is not looked at.
func (m *machine) wantNothing() {
	m.t.Helper()
	for _, dir := range []string{"/etc", "/var/lib/muster-agent", "/run", "/usr/bin", "/usr/sbin", "/usr/lib/systemd", "/usr/share/doc", "/usr/share/man", "/usr/local", "/opt"} {
		out, _ := m.try("find", dir, "-xdev", "-name", "*muster-agent*")
		out = strings.ReplaceAll(out, "find: '"+dir+"': No such file or directory\n", "")
		m.want("left in "+dir, out, "")
	}
	m.want("state of the unit", m.show("LoadState")+" "+m.show("ActiveState"), "not-found inactive")
}

// TestInstall is the life of an agent on a machine with systemd: by deb package, by hand, by rpm package; and what it may do
// there.
func TestInstall(t *testing.T) {
	proof.NeedPrograms(t, "nft", "iptables-legacy")
	older, newer := built(t, "v0.9.1"), built(t, "v0.9.2")
	m := boot(t)
	deb, rpm, newDeb, newRPM := m.copyIn(older.deb), m.copyIn(older.rpm), m.copyIn(newer.deb), m.copyIn(newer.rpm)
	s := m.serve()
	code := s.muster("regcode", "show")
	// Each begins where the one before ended: with nothing.
	for _, part := range []struct {
		name string
		test func(m *machine, s *server, code string)
	}{
		{"deb", func(m *machine, s *server, code string) { byDeb(m, s, code, deb, newDeb) }},
		{"hand", func(m *machine, s *server, code string) { byHand(m, s, code, deb, newDeb) }},
		{"rpm", func(m *machine, s *server, code string) { byRPM(m, s, code, rpm, newRPM) }},
		{"custom check", func(m *machine, s *server, code string) { customCheck(m, s, code, deb) }},
		{"same facts", func(m *machine, _ *server, _ string) { sameFacts(m, rpm) }},
	} {
		if !t.Run(part.name, func(t *testing.T) {
			mine := *m
			mine.t = t
			theirs := *s
			theirs.m, theirs.since = &mine, time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
			defer mine.explain()
			part.test(&mine, &theirs, code)
		}) {
			return
		}
	}
}

func byDeb(m *machine, s *server, code, deb, newDeb string) {
	m.run("dpkg", "-i", deb)
	m.want("the unit", m.show("UnitFileState")+" "+m.show("ActiveState"), "enabled inactive")
	m.want("the state", m.rights(stateFolder), "drwx------ root")

	m.wantFails("muster regcode show", "muster-agent", "install", "--server", s.url, "--code", "NOSUCH00")
	m.wantFails("connection refused", "muster-agent", "install", "--server", "http://127.0.0.1:9", "--code", code)
	m.wantFails("--server: name the server", "muster-agent", "install", "--code", code)
	m.wantFails("there is no file /nowhere.pem", "muster-agent", "install", "--server", s.url, "--code", code, "--ca", "/nowhere.pem")
	m.want("settings", m.rights(settingsFile), "absent")
	m.want("state", m.run("ls", "-A", stateFolder), "")
	m.want("the unit", m.show("ActiveState"), "inactive")

	m.run("muster-agent", "install", "--server", s.url, "--code", code, "--device-name", "box", "--ping-every", "1s")
	first := s.await("the first report", func(d device) bool { return d.Name == "box" && d.AgentVersion == "v0.9.1" })
	m.want("settings", m.rights(settingsFile), "-rw------- root")
	m.want("state", m.rights(stateFolder+"/state.json"), "-rw------- root")
	m.confined()

	// Again changes nothing, and what is asked for is changed.
	pid := m.show("MainPID")
	m.run("muster-agent", "install", "--server", s.url, "--code", code)
	m.want("the process", m.show("MainPID"), pid)
	m.run("muster-agent", "install", "--log-level", "debug")
	if m.show("MainPID") == pid {
		m.t.Error("other settings, and the same process")
	}
	m.want("settings", m.settings(), `{"code":"`+code+`","device_name":"box","log_level":"debug","ping_every":"1s","server":"`+s.url+`"}`)

	pid = m.show("MainPID")
	m.run("dpkg", "-i", newDeb)
	s.await("the new version", func(d device) bool { return d.ID == first.ID && d.AgentVersion == "v0.9.2" })
	if m.show("MainPID") == pid {
		m.t.Error("another version, and the same process")
	}

	// Removed and installed again it is who it was; what was switched off stays off through an upgrade.
	m.run("dpkg", "-r", "muster-agent")
	m.want("the unit", m.show("ActiveState"), "inactive")
	m.want("state", m.rights(stateFolder+"/state.json"), "-rw------- root")
	m.run("dpkg", "-i", deb)
	s.await("the old version", func(d device) bool { return d.ID == first.ID && d.AgentVersion == "v0.9.1" })
	m.run("systemctl", "disable", "--now", "muster-agent")
	m.run("dpkg", "-i", newDeb)
	m.want("the unit", m.show("UnitFileState")+" "+m.show("ActiveState"), "disabled inactive")

	m.run("dpkg", "-P", "muster-agent")
	m.wantNothing()
	s.muster("device", "delete", first.ID, "--mode", "data")
}

// confined sees the unit's limits where the kernel keeps them.
func (m *machine) confined() {
	m.t.Helper()
	status := m.run("cat", "/proc/"+m.show("MainPID")+"/status")
	for _, want := range []string{
		"NoNewPrivs:\t1\n", "Seccomp:\t2\n",
		// DAC_READ_SEARCH, KILL, SETGID, SETUID, NET_ADMIN, NET_RAW, SYS_PTRACE and no other
		"CapBnd:\t00000000000830e4\n", "CapEff:\t00000000000830e4\n",
	} {
		if !strings.Contains(status, want) {
			m.t.Errorf("no %q in\n%s", want, status)
		}
	}
	inside := func(args ...string) error {
		_, err := m.try(append([]string{"nsenter", "-m", "-t", m.show("MainPID"), "--"}, args...)...)
		return err
	}
	for _, name := range []string{"/etc/x", "/usr/x", "/root/x", "/home/x", "/boot/x", "/var/x", "/dev/shm/../x"} {
		if inside("touch", name) == nil {
			m.t.Errorf("the agent can write %s", name)
		}
	}
	for _, name := range []string{"/etc/shadow", "/proc/1/environ", "/etc/muster-agent/settings.json"} {
		if err := inside("cat", name); err != nil {
			m.t.Errorf("the agent cannot read %s: %v", name, err)
		}
	}
	// The exit status is that of what the server thinks of the machine.
	if said, _ := m.try("setpriv", "--reuid=65534", "--clear-groups", "muster-agent", "status"); !strings.Contains(said, "last report") {
		m.t.Errorf("everybody is told %s", said)
	}
}

func byHand(m *machine, s *server, code, deb, newDeb string) {
	for name, from := range map[string]string{"old": deb, "new": newDeb} {
		m.run("dpkg-deb", "-x", from, "/root/"+name)
	}
	older, newer := "/root/old/usr/bin/muster-agent", "/root/new/usr/bin/muster-agent"
	m.wantFails("connection refused", older, "install", "--server", "http://127.0.0.1:9", "--code", code)
	m.wantNothing()

	m.run("env", "MUSTER_AGENT_CODE="+code, older, "install", "--server", s.url, "--ping-every", "1s", "--device-name", "box")
	first := s.await("the first report", func(d device) bool { return d.AgentVersion == "v0.9.1" })
	m.want("the program", m.rights(ownProgram), "-rwxr-xr-x root")
	m.want("the unit", m.rights(ownUnit), "-rw-r--r-- root")
	m.want("the unit", m.show("UnitFileState"), "enabled")
	m.run(newer, "install")
	s.await("the new version", func(d device) bool { return d.ID == first.ID && d.AgentVersion == "v0.9.2" })

	// What a package brings takes its place.
	m.run("dpkg", "-i", newDeb)
	m.run("muster-agent", "install")
	m.want("the program", m.rights(ownProgram)+" "+m.rights(ownUnit), "absent absent")
	m.want("what runs", m.run("readlink", "/proc/"+m.show("MainPID")+"/exe"), "/usr/bin/muster-agent\n")
	m.run("dpkg", "-r", "muster-agent")
	m.run(newer, "install")
	if d := s.devices(); len(d) != 1 || d[0].ID != first.ID {
		m.t.Errorf("the devices are %v, want only %s", d, first.ID)
	}

	out := m.run(ownProgram, "uninstall")
	if !strings.Contains(out, first.ID+" is retired") {
		m.t.Errorf("uninstall says %s", out)
	}
	if d := s.devices(); len(d) != 0 {
		m.t.Errorf("the devices are %v, want none", d)
	}
	m.run("dpkg", "-P", "muster-agent")
	m.wantNothing()
	m.run(older, "uninstall") // of nothing
}

// byRPM begins with the settings, as a rollout to many machines does.
func byRPM(m *machine, s *server, code, rpm, newRPM string) {
	m.preseed(map[string]string{"server": s.url, "code": code, "ping_every": "1s", "device_name": "box"})
	m.run("rpm", "-i", "--nodeps", rpm)
	first := s.await("the first report", func(d device) bool { return d.AgentVersion == "v0.9.1" })
	m.run("rpm", "-U", "--nodeps", newRPM)
	s.await("the new version", func(d device) bool { return d.ID == first.ID && d.AgentVersion == "v0.9.2" })
	m.want("the unit", m.show("UnitFileState")+" "+m.show("ActiveState"), "enabled active")

	// The server is away when it leaves.
	m.run("sed", "-i", `s,127.0.0.1:[0-9]*,127.0.0.1:9,`, stateFolder+"/state.json")
	out, err := m.try("muster-agent", "uninstall")
	if err != nil || !strings.Contains(out, "could not be retired") || !strings.Contains(out, "muster device delete "+first.ID) {
		m.t.Errorf("%v: %s", err, out)
	}
	m.run("rpm", "-e", "muster-agent")
	m.wantNothing()
	s.muster("device", "delete", first.ID, "--mode", "data")
}

// explain shows the agent's log of a test that failed.
func (m *machine) explain() {
	if m.t.Failed() {
		out, _ := m.try("journalctl", "--no-pager", "-o", "cat", "-u", "muster-agent")
		m.t.Log(out)
	}
}

// settings gives the settings file in one line.
func (m *machine) settings() string {
	m.t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(strings.TrimSpace(m.run("cat", settingsFile)))); err != nil {
		m.t.Fatal(err)
	}
	return out.String()
}

// preseed writes a settings file.
func (m *machine) preseed(settings map[string]string) {
	m.t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.files, "settings.json"), text, 0o600); err != nil {
		m.t.Fatal(err)
	}
	m.run("install", "-D", "-m", "0600", "/mnt/settings.json", settingsFile)
}
