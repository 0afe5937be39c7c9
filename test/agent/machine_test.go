package agent

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/test/proof"
)

// ask runs a program that may fail, and gives what it wrote, without white space at the ends.
func ask(t *testing.T, name string, args ...string) (string, bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), proof.Limit)
	defer stop()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	return strings.TrimSpace(string(out)), err == nil
}

// said is what a program that must not fail wrote, without white space at the ends.
func said(t *testing.T, name string, args ...string) string {
	t.Helper()
	return strings.TrimSpace(run(t, name, args...))
}

func whole(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: the agent says %v, and it is %v", what, got, want)
	}
}

// absent checks that what is not there is not reported, and that the report says why.
func absent(t *testing.T, r *machineReport, fact, got, state string) {
	t.Helper()
	if got != "" || !strings.HasPrefix(r.unread(fact), state) {
		t.Errorf("%s is %q, and of it is said %q; it ought to be %s", fact, got, r.unread(fact), state)
	}
}

func TestSystem(t *testing.T) {
	proof.NeedPrograms(t, "uname", "dpkg", "sh")
	r := ofMachine(t)
	os := r.SOH.OSInfo[0]
	release := func(key string) string { return said(t, "sh", "-c", ". /etc/os-release; printf %s \"$"+key+"\"") }
	equal(t, "family", os.Family, "linux")
	equal(t, "name", os.Name, release("PRETTY_NAME"))
	equal(t, "kernel", os.Build, said(t, "uname", "-r"))
	equal(t, "architecture", os.Architecture, said(t, "dpkg", "--print-architecture")) // Debian's words are Go's for those that we build for
	equal(t, "host name", r.HostName, said(t, "uname", "-n"))
	if release("ID") == "debian" {
		equal(t, "version", os.Version, said(t, "cat", "/etc/debian_version"))
		equal(t, "distribution", os.Distribution, "Debian:"+release("VERSION_ID"))
		equal(t, "vendor", os.Vendor, "Debian")
	}
	// What there is of a language is in the files that localectl shows.
	lang, _ := ask(t, "sh", "-c", "for f in /etc/default/locale /etc/locale.conf; do [ -e $f ] && . $f; done; printf %s \"${LANG%%.*}\"")
	if lang = strings.ReplaceAll(lang, "_", "-"); lang == "" || lang == "C" || lang == "POSIX" {
		absent(t, r, "language", os.Language, "not_applicable")
	} else {
		equal(t, "language", os.Language, lang)
	}
	if since := time.Since(r.ScanTime); since < 0 || since > 10*time.Minute {
		t.Errorf("it looked at %v", r.ScanTime)
	}
}

func TestHardware(t *testing.T) {
	proof.NeedPrograms(t, "lscpu", "getconf", "free", "systemd-detect-virt")
	r := ofMachine(t)
	os := r.SOH.OSInfo[0]
	virtual, _ := ask(t, "systemd-detect-virt")
	if virtual == "none" {
		virtual = ""
	}
	if os.Virtual == nil {
		t.Errorf("whether it is virtual is not told: %s", r.unread("virtual"))
	} else {
		equal(t, "virtual", *os.Virtual, virtual)
	}
	if virtual != "" {
		equal(t, "device type", os.DeviceType, "vm")
	} else if chassis, ok := ask(t, "hostnamectl", "chassis"); ok && slices.Contains([]string{"desktop", "laptop", "server"}, chassis) {
		equal(t, "device type", os.DeviceType, chassis)
	}

	cpu := lscpu(t)
	equal(t, "processor", os.System.CPU.Model, cpu["Model name:"])
	equal(t, "processors", int64(os.System.CPU.Cores), whole(t, run(t, "getconf", "_NPROCESSORS_ONLN")))
	fastest, err := strconv.ParseFloat(cpu["CPU max MHz:"], 64)
	if err != nil {
		fastest = 0
	}
	equal(t, "highest speed", os.System.CPU.MaxMHz, int(fastest))

	total, _ := free(t)
	equal(t, "memory", os.System.Memory.TotalMB, total>>20)
	if is := os.System.Memory.AvailableMB; is < 1 || is > total>>20 {
		t.Errorf("%d MB of %d are available", is, total>>20)
	}
	// Other tests run beside this one, and take and give back memory.
	proof.Eventually(t, "the agent says of the available memory what free says", func() bool {
		_, before := free(t)
		is := int64(look(t, "hardware").Hardware.Memory.Value.Available)
		_, after := free(t)
		slack := total / 50
		return is > min(before, after)-slack && is < max(before, after)+slack
	})

	for fact, of := range map[string]struct{ got, keyword, file string }{
		"vendor":        {os.System.Vendor, "system-manufacturer", "sys_vendor"},
		"model":         {os.System.Model, "system-product-name", "product_name"},
		"serial_number": {r.Serial, "system-serial-number", "product_serial"},
	} {
		// Without tables of a firmware dmidecode has nothing to say; with them, they are in sysfs too.
		if _, ok := ask(t, "test", "-e", "/sys/class/dmi/id/"+of.file); !ok {
			absent(t, r, fact, of.got, "not_applicable")
			continue
		}
		proof.NeedPrograms(t, "dmidecode")
		proof.NeedRoot(t)
		if of.got != "" {
			equal(t, fact, of.got, said(t, "dmidecode", "--string", of.keyword))
		}
	}
	batteries, _ := filepath.Glob("/sys/class/power_supply/BAT*")
	if len(batteries) == 0 && (os.System.Battery != nil || !strings.HasPrefix(r.unread("battery"), "not_applicable")) {
		t.Errorf("a battery that is not there: %v, %s", os.System.Battery, r.unread("battery"))
	}
}

