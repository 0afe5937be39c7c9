package linux

import (
	"strings"
	"testing"

	"muster/internal/agent/collect"
	"muster/internal/agent/host/hosttest"
)

func TestPasswordSet(t *testing.T) {
	const passwd = `
-- file etc/passwd --
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
kari:x:1000:1000::/home/kari:/bin/bash
`
	for _, c := range []struct {
		what, machine string
		want          bool
	}{
		{"all set", passwd + "-- file etc/shadow --\nroot:$y$j9T$x:1::::::\ndaemon::1::::::\nkari:$y$x:1::::::\n", true},
		{"locked", passwd + "-- file etc/shadow --\nroot:*:1::::::\nkari:!:1::::::\n", true},
		{"one empty", passwd + "-- file etc/shadow --\nroot:*:1::::::\nkari::1::::::\n", false},
		{"empty without shadow", "-- file etc/passwd --\nroot:x:0:0::/root:/bin/sh\nguest::1001:1001::/home/guest:\n-- file etc/shadow --\nroot:*:::\n", false},
		{"no such account", passwd + "-- file etc/shadow --\nghost::1::::::\n", true},
	} {
		h := hosttest.Of(t, c.machine)
		if got := gathered(t, h, passwordCollector(h)).PasswordSet; got != collect.Known(c.want) {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
	h := hosttest.Of(t, passwd+"-- denied etc/shadow --\n")
	if got := gathered(t, h, passwordCollector(h)).PasswordSet; got.State != collect.Unreadable || !strings.HasPrefix(got.Why, "needs root: ") {
		t.Errorf("denied: %+v", got)
	}
}

func FuzzAccounts(f *testing.F) {
	f.Add([]byte("root:x:0:0:root:/root:/bin/bash\n"), []byte("root::1::::::\n"))
	f.Fuzz(func(t *testing.T, passwd, shadow []byte) {
		for _, name := range withoutPassword(passwd, shadow) {
			if name == "" {
				t.Error("an account without a name")
			}
		}
	})
}
