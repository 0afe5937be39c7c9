package vuln

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the catalogue built in
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"muster/internal/posture"
)

// Catalogue is a set of known vulnerabilities in memory, indexed by what they affect. It does not change once made and may
// be used by many goroutines. What a server knows is in its database instead: see package catalogue.
type Catalogue struct {
	groups     map[Key]*Group
	about      map[string]Joined
	entries    int
	problems   []string
	digest     string
	thresholds Thresholds
}

//go:embed catalogue.json
var builtin []byte

var parseBuiltin = sync.OnceValues(func() (*Catalogue, error) { return Parse(bytes.NewReader(builtin)) })

// Builtin is the small catalogue that comes with the program: enough to try it out, not to rely on.
func Builtin() (*Catalogue, error) { return parseBuiltin() }

// BuiltinEntries hands over the entries of Builtin.
func BuiltinEntries(each func(*Entry) error) error { return Decode(bytes.NewReader(builtin), each) }

// BuiltinDigest tells the built-in catalogue of this program from that of another.
func BuiltinDigest() [sha256.Size]byte { return sha256.Sum256(builtin) }

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

// Match finds the known vulnerabilities of a report, scored: see Inventory.Match and Score.
func (c *Catalogue) Match(r *posture.Report) ([]posture.Finding, posture.Levels) {
	return Score(Take(r).Match(func(k Key) *Group { return c.groups[k] }), c.facts, c.thresholds)
}

func (c *Catalogue) facts(cve string) Facts {
	if j, ok := c.about[cve]; ok {
		return j.Facts
	}
	return NoFacts
}

// Describe gives what is said of a CVE or of the entry with an id. It reports whether anything is known of that id.
func (c *Catalogue) Describe(id string) (Description, bool) {
	j, ok := c.about[id]
	return j.Description, ok
}

// builder collects entries. Of an entry that comes twice the one modified last stays.
type builder struct {
	entries  map[string]*Prepared
	problems []string
}

func newBuilder() *builder { return &builder{entries: make(map[string]*Prepared)} }

const maxProblems = 100

func (b *builder) add(e *Entry) {
	p := Prepare(e)
	for _, problem := range p.Problems {
		if len(b.problems) < maxProblems {
			b.problems = append(b.problems, problem)
		}
	}
	if old := b.entries[p.ID]; p.ID != "" && (old == nil || p.Supersedes(old)) {
		b.entries[p.ID] = &p
	}
}

// Supersedes decides between two entries of one id: the one modified last. The digest settles what the date does not, so
// that the order in which feeds are read never matters.
func (p *Prepared) Supersedes(o *Prepared) bool {
	if n := p.Modified.Compare(o.Modified); n != 0 {
		return n > 0
	}
	return bytes.Compare(p.Digest[:], o.Digest[:]) > 0
}

// finish makes the index, in the order of the ids.
func (b *builder) finish() *Catalogue {
	c := &Catalogue{thresholds: DefaultThresholds(), problems: b.problems, groups: make(map[Key]*Group), about: make(map[string]Joined)}
	all := sha256.New()
	stored := make(map[Key][]Stored)
	about := make(map[string][]About)
	for _, id := range slices.SortedFunc(maps.Keys(b.entries), strings.Compare) {
		p := b.entries[id]
		all.Write(p.Digest[:])
		if !p.Withdrawn {
			c.entries++
		}
		for _, t := range p.Targets {
			for _, k := range t.Keys {
				stored[k] = append(stored[k], Stored{Data: t.Data})
			}
		}
		for _, a := range p.About {
			about[a.ID] = append(about[a.ID], a)
		}
	}
	for k, s := range stored {
		c.groups[k] = must(NewGroup(k, s))
	}
	for id, a := range about {
		c.about[id] = must(JoinAbout(a))
	}
	c.digest = hex.EncodeToString(all.Sum(nil)[:8])
	return c
}

// must is for what this very program has just written.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
