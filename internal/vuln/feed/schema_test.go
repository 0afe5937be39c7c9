package feed

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"muster/internal/vuln/version"
)

// statusBySchema is the rule of the schema for one version, letter by letter: the first entry that the version falls
// under decides, with the changes of status up to it, and the default where there is none. Versions are whole numbers.
func statusBySchema(a *cveAffected, n int) string {
	number := func(s string) int {
		if s == "*" {
			return 1 << 30
		}
		i, _ := strconv.Atoi(s)
		return i
	}
	for _, v := range a.Versions {
		from := number(v.Version)
		switch {
		case v.Before == "" && v.Through == "":
			if n == from {
				return v.Status
			}
			continue
		case n < from, v.Before != "" && n >= number(v.Before), v.Through != "" && n > number(v.Through):
			continue
		}
		status := v.Status
		for _, c := range v.Changes {
			if n >= number(c.At) {
				status = c.Status
			}
		}
		return status
	}
	return a.Default
}

// drawAffected draws what a publisher who keeps to the rules may write: ranges that do not overlap.
func drawAffected(t *rapid.T) *cveAffected {
	statuses := []string{"affected", "unaffected", "unknown"}
	a := &cveAffected{Product: "P", Default: rapid.SampledFrom(statuses).Draw(t, "default")}
	at := rapid.IntRange(1, 4).Draw(t, "first")
	for range rapid.IntRange(0, 4).Draw(t, "entries") {
		v := cveVersion{Version: strconv.Itoa(at), Status: rapid.SampledFrom(statuses).Draw(t, "status")}
		length := rapid.IntRange(1, 5).Draw(t, "length")
		switch rapid.SampledFrom([]string{"before", "through", "alone"}).Draw(t, "kind") {
		case "before":
			v.Before = strconv.Itoa(at + length)
		case "through":
			v.Through = strconv.Itoa(at + length)
			length++
		default:
			v.Status = "affected" // others alone are read as what publishers mean
		}
		if v.Before+v.Through != "" && v.Status == "affected" && length > 2 && rapid.Bool().Draw(t, "changes") {
			v.Changes = []cveChange{{At: strconv.Itoa(at + rapid.IntRange(-1, 1).Draw(t, "change")), Status: "unaffected"}}
			if rapid.Bool().Draw(t, "and back") {
				v.Changes = append(v.Changes, cveChange{At: strconv.Itoa(at + 2), Status: "affected"})
			}
		}
		a.Versions = append(a.Versions, v)
		at += length + rapid.IntRange(0, 3).Draw(t, "gap")
	}
	if last := len(a.Versions) - 1; last >= 0 && a.Versions[last].Before != "" && rapid.Bool().Draw(t, "endless") {
		a.Versions[last].Before = "*"
	}
	a.Versions = rapid.Permutation(a.Versions).Draw(t, "order")
	return a
}

// What is translated says of every version what the schema says, where publishers keep to it.
func TestVersionsBySchema(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := drawAffected(t)
		if a.Default == "affected" && len(a.Versions) > 0 && !slices.ContainsFunc(a.Versions, func(v cveVersion) bool { return v.Status != "affected" }) {
			return // not by the letter, but as it is meant
		}
		r := &run{}
		tr := &translation{run: r, file: &file{path: "f"}}
		spans, single := tr.resolve(a, version.Application)
		for n := 1; n <= 40; n++ {
			got := in(spans, n) || slices.Contains(single, strconv.Itoa(n))
			if want := statusBySchema(a, n) == "affected"; got != want {
				t.Fatalf("version %d: got %v, want %v: %+v gives %v and %v", n, got, want, a, spans, single)
			}
		}
	})
}
