package vuln

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the catalogue built in
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Catalogue is a set of known vulnerabilities, indexed by what they affect. It does not change once made and may be
// used by many goroutines.
type Catalogue struct {
	index      map[key]*group
	entries    int
	described  []described // sorted by id
	problems   []string
	digest     string
	thresholds Thresholds
}

// key finds the entries that may concern a product.
type key struct {
	space string // an ecosystem with its release, without what does not change the order of versions
	name  string // reduced by packageName or productWords
	// byVendor marks the short names of applications, which mean something only together with a vendor: "reader".
	byVendor bool
}

//go:embed catalogue.json
var builtin []byte

var parseBuiltin = sync.OnceValues(func() (*Catalogue, error) { return Parse(bytes.NewReader(builtin)) })

// Builtin is the small catalogue that comes with the program: enough to try it out, not to rely on.
func Builtin() (*Catalogue, error) { return parseBuiltin() }

// New makes a catalogue of entries in memory.
func New(entries []Entry) *Catalogue {
	b := newBuilder()
	for i := range entries {
		b.add(&entries[i])
	}
	return b.finish()
}

// Len is how many entries there are, without those withdrawn.
func (c *Catalogue) Len() int { return c.entries }

// Problems lists what could not be used, such as vectors that are none: the first hundred.
func (c *Catalogue) Problems() []string { return slices.Clone(c.problems) }

// Version is a digest of all that decides what Match answers: entries and thresholds. The order in which the entries
// were read does not matter.
func (c *Catalogue) Version() string {
	if c.thresholds == DefaultThresholds() {
		return c.digest
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %v", c.digest, c.thresholds))
	return hex.EncodeToString(sum[:8])
}

// WithThresholds gives the same catalogue with other levels of opswat_score.
func (c *Catalogue) WithThresholds(t Thresholds) *Catalogue {
	other := *c
	other.thresholds = t
	return &other
}

// builder collects entries. Of an entry that comes twice the one modified last stays.
type builder struct {
	entries  map[string]*prepared
	problems []string
}

// prepared is an entry that was read, reduced to what the catalogue keeps.
type prepared struct {
	modified time.Time
	digest   [sha256.Size]byte
	targets  map[key][]*target
	cve      string // the only one that the entry is about; "" where there are several or none
	facts    facts  // about that CVE
	cves     []string
	text     *text // nil where withdrawn
}

func newBuilder() *builder { return &builder{entries: make(map[string]*prepared)} }

const maxProblems = 100

func (b *builder) problem(format string, args ...any) {
	if len(b.problems) < maxProblems {
		b.problems = append(b.problems, fmt.Sprintf(format, args...))
	}
}

func (b *builder) add(e *Entry) {
	if e.ID == "" {
		b.problem("an entry has no id")
		return
	}
	text, err := json.Marshal(e)
	if err != nil {
		b.problem("%s: %v", e.ID, err)
		return
	}
	p := &prepared{modified: e.modified(), digest: sha256.Sum256(text)}
	if old := b.entries[e.ID]; old != nil && old.supersedes(p) {
		return
	}
	if e.Withdrawn == "" {
		p.targets = b.targets(e)
		p.facts, _ = factsOf(e.Severity, &e.Extra)
		if p.cves = e.cves(); len(p.cves) == 1 {
			p.cve = p.cves[0]
		}
		t := textOf(e)
		p.text = &t
	}
	b.entries[e.ID] = p
}

// supersedes decides between two entries of one id. The digest settles what the date does not, so that the order in
// which feeds are read never matters.
func (p *prepared) supersedes(o *prepared) bool {
	if n := p.modified.Compare(o.modified); n != 0 {
		return n > 0
	}
	return bytes.Compare(p.digest[:], o.digest[:]) >= 0
}

// known gathers what all entries together say of each CVE: one database knows which versions are affected, another how
// bad it is, a third whether it is exploited.
func (b *builder) known() map[string]facts {
	out := make(map[string]facts)
	for _, p := range b.entries {
		if p.cve == "" {
			continue
		}
		f, ok := out[p.cve]
		if !ok {
			f = noFacts
		}
		out[p.cve] = f.worst(p.facts)
	}
	return out
}

// complete scores a target, with what other entries say of its CVEs where its own says nothing.
func (t *target) complete(known map[string]facts) {
	others := noFacts
	for _, cve := range t.cves {
		if f, ok := known[cve]; ok {
			others = others.worst(f)
		}
	}
	t.facts = t.facts.completedBy(others)
	t.scores = t.facts.scores()
}

// finish makes the index, in the order of the ids.
func (b *builder) finish() *Catalogue {
	c := &Catalogue{thresholds: DefaultThresholds(), problems: b.problems}
	ids := make([]string, 0, len(b.entries))
	for id := range b.entries {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	all := sha256.New()
	known := b.known()
	targets := make(map[key][]*target)
	for _, id := range ids {
		p := b.entries[id]
		all.Write(p.digest[:])
		for k, some := range p.targets {
			targets[k] = append(targets[k], some...)
		}
		if p.targets != nil {
			c.entries++
		}
	}
	c.index = make(map[key]*group, len(targets))
	for k, some := range targets {
		for _, t := range some {
			t.complete(known)
		}
		c.index[k] = newGroup(some)
	}
	c.described = b.describe(ids)
	c.digest = hex.EncodeToString(all.Sum(nil)[:8])
	return c
}
