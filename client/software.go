package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
)

// App is one version of a product, and how far it is spread.
type App struct {
	ProductID       Number `json:"product_id"`
	Name            string `json:"name"`
	Vendor          string `json:"vendor"`
	Version         Text   `json:"version"`
	CategoryID      Text   `json:"category_id"`
	CategoryName    string `json:"category_name"`
	Level           string `json:"severity"` // of its worst vulnerability, by OPSWATScore
	Devices         int64  `json:"number_of_devices"`
	Vulnerabilities int64  `json:"number_of_cves"`
}

// AppsQuery chooses versions of products that devices have.
type AppsQuery struct {
	Search string     `json:"search,omitempty"`
	Filter AppsFilter `json:"filter,omitzero"`
	Sort   Sort       `json:"sort,omitzero"`  // by any field of the answer; name in descending order unless told otherwise
	Page   int        `json:"page,omitempty"` // from 1
	Limit  int        `json:"limit,omitempty"`
}

// AppsFilter leaves out what does not fit.
type AppsFilter struct {
	Levels     []string `json:"severity,omitempty"`
	Categories []string `json:"category,omitempty"`
}

// IsZero reports whether it lets everything pass.
func (f AppsFilter) IsZero() bool { return len(f.Levels)+len(f.Categories) == 0 }

// Apps gives a page of applications: Get Applications v3.
func (c *Client) Apps(ctx context.Context, q AppsQuery) ([]App, error) {
	return fetch[[]App](ctx, c, post("/v3/apps", q))
}

// AllApps walks the applications from q.Page on.
func (c *Client) AllApps(ctx context.Context, q AppsQuery) iter.Seq2[App, error] {
	q.Limit = orDefault(q.Limit, maxPage)
	return byPage(q.Page, q.Limit, func(page int) ([]App, error) {
		q.Page = page
		return c.Apps(ctx, q)
	})
}

// AppDetail is one version of a product with its vulnerabilities.
type AppDetail struct {
	ProductID Number `json:"product_id"`
	Name      string `json:"name"`
	Version   Text   `json:"version"`
	Vendor    string `json:"vendor"`
	Devices   int64  `json:"total_devices"`
	Total     int64  `json:"total_cves"`
	Critical  int64  `json:"total_critical"`
	Important int64  `json:"total_important"`
	Moderate  int64  `json:"total_moderate"`
	Low       int64  `json:"total_low"`
	Unknown   int64  `json:"total_unknown"`
	// Vulnerabilities are the worst hundred, if they were asked for.
	Vulnerabilities []Vulnerability `json:"cves"`
}

// AppQuery names a version of a product.
type AppQuery struct {
	ProductID       Number
	Version         string
	Vulnerabilities bool // list them too
}

// MarshalJSON gives the body of the call.
func (q AppQuery) MarshalJSON() ([]byte, error) {
	body := map[string]any{"product_id": q.ProductID.String(), "version": q.Version}
	if q.Vulnerabilities {
		body["verbose"] = map[string]Flag{"cves": true}
	}
	return json.Marshal(body)
}

// AppDetails gives a version of a product: Application Details v3.
func (c *Client) AppDetails(ctx context.Context, q AppQuery) (AppDetail, error) {
	return fetch[AppDetail](ctx, c, post("/v3/apps/details", q))
}

// Vulnerability is a known vulnerability. Which members are there depends on the call.
type Vulnerability struct {
	ID          string `json:"cve_id"`
	Level       string `json:"severity"` // by the score type that was asked for
	Summary     string `json:"summary"`
	Published   Time   `json:"publish_date"`
	Updated     Time   `json:"update_date"`
	OPSWATScore Number `json:"opswat_score"` // 0 to 100
	CVSS2Score  Number `json:"cvss2_score"`  // 0 to 10
	CVSS3Score  Number `json:"cvss3_score"`  // 0 to 10
	KEV         Flag   `json:"kev"`          // known to be exploited
	CWE         string `json:"cwe_id"`
	Remediation string `json:"remediation"`
	Devices     int64  `json:"total_devices"`
}

