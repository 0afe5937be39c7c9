//go:build unix

package script

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// interpreters are those of the system's own folders.
var interpreters = map[string]*interpreter{
	"sh":         {names: []string{"sh"}},
	"bash":       {names: []string{"bash"}, args: []string{"--noprofile", "--norc"}},
	"zsh":        {names: []string{"zsh"}, args: []string{"-f"}},
	"python":     {names: []string{"python3", "python"}, args: []string{"-I"}},
	"powershell": {names: []string{"pwsh"}, args: []string{"-NoProfile", "-NonInteractive", "-File"}, suffix: ".ps1"},
}

func environment(work string) []string {
	return []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + work, "TMPDIR=" + work, "LC_ALL=C", "LANG=C", "TZ=UTC"}
}

// runAs says as whom scripts run: as a user without rights where the agent is root, as whoever it is otherwise (nil).
func runAs(name string) (*identity, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if name == "" {
		name = "nobody"
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("scripts are not run as root, and the user that they are to run as cannot be found: %w", err)
	}
	uid, err1 := strconv.ParseInt(u.Uid, 10, 64)
	gid, err2 := strconv.ParseInt(u.Gid, 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	// Some systems write the highest numbers as negative ones.
	as := &identity{int64(uint32(uid)), int64(uint32(gid))}
	if as.User == 0 || as.Main == 0 {
		return nil, fmt.Errorf("scripts are not run as root, and %s is root under another name", name)
	}
	return as, nil
}

const (
	passable = 0o711 // for folders that others may go through, if they know where to
	legible  = 0o444
)

// newPlace makes the folder for the script. The one that it works in it makes itself, when it is nobody any more: the agent
// need not have the right to give folders away, nor to take them back.
func newPlace(as *identity) (*place, error) {
	dir, err := os.MkdirTemp("", folderName)
	if err != nil {
		return nil, err
	}
	p := &place{dir: dir, work: filepath.Join(os.TempDir(), folderName+rand.Text())}
	if as != nil {
		err = os.Chmod(p.dir, passable)
	}
	if err != nil {
		p.remove()
	}
	return p, err
}

func readable(file string) error { return os.Chmod(file, legible) }

// clean removes the folder that a script worked in, as who it was, whatever it made of it.
func clean(j *job) error {
	err := dropFor(j)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(j.Dir)
	if errors.Is(err, fs.ErrPermission) {
		err = os.Chmod(j.Dir, 0o700) //nolint:gosec // a folder
		if err == nil {
			root, err = os.OpenRoot(j.Dir)
		}
	}
	if err != nil {
		return err
	}
	for open := []string{"."}; len(open) > 0; {
		name := open[0]
		open = open[1:]
		_ = root.Chmod(name, 0o700) // so that it can be looked into and emptied
		entries, _ := fs.ReadDir(root.FS(), name)
		for _, e := range entries {
			if e.IsDir() {
				open = append(open, path.Join(name, e.Name()))
			}
		}
	}
	return errors.Join(root.Close(), os.RemoveAll(j.Dir))
}

func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = sessionOfItsOwn()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it ends the script, and then itself
}

// undisturbed keeps goroutines from being interrupted where they do not expect it.
const undisturbed = "GODEBUG=asyncpreemptoff=1"

func (containment) command(ctx context.Context, j *job) (*exec.Cmd, error) {
	self, err := ownProgram()
	if err != nil {
		return nil, err
	}
	if j.As == nil && os.Geteuid() == 0 {
		return nil, errors.New("it would be run as root")
	}
	text, err := encode(j)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, CommandName, "enter", text) //nolint:gosec // the agent's own program
	cmd.Env = append(slices.Clone(j.Env), undisturbed)                // the script's own is j.Env
	cmd.SysProcAttr = sessionOfItsOwn()
	cmd.Cancel = func() error { return nil } // the supervisor ends it, with all that came of it
	return cmd, nil
}

// tidy has the folder of a script removed. What cannot be is left to whoever cleans the folder of temporary files.
func tidy(ctx context.Context, j *job) {
	self, err1 := ownProgram()
	text, err2 := encode(j)
	if errors.Join(err1, err2) != nil {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), patience/2)
	defer stop()
	_ = exec.CommandContext(ctx, self, CommandName, "clean", text).Run() //nolint:gosec // the agent's own program
}

// Limits of a script, beside its time.
const (
	maxFile      = 16 << 20
	maxOpen      = 256
	maxProcesses = 64 // beside what the user that scripts run as has running
)

// enter becomes the script: it takes on its limits, gives up its rights, and never comes back. What it writes is taken for
// the script's output, and its exit status is no pass.
func enter(j *job) error {
	runtime.LockOSThread() // some of this is a thread's own, and goes with the one that becomes the script
	unix.Umask(0o077)
	err := errors.Join(closeOthers(), limit(j))
	if err != nil {
		return fmt.Errorf("the limits of the script could not be set: %w", err)
	}
	// The pipe that it writes to: programs that open /dev/stderr have to be allowed to.
	_ = unix.Fchmod(1, 0o666)
	err = dropFor(j)
	if err != nil {
		return fmt.Errorf("the script was not run, because its privileges could not be given up: %w", err)
	}
	err = errors.Join(os.Mkdir(j.Dir, 0o700), os.Chdir(j.Dir))
	if err != nil {
		return fmt.Errorf("the script was not run, because no folder could be made for it: %w", err)
	}
	err = confine(j)
	if err != nil {
		return fmt.Errorf("the script was not run, because it could not be kept from getting privileges: %w", err)
	}
	if unix.Geteuid() == 0 {
		return errors.New("the script was not run, because it would be run as root")
	}
	err = become(j.Program, append([]string{j.Program}, j.Args...), j.Env)
	return fmt.Errorf("the interpreter %s cannot be started: %w", j.Program, err)
}

func limit(j *job) error {
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 10) // a service is nice already, and may not be allowed to
	err := errors.Join(
		setLimit(unix.RLIMIT_CPU, uint64(j.Seconds)+1),
		setLimit(unix.RLIMIT_FSIZE, maxFile),
		setLimit(unix.RLIMIT_CORE, 0),
		setLimit(unix.RLIMIT_NOFILE, maxOpen),
	)
	if j.As != nil { // an ordinary user's own programs come and go, so it would be a limit of chance
		err = errors.Join(err, setLimit(unix.RLIMIT_NPROC, maxProcesses+runBy(j.As.User)))
	}
	return err
}

// setLimit lowers a limit, for good.
func setLimit(resource int, most uint64) error {
	var now syscall.Rlimit
	err := syscall.Getrlimit(resource, &now)
	if err != nil {
		return err
	}
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: min(most, now.Max), Max: min(most, now.Max)})
}

// dropFor becomes whom a job is to be done as.
func dropFor(j *job) error {
	if j.As == nil {
		return nil
	}
	return drop(int(j.As.User), int(j.As.Main))
}

// drop becomes another user, for good: in no other group, and with no way back.
func drop(uid, gid int) error {
	err := syscall.Setgroups([]int{gid})
	if err == nil {
		err = syscall.Setgid(gid)
	}
	if err == nil {
		err = syscall.Setuid(uid)
	}
	if err != nil {
		return err
	}
	if os.Getuid() != uid || os.Geteuid() != uid || os.Getgid() != gid || os.Getegid() != gid {
		return errors.New("it is still somebody else")
	}
	if syscall.Setuid(0) == nil {
		return errors.New("it can become root again")
	}
	return nil
}
