package host

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// realTypes are the file systems that lie on disks of the machine. fuseblk is NTFS by way of a program that root started;
// file systems of plain fuse belong to users.
var realTypes = map[string]bool{
	"ext2": true, "ext3": true, "ext4": true, "xfs": true, "btrfs": true, "zfs": true, "f2fs": true, "jfs": true,
	"reiserfs": true, "nilfs2": true, "bcachefs": true, "vfat": true, "exfat": true, "ntfs": true, "ntfs3": true,
	"fuseblk": true, "hfsplus": true,
}

// volumes is as Host says.
func volumes() ([]Volume, error) {
	raw, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	var out []Volume
	for _, v := range parseMounts(raw) {
		var fs unix.Statfs_t
		if err := unix.Statfs(v.Name, &fs); err != nil {
			return nil, fmt.Errorf("%s: %w", v.Name, err)
		}
		unit := uint64(fs.Frsize)
		v.Total, v.Free = fs.Blocks*unit, fs.Bavail*unit
		out = append(out, v)
	}
	return out, nil
}

// parseMounts gives the volumes of /proc/self/mounts without their sizes. Of several mounts of one device (bind mounts,
// subvolumes) it gives the one with the shortest name; what is mounted over another hides it.
func parseMounts(raw []byte) []Volume {
	at := map[string]Volume{}
	for line := range bytes.Lines(raw) {
		f := strings.Fields(string(line))
		if len(f) < 4 {
			continue
		}
		v := Volume{Device: Unescape(f[0]), Name: Unescape(f[1]), Type: f[2]}
		v.System = v.Name == "/"
		if !strings.HasPrefix(v.Name, "/") {
			continue
		}
		delete(at, v.Name)
		if realTypes[v.Type] || v.System {
			at[v.Name] = v
		}
	}
	byDevice := map[string]Volume{}
	for _, v := range at {
		key := v.Type + " " + v.Device
		if v.Type == "zfs" { // the file systems of a pool share its space
			key, _, _ = strings.Cut(key, "/")
		}
		if old, ok := byDevice[key]; !ok || cmp.Or(cmp.Compare(len(v.Name), len(old.Name)), strings.Compare(v.Name, old.Name)) < 0 {
			byDevice[key] = v
		}
	}
	out := make([]Volume, 0, len(byDevice))
	for _, v := range byDevice {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b Volume) int { return strings.Compare(a.Name, b.Name) })
	return out
}
