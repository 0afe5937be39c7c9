package linux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// passwordCollector says whether passwords are set: yes, where no account of the machine's own that could log in has an
// empty one. An account whose password is locked is none that anybody could log in to with an empty one, so a machine that
// is entered by keys alone answers yes. Accounts of a directory are not looked at.
func passwordCollector(h *host.Host) collect.Collector {
	return collect.Collector{Subject: "password", Collect: func(_ context.Context, s *collect.Snapshot) error {
		s.PasswordSet = collect.Of(passwordsSet(h))
		return nil
	}}
}

func passwordsSet(h *host.Host) (bool, error) {
	passwd, err := readStart(h, "etc/passwd", maxAccounts)
	if err != nil {
		return false, err
	}
	shadow, err := readStart(h, "etc/shadow", maxAccounts)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return false, fmt.Errorf("needs root: %w", err)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	if len(passwd) == maxAccounts || len(shadow) == maxAccounts {
		return false, errors.New("the list of accounts is longer than it can be")
	}
	return len(withoutPassword(passwd, shadow)) == 0, nil
}

const maxAccounts = 8 << 20

// withoutPassword lists the accounts that could log in and have an empty password; see passwd(5) and shadow(5).
func withoutPassword(passwd, shadow []byte) []string {
	empty := map[string]bool{}
	for line := range bytes.Lines(shadow) {
		if f := strings.Split(strings.TrimRight(string(line), "\n"), ":"); len(f) > 1 && f[1] == "" {
			empty[f[0]] = true
		}
	}
	var out []string
	for line := range bytes.Lines(passwd) {
		f := strings.Split(strings.TrimRight(string(line), "\n"), ":")
		if len(f) < 7 || f[0] == "" || strings.ContainsAny(f[0][:1], "+-#") || !logsIn(f[6]) {
			continue
		}
		if f[1] == "" || f[1] == "x" && empty[f[0]] {
			out = append(out, f[0])
		}
	}
	return out
}

// logsIn reports whether a shell is one that somebody logs in with. No shell means /bin/sh.
func logsIn(shell string) bool {
	name := shell[strings.LastIndexByte(shell, '/')+1:]
	switch name {
	case "nologin", "false", "true", "sync", "halt", "shutdown":
		return false
	default:
		return true
	}
}
