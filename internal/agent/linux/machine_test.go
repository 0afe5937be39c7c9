package linux

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent/collect"
	"muster/internal/agent/common"
	"muster/internal/agent/host"
	"muster/internal/agent/host/hosttest"
	"muster/internal/posture"
)

func collected(t *testing.T, h *host.Host, collectors ...collect.Collector) *collect.Snapshot {
	t.Helper()
	s := &collect.Snapshot{}
	for _, c := range collectors {
		if err := c.Collect(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", c.Subject, err)
		}
	}
	return s
}

func TestRecordedMachine(t *testing.T) {
	t.Parallel()
	h := hosttest.Load(t, "testdata/machine-debian12.txtar")
	s := collected(t, h, append([]collect.Collector{system(h), hardware(h), identity(h)}, common.Collectors(h, readers(h))...)...)
	wantOS := collect.OS{
		Family: posture.Linux, Vendor: collect.Known("Debian"), Name: collect.Known("Debian GNU/Linux 12 (bookworm)"), Version: collect.Known("12.11"),
		Build: collect.Known("6.18.44"), Architecture: collect.Known("amd64"), Distribution: collect.Known("Debian:12"),
		Language: collect.DoesNotApply[string]("the system has no language set"),
	}
	if diff := cmp.Diff(wantOS, s.OS); diff != "" {
		t.Error(diff)
	}
	silent := collect.DoesNotApply[string]("the firmware does not say")
	wantHardware := collect.Hardware{
		Type: collect.Known(posture.VM), Virtual: collect.Known("docker"), Vendor: silent, Model: silent,
		CPU: collect.Known(collect.CPU{Model: "AMD EPYC", Cores: 2}), Memory: collect.Known(collect.Memory{Total: 24683652 << 10, Available: 23924460 << 10}),
		Disks: collect.CouldNotReadf[[]collect.Disk]("no way to list the file systems is known"), Battery: collect.DoesNotApply[collect.Battery]("the machine has no battery"),
	}
	if diff := cmp.Diff(wantHardware, s.Hardware); diff != "" {
		t.Error(diff)
	}
	id, _ := common.MachineID("b08dfa6083e7567a1921a715000001fb")
	wantIdentity := collect.Identity{
		HostName: collect.Known("vm"), Domain: collect.DoesNotApply[string]("the machine is no member of a domain"),
		HardwareID: collect.Known(id), MachineID: collect.Known(id),
		Serial: collect.DoesNotApply[string]("the serial number is that of the machine around this docker container"),
	}
	if diff := cmp.Diff(wantIdentity, s.Identity); diff != "" {
		t.Error(diff)
	}
	if s.Uptime != collect.Known(24519*time.Second) || !s.Booted.Value.Equal(time.Date(2026, 11, 30, 5, 11, 0, 0, time.UTC)) {
		t.Errorf("up for %v, since %v", s.Uptime, s.Booted)
	}
	if diff := cmp.Diff(collect.Known([]string{"init"}), s.Processes); diff != "" {
		t.Error(diff)
	}
	if s.Users.State != collect.Unreadable {
		t.Errorf("without utmp and sessions: %+v", s.Users)
	}
}

// A machine without any of the files it is known by: nothing is made up.
func TestMachineThatSaysNothing(t *testing.T) {
	t.Parallel()
	h := hosttest.Of(t, "")
	s := collected(t, h, Collectors(h)...)
	for name, state := range map[string]collect.State{
		"name": s.OS.Name.State, "version": s.OS.Version.State, "build": s.OS.Build.State, "distribution": s.OS.Distribution.State,
		"processor": s.Hardware.CPU.State, "memory": s.Hardware.Memory.State, "virtual": s.Hardware.Virtual.State, "type": s.Hardware.Type.State,
		"host name": s.Identity.HostName.State, "users": s.Users.State, "boot": s.Booted.State, "uptime": s.Uptime.State,
		"processes": s.Processes.State, "adapters": s.Adapters.State, "disks": s.Hardware.Disks.State,
	} {
		if state != collect.Unreadable {
			t.Errorf("%s: state %d", name, state)
		}
	}
	for name, state := range map[string]collect.State{
		"machine id": s.Identity.MachineID.State, "hardware id": s.Identity.HardwareID.State, "serial": s.Identity.Serial.State,
		"domain": s.Identity.Domain.State, "battery": s.Hardware.Battery.State, "language": s.OS.Language.State,
	} {
		if state != collect.NotApplicable {
			t.Errorf("%s: state %d", name, state)
		}
	}
}

