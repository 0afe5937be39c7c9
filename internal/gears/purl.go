package gears

import (
	"net/url"
	"strings"

	"muster/internal/posture"
)

// purl is a package URL: pkg:type/namespace/name@version?qualifiers#subpath, each part percent-encoded.
type purl struct {
	kind, namespace, name, version string
	qualifiers                     string
}

func parsePURL(s string) (p purl, ok bool) {
	s, ok = strings.CutPrefix(s, "pkg:")
	if !ok {
		return purl{}, false
	}
	s, _, _ = strings.Cut(strings.TrimLeft(s, "/"), "#")
	s, p.qualifiers, _ = strings.Cut(s, "?")
	if at := strings.LastIndexByte(s, '@'); at > strings.LastIndexByte(s, '/') {
		p.version = decodePart(s[at+1:])
		s = s[:at]
	}
	p.kind, s, ok = strings.Cut(s, "/")
	p.kind = strings.ToLower(p.kind)
	s = decodePart(strings.Trim(s, "/"))
	if slash := strings.LastIndexByte(s, '/'); slash >= 0 {
		p.namespace, s = s[:slash], s[slash+1:]
	}
	p.name = s
	return p, ok && p.name != ""
}

// decodePart undoes percent-encoding, and leaves alone what is not validly encoded. What it gives can be stored: valid
// UTF-8 without NUL, which the encoding could hide.
func decodePart(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	if plain, err := url.PathUnescape(s); err == nil {
		return strings.ReplaceAll(strings.ToValidUTF8(plain, "\uFFFD"), "\x00", "")
	}
	return s
}

// qualifier gives one of the key=value pairs, "" if it is not there.
func (p *purl) qualifier(key string) string {
	for pair := range strings.SplitSeq(p.qualifiers, "&") {
		if k, v, _ := strings.Cut(pair, "="); k == key {
			return decodePart(v)
		}
	}
	return ""
}

// fillFromPURL adds what a package URL says to what the agent said in so many words, which counts for more. A text
// that is no package URL says nothing.
func fillFromPURL(app *posture.Application, text string) {
	p, ok := parsePURL(text)
	if !ok {
		return
	}
	known := p.fullName()
	if app.Name == "" {
		app.Name = known
	}
	if app.Version == "" {
		app.Version = p.fullVersion()
	}
	if app.Ecosystem == "" {
		app.Ecosystem = p.ecosystem()
	}
	if app.Source == "" {
		app.Source = p.source()
		app.SourceVersion = p.sourceVersion()
	}
	if app.Source == "" && known != app.Name {
		app.Source = known
	}
	app.Module = p.module()
	app.Arch = p.qualifier("arch")
}

// fullName joins namespace and name as the package's own ecosystem writes them.
func (p *purl) fullName() string {
	if p.namespace == "" {
		return p.name
	}
	switch p.kind {
	case "npm", "golang", "composer", "swift", "github":
		return p.namespace + "/" + p.name
	case "maven":
		return p.namespace + ":" + p.name
	default:
		return p.name
	}
}

// fullVersion adds the epoch of an rpm package, which package URLs hold apart.
func (p *purl) fullVersion() string {
	if epoch := p.qualifier("epoch"); epoch != "" && epoch != "0" && p.version != "" {
		return epoch + ":" + p.version
	}
	return p.version
}

// source gives the source package that a distribution's package was built from, in the way package scanners note it.
func (p *purl) source() string {
	name, _, _ := strings.Cut(p.qualifier("upstream"), "@")
	rest, isRPM := strings.CutSuffix(name, ".src.rpm")
	if !isRPM {
		return name
	}
	for range 2 { // release, version
		if dash := strings.LastIndexByte(rest, '-'); dash > 0 {
			rest = rest[:dash]
		}
	}
	return rest
}

// sourceVersion gives the version of the source package where it differs from that of the package: on Debian, for what is
// built once more without a change (1.2-3+b1), and for packages that count in their own way. The name of a source RPM has
// a version too, but no epoch, so that it could not be compared.
func (p *purl) sourceVersion() string {
	_, version, _ := strings.Cut(p.qualifier("upstream"), "@")
	if p.kind != "deb" || version == p.fullVersion() {
		return ""
	}
	return version
}

