package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"muster/internal/agent/collect"
	"muster/test/proof"
)

// try runs a program that may fail, and gives all that it says. Unlike run it can be called when a test is over.
func try(name string, args ...string) (string, error) {
	ctx, stop := context.WithTimeout(context.Background(), proof.Limit)
	defer stop()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return string(out), err
}

// TestUpdatesAsAptSays counts what apt would do, and looks at the archives of every version of each package.
func TestUpdatesAsAptSays(t *testing.T) {
	proof.NeedPrograms(t, "apt-get", "apt-cache")
	lists, err := filepath.Glob("/var/lib/apt/lists/*Release")
	proof.Need(t, err == nil && len(lists) > 0, "lists of packages: apt-get update")
	var u collect.Fact[collect.Updates]
	agree(t, "updates", func() (we, they []string) {
		u = look(t, "updates").Updates
		we = []string{fmt.Sprint("pending ", u.Value.Pending), fmt.Sprint("security ", u.Value.Security), u.Why}
		out := run(t, "apt-get", "-s", "-o", "Debug::NoLocking=1", "dist-upgrade")
		var names []string
		for _, line := range lines(out) {
			if f := strings.Fields(line); len(f) > 2 && f[0] == "Inst" && strings.HasPrefix(f[2], "[") {
				names = append(names, f[1])
			}
		}
		security := 0
		if len(names) > 0 {
			for _, table := range strings.Split(run(t, "apt-cache", append([]string{"policy"}, names...)...), "Version table:")[1:] {
				if newer, _, _ := strings.Cut(table, "***"); strings.Contains(newer, "-security/") {
					security++
				}
			}
		}
		kept, _, _ := strings.Cut(out[strings.Index(out, " to remove and ")+len(" to remove and "):], " not upgraded")
		held, err := strconv.Atoi(strings.TrimSuffix(kept, "."))
		if err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		return we, []string{fmt.Sprint("pending ", len(names)+held), fmt.Sprint("security ", security), ""}
	})
	// The stamp of the last success is there on desktops alone; else the lists tell.
	written, _ := try("stat", "--format=%Y", "/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists")
	var last int64
	for _, line := range lines(written) {
		if n, err := strconv.ParseInt(line, 10, 64); err == nil {
			last = max(last, n)
		}
	}
	if checked, ok := u.Value.Checked.Get(); !ok || checked.Unix() != last {
		t.Errorf("checked: %v, and the lists were written %v", checked, time.Unix(last, 0))
	}
}

type blockDevice struct {
	Type        string
	Mountpoints []*string
	Children    []blockDevice
}

// volumes are mount points, and whether there is a device of the type crypt above them.
func (b *blockDevice) volumes(crypt bool, into map[string]bool) {
	crypt = crypt || b.Type == "crypt"
	for _, p := range b.Mountpoints {
		if p != nil {
			into[*p] = crypt
		}
	}
	for i := range b.Children {
		b.Children[i].volumes(crypt, into)
	}
}

// TestVolumesAsLsblkSays compares the encryption of every volume, with one more that this test mounts where it can.
func TestVolumesAsLsblkSays(t *testing.T) {
	proof.NeedPrograms(t, "lsblk", "findmnt")
	mountLoop(t)
	agree(t, "volumes", func() (we, they []string) {
		var list struct{ Blockdevices []blockDevice }
		if err := json.Unmarshal([]byte(run(t, "lsblk", "-J", "-o", "NAME,TYPE,MOUNTPOINTS")), &list); err != nil {
			t.Fatal(err)
		}
		crypt := map[string]bool{}
		for i := range list.Blockdevices {
			list.Blockdevices[i].volumes(false, crypt)
		}
		var mounted struct {
			Filesystems []struct{ Target, Source, Fstype, Fsroot string }
		}
		if err := json.Unmarshal([]byte(run(t, "findmnt", "-J", "-l", "-o", "TARGET,SOURCE,FSTYPE,FSROOT", "--tab-file", "/proc/1/mountinfo")), &mounted); err != nil {
			t.Fatal(err)
		}
		for _, m := range mounted.Filesystems {
			if yes, ok := crypt[m.Target]; ok && (m.Fsroot == "/" || m.Fstype == "btrfs") && m.Fstype != "squashfs" && m.Fstype != "iso9660" {
				they = append(they, fmt.Sprint(m.Target, " ", yes))
			}
		}
		for _, v := range look(t, "encryption").Encryption.Value[0].Volumes {
			if _, ok := crypt[v.Name]; ok || v.Encrypted.State == collect.IsKnown && v.Name != "[SWAP]" {
				we = append(we, fmt.Sprint(v.Name, " ", v.Encrypted.Value))
			}
			if v.System != (v.Name == "/") {
				t.Errorf("%+v", v)
			}
		}
		return we, they
	})
}

