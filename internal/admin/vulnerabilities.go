package admin

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"muster/internal/device"
	"muster/internal/errs"
	"muster/internal/page"
	"muster/internal/posture"
	"muster/internal/vuln"
)

// vulnerabilities is what this door asks about them. package device says what each method does.
type vulnerabilities interface {
	Vulnerabilities(ctx context.Context, account posture.AccountID, q device.VulnerabilityQuery) ([]device.Vulnerability, string, error)
	Vulnerability(ctx context.Context, account posture.AccountID, id string) (device.Vulnerability, error)
	VersionsWith(ctx context.Context, account posture.AccountID, id string, limit int) ([]device.Software, error)
}

// Explained is why a device has a vulnerability, or has not.
type Explained struct {
	Reported   time.Time         // when the report came that is looked at; zero for none
	Findings   []posture.Finding // of the verdict
	Considered []vuln.Considered // what the catalogue speaks of, as of now
	Known      bool              // the catalogue says anything about it at all
}

// scores are one for each score type that there is one for.
type scores struct {
	Opswat *float64 `json:"opswat_score,omitempty"`
	CVSS2  *float64 `json:"cvss2_score,omitempty"`
	CVSS3  *float64 `json:"cvss3_score,omitempty"`
}

func renderScores(s [posture.NumScoreTypes]float64) scores {
	known := func(t posture.ScoreType) *float64 {
		if s[t] < 0 {
			return nil
		}
		return &s[t]
	}
	return scores{known(posture.ScoreOpswat), known(posture.ScoreCVSS2), known(posture.ScoreCVSS3)}
}

// levelsOf are the words for the level under each score type.
type levelsOf struct {
	Opswat string `json:"opswat_score"`
	CVSS2  string `json:"cvss2_score"`
	CVSS3  string `json:"cvss3_score"`
}

// levelWords are the words of levels, by their rank.
var levelWords = [posture.NumScoreTypes][]string{
	posture.ScoreOpswat: {"unknown", "low", "moderate", "important", "critical"},
	posture.ScoreCVSS2:  {"unknown", "low", "medium", "high", "high"},
	posture.ScoreCVSS3:  {"unknown", "low", "medium", "high", "critical"},
}

func renderLevels(l posture.Levels) levelsOf {
	return levelsOf{
		levelWords[posture.ScoreOpswat][l[posture.ScoreOpswat]], levelWords[posture.ScoreCVSS2][l[posture.ScoreCVSS2]], levelWords[posture.ScoreCVSS3][l[posture.ScoreCVSS3]],
	}
}

// vulnerability is one that devices have.
type vulnerability struct {
	ID        string    `json:"id"`
	Scores    scores    `json:"scores"`
	Levels    levelsOf  `json:"levels"`
	KEV       bool      `json:"kev"`
	EPSS      *float64  `json:"epss,omitempty"`
	Summary   string    `json:"summary,omitempty"`
	CWE       string    `json:"cwe,omitempty"`
	Published time.Time `json:"published,omitzero"`
	Modified  time.Time `json:"modified,omitzero"`
	Open      int64     `json:"open_devices"`
	Accepted  int64     `json:"accepted_devices"`
}

// wholeVulnerability is one with all that is known of it.
type wholeVulnerability struct {
	vulnerability
	Said     []said    `json:"said"`
	Products []product `json:"products"`
}

// said is what one entry of a feed says of a vulnerability.
type said struct {
	Feed    string   `json:"feed"`
	Entry   string   `json:"entry"`
	CVSS2   *float64 `json:"cvss2,omitempty"`
	CVSS3   *float64 `json:"cvss3,omitempty"`
	CVSS4   *float64 `json:"cvss4,omitempty"`
	EPSS    *float64 `json:"epss,omitempty"`
	KEV     bool     `json:"kev,omitempty"`
	Vectors []string `json:"vectors"`
}

// product is a version of something installed that has a vulnerability.
type product struct {
	Name      string `json:"name"`
	Vendor    string `json:"vendor,omitempty"`
	Ecosystem string `json:"ecosystem,omitempty"`
	Version   string `json:"version"`
	Devices   int64  `json:"devices"`
}

func renderVulnerability(v *device.Vulnerability, known vuln.Joined) vulnerability {
	return vulnerability{
		ID: v.ID, Scores: renderScores(v.Scores), Levels: renderLevels(v.Levels), KEV: v.KEV, EPSS: scored(known.Facts.EPSS), Summary: v.Summary, CWE: v.CWE,
		Published: v.Published, Modified: v.Modified, Open: v.Devices, Accepted: v.Accepted,
	}
}

// scored gives a score, nil where there is none. The zero value of what is known holds none either.
func scored(v float64) *float64 {
	if v <= 0 {
		return nil
	}
	return &v
}

func renderSaid(x *vuln.Said) said {
	f := &x.Facts
	out := said{
		Feed: x.Feed, Entry: x.Entry, CVSS2: scored(f.V2), CVSS3: scored(f.V3), CVSS4: scored(f.V4), EPSS: scored(f.EPSS), KEV: f.KEV, Vectors: []string{},
	}
	for _, s := range x.Severity {
		out.Vectors = append(out.Vectors, s.Score)
	}
	return out
}

func renderProduct(sw *device.Software) product {
	return product{Name: sw.Name, Vendor: sw.Vendor, Ecosystem: sw.Ecosystem, Version: sw.Version, Devices: sw.Devices}
}

