package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"muster/internal/posture"
)

var patchesArea = area{judge: judgeEach, checks: []definition{{
	id: "missing_patches", category: posture.PatchManagement, title: "No patches are missing",
	fact:   "missing_patches",
	params: []string{"severities", "patch_age", "max_age"}, named: true,
	device: missingPatches,
	remedy: advice{
		"":              "Install the patches that are named, and restart.",
		posture.Windows: "Open Settings, Windows Update, choose Check for updates, install them and restart.",
	},
}}}

// missingPatches judges the list of missing patches. That one was missing stays true however old the list is; that none
// was does not.
func missingPatches(s *subject, c *Check) finding {
	r := s.report
	asked := "the policy asks that no patch is missing"
	if len(c.Severities) > 0 {
		asked = "the policy asks that no patch of severity " + joinOr(c.Severities) + " is missing"
	}
	if c.PatchAge > 0 {
		asked += " for longer than " + c.PatchAge.words()
	}
	if !r.PatchesKnown {
		return finding{outcome: posture.Unknown, evidence: "The agent did not say which patches are missing; " + asked + "."}
	}
	if names := s.overdue(c); len(names) > 0 {
		return finding{outcome: posture.Fail, product: names[0], evidence: fmt.Sprintf("Missing: %s; %s.", list(names), asked)}
	}
	if c.MaxAge <= 0 {
		return passed
	}
	if d := s.dated(r.PatchesChecked, c.MaxAge); d != recent {
		return undatedOrOld(d, posture.Stale, r.PatchesChecked, "list of missing patches", "for one no older than "+c.MaxAge.words())
	}
	return passed
}

// overdue lists the missing patches that count. One of no severity counts as any; one of no date as an old one.
func (s *subject) overdue(c *Check) []string {
	var names []string
	for i := range s.report.MissingPatches {
		p := &s.report.MissingPatches[i]
		counts := len(c.Severities) == 0 || p.Severity == "" || containsFold(c.Severities, p.Severity)
		if !counts {
			continue
		}
		if c.PatchAge > 0 && !p.Released.IsZero() && s.within(p.Released, c.PatchAge) {
			continue
		}
		names = append(names, named(cmp.Or(p.KB, p.Title)))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// containsFold reports whether a list has a text; case does not matter.
func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(l string) bool { return strings.EqualFold(l, s) })
}
