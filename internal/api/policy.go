package api

import (
	"cmp"
	"slices"
	"strings"

	"muster/internal/policy"
	"muster/internal/posture"
)

// accountPolicy shows the policy that judges the devices of the default group.
func (d *door) accountPolicy(c *call) error {
	p, err := d.Policies.OfGroup(c.r.Context(), c.account.ID, posture.DefaultGroup)
	if err != nil {
		return err
	}
	c.answer(struct {
		Policy map[string]map[string]any `json:"policy"`
	}{renderPolicy(p.Policy())})
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
		for _, entries := range entriesOf(p, def.ID) {
			showCheck(out, &def, entries)
		}
	}
	return out
}

// entriesOf gives the entries of a check, together those that are about the same: a check may be made several times on
// one machine, under different names.
func entriesOf(p *policy.Policy, id string) [][]policy.Check {
	var out [][]policy.Check
	for i := range p.Checks {
		c := &p.Checks[i]
		if c.ID != id {
			continue
		}
		same := slices.IndexFunc(out, func(o []policy.Check) bool { return o[0].Name == c.Name })
		if same < 0 {
			same, out = len(out), append(out, nil)
		}
		out[same] = append(out[same], *c)
	}
	return out
}

func showCheck(out map[string]map[string]any, def *policy.Definition, entries []policy.Check) {
	key := policyCategory(def.Category)
	if out[key] == nil {
		out[key] = map[string]any{"apply_to": appliesTo{}}
	}
	all, _ := out[key]["apply_to"].(appliesTo)
	out[key]["apply_to"] = all.or(appliesTo{
		appliesToType(entries, posture.Laptop), appliesToType(entries, posture.Desktop),
		appliesToType(entries, posture.Server), appliesToType(entries, posture.VM),
	})
	shown := policyCheck{Desc: cmp.Or(entries[0].Title, def.Title)}
	for i := range entries {
		shown.add(&entries[i])
	}
	name := titleWords(def.ID)
	if entries[0].Name != "" {
		name += "_" + entries[0].Name
	}
	out[key][name] = shown
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

func (a appliesTo) or(b appliesTo) appliesTo {
	return appliesTo{max(a.Laptop, b.Laptop), max(a.Desktop, b.Desktop), max(a.Server, b.Server), max(a.VM, b.VM)}
}

// appliesToType is 1 if the entries of a check switch it on for some computers of a type. The first entry that covers a
// computer holds for it, so one that is off hides the later ones, unless it is for some systems only.
func appliesToType(entries []policy.Check, kind posture.DeviceType) int {
	for i := range entries {
		e := &entries[i]
		switch {
		case len(e.DeviceTypes) > 0 && !slices.Contains(e.DeviceTypes, kind):
		case e.Severity != policy.Off:
			return 1
		case len(e.OS) == 0:
			return 0
		}
	}
	return 0
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
	return cmp.Or(wordFor(policyCategories, c), titleWords(string(c)))
}

// titleWords writes cloud_storage as Cloud_Storage.
func titleWords(id string) string {
	words := strings.FieldsFunc(id, func(r rune) bool { return r == '_' || r == '-' })
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "_")
}
