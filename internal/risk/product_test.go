package risk_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/errs"
	"muster/internal/posture"
	"muster/internal/risk"
)

func TestParseProduct(t *testing.T) {
	for text, want := range map[string]risk.Product{
		"":                                {},
		" OpenSSL ":                       {Name: "OpenSSL"},
		"Mozilla Firefox*":                {Name: "Mozilla Firefox*"},
		"pkg:npm/%40angular/core@1.2.3":   {Name: "@angular/core", Ecosystem: "npm", Versions: []string{"1.2.3"}},
		"pkg:golang/example.com/a/b@v1.0": {Name: "example.com/a/b", Ecosystem: "Go", Versions: []string{"v1.0"}},
		"pkg:maven/org.example/lib":       {Name: "org.example:lib", Ecosystem: "Maven"},
		"pkg:pypi/django#sub":             {Name: "django", Ecosystem: "PyPI"},
		"pkg:rpm/almalinux/openssl@1.1.1k-7.el8?arch=x86_64&epoch=1&distro=almalinux-8.9": {
			Name: "openssl", Ecosystem: "AlmaLinux:8", Versions: []string{"1:1.1.1k-7.el8"}},
		"pkg:rpm/almalinux/curl?distro=el8":         {Name: "curl", Ecosystem: "AlmaLinux"},
		"pkg:deb/debian/curl@7.88?distro=debian-12": {Name: "curl", Ecosystem: "Debian:12", Versions: []string{"7.88"}},
		"pkg:deb/debian/curl?distro=bookworm":       {Name: "curl", Ecosystem: "Debian"},
		"pkg:deb/ubuntu/curl?distro=ubuntu-22.04":   {Name: "curl", Ecosystem: "Ubuntu:22.04"},
		"pkg:apk/alpine/curl?distro=alpine-3.18.4":  {Name: "curl", Ecosystem: "Alpine:v3.18"},
		"pkg:rpm/rocky/curl?distro=rocky-9.3":       {Name: "curl", Ecosystem: "Rocky Linux:9"},
		"pkg:rpm/redhat/curl?distro=rhel-9":         {Name: "curl", Ecosystem: "Red Hat"},
	} {
		got, err := risk.ParseProduct(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %s, %v", text, diff, err)
		}
	}
	for _, text := range []string{
		"*", "* *", "a\nb", "a\u202eb", "\xff", strings.Repeat("x", 513), "pkg:", "pkg:npm", "pkg:npm/", "pkg:unknown/x", "pkg:rpm/nobody/x",
		"pkg:npm/x@", "pkg:npm/%zz", "pkg:npm/x?a=%zz", "https://example.com/a", "cpe:2.3:a:x:y:1", "pkg:npm/a%0ab", "pkg:npm/x@%0a",
	} {
		got, err := risk.ParseProduct(text)
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("%q is read as %+v, %v", text, got, err)
		}
	}
}

func FuzzParseProduct(f *testing.F) {
	for _, text := range []string{"OpenSSL", "pkg:npm/%40a/b@1?x=y#z", "pkg:rpm/almalinux/a@1?epoch=1&distro=almalinux-8", "a*b*c"} {
		f.Add(text, "a-b-c")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := risk.ParseProduct(text)
		if err != nil {
			return
		}
		p.Means(&posture.Finding{Product: name, Ecosystem: "npm", Version: "1"})
		if p.Name != "" && !strings.Contains(p.Name, "*") {
			own := posture.Finding{Product: p.Name, Ecosystem: p.Ecosystem}
			if len(p.Versions) > 0 {
				own.Version = p.Versions[0]
			}
			if !p.Means(&own) {
				t.Errorf("%+v does not mean itself", p)
			}
		}
	})
}

func TestMeans(t *testing.T) {
	f := posture.Finding{Product: "openssl", Package: "openssl-libs", Ecosystem: "AlmaLinux:8", Version: "1:1.1.1k-7.el8"}
	for _, c := range []struct {
		p    risk.Product
		want bool
	}{
		{risk.Product{}, true},
		{risk.Product{Name: "OpenSSL"}, true},
		{risk.Product{Name: "openssl-libs"}, true},
		{risk.Product{Name: "openssl-"}, false},
		{risk.Product{Name: "*ssl"}, true},
		{risk.Product{Name: "open*l*s"}, true},
		{risk.Product{Name: "open*libs*ssl"}, false},
		{risk.Product{Name: "openssl*openssl"}, false},
		{risk.Product{Name: "openssl", Ecosystem: "AlmaLinux"}, true},
		{risk.Product{Name: "openssl", Ecosystem: "almalinux:8"}, true},
		{risk.Product{Name: "openssl", Ecosystem: "AlmaLinux:9"}, false},
		{risk.Product{Name: "openssl", Ecosystem: "Alma"}, false},
		{risk.Product{Name: "openssl", Versions: []string{"1:1.1.1k-7.el8"}}, true},
		{risk.Product{Name: "openssl", Versions: []string{"1.1.1k-7.el8", "2"}}, false},
	} {
		if got := c.p.Means(&f); got != c.want {
			t.Errorf("%+v: %v", c.p, got)
		}
	}
	bare := posture.Finding{Product: "x", Version: "0:1-1"}
	if p := (risk.Product{Name: "x", Versions: []string{"1-1"}}); !p.Means(&bare) {
		t.Error("an epoch of 0 tells versions apart")
	}
}

func TestVulnerabilityID(t *testing.T) {
	for text, want := range map[string]string{
		"CVE-2024-1234": "CVE-2024-1234", " cve-2024-12345 ": "CVE-2024-12345", "ALSA-2024:1234": "ALSA-2024:1234",
		"GHSA-aaaa-bbbb-cccc": "GHSA-aaaa-bbbb-cccc", "DSA-5432-1": "DSA-5432-1",
	} {
		got, err := risk.VulnerabilityID(text)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "CVE", "CVE-", "CVE-1-2", "CVE-2024-123", "CVE-2024-1234x", "CVE-2024-1234 OR 1=1", "cve-٢٠٢٤-1234", "openssl", "-x", "a--b", "a b-c",
		"A-\x00", "A-\n1", "X-" + strings.Repeat("1", 200), "CVE-2024-12345678901234567890",
	} {
		if got, err := risk.VulnerabilityID(text); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q is read as %q, %v", text, got, err)
		}
	}
}
