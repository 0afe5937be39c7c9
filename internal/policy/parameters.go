package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"muster/internal/posture"
	"muster/internal/signature"
	"muster/internal/vuln/version"
)

// parameters tells of each parameter of a check whether an entry has it.
var parameters = map[string]func(*Check) bool{
	"title":            func(c *Check) bool { return c.Title != "" },
	"max_age":          func(c *Check) bool { return c.MaxAge != 0 },
	"max_idle":         func(c *Check) bool { return c.MaxIdle != 0 },
	"patch_age":        func(c *Check) bool { return c.PatchAge != 0 },
	"within":           func(c *Check) bool { return c.Within != 0 },
	"min_version":      func(c *Check) bool { return c.MinVersion != "" },
	"min_free":         func(c *Check) bool { return c.MinFree != 0 },
	"min_free_percent": func(c *Check) bool { return c.MinFreePercent != 0 },
	"min_repeats":      func(c *Check) bool { return c.MinRepeats != 0 },
	"volumes":          func(c *Check) bool { return len(c.Volumes) > 0 },
	"allowed":          func(c *Check) bool { return len(c.Allowed) > 0 },
	"products":         func(c *Check) bool { return len(c.Products) > 0 },
	"processes":        func(c *Check) bool { return len(c.Processes) > 0 },
	"severities":       func(c *Check) bool { return len(c.Severities) > 0 },
	"domains":          func(c *Check) bool { return len(c.Domains) > 0 },
	"min_level":        func(c *Check) bool { return c.MinLevel != "" },
	"score_type":       func(c *Check) bool { return c.ScoreType != "" },
	"cves":             func(c *Check) bool { return len(c.CVEs) > 0 },
	"kev":              func(c *Check) bool { return c.KEV },
	"scripts":          func(c *Check) bool { return len(c.Scripts) > 0 },
}

// params checks the parameters: those that the check reads must make sense, others must not be there.
func (m *mistakes) params(at string, def *definition, c *Check) {
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if parameters[name](c) && !def.reads(name) {
			m.add(at+"."+name, "%s has no parameter %s", c.ID, name)
		}
	}
	has := func(name string) bool { return parameters[name](c) }
	if len(def.needs) > 0 && c.Severity != Off && !slices.ContainsFunc(def.needs, has) {
		m.add(at+"."+def.needs[0], "%s needs %s", c.ID, strings.Join(def.needs, " or "))
	}
	m.duration(at+".max_age", c.MaxAge)
	m.duration(at+".max_idle", c.MaxIdle)
	m.duration(at+".patch_age", c.PatchAge)
	m.duration(at+".within", c.Within)
	m.version(at+".min_version", c.MinVersion)
	if c.MinFree < 0 || c.MinFree > maxSize {
		m.add(at+".min_free", "%s is not between 0 and %s", c.MinFree, maxSize)
	}
	m.number(at+".min_free_percent", c.MinFreePercent, 100)
	m.number(at+".min_repeats", c.MinRepeats, 1000)
	m.level(at, c.MinLevel, c.ScoreType)
	m.line(at+".title", c.Title)
	m.lines(at+".volumes", c.Volumes)
	m.lines(at+".allowed", c.Allowed)
	m.lines(at+".processes", c.Processes)
	m.lines(at+".severities", c.Severities)
	m.lines(at+".domains", c.Domains)
	m.lines(at+".cves", c.CVEs)
	m.products(at+".products", c)
	m.scripts(at+".scripts", c.Scripts)
}

// level checks a level of vulnerability and the scores that it is of.
func (m *mistakes) level(at, level, scoreType string) {
	word(m, at+".min_level", level, append([]string{""}, levelWords...)...)
	word(m, at+".score_type", scoreType, append([]string{""}, scoreTypeWords...)...)
	if scoreType != "" && level == "" {
		m.add(at+".score_type", "score_type says what min_level is of, which is missing")
	}
	if level == "critical" && scoreType == "cvss2_score" {
		m.add(at+".min_level", "there is no level critical under cvss2_score")
	}
}

// version checks a version that others will be compared with.
func (m *mistakes) version(field, v string) {
	m.line(field, v)
	if _, err := version.Compare(version.Application, v, "1"); v != "" && err != nil {
		m.add(field, "%q is not a version", v)
	}
}

func (m *mistakes) products(field string, c *Check) {
	if len(c.Products) > maxList {
		m.add(field, "there are more than %d products", maxList)
	}
	for i := range min(len(c.Products), maxList) {
		p, at := &c.Products[i], fmt.Sprintf("%s[%d]", field, i)
		if p.Name == "" && p.Vendor == "" && p.Category == "" {
			m.add(at, "a product needs a name, a vendor or a category")
		}
		m.line(at+".name", p.Name)
		m.line(at+".vendor", p.Vendor)
		if p.Category != "" {
			word(m, at+".category", p.Category, productCategories...)
		}
		m.version(at+".min_version", p.MinVersion)
		switch {
		case c.ID == "product_versions" && p.MinVersion == "":
			m.add(at+".min_version", "product_versions needs a version of each product")
		case c.ID == "forbidden_products" && p.MinVersion != "":
			m.add(at+".min_version", "a product is forbidden in every version; product_versions asks for new ones")
		case c.ID != "required_products" && p.Running:
			m.add(at+".running", "only required_products asks whether a product runs")
		}
	}
}

var interpreters = []string{"sh", "bash", "zsh", "powershell", "cmd", "python"}

func (m *mistakes) scripts(field string, scripts []Script) {
	for i := range scripts { // there are no more than combinations of systems, or one is never run
		s, at := &scripts[i], fmt.Sprintf("%s[%d]", field, i)
		words(m, at+".os", s.OS, families)
		word(m, at+".interpreter", s.Interpreter, interpreters...)
		if s.Timeout < 0 || s.Timeout > Duration(maxTimeout) {
			m.add(at+".timeout", "%s is not between 0 and %s", s.Timeout, Duration(maxTimeout))
		}
		if strings.TrimSpace(s.Text) == "" {
			m.add(at+".text", "%s.text is missing", at)
		}
		m.prose(at+".text", s.Text, maxScript)
		if _, err := signature.SignedBy(s.Signature); s.Signature != "" && err != nil {
			m.add(at+".signature", "%s", messageOf(err))
		}
		for j := range i {
			if within(s.OS, scripts[j].OS) {
				m.add(at, "this script is never run: scripts[%d] is for the same systems", j)
				return
			}
		}
	}
}

// productCategories are those that agents put products into.
var productCategories = []posture.Category{
	posture.Antimalware, posture.Firewall, posture.Encryption, posture.PatchManagement, posture.Antiphishing, posture.Backup,
	posture.InstantMessenger, posture.CloudStorage, posture.PublicFileSharing, posture.RemoteControl, posture.RecordingWebMeeting,
	posture.Toolbars, posture.MediaPlayer, posture.VPNClient, posture.CleanerOptimizer, posture.DeveloperTool, posture.Uninstaller,
	posture.UnclassifiedUnwanted, posture.Browser, posture.VirtualMachine, posture.DataLossPrevention,
}
