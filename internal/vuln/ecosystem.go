package vuln

import (
	"regexp"
	"slices"
	"strings"

	"muster/internal/posture"
)

// Ecosystems of distributions name their releases in more ways than their packages differ. A space is what is left.

// rpm are the ecosystems with RPM packages.
var rpm = []string{"AlmaLinux", "Red Hat", "Rocky Linux", "SUSE", "openSUSE", "openEuler", "Mageia", "Azure Linux", "MinimOS"}

// byBinary are the ecosystems whose advisories name packages as they are installed; the others name their sources.
var byBinary = []string{"AlmaLinux", "Red Hat"}

func baseOf(ecosystem string) string {
	base, _, _ := strings.Cut(ecosystem, ":")
	return base
}

func isRPM(ecosystem string) bool { return slices.Contains(rpm, baseOf(ecosystem)) }

// suse finds the version in the name of one of SUSE's products: all products and modules of one service pack
// are built from the same packages.
var suse = regexp.MustCompile(`(Micro )?([0-9]+(?:\.[0-9]+)?(?: SP[0-9]+)?)(?:[- ](?:LTSS|ESPOS|LTSS-.*|TERADATA|CLIENT-TOOLS.*))?$`)

// space reduces an ecosystem to what tells its packages from those of others: Ubuntu:22.04:LTS is Ubuntu:22.04, and a fix that
// comes with Ubuntu Pro is a fix for the same packages. The parts of a release of Red Hat have no package in common.
func space(ecosystem string) string {
	base, rest, _ := strings.Cut(ecosystem, ":")
	switch base {
	case "Ubuntu":
		release := strings.TrimSuffix(rest, ":LTS")
		if plain, ok := strings.CutPrefix(release, "Pro:"); ok && !strings.Contains(plain, ":") {
			release = plain
		}
		return join(base, release)
	case "Red Hat":
		if product, _, ok := strings.Cut(rest, "::"); ok {
			rest = product
		}
		return join(base, rest)
	case "SUSE":
		if m := suse.FindStringSubmatch(rest); m != nil {
			return base + ":" + m[1] + m[2]
		}
	}
	return strings.TrimSuffix(ecosystem, ":LTS")
}

func join(base, rest string) string {
	if rest == "" {
		return base
	}
	return base + ":" + rest
}

// withoutRebuild takes off the end of a Debian version that says how often the same source was built: +b1.
func withoutRebuild(version string) string {
	i := strings.LastIndex(version, "+b")
	if i < 0 || len(version) == i+2 || strings.Trim(version[i+2:], "0123456789") != "" {
		return version
	}
	return version[:i]
}

// sourceVersion gives the version of the source that a package was built from, for advisories that name sources.
func sourceVersion(base string, app *posture.Application) string {
	if app.SourceVersion != "" {
		return app.SourceVersion
	}
	return ownVersion(base, app.Version)
}

// ownVersion gives the version of the source as far as that of the package tells it: Debian counts rebuilds at the end.
func ownVersion(base, version string) string {
	if base == "Debian" {
		return withoutRebuild(version)
	}
	return version
}
