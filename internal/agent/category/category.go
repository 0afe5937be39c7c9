// Package category knows products by their names, and says which of Muster's categories they belong to. It is a table for
// each system: names of packages on Linux, names of the list of programs on Windows, names and identifiers of bundles on
// macOS. A product that it does not know is ordinary software.
package category

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"muster/internal/posture"
)

// names are the names of products of each category, as tidy writes them. One that ends in * stands for all that begin so.
type names map[posture.Category][]string

// tables are the products of each system.
var tables = map[posture.OSFamily]*index{
	posture.Linux:   newIndex(onLinux),
	posture.Windows: newIndex(onWindows),
	posture.MacOS:   newIndex(onMacOS),
}

// Of gives the category of a program, which may go by several names (of a bundle on macOS, what people call it and its
// identifier); "" for ordinary software.
//
// It never gives anti-malware: what protects a machine has a collector that knows whether it runs. As an application of
// that category it would be there a second time, as one of which nothing is known.
func Of(system posture.OSFamily, names ...string) posture.Category {
	t := tables[system]
	if t == nil {
		return ""
	}
	for _, name := range names {
		if c := t.find(system, name); c != "" {
			return c
		}
	}
	return ""
}

// LookedFor lists the categories that Of tells apart on a system, sorted. Where every list of software could be read, a
// report says that they were looked for.
func LookedFor(system posture.OSFamily) []posture.Category {
	t := tables[system]
	if t == nil {
		return nil
	}
	return slices.Clone(t.categories)
}

type index struct {
	exact      map[string]posture.Category
	beginnings map[string]posture.Category // of names that end in *
	categories []posture.Category
}

func newIndex(table names) *index {
	x := &index{exact: map[string]posture.Category{}, beginnings: map[string]posture.Category{}}
	for _, c := range slices.Sorted(maps.Keys(table)) {
		x.categories = append(x.categories, c)
		for _, name := range table[c] {
			if start, ok := strings.CutSuffix(name, "*"); ok {
				x.beginnings[start] = c
			} else {
				x.exact[name] = c
			}
		}
	}
	return x
}

func (x *index) find(system posture.OSFamily, name string) posture.Category {
	name = tidy(system, name)
	if c, ok := x.exact[name]; ok {
		return c
	}
	if system == posture.Linux {
		// gcc-12, virtualbox-7.0: the product, and which of it. gcc-12-base is another matter.
		return x.exact[strings.TrimRight(strings.TrimRight(name, "0123456789."), "-")]
	}
	for start, c := range x.beginnings {
		if strings.HasPrefix(name, start) {
			return c
		}
	}
	return ""
}

// tidy writes a name as the tables have it: in lower case and, but on Linux, without what says which of a product it is:
// what stands in brackets, versions, architectures, trademark signs, and the ending of bundles.
func tidy(system posture.OSFamily, name string) string {
	name = strings.ToLower(name)
	if system == posture.Linux {
		return name
	}
	name = strings.TrimSuffix(name, ".app")
	words := strings.FieldsFunc(withoutBrackets(name), func(r rune) bool {
		return unicode.IsSpace(r) || r == '®' || r == '™' || r == ','
	})
	kept := words[:0]
	for i, w := range words {
		if i == 0 || !saysWhich(w) {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, " ")
}

func withoutBrackets(s string) string {
	var b strings.Builder
	depth := 0
	for _, r := range s {
		switch {
		case r == '(' || r == '[':
			depth++
			b.WriteByte(' ')
		case (r == ')' || r == ']') && depth > 0:
			depth--
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// builds are words for a build of a product.
var builds = []string{"x64", "x86", "64-bit", "32-bit", "64bit", "32bit", "arm64", "amd64", "version", "-", "–", "en-us", "en-gb"}

// saysWhich reports whether a word of a name is a version, or says which build it is.
func saysWhich(w string) bool {
	return slices.Contains(builds, w) || strings.Trim(strings.TrimPrefix(w, "v"), "0123456789.") == "" && strings.ContainsAny(w, "0123456789")
}
