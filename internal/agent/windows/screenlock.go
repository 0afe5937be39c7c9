package windows

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"strconv"
	"time"

	"muster/internal/agent/collect"
)

// screenLock collects whether the screen locks when nobody is there: by the limit for the whole machine, or else by the
// screen savers of all who are logged on.
func (m *machine) screenLock(_ context.Context, s *collect.Snapshot) error {
	lock, ok, err := m.machineLimit()
	if err != nil || ok {
		s.ScreenLock = collect.Of(lock, err)
		return nil
	}
	hives, err := m.hives()
	switch {
	case err != nil:
		s.ScreenLock = collect.CouldNotRead[collect.ScreenLock](err)
	case len(hives) == 0 && s.ScreenLock.State == collect.NotLooked:
		s.ScreenLock = collect.CouldNotReadf[collect.ScreenLock]("it is a setting of each user, and nobody is logged on")
	case len(hives) > 0: // else what was true of those who have logged off stays
		s.ScreenLock = collect.Of(m.screenSavers(hives))
	}
	return nil
}

// machineLimit reads the security option 'Interactive logon: Machine inactivity limit'; 0 is none.
func (m *machine) machineLimit() (collect.ScreenLock, bool, error) {
	seconds, err := m.number(localMachine+`SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System`, "InactivityTimeoutSecs")
	if errors.Is(err, fs.ErrNotExist) {
		return collect.ScreenLock{}, false, nil
	}
	if err != nil || seconds == 0 {
		return collect.ScreenLock{}, false, err
	}
	return collect.ScreenLock{Enabled: true, After: after(seconds)}, true, nil
}

// after bounds a number of seconds, which people may write themselves, to a time that can be told.
func after(seconds uint64) time.Duration {
	const longest = 10 * 365 * 24 * time.Hour
	return min(time.Duration(min(seconds, uint64(longest/time.Second)))*time.Second, longest)
}

// screenSavers gives what is true of all of them: the screen locks if each does, after the longest of the times.
func (m *machine) screenSavers(hives []string) (collect.ScreenLock, error) {
	all := collect.ScreenLock{Enabled: true}
	for _, hive := range hives {
		one, err := m.screenSaver(hive)
		if err != nil {
			return all, err
		}
		if !one.Enabled {
			return collect.ScreenLock{}, nil
		}
		all.After = max(all.After, one.After)
	}
	return all, nil
}

// screenSaver reads the screen saver of a user. Each of the values may come from a policy, which goes first.
func (m *machine) screenSaver(hive string) (collect.ScreenLock, error) {
	value := func(name string) (string, error) {
		for _, key := range []string{hive + `\Software\Policies\Microsoft\Windows\Control Panel\Desktop`, hive + `\Control Panel\Desktop`} {
			s, err := m.text(key, name)
			if !errors.Is(err, fs.ErrNotExist) {
				return s, err
			}
		}
		return "", nil
	}
	active, err1 := value("ScreenSaveActive")
	secure, err2 := value("ScreenSaverIsSecure")
	program, err3 := value("SCRNSAVE.EXE")
	timeout, err4 := value("ScreenSaveTimeOut")
	if err := cmp.Or(err1, err2, err3, err4); err != nil {
		return collect.ScreenLock{}, err
	}
	seconds, err := strconv.ParseUint(timeout, 10, 32)
	if active != "1" || secure != "1" || program == "" || err != nil || seconds == 0 {
		return collect.ScreenLock{}, nil //nolint:nilerr // without a time the screen saver never starts
	}
	return collect.ScreenLock{Enabled: true, After: after(seconds)}, nil
}
