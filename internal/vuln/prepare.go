package vuln

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/internal/posture"
	"muster/internal/vuln/version"
)

// Prepared is an entry reduced to what a catalogue keeps of it.
type Prepared struct {
	ID       string
	Modified time.Time // zero where it cannot be read
	// Digest is that of all below: of two entries with one digest, one is enough.
	Digest    [sha256.Size]byte
	Withdrawn bool // nothing is left of it
	Targets   []StoredTarget
	About     []About
	// Problems are what could not be used, such as vectors that are none.
	Problems []string
}

// maxHeld bounds the packages of an entry, each with all of its CVEs. The largest that are known come to some ten thousand.
const maxHeld = 250_000

// Prepare reduces an entry. One without an id is kept nowhere.
func Prepare(e *Entry) Prepared {
	p := &Prepared{ID: e.ID, Modified: e.modified(), Withdrawn: e.Withdrawn != ""}
	if e.ID == "" {
		p.problem("an entry has no id")
		return *p
	}
	cves := e.cves()
	if len(cves)*(1+len(e.Affected)) > maxHeld {
		// Each of the packages would hold all of the CVEs. What was known of the entry before stays.
		return Prepared{Problems: []string{fmt.Sprintf("%s: %d packages and %d CVEs are more than any entry has", e.ID, len(e.Affected), len(cves))}}
	}
	if !p.Withdrawn {
		if !isMaintenance(e, cves) {
			p.targets(e, cves)
		}
		p.about(e, cves)
	}
	p.Digest = p.digest()
	return *p
}

func (p *Prepared) problem(format string, args ...any) {
	p.Problems = append(p.Problems, fmt.Sprintf(format, args...))
}

func (p *Prepared) digest() [sha256.Size]byte {
	text, err := json.Marshal(struct {
		ID        string
		Withdrawn bool
		Targets   []StoredTarget
		About     []About
	}{p.ID, p.Withdrawn, p.Targets, p.About})
	if err != nil {
		panic(err) // there is nothing in it that has no JSON form
	}
	return sha256.Sum256(text)
}

func (p *Prepared) targets(e *Entry, cves []string) {
	common := target{ID: e.ID, CVEs: cves, Modules: modulesOf(e)}
	common.Lines = linesOf(e, common.Modules)
	affected := builds(e)
	for i := range affected {
		p.target(e, &affected[i], common)
	}
}

// target prepares one package or application, unless nothing could ever match.
func (p *Prepared) target(e *Entry, a *Affected, t target) {
	eco := space(a.Package.Ecosystem)
	if !version.Supported(eco) {
		p.problem("%s: the order of versions of %q is not known", e.ID, a.Package.Ecosystem)
		return
	}
	severity := e.Severity
	if len(a.Severity) > 0 {
		severity = a.Severity
	}
	f, ok := factsOf(severity, &e.Extra)
	if !ok {
		p.problem("%s: a CVSS vector cannot be read", e.ID)
	}
	t.Said = f.saved()
	for _, v := range a.Product.Vendors {
		t.Vendors = append(t.Vendors, vendorWords(v))
	}
	if len(t.Vendors) == 0 && isApplication(eco) {
		p.problem("%s: the application %q has no vendor", e.ID, a.Package.Name)
		return
	}
	t.Systems = a.Specific.systems()
	if eco == version.OS+":"+string(posture.Windows) {
		t.Systems = windowsOf(append([]string{a.Package.Name}, a.Product.Names...)...)
	}
	p.ranges(&t, eco, e, a)
	keys := keysOf(a, t.Vendors)
	if len(t.Ranges) == 0 && len(t.Versions) == 0 || len(keys) == 0 {
		return
	}
	data, err := json.Marshal(t)
	if err != nil {
		panic(err) // as in digest
	}
	p.Targets = append(p.Targets, StoredTarget{Keys: keys, Data: data})
}

// ranges prepares the ranges, and of the single versions those that no range covers: the lists of distributions are
// long and mostly repeat the ranges.
func (p *Prepared) ranges(t *target, eco string, e *Entry, a *Affected) {
	for _, r := range a.Ranges {
		if r.Type == "GIT" {
			continue
		}
		edges, ok := edgesOf(eco, r.Events)
		if !ok {
			p.problem("%s: a range of %s cannot be read", e.ID, a.Package.Name)
			continue
		}
		t.ranges = append(t.ranges, edges)
		texts := make([]string, len(edges))
		for i, edge := range edges {
			texts[i] = edge.text()
		}
		t.Ranges = append(t.Ranges, texts)
	}
	for _, s := range a.Versions {
		if r := read(eco, s); !r.ordered || !t.inRanges(&r) {
			t.Versions = append(t.Versions, s)
		}
	}
}

func (t *target) inRanges(r *reading) bool {
	return slices.ContainsFunc(t.ranges, func(edges []edge) bool {
		in, _ := r.within(edges)
		return in
	})
}

func isApplication(ecosystem string) bool {
	base, _, _ := strings.Cut(ecosystem, ":")
	return base == version.Application
}

// keysOf lists the keys under which an affected package or application is found.
func keysOf(a *Affected, vendors [][]string) []Key {
	s := space(a.Package.Ecosystem)
	base, _, _ := strings.Cut(s, ":")
	switch base {
	case version.OS:
		return []Key{{Space: s}}
	case version.Application:
		return applicationKeys(s, append([]string{a.Package.Name}, a.Product.Names...), vendors)
	default:
		return []Key{{Space: s, Name: packageName(base, a.Package.Name)}}
	}
}

// applicationKeys lists the short names, for machines that report a vendor, and the full ones for those that do not:
// as written, and with each vendor in front.
func applicationKeys(space string, names []string, vendors [][]string) []Key {
	var out []Key
	for _, name := range names {
		full := productWords(name, "")
		if len(full) == 0 {
			continue
		}
		out = append(out, Key{Space: space, Name: strings.Join(full, " ")})
		for _, v := range vendors {
			short := program(v, withoutVendor(full, v))
			if distinct[short] {
				out = append(out, Key{Space: space, Name: short})
			}
			out = append(out, Key{Space: space, Name: short, ByVendor: true}, Key{Space: space, Name: strings.Join(v, " ") + " " + short})
		}
	}
	slices.SortFunc(out, Key.Compare)
	return slices.Compact(out)
}
