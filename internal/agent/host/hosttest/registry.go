package hosttest

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/internal/agent/host"
)

// Registry is a recorded registry: values by the path of their key in lower case, as Windows does not tell case.
type Registry map[string]*key

type key struct {
	values  map[string]any
	subkeys []string
}

// add records a key, and with it those above it.
func (r Registry) add(path string, data []byte) error {
	k := r.make(path)
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		name, text, ok := strings.Cut(line, "=")
		if !ok {
			return fmt.Errorf("registry %s: %q is no Name=value", path, line)
		}
		value, err := valueOf(text)
		if err != nil {
			return fmt.Errorf("registry %s: %s: %w", path, name, err)
		}
		k.values[strings.ToLower(name)] = value
	}
	return nil
}

func (r Registry) make(path string) *key {
	low := strings.ToLower(path)
	if k, ok := r[low]; ok {
		return k
	}
	k := &key{values: map[string]any{}}
	r[low] = k
	if i := strings.LastIndexByte(path, '\\'); i >= 0 {
		above := r.make(path[:i])
		if name := path[i+1:]; !slices.Contains(above.subkeys, name) {
			above.subkeys = append(above.subkeys, name)
		}
	}
	return k
}

func valueOf(text string) (any, error) {
	if n, ok := strings.CutPrefix(text, "dword:"); ok {
		return strconv.ParseUint(n, 0, 64)
	}
	if h, ok := strings.CutPrefix(text, "hex:"); ok {
		return hex.DecodeString(h)
	}
	return text, nil
}

// Open opens a recorded key.
func (r Registry) Open(path string) (host.Key, error) {
	if k, ok := r[strings.ToLower(path)]; ok {
		return k, nil
	}
	return nil, fs.ErrNotExist
}

func (k *key) Subkeys() ([]string, error) { return k.subkeys, nil }

func (k *key) String(value string) (string, error) { return valueAs[string](k, value) }

func (k *key) Integer(value string) (uint64, error) { return valueAs[uint64](k, value) }

func (k *key) Binary(value string) ([]byte, error) { return valueAs[[]byte](k, value) }

func (k *key) Modified() (time.Time, error) { return Now.Add(-time.Hour), nil }

func (k *key) Close() error { return nil }

func valueAs[T any](k *key, name string) (T, error) {
	v, ok := k.values[strings.ToLower(name)]
	if !ok {
		var none T
		return none, fs.ErrNotExist
	}
	t, ok := v.(T)
	if !ok {
		return t, fmt.Errorf("value %s is of another type", name)
	}
	return t, nil
}
