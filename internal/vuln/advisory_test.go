package vuln

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/internal/posture"
)

// fixedIn is an advisory that fixes packages, each given as ecosystem, name and version.
func fixedIn(id, title, cve string, packages ...[3]string) Entry {
	e := Entry{ID: id, Summary: title}
	if cve != "" {
		e.Related = []string{cve}
	}
	for _, p := range packages {
		e.Affected = append(e.Affected, Affected{
			Package: Package{Ecosystem: p[0], Name: p[1]},
			Ranges:  []Range{{Type: "ECOSYSTEM", Events: []Event{{Introduced: "0"}, {Fixed: p[2]}}}},
		})
	}
	return e
}

func matchPackage(entries []Entry, family posture.OSFamily, app posture.Application) []string {
	findings, _ := New(entries).Match(&posture.Report{OS: posture.OS{Family: family}, Applications: []posture.Application{app}})
	var out []string
	for _, f := range findings {
		out = append(out, f.ID+" "+f.Fixed)
	}
	slices.Sort(out)
	return out
}

func TestModuleStreams(t *testing.T) {
	const a8 = "AlmaLinux:8"
	entries := []Entry{
		fixedIn("ALSA-16", "Important: nodejs:16 security update", "CVE-2023-16", [3]string{a8, "nodejs", "1:16.20-1.module_el8.8.0+1+aa"}),
		fixedIn("ALSA-18", "Moderate: nodejs:18 security and bug fix update", "CVE-2023-18", [3]string{a8, "nodejs", "1:18.10-1.module_el8.8.0+2+bb"}),
		fixedIn("ALSA-P", "Low: nodejs security update", "CVE-2023-3", [3]string{a8, "nodejs", "1:10.1-1.el8"}),
		fixedIn("ALSA-O", "Low: nodejs security update", "CVE-2023-4", [3]string{a8, "nodejs", "1:16.30-1.module_el8.8.0+3+cc"}),
		fixedIn("ALSA-V", "Low: virt:rhel and virt-devel:rhel security update", "CVE-2023-5", [3]string{a8, "hivex", "1.3-1.module_el8.8.0+4+dd"}),
		fixedIn("ALSA-K", "Low: pki-core security update", "CVE-2023-6", [3]string{a8, "idm-pki", "10.15-1.module_el8.8.0+5+ee"}),
		fixedIn("ALSA-L", "Low: pki-core:10.6 security update", "CVE-2023-7", [3]string{a8, "idm-pki", "10.14-1.module_el8.8.0+6+ff"}),
	}
	for _, tc := range []struct {
		name, version, module string
		want                  []string
	}{
		{"nodejs", "1:16.1-1.module_el8.5.0+9+99", "nodejs:16", []string{"ALSA-16 1:16.20-1.module_el8.8.0+1+aa", "ALSA-O 1:16.30-1.module_el8.8.0+3+cc"}},
		{"nodejs", "1:16.20-1.module_el8.8.0+1+aa", "nodejs:16", []string{"ALSA-O 1:16.30-1.module_el8.8.0+3+cc"}},
		{"nodejs", "1:18.1-1.module_el8.5.0+9+99", "nodejs:18", []string{"ALSA-18 1:18.10-1.module_el8.8.0+2+bb"}},
		{"nodejs", "1:14.1-1.module_el8.5.0+9+99", "nodejs:14", nil},
		{"nodejs", "1:10.0-1.el8", "", []string{"ALSA-P 1:10.1-1.el8"}},
		// Without a label the version tells.
		{"nodejs", "1:18.1-1.module_el8.5.0+9+99", "", []string{"ALSA-18 1:18.10-1.module_el8.8.0+2+bb"}},
		{"hivex", "1.2-1.module_el8.5.0+9+99", "virt:rhel", []string{"ALSA-V 1.3-1.module_el8.8.0+4+dd"}},
		{"hivex", "1.2-1.module_el8.5.0+9+99", "virt-devel:rhel", []string{"ALSA-V 1.3-1.module_el8.8.0+4+dd"}},
		{"hivex", "1.2-1.module_el8.5.0+9+99", "virt:8.2", nil},
		// A stream that is left open is the only one that is known.
		{"idm-pki", "10.12-1.module_el8.5.0+9+99", "pki-core:10.6",
			[]string{"ALSA-K 10.15-1.module_el8.8.0+5+ee", "ALSA-L 10.14-1.module_el8.8.0+6+ff"}},
		{"idm-pki", "10.12-1.module_el8.5.0+9+99", "idm:DL1", nil},
	} {
		got := matchPackage(entries, posture.Linux, posture.Application{Name: tc.name, Version: tc.version, Module: tc.module, Ecosystem: a8})
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s %s of %q: %s", tc.name, tc.version, tc.module, diff)
		}
	}
}

