package host

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/windows"
)

// volumes is as Host says: the fixed drives that have a letter. gopsutil would list them too, but its package disk writes
// to the registry as soon as it is linked in. A drive that BitLocker keeps locked is not mounted.
func volumes() ([]Volume, error) {
	drives, err := windows.GetLogicalDrives()
	if err != nil {
		return nil, err
	}
	system := strings.TrimSuffix(strings.ToUpper(root()), `\`)
	var out []Volume
	for i := range 26 {
		name := string(rune('A'+i)) + ":"
		path, err := windows.UTF16PtrFromString(name + `\`)
		if err != nil {
			return nil, err
		}
		if drives&(1<<i) == 0 || windows.GetDriveType(path) != windows.DRIVE_FIXED {
			continue
		}
		v := Volume{Name: name, Device: name, Type: fileSystem(path), System: name == system}
		err = windows.GetDiskFreeSpaceEx(path, nil, &v.Total, &v.Free)
		if errors.Is(err, syscall.Errno(windows.FVE_E_LOCKED_VOLUME)) || errors.Is(err, windows.ERROR_NOT_READY) || errors.Is(err, windows.ERROR_UNRECOGNIZED_VOLUME) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s %w", name, err)
		}
		out = append(out, v)
	}
	return out, nil
}

// fileSystem gives the name of a drive's file system, "" where it is not told.
func fileSystem(path *uint16) string {
	name := make([]uint16, windows.MAX_PATH+1)
	if windows.GetVolumeInformation(path, nil, 0, nil, nil, nil, &name[0], uint32(len(name))) != nil {
		return ""
	}
	return windows.UTF16ToString(name)
}
