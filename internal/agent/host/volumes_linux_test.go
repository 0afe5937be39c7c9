package host

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVolumesOfMounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, mounts string
		want         []Volume
	}{
		{"a laptop", `
sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0
/dev/mapper/vg-root / ext4 rw,relatime,errors=remount-ro 0 0
tmpfs /run tmpfs rw 0 0
/dev/nvme0n1p1 /boot/efi vfat rw,relatime,fmask=0077 0 0
/dev/loop3 /snap/core22/1122 squashfs ro,nodev,relatime 0 0
/dev/sr0 /media/cdrom iso9660 ro 0 0
kari@files:/srv /home/kari/srv fuse.sshfs rw,user_id=1000 0 0
files:/export /srv nfs4 rw 0 0
/dev/sda1 /media/kari/USB\040stick\134x fuseblk rw,nosuid 0 0`, []Volume{
			{Name: "/", Device: "/dev/mapper/vg-root", Type: "ext4", System: true},
			{Name: "/boot/efi", Device: "/dev/nvme0n1p1", Type: "vfat"},
			{Name: `/media/kari/USB stick\x`, Device: "/dev/sda1", Type: "fuseblk"},
		}},
		{"subvolumes and bind mounts are one volume", `
/dev/sda2 /home btrfs rw,subvol=/@home 0 0
/dev/sda2 / btrfs rw,subvol=/@ 0 0
/dev/sda2 /var/lib/docker/btrfs btrfs rw 0 0
/dev/sdb1 /srv/b xfs rw 0 0
/dev/sdb1 /srv/a xfs rw 0 0`, []Volume{
			{Name: "/", Device: "/dev/sda2", Type: "btrfs", System: true},
			{Name: "/srv/a", Device: "/dev/sdb1", Type: "xfs"},
		}},
		{"the file systems of a pool", `
rpool/ROOT/ubuntu / zfs rw 0 0
rpool/USERDATA/kari /home/kari zfs rw 0 0
bpool/BOOT/ubuntu /boot zfs rw 0 0`, []Volume{
			{Name: "/", Device: "rpool/ROOT/ubuntu", Type: "zfs", System: true},
			{Name: "/boot", Device: "bpool/BOOT/ubuntu", Type: "zfs"},
		}},
		{"what is mounted over another hides it", `
rootfs / rootfs rw 0 0
/dev/sda1 / ext4 rw 0 0
/dev/sdb1 /srv ext4 rw 0 0
tmpfs /srv tmpfs rw 0 0`, []Volume{{Name: "/", Device: "/dev/sda1", Type: "ext4", System: true}}},
		{"a container", "overlay / overlay rw,lowerdir=/a:/b 0 0\n/dev/sda1 /etc/hosts ext4 rw 0 0", []Volume{
			{Name: "/", Device: "overlay", Type: "overlay", System: true},
			{Name: "/etc/hosts", Device: "/dev/sda1", Type: "ext4"},
		}},
		{"nothing that makes sense", "\n/dev/sda1\n/dev/sda1 relative ext4 rw 0 0\n", []Volume{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, parseMounts([]byte(c.mounts))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzMounts(f *testing.F) {
	if own, err := os.ReadFile("/proc/self/mounts"); err == nil {
		f.Add(own)
	}
	f.Add([]byte("/dev/sda1 /a\\040b ext4 rw 0 0\n"))
	f.Add([]byte("rpool/a / zfs rw 0 0\nrpool/b /b zfs rw 0 0\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		names, system := map[string]bool{}, 0
		for _, v := range parseMounts(raw) {
			if names[v.Name] || !strings.HasPrefix(v.Name, "/") || !v.System && !realTypes[v.Type] {
				t.Errorf("volume %+v", v)
			}
			names[v.Name] = true
			if v.System {
				system++
			}
		}
		if system > 1 {
			t.Errorf("%d volumes hold the system", system)
		}
	})
}
