package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

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

// environment is what programs of Windows do not start without. PSModulePath is not handed on: it may name folders of a user,
// or those of another PowerShell, whose modules the one of the system cannot load.
func environment() []string {
	out := []string{
		"PATH=" + strings.Join(folders(), ";"),
		"PSModulePath=" + filepath.Join(rootFolder(), `WindowsPowerShell\v1.0\Modules`),
	}
	for _, name := range []string{"SystemRoot", "SystemDrive", "windir", "ComSpec", "TEMP", "TMP", "ProgramData", "ProgramFiles", "ProgramFiles(x86)"} {
		if v, ok := os.LookupEnv(name); ok {
			out = append(out, name+"="+v)
		}
	}
	return out
}

func rootFolder() string { return folders()[0] }

// aloneInGroup has the program run without a window, and in a job of its own, so that its children end with it. What it
// gives is called with the process when that has started, and with nil at the end. A system that gives no job leaves the
// program's children alone; the program itself is ended all the same.
func aloneInGroup(cmd *exec.Cmd) func(*os.Process) {
	cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.CREATE_NO_WINDOW}
	job, err := newJob()
	if err != nil {
		return func(*os.Process) {}
	}
	cmd.Cancel = func() error {
		_ = windows.TerminateJobObject(job, 1)
		return cmd.Process.Kill()
	}
	return func(p *os.Process) {
		if p == nil {
			_ = windows.CloseHandle(job) // and with it what is left in the job ends
			return
		}
		_ = p.WithHandle(func(h uintptr) { _ = windows.AssignProcessToJobObject(job, windows.Handle(h)) })
	}
}

func newJob() (windows.Handle, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, err
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err != nil {
		_ = windows.CloseHandle(job)
		return 0, err
	}
	return job, nil
}

func privileged() bool { return windows.GetCurrentProcessToken().IsElevated() }

func root() string {
	if drive := os.Getenv("SystemDrive"); drive != "" {
		return drive + `\`
	}
	return `C:\`
}
