package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"muster/internal/posture"
)

// judgeProducts judges an area whose checks ask about products: it passes if one product satisfies all of them.
// Otherwise the issues are those of the product that comes nearest.
func judgeProducts(s *subject, checks []active, out []result) []result {
	products := s.products[checks[0].def.category]
	if len(products) == 0 {
		return s.noProduct(checks, out)
	}
	start := len(out)
	out = s.productResults(checks, products[0], out)
	for _, app := range products[1:] {
		if other := s.productResults(checks, app, nil); nearer(other, out[start:]) < 0 {
			copy(out[start:], other)
		}
	}
	return out
}

// noProduct makes one issue for the whole area, as severe as its severest check: without a product none of them can
// be satisfied, and saying so once is enough.
func (s *subject) noProduct(checks []active, out []result) []result {
	category := checks[0].def.category
	f := finding{outcome: posture.Unknown, evidence: fmt.Sprintf(
		"The agent did not say whether there is %s; the policy asks for it.", productKind[category])}
	if s.report.Looked(category) {
		f = finding{outcome: posture.Fail, evidence: fmt.Sprintf(
			"The agent looked for %s and found none; the policy asks for it.", productKind[category])}
	}
	said := -1
	for _, a := range checks {
		r := a.result(s, f)
		switch {
		case !r.issue:
		case said < 0:
			said = len(out)
		default:
			out[said].severity = max(out[said].severity, r.severity)
			r.issue, r.hidden = false, true
		}
		out = append(out, r)
	}
	return out
}

// productKind names what an area asks for in a sentence.
var productKind = map[posture.Category]string{
	posture.Antimalware:        "anti-malware protection",
	posture.Firewall:           "a firewall",
	posture.Antiphishing:       "protection against phishing",
	posture.Backup:             "a backup program",
	posture.PatchManagement:    "a patch-management agent",
	posture.DataLossPrevention: "data-loss prevention",
}

// productResults makes the checks on one product. One that is not running explains everything after it that is no
// more severe, so this is not repeated to the owner as several faults.
func (s *subject) productResults(checks []active, app *posture.Application, out []result) []result {
	explained := posture.NoIssue
	for _, a := range checks {
		f := a.def.product(s, a.check, app)
		f.product = named(app.Name)
		r := a.result(s, f)
		r.hidden = r.issue && r.severity <= explained
		r.issue = r.issue && !r.hidden
		if r.issue && a.def.explains && r.outcome == posture.Fail {
			explained = r.severity
		}
		out = append(out, r)
	}
	return out
}

// nearer orders products by how near they come to passing, which their issues tell: fewer are nearer. Of equals the one
// that lacks what is asked first counts, then what is said of them, so that the order in which an agent lists products does
// not matter.
func nearer(a, b []result) int {
	critical, warnings := weigh(a)
	critical2, warnings2 := weigh(b)
	if n := cmp.Or(cmp.Compare(critical, critical2), cmp.Compare(warnings, warnings2)); n != 0 {
		return n
	}
	return cmp.Or(
		slices.CompareFunc(a, b, func(x, y result) int { return compareBool(x.issue, y.issue) }),
		slices.CompareFunc(a, b, func(x, y result) int { return cmp.Compare(x.evidence, y.evidence) }),
		slices.CompareFunc(a, b, func(x, y result) int { return cmp.Compare(x.product, y.product) }))
}

// compareBool puts yes before no.
func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return -1
	default:
		return 1
	}
}

// weigh counts the issues of each severity.
func weigh(results []result) (critical, warnings int) {
	for i := range results {
		switch {
		case !results[i].issue:
		case results[i].severity == posture.Critical:
			critical++
		default:
			warnings++
		}
	}
	return critical, warnings
}

// anyProduct is the check that there is a product at all: asked of a product, it holds.
func anyProduct(*subject, *Check, *posture.Application) finding { return passed }

// asks makes the check of one fact of a product. What is a format for the product's name.
func asks(fact func(*posture.Application) posture.Fact, what, state string) func(*subject, *Check, *posture.Application) finding {
	return func(_ *subject, _ *Check, app *posture.Application) finding {
		if fact(app) == posture.Yes {
			return passed
		}
		return factFinding(fact(app), fmt.Sprintf(what, named(app.Name)), state)
	}
}

// aged makes the check of one date of a product. What is a format for the product's name.
func aged(date func(*posture.Application) time.Time, what, asked string) func(*subject, *Check, *posture.Application) finding {
	return func(s *subject, c *Check, app *posture.Application) finding {
		d := s.dated(date(app), c.MaxAge)
		if d == recent {
			return passed
		}
		return undatedOrOld(d, posture.Fail, date(app), fmt.Sprintf(what, named(app.Name)), asked+" no older than "+c.MaxAge.words())
	}
}
