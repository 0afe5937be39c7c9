package windows

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"muster/internal/agent/host"
)

const (
	localMachine = `HKEY_LOCAL_MACHINE\`
	users        = `HKEY_USERS\`
)

// text reads a text of a key. Without one the error is fs.ErrNotExist.
func (m *machine) text(key, value string) (string, error) {
	return read(m, key, value, host.Key.String)
}

// number reads a number of a key.
func (m *machine) number(key, value string) (uint64, error) {
	return read(m, key, value, host.Key.Integer)
}

func read[T any](m *machine, key, value string, get func(host.Key, string) (T, error)) (T, error) {
	var none T
	if m.h.Registry == nil {
		return none, errors.New("there is no registry")
	}
	k, err := m.h.Registry.Open(key)
	if err != nil {
		return none, fmt.Errorf("registry key %s: %w", key, err)
	}
	defer k.Close() //nolint:errcheck // it was only read
	v, err := get(k, value)
	if err != nil {
		return none, fmt.Errorf("registry value %s of %s: %w", value, key, err)
	}
	return v, nil
}

// subkeys lists the keys below one, sorted; none below one that is not there.
func (m *machine) subkeys(key string) ([]string, error) {
	if m.h.Registry == nil {
		return nil, errors.New("there is no registry")
	}
	k, err := m.h.Registry.Open(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("registry key %s: %w", key, err)
	}
	defer k.Close() //nolint:errcheck // it was only read
	names, err := k.Subkeys()
	if err != nil {
		return nil, fmt.Errorf("registry key %s: %w", key, err)
	}
	names = slices.Clone(names)
	slices.Sort(names)
	return names, nil
}

// hives are the keys of the people whose part of the registry is loaded: those who are logged on, as a rule. Accounts of
// services are not among them.
func (m *machine) hives() ([]string, error) {
	all, err := m.subkeys(strings.TrimSuffix(users, `\`))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, sid := range all {
		ofPerson := strings.HasPrefix(sid, "S-1-5-21-") || strings.HasPrefix(sid, "S-1-12-1-")
		if ofPerson && !strings.HasSuffix(strings.ToLower(sid), "_classes") {
			out = append(out, users+sid)
		}
	}
	return out, nil
}
