package api

import (
	"slices"
	"strings"

	"muster/internal/errs"
	"muster/internal/posture"
)

// What details show of the last report and of what is thought of it.

// knowledge is the last report of a device and its verdict. Both are empty before the first.
type knowledge struct {
	report  *posture.Report
	verdict posture.Verdict
}

func (d *door) knowledgeOf(c *call, id string) (*knowledge, error) {
	verdict, err := d.verdictOf(c, id)
	if err != nil {
		return nil, err
	}
	report, err := d.reportOf(c, id)
	return &knowledge{report, verdict}, err
}

// reportOf gives an empty report for a device that never reported.
func (d *door) reportOf(c *call, id string) (*posture.Report, error) {
	r, _, err := d.Devices.LastReport(c.r.Context(), c.account.ID, id)
	if errs.Is(err, errs.NotFound) {
		return &posture.Report{}, nil
	}
	return r, err
}

// verdictOf gives a verdict without issues for a device that was never judged.
func (d *door) verdictOf(c *call, id string) (posture.Verdict, error) {
	v, err := d.Devices.Verdict(c.r.Context(), c.account.ID, id)
	if errs.Is(err, errs.NotFound) {
		return posture.Verdict{}, nil
	}
	return v, err
}

// issues gives those of a category.
func (k *knowledge) issues(category posture.Category) []*posture.Issue {
	var out []*posture.Issue
	for i := range k.verdict.Issues {
		if k.verdict.Issues[i].Category == category {
			out = append(out, &k.verdict.Issues[i])
		}
	}
	return out
}

// products gives those of a category.
func (k *knowledge) products(category posture.Category) []*posture.Application {
	var out []*posture.Application
	for i := range k.report.Applications {
		if k.report.Applications[i].Category == category {
			out = append(out, &k.report.Applications[i])
		}
	}
	return out
}

// about gives the issues that are with one product; product "" is for those that are with none of the products given.
func about(issues []*posture.Issue, product string, products []*posture.Application) []*posture.Issue {
	var out []*posture.Issue
	for _, issue := range issues {
		named := slices.ContainsFunc(products, func(a *posture.Application) bool { return a.Name == issue.Product })
		if product != "" && issue.Product == product || product == "" && !named {
			out = append(out, issue)
		}
	}
	return out
}

// reportBlocks are the blocks of details v3 to v3.8 that only the last report has.
type reportBlocks struct {
	Categories   *[]categoryBlock `json:"categories,omitempty"`
	Unclassified *[]productBlock  `json:"unclassified,omitempty"`
	Mobile       *[]productBlock  `json:"mobile_apps,omitempty"`
	Processes    *processBlock    `json:"detected_processes,omitempty"`
	Packages     *packageBlock    `json:"detected_packages,omitempty"`
	Patches      *patchBlock      `json:"detected_patches,omitempty"`
	Infection    *infectionBlock  `json:"infection,omitempty"`
}

func (p *painter) blocks(k *knowledge, want verbose) *reportBlocks {
	out := &reportBlocks{}
	if want.categories {
		out.Categories = categoryBlocks(k)
	}
	if want.unclassified {
		out.Unclassified = k.productBlocks(func(a *posture.Application) bool {
			return a.Ecosystem == "" && wordFor(listCategories, a.Category) == ""
		})
	}
	if want.mobile {
		family := k.report.OS.Family
		mobile := family == posture.IOS || family == posture.Android
		out.Mobile = k.productBlocks(func(*posture.Application) bool { return mobile })
	}
	if want.processes {
		out.Processes = &processBlock{Total: len(k.report.Processes), Processes: append([]string{}, k.report.Processes...)}
	}
	if want.packages {
		list := k.productBlocks(func(a *posture.Application) bool { return a.Ecosystem != "" })
		out.Packages = &packageBlock{Total: len(*list), Packages: *list}
	}
	if want.patches {
		out.Patches = patchesOf(k.report)
	}
	if want.infection {
		out.Infection = p.infection(k.report)
	}
	return out
}

// categoryBlock is an entry of categories.
type categoryBlock struct {
	ID     string            `json:"category_id"`
	Issues int               `json:"issue"`
	Apps   []categoryProduct `json:"apps"`
	// Health has the issues that no product can be blamed for, such as that there is none.
	Health []healthStatus `json:"health_status,omitempty"`
}

type categoryProduct struct {
	productBlock
	Issues int            `json:"issue"`
	Health []healthStatus `json:"health_status"`
}

type healthStatus struct {
	Status string `json:"status"`
	Issue  int    `json:"issue"`
	Log    string `json:"log,omitempty"`
}

