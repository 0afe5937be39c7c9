package policy

import (
	"slices"

	"muster/internal/posture"
)

// Covered gives the categories in which the policy makes a check on a machine of this system and type, in the order in
// which issues come.
func (p *Policy) Covered(family posture.OSFamily, kind posture.DeviceType) []posture.Category {
	s := &subject{report: &posture.Report{DeviceType: kind, OS: posture.OS{Family: family}}}
	var out []posture.Category
	for i := range areas {
		for _, a := range s.active(p, &areas[i]) {
			if !slices.Contains(out, a.def.category) {
				out = append(out, a.def.category)
			}
		}
	}
	return out
}
