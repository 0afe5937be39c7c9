package linux

import (
	"regexp"
	"strings"

	"muster/internal/agent/collect"
)

// debianNames are releases of Debian whose os-release has no number yet.
var debianNames = map[string]string{"bookworm": "12", "trixie": "13", "forky": "14", "duke": "15"}

// ecosystem gives the name under which advisories for the distribution's packages are published, in OSV's spelling. Others
// that are made from the same packages, or nearly, are not taken for it: their fixes come at other times.
func (r release) ecosystem() (string, error) {
	version := r["VERSION_ID"]
	major, minor, _ := strings.Cut(version, ".")
	switch r["ID"] {
	case "debian":
		if version == "" {
			major = debianNames[r["VERSION_CODENAME"]]
		}
		return released("Debian", major)
	case "ubuntu":
		return released("Ubuntu", ubuntuRelease(major, minor))
	case "alpine":
		return released("Alpine", alpineRelease(version))
	case "almalinux":
		return released("AlmaLinux", major)
	case "rocky":
		return released("Rocky Linux", major)
	case "rhel":
		return released("Red Hat", after("enterprise_linux:", major))
	case "sles", "sled", "sles_sap":
		return released("SUSE", servicePack(major, minor))
	case "opensuse-leap":
		return released("openSUSE", after("Leap ", version))
	case "sle-micro", "sl-micro", "suse-microos":
		return released("SUSE", after("Micro ", version))
	case "opensuse-leap-micro":
		return released("openSUSE", after("Leap Micro ", version))
	case "opensuse-tumbleweed":
		return "openSUSE:Tumbleweed", nil
	case "mageia":
		return released("Mageia", major)
	case "openEuler":
		return released("openEuler", openEuler(r["VERSION"]))
	case "azurelinux":
		return released("Azure Linux", major)
	case "wolfi":
		return "Wolfi", nil
	case "chainguard":
		return "Chainguard", nil
	case "minimos":
		return "MinimOS", nil
	}
	return "", collect.NotApplicableError("no advisories are published under the name of this distribution")
}

func released(name, version string) (string, error) {
	if version == "" {
		return name, nil
	}
	return name + ":" + version, nil
}

func after(prefix, version string) string {
	if version == "" {
		return ""
	}
	return prefix + version
}

// ubuntuRelease marks long-term releases, which are those of April in even years.
func ubuntuRelease(year, month string) string {
	if month == "" {
		return year
	}
	if month == "04" && strings.ContainsAny(year[max(len(year)-1, 0):], "02468") {
		return year + ".04:LTS"
	}
	return year + "." + month
}

// alpineRelease turns 3.20.3 and 3.21.0_alpha20240923 into v3.20 and v3.21.
func alpineRelease(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return ""
	}
	return "v" + parts[0] + "." + parts[1]
}

// servicePack turns 15.5 into 15 SP5.
func servicePack(major, pack string) string {
	if pack == "" || pack == "0" {
		return major
	}
	return major + " SP" + pack
}

var openEulerVersion = regexp.MustCompile(`^([0-9.]+) \((LTS(?:-SP[0-9]+)?)\)$`)

// openEuler turns 22.03 (LTS-SP3) into 22.03-LTS-SP3.
func openEuler(version string) string {
	found := openEulerVersion.FindStringSubmatch(version)
	if found == nil {
		return version
	}
	return found[1] + "-" + found[2]
}
