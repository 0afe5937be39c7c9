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
		v := Volume{Device: unescape(f[0]), Name: unescape(f[1]), Type: f[2]}
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

// unescape undoes the octal escapes of /proc/self/mounts: \040 is a blank.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1:i+4]) {
			out = append(out, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

func isOctal(s string) bool {
	return s[0] <= '3' && strings.Trim(s, "01234567") == ""
}
