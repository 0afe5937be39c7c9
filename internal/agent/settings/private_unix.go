//go:build unix

package settings

import (
	"fmt"
	"os"
	"syscall"
)

// PrivateFolder makes a folder that only its owner can look into, or makes an existing one so. It refuses one that is
// somebody else's: whoever owns it could read, or replace, what is put there.
func PrivateFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		if owner.Uid == 0 {
			return fmt.Errorf("%s belongs to root: this needs root", dir)
		}
		return fmt.Errorf("%s belongs to another user (%d)", dir, owner.Uid)
	}
	return os.Chmod(dir, 0o700) //nolint:gosec // a folder has to be entered
}