func TestLightCollectors(t *testing.T) {
	t.Parallel()
	var subjects []string
	for _, c := range collect.LightOnes(Collectors(hosttest.Of(t, ""))) {
		subjects = append(subjects, c.Subject)
	}
	for _, want := range []string{"network", "users", "boot"} {
		if !strings.Contains(" "+strings.Join(subjects, " ")+" ", " "+want+" ") {
			t.Errorf("%s is not light: %v", want, subjects)
		}
	}
}

func TestProcessor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		recording string
		want      collect.CPU
	}{
		"a laptop, whose speed of the moment is not told": {`
-- file proc/cpuinfo --
processor	: 0
model name	: 13th Gen Intel(R) Core(TM) i7-1365U
cpu MHz		: 912.345
processor	: 1
model name	: 13th Gen Intel(R) Core(TM) i7-1365U
-- file sys/devices/system/cpu/online --
0-9,11
-- file sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq --
5200000
`, collect.CPU{Model: "13th Gen Intel(R) Core(TM) i7-1365U", Cores: 11, MaxMHz: 5200}},
		"a Raspberry Pi": {`
-- file proc/cpuinfo --
processor	: 0
BogoMIPS	: 108.00
CPU part	: 0xd0b

processor	: 1
BogoMIPS	: 108.00

Model		: Raspberry Pi 5 Model B Rev 1.0
`, collect.CPU{Model: "Raspberry Pi 5 Model B Rev 1.0", Cores: 2}},
		"a server with ARM": {"-- file proc/cpuinfo --\nprocessor\t: 0\nCPU implementer\t: 0x41\n-- file sys/devices/system/cpu/online --\nnonsense\n", collect.CPU{Cores: 1}},
	} {
		got, err := machine{hosttest.Of(t, c.recording)}.cpu(t.Context())
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, c.want)
		}
	}
}

func TestCountList(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]int{"0": 1, "0-7": 8, "0-3,8,10-11": 7, "": -1, "3-1": -1, "x": -1, "0-99999": -1, "0,": -1} {
		got, ok := countList(list)
		if ok != (want >= 0) || ok && got != want {
			t.Errorf("countList(%q) = %d, %v", list, got, ok)
		}
	}
}

func TestMemoryThatIsNotTold(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", "MemTotal: 5 kB\n", "MemTotal: x kB\nMemAvailable: 5 kB\n", "MemAvailable: 5 kB\n"} {
		if m, err := parseMemInfo([]byte(raw)); err == nil {
			t.Errorf("%q gave %+v", raw, m)
		}
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]stat{
		"42 (cat) S 1 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 100 5": {id: 42, parent: 1, name: "cat", started: 12345},
		"43 (a) b (c)) R 42 0 0 0 -1 2129984 1 2 3 4 5 6 7 8 20 0 1 0 1 0":     {id: 43, parent: 42, name: "a) b (c)", kernel: true, started: 1},
		"1 () S 0 0 0 0 -1 0 0 0 0 0 0 0 0 0 0 0 0 0 18446744073709551615 0":   {id: 1, started: mostTicks},
		"44 (\x1b[0m\n) S 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 0 0 0 0 100 0":          {id: 44, parent: 1, name: "\x1b[0m\n", started: 100},
	} {
		got, err := parseStat([]byte(line))
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
	}
	for _, line := range []string{"", "42", "42 cat S 1", "42 (cat) S 1 2", ") 1 (", "x (cat) S 1 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 100"} {
		if got, err := parseStat([]byte(line)); err == nil {
			t.Errorf("%q: %+v", line, got)
		}
	}
}

