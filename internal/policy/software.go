package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"muster/internal/posture"
	"muster/internal/vuln/version"
)

var softwareArea = area{judge: judgeEach, checks: []definition{
	{
		id: "required_products", category: posture.SystemSecurity, title: "Required programs are installed",
		params: []string{"products"}, needs: []string{"products"}, named: true,
		device: requiredProducts,
		remedy: advice{"": "Install or start the programs that are named; ask your administrator where to get them."},
	},
	{
		id: "product_versions", category: posture.SystemSecurity, title: "Programs are new enough",
		params: []string{"products"}, needs: []string{"products"}, named: true,
		device: productVersions,
		remedy: advice{"": "Update the programs that are named."},
	},
	{
		id: "forbidden_products", category: posture.UnclassifiedUnwanted, title: "No forbidden program is installed",
		params: []string{"products"}, needs: []string{"products"}, named: true,
		device: forbiddenProducts,
		remedy: advice{"": "Uninstall the programs that are named."},
	},
	{
		id: "forbidden_processes", category: posture.UnclassifiedUnwanted, title: "No forbidden program is running",
		fact:   "processes",
		params: []string{"processes"}, needs: []string{"processes"}, named: true,
		device: forbiddenProcesses,
		remedy: advice{"": "Stop the programs that are named, and uninstall them."},
	},
}}

// matches reports whether a product is one of those meant.
func (p *Product) matches(a *posture.Application) bool {
	return (p.Name == "" || matchesName(p.Name, a.Name)) && (p.Vendor == "" || matchesName(p.Vendor, a.Vendor)) &&
		(p.Category == "" || p.Category == a.Category)
}

// matchesName compares a name with a pattern: the whole, or its beginning where the pattern ends in *.
func matchesName(pattern, name string) bool {
	name = strings.TrimSpace(name)
	if start, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(strings.ToLower(name), strings.ToLower(start))
	}
	return strings.EqualFold(pattern, name)
}

// words names the products that are meant.
func (p *Product) words() string {
	w := p.Name
	if w == "" {
		w = "a product"
	}
	if p.Category != "" {
		w += " of the category " + string(p.Category)
	}
	if p.Vendor != "" {
		w += " by " + p.Vendor
	}
	return w
}

// asked says what is asked of the products.
func (p *Product) asked() string {
	var and []string
	if p.MinVersion != "" {
		and = append(and, "in version "+p.MinVersion+" or newer")
	}
	if p.Running {
		and = append(and, "running")
	}
	return strings.Join(append([]string{p.words()}, and...), ", ")
}

// installed lists the products that are meant. Silent means that the agent named no products among which they might be.
func (s *subject) installed(p *Product) (found []*posture.Application, silent bool) {
	for i := range s.report.Applications {
		if a := &s.report.Applications[i]; p.matches(a) {
			found = append(found, a)
		}
	}
	silent = len(s.report.Applications) == 0 || p.Category != "" && !s.report.Looked(p.Category) || s.hidden() != nil
	return found, len(found) == 0 && silent
}

// requiredProducts asks for one product at least of each that is named, as new as asked and running if asked.
func requiredProducts(s *subject, c *Check) finding {
	return worstOf(c.Products, func(p *Product) finding {
		asked := "the policy asks for " + p.asked()
		found, silent := s.installed(p)
		if silent {
			return s.unlisted(finding{posture.Unknown, p.words(), "The agent did not say whether there is " + p.words() + "; " + asked + "."})
		}
		if len(found) == 0 {
			return finding{posture.Fail, p.words(), "The agent did not find " + p.words() + "; " + asked + "."}
		}
		best := finding{}
		for i, a := range found {
			if f := p.judge(a, asked); i == 0 || weightOf(f) < weightOf(best) || weightOf(f) == weightOf(best) && f.evidence < best.evidence {
				best = f
			}
		}
		return best
	})
}

