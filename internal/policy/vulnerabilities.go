package policy

import (
	"fmt"
	"slices"
	"strings"

	"muster/internal/posture"
)

var vulnerabilitiesArea = area{judge: judgeEach, checks: []definition{{
	id: "vulnerabilities", category: posture.Vulnerabilities, title: "No known vulnerabilities are open",
	params: []string{"min_level", "score_type", "cves", "kev"}, named: true,
	device: vulnerabilities,
	remedy: advice{"": "Update the programs that are named, or uninstall them."},
}}}

// vulnerabilities judges what is known about the installed software. A machine that names none may have any.
func vulnerabilities(s *subject, c *Check) finding {
	asked := "the policy asks that no vulnerability" + c.wantedWords() + " is open"
	if len(s.report.Applications) == 0 {
		return s.unlisted(finding{outcome: posture.Unknown,
			evidence: "The agent did not say what is installed, so vulnerabilities cannot be known; " + asked + "."})
	}
	var ids, products []string
	for i := range s.Findings {
		f := &s.Findings[i]
		if c.counts(f) {
			ids, products = append(ids, nameOfFinding(f)), append(products, named(f.Product))
		}
	}
	switch {
	case len(ids) > 0:
	case s.hidden() != nil:
		return s.unlisted(finding{outcome: posture.Unknown,
			evidence: "The agent did not say all that is installed, so not all vulnerabilities can be known; " + asked + "."})
	default:
		return passed
	}
	slices.Sort(ids)
	slices.Sort(products)
	ids, products = slices.Compact(ids), slices.Compact(products)
	return finding{outcome: posture.Fail, product: products[0],
		evidence: fmt.Sprintf("Vulnerable: %s (%s); %s.", list(products), list(ids), asked)}
}

// counts reports whether a vulnerability is one that the entry names; an entry that names none means all.
func (c *Check) counts(f *posture.Finding) bool {
	if c.MinLevel == "" && len(c.CVEs) == 0 && !c.KEV {
		return true
	}
	level, typ := levels[c.MinLevel], scoreTypes[c.ScoreType]
	return c.KEV && f.KEV || level > 0 && f.Levels[typ] >= level || namesFinding(c.CVEs, f)
}

func (c *Check) wantedWords() string {
	var or []string
	if c.MinLevel != "" {
		or = append(or, fmt.Sprintf("of level %s or worse (%s)", c.MinLevel, scoreTypes[c.ScoreType]))
	}
	if c.KEV {
		or = append(or, "known to be exploited")
	}
	if len(c.CVEs) > 0 {
		or = append(or, "called "+joinOr(c.CVEs))
	}
	if len(or) == 0 {
		return ""
	}
	return " " + strings.Join(or, " or ")
}

// nameOfFinding is its first CVE, or its own id.
func nameOfFinding(f *posture.Finding) string {
	if len(f.CVEs) > 0 {
		return named(f.CVEs[0])
	}
	return named(f.ID)
}

// namesFinding reports whether one of the ids is that of a vulnerability.
func namesFinding(ids []string, f *posture.Finding) bool {
	return slices.ContainsFunc(ids, func(id string) bool {
		return strings.EqualFold(id, f.ID) || containsFold(f.CVEs, id)
	})
}

// levels are the names of levels, under any score type.
var levels = map[string]posture.Level{
	"low": posture.LevelLow, "medium": posture.LevelMedium, "moderate": posture.LevelMedium, "high": posture.LevelHigh,
	"important": posture.LevelHigh, "critical": posture.LevelCritical,
}

// levelWords and scoreTypeWords are the names in order.
var (
	levelWords     = []string{"low", "medium", "moderate", "high", "important", "critical"}
	scoreTypeWords = []string{"opswat_score", "cvss2_score", "cvss3_score"}
)

// scoreTypes are the names of score types; "" is the open formula.
var scoreTypes = map[string]posture.ScoreType{
	"": posture.ScoreOpswat, "opswat_score": posture.ScoreOpswat, "cvss2_score": posture.ScoreCVSS2, "cvss3_score": posture.ScoreCVSS3,
}
