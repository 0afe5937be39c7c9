package script

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"muster/internal/agent/protocol"
	"muster/internal/posture"
)

// run runs a script, and gives what came of it.
func run(t *testing.T, interpreter, text string, seconds int) (posture.Outcome, string) {
	t.Helper()
	c := signed(protocol.CustomCheck{Interpreter: interpreter, Text: text, TimeoutSeconds: seconds})
	got := Run(t.Context(), trusting(), []protocol.CustomCheck{c}, nil)
	if len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	return got[0].Outcome, got[0].Output
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("what root gives up is seen only by root")
	}
}

// has skips a test where there is no such interpreter.
func has(t *testing.T, interpreter string) {
	t.Helper()
	if _, err := interpreters[interpreter].find(); err != nil {
		t.Skipf("%s: %v", interpreter, err)
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		interpreter, text string
		want              posture.Outcome
		output            string
	}{
		{"sh", "echo fine", posture.Pass, "fine"},
		{"sh", "echo bad >&2; exit 1", posture.Fail, "bad"},
		{"sh", "echo odd; exit 2", posture.Errored, "the script ended with status 2, which is neither 0 nor 1; it said: odd"},
		{"sh", "exit 70", posture.Errored, "status 70"}, // those that the supervisor itself uses mean nothing in a script
		{"sh", "exit 71", posture.Errored, "status 71"},
		{"sh", "exit 72", posture.Errored, "status 72"},
		{"sh", "kill -SEGV $$", posture.Errored, "the script crashed: signal: segmentation fault"},
		{"sh", "kill -KILL $$", posture.Errored, "the script crashed: signal: killed"},
		{"sh", "if", posture.Errored, "status 2"},
		{"sh", "no-such-program", posture.Errored, "status 127"},
		{"sh", "cat; echo end", posture.Pass, "end"}, // nothing comes in
		{"sh", "echo $0 $#; test -r $0 || exit 1; test -w $0 && exit 1; exit 0", posture.Pass, "script 0"},
		{"bash", "[[ a == a ]] && exit 0", posture.Pass, ""},
		{"python", "import sys; print('py'); sys.exit(1)", posture.Fail, "py"},
		{"zsh", "exit 0", posture.Pass, ""},
		{"powershell", "exit 0", posture.Pass, ""},
	} {
		t.Run(c.interpreter+" "+c.text, func(t *testing.T) {
			if _, err := interpreters[c.interpreter].find(); err != nil {
				if got, said := run(t, c.interpreter, c.text, 20); got != posture.Errored || !strings.Contains(said, "not installed") {
					t.Errorf("without the interpreter: %v %q", got, said)
				}
				return
			}
			if got, said := run(t, c.interpreter, c.text, 20); got != c.want || !strings.Contains(said, c.output) {
				t.Errorf("%v %q", got, said)
			}
		})
	}
	if got, said := run(t, "cmd", "exit 0", 20); got != posture.Errored || !strings.Contains(said, "no interpreter cmd") {
		t.Errorf("%v %q", got, said)
	}
}

// A script that root has run has no right that root has, and cannot get one.
func TestScriptsHaveNoPrivileges(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	// As root is on some systems; where tests are run it may be in none.
	before, err := os.Getgroups()
	if err == nil {
		err = syscall.Setgroups([]int{0, 4})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Setgroups(before) })
	secret := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"is not root":                  `test "$(id -u)" != 0 && test "$(id -ru)" != 0 && test "$(id -g)" != 0`,
		"is in no group of root's":     `test "$(id -G)" = "$(id -g)"`,
		"has no capabilities":          `test "$(grep -E '^Cap(Prm|Eff|Amb):' /proc/self/status | grep -vc 0000000000000000)" = 0`,
		"gets no rights by a program":  `grep -q '^NoNewPrivs:.1' /proc/self/status`,
		"does not become root by su":   `! su -c id 2>/dev/null`,
		"does not read /etc/shadow":    `! cat /etc/shadow 2>/dev/null`,
		"does not read the state":      `! cat ` + secret + ` 2>/dev/null`,
		"does not write to /etc":       `! touch /etc/muster-test 2>/dev/null`,
		"does not write to /usr/bin":   `! touch /usr/bin/muster-test 2>/dev/null`,
		"does not end the agent":       `! kill -0 ` + strconv.Itoa(os.Getpid()) + ` 2>/dev/null`,
		"does not end its supervisor":  `! kill -9 $PPID 2>/dev/null`,
		"does not trace the agent":     `! cat /proc/` + strconv.Itoa(os.Getpid()) + `/environ 2>/dev/null`,
		"does not change itself":       `! sh -c ": > $0" $0 2>/dev/null`,
		"does not see other scripts":   `! ls "$(dirname $0)" 2>/dev/null`,
		"does not write beside itself": `! touch "$(dirname $0)/x" 2>/dev/null`,
		"writes to its own folder":     `test "$(pwd)" = "$HOME" && test -z "$(ls -A)" && echo x > x && mkdir d && mv x d/ && ln -s d l && rm -r d l && echo x > "$TMPDIR/y"`,
		"writes to devices":            `echo x > /dev/null && echo x > /dev/stderr`,
	} {
		t.Run(name, func(t *testing.T) {
			if got, said := run(t, "sh", text, 20); got != posture.Pass {
				t.Errorf("%v %q", got, said)
			}
		})
	}
}

