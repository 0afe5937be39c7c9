package linux

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"strings"

	"muster/internal/agent/collect"
)

// users reads who is logged on: of utmp, or where the distribution no longer keeps it (Debian 13), of the sessions of
// systemd-logind, as libsystemd reads them.
func (m machine) users(context.Context) ([]collect.User, error) {
	raw, err := m.ReadFile("run/utmp")
	if err == nil {
		return named(parseUtmp(raw)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	entries, err := fs.ReadDir(m.Files, "run/systemd/sessions")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is neither /run/utmp nor a systemd-logind to say who is logged on")
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if !e.Type().IsRegular() { // beside each session lies a FIFO
			continue
		}
		raw, err := m.ReadFile("run/systemd/sessions/" + e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if s := parseAssignments(raw); s["CLASS"] == "user" && s["STATE"] != "closing" {
			out = append(out, s["USER"])
		}
	}
	return named(out), nil
}

// The record of utmp that glibc has on every architecture: 384 bytes, of which 32 are the name from the 44th on.
const (
	utmpRecord = 384
	utmpName   = 44
	utmpUser   = 7 // a record of somebody who is logged on
)

func parseUtmp(raw []byte) []string {
	var out []string
	for ; len(raw) >= utmpRecord; raw = raw[utmpRecord:] {
		// The type is a short in the machine's own order; on ours the low byte comes first.
		if binary.LittleEndian.Uint16(raw) != utmpUser {
			continue
		}
		name, _, _ := bytes.Cut(raw[utmpName:utmpName+32], []byte{0})
		out = append(out, string(name))
	}
	return out
}

// named parts names of a directory's users from its name: LAB\kari of winbind, kari@lab.example of sssd.
func named(names []string) []collect.User {
	out := make([]collect.User, 0, len(names))
	for _, full := range names {
		full = strings.ToValidUTF8(full, "\uFFFD")
		name, domain, _ := strings.Cut(full, "@")
		if d, n, ok := strings.Cut(full, `\`); ok {
			name, domain = n, d
		}
		if name != "" {
			out = append(out, collect.User{Name: name, Domain: domain})
		}
	}
	return out
}

// parseAssignments reads lines of KEY=value, as os-release and the state files of systemd have them: with or without
// quotes, and with escapes where there are quotes.
func parseAssignments(raw []byte) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || key == "" || strings.ContainsAny(key, "# \t") {
			continue
		}
		out[key] = unquote(value)
	}
	return out
}

func unquote(s string) string {
	if len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '"' && s[0] != '\'' {
		return s
	}
	quote := s[0]
	s = s[1 : len(s)-1]
	if quote == '\'' || !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
