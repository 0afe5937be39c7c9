package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"time"
)

// readArchive calls add with the content of every .json file of a tar archive. Unpacking is left to the machine's own
// tar, which knows more kinds of compression than Go's library.
func readArchive(archive string, add func(text []byte, asOf time.Time) error) error {
	dir, err := os.MkdirTemp("", "vulndb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // nothing depends on it
	if out, err := exec.Command("tar", "-xf", archive, "-C", dir, "--no-same-owner").CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w\n%s", err, out)
	}
	return readFolder(os.DirFS(dir), add)
}

func readFolder(fsys fs.FS, add func(text []byte, asOf time.Time) error) error {
	return fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || path.Ext(name) != ".json" {
			return err
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if err := add(text, info.ModTime().UTC()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
}