// Where the kernel has Landlock, a script writes to no folder but its own, not even one that is everybody's.
func TestScriptsWriteNowhereElse(t *testing.T) {
	needsRoot(t)
	t.Parallel()
	common := t.TempDir()
	for dir := common; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(common, "old"), nil, 0o666); err != nil || os.Chmod(filepath.Join(common, "old"), 0o666) != nil {
		t.Fatal(err)
	}
	text := "cd " + common + " || exit 3\n"
	for _, try := range []string{"touch new", "echo x > old", "rm old", "mkdir d", "ln -s a b", "mkfifo f"} {
		text += fmt.Sprintf("if %s 2>/dev/null; then echo %q succeeds; exit 1; fi\n", try, try)
	}
	got, said := run(t, "sh", text, 20)
	if !landlocked() {
		t.Skipf("this kernel has no Landlock: %v %q", got, said)
	}
	if got != posture.Pass {
		t.Errorf("%v %q", got, said)
	}
}

// landlocked asks the kernel whether it has Landlock.
func landlocked() bool {
	version, _, e := landlockVersion()
	return e == 0 && version > 0
}

func landlockVersion() (version, other uintptr, e syscall.Errno) {
	return unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
}

// leak opens a copy of a file that the children of this process would get.
func leak(t *testing.T, f *os.File) {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD, 100) // without close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
}

func TestScriptsGetNothingOfTheAgents(t *testing.T) {
	t.Parallel()
	t.Run("files", func(t *testing.T) {
		inherited, err := os.Create(filepath.Join(t.TempDir(), "leaked"))
		if err != nil {
			t.Fatal(err)
		}
		defer inherited.Close()
		// A file that some other program left open for its children, as no program in Go would.
		leak(t, inherited)
		if got, said := run(t, "sh", `ls -l /proc/$$/fd > list; grep leaked list && exit 1; exit 0`, 20); got != posture.Pass {
			t.Errorf("%v %q", got, said)
		}
	})
	t.Run("environment", func(t *testing.T) {
		want := "HOME LANG LC_ALL PATH PWD TMPDIR TZ"
		if got, said := run(t, "sh", `env | grep -v '^_=' | grep -v OLDPWD | sed 's/=.*//' | sort | tr '\n' ' '`, 20); got != posture.Pass || said != want {
			t.Errorf("%v %q", got, said)
		}
	})
}