// mountLoop mounts a file system in a file, where the machine lets a test do so.
func mountLoop(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	image, point := filepath.Join(dir, "image"), filepath.Join(dir, "point")
	if err := os.Mkdir(point, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, line := range [][]string{
		{"truncate", "--size", "8M", image}, {"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, point},
	} {
		if out, err := try(line[0], line[1:]...); err != nil {
			t.Logf("no file system of our own: %s: %s", line[0], out)
			return
		}
	}
	t.Cleanup(func() {
		if out, err := try("umount", point); err != nil {
			t.Error(out)
		}
	})
}

// lookIn is look in another network.
func lookIn(t *testing.T, n namespace, subjects ...string) *collect.Snapshot {
	t.Helper()
	found := make(chan *collect.Snapshot, 1)
	go func() {
		defer close(found)
		// The thread ends with this goroutine: it is not given back.
		runtime.LockOSThread()
		f, err := os.Open("/run/netns/" + string(n))
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		found <- look(t, subjects...)
	}()
	s := <-found
	if s == nil {
		t.FailNow()
	}
	return s
}

// TestFirewallAsNftSays starts a firewall of each kind in a network of its own, and asks nft what the policy is.
func TestFirewallAsNftSays(t *testing.T) {
	proof.NeedPrograms(t, "nft", "iptables")
	n := newNamespace(t, "firewall")
	policy := func() string {
		var list struct {
			Nftables []struct{ Chain struct{ Hook, Policy string } }
		}
		if err := json.Unmarshal([]byte(n.run(t, "nft", "-j", "list", "ruleset")), &list); err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Nftables {
			if item.Chain.Hook == "input" {
				return item.Chain.Policy
			}
		}
		return ""
	}
	see := func(what, want string, running, enabled bool) {
		t.Helper()
		if got := policy(); got != want {
			t.Fatalf("%s: nft says %q, want %q", what, got, want)
		}
		kernel := product(t, lookIn(t, n, "firewall").Firewalls, "nftables")
		if kernel.Running != collect.Known(running) || kernel.Enabled != collect.Known(enabled) {
			t.Errorf("%s: %+v", what, kernel)
		}
	}
	see("nothing", "", false, false)
	rules := filepath.Join(t.TempDir(), "rules")
	for what, text := range map[string]string{"accept": "ip saddr 192.0.2.9 drop", "drop": "ct state established accept"} {
		write(t, rules, "table inet t {\n chain in {\n type filter hook input priority 0; policy "+what+"\n "+text+"\n }\n}\n")
		n.run(t, "nft", "flush", "ruleset")
		n.run(t, "nft", "-f", rules)
		see(text, what, true, what == "drop")
	}
	n.run(t, "nft", "flush", "ruleset")
	n.run(t, "iptables", "-A", "INPUT", "-m", "conntrack", "--ctstate", "NEW", "-j", "DROP")
	see("iptables", "accept", true, true)
}

// clamd runs the daemon of ClamAV with one signature of our own until it is stopped.
func clamd(t *testing.T) *process {
	t.Helper()
	proof.NeedRoot(t)
	proof.NeedPrograms(t, "clamd", "clamscan")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "own.ndb"), "Muster.Test:0:*:"+fmt.Sprintf("%x", signature)+"\n")
	settings := filepath.Join(dir, "clamd.conf")
	write(t, settings, fmt.Sprintf("DatabaseDirectory %s\nLocalSocket %s\nForeground yes\n", dir, filepath.Join(dir, "socket")))
	p := startLine(t, "clamd", nil, []string{"clamd", "--config-file", settings})
	proof.Eventually(t, "clamd listens", func() bool {
		_, err := os.Stat(filepath.Join(dir, "socket"))
		return err == nil
	})
	return p
}

const signature = "this text is malware by the word of a test"

// TestClamAV starts and stops the real daemon, has the real scanner find something, and compares dates with what ClamAV
// says of itself.
func TestClamAV(t *testing.T) {
	running := func() bool { return product(t, look(t, "anti-malware").Antimalware, "ClamAV").Running.Value }
	asOthersSay := func() bool { // of the system's accounts
		out, _ := try("ps", "-C", "clamd", "-o", "uid=")
		return slices.ContainsFunc(strings.Fields(out), func(uid string) bool { return len(uid) <= 3 })
	}
	proof.Need(t, !asOthersSay(), "a machine on which no clamd runs")
	d := clamd(t)
	if !running() || !asOthersSay() {
		t.Errorf("clamd runs: we say %t, ps says %t", running(), asOthersSay())
	}
	d.signal(t, syscall.SIGTERM)
	<-d.done
	if running() || asOthersSay() {
		t.Errorf("clamd has ended: we say %t, ps says %t", running(), asOthersSay())
	}
	p := product(t, look(t, "software", "anti-malware").Antimalware, "ClamAV")
	if version := strings.Fields(run(t, "clamscan", "--version"))[1]; !strings.HasPrefix(p.Version, strings.Split(version, "/")[0]) {
		t.Errorf("version %s, and clamscan says %s", p.Version, version)
	}
}

