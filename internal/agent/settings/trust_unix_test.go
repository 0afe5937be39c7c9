//go:build unix

package settings

import (
	"os"
	"strings"
	"testing"
)

// TestSettingsOfAnotherUser: whoever owns a file can write to it, whatever its mode says now.
func TestSettingsOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := fileWith(t, `{"server": "https://muster.example.net"}`)
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	_, err := NewFlags("run", environment(nil)).Load([]string{"--settings", path})
	if err == nil || !strings.Contains(err.Error(), "another user (65534)") {
		t.Errorf("settings of another user: %v", err)
	}
}
