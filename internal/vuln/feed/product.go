package feed

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Families of operating systems, as ecosystems end in them.
const (
	windows = "windows"
	mac     = "mac"
	linux   = "linux"
	ios     = "ios"
	android = "android"
)

// placeholder is what stands where a vendor or product is not told.
var placeholder = regexp.MustCompile(`(?i)^\W*$|^(?:n/?a|n\\a|unknown|unspecified|none|not applicable|various|multiple(?: vendors| products)?|vendor|product|tbd|see (?:the )?(?:references?|advisory)|-|\*)$`)

func cleaned(s string) string {
	s = strings.TrimSpace(s)
	if placeholder.MatchString(s) {
		return ""
	}
	return s
}

// plain is a name reduced to its letters and digits, to tell whether two spell the same.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '+' || r == '#' {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// Operating systems by the names that their makers give them.
var (
	windowsName = regexp.MustCompile(`(?i)^(?:microsoft )?windows(?: |_)?(?:nt|xp|vista|rt|\d[\w.]*|server(?: |_)?\d{4}|server,? version|version)\b`)
	macName     = regexp.MustCompile(`(?i)^(?:apple )?(?:mac ?os(?: x)?|os x)(?: server| big sur| monterey| ventura| sonoma| sequoia| tahoe| catalina| mojave| high sierra)?$`)
	iosName     = regexp.MustCompile(`(?i)^(?:apple )?(?:ios|ipad ?os|iphone os|ios and ipados|ios & ipados|ipados and ios)$`)
	otherApple  = regexp.MustCompile(`(?i)^(?:apple )?(?:watch|tv|vision|bridge|audio) ?os$`)
)

// system gives the family, if a product is an operating system that machines report.
func system(vendor, product string) (family string, ok bool) {
	switch vendor := plain(vendor); {
	case strings.HasPrefix(vendor, "microsoft"):
		return windows, windowsName.MatchString(words(product))
	case strings.HasPrefix(vendor, "apple"):
		product = words(product)
		if iosName.MatchString(product) {
			return ios, true
		}
		return mac, macName.MatchString(product)
	case strings.HasPrefix(vendor, "google"):
		return android, plain(product) == "android"
	default:
		return "", false
	}
}

// elsewhere reports whether a product is an operating system of devices that no agent runs on.
func elsewhere(vendor, product string) bool {
	return strings.HasPrefix(plain(vendor), "apple") && otherApple.MatchString(words(product))
}

// Names of systems in the words of publishers.
var (
	saysWindows = regexp.MustCompile(`(?i)\bwindows\b`)
	saysMac     = regexp.MustCompile(`(?i)\b(?:mac ?os(?: ?x)?|os ?x|mac)\b`)
	saysLinux   = regexp.MustCompile(`(?i)\blinux\b`)
	saysAndroid = regexp.MustCompile(`(?i)\bandroid\b`)
	saysIOS     = regexp.MustCompile(`(?i)^(?:apple )?(?:ios|ipad ?os|iphone(?: os)?|ipad)$`)
	processors  = regexp.MustCompile(`(?i)^(?:32-bit|x64-based|arm64-based) systems$`)

	// madeFor is the end of the name of a program that is made for several systems.
	madeFor = regexp.MustCompile(`(?i)^(.+?)[ ,]+(?:\(?for )(?:microsoft |apple )?(windows|mac ?os(?: x)?|os x|mac|linux|android|ios|ipad ?os)\)?(?: desktop)?$`)
)

// glued is such a name written as one word: FortiClientWindows.
var glued = regexp.MustCompile(`^(\w{3,}[a-z])(Windows|MacOS|Mac|Linux|Android|iOS)$`)

// forSystem takes apart a product that is named for a system. Both are "" for any other.
func forSystem(product string) (name, system string) {
	for _, form := range []*regexp.Regexp{madeFor, glued} {
		if m := form.FindStringSubmatch(product); m != nil {
			return m[1], m[2]
		}
	}
	return "", ""
}

// families lists for which systems a program is made, none where nothing is told or it is made for all of them.
func families(vendor, product string, platforms []string, names []cpe) []string {
	var out []string
	add := func(family string) {
		if family != "" && !slices.Contains(out, family) {
			out = append(out, family)
		}
	}
	for _, p := range platforms {
		for _, f := range platformFamilies(vendor, p) {
			add(f)
		}
	}
	if _, system := forSystem(product); system != "" && len(out) == 0 {
		add(familyNamed(system))
	}
	if len(out) == 0 {
		for i := range names {
			add(names[i].family())
		}
	}
	if len(out) == 0 && strings.HasPrefix(plain(vendor), "apple") {
		add(mac)
	}
	if slices.Contains(out, windows) && slices.Contains(out, mac) && slices.Contains(out, linux) {
		return nil
	}
	return out
}

func platformFamilies(vendor, platform string) []string {
	var out []string
	platform = strings.TrimSpace(platform)
	for _, p := range []struct {
		says   *regexp.Regexp
		family string
	}{{saysWindows, windows}, {saysMac, mac}, {saysLinux, linux}, {saysAndroid, android}, {saysIOS, ios}} {
		if p.says.MatchString(platform) {
			out = append(out, p.family)
		}
	}
	if strings.HasPrefix(plain(vendor), "microsoft") && processors.MatchString(platform) {
		out = append(out, windows)
	}
	return out
}

func familyNamed(s string) string {
	s = strings.ReplaceAll(strings.ToLower(s), " ", "")
	switch {
	case s == "windows", s == "linux", s == "android":
		return s
	case strings.HasPrefix(s, "ios"), strings.HasPrefix(s, "ipad"):
		return ios
	default:
		return mac
	}
}

// hosts are the places that packages of an ecosystem come from.
var hosts = map[string]string{
	"pypi.org": "PyPI", "pypi.python.org": "PyPI", "npmjs.com": "npm", "npmjs.org": "npm", "registry.npmjs.org": "npm",
	"repo.maven.apache.org": "Maven", "repo1.maven.org": "Maven", "central.sonatype.com": "Maven", "search.maven.org": "Maven", "mvnrepository.com": "Maven",
	"pkg.go.dev": "Go", "rubygems.org": "RubyGems", "crates.io": "crates.io", "nuget.org": "NuGet", "packagist.org": "Packagist", "hex.pm": "Hex", "pub.dev": "Pub",
}

// packageTypes are the ecosystems of package URLs.
var packageTypes = map[string]string{
	"pypi": "PyPI", "npm": "npm", "maven": "Maven", "golang": "Go", "gem": "RubyGems", "cargo": "crates.io", "nuget": "NuGet", "composer": "Packagist",
	"hex": "Hex", "pub": "Pub",
}
