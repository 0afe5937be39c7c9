//go:build unix

package host

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

// TestFilesDoNotWait puts FIFOs where files belong, one of which somebody holds open and never writes to.
func TestFilesDoNotWait(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"alone", "held"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writer, err := os.OpenFile(filepath.Join(dir, "held"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	h := &Host{Files: files{os.DirFS(dir), dir}}
	done := make(chan error, 2)
	go func() {
		for _, name := range []string{"alone", "held"} {
			_, err := h.ReadFile(name)
			done <- err
		}
	}()
	for range 2 {
		select {
		case err := <-done:
			if err == nil {
				t.Error("a FIFO was read as a file")
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the agent waits for somebody to write")
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a", "b", "file"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(files{os.DirFS(dir), dir}, "a/b/file"); err != nil {
		t.Error(err)
	}
	if err := os.Symlink("b/file", filepath.Join(dir, "a", "link")); err != nil {
		t.Fatal(err)
	}
	f := files{os.DirFS(dir), dir}
	if to, err := f.ReadLink("a/link"); err != nil || to != "b/file" {
		t.Errorf("%s %v", to, err)
	}
}
