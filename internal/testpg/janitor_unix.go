//go:build unix

package testpg

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A janitor is a small shell process that stops a cluster and removes its directory as soon as this process lets go of
// the pipe between them. The kernel lets go of it however the process ends: a return from the last test, os.Exit, a
// panic, a test time-out, SIGKILL. That is why the server is not our child with a death signal set: that signal is
// Linux's own, is bound to one thread rather than to the process, and leaves the directory behind.
//
// Should the janitor be killed too, the lock says so: it is held as long as either of the two lives, and the next
// cluster to be started sweeps away those whose lock nobody holds.
type janitor struct {
	cmd   *exec.Cmd
	leash *os.File
	lock  *os.File
}

// The janitor ignores what a terminal sends to its whole process group, and waits until the leash is cut.
const janitorScript = `
trap '' HUP INT TERM
while read -r _; do :; done
"$1/pg_ctl" -D "$2/data" -s -w -t 30 -m immediate stop >/dev/null 2>&1
cd / && rm -rf "$2"
`

// hireJanitor starts the janitor of s and takes the lock that tells sweepers that the cluster is in use.
func (s *Server) hireJanitor() (*janitor, error) {
	lock, err := takeLock(s.dir)
	if err != nil {
		return nil, err
	}
	hold, leash, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	defer hold.Close()
	cmd := exec.Command("/bin/sh", "-c", janitorScript, "testpg-janitor", s.bin, s.dir)
	cmd.Dir = "/"
	cmd.Env = environment()
	cmd.Stdin = hold
	cmd.ExtraFiles = []*os.File{lock} // it shares the lock
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred, Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the janitor: %w", err), leash.Close(), lock.Close())
	}
	return &janitor{cmd: cmd, leash: leash, lock: lock}, nil
}

// dismiss lets the janitor do its work and waits for it.
func (j *janitor) dismiss() error {
	return errors.Join(j.leash.Close(), j.cmd.Wait(), j.lock.Close())
}

// takeLock makes the locked file "lock" in dir. It gets that name only when it is locked: a sweeper never meets one
// that is about to be.
func takeLock(dir string) (*os.File, error) {
	fresh := filepath.Join(dir, "lock.new")
	lock, err := os.OpenFile(fresh, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(tryLock(lock), os.Rename(fresh, filepath.Join(dir, "lock"))); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func tryLock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// sweep removes clusters below tmp that nobody looks after any more. What it may not touch (another user's) it leaves,
// in silence: this is a courtesy, and no reason for a test to fail.
func (s *Server) sweep(tmp string) {
	dirs, _ := filepath.Glob(filepath.Join(tmp, dirPrefix+"*")) // the pattern is well-formed
	for _, dir := range dirs {
		lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			if info, e := os.Lstat(dir); e == nil && time.Since(info.ModTime()) > time.Hour {
				_ = os.RemoveAll(dir) // so long without a lock: died while it was being made
			}
			continue
		}
		if tryLock(lock) == nil {
			orphan := &Server{bin: s.bin, cred: s.cred, dir: dir}
			_ = orphan.run("pg_ctl", "-D", orphan.data(), "-s", "-w", "-m", "immediate", "stop") // mostly there is none
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
}
