#!/bin/sh
# machine.sh FOLDER: a machine of its own on top of this one, with systemd as its first process and a network of its own. What
# it writes lies in memory and goes with it. FOLDER is its /mnt. To be run in a mount namespace of its own, as root.
set -e
files=$1
root=$files/.root

# Control groups for it, in a group that goes with it.
groups=$files/.groups
mkdir -p "$groups" "$root"
mount -t cgroup2 cgroup2 "$groups"
group=$groups/muster-machine-$$
home=$groups$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir "$group"

ended() {
    echo $$ >"$home/cgroup.procs"
    find "$group" -depth -type d -exec rmdir {} +
}
trap ended EXIT
trap : TERM

# The disk: this machine's, and what is written lies above it.
above=$files/.above
mkdir -p "$above"
mount -t tmpfs above "$above"
mkdir "$above/upper" "$above/work"
mount -t overlay -o "lowerdir=/,upperdir=$above/upper,workdir=$above/work" overlay "$root"
mount --bind "$files" "$root/mnt"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for device in null zero full random urandom tty; do
    cp -a "/dev/$device" "$root/dev/$device"
done

# Nothing that runs by the clock, and nothing that loads modules into the kernel.
for unit in timers.target systemd-modules-load.service kmod-static-nodes.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

# Images of machines that are run without systemd forbid packages to start services.
rm -f "$root/usr/sbin/policy-rc.d"

echo $$ >"$group/cgroup.procs"
unshare --pid --fork --kill-child --mount --net --uts --ipc --cgroup sh -ec '
    root=$1
    # Who this is outside, for those who want to come in.
    read -r pid rest </proc/self/stat
    echo "$pid" >"$root/mnt/.pid.new"
    mv "$root/mnt/.pid.new" "$root/mnt/.pid"
    # Read only, so that nothing reaches the kernel that both machines have.
    mount -t proc proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mkdir "$root/run/before"
    cd "$root"
    pivot_root . run/before
    umount -l /run/before
    ip link set lo up
    exec env -i container=muster-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --unit=basic.target --log-target=kmsg
' sh "$root" || true
