package vuln

import (
	"slices"
	"strings"
	"unicode"
)

// Applications that no package manager knows are matched by name and vendor. Installers write both in many ways, so
// both are reduced to what stays the same from one version, architecture and language to the next.

// architectures are words of a name that say which build it is.
var architectures = set("x64", "x86", "x86_64", "x86-64", "amd64", "arm64", "aarch64", "i386", "i686", "win32", "win64",
	"32-bit", "64-bit", "32bit", "64bit")

// counters are words that announce a number: "Java 8 Update 202", "PuTTY release 0.80".
var counters = set("version", "release", "update", "build", "v")

// legalForms are words at the end of a vendor's name that some sources leave out.
var legalForms = set("inc", "incorporated", "corp", "corporation", "co", "company", "ltd", "limited", "llc", "llp", "plc",
	"gmbh", "ag", "kg", "sa", "s.a", "sas", "srl", "s.r.o", "sro", "bv", "b.v", "ab", "oy", "pty", "kk")

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// productWords reduces a product's name: no brackets, versions, architectures and trademark signs; lower case. The
// installed version helps to tell a version in the name from a number that belongs to it.
func productWords(name, version string) []string {
	all := words(strings.TrimSuffix(strings.TrimSpace(name), ".app"))
	out := all[:0]
	for i := 0; i < len(all); i++ {
		w := all[i]
		switch {
		case architectures[w] || isVersion(w) || leads(w, version):
		case counters[w] && i+1 < len(all) && startsWithDigit(all[i+1]):
			i++ // with its number
		default:
			out = append(out, w)
		}
	}
	return out
}

// vendorWords reduces a vendor's name: no article, no legal form; lower case.
func vendorWords(vendor string) []string {
	out := words(vendor)
	if len(out) > 1 && out[0] == "the" {
		out = out[1:]
	}
	for len(out) > 1 && legalForms[out[len(out)-1]] {
		out = out[:len(out)-1]
	}
	return out
}

// words splits a name at blanks and commas, without what is in brackets and without signs around words.
func words(s string) []string {
	out := strings.FieldsFunc(withoutBrackets(strings.ToLower(s)), func(r rune) bool {
		return unicode.IsSpace(r) || r == ',' || r == '/' || r == '®' || r == '™' || r == '©'
	})
	for i, w := range out {
		out[i] = strings.Trim(w, `.;:-_"'`)
	}
	return slices.DeleteFunc(out, func(w string) bool { return w == "" })
}

// withoutBrackets drops what stands in round brackets, closed or not.
func withoutBrackets(s string) string {
	if !strings.ContainsAny(s, "()") {
		return s
	}
	var b strings.Builder
	depth := 0
	for _, r := range s {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth = max(0, depth-1)
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isVersion reports whether a word is a number with dots, such as 19.00, v8.5.6 or 1.0.1f.
func isVersion(w string) bool {
	w = strings.TrimPrefix(w, "v")
	return startsWithDigit(w) && strings.Contains(w, ".") && len(strings.Trim(w, "0123456789.")) <= 1
}

// leads reports whether a word is the first number of the version: the 115 of "Firefox 115" with version 115.0.2.
func leads(w, version string) bool {
	return startsWithDigit(w) && (version == w || strings.HasPrefix(version, w) && version[len(w)] == '.')
}

func startsWithDigit(w string) bool { return w != "" && w[0] >= '0' && w[0] <= '9' }

// withoutVendor takes the vendor's words off the front of a name, but never all of it: "Mozilla Firefox" by Mozilla is
// "firefox", "Zoom" by Zoom stays.
func withoutVendor(name, vendor []string) []string {
	n := 0
	for n < len(name)-1 && n < len(vendor) && name[n] == vendor[n] {
		n++
	}
	return name[n:]
}

// sameVendor reports whether one name begins with the other: "Adobe" and "Adobe Systems".
func sameVendor(a, b []string) bool {
	n := min(len(a), len(b))
	return n > 0 && slices.Equal(a[:n], b[:n])
}

// packageName reduces a package's name where its ecosystem takes several writings for the same.
func packageName(ecosystem, name string) string {
	switch ecosystem {
	case "PyPI":
		return strings.Join(strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
			return r == '-' || r == '_' || r == '.'
		}), "-")
	case "NuGet", "Packagist":
		return strings.ToLower(name)
	case "crates.io":
		return strings.ReplaceAll(strings.ToLower(name), "_", "-")
	default:
		return name
	}
}
