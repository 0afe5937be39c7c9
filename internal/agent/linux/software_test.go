package linux

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent/collect"
	"muster/internal/agent/host"
	"muster/internal/agent/host/hosttest"
	"muster/internal/posture"
)

// gathered runs collectors as the agent does.
func gathered(t testing.TB, h *host.Host, collectors ...collect.Collector) *collect.Snapshot {
	t.Helper()
	s := collect.Gather(t.Context(), collectors, nil, h.Now(), slog.New(slog.DiscardHandler))
	if len(s.Failed) > 0 {
		t.Fatalf("failed: %v", s.Failed)
	}
	return s
}

func softwareOf(t *testing.T, recording string) map[string]collect.Fact[[]collect.Application] {
	t.Helper()
	h := hosttest.Load(t, "testdata/"+recording+".txtar")
	return gathered(t, h, softwareCollector(h)).Software
}

func TestSoftware(t *testing.T) {
	for _, c := range []struct {
		recording, source string
		want              []collect.Application
	}{
		{"debian12", "dpkg", []collect.Application{
			{Name: "adduser", Version: "3.134", PURL: "pkg:deb/debian/adduser@3.134?arch=all&distro=debian-12"},
			{Name: "bash", Version: "5.2.15-2+b8", PURL: "pkg:deb/debian/bash@5.2.15-2%2Bb8?arch=amd64&distro=debian-12&upstream=bash%405.2.15-2"},
			{Name: "libgcc-s1", Version: "12.2.0-14+deb12u1", PURL: "pkg:deb/debian/libgcc-s1@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12&upstream=gcc-12"},
			{Name: "waiting", Version: "2.0-1", PURL: "pkg:deb/debian/waiting@2.0-1?arch=all&distro=debian-12"},
			{Name: "zlib1g", Version: "1:1.2.13.dfsg-1", PURL: "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1?arch=amd64&distro=debian-12&upstream=zlib"},
		}},
		{"alma8", "rpm", []collect.Application{
			{Name: "bash", Version: "4.4.20-4.el8_6", PURL: "pkg:rpm/almalinux/bash@4.4.20-4.el8_6?arch=x86_64&distro=almalinux-8.6&upstream=bash-4.4.20-4.el8_6.src.rpm"},
			{Name: "nodejs", Version: "1:16.15.0-3.module_el8.6.0+2904+fa8be4a8", PURL: "pkg:rpm/almalinux/nodejs@16.15.0-3.module_el8.6.0%2B2904%2Bfa8be4a8" +
				"?arch=x86_64&distro=almalinux-8.6&epoch=1&rpmmod=nodejs:16:8060020220523160029:ad008a3a&upstream=nodejs-16.15.0-3.module_el8.6.0%2B2904%2Bfa8be4a8.src.rpm"},
			{Name: "openssl-libs", Version: "1:1.1.1k-6.el8_5", PURL: "pkg:rpm/almalinux/openssl-libs@1.1.1k-6.el8_5?arch=x86_64&distro=almalinux-8.6&epoch=1&upstream=openssl-1.1.1k-6.el8_5.src.rpm"},
		}},
		{"centos7", "rpm", []collect.Application{
			{Name: "dbus", Version: "1:1.10.24-15.el7", PURL: "pkg:rpm/centos/dbus@1.10.24-15.el7?arch=x86_64&distro=centos-7&epoch=1&upstream=dbus-1.10.24-15.el7.src.rpm"},
		}},
		{"alpine", "apk", []collect.Application{
			{Name: "libssl3", Version: "3.1.4-r1", PURL: "pkg:apk/alpine/libssl3@3.1.4-r1?arch=x86_64&distro=alpine-3.18.4&upstream=openssl"},
			{Name: "musl", Version: "1.2.4-r2", PURL: "pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&distro=alpine-3.18.4"},
		}},
		{"bundles", "snap", []collect.Application{
			{Name: "core22", Version: "20240904"}, {Name: "firefox", Version: "133.0-1", Category: posture.Browser},
		}},
		{"bundles", "flatpak", []collect.Application{
			{Name: "com.anydesk.Anydesk", Version: "6.4.0", Category: posture.RemoteControl}, {Name: "org.freedesktop.Platform", Version: "23.08"},
		}},
		{"bundles", "pip", []collect.Application{
			{Name: "Flask_Login", Version: "0.6.3", PURL: "pkg:pypi/flask-login@0.6.3"}, {Name: "old", Version: "0.1", PURL: "pkg:pypi/old@0.1"},
			{Name: "older", Version: "0.0.1", PURL: "pkg:pypi/older@0.0.1"}, {Name: "rogue", Version: "1.0", PURL: "pkg:pypi/rogue@1.0"},
		}},
		{"bundles", "npm", []collect.Application{
			{Name: "@angular/cli", Version: "18.2.11", PURL: "pkg:npm/%40angular/cli@18.2.11"}, {Name: "npm", Version: "10.8.2", PURL: "pkg:npm/npm@10.8.2"},
		}},
	} {
		got := softwareOf(t, c.recording)[c.source]
		if diff := cmp.Diff(collect.Known(c.want), got); diff != "" {
			t.Errorf("%s of %s: %s", c.source, c.recording, diff)
		}
	}
}

