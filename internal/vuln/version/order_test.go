package version

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// asked maps the files of testdata/order, which hold what the ecosystems' own tools say, to the ecosystems they speak for.
var asked = map[string][]string{
	"debian":    {"Debian:12", "Ubuntu:22.04"},
	"rpm":       {"AlmaLinux:8", "Rocky Linux:9", "Red Hat", "SUSE", "openSUSE:Leap 15.5", "Mageia:9", "openEuler:24.03-LTS"},
	"pypi":      {"PyPI"},
	"npm":       {"npm", "crates.io"},
	"maven":     {"Maven"},
	"rubygems":  {"RubyGems"},
	"packagist": {"Packagist"},
}

// TestOrderOfTheTools compares with what dpkg, rpm and the others answered (testdata/README.md), in both directions.
func TestOrderOfTheTools(t *testing.T) {
	files, err := filepath.Glob("testdata/order/*.tsv")
	if err != nil || len(files) != len(asked) {
		t.Fatalf("got %d files, %v; want %d", len(files), err, len(asked))
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".tsv")
		for _, ecosystem := range asked[name] {
			t.Run(name+"/"+ecosystem, func(t *testing.T) { followTool(t, file, ecosystem) })
		}
	}
}

// odd are versions that the library takes otherwise than the tool, in a way that no published package depends on.
var odd = map[string][]string{
	"npm":   {"1.0.0--1"},      // an identifier with a leading dash is a word to npm; the library reads a number below zero
	"Maven": {"1.0.x", "1.0x"}, // Maven 3.8 takes the two for one; by Maven's own text of later versions they differ
}

func isOdd(ecosystem, a, b string) bool {
	if ecosystem == "crates.io" {
		ecosystem = "npm"
	}
	return slices.Contains(odd[ecosystem], a) || slices.Contains(odd[ecosystem], b)
}

func followTool(t *testing.T, file, ecosystem string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) < 300 {
		t.Errorf("only %d pairs", len(lines))
	}
	for _, line := range lines {
		fields := strings.Split(line, "\t")
		if len(fields) != 3 {
			t.Fatalf("%q is not three fields", line)
		}
		if isOdd(ecosystem, fields[0], fields[2]) {
			continue
		}
		want := strings.Index("<=>", fields[1]) - 1
		verify(t, ecosystem, fields[0], fields[2], want)
		verify(t, ecosystem, fields[2], fields[0], -want)
	}
}

// ordered are the ecosystems whose comparison must answer the opposite when asked the other way round, whatever the versions
// are. Those that are sortable are among them.
var ordered = append([]string{"PyPI", "npm", "Go", "crates.io", "NuGet", "RubyGems", "Packagist", "Maven", "Alpine:v3.20"}, sortable...)

func FuzzOrder(f *testing.F) {
	for i, ecosystem := range ordered {
		if ladder := ladders[ecosystem]; len(ladder) > 2 {
			f.Add(uint8(i), ladder[0], ladder[1], ladder[2])
		}
		f.Add(uint8(i), "1:1.0~rc1-1.el8_3", "1.0^git1-1", "1.0-1.module_el8.5.0+2613+1b78b731")
		f.Add(uint8(i), "1.0-alpha.beta", "1.0.0-1", "1.0.post1.dev2")
	}
	f.Fuzz(func(t *testing.T, which uint8, a, b, c string) {
		ecosystem := ordered[int(which)%len(ordered)]
		ab, err := Compare(ecosystem, a, b)
		ba, errBack := Compare(ecosystem, b, a)
		if err != nil || errBack != nil {
			return // not a version here
		}
		if ab != -ba {
			t.Fatalf("%s: %q to %q is %d, the other way %d", ecosystem, a, b, ab, ba)
		}
		bc, errBC := Compare(ecosystem, b, c)
		ac, errAC := Compare(ecosystem, a, c)
		if Sortable(ecosystem) && errBC == nil && errAC == nil && ab <= 0 && bc <= 0 && ac > 0 {
			t.Fatalf("%s: %q <= %q <= %q, and yet the first is after the last", ecosystem, a, b, c)
		}
	})
}
