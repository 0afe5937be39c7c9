package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// What volumes lie on, where that is not a block device with others below it.

// entries lists the names in a folder, sorted; none where there is none.
func (v *volumes) entries(dir string) []string {
	list, err := fs.ReadDir(v.h.Files, dir)
	if err != nil {
		return nil
	}
	return names(list)
}

func names(list []fs.DirEntry) []string {
	out := make([]string, 0, len(list))
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

// diskOf gives the disk that a partition is of: the folder of a partition lies in that of its disk.
func (v *volumes) diskOf(partition string) string {
	target, err := fs.ReadLink(v.h.Files, "sys/class/block/"+partition)
	if err != nil {
		return ""
	}
	disk := path.Base(path.Dir(target))
	if !v.h.Exists("sys/class/block/" + disk) {
		return ""
	}
	return disk
}

// named gives the kernel's name of a device in /dev: the name itself, or one of the device mapper.
func (v *volumes) named(device string) string {
	if mapped, ok := strings.CutPrefix(device, "/dev/mapper/"); ok {
		for _, name := range v.entries("sys/class/block") {
			if !strings.HasPrefix(name, "dm-") {
				continue
			}
			raw, err := readStart(v.h, "sys/class/block/"+name+"/dm/name", 512)
			if err == nil && strings.TrimSpace(string(raw)) == mapped {
				return name
			}
		}
		return ""
	}
	name, ok := strings.CutPrefix(device, "/dev/")
	if !ok {
		return ""
	}
	return strings.ReplaceAll(name, "/", "!")
}

// btrfsDevices lists the devices of a file system of btrfs, which may have many.
func (v *volumes) btrfsDevices(m mount) []string {
	name := v.named(m.source)
	if name == "" {
		return nil
	}
	for _, id := range v.entries("sys/fs/btrfs") {
		devices := v.entries("sys/fs/btrfs/" + id + "/devices")
		if slices.Contains(devices, name) {
			return devices
		}
	}
	return nil
}

// zfsEncrypted asks ZFS about a data set. One that it does not encrypt may lie on devices that are encrypted.
func (v *volumes) zfsEncrypted(set string, depth int) (bool, error) {
	if v.zfs == nil && v.zfsFail == nil {
		out, err := v.h.Run(v.ctx, "zfs", "get", "-H", "-o", "name,value", "encryption")
		v.zfs, v.zfsFail = parseZFS(out), err
	}
	if v.zfsFail != nil {
		return false, fmt.Errorf("zfs could not be asked: %w", v.zfsFail)
	}
	switch v.zfs[set] {
	case "", "-":
		return false, fmt.Errorf("zfs does not say whether %s is encrypted", set)
	case "off":
		pool, _, _ := strings.Cut(set, "/")
		out, err := v.h.Run(v.ctx, "zpool", "list", "-v", "-H", "-P", "-L", pool)
		if err != nil {
			return false, fmt.Errorf("zpool could not be asked: %w", err)
		}
		var names []string
		for _, device := range parsePool(out) {
			name := v.named(device)
			if name == "" {
				return false, fmt.Errorf("the device %s is not to be seen", device)
			}
			names = append(names, name)
		}
		return v.all(names, depth)
	default:
		return true, nil
	}
}

// parseZFS reads names and values, with a tab between.
func parseZFS(out []byte) map[string]string {
	sets := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "\t"); ok {
			sets[name] = strings.TrimSpace(value)
		}
	}
	return sets
}

// parsePool reads the devices of a pool from among its lines.
func parsePool(out []byte) []string {
	var devices []string
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 0 && strings.HasPrefix(f[0], "/dev/") {
			devices = append(devices, f[0])
		}
	}
	return devices
}

// swap is the space that memory is put out to, as one volume, encrypted where all of it is; none where there is none.
// What is compressed within memory is no such space, unless it has a device behind it.
func (v *volumes) swap() []collect.Volume {
	raw, err := readStart(v.h, "proc/swaps", 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	fact := collect.Known(true)
	if err != nil {
		fact = collect.CouldNotRead[bool](err)
	}
	spaces := v.swapSpaces(raw)
	if err == nil && len(spaces) == 0 {
		return nil
	}
	for _, s := range spaces {
		var yes bool
		var bad error
		if s.isFile {
			yes, bad = v.file(s.path, maxLayers)
		} else if name := v.named(s.path); name != "" {
			yes, bad = v.device(name, maxLayers)
		} else {
			bad = fmt.Errorf("the device %s is not to be seen", s.path)
		}
		if bad != nil || !yes {
			fact = collect.Of(yes, bad)
			break
		}
	}
	return []collect.Volume{{Name: "[SWAP]", Encrypted: fact}}
}

type swapSpace struct {
	path   string
	isFile bool
}

func (v *volumes) swapSpaces(raw []byte) []swapSpace {
	var out []swapSpace
	for _, s := range parseSwaps(raw) {
		if name, ok := strings.CutPrefix(s.path, "/dev/zram"); ok {
			behind, err := readStart(v.h, "sys/class/block/zram"+name+"/backing_dev", 512)
			device := strings.TrimSpace(string(behind))
			if err != nil || device == "" || device == "none" {
				continue
			}
			s.path = device
		}
		out = append(out, s)
	}
	return out
}

// parseSwaps reads /proc/swaps.
func parseSwaps(raw []byte) []swapSpace {
	var out []swapSpace
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) < 3 || !strings.HasPrefix(f[0], "/") {
			continue
		}
		out = append(out, swapSpace{host.Unescape(f[0]), f[1] == "file"})
	}
	return out
}