func TestMaintenanceIsNoVulnerability(t *testing.T) {
	for id, want := range map[string]bool{"ALBA-1": false, "ALEA-1": false, "RHBA-2024:1": false, "SUSE-RU-2024:1": false, "ALSA-1": true, "SUSE-SU-2024:1": true, "RUSTSEC-1": true} {
		entries := []Entry{fixedIn(id, "bash update", "", [3]string{"AlmaLinux:9", "bash", "2-1"})}
		app := posture.Application{Name: "bash", Version: "1-1", Ecosystem: "AlmaLinux:9"}
		if got := matchPackage(entries, posture.Linux, app); (len(got) > 0) != want {
			t.Errorf("%s without a CVE: %v", id, got)
		}
		entries[0].Related = []string{"CVE-2024-1"}
		if got := matchPackage(entries, posture.Linux, app); len(got) == 0 {
			t.Errorf("%s with a CVE is not found", id)
		}
	}
}

func TestEveryBuildOfAnAdvisoryHasTheFix(t *testing.T) {
	const a8, low, high = "AlmaLinux:8", "2:8.0.1763-16.el8_5.12", "2:8.0.1763-16.el8_5.13"
	for _, order := range [][2]string{{low, high}, {high, low}} {
		entries := []Entry{fixedIn("ALSA-1", "Moderate: vim security update", "CVE-2022-1",
			[3]string{a8, "vim", order[0]}, [3]string{a8, "vim", order[1]}, [3]string{"AlmaLinux:9", "vim", high})}
		for v, want := range map[string][]string{"2:8.0.1763-16.el8_5.11": {"ALSA-1 " + low}, low: nil, high: nil} {
			if diff := cmp.Diff(want, matchPackage(entries, posture.Linux, posture.Application{Name: "vim", Version: v, Ecosystem: a8})); diff != "" {
				t.Errorf("%v, %s: %s", order, v, diff)
			}
		}
		if got := matchPackage(entries, posture.Linux, posture.Application{Name: "vim", Version: low, Ecosystem: "AlmaLinux:9"}); len(got) != 1 {
			t.Errorf("another release: %v", got)
		}
	}
	// Elsewhere an entry may well list two stretches of one package.
	two := fixedIn("GHSA-1", "", "CVE-2022-2", [3]string{"npm", "thing", "1.5.0"}, [3]string{"npm", "thing", "2.5.0"})
	if got := matchPackage([]Entry{two}, "", posture.Application{Name: "thing", Version: "2.0.0", Ecosystem: "npm"}); len(got) != 1 {
		t.Errorf("two ranges: %v", got)
	}
}