// decimal gives a number from 0 to most, or -1 where the parameter is absent.
func (q *query) decimal(name string, most float64) float64 {
	text, ok := q.text(name)
	if !ok {
		return -1
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0 && n <= most) {
		q.wrong(name, "must be a number from 0 to %g", most)
	}
	return n
}

// choice gives a word of those known, the first where the parameter is absent.
func (q *query) choice(name string, known ...string) string {
	list := q.words(name, known)
	if len(list) == 0 {
		return known[0]
	}
	if len(list) > 1 {
		q.wrong(name, "must be one word")
	}
	return list[0]
}

var (
	scoreTypeWords = []string{"opswat_score", "cvss2_score", "cvss3_score"}
	standingWords  = []string{"open", "accepted", "found"}
	// vulnerabilityOrders are the words of orders, by their number.
	vulnerabilityOrders = []string{
		device.VulnerabilityByID: "id", device.VulnerabilityByOpswat: "opswat_score", device.VulnerabilityByCVSS2: "cvss2_score",
		device.VulnerabilityByCVSS3: "cvss3_score", device.VulnerabilityByLevel: "level",
	}
)

// vulnerabilityQuery reads which vulnerabilities are wanted.
func (c *call) vulnerabilityQuery() device.VulnerabilityQuery {
	q := device.VulnerabilityQuery{Window: c.window()}
	q.By = posture.ScoreType(slices.Index(scoreTypeWords, c.query.choice("score_type", scoreTypeWords...)))
	q.On = device.StandingOn(slices.Index(standingWords, c.query.choice("state", standingWords...)))
	q.MinScore = c.query.decimal("min_score", [...]float64{100, 10, 10}[max(q.By, 0)])
	for _, word := range c.query.words("level", levelWords[q.By]) {
		q.Levels = append(q.Levels, posture.Level(slices.Index(levelWords[q.By], word)))
	}
	q.OnlyKEV = c.query.choice("kev", "false", "true") == "true"
	q.Search, _ = c.query.text("search")
	q.Product, _ = c.query.text("product")
	order := c.query.choice("sort", append([]string{scoreTypeWords[q.By]}, vulnerabilityOrders...)...)
	q.Sort = device.VulnerabilityOrder(slices.Index(vulnerabilityOrders, order))
	first := "desc"
	if q.Sort == device.VulnerabilityByID {
		first = "asc"
	}
	q.Descending = c.query.choice("order", first, "asc", "desc") == "desc"
	return q
}

// listVulnerabilities gives those that devices have, the worst first unless asked otherwise.
func (d *door) listVulnerabilities(c *call) error {
	q := c.vulnerabilityQuery()
	err := c.query.err()
	if err != nil {
		return err
	}
	list, next, err := d.Devices.Vulnerabilities(c.ctx, c.account.ID, q)
	if err != nil {
		return err
	}
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	known, err := d.Said(c.ctx, ids)
	if err != nil {
		return err
	}
	return answerList(c, rendered(list, func(v *device.Vulnerability) vulnerability { return renderVulnerability(v, known[v.ID]) }), next)
}

const noVulnerability = "No device of the account has this vulnerability"

// vulnerability gives the one that the path names.
func (d *door) vulnerability(c *call) (device.Vulnerability, error) {
	id := c.id()
	if !utf8.ValidString(id) || utf8.RuneCountInString(id) > maxArgument {
		return device.Vulnerability{}, errs.New(errs.NotFound, noVulnerability)
	}
	return d.Devices.Vulnerability(c.ctx, c.account.ID, id)
}

// maxProducts is how many versions of products an answer lists.
const maxProducts = 200

func (d *door) showVulnerability(c *call) error {
	err := c.query.err()
	if err != nil {
		return err
	}
	v, err := d.vulnerability(c)
	if err != nil {
		return err
	}
	known, err := d.Said(c.ctx, []string{v.ID})
	if err != nil {
		return err
	}
	products, err := d.Devices.VersionsWith(c.ctx, c.account.ID, v.ID, maxProducts)
	if err != nil {
		return err
	}
	j := known[v.ID]
	return c.answer(http.StatusOK, wholeVulnerability{renderVulnerability(&v, j), rendered(j.Said, renderSaid), rendered(products, renderProduct)})
}

// holder is a device that has a vulnerability.
type holder struct {
	DeviceID string `json:"device_id"`
	Name     string `json:"name,omitempty"`
	Group    string `json:"group"`
	Status   string `json:"status"`
}

// listHolders gives the devices on which a vulnerability counts, or those on which it is accepted, in the order of their enrolment.
func (d *door) listHolders(c *call) error {
	w := c.window()
	state := c.query.choice("state", standingWords[:2]...)
	err := c.query.err()
	if err != nil {
		return err
	}
	v, err := d.vulnerability(c)
	if err != nil {
		return err
	}
	settings, _, err := d.Accounts.StoredSettings(c.ctx, c.account.ID)
	if err != nil {
		return err
	}
	q := device.Query{Window: page.Window{After: w.After, Limit: w.Limit}}
	if state == "accepted" {
		q.AcceptedCVEs = []string{v.ID}
	} else {
		q.CVEs = []string{v.ID}
	}
	list, next, err := d.Devices.Select(c.ctx, c.account.ID, q)
	if err != nil {
		return err
	}
	return answerList(c, rendered(list, func(x *device.Device) holder {
		out := holder{DeviceID: x.ID, Name: x.Name, Group: number(x.Cell.Group), Status: x.Cell.Status.String()}
		if settings.Privacy.HostName {
			out.Name = ""
		}
		return out
	}), next)
}
