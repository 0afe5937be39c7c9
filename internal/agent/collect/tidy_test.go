package collect

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"  Firefox\x00 ":          "Firefox",
		"\x1b[2Ja\nb\tc\x7f":      "[2Jabc",
		"a\xffb":                  "ab",
		"blåbær":                  "blåbær",
		strings.Repeat("é", 400):  strings.Repeat("é", 256),
		strings.Repeat("x€", 200): strings.Repeat("x€", 128),
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestTidy(t *testing.T) {
	got := Tidy([]Application{
		{Name: "b", Version: "1"}, {Name: "a", Version: "2"}, {}, {Name: "a", Version: "1"}, {Name: "b", Version: "1"},
		{Name: strings.Repeat("n", MaxText+1)}, {Name: "v", Version: strings.Repeat("1", MaxText+1)},
	})
	want := []Application{{Name: "a", Version: "1"}, {Name: "a", Version: "2"}, {Name: "b", Version: "1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
