package vuln

import (
	"strings"
	"testing"

	"muster/internal/vuln/version"
)

// parseEvents reads "in 1, fix 2, last 3".
func parseEvents(s string) []Event {
	var out []Event
	for _, part := range strings.Split(s, ", ") {
		kind, v, _ := strings.Cut(part, " ")
		switch kind {
		case "in":
			out = append(out, Event{Introduced: v})
		case "fix":
			out = append(out, Event{Fixed: v})
		case "last":
			out = append(out, Event{LastAffected: v})
		}
	}
	return out
}

func TestRanges(t *testing.T) {
	for _, tc := range []struct {
		events, version string
		in              bool
		fix             string
	}{
		{"in 0", "1", true, ""},
		{"in 0", "0", true, ""},
		{"in 0, fix 2", "1.9", true, "2"},
		{"in 0, fix 2", "2", false, ""},
		{"in 0, fix 2", "2.1", false, ""},
		{"in 1, fix 2", "0.9", false, ""},
		{"in 1, fix 2", "1", true, "2"},
		{"in 1, last 2", "2", true, ""},
		{"in 1, last 2", "2.0.1", false, ""},
		{"fix 2, in 1", "1.5", true, "2"},
		{"in 3, fix 4, in 1, fix 2", "1.5", true, "2"},
		{"in 3, fix 4, in 1, fix 2", "2.5", false, ""},
		{"in 3, fix 4, in 1, fix 2", "3.5", true, "4"},
		{"in 3, fix 4, in 1, fix 2", "4", false, ""},
		{"in 1, last 2, in 3, fix 4", "1.5", true, ""},
		{"in 1, last 2, in 3, fix 4", "3", true, "4"},
		{"in 1, fix 2, in 2, fix 3", "2", true, "3"},
		{"in 2, fix 2, in 1, fix 3", "2", true, "3"},
		// The number of the build is no part of an end that names none.
		{"in 0, last 25.11", "25.11.0.706", true, ""},
		{"in 0, last 25.11.0", "25.11.0.706", true, ""},
		{"in 0, last 25.11.0.705", "25.11.0.706", false, ""},
		{"in 0, last 25.11", "25.11.1.2", false, ""},
		{"in 0, last 25.11", "25.11.1", false, ""},
	} {
		edges, ok := edgesOf(version.Application, parseEvents(tc.events))
		if !ok {
			t.Errorf("%s is not accepted", tc.events)
			continue
		}
		r := read(version.Application, tc.version)
		if in, fix := r.within(edges); in != tc.in || fix != tc.fix {
			t.Errorf("%s of %s: got %v %q, want %v %q", tc.version, tc.events, in, fix, tc.in, tc.fix)
		}
	}
}

func TestRangesRefused(t *testing.T) {
	for _, tc := range []struct{ ecosystem, events string }{
		{version.Application, ""},
		{version.Application, "fix 2"},
		{version.Application, "in 1, fix x"},
		{version.Application, "in x"},
		{"Debian:12", "in 0, fix x:1, last 2"},
	} {
		if edges, ok := edgesOf(tc.ecosystem, parseEvents(tc.events)); ok {
			t.Errorf("%q is accepted as %v", tc.events, edges)
		}
	}
}
