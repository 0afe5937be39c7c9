package linux

import (
	"strings"

	"muster/internal/agent/host"
)

// distribution is what package URLs say of the system.
type distribution struct{ id, version string }

// readDistribution reads os-release. A system without one is called linux, as its documentation says.
func readDistribution(h *host.Host) distribution {
	d := distribution{id: "linux"}
	r, err := machine{h}.release()
	if err != nil {
		return d
	}
	if r["ID"] != "" {
		d.id = strings.ToLower(r["ID"])
	}
	d.version = r["VERSION_ID"]
	return d
}

// qualifier is the value of distro: debian-12, opensuse-leap-15.5, and the id alone of what has no releases.
func (d distribution) qualifier() string {
	if d.version == "" {
		return d.id
	}
	return d.id + "-" + d.version
}

// namespace is the vendor's name in package URLs, where that is not the id.
func (d distribution) namespace() string {
	switch d.id {
	case "rhel":
		return "redhat"
	case "opensuse-leap", "opensuse-tumbleweed":
		return "opensuse"
	case "sles", "sled", "sles_sap":
		return "suse"
	default:
		return d.id
	}
}
