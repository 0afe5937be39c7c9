//go:build unix

package settings

import (
	"fmt"
	"os"
	"syscall"
)

// trustworthy refuses settings that somebody else can write: they say which server is believed, and whose scripts run.
func trustworthy(path string) error { return unwritable(path, "0600") }

// Unwritable refuses files that somebody else can write to: certificates of those who are believed, keys of those whose scripts
// run.
func Unwritable(path string) error { return unwritable(path, "go-w") }

func unwritable(path, mode string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil // a device such as /dev/null says nothing
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("others can write to %s (mode %04o): chmod %s %[1]s", path, info.Mode().Perm(), mode)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user (%d): chown root %[1]s", path, owner.Uid)
	}
	return nil
}

// entrust is nothing here: what root writes is root's.
func entrust(string) error { return nil }

// forEverybody reports whether everybody on the machine can read a file.
func forEverybody(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0
}
