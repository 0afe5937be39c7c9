package admin

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"muster/internal/posture"
	"muster/internal/risk"
	"muster/internal/vuln"
)

// explanation is why a device has a vulnerability, or has not.
type explanation struct {
	DeviceID      string    `json:"device_id"`
	Vulnerability string    `json:"vulnerability"`
	State         string    `json:"state"` // open, accepted or not_found
	Reported      time.Time `json:"reported_at,omitzero"`
	// Known says whether any feed says anything about it.
	Known      bool         `json:"known"`
	Findings   []found      `json:"findings"`
	Considered []considered `json:"considered"`
}

// found is a finding of the verdict on the device.
type found struct {
	Feed      string      `json:"feed,omitempty"`
	Entry     string      `json:"entry"`
	CVEs      []string    `json:"cves"`
	Product   string      `json:"product"`
	Package   string      `json:"package,omitempty"`
	Ecosystem string      `json:"ecosystem,omitempty"`
	Version   string      `json:"version"`
	Fixed     string      `json:"fixed,omitempty"`
	KEV       bool        `json:"kev"`
	EPSS      *float64    `json:"epss,omitempty"`
	Scores    scores      `json:"scores"`
	Levels    levelsOf    `json:"levels"`
	Accepted  *acceptance `json:"accepted,omitempty"`
}

// acceptance is why a finding does not count.
type acceptance struct {
	ID          string    `json:"id"`
	Reason      string    `json:"reason"`
	By          string    `json:"by,omitempty"`
	Until       time.Time `json:"until,omitzero"`
	NotAffected bool      `json:"not_affected"`
}

// considered is something installed that an entry about the vulnerability speaks of.
type considered struct {
	Feed      string       `json:"feed,omitempty"`
	Entry     string       `json:"entry"`
	Product   string       `json:"product"`
	Package   string       `json:"package,omitempty"`
	Ecosystem string       `json:"ecosystem,omitempty"`
	Version   string       `json:"version"`
	Compared  string       `json:"compared,omitempty"`
	Fixed     string       `json:"fixed,omitempty"`
	Outcome   vuln.Outcome `json:"outcome"`
}

func renderFound(f *posture.Finding) found {
	out := found{
		Feed: f.Feed, Entry: f.ID, CVEs: f.CVEs, Product: f.Product, Package: f.Package, Ecosystem: f.Ecosystem, Version: f.Version, Fixed: f.Fixed, KEV: f.KEV,
		EPSS: f.EPSS, Scores: renderScores(f.Scores), Levels: renderLevels(f.Levels),
	}
	if out.CVEs == nil {
		out.CVEs = []string{}
	}
	if a := f.Accepted; a != nil {
		out.Accepted = &acceptance{a.ID, a.Reason, a.By, a.Until, a.NotAffected}
	}
	return out
}

func renderConsidered(x *vuln.Considered) considered {
	return considered{
		Feed: x.Feed, Entry: x.Entry, Product: x.Product, Package: x.Package, Ecosystem: x.Ecosystem, Version: x.Version, Compared: x.Compared, Fixed: x.Fixed,
		Outcome: x.Outcome,
	}
}

// explainVulnerability tells why a device has a vulnerability, or has not.
func (d *door) explainVulnerability(c *call) error {
	x, err := d.device(c)
	if err != nil {
		return err
	}
	id, err := risk.VulnerabilityID(c.r.PathValue("vulnerability"))
	if err != nil {
		return err
	}
	e, err := d.ExplainVulnerability(c.ctx, c.account.ID, &x, id)
	if err != nil {
		return err
	}
	mine := slices.DeleteFunc(slices.Clone(e.Findings), func(f posture.Finding) bool {
		return !strings.EqualFold(f.ID, id) && !slices.ContainsFunc(f.CVEs, func(cve string) bool { return strings.EqualFold(cve, id) })
	})
	out := explanation{
		DeviceID: x.ID, Vulnerability: id, State: "not_found", Reported: e.Reported, Known: e.Known, Findings: rendered(mine, renderFound),
		Considered: rendered(e.Considered, renderConsidered),
	}
	for i := range mine {
		switch {
		case mine[i].Accepted == nil:
			out.State = "open"
		case out.State == "not_found":
			out.State = "accepted"
		}
	}
	return c.answer(http.StatusOK, out)
}
