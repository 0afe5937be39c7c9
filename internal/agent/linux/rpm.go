package linux

import (
	"context"
	"errors"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// rpmDatabases are the files of RPM's database, in its formats and places.
var rpmDatabases = []string{
	"var/lib/rpm/Packages", "var/lib/rpm/Packages.db", "var/lib/rpm/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite-wal",
	"usr/lib/sysimage/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db", "usr/lib/sysimage/rpm/rpmdb.sqlite",
	"usr/lib/sysimage/rpm/rpmdb.sqlite-wal", "usr/share/rpm/Packages", "usr/share/rpm/rpmdb.sqlite",
}

func rpmMarks(*host.Host) []string { return rpmDatabases }

const (
	rpmFormat = `%{NAME}\t%{EPOCHNUM}\t%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}`
	rpmModule = `\t%{MODULARITYLABEL}`
)

// readRPM asks rpm: its database has four formats. Without a database it is not run, since it would make one.
func readRPM(ctx context.Context, h *host.Host, d distribution) ([]collect.Application, error) {
	if !anyExists(h, rpmDatabases) {
		return nil, collect.NotApplicableError("there is no database of rpm")
	}
	out, err := h.Run(ctx, "rpm", "-qa", "--qf", rpmFormat+rpmModule+`\n`)
	var exit *host.ExitError
	if errors.As(err, &exit) { // a version that knows no modules
		out, err = h.Run(ctx, "rpm", "-qa", "--qf", rpmFormat+`\n`)
	}
	if err != nil {
		return nil, err
	}
	return parseRPM(out, d), nil
}

// parseRPM reads what rpm lists. `(none)` stands for what a package does not have. Keys that packages are signed with
// are listed as packages, and are none.
func parseRPM(out []byte, d distribution) []collect.Application {
	var apps []collect.Application
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if len(f) < 5 || f[0] == "" || f[0] == "gpg-pubkey" {
			continue
		}
		for i := range f {
			if f[i] == "(none)" {
				f[i] = ""
			}
		}
		epoch, version := f[1], f[2]
		if epoch == "0" {
			epoch = ""
		}
		module := ""
		if len(f) > 5 {
			module = f[5]
		}
		app := collect.Application{Name: f[0], Version: version}
		if epoch != "" {
			app.Version = epoch + ":" + version
		}
		app.PURL = packageURL("rpm", d.namespace(), f[0], version,
			"arch", f[3], "distro", d.qualifier(), "epoch", epoch, "rpmmod", module, "upstream", f[4])
		apps = append(apps, app)
	}
	return apps
}

func anyExists(h *host.Host, names []string) bool {
	for _, name := range names {
		if h.Exists(name) {
			return true
		}
	}
	return false
}
