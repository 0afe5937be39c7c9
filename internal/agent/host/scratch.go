package host

import (
	"errors"
	"os"
	"path/filepath"
)

// scratch is as Host says.
func scratch(like string) (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "muster-agent-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) } // what stays is left to whoever cleans the folder of temporary files
	if like == "" {
		return dir, remove, nil
	}
	entries, err := os.ReadDir(like)
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".pid" {
			err = errors.Join(err, os.Symlink(filepath.Join(like, e.Name()), filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		remove()
		return "", nil, err
	}
	return dir, remove, nil
}
