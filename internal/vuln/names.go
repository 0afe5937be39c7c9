package vuln

import (
	"regexp"
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

// languages are words at the end of a name that say for whom an installer was made, as locale is.
var languages = set("english", "deutsch", "german", "français", "french", "español", "spanish", "italiano", "italian", "nederlands", "português",
	"polski", "русский", "日本語", "中文", "mui", "multilingual")

var (
	locale = regexp.MustCompile(`^[a-z]{2}-[a-z]{2}$`)
	// built is the architecture at the end of a word: "7-x64".
	built = regexp.MustCompile(`-(?:x64|x86|amd64|arm64|win32|win64)$`)
	// numbered is a number with dots and what a builder put after it: 2.6.8-I001, 1.0.1f.
	numbered = regexp.MustCompile(`^v?[0-9]+(?:\.[0-9]+)+(?:[a-z]|[-_+].*)?$`)
)

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
	for len(all) > 1 && languages[all[len(all)-1]] || len(all) > 1 && locale.MatchString(all[len(all)-1]) {
		all = all[:len(all)-1]
	}
	out := all[:0]
	for i := 0; i < len(all); i++ {
		w := built.ReplaceAllString(all[i], "")
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
	return publisher(out)
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
func isVersion(w string) bool { return numbered.MatchString(w) }

// versionOf gives the version that decides: the one in the name where the one reported does not go on from it. Installers count
// builds in their own way ("IntelliJ IDEA 2023.3.2" is 233.13135.103, "OpenVPN 2.6.8-I001" is 2.6.801), and what is published speaks of the name.
func versionOf(name, reported string) string {
	for _, w := range words(name) {
		if w = built.ReplaceAllString(w, ""); !isVersion(w) {
			continue
		}
		w = strings.TrimPrefix(w, "v")
		numbers := strings.TrimRight(numbers.FindString(w), ".")
		if beginsWith(reported, numbers) || beginsWith(numbers, reported) {
			return reported
		}
		return w
	}
	return reported
}

var numbers = regexp.MustCompile(`^[0-9.]+`)

// beginsWith reports whether a version goes on from another, number by number: 19.00.01 from 19.0.
func beginsWith(version, start string) bool {
	a, b := strings.Split(version, "."), strings.Split(start, ".")
	if len(a) < len(b) {
		return false
	}
	for i := range b {
		if strings.TrimLeft(a[i], "0") != strings.TrimLeft(b[i], "0") {
			return false
		}
	}
	return true
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