// free gives how many bytes of memory there are, and how many of these are available.
func free(t *testing.T) (total, available int64) {
	t.Helper()
	f := strings.Fields(strings.Split(run(t, "free", "--bytes"), "\n")[1])
	return whole(t, f[1]), whole(t, f[6])
}

func lscpu(t *testing.T) map[string]string {
	t.Helper()
	type field struct {
		Field    string
		Data     string
		Children []field
	}
	var all struct{ Lscpu []field }
	if err := json.Unmarshal([]byte(run(t, "lscpu", "--json")), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	var walk func([]field)
	walk = func(list []field) {
		for _, f := range list {
			out[f.Field] = f.Data
			walk(f.Children)
		}
	}
	walk(all.Lscpu)
	return out
}

func TestIdentity(t *testing.T) {
	proof.NeedPrograms(t, "openssl", "cat")
	r := ofMachine(t)
	id := strings.ReplaceAll(said(t, "cat", "/etc/machine-id"), "-", "")
	hash := func(key, id string) string {
		file := filepath.Join(t.TempDir(), "id")
		if err := os.WriteFile(file, []byte(id), 0o600); err != nil {
			t.Fatal(err)
		}
		_, digest, _ := strings.Cut(said(t, "openssl", "dgst", "-sha256", "-hmac", key, file), "= ")
		return digest[:32]
	}
	equal(t, "machine id", r.MachineID, hash("muster machine id", id))
	if strings.Contains(r.MachineID, id) || strings.Contains(r.HardwareID, id) {
		t.Error("the id itself is in the report")
	}
	uuid, ok := ask(t, "cat", "/sys/class/dmi/id/product_uuid")
	if container, _ := ask(t, "systemd-detect-virt", "--container"); !ok || container != "none" {
		equal(t, "hardware id", r.HardwareID, r.MachineID) // which says that the firmware has none
	} else {
		equal(t, "hardware id", r.HardwareID, hash("muster hardware id", strings.ToLower(strings.ReplaceAll(uuid, "-", ""))))
	}
	if _, ok := ask(t, "test", "-e", "/etc/krb5.keytab"); !ok {
		absent(t, r, "domain", r.Domain, "not_applicable")
	}
}

func TestDisks(t *testing.T) {
	proof.NeedPrograms(t, "df", "lsblk")
	r := ofMachine(t)
	system := 0
	for _, d := range r.SOH.Disks {
		// Size, and what there is for users, in whole gibibytes. Other tests write meanwhile.
		f := strings.Fields(strings.Split(run(t, "df", "--block-size=1", "--output=size,avail", d.Name), "\n")[1])
		equal(t, "the size of "+d.Name, d.TotalMB, whole(t, f[0])>>20)
		free := whole(t, f[1]) >> 20
		if off := free - d.FreeMB; d.FreeMB%1024 != 0 || off < -8192 || off > 8192 {
			t.Errorf("%s has %d MB free, and the agent says %d", d.Name, free, d.FreeMB)
		}
		if d.System {
			system++
			equal(t, "where the system is", d.Name, "/")
		}
	}
	equal(t, "disks with the system", system, 1)

	type device struct {
		Name        string
		Type        string `json:"fstype"`
		Mountpoints []string
		Children    []device
	}
	var all struct{ Blockdevices []device }
	if err := json.Unmarshal([]byte(run(t, "lsblk", "--json", "--bytes", "--output", "NAME,FSTYPE,MOUNTPOINTS")), &all); err != nil {
		t.Fatal(err)
	}
	var walk func([]device)
	walk = func(list []device) {
		for _, d := range list {
			mounted := slices.DeleteFunc(d.Mountpoints, func(s string) bool { return s == "" || s == "[SWAP]" || strings.HasPrefix(s, "/snap/") })
			found := 0
			for _, reported := range r.SOH.Disks {
				if slices.Contains(mounted, reported.Name) {
					found++
				}
			}
			if len(mounted) > 0 && found != 1 && d.Type != "squashfs" {
				t.Errorf("%s is mounted at %v, and %d times in the report: %+v", d.Name, mounted, found, r.SOH.Disks)
			}
			walk(d.Children)
		}
	}
	walk(all.Blockdevices)
}

func TestBoot(t *testing.T) {
	proof.NeedPrograms(t, "uptime", "cat")
	r := ofMachine(t)
	since, err := time.ParseInLocation("2006-01-02 15:04:05", said(t, "uptime", "--since"), time.Local)
	if err != nil {
		t.Fatal(err)
	}
	os := r.SOH.OSInfo[0].System
	if off := since.Sub(os.Booted); off < -time.Minute || off > 2*time.Minute || !os.Booted.Equal(os.Booted.Truncate(time.Minute)) {
		t.Errorf("it was started at %v, and the agent says %v", since, os.Booted)
	}
	up, _, _ := strings.Cut(run(t, "cat", "/proc/uptime"), ".")
	age := int64(time.Since(r.ScanTime).Seconds())
	if off := whole(t, up) - age - os.Uptime; off < -60 || off > 60 {
		t.Errorf("it is up for %s s, and the agent says %d", up, os.Uptime)
	}
}

// TestUsers: who is logged on is in utmp, which is written here in a view of the file system that the test has alone.
func TestUsers(t *testing.T) {
	proof.NeedRoot(t)
	proof.NeedPrograms(t, "unshare", "utmpdump", "who", "mount", "sh")
	const records = "[2] [00000] [~~  ] [reboot  ] [~           ] [6.1.0               ] [0.0.0.0        ] [2026-11-30T06:00:00,000000+00:00]\n" +
		"[7] [01234] [ts/0] [kari    ] [pts/0       ] [192.0.2.7           ] [192.0.2.7      ] [2026-11-30T07:00:00,000000+00:00]\n" +
		"[8] [01235] [ts/1] [        ] [pts/1       ] [                    ] [0.0.0.0        ] [2026-11-30T07:30:00,000000+00:00]\n" +
		"[7] [01236] [ts/2] [anna    ] [pts/2       ] [                    ] [0.0.0.0        ] [2026-11-30T08:00:00,000000+00:00]\n" +
		"[7] [01237] [ts/3] [kari    ] [pts/3       ] [                    ] [0.0.0.0        ] [2026-11-30T08:00:00,000000+00:00]\n" +
		"[7] [01238] [ts/4] [ola@lab.example] [pts/4       ] [                    ] [0.0.0.0        ] [2026-11-30T08:10:00,000000+00:00]\n"
	file := filepath.Join(t.TempDir(), "records")
	if err := os.WriteFile(file, []byte(records), 0o600); err != nil {
		t.Fatal(err)
	}
	alone := func(then ...string) []string {
		script := `mount -t tmpfs tmpfs /run && utmpdump -r <"$0" >/run/utmp 2>/dev/null && exec "$@"`
		return append([]string{"unshare", "--mount", "sh", "-c", script, file}, then...)
	}
	r := onceBy(t, alone("muster-agent", "once", "--json", "--settings", os.DevNull, "--state", t.TempDir())...)
	line := alone("who", "/run/utmp")
	var want []string
	for shown := range strings.Lines(run(t, line[0], line[1:]...)) {
		want = append(want, strings.Fields(shown)[0])
	}
	slices.Sort(want)
	if len(want) != 4 {
		t.Fatalf("who shows %v", want)
	}
	var got []string
	for _, u := range r.LocalUsers {
		if u.Domain != "" {
			u.Name += "@" + u.Domain
		}
		got = append(got, u.Name)
	}
	slices.Sort(got)
	if want = slices.Compact(want); !slices.Equal(got, want) {
		t.Errorf("logged on are %v, and the agent says %v", want, got)
	}
}

// TestSecondLook: what runs is what ps shows, and otherwise the machine reads as it did before, but for what changes by itself.
func TestSecondLook(t *testing.T) {
	proof.NeedPrograms(t, "ps")
	ofMachine(t)
	before, began := running(t), time.Now()
	raw := rawReport(t, "muster-agent", "once", "--json", "--settings", os.DevNull, "--state", t.TempDir())
	after := running(t)
	took := int64(time.Since(began).Seconds())
	names := parsed(t, raw).SOH.Processes
	reported := map[string]bool{}
	for _, name := range names {
		reported[name[:min(len(name), 15)]] = true // where ps cuts them
	}
	if len(reported) == 0 || !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("the list is %q", names)
	}
	for name, age := range before {
		if age > 65 && after[name] >= age && !reported[name] { // the same one, all the time
			t.Errorf("%s has run for %d s and is not reported", name, age)
		}
	}
	for name := range reported {
		if before[name]+took < 55 && after[name] < 55 { // it may have ended meanwhile
			t.Errorf("%s is reported, and is not there or has just begun", name)
		}
	}
	// Tests of other packages may change the machine meanwhile; what flickers by itself does so each time.
	first, second := lasting(t, found), lasting(t, raw)
	for range 2 {
		if first == second {
			return
		}
		again := rawReport(t, "muster-agent", "once", "--json", "--settings", os.DevNull, "--state", t.TempDir())
		first, second = second, lasting(t, again)
	}
	if first != second {
		t.Errorf("on a machine on which nothing happened, one report was\n%s\nand the next\n%s", first, second)
	}
}

