// Package vuln knows vulnerabilities: it reads them in OSV form, matches them with what is installed on a machine, and
// scores what it finds. It is pure but for the catalogue built into the program.
package vuln

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Entry is one vulnerability in the form of the OSV schema, as far as matching and scoring need it.
type Entry struct {
	ID        string   `json:"id"`
	Modified  string   `json:"modified,omitempty"`
	Published string   `json:"published,omitempty"`
	Withdrawn string   `json:"withdrawn,omitempty"`
	Aliases   []string `json:"aliases,omitempty"`
	Upstream  []string `json:"upstream,omitempty"`
	Related   []string `json:"related,omitempty"`
	Summary   string   `json:"summary,omitempty"`
	Details   string   `json:"details,omitempty"`

	Severity []Severity `json:"severity,omitempty"`
	Affected []Affected `json:"affected,omitempty"`
	Extra    Extra      `json:"database_specific,omitzero"`
}

// Severity is a score by one method; for CVSS it is the vector.
type Severity struct {
	Type  string `json:"type"` // CVSS_V2, CVSS_V3; others are ignored
	Score string `json:"score"`
}

// Affected says which versions of one package, application or operating system have the vulnerability.
type Affected struct {
	Package  Package    `json:"package"`
	Ranges   []Range    `json:"ranges,omitempty"`
	Versions []string   `json:"versions,omitempty"`
	Severity []Severity `json:"severity,omitempty"` // where it is not that of the entry
	Product  Product    `json:"database_specific,omitzero"`
	Specific Specific   `json:"ecosystem_specific,omitzero"`
}

// Package names what is affected. Besides OSV's ecosystems there are two of our own: "Application", an application
// known by vendor and name, and "OS", an operating system as a whole. Both may be restricted to a family of operating
// systems: "Application:windows", "OS:ios".
type Package struct {
	Ecosystem string `json:"ecosystem"`
	Name      string `json:"name"`
}

// Range is a stretch of versions.
type Range struct {
	Type   string  `json:"type"` // ECOSYSTEM or SEMVER; GIT is ignored
	Events []Event `json:"events"`
}

// Event is a version at which a range begins or ends. One of its members is set.
type Event struct {
	Introduced   string `json:"introduced,omitempty"` // "0" is before any version
	Fixed        string `json:"fixed,omitempty"`
	LastAffected string `json:"last_affected,omitempty"`
}

// Extra is what we read of an entry's database_specific.
type Extra struct {
	KEV  bool       `json:"kev,omitempty"`  // known to be exploited
	EPSS *float64   `json:"epss,omitempty"` // probability of exploitation in the next 30 days, 0 to 1
	CWEs weaknesses `json:"cwe_ids,omitempty"`
}

// Product is what we read of the database_specific of an affected application: other names under which the same
// program is installed, and who is given as its publisher. One vendor must fit, where a machine reports any.
type Product struct {
	Vendors []string `json:"vendors,omitempty"`
	Names   []string `json:"names,omitempty"`
}

// Specific is what we read of the ecosystem_specific of an affected package.
type Specific struct {
	Imports []Import `json:"imports,omitempty"` // of a Go module
}

// Import is one package of a Go module that is vulnerable.
type Import struct {
	GOOS []string `json:"goos,omitempty"` // the only operating systems; none for all
}

// systems lists the operating systems, in Go's words, on which alone a package is vulnerable; none for all.
func (s *Specific) systems() []string {
	var out []string
	for _, i := range s.Imports {
		if len(i.GOOS) == 0 {
			return nil
		}
		out = append(out, i.GOOS...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// UnmarshalJSON forgives what it does not understand, as that of Extra does.
func (s *Specific) UnmarshalJSON(data []byte) error {
	type plain Specific
	var p plain
	if json.Unmarshal(data, &p) == nil {
		*s = Specific(p)
	}
	return nil
}

// UnmarshalJSON forgives what it does not understand: the member belongs to whoever publishes the database, and
// another database may use the same words for something else.
func (e *Extra) UnmarshalJSON(data []byte) error {
	type plain Extra
	var p plain
	if json.Unmarshal(data, &p) == nil {
		*e = Extra(p)
	}
	return nil
}

// weaknesses are CWE ids.
type weaknesses []string

// UnmarshalJSON forgives what it does not understand, so that the members beside it are still read.
func (w *weaknesses) UnmarshalJSON(data []byte) error {
	var list []string
	if json.Unmarshal(data, &list) == nil {
		*w = list
	}
	return nil
}

// UnmarshalJSON forgives what it does not understand, as that of Extra does.
func (p *Product) UnmarshalJSON(data []byte) error {
	type plain Product
	var q plain
	if json.Unmarshal(data, &q) == nil {
		*p = Product(q)
	}
	return nil
}

// cves lists the CVE ids of the entry in order. Some databases name them only as related.
func (e *Entry) cves() []string {
	out := onlyCVEs([]string{e.ID}, e.Aliases, e.Upstream)
	if len(out) == 0 {
		out = onlyCVEs(e.Related)
	}
	return out
}

func onlyCVEs(lists ...[]string) []string {
	var out []string
	for _, id := range slices.Concat(lists...) {
		if strings.HasPrefix(id, "CVE-") {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// modified gives the time of the last change, zero when it cannot be read.
func (e *Entry) modified() time.Time {
	t, err := time.Parse(time.RFC3339, e.Modified)
	if err != nil {
		return time.Time{}
	}
	return t
}