// categoryBlocks lists the categories in which the device has products or issues.
func categoryBlocks(k *knowledge) *[]categoryBlock {
	out := []categoryBlock{}
	done := map[posture.Category]bool{}
	for i := range listCategories {
		category := listCategories[i].means
		word := wordFor(listCategories, category)
		issues, products := k.issues(category), k.products(category)
		if done[category] || word == "" || len(issues) == 0 && len(products) == 0 {
			continue
		}
		done[category] = true
		block := categoryBlock{ID: word, Issues: len(issues), Apps: []categoryProduct{}, Health: healthOf(about(issues, "", products))}
		for _, a := range products {
			own := about(issues, a.Name, products)
			block.Apps = append(block.Apps, categoryProduct{blockOf(a), len(own), healthOf(own)})
		}
		out = append(out, block)
	}
	return &out
}

func healthOf(issues []*posture.Issue) []healthStatus {
	out := make([]healthStatus, len(issues))
	for i, issue := range issues {
		out[i] = healthStatus{Status: issue.Evidence, Issue: 1, Log: issue.Remediation}
	}
	return out
}

// productBlock is a product as all blocks show it.
type productBlock struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor,omitempty"`
	Version string `json:"version,omitempty"`
}

func blockOf(a *posture.Application) productBlock { return productBlock{a.Name, a.Vendor, a.Version} }

func (k *knowledge) productBlocks(which func(*posture.Application) bool) *[]productBlock {
	out := []productBlock{}
	for i := range k.report.Applications {
		if a := &k.report.Applications[i]; which(a) {
			out = append(out, blockOf(a))
		}
	}
	return &out
}

type processBlock struct {
	Total     int      `json:"total"`
	Processes []string `json:"processes"`
}

type packageBlock struct {
	Total    int            `json:"total"`
	Packages []productBlock `json:"packages"`
}

type patchBlock struct {
	Timestamp string  `json:"timestamp,omitempty"`
	Total     int     `json:"total"`
	Patches   []patch `json:"patches"`
}

type patch struct {
	Category string `json:"category,omitempty"`
	Title    string `json:"titles,omitempty"`
	Product  string `json:"product,omitempty"`
	Vendor   string `json:"vendor,omitempty"`
	Severity string `json:"severity,omitempty"`
	KB       string `json:"kb_name,omitempty"`
	Released string `json:"release_date,omitempty"`
}

func patchesOf(r *posture.Report) *patchBlock {
	out := &patchBlock{Timestamp: timestamp(r.PatchesChecked), Patches: []patch{}}
	if !r.PatchesKnown {
		return out
	}
	for i := range r.MissingPatches {
		p := &r.MissingPatches[i]
		out.Patches = append(out.Patches, patch{
			p.Category, p.Title, p.Product, p.Vendor, p.Severity, p.KB, timestamp(p.Released),
		})
	}
	out.Total = len(out.Patches)
	return out
}

// infectionBlock is what scans found, by what found it.
type infectionBlock struct {
	Metascan  threatBlock[scanThreat]    `json:"metascan"`
	Antivirus threatBlock[localThreat]   `json:"antivirus"`
	Addresses threatBlock[addressThreat] `json:"ip_scanning"`
}

type threatBlock[T any] struct {
	LastScan string `json:"last_scan,omitempty"` // of metascan, from v3.2
	Total    int    `json:"total"`
	Issue    int    `json:"issue"` // those that are not known to be gone
	Threats  []T    `json:"threats"`
}

func (b *threatBlock[T]) add(t *posture.Threat, shown T) {
	b.Total++
	if t.Existing != posture.No {
		b.Issue++
	}
	b.Threats = append(b.Threats, shown)
}

type scanThreat struct {
	Critical int         `json:"critical"`
	ScanTime string      `json:"scan_time,omitempty"`
	File     string      `json:"file,omitempty"`
	Hash     string      `json:"hash,omitempty"`
	Name     string      `json:"threat_name,omitempty"`
	Details  []engineSay `json:"details"`
}

type engineSay struct {
	Name   string `json:"threat_name,omitempty"`
	Engine string `json:"av_name,omitempty"`
}

// scanThreatOf shows what a scan found. Get Threats shows it so as well.
func scanThreatOf(t *posture.Threat) scanThreat {
	out := scanThreat{criticalNumber(t), timestamp(t.Found), t.File, t.Hash, t.Name, make([]engineSay, len(t.Engines))}
	for i, e := range t.Engines {
		out.Details[i] = engineSay{e.Name, e.Engine}
	}
	return out
}

func criticalNumber(t *posture.Threat) int {
	return boolNumber(strings.EqualFold(t.Severity, "critical"))
}

