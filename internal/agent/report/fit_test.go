package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/internal/agent/collect"
)

// many makes so many of something, each under a name of its own that begins alike.
func many[T any](n int, begins string, each func(name string) T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = each(fmt.Sprintf("%s%06d", begins, i))
	}
	return out
}

// TestMoreThanAServerTakes: who fills a list does not keep the machine from reporting, and what was not said is not known.
func TestMoreThanAServerTakes(t *testing.T) {
	program := func(name string) collect.Application { return collect.Application{Name: name} }
	name := func(name string) string { return name }
	for what, c := range map[string]struct {
		programs  []collect.Application
		processes []string
		unread    []string
	}{
		"as on most machines": {many(3000, "program ", program), many(300, "process", name), nil},
		"long names":          {many(9000, strings.Repeat("x", 480), program), nil, []string{"software.dpkg", "software.pip"}},
		"many programs":       {many(20_001, "", program), nil, []string{"software.dpkg", "software.pip"}},
		// As much of processes as is collected: package common sees to that.
		"names that are longer when they are written": {
			many(9000, strings.Repeat("<", 200), program), many(1200, strings.Repeat("<", 200), name), []string{"software.dpkg", "software.pip"},
		},
	} {
		s := whole()
		s.Software["dpkg"] = collect.Known(c.programs)
		s.Processes = collect.Known(c.processes)
		raw := made(t, s, about()).Body
		var got body
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		if len(raw) > 4<<20 || len(got.SOH.Applications) > 20_000 {
			t.Errorf("%s: %d bytes with %d programs", what, len(raw), len(got.SOH.Applications))
		}
		var unread []string
		for _, u := range got.SOH.Unread {
			unread = append(unread, u.Fact)
		}
		slices.Sort(unread)
		slices.Sort(c.unread)
		if !slices.Equal(unread, c.unread) {
			t.Errorf("%s: it does not say %q, want %q", what, unread, c.unread)
		}
		if looked := slices.Contains(got.SOH.Collected, "remote_control"); looked != (c.unread == nil) {
			t.Errorf("%s: remote control was looked for: %t", what, looked)
		}
		if len(s.Software["dpkg"].Value) != len(c.programs) {
			t.Errorf("%s: the snapshot lost its programs", what)
		}
	}
}

// TestTimesThatAreNone: a server refuses a report with a time of the last century, and a log may tell of any.
func TestTimesThatAreNone(t *testing.T) {
	for year, told := range map[int]bool{1: false, 1969: false, 1970: true, 2199: true, 2200: false, 9999: false} {
		s := whole()
		s.Threats.Value.Found[0].Found = time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC)
		var got body
		if err := json.Unmarshal(made(t, s, about()).Body, &got); err != nil {
			t.Fatal(err)
		}
		if found := got.SOH.Threats.Found[0]; (found.Found != nil) != told || found.Name != "EICAR" {
			t.Errorf("%d: %+v", year, found)
		}
	}
}

// TestLargeDisk: a server takes sizes up to a thousand million MiB.
func TestLargeDisk(t *testing.T) {
	s := whole()
	s.Hardware.Disks.Value[0].Total, s.Hardware.Disks.Value[0].Free = 3<<50, 2<<50
	var got body
	if err := json.Unmarshal(made(t, s, about()).Body, &got); err != nil {
		t.Fatal(err)
	}
	if d := got.SOH.Disks[0]; d.TotalMB != 1_000_000_000 || d.FreeMB != 1_000_000_000 {
		t.Errorf("it has %d MB, of which %d are free", d.TotalMB, d.FreeMB)
	}
}

// TestManyNeighbours: a server takes a thousand.
func TestManyNeighbours(t *testing.T) {
	s := whole()
	s.Neighbours = collect.Known(many(1500, "eth", func(name string) collect.Neighbour { return collect.Neighbour{MAC: mac(1), Adapter: name} }))
	var got body
	if err := json.Unmarshal(made(t, s, about()).Body, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.SOH.Neighbours) != 1000 {
		t.Errorf("%d neighbours are reported", len(got.SOH.Neighbours))
	}
}
