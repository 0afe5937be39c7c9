package linux

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// encryptionCollector says of each volume whether what it lies on is encrypted.
func encryptionCollector(h *host.Host) collect.Collector {
	return collect.Collector{Subject: "encryption", Collect: func(ctx context.Context, s *collect.Snapshot) error {
		s.Encryption = collect.Of(encryptedVolumes(ctx, h))
		return nil
	}}
}

// maxVolumes bounds how many volumes are reported.
const maxVolumes = 100

// volumes finds out what volumes lie on.
type volumes struct {
	ctx     context.Context
	h       *host.Host
	mounts  []mount
	zfs     map[string]string // encryption by data set; nil until asked
	zfsFail error
}

func encryptedVolumes(ctx context.Context, h *host.Host) ([]collect.Product, error) {
	mounts, err := readMounts(h)
	if err != nil {
		return nil, err
	}
	v := &volumes{ctx: ctx, h: h, mounts: mounts}
	var list []collect.Volume
	for _, m := range mounts {
		if v.reported(m) && len(list) < maxVolumes {
			list = append(list, collect.Volume{Name: cutText(m.point), System: m.point == "/", Encrypted: v.encrypted(m, maxLayers)})
		}
	}
	list = append(list, v.swap()...)
	slices.SortFunc(list, func(a, b collect.Volume) int { return cmp.Compare(a.Name, b.Name) })
	return []collect.Product{{Name: "dm-crypt", Volumes: list}}, nil
}

// images are file systems that are written once, as snaps are: they hold nothing of the machine's.
var images = []string{"squashfs", "iso9660", "erofs", "cramfs", "romfs", "udf"}

// reported reports whether a mount is a volume of this machine: a file system on a disk of its own, once. What is mounted
// a second time elsewhere is not, but for parts of btrfs, which people think of as volumes.
func (v *volumes) reported(m mount) bool {
	switch {
	case m.point == "/":
		return true
	case slices.Contains(images, m.kind):
		return false
	case m.kind == "btrfs" || m.kind == "zfs" || m.kind == "bcachefs" || m.kind == "ecryptfs":
		return true
	default:
		return !strings.HasPrefix(m.device, "0:") && m.root == "/"
	}
}

// maxLayers is how many layers there may be below a volume: LVM on md on LUKS on a partition is four.
const maxLayers = 16

// encrypted says whether everything that is written to a file system is encrypted on its way to the disk.
func (v *volumes) encrypted(m mount, depth int) collect.Fact[bool] {
	switch m.kind {
	case "ecryptfs":
		return collect.Known(true)
	case "zfs":
		return collect.Of(v.zfsEncrypted(m.source, depth))
	case "btrfs":
		return collect.Of(v.all(v.btrfsDevices(m), depth))
	}
	if strings.HasPrefix(m.device, "0:") {
		return collect.CouldNotReadf[bool]("what the %s at %s lies on is not to be seen", m.kind, m.point)
	}
	name, err := v.kernelName(m)
	if err != nil {
		return collect.CouldNotRead[bool](err)
	}
	return collect.Of(v.device(name, depth))
}

// kernelName gives the kernel's name of the device that a file system is on.
func (v *volumes) kernelName(m mount) (string, error) {
	raw, err := readStart(v.h, "sys/dev/block/"+m.device+"/uevent", 4096)
	if err != nil {
		return "", fmt.Errorf("the device of %s is not to be seen: %w", m.point, err)
	}
	for line := range strings.Lines(string(raw)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "DEVNAME="); ok {
			return strings.ReplaceAll(name, "/", "!"), nil // as the kernel writes cciss/c0d0
		}
	}
	return "", fmt.Errorf("the device of %s has no name", m.point)
}

// notCiphers are kinds of cryptsetup's devices that check what they hold, and do not encrypt it.
var notCiphers = []string{"CRYPT-VERITY-", "CRYPT-INTEGRITY-"}

// device follows a block device down to the disks: one layer of dm-crypt is enough, and every way down has to have one.
func (v *volumes) device(name string, depth int) (bool, error) {
	if depth == 0 {
		return false, errors.New("there are more layers below it than there can be")
	}
	dir := "sys/class/block/" + name
	if !v.h.Exists(dir) {
		return false, fmt.Errorf("the device %s is not to be seen", name)
	}
	raw, err := readStart(v.h, dir+"/dm/uuid", 512)
	switch {
	case err == nil:
		uuid := string(raw)
		if strings.HasPrefix(uuid, "CRYPT-") && !slices.ContainsFunc(notCiphers, func(p string) bool { return strings.HasPrefix(uuid, p) }) {
			return true, nil
		}
	case !errors.Is(err, fs.ErrNotExist): // there is something, and it may well be dm-crypt
		return false, fmt.Errorf("what the device %s is cannot be read: %w", name, err)
	}
	below, err := fs.ReadDir(v.h.Files, dir+"/slaves")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("what the device %s lies on cannot be read: %w", name, err)
	}
	if len(below) > 0 {
		return v.all(names(below), depth)
	}
	if raw, err := readStart(v.h, dir+"/loop/backing_file", 4096); err == nil {
		return v.file(strings.TrimSpace(string(raw)), depth)
	}
	if v.h.Exists(dir + "/partition") {
		if disk := v.diskOf(name); disk != "" {
			return v.device(disk, depth-1)
		}
	}
	return false, nil
}

// all reports whether each of some devices is encrypted.
func (v *volumes) all(names []string, depth int) (bool, error) {
	if len(names) == 0 {
		return false, errors.New("what it lies on is not to be seen")
	}
	for _, name := range names {
		if yes, err := v.device(name, depth-1); err != nil || !yes {
			return false, err
		}
	}
	return true, nil
}

// file says whether the file system is encrypted that a file is on.
func (v *volumes) file(path string, depth int) (bool, error) {
	var on mount
	for _, m := range v.mounts {
		inside := path == m.point || strings.HasPrefix(path, strings.TrimSuffix(m.point, "/")+"/")
		if inside && len(m.point) >= len(on.point) {
			on = m
		}
	}
	if on.point == "" || depth == 0 {
		return false, fmt.Errorf("the file %s is on no file system that can be seen", path)
	}
	f := v.encrypted(on, depth-1)
	if f.State != collect.IsKnown {
		return false, errors.New(f.Why)
	}
	return f.Value, nil
}