type localThreat struct {
	Critical int    `json:"critical"`
	ScanTime string `json:"scan_time,omitempty"`
	File     string `json:"file,omitempty"`
	Name     string `json:"threat_name,omitempty"`
	Product  string `json:"product_name,omitempty"`
	Vendor   string `json:"product_vendor,omitempty"`
	Version  string `json:"product_version,omitempty"`
	Severity string `json:"severity,omitempty"`
	Action   string `json:"action,omitempty"`
	Existing *int   `json:"existing,omitempty"` // from v3.2
}

type addressThreat struct {
	Critical int       `json:"critical"`
	ScanTime string    `json:"scan_time,omitempty"`
	Address  string    `json:"network_address"`
	Status   string    `json:"status,omitempty"`
	Sources  int       `json:"total_source"`
	Geo      struct{}  `json:"geo_info"`
	Threats  []opinion `json:"threats"`
}

type opinion struct {
	Assessment string `json:"assessment,omitempty"`
	Source     string `json:"source_name,omitempty"`
}

func (p *painter) infection(r *posture.Report) *infectionBlock {
	out := &infectionBlock{
		Metascan:  threatBlock[scanThreat]{LastScan: p.from(v32, timestamp(r.ThreatsScanned)), Threats: []scanThreat{}},
		Antivirus: threatBlock[localThreat]{Threats: []localThreat{}},
		Addresses: threatBlock[addressThreat]{Threats: []addressThreat{}},
	}
	for i := range r.Threats {
		t := &r.Threats[i]
		critical, found := criticalNumber(t), timestamp(t.Found)
		switch t.Source {
		case posture.ThreatScan:
			out.Metascan.add(t, scanThreatOf(t))
		case posture.ThreatLocal:
			shown := localThreat{
				critical, found, t.File, t.Name, t.Product, t.ProductVendor, t.ProductVersion, t.Severity, t.Action, nil,
			}
			if p.version >= v32 {
				shown.Existing = factNumber(t.Existing)
			}
			out.Antivirus.add(t, shown)
		case posture.ThreatAddress:
			shown := addressThreat{
				Critical: critical, ScanTime: found, Address: t.File, Status: t.Severity, Sources: len(t.Engines),
				Threats: make([]opinion, len(t.Engines)),
			}
			for j, e := range t.Engines {
				shown.Threats[j] = opinion{e.Name, e.Engine}
			}
			out.Addresses.add(t, shown)
		}
	}
	return out
}

// labelledProducts is an entry of applications in details v2 to v2.5.
type labelledProducts struct {
	Category string            `json:"category"`
	Issues   int               `json:"has_issue"`
	Apps     []labelledProduct `json:"apps"`
}

type labelledProduct struct {
	Name    string        `json:"name"`
	Version string        `json:"version"`
	Vendor  string        `json:"vendor,omitempty"`
	Health  []driveHealth `json:"health,omitempty"` // of a drive
}

type driveHealth struct {
	Status string `json:"status"`
}

// labelledProducts lists the headings under which the device has products or issues.
func (p *painter) labelledProducts(k *knowledge) []labelledProducts {
	out, other := []labelledProducts{}, labelledProducts{Category: otherLabel, Apps: []labelledProduct{}}
	for _, label := range labelledCategories {
		issues, products := k.issues(label.means), k.products(label.means)
		if len(issues) == 0 && len(products) == 0 {
			continue
		}
		entry := labelledProducts{Category: label.word, Issues: len(issues), Apps: []labelledProduct{}}
		for _, a := range products {
			shown := labelledProduct{Name: a.Name, Version: a.Version, Vendor: a.Vendor}
			if label.means == posture.HardDrive {
				shown.Health = driveHealthOf(about(issues, a.Name, products))
			}
			entry.Apps = append(entry.Apps, shown)
		}
		out = append(out, entry)
	}
	if p.version < v23 {
		return out
	}
	labelled := func(c posture.Category) bool { return wordFor(labelledCategories, c) != "" }
	for i := range k.verdict.Issues {
		if !labelled(k.verdict.Issues[i].Category) {
			other.Issues++
		}
	}
	for i := range k.report.Applications {
		if a := &k.report.Applications[i]; a.Category != "" && !labelled(a.Category) {
			other.Apps = append(other.Apps, labelledProduct{Name: a.Name, Version: a.Version, Vendor: a.Vendor})
		}
	}
	if other.Issues > 0 || len(other.Apps) > 0 {
		out = append(out, other)
	}
	return out
}

// driveHealthOf says how a drive is. There is always an entry: clients read the first.
func driveHealthOf(issues []*posture.Issue) []driveHealth {
	if len(issues) == 0 {
		return []driveHealth{{"No issue"}}
	}
	out := make([]driveHealth, len(issues))
	for i, issue := range issues {
		out[i] = driveHealth{issue.Evidence}
	}
	return out
}
