package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
)

const sample = `package sample

func Fits(n, most int, open bool) bool {
	count(n)
	return open && n+1 <= most
}

var counted int

func count(n int) { counted += n }
`

// The tests of the sample see whether it is open, and not where the bound is.
const sampleTest = `package sample

import "testing"

func TestFits(t *testing.T) {
	if !Fits(1, 10, true) || Fits(1, 10, false) || Fits(20, 10, true) {
		t.Fatal("no")
	}
}
`

func TestSurvivingChangesAreFound(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module sample\n\ngo 1.25\n", "sample.go": sample, "sample_test.go": sampleTest} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	known := filepath.Join(dir, "known.md")
	if err := os.WriteFile(known, []byte("text\n\n    sample.go count: leave out counted += n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var lived []string
	r := runner{only: regexp.MustCompile(""), timeout: time.Minute, end: time.Now().Add(time.Minute), print: func(c change) { lived = append(lived, c.String()) }}
	if err := r.run(dir, known, 2); err != nil {
		t.Fatal(err)
	}
	slices.Sort(lived)
	want := []string{
		"sample.go Fits: - in n + 1",
		"sample.go Fits: leave out count(n)",
		"sample.go Fits: move the bound of n+1 <= most",
	}
	if !slices.Equal(lived, want) || r.tried != 7 || r.survived != 4 {
		t.Errorf("survived %q of %d, %d with the explained", lived, r.tried, r.survived)
	}
}

func TestBrokenTestsAreNoJudge(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module sample\n\ngo 1.25\n", "sample.go": sample,
		"sample_test.go": "package sample\n\nimport \"testing\"\n\nfunc TestFits(t *testing.T) { t.Fatal() }\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := runner{only: regexp.MustCompile(""), timeout: time.Minute, end: time.Now().Add(time.Minute)}
	if err := r.run(dir, "", 1); err == nil || r.tried != 0 {
		t.Errorf("%v, %d tried", err, r.tried)
	}
}
