package linux

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"muster/internal/agent/host"
)

// TestWhoseProgramsCount: what anybody may start under a name of their choice does not guard the machine, whatever rights
// it has.
func TestWhoseProgramsCount(t *testing.T) {
	for _, c := range []struct {
		what, uids string
		mode       fs.FileMode
		counts     bool
	}{
		{"root's", "0\t0\t0\t0", 0o755, true},
		{"of an account of the system", "105\t105\t105\t105", 0o755, true},
		{"of a service that has an account while it runs", "64001\t64001\t64001\t64001", 0o755, true},
		{"a user's", "1000\t1000\t1000\t1000", 0o755, false},
		{"of a user of systemd-homed", "60100\t60100\t60100\t60100", 0o755, false},
		{"nobody's", "65534\t65534\t65534\t65534", 0o755, false},
		{"of a container of a user's", "100000\t100000\t100000\t100000", 0o755, false},
		{"of a user of a directory", "1234500500\t1234500500\t1234500500\t1234500500", 0o755, false},
		{"with root's rights, started by a user", "1000\t0\t0\t0", 0o755 | fs.ModeSetuid, false},
		{"the same, become root altogether", "0\t0\t0\t0", 0o755 | fs.ModeSetuid, false},
		{"with rights of a group", "105\t105\t105\t105", 0o755 | fs.ModeSetgid, false},
		{"which does not say", "0", 0o755, false},
	} {
		h := &host.Host{Files: fstest.MapFS{
			"proc/1/comm":   {Data: []byte("init\n")},
			"proc/7/comm":   {Data: []byte("clamd\n")},
			"proc/7/status": {Data: []byte("Name:\tclamd\nUid:\t" + c.uids + "\n")},
			"proc/7/exe":    {Mode: c.mode},
		}}
		up, err := systemProcesses(h, "clamd")
		if err != nil || up["clamd"] != c.counts {
			t.Errorf("%s: %v, %v", c.what, up, err)
		}
	}
}

// TestContainers: what guards a container does not guard the machine.
func TestContainers(t *testing.T) {
	for space, counts := range map[string]bool{"pid:[4026531836]": true, "pid:[4026532999]": false} {
		h := &host.Host{Files: fstest.MapFS{
			"proc/1/comm":   {Data: []byte("init\n")},
			"proc/1/ns/pid": {Data: []byte("pid:[4026531836]"), Mode: fs.ModeSymlink},
			"proc/7/comm":   {Data: []byte("clamd\n")},
			"proc/7/status": {Data: []byte("Uid:\t0\t0\t0\t0\n")},
			"proc/7/ns/pid": {Data: []byte(space), Mode: fs.ModeSymlink},
		}}
		up, err := systemProcesses(h, "clamd")
		if err != nil || up["clamd"] != counts {
			t.Errorf("in %s: %v, %v", space, up, err)
		}
	}
}
