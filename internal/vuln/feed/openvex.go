package feed

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/errs"
)

// Statement is what an OpenVEX document says of one vulnerability in some products.
type Statement struct {
	ID            string    // of the statement; may be ""
	Document      string    // the @id of the document
	Author        string    // of the document
	Role          string    // of the author
	Supplier      string    // who made the products
	Vulnerability string    // its name: a CVE id, or that of another database
	Aliases       []string  // other names of the vulnerability
	Products      []Product // never empty
	Status        Status
	Justification string // one of OpenVEX's words, where the status is NotAffected
	Impact        string // why the products are not affected, in words
	Action        string // what to do, where the status is Affected
	Notes         string // on the status
	Version       int    // of the statement, or else of the document
	At            time.Time
	Updated       time.Time // zero where it did not change since
}

// Status is one of OpenVEX's.
type Status string

// The statuses of OpenVEX.
const (
	NotAffected        Status = "not_affected"
	Affected           Status = "affected"
	Fixed              Status = "fixed"
	UnderInvestigation Status = "under_investigation"
)

// Product is something that a statement is about.
type Product struct {
	ID            string    // an IRI, often a package URL
	PURL          string    // a package URL, where there is one
	CPE           string    // a CPE name, where there is one
	Subcomponents []Product // the parts of the product that the vulnerability is in
}

// Reasons why a statement is not used.
const (
	noVulnerability Reason = "the statement names no vulnerability"
	noProduct       Reason = "the statement names no product"
	noVEXStatus     Reason = "the status is none of OpenVEX's"
	unfounded       Reason = "not_affected needs a justification or an impact statement"
)

// vexDocument is an OpenVEX document. Some members are read as what they are: earlier versions had texts where later
// ones have objects.
type vexDocument struct {
	Context     string           `json:"@context"`
	ID          string           `json:"@id"`
	Author      string           `json:"author"`
	Role        string           `json:"role"`
	Timestamp   string           `json:"timestamp"`
	LastUpdated string           `json:"last_updated"`
	Version     int              `json:"version"`
	Statements  []jsontext.Value `json:"statements"`
}

type vexStatement struct {
	ID            string         `json:"@id"`
	Version       int            `json:"version"`
	Vulnerability vexName        `json:"vulnerability"`
	Timestamp     string         `json:"timestamp"`
	LastUpdated   string         `json:"last_updated"`
	Products      []vexComponent `json:"products"`
	Status        Status         `json:"status"`
	Supplier      string         `json:"supplier"`
	Notes         string         `json:"status_notes"`
	Justification string         `json:"justification"`
	Impact        string         `json:"impact_statement"`
	Action        string         `json:"action_statement"`
}

// vexName is a vulnerability: an object, or its name alone.
type vexName struct {
	ID      string   `json:"@id"`
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"`
}

// UnmarshalJSON takes both forms.
func (n *vexName) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &n.Name, lenient)
	}
	type plain vexName
	return json.Unmarshal(data, (*plain)(n), lenient)
}

// vexComponent is a product or a part of one: an object, or its identifier alone.
type vexComponent struct {
	ID          string `json:"@id"`
	Identifiers struct {
		PURL  string `json:"purl"`
		CPE22 string `json:"cpe22"`
		CPE23 string `json:"cpe23"`
	} `json:"identifiers"`
	Subcomponents []vexComponent `json:"subcomponents"`
}

// UnmarshalJSON takes both forms.
func (c *vexComponent) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &c.ID, lenient)
	}
	type plain vexComponent
	return json.Unmarshal(data, (*plain)(c), lenient)
}

// openvex hands over the statements of documents. A document is read whole, since what all statements share may come
// last in it.
func (r *run) openvex(f *file) error {
	return r.reader(f).records(func(v jsontext.Value) error {
		var d vexDocument
		if !fits(v, &d) {
			return f.fault(errs.Invalid, "the document is not of the form of OpenVEX")
		}
		if !strings.HasPrefix(d.Context, "https://openvex.dev/ns") {
			return f.fault(errs.Invalid, "the @context of the document is not that of OpenVEX")
		}
		r.head.seen(cmp.Or(moment(d.LastUpdated), moment(d.Timestamp)))
		for _, text := range d.Statements {
			if err := r.vexStatement(f, &d, text); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *run) vexStatement(f *file, d *vexDocument, text jsontext.Value) error {
	var s vexStatement
	if !fits(text, &s) {
		r.problem(f, d.ID, notOfTheForm, "")
		return nil
	}
	name := cmp.Or(s.Vulnerability.Name, s.Vulnerability.ID)
	switch {
	case name == "":
		r.problem(f, cmp.Or(s.ID, d.ID), noVulnerability, "")
	case len(s.Products) == 0:
		r.problem(f, name, noProduct, "")
	case !slices.Contains([]Status{NotAffected, Affected, Fixed, UnderInvestigation}, s.Status):
		r.problem(f, name, noVEXStatus, string(s.Status))
	case s.Status == NotAffected && s.Justification == "" && s.Impact == "":
		r.problem(f, name, unfounded, "")
	default:
		return r.hand(Item{Path: f.path, Statement: &Statement{
			ID: s.ID, Document: d.ID, Author: d.Author, Role: d.Role, Supplier: s.Supplier,
			Vulnerability: name, Aliases: s.Vulnerability.Aliases, Products: products(s.Products),
			Status: s.Status, Justification: s.Justification, Impact: s.Impact, Action: s.Action, Notes: s.Notes,
			Version: cmp.Or(s.Version, d.Version),
			At:      cmp.Or(moment(s.Timestamp), moment(d.Timestamp)),
			Updated: cmp.Or(moment(s.LastUpdated), moment(d.LastUpdated)),
		}})
	}
	return nil
}

func products(list []vexComponent) []Product {
	var out []Product
	for i := range list {
		c := &list[i]
		p := Product{ID: c.ID, PURL: c.Identifiers.PURL, CPE: cmp.Or(c.Identifiers.CPE23, c.Identifiers.CPE22), Subcomponents: products(c.Subcomponents)}
		switch {
		case p.PURL == "" && strings.HasPrefix(c.ID, "pkg:"):
			p.PURL = c.ID
		case p.CPE == "" && strings.HasPrefix(c.ID, "cpe:"):
			p.CPE = c.ID
		}
		out = append(out, p)
	}
	return out
}