func TestNamesThatWereCut(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{}
	add := func(pid, name, exe string) {
		files["proc/"+pid+"/stat"] = &fstest.MapFile{Data: []byte(pid + " (" + name + ") S 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 0 0 0 0 100 0")}
		if exe != "" {
			files["proc/"+pid+"/exe"] = &fstest.MapFile{Data: []byte(exe), Mode: fs.ModeSymlink}
		}
	}
	files["proc/uptime"] = &fstest.MapFile{Data: []byte("9000.00 1.00\n")}
	files["proc/self/stat"] = &fstest.MapFile{Data: []byte("nonsense")}
	add("10", "systemd-journal", "/usr/lib/systemd/systemd-journald")
	add("11", "unattended-upgr", "/usr/bin/python3.11")
	add("12", "NetworkManager-", "/usr/libexec/NetworkManager-dispatcher (deleted)")
	add("13", "sh", "/usr/bin/sh-of-another-kind")
	add("14", "fifteen-letters", "")
	h := &host.Host{Files: files, Now: func() time.Time { return hosttest.Now }}
	all, err := machine{h}.processes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
		if want := hosttest.Now.Add(-8999 * time.Second); !p.Started.Equal(want) {
			t.Errorf("%s was started at %v, want %v", p.Name, p.Started, want)
		}
	}
	want := []string{"systemd-journald", "unattended-upgr", "NetworkManager-dispatcher", "sh", "fifteen-letters"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func utmpOf(kind byte, name string) string {
	record := make([]byte, utmpRecord)
	record[0] = kind
	copy(record[utmpName:utmpName+32], name)
	return string(record)
}

func TestUsers(t *testing.T) {
	t.Parallel()
	session := func(id, text string) string { return "-- file run/systemd/sessions/" + id + " --\n" + text }
	for name, c := range map[string]struct {
		recording string
		want      []collect.User
	}{
		"utmp": {"-- file run/utmp --\n" + utmpOf(2, "reboot") + utmpOf(7, "kari") + utmpOf(8, "gone") + utmpOf(7, `LAB\anna`) + utmpOf(7, strings.Repeat("x", 40)) + "rest", []collect.User{
			{Name: "kari"}, {Name: "anna", Domain: "LAB"}, {Name: strings.Repeat("x", 32)},
		}},
		"an empty utmp": {"-- file run/utmp --\n", []collect.User{}},
		"sessions": {session("1", "# This is private data. Do not parse.\nUID=1000\nUSER=kari@lab.example\nACTIVE=1\nSTATE=active\nCLASS=user\n") +
			session("c1", "UID=128\nUSER=gdm\nSTATE=online\nCLASS=greeter\n") + session("2", "UID=1000\nUSER=anna\nSTATE=closing\nCLASS=user\n") +
			session("3", "USER=root\nSTATE=online\nCLASS=user\n"), []collect.User{{Name: "kari", Domain: "lab.example"}, {Name: "root"}}},
	} {
		got, err := machine{hosttest.Of(t, c.recording)}.users(context.Background())
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v, %s", name, err, diff)
		}
	}
	for name, recording := range map[string]string{"neither": "", "denied": "-- denied run/utmp --\n", "a denied session": "-- denied run/systemd/sessions/1 --\n"} {
		if got, err := (machine{hosttest.Of(t, recording)}).users(context.Background()); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Beside each session lies a FIFO, whose readers wait.
func TestFIFOOfASessionIsNotRead(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{
		"run/systemd/sessions/1":     {Data: []byte("USER=kari\nSTATE=active\nCLASS=user\n")},
		"run/systemd/sessions/1.ref": {Data: []byte("USER=ghost\nSTATE=active\nCLASS=user\n"), Mode: fs.ModeNamedPipe},
	}
	got, err := machine{&host.Host{Files: files}}.users(t.Context())
	if diff := cmp.Diff([]collect.User{{Name: "kari"}}, got); diff != "" || err != nil {
		t.Errorf("%v: %s", err, diff)
	}
}

func FuzzMachine(f *testing.F) {
	h := hosttest.Load(f, "testdata/machine-debian12.txtar")
	for _, name := range []string{"proc/cpuinfo", "proc/meminfo", "proc/uptime", "proc/1/stat", "proc/79/stat", "etc/os-release"} {
		raw, err := h.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(utmpOf(7, `LAB\anna`)))
	f.Add([]byte("KEY=\"a\\\"b\"\nK2='x'\n[sec]\na = b\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		parseCPUInfo(raw)
		if m, err := parseMemInfo(raw); err != nil && m != (collect.Memory{}) {
			t.Errorf("%+v and %v", m, err)
		}
		if up, err := parseUptime(string(raw)); err == nil && up < 0 {
			t.Errorf("up for %v", up)
		}
		if s, err := parseStat(raw); err == nil && s.started < 0 {
			t.Errorf("%+v", s)
		}
		for _, u := range named(parseUtmp(raw)) {
			if u.Name == "" {
				t.Errorf("user %+v", u)
			}
		}
		parseAssignments(raw)
		parseINI(raw)
		countList(string(raw))
		parseLscpu(raw)
	})
}
