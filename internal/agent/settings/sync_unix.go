//go:build unix

package settings

import (
	"errors"
	"os"
)

// syncFolder makes the new name of a file last.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
