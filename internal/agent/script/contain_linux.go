package script

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"muster/internal/posture"
)

const family = posture.Linux

// ownProgram also names a program that was replaced since it was started.
func ownProgram() (string, error) { return "/proc/self/exe", nil }

func sessionOfItsOwn() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
}

// containment holds together what a script starts: whatever loses its parent becomes a child of the supervisor, also what
// left the script's session.
type containment struct{}

func contain() (containment, error) {
	return containment{}, unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// end ends the script, and all that came of it.
func (containment) end(script *os.Process) {
	_ = unix.Kill(-script.Pid, unix.SIGKILL) // most of them at once
	_ = script.Kill()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	const rounds = 500
	for range rounds {
		if !reap() {
			return
		}
		// What stands still starts nothing more, while the others are looked for.
		for _, how := range []unix.Signal{unix.SIGSTOP, unix.SIGKILL} {
			for _, pid := range descendants(os.Getpid()) {
				_ = unix.Kill(pid, how)
			}
		}
		<-again.C
	}
}

// reap takes note of children that have ended, and reports whether there are others.
func reap() bool {
	for {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return false
		case pid == 0:
			return true
		}
	}
}

// descendants lists the processes that come of one.
func descendants(of int) []int {
	children := make(map[int][]int)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		if pid, parent, ok := parentOf(text); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	var out []int
	for next := children[of]; len(next) > 0; {
		pid := next[0]
		out, next = append(out, pid), append(next[1:], children[pid]...)
		delete(children, pid)
	}
	return out
}

// parentOf reads a line of /proc/PID/stat. The name of the program stands in brackets, and may have any in it.
func parentOf(stat []byte) (pid, parent int, ok bool) {
	first, _, found := bytes.Cut(stat, []byte(" "))
	end := bytes.LastIndexByte(stat, ')')
	if !found || end < 0 {
		return 0, 0, false
	}
	rest := bytes.Fields(stat[end+1:])
	if len(rest) < 2 {
		return 0, 0, false
	}
	pid, err1 := strconv.Atoi(string(first))
	parent, err2 := strconv.Atoi(string(rest[1]))
	return pid, parent, err1 == nil && err2 == nil
}

// runBy counts what a user runs, as the kernel does for its limit: by threads. Of nobody, these are often the programs of
// containers.
func runBy(user int64) (threads uint64) {
	stats, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		if uid, n := countOf(text); uid == user {
			threads += n
		}
	}
	return threads
}

// countOf reads of /proc/PID/status who runs a process, and how many threads it has.
func countOf(status []byte) (uid int64, threads uint64) {
	uid = -1
	for line := range bytes.Lines(status) {
		f := bytes.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch string(f[0]) {
		case "Uid:":
			uid, _ = strconv.ParseInt(string(f[1]), 10, 64)
		case "Threads:":
			threads, _ = strconv.ParseUint(string(f[1]), 10, 64)
		}
	}
	return uid, threads
}

// closeOthers keeps the script from whatever files the agent was started with.
func closeOthers() error {
	err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) { // before Linux 5.11
		for fd := 3; fd < 4096; fd++ {
			unix.CloseOnExec(fd)
		}
		return nil
	}
	return err
}

// maxMemory is the address space of each process, in bytes.
const maxMemory = 512 << 20

// become becomes another program, with the address space that a script may have. Our own takes more already, so that
// nothing may be allocated in between: nothing collects garbage, and no other goroutine gets a turn, as we are undisturbed.
func become(program string, args, env []string) error {
	path, err1 := unix.BytePtrFromString(program)
	argv, err2 := syscall.SlicePtrFromStrings(args)
	envp, err3 := syscall.SlicePtrFromStrings(env)
	var now unix.Rlimit
	err4 := unix.Getrlimit(unix.RLIMIT_AS, &now)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	most := unix.Rlimit{Cur: min(now.Max, maxMemory), Max: min(now.Max, maxMemory)}
	firstArg, firstEnv := &argv[0], &envp[0]
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(1)
	//nolint:gosec // there is no other way to call them
	_, _, e := unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_AS, uintptr(unsafe.Pointer(&most)), 0, 0, 0)
	if e == 0 {
		_, _, e = unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(firstArg)), uintptr(unsafe.Pointer(firstEnv))) //nolint:gosec // as above
	}
	runtime.KeepAlive(path)
	runtime.KeepAlive(argv)
	runtime.KeepAlive(envp)
	return e
}

// confine keeps the script, and all that it starts, from getting rights by any program, and from writing anywhere but to
// its own folder.
func confine(j *job) error {
	// Where memory runs out, the script is ended rather than the agent.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if err == nil {
		err = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0) // becoming another user undid it
	}
	if err == nil {
		err = writeOnlyTo(j.Dir)
	}
	return err
}

// writes is what changes files, of the first version of Landlock.
const writes = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
	unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
	unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_MAKE_SYM

// writeOnlyTo lets nothing be written but in a folder and to devices that are there already. Kernels without Landlock, or
// that are kept from it, leave it at what the user may write.
func writeOnlyTo(dir string) error {
	ruleset := struct{ handled uint64 }{writes}
	fd, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&ruleset)), unsafe.Sizeof(ruleset), 0) //nolint:gosec // there is no other way to call it
	switch e {
	case 0:
	case unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM:
		return nil
	default:
		return e
	}
	defer unix.Close(int(fd)) //nolint:errcheck // the script does not get it anyway
	err := errors.Join(allow(int(fd), dir, writes), allow(int(fd), "/dev", unix.LANDLOCK_ACCESS_FS_WRITE_FILE))
	if err != nil {
		return err
	}
	_, _, e = unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

func allow(ruleset int, dir string, access uint64) error {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // it only named the folder
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0) //nolint:gosec // as above
	if e != 0 {
		return e
	}
	return nil
}
