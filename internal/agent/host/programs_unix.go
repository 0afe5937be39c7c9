//go:build unix

package host

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// folders are where the system's own programs are. PATH is not asked: the agent runs as root, and what a user can write
// to must not decide what root runs.
var folders = []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// lookUp finds a program of the system. A path is taken as it is.
func lookUp(name string) (string, error) {
	if strings.Contains(name, "/") {
		if runnable(name) {
			return name, nil
		}
		return "", ErrNoProgram
	}
	for _, dir := range folders {
		if path := filepath.Join(dir, name); runnable(path) {
			return path, nil
		}
	}
	return "", ErrNoProgram
}

func runnable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func environment() []string {
	return []string{"PATH=" + strings.Join(folders, ":"), "LC_ALL=C", "LANG=C", "HOME=/", "TZ=UTC"}
}

func rootFolder() string { return "/" }

// aloneInGroup puts the program into a process group of its own, so that its children end with it when it is ended.
func aloneInGroup(cmd *exec.Cmd) func(*os.Process) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	return func(*os.Process) {}
}

func privileged() bool { return os.Geteuid() == 0 }

func root() string { return "/" }

func registry() Registry { return nil }
