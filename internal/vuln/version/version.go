// Package version puts versions in the order of the ecosystem they belong to. It never panics, and says so when two
// versions cannot be compared instead of guessing.
package version

import (
	"errors"
	"slices"
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
	own     []token             // of an ecosystem of our own; never empty then
	foreign semantic.Version    // of any other
	mended  func(string) string // of an ecosystem that writes one version in several ways; nil for none
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
		return guarded(func() (int, error) { return v.foreign.CompareStr(v.mend(s)) })
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

// CompareTo is Compare with a version that was read before. Versions of different ecosystems cannot be compared.
func (v Version) CompareTo(o Version) (n int, err error) {
	if v.foreign == nil || o.foreign == nil {
		if len(v.own) == 0 || len(o.own) == 0 {
			return 0, ErrIncomparable
		}
		return compareTokens(v.own, o.own), nil
	}
	return guarded(func() (int, error) { return v.foreign.Compare(o.foreign) })
}

// sortable lists the ecosystems of which it is certain that their order is total, so that versions can be sorted and
// searched for by halves.
var sortable = []string{Application, OS, "AlmaLinux", "Debian", "Mageia", "Red Hat", "Rocky Linux", "SUSE",
	"Ubuntu", "openEuler", "openSUSE"}

// Sortable reports whether versions of the ecosystem may be sorted: the order of some has corners where a < b < c does
// not mean a < c.
func Sortable(ecosystem string) bool {
	base, _, _ := strings.Cut(ecosystem, ":")
	return slices.Contains(sortable, base)
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

// parseForeign and guarded keep a fault of the library from reaching us: a report is written by strangers, and
// one odd version in it must not stop the server.
func parseForeign(ecosystem, s string) (v Version, err error) {
	defer func() {
		if recover() != nil {
			v, err = Version{}, ErrIncomparable
		}
	}()
	v.mended = mending[ecosystem]
	if v.foreign, err = semantic.Parse(v.mend(s), ecosystem); err != nil {
		return Version{}, ErrIncomparable
	}
	return v, nil
}

func (v Version) mend(s string) string {
	if v.mended == nil {
		return s
	}
	return v.mended(s)
}

// mending brings versions into the form that the library orders as the ecosystem's own tool does (testdata/order).
var mending = map[string]func(string) string{"Packagist": composer, "RubyGems": gem, "Go": release}

// composer writes out what Composer takes for granted: 1.0 is 1.0.0.0, and a release needs not say that it is stable.
func composer(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "v"), "-stable")
	end := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(s)
	}
	numbers := strings.TrimRight(s[:end], ".")
	if numbers == "" {
		return s
	}
	for range 3 - strings.Count(numbers, ".") {
		numbers += ".0"
	}
	return numbers + s[end:]
}

// gem writes a dash as RubyGems reads it: 1.0-1 comes before 1.0.
func gem(s string) string { return strings.ReplaceAll(s, "-", ".pre.") }

// guarded runs a comparison of the library and turns its errors and faults into ErrIncomparable.
func guarded(compare func() (int, error)) (n int, err error) {
	defer func() {
		if recover() != nil {
			n, err = 0, ErrIncomparable
		}
	}()
	n, err = compare()
	if err != nil {
		return 0, ErrIncomparable
	}
	return n, nil
}

// release writes a version of Go itself as that of a module: go1.21rc2 is 1.21.0-rc.2.
func release(s string) string {
	plain, ok := strings.CutPrefix(s, "go")
	if !ok {
		return s
	}
	plain, _, _ = strings.Cut(plain, " ") // go1.21.3 X:boringcrypto
	end := strings.IndexFunc(plain, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(plain)
	}
	numbers, pre := plain[:end], plain[end:]
	for strings.Count(numbers, ".") < 2 {
		numbers += ".0"
	}
	if digits := strings.TrimLeft(pre, "abcdefghijklmnopqrstuvwxyz"); digits != "" && len(digits) < len(pre) {
		return numbers + "-" + strings.TrimSuffix(pre, digits) + "." + digits
	}
	return numbers + pre
}
