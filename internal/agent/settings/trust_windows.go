package settings

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// trustworthy refuses what is somebody else's than the system's, the administrators' or our own user's: settings say which
// server is believed, and whose scripts run. Who may write to them is seen to by the rights of the folder, which install makes
// the system's and administrators' alone.
func trustworthy(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&fs.ModeDevice != 0 { // NUL says nothing
		return err
	}
	sd, err := windows.GetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return err
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return err
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	if trusted(owner, user.User.Sid) {
		return nil
	}
	return fmt.Errorf("%s belongs to another user (%s): remove it or, if it is right, takeown /A /F \"%[1]s\"", path, owner)
}

// Unwritable is nothing here: who may write to a file is more than its owner tells, and files that are named in the settings are
// as safe as the folder that an administrator put them into.
func Unwritable(string) error { return nil }

// trusted reports whether what somebody owns may decide what a user's program does.
func trusted(owner, user *windows.SID) bool {
	return owner.IsWellKnown(windows.WinLocalSystemSid) || owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) || owner.Equals(user)
}

// entrust gives a file or folder to all administrators together, where the agent has their rights: what one of them makes may
// be that one's, and the service, which is the system, would not trust it.
func entrust(path string) error {
	if !windows.GetCurrentProcessToken().IsElevated() {
		return nil
	}
	administrators, err := windows.CreateWellKnownSid(windows.WinBuiltinAdministratorsSid)
	if err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(path, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION, administrators, nil, nil, nil)
}

// forEverybody is seen to by the rights of the folder, as trustworthy says.
func forEverybody(string) bool { return false }