// module gives name and stream of a module label, name:stream:version:context.
func (p *purl) module() string {
	name, rest, ok := strings.Cut(p.qualifier("rpmmod"), ":")
	stream, _, _ := strings.Cut(rest, ":")
	if !ok || name == "" || stream == "" {
		return ""
	}
	return name + ":" + stream
}

// ecosystems maps the types of package URLs that stand for one ecosystem each to OSV's spelling.
var ecosystems = map[string]string{
	"pypi": "PyPI", "npm": "npm", "golang": "Go", "maven": "Maven", "nuget": "NuGet", "gem": "RubyGems",
	"cargo": "crates.io", "composer": "Packagist", "hex": "Hex", "pub": "Pub", "cran": "CRAN", "hackage": "Hackage",
	"swift": "SwiftURL", "conan": "ConanCenter", "bitnami": "Bitnami",
}

// codenames are releases that some agents call by their name.
var codenames = map[string]string{
	"buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14",
	"bionic": "18.04", "focal": "20.04", "jammy": "22.04", "noble": "24.04",
}

// ecosystem names the package's ecosystem in OSV's spelling, with the release where the URL has it; "" for one that
// OSV does not know.
func (p *purl) ecosystem() string {
	switch p.kind {
	case "deb", "apk", "rpm":
		return p.distribution()
	default:
		return ecosystems[p.kind]
	}
}

func (p *purl) distribution() string {
	distro, release := p.qualifier("distro"), ""
	if dash := strings.LastIndexByte(distro, '-'); dash >= 0 {
		release = distro[dash+1:]
	} else {
		release = codenames[distro]
	}
	if named, ok := codenames[release]; ok {
		release = named
	}
	major, _, _ := strings.Cut(release, ".")
	switch strings.ToLower(p.namespace) {
	case "debian":
		return withRelease("Debian", major)
	case "ubuntu":
		return withRelease("Ubuntu", ubuntuRelease(release))
	case "alpine":
		return withRelease("Alpine", alpineRelease(release))
	case "almalinux":
		return withRelease("AlmaLinux", major)
	case "rocky", "rockylinux":
		return withRelease("Rocky Linux", major)
	case "redhat", "rhel":
		return redHat(major)
	case "suse", "sles":
		return withRelease("SUSE", servicePack(release))
	case "opensuse":
		return openSUSE(distro, release)
	case "mageia":
		return withRelease("Mageia", major)
	default:
		return ""
	}
}

func withRelease(name, release string) string {
	if release == "" {
		return name
	}
	return name + ":" + release
}

func redHat(major string) string {
	if major == "" {
		return "Red Hat"
	}
	return "Red Hat:enterprise_linux:" + major
}

// servicePack turns 15.5 into 15 SP5.
func servicePack(release string) string {
	major, pack, ok := strings.Cut(release, ".")
	if !ok || pack == "0" {
		return major
	}
	return major + " SP" + pack
}

// ubuntuRelease marks long-term releases, which are those of April in even years.
func ubuntuRelease(release string) string {
	year, month, ok := strings.Cut(release, ".")
	if !ok || month != "04" || year == "" || (year[len(year)-1]-'0')%2 != 0 {
		return release
	}
	return release + ":LTS"
}

// alpineRelease turns 3.18.4 into v3.18.
func alpineRelease(release string) string {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return ""
	}
	return "v" + parts[0] + "." + parts[1]
}

func openSUSE(distro, release string) string {
	switch {
	case strings.Contains(distro, "tumbleweed"):
		return "openSUSE:Tumbleweed"
	case release == "":
		return "openSUSE"
	default:
		return "openSUSE:Leap " + release
	}
}

// settleRelease gives packages that name a distribution without its release the release of the machine they are
// installed on.
func settleRelease(apps []posture.Application, distribution string) {
	name, _, ok := strings.Cut(distribution, ":")
	if !ok {
		return
	}
	for i := range apps {
		if apps[i].Ecosystem == name {
			apps[i].Ecosystem = distribution
		}
	}
}
