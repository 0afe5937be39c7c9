package admin

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// VulnerabilityScores are those that there are.
type VulnerabilityScores struct {
	Opswat *float64 `json:"opswat_score,omitempty"`
	CVSS2  *float64 `json:"cvss2_score,omitempty"`
	CVSS3  *float64 `json:"cvss3_score,omitempty"`
}

// VulnerabilityLevels are the words for how it ranks by each score.
type VulnerabilityLevels struct {
	Opswat string `json:"opswat_score"` // critical, important, moderate, low or unknown
	CVSS2  string `json:"cvss2_score"`
	CVSS3  string `json:"cvss3_score"`
}

// Vulnerability is one that devices of the account have.
type Vulnerability struct {
	ID        string              `json:"id"` // the CVE id, or that of the feed's entry which has none
	Scores    VulnerabilityScores `json:"scores"`
	Levels    VulnerabilityLevels `json:"levels"`
	KEV       bool                `json:"kev"` // known to be exploited
	EPSS      *float64            `json:"epss,omitempty"`
	Summary   string              `json:"summary,omitempty"`
	CWE       string              `json:"cwe,omitempty"`
	Published time.Time           `json:"published,omitzero"`
	Modified  time.Time           `json:"modified,omitzero"`
	Open      int64               `json:"open_devices"`     // devices on which it counts
	Accepted  int64               `json:"accepted_devices"` // devices on which it is found and does not count
	// Said and Products are there in [Client.Vulnerability] only.
	Said     []VulnerabilitySaid `json:"said,omitempty"`
	Products []VulnerableProduct `json:"products,omitempty"`
}

// VulnerabilitySaid is what one entry of a feed says.
type VulnerabilitySaid struct {
	Feed    string   `json:"feed"`
	Entry   string   `json:"entry"`
	CVSS2   *float64 `json:"cvss2,omitempty"`
	CVSS3   *float64 `json:"cvss3,omitempty"`
	CVSS4   *float64 `json:"cvss4,omitempty"`
	EPSS    *float64 `json:"epss,omitempty"`
	KEV     bool     `json:"kev,omitempty"`
	Vectors []string `json:"vectors"`
}

// VulnerableProduct is a version of a product that devices have and that the vulnerability is known of.
type VulnerableProduct struct {
	Name      string `json:"name"`
	Vendor    string `json:"vendor,omitempty"`
	Ecosystem string `json:"ecosystem,omitempty"`
	Version   string `json:"version"`
	Devices   int64  `json:"devices"`
}

// VulnerabilityFilter chooses vulnerabilities. What is "" or 0 lets everything pass, or is the server's default.
type VulnerabilityFilter struct {
	State     string // open, accepted or found
	ScoreType string // opswat_score, cvss2_score or cvss3_score
	MinScore  string // a number
	Level     string // one or several, with commas between
	KEV       bool
	Search    string
	Product   string
	Sort      string // id, a score type or level
	Order     string // asc or desc
	Limit     string // how many come with each call
}

func (f *VulnerabilityFilter) query() url.Values {
	q := filter(map[string]string{
		"state": f.State, "score_type": f.ScoreType, "min_score": f.MinScore, "level": f.Level, "search": f.Search, "product": f.Product,
		"sort": f.Sort, "order": f.Order, "limit": f.Limit,
	})
	if f.KEV {
		q.Set("kev", "true")
	}
	return q
}

