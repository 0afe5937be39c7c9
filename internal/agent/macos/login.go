package macos

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"muster/internal/agent/collect"
)

// password collects whether the accounts have passwords. macOS tells of none; but whoever is logged on without being asked
// needs none, and FileVault does not open without one, nor lets anybody be logged on so.
func (m *machine) password(ctx context.Context, s *collect.Snapshot) error {
	d, err := m.plist("Library/Preferences/com.apple.loginwindow.plist")
	switch {
	case err != nil && !missingFile(err):
		s.PasswordSet = collect.CouldNotRead[bool](err)
		return nil
	case d.text("autoLoginUser") != "":
		s.PasswordSet = collect.Known(false)
		return nil
	}
	if on, err := m.fileVault(ctx); err == nil && on {
		s.PasswordSet = collect.Known(true)
		return nil
	}
	s.PasswordSet = collect.CouldNotReadf[bool]("macOS does not tell whether a password is empty, and without FileVault it may be")
	return nil
}

// screenLock collects whether the screen locks when nobody is there: by a profile, or by the settings of who sits before it.
func (m *machine) screenLock(ctx context.Context, s *collect.Snapshot) error {
	if lock, ok := m.managedLock(); ok {
		s.ScreenLock = collect.Known(lock)
		return nil
	}
	user, err := m.console(ctx)
	if err == nil && user == 0 {
		if s.ScreenLock.State == collect.NotLooked { // else what was true of who has logged off stays
			s.ScreenLock = collect.CouldNotReadf[collect.ScreenLock]("it is a setting of each user, and nobody is logged on")
		}
		return nil
	}
	if err != nil {
		s.ScreenLock = collect.CouldNotRead[collect.ScreenLock](err)
		return nil
	}
	s.ScreenLock = collect.Of(m.userLock(ctx, user))
	return nil
}

// managedLock reads what a configuration profile demands.
func (m *machine) managedLock() (collect.ScreenLock, bool) {
	const folder = "Library/Managed Preferences/"
	if d, err := m.plist(folder + "com.apple.mobiledevice.passwordpolicy.plist"); err == nil {
		if minutes, ok := d.number("maxInactivity"); ok && minutes > 0 {
			grace, _ := d.number("maxGracePeriod")
			return collect.ScreenLock{Enabled: true, After: seconds(minutes*60) + seconds(grace*60)}, true
		}
	}
	d, err := m.plist(folder + "com.apple.screensaver.plist")
	if err != nil {
		return collect.ScreenLock{}, false
	}
	asked, ok1 := d.number("askForPassword")
	idle, ok2 := d.number("idleTime")
	if !ok1 || !ok2 || asked != 1 || idle <= 0 {
		return collect.ScreenLock{}, false
	}
	delay, _ := d.number("askForPasswordDelay")
	return collect.ScreenLock{Enabled: true, After: seconds(idle) + seconds(delay)}, true
}

// seconds bounds a number of seconds to a time that can be told.
func seconds(n int64) time.Duration {
	const most = 10 * 365 * 24 * 60 * 60
	return time.Duration(min(max(n, 0), most)) * time.Second
}

// console gives the number of the user to whom the screen belongs, 0 while nobody is logged on there.
func (m *machine) console(ctx context.Context) (int, error) {
	out, err := m.h.Run(ctx, "stat", "-f", "%u", "/dev/console")
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(out)), 10, 31)
	if err != nil {
		return 0, errors.New("stat does not tell to whom the screen belongs")
	}
	return int(n), nil
}

// userLock asks for a user whether a password is wanted once the display is off, and after how long; and when the display
// goes off. A screen saver, which may come sooner, is a setting in that user's own files, which are left alone: the time is
// the longest that it can take.
func (m *machine) userLock(ctx context.Context, user int) (collect.ScreenLock, error) {
	if !m.h.Privileged {
		return collect.ScreenLock{}, errors.New("needs root: the setting of another user is asked for")
	}
	id := strconv.Itoa(user)
	out, err := m.h.RunBoth(ctx, "launchctl", "asuser", id, "sudo", "-n", "-u", "#"+id, "/usr/sbin/sysadminctl", "-screenLock", "status")
	if err != nil {
		return collect.ScreenLock{}, fmt.Errorf("sysadminctl: %w", err)
	}
	on, delay, err := parseScreenLock(out)
	if err != nil || !on {
		return collect.ScreenLock{}, err
	}
	out, err = m.h.Run(ctx, "pmset", "-g")
	if err != nil {
		return collect.ScreenLock{Enabled: true}, nil //nolint:nilerr // that it locks is known, only not after what time
	}
	minutes, told := parseDisplaySleep(out)
	switch {
	case !told:
		return collect.ScreenLock{Enabled: true}, nil
	case minutes == 0:
		return collect.ScreenLock{}, errors.New("the display never goes off, and whether a screen saver starts is not known")
	default:
		return collect.ScreenLock{Enabled: true, After: seconds(minutes*60) + delay}, nil
	}
}

// parseScreenLock reads what sysadminctl writes behind the time and its own name: screenLock is off; screenLock delay is
// immediate; screenLock delay is 300 seconds.
func parseScreenLock(out []byte) (on bool, delay time.Duration, err error) {
	_, rest, ok := strings.Cut(string(out), "screenLock ")
	rest, _, _ = strings.Cut(rest, "\n")
	words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(rest), "."))
	switch {
	case !ok:
	case strings.Join(words, " ") == "is off":
		return false, 0, nil
	case strings.Join(words, " ") == "delay is immediate":
		return true, 0, nil
	case len(words) == 4 && words[0] == "delay" && words[1] == "is" && strings.HasPrefix(words[3], "second"):
		if n, err := strconv.ParseFloat(words[2], 64); err == nil && n >= 0 && n < 1e9 {
			return true, seconds(int64(n)), nil
		}
	}
	return false, 0, errors.New("sysadminctl does not tell whether the screen locks")
}

// parseDisplaySleep finds after how many minutes the display goes off in what `pmset -g` prints.
func parseDisplaySleep(out []byte) (minutes int64, told bool) {
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) >= 2 && words[0] == "displaysleep" {
			n, err := strconv.ParseInt(words[1], 10, 32)
			return n, err == nil && n >= 0
		}
	}
	return 0, false
}
