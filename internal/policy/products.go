package policy

import (
	"cmp"
	"fmt"
	"slices"

	"muster/internal/posture"
)

// judgeProducts judges an area whose checks ask about products: it passes if one product satisfies all of them.
// Otherwise the issues are those of the product that comes nearest.
func judgeProducts(s *subject, checks []active) []posture.Issue {
	products := s.products[checks[0].def.category]
	if len(products) == 0 {
		return s.noProduct(checks)
	}
	var best []posture.Issue
	for i, app := range products {
		if issues := s.productIssues(checks, app); i == 0 || nearer(issues, best) < 0 {
			best = issues
		}
	}
	return best
}

// noProduct makes one issue for the whole area, as severe as its severest check: without a product none of them can
// be satisfied, and saying so once is enough.
func (s *subject) noProduct(checks []active) []posture.Issue {
	category := checks[0].def.category
	f := finding{outcome: posture.Unknown, evidence: fmt.Sprintf(
		"The agent did not say whether there is %s; the policy asks for it.", productKind[category])}
	if s.report.Looked(category) {
		f = finding{outcome: posture.Fail, evidence: fmt.Sprintf(
			"The agent looked for %s and found none; the policy asks for it.", productKind[category])}
	}
	var out []posture.Issue
	for _, a := range checks {
		issue, ok := a.issue(s, f)
		switch {
		case !ok:
		case len(out) == 0:
			out = append(out, issue)
		default:
			out[0].Severity = max(out[0].Severity, issue.Severity)
		}
	}
	return out
}

// productKind names what an area asks for in a sentence.
var productKind = map[posture.Category]string{
	posture.Antimalware: "anti-malware protection",
	posture.Firewall:    "a firewall",
}

// productIssues makes the checks on one product. One that is not running explains everything after it that is no
// more severe, so this is not repeated to the owner as several faults.
func (s *subject) productIssues(checks []active, app *posture.Application) []posture.Issue {
	var out []posture.Issue
	explained := posture.NoIssue
	for _, a := range checks {
		f := a.def.product(s, a.check, app)
		f.product = named(app.Name)
		issue, ok := a.issue(s, f)
		if !ok || issue.Severity <= explained {
			continue
		}
		out = append(out, issue)
		if a.def.explains && f.outcome == posture.Fail {
			explained = issue.Severity
		}
	}
	return out
}

// nearer orders products by how near they come to passing, which their issues tell. Equals are ordered by what is said
// of them, so that the order in which an agent lists products does not matter.
func nearer(a, b []posture.Issue) int {
	v, w := posture.Verdict{Issues: a}, posture.Verdict{Issues: b}
	_, critical, warnings := v.CountIssues()
	_, critical2, warnings2 := w.CountIssues()
	if n := cmp.Or(cmp.Compare(critical, critical2), cmp.Compare(warnings, warnings2)); n != 0 {
		return n
	}
	return slices.CompareFunc(a, b, func(x, y posture.Issue) int {
		return cmp.Or(cmp.Compare(x.Check, y.Check), cmp.Compare(x.Evidence, y.Evidence))
	})
}

// anyProduct is the check that there is a product at all: asked of a product, it holds.
func anyProduct(*subject, *Check, *posture.Application) finding { return passed }

// asks makes the check of one fact of a product. What is a format for the product's name.
func asks(fact func(*posture.Application) posture.Fact, what, state string) func(*subject, *Check, *posture.Application) finding {
	return func(_ *subject, _ *Check, app *posture.Application) finding {
		return factFinding(fact(app), fmt.Sprintf(what, named(app.Name)), state)
	}
}