func TestTimeIsLimited(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"sleeping":                   "sleep 60",
		"working":                    "while :; do :; done",
		"deaf":                       "trap '' TERM INT HUP; while :; do sleep 1; done",
		"waiting for its own child":  "sleep 60 & wait",
		"with a child that lives on": "setsid sleep 61 & sleep 60",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			// On a busy machine the script itself begins late in its time.
			got, said := run(t, "sh", "echo begun\n"+text, 5)
			if got != posture.Errored || !strings.Contains(said, "longer than 5 seconds") || !strings.Contains(said, "it said: begun") {
				t.Errorf("%v %q", got, said)
			}
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// What a script starts ends with it, wherever it went.
func TestNothingOutlivesAScript(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a child":           "sleep 98761 &",
		"a session":         "setsid sleep 98762 &",
		"a daemon":          "(setsid sh -c 'setsid sleep 98763 & sleep 98764 &' &) ; sleep 0.2",
		"a deaf daemon":     "setsid sh -c 'trap \"\" TERM HUP INT; while :; do sleep 98765; done' & sleep 0.2",
		"closing its files": "setsid sleep 98766 <&- >&- 2>&- &",
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			if got, said := run(t, "sh", text+"\nexit 0", 20); got != posture.Pass {
				t.Errorf("%v %q", got, said)
			}
			if took := time.Since(begin); took > 15*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	if left := running(t, func(_, line string) bool { return strings.HasPrefix(line, "sleep 9876") }); len(left) > 0 {
		t.Errorf("there are still %q", left)
	}
}

// running gives the command lines of the processes that are meant, by whom they run as and what was called.
func running(t *testing.T, meant func(uid, line string) bool) (out []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(all) == 0 {
		t.Fatal("no processes are seen", err)
	}
	for _, dir := range all {
		status, err1 := os.ReadFile(filepath.Join(dir, "status"))
		line, err2 := os.ReadFile(filepath.Join(dir, "cmdline"))
		_, uid, found := strings.Cut(string(status), "\nUid:\t")
		if err1 != nil || err2 != nil || !found {
			continue // it has ended
		}
		uid, _, _ = strings.Cut(uid, "\t")
		if called := strings.ReplaceAll(strings.TrimRight(string(line), "\x00"), "\x00", " "); meant(uid, called) {
			out = append(out, called)
		}
	}
	return out
}

func TestForksAreBounded(t *testing.T) {
	needsRoot(t)
	if testing.Short() {
		t.Skip("it is loud")
	}
	// As somebody that no other test is: the limit is on all that a user runs.
	const who = "games"
	as, err := user.Lookup(who)
	if err != nil {
		t.Skip(err)
	}
	s := trusting()
	s.User = who
	c := signed(protocol.CustomCheck{Interpreter: "bash", Text: ":(){ :|:& };:\nsleep 1; exit 0", TimeoutSeconds: 5})
	begin := time.Now()
	result := Run(t.Context(), s, []protocol.CustomCheck{c}, nil)[0]
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if !strings.Contains(result.Output, "fork") {
		t.Errorf("nothing kept it from forking: %+v", result)
	}
	if left := running(t, func(uid, _ string) bool { return uid == as.Uid }); len(left) > 0 {
		t.Errorf("there are still %q", left)
	}
}

// What else the user runs, such as containers, leaves a script as many processes as ever.
func TestOthersOfTheUserTakeNoProcesses(t *testing.T) {
	needsRoot(t)
	const who = "games"
	as, err := runAs(who)
	if err != nil {
		t.Skip(err)
	}
	for range maxProcesses + 10 {
		other := exec.CommandContext(t.Context(), "sleep", "600")
		other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(as.User), Gid: uint32(as.Main)}}
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = other.Wait() }) // the end of the test's context has ended it
	}
	s := trusting()
	s.User = who
	c := signed(protocol.CustomCheck{Interpreter: "sh", Text: "(exit 0) & (exit 0) & wait; echo fine"})
	if got := Run(t.Context(), s, []protocol.CustomCheck{c}, nil)[0]; got.Outcome != posture.Pass {
		t.Errorf("%+v", got)
	}
}

func TestSpaceIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ interpreter, text, want string }{
		"output":  {"sh", "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done", "wrote more than 64 KiB"},
		"memory":  {"python", "b = bytearray(700 << 20)", "status 1"},
		"a file":  {"sh", "head -c 20000000 /dev/zero > f; exit 3", "status 3"},
		"cpu":     {"sh", "while :; do :; done", "longer than 2 seconds"},
		"nothing": {"sh", "ulimit -c unlimited 2>/dev/null && exit 0; exit 3", "status 3"},
	} {
		t.Run(name, func(t *testing.T) {
			has(t, c.interpreter)
			seconds := 20
			if name == "cpu" {
				seconds = 2
			}
			got, said := run(t, c.interpreter, c.text, seconds)
			if name == "memory" { // Python says MemoryError, and ends with 1, as with any other error
				if got != posture.Fail || !strings.Contains(said, "MemoryError") {
					t.Errorf("%v %q", got, said)
				}
				return
			}
			if got != posture.Errored || !strings.Contains(said, c.want) {
				t.Errorf("%v %q", got, said)
			}
		})
	}
	if got, said := run(t, "sh", `head -c 20000000 /dev/zero > f 2>/dev/null; test "$(wc -c < f)" -le 16777216`, 10); got != posture.Pass {
		t.Errorf("%v %q", got, said)
	}
}

