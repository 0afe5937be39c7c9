package vuln

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"muster/internal/vuln/version"
)

// edge is an event of a range, ready to be compared.
type edge struct {
	kind    edgeKind
	version string
}

type edgeKind uint8

// edgeMarks are what the stored form of an edge begins with, by its kind.
const edgeMarks = "<[]"

// text is the stored form of an edge.
func (e edge) text() string { return edgeMarks[e.kind:e.kind+1] + e.version }

func edgeOf(text string) (edge, bool) {
	if text == "" {
		return edge{}, false
	}
	kind := strings.IndexByte(edgeMarks, text[0])
	if kind < 0 {
		return edge{}, false
	}
	return edge{edgeKind(kind), text[1:]}, true
}

// At one version a fix comes before a new introduction: the version is vulnerable again.
const (
	fixed edgeKind = iota
	introduced
	lastAffected
)

// edgesOf sorts the events of a range. It fails where the range has no beginning, or versions that cannot be compared.
func edgesOf(ecosystem string, events []Event) ([]edge, bool) {
	var out []edge
	begins := false
	for _, e := range events {
		switch {
		case e.Introduced != "":
			out = append(out, edge{introduced, e.Introduced})
			begins = true
		case e.Fixed != "":
			out = append(out, edge{fixed, e.Fixed})
		case e.LastAffected != "":
			out = append(out, edge{lastAffected, e.LastAffected})
		}
	}
	ordered := true
	for _, e := range out {
		_, err := version.Parse(ecosystem, e.version)
		ordered = ordered && err == nil
	}
	slices.SortStableFunc(out, func(a, b edge) int {
		n, err := compareEdges(ecosystem, a, b)
		ordered = ordered && err == nil
		return n
	})
	return out, begins && ordered
}

// fromStart reports whether the edge is the beginning of all versions.
func (e edge) fromStart() bool { return e.kind == introduced && e.version == "0" }

func compareEdges(ecosystem string, a, b edge) (int, error) {
	if a.fromStart() || b.fromStart() {
		return -cmp.Compare(truth(a.fromStart()), truth(b.fromStart())), nil
	}
	n, err := version.Compare(ecosystem, a.version, b.version)
	return cmp.Or(n, cmp.Compare(a.kind, b.kind)), err
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reading is a version as it is compared with ranges.
type reading struct {
	text    string
	version version.Version
	// release is the version without the number of the build, for ends of ranges that name none: 25.11.0 for 25.11.0.706.
	release version.Version
	ordered bool // it can be compared at all
}

// withBuild is a version of four numbers, as Windows has them. The last is the build.
var withBuild = regexp.MustCompile(`^([0-9]+\.[0-9]+\.[0-9]+)\.[0-9]+$`)

// read reads a version of an ecosystem. Only versions of applications have builds.
func read(space, text string) reading {
	v, err := version.Parse(space, text)
	r := reading{text: text, version: v, release: v, ordered: err == nil}
	if !isApplication(space) {
		return r
	}
	m := withBuild.FindStringSubmatch(text)
	if m == nil {
		return r
	}
	if short, err := version.Parse(space, m[1]); err == nil {
		r.release = short
	}
	return r
}

// within reports whether a version lies in a range, and which version is the first without the vulnerability.
func (r *reading) within(edges []edge) (vulnerable bool, fix string) {
	for _, e := range edges {
		if e.fromStart() {
			vulnerable = true
			continue
		}
		at := r.version
		if e.kind == lastAffected && strings.Count(e.version, ".") < 3 {
			at = r.release
		}
		n, err := at.Compare(e.version)
		if err != nil {
			return false, ""
		}
		switch {
		case e.kind == introduced && n >= 0:
			vulnerable = true
		case e.kind == fixed && n >= 0, e.kind == lastAffected && n > 0:
			vulnerable = false
		case vulnerable && e.kind == fixed:
			return true, e.version
		case vulnerable && e.kind == lastAffected:
			return true, ""
		}
	}
	return vulnerable, ""
}

// isYear reports whether a version begins with a year.
func isYear(v string) bool { return year.MatchString(v) }

var year = regexp.MustCompile(`^(?:19[89]|20[0-9])[0-9](?:\.|$)`)
