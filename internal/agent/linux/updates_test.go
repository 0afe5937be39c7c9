package linux

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/internal/agent/collect"
	"muster/internal/agent/host/hosttest"
)

func TestUpdates(t *testing.T) {
	checked := collect.Known(hosttest.Now.Add(-time.Hour))
	for recording, want := range map[string]collect.Updates{
		"updates-debian12": {Pending: 5, Security: 3, Checked: checked},
		"updates-fedora":   {Pending: 3, Security: 1, Checked: checked},
		"updates-leap":     {Pending: 2, Security: 1, Checked: checked},
		"updates-alpine":   {Checked: checked},
	} {
		h := hosttest.Load(t, "testdata/"+recording+".txtar")
		s := gathered(t, h, updatesCollector(h))
		if diff := cmp.Diff(collect.Known(want), s.Updates); diff != "" {
			t.Errorf("%s: %s", recording, diff)
		}
		if s.Patches.State != collect.NotApplicable {
			t.Errorf("%s: %+v", recording, s.Patches)
		}
	}
}

// TestUpdatesThatNobodyKnows: lists that were never fetched are not the same as nothing waiting.
func TestUpdatesThatNobodyKnows(t *testing.T) {
	for what, recording := range map[string]string{
		"no package manager": "-- file etc/os-release --\nID=linux\n",
		"apt without lists":  "-- file usr/bin/apt --\n-- file var/lib/dpkg/status --\n-- file var/lib/apt/lists/lock --\n-- run apt -o Debug::NoLocking=1 list --upgradable --\nListing...\n",
		"apt that fails":     "-- file usr/bin/apt --\n-- file var/lib/dpkg/status --\n-- file var/lib/apt/lists/x_InRelease --\n-- run exit 100 apt -o Debug::NoLocking=1 list --upgradable --\n",
		"dnf without lists":  "-- file usr/bin/dnf --\n-- file var/lib/rpm/rpmdb.sqlite --\n-- run dnf -q -C --setopt=logdir=/scratch --setopt=cachedir=/scratch check-update --\n-- run dnf -q -C --setopt=logdir=/scratch --setopt=cachedir=/scratch check-update --security --\n",
		"dnf that fails":     "-- file usr/bin/dnf --\n-- file var/lib/rpm/rpmdb.sqlite --\n-- file var/cache/dnf/fedora-1/repodata/repomd.xml --\n-- run exit 1 dnf -q -C --setopt=logdir=/scratch --setopt=cachedir=/scratch check-update --\n",
		"dnf without advisories": "-- file usr/bin/dnf --\n-- file var/lib/rpm/rpmdb.sqlite --\n-- file var/cache/dnf/p-93ef0015ed0ae167/repodata/repomd.xml --\n" +
			"-- run exit 100 dnf -q -C --setopt=logdir=/scratch --setopt=cachedir=/scratch check-update --\n\nproofpkg.x86_64                            2.0.0-1                             p\n" +
			"-- run dnf -q -C --setopt=logdir=/scratch --setopt=cachedir=/scratch check-update --security --\n",
		"zypper without patches": "-- file usr/bin/zypper --\n-- file var/lib/rpm/rpmdb.sqlite --\n-- file var/cache/zypp/raw/p/repodata/repomd.xml --\n" +
			"-- run env ZYPP_LOCKFILE_ROOT=/scratch zypper --non-interactive --no-refresh --xmlout list-updates --\n" +
			"<stream><update-status version=\"0.6\"><update-list><update kind=\"package\" name=\"proofpkg\"/></update-list></update-status></stream>\n" +
			"-- run env ZYPP_LOCKFILE_ROOT=/scratch zypper --non-interactive --no-refresh --xmlout list-patches --category security --\n" +
			"<stream><update-status version=\"0.6\"><update-list><appletinfo status=\"no-update-repositories\"/></update-list></update-status></stream>\n",
		"zypper without lists":   "-- file usr/bin/zypper --\n-- file var/lib/rpm/rpmdb.sqlite --\n",
		"apk without an index":   "-- file sbin/apk --\n-- file lib/apk/db/installed --\n-- run apk --no-network version -l < --\n",
		"apk with updates":       "-- file sbin/apk --\n-- file lib/apk/db/installed --\n-- file var/cache/apk/APKINDEX.1.tar.gz --\n-- run apk --no-network version -l < --\nmusl-1.2.4-r1 < 1.2.4-r2\n",
		"an answer of no format": "-- file usr/bin/zypper --\n-- file var/lib/rpm/rpmdb.sqlite --\n-- file var/cache/zypp/raw/a/repodata/repomd.xml --\n-- run env ZYPP_LOCKFILE_ROOT=/scratch zypper --non-interactive --no-refresh --xmlout list-updates --\n<stream><update\n",
	} {
		h := hosttest.Of(t, recording)
		if f := gathered(t, h, updatesCollector(h)).Updates; f.State != collect.Unreadable || f.Why == "" {
			t.Errorf("%s: %+v", what, f)
		}
	}
}

