package gears

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/posture"
)

func TestPackageURL(t *testing.T) {
	for in, want := range map[string]posture.Application{
		"pkg:deb/debian/openssh@1:9.2p1-2?distro=debian-12":                                       {Name: "openssh", Version: "1:9.2p1-2", Ecosystem: "Debian:12"},
		"pkg:deb/debian/openssh-client@1%3A9.2p1-2%2Bdeb12u3?distro=debian-12.8&upstream=openssh": {Name: "openssh-client", Version: "1:9.2p1-2+deb12u3", Ecosystem: "Debian:12", Source: "openssh"},
		"pkg:deb/debian/bash@5.2?distro=bookworm":                                                 {Name: "bash", Version: "5.2", Ecosystem: "Debian:12"},
		"pkg:deb/debian/bash@5.2?distro=debian-bookworm":                                          {Name: "bash", Version: "5.2", Ecosystem: "Debian:12"},
		"pkg:deb/debian/bash@5.2":                                                                 {Name: "bash", Version: "5.2", Ecosystem: "Debian"},
		"pkg:deb/ubuntu/bash@5.1?distro=ubuntu-22.04":                                             {Name: "bash", Version: "5.1", Ecosystem: "Ubuntu:22.04:LTS"},
		"pkg:deb/ubuntu/bash@5.1?distro=jammy":                                                    {Name: "bash", Version: "5.1", Ecosystem: "Ubuntu:22.04:LTS"},
		"pkg:deb/ubuntu/bash@5.2?distro=ubuntu-23.10":                                             {Name: "bash", Version: "5.2", Ecosystem: "Ubuntu:23.10"},
		"pkg:deb/ubuntu/bash@5.2?distro=ubuntu-25.04":                                             {Name: "bash", Version: "5.2", Ecosystem: "Ubuntu:25.04"},
		"pkg:apk/alpine/musl@1.2.4-r2?distro=alpine-3.18.4":                                       {Name: "musl", Version: "1.2.4-r2", Ecosystem: "Alpine:v3.18"},
		"pkg:apk/alpine/musl@1.2.4-r2":                                                            {Name: "musl", Version: "1.2.4-r2", Ecosystem: "Alpine"},
		"pkg:rpm/almalinux/openssl-libs@3.0.7-24.el9?distro=almalinux-9.3&epoch=1&upstream=openssl-3.0.7-24.el9.src.rpm": {Name: "openssl-libs", Version: "1:3.0.7-24.el9", Ecosystem: "AlmaLinux:9", Source: "openssl"},
		"pkg:rpm/almalinux/nodejs@16.15.0-3.module_el8.6.0%2B2904%2Bfa8be4a8?arch=x86_64&distro=almalinux-8.6&epoch=1&rpmmod=nodejs%3A16%3A8060020220523160029%3Aad008a3a": {
			Name: "nodejs", Version: "1:16.15.0-3.module_el8.6.0+2904+fa8be4a8", Ecosystem: "AlmaLinux:8", Module: "nodejs:16", Arch: "x86_64"},
		"pkg:rpm/almalinux/bash@5?rpmmod=bash":                                                 {Name: "bash", Version: "5", Ecosystem: "AlmaLinux"},
		"pkg:deb/debian/libgcc-s1@12.2.0-14%2Bb1?distro=debian-12&upstream=gcc-12%4012.2.0-14": {Name: "libgcc-s1", Version: "12.2.0-14+b1", Ecosystem: "Debian:12", Source: "gcc-12", SourceVersion: "12.2.0-14"},
		"pkg:deb/debian/zlib1g@1:1.2?distro=debian-12&upstream=zlib%401:1.2&arch=amd64":        {Name: "zlib1g", Version: "1:1.2", Ecosystem: "Debian:12", Source: "zlib", Arch: "amd64"},
		"pkg:rpm/rocky/bash@5.1.8-6.el9?distro=rocky-9.2&epoch=0":                              {Name: "bash", Version: "5.1.8-6.el9", Ecosystem: "Rocky Linux:9"},
		"pkg:rpm/redhat/bash@5.1.8?distro=rhel-9.2":                                            {Name: "bash", Version: "5.1.8", Ecosystem: "Red Hat:enterprise_linux:9"},
		"pkg:rpm/opensuse/bash@5.1?distro=opensuse-leap-15.5":                                  {Name: "bash", Version: "5.1", Ecosystem: "openSUSE:Leap 15.5"},
		"pkg:rpm/opensuse/bash@5.1?distro=opensuse-tumbleweed-20261101":                        {Name: "bash", Version: "5.1", Ecosystem: "openSUSE:Tumbleweed"},
		"pkg:rpm/redhat/bash@5.1.8":                                                            {Name: "bash", Version: "5.1.8", Ecosystem: "Red Hat"},
		"pkg:rpm/suse/bash@4.4?distro=sles-15.5":                                               {Name: "bash", Version: "4.4", Ecosystem: "SUSE:15 SP5"},
		"pkg:rpm/suse/bash@4.4?distro=sles-15":                                                 {Name: "bash", Version: "4.4", Ecosystem: "SUSE:15"},
		"pkg:rpm/fedora/bash@5.2?distro=fedora-41":                                             {Name: "bash", Version: "5.2"},
		"pkg:npm/%40angular/core@18.2.11":                                                      {Name: "@angular/core", Version: "18.2.11", Ecosystem: "npm"},
		"pkg:npm/@angular/core":                                                                {Name: "@angular/core", Ecosystem: "npm"},
		"pkg:PyPI/requests@2.32.3#a/b":                                                         {Name: "requests", Version: "2.32.3", Ecosystem: "PyPI"},
		"pkg:golang/golang.org/x/net@v0.30.0":                                                  {Name: "golang.org/x/net", Version: "v0.30.0", Ecosystem: "Go"},
		"pkg:maven/org.apache.commons/commons-text@1.9?type=jar":                               {Name: "org.apache.commons:commons-text", Version: "1.9", Ecosystem: "Maven"},
		"pkg://cargo/tokio@1.41.0":                                                             {Name: "tokio", Version: "1.41.0", Ecosystem: "crates.io"},
		"pkg:generic/thing@1":                                                                  {Name: "thing", Version: "1"},
		"pkg:npm/a%zz@1":                                                                       {Name: "a%zz", Version: "1", Ecosystem: "npm"},
		"pkg:npm/a%00b%ff@1":                                                                   {Name: "ab\uFFFD", Version: "1", Ecosystem: "npm"},
		"pkg:npm":                                                                              {},
		"pkg:npm/":                                                                             {},
		"pkg:":                                                                                 {},
		"https://example.net/":                                                                 {},
	} {
		var got posture.Application
		fillFromPURL(&got, in)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", in, diff)
		}
	}
}

func TestPackageURLYieldsToWhatIsSaid(t *testing.T) {
	got := posture.Application{Name: "OpenSSH client", Version: "9.2", Ecosystem: "Debian:11", Source: "openssh"}
	want := got
	fillFromPURL(&got, "pkg:deb/debian/openssh-client@1:9.2p1-2?distro=debian-12&upstream=other")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = posture.Application{Name: "Requests for Python"}
	fillFromPURL(&got, "pkg:pypi/requests@2.32.3")
	want = posture.Application{Name: "Requests for Python", Version: "2.32.3", Ecosystem: "PyPI", Source: "requests"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReleaseOfTheMachine(t *testing.T) {
	r, err := decodeReport([]byte(soh(`"os_info":[{"family":"linux","distribution":"Debian:12"}],
		"applications":[{"purl":"pkg:deb/debian/bash@5.2"},{"purl":"pkg:pypi/requests@2"},{"name":"x","package":{"ecosystem":"Debian:11"}}]`)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range r.Applications {
		got = append(got, a.Ecosystem)
	}
	if diff := cmp.Diff([]string{"Debian:12", "PyPI", "Debian:11"}, got); diff != "" {
		t.Error(diff)
	}
}
