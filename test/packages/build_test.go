package packages

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"muster/test/proof"
)

// packages are a deb and an rpm of one version.
type packages struct{ deb, rpm string }

// made are the packages that tests share, by version.
var made = map[string]packages{}

// built makes the packages of a version once.
func built(t *testing.T, version string) packages {
	t.Helper()
	if p, ok := made[version]; ok {
		return p
	}
	p := build(t, version, filepath.Join(scratch, version))
	made[version] = p
	return p
}

// build makes the packages of a version for this machine's processor.
func build(t *testing.T, version, out string) packages {
	t.Helper()
	proof.NeedPrograms(t, "make", "git", "dpkg", "rpm")
	tool, _ := filepath.Glob("../../bin/nfpm-v*")
	proof.Need(t, len(tool) > 0, "nfpm (make tools)")
	said, err := exec.CommandContext(t.Context(), "make", "-C", "../..", "packages", "PACKAGES="+out, "VERSION="+version,
		"PACKAGE_ARCHES="+runtime.GOARCH).CombinedOutput()
	if err != nil {
		t.Fatalf("make packages: %v\n%s", err, said)
	}
	one := func(pattern string) string {
		names, err := filepath.Glob(filepath.Join(out, pattern))
		if err != nil || len(names) != 1 {
			t.Fatalf("%s: %v, %v\n%s", pattern, names, err, said)
		}
		return names[0]
	}
	return packages{one("*.deb"), one("*.rpm")}
}

func tell(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestVersion: what git says becomes a version that dpkg and rpm accept, and the order of versions is that of history.
func TestVersion(t *testing.T) {
	proof.NeedPrograms(t, "dpkg", "rpm", "git")
	last := ""
	for _, c := range [][2]string{
		{"v1.2.0-rc.1", "1.2.0~rc.1"},
		{"v1.2.0-rc.1-3-g0123abc", "1.2.0~rc.1+3.g0123abc"},
		{"v1.2.0-rc.2", "1.2.0~rc.2"},
		{"v1.2.0", "1.2.0"},
		{"v1.2.0-5-g0123abc", "1.2.0+5.g0123abc"},
		{"v1.2.0-14-g00aabb0-dirty", "1.2.0+14.g00aabb0.dirty"},
		{"v1.2.1", "1.2.1"},
		{"1.10.0", "1.10.0"},
	} {
		got := strings.TrimSpace(tell(t, "../../packaging/version.sh", c[0]))
		if got != c[1] {
			t.Errorf("%s became %s, want %s", c[0], got, c[1])
		}
		tell(t, "dpkg", "--validate-version", got)
		if last != "" {
			tell(t, "dpkg", "--compare-versions", last, "lt", got)
			if order := strings.TrimSpace(tell(t, "rpm", "--eval", `%{lua: print(rpm.vercmp("`+last+`", "`+got+`"))}`)); order != "-1" {
				t.Errorf("for rpm %s is not before %s: %s", last, got, order)
			}
		}
		last = got
	}
	// Without a tag there is only a hash, which says nothing about order.
	for _, hash := range []string{"7a6a176", "0123456-dirty", "1e10000"} {
		got := strings.TrimSpace(tell(t, "../../packaging/version.sh", hash))
		if !strings.HasPrefix(got, "0.0.0+") || strings.HasPrefix(got, "0.0.0+0.") || !strings.Contains(got, ".g"+hash[:7]) {
			t.Errorf("%s became %s", hash, got)
		}
	}
}

// TestContents: the packages hold what they should, with the rights it should have, and are the same when they are made again.
func TestContents(t *testing.T) {
	p := built(t, "v0.9.1")
	deb, rpm := p.deb, p.rpm
	again := build(t, "v0.9.1", t.TempDir()+"/again")
	tell(t, "cmp", deb, again.deb)
	tell(t, "cmp", rpm, again.rpm)
	control := tell(t, "dpkg-deb", "-I", deb)
	for _, want := range []string{"Package: muster-agent\n", "Version: 0.9.1\n", "postinst", "prerm", "postrm"} {
		if !strings.Contains(control, want) {
			t.Errorf("no %q in\n%s", want, control)
		}
	}
	files := tell(t, "dpkg-deb", "-c", deb)
	for name, rights := range map[string]string{
		"/usr/bin/muster-agent": "-rwxr-xr-x root/root", "/usr/lib/systemd/system/muster-agent.service": "-rw-r--r-- root/root",
		"/usr/share/man/man8/muster-agent.8.gz": "-rw-r--r-- root/root", "/usr/share/doc/muster-agent/copyright": "-rw-r--r-- root/root",
		"/usr/share/doc/muster-agent/settings.example.json": "-rw-r--r-- root/root",
	} {
		if !containsLine(files, rights, "."+name) {
			t.Errorf("no %s %s in\n%s", rights, name, files)
		}
	}
	listed := tell(t, "rpm", "-qplv", rpm)
	for _, name := range []string{
		"/usr/bin/muster-agent", "/usr/lib/systemd/system/muster-agent.service", "/usr/share/man/man8/muster-agent.8.gz",
		"/usr/share/licenses/muster-agent/LICENSE",
	} {
		if !containsLine(listed, "root", name) {
			t.Errorf("no %s in\n%s", name, listed)
		}
	}
	if strings.Contains(files+listed, "/etc/") || strings.Contains(files+listed, "/var/") {
		t.Errorf("settings and state are none of the package's:\n%s%s", files, listed)
	}
	tell(t, "rpm", "-i", "--test", "--nodeps", "--root", t.TempDir(), rpm)
}

func containsLine(text, start, end string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.Contains(line, start) && strings.HasSuffix(line, " "+end) {
			return true
		}
	}
	return false
}
