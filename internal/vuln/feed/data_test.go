package feed

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"muster/internal/vuln"
)

// realData finds the folder with real feeds, which lies beside the project on the machines of those who work on it.
func realData(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		file := filepath.Join(filepath.Dir(dir), "shared", "data", name)
		if _, err := os.Stat(file); err == nil {
			return file
		}
		if dir == filepath.Dir(dir) {
			t.Skipf("NOT TESTED WITH REAL DATA: there is no ../shared/data/%s", name)
		}
	}
}

// errEnough ends a reading that would take too long.
var errEnough = errors.New("enough")

// Real feeds are read whole, with no more problems than were looked at and found to be the publisher's.
func TestRealFeeds(t *testing.T) {
	for _, tc := range []struct {
		name     string
		format   Format
		items    int
		declared int
		problems int // at most
	}{
		{"almalinux-osv.tar.xz", OSV, 5680, 0, 0},
		{"go-osv.tar.xz", OSV, 4291, 0, 0},
		{"cisa-kev.json.xz", KEV, 1404, 1404, 0},
		{"cve5-2024.tar.xz", CVE5, 23975, 0, 3000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			in, err := os.Open(realData(t, tc.name))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = in.Close() }()
			start := time.Now()
			var read, applications, systems, packages, unaffecting int
			examples := make(map[Reason][]string)
			head, err := Read(tc.name, in, Options{Problem: func(p Problem) {
				if e := examples[p.Reason]; len(e) < 5 || os.Getenv("MUSTER_FEED_PROBLEMS") != "" {
					examples[p.Reason] = append(e, p.ID+" "+p.Detail)
				}
			}}, func(i Item) error {
				if read++; raceEnabled && read == 200 {
					return errEnough
				}
				if len(i.Entry.Affected) == 0 {
					unaffecting++
				}
				for j := range i.Entry.Affected {
					switch base, _ := ecosystemOf(&i.Entry.Affected[j]); base {
					case "Application":
						applications++
					case "OS":
						systems++
					default:
						packages++
					}
				}
				return nil
			})
			if errors.Is(err, errEnough) {
				t.Skip("the race detector makes it fifty times as slow: only 200 records were read, 'make real-feeds' reads all")
			}
			if err != nil || head.Format != tc.format || head.Items != tc.items || head.Declared != tc.declared {
				t.Errorf("%v, %+v", err, head)
			}
			t.Logf("%d items as of %s in %s; affected: %d applications, %d systems, %d packages; %d affect nothing", head.Items,
				head.AsOf.Format(time.DateOnly), time.Since(start).Round(time.Millisecond), applications, systems, packages, unaffecting)
			all := 0
			for _, reason := range slices.Sorted(maps.Keys(head.Problems)) {
				t.Logf("%d times: %s, such as %q", head.Problems[reason], reason, examples[reason])
				all += head.Problems[reason]
			}
			if all > tc.problems {
				t.Errorf("%d problems, more than the %d that are known", all, tc.problems)
			}
		})
	}
}

func ecosystemOf(a *vuln.Affected) (base, rest string) {
	for i, r := range a.Package.Ecosystem {
		if r == ':' {
			return a.Package.Ecosystem[:i], a.Package.Ecosystem[i+1:]
		}
	}
	return a.Package.Ecosystem, ""
}
