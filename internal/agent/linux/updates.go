package linux

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// updater is a package manager that can be asked what is waiting, from what it has fetched before: nothing is fetched.
type updater struct {
	// marks names what changes when something is installed, or the lists are fetched.
	marks func(h *host.Host) []string
	read  func(ctx context.Context, h *host.Host) (collect.Updates, error)
}

// updatesCollector counts the updates that wait. Of a Linux system they have no names of their own beside their packages'.
// It is light as that of software is: who installs what was waiting need not wait an hour for the verdict.
func updatesCollector(h *host.Host) collect.Collector {
	var last remembered[collect.Updates]
	return collect.Collector{Subject: "updates", Light: true, Collect: func(ctx context.Context, s *collect.Snapshot) error {
		s.Patches = collect.DoesNotApply[[]collect.Patch]("updates of a Linux system are those of its packages")
		u, ok := updaterOf(h)
		if !ok {
			s.Updates = collect.CouldNotReadf[collect.Updates]("there is no package manager that can be asked: apt, dnf, yum, zypper or apk")
			return nil
		}
		s.Updates = last.get(fingerprint(h, u.marks(h)), h.Now(), func() collect.Fact[collect.Updates] {
			return collect.Of(u.read(ctx, h))
		})
		return nil
	}}
}

// updaterOf chooses by the database of the distribution, since tools of others may be installed too.
func updaterOf(h *host.Host) (updater, bool) {
	has := func(name string) bool {
		return anyExists(h, []string{"usr/bin/" + name, "bin/" + name, "usr/sbin/" + name, "sbin/" + name})
	}
	switch {
	case h.Exists(dpkgStatus) && has("apt"):
		return updater{aptMarks, readApt}, true
	case anyExists(h, rpmDatabases) && has("zypper"):
		return updater{zypperMarks, readZypper}, true
	case anyExists(h, rpmDatabases) && has("dnf"):
		return updater{dnfMarks, func(ctx context.Context, h *host.Host) (collect.Updates, error) { return readDNF(ctx, h, "dnf") }}, true
	case anyExists(h, rpmDatabases) && has("yum"):
		return updater{dnfMarks, func(ctx context.Context, h *host.Host) (collect.Updates, error) { return readDNF(ctx, h, "yum") }}, true
	case anyExists(h, apkDatabases) && has("apk"):
		return updater{apkUpdateMarks, readAPKUpdates}, true
	default:
		return updater{}, false
	}
}

// newest gives when the newest of some files was written; 'could not be read' where there is none.
func newest(h *host.Host, names []string) collect.Fact[time.Time] {
	var last time.Time
	for _, name := range names {
		if info, err := fs.Stat(h.Files, name); err == nil {
			last = later(last, info.ModTime().UTC())
		}
	}
	if last.IsZero() {
		return collect.CouldNotReadf[time.Time]("nothing tells when the lists of updates were fetched")
	}
	return collect.Known(last.Truncate(time.Second))
}

// matching lists files by a pattern, at most so many.
func matching(h *host.Host, pattern string) []string {
	names, err := fs.Glob(h.Files, pattern)
	if err != nil {
		return nil
	}
	return names[:min(len(names), 1000)]
}

const aptLists = "var/lib/apt/lists"

func aptMarks(*host.Host) []string {
	return []string{
		dpkgStatus, aptLists, "var/lib/apt/extended_states", "var/lib/apt/periodic/update-success-stamp",
		"etc/apt/sources.list", "etc/apt/sources.list.d", "etc/apt/preferences", "etc/apt/preferences.d",
	}
}

// readApt asks apt. When the lists were fetched the stamp of a success tells, where the system keeps one, and else the
// folder of the lists, which changes with each that was new: it may be older than the last question, never younger.
func readApt(ctx context.Context, h *host.Host) (collect.Updates, error) {
	if len(matching(h, aptLists+"/*Release")) == 0 {
		return collect.Updates{}, errors.New("apt has no lists of packages: they were never fetched")
	}
	out, err := h.Run(ctx, "apt", "-o", "Debug::NoLocking=1", "list", "--upgradable")
	if err != nil {
		return collect.Updates{}, err
	}
	u := collect.Updates{Checked: newest(h, []string{"var/lib/apt/periodic/update-success-stamp", aptLists})}
	var others []string
	for _, p := range parseAptList(out) {
		u.Pending++
		if p.security {
			u.Security++
		} else {
			others = append(others, p.name)
		}
	}
	for some := range slices.Chunk(others, 500) {
		out, err := h.Run(ctx, "apt-cache", append([]string{"policy"}, some...)...)
		if err != nil {
			return collect.Updates{}, err
		}
		u.Security += parseAptPolicy(out)
	}
	return u, nil
}

type aptUpdate struct {
	name     string // with its architecture
	security bool
}

// parseAptList reads `libssl3/stable-security,stable 3.0.16-1 amd64 [upgradable from: 3.0.15-1]`. Those that are held
// back are among them: they are not installed.
func parseAptList(out []byte) []aptUpdate {
	var list []aptUpdate
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != "[upgradable" {
			continue
		}
		name, suites, ok := strings.Cut(f[0], "/")
		if !ok || name == "" || strings.HasPrefix(name, "-") {
			continue
		}
		u := aptUpdate{name: name}
		if f[2] != "all" {
			u.name += ":" + f[2]
		}
		for suite := range strings.SplitSeq(suites, ",") {
			u.security = u.security || isSecurity(suite)
		}
		list = append(list, u)
	}
	return list
}

func isSecurity(suite string) bool { return strings.HasSuffix(suite, "-security") }

// parseAptPolicy counts packages of which a version above the installed one came from an archive of security updates,
// although the newest did not: what that mended waits as well.
func parseAptPolicy(out []byte) int {
	count := 0
	above, counted := false, false
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\r\n")
		f := strings.Fields(line)
		switch {
		case line == "" || len(f) == 0:
		case line[0] != ' ': // the next package
			above, counted = false, false
		case f[0] == "Version":
			above = true
		case f[0] == "***":
			above = false
		case above && !counted && len(f) >= 3 && strings.HasPrefix(line, "        "):
			suite, _, _ := strings.Cut(f[2], "/")
			if isSecurity(suite) {
				count++
				counted = true
			}
		}
	}
	return count
}

func apkUpdateMarks(h *host.Host) []string {
	return slices.Concat(apkDatabases, matching(h, "var/cache/apk/APKINDEX.*"), []string{"etc/apk/repositories"})
}

// readAPKUpdates asks apk, which does not say which of the updates mend a vulnerability: it is known only of none.
func readAPKUpdates(ctx context.Context, h *host.Host) (collect.Updates, error) {
	indexes := matching(h, "var/cache/apk/APKINDEX.*")
	if len(indexes) == 0 {
		return collect.Updates{}, errors.New("apk has no index of packages: it was never fetched")
	}
	out, err := h.Run(ctx, "apk", "--no-network", "version", "-l", "<")
	if err != nil {
		return collect.Updates{}, err
	}
	if n := parseAPKVersions(out); n > 0 {
		return collect.Updates{}, fmt.Errorf("%d updates are waiting; apk does not say which of them are security updates", n)
	}
	return collect.Updates{Checked: newest(h, indexes)}, nil
}

// parseAPKVersions counts lines such as `musl-1.2.4-r1  < 1.2.4-r2`.
func parseAPKVersions(out []byte) int {
	n := 0
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 3 && f[1] == "<" {
			n++
		}
	}
	return n
}
