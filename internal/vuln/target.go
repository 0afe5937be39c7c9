package vuln

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"muster/internal/vuln/version"
)

// target is one package or application that an entry affects. Its exported members are how it is stored: they may be
// added to, never renamed.
type target struct {
	ID       string      `json:"i"` // of the entry
	CVEs     []string    `json:"c,omitempty"`
	Vendors  [][]string  `json:"v,omitempty"`
	Ranges   [][]string  `json:"r,omitempty"` // edges: see edge.text
	Versions []string    `json:"l,omitempty"` // affected, and in no range
	Said     *savedFacts `json:"f,omitempty"` // where the entry says them of this package
	Modules  []string    `json:"m,omitempty"` // module streams, of modular packages: see modulesOf
	Lines    []string    `json:"n,omitempty"` // where a stream is left open: see linesOf
	Systems  []string    `json:"o,omitempty"` // operating systems in Go's words, or of windowsOf; none for all

	// What follows from these.
	feed     string
	identity string // the CVEs, or the id where there are none
	ranges   [][]edge
	modular  bool // its fix is a build of a module
	facts    Facts
	fix      *version.Version // where all versions before this one are affected and no others
}

// StoredTarget is one package or application that an entry affects, under all keys that it is found by.
type StoredTarget struct {
	Keys []Key
	Data []byte // for NewGroup
}

// Stored is what is kept under a key of one entry.
type Stored struct {
	Feed string
	Data []byte // of a StoredTarget
}

// Group is what is known under one key. A kernel or a browser has thousands of entries, nearly all of which say that
// every version before some fix is affected: sorted by that fix, those that concern a version are the end of a list. It
// does not change once made.
type Group struct {
	sorted []*target
	rest   []*target
	size   int
	epoch  string // that all fixes have; "" where there is none, or not one
}

// NewGroup reads what is stored under a key.
func NewGroup(k Key, stored []Stored) (*Group, error) {
	targets := make([]*target, 0, len(stored))
	size := 0
	for _, s := range stored {
		t := &target{feed: s.Feed}
		err := json.Unmarshal(s.Data, t)
		if err != nil {
			return nil, fmt.Errorf("what the catalogue holds of %s %s cannot be read: %w", k.Space, k.Name, err)
		}
		err = t.revive(k.Space)
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
		size += len(s.Data)
	}
	g := newGroup(targets)
	g.size = size
	return g, nil
}

// Size is about how many bytes of memory a group takes.
func (g *Group) Size() int { return 200 + 4*g.size }

// revive makes what follows from what is stored.
func (t *target) revive(space string) error {
	for _, texts := range t.Ranges {
		edges := make([]edge, len(texts))
		for i, text := range texts {
			e, ok := edgeOf(text)
			if !ok {
				return fmt.Errorf("%s: a stored range begins with %q", t.ID, text)
			}
			edges[i] = e
		}
		t.ranges = append(t.ranges, edges)
	}
	t.modular = len(t.fixes()) > 0
	t.facts = NoFacts
	if t.Said != nil {
		t.facts = t.Said.facts()
	}
	t.identity = cmp.Or(strings.Join(t.CVEs, " "), t.ID)
	t.fix = t.onlyFix(space)
	return nil
}

func newGroup(targets []*target) *Group {
	g := &Group{}
	for _, t := range targets {
		if t.fix != nil {
			g.sorted = append(g.sorted, t)
		} else {
			g.rest = append(g.rest, t)
		}
	}
	g.epoch = commonEpoch(targets)
	slices.SortStableFunc(g.sorted, func(a, b *target) int {
		n, _ := a.fix.CompareTo(*b.fix) // of one ecosystem, and read: they can be compared
		return n
	})
	return g
}

// fixedAfter lists the sorted targets whose fix is newer than a version. It asks for the newest first: most machines
// are up to date.
func (g *Group) fixedAfter(v version.Version) []*target {
	older := func(i int) bool {
		n, err := v.CompareTo(*g.sorted[i].fix)
		return err == nil && n < 0
	}
	last := len(g.sorted) - 1
	if last < 0 || !older(last) {
		return nil
	}
	return g.sorted[sort.Search(last, older):]
}

// onlyFix gives the fix of a target that affects all versions before it and no others, nil for any other target.
func (t *target) onlyFix(space string) *version.Version {
	if len(t.Versions) > 0 || len(t.ranges) != 1 || !version.Sortable(space) {
		return nil
	}
	edges := t.ranges[0]
	if len(edges) != 2 || !edges[0].fromStart() || edges[1].kind != fixed {
		return nil
	}
	v, err := version.Parse(space, edges[1].version)
	if err != nil {
		return nil
	}
	return &v
}
