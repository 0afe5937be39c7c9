package vuln

import (
	"slices"
	"strings"
	"testing"

	"muster/internal/posture"
)

func load(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBuiltinIsSound(t *testing.T) {
	c := load(t)
	if c.Len() < 40 || len(c.Problems()) > 0 {
		t.Errorf("%d entries, problems %v", c.Len(), c.Problems())
	}
	if len(c.Version()) != 16 {
		t.Errorf("version %q", c.Version())
	}
	again, err := Builtin()
	if err != nil || again != c {
		t.Errorf("the catalogue is parsed again: %v", err)
	}
}

// installedOn makes a report of one product: family/vendor/name/version for an application, ecosystem/package/version
// for a package, family/version for an operating system.
func installedOn(t testing.TB, what string) *posture.Report {
	t.Helper()
	p := strings.Split(what, "/")
	r := &posture.Report{}
	switch len(p) {
	case 2:
		r.OS = posture.OS{Family: posture.OSFamily(p[0]), Version: p[1]}
	case 3:
		r.OS = posture.OS{Family: posture.Linux, Distribution: p[0]}
		r.Applications = []posture.Application{{Name: p[1], Version: p[2], Ecosystem: p[0]}}
	case 4:
		r.OS = posture.OS{Family: posture.OSFamily(p[0])}
		r.Applications = []posture.Application{{Vendor: p[1], Name: p[2], Version: p[3]}}
	default:
		t.Fatalf("cannot read %q", what)
	}
	return r
}

func idsOf(findings []posture.Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.ID)
	}
	slices.Sort(out)
	return out
}

