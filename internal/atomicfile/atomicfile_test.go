package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// holds fails unless the folder has this one file, with this content.
func holds(t *testing.T, name, content string) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil || string(got) != content {
		t.Errorf("%s holds %q (%v), want %q", name, got, err, content)
	}
	entries, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(entries) != 1 {
		t.Errorf("beside it there is something: %v %v", entries, err)
	}
}

func TestWrite(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	for mode, content := range map[os.FileMode]string{0o600: "secret", 0o644: "for everybody"} {
		if err := Write(name, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		holds(t, name, content)
		if info, err := os.Stat(name); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != mode {
			t.Errorf("mode %v, want %v (%v)", info.Mode(), mode, err)
		}
	}
}

// While it is filled, and when that fails, the old one is there, and in the end nothing else.
func TestFillThatFails(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := Write(name, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := Fill(name, 0o600, func(w io.Writer) error {
		_, _ = io.WriteString(w, "a half")
		if got, err := os.ReadFile(name); err != nil || string(got) != "before" {
			t.Errorf("meanwhile there is %q (%v)", got, err)
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	holds(t, name, "before")
}

// A folder is not replaced, and nothing stays beside it.
func TestNoPlaceForIt(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "f", "g"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(dir, "f"), nil, 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
	if err := Write(filepath.Join(dir, "nowhere", "f"), nil, 0o600); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
