// Package atomicfile writes files as a whole: whoever reads one, or loses power, finds what was there before or all of what
// is written, and never a half.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Write puts a file with this content and mode where name is, in place of one that may be there. It is on disk when it
// returns. After an error the old file is there still, but for one that says so.
func Write(name string, content []byte, mode fs.FileMode) error {
	return Fill(name, mode, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// Fill is Write for content that fill writes. Until fill is done there is a file beside name that only its owner can read.
func Fill(name string, mode fs.FileMode, fill func(io.Writer) error) error {
	part, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".part-*")
	if err != nil {
		return err
	}
	err = fill(part)
	if err == nil {
		err = errors.Join(part.Chmod(mode), part.Sync())
	}
	err = errors.Join(err, part.Close())
	if err == nil {
		err = os.Rename(part.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part.Name()))
	}
	if err = syncFolder(filepath.Dir(name)); err != nil {
		return fmt.Errorf("%s is written, but may not outlast a power cut: %w", name, err)
	}
	return nil
}

// syncFolder makes the new name of a file last.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // its folders cannot be synced, and need not be
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