// UnmarshalJSON takes an object, or a string, which is the id.
func (v *Vulnerability) UnmarshalJSON(data []byte) error {
	*v = Vulnerability{}
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &v.ID)
	}
	type plain Vulnerability
	return json.Unmarshal(data, (*plain)(v))
}

// VulnerabilitiesQuery chooses vulnerabilities that devices have.
type VulnerabilitiesQuery struct {
	Search string // part of an id or a summary
	// ScoreType is what Levels and MinScore go by.
	ScoreType ScoreType
	Levels    []string
	MinScore  float64
	OnlyKEV   bool // those known to be exploited
	// Sort is by cve_id (the default), opswat_score, cvss2_score, cvss3_score or severity.
	Sort  Sort
	Page  int // from 1
	Limit int // at most 50; 0 is 50
}

// levels is the filter that the calls for vulnerabilities share.
type levels struct {
	Levels    []string  `json:"severity,omitempty"`
	Score     float64   `json:"score,omitempty"`
	ScoreType ScoreType `json:"score_type,omitempty"`
	KEV       Flag      `json:"kev,omitempty"`
}

// IsZero reports whether it lets everything pass.
func (l levels) IsZero() bool {
	return len(l.Levels) == 0 && l.Score == 0 && l.ScoreType == "" && !bool(l.KEV)
}

// MarshalJSON gives the body of the call.
func (q VulnerabilitiesQuery) MarshalJSON() ([]byte, error) {
	f := levels{Levels: q.Levels, Score: q.MinScore, ScoreType: q.ScoreType, KEV: Flag(q.OnlyKEV)}
	if f.Score != 0 && f.ScoreType == "" {
		f.ScoreType = OPSWATScore // some versions of the API want it said
	}
	return json.Marshal(struct {
		Search string `json:"search,omitempty"`
		Filter levels `json:"filter,omitzero"`
		Sort   Sort   `json:"sort,omitzero"`
		Page   int    `json:"page,omitempty"`
		Limit  int    `json:"limit,omitempty"`
	}{q.Search, f, q.Sort, q.Page, q.Limit})
}

// Vulnerabilities gives a page of the vulnerabilities that devices have: Get Vulnerabilities v3.2.
func (c *Client) Vulnerabilities(ctx context.Context, q VulnerabilitiesQuery) ([]Vulnerability, error) {
	return fetch[[]Vulnerability](ctx, c, post("/v3.2/cves", q))
}

// AllVulnerabilities walks the vulnerabilities from q.Page on.
func (c *Client) AllVulnerabilities(ctx context.Context, q VulnerabilitiesQuery) iter.Seq2[Vulnerability, error] {
	q.Limit = orDefault(q.Limit, maxPage)
	return byPage(q.Page, q.Limit, func(page int) ([]Vulnerability, error) {
		q.Page = page
		return c.Vulnerabilities(ctx, q)
	})
}

// DeviceVulnerabilitiesQuery chooses vulnerabilities of one device.
type DeviceVulnerabilitiesQuery struct {
	Device    string // its id or a MAC address
	Verbose   bool   // more than the ids
	ScoreType ScoreType
	Levels    []string // by ScoreType
	OnlyKEV   bool     // those known to be exploited
	Page      int      // from 1
	Limit     int      // at most 100; 0 is 100
}

// MarshalJSON gives the body of the call.
func (q DeviceVulnerabilitiesQuery) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID      string `json:"id"`
		Verbose Flag   `json:"verbose,omitempty"`
		Filter  levels `json:"filter,omitzero"`
		Page    int    `json:"page,omitempty"`
		Limit   int    `json:"limit,omitempty"`
	}{q.Device, Flag(q.Verbose), levels{Levels: q.Levels, ScoreType: q.ScoreType, KEV: Flag(q.OnlyKEV)}, q.Page, q.Limit})
}

// maxDeviceVulnerabilities is the largest page of the vulnerabilities of a device.
const maxDeviceVulnerabilities = 100