// TestSoftwareThatIsNotThere sees that what a machine has not does not apply, and that what it has and cannot be read
// is no empty list.
func TestSoftwareThatIsNotThere(t *testing.T) {
	for source, fact := range softwareOf(t, "centos7") {
		if want := map[bool]collect.State{true: collect.IsKnown, false: collect.NotApplicable}[source == "rpm"]; fact.State != want {
			t.Errorf("%s: %+v", source, fact)
		}
	}
	h := hosttest.Of(t, `
-- denied var/lib/dpkg/status --
-- file var/lib/rpm/rpmdb.sqlite --
-- run exit 1 rpm -qa --qf %{NAME}\t%{EPOCHNUM}\t%{VERSION}-%{RELEASE}\t%{ARCH}\t%{SOURCERPM}\n --
-- file lib/apk/db/installed --
P:`+strings.Repeat("x", 2<<20)+`
`)
	got := gathered(t, h, softwareCollector(h)).Software
	for _, source := range []string{"dpkg", "rpm", "apk"} { // of rpm there is the database, and no program to read it
		if got[source].State != collect.Unreadable || got[source].Why == "" {
			t.Errorf("%s: %v %q", source, got[source].State, got[source].Why)
		}
	}
}

// TestSoftwareIsRemembered sees that nothing is read twice, and that a change of the database is seen.
func TestSoftwareIsRemembered(t *testing.T) {
	files := fstest.MapFS{dpkgStatus: {Data: []byte("Package: a\nStatus: install ok installed\nVersion: 1\n"), ModTime: hosttest.Now}}
	opened := countingFS{MapFS: files, opened: map[string]int{}}
	h := &host.Host{Files: opened, Programs: hosttest.Programs{}, Now: func() time.Time { return hosttest.Now }}
	c := softwareCollector(h)
	names := func() (out []string) {
		for _, a := range gathered(t, h, c).Software["dpkg"].Value {
			out = append(out, a.Name)
		}
		return out
	}
	if first, again := names(), names(); !slices.Equal(first, []string{"a"}) || !slices.Equal(again, first) {
		t.Errorf("%v, then %v", first, again)
	}
	if opened.opened[dpkgStatus] != 1 {
		t.Errorf("read %d times", opened.opened[dpkgStatus])
	}
	files[dpkgStatus] = &fstest.MapFile{Data: []byte("Package: b\nStatus: install ok installed\nVersion: 1\n"), ModTime: hosttest.Now.Add(time.Second)}
	if got := names(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("after the change: %v", got)
	}
}

// TestFailuresAreTriedAgain sees that what could not be read is not tried at every look, and not forgotten either.
func TestFailuresAreTriedAgain(t *testing.T) {
	var r remembered[int]
	tries := 0
	look := func(of string, after time.Duration) {
		r.get(of, hosttest.Now.Add(after), func() collect.Fact[int] { tries++; return collect.CouldNotReadf[int]("broken") })
	}
	for _, step := range []struct {
		of    string
		after time.Duration
		tries int
	}{{"a", 0, 1}, {"a", 5 * time.Minute, 1}, {"b", 6 * time.Minute, 2}, {"b", time.Hour, 2}, {"b", 66 * time.Minute, 3}, {"b", 67 * time.Minute, 3}} {
		if look(step.of, step.after); tries != step.tries {
			t.Errorf("after %v with %s: %d tries, want %d", step.after, step.of, tries, step.tries)
		}
	}
}

type countingFS struct {
	fstest.MapFS
	opened map[string]int
}

func (c countingFS) Open(name string) (fs.File, error) {
	c.opened[name]++
	return c.MapFS.Open(name)
}