// TestClamAVFinds scans a file by hand, with a log where ClamAV keeps its own.
func TestClamAVFinds(t *testing.T) {
	proof.NeedRoot(t)
	proof.NeedPrograms(t, "clamscan")
	if err := os.MkdirAll("/var/log/clamav", 0o755); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	database, bad := filepath.Join(dir, "own.ndb"), filepath.Join(dir, "bad: file.txt")
	log := fmt.Sprintf("/var/log/clamav/muster-proof-%d.log", os.Getpid())
	t.Cleanup(func() { _ = os.Remove(log) })
	write(t, database, "Muster.Test:0:*:"+fmt.Sprintf("%x", signature)+"\n")
	write(t, bad, signature)
	before := time.Now().Truncate(time.Second)
	if out, err := try("clamscan", "--database", database, "--log", log, bad); err == nil {
		t.Fatalf("nothing was found: %s", out)
	}
	s := look(t, "anti-malware")
	last := product(t, s.Antimalware, "ClamAV").LastScan
	if last.State != collect.IsKnown || last.Value.Before(before) || last.Value.After(time.Now()) {
		t.Errorf("the last scan was %+v, and it was just now", last)
	}
	for _, f := range s.Threats.Value.Found {
		if f.File == bad && f.Name == "Muster.Test.UNOFFICIAL" && f.Found.Equal(last.Value) {
			return
		}
	}
	t.Errorf("%+v is not among %+v", bad, s.Threats)
}

// TestClamDefinitions compares the date of the definitions with what clamscan says of them.
func TestClamDefinitions(t *testing.T) {
	proof.NeedRoot(t)
	proof.NeedPrograms(t, "clamscan")
	const dir = "/var/lib/clamav"
	entries, err := os.ReadDir(dir)
	proof.Need(t, err == nil, dir)
	if len(entries) == 0 { // nothing was ever fetched here: a header alone has a date
		if d := product(t, look(t, "anti-malware").Antimalware, "ClamAV").Definitions; d.State != collect.IsKnown || !d.Value.IsZero() {
			t.Errorf("nothing was fetched, and we say %+v", d)
		}
		file := filepath.Join(dir, "daily.cld")
		t.Cleanup(func() { _ = os.Remove(file) })
		write(t, file, fmt.Sprintf("%-512s", "ClamAV-VDB:22 Nov 2026 04-05 -0500:27120:1:90:d41d8cd98f00b204e9800998ecf8427e:x:builder:1795338300"))
	}
	said := strings.TrimSpace(run(t, "env", "TZ=UTC", "LC_ALL=C", "clamscan", "--version"))
	date, err := time.Parse(time.ANSIC, said[strings.LastIndexByte(said, '/')+1:])
	if err != nil {
		t.Fatalf("%v in %s", err, said)
	}
	if d := product(t, look(t, "anti-malware").Antimalware, "ClamAV").Definitions; !d.Value.Equal(date) {
		t.Errorf("%+v, and clamscan says %s", d, date)
	}
}

func product(t *testing.T, list collect.Fact[[]collect.Product], name string) collect.Product {
	t.Helper()
	for _, p := range list.Value {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("there is no %s: %+v", name, list)
	return collect.Product{}
}

// TestPasswordsAsGetentSays asks getent which accounts have an empty password and a shell.
func TestPasswordsAsGetentSays(t *testing.T) {
	proof.NeedRoot(t)
	proof.NeedPrograms(t, "getent", "awk")
	const empty = `getent shadow | awk -F: '$2 == "" {print $1}' | while read name; do getent passwd "$name"; done | grep -vE '(nologin|false|true|sync|halt|shutdown)$' | cut -d: -f1`
	out, _ := try("sh", "-c", empty) // grep fails where there is none
	if got := look(t, "password").PasswordSet; got != collect.Known(out == "") {
		t.Errorf("%+v, and without a password are %q", got, out)
	}
}

// TestWithoutRoot sees that what ordinary users may not read is told as such, and as nothing else.
func TestWithoutRoot(t *testing.T) {
	proof.NeedRoot(t)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, filepath.Dir(dir)} { // somebody else is to enter them
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "once", "--json", "--settings", os.DevNull)
	cmd.Env = []string{runAs + "=muster-agent"}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		SOH struct {
			Unread       []struct{ Fact, State, Why string }
			UserPassword *bool `json:"user_password_set"`
			Applications []struct {
				Name, Category   string
				Running, Enabled *bool
			}
		}
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	why := map[string]string{}
	for _, u := range report.SOH.Unread {
		if u.State == "unreadable" {
			why[u.Fact] = u.Why
		}
	}
	for _, fact := range []string{"user_password_set", "firewall.nftables.enabled", "firewall.nftables.running"} {
		if !strings.HasPrefix(why[fact], "needs root: ") {
			t.Errorf("%s: %q", fact, why[fact])
		}
	}
	if report.SOH.UserPassword != nil {
		t.Error("it says whether passwords are set")
	}
	for _, a := range report.SOH.Applications {
		if a.Category == "firewall" && (a.Running != nil || a.Enabled != nil) && a.Name != "firewalld" {
			t.Errorf("it knows of a firewall: %+v", a)
		}
	}
}
