package vuln

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // for the catalogue built in
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/internal/posture"
	"muster/internal/vuln/version"
)

// Catalogue is a set of known vulnerabilities, indexed by what they affect. It does not change once made and may be
// used by many goroutines.
type Catalogue struct {
	index      map[key][]*target
	entries    int
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

// record is what a finding says of an entry.
type record struct {
	id       string
	cves     []string
	kev      bool
	identity string // the CVEs, or the id where there are none
}

// target is one package or application that an entry affects.
type target struct {
	*record
	ecosystem string
	vendors   [][]string
	ranges    [][]edge
	versions  []string // affected, and in no range
	scores    [posture.NumScoreTypes]float64
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

// Len is how many vulnerabilities there are.
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

// targets prepares everything that an entry affects.
func (b *builder) targets(e *Entry) map[key][]*target {
	rec := &record{id: e.ID, cves: e.cves(), kev: e.Extra.KEV}
	rec.identity = cmp.Or(strings.Join(rec.cves, " "), e.ID)
	out := make(map[key][]*target)
	for i := range e.Affected {
		a := &e.Affected[i]
		t := b.target(rec, e, a)
		if t == nil {
			continue
		}
		for _, k := range keysOf(a, t.vendors) {
			out[k] = append(out[k], t)
		}
	}
	return out
}

// target prepares one package or application, nil where nothing could ever match.
func (b *builder) target(rec *record, e *Entry, a *Affected) *target {
	t := &target{record: rec, ecosystem: space(a.Package.Ecosystem)}
	if !version.Supported(t.ecosystem) {
		b.problem("%s: the order of versions of %q is not known", e.ID, a.Package.Ecosystem)
		return nil
	}
	severity := e.Severity
	if len(a.Severity) > 0 {
		severity = a.Severity
	}
	var ok bool
	if t.scores, ok = scores(severity, &e.Extra); !ok {
		b.problem("%s: a CVSS vector cannot be read", e.ID)
	}
	for _, v := range a.Product.Vendors {
		t.vendors = append(t.vendors, vendorWords(v))
	}
	if len(t.vendors) == 0 && isApplication(t.ecosystem) {
		b.problem("%s: the application %q has no vendor", e.ID, a.Package.Name)
		return nil
	}
	b.ranges(t, e, a)
	if len(t.ranges) == 0 && len(t.versions) == 0 {
		return nil
	}
	return t
}

// ranges prepares the ranges, and of the single versions those that no range covers: the lists of distributions are
// long and mostly repeat the ranges.
func (b *builder) ranges(t *target, e *Entry, a *Affected) {
	for _, r := range a.Ranges {
		if r.Type == "GIT" {
			continue
		}
		edges, ok := edgesOf(t.ecosystem, r.Events)
		if !ok {
			b.problem("%s: a range of %s cannot be read", e.ID, a.Package.Name)
			continue
		}
		t.ranges = append(t.ranges, edges)
	}
	for _, s := range a.Versions {
		if v, err := version.Parse(t.ecosystem, s); err != nil || !t.inRanges(v) {
			t.versions = append(t.versions, s)
		}
	}
}

func (t *target) inRanges(v version.Version) bool {
	return slices.ContainsFunc(t.ranges, func(edges []edge) bool {
		in, _ := covers(v, edges)
		return in
	})
}

// space reduces an ecosystem to what tells its packages from those of others: Ubuntu:22.04:LTS is Ubuntu:22.04.
func space(ecosystem string) string { return strings.TrimSuffix(ecosystem, ":LTS") }

func isApplication(ecosystem string) bool {
	base, _, _ := strings.Cut(ecosystem, ":")
	return base == version.Application
}

// keysOf lists the keys under which an affected package or application is found.
func keysOf(a *Affected, vendors [][]string) []key {
	s := space(a.Package.Ecosystem)
	base, _, _ := strings.Cut(s, ":")
	switch base {
	case version.OS:
		return []key{{space: s}}
	case version.Application:
		return applicationKeys(s, append([]string{a.Package.Name}, a.Product.Names...), vendors)
	default:
		return []key{{space: s, name: packageName(base, a.Package.Name)}}
	}
}

// applicationKeys lists the short names, for machines that report a vendor, and the full ones for those that do not:
// as written, and with each vendor in front.
func applicationKeys(space string, names []string, vendors [][]string) []key {
	var out []key
	for _, name := range names {
		full := productWords(name, "")
		if len(full) == 0 {
			continue
		}
		out = append(out, key{space: space, name: strings.Join(full, " ")})
		for _, v := range vendors {
			short := withoutVendor(full, v)
			out = append(out, key{space: space, name: strings.Join(short, " "), byVendor: true},
				key{space: space, name: strings.Join(slices.Concat(v, short), " ")})
		}
	}
	slices.SortFunc(out, func(a, b key) int { return strings.Compare(a.order(), b.order()) })
	return slices.Compact(out)
}

func (k key) order() string { return fmt.Sprintf("%s %v %s", k.space, k.byVendor, k.name) }

// finish makes the index, in the order of the ids.
func (b *builder) finish() *Catalogue {
	c := &Catalogue{index: make(map[key][]*target), thresholds: DefaultThresholds(), problems: b.problems}
	ids := make([]string, 0, len(b.entries))
	for id := range b.entries {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	all := sha256.New()
	for _, id := range ids {
		p := b.entries[id]
		all.Write(p.digest[:])
		for k, targets := range p.targets {
			c.index[k] = append(c.index[k], targets...)
		}
		if p.targets != nil {
			c.entries++
		}
	}
	c.digest = hex.EncodeToString(all.Sum(nil)[:8])
	return c
}
