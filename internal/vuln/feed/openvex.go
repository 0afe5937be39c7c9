package feed

import "time"

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
