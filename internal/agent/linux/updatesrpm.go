package linux

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
)

// dnfIndexes are what dnf, its fifth version and yum fetched; each touches them when it has asked anew.
func dnfIndexes(h *host.Host) []string {
	return slices.Concat(matching(h, "var/cache/dnf/*/repodata/*"), matching(h, "var/cache/libdnf5/*/repodata/*"),
		matching(h, "var/cache/yum/*/*/*/repomd.xml"))
}

func dnfMarks(h *host.Host) []string {
	return slices.Concat(rpmDatabases, dnfIndexes(h), []string{"etc/yum.repos.d", "etc/dnf/dnf.conf", "etc/yum.conf"})
}

// advisories are what dnf and yum fetched that says which updates mend a vulnerability. Not every distribution has it.
func advisories(h *host.Host) []string {
	return slices.Concat(matching(h, "var/cache/dnf/*/repodata/*updateinfo*"), matching(h, "var/cache/libdnf5/*/repodata/*updateinfo*"),
		matching(h, "var/cache/yum/*/*/*/*updateinfo*"), matching(h, "var/cache/yum/*/*/*/gen/*updateinfo*"))
}

// dnfElsewhere has dnf write its logs and locks into a folder of ours: the agent's service may not write where they belong,
// and nobody is to be kept waiting by it.
func dnfElsewhere(h *host.Host, program string) (options []string, remove func(), err error) {
	if program != "dnf" { // yum has no such options
		return nil, func() {}, nil
	}
	cache := "/var/cache/dnf"
	if h.Exists("usr/bin/dnf5") {
		cache = "/var/cache/libdnf5"
	}
	dir, remove, err := h.Scratch(cache)
	return []string{"--setopt=logdir=" + dir, "--setopt=cachedir=" + dir}, remove, err
}

// readDNF asks dnf or yum twice: for all updates, and for those that mend a vulnerability. Both end with 100 where there
// are some, and with an error where nothing was fetched.
func readDNF(ctx context.Context, h *host.Host, program string) (collect.Updates, error) {
	u := collect.Updates{Checked: newest(h, dnfIndexes(h))}
	if u.Checked.State != collect.IsKnown {
		return u, fmt.Errorf("%s has no lists of packages: they were never fetched", program)
	}
	options, remove, err := dnfElsewhere(h, program)
	if err != nil {
		return u, err
	}
	defer remove()
	count := func(more ...string) (int, error) {
		out, err := h.Run(ctx, program, slices.Concat([]string{"-q", "-C"}, options, []string{"check-update"}, more)...)
		var exit *host.ExitError
		if errors.As(err, &exit) && exit.Code == 100 {
			err = nil
		}
		return parseCheckUpdate(out), err
	}
	if u.Pending, err = count(); err != nil || u.Pending == 0 {
		return u, err
	}
	if len(advisories(h)) == 0 {
		return u, fmt.Errorf("%d updates are waiting; no repository says which of them are security updates", u.Pending)
	}
	u.Security, err = count("--security")
	return u, err
}

// parseCheckUpdate counts lines such as `bash.x86_64  5.1.8-9.el9  baseos`, of which yum breaks long ones. What is only
// to be replaced by something else follows at the end, and is no update.
func parseCheckUpdate(out []byte) int {
	count, fields := 0, 0
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
			continue
		case f[0] == "Obsoleting":
			return count
		case line[0] == ' ' || line[0] == '\t':
			if fields == 0 {
				continue
			}
			fields += len(f)
		case strings.Contains(f[0], ".") && len(f) <= 3:
			fields = len(f)
		default:
			fields = 0
		}
		if fields == 3 {
			count++
			fields = 0
		}
	}
	return count
}

func zypperIndexes(h *host.Host) []string {
	return matching(h, "var/cache/zypp/raw/*/repodata/repomd.xml")
}

func zypperMarks(h *host.Host) []string {
	return slices.Concat(rpmDatabases, zypperIndexes(h), []string{"etc/zypp/repos.d", "etc/zypp/locks"})
}

// readZypper asks zypper for packages with updates, and for needed patches of the category security: on these systems
// a patch is what mends something, and has often several packages.
func readZypper(ctx context.Context, h *host.Host) (collect.Updates, error) {
	u := collect.Updates{Checked: newest(h, zypperIndexes(h))}
	if u.Checked.State != collect.IsKnown {
		return u, errors.New("zypper has no lists of packages: they were never fetched")
	}
	// Its lock goes into a folder of ours: the agent's service may not write where it belongs.
	dir, remove, err := h.Scratch("")
	if err != nil {
		return u, err
	}
	defer remove()
	count := func(what ...string) (int, error) {
		out, err := h.Run(ctx, "env", append([]string{"ZYPP_LOCKFILE_ROOT=" + dir, "zypper", "--non-interactive", "--no-refresh", "--xmlout"}, what...)...)
		if err != nil {
			return 0, err
		}
		return parseZypper(out)
	}
	packages, err := count("list-updates")
	if err != nil {
		return u, err
	}
	u.Security, err = count("list-patches", "--category", "security")
	// A patch may need packages that are no updates of others, so that more patches than packages can be waiting.
	u.Pending = max(packages, u.Security)
	return u, err
}

// parseZypper counts the elements `update` of its answer that are needed. Where no repository has patches none is needed,
// and nothing is known.
func parseZypper(out []byte) (int, error) {
	dec := xml.NewDecoder(bytes.NewReader(out))
	dec.Strict = false
	n := 0
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return 0, fmt.Errorf("zypper wrote what cannot be read: %w", err)
		}
		e, ok := tok.(xml.StartElement)
		if !ok || e.Name.Local != "update" && e.Name.Local != "appletinfo" {
			continue
		}
		status := ""
		for _, a := range e.Attr {
			if a.Name.Local == "status" {
				status = a.Value
			}
		}
		switch {
		case e.Name.Local == "appletinfo" && status == "no-update-repositories":
			return 0, errors.New("no repository of zypper's says which updates are security updates")
		case e.Name.Local == "update" && (status == "" || status == "needed"):
			n++
		}
	}
}
