package linux

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

const (
	dpkgStatus = "var/lib/dpkg/status"
	dpkgParts  = "var/lib/dpkg/status.d" // of images without dpkg itself, a file for each package
)

func dpkgMarks(*host.Host) []string { return []string{dpkgStatus, dpkgParts} }

// readDpkg reads the database of dpkg, without dpkg: a program of its own would cost more than the rest together.
func readDpkg(_ context.Context, h *host.Host, d distribution) ([]collect.Application, error) {
	var apps []collect.Application
	add := func(a collect.Application) error {
		if len(apps) > maxPackages {
			return errTooMany
		}
		apps = append(apps, a)
		return nil
	}
	err := readDpkgFile(h, dpkgStatus, d, true, add)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	parts, bad := fs.ReadDir(h.Files, dpkgParts)
	if err != nil && bad != nil {
		return nil, collect.NotApplicableError("there is no database of dpkg")
	}
	for _, p := range parts {
		if !p.Type().IsRegular() || strings.HasSuffix(p.Name(), ".md5sums") {
			continue
		}
		if err := readDpkgFile(h, dpkgParts+"/"+p.Name(), d, false, add); err != nil {
			return nil, err
		}
	}
	return apps, nil
}

func readDpkgFile(h *host.Host, name string, d distribution, hasStatus bool, add func(collect.Application) error) error {
	f, err := openRegular(h, name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return parseDpkg(f, d, hasStatus, add)
}

// parseDpkg reads entries of dpkg's database. Where it has states, what is not on the disk is left out: removed packages
// of which only the configuration is left, and those that were only once known.
func parseDpkg(r io.Reader, d distribution, hasStatus bool, add func(collect.Application) error) error {
	wanted := []string{"Package", "Status", "Version", "Architecture", "Source"}
	return stanzas(r, wanted, func(v map[string]string) error {
		if v["Package"] == "" || v["Version"] == "" || hasStatus && !onDisk(v["Status"]) {
			return nil
		}
		return add(collect.Application{
			Name: v["Package"], Version: v["Version"],
			PURL: packageURL("deb", d.namespace(), v["Package"], v["Version"],
				"arch", v["Architecture"], "distro", d.qualifier(), "upstream", debianSource(v["Source"], v["Package"], v["Version"])),
		})
	})
}

// onDisk reads the state of a package, `install ok installed`. One whose triggers wait, or whose configuration did not come
// to its end, is there with all its files.
func onDisk(status string) bool {
	words := strings.Fields(status)
	if len(words) != 3 {
		return false
	}
	switch words[2] {
	case "installed", "triggers-awaited", "triggers-pending", "half-configured", "unpacked":
		return true
	default:
		return false
	}
}

// debianSource reads `Source: gcc-12 (12.2.0-14)` and gives gcc-12@12.2.0-14; what is the package's own is left out.
func debianSource(source, name, version string) string {
	from, rest, _ := strings.Cut(source, " ")
	own := strings.Trim(strings.TrimSpace(rest), "()")
	switch {
	case own != "" && own != version:
		return from + "@" + own
	case from == name:
		return ""
	default:
		return from
	}
}

// cutKey splits a line of such a database into its key and its value; one that goes on with the line before has none.
func cutKey(line []byte) (key, value []byte, ok bool) {
	if line[0] == ' ' || line[0] == '\t' {
		return nil, nil, false
	}
	key, value, ok = bytes.Cut(line, []byte(":"))
	return key, bytes.TrimSpace(value), ok
}
