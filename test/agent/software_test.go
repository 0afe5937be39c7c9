package agent

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/internal/agent/collect"
	"muster/test/proof"
)

// TestPackagesAsDpkgSays compares every field of every package.
func TestPackagesAsDpkgSays(t *testing.T) {
	proof.NeedPrograms(t, "dpkg-query")
	release := run(t, "sh", "-c", `. /etc/os-release && echo "$ID $VERSION_ID"`)
	id, version, _ := strings.Cut(strings.TrimSpace(release), " ")
	agree(t, "packages", func() (we, they []string) {
		for _, a := range look(t, "software").Software["dpkg"].Value {
			name, v, q := spelled(t, a.PURL)
			upstream := q.Get("upstream")
			if upstream == "" {
				upstream = a.Name
			}
			source, sourceVersion, ok := strings.Cut(upstream, "@")
			if !ok {
				sourceVersion = a.Version
			}
			if name != "deb/"+id+"/"+a.Name || v != a.Version || q.Get("distro") != id+"-"+version {
				t.Errorf("%s does not say what %s %s says", a.PURL, a.Name, a.Version)
			}
			we = append(we, strings.Join([]string{a.Name, a.Version, q.Get("arch"), source, sourceVersion}, " "))
		}
		const format = "${db:Status-Status} ${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n"
		for _, line := range lines(run(t, "dpkg-query", "-W", "-f", format)) {
			if what, ok := strings.CutPrefix(line, "installed "); ok {
				they = append(they, what)
			}
		}
		return we, they
	})
}

func TestPackagesAsRPMSays(t *testing.T) {
	s := look(t, "software").Software["rpm"]
	var databases []string
	for _, pattern := range []string{"/var/lib/rpm/*", "/usr/lib/sysimage/rpm/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		databases = append(databases, found...)
	}
	if len(databases) == 0 {
		if s.State != collect.NotApplicable {
			t.Errorf("there is no database of rpm, and we say %+v", s)
		}
		return
	}
	proof.NeedPrograms(t, "rpm")
	agree(t, "packages", func() (we, they []string) {
		for _, a := range look(t, "software").Software["rpm"].Value {
			_, v, q := spelled(t, a.PURL)
			we = append(we, strings.Join([]string{a.Name, v, q.Get("arch"), q.Get("upstream")}, " "))
		}
		for _, line := range lines(run(t, "rpm", "-qa", "--qf", "%{NAME} %{VERSION}-%{RELEASE} %{ARCH} %{SOURCERPM}\n")) {
			if !strings.HasPrefix(line, "gpg-pubkey ") {
				they = append(they, line)
			}
		}
		return we, they
	})
}

func TestPackagesAsNPMSays(t *testing.T) {
	// npm is hundreds of packages of Debian: it is compared with where somebody has it, and not installed for this.
	root, err := try("npm", "root", "-g")
	root = strings.TrimSpace(root)
	if err != nil || root != "/usr/lib/node_modules" && root != "/usr/local/lib/node_modules" {
		t.Skipf("there is no npm for the whole machine to ask: %s", root)
	}
	agree(t, "packages", func() (we, they []string) {
		for _, a := range look(t, "software").Software["npm"].Value {
			name, v, _ := spelled(t, a.PURL)
			if name != "npm/"+a.Name || v != a.Version {
				t.Errorf("%s does not say what %s %s says", a.PURL, a.Name, a.Version)
			}
			we = append(we, a.Name+" "+a.Version)
		}
		var list struct {
			Dependencies map[string]struct{ Version string }
		}
		if err := json.Unmarshal([]byte(run(t, "npm", "ls", "-g", "--json", "--depth=0")), &list); err != nil {
			t.Fatal(err)
		}
		for name, p := range list.Dependencies {
			they = append(they, name+" "+p.Version)
		}
		return we, they
	})
}

// TestPackagesAsPythonSays puts a package beside the system's own, as pip writes one, and asks Python itself.
func TestPackagesAsPythonSays(t *testing.T) {
	proof.NeedRoot(t)
	const python = "/usr/bin/python3"
	_, err := os.Stat(python)
	proof.Need(t, err == nil, python)
	minor := strings.TrimSpace(run(t, python, "-I", "-c", `import sys; print("%d.%d" % sys.version_info[:2])`))
	dir := "/usr/local/lib/python" + minor + "/dist-packages"
	_, err = os.Stat(dir)
	proof.Need(t, err == nil, dir)
	own := filepath.Join(dir, "muster_proof-1.2.dist-info")
	t.Cleanup(func() { _ = os.RemoveAll(own) })
	if err := os.Mkdir(own, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(own, "METADATA"), "Metadata-Version: 2.1\nName: muster_proof\nVersion: 1.2\n\nVersion: 9\n")
	write(t, filepath.Join(own, "INSTALLER"), "pip\n")
	agree(t, "packages", func() (we, they []string) {
		for _, a := range look(t, "software").Software["pip"].Value {
			we = append(we, a.Name+" "+a.Version)
		}
		const program = `
import glob
from importlib.metadata import distributions
for path in glob.glob("/usr/local/lib*/python3*/*-packages") + glob.glob("/usr/lib*/python3*/*-packages"):
    for d in distributions(path=[path]):
        if path.startswith("/usr/local/") or (d.read_text("INSTALLER") or "").strip() in ("pip", "uv"):
            print(d.metadata["Name"], d.version)`
		return we, lines(run(t, python, "-I", "-c", program))
	})
}

