package linux

import (
	"errors"
	"os"
	"testing"
	"testing/fstest"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
	"muster/internal/agent/host/hosttest"
)

// lockedDconf is a database that dconf 0.40 compiled (`dconf compile`) of
//
//	[org/gnome/desktop/screensaver] lock-enabled=true lock-delay=uint32 30
//	[org/gnome/desktop/session]     idle-delay=uint32 600
//
// with all three keys locked.
func lockedDconf(t testing.TB) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/dconf-locked.db")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestScreenLock(t *testing.T) {
	const gnome, plasma, xfce = "usr/share/wayland-sessions/gnome.desktop", "usr/share/xsessions/plasma.desktop", "usr/share/xsessions/xfce.desktop"
	const profile, kde = "user-db:user\nsystem-db:local\nsystem-db:missing\nsystem-db:../../shadow\n", "etc/xdg/kscreenlockerrc"
	locked := string(lockedDconf(t))
	lock := func(after time.Duration) collect.Fact[collect.ScreenLock] {
		return collect.Known(collect.ScreenLock{Enabled: true, After: after})
	}
	off := collect.Known(collect.ScreenLock{})
	unknown := collect.Fact[collect.ScreenLock]{State: collect.Unreadable}
	for _, c := range []struct {
		what  string
		files map[string]string
		want  collect.Fact[collect.ScreenLock]
	}{
		{"no desktop", nil, collect.Fact[collect.ScreenLock]{State: collect.NotApplicable}},
		{"users choose", map[string]string{gnome: ""}, unknown},
		{"laid down", map[string]string{gnome: "", "etc/dconf/profile/user": profile, "etc/dconf/db/local": locked}, lock(630 * time.Second)},
		{"laid down, and in no profile", map[string]string{gnome: "", "etc/dconf/db/local": locked}, unknown},
		{"broken", map[string]string{gnome: "", "etc/dconf/profile/user": profile, "etc/dconf/db/local": "GVariant"}, unknown},
		{"KDE, locked as a group", map[string]string{plasma: "", kde: "[Daemon][$i]\nAutolock=true\nTimeout=10\nLockGrace=0\n"}, lock(10 * time.Minute)},
		{"KDE, locked as a file", map[string]string{plasma: "", kde: "[$i]\n[Daemon]\nAutolock=true\nTimeout=10\n"}, lock(0)},
		{"KDE, locked off", map[string]string{plasma: "", kde: "[Daemon]\nAutolock[$i]=false\n"}, off},
		{"KDE, never", map[string]string{plasma: "", kde: "[Daemon]\nTimeout[$i]=0\n"}, off},
		{"KDE, only a default", map[string]string{plasma: "", kde: "[Daemon]\nAutolock=true\nTimeout=10\n"}, unknown},
		{"another group", map[string]string{plasma: "", kde: "[Greeter][$i]\nAutolock=true\nTimeout=10\n"}, unknown},
		{"one of two", map[string]string{gnome: "", xfce: "", "etc/dconf/profile/user": profile, "etc/dconf/db/local": locked}, unknown},
		{"one of two without a time", map[string]string{gnome: "", plasma: "", "etc/dconf/profile/user": profile, "etc/dconf/db/local": locked,
			kde: "[Daemon][$i]\nAutolock=true\nTimeout=30\n"}, lock(0)},
		{"the slower of two", map[string]string{gnome: "", plasma: "", "etc/dconf/profile/user": profile, "etc/dconf/db/local": locked,
			kde: "[Daemon][$i]\nAutolock=true\nTimeout=30\nLockGrace=0\n"}, lock(30 * time.Minute)},
	} {
		files := fstest.MapFS{}
		for name, content := range c.files {
			files[name] = &fstest.MapFile{Data: []byte(content)}
		}
		h := &host.Host{Files: files, Programs: hosttest.Programs{}, Now: func() time.Time { return hosttest.Now }}
		got := gathered(t, h, screenLockCollector(h)).ScreenLock
		if got.State != c.want.State || got.Value != c.want.Value {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
}

// A setting that is locked without a value is as the desktop has it by default, which is not the same everywhere.
func TestGnomeLock(t *testing.T) {
	flag := func(key string, v bool) dconfDatabase { return dconfDatabase{flags: map[string]bool{key: v}} }
	number := func(key string, v uint32) dconfDatabase { return dconfDatabase{numbers: map[string]uint32{key: v}} }
	locks := func(keys ...string) dconfDatabase {
		db := dconfDatabase{locks: map[string]bool{}}
		for _, k := range keys {
			db.locks[k] = true
		}
		return db
	}
	all := locks(gnomeEnabled, gnomeIdle, gnomeDelay)
	for _, c := range []struct {
		what  string
		chain []dconfDatabase
		want  collect.ScreenLock
		why   error
	}{
		{"nothing", nil, collect.ScreenLock{}, errUsersChoose},
		{"values alone", []dconfDatabase{flag(gnomeEnabled, true), number(gnomeIdle, 60)}, collect.ScreenLock{}, errUsersChoose},
		{"locks alone", []dconfDatabase{all}, collect.ScreenLock{}, errDefaultLocked},
		{"when is not said", []dconfDatabase{all, flag(gnomeEnabled, true)}, collect.ScreenLock{}, errDefaultLocked},
		{"whether is not said", []dconfDatabase{all, number(gnomeIdle, 60)}, collect.ScreenLock{}, errDefaultLocked},
		{"off, and nothing else", []dconfDatabase{locks(gnomeEnabled), flag(gnomeEnabled, false)}, collect.ScreenLock{}, nil},
		{"never, and nothing else", []dconfDatabase{locks(gnomeIdle), number(gnomeIdle, 0)}, collect.ScreenLock{}, nil},
		{"never by default", []dconfDatabase{locks(gnomeIdle)}, collect.ScreenLock{}, errUsersChoose},
		{"how long it waits is not said", []dconfDatabase{all, flag(gnomeEnabled, true), number(gnomeIdle, 60)}, collect.ScreenLock{Enabled: true}, nil},
		{"all", []dconfDatabase{all, flag(gnomeEnabled, true), number(gnomeIdle, 60), number(gnomeDelay, 5)}, collect.ScreenLock{Enabled: true, After: 65 * time.Second}, nil},
		{"the first counts", []dconfDatabase{all, flag(gnomeEnabled, true), number(gnomeIdle, 60), number(gnomeIdle, 0), flag(gnomeEnabled, false), number(gnomeDelay, 0)},
			collect.ScreenLock{Enabled: true, After: time.Minute}, nil},
	} {
		if got, err := gnomeLockOf(c.chain); got != c.want || !errors.Is(err, c.why) {
			t.Errorf("%s: %+v, %v", c.what, got, err)
		}
	}
}

func TestDconf(t *testing.T) {
	db, err := parseDconf(lockedDconf(t))
	if err != nil || len(db.locks) != 3 || !db.flags[gnomeEnabled] || db.numbers[gnomeIdle] != 600 || db.numbers[gnomeDelay] != 30 {
		t.Errorf("%+v %v", db, err)
	}
}

func FuzzScreenLock(f *testing.F) {
	f.Add(lockedDconf(f))
	f.Add([]byte("[Daemon][$i]\nAutolock=true\nTimeout[$i]=10\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, err := parseDconf(in); err == nil && string(in[:8]) != dconfSignature {
			t.Error("anything is a database of dconf")
		}
		if l, err := parsePlasmaLock(in); err == nil && l.After < 0 {
			t.Errorf("%+v", l)
		}
	})
}
