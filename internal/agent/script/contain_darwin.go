package script

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"muster/internal/posture"
)

const family = posture.MacOS

func ownProgram() (string, error) { return os.Executable() }

func sessionOfItsOwn() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

// containment holds together what a script starts: its process group. macOS has nothing that holds what leaves it.
type containment struct{}

func contain() (containment, error) { return containment{}, nil }

func (containment) end(script *os.Process) {
	_ = unix.Kill(-script.Pid, unix.SIGKILL)
	_ = script.Kill()
}

// closeOthers keeps the script from whatever files the agent was started with.
func closeOthers() error {
	for fd := 3; fd < 4096; fd++ {
		unix.CloseOnExec(fd)
	}
	return nil
}

// become becomes another program. macOS keeps to no limit of memory.
func become(program string, args, env []string) error { return syscall.Exec(program, args, env) } //nolint:gosec // the interpreter of a signed script

// confine does nothing: macOS has no way for a program to say that it wants no rights from the programs that it starts.
func confine(*job) error { return nil }

// runBy does not count what a user runs: on macOS, nobody runs next to nothing.
func runBy(int64) uint64 { return 0 }
