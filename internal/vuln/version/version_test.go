package version

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/osv-scalibr/semantic"
	"pgregory.net/rapid"
)

// ladders list versions of one ecosystem in ascending order; those joined by " = " are equal.
var ladders = map[string][]string{
	"Debian:12": {
		"1:9.2p1-2~bpo11+1", "1:9.2p1-2", "1:9.2p1-2+deb12u2", "1:9.2p1-2+deb12u3", "1:9.2p1-2+deb12u10", "1:9.3p1-1", "2:0.1"},
	"Debian:13":    {"5.4.5-0.3", "5.6.0-0.2", "5.6.1-1", "5.6.1+really5.4.5-1"},
	"Ubuntu:22.04": {"2.35-0ubuntu3", "2.35-0ubuntu3.1", "2.35-0ubuntu3.4", "2.35-0ubuntu3.10"},
	"AlmaLinux:9":  {"8.7p1-34.el9_3.3", "8.7p1-38.el9", "8.7p1-38.el9_4.1", "8.7p1-38.el9_4.4", "9.0p1-1.el9"},
	"Rocky Linux:9": {
		"0:1.0~rc1-1 = 1.0~rc1-1", "1.0-1", "1.0^git1-1", "1.0.1-1", "1:0.5-1"},
	"Alpine:v3.19": {"1.2.3_alpha1-r0", "1.2.3-r0", "1.2.3-r1", "1.2.3_p1-r0", "1.2.10-r0"},
	"PyPI":         {"2.31.0.dev1", "2.31.0a1", "2.31.0rc1", "2.31 = 2.31.0", "2.31.0.post1", "10.0"},
	"npm":          {"4.17.20", "4.17.21-rc.1", "4.17.21", "4.18.0", "10.0.0"},
	"Go": {"0.9.0", "v1.0.0-20200101000000-abcdefabcdef", "1.0.0 = v1.0.0 = go1 = go1.0", "1.0.1", "go1.21beta1 = 1.21.0-beta.1", "go1.21rc2", "go1.21rc10",
		"go1.21 = 1.21.0 = go1.21.0", "go1.21.3 = v1.21.3 = go1.21.3 X:boringcrypto", "go1.21.10"},
	"Maven":     {"2.0-beta9", "2.0-rc1", "2.0 = 2.0.0", "2.14.1", "2.15.0"},
	"crates.io": {"0.1.9", "0.1.10", "1.0.0-alpha", "1.0.0"},
	"RubyGems":  {"1.0.0.pre", "1.0.0", "1.0.1"},
	"NuGet":     {"1.0.0-beta", "1.0.0 = 1.0.0.0", "1.0.0.1"},
	"Application": {
		"0.53", "0.53b", "0.80", "1.0.1", "1.0.1f", "1.0.1g", "1.0.2-beta1", "1.0.2 = v1.0.2 = 1.0.2.0 = 1.0.2-release = Version 1.0.2 (64-bit)",
		"1.0.2.1", "1.10", "19.00 = 19.0 = 19", "19.01 = 19.1", "20240101", "100000000000000000000000000000"},
	"Application:windows": {
		"5.61", "5.70 beta 1 = 5.70 Beta 1 = 5.70-beta1", "5.70 beta 2", "5.70rc1", "5.70 = 5.70.0 = 5.70.0.0 (64-bit)", "6.22 = 6.22.0",
		"6.23 = 6.23 Vetinari", "8.0.2020.8", "22.003.20282", "23.006.20320", "115.8.0 = 115.8.0esr = 115.8.0 esr",
		"116.0.5845.97", "116.0.5845.187", "116.0.5845.1870"},
	"Application:mac": {"5.11.4 (7185)", "5.11.5 (1)", "5.17.11 = 5.17.11 (34827)"},
	"OS:ios":          {"15.7.9", "16.6", "16.6.1", "16.10", "17.0"},
}

func TestOrderInBothDirections(t *testing.T) {
	for ecosystem, ladder := range ladders {
		for i, low := range ladder {
			for j, high := range ladder {
				for _, a := range strings.Split(low, " = ") {
					for _, b := range strings.Split(high, " = ") {
						verify(t, ecosystem, a, b, sign(i-j))
					}
				}
			}
		}
	}
}

func verify(t *testing.T, ecosystem, a, b string, want int) {
	t.Helper()
	got, err := Compare(ecosystem, a, b)
	if err != nil || got != want {
		t.Errorf("%s: %q to %q: got %d, %v; want %d", ecosystem, a, b, got, err, want)
	}
	v, errA := Parse(ecosystem, a)
	w, errB := Parse(ecosystem, b)
	if got, err := v.CompareTo(w); errA != nil || errB != nil || err != nil || got != want {
		t.Errorf("%s: %q to %q, both read: got %d, %v; want %d", ecosystem, a, b, got, err, want)
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	default:
		return 0
	}
}

