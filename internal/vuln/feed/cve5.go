package feed

import (
	"cmp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"muster/internal/vuln"
)

// cveRecord is a CVE record of format 5, as far as it is used.
type cveRecord struct {
	Meta struct {
		ID        string `json:"cveId"`
		State     string `json:"state"`
		Published string `json:"datePublished"`
		Updated   string `json:"dateUpdated"`
		Rejected  string `json:"dateRejected"`
	} `json:"cveMetadata"`
	Containers struct {
		CNA cveContainer   `json:"cna"` // of who assigned the number
		ADP []cveContainer `json:"adp"` // of those who add to it
	} `json:"containers"`
}

type cveContainer struct {
	Provider struct {
		Name    string `json:"shortName"`
		Updated string `json:"dateUpdated"`
	} `json:"providerMetadata"`
	Title        string        `json:"title"`
	Descriptions []cveText     `json:"descriptions"`
	Affected     []cveAffected `json:"affected"`
	Metrics      []cveMetric   `json:"metrics"`
	Problems     []struct {
		Descriptions []struct {
			CWE string `json:"cweId"`
		} `json:"descriptions"`
	} `json:"problemTypes"`
}

type cveText struct {
	Lang  string `json:"lang"`
	Value string `json:"value"`
}

type cveMetric struct {
	V2    *cveVector `json:"cvssV2_0"`
	V30   *cveVector `json:"cvssV3_0"`
	V31   *cveVector `json:"cvssV3_1"`
	V4    *cveVector `json:"cvssV4_0"`
	Other *struct {
		Type string `json:"type"`
	} `json:"other"`
}

type cveVector struct {
	Vector string `json:"vectorString"`
}

type cveAffected struct {
	Vendor      string       `json:"vendor"`
	Product     string       `json:"product"`
	Collection  string       `json:"collectionURL"`
	PackageName string       `json:"packageName"`
	PackageURL  string       `json:"packageURL"`
	Default     string       `json:"defaultStatus"`
	Platforms   []string     `json:"platforms"`
	CPEs        []string     `json:"cpes"`
	Versions    []cveVersion `json:"versions"`

	names []cpe // the CPEs, read
}

type cveVersion struct {
	Version string      `json:"version"`
	Status  string      `json:"status"`
	Type    string      `json:"versionType"`
	Before  string      `json:"lessThan"`
	Through string      `json:"lessThanOrEqual"`
	Changes []cveChange `json:"changes"`
}

type cveChange struct {
	At     string `json:"at"`
	Status string `json:"status"`
}

// cve5 reads CVE records.
func (r *run) cve5(f *file) error {
	return r.reader(f).records(func(v jsontext.Value) error {
		var rec cveRecord
		switch {
		case !fits(v, &rec):
			r.problem(f, rec.Meta.ID, notOfTheForm, "")
			return nil
		case !cveID.MatchString(rec.Meta.ID):
			r.problem(f, "", noCVE, rec.Meta.ID)
			return nil
		}
		t := translation{run: r, file: f, id: rec.Meta.ID}
		e := t.record(&rec)
		r.head.seen(moment(e.Modified))
		return r.entry(f, e)
	})
}

// translation is the work on one record.
type translation struct {
	run  *run
	file *file
	id   string
	told map[Reason]bool

	product string // being worked on, in lower case: some write it in front of each version
}

// problem counts each reason once for a record: some have hundreds of products.
func (t *translation) problem(reason Reason, detail string) {
	if t.told[reason] {
		return
	}
	if t.told == nil {
		t.told = make(map[Reason]bool)
	}
	t.told[reason] = true
	t.run.problem(t.file, t.id, reason, detail)
}

func (t *translation) record(rec *cveRecord) *vuln.Entry {
	cna := &rec.Containers.CNA
	e := &vuln.Entry{
		ID: rec.Meta.ID, Published: stamp(rec.Meta.Published), Modified: stamp(cmp.Or(rec.Meta.Updated, rec.Meta.Rejected, rec.Meta.Published)),
		Summary: strings.TrimSpace(cna.Title), Details: english(cna.Descriptions),
	}
	for i := range rec.Containers.ADP { // what CISA adds does not change the date of the record
		if at := moment(rec.Containers.ADP[i].Provider.Updated); at.After(moment(e.Modified)) {
			e.Modified = stamp(rec.Containers.ADP[i].Provider.Updated)
		}
	}
	if rec.Meta.State == "REJECTED" {
		e.Withdrawn = cmp.Or(stamp(rec.Meta.Rejected), e.Modified, "1970-01-01T00:00:00Z")
		return e
	}
	e.Severity = severities(cna.Metrics)
	e.Extra.CWEs = weaknesses(cna)
	for i := range rec.Containers.ADP {
		adp := &rec.Containers.ADP[i]
		e.Severity = completed(e.Severity, severities(adp.Metrics))
		if len(e.Extra.CWEs) == 0 {
			e.Extra.CWEs = weaknesses(adp)
		}
		for _, m := range adp.Metrics {
			e.Extra.KEV = e.Extra.KEV || m.Other != nil && m.Other.Type == "kev"
		}
	}
	e.Affected = t.affected(rec)
	return e
}

// english is a description in English, or else in whatever language there is.
func english(texts []cveText) string {
	for _, d := range texts {
		if strings.HasPrefix(strings.ToLower(d.Lang), "en") {
			return d.Value
		}
	}
	if len(texts) > 0 {
		return texts[0].Value
	}
	return ""
}

func weaknesses(c *cveContainer) []string {
	var out []string
	for _, p := range c.Problems {
		for _, d := range p.Descriptions {
			if strings.HasPrefix(d.CWE, "CWE-") {
				out = append(out, d.CWE)
			}
		}
	}
	return out
}

func severities(metrics []cveMetric) []vuln.Severity {
	var out []vuln.Severity
	for _, m := range metrics {
		out = vector(out, "CVSS_V2", m.V2)
		out = vector(out, "CVSS_V3", m.V31)
		out = vector(out, "CVSS_V3", m.V30)
		out = vector(out, "CVSS_V4", m.V4)
	}
	return out
}

func vector(list []vuln.Severity, kind string, v *cveVector) []vuln.Severity {
	if v == nil {
		return list
	}
	text := strings.Trim(strings.TrimSpace(v.Vector), "()")
	for _, s := range list {
		if s.Type == kind && s.Score == text {
			return list
		}
	}
	if text == "" {
		return list
	}
	return append(list, vuln.Severity{Type: kind, Score: text})
}

// completed adds the scores by methods that are not there yet: the word of who assigned the number comes first.
func completed(list, more []vuln.Severity) []vuln.Severity {
	has := make(map[string]bool)
	for _, s := range list {
		has[s.Type] = true
	}
	for _, s := range more {
		if !has[s.Type] {
			list = append(list, s)
		}
	}
	return list
}
