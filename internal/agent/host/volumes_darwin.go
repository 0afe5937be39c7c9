package host

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// realTypes are the file systems that lie on disks of the machine.
var realTypes = []string{"apfs", "hfs", "msdos", "exfat", "ntfs", "ufs"}

// volumes is as Host says. The volumes of an APFS container share its space, and all but one are hidden from users; disk
// images are mounted for reading only.
func volumes() ([]Volume, error) {
	count, err := unix.Getfsstat(nil, unix.MNT_NOWAIT)
	if err != nil {
		return nil, err
	}
	all := make([]unix.Statfs_t, count+8)
	count, err = unix.Getfsstat(all, unix.MNT_NOWAIT)
	if err != nil {
		return nil, err
	}
	var out []Volume
	for i := range all[:min(count, len(all))] {
		fs := &all[i]
		v := Volume{
			Name: unix.ByteSliceToString(fs.Mntonname[:]), Device: unix.ByteSliceToString(fs.Mntfromname[:]),
			Type:  unix.ByteSliceToString(fs.Fstypename[:]),
			Total: fs.Blocks * uint64(fs.Bsize), Free: fs.Bavail * uint64(fs.Bsize),
		}
		v.System = v.Name == "/"
		const hidden = unix.MNT_DONTBROWSE | unix.MNT_RDONLY
		if v.System || slices.Contains(realTypes, v.Type) && strings.HasPrefix(v.Device, "/dev/") &&
			fs.Flags&unix.MNT_LOCAL != 0 && fs.Flags&hidden == 0 {
			out = append(out, v)
		}
	}
	return out, nil
}
