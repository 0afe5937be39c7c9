package app

import "testing"

// TestPrintable: names come from agents, and must steer neither the terminal nor how the rest of the line is read.
func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"blåbær-7":             "blåbær-7",
		"a\x1b[2Jb\nc":         "a\uFFFD[2Jb\uFFFDc",
		"a\u202Egnp.exe":       "a\uFFFDgnp.exe",
		"zero\u200Bwidth":      "zero\uFFFDwidth",
		"\u2066isolated\u2069": "\uFFFDisolated\uFFFD",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
