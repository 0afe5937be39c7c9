package api

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"muster/internal/device"
	"muster/internal/page"
	"muster/internal/posture"
)

// cve is one vulnerability as Vulnerabilities and Application Details show it.
type cve struct {
	ID         string   `json:"cve_id"`
	Severity   string   `json:"severity"`
	Summary    string   `json:"summary,omitempty"`
	UpdateDate string   `json:"update_date,omitempty"`
	Opswat     *float64 `json:"opswat_score,omitempty"`
	CVSS2      *float64 `json:"cvss2_score,omitempty"`
	CVSS3      *float64 `json:"cvss3_score,omitempty"`
	KEV        *int     `json:"kev,omitempty"` // from v3.2
	Devices    *int64   `json:"total_devices,omitempty"`
}

// score leaves a score out where there is none.
func score(v *device.Vulnerability, t posture.ScoreType) *float64 {
	if v.Scores[t] < 0 {
		return nil
	}
	return &v.Scores[t]
}

func renderCVE(v *device.Vulnerability, by posture.ScoreType) cve {
	return cve{
		ID: v.ID, Severity: levelWord(by, v.Levels), Summary: v.Summary, UpdateDate: timestamp(v.Modified),
		Opswat: score(v, posture.ScoreOpswat), CVSS2: score(v, posture.ScoreCVSS2), CVSS3: score(v, posture.ScoreCVSS3),
	}
}

func renderAppCVE(v *device.Vulnerability) cve { return renderCVE(v, posture.ScoreOpswat) }

// vulnerabilityLevels are the ranks under each score type as filters and answers write them. Account Details, which has
// none of cvss2 and cvss3 under unknown names, has a table of its own.
var vulnerabilityLevels = [posture.NumScoreTypes][]spelling[posture.Level]{
	posture.ScoreOpswat: accountLevels[posture.ScoreOpswat],
	posture.ScoreCVSS2:  accountLevels[posture.ScoreCVSS2][:3],
	posture.ScoreCVSS3: {
		{word: "critical", means: posture.LevelCritical},
		{word: "high", means: posture.LevelHigh},
		{word: "medium", means: posture.LevelMedium},
		{word: "low", means: posture.LevelLow},
		{word: "none", means: posture.LevelUnknown},
	},
}

// levelWord gives the word of a rank; where a score type has none for what is not scored, it is unknown.
func levelWord(by posture.ScoreType, levels posture.Levels) string {
	return cmp.Or(wordFor(vulnerabilityLevels[by], levels[by]), "unknown")
}

// cveFilter is the filter that Vulnerabilities and Vulnerabilities of a Device share.
type cveFilter struct {
	By     posture.ScoreType
	Levels []posture.Level
	KEV    bool
}

// readCVEFilter reads the members of all versions: those of newer ones are understood in the older too.
func readCVEFilter(filter *params) cveFilter {
	f := cveFilter{By: choice(filter, "score_type", inBody, scoreTypes, posture.ScoreOpswat)}
	f.Levels = words(filter, "severity", vulnerabilityLevels[f.By])
	f.KEV = filter.flag("kev", inBody, false)
	return f
}

func (f *cveFilter) passes(v *device.Vulnerability) bool {
	return (!f.KEV || v.KEV) && (len(f.Levels) == 0 || slices.Contains(f.Levels, v.Levels[f.By]))
}

var cveOrders = []spelling[device.VulnerabilityOrder]{
	{word: "cve_id", means: device.VulnerabilityByID},
	{word: "opswat_score", means: device.VulnerabilityByOpswat},
	{word: "cvss2_score", means: device.VulnerabilityByCVSS2},
	{word: "cvss3_score", means: device.VulnerabilityByCVSS3},
	{word: "severity", means: device.VulnerabilityByLevel},
}

// maxScores are the highest scores there are.
var maxScores = [posture.NumScoreTypes]float64{100, 10, 10}

