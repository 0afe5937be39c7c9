package linux

import (
	"context"
	"io"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// apkDatabases are where Alpine's list of packages is; version 3 of its package manager moved it.
var apkDatabases = []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"}

func apkMarks(*host.Host) []string { return apkDatabases }

func readAPK(_ context.Context, h *host.Host, d distribution) ([]collect.Application, error) {
	f, err := openRegular(h, apkDatabases[0])
	if err != nil {
		f, err = openRegular(h, apkDatabases[1])
	}
	if err != nil {
		return nil, notHere(err, "there is no database of apk")
	}
	defer f.Close() //nolint:errcheck // it was only read
	return parseAPK(f, d)
}

// parseAPK reads Alpine's database: P is the package, V its version, A the architecture, o the package that it was built
// with.
func parseAPK(r io.Reader, d distribution) ([]collect.Application, error) {
	var apps []collect.Application
	err := stanzas(r, []string{"P", "V", "A", "o"}, func(v map[string]string) error {
		if v["P"] == "" || v["V"] == "" {
			return nil
		}
		if len(apps) > maxPackages {
			return errTooMany
		}
		origin := v["o"]
		if origin == v["P"] {
			origin = ""
		}
		apps = append(apps, collect.Application{
			Name: v["P"], Version: v["V"],
			PURL: packageURL("apk", d.namespace(), v["P"], v["V"], "arch", v["A"], "distro", d.qualifier(), "upstream", origin),
		})
		return nil
	})
	return apps, err
}
