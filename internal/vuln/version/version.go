// Package version puts versions in the order of the ecosystem they belong to. It never panics, and says so when two
// versions cannot be compared instead of guessing.
package version

import (
	"errors"
	"strings"

	"github.com/google/osv-scalibr/semantic"
)

// ErrIncomparable is answered for what has no place in the order: an unknown ecosystem, a text without any number, or
// one too long to be a version.
var ErrIncomparable = errors.New("versions cannot be compared")

// Ecosystems of our own, for what no package manager knows. Both may be followed by a colon and an operating-system
// family.
const (
	// Application is ordinary software known by vendor and name.
	Application = "Application"
	// OS is an operating system as a whole.
	OS = "OS"
)

// maxLength bounds the work of one comparison; real versions have less than a quarter of it.
const maxLength = 256

// Version is one version that can be compared with others of its ecosystem.
type Version struct {
	own     []token          // of an ecosystem of our own; never empty then
	foreign semantic.Version // of any other
}

// Parse reads a version by the rules of an ecosystem in OSV's spelling, such as "Debian:12", "PyPI" or
// "Application:windows".
func Parse(ecosystem, s string) (Version, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxLength || !strings.ContainsAny(s, "0123456789") {
		return Version{}, ErrIncomparable
	}
	if isOwn(ecosystem) {
		return parseOwn(s)
	}
	return parseForeign(ecosystem, s)
}

// Compare answers -1, 0 or 1 as the version comes before, with or after another of the same ecosystem.
func (v Version) Compare(s string) (int, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxLength || !strings.ContainsAny(s, "0123456789") {
		return 0, ErrIncomparable
	}
	if v.foreign != nil {
		return compareForeign(v.foreign, s)
	}
	other, err := parseOwn(s)
	if err != nil || len(v.own) == 0 {
		return 0, ErrIncomparable
	}
	return compareTokens(v.own, other.own), nil
}

// Compare answers -1, 0 or 1 as version a of the ecosystem comes before, with or after version b.
func Compare(ecosystem, a, b string) (int, error) {
	v, err := Parse(ecosystem, a)
	if err != nil {
		return 0, err
	}
	return v.Compare(b)
}

// Supported reports whether versions of the ecosystem can be compared at all.
func Supported(ecosystem string) bool {
	_, err := Parse(ecosystem, "1")
	return err == nil
}

func isOwn(ecosystem string) bool {
	base, _, _ := strings.Cut(ecosystem, ":")
	return base == Application || base == OS
}

func parseOwn(s string) (Version, error) {
	own := tokens(s)
	if len(own) == 0 {
		return Version{}, ErrIncomparable
	}
	return Version{own: own}, nil
}

// parseForeign and compareForeign keep a fault of the library from reaching us: a report is written by strangers, and
// one odd version in it must not stop the server.
func parseForeign(ecosystem, s string) (v Version, err error) {
	defer func() {
		if recover() != nil {
			v, err = Version{}, ErrIncomparable
		}
	}()
	parsed, err := semantic.Parse(s, ecosystem)
	if err != nil {
		return Version{}, ErrIncomparable
	}
	return Version{foreign: parsed}, nil
}

func compareForeign(v semantic.Version, s string) (n int, err error) {
	defer func() {
		if recover() != nil {
			n, err = 0, ErrIncomparable
		}
	}()
	n, err = v.CompareStr(s)
	if err != nil {
		return 0, ErrIncomparable
	}
	return n, nil
}
