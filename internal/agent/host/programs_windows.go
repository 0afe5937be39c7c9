package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/windows"
)

// folders are where the system's own programs are, the first being System32. PATH is not asked: the agent runs as the
// system, and what a user can write to must not decide what that runs.
func folders() []string {
	system, err := windows.GetSystemDirectory()
	if err != nil {
		system = `C:\Windows\System32`
	}
	return []string{system, filepath.Join(system, `WindowsPowerShell\v1.0`), filepath.Join(system, "wbem")}
}

// lookUp finds a program of the system, with or without .exe. A path is taken as it is.
func lookUp(name string) (string, error) {
	if filepath.Ext(name) == "" {
		name += ".exe"
	}
	if strings.ContainsAny(name, `\/`) {
		if isFile(name) {
			return name, nil
		}
		return "", ErrNoProgram
	}
	for _, dir := range folders() {
		if path := filepath.Join(dir, name); isFile(path) {
			return path, nil
		}
	}
	return "", ErrNoProgram
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// environment is what programs of Windows do not start without.
func environment() []string {
	out := []string{"PATH=" + strings.Join(folders(), ";")}
	for _, name := range []string{"SystemRoot", "SystemDrive", "windir", "ComSpec", "TEMP", "TMP", "ProgramData", "ProgramFiles", "ProgramFiles(x86)", "PSModulePath"} {
		if v, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}

func rootFolder() string { return folders()[0] }

func aloneInGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.CREATE_NO_WINDOW}
}

func privileged() bool { return windows.GetCurrentProcessToken().IsElevated() }

func root() string {
	if drive := os.Getenv("SystemDrive"); drive != "" {
		return drive + `\`
	}
	return `C:\`
}