// filter makes a query, without values that are "".
func filter(members map[string]string) url.Values {
	q := url.Values{}
	for name, value := range members {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// Vulnerabilities walks through those that devices have, the worst first unless the filter says otherwise.
func (c *Client) Vulnerabilities(ctx context.Context, f VulnerabilityFilter) iter.Seq2[Vulnerability, error] {
	return all[Vulnerability](ctx, c, "vulnerabilities", f.query())
}

// Vulnerability gives one with all that is known of it.
func (c *Client) Vulnerability(ctx context.Context, id string) (Vulnerability, error) {
	return fetch[Vulnerability](ctx, c, get(below("vulnerabilities", id), nil))
}

// VulnerabilityDevice is a device that has a vulnerability.
type VulnerabilityDevice struct {
	DeviceID string `json:"device_id"`
	Name     string `json:"name,omitempty"`
	Group    string `json:"group"` // its id
	Status   string `json:"status"`
}

// VulnerabilityDevices walks through the devices on which a vulnerability counts (open), or those on which it is found and does
// not (accepted).
func (c *Client) VulnerabilityDevices(ctx context.Context, id, state string) iter.Seq2[VulnerabilityDevice, error] {
	return all[VulnerabilityDevice](ctx, c, below("vulnerabilities", id, "devices"), filter(map[string]string{"state": state}))
}

// VulnerabilityExplanation is why a device has a vulnerability, or has not.
type VulnerabilityExplanation struct {
	DeviceID      string                 `json:"device_id"`
	Vulnerability string                 `json:"vulnerability"`
	State         string                 `json:"state"` // open, accepted or not_found
	Reported      time.Time              `json:"reported_at,omitzero"`
	Known         bool                   `json:"known"` // whether any feed says anything about it
	Findings      []VulnerabilityFinding `json:"findings"`
	Considered    []ConsideredProduct    `json:"considered"`
}

// VulnerabilityFinding is what the last verdict on a device found.
type VulnerabilityFinding struct {
	Feed      string              `json:"feed,omitempty"`
	Entry     string              `json:"entry"`
	CVEs      []string            `json:"cves"`
	Product   string              `json:"product"`
	Package   string              `json:"package,omitempty"`
	Ecosystem string              `json:"ecosystem,omitempty"`
	Version   string              `json:"version"`
	Fixed     string              `json:"fixed,omitempty"`
	KEV       bool                `json:"kev"`
	EPSS      *float64            `json:"epss,omitempty"`
	Scores    VulnerabilityScores `json:"scores"`
	Levels    VulnerabilityLevels `json:"levels"`
	Accepted  *FindingAcceptance  `json:"accepted,omitempty"`
}

// FindingAcceptance is why a finding does not count.
type FindingAcceptance struct {
	ID          string    `json:"id"` // of the accepted risk
	Reason      string    `json:"reason"`
	By          string    `json:"by,omitempty"`
	Until       time.Time `json:"until,omitzero"`
	NotAffected bool      `json:"not_affected"` // it is a statement of a VEX document
}

// ConsideredProduct is something installed that an entry about the vulnerability speaks of.
type ConsideredProduct struct {
	Feed      string `json:"feed,omitempty"`
	Entry     string `json:"entry"`
	Product   string `json:"product"`
	Package   string `json:"package,omitempty"`
	Ecosystem string `json:"ecosystem,omitempty"`
	Version   string `json:"version"`
	Compared  string `json:"compared,omitempty"`
	Fixed     string `json:"fixed,omitempty"`
	// Outcome is affected, not_in_range, not_comparable, other_vendor, other_stream, other_system or other_release.
	Outcome string `json:"outcome"`
}

// ExplainVulnerability tells why a device has a vulnerability, or has not.
func (c *Client) ExplainVulnerability(ctx context.Context, device, id string) (VulnerabilityExplanation, error) {
	return fetch[VulnerabilityExplanation](ctx, c, get(below("devices", device, "vulnerabilities", id), nil))
}

// AcceptedRisk is a risk that somebody accepted, or a statement of a VEX document.
type AcceptedRisk struct {
	ID            string        `json:"id"`
	Source        string        `json:"source"`  // risk or vex
	State         string        `json:"state"`   // active, lapsed or revoked
	Accepts       bool          `json:"accepts"` // false for a statement by which the vulnerability counts
	Vulnerability string        `json:"vulnerability"`
	Aliases       []string      `json:"aliases"`
	Product       string        `json:"product,omitempty"`
	Ecosystem     string        `json:"ecosystem,omitempty"`
	Versions      []string      `json:"versions"`
	Group         string        `json:"group,omitempty"` // its id
	Device        string        `json:"device_id,omitempty"`
	Reason        string        `json:"reason"`
	Author        string        `json:"author,omitempty"`
	CreatedAt     time.Time     `json:"created_at"`
	Until         time.Time     `json:"until,omitzero"`
	Revision      int64         `json:"revision"`
	Revoked       *RiskEnd      `json:"revoked,omitempty"`
	Statement     *VEXStatement `json:"statement,omitempty"`
	Tag           string        `json:"-"`
}

func (r *AcceptedRisk) setTag(string) { r.Tag = revisionTag(r.Revision) }

// RiskEnd is who revoked an accepted risk, and why.
type RiskEnd struct {
	At     time.Time `json:"at"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason"`
}

// VEXStatement is what only statements of VEX documents have.
type VEXStatement struct {
	Document      string    `json:"document,omitempty"`
	ID            string    `json:"id,omitempty"`
	Status        string    `json:"status"`
	Justification string    `json:"justification,omitempty"`
	At            time.Time `json:"at"`
}

// NewAcceptedRisk is a risk that is to be accepted: a vulnerability and a reason are needed.
type NewAcceptedRisk struct {
	Vulnerability string     `json:"vulnerability"`
	Product       string     `json:"product,omitempty"` // a name, in which * stands for any text, or a package URL
	Ecosystem     string     `json:"ecosystem,omitempty"`
	Versions      []string   `json:"versions,omitempty"`
	Group         string     `json:"group,omitempty"`  // its id
	Device        string     `json:"device,omitempty"` // its id, its hardware id or one of its MAC addresses
	Reason        string     `json:"reason"`
	Author        string     `json:"author,omitempty"`
	Until         *time.Time `json:"until,omitempty"` // nil for no end
}

// RiskFilter chooses accepted risks. What is "" lets everything pass.
type RiskFilter struct {
	State         string // active, lapsed or revoked
	Source        string // risk or vex
	Vulnerability string
	Group         string
	Device        string // its id
}

// AcceptedRisks walks through accepted risks and VEX statements, the newest first.
func (c *Client) AcceptedRisks(ctx context.Context, f RiskFilter) iter.Seq2[AcceptedRisk, error] {
	return all[AcceptedRisk](ctx, c, "accepted-risks", filter(map[string]string{
		"state": f.State, "source": f.Source, "vulnerability": f.Vulnerability, "group": f.Group, "device_id": f.Device,
	}))
}

// AcceptedRisk gives one.
func (c *Client) AcceptedRisk(ctx context.Context, id string) (AcceptedRisk, error) {
	return fetch[AcceptedRisk](ctx, c, get(below("accepted-risks", id), nil))
}

// AcceptRisk accepts a risk: the vulnerability does not count any more where it says.
func (c *Client) AcceptRisk(ctx context.Context, r NewAcceptedRisk) (AcceptedRisk, error) {
	return send[AcceptedRisk](ctx, c, http.MethodPost, "accepted-risks", "", r)
}

// RevokeRisk ends an accepted risk: what it was about counts again.
func (c *Client) RevokeRisk(ctx context.Context, id, tag, reason string) (AcceptedRisk, error) {
	return send[AcceptedRisk](ctx, c, http.MethodPost, below("accepted-risks", id, "revoke"), tag, map[string]string{"reason": reason})
}
