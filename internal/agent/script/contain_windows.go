package script

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"

	"muster/internal/posture"
)

const family = posture.Windows

// interpreters are those that come with Windows. bash.exe, where there is one, is another system.
var interpreters = map[string]*interpreter{
	"powershell": {
		names: []string{"powershell"}, suffix: ".ps1",
		args: []string{"-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-File"},
	},
	"cmd": {names: []string{"cmd"}, args: []string{"/d", "/q", "/c"}, suffix: ".cmd"},
}

func environment(work string) []string {
	system, err := windows.GetSystemDirectory()
	if err != nil {
		system = `C:\Windows\System32`
	}
	root := filepath.Dir(system)
	return []string{
		"SystemRoot=" + root, "windir=" + root, "SystemDrive=" + filepath.VolumeName(root), "ComSpec=" + filepath.Join(system, "cmd.exe"),
		"PATH=" + system + ";" + filepath.Join(system, `WindowsPowerShell\v1.0`), "PATHEXT=.COM;.EXE;.BAT;.CMD",
		"TEMP=" + work, "TMP=" + work, "USERPROFILE=" + work, "APPDATA=" + work, "LOCALAPPDATA=" + work,
		"PSModulePath=" + filepath.Join(system, `WindowsPowerShell\v1.0\Modules`),
	}
}

func ownProgram() (string, error) { return os.Executable() }

func runAs(name string) (*identity, error) {
	if name != "" && name != "nobody" { // which is nobody's name here
		return nil, errors.New("on Windows scripts run as LocalService, and as no user that settings name")
	}
	return nil, nil
}

func elevated() bool { return windows.GetCurrentProcessToken().IsElevated() }

// Who may do what in the folders of a script: the system and administrators all, LocalService read, and in its own write.
const (
	readFolder  = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FRFX;;;LS)"
	writeFolder = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;LS)"
)

func newPlace(*identity) (*place, error) {
	dir, err := os.MkdirTemp("", folderName)
	if err != nil {
		return nil, err
	}
	p := &place{dir: dir, work: filepath.Join(dir, rand.Text())}
	err = os.Mkdir(p.work, 0o700)
	if err == nil && elevated() {
		err = errors.Join(protect(p.dir, readFolder), protect(p.work, writeFolder))
	}
	if err != nil {
		p.remove()
	}
	return p, err
}

// tidy leaves the folder to the agent, which may remove everything.
func tidy(context.Context, *job) {}

func clean(*job) error { return errors.New("this command is not for Windows") }

func protect(folder, sddl string) error {
	d, err := windows.SecurityDescriptorFromString(sddl)
	if err != nil {
		return err
	}
	dacl, _, err := d.DACL()
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(folder, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
}

func readable(string) error { return nil } // as its folder says

func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true, CreationFlags: windows.CREATE_NO_WINDOW}
}

// Limits of a script, beside its time.
const (
	maxMemory    = 512 << 20 // of one process
	maxProcesses = 64
)

// containment holds together what a script starts: a job object that the supervisor is in itself, and whatever comes of
// it. Windows ends all of it when the supervisor ends, whichever way.
type containment struct{ handle windows.Handle }

func contain() (containment, error) {
	handle, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return containment{}, err
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{ProcessMemoryLimit: maxMemory}
	limits.BasicLimitInformation.ActiveProcessLimit = maxProcesses
	limits.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | windows.JOB_OBJECT_LIMIT_ACTIVE_PROCESS |
		windows.JOB_OBJECT_LIMIT_PROCESS_MEMORY | windows.JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION
	_, err = windows.SetInformationJobObject(handle, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))) //nolint:gosec // there is no other way to call it
	if err == nil {
		err = windows.AssignProcessToJobObject(handle, windows.CurrentProcess())
	}
	return containment{handle}, err
}

func (containment) end(script *os.Process) { _ = script.Kill() } // the others end with the supervisor, which is about to

func (containment) command(ctx context.Context, j *job) (*exec.Cmd, error) {
	token, err := poorToken()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, j.Program, j.Args...) //nolint:gosec // the interpreter of a signed script
	cmd.SysProcAttr = &syscall.SysProcAttr{Token: syscall.Token(token), HideWindow: true, CreationFlags: windows.CREATE_NO_WINDOW}
	cmd.Env, cmd.Dir = j.Env, j.Dir
	return cmd, nil
}

func enter(*job) error { return errors.New("this command is not for Windows") }

var (
	advapi32              = windows.NewLazySystemDLL("advapi32.dll")
	logonUser             = advapi32.NewProc("LogonUserW")
	createRestrictedToken = advapi32.NewProc("CreateRestrictedToken")
)

// poorToken makes what the script runs as: LocalService where the agent has rights, the agent's own user otherwise, either
// without any privilege and of medium integrity.
func poorToken() (windows.Token, error) {
	var whose windows.Token
	err := windows.OpenProcessToken(windows.CurrentProcess(), windows.TOKEN_ALL_ACCESS, &whose)
	if err == nil && elevated() {
		_ = whose.Close()
		whose, err = localService()
	}
	if err != nil {
		return 0, err
	}
	defer whose.Close() //nolint:errcheck // what was made of it is its own
	const disableMaxPrivilege = 1
	var poor windows.Token
	ok, _, e := createRestrictedToken.Call(uintptr(whose), disableMaxPrivilege, 0, 0, 0, 0, 0, 0, uintptr(unsafe.Pointer(&poor))) //nolint:gosec // there is no other way to call it
	if ok == 0 {
		return 0, fmt.Errorf("CreateRestrictedToken: %w", e)
	}
	medium, err := windows.CreateWellKnownSid(windows.WinMediumLabelSid)
	if err != nil {
		return 0, err
	}
	label := windows.Tokenmandatorylabel{Label: windows.SIDAndAttributes{Sid: medium, Attributes: windows.SE_GROUP_INTEGRITY}}
	err = windows.SetTokenInformation(poor, windows.TokenIntegrityLevel, (*byte)(unsafe.Pointer(&label)), label.Size()) //nolint:gosec // there is no other way to call it
	return poor, err
}

// localService logs on the account that Windows has for services that need no rights.
func localService() (windows.Token, error) {
	name, err1 := windows.UTF16PtrFromString("LOCAL SERVICE")
	domain, err2 := windows.UTF16PtrFromString("NT AUTHORITY")
	if err := errors.Join(err1, err2); err != nil {
		return 0, err
	}
	const logonService, defaultProvider = 5, 0
	var token windows.Token
	ok, _, e := logonUser.Call(uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(domain)), 0, logonService, defaultProvider, uintptr(unsafe.Pointer(&token))) //nolint:gosec // there is no other way to call it
	if ok == 0 {
		return 0, fmt.Errorf("LogonUser: %w", e)
	}
	return token, nil
}