// TestModulesAsGoSays compares the modules in programs that no package manager brought with those that the go command
// finds.
func TestModulesAsGoSays(t *testing.T) {
	proof.NeedPrograms(t, "go")
	var programs []string
	for _, pattern := range []string{"/usr/local/bin/*", "/usr/local/sbin/*", "/usr/local/go/bin/*", "/opt/*/*", "/opt/*/bin/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if info, err := os.Lstat(f); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				programs = append(programs, f)
			}
		}
	}
	agree(t, "modules", func() (we, they []string) {
		for _, a := range look(t, "software").Software["go"].Value {
			name, v, _ := spelled(t, a.PURL)
			if name != "golang/"+a.Name || v != a.Version {
				t.Errorf("%s does not say what %s %s says", a.PURL, a.Name, a.Version)
			}
			we = append(we, a.Name+" "+a.Version)
		}
		for _, p := range programs {
			if out, err := try("go", "version", "-m", p); err == nil { // others are not written in Go
				they = append(they, goModules(out)...)
			}
		}
		return we, they
	})
}

// goModules reads the answer of `go version -m`.
func goModules(out string) []string {
	var list []string
	for _, line := range lines(out) {
		f := strings.Split(line, "\t")
		switch {
		case len(f) == 1:
			_, version, _ := strings.Cut(f[0], ": go")
			version, _, _ = strings.Cut(version, " ")
			list = append(list, "stdlib "+version)
		case f[1] == "=>": // by a folder, which has no version, or by another module
			list = list[:len(list)-1]
			if len(f) > 3 && f[3] != "" && f[3] != "(devel)" {
				list = append(list, f[2]+" "+f[3])
			}
		case len(f) < 4 || f[3] == "" || f[3] == "(devel)":
		case f[1] == "mod" || f[1] == "dep":
			list = append(list, f[2]+" "+f[3])
		}
	}
	return list
}

// TestInstalledAndRemoved installs a package that this test makes, and removes it.
func TestInstalledAndRemoved(t *testing.T) {
	deb := newDeb(t, "muster-proof", "1:2.0-3")
	has := func() bool {
		for _, a := range look(t, "software").Software["dpkg"].Value {
			if a.Name == "muster-proof" {
				return a.Version == "1:2.0-3"
			}
		}
		return false
	}
	if has() {
		t.Fatal("it is there before it is installed")
	}
	deb.install()
	if !has() {
		t.Error("it is installed, and we do not see it")
	}
	deb.remove()
	if has() {
		t.Error("it is removed, and we still see it")
	}
}

// deb is a package of Debian with nothing in it.
type deb struct {
	t          *testing.T
	name, file string
}

// newDeb makes a package, and sees to it that it does not stay behind.
func newDeb(t *testing.T, name, version string) *deb {
	t.Helper()
	proof.NeedRoot(t)
	proof.NeedPrograms(t, "dpkg", "dpkg-deb")
	if out := run(t, "dpkg-query", "-W", "-f", "${Package}\n"); strings.Contains("\n"+out, "\n"+name+"\n") {
		t.Fatalf("%s is installed on this machine", name)
	}
	root := filepath.Join(t.TempDir(), name)
	if err := os.MkdirAll(filepath.Join(root, "DEBIAN"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "DEBIAN", "control"), fmt.Sprintf(
		"Package: %s\nVersion: %s\nArchitecture: all\nSource: muster-tests (7)\nMaintainer: The tests <nobody@example.net>\nDescription: made by a test\n", name, version))
	d := &deb{t: t, name: name, file: root + ".deb"}
	run(t, "dpkg-deb", "--build", "--root-owner-group", root, d.file)
	return d
}

// install waits for others who are installing something.
func (d *deb) install() {
	d.t.Helper()
	d.t.Cleanup(d.remove)
	d.dpkg("--install", d.file)
}

func (d *deb) remove() { d.dpkg("--purge", d.name) }

func (d *deb) dpkg(args ...string) {
	d.t.Helper()
	var said string
	proof.Eventually(d.t, "dpkg "+strings.Join(args, " "), func() bool {
		out, err := try("dpkg", args...)
		said = out
		return err == nil || !strings.Contains(said, "lock")
	})
	if strings.Contains(said, "dpkg: error") {
		d.t.Fatal(said)
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
