package vuln

import (
	"strings"
	"testing"
)

func TestProductNames(t *testing.T) {
	for _, tc := range []struct{ name, version, want string }{
		{"Mozilla Firefox (x64 en-US)", "115.0.2", "mozilla firefox"},
		{"Mozilla Firefox 115.0.2 (x64 de)", "115.0.2", "mozilla firefox"},
		{"Firefox 115", "115.0.2", "firefox"},
		{"7-Zip 19.00 (x64)", "19.00", "7-zip"},
		{"7-Zip 19.00 (x64 edition)", "19.00.00.0", "7-zip"},
		{"7-Zip", "", "7-zip"},
		{"Notepad++ (64-bit x64)", "8.5.6", "notepad++"},
		{"Notepad++ v8.5.6", "8.5.6", "notepad++"},
		{"WinRAR 6.11 (64-bit)", "6.11.0", "winrar"},
		{"WinRAR 6.11 64-bit", "6.11.0", "winrar"},
		{"PuTTY release 0.80 (64-bit)", "0.80.0.0", "putty"},
		{"Git version 2.38.1", "2.38.1", "git"},
		{"Java 8 Update 202 (64-bit)", "8.0.2020.8", "java"},
		{"OpenSSL 1.0.1f (64-bit)", "1.0.1f", "openssl"},
		{"Microsoft Office Professional 2016", "16.0.4266.1001", "microsoft office professional 2016"},
		{"Adobe Acrobat 2017", "17.011.30204", "adobe acrobat 2017"},
		{"VLC media player", "3.0.18", "vlc media player"},
		{"  Google   Chrome ", "1", "google chrome"},
		{"Google Chrome.app", "1", "google chrome"},
		{"Paint.NET", "5.0", "paint.net"},
		{"Skype™ 8.54", "8.54", "skype"},
		{"Intel® Driver©", "1", "intel driver"},
		{"Build Tools", "1", "build tools"},
		{"Update Checker 3", "7.1", "update checker 3"},
		{"Foo (a (b) c", "1", "foo"},
		{"Foo ) bar", "1", "foo bar"},
		{"3.5", "3.5", ""},
		{"(x64)", "1", ""},
		{"", "", ""},
	} {
		if got := strings.Join(productWords(tc.name, tc.version), " "); got != tc.want {
			t.Errorf("%q %q: got %q, want %q", tc.name, tc.version, got, tc.want)
		}
	}
}

func TestVendorNames(t *testing.T) {
	for name, want := range map[string]string{
		"Mozilla": "mozilla", "Mozilla Corporation": "mozilla", "Google LLC": "google", "Google, Inc.": "google",
		"Adobe Systems Incorporated": "adobe systems", "win.rar GmbH": "win.rar", "The Git Development Community": "git development community",
		"Zoom Video Communications, Inc.": "zoom video communications", "Co., Ltd.": "co", "The": "the", "Oracle and/or its affiliates": "oracle and or its affiliates",
		"": "", " - ": "", "Cisco Systems, Inc": "cisco systems", "S.A.": "s.a",
	} {
		if got := strings.Join(vendorWords(name), " "); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestSameVendor(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"Adobe", "Adobe Systems Incorporated", true},
		{"Oracle Corporation", "Oracle and/or its affiliates", true},
		{"Git", "GitHub, Inc.", false},
		{"Mozilla", "Google", false},
		{"Mozilla", "", false},
		{"", "", false},
	} {
		if got := sameVendor(vendorWords(tc.a), vendorWords(tc.b)); got != tc.want {
			t.Errorf("%q and %q: %v", tc.a, tc.b, got)
		}
	}
}

func TestWithoutVendor(t *testing.T) {
	for _, tc := range []struct{ name, vendor, want string }{
		{"Mozilla Firefox", "Mozilla", "firefox"},
		{"Firefox", "Mozilla", "firefox"},
		{"Adobe Acrobat Reader DC", "Adobe Systems", "acrobat reader dc"},
		{"Zoom", "Zoom Video Communications", "zoom"},
		{"TeamViewer", "TeamViewer", "teamviewer"},
		{"Oracle VM VirtualBox", "Oracle", "vm virtualbox"},
	} {
		if got := strings.Join(withoutVendor(productWords(tc.name, ""), vendorWords(tc.vendor)), " "); got != tc.want {
			t.Errorf("%q by %q: got %q, want %q", tc.name, tc.vendor, got, tc.want)
		}
	}
}

func TestPackageNames(t *testing.T) {
	for _, tc := range []struct{ ecosystem, name, want string }{
		{"PyPI", "Ruamel.YAML__clib", "ruamel-yaml-clib"},
		{"NuGet", "Newtonsoft.Json", "newtonsoft.json"},
		{"npm", "JSONStream", "JSONStream"},
		{"Debian", "libstdc++6", "libstdc++6"},
	} {
		if got := packageName(tc.ecosystem, tc.name); got != tc.want {
			t.Errorf("%s %s: got %q, want %q", tc.ecosystem, tc.name, got, tc.want)
		}
	}
}