// DeviceVulnerabilities gives a page of the vulnerabilities of a device: Get Vulnerabilities of a Device v3.2.
func (c *Client) DeviceVulnerabilities(ctx context.Context, q DeviceVulnerabilitiesQuery) ([]Vulnerability, error) {
	if q.Device == "" {
		return nil, ErrNoDevice
	}
	return fetch[[]Vulnerability](ctx, c, post("/v3.2/get_cves", q))
}

// AllDeviceVulnerabilities walks the vulnerabilities of a device from q.Page on.
func (c *Client) AllDeviceVulnerabilities(ctx context.Context, q DeviceVulnerabilitiesQuery) iter.Seq2[Vulnerability, error] {
	q.Limit = orDefault(q.Limit, maxDeviceVulnerabilities)
	return byPage(q.Page, q.Limit, func(page int) ([]Vulnerability, error) {
		q.Page = page
		return c.DeviceVulnerabilities(ctx, q)
	})
}

// Threats are what scanners found on a device.
type Threats struct {
	Scan  []ScanThreat  `json:"antimalware_scan"`
	Local []LocalThreat `json:"local_antimalware_threats"`
}

// ScanThreat is what a scan on demand found.
type ScanThreat struct {
	Critical Flag   `json:"critical"`
	Scanned  Time   `json:"scan_time"`
	File     string `json:"file"`
	Hash     string `json:"hash"`
	Name     string `json:"threat_name"`
	Engines  []struct {
		Threat string `json:"threat_name"`
		Engine string `json:"av_name"`
	} `json:"details"`
}

// LocalThreat is what the device's own product found.
type LocalThreat struct {
	Scanned        Time   `json:"scan_time"`
	Repeats        int    `json:"repeat"`
	File           string `json:"file"`
	Name           string `json:"threat_name"`
	Product        string `json:"product_name"`
	ProductVendor  string `json:"product_vendor"`
	ProductVersion Text   `json:"product_version"`
	Action         string `json:"action"`
	Exists         Flag   `json:"existing"` // it is still there
}

// ThreatsQuery chooses threats of one device.
type ThreatsQuery struct {
	Device       string // its id or a MAC address
	WithoutScan  bool   // leave Threats.Scan out
	WithoutLocal bool   // leave Threats.Local out
	Page         int    // from 1
	Limit        int    // at most 50; 0 is 50
}

// MarshalJSON gives the body of the call. Page and Limit are not in it.
func (q ThreatsQuery) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		ID      string          `json:"id"`
		Verbose map[string]Flag `json:"verbose"`
	}{q.Device, map[string]Flag{
		"antimalware_scan": Flag(!q.WithoutScan), "local_antimalware_threats": Flag(!q.WithoutLocal),
	}})
}

// Threats gives a page of the threats on a device: Get Threats v3.
func (c *Client) Threats(ctx context.Context, q ThreatsQuery) (Threats, error) {
	if q.Device == "" {
		return Threats{}, ErrNoDevice
	}
	k := post("/v3/get_threats", q)
	k.query = url.Values{}
	setInt(k.query, "page", q.Page)
	setInt(k.query, "limit", q.Limit)
	return fetch[Threats](ctx, c, k)
}

// AllThreats walks the pages of the threats on a device from q.Page on.
func (c *Client) AllThreats(ctx context.Context, q ThreatsQuery) iter.Seq2[Threats, error] {
	q.Limit = orDefault(q.Limit, maxPage)
	return func(yield func(Threats, error) bool) {
		for start, page := max(1, q.Page), max(1, q.Page); ; page++ {
			q.Page = page
			t, err := c.Threats(ctx, q)
			if page > start && IsPastEnd(err) {
				return
			}
			if err != nil {
				yield(Threats{}, err)
				return
			}
			// Whether the limit is for both lists or for each, a page with fewer in all is the last.
			n := len(t.Scan) + len(t.Local)
			if n > 0 && !yield(t, nil) || n < q.Limit {
				return
			}
		}
	}
}
