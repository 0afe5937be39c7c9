package policy

import (
	"cel.dev/cel-go/cel"

	"muster/internal/posture"
)

// variables gives an expression what it asks for. Lists are made when they are asked for the first time.
type variables struct {
	texts map[string]string
	lists map[string]func() any
	made  map[string]any
}

// ResolveName implements cel.Activation.
func (v *variables) ResolveName(name string) (any, bool) {
	if s, ok := v.texts[name]; ok {
		return s, true
	}
	if list, ok := v.made[name]; ok {
		return list, true
	}
	list, ok := v.lists[name]
	if !ok {
		return nil, false
	}
	v.made[name] = list()
	return v.made[name], true
}

// Parent implements cel.Activation.
func (v *variables) Parent() cel.Activation { return nil }

// forExpressions gives what rules see of a device.
func (f *facts) forExpressions() *variables {
	v := JoinFactsOf(f.report).variables()
	v.texts["group"], v.texts["user"], v.texts["agent.version"] = f.Group, f.User, f.report.AgentVersion
	v.lists["issues"] = func() any { return issuesForExpressions(f.issues) }
	v.lists["products"] = func() any { return productsForExpressions(f.report.Applications) }
	v.lists["vulnerabilities"] = func() any { return vulnerabilitiesForExpressions(f.Findings) }
	return v
}

func issuesForExpressions(issues []posture.Issue) []celIssue {
	out := make([]celIssue, len(issues))
	for n := range issues {
		i := &issues[n]
		out[n] = celIssue{i.Check, i.Name, string(i.Category), i.Severity.String(), string(i.Outcome), i.Product}
	}
	return out
}

func productsForExpressions(apps []posture.Application) []celProduct {
	out := make([]celProduct, len(apps))
	for n := range apps {
		a := &apps[n]
		out[n] = celProduct{a.Name, a.Vendor, a.Version, string(a.Category), factWord(a.Running), factWord(a.Enabled)}
	}
	return out
}

func vulnerabilitiesForExpressions(findings []posture.Finding) []celVulnerability {
	out := make([]celVulnerability, len(findings))
	for n := range findings {
		f := &findings[n]
		out[n] = celVulnerability{f.ID, f.CVEs, f.Product, f.Version, f.KEV,
			f.Scores[posture.ScoreOpswat], f.Scores[posture.ScoreCVSS2], f.Scores[posture.ScoreCVSS3]}
	}
	return out
}

func factWord(f posture.Fact) string {
	switch f {
	case posture.Yes:
		return "yes"
	case posture.No:
		return "no"
	default:
		return "unknown"
	}
}
