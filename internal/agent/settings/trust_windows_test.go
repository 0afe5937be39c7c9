package settings

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"
)

// TestTrusted: anybody may make a folder where programs keep their data, and put settings there, before the agent is installed.
func TestTrusted(t *testing.T) {
	user, err := windows.StringToSid("S-1-5-21-1-2-3-1001")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"S-1-5-18": true, "S-1-5-32-544": true, "S-1-5-21-1-2-3-1001": true, // the system, administrators, the user
		"S-1-5-21-1-2-3-1002": false, "S-1-5-32-545": false, "S-1-1-0": false, "S-1-5-19": false, // another, users, everybody, LocalService
	} {
		owner, err := windows.StringToSid(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := trusted(owner, user); got != want {
			t.Errorf("what %s owns: %v", text, got)
		}
	}
}

// TestOwnSettings: what the agent itself makes it takes again.
func TestOwnSettings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "agent")
	if err := PrivateFolder(dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "settings.json")
	for range 2 {
		if err := Save(file, Settings{Server: "https://muster.example.net"}); err != nil {
			t.Fatal(err)
		}
		if err := trustworthy(file); err != nil {
			t.Error(err)
		}
		if err := PrivateFolder(dir); err != nil {
			t.Error(err)
		}
	}
}
