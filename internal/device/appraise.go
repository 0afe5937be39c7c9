package device

import (
	"context"

	"muster/internal/posture"
)

// Appraisals keeps what the catalogue says of products and vulnerabilities apart from the devices that have them: a feed
// that takes something back must show in lists, although reports only ever add.
type Appraisals interface {
	// ProductsUnder gives the ids of the products that are looked up by any of these keys, in order.
	ProductsUnder(ctx context.Context, account posture.AccountID, keys []ProductKey) ([]int64, error)
	// ProductsAfter gives up to so many ids of products above one, in order.
	ProductsAfter(ctx context.Context, account posture.AccountID, after int64, limit int) ([]int64, error)
	// KnownVersions gives all versions of products that devices have, or once had.
	KnownVersions(ctx context.Context, account posture.AccountID, products []int64) ([]KnownVersion, error)
	// FacetsOf gives what devices are found by that have one of these products, or one of these vulnerabilities, open or
	// accepted: see Spread.DevicesWith.
	FacetsOf(ctx context.Context, account posture.AccountID, products []int64, cves []string) (Facets, error)
	// AppraiseVersions takes from versions the vulnerabilities that they cannot have any more, and ranks them by the rest. What
	// they have come to have, reports add. Stale: the catalogue has a newer generation than the one that says so, and reports may have
	// added what that one says.
	AppraiseVersions(ctx context.Context, account posture.AccountID, generation int64, list []VersionAppraisal) error
	// AppraiseVulnerabilities stores how bad vulnerabilities are. Those that no device ever had are left out.
	AppraiseVulnerabilities(ctx context.Context, account posture.AccountID, list []HeldVulnerability) error
}

// KnownVersion is one version of a product, and what the product is looked up by on all machines that have it.
type KnownVersion struct {
	ID              int64
	Vendor, Version string
	Keys            []ProductKey
}

// VersionAppraisal is what the catalogue says of a version.
type VersionAppraisal struct {
	ID int64
	// Still are the vulnerabilities, by their CVE ids or those of entries, that some machine with the version may have.
	Still []string
}
