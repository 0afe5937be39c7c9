package accuracy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"muster/internal/vuln"
	"muster/internal/vuln/feed"
)

// judged is one line of testdata/applications.tsv: what a machine reports, and whether by the record of the CVE it
// has the vulnerability.
type judged struct {
	found                         bool
	family, vendor, name, version string
	cve, why                      string
}

func readSample(t *testing.T, file string) []judged {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var out []judged
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if len(f) != 7 || f[0] != "yes" && f[0] != "no" {
			t.Fatalf("%q is no line of the sample", line)
		}
		out = append(out, judged{f[0] == "yes", f[1], f[2], f[3], f[4], f[5], f[6]})
	}
	return out
}

// known are the lines in which Muster differs, and why. docs/accuracy.md tells them too.
var known = map[string]string{
	"windows|Microsoft Corporation|Visual Studio Community 2022|17.7.4|CVE-2024-28938": "a range is cut down to the series in the product's name, 17.9: the " +
		"others have rows of their own, and without the cut all of these would be found, mended or not",
	"windows|Veeam Software Group GmbH|Veeam Backup & Replication|12.1.1.56|CVE-2024-40712": "who assigned the number names 12.1.2 alone; only CISA knows of all 12, " +
		"and comes second",
	// Of the sample drawn by chance, which no rule was made for.
	"windows|wcmp|MultiVendorX - The Ultimate WooCommerce Multivendor Marketplace Solution|4.1.9|CVE-2024-8289": "another dash in the name",
	"windows|Campbell Scientific|CSI Web Server|1.6|CVE-2024-5433":                                              "the record has two products in one name",
	"windows|themeisle|Otter Blocks|2.6.4|CVE-2024-2226":                                                        "the record has a whole title for a name",
	"windows|National Instruments|FlexLogger|23.8|CVE-2024-4044":                                                "the record has the publisher as NI",
	"ios|Mozilla|Firefox|125.0|CVE-2024-4769":                                                                   "the record names no system, and the app has the name of the program",
}

func TestApplications(t *testing.T) {
	wanted := make(map[string]bool)
	for _, j := range append(readSample(t, "applications.tsv"), readSample(t, "random.tsv")...) {
		wanted[j.cve+".json"] = true
	}
	records := make(map[string][]byte)
	archive(t, data(t, "cve5-2024.tar.xz"), func(name string, record []byte) {
		if wanted[name] {
			records[name] = record
		}
	})
	for _, tc := range []struct {
		file          string
		lines, wanted int
	}{{"applications.tsv", 200, 100}, {"random.tsv", 84, 42}} {
		t.Run(tc.file, func(t *testing.T) {
			sample := readSample(t, tc.file)
			wanted := 0
			for _, j := range sample {
				wanted += one(j.found)
			}
			if len(sample) != tc.lines || wanted != tc.wanted {
				t.Errorf("the sample has %d lines, and %d that are to be found", len(sample), wanted)
			}
			judge(t, records, sample)
		})
	}
}

// judge compares what Muster says of a sample with what the sample says.
func judge(t *testing.T, records map[string][]byte, sample []judged) {
	t.Helper()
	var entries []vuln.Entry
	for name, record := range records {
		_, err := feed.Read(name, strings.NewReader(string(record)), feed.Options{}, func(i feed.Item) error {
			entries = append(entries, *i.Entry)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	catalogue := vuln.New(entries)
	var f figures
	for _, j := range sample {
		got := j.isFound(t, catalogue)
		line := strings.Join([]string{j.family, j.vendor, j.name, j.version, j.cve}, "|")
		switch {
		case j.found:
			f = f.plus(figures{both: one(got), missed: one(!got)})
		default:
			f = f.plus(figures{invented: one(got)})
		}
		if _, explained := known[line]; got != j.found && !explained {
			t.Errorf("%s (%s): found %v", line, j.why, got)
		} else if got == j.found && explained {
			t.Errorf("%s is right by now: strike it from the list of what is not", line)
		}
	}
	t.Logf("applications %s", f)
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// isFound sends the report of a machine that has this and nothing else.
func (j *judged) isFound(t *testing.T, catalogue *vuln.Catalogue) bool {
	t.Helper()
	m := machine{family: j.family}
	if j.name == "(system)" {
		m.version = j.version
	} else {
		m.software = []map[string]any{{"name": j.name, "vendor": j.vendor, "version": j.version}}
	}
	findings, _ := catalogue.Match(m.report(t))
	for i := range findings {
		if slices.Contains(findings[i].CVEs, j.cve) {
			return true
		}
	}
	return false
}