// running gives the names of programs that run, without threads of the kernel, and for how many seconds the oldest of each
// name has.
func running(t *testing.T) map[string]int64 {
	t.Helper()
	out := map[string]int64{}
	for line := range strings.Lines(run(t, "ps", "-e", "-o", "pid=,ppid=,etimes=,comm=")) {
		f := strings.Fields(line)
		if f[0] == "2" || f[1] == "2" {
			continue
		}
		name := strings.Join(f[3:], " ")
		out[name] = max(out[name], whole(t, f[2]))
	}
	return out
}

// lasting is a report without what changes by itself, and what the tests beside this one change.
func lasting(t *testing.T, raw []byte) string {
	t.Helper()
	var report map[string]any
	if err := json.Unmarshal(raw, &report); err != nil {
		t.Fatal(err)
	}
	soh, _ := report["soh"].(map[string]any)
	list, _ := soh["os_info"].([]any)
	info, _ := list[0].(map[string]any)
	system, _ := info["system"].(map[string]any)
	memory, _ := system["memory"].(map[string]any)
	for from, names := range map[*map[string]any][]string{
		&report: {"scan_time"}, &soh: {"processes", "disks"}, &system: {"device_up_time", "battery"}, &memory: {"available_memory_mb"},
	} {
		for _, name := range names {
			delete(*from, name)
		}
	}
	out, err := json.MarshalIndent(report, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestWithoutPrivileges: what an ordinary user may not read is told as such, and the rest is what root reads.
func TestWithoutPrivileges(t *testing.T) {
	proof.NeedRoot(t)
	proof.NeedPrograms(t, "setpriv", "unshare", "mount", "sh")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The program has to be where everybody may run it, and a firmware has to be there.
	script := `set -e
mount -t tmpfs tmpfs /mnt; cp "$0" /mnt/agent; chmod 755 /mnt /mnt/agent
mount -t tmpfs tmpfs /sys/class; mkdir -p /sys/class/dmi/id
printf '4c4c4544-0042-3510-8054-b5c04f4d3432\n' >/sys/class/dmi/id/product_uuid
printf 'B5BTM42\n' >/sys/class/dmi/id/product_serial
printf 'Example Ltd\n' >/sys/class/dmi/id/sys_vendor
chmod 400 /sys/class/dmi/id/product_*
exec "$@"`
	line := []string{
		"unshare", "--mount", "sh", "-c", script, self, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
		"/mnt/agent", "once", "--json", "--settings", os.DevNull, "--state", "/mnt/state",
	}
	root, user := ofMachine(t), onceBy(t, line...)
	equal(t, "host name", user.HostName, root.HostName)
	equal(t, "machine id", user.MachineID, root.MachineID)
	equal(t, "name", user.SOH.OSInfo[0].Name, root.SOH.OSInfo[0].Name)
	equal(t, "vendor", user.SOH.OSInfo[0].System.Vendor, "Example Ltd")
	if container, ok := ask(t, "systemd-detect-virt", "--container"); ok && container != "none" {
		return // whose firmware is not its own
	}
	absent(t, user, "serial_number", user.Serial, "unreadable: needs root")
	absent(t, user, "hardware_id", user.HardwareID, "unreadable: needs root")
}
