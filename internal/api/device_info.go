package api

import (
	"slices"

	"muster/internal/device"
	"muster/internal/posture"
)

// information is what device information tells of a device.
type information struct {
	ID         string             `json:"device_id"`
	Status     string             `json:"status"`
	Severity   string             `json:"severity"`
	Name       string             `json:"device_name,omitempty"`
	Categories []categorySeverity `json:"categories"`
}

type categorySeverity struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
}

// deviceInfo answers with how devices stand in categories.
func (d *door) deviceInfo(c *call) error {
	sels := readIDs(&c.params, true)
	selected := words(c.params.object("select"), "categories", informationCategories)
	if c.params.err != nil {
		return c.params.err
	}
	found, err := d.findDevices(c, sels)
	if err != nil {
		return err
	}
	out := make([]information, 0, len(found))
	for _, one := range found {
		verdict, err := d.verdictOf(c, one.ID)
		if err != nil {
			return err
		}
		categories := selected
		if len(selected) == 0 {
			if categories, err = d.categoriesOf(c, one, &verdict); err != nil {
				return err
			}
		}
		out = append(out, information{
			ID: one.ID, Status: wordFor(detailStatuses, one.Cell.Status), Severity: wordFor(detailSeverities, one.Cell.Severity),
			Name: shownName(one), Categories: categorySeverities(&verdict, categories),
		})
	}
	c.answer(out)
	return nil
}

// categoriesOf gives those that apply to a device: the policy makes a check in it, the device has a product of it, or its
// verdict an issue in it. To one that never reported none applies.
func (d *door) categoriesOf(c *call, one *device.Device, v *posture.Verdict) ([]posture.Category, error) {
	if one.ReportedAt.IsZero() {
		return nil, nil
	}
	rules, err := d.Policies.OfGroup(c.r.Context(), c.account.ID, one.Cell.Group)
	if err != nil {
		return nil, err
	}
	report, err := d.reportOf(c, one.ID)
	if err != nil {
		return nil, err
	}
	out := rules.Policy().Covered(one.OSFamily, one.Type)
	for i := range v.Issues {
		out = append(out, v.Issues[i].Category)
	}
	for i := range report.Applications {
		out = append(out, report.Applications[i].Category)
	}
	return out, nil
}

// categorySeverities gives the worst issue in each category, in the order of the reference.
func categorySeverities(v *posture.Verdict, categories []posture.Category) []categorySeverity {
	out := []categorySeverity{}
	for _, category := range informationCategories {
		if !slices.Contains(categories, category.means) {
			continue
		}
		worst := posture.NoIssue
		for i := range v.Issues {
			if v.Issues[i].Category == category.means {
				worst = max(worst, v.Issues[i].Severity)
			}
		}
		out = append(out, categorySeverity{category.word, wordFor(detailSeverities, worst)})
	}
	return out
}