// cases of the catalogue built in: just below, at and above each fix. An empty list of ids means not one finding.
var builtinCases = []struct{ what, ids string }{
	{"windows/Adobe Systems Incorporated/Adobe Reader 9.3.4/9.3.4", "CVE-2010-2883"},
	{"windows/Adobe Systems Incorporated/Adobe Reader 9.4.0/9.4.0", ""},
	{"windows/Adobe Systems, Inc./Adobe Reader 8.2.4/8.2.4", "CVE-2010-2883"},
	{"windows/Adobe/Adobe Reader 8.2.5/8.2.5", ""},
	{"windows/Adobe/Adobe Reader 7.0/7.0", ""},
	{"windows/Oracle/Java 7 Update 10 (64-bit)/7.0.100", "CVE-2013-0422"},
	{"windows/Oracle Corporation/Java 7 Update 11/7.0.110", ""},
	{"windows/Oracle/Java 6 Update 45/6.0.450", ""},
	{"windows/OpenSSL Win64 Installer Team/OpenSSL 1.0.1f (64-bit)/1.0.1f", "CVE-2014-0160"},
	{"windows/OpenSSL Win64 Installer Team/OpenSSL 1.0.1g (64-bit)/1.0.1g", ""},
	{"windows/OpenSSL Win64 Installer Team/OpenSSL 1.0.0t/1.0.0t", ""},
	{"Debian:7/openssl/1.0.1e-2+deb7u4", "CVE-2014-0160"},
	{"Debian:7/openssl/1.0.1e-2+deb7u5", ""},
	{"Ubuntu:12.04/openssl/1.0.1-4ubuntu5.11", "CVE-2014-0160"},
	{"Ubuntu:12.04/openssl/1.0.1-4ubuntu5.12", ""},
	{"Debian:7/bash/4.2+dfsg-0.1", "CVE-2014-6271"},
	{"Debian:7/bash/4.2+dfsg-0.1+deb7u1", ""},
	{"Ubuntu:14.04:LTS/bash/4.3-7ubuntu1", "CVE-2014-6271"},
	{"Ubuntu:14.04:LTS/bash/4.3-7ubuntu1.1", ""},
	{"Debian:7/eglibc/2.13-38+deb7u6", "CVE-2015-0235"},
	{"Debian:7/eglibc/2.13-38+deb7u7", ""},
	{"windows/Simon Tatham/PuTTY development snapshot/0.50", ""},
	{"windows/Simon Tatham/PuTTY release 0.63/0.63", "CVE-2015-2157"},
	{"windows/Simon Tatham/PuTTY release 0.64/0.64", ""},
	{"windows/Adobe Systems Incorporated/Adobe Flash Player 18 NPAPI/18.0.0.194", "CVE-2015-5119"},
	{"windows/Adobe Systems Incorporated/Adobe Flash Player 18 NPAPI/18.0.0.203", ""},
	{"windows/Adobe Systems Incorporated/Adobe Flash Player 13 ActiveX/13.0.0.296", "CVE-2015-5119"},
	{"windows/Adobe Systems Incorporated/Adobe Flash Player 13 ActiveX/13.0.0.302", ""},
	{"Debian:8/linux/3.16.36-1+deb8u1", "CVE-2016-5195"},
	{"Debian:8/linux/3.16.36-1+deb8u2", ""},
	{"Ubuntu:16.04/linux/4.4.0-43.63", "CVE-2016-5195"},
	{"Ubuntu:16.04/linux/4.4.0-45.66", ""},
	{"windows/win.rar GmbH/WinRAR 5.61 (64-bit)/5.61.0", "CVE-2018-20250 CVE-2023-38831 CVE-2025-8088"},
	{"windows/win.rar GmbH/WinRAR 5.70 (64-bit)/5.70.0", "CVE-2023-38831 CVE-2025-8088"},
	{"windows/win.rar GmbH/WinRAR 6.22 (64-bit)/6.22.0", "CVE-2023-38831 CVE-2025-8088"},
	{"windows/win.rar GmbH/WinRAR 6.23 (64-bit)/6.23.0", "CVE-2025-8088"},
	{"windows/win.rar GmbH/WinRAR 7.12 (64-bit)/7.12.0", "CVE-2025-8088"},
	{"windows/win.rar GmbH/WinRAR 7.13 (64-bit)/7.13.0", ""},
	{"windows/RARLAB/WinRAR/6.22", "CVE-2023-38831 CVE-2025-8088"},
	{"mac/win.rar GmbH/WinRAR/6.22", ""},
	{"ios/WhatsApp Inc./WhatsApp Messenger/2.19.50", "CVE-2019-3568"},
	{"ios/WhatsApp Inc./WhatsApp Messenger/2.19.51", ""},
	{"android//WhatsApp/2.19.133", "CVE-2019-3568"},
	{"android//WhatsApp/2.19.134", ""},
	{"windows/Mozilla/Mozilla Firefox 67.0.2 (x64 en-US)/67.0.2", "CVE-2019-11707 CVE-2023-4863 CVE-2024-9680"},
	{"windows/Mozilla/Mozilla Firefox 67.0.3 (x64 en-US)/67.0.3", "CVE-2023-4863 CVE-2024-9680"},
	{"windows/Mozilla/Mozilla Firefox (x64 en-US)/117.0", "CVE-2023-4863 CVE-2024-9680"},
	{"windows/Mozilla/Mozilla Firefox (x64 en-US)/117.0.1", "CVE-2024-9680"},
	{"mac/Mozilla Corporation/Firefox/131.0", "CVE-2024-9680"},
	{"mac/Mozilla Corporation/Firefox/131.0.2", ""},
	{"windows/Mozilla/Mozilla Firefox ESR (x64 de)/115.2.0", "CVE-2023-4863 CVE-2024-9680"},
	{"windows/Mozilla/Mozilla Firefox ESR (x64 de)/115.2.1", "CVE-2024-9680"},
	{"windows/Mozilla/Mozilla Firefox ESR (x64 de)/115.16.1", ""},
	{"windows/Mozilla/Mozilla Firefox ESR (x64 de)/128.3.0", "CVE-2024-9680"},
	{"windows/Mozilla/Mozilla Firefox ESR (x64 de)/128.3.1", ""},
	{"windows/Mozilla/Mozilla Thunderbird (x64 fr)/102.15.0", "CVE-2023-4863 CVE-2024-9680"},
	{"windows/Mozilla/Mozilla Thunderbird (x64 fr)/115.16.0", ""},
	{"Debian:12/firefox-esr/128.3.0esr-1~deb12u1", "CVE-2024-9680"},
	{"Debian:12/firefox-esr/128.3.1esr-1~deb12u1", ""},
	{"linux/Audacity Team/Audacity/2.3.3", "CVE-2020-11867"},
	{"linux/Audacity Team/Audacity/2.4.0", ""},
	{"windows/Audacity Team/Audacity/2.3.3", ""},
	{"Debian:10/sudo/1.8.27-1+deb10u2", "CVE-2021-3156"},
	{"Debian:10/sudo/1.8.27-1+deb10u3", ""},
	{"Ubuntu:20.04/sudo/1.8.31-1ubuntu1.1", "CVE-2021-3156"},
	{"Ubuntu:20.04/sudo/1.8.31-1ubuntu1.2", ""},
	{"Debian:11/policykit-1/0.105-31", "CVE-2021-4034"},
	{"Debian:11/policykit-1/0.105-31+deb11u1", ""},
	{"AlmaLinux:8/polkit/0.115-13.el8_5.1", "CVE-2021-4034"},
	{"AlmaLinux:8/polkit/0.115-13.el8_5.2", ""},
	{"npm/lodash/4.17.20", "CVE-2021-23337"},
	{"npm/lodash/4.17.21", ""},
	{"Maven/org.apache.logging.log4j:log4j-core/2.0-beta8", ""},
	{"Maven/org.apache.logging.log4j:log4j-core/2.0-beta9", "CVE-2021-44228"},
	{"Maven/org.apache.logging.log4j:log4j-core/2.14.1", "CVE-2021-44228"},
	{"Maven/org.apache.logging.log4j:log4j-core/2.15.0", ""},
	{"Maven/org.apache.logging.log4j:log4j-core/2.12.2", ""},
	{"Maven/org.apache.logging.log4j:log4j-api/2.14.1", ""},
	{"mac/Zoom Video Communications, Inc./zoom.us/5.11.4 (7185)", "CVE-2022-28756"},
	{"mac/Zoom Video Communications, Inc./zoom.us/5.11.5 (9788)", ""},
	{"mac/Zoom Video Communications, Inc./zoom.us/5.7.2", ""},
	{"windows/Zoom Video Communications, Inc./Zoom (64-bit)/5.16.2", "CVE-2024-24691"},
	{"windows/Zoom Video Communications, Inc./Zoom Workplace (64-bit)/5.16.5", ""},
	{"windows/Google LLC/Google Chrome/116.0.5845.179", "CVE-2023-4863 CVE-2024-7971"},
	{"windows/Google LLC/Google Chrome/116.0.5845.187", "CVE-2024-7971"},
	{"windows/Google, Inc./Google Chrome/128.0.6613.83", "CVE-2024-7971"},
	{"windows/Google LLC/Google Chrome/128.0.6613.84", ""},
	{"android//Chrome/116.0.5845.163", "CVE-2023-4863 CVE-2024-7971"},
	{"ios/Google LLC/Google Chrome/116.0.5845.103", ""},
	{"windows/Microsoft Corporation/Microsoft Edge/116.0.1938.76", "CVE-2023-4863 CVE-2024-7971"},
	{"windows/Microsoft Corporation/Microsoft Edge/116.0.1938.81", "CVE-2024-7971"},
	{"windows/Microsoft Corporation/Microsoft Edge/128.0.2739.42", ""},
	{"Debian:12/libwebp/1.2.4-0.2", "CVE-2023-4863"},
	{"Debian:12/libwebp/1.2.4-0.2+deb12u1", ""},
	{"Debian:11/libwebp/0.6.1-2.1+deb11u1", "CVE-2023-4863"},
	{"Debian:11/libwebp/0.6.1-2.1+deb11u2", ""},
	{"Ubuntu:22.04/libwebp/1.2.2-2ubuntu0.22.04.1", "CVE-2023-4863"},
	{"Ubuntu:22.04/libwebp/1.2.2-2ubuntu0.22.04.2", ""},
	{"AlmaLinux:9/libwebp/1.2.0-6.el9_1", "CVE-2023-4863"},
	{"AlmaLinux:9/libwebp/1.2.0-7.el9_2", ""},
	{"Debian:12/glibc/2.36-9+deb12u2", "CVE-2023-4911"},
	{"Debian:12/glibc/2.36-9+deb12u3", ""},
	{"Debian:12/glibc/2.36-9+deb12u10", ""},
	{"Ubuntu:22.04/glibc/2.35-0ubuntu3.3", "CVE-2023-4911"},
	{"Ubuntu:22.04/glibc/2.35-0ubuntu3.4", ""},
	{"AlmaLinux:9/glibc/2.34-60.el9", "CVE-2023-4911"},
	{"AlmaLinux:9/glibc/2.34-60.el9_2.7", ""},
	{"Debian:12/openjdk-17/17.0.7+7-1~deb12u1", "CVE-2023-22006"},
	{"Debian:12/openjdk-17/17.0.8+7-1~deb12u1", ""},
	{"windows/Adobe/Adobe Acrobat Reader DC/23.003.20284", "CVE-2023-26369"},
	{"windows/Adobe/Adobe Acrobat (64-bit)/23.006.20320", ""},
	{"PyPI/requests/2.30.0", "CVE-2023-32681"},
	{"PyPI/Requests/2.31.0", ""},
	{"PyPI/requests/2.2.1", ""},
	{"Debian:12/curl/7.88.1-10+deb12u3", "CVE-2023-38545 CVE-2024-2004"},
	{"Debian:12/curl/7.88.1-10+deb12u4", "CVE-2024-2004"},
	{"Debian:12/curl/7.88.1-10+deb12u5", "CVE-2024-2004"},
	{"Debian:12/curl/7.88.1-10+deb12u6", ""},
	{"Ubuntu:22.04/curl/7.81.0-1ubuntu1.13", "CVE-2023-38545"},
	{"Ubuntu:22.04/curl/7.81.0-1ubuntu1.14", ""},
	{"windows/Notepad++ Team/Notepad++ (64-bit x64)/8.5.6", "CVE-2023-40031"},
	{"windows/Don HO don.h@free.fr/Notepad++ v8.5.6/8.5.6", "CVE-2023-40031"},
	{"windows/Don HO don.h@free.fr/Notepad++ v8.5.7/8.5.7", ""},
	{"ios/16.6", "CVE-2023-41064 CVE-2024-23222"},
	{"ios/16.6.1", "CVE-2024-23222"},
	{"ios/16.7.5", ""},
	{"ios/17.2.1", "CVE-2024-23222"},
	{"ios/17.3", ""},
	{"mac/13.5.1", "CVE-2023-41064 CVE-2024-23222"},
	{"mac/13.6.4", ""},
	{"mac/14.3", ""},
	{"android/13", ""},
	{"windows/VideoLAN/VLC media player/3.0.18", "CVE-2023-47359"},
	{"windows/VideoLAN/VLC media player/3.0.20", ""},
	{"mac/VideoLAN/VLC/3.0.16", "CVE-2023-47359"},
	{"Debian:12/linux/6.1.69-1", "CVE-2024-1086"},
	{"Debian:12/linux/6.1.76-1", ""},
	{"Debian:13/xz-utils/5.4.5-0.3", ""},
	{"Debian:13/xz-utils/5.6.1-1", "CVE-2024-3094"},
	{"Debian:13/xz-utils/5.6.1+really5.4.5-1", ""},
	{"Debian:12/openssh/1:9.2p1-2+deb12u2", "CVE-2024-6387"},
	{"Debian:12/openssh/1:9.2p1-2+deb12u3", ""},
	{"Debian:12/openssh/1:9.2p1-2+deb12u6", ""},
	{"Debian:11/openssh/1:8.4p1-5+deb11u1", ""},
	{"Ubuntu:22.04/openssh/1:8.9p1-3ubuntu0.7", "CVE-2024-6387"},
	{"Ubuntu:22.04/openssh/1:8.9p1-3ubuntu0.10", ""},
	{"AlmaLinux:9/openssh-server/8.7p1-38.el9", "CVE-2024-6387"},
	{"AlmaLinux:9/openssh-server/8.7p1-38.el9_4.1", ""},
	{"windows/TeamViewer/TeamViewer/15.58.3", "CVE-2024-7481"},
	{"windows/TeamViewer Germany GmbH/TeamViewer 15/15.58.4", ""},
	{"windows/TeamViewer/TeamViewer 14/14.7.48795", "CVE-2024-7481"},
	{"windows/Oracle/Oracle VM VirtualBox 7.0.20/7.0.20", "CVE-2024-21253"},
	{"windows/Oracle/Oracle VM VirtualBox 7.0.22/7.0.22", ""},
	{"Debian:12/util-linux/2.38.1-5", "CVE-2024-28085"},
	{"Debian:12/util-linux/2.38.1-5+deb12u1", ""},
	{"windows/Foxit Software Inc./Foxit PDF Reader/2023.3.0.23028", "CVE-2024-30340"},
	{"windows/Foxit Software Inc./Foxit PDF Reader/2024.1.0.23997", ""},
	{"windows/Simon Tatham/PuTTY release 0.67/0.67.0.0", ""},
	{"windows/Simon Tatham/PuTTY release 0.80 (64-bit)/0.80.0.0", "CVE-2024-31497"},
	{"windows/Simon Tatham/PuTTY release 0.81 (64-bit)/0.81.0.0", ""},
	{"windows/Tim Kosse/FileZilla Client 3.66.5/3.66.5", "CVE-2024-31497"},
	{"windows/Tim Kosse/FileZilla Client 3.67.0/3.67.0", ""},
	{"windows/Martin Prikryl/WinSCP 6.3.2/6.3.2", "CVE-2024-31497"},
	{"windows/Martin Prikryl/WinSCP 6.3.3/6.3.3", ""},
	{"windows/The Git Development Community/Git/2.45.0", "CVE-2024-32002"},
	{"windows/The Git Development Community/Git/2.45.1", ""},
	{"windows/The Git Development Community/Git version 2.39.3/2.39.3", "CVE-2024-32002"},
	{"windows/The Git Development Community/Git/2.39.4", ""},
	{"mac//Git/2.50.0", "CVE-2025-48384"},
	{"mac//Git/2.50.1", ""},
	{"Debian:12/git/1:2.39.5-0+deb12u2", "CVE-2025-48384"},
	{"Debian:12/git/1:2.39.5-0+deb12u3", ""},
	{"windows/Igor Pavlov/7-Zip 19.00 (x64)/19.00", "CVE-2025-0411"},
	{"windows/Igor Pavlov/7-Zip 24.08 (x64 edition)/24.08.00.0", "CVE-2025-0411"},
	{"windows/Igor Pavlov/7-Zip 24.09 (x64)/24.09", ""},
}

