package linux

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
	"runtime"
	"strings"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
	"muster/internal/posture"
)

// system reads the operating system.
func system(h *host.Host) collect.Collector {
	return collect.Collector{Subject: "operating system", Collect: func(_ context.Context, s *collect.Snapshot) error {
		m := machine{h}
		s.OS = collect.OS{Family: posture.Linux, Architecture: collect.Known(m.architecture()), Language: collect.Of(m.language())}
		s.OS.Build = collect.Of(m.line("proc/sys/kernel/osrelease"))
		r, err := m.release()
		if err != nil {
			s.OS.Name, s.OS.Vendor = collect.CouldNotRead[string](err), collect.CouldNotRead[string](err)
			s.OS.Version, s.OS.Distribution = collect.CouldNotRead[string](err), collect.CouldNotRead[string](err)
			return nil
		}
		s.OS.Name = collect.Known(r.name())
		s.OS.Vendor = collect.Known(r.vendor())
		s.OS.Version = collect.Of(m.version(r))
		s.OS.Distribution = collect.Of(r.ecosystem())
		return nil
	}}
}

// release is os-release.
type release map[string]string

func (m machine) release() (release, error) {
	raw, err := m.ReadFile("etc/os-release")
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = m.ReadFile("usr/lib/os-release")
	}
	if err != nil {
		return nil, err
	}
	r := release(parseAssignments(raw))
	for key, value := range r {
		r[key] = strings.ToValidUTF8(value, "\uFFFD")
	}
	return r, nil
}

func (r release) name() string {
	for _, key := range []string{"PRETTY_NAME", "NAME"} {
		if r[key] != "" {
			return r[key]
		}
	}
	return "Linux" // what its documentation says of one without
}

// vendors are those of distributions that do not say it themselves, which few do.
var vendors = map[string]string{
	"debian": "Debian", "ubuntu": "Canonical", "rhel": "Red Hat", "fedora": "Fedora Project", "centos": "CentOS", "almalinux": "AlmaLinux OS Foundation",
	"rocky": "Rocky Enterprise Software Foundation", "ol": "Oracle", "amzn": "Amazon", "sles": "SUSE", "sled": "SUSE", "sles_sap": "SUSE",
	"opensuse-leap": "openSUSE", "opensuse-tumbleweed": "openSUSE", "alpine": "Alpine Linux", "arch": "Arch Linux", "linuxmint": "Linux Mint",
}

func (r release) vendor() string {
	for _, v := range []string{r["VENDOR_NAME"], vendors[r["ID"]], r["NAME"]} {
		if v != "" {
			return v
		}
	}
	return "Linux"
}

// numbered finds the release in /etc/redhat-release and its kind: "CentOS Linux release 7.9.2009 (Core)".
var numbered = regexp.MustCompile(`release ([0-9]+(?:\.[0-9]+)*)`)

// version gives the release with the number of its update, which os-release leaves out in places.
func (m machine) version(r release) (string, error) {
	id := r["VERSION_ID"]
	finer := ""
	switch r["ID"] {
	case "debian":
		finer, _ = m.line("etc/debian_version") // that of os-release will do
	case "ubuntu":
		finer, _, _ = strings.Cut(r["VERSION"], " ")
	case "centos", "rhel", "ol", "almalinux", "rocky":
		text, _ := m.line("etc/redhat-release") // that of os-release will do
		if found := numbered.FindStringSubmatch(text); found != nil {
			finer = found[1]
		}
	}
	if id != "" && strings.HasPrefix(finer, id+".") {
		return finer, nil
	}
	if id == "" {
		return "", collect.NotApplicableError("the distribution has no releases")
	}
	return id, nil
}

// architectures are Go's words for those of the kernel.
var architectures = map[string]string{"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x"}

// architecture is that of the kernel, which tells it since version 6.1; before, that which the agent was built for.
func (m machine) architecture() string {
	text, err := m.line("proc/sys/kernel/arch")
	if a, ok := architectures[text]; ok && err == nil {
		return a
	}
	return runtime.GOARCH
}

// language reads the language that the system was installed in.
func (m machine) language() (string, error) {
	for _, file := range []struct{ name, key string }{
		{"etc/locale.conf", "LANG"}, {"etc/default/locale", "LANG"}, {"etc/sysconfig/language", "RC_LANG"},
	} {
		raw, err := m.ReadFile(file.name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if tag, ok := languageTag(parseAssignments(raw)[file.key]); ok {
			return tag, nil
		}
	}
	return "", collect.NotApplicableError("the system has no language set")
}

// locale is a name of glibc's: language, territory, encoding, modifier.
var locale = regexp.MustCompile(`^([a-z]{2,3})(?:_([A-Z]{2}|[0-9]{3}))?(?:\.[A-Za-z0-9-]+)?(?:@([a-z]+))?$`)

// scripts are the modifiers that name one.
var scripts = map[string]string{"latin": "Latn", "cyrillic": "Cyrl", "devanagari": "Deva", "iqtelif": "Latn"}

// languageTag turns en_GB.UTF-8 into en-GB. C and POSIX are no language.
func languageTag(name string) (string, bool) {
	found := locale.FindStringSubmatch(name)
	if found == nil {
		return "", false
	}
	tag := found[1]
	if script, ok := scripts[found[3]]; ok {
		tag += "-" + script
	}
	if found[2] != "" {
		tag += "-" + found[2]
	}
	return tag, true
}
