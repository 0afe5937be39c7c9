package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/windows"
	winreg "golang.org/x/sys/windows/registry"
)

func registry() Registry { return systemRegistry{} }

type systemRegistry struct{}

var hives = map[string]winreg.Key{
	"HKEY_LOCAL_MACHINE": winreg.LOCAL_MACHINE,
	"HKEY_USERS":         winreg.USERS,
	"HKEY_CURRENT_USER":  winreg.CURRENT_USER,
}

// Open opens a key in the 64-bit view; the 32-bit one is below WOW6432Node.
func (systemRegistry) Open(path string) (Key, error) {
	hive, rest, _ := strings.Cut(path, `\`)
	base, ok := hives[hive]
	if !ok {
		return nil, fmt.Errorf("no hive is called %q", hive)
	}
	k, err := winreg.OpenKey(base, rest, winreg.QUERY_VALUE|winreg.ENUMERATE_SUB_KEYS|winreg.WOW64_64KEY)
	if err != nil {
		return nil, missing(err)
	}
	return systemKey{k}, nil
}

type systemKey struct{ winreg.Key }

const (
	// maxSubkeys and maxValue bound what is read: users write what they like below their own hives.
	maxSubkeys = 20_000
	maxValue   = 64 << 10
)

func (k systemKey) Subkeys() ([]string, error) {
	names, err := k.ReadSubKeyNames(maxSubkeys)
	if errors.Is(err, io.EOF) { // there were fewer
		err = nil
	}
	return names, missing(err)
}

// value reads a value that may be of one of two kinds, and refuses one that is too long to be what it should be.
func (k systemKey) value(name string, kinds ...uint32) ([]byte, uint32, error) {
	n, kind, err := k.GetValue(name, nil)
	if err != nil {
		return nil, 0, missing(err)
	}
	if !slices.Contains(kinds, kind) {
		return nil, 0, fmt.Errorf("value %s is of another type", name)
	}
	if n > maxValue {
		return nil, 0, fmt.Errorf("value %s is longer than %d bytes", name, maxValue)
	}
	buf := make([]byte, n)
	if n == 0 {
		return buf, kind, nil
	}
	n, kind, err = k.GetValue(name, buf)
	if err == nil && !slices.Contains(kinds, kind) {
		err = fmt.Errorf("value %s is of another type", name)
	}
	if err != nil {
		return nil, 0, missing(err)
	}
	return buf[:n], kind, nil
}

func (k systemKey) String(value string) (string, error) {
	b, kind, err := k.value(value, winreg.SZ, winreg.EXPAND_SZ)
	if err != nil {
		return "", err
	}
	wide := make([]uint16, len(b)/2)
	for i := range wide {
		wide[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	s := windows.UTF16ToString(wide) // as far as its end, which need not be there
	if kind == winreg.EXPAND_SZ {
		if long, bad := winreg.ExpandString(s); bad == nil {
			s = long
		}
	}
	return s, nil
}

func (k systemKey) Integer(value string) (uint64, error) {
	b, kind, err := k.value(value, winreg.DWORD, winreg.QWORD)
	switch {
	case err != nil:
		return 0, err
	case kind == winreg.DWORD && len(b) == 4:
		return uint64(binary.LittleEndian.Uint32(b)), nil
	case kind == winreg.QWORD && len(b) == 8:
		return binary.LittleEndian.Uint64(b), nil
	default:
		return 0, fmt.Errorf("value %s has the wrong length", value)
	}
}

func (k systemKey) Binary(value string) ([]byte, error) {
	b, _, err := k.value(value, winreg.BINARY)
	return b, err
}

func (k systemKey) Modified() (time.Time, error) {
	info, err := k.Stat()
	if err != nil {
		return time.Time{}, missing(err)
	}
	return info.ModTime(), nil
}

// missing says what is not there in the words that callers know.
func missing(err error) error {
	if errors.Is(err, winreg.ErrNotExist) || errors.Is(err, windows.ERROR_PATH_NOT_FOUND) {
		return fs.ErrNotExist
	}
	return err
}
