package host

import (
	"os"
	"path/filepath"
	"testing"
)

// TestScratch: what is linked to can be read and stays when the folder goes; locks of others are not taken along.
func TestScratch(t *testing.T) {
	like := t.TempDir()
	for _, name := range []string{"repo/repomd.xml", "repo.solv", "metadata_lock.pid"} {
		file := filepath.Join(like, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir, remove, err := scratch(like)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(filepath.Join(dir, "repo", "repomd.xml")); err != nil || string(raw) != "repo/repomd.xml" {
		t.Errorf("%q, %v", raw, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "metadata_lock.pid")); err == nil {
		t.Error("the lock of others is there")
	}
	if info, err := os.Stat(dir); err != nil || os.PathSeparator == '/' && info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	remove()
	if _, err := os.Stat(dir); err == nil {
		t.Error("it is still there")
	}
	if _, err := os.Stat(filepath.Join(like, "repo", "repomd.xml")); err != nil {
		t.Error(err)
	}
	if _, _, err := scratch(filepath.Join(like, "nothing")); err == nil {
		t.Error("links to what is not there")
	}
}
