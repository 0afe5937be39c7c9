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
		{"Adobe Acrobat Reader - Deutsch", "23.1", "adobe acrobat reader"},
		{"Autodesk AutoCAD 2024 - English", "24.3", "autodesk autocad 2024"},
		{"Microsoft 365 Apps for enterprise - en-us", "16.0", "microsoft 365 apps for enterprise"},
		{"PowerShell 7-x64", "7.4.1.0", "powershell"},
		{"OpenVPN 2.6.8-I001 amd64", "2.6.801", "openvpn"},
		{"English", "1", "english"},
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
		"Adobe Systems Incorporated": "adobe", "win.rar GmbH": "rarlab", "The Git Development Community": "git",
		"Zoom Video Communications, Inc.": "zoom", "Zoom Systems": "zoom systems", "Co., Ltd.": "co", "The": "the", "Oracle and/or its affiliates": "oracle",
		"The Wireshark developer community, https://www.wireshark.org": "wireshark", "Python Software Foundation": "python", "Igor": "igor",
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

func TestNamesOfPrograms(t *testing.T) {
	for _, tc := range []struct{ name, vendor, other string }{
		{"Adobe Acrobat Reader DC MUI", "Adobe Systems Incorporated", "Acrobat Reader"},
		{"Adobe Photoshop 2024", "Adobe Inc.", "Photoshop Desktop"},
		{"IntelliJ IDEA Community Edition 2023.3.2", "JetBrains s.r.o.", "IntelliJ IDEA"},
		{"Visual Studio Community 2022", "Microsoft Corporation", "Microsoft Visual Studio 2022 version 17.9"},
		{"Microsoft Edge", "Microsoft Corporation", "Microsoft Edge (Chromium-based)"},
		{"Zoom Workplace (64-bit)", "Zoom Communications, Inc.", "Zoom Client for Meetings"},
		{"Oracle VirtualBox 7.1.2", "Oracle and/or its affiliates", "Oracle VM VirtualBox"},
		{"VLC media player", "VideoLAN", "VLC"},
		{"KeePass Password Safe 2.55", "Dominik Reichl", "KeePass"},
		{"FileZilla 3.66.1", "Tim Kosse", "FileZilla Client"},
	} {
		vendor := vendorWords(tc.vendor)
		one, two := nameOf(productWords(tc.name, ""), vendor), nameOf(productWords(tc.other, ""), vendor)
		if one != two {
			t.Errorf("%q is %q, and %q is %q", tc.name, one, tc.other, two)
		}
	}
	for _, tc := range []struct{ name, vendor, other string }{
		{"Adobe Acrobat DC", "Adobe", "Acrobat Reader"},
		{"Mozilla Firefox 115.9.0 ESR (x64 en-US)", "Mozilla", "Firefox"},
		{"Zoom Rooms", "Zoom Video Communications", "Zoom Client for Meetings"},
		{"OpenVPN Connect", "OpenVPN Technologies", "OpenVPN"},
		{"Foxit PDF Editor", "Foxit Software Inc.", "Foxit Reader"},
		{"FileZilla Server", "Tim Kosse", "FileZilla Client"},
		{"Visual Studio Community 2019", "Microsoft Corporation", "Visual Studio 2022"},
		{"Photoshop Elements 2024", "Adobe", "Photoshop Desktop"},
	} {
		vendor := vendorWords(tc.vendor)
		if one, two := nameOf(productWords(tc.name, ""), vendor), nameOf(productWords(tc.other, ""), vendor); one == two {
			t.Errorf("%q and %q are both %q", tc.name, tc.other, one)
		}
	}
}

// A form that stands on the right of a table and on the left of another would depend on which is asked first.
func TestAliasesLeadToTheEnd(t *testing.T) {
	for _, entries := range publishers {
		for _, e := range entries {
			to := e[len(e)-1:]
			if again := publisher(to); again[0] != to[0] {
				t.Errorf("publisher %q leads on to %q", to, again)
			}
		}
	}
	for vendor, table := range aliased {
		for from, to := range table {
			if again := program([]string{vendor}, strings.Fields(to)); again != to && from != to {
				t.Errorf("%s: %q leads on to %q", vendor, to, again)
			}
		}
	}
}

func TestVersionInTheName(t *testing.T) {
	for _, tc := range []struct{ name, reported, want string }{
		{"IntelliJ IDEA 2023.3.2", "233.13135.103", "2023.3.2"},
		{"OpenVPN 2.6.8-I001 amd64", "2.6.801", "2.6.8-i001"},
		{"Python 3.12.1 (64-bit)", "3.12.1150.0", "3.12.1"},
		{"Microsoft .NET Runtime - 8.0.2 (x64)", "64.8.8795", "8.0.2"},
		{"7-Zip 19.00 (x64)", "19.00.00.0", "19.00.00.0"},
		{"MySQL Server 8.0", "8.0.36", "8.0.36"},
		{"WinRAR 6.24 (64-bit)", "6.24.0", "6.24.0"},
		{"Notepad++ v8.5.6", "8.5", "8.5"},
		{"PuTTY release 0.80 (64-bit)", "0.80.0.0", "0.80.0.0"},
		{"Mozilla Firefox", "115.0", "115.0"},
		{"Java 8 Update 202", "8.0.2020.8", "8.0.2020.8"},
	} {
		if got := versionOf(tc.name, tc.reported); got != tc.want {
			t.Errorf("%q, %q: got %q, want %q", tc.name, tc.reported, got, tc.want)
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
