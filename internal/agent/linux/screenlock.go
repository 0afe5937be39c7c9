package linux

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// screenLockCollector says whether the screen locks when nobody is there. It reads what the administrator laid down and
// locked, so that it holds for everybody. What users chose for themselves lies in their own folders, which the agent does
// not look into: where nothing is laid down, it is not known.
func screenLockCollector(h *host.Host) collect.Collector {
	return collect.Collector{Subject: "screen lock", Collect: func(_ context.Context, s *collect.Snapshot) error {
		s.ScreenLock = collect.Of(screenLock(h))
		return nil
	}}
}

var (
	errUsersChoose = errors.New("users choose for themselves, in files of their own that are not read: the administrator has not locked the settings of it")
	// What a desktop does by default differs by distribution.
	errDefaultLocked = errors.New("the administrator has locked a setting without giving it a value, and what the desktop has by default is not read")
)

// screenLock asks each desktop that is installed: with one that does not lock the screen may stay open.
func screenLock(h *host.Host) (collect.ScreenLock, error) {
	desktops := installedDesktops(h)
	if len(desktops) == 0 {
		return collect.ScreenLock{}, collect.NotApplicableError("no desktop is installed")
	}
	all := collect.ScreenLock{Enabled: true}
	var unknown error
	told := true
	for _, d := range desktops {
		one, err := desktopLock(h, d)
		switch {
		case err != nil:
			unknown = fmt.Errorf("%s: %w", d, err)
		case !one.Enabled:
			return one, nil
		default:
			all.After = max(all.After, one.After)
			told = told && one.After > 0
		}
	}
	if !told {
		all.After = 0
	}
	return all, unknown
}

func desktopLock(h *host.Host, desktop string) (collect.ScreenLock, error) {
	switch {
	case strings.HasPrefix(desktop, "gnome") || strings.HasPrefix(desktop, "ubuntu"):
		return gnomeLock(h)
	case strings.HasPrefix(desktop, "plasma"):
		raw, err := readStart(h, "etc/xdg/kscreenlockerrc", 64<<10)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return collect.ScreenLock{}, err
		}
		return parsePlasmaLock(raw)
	default:
		return collect.ScreenLock{}, errUsersChoose
	}
}

// installedDesktops lists the desktops that users may log on to, sorted.
func installedDesktops(h *host.Host) []string {
	var out []string
	for _, dir := range []string{"usr/share/wayland-sessions", "usr/share/xsessions"} {
		entries, err := fs.ReadDir(h.Files, dir)
		if err != nil {
			continue // there are none of the kind
		}
		for _, e := range entries {
			if name, ok := strings.CutSuffix(e.Name(), ".desktop"); ok {
				out = append(out, name)
			}
		}
	}
	return out
}

// Keys of GNOME.
const (
	gnomeEnabled = "/org/gnome/desktop/screensaver/lock-enabled"
	gnomeDelay   = "/org/gnome/desktop/screensaver/lock-delay"
	gnomeIdle    = "/org/gnome/desktop/session/idle-delay"
)

// gnomeLock reads the databases of dconf that the profile of users names. A screen locks some time after the session is
// idle, and never where it is never idle.
func gnomeLock(h *host.Host) (collect.ScreenLock, error) {
	chain, err := dconfChain(h)
	if err != nil {
		return collect.ScreenLock{}, err
	}
	return gnomeLockOf(chain)
}

// gnomeLockOf tells a lock only by what is both locked and given a value: what users may change, or GNOME has by default, is not
// known.
func gnomeLockOf(chain []dconfDatabase) (collect.ScreenLock, error) {
	var enabled, enabledLocked, enabledKnown, idleLocked, idleKnown, delayLocked, delayKnown bool
	var idle, delay uint32
	for i := len(chain) - 1; i >= 0; i-- { // the first counts most
		db := chain[i]
		if v, ok := db.flags[gnomeEnabled]; ok {
			enabled, enabledKnown = v, true
		}
		if v, ok := db.numbers[gnomeIdle]; ok {
			idle, idleKnown = v, true
		}
		if v, ok := db.numbers[gnomeDelay]; ok {
			delay, delayKnown = v, true
		}
		enabledLocked = enabledLocked || db.locks[gnomeEnabled]
		idleLocked = idleLocked || db.locks[gnomeIdle]
		delayLocked = delayLocked || db.locks[gnomeDelay]
	}
	switch {
	case enabledLocked && enabledKnown && !enabled, idleLocked && idleKnown && idle == 0:
		return collect.ScreenLock{}, nil
	case !enabledLocked || !idleLocked:
		return collect.ScreenLock{}, errUsersChoose
	case !enabledKnown || !idleKnown:
		return collect.ScreenLock{}, errDefaultLocked
	}
	lock := collect.ScreenLock{Enabled: true}
	if delayLocked && delayKnown {
		lock.After = time.Duration(uint64(idle)+uint64(delay)) * time.Second
	}
	return lock, nil
}

// dconfChain reads the system's databases of the profile that users have, the first of which counts most.
func dconfChain(h *host.Host) ([]dconfDatabase, error) {
	raw, err := readStart(h, "etc/dconf/profile/user", 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // users have their own settings, and nothing else
	}
	if err != nil {
		return nil, err
	}
	var chain []dconfDatabase
	for line := range strings.Lines(string(raw)) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "system-db:")
		if !ok || len(chain) == 16 || path.Base(name) != name {
			continue
		}
		file, err := readStart(h, "etc/dconf/db/"+name, 4<<20)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		db, err := parseDconf(file)
		if err != nil {
			return nil, fmt.Errorf("/etc/dconf/db/%s: %w", name, err)
		}
		chain = append(chain, db)
	}
	return chain, nil
}

// parsePlasmaLock reads the administrator's settings of KDE's screen locker. What users may not change is marked by [$i],
// on the key, on its group, or at the beginning of the file.
func parsePlasmaLock(raw []byte) (collect.ScreenLock, error) {
	enabled, minutes := true, 5
	enabledLocked, minutesLocked, graceLocked := false, false, false
	grace := 5
	inGroup, groupLocked, fileLocked := false, false, false
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			name, locked := strings.CutSuffix(line, "[$i]")
			fileLocked = fileLocked || locked && name == ""
			inGroup, groupLocked = name == "[Daemon]", locked || fileLocked
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || !inGroup {
			continue
		}
		key, locked := strings.CutSuffix(key, "[$i]")
		locked = locked || groupLocked
		number, err := strconv.Atoi(value)
		switch {
		case key == "Autolock":
			enabled, enabledLocked = value == "true", locked
		case key == "Timeout" && err == nil && number >= 0 && number < 1<<20:
			minutes, minutesLocked = number, locked
		case key == "LockGrace" && err == nil && number >= 0 && number < 1<<20:
			grace, graceLocked = number, locked
		}
	}
	switch {
	case enabledLocked && !enabled, minutesLocked && minutes == 0:
		return collect.ScreenLock{}, nil
	case !enabledLocked || !minutesLocked:
		return collect.ScreenLock{}, errUsersChoose
	}
	lock := collect.ScreenLock{Enabled: true}
	if graceLocked {
		lock.After = time.Duration(minutes)*time.Minute + time.Duration(grace)*time.Second
	}
	return lock, nil
}