// An advisory mends what another mended badly, or two feeds speak of one vulnerability: the fix that is told is good for both.
func TestTheLaterFixIsTold(t *testing.T) {
	const eco = "AlmaLinux:9"
	early := fixedIn("ALSA-1", "bash update", "CVE-2024-1", [3]string{eco, "bash", "5.1-9.el9"})
	late := fixedIn("ALSA-2", "bash update", "CVE-2024-1", [3]string{eco, "bash", "5.1-10.el9"})
	never := Entry{ID: "ALSA-3", Related: []string{"CVE-2024-1"}, Affected: []Affected{{
		Package: Package{eco, "bash"}, Ranges: []Range{{Type: "ECOSYSTEM", Events: []Event{{Introduced: "0"}}}}}}}
	app := posture.Application{Name: "bash", Version: "5.1-8.el9", Ecosystem: eco}
	for _, entries := range [][]Entry{{early, late, never}, {never, late, early}, {late, never, early}} {
		got := matchPackage(entries, posture.Linux, app)
		if diff := cmp.Diff([]string{"ALSA-2 5.1-10.el9"}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestSourceAndPackage(t *testing.T) {
	entries := []Entry{
		fixedIn("ALSA-1", "openssl update", "CVE-2024-1", [3]string{"AlmaLinux:9", "openssl-libs", "1:3-2"}),
		fixedIn("DSA-1", "", "CVE-2024-2", [3]string{"Debian:12", "gcc-12", "12.2.0-15"}),
		{ID: "DSA-2", Related: []string{"CVE-2024-3"}, Affected: []Affected{{Package: Package{"Debian:12", "gcc-12"}, Versions: []string{"12.2.0-14"}}}},
	}
	for name, tc := range map[string]struct {
		app  posture.Application
		want int
	}{
		"AlmaLinux names what is installed": {posture.Application{Name: "openssl-libs", Source: "openssl", Version: "1:3-1", Ecosystem: "AlmaLinux:9"}, 1},
		"and nothing else of the source":    {posture.Application{Name: "openssl-devel", Source: "openssl-libs", Version: "1:3-1", Ecosystem: "AlmaLinux:9"}, 0},
		"Debian names the source":           {posture.Application{Name: "libgcc-s1", Source: "gcc-12", Version: "12.2.0-14", Ecosystem: "Debian:12"}, 2},
		"not what is installed":             {posture.Application{Name: "gcc-12", Source: "gcc", Version: "12.2.0-14", Ecosystem: "Debian:12"}, 0},
		"by the version of the source": {posture.Application{Name: "gcc-base", Source: "gcc-12", Version: "4:99-1", SourceVersion: "12.2.0-14",
			Ecosystem: "Debian:12"}, 2},
		"also where that is newer": {posture.Application{Name: "gcc-base", Source: "gcc-12", Version: "1-1", SourceVersion: "12.2.0-15",
			Ecosystem: "Debian:12"}, 0},
		"built once more":  {posture.Application{Name: "libgcc-s1", Source: "gcc-12", Version: "12.2.0-14+b1", Ecosystem: "Debian:12"}, 2},
		"a source package": {posture.Application{Name: "gcc-12", Version: "12.2.0-14", Ecosystem: "Debian:12", Arch: "source"}, 0},
	} {
		if got := matchPackage(entries, posture.Linux, tc.app); len(got) != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestSpaces(t *testing.T) {
	for ecosystem, want := range map[string]string{
		"Debian:12": "Debian:12", "Alpine:v3.20": "Alpine:v3.20", "npm": "npm", "AlmaLinux:9": "AlmaLinux:9", "Rocky Linux:8": "Rocky Linux:8",
		"Ubuntu:22.04:LTS": "Ubuntu:22.04", "Ubuntu:23.10": "Ubuntu:23.10", "Ubuntu:Pro:18.04:LTS": "Ubuntu:18.04",
		"Ubuntu:Pro:FIPS-updates:20.04:LTS": "Ubuntu:Pro:FIPS-updates:20.04", "Ubuntu": "Ubuntu",
		"Red Hat": "Red Hat", "Red Hat:enterprise_linux:9::baseos": "Red Hat:enterprise_linux:9", "Red Hat:rhel_eus:9.2::appstream": "Red Hat:rhel_eus:9.2",
		"SUSE:Linux Enterprise Server 15 SP5": "SUSE:15 SP5", "SUSE:Linux Enterprise Module for Basesystem 15 SP5": "SUSE:15 SP5",
		"SUSE:Linux Enterprise Server 12 SP5-LTSS": "SUSE:12 SP5", "SUSE:Linux Enterprise Micro 5.5": "SUSE:Micro 5.5", "SUSE": "SUSE",
		"openSUSE:Leap 15.5": "openSUSE:Leap 15.5", "Application:windows": "Application:windows",
	} {
		if got := space(ecosystem); got != want {
			t.Errorf("%s: got %q, want %q", ecosystem, got, want)
		}
	}
}

func TestOperatingSystemOfGoModules(t *testing.T) {
	on := func(systems ...[]string) Entry {
		e := fixedIn("GO-1", "", "CVE-2024-1", [3]string{"Go", "example.com/m", "1.5.0"})
		e.Affected[0].Ranges[0].Type = "SEMVER"
		for _, s := range systems {
			e.Affected[0].Specific.Imports = append(e.Affected[0].Specific.Imports, Import{GOOS: s})
		}
		return e
	}
	app := posture.Application{Name: "example.com/m", Version: "v1.4.0", Ecosystem: "Go"}
	for name, tc := range map[string]struct {
		entry                        Entry
		linux, windows, mac, unknown bool
	}{
		"nothing said":     {on(), true, true, true, true},
		"Windows":          {on([]string{"windows"}), false, true, false, true},
		"two packages":     {on([]string{"windows"}, []string{"darwin"}), false, true, true, true},
		"one of them open": {on([]string{"windows"}, nil), true, true, true, true},
	} {
		for family, want := range map[posture.OSFamily]bool{posture.Linux: tc.linux, posture.Windows: tc.windows, posture.MacOS: tc.mac, "": tc.unknown} {
			if got := matchPackage([]Entry{tc.entry}, family, app); (len(got) > 0) != want {
				t.Errorf("%s on %q: %v", name, family, got)
			}
		}
	}
}

// Whatever a machine calls its programs and packages, they are looked up under keys that are told beforehand, and what is found is
// among what they may have.
func FuzzMatch(f *testing.F) {
	f.Add("Mozilla Firefox 115.9.0 ESR (x64 en-US)", "Mozilla Corporation", "115.9.0", "", "", "")
	f.Add("IntelliJ IDEA 2023.3.2", "JetBrains s.r.o.", "233.13135.103", "", "", "")
	f.Add("nodejs", "", "1:16.1-1.module_el8.5.0+9+99", "AlmaLinux:8", "", "nodejs:16")
	f.Add("hivex", "", "1.2-1.module_el8.5.0+9+99", "AlmaLinux:8", "", "")
	f.Add("libgcc-s1", "", "12.2.0-14+b1", "Debian:12", "gcc-12", "")
	f.Add("bash", "", "5", "SUSE:Linux Enterprise Server 15 SP5", "", ":")
	builtin, err := Builtin()
	if err != nil {
		f.Fatal(err)
	}
	modular := New([]Entry{
		fixedIn("ALSA-16", "Important: nodejs:16 security update", "CVE-2023-16", [3]string{"AlmaLinux:8", "nodejs", "1:16.20-1.module_el8.8.0+1+aa"}),
		fixedIn("ALSA-V", "Low: virt security update", "CVE-2023-5", [3]string{"AlmaLinux:8", "hivex", "1.3-1.module_el8.8.0+4+dd"}),
	})
	known := func(k Key) *Group {
		if g := modular.groups[k]; g != nil {
			return g
		}
		return builtin.groups[k]
	}
	f.Fuzz(func(t *testing.T, name, vendor, installed, ecosystem, source, module string) {
		app := posture.Application{Name: name, Vendor: vendor, Version: installed, Ecosystem: ecosystem, Source: source, Module: module}
		r := &posture.Report{OS: posture.OS{Family: posture.Windows, Version: "10.0.19045.1"}, Applications: []posture.Application{app}}
		inventory := Take(r)
		keys := inventory.Keys()
		hits := inventory.Match(func(k Key) *Group {
			if !slices.Contains(keys, k) {
				t.Fatalf("%+v is looked up and not told", k)
			}
			return known(k)
		})
		var lookups []Lookup
		own, other := KeysOfApplication(&r.OS, &app)
		for _, k := range own {
			lookups = append(lookups, Lookup{k, other})
		}
		may := MayHave(lookups, vendor, installed, known)
		for i := range hits {
			if cves := hits[i].CVEs(); hits[i].product.reduced != "os" && len(cves) > 0 && !slices.Contains(may, cves[0]) {
				t.Fatalf("%s is found, and is not among %v", cves[0], may)
			}
		}
	})
}
