package host

import (
	"errors"
	"fmt"
	"io/fs"
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

func (k systemKey) Subkeys() ([]string, error) {
	names, err := k.ReadSubKeyNames(-1)
	return names, missing(err)
}

func (k systemKey) String(value string) (string, error) {
	s, kind, err := k.GetStringValue(value)
	if err == nil && kind == winreg.EXPAND_SZ {
		if long, bad := winreg.ExpandString(s); bad == nil {
			s = long
		}
	}
	return s, missing(err)
}

func (k systemKey) Integer(value string) (uint64, error) {
	n, _, err := k.GetIntegerValue(value)
	return n, missing(err)
}

func (k systemKey) Binary(value string) ([]byte, error) {
	b, _, err := k.GetBinaryValue(value)
	return b, missing(err)
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