// judge judges one of the products that are meant.
func (p *Product) judge(a *posture.Application, asked string) finding {
	name := named(a.Name)
	f := p.judgeVersion(a, asked)
	if !p.Running || a.Running == posture.Yes || weightOf(f) > weightOf(finding{outcome: posture.Unknown}) {
		return f
	}
	if a.Running == posture.No {
		return finding{posture.Fail, name, "The agent reported that " + name + " is not running; " + asked + "."}
	}
	return finding{posture.Unknown, name, "The agent did not say whether " + name + " is running; " + asked + "."}
}

// judgeVersion compares by the rules of the ecosystem that the product comes from.
func (p *Product) judgeVersion(a *posture.Application, asked string) finding {
	name := named(a.Name)
	if p.MinVersion == "" {
		return passed
	}
	if a.Version == "" {
		return finding{posture.Unknown, name, "The agent did not give the version of " + name + "; " + asked + "."}
	}
	n, err := version.Compare(cmp.Or(a.Ecosystem, version.Application), a.Version, p.MinVersion)
	switch {
	case err != nil:
		return finding{posture.Errored, name, fmt.Sprintf("The version of %s cannot be compared: %s; %s.", name, named(a.Version), asked)}
	case n < 0:
		return finding{posture.Fail, name, fmt.Sprintf("Installed: %s %s; %s.", name, named(a.Version), asked)}
	default:
		return passed
	}
}

// productVersions asks that each product that is named is new enough, if it is installed.
func productVersions(s *subject, c *Check) finding {
	return worstOf(c.Products, func(p *Product) finding {
		asked := "the policy asks for " + p.asked() + ", where it is installed"
		found, silent := s.installed(p)
		if silent {
			return s.unlisted(finding{posture.Unknown, p.words(), "The agent did not say whether there is " + p.words() + "; " + asked + "."})
		}
		worst := passed
		for _, a := range found {
			if f := p.judgeVersion(a, asked); weightOf(f) > weightOf(worst) || weightOf(f) == weightOf(worst) && f.evidence < worst.evidence {
				worst = f
			}
		}
		return worst
	})
}

// forbiddenProducts asks that none of the products is installed.
func forbiddenProducts(s *subject, c *Check) finding {
	return worstOf(c.Products, func(p *Product) finding {
		asked := "the policy asks for the absence of " + p.words()
		found, silent := s.installed(p)
		if silent {
			return s.unlisted(finding{posture.Unknown, p.words(), "The agent did not say whether there is " + p.words() + "; " + asked + "."})
		}
		return forbidden("Installed: ", names(found), asked)
	})
}

func names(found []*posture.Application) []string {
	out := make([]string, len(found))
	for i, a := range found {
		out[i] = named(a.Name)
	}
	return out
}

// forbidden makes a failure of what is there and should not be.
func forbidden(what string, found []string, asked string) finding {
	if len(found) == 0 {
		return passed
	}
	slices.Sort(found)
	found = slices.Compact(found)
	return finding{posture.Fail, found[0], what + list(found) + "; " + asked + "."}
}

// forbiddenProcesses asks that none of the programs runs. No machine runs nothing: an empty list says nothing.
func forbiddenProcesses(s *subject, c *Check) finding {
	asked := "the policy asks that none runs of " + list(c.Processes)
	if len(s.report.Processes) == 0 {
		return finding{outcome: posture.Unknown, evidence: "The agent did not say what is running; " + asked + "."}
	}
	var found []string
	for _, p := range s.report.Processes {
		if slices.ContainsFunc(c.Processes, func(pattern string) bool { return matchesName(pattern, p) }) {
			found = append(found, named(p))
		}
	}
	return forbidden("Running: ", found, asked)
}

// worstOf judges several things and gives the finding that weighs most, the first of equals.
func worstOf(products []Product, judge func(*Product) finding) finding {
	worst := passed
	for i := range products {
		if f := judge(&products[i]); weightOf(f) > weightOf(worst) {
			worst = f
		}
	}
	return worst
}

// weightOf orders outcomes from good to bad.
func weightOf(f finding) int {
	return slices.Index([]posture.Outcome{posture.Pass, posture.Stale, posture.Unknown, posture.Errored, posture.Fail}, f.outcome)
}