// cves lists the vulnerabilities that devices of the account have.
func (d *door) cves(c *call) error {
	p := &c.params
	pageNumber, limit := limits{otherwise: 50, most: 50, refusal: 400}.paged(p)
	q := device.VulnerabilityQuery{MinScore: -1}
	q.Search = p.search()
	filter, sort := p.object("filter"), p.object("sort")
	f := readCVEFilter(filter)
	q.By, q.Levels, q.OnlyKEV = f.By, f.Levels, f.KEV
	if least, ok := filter.decimal("score", inBody, 0, maxScores[f.By]); ok {
		q.MinScore = least
		if c.version < v31 { // score_type had no default yet
			required(filter, "score_type", inBody)
		}
	}
	q.Sort = choice(sort, "field", inBody, cveOrders, device.VulnerabilityByID)
	q.Descending = choice(sort, "order", inBody, directions, false)
	if p.err != nil {
		return p.err
	}
	chosen, out := q, []cve{}
	err := d.readPage(c, chosen, pageNumber, limit, func(w page.Window) (int, string, error) {
		q.Window = w
		list, next, err := d.Devices.Vulnerabilities(c.r.Context(), c.account.ID, q)
		out = make([]cve, len(list))
		for i := range list {
			out[i] = renderCVE(&list[i], q.By)
			out[i].Devices = &list[i].Devices
			if c.version >= v32 {
				kev := boolNumber(list[i].KEV)
				out[i].KEV = &kev
			}
		}
		return len(list), next, err
	})
	if err != nil {
		return err
	}
	c.answer(out)
	return nil
}

// deviceCVE is one vulnerability of a device. The reference writes two of the scores as text here.
type deviceCVE struct {
	ID          string   `json:"cve_id"`
	Severity    string   `json:"severity,omitempty"`
	Summary     string   `json:"summary,omitempty"`
	UpdateDate  string   `json:"update_date,omitempty"`
	PublishDate string   `json:"publish_date,omitempty"`
	Opswat      string   `json:"opswat_score,omitempty"`
	CVSS2       string   `json:"cvss2_score,omitempty"`
	CVSS3       *float64 `json:"cvss3_score,omitempty"`
	Remediation string   `json:"remediation,omitempty"`
	CWE         string   `json:"cwe_id,omitempty"`
	KEV         *int     `json:"kev,omitempty"` // from v3.2
}

// deviceCVEs lists the vulnerabilities of one device, the worst first.
func (d *door) deviceCVEs(c *call) error {
	p := &c.params
	id := p.mustText("id", inBody, maxName)
	verbose := p.flag("verbose", inBody, false)
	pageNumber, limit := limits{otherwise: 100, most: 100, refusal: 400}.paged(p)
	filter := readCVEFilter(p.object("filter"))
	if p.err != nil {
		return p.err
	}
	found, err := d.vulnerabilitiesOf(c, id)
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(v device.FoundVulnerability) bool { return !filter.passes(&v.Vulnerability) })
	part := pageOf(found, pageNumber, limit)
	if len(part) == 0 && pageNumber > 1 {
		return errPastEnd()
	}
	out := make([]deviceCVE, len(part))
	for i := range part {
		out[i] = deviceCVE{ID: part[i].ID}
		if verbose {
			out[i] = renderDeviceCVE(c.version, &part[i], filter.By)
		}
	}
	c.answer(out)
	return nil
}

func renderDeviceCVE(v version, found *device.FoundVulnerability, by posture.ScoreType) deviceCVE {
	out := deviceCVE{
		ID: found.ID, Severity: levelWord(by, found.Levels), Summary: found.Summary, UpdateDate: timestamp(found.Modified),
		PublishDate: timestamp(found.Published), Opswat: scoreText(score(&found.Vulnerability, posture.ScoreOpswat)),
		CVSS2: scoreText(score(&found.Vulnerability, posture.ScoreCVSS2)), CVSS3: score(&found.Vulnerability, posture.ScoreCVSS3),
		Remediation: remedies(found.Findings), CWE: found.CWE,
	}
	if v >= v32 {
		kev := boolNumber(found.KEV)
		out.KEV = &kev
	}
	return out
}

func scoreText(s *float64) string {
	if s == nil {
		return ""
	}
	return strconv.FormatFloat(*s, 'f', -1, 64)
}

// remedies says which products to update to which versions.
func remedies(findings []posture.Finding) string {
	var out []string
	for i := range findings {
		f := &findings[i]
		text := "There is no fixed version of " + f.Product + " yet."
		if f.Fixed != "" {
			text = "Update " + f.Product + " to " + f.Fixed + " or later."
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return strings.Join(out, " ")
}

// vulnerabilitiesOf gives those of a device that is named by its id or a MAC address. One that never reported has none.
func (d *door) vulnerabilitiesOf(c *call, value string) ([]device.FoundVulnerability, error) {
	found, err := d.findDevice(c, value)
	if err != nil {
		return nil, err
	}
	list, err := d.Devices.DeviceVulnerabilities(c.r.Context(), c.account.ID, found.ID)
	return list, unlessNotFound(err)
}