// TestGoModules looks into this very test program, which go test builds with the list of its modules.
func TestGoModules(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip("no program to look into:", err)
	}
	h := &host.Host{Files: fstest.MapFS{"usr/local/bin/tool": {Data: self}, "usr/local/bin/script": {Data: []byte("#!/bin/sh\n")},
		"usr/local/bin/cut": {Data: self[:4096]}}}
	apps, err := readGo(t.Context(), h, distribution{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(apps, func(a collect.Application) bool {
		return a.Name == "stdlib" && strings.HasPrefix(a.PURL, "pkg:golang/stdlib@1.")
	}) {
		t.Errorf("no standard library: %v", apps)
	}
	if len(apps) != len(slices.Compact(slices.Clone(apps))) {
		t.Errorf("repeats: %v", apps)
	}
	if got, want := goModule("golang.org/x/net", "v0.30.0").PURL, "pkg:golang/golang.org/x/net@v0.30.0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPackageURLBounds(t *testing.T) {
	if got := packageURL("deb", "debian", strings.Repeat("x", 600), "1"); got != "" {
		t.Errorf("a URL that the server would refuse: %s", got)
	}
	long := strings.Repeat("x", collect.MaxText+1)
	if got := collect.Tidy([]collect.Application{{Name: long}, {Name: "b", Version: long}, {Name: "a"}, {}, {Name: "a"}}); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestDistribution(t *testing.T) {
	for in, want := range map[string][2]string{
		"ID=debian\nVERSION_ID=\"12\"\n":                  {"debian", "debian-12"},
		"ID=\"opensuse-leap\"\nVERSION_ID=\"15.5\"\n":     {"opensuse", "opensuse-leap-15.5"},
		"ID='rhel'\nVERSION_ID='9.2'\n":                   {"redhat", "rhel-9.2"},
		"ID=sles\nVERSION_ID=15.5\n":                      {"suse", "sles-15.5"},
		"# no release\nID=debian\nVERSION_CODENAME=sid\n": {"debian", "debian"},
		"": {"linux", "linux"},
	} {
		d := readDistribution(&host.Host{Files: fstest.MapFS{"etc/os-release": {Data: []byte(in)}}})
		if got := [2]string{d.namespace(), d.qualifier()}; got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// statusOf makes a database of dpkg with so many packages, each as long as one of Debian is.
func statusOf(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "Package: package-%d\nStatus: install ok installed\nSection: libs\nMaintainer: A Team <team@example.net>\nArchitecture: amd64\n"+
			"Source: source-%d (1.%d-1)\nVersion: 1.%d-1+b1\nDepends: %s\nDescription: one of many\n%s\n", i, i/3, i, i,
			strings.Repeat("libc6 (>= 2.36), ", 10), strings.Repeat(" a line of the description that is about as long as lines are\n", 8))
	}
	return b.Bytes()
}

func BenchmarkSoftware(b *testing.B) {
	h := &host.Host{Files: fstest.MapFS{dpkgStatus: {Data: statusOf(2500)}, "etc/os-release": {Data: []byte("ID=debian\nVERSION_ID=12\n")}},
		Programs: hosttest.Programs{}, Now: time.Now}
	b.ReportAllocs()
	for b.Loop() {
		c := softwareCollector(h)
		if n := len(gathered(b, h, c).Software["dpkg"].Value); n != 2500 {
			b.Fatal(n)
		}
	}
}

// BenchmarkSoftwareUnchanged is what a look costs while nothing is installed or removed, on the machine at hand.
func BenchmarkSoftwareUnchanged(b *testing.B) {
	h := host.System()
	collectors := []collect.Collector{softwareCollector(h), updatesCollector(h), firewallCollector(h), antimalwareCollector(h)}
	s := collect.Gather(b.Context(), collectors, nil, h.Now(), slog.New(slog.DiscardHandler))
	for b.Loop() {
		s = collect.Gather(b.Context(), collectors, s, h.Now(), slog.New(slog.DiscardHandler))
	}
}

func FuzzPackageLists(f *testing.F) {
	for _, seed := range []string{
		"Package: a\nStatus: install ok installed\nVersion: 1:2-3\nSource: b (4)\n\nPackage: c\nStatus: deinstall ok config-files\nVersion: 1\n",
		"P:musl\nV:1.2.4-r2\nA:x86_64\no:musl\n\n", "a\t1\t2-3\tx86_64\ta-2-3.src.rpm\t(none)\n", "Name Version Rev\nfirefox 1 2 3\n",
		"org.x.Y\t\tstable\n", "Metadata-Version: 2.1\nName: A_b\nVersion: 1\n\n", `{"name":"@a/b","version":"1"}`,
	} {
		f.Add([]byte(seed))
	}
	d := distribution{id: "debian", version: "12"}
	f.Fuzz(func(t *testing.T, in []byte) {
		var apps []collect.Application
		_ = parseDpkg(bytes.NewReader(in), d, true, func(a collect.Application) error { apps = append(apps, a); return nil }) // any answer will do
		more, _ := parseAPK(bytes.NewReader(in), d)                                                                           // the same
		apps = slices.Concat(apps, more, parseRPM(in, d), parseSnap(in), parseFlatpak(in))
		if a, ok := parsePackageJSON(in); ok {
			apps = append(apps, a)
		}
		name, version := parseMetadata(in)
		apps = append(apps, collect.Application{Name: name, Version: version, PURL: packageURL("pypi", "", pypiName(name), version)})
		for _, a := range collect.Tidy(apps) {
			if a.Name == "" || len(a.PURL) > collect.MaxText || strings.ContainsAny(a.PURL, " \n\x00") {
				t.Errorf("%+v", a)
			}
		}
	})
}
