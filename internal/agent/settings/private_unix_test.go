//go:build unix

package settings

import (
	"os"
	"testing"
)

// TestPrivateFolderOfOthers: whoever owns a folder can read, and replace, what is put there.
func TestPrivateFolderOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give folders away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if err := PrivateFolder(dir); err == nil {
		t.Error("a folder of somebody else's was taken")
	}
}
