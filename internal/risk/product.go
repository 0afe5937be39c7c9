package risk

import (
	"net/url"
	"slices"
	"strings"

	"muster/internal/posture"
)

// Product says which installed software is meant. The zero value is any.
type Product struct {
	// Name is that of the application or package, or of the source it was built from, whatever the letter case; * stands
	// for any text.
	Name string
	// Ecosystem is in OSV's spelling; without a release it means all of them. "" is any.
	Ecosystem string
	// Versions are those that are meant, as they are installed; none is any.
	Versions []string
}

// Any reports whether all software is meant.
func (p *Product) Any() bool { return p.Name == "" && p.Ecosystem == "" && len(p.Versions) == 0 }

// Same reports whether two products are told apart by nothing.
func (p *Product) Same(o *Product) bool {
	return strings.EqualFold(p.Name, o.Name) && strings.EqualFold(p.Ecosystem, o.Ecosystem) && slices.Equal(p.Versions, o.Versions)
}

// Means reports whether the product that a finding is about is meant.
func (p *Product) Means(f *posture.Finding) bool {
	if p.Ecosystem != "" && !within(f.Ecosystem, p.Ecosystem) {
		return false
	}
	if len(p.Versions) > 0 && !slices.ContainsFunc(p.Versions, func(v string) bool { return bare(v) == bare(f.Version) }) {
		return false
	}
	if p.Name == "" {
		return true
	}
	pattern := folded(p.Name)
	return like(pattern, folded(f.Product)) || f.Package != "" && like(pattern, folded(f.Package))
}

// bare is a version without an epoch that says nothing.
func bare(version string) string { return strings.TrimPrefix(version, "0:") }

// within reports whether an ecosystem is another one, or a release of it: Debian:12 is within Debian.
func within(ecosystem, wanted string) bool {
	ecosystem, wanted = folded(ecosystem), folded(wanted)
	return ecosystem == wanted || strings.HasPrefix(ecosystem, wanted+":")
}

func folded(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// like compares with a pattern in which * stands for any text. Each part is looked for where it first comes, which finds a
// way if there is one.
func like(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		_, text, ok = strings.Cut(text, part)
		if !ok {
			return false
		}
	}
	return strings.HasSuffix(text, parts[last])
}

// ParseProduct reads a product as people write it: a name, or a package URL. "" is any. Invalid: it cannot be read.
func ParseProduct(text string) (Product, error) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "pkg:") {
		p := Product{Name: text}
		err := checkProduct(&p)
		return p, err
	}
	p, ok := ofPURL(text)
	if !ok {
		return Product{}, errProduct("%q is no package URL of a kind of package that is known", shortened(text))
	}
	err := checkProduct(&p)
	return p, err
}

// ecosystems maps the types of package URLs to OSV's spelling; distributions map the namespaces of theirs.
var (
	ecosystems = map[string]string{
		"pypi": "PyPI", "npm": "npm", "golang": "Go", "maven": "Maven", "nuget": "NuGet", "gem": "RubyGems", "cargo": "crates.io",
		"composer": "Packagist", "hex": "Hex", "pub": "Pub", "cran": "CRAN", "hackage": "Hackage", "swift": "SwiftURL",
		"conan": "ConanCenter", "bitnami": "Bitnami",
	}
	distributions = map[string]string{
		"debian": "Debian", "ubuntu": "Ubuntu", "alpine": "Alpine", "almalinux": "AlmaLinux", "rocky": "Rocky Linux",
		"rockylinux": "Rocky Linux", "redhat": "Red Hat", "suse": "SUSE", "opensuse": "openSUSE", "mageia": "Mageia",
	}
)

// ofPURL reads a package URL: pkg:type/namespace/name@version?qualifiers#subpath.
func ofPURL(text string) (Product, bool) {
	text, _, _ = strings.Cut(strings.TrimLeft(strings.TrimPrefix(text, "pkg:"), "/"), "#")
	text, query, _ := strings.Cut(text, "?")
	qualifiers, err := url.ParseQuery(query)
	if err != nil {
		return Product{}, false
	}
	var p Product
	if at := strings.LastIndexByte(text, '@'); at > strings.LastIndexByte(text, '/') {
		version, err := url.PathUnescape(text[at+1:])
		if err != nil || version == "" {
			return p, false
		}
		if epoch := qualifiers.Get("epoch"); epoch != "" && epoch != "0" {
			version = epoch + ":" + version
		}
		p.Versions, text = []string{version}, text[:at]
	}
	kind, path, ok := strings.Cut(text, "/")
	path, err = url.PathUnescape(strings.Trim(path, "/"))
	if !ok || err != nil {
		return p, false
	}
	kind, namespace := strings.ToLower(kind), ""
	if slash := strings.LastIndexByte(path, '/'); slash >= 0 {
		namespace, path = path[:slash], path[slash+1:]
	}
	p.Name = path
	switch kind {
	case "deb", "rpm", "apk":
		p.Ecosystem = distribution(strings.ToLower(namespace), qualifiers.Get("distro"))
	case "maven":
		p.Name, p.Ecosystem = namespace+":"+path, ecosystems[kind]
	default:
		p.Ecosystem = ecosystems[kind]
		if namespace != "" {
			p.Name = namespace + "/" + path
		}
	}
	return p, path != "" && p.Ecosystem != ""
}

// distribution names a distribution, with its release where the URL tells it as a number.
func distribution(namespace, distro string) string {
	name := distributions[namespace]
	release := distro[strings.LastIndexByte(distro, '-')+1:]
	if name == "" || release == "" || strings.Trim(release, "0123456789.") != "" {
		return name
	}
	major, rest, _ := strings.Cut(release, ".")
	minor, _, _ := strings.Cut(rest, ".")
	switch {
	case namespace == "alpine" && minor != "":
		return name + ":v" + major + "." + minor
	case namespace == "ubuntu":
		return name + ":" + release
	case namespace == "debian" || namespace == "almalinux" || name == "Rocky Linux" || namespace == "mageia":
		return name + ":" + major
	default:
		return name
	}
}
