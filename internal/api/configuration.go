package api

import (
	"slices"
	"strings"
)

// section is a part of an account's configuration.
type section string

const (
	crossDomainSection section = "cross-domain-api"
	regcodeSection     section = "regcode" // from v3.1
)

var configurationSections = []spelling[section]{
	{word: "cross-domain-api", means: crossDomainSection},
	{word: "regcode", means: regcodeSection},
}

// configuration shows the sections that are asked for.
func (d *door) configuration(c *call) error {
	table := configurationSections
	if c.version < v31 {
		table = table[:1]
	}
	sections := words(&c.params, "sections", table)
	if len(sections) == 0 {
		c.params.wrong("sections", "is required: an array of %s", strings.Join(knownWords(table), ", "))
	}
	if c.params.err != nil {
		return c.params.err
	}
	answer := make(map[section]any)
	if slices.Contains(sections, crossDomainSection) {
		answer[crossDomainSection] = struct {
			Enabled int `json:"enabled"`
			Port    int `json:"port"`
		}{boolNumber(c.account.CrossDomain.Enabled), c.account.CrossDomain.Port}
	}
	if slices.Contains(sections, regcodeSection) {
		answer[regcodeSection] = c.account.RegistrationCode
	}
	c.answer(answer)
	return nil
}