func TestCheckUpdate(t *testing.T) {
	for in, want := range map[string]int{
		"": 0,
		"\nbash.x86_64    5.1.8-9.el9    baseos\n":                                                                       1,
		"a-very-long-name-of-a-package.noarch\n                 1.2-3.el7       updates\nbash.x86_64 1-1 base\n":         2,
		"bash.x86_64 1-1 base\nObsoleting Packages\nnew.noarch 1-1 base\n    old.noarch 0-1 @base\n":                     1,
		"Last metadata expiration check: 0:01:02 ago on Mon.\nSecurity: kernel-core-5 is an installed security update\n": 0,
	} {
		if got := parseCheckUpdate([]byte(in)); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
}

func FuzzUpdates(f *testing.F) {
	f.Add([]byte("Listing...\nlibssl3/stable-security,stable 3.0.16-1 amd64 [upgradable from: 3.0.15-1]\n"))
	f.Add([]byte("a:\n  Installed: 1\n  Version table:\n     2 500\n        500 http://x stable-security/main amd64 Packages\n *** 1 100\n"))
	f.Add([]byte("bash.x86_64 1-1 base\n   x\nmusl-1 < 2\n"))
	f.Add([]byte(`<stream><update-list><update kind="patch" status="needed"/></update-list></stream>`))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, u := range parseAptList(in) {
			if u.name == "" || u.name[0] == '-' {
				t.Errorf("%+v would be an option of apt-cache", u)
			}
		}
		parseAptPolicy(in)
		parseCheckUpdate(in)
		parseAPKVersions(in)
		_, _ = parseZypper(in)
	})
}

// TestAptPolicy: what mended a vulnerability waits even where something newer has come since. The text is of the form
// that testdata/updates-debian12.txtar has recorded.
func TestAptPolicy(t *testing.T) {
	const out = `curl:
  Installed: 7.88.1-10+deb12u5
  Candidate: 7.88.1-10+deb12u8
  Version table:
     7.88.1-10+deb12u8 500
        500 http://debian.example.net/debian bookworm/main amd64 Packages
     7.88.1-10+deb12u7 500
        500 http://debian.example.net/debian-security bookworm-security/main amd64 Packages
        500 http://mirror.example.net/debian-security bookworm-security/main amd64 Packages
 *** 7.88.1-10+deb12u5 100
        100 /var/lib/dpkg/status
wget:
  Installed: 1.21.3-1+deb12u1
  Candidate: 1.21.3-1+deb12u2
  Version table:
     1.21.3-1+deb12u2 500
        500 http://debian.example.net/debian bookworm/main amd64 Packages
 *** 1.21.3-1+deb12u1 500
        500 http://debian.example.net/debian-security bookworm-security/main amd64 Packages
        100 /var/lib/dpkg/status
     1.21.3-1 500
        500 http://debian.example.net/debian-security bookworm-security/main amd64 Packages
`
	if n := parseAptPolicy([]byte(out)); n != 1 {
		t.Errorf("%d, want curl alone", n)
	}
}