// Nothing of a script's folder is left, whatever it made there and however it ended.
func TestNothingIsLeft(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // of this test alone
	for dir := os.TempDir(); len(dir) > 4; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
			t.Fatal(err)
		}
	}
	precious := filepath.Join(os.TempDir(), "precious")
	if err := os.Mkdir(precious, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"chmod 000 .; exit 0", "kill -9 $$", "sleep 60", "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done"} {
		text := "mkdir -p a/b/c && touch a/b/c/x && ln -s " + precious + " a/link && ln -s / a/b/root && mkfifo f && chmod 000 a/b/c && chmod 500 a/b && chmod 000 a || exit 1\n"
		if got, said := run(t, "sh", text+end, 5); got == posture.Fail || got != posture.Pass && strings.HasSuffix(end, "exit 0") {
			t.Errorf("%s: %v %q", end, got, said)
		}
		left, err := os.ReadDir(os.TempDir())
		if err != nil || len(left) != 1 || left[0].Name() != "precious" {
			t.Errorf("%s: left: %v, %v", end, left, err)
		}
	}
}

// The hidden command is no way to anything.
func TestCommandIsForTheAgent(t *testing.T) {
	var said bytes.Buffer
	for _, args := range [][]string{nil, {"supervise"}, {"supervise", "{"}, {"enter", "{}", "x"}} {
		said.Reset()
		if got := Command(t.Context(), args, &said); got != statusError || said.Len() == 0 {
			t.Errorf("%v: %d %q", args, got, &said)
		}
	}
	needsRoot(t)
	// Whoever leaves out as whom it is to be run does not run it as root.
	if passed, output, err := supervised(t.Context(), &job{Program: "/bin/sh", Args: []string{"-c", "id"}, Dir: "/", Seconds: 5}); err == nil || passed || output != "" {
		t.Errorf("%v %q %v", passed, output, err)
	}
	as := &identity{User: 0, Main: 0}
	if passed, output, err := supervised(t.Context(), &job{Program: "/bin/sh", Args: []string{"-c", "id"}, Dir: "/", Seconds: 5, As: as}); err == nil || passed || strings.Contains(output, "uid=") {
		t.Errorf("%v %q %v", passed, output, err)
	}
}

func TestUsers(t *testing.T) {
	needsRoot(t)
	for name, want := range map[string]string{"root": "not run as root", "no-such-user": "cannot be found"} {
		s := trusting()
		s.User = name
		c := signed(protocol.CustomCheck{Interpreter: "sh", Text: "exit 0"})
		got := Run(t.Context(), s, []protocol.CustomCheck{c}, nil)
		if got[0].Outcome != posture.Errored || !strings.Contains(got[0].Output, want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	s := trusting()
	s.User = "daemon"
	c := signed(protocol.CustomCheck{Interpreter: "sh", Text: `test "$(id -un)" = daemon`})
	if got := Run(t.Context(), s, []protocol.CustomCheck{c}, nil); got[0].Outcome != posture.Pass {
		t.Errorf("%+v", got)
	}
}

func TestParentOf(t *testing.T) {
	for in, want := range map[string][3]int{
		"12 (sh) S 7 12 12 0": {12, 7, 1}, "12 (a) b (c)) R 9 1": {12, 9, 1}, "12 (x": {}, "": {}, "12 (x) S": {}, "x (x) S 1": {0, 1, 0}, "1 (x) S y": {1, 0, 0},
	} {
		pid, parent, ok := parentOf([]byte(in))
		if ok != (want[2] == 1) || ok && (pid != want[0] || parent != want[1]) {
			t.Errorf("%q: %d %d %v", in, pid, parent, ok)
		}
	}
}

func FuzzParentOf(f *testing.F) {
	f.Add([]byte("12 (a) b (c)) R 9 1"))
	f.Fuzz(func(_ *testing.T, in []byte) { parentOf(in) })
}
