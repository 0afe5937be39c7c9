//go:build unix

package macos

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"muster/internal/agent/host"
)

// What is no file, and a file without an end, in the folder of a user are not waited for.
func TestFilesThatAreNone(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	contents := func(name string) string {
		dir := filepath.Join(root, "Applications", name, "Contents")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, "Info.plist")
	}
	if err := syscall.Mkfifo(contents("Fifo.app"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", contents("Zero.app")); err != nil {
		t.Fatal(err)
	}
	large := contents("Large.app")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<40); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(contents("Right.app"), []byte("<plist><dict/></plist>"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := &machine{h: &host.Host{Files: os.DirFS(root)}}
	apps, err := m.applications()
	if err != nil || len(apps) != 1 || apps[0].Name != "Right" {
		t.Errorf("%+v, %v", apps, err)
	}
}
