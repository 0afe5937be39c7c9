package api

import (
	"slices"
	"strings"

	"muster/internal/policy"
	"muster/internal/posture"
)

// accountPolicy shows the policy that judges the devices of the default group.
func (d *door) accountPolicy(c *call) error {
	p, err := d.Policy(c.r.Context(), c.account.ID)
	if err != nil {
		return err
	}
	c.answer(struct {
		Policy map[string]map[string]any `json:"policy"`
	}{renderPolicy(p)})
	return nil
}

// policyCheck is one check as Account Policy writes it.
type policyCheck struct {
	Desc        string `json:"desc"`
	Alert       int    `json:"alert"`
	Critical    int    `json:"critical"`
	Remediation int    `json:"remediation"`
}

// appliesTo says for which computers a category of checks is switched on. The call knows no phones.
type appliesTo struct {
	Laptop  int `json:"laptop"`
	Desktop int `json:"desktop"`
	Server  int `json:"server"`
	VM      int `json:"vm"`
}

// renderPolicy lists the checks under their categories. A check that has several entries, for different machines, is
// shown once, at its most severe.
func renderPolicy(p *policy.Policy) map[string]map[string]any {
	out := make(map[string]map[string]any)
	for _, def := range policy.Definitions() {
		shown, to := policyCheck{Desc: def.Title}, appliesTo{}
		listed := false
		for i := range p.Checks {
			if entry := &p.Checks[i]; entry.ID == def.ID {
				listed = true
				shown.add(entry)
				to.add(entry)
			}
		}
		if !listed {
			continue
		}
		key := policyCategory(def.Category)
		if out[key] == nil {
			out[key] = map[string]any{"apply_to": appliesTo{}}
		}
		all, _ := out[key]["apply_to"].(appliesTo)
		out[key]["apply_to"] = appliesTo{
			max(all.Laptop, to.Laptop), max(all.Desktop, to.Desktop), max(all.Server, to.Server), max(all.VM, to.VM),
		}
		out[key][titleWords(def.ID)] = shown
	}
	return out
}

func (c *policyCheck) add(entry *policy.Check) {
	if entry.Severity == policy.Off {
		return
	}
	c.Alert, c.Remediation = 1, 1
	if entry.Severity == policy.Critical {
		c.Critical = 1
	}
}

func (a *appliesTo) add(entry *policy.Check) {
	if entry.Severity == policy.Off {
		return
	}
	for _, one := range []struct {
		kind  posture.DeviceType
		place *int
	}{{posture.Laptop, &a.Laptop}, {posture.Desktop, &a.Desktop}, {posture.Server, &a.Server}, {posture.VM, &a.VM}} {
		if len(entry.DeviceTypes) == 0 || slices.Contains(entry.DeviceTypes, one.kind) {
			*one.place = 1
		}
	}
}

// policyCategories are the categories that Account Policy calls otherwise than by their id.
var policyCategories = []spelling[posture.Category]{
	{word: "Antivirus", means: posture.Antimalware},
	{word: "Antiphishing", means: posture.Antiphishing},
	{word: "Hard_Disk_Encryption", means: posture.Encryption},
	{word: "VPN_Client", means: posture.VPNClient},
	{word: "Unclassified_PUA", means: posture.UnclassifiedUnwanted},
}

func policyCategory(c posture.Category) string {
	for _, s := range policyCategories {
		if s.means == c {
			return s.word
		}
	}
	return titleWords(string(c))
}

// titleWords writes cloud_storage as Cloud_Storage.
func titleWords(id string) string {
	words := strings.FieldsFunc(id, func(r rune) bool { return r == '_' || r == '-' })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "_")
}
