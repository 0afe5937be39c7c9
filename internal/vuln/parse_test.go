package vuln

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"muster/internal/errs"
	"muster/internal/posture"
)

const entryText = `{"id":"CVE-2020-0001","affected":[{"package":{"ecosystem":"npm","name":"x"},` +
	`"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.0.0"}]}]}]}`

func TestParseForms(t *testing.T) {
	second := strings.ReplaceAll(entryText, "0001", "0002")
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"nothing":          {"", nil},
		"blanks":           {" \n\t", nil},
		"empty list":       {"[]", nil},
		"list":             {"[" + entryText + "," + second + "]", []string{"CVE-2020-0001", "CVE-2020-0002"}},
		"list with blanks": {" \n[ " + entryText + " ,\n" + second + " ]\n ", []string{"CVE-2020-0001", "CVE-2020-0002"}},
		"one":              {entryText, []string{"CVE-2020-0001"}},
		"lines":            {entryText + "\n" + second + "\n", []string{"CVE-2020-0001", "CVE-2020-0002"}},
		"joined":           {entryText + second, []string{"CVE-2020-0001", "CVE-2020-0002"}},
	} {
		c, err := Parse(iotest.OneByteReader(strings.NewReader(tc.text)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := c.ids(); !slices.Equal(got, tc.want) || c.Len() != len(tc.want) {
			t.Errorf("%s: got %v (%d), want %v", name, got, c.Len(), tc.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"text":               "hello",
		"a number":           "12",
		"list of numbers":    "[1]",
		"an open list":       "[" + entryText,
		"an open entry":      entryText[:40],
		"a list and more":    "[" + entryText + "] {}",
		"no comma":           "[" + entryText + entryText + "]",
		"a wrong type":       `{"id":1}`,
		"too deep":           strings.Repeat("[", 20000),
		"a wrong kind later": entryText + "[]",
	} {
		c, err := Parse(strings.NewReader(text))
		if c != nil || !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: got %v, %v; want an invalid error", name, c, err)
		}
	}
}

func TestLimits(t *testing.T) {
	big := `{"id":"CVE-1","summary":"` + strings.Repeat("x", 100_000) + `"}`
	for _, tc := range []struct {
		name string
		text string
		lim  limits
		want errs.Code
	}{
		{"within all", entryText + entryText, limits{1000, 1000, 2}, ""},
		{"exactly all", entryText, limits{int64(len(entryText)), int64(len(entryText)), 1}, ""},
		{"too many bytes", entryText, limits{int64(len(entryText)) - 1, 1 << 20, 9}, errs.TooLarge},
		{"too large an entry", big, limits{1 << 30, 50_000, 9}, errs.TooLarge},
		{"large entries within the limit", big + big + big, limits{1 << 30, 200_000, 9}, ""},
		{"too many entries", entryText + entryText, limits{1 << 20, 1 << 20, 1}, errs.TooLarge},
		{"too many in a list", "[" + entryText + "," + entryText + "]", limits{1 << 20, 1 << 20, 1}, errs.TooLarge},
		{"too many blanks", strings.Repeat(" ", 2000), limits{1000, 1 << 20, 1}, errs.TooLarge},
	} {
		err := decode(strings.NewReader(tc.text), tc.lim, func(*Entry) error { return nil })
		if tc.want == "" && err != nil || tc.want != "" && !errs.Is(err, tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestDecodeStopsAtTheFirstError(t *testing.T) {
	stop := errors.New("enough")
	n := 0
	err := Decode(strings.NewReader(entryText+entryText+entryText), func(*Entry) error {
		if n++; n == 2 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || n != 2 {
		t.Errorf("got %v after %d", err, n)
	}
	broken := iotest.ErrReader(errors.New("line is dead"))
	if err := Decode(io.MultiReader(strings.NewReader(entryText), broken), func(*Entry) error { return nil }); !errs.Is(err, errs.Invalid) {
		t.Errorf("a broken reader: %v", err)
	}
}

// What databases put into database_specific is theirs: it may be anything.
func TestForeignDatabaseSpecificIsForgiven(t *testing.T) {
	for _, theirs := range []string{`"text"`, `12`, `null`, `[]`, `{"kev":"yes","epss":{}}`, `{"vendors":"x","names":{}}`} {
		text := strings.Replace(entryText, `"ranges"`, `"database_specific":`+theirs+`,"ranges"`, 1)
		text = strings.Replace(text, `{"id"`, `{"database_specific":`+theirs+`,"id"`, 1)
		c, err := Parse(strings.NewReader(text))
		if err != nil || c.Len() != 1 || len(c.Problems()) > 0 {
			t.Errorf("%s: %v", theirs, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("catalogue.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(entryText)
	f.Add("[" + entryText + "]")
	f.Add(`{"id":"A","affected":[{"package":{"ecosystem":"OS:ios","name":"iOS"},"versions":["16.1"],"severity":[{"type":"CVSS_V2","score":"AV:N"}]}]}`)
	f.Add(`{"id":"B","modified":"2024-01-01T00:00:00Z","related":["CVE-1"],"database_specific":{"kev":true,"epss":0.5},"affected":[{"package":{"ecosystem":"Application","name":"a (b) 1.0"},"ranges":[{"type":"GIT"},{"type":"SEMVER","events":[{"last_affected":"2"},{"introduced":"1"}]}],"database_specific":{"vendors":["The V Inc."],"names":["v a"]}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(strings.NewReader(text))
		if (c == nil) == (err == nil) {
			t.Fatalf("got %v, %v", c, err)
		}
		if err != nil {
			return
		}
		r := &posture.Report{OS: posture.OS{Family: posture.IOS, Version: "16.1"}}
		for k := range c.groups {
			r.Applications = append(r.Applications, posture.Application{Name: k.Name, Version: "1.5", Ecosystem: k.Space},
				posture.Application{Name: k.Name, Version: "1.5"}, posture.Application{Name: k.Name, Vendor: k.Name, Version: "1.5"})
		}
		findings, levels := c.Match(r)
		for _, f := range findings {
			if f.ID == "" || f.Version == "" || f.Levels.Worst(levels) != levels {
				t.Fatalf("finding %+v among levels %v", f, levels)
			}
		}
	})
}