func TestIncomparable(t *testing.T) {
	for _, tc := range []struct{ ecosystem, a, b string }{
		{"Plan9", "1", "2"},
		{"", "1", "2"},
		{"application", "1", "2"},
		{"Application", "unknown", "1"},
		{"Application", "1", "unknown"},
		{"Application", "", "1"},
		{"Application", "(1.2)", "1"},
		{"Application", "1", "(1.2)"},
		{"Debian:12", "1.0", ""},
		{"Debian:12", "x:1.0", "1.0"},
		{"Debian:12", "1.0", "x:1.0"},
		{"Alpine:v3.19", "1.0", "n/a"},
		{"npm", "1", strings.Repeat("1", maxLength+1)},
		{"npm", strings.Repeat("1", maxLength+1), "1"},
	} {
		if n, err := Compare(tc.ecosystem, tc.a, tc.b); !errors.Is(err, ErrIncomparable) || n != 0 {
			t.Errorf("%s: %.20q to %.20q: got %d, %v", tc.ecosystem, tc.a, tc.b, n, err)
		}
	}
	debian, _ := Parse("Debian:12", "1")
	npm, _ := Parse("npm", "1")
	own, _ := Parse(Application, "1")
	for _, pair := range [][2]Version{{debian, npm}, {debian, own}, {own, debian}, {own, {}}, {{}, own}, {{}, {}}} {
		if n, err := pair[0].CompareTo(pair[1]); !errors.Is(err, ErrIncomparable) || n != 0 {
			t.Errorf("%v to %v: got %d, %v", pair[0], pair[1], n, err)
		}
	}
	if n, err := (Version{}).Compare("1"); !errors.Is(err, ErrIncomparable) {
		t.Errorf("zero version: %d, %v", n, err)
	}
}

func TestSupported(t *testing.T) {
	for ecosystem, want := range map[string]bool{
		"Debian:12": true, "Ubuntu:22.04:LTS": true, "Application": true, "Application:mac": true, "OS:ios": true,
		"Applications": false, "Plan9": false, "": false, "debian:12": false,
	} {
		if got := Supported(ecosystem); got != want {
			t.Errorf("%q: %v", ecosystem, got)
		}
	}
}

func TestSortable(t *testing.T) {
	for ecosystem, want := range map[string]bool{
		"Debian:12": true, "Rocky Linux:9": true, "Application": true, "OS:ios": true, "Packagist": false, "Maven": false, "": false,
	} {
		if got := Sortable(ecosystem); got != want {
			t.Errorf("%q: %v", ecosystem, got)
		}
	}
}

// The order of every ecosystem that is said to be sortable is total, whatever agents report.
func TestOrderIsTotal(t *testing.T) {
	versions := rapid.StringMatching(`([0-2]:)?v?[0-9]{1,3}([.\-+~^_ ]?([0-9]{1,3}|beta|rc|a|p|r|esr|deb)){0,4}`)
	for _, ecosystem := range sortable {
		rapid.Check(t, func(t *rapid.T) {
			a, b, c := versions.Draw(t, "a"), versions.Draw(t, "b"), versions.Draw(t, "c")
			ab, errAB := Compare(ecosystem, a, b)
			ba, errBA := Compare(ecosystem, b, a)
			bc, errBC := Compare(ecosystem, b, c)
			ac, errAC := Compare(ecosystem, a, c)
			if errors.Join(errAB, errBA, errBC, errAC) != nil {
				return // not a version here: nothing is sorted by it
			}
			if ab != -ba {
				t.Fatalf("%s: %q to %q is %d, the other way %d", ecosystem, a, b, ab, ba)
			}
			if ab <= 0 && bc <= 0 && ac > 0 {
				t.Fatalf("%s: %q <= %q <= %q, and yet the first is after the last", ecosystem, a, b, c)
			}
		})
	}
}

func FuzzCompare(f *testing.F) {
	for ecosystem, ladder := range ladders {
		for i := 1; i < len(ladder); i++ {
			f.Add(ecosystem, ladder[i-1], ladder[i])
		}
	}
	f.Add("Packagist", "1.0.0-dev", "dev-master 1")
	f.Add("Hackage", "1.2.3", "1.2")
	f.Add("CRAN", "1.2-3", "1.2.3")
	f.Add("Pub", "1.0.0+1", "1.0.0+2")
	f.Add("Alpine", "1.2.3_rc4_p5-r6", "1.02.3a")
	f.Add("Debian", "1:1é-1", "1:1e-1")
	f.Fuzz(func(t *testing.T, ecosystem, a, b string) {
		n, err := Compare(ecosystem, a, b)
		if err != nil && n != 0 || n < -1 || n > 1 {
			t.Fatalf("got %d, %v", n, err)
		}
		if same, err := Compare(ecosystem, a, a); err == nil && same != 0 {
			t.Fatalf("%q is not equal to itself: %d", a, same)
		}
		back, backErr := Compare(ecosystem, b, a)
		if isOwn(ecosystem) && (err == nil) != (backErr == nil) {
			t.Fatalf("comparable one way only: %v, %v", err, backErr)
		}
		if isOwn(ecosystem) && n != -back {
			t.Fatalf("%q to %q is %d, the other way %d", a, b, n, back)
		}
	})
}

func BenchmarkCompare(b *testing.B) {
	for _, bc := range []struct{ ecosystem, a, b string }{
		{"Debian:12", "1:9.2p1-2+deb12u2", "1:9.2p1-2+deb12u3"},
		{"AlmaLinux:9", "8.7p1-38.el9", "8.7p1-38.el9_4.1"},
		{"Application:windows", "116.0.5845.97", "116.0.5845.187"},
	} {
		b.Run(bc.ecosystem, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Compare(bc.ecosystem, bc.a, bc.b)
			}
		})
	}
}

// broken stands for a fault in the library.
type broken struct{}

func (broken) Compare(semantic.Version) (int, error) { panic("broken") }
func (broken) CompareStr(string) (int, error)        { panic("broken") }

func TestFaultsOfTheLibraryAreContained(t *testing.T) {
	if n, err := (Version{foreign: broken{}}).Compare("1"); !errors.Is(err, ErrIncomparable) || n != 0 {
		t.Errorf("got %d, %v", n, err)
	}
}
