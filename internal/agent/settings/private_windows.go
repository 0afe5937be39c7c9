package settings

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// private is the right to everything for the system and for administrators, inherited by what is inside, and nothing for
// anybody else, whatever the folder above says.
const private = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

// PrivateFolder makes a folder that only the system and administrators can look into, or makes an existing one so. It
// refuses one that is somebody else's: anybody may make folders where programs keep their data, and whoever owns one can let
// themselves in again.
func PrivateFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	if err := trustworthy(dir); err != nil {
		return err
	}
	sd, err := windows.SecurityDescriptorFromString(private)
	if err != nil {
		return err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	if err := entrust(dir); err != nil {
		return err
	}
	return windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
}