func TestBuiltinMatchesAroundEachFix(t *testing.T) {
	c := load(t)
	hit := map[string]bool{}
	for _, tc := range builtinCases {
		findings, _ := c.Match(installedOn(t, tc.what))
		got := idsOf(findings)
		if want := strings.Fields(tc.ids); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", tc.what, got, want)
		}
		for _, id := range got {
			hit[id] = true
		}
	}
	for _, id := range c.ids() {
		if !hit[id] {
			t.Errorf("no case finds %s", id)
		}
	}
}

// ids lists the entries of a catalogue.
func (c *Catalogue) ids() []string {
	var out []string
	for _, g := range c.groups {
		for _, target := range slices.Concat(g.sorted, g.rest) {
			out = append(out, target.ID)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Products for a demonstration, three for each level.
func TestBuiltinHasEveryLevel(t *testing.T) {
	c := load(t)
	for level, products := range map[posture.Level][]string{
		posture.LevelCritical: {"windows/win.rar GmbH/WinRAR 6.11 (64-bit)/6.11.0", "windows/Google LLC/Google Chrome/116.0.5845.97",
			"Debian:12/glibc/2.36-9+deb12u2"},
		posture.LevelHigh: {"windows/Igor Pavlov/7-Zip 23.01 (x64)/23.01", "Debian:12/openssh/1:9.2p1-2+deb12u2",
			"mac/VideoLAN/VLC/3.0.18"},
		posture.LevelMedium: {"windows/Simon Tatham/PuTTY release 0.80 (64-bit)/0.80.0.0", "windows/Tim Kosse/FileZilla 3.66.5/3.66.5",
			"PyPI/requests/2.28.2"},
		posture.LevelLow: {"windows/Oracle/Oracle VM VirtualBox 7.0.20/7.0.20", "windows/Foxit Software Inc./Foxit PDF Reader/2023.3.0.23028",
			"Debian:12/util-linux/2.38.1-5"},
	} {
		for _, what := range products {
			findings, levels := c.Match(installedOn(t, what))
			if len(findings) == 0 || levels[posture.ScoreOpswat] != level {
				t.Errorf("%s: %v at level %d, want %d", what, idsOf(findings), levels[posture.ScoreOpswat], level)
			}
		}
	}
}
